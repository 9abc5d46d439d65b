//! `glob`, `globR` and `globFolders`: files and folders by the pattern of their names.

use std::path::Path;

use thiserror::Error;

use crate::paths::{PathId, Paths, split};
use crate::source::system::{EntryKind, FileSystem};

/// Names match whatever their letter case on hosts whose file systems do not tell it apart.
const IGNORE_CASE: bool = cfg!(any(windows, target_os = "macos"));

/// Why files cannot be found by a pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GlobError {
    /// A folder is there, but cannot be listed.
    #[error("cannot list `{folder}`: {reason}")]
    Unreadable {
        /// The folder.
        folder: String,
        /// What the system says.
        reason: String,
    },
    /// The folder to search is a file.
    #[error("`{folder}` is not a folder")]
    NotAFolder {
        /// The path.
        folder: String,
    },
    /// A pattern with `..`.
    #[error("the pattern `{pattern}` holds `..`")]
    Climbs {
        /// The whole pattern.
        pattern: String,
    },
}

/// The files in `folder` whose names match `pattern`, with `recursive` those in the folders below it too.
///
/// `*` stands for any characters and `?` for one. Parts of the pattern before a separator match folders, so that
/// `*/name` looks exactly one level below. A folder that is not there has no files. Going down into all folders does not
/// follow links, so looping links do no harm. The result is in the order of [`Paths::compare`].
///
/// # Errors
/// When a folder cannot be listed, or the pattern climbs.
pub fn glob(
    fs: &dyn FileSystem,
    paths: &Paths,
    folder: PathId,
    pattern: &str,
    recursive: bool,
) -> Result<Vec<PathId>, GlobError> {
    Search { fs, paths, pattern, recursive, want: EntryKind::File }.run(folder)
}

/// The folders in `folder` whose names match `pattern`, with `recursive` those further below too. See [`glob()`].
///
/// # Errors
/// When a folder cannot be listed, or the pattern climbs.
pub fn glob_folders(
    fs: &dyn FileSystem,
    paths: &Paths,
    folder: PathId,
    pattern: &str,
    recursive: bool,
) -> Result<Vec<PathId>, GlobError> {
    Search { fs, paths, pattern, recursive, want: EntryKind::Directory }.run(folder)
}

struct Search<'a> {
    fs: &'a dyn FileSystem,
    paths: &'a Paths,
    pattern: &'a str,
    recursive: bool,
    want: EntryKind,
}

impl Search<'_> {
    fn run(self, folder: PathId) -> Result<Vec<PathId>, GlobError> {
        let mut parts: Vec<&str> = split(self.pattern).filter(|part| *part != ".").collect();
        if parts.contains(&"..") {
            return Err(GlobError::Climbs { pattern: self.pattern.to_owned() });
        }
        let Some(name) = parts.pop() else { return Ok(Vec::new()) };
        let shown = self.paths.display(folder);
        match self.fs.kind(Path::new(&shown)) {
            Some(EntryKind::Directory) => {}
            None => return Ok(Vec::new()),
            Some(_) => return Err(GlobError::NotAFolder { folder: shown }),
        }
        let mut found = Vec::new();
        // Folders still to look at, each with how many parts of the pattern lie behind.
        let mut work = vec![(folder, shown, 0)];
        while let Some((folder, shown, behind)) = work.pop() {
            let entries = match self.fs.read_dir(Path::new(&shown)) {
                Ok(entries) => entries,
                // It vanished meanwhile: the same as if it had never been there.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(GlobError::Unreadable { folder: shown, reason: error.to_string() }),
            };
            let names_wanted = behind == parts.len();
            for entry in entries {
                let path = || format!("{}/{}", shown.trim_end_matches('/'), entry.name);
                let link = entry.kind == EntryKind::Symlink;
                let kind = if link { self.fs.kind(Path::new(&path())) } else { Some(entry.kind) };
                let is_folder = kind == Some(EntryKind::Directory);
                if names_wanted && kind == Some(self.want) && matches(name, &entry.name) {
                    found.push(self.paths.child_named(folder, &entry.name));
                }
                let descend = if names_wanted { self.recursive && !link } else { matches(parts[behind], &entry.name) };
                if is_folder && descend {
                    let behind = if names_wanted { behind } else { behind + 1 };
                    work.push((self.paths.child_named(folder, &entry.name), path(), behind));
                }
            }
        }
        found.sort_by(|a, b| self.paths.compare(*a, *b));
        Ok(found)
    }
}

/// Whether a name matches a pattern of `*` and `?`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let equal = |a: char, b: char| a == b || IGNORE_CASE && a.to_lowercase().eq(b.to_lowercase());
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Where to go on when what follows the last `*` does not fit: one more character belongs to the `*`.
    let mut retry: Option<(std::str::Chars, std::str::Chars)> = None;
    loop {
        let mut rest = name.clone();
        match (pattern.next(), rest.next()) {
            (Some('*'), _) => {
                retry = Some((pattern.clone(), name.clone()));
                continue;
            }
            (Some('?'), Some(_)) => name = rest,
            (Some(wanted), Some(found)) if equal(wanted, found) => name = rest,
            (None, None) => return true,
            _ => {
                let Some((after, from)) = &mut retry else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, name) = (after.clone(), from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::Symbols;
    use crate::source::system::{DiskFileSystem, MemoryFileSystem};

    fn found(fs: &dyn FileSystem, folder: &str, pattern: &str, recursive: bool) -> Vec<String> {
        let paths = Paths::new(Arc::new(Symbols::new()));
        let folder = paths.parse_absolute(folder).unwrap();
        let files = glob(fs, &paths, folder, pattern, recursive).unwrap();
        files.into_iter().map(|path| paths.relative_to(path, folder).unwrap().display(paths.symbols())).collect()
    }

    #[test]
    fn patterns() {
        let cases = [
            ("*", "", true),
            ("*.dsc", "a.dsc", true),
            ("*.dsc", "a.dsc.bak", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.h", "é.h", true),
            ("?.h", ".h", false),
            ("a.h", "a.h", true),
            ("", "a", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn levels_and_order() {
        let fs = MemoryFileSystem::from([
            ("/w/b.h", ""),
            ("/w/a.h", ""),
            ("/w/a.c", ""),
            ("/w/x/a.h", ""),
            ("/w/x/y/a.h", ""),
        ]);
        assert_eq!(found(&fs, "/w", "*.h", false), ["a.h", "b.h"]);
        assert_eq!(found(&fs, "/w", "*.h", true), ["a.h", "b.h", "x/a.h", "x/y/a.h"]);
        assert_eq!(found(&fs, "/w", "*/a.h", false), ["x/a.h"]);
        assert_eq!(found(&fs, "/w", "*\\a.h", true), ["x/a.h", "x/y/a.h"]);
        assert_eq!(found(&fs, "/w/nowhere", "*", true), [""; 0]);
        let paths = Paths::new(Arc::new(Symbols::new()));
        let file = paths.parse_absolute("/w/a.c").unwrap();
        assert!(matches!(glob(&fs, &paths, file, "*", false), Err(GlobError::NotAFolder { .. })));
        assert!(matches!(glob(&fs, &paths, file, "../*", false), Err(GlobError::Climbs { .. })));
        let folder = paths.parse_absolute("/w").unwrap();
        let folders = glob_folders(&fs, &paths, folder, "*", true).unwrap();
        assert_eq!(folders.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn only_named_links_are_followed() {
        use std::os::unix::fs::symlink;
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for folder in ["a", "b"] {
            std::fs::create_dir(root.join(folder)).unwrap();
            std::fs::write(root.join(folder).join("f.h"), "").unwrap();
        }
        symlink("../b", root.join("a/to_b")).unwrap();
        symlink("../a", root.join("b/to_a")).unwrap();
        symlink(".", root.join("self")).unwrap();
        symlink("f.h", root.join("a/g.h")).unwrap();
        symlink("nowhere", root.join("a/broken.h")).unwrap();
        let root = root.to_str().unwrap();
        assert_eq!(found(&DiskFileSystem, root, "*.h", true), ["a/f.h", "a/g.h", "b/f.h"]);
        assert_eq!(found(&DiskFileSystem, root, "a/*/*.h", false), ["a/to_b/f.h"]);
    }
}
