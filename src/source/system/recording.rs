//! Remembering what was looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{DirEntry, EntryKind, FileSystem};

/// Everything that was looked at in a file system, in the order of the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileAccesses {
    /// Files that were read.
    pub read: BTreeSet<PathBuf>,
    /// Folders that were listed.
    pub listed: BTreeSet<PathBuf>,
    /// Paths of which only the kind was asked, with the answer. Attempts to read or list what is not there count too.
    pub probed: BTreeMap<PathBuf, Option<EntryKind>>,
}

/// A file system that remembers every access; any thread may use it.
#[derive(Debug, Default)]
pub struct RecordingFileSystem<F> {
    inner: F,
    accesses: Mutex<FileAccesses>,
}

impl<F: FileSystem> RecordingFileSystem<F> {
    /// Nothing looked at yet.
    pub fn new(inner: F) -> Self {
        Self { inner, accesses: Mutex::default() }
    }

    /// What was looked at so far.
    pub fn accesses(&self) -> FileAccesses {
        self.note(|accesses| accesses.clone())
    }

    fn note<T>(&self, change: impl FnOnce(&mut FileAccesses) -> T) -> T {
        // A thread that panicked left the sets whole: each change is one insertion.
        change(&mut self.accesses.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F: FileSystem> FileSystem for RecordingFileSystem<F> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let result = self.inner.read(path);
        self.note(|accesses| match &result {
            Ok(_) => {
                accesses.read.insert(path.to_owned());
            }
            Err(_) => {
                accesses.probed.insert(path.to_owned(), None);
            }
        });
        result
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let result = self.inner.read_dir(path);
        self.note(|accesses| match &result {
            Ok(_) => {
                accesses.listed.insert(path.to_owned());
            }
            Err(_) => {
                accesses.probed.insert(path.to_owned(), None);
            }
        });
        result
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        let kind = self.inner.kind(path);
        self.note(|accesses| accesses.probed.insert(path.to_owned(), kind));
        kind
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryFileSystem;
    use super::*;

    #[test]
    fn accesses_are_kept_in_order() {
        let system = RecordingFileSystem::new(MemoryFileSystem::from([("/w/b", "b"), ("/w/a", "a")]));
        std::thread::scope(|scope| {
            for path in ["/w/b", "/w/a", "/w/c"] {
                let system = &system;
                scope.spawn(move || system.read(Path::new(path)).is_ok());
            }
        });
        assert!(system.is_dir(Path::new("/w")));
        assert_eq!(system.read_dir(Path::new("/w")).unwrap().len(), 2);
        let accesses = system.accesses();
        assert_eq!(accesses.read.iter().collect::<Vec<_>>(), [Path::new("/w/a"), Path::new("/w/b")]);
        assert_eq!(accesses.listed.len(), 1);
        assert_eq!(accesses.probed[Path::new("/w/c")], None);
        assert_eq!(accesses.probed[Path::new("/w")], Some(EntryKind::Directory));
    }
}
