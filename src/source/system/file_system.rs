//! The file-system trait, and the disk behind it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Signature;

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link. Only directory listings say this; [`FileSystem::kind`] follows links.
    Symlink,
    /// Something else: a socket, a device.
    Other,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DirEntry {
    /// The name, without the folder. Names that are not UTF-8 have their wrong bytes replaced.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: EntryKind,
}

/// Reading access to files and folders. Paths are absolute or relative to the current folder of the process.
pub trait FileSystem: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// When it does not exist, is a folder, or cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The entries of a folder, sorted by name.
    ///
    /// # Errors
    /// When it does not exist, is no folder, or cannot be read.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// The entries of a folder without those of these names: whether they are there does not matter to who asks.
    ///
    /// # Errors
    /// As [`FileSystem::read_dir`].
    fn read_dir_except(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        let mut entries = self.read_dir(path)?;
        entries.retain(|entry| !except.contains(&&*entry.name));
        Ok(entries)
    }

    /// What lies at a path, links followed; none where there is nothing, a link leads nowhere, or the way to it may
    /// not be looked at.
    fn kind(&self, path: &Path) -> Option<EntryKind>;

    /// The path without links, `.` and `..`: equal results are the same file, which ends walks through looping links.
    ///
    /// # Errors
    /// When nothing lies there.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// By what a file or folder is known to be unchanged without reading it; none where that cannot be told.
    fn signature(&self, _path: &Path) -> Option<Signature> {
        None
    }

    /// Whether a file lies at a path.
    fn is_file(&self, path: &Path) -> bool {
        self.kind(path) == Some(EntryKind::File)
    }

    /// Whether a folder lies at a path.
    fn is_dir(&self, path: &Path) -> bool {
        self.kind(path) == Some(EntryKind::Directory)
    }
}

/// Why reading failed, in words: the same on every system and without its error number.
pub fn reason(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is not a directory".to_owned(),
        _ => error.to_string(),
    };
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// Larger files are not read: spans hold 32-bit offsets, and no spec or list is that long.
const LARGEST_FILE: u64 = 1_000_000_000;

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFileSystem;

#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the disk")]
impl FileSystem for DiskFileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Pipes and devices may never end, or never begin.
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe or device, not a file"));
        }
        if metadata.len() > LARGEST_FILE {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 GB"));
        }
        fs::read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type().map_or(EntryKind::Other, kind_of);
            entries.push(DirEntry { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        entries.sort();
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        fs::metadata(path).ok().map(|metadata| kind_of(metadata.file_type()))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn signature(&self, path: &Path) -> Option<Signature> {
        Signature::settled(path)
    }
}

fn kind_of(kind: fs::FileType) -> EntryKind {
    if kind.is_file() {
        EntryKind::File
    } else if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_symlink() {
        EntryKind::Symlink
    } else {
        EntryKind::Other
    }
}

/// Lets a shared file system stand wherever a file system is wanted.
impl<F: FileSystem + ?Sized> FileSystem for std::sync::Arc<F> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        (**self).read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        (**self).read_dir(path)
    }

    fn read_dir_except(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        (**self).read_dir_except(path, except)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        (**self).kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        (**self).canonicalize(path)
    }

    fn signature(&self, path: &Path) -> Option<Signature> {
        (**self).signature(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_lists_in_order_and_follows_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("b"), "b").unwrap();
        fs::create_dir(root.join("a")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("b", root.join("c")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("nowhere", root.join("d")).unwrap();
        let names: Vec<_> = DiskFileSystem.read_dir(root).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        assert_eq!(names[0], ("a".to_owned(), EntryKind::Directory));
        assert_eq!(names[1], ("b".to_owned(), EntryKind::File));
        #[cfg(unix)]
        {
            assert_eq!(names[2], ("c".to_owned(), EntryKind::Symlink));
            assert_eq!(DiskFileSystem.kind(&root.join("c")), Some(EntryKind::File));
            assert_eq!(DiskFileSystem.kind(&root.join("d")), None);
            let real = DiskFileSystem.canonicalize(&root.join("c")).unwrap();
            assert_eq!(real, DiskFileSystem.canonicalize(&root.join("a/../b")).unwrap());
        }
        assert!(DiskFileSystem.read(&root.join("a")).is_err());
    }
}
