//! How contents come out of the store, to where a build wants them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::add::{cannot_link, create};
use super::error::{During as _, StoreError};
use super::inspect::{Good, is_untouched, mode};
use super::temporary::Unfinished;
use super::{Store, stamp};
use crate::cas::Digest;

/// How a file is to be put in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Materialize {
    /// Whether it can be executed.
    pub executable: bool,
    /// Whether it can be written to; it is a copy then.
    pub writable: bool,
}

impl Store {
    /// Puts a content at a path, in one step, in place of whatever file or symbolic link is there. The folder must
    /// exist. What cannot be written to shares its inode with the store where that is possible.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`] when the store does not have it, [`StoreError::IsDirectory`]
    /// when there is a folder in its place, and when the file system refuses.
    pub fn materialize(&self, digest: &Digest, target: &Path, how: Materialize) -> Result<(), StoreError> {
        if how.writable {
            let stored = self.any_good(digest)?;
            return self.copy_out(digest, &stored, target, how);
        }
        let stored = self.good_as(digest, how.executable)?;
        match fs::hard_link(&stored.path, target) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if cannot_link(&error) => return self.copy_out(digest, &stored, target, how),
            Err(error) => return Err(self.missing_or(error, digest, &stored.path, target)),
        }
        let there = fs::symlink_metadata(target).during("look at", target)?;
        if there.is_dir() {
            return Err(StoreError::IsDirectory { path: target.to_owned() });
        }
        if (there.dev(), there.ino()) == (stored.metadata.dev(), stored.metadata.ino()) {
            return Ok(());
        }
        let unfinished = self.temporary.unused();
        match fs::hard_link(&stored.path, unfinished.path()) {
            Ok(()) => {}
            Err(error) if cannot_link(&error) => return self.copy_out(digest, &stored, target, how),
            Err(error) => return Err(self.missing_or(error, digest, &stored.path, unfinished.path())),
        }
        match unfinished.rename_link(target) {
            Err(error) if cannot_link(&error) => self.copy_out(digest, &stored, target, how),
            answer => moved(answer, target),
        }
    }

    // The content in the file that has the wanted mode, which is made from the other one where it is missing.
    fn good_as(&self, digest: &Digest, executable: bool) -> Result<Good, StoreError> {
        let missing = match self.good(digest, executable) {
            Err(error) if error.is_miss() => error,
            answer => return answer,
        };
        let other = match self.good(digest, !executable) {
            Err(StoreError::Missing { .. }) => return Err(missing),
            answer => answer?,
        };
        let unfinished = self.temporary.unused();
        let copy = create(&unfinished)?;
        self.copy_checked(digest, &other, &copy, unfinished.path())?;
        self.publish(unfinished, &copy, digest, mode(&other.metadata, executable))?;
        self.good(digest, executable)
    }

    // Copies a file of the store to a target, by way of an unfinished file on the same file system.
    fn copy_out(&self, digest: &Digest, stored: &Good, target: &Path, how: Materialize) -> Result<(), StoreError> {
        let here = match target.parent().map(fs::metadata) {
            Some(Ok(folder)) => folder.dev() == stored.metadata.dev(),
            _ => false,
        };
        if here {
            let unfinished = self.temporary.unused();
            self.write_copy(digest, stored, &unfinished, how)?;
            match unfinished.rename(target) {
                // Two mounts of one file system.
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                answer => return moved(answer, target),
            }
        }
        let unfinished = self.temporary.unused_beside(target);
        self.write_copy(digest, stored, &unfinished, how)?;
        moved(unfinished.rename(target), target)
    }

    fn write_copy(
        &self,
        digest: &Digest,
        stored: &Good,
        unfinished: &Unfinished,
        how: Materialize,
    ) -> Result<(), StoreError> {
        let path = unfinished.path();
        // The mode of a new file is narrowed by the umask, as that of any file that the user makes.
        let bits = if how.executable { 0o777 } else { 0o666 };
        let copy = OpenOptions::new().write(true).create_new(true).mode(bits).open(path).during("create", path)?;
        self.copy_checked(digest, stored, &copy, path)?;
        if !how.writable {
            let bits = copy.metadata().during("look at", path)?.mode() & 0o555;
            copy.set_permissions(Permissions::from_mode(bits)).during("change the mode of", path)?;
        }
        stamp::set_modified(&copy, stamp::stamped(digest, stamp::modified(&stored.metadata)))
            .during("set the time of", path)
    }

    fn copy_checked(&self, digest: &Digest, stored: &Good, copy: &File, path: &Path) -> Result<(), StoreError> {
        let from = File::open(&stored.path).map_err(|error| self.missing_or(error, digest, &stored.path, path))?;
        // Not those of `stored`: the file may be another one by now.
        let before = from.metadata().during("look at", &stored.path)?;
        let size = io::copy(&mut &from, &mut &*copy).during("write", path)?;
        let now = from.metadata().during("look at", &stored.path)?;
        // A write while it was copied shows in the same way as one before.
        let quiet = size == digest.size && stamp::modified(&now) == stamp::modified(&before);
        if quiet && (self.verify || is_untouched(&before, digest)) {
            return Ok(());
        }
        self.discard(&stored.path, now.ino())?;
        Err(StoreError::Corrupt { digest: *digest, path: stored.path.clone() })
    }

    // Either the file has gone from the store since it was looked at, or the folder of the target is not there.
    fn missing_or(&self, error: io::Error, digest: &Digest, stored: &Path, target: &Path) -> StoreError {
        let has_folder = || target.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.is_dir());
        if error.kind() == io::ErrorKind::NotFound && (has_folder() || fs::symlink_metadata(stored).is_err()) {
            return StoreError::Missing { digest: *digest };
        }
        StoreError::Io { action: "create", path: target.to_owned(), source: error }
    }
}

fn moved(answer: io::Result<()>, target: &Path) -> Result<(), StoreError> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err(StoreError::IsDirectory { path: target.to_owned() })
        }
        answer => answer.during("replace", target),
    }
}
