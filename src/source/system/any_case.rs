//! Files that are found whatever the case of their letters, as on Windows and macOS.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{DirEntry, EntryKind, FileSystem};

/// Another file system in which names that differ only in the case of letters are one name. Where a folder holds
/// several such names, the one that is spelled as asked for is meant, else the first.
pub struct AnyCaseFileSystem {
    inner: Arc<dyn FileSystem>,
    /// Folders whose names were needed: by lower-case name, what the name is on disk.
    folders: Mutex<BTreeMap<PathBuf, Arc<BTreeMap<String, OsString>>>>,
}

impl AnyCaseFileSystem {
    /// Finds the files of `inner`.
    pub fn new(inner: Arc<dyn FileSystem>) -> Self {
        Self { inner, folders: Mutex::default() }
    }

    /// The path as it is spelled on disk; as it was given where nothing lies there.
    fn spelled(&self, path: &Path) -> PathBuf {
        if self.inner.kind(path).is_some() {
            return path.to_owned();
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
        let parent = self.spelled(parent);
        let exact = parent.join(name);
        if self.inner.kind(&exact).is_some() {
            return exact;
        }
        match self.names(&parent).get(&name.to_string_lossy().to_lowercase()) {
            Some(name) => parent.join(name),
            None => exact,
        }
    }

    fn names(&self, folder: &Path) -> Arc<BTreeMap<String, OsString>> {
        // A thread that panicked left the map whole: each change is one insertion.
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = folders.get(folder) {
            return known.clone();
        }
        let mut names = BTreeMap::new();
        // A folder that cannot be listed has no other spellings to offer; the access itself says what is wrong.
        for entry in self.inner.read_dir(folder).unwrap_or_default() {
            names.entry(entry.name.to_lowercase()).or_insert_with(|| entry.name.into());
        }
        let names = Arc::new(names);
        folders.insert(folder.to_owned(), names.clone());
        names
    }
}

impl FileSystem for AnyCaseFileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(&self.spelled(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(&self.spelled(path))
    }

    fn read_dir_except(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir_except(&self.spelled(path), except)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.inner.kind(&self.spelled(path))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(&self.spelled(path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryFileSystem;
    use super::*;

    #[test]
    fn every_part_may_be_spelled_otherwise() {
        let inner = MemoryFileSystem::from([("/w/Src/A.txt", "A"), ("/w/Src/a.txt", "a"), ("/w/Src/B.txt", "B")]);
        let system = AnyCaseFileSystem::new(Arc::new(inner));
        let read = |path: &str| system.read(Path::new(path)).ok();
        assert_eq!(read("/W/src/b.TXT"), Some(b"B".to_vec()));
        assert_eq!(read("/w/SRC/a.txt"), Some(b"a".to_vec()));
        assert_eq!(read("/w/src/nope"), None);
        assert_eq!(system.read_dir(Path::new("/w/sRc")).unwrap().len(), 3);
        assert_eq!(system.kind(Path::new("/W")), Some(EntryKind::Directory));
    }
}
