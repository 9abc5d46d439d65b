//! A real directory becomes contents of a store.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use prost::Message as _;
use rayon::prelude::*;

use super::{CaptureError, MAX_DEPTH, encode};
use crate::cas::api::reapi;
use crate::cas::{Digest, Keep, Store};

/// What was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The directory.
    pub root: Digest,
    /// The number of files in it, and below.
    pub files: u64,
    /// The number of directories, with the topmost one.
    pub directories: u64,
    /// The sizes of the files.
    pub bytes: u64,
}

/// Adds a directory and all that is in it to a store, on all threads of the pool. Symbolic links stay what they are;
/// the one that `folder` may itself be is followed. A directory is added after what is in it.
///
/// # Errors
/// When something cannot be read, is neither file, directory nor symbolic link, has a name that is not Unicode, holds
/// the store, or changes meanwhile; and when the store cannot be written. Errors name the path.
pub fn capture(store: &Store, folder: &Path, keep: Keep) -> Result<Captured, CaptureError> {
    let own = fs::metadata(store.folder()).map_err(|source| io_error("look at", store.folder(), source))?;
    let capture = Capture { store, keep, own: (own.dev(), own.ino()) };
    let mut found: Vec<Found> = Vec::new();
    // The directories of one depth after the other, each level in parallel: no thread needs more stack for deep trees.
    let mut levels: Vec<usize> = Vec::new();
    let mut level = vec![(folder.to_owned(), None)];
    while !level.is_empty() {
        if levels.len() > MAX_DEPTH {
            return Err(CaptureError::TooDeep { path: level.swap_remove(0).0 });
        }
        levels.push(found.len());
        let read: Vec<Found> =
            level.into_par_iter().map(|(path, parent)| capture.read(path, parent)).collect::<Result<_, _>>()?;
        level = Vec::new();
        for (at, read) in (found.len()..).zip(&read) {
            level.extend(read.below.iter().map(|name| (read.path.join(name), Some(at))));
        }
        found.extend(read);
    }
    let mut captured = Captured {
        root: Digest::EMPTY,
        files: found.iter().map(|found| found.message.files.len() as u64).sum(),
        directories: found.len() as u64,
        bytes: found
            .iter()
            .flat_map(|found| &found.message.files)
            .filter_map(|file| file.digest.as_ref())
            .fold(0, |sum, digest| sum + digest.size_bytes.unsigned_abs()),
    };
    // Now from the deepest level up.
    let mut end = found.len();
    for begin in levels.into_iter().rev() {
        let digests: Vec<Digest> = found[begin..end]
            .par_iter()
            .map(|found| store.add_bytes(&found.message.encode_to_vec()))
            .collect::<Result<_, _>>()?;
        for (at, digest) in (begin..end).zip(digests) {
            let Some(parent) = found[at].parent else {
                captured.root = digest;
                continue;
            };
            // In the order of the level, which is that of the names for each parent.
            let name = std::mem::take(&mut found[at].name);
            found[parent].message.directories.push(encode::directory(name, digest));
        }
        end = begin;
    }
    Ok(captured)
}

/// Adds a file to a store, and says whether it is executable.
///
/// # Errors
/// As for [`capture`].
pub fn capture_file(store: &Store, path: &Path, keep: Keep) -> Result<(Digest, bool), CaptureError> {
    let own = fs::metadata(store.folder()).map_err(|source| io_error("look at", store.folder(), source))?;
    Capture { store, keep, own: (own.dev(), own.ino()) }.file(AT_FDCWD, path.as_os_str(), || path.to_owned())
}

struct Capture<'s> {
    store: &'s Store,
    keep: Keep,
    // The store's folder, as device and inode.
    own: (u64, u64),
}

// A directory whose files are in the store.
struct Found {
    path: PathBuf,
    // Its name in its parent, and where that is.
    name: String,
    parent: Option<usize>,
    // Still without directories.
    message: reapi::Directory,
    below: Vec<String>,
}

// What stands in a directory. Names are sorted.
#[derive(Default)]
struct Names {
    files: Vec<String>,
    links: Vec<String>,
    below: Vec<String>,
}

impl Capture<'_> {
    fn read(&self, path: PathBuf, parent: Option<usize>) -> Result<Found, CaptureError> {
        let failed = |action| {
            let path = &path;
            move |error: Errno| io_error(action, path, error.into())
        };
        let mut flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        // Below the topmost directory, a link in the place of a directory has been put there since.
        if parent.is_some() {
            flags |= OFlag::O_NOFOLLOW;
        }
        let folder = openat(AT_FDCWD, &path, flags, Mode::empty()).map_err(|error| match error {
            Errno::ELOOP | Errno::ENOENT | Errno::ENOTDIR if parent.is_some() => {
                CaptureError::Changed { path: path.clone() }
            }
            error => failed("open")(error),
        })?;
        let before = fstat(&folder).map_err(failed("look at"))?;
        if (before.st_dev, before.st_ino) == self.own {
            return Err(CaptureError::HoldsStore { path });
        }
        let names = list(&folder, &path)?;
        let files: Vec<reapi::FileNode> = names
            .files
            .into_par_iter()
            // Files are so quickly read that a thread should not go for just one.
            .with_min_len(16)
            .map(|name| {
                let (digest, is_executable) = self.file(folder.as_fd(), OsStr::new(&name), || path.join(&name))?;
                Ok(encode::file(name, digest, is_executable))
            })
            .collect::<Result<_, CaptureError>>()?;
        let mut symlinks = Vec::with_capacity(names.links.len());
        for name in names.links {
            let target = readlinkat(&folder, name.as_str()).map_err(|error| match error {
                Errno::EINVAL | Errno::ENOENT => CaptureError::Changed { path: path.join(&name) },
                error => io_error("read", &path.join(&name), error.into()),
            })?;
            let target = target.into_string().map_err(|_| CaptureError::TargetNotUnicode { path: path.join(&name) })?;
            symlinks.push(encode::link(name, target));
        }
        // With links, files are replaced, so the directory's time says nothing.
        let after = fstat(&folder).map_err(failed("look at"))?;
        if self.keep == Keep::Copy && times(&before) != times(&after) {
            return Err(CaptureError::Changed { path });
        }
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        let message = reapi::Directory { files, symlinks, ..Default::default() };
        Ok(Found { name, path, parent, message, below: names.below })
    }

    // Adds one file of an open directory.
    fn file(
        &self,
        folder: impl AsFd,
        name: &OsStr,
        path: impl Fn() -> PathBuf,
    ) -> Result<(Digest, bool), CaptureError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file: File = match openat(folder, name, flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(Errno::ELOOP | Errno::ENXIO) => return Err(CaptureError::Special { path: path() }),
            Err(error) => return Err(io_error("open", &path(), error.into())),
        };
        let look = || file.metadata().map_err(|source| io_error("look at", &path(), source));
        let before = look()?;
        if !before.is_file() {
            return Err(CaptureError::Special { path: path() });
        }
        let executable = before.permissions().mode() & 0o111 != 0;
        if self.keep == Keep::Link {
            let digest = self.store.add_file(&path(), Keep::Link)?;
            return Ok((digest, executable));
        }
        let digest = self.store.copy_open(&file, &before, &path(), None)?;
        let after = look()?;
        let same = |at: &fs::Metadata| (at.len(), at.mtime(), at.mtime_nsec(), at.ctime(), at.ctime_nsec());
        // The time of the inode also changes with a link that somebody makes or removes; then it may be tried again.
        if digest.size != before.len() || same(&before) != same(&after) {
            return Err(CaptureError::Changed { path: path() });
        }
        Ok((digest, executable))
    }
}

fn list(folder: &OwnedFd, path: &Path) -> Result<Names, CaptureError> {
    let failed = |error: Errno| io_error("list", path, error.into());
    let mut names = Names::default();
    // Opened anew, as reading the list moves a place that duplicates of a descriptor share.
    let mut dir = Dir::openat(folder, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(failed)?;
    for entry in dir.iter() {
        let entry = entry.map_err(failed)?;
        let bytes = entry.file_name().to_bytes();
        if matches!(bytes, b"." | b"..") {
            continue;
        }
        let here = || path.join(OsStr::from_bytes(bytes));
        let Ok(name) = OsString::from_vec(bytes.to_vec()).into_string() else {
            return Err(CaptureError::NotUnicode { path: here() });
        };
        let kind = match entry.file_type() {
            Some(kind) => kind,
            // The file system does not say.
            None => match fstatat(folder, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => kind_of(&stat),
                Err(Errno::ENOENT) => return Err(CaptureError::Changed { path: here() }),
                Err(error) => return Err(io_error("look at", &here(), error.into())),
            },
        };
        match kind {
            Type::File => names.files.push(name),
            Type::Symlink => names.links.push(name),
            Type::Directory => names.below.push(name),
            _ => return Err(CaptureError::Special { path: here() }),
        }
    }
    names.files.sort_unstable();
    names.links.sort_unstable();
    names.below.sort_unstable();
    Ok(names)
}

fn kind_of(stat: &FileStat) -> Type {
    match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Type::File,
        SFlag::S_IFLNK => Type::Symlink,
        SFlag::S_IFDIR => Type::Directory,
        // One of those that are refused.
        _ => Type::Fifo,
    }
}

fn times(stat: &FileStat) -> (i64, i64, i64, i64) {
    (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec)
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> CaptureError {
    CaptureError::Io { action, path: path.to_owned(), source }
}
