//! What is done with all contents at once: counting them, verifying them, removing those that nobody wants.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rayon::prelude::*;

use super::error::{During as _, StoreError};
use super::inspect::is_untouched;
use super::{Hold, Store};
use crate::cas::Digest;

/// How much a store has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of files; a content that is there with both modes counts twice.
    pub blobs: u64,
    /// Their sizes.
    pub bytes: u64,
    /// How many of the files are also outputs of a build, or have been linked from elsewhere.
    pub shared_blobs: u64,
    /// Their sizes: removing these from the store frees nothing.
    pub shared_bytes: u64,
}

/// What [`Store::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of files.
    pub blobs: u64,
    /// Their sizes.
    pub bytes: u64,
    /// How many of them were read.
    pub hashed: u64,
    /// Files that no longer held what their name says, sorted. They are gone now.
    pub removed: Vec<PathBuf>,
}

/// What [`Store::gc`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many files were removed.
    pub removed: u64,
    /// Their sizes. What is still linked from elsewhere takes its room until it goes there too.
    pub removed_bytes: u64,
    /// How many files remain.
    pub kept: u64,
    /// Their sizes.
    pub kept_bytes: u64,
    /// How many of those remain only because they have been used too lately.
    pub young: u64,
}

/// One file of the store.
pub(super) struct Blob {
    path: PathBuf,
    metadata: Metadata,
    pub(super) digest: Digest,
    executable: bool,
}

impl Store {
    /// Counts what is there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        self.fold(
            |stats: &mut Stats, blob| {
                stats.blobs += 1;
                stats.bytes += blob.metadata.len();
                if blob.metadata.nlink() > 1 {
                    stats.shared_blobs += 1;
                    stats.shared_bytes += blob.metadata.len();
                }
                Ok(())
            },
            |all, part| {
                all.blobs += part.blobs;
                all.bytes += part.bytes;
                all.shared_blobs += part.shared_blobs;
                all.shared_bytes += part.shared_bytes;
            },
        )
    }

    /// Looks at every file and removes those that no longer hold what their name says. When `paranoid`, each is read;
    /// otherwise those whose size or stamp is wrong.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn verify(&self, paranoid: bool) -> Result<Verified, StoreError> {
        let mut all = self.fold(
            |verified: &mut Verified, blob| {
                verified.blobs += 1;
                verified.bytes += blob.metadata.len();
                if !paranoid && !self.verify && is_untouched(&blob.metadata, &blob.digest) {
                    return Ok(());
                }
                verified.hashed += 1;
                match self.examine(&blob.digest, blob.executable, blob.path, blob.metadata) {
                    Err(StoreError::Corrupt { path, .. }) => verified.removed.push(path),
                    Err(error) if !error.is_miss() => return Err(error),
                    // Removed by someone else meanwhile, or fine.
                    Ok(_) | Err(_) => {}
                }
                Ok(())
            },
            |all, part| {
                all.blobs += part.blobs;
                all.bytes += part.bytes;
                all.hashed += part.hashed;
                all.removed.extend(part.removed);
            },
        )?;
        all.removed.sort();
        Ok(all)
    }

    /// Removes contents that are not wanted and have not been added or linked for at least the time of `grace`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while a build holds the store, and when the file system refuses.
    pub fn gc(&self, is_live: &(dyn Fn(&Digest) -> bool + Sync), grace: Duration) -> Result<Collected, StoreError> {
        let alone = self.hold_alone()?;
        self.collect(&alone, is_live, grace)
    }

    /// The same for who holds the store alone already: what it counted as wanted was so while nobody could change it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn collect(
        &self,
        _alone: &Hold,
        is_live: &(dyn Fn(&Digest) -> bool + Sync),
        grace: Duration,
    ) -> Result<Collected, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The time of the last change of an inode is that of its last link, so also that of its last use.
        let last = i64::try_from(now.saturating_sub(grace).as_nanos()).unwrap_or(i64::MAX);
        self.fold(
            |collected: &mut Collected, blob| {
                let changed = blob.metadata.ctime().saturating_mul(1_000_000_000) + blob.metadata.ctime_nsec();
                let live = is_live(&blob.digest);
                if live || (changed > last && !grace.is_zero()) {
                    collected.kept += 1;
                    collected.kept_bytes += blob.metadata.len();
                    collected.young += u64::from(!live);
                    return Ok(());
                }
                match fs::remove_file(&blob.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error).during("remove", &blob.path);
                    }
                    _ => {}
                }
                collected.removed += 1;
                collected.removed_bytes += blob.metadata.len();
                Ok(())
            },
            |all, part| {
                all.removed += part.removed;
                all.removed_bytes += part.removed_bytes;
                all.kept += part.kept;
                all.kept_bytes += part.kept_bytes;
                all.young += part.young;
            },
        )
    }

    /// Does something with each file, the folders in parallel. Files that are no contents are passed over.
    pub(super) fn fold<T: Default + Send>(
        &self,
        each: impl Fn(&mut T, Blob) -> Result<(), StoreError> + Sync,
        join: impl Fn(&mut T, T),
    ) -> Result<T, StoreError> {
        let mut folders = list(&self.folder.join("blobs"))?;
        folders.sort();
        let parts: Vec<T> = folders
            .par_iter()
            .map(|folder| {
                let mut part = T::default();
                let Some(first) = folder.file_name().and_then(|name| name.to_str()) else { return Ok(part) };
                for path in list(folder)? {
                    if let Some(blob) = blob(first, path)? {
                        each(&mut part, blob)?;
                    }
                }
                Ok(part)
            })
            .collect::<Result<_, StoreError>>()?;
        let mut all = T::default();
        for part in parts {
            join(&mut all, part);
        }
        Ok(all)
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).during("list", folder),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).during("list", folder)).collect()
}

// What a file in `blobs/first/` is, if its name is one that the store gives.
fn blob(first: &str, path: PathBuf) -> Result<Option<Blob>, StoreError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (rest, executable) = name.strip_suffix('x').map_or((name, false), |rest| (rest, true));
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).during("look at", &path),
    };
    // The size is the one that the file has: a file that was cut short is nobody's content.
    let Ok(digest) = format!("{first}{rest}/{}", metadata.len()).parse::<Digest>() else { return Ok(None) };
    Ok(Some(Blob { path, metadata, digest, executable }))
}
