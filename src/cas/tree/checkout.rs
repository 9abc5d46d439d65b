//! A tree of a store becomes a real directory.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::walk::{Directories, check_size, digest_of, join, load};
use super::{CheckoutError, WalkError};
use crate::cas::api::reapi;
use crate::cas::{Digest, Materialize, Store};

/// What was put on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckedOut {
    /// The number of files.
    pub files: u64,
    /// The number of directories, with the topmost one.
    pub directories: u64,
    /// The sizes of the files.
    pub bytes: u64,
}

/// Puts a tree at a path, where nothing may be, or an empty directory. Files that are not `writable` are read-only and
/// share their inodes with the store where that is possible; the others are copies. All threads of the pool work.
///
/// Symbolic links are made after everything else, so nothing is ever written through one. When it fails, what has been
/// made is removed, but for a directory that was there before, in which it stays.
///
/// # Errors
/// When something is there, the store lacks a directory or a file (the error says which, and for which path), the tree is
/// not sound, or the file system refuses.
pub fn checkout(store: &Store, root: &Digest, target: &Path, writable: bool) -> Result<CheckedOut, CheckoutError> {
    // Before anything is made: a tree that lacks a directory leaves no trace.
    let directories = load(store, root)?;
    check_size(&directories, root)?;
    let made = prepare(target)?;
    let answer = Checkout { store, root, directories, target, writable }.run();
    if answer.is_err() && made {
        // The first error is the one to be told.
        let _ = fs::remove_dir_all(target);
    }
    answer
}

struct Checkout<'c> {
    store: &'c Store,
    root: &'c Digest,
    directories: Directories,
    target: &'c Path,
    writable: bool,
}

// A directory at one of its places.
struct Place<'d> {
    // In the tree, and on the disk.
    path: String,
    real: PathBuf,
    message: &'d reapi::Directory,
}

impl Checkout<'_> {
    fn run(&self) -> Result<CheckedOut, CheckoutError> {
        let mut done = CheckedOut::default();
        let mut links: Vec<(PathBuf, &str)> = Vec::new();
        let mut level = vec![self.place(String::new(), self.target.to_owned(), self.root)?];
        while !level.is_empty() {
            let mut next = Vec::new();
            for place in &level {
                let message = place.message;
                done.directories += 1;
                done.files += message.files.len() as u64;
                links.extend(message.symlinks.iter().map(|link| (place.real.join(&link.name), link.target.as_str())));
                for below in &message.directories {
                    let path = join(&place.path, &below.name);
                    let digest = digest_of(below.digest.as_ref(), &path)?;
                    next.push(self.place(path, place.real.join(&below.name), &digest)?);
                }
            }
            // The files of a level, and the directories of the next, which nothing needs before.
            let (files, folders) = rayon::join(
                || level.par_iter().map(|place| self.fill(place)).sum::<Sum>().0,
                || next.par_iter().with_min_len(16).try_for_each(|place| make(&place.real)),
            );
            done.bytes += files?;
            folders?;
            level = next;
        }
        links.par_iter().with_min_len(16).try_for_each(|(path, target)| {
            symlink(target, path).map_err(|source| CheckoutError::Io { action: "create", path: path.clone(), source })
        })?;
        Ok(done)
    }

    fn place(&self, path: String, real: PathBuf, digest: &Digest) -> Result<Place<'_>, WalkError> {
        match self.directories.get(digest) {
            Some(message) => Ok(Place { path, real, message }),
            // They have all been read.
            None => Err(WalkError::Missing { digest: *digest, path }),
        }
    }

    fn fill(&self, place: &Place<'_>) -> Sum {
        place.message.files.par_iter().with_min_len(16).map(|file| Sum(self.file(place, file))).sum()
    }

    fn file(&self, place: &Place<'_>, file: &reapi::FileNode) -> Result<u64, CheckoutError> {
        let digest = digest_of(file.digest.as_ref(), &file.name)?;
        let target = place.real.join(&file.name);
        if digest.size == 0 && digest == Digest::EMPTY {
            // No inode has that many links as there are empty files.
            let bits = match (self.writable, file.is_executable) {
                (true, false) => 0o666,
                (true, true) => 0o777,
                (false, false) => 0o444,
                (false, true) => 0o555,
            };
            let made = OpenOptions::new().write(true).create_new(true).mode(bits).open(&target);
            return match made {
                Ok(_) => Ok(0),
                Err(source) => Err(CheckoutError::Io { action: "create", path: target, source }),
            };
        }
        let how = Materialize { executable: file.is_executable, writable: self.writable };
        match self.store.materialize(&digest, &target, how) {
            Ok(()) => Ok(digest.size),
            Err(error) if error.is_miss() => {
                Err(CheckoutError::Missing { digest, path: join(&place.path, &file.name) })
            }
            Err(error) => Err(error.into()),
        }
    }
}

// Sizes are added up; of errors the first counts, in the order of the tree, so that it is always the same.
struct Sum(Result<u64, CheckoutError>);

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut total = 0;
        for Sum(one) in all {
            match one {
                Ok(bytes) => total += bytes,
                Err(error) => return Self(Err(error)),
            }
        }
        Self(Ok(total))
    }
}

// Whether the directory was made, or was there.
fn prepare(target: &Path) -> Result<bool, CheckoutError> {
    let failed = |action| move |source| CheckoutError::Io { action, path: target.to_owned(), source };
    match fs::create_dir(target) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("create")(error)),
    }
    let occupied = || CheckoutError::Occupied { path: target.to_owned() };
    if !fs::symlink_metadata(target).map_err(failed("look at"))?.is_dir() {
        return Err(occupied());
    }
    match fs::read_dir(target).map_err(failed("list"))?.next() {
        None => Ok(false),
        Some(_) => Err(occupied()),
    }
}

fn make(path: &Path) -> Result<(), CheckoutError> {
    fs::create_dir(path).map_err(|source| CheckoutError::Io { action: "create", path: path.to_owned(), source })
}
