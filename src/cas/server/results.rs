//! The results of actions: a file for each, with a check sum, and a table of their last uses.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use prost::Message as _;

use super::event::Event;
use super::expiry::Candidate;
use super::index::{Hash, lock};
use super::kind::{self, Needs};
use super::storage::{Refused, Storage};
use crate::cas::api::reapi;
use crate::cas::{Digest, StoreError};

/// The table of results.
#[derive(Debug)]
pub(super) struct Results {
    folder: PathBuf,
    table: Mutex<HashMap<Hash, Known>>,
}

// What is known of a result.
#[derive(Clone, Copy, Debug)]
struct Known {
    used: u64,
    size: u64,
}

/// Why a result is not taken.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It needs blobs that are not there.
    Missing(Vec<Digest>),
    /// It makes no sense; the text says why.
    Wrong(String),
    /// It could not be stored.
    Refused(Refused),
}

impl From<StoreError> for Unfit {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// The key of a result: each instance has its own.
pub(super) fn key(instance: &str, action: &Digest) -> Hash {
    // No instance name contains the separator: it is not UTF-8.
    let mut bytes = instance.as_bytes().to_vec();
    bytes.push(0xff);
    bytes.extend(action.hash);
    bytes.extend(action.size.to_le_bytes());
    Digest::of(&bytes).hash
}

impl Results {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, table: Mutex::default() }
    }

    fn path(&self, key: &Hash) -> PathBuf {
        let hex = Digest { hash: *key, size: 0 }.hex();
        self.folder.join(&hex[..2]).join(&hex[2..])
    }

    /// The last use of each.
    pub(super) fn uses(&self) -> Vec<(Hash, u64)> {
        lock(&self.table).iter().map(|(key, known)| (*key, known.used)).collect()
    }

    /// The last use of one.
    pub(super) fn used(&self, key: &Hash) -> Option<u64> {
        lock(&self.table).get(key).map(|known| known.used)
    }

    /// Forgets a result; its size, if it was there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn remove(&self, key: &Hash) -> Result<Option<u64>, StoreError> {
        self.remove_if(key, |_| true)
    }

    // Another one may have come in its place.
    fn remove_if(&self, key: &Hash, is_it: impl FnOnce(&Known) -> bool) -> Result<Option<u64>, StoreError> {
        let mut table = lock(&self.table);
        let Some(known) = table.get(key).copied().filter(is_it) else { return Ok(None) };
        self.remove_file(key)?;
        table.remove(key);
        Ok(Some(known.size))
    }

    /// Removes the file of a result, whatever the table says.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn remove_file(&self, key: &Hash) -> Result<(), StoreError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Io { action: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// The keys and sizes of the files that are there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn list(&self) -> Result<Vec<(Hash, u64)>, StoreError> {
        let mut all = Vec::new();
        for folder in entries(&self.folder)? {
            for path in entries(&folder)? {
                let names = [&folder, &path].map(|path| path.file_name().and_then(|name| name.to_str()).unwrap_or(""));
                let Ok(digest) = format!("{}{}/0", names[0], names[1]).parse::<Digest>() else { continue };
                let metadata = match fs::symlink_metadata(&path) {
                    Ok(metadata) => metadata,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(source) => return Err(StoreError::Io { action: "look at", path, source }),
                };
                if metadata.is_file() {
                    all.push((digest.hash, metadata.len()));
                }
            }
        }
        Ok(all)
    }

    /// Puts a result into the table that was found in the folder.
    pub(super) fn restore(&self, key: Hash, used: u64, size: u64) {
        lock(&self.table).insert(key, Known { used, size });
    }
}

impl Storage {
    /// A result whose blobs are all there. They count as used, and so does the result. One that lacks a blob is
    /// forgotten.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn result(&self, key: &Hash) -> Result<Option<reapi::ActionResult>, StoreError> {
        let _gate = self.hold_expiry();
        let Some(known) = lock(&self.results.table).get(key).copied() else { return Ok(None) };
        let result = match self.read_result(key)? {
            Some(result) => result,
            None => {
                if self.forget(key, known)? {
                    self.tell(&Event::CorruptResult);
                }
                return Ok(None);
            }
        };
        let bound = match needs(&result) {
            Ok(needs) => self.mark_all(needs)?,
            Err(_) => Err(Vec::new()),
        };
        let Ok(bound) = bound else {
            self.forget(key, known)?;
            return Ok(None);
        };
        if let Some(known) = lock(&self.results.table).get_mut(key) {
            known.used = known.used.max(bound);
        }
        Ok(Some(result))
    }

    // `None` where the file is damaged.
    fn read_result(&self, key: &Hash) -> Result<Option<reapi::ActionResult>, StoreError> {
        let path = self.results.path(key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { action: "read", path, source }),
        };
        let Some((sum, rest)) = bytes.split_at_checked(32) else { return Ok(None) };
        if sum != sum_of(key, rest) {
            return Ok(None);
        }
        Ok(reapi::ActionResult::decode(rest).ok())
    }

    // Forgets a result unless another one has come in its place; whether it did.
    fn forget(&self, key: &Hash, known: Known) -> Result<bool, StoreError> {
        // A use moves the time only on.
        let removed = self.results.remove_if(key, |now| now.size == known.size && now.used == known.used)?;
        if let Some(size) = removed {
            self.index().shrank(size);
        }
        Ok(removed.is_some())
    }

    /// Takes a result in, if all of its blobs are there.
    ///
    /// # Errors
    /// When they are not, when it makes no sense, or when there is no room.
    pub(super) fn put_result(&self, key: &Hash, result: &reapi::ActionResult) -> Result<(), Unfit> {
        let needed = needs(result).map_err(Unfit::Wrong)?;
        let body = result.encode_to_vec();
        let mut bytes = sum_of(key, &body).to_vec();
        bytes.extend(body);
        let size = bytes.len() as u64;
        self.make_room(super::index::room_of(size)).map_err(Unfit::Refused)?;
        let path = self.results.path(key);
        let mut tries = 2;
        loop {
            let gate = self.hold_expiry();
            for tree in result.output_directories.iter().filter_map(|directory| directory.tree_digest.as_ref()) {
                self.check_tree(tree)?;
            }
            let used = self.mark_all(needed.clone())?.map_err(Unfit::Missing)?;
            let mut table = lock(&self.results.table);
            match self.store.replace_file(&path, &bytes) {
                Ok(()) => {}
                Err(error) if error.is_full() && !error.is_too_large() && tries > 0 => {
                    tries -= 1;
                    drop(table);
                    drop(gate);
                    self.expire(self.index().room() - self.index().room() / 20)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(old) = table.insert(*key, Known { used, size }) {
                self.index().shrank(old.size);
            }
            drop(table);
            self.index().grew(size);
            self.came_late(used, Candidate::Result(*key));
            return Ok(());
        }
    }

    // What is said to be a tree must be one: clients that get the result will read it as one.
    fn check_tree(&self, tree: &reapi::Digest) -> Result<(), Unfit> {
        let digest = Digest::try_from(tree).map_err(|error| Unfit::Wrong(error.to_string()))?;
        if digest.size > kind::LARGEST {
            return Err(Unfit::Wrong(format!("{digest} is no tree")));
        }
        match self.read_unmarked(&digest) {
            Ok(bytes) if kind::tree(&bytes).is_some() => Ok(()),
            Ok(_) => Err(Unfit::Wrong(format!("{digest} is no tree"))),
            Err(error) if error.is_miss() => Err(Unfit::Missing(vec![digest])),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a result that was found in the folder when the server started; whether it is sound.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn recover_result(&self, key: &Hash, size: u64) -> Result<bool, StoreError> {
        let Some(result) = self.read_result(key)? else { return Ok(false) };
        let Ok(needs) = needs(&result) else { return Ok(false) };
        let _gate = self.hold_expiry();
        match self.mark_all(needs)? {
            Ok(used) => {
                self.results.restore(*key, used, size);
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }
}

/// The blobs that a result needs. The error says what is wrong with it.
pub(super) fn needs(result: &reapi::ActionResult) -> Result<Needs, String> {
    let mut needs = Needs::default();
    let digest = |what: &str, digest: Option<&reapi::Digest>| match digest {
        Some(digest) => Digest::try_from(digest).map_err(|error| format!("{what}: {error}")),
        None => Err(format!("{what} has no digest")),
    };
    let path = |path: &str| match path.starts_with('/') {
        true => Err(format!("`{path}` is not a relative path")),
        false => Ok(()),
    };
    for file in &result.output_files {
        path(&file.path)?;
        needs.files.push(digest(&file.path, file.digest.as_ref())?);
    }
    for directory in &result.output_directories {
        path(&directory.path)?;
        if directory.tree_digest.is_none() && directory.root_directory_digest.is_none() {
            return Err(format!("{} has no digest", directory.path));
        }
        for part in [&directory.tree_digest, &directory.root_directory_digest].into_iter().flatten() {
            needs.directories.push(digest(&directory.path, Some(part))?);
        }
    }
    #[expect(deprecated, reason = "older clients still send them")]
    for links in [&result.output_symlinks, &result.output_file_symlinks, &result.output_directory_symlinks] {
        for link in links {
            path(&link.path)?;
        }
    }
    for stream in [&result.stdout_digest, &result.stderr_digest].into_iter().flatten() {
        needs.files.push(digest("a standard stream", Some(stream))?);
    }
    Ok(needs)
}

// The key is part of it: a file under another name is another's result.
fn sum_of(key: &Hash, body: &[u8]) -> Hash {
    let mut bytes = key.to_vec();
    bytes.extend(body);
    Digest::of(&bytes).hash
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    listed.map_err(|source| StoreError::Io { action: "list", path: folder.to_owned(), source })
}
