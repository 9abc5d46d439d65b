//! Files and folders by pattern: `glob`, `globR`, `globRecursively`, `globFolders`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::diagnostics::Code;
use crate::eval::{Args, Eval, Machine, NativeFn, Raised, Value};
use crate::paths::{PathId, Paths};
use crate::source::system::{EntryKind, FileSystem, reason};

use super::support::{optional_bool, optional_string};

/// The global functions that look at folders.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("glob", glob),
    ("globR", glob_recursively),
    ("globRecursively", glob_recursively),
    ("globFolders", glob_folders),
];

/// Why a folder could not be searched.
#[derive(Debug, Error)]
#[error("the folder `{folder}` cannot be searched: {error}")]
pub struct GlobError {
    /// The folder.
    pub folder: String,
    /// What the file system said.
    pub error: io::Error,
}

/// What a search collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Files.
    Files,
    /// Folders.
    Folders,
}

/// The files in `folder` whose names match `pattern` (`*`, `?`); with `recursive` also those in all folders below it.
/// A pattern `*/name` looks one level further down. A folder that does not exist has no files. Files come sorted by
/// name, those of a folder before those of its sub-folders.
///
/// # Errors
/// When a folder is there but cannot be read.
pub fn glob_paths(
    file_system: &dyn FileSystem,
    paths: &Paths,
    folder: PathId,
    pattern: &str,
    recursive: bool,
) -> Result<Vec<PathId>, GlobError> {
    let one_down = pattern.strip_prefix("*/").or_else(|| pattern.strip_prefix("*\\")).filter(|rest| !rest.is_empty());
    let mut search = Search::new(file_system, paths, one_down.unwrap_or(pattern), recursive, Wanted::Files);
    search.run(folder, u32::from(one_down.is_some()))?;
    Ok(search.found)
}

/// The folders in `folder` whose names match `pattern`; see [`glob_paths`].
///
/// # Errors
/// When a folder is there but cannot be read.
pub fn glob_folder_paths(
    file_system: &dyn FileSystem,
    paths: &Paths,
    folder: PathId,
    pattern: &str,
    recursive: bool,
) -> Result<Vec<PathId>, GlobError> {
    let mut search = Search::new(file_system, paths, pattern, recursive, Wanted::Folders);
    search.run(folder, 0)?;
    Ok(search.found)
}

struct Search<'a> {
    file_system: &'a dyn FileSystem,
    paths: &'a Paths,
    pattern: &'a str,
    recursive: bool,
    wanted: Wanted,
    found: Vec<PathId>,
    /// Where links to folders lead, so that a link to a folder above does not go round for ever.
    followed: BTreeSet<PathBuf>,
}

impl<'a> Search<'a> {
    fn new(
        file_system: &'a dyn FileSystem,
        paths: &'a Paths,
        pattern: &'a str,
        recursive: bool,
        wanted: Wanted,
    ) -> Self {
        // Every name matches `*.*`, also one without a dot.
        let pattern = if pattern == "*.*" { "*" } else { pattern };
        Self { file_system, paths, pattern, recursive, wanted, found: Vec::new(), followed: BTreeSet::new() }
    }

    /// Searches `folder`; what lies less than `skip` levels below it is not collected.
    fn run(&mut self, folder: PathId, skip: u32) -> Result<(), GlobError> {
        let mut pending = vec![(folder, skip)];
        while let Some((folder, skip)) = pending.pop() {
            let text = self.paths.display(folder);
            let entries = match self.file_system.read_dir(Path::new(&text)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(GlobError { folder: text, error }),
            };
            let mut below = Vec::new();
            for entry in entries {
                let kind = match entry.kind {
                    EntryKind::Symlink => self.file_system.kind(&Path::new(&text).join(&entry.name)),
                    kind => Some(kind),
                };
                let path = self.paths.child_named(folder, &entry.name);
                let wanted = match self.wanted {
                    Wanted::Files => kind == Some(EntryKind::File),
                    Wanted::Folders => kind == Some(EntryKind::Directory),
                };
                if wanted && skip == 0 && self.matches(&entry.name) {
                    self.found.push(path);
                }
                if kind == Some(EntryKind::Directory)
                    && (self.recursive || skip > 0)
                    && (entry.kind != EntryKind::Symlink || self.follows(path))
                {
                    below.push((path, skip.saturating_sub(1)));
                }
            }
            // The last one pushed is searched first.
            pending.extend(below.into_iter().rev());
        }
        Ok(())
    }

    /// Whether the pattern means this name.
    fn matches(&self, name: &str) -> bool {
        match self.paths.os().has_case_blind_paths() {
            true => matches(&self.pattern.to_lowercase(), &name.to_lowercase()),
            false => matches(self.pattern, name),
        }
    }

    /// Whether a link to a folder leads somewhere new.
    fn follows(&mut self, link: PathId) -> bool {
        let text = self.paths.display(link);
        self.file_system.canonicalize(Path::new(&text)).is_ok_and(|target| self.followed.insert(target))
    }
}

/// Whether a name matches a pattern of `*` (any text) and `?` (any character).
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and the first character of the name that it does not swallow yet.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, swallowed)) => {
                    star = Some((at, swallowed + 1));
                    p = at + 1;
                    n = swallowed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn glob<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    files(m, args, false)
}

fn glob_recursively<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    files(m, args, true)
}

fn files<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, recursive: bool) -> Eval<'h> {
    let folder = m.path_arg(args, 0)?;
    let pattern = optional_string(m, args, 1)?.unwrap_or("*");
    let found = glob_paths(&*m.host().file_system, m.paths(), folder, pattern, recursive);
    let files: Vec<_> =
        found.map_err(|error| failed(m, args, &error))?.iter().map(|path| m.source_file(*path)).collect();
    Ok(m.array(&files))
}

fn glob_folders<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let folder = m.path_arg(args, 0)?;
    let pattern = optional_string(m, args, 1)?.unwrap_or("*");
    let recursive = optional_bool(m, args, 2)?;
    let found = glob_folder_paths(&*m.host().file_system, m.paths(), folder, pattern, recursive);
    let folders: Vec<_> = found.map_err(|error| failed(m, args, &error))?.into_iter().map(Value::Directory).collect();
    Ok(m.array(&folders))
}

fn failed<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, error: &GlobError) -> Raised {
    let folder = m.paths().parse_absolute(&error.folder).map_or_else(|_| error.folder.clone(), |path| m.show(path));
    let message = format!("the folder `{folder}` cannot be searched: {}", reason(&error.error));
    m.fail_at(args, 0, Code::Dx(9348), message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::Symbols;
    use crate::source::system::MemoryFileSystem;

    #[test]
    fn names_match_patterns() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "a.cs", true),
            ("*.cs", "a.cs", true),
            ("*.cs", "a.csx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaybzb", true),
            ("", "a", false),
            ("a.cs", "A.cs", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_are_searched_in_order() {
        let paths = Paths::new(Arc::new(Symbols::new()));
        let mut disk = MemoryFileSystem::new();
        for file in ["/w/b.cs", "/w/a.cs", "/w/x/c.cs", "/w/x/y/d.cs", "/w/x/e.txt"] {
            disk.insert(file, "");
        }
        let root = paths.parse_absolute("/w").unwrap();
        let files = |pattern: &str, recursive: bool| -> Vec<String> {
            let found = glob_paths(&disk, &paths, root, pattern, recursive).unwrap();
            found.into_iter().map(|path| paths.display(path)).collect()
        };
        assert_eq!(files("*.cs", false), ["/w/a.cs", "/w/b.cs"]);
        assert_eq!(files("*.cs", true), ["/w/a.cs", "/w/b.cs", "/w/x/c.cs", "/w/x/y/d.cs"]);
        assert_eq!(files("*/*.cs", false), ["/w/x/c.cs"]);
        assert_eq!(files("*/*.cs", true), ["/w/x/c.cs", "/w/x/y/d.cs"]);
        let folders = glob_folder_paths(&disk, &paths, root, "*", true).unwrap();
        assert_eq!(folders.len(), 2);
        let nowhere = paths.parse_absolute("/nowhere").unwrap();
        assert!(glob_paths(&disk, &paths, nowhere, "*", true).unwrap().is_empty());
    }
}
