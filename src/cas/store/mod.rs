//! A folder that has each content once, as a file named by its digest.
//!
//! ```text
//! version          the format, a number
//! lock             held shared by builds, exclusively by who removes what is no longer wanted
//! tmp/             files that are not finished
//! blobs/ab/cdef…   a content whose SHA-256 hash is abcdef…, not executable
//! blobs/ab/cdef…x  the same content, executable: that lives in the inode
//! roots/           what was put in on purpose, so that it is kept
//! ```
//!
//! Outputs of builds and the store share inodes by hard links, so keeping and restoring an output costs no copy. Such
//! files are read-only. That a file was changed nevertheless is noticed by its stamp. A file gets its final
//! name only when it is complete, so a process may be killed at any moment, and any number of processes may add the same
//! content at once. Nothing is forced to the disk: after a power failure a file may be short or empty, which
//! its size shows, and then it is removed like any other changed file.

#![allow(clippy::disallowed_methods, reason = "a store is made of files, and judges their age")]

mod add;
mod error;
mod incoming;
mod inspect;
mod materialize;
mod roots;
mod served;
mod stamp;
mod sweep;
mod temporary;
#[cfg(test)]
mod tests;

pub use add::Keep;
pub use error::StoreError;
pub use incoming::Incoming;
pub use materialize::Materialize;
pub use roots::Root;
pub use served::{Opened, Ready, Withdrawn};
pub use stamp::is_stamped;
pub use sweep::{Collected, Stats, Verified};

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Digest;
use error::During as _;
use temporary::Temporary;

// The format of the folder.
const VERSION: u32 = 1;

/// A store of contents. Threads may share it, and processes may open the same folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    temporary: Temporary,
    // Whether files are read and hashed at each use.
    verify: bool,
}

/// While this lives, nothing is removed from the store by another process.
#[derive(Debug)]
pub struct Hold {
    // The lock goes with the open file.
    file: File,
}

// What the file has in it that is locked while a server has the store.
const SERVED: &[u8] = b"served\n";

impl Store {
    /// Opens the store in a folder, making it where there is none.
    ///
    /// # Errors
    /// When it was made by a later version of this program, or cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let pending = folder.join("tmp");
        fs::create_dir_all(&pending).during("create", &pending)?;
        let blobs = folder.join("blobs");
        fs::create_dir_all(&blobs).during("create", &blobs)?;
        let temporary = Temporary::new(pending);
        read_version(folder, &temporary)?;
        temporary.clean(SystemTime::now())?;
        let probe = temporary.unused();
        let file = File::create_new(probe.path()).during("create", probe.path())?;
        let verify = !stamp::is_kept(&file).during("set the time of", probe.path())?;
        Ok(Self { folder: folder.to_owned(), temporary, verify })
    }

    /// The same store, where each content is read and hashed before it is used.
    #[must_use]
    pub fn verifying(mut self) -> Self {
        self.verify = true;
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps others from removing contents as long as the answer lives. Waits while they are at it.
    ///
    /// # Errors
    /// [`StoreError::Served`] where a server has the store, for that does not end, and when the file system refuses.
    pub fn hold(&self) -> Result<Hold, StoreError> {
        let (file, path) = self.lock_file()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) if fs::read(&path).is_ok_and(|text| text == SERVED) => {
                return Err(StoreError::Served { folder: self.folder.clone() });
            }
            Err(TryLockError::WouldBlock) => file.lock_shared().during("lock", &path)?,
            answer => self.locked(answer, &path)?,
        }
        Ok(Hold { file })
    }

    /// Like [`Store::hold`], without waiting.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while contents are being removed.
    pub fn try_hold(&self) -> Result<Hold, StoreError> {
        let (file, path) = self.lock_file()?;
        self.locked(file.try_lock_shared(), &path)?;
        Ok(Hold { file })
    }

    /// Keeps every build and everyone else who removes away, as long as the answer lives. Does not wait.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when somebody holds the store.
    pub fn hold_alone(&self) -> Result<Hold, StoreError> {
        let (file, path) = self.lock_file()?;
        self.locked(file.try_lock(), &path)?;
        // A server that was killed has left it there.
        file.set_len(0).during("write", &path)?;
        Ok(Hold { file })
    }

    /// The same for a server, which does not let go of it: nobody else is to wait for that.
    ///
    /// # Errors
    /// As for [`Store::hold_alone`].
    pub fn hold_to_serve(&self) -> Result<Hold, StoreError> {
        let mut hold = self.hold_alone()?;
        hold.file.write_all(SERVED).during("write", &self.folder.join("lock"))?;
        Ok(hold)
    }

    fn locked(&self, answer: Result<(), TryLockError>, path: &Path) -> Result<(), StoreError> {
        match answer {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { folder: self.folder.clone() }),
            Err(TryLockError::Error(error)) => Err(error).during("lock", path),
        }
    }

    fn lock_file(&self) -> Result<(File, PathBuf), StoreError> {
        let path = self.folder.join("lock");
        let file = OpenOptions::new().create(true).append(true).open(&path).during("open", &path)?;
        Ok((file, path))
    }

    // Where a content is, if it is there.
    fn place(&self, digest: &Digest, executable: bool) -> PathBuf {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut name = String::with_capacity(self.folder.as_os_str().len() + 75);
        name.push_str("blobs/");
        for (at, byte) in digest.hash.iter().enumerate() {
            name.push(DIGITS[usize::from(byte >> 4)].into());
            name.push(DIGITS[usize::from(byte & 15)].into());
            if at == 0 {
                name.push('/');
            }
        }
        if executable {
            name.push('x');
        }
        self.folder.join(name)
    }
}

fn read_version(folder: &Path, temporary: &Temporary) -> Result<(), StoreError> {
    let path = folder.join("version");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(found) if found > VERSION => Err(StoreError::Newer { folder: folder.to_owned(), found, known: VERSION }),
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::NotAStore { folder: folder.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let unfinished = temporary.unused();
            fs::write(unfinished.path(), format!("{VERSION}\n")).during("write", unfinished.path())?;
            unfinished.rename(&path).during("create", &path)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(StoreError::NotAStore { folder: folder.to_owned() })
        }
        Err(error) => Err(error).during("read", &path),
    }
}
