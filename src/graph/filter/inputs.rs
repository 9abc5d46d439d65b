//! Which pips read a path.

use super::pattern::{Matcher, Reach};
use crate::graph::{DirectoryId, FileArtifact, Pip, PipGraph, SealDirectoryPip, SealKind};
use crate::source::Symbol;

/// For each pip whether it declares to read what the matcher means.
pub(super) fn readers(graph: &PipGraph, matcher: &mut Matcher) -> Vec<Reach> {
    let directories = directories(graph, matcher);
    let paths = graph.paths();
    let mut reads = |files: &[FileArtifact], inside: &[DirectoryId]| {
        if files.iter().any(|file| matcher.matches(paths, file.path)) {
            return Reach::Whole;
        }
        inside.iter().map(|directory| directories[directory.0 as usize]).max().unwrap_or(Reach::None)
    };
    graph
        .ids()
        .map(|id| match graph.pip(id) {
            Pip::Process(process) => reads(&process.inputs, &process.directory_inputs),
            Pip::CopyFile(copy) => reads(&[copy.source], &[]),
            Pip::Ipc(ipc) => reads(&ipc.inputs, &ipc.directory_inputs),
            // A seal reads nothing.
            Pip::WriteFile(_) | Pip::SealDirectory(_) => Reach::None,
        })
        .collect()
}

/// For each directory whether who reads it reads what is meant.
fn directories(graph: &PipGraph, matcher: &mut Matcher) -> Vec<Reach> {
    let paths = graph.paths();
    let mut found: Vec<Reach> = Vec::with_capacity(graph.directories().len());
    for directory in graph.directories() {
        let Pip::SealDirectory(seal) = graph.pip(directory.pip) else {
            found.push(Reach::None);
            continue;
        };
        let named = matcher.matches(paths, seal.root);
        // A directory holds only directories that were there before it.
        let members = seal.directories.iter().filter_map(|member| found.get(member.0 as usize));
        let member = members.max().copied().unwrap_or(Reach::None);
        let file = seal.files.iter().any(|file| matcher.matches(paths, file.path));
        found.push(match seal.kind {
            _ if named => Reach::Whole,
            // Every source file that lies there is declared with it.
            SealKind::SourceTop | SealKind::SourceAll if in_sources(graph, seal, matcher) => Reach::Whole,
            SealKind::SourceTop | SealKind::SourceAll => Reach::None,
            SealKind::Full | SealKind::Partial if file => Reach::Whole,
            SealKind::Full | SealKind::Partial => member,
            SealKind::SharedOpaque | SealKind::ExclusiveOpaque if file => Reach::Whole,
            // Which of the files stay is known after the run.
            SealKind::Composite if seal.filter.is_some() => member.min(Reach::Part),
            SealKind::Composite => member,
            SealKind::SharedOpaque | SealKind::ExclusiveOpaque | SealKind::SubDirectory => {
                matcher.folder(paths, seal.root)
            }
        });
    }
    found
}

fn in_sources(graph: &PipGraph, seal: &SealDirectoryPip, matcher: &mut Matcher) -> bool {
    let paths = graph.paths();
    if !matcher.inside(paths, seal.root, seal.kind == SealKind::SourceTop) {
        return false;
    }
    let Some(name) = matcher.exact().and_then(|path| paths.name(path)) else { return true };
    let blind = paths.os().has_case_blind_paths();
    let fits = |pattern: &Symbol| fits(graph.text(*pattern), graph.text(name), blind);
    seal.patterns.is_empty() || seal.patterns.iter().any(fits)
}

/// Whether a name fits a pattern with `*` for any letters and `?` for one.
fn fits(pattern: &str, name: &str, blind: bool) -> bool {
    let letters = |text: &str| -> Vec<char> {
        if blind { text.to_lowercase().chars().collect() } else { text.chars().collect() }
    };
    let (pattern, name) = (letters(pattern), letters(name));
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and up to where of the name it reaches.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, reached)) => {
                    *reached += 1;
                    (p, n) = (*at + 1, *reached);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_of_names() {
        for (pattern, name, expected) in [
            ("*.h", "a.h", true),
            ("*.h", "a.hh", false),
            ("a?c*", "abcd", true),
            ("*a*b", "xaab", true),
            ("*a*b", "xaabc", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("**x", "x", true),
        ] {
            assert_eq!(fits(pattern, name, false), expected, "{pattern} {name}");
        }
        assert!(fits("*.H", "a.h", true) && !fits("*.H", "a.h", false));
    }
}
