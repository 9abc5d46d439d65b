//! Files that exist only in memory: for host programs and tests.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{DirEntry, EntryKind, FileSystem};

/// A file system made of `(path, content)` pairs. Folders exist where files lie in them; there are no links.
/// Relative paths count from `/`.
#[derive(Clone, Debug, Default)]
pub struct MemoryFileSystem {
    // Folders have no content.
    entries: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

impl MemoryFileSystem {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file, and the folders above it.
    pub fn insert(&mut self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) {
        let path = normal(path.as_ref());
        for folder in path.ancestors().skip(1) {
            self.entries.entry(folder.to_owned()).or_insert(None);
        }
        self.entries.insert(path, Some(content.into()));
    }

    /// Adds an empty folder, and the folders above it.
    pub fn insert_dir(&mut self, path: impl AsRef<Path>) {
        for folder in normal(path.as_ref()).ancestors() {
            self.entries.entry(folder.to_owned()).or_insert(None);
        }
    }
}

impl<P: AsRef<Path>, C: Into<Vec<u8>>> FromIterator<(P, C)> for MemoryFileSystem {
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let mut system = Self::new();
        for (path, content) in files {
            system.insert(path, content);
        }
        system
    }
}

impl<P: AsRef<Path>, C: Into<Vec<u8>>, const N: usize> From<[(P, C); N]> for MemoryFileSystem {
    fn from(files: [(P, C); N]) -> Self {
        files.into_iter().collect()
    }
}

impl FileSystem for MemoryFileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.entries.get(&normal(path)) {
            Some(Some(content)) => Ok(content.clone()),
            Some(None) => Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory")),
            None => Err(missing()),
        }
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let folder = normal(path);
        match self.entries.get(&folder) {
            Some(None) => {}
            Some(Some(_)) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a directory")),
            None => return Err(missing()),
        }
        let below = self.entries.range(folder.clone()..).skip(1).take_while(|(path, _)| path.starts_with(&folder));
        let mut entries: Vec<DirEntry> = below
            .filter(|(path, _)| path.parent() == Some(&folder))
            .filter_map(|(path, content)| {
                let kind = if content.is_some() { EntryKind::File } else { EntryKind::Directory };
                Some(DirEntry { name: path.file_name()?.to_string_lossy().into_owned(), kind })
            })
            .collect();
        entries.sort();
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.entries.get(&normal(path)).map(|content| match content {
            Some(_) => EntryKind::File,
            None => EntryKind::Directory,
        })
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let path = normal(path);
        if self.entries.contains_key(&path) { Ok(path) } else { Err(missing()) }
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file or directory")
}

/// Absolute, without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_from_files() {
        let system = MemoryFileSystem::from([("/w/a/x.dsc", "x"), ("/w/b.dsc", "b"), ("w/a-b", "c")]);
        let names: Vec<_> = system.read_dir(Path::new("/w")).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["a", "a-b", "b.dsc"]);
        assert_eq!(system.kind(Path::new("/w/a")), Some(EntryKind::Directory));
        assert_eq!(system.read(Path::new("/w/a/../b.dsc")).unwrap(), b"b");
        assert!(system.read(Path::new("/w/a")).is_err());
        assert!(system.read_dir(Path::new("/nope")).is_err());
        assert_eq!(system.canonicalize(Path::new("/w/./a/..")).unwrap(), Path::new("/w"));
    }
}
