//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::cas::Digest;

/// Why the store could not do what it was asked for.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The folder was written by a later version of this program.
    #[error("the store in `{}` has format {found}; this program knows formats up to {known}", folder.display())]
    Newer {
        /// The store.
        folder: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format that is known here.
        known: u32,
    },
    /// The folder has a version file that no version of this program writes.
    #[error("`{}` is not a store: its file `version` does not hold a number", folder.display())]
    NotAStore {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no such content.
    #[error("the store does not have {digest}")]
    Missing {
        /// What was asked for.
        digest: Digest,
    },
    /// There was such a content, but its file had been changed. It has been removed.
    #[error("`{}` no longer held {digest} and was removed from the store", path.display())]
    Corrupt {
        /// What was asked for.
        digest: Digest,
        /// The file that should have held it.
        path: PathBuf,
    },
    /// A file changed while it was being added, or does not have the content that it was said to have.
    #[error("`{}` changed while it was added to the store", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What arrived is not what it was said to be.
    #[error("what arrived for {digest} is something else, of {size} bytes")]
    Unlike {
        /// What it was said to be.
        digest: Digest,
        /// How many bytes arrived.
        size: u64,
    },
    /// Only regular files have a content.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// What it was.
        path: PathBuf,
    },
    /// A folder stands where a file should be put.
    #[error("`{}` is a directory; a file was to be put there", path.display())]
    IsDirectory {
        /// The folder.
        path: PathBuf,
    },
    /// A server has the store.
    #[error("a server has the store in `{}`: speak with it by `--remote`, or end it first", folder.display())]
    Served {
        /// The store.
        folder: PathBuf,
    },
    /// A build uses the store, or another process cleans it up.
    #[error("the store in `{}` is in use by another process", folder.display())]
    InUse {
        /// The store.
        folder: PathBuf,
    },
}

impl StoreError {
    /// Whether this only means that the content is not there, so that it has to be made again.
    pub fn is_miss(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Corrupt { .. })
    }

    /// Whether the file would have been larger than a file may be, so that more room is of no use.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge)
    }

    /// Whether there was no room, or the file would have been too large.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

/// Adds to an error of the file system what was tried, and with which file.
pub(super) trait During<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { action, path: path.to_owned(), source })
    }
}
