//! Whether a content is there and still what it should be.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::{During as _, StoreError};
use super::{Store, stamp};
use crate::cas::Digest;

/// A file of the store that holds what its name says.
pub(super) struct Good {
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

impl Store {
    /// Whether the store has a content. One that turns out to be changed is removed, and is not there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        match self.any_good(digest) {
            Ok(_) => Ok(true),
            Err(error) if error.is_miss() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A file that has a content, for reading. It must not be written to.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`] when the store does not have it.
    pub fn path_of(&self, digest: &Digest) -> Result<PathBuf, StoreError> {
        Ok(self.any_good(digest)?.path)
    }

    /// The bytes of a content. They are always hashed, so this is for small ones.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`] when the store does not have it.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let good = self.any_good(digest)?;
        let bytes = match fs::read(&good.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            Err(error) => return Err(error).during("read", &good.path),
        };
        if Digest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        self.discard(&good.path, good.metadata.ino())?;
        Err(StoreError::Corrupt { digest: *digest, path: good.path })
    }

    /// The content in either of its two files.
    pub(super) fn any_good(&self, digest: &Digest) -> Result<Good, StoreError> {
        match self.good(digest, false) {
            Err(error) if error.is_miss() => self.good(digest, true).map_err(|second| match (&error, &second) {
                // That one was damaged says more than that the other is missing.
                (StoreError::Corrupt { .. }, StoreError::Missing { .. }) => error,
                _ => second,
            }),
            answer => answer,
        }
    }

    /// The content in one of its two files.
    pub(super) fn good(&self, digest: &Digest, executable: bool) -> Result<Good, StoreError> {
        let path = self.place(digest, executable);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            Err(error) => return Err(error).during("look at", &path),
        };
        if !self.verify && is_untouched(&metadata, digest) && has_mode(&metadata, executable) {
            return Ok(Good { path, metadata });
        }
        self.examine(digest, executable, path, metadata)
    }

    // The slow way: the file is read. Afterwards it is again as it should be, or gone.
    pub(super) fn examine(
        &self,
        digest: &Digest,
        executable: bool,
        path: PathBuf,
        metadata: Metadata,
    ) -> Result<Good, StoreError> {
        let corrupt = |path| Err(StoreError::Corrupt { digest: *digest, path });
        if !metadata.is_file() {
            self.discard(&path, metadata.ino())?;
            return corrupt(path);
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            Err(error) => return Err(error).during("open", &path),
        };
        // While it is read, another write must not go unnoticed.
        let before = file.metadata().during("look at", &path)?;
        let actual = hash(&file, before.len()).during("read", &path)?;
        let after = file.metadata().during("look at", &path)?;
        let quiet = (before.ctime(), before.ctime_nsec(), stamp::modified(&before))
            == (after.ctime(), after.ctime_nsec(), stamp::modified(&after));
        if actual.hash == digest.hash && actual.size != digest.size {
            // The file is right; what was asked for has never been.
            return Err(StoreError::Missing { digest: *digest });
        }
        // With links made and removed by others meanwhile, the inode is not quiet, but its stamp still says enough.
        if actual != *digest || !(quiet || is_untouched(&after, digest)) {
            self.discard(&path, after.ino())?;
            return corrupt(path);
        }
        if !has_mode(&after, executable) {
            file.set_permissions(mode(&after, executable)).during("change the mode of", &path)?;
        }
        if !is_untouched(&after, digest) {
            let time = stamp::stamped(digest, stamp::modified(&after));
            stamp::set_modified(&file, time).during("set the time of", &path)?;
        }
        let metadata = file.metadata().during("look at", &path)?;
        Ok(Good { path, metadata })
    }

    // Removes a file that is no good, unless another process has just put a good one in its place.
    pub(super) fn discard(&self, path: &Path, inode: u64) -> Result<(), StoreError> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.ino() != inode => Ok(()),
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).during("remove", path),
            Ok(_) => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).during("remove", path),
                _ => Ok(()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).during("look at", path),
        }
    }
}

/// Whether nothing was written to a file since it was stamped with this content.
pub(super) fn is_untouched(metadata: &Metadata, digest: &Digest) -> bool {
    metadata.is_file() && metadata.len() == digest.size && stamp::is_stamped(digest, stamp::modified(metadata))
}

/// Whether a file may be executed by anyone.
pub(super) fn is_executable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o111 != 0
}

/// The mode of a stored file: what it was, but written by nobody, and executable where it is readable, or nowhere.
pub(super) fn mode(metadata: &Metadata, executable: bool) -> Permissions {
    let readable = metadata.mode() & 0o444 | 0o400;
    Permissions::from_mode(if executable { readable | readable >> 2 } else { readable })
}

// Whether the mode is one that a stored file may have.
fn has_mode(metadata: &Metadata, executable: bool) -> bool {
    metadata.mode() & 0o222 == 0 && is_executable(metadata) == executable
}

/// The digest of an open file, from where it stands.
pub(super) fn hash(file: &File, size: u64) -> io::Result<Digest> {
    const SMALL: u64 = 1 << 16;
    if size > SMALL {
        return Digest::of_reader(file);
    }
    // One byte more, so that a file that is growing is noticed.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    io::Read::read_to_end(&mut &*file, &mut bytes)?;
    Ok(Digest::of(&bytes))
}
