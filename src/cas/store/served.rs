//! What a server needs of a store that it has for itself, beyond what builds do.
//!
//! It keeps a table of what is there, so a file has to come and go in one step that the server can put under a lock:
//! [`Ready`] and [`Withdrawn`].

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::add::create_as;
use super::error::{During as _, StoreError};
use super::incoming::Incoming;
use super::inspect::is_untouched;
use super::temporary::Unfinished;
use super::{Store, stamp};
use crate::cas::Digest;

/// A content that is complete, verified and on the disk, but has no name yet. Dropping it removes it.
#[derive(Debug)]
pub struct Ready {
    digest: Digest,
    unfinished: Unfinished,
}

impl Ready {
    /// The first byte.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn first(&self) -> Result<Option<u8>, StoreError> {
        let path = self.unfinished.path();
        let mut first = [0];
        let count = File::open(path).and_then(|mut file| file.read(&mut first)).during("read", path)?;
        Ok((count == 1).then_some(first[0]))
    }

    /// All bytes, for small contents.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        fs::read(self.unfinished.path()).during("read", self.unfinished.path())
    }

    /// Gives the content its name, in place of a file that may be there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn put(self, store: &Store) -> Result<(), StoreError> {
        let target = store.place(&self.digest, false);
        store.in_folder(&target, || fs::rename(self.unfinished.path(), &target)).during("create", &target)?;
        self.unfinished.was_moved();
        Ok(())
    }
}

/// A content that has lost its name. Its room is free when this is dropped, which may take a while for large ones.
#[derive(Debug)]
pub struct Withdrawn {
    _files: [Unfinished; 2],
}

/// A content that is open for reading.
#[derive(Debug)]
pub struct Opened {
    /// The file. It stays readable when the content leaves the store.
    pub file: File,
    /// Whether nothing was written to it since it came into the store, as far as its stamp shows.
    pub untouched: bool,
}

impl Store {
    /// Writes bytes that somebody claims to have a digest.
    ///
    /// # Errors
    /// [`StoreError::Unlike`] when they do not have it, and when the file system refuses.
    pub fn ready(&self, digest: &Digest, bytes: &[u8]) -> Result<Ready, StoreError> {
        if bytes.len() as u64 != digest.size || Digest::of(bytes) != *digest {
            return Err(StoreError::Unlike { digest: *digest, size: bytes.len() as u64 });
        }
        let unfinished = self.temporary.unused();
        let path = unfinished.path();
        let mut file = create_as(&unfinished, 0o444)?;
        file.write_all(bytes).during("write", path)?;
        seal(&file, digest).during("set the time of", path)?;
        Ok(Ready { digest: *digest, unfinished })
    }

    /// What has arrived, once it is complete.
    ///
    /// # Errors
    /// [`StoreError::Unlike`] when it is not what it was said to be, and when the file system refuses.
    pub fn completed(&self, incoming: Incoming) -> Result<Ready, StoreError> {
        let (digest, unfinished, file) = incoming.verified()?;
        let path = unfinished.path();
        file.set_permissions(Permissions::from_mode(0o444)).during("change the mode of", path)?;
        seal(&file, &digest).during("set the time of", path)?;
        Ok(Ready { digest, unfinished })
    }

    /// Takes the name from a content, with whichever modes it is there.
    ///
    /// # Errors
    /// When the file system refuses. What is not there has been withdrawn already.
    pub fn withdraw(&self, digest: &Digest) -> Result<Withdrawn, StoreError> {
        let files = [self.temporary.unused(), self.temporary.unused()];
        for (executable, unfinished) in [(false, &files[0]), (true, &files[1])] {
            let path = self.place(digest, executable);
            match fs::rename(&path, unfinished.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).during("remove", &path),
                _ => {}
            }
        }
        Ok(Withdrawn { _files: files })
    }

    /// Opens a content for reading. It has not been read: see [`Opened::untouched`].
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no such file, and when the file system refuses.
    pub fn open_content(&self, digest: &Digest) -> Result<Opened, StoreError> {
        for executable in [false, true] {
            let path = self.place(digest, executable);
            let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
            let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).during("open", &path),
            };
            let metadata = file.metadata().during("look at", &path)?;
            return Ok(Opened { untouched: !self.verify && is_untouched(&metadata, digest), file });
        }
        Err(StoreError::Missing { digest: *digest })
    }

    /// Reads and hashes a content. One that is no good is removed.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`] when the store does not have it, and when the file system
    /// refuses.
    pub fn check(&self, digest: &Digest) -> Result<(), StoreError> {
        let mut worst = StoreError::Missing { digest: *digest };
        for executable in [false, true] {
            let path = self.place(digest, executable);
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).during("look at", &path),
            };
            match self.examine(digest, executable, path, metadata) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_miss() => worst = error,
                Err(error) => return Err(error),
            }
        }
        Err(worst)
    }

    /// The bytes of a small content, always hashed, with as few system calls as possible.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`] when the store does not have it, and when the file system
    /// refuses.
    pub fn read_small(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.place(digest, false);
        let Ok(mut file) = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path) else {
            // Not there with that mode, or something odd: the careful way knows.
            return self.read(digest);
        };
        let size = usize::try_from(digest.size).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).during("read", &path),
            }
        }
        bytes.truncate(filled);
        if bytes.len() == size && Digest::of(&bytes) == *digest { Ok(bytes) } else { self.read(digest) }
    }

    /// The digests of all files that are there, judged by their names and sizes only. A content that is there with both
    /// modes is listed twice.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn list(&self) -> Result<Vec<Digest>, StoreError> {
        self.fold(
            |all: &mut Vec<Digest>, blob| {
                all.push(blob.digest);
                Ok(())
            },
            |all, part| all.extend(part),
        )
    }

    /// Writes a file that is no content, on the same file system, so that it appears whole or not at all.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn replace_file(&self, target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let unfinished = self.temporary.unused();
        fs::write(unfinished.path(), bytes).during("write", unfinished.path())?;
        self.in_folder(target, || fs::rename(unfinished.path(), target)).during("create", target)?;
        unfinished.was_moved();
        Ok(())
    }
}

// Stamps a file that has just been written.
fn seal(file: &File, digest: &Digest) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    stamp::set_modified(file, stamp::stamped(digest, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_comes_and_goes_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"text");
        let ready = store.ready(&digest, b"text").unwrap();
        assert!(!store.contains(&digest).unwrap());
        ready.put(&store).unwrap();
        assert!(store.contains(&digest).unwrap());
        assert_eq!(store.list().unwrap(), [digest]);
        assert_eq!(store.read_small(&digest).unwrap(), b"text");
        assert!(store.open_content(&digest).unwrap().untouched);
        let withdrawn = store.withdraw(&digest).unwrap();
        assert!(!store.contains(&digest).unwrap());
        drop(withdrawn);
        drop(store.ready(&digest, b"text").unwrap());
        assert!(matches!(store.ready(&digest, b"tex"), Err(StoreError::Unlike { .. })));
        assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        for wrong in ["wrong", "longer than it was", "x", ""] {
            let digest = store.add_bytes(b"right").unwrap();
            let path = store.path_of(&digest).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, wrong).unwrap();
            assert!(!store.open_content(&digest).unwrap().untouched);
            assert!(matches!(store.read_small(&digest), Err(StoreError::Corrupt { .. })), "{wrong}");
            let digest = store.add_bytes(b"right").unwrap();
            assert!(store.check(&digest).is_ok());
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            fs::write(&path, wrong).unwrap();
            assert!(matches!(store.check(&digest), Err(StoreError::Corrupt { .. })), "{wrong}");
            assert!(matches!(store.check(&digest), Err(StoreError::Missing { .. })), "{wrong}");
        }
    }
}
