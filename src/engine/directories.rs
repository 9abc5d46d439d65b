//! What sealed directories hold, once it is known.

use std::sync::Arc;

use regex::Regex;
use rustc_hash::FxHashMap;

use super::content::Content;
use crate::graph::{FileArtifact, FilterKind, PipGraph, SealDirectoryPip, SealKind};
use crate::paths::{PathId, Paths};

/// What a sealed directory holds.
#[derive(Debug)]
pub(super) enum Contents {
    /// A full or partial seal: files that were listed, and whole output directories.
    Listed { files: FxHashMap<PathId, FileArtifact>, directories: Vec<Arc<Contents>> },
    /// A sealed source directory.
    Source { root: PathId, deep: bool, patterns: Vec<Regex> },
    /// What a pip left in an output directory, or a view of several of these. Sorted by path number. The folders
    /// between the root and the files are among them.
    Opaque(Box<[(PathId, Content)]>),
}

/// Where a path was found.
pub(super) enum Found<'c> {
    /// A file that is named in a spec.
    Artifact(FileArtifact),
    /// What a pip was seen to leave.
    Dynamic(&'c Content),
    /// A source file below a sealed source directory.
    Source,
}

impl Contents {
    /// Contents of an output directory.
    pub(super) fn opaque(mut entries: Vec<(PathId, Content)>) -> Self {
        entries.sort_unstable_by_key(|(path, _)| path.0);
        entries.dedup_by_key(|(path, _)| *path);
        Self::Opaque(entries.into())
    }

    /// What is known of a path.
    pub(super) fn find(&self, path: PathId, paths: &Paths) -> Option<Found<'_>> {
        match self {
            Contents::Listed { files, directories } => match files.get(&path) {
                Some(artifact) => Some(Found::Artifact(*artifact)),
                None => directories.iter().find_map(|directory| directory.find(path, paths)),
            },
            Contents::Source { root, deep, patterns } => {
                let inside = match deep {
                    true => path != *root && paths.is_within(path, *root),
                    false => paths.parent(path) == Some(*root),
                };
                let name = || paths.name(path).map_or("", |name| paths.symbols().text(name));
                let fits = inside && (patterns.is_empty() || patterns.iter().any(|pattern| pattern.is_match(name())));
                fits.then_some(Found::Source)
            }
            Contents::Opaque(entries) => {
                let at = entries.binary_search_by_key(&path.0, |(path, _)| path.0).ok()?;
                Some(Found::Dynamic(&entries[at].1))
            }
        }
    }

    /// Every path that is known by name.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(PathId)) {
        match self {
            Contents::Listed { files, directories } => {
                // The order does not matter: callers collect into ordered sets.
                #[allow(clippy::iter_over_hash_type, reason = "callers sort")]
                for path in files.keys() {
                    visit(*path);
                }
                for directory in directories {
                    directory.for_each(visit);
                }
            }
            Contents::Source { .. } => {}
            Contents::Opaque(entries) => entries.iter().for_each(|(path, _)| visit(*path)),
        }
    }

    /// The entries of an output directory or a view of some; empty for other kinds.
    pub(super) fn entries(&self) -> &[(PathId, Content)] {
        match self {
            Contents::Opaque(entries) => entries,
            _ => &[],
        }
    }
}

/// The contents of a directory that is not an output of one process. `of` gives those of its parts.
pub(super) fn sealed(
    graph: &PipGraph,
    seal: &SealDirectoryPip,
    of: impl Fn(crate::graph::DirectoryId) -> Option<Arc<Contents>>,
) -> Contents {
    let parts = || seal.directories.iter().filter_map(|directory| of(*directory));
    match seal.kind {
        SealKind::SourceTop | SealKind::SourceAll => Contents::Source {
            root: seal.root,
            deep: seal.kind == SealKind::SourceAll,
            patterns: seal.patterns.iter().filter_map(|pattern| name_pattern(graph.text(*pattern))).collect(),
        },
        SealKind::Full | SealKind::Partial | SealKind::SharedOpaque | SealKind::ExclusiveOpaque => Contents::Listed {
            files: seal.files.iter().map(|artifact| (artifact.path, *artifact)).collect(),
            directories: parts().collect(),
        },
        SealKind::Composite | SealKind::SubDirectory => composed(graph, seal, parts()),
    }
}

/// A view of output directories: what lies below its root and passes its filter. The filter is matched against the full
/// path of each file; folders stay only where a file below them does, or where nothing is filtered.
fn composed(graph: &PipGraph, seal: &SealDirectoryPip, parts: impl Iterator<Item = Arc<Contents>>) -> Contents {
    let paths = graph.paths();
    // The text was checked when the spec was evaluated.
    let filter = seal.filter.and_then(|filter| Some((filter.kind, Regex::new(graph.text(filter.regex)).ok()?)));
    let stays = |path: PathId| match &filter {
        None => true,
        Some((kind, regex)) => regex.is_match(&paths.display(path)) == (*kind == FilterKind::Include),
    };
    let mut entries = Vec::new();
    let mut folders = Vec::new();
    for part in parts {
        for (path, content) in part.entries().iter().filter(|(path, _)| paths.is_within(*path, seal.root)) {
            match content {
                Content::Directory if filter.is_some() => folders.push(*path),
                _ if *content == Content::Directory || stays(*path) => entries.push((*path, content.clone())),
                _ => {}
            }
        }
    }
    if !folders.is_empty() {
        let mut above = rustc_hash::FxHashSet::default();
        for (path, _) in &entries {
            above.extend(paths.ancestors(*path).skip(1).take_while(|at| paths.is_within(*at, seal.root)));
        }
        entries.extend(folders.into_iter().filter(|folder| above.contains(folder)).map(|it| (it, Content::Directory)));
    }
    Contents::opaque(entries)
}

/// A pattern for file names, with `*` for any text and `?` for any character.
fn name_pattern(text: &str) -> Option<Regex> {
    let mut pattern = String::from("^(?s:");
    for c in text.chars() {
        match c {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push_str(")$");
    Regex::new(&pattern).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_patterns_are_globs_over_the_whole_name() {
        let fits = |pattern: &str, name: &str| name_pattern(pattern).is_some_and(|regex| regex.is_match(name));
        assert!(fits("*.h", "a.h") && fits("?.h", "é.h") && fits("a+b", "a+b"));
        assert!(!fits("*.h", "a.hpp") && !fits("?.h", "ab.h") && !fits("a+b", "aab"));
    }
}
