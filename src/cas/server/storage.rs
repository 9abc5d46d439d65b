//! Everything that the server keeps, and the rules for it.
//!
//! ```text
//! version, lock, tmp/, blobs/   a store, which the server has for itself
//! actions/ab/cdef…              the result of an action, with a check sum
//! index                         last uses, when the server last wrote them down
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::error::ServerError;
use super::event::{Event, Listener};
use super::expiry::Candidate;
use super::index::{Entry, Hash, Index, lock, room_of};
use super::kind::{self, Kind, Needs};
use super::results::Results;
use super::walk::{FRESH, Walk};
use crate::cas::store::{Hold, Incoming, Ready};
use crate::cas::{Digest, Store, StoreError};

// How many blobs can be hashed before their first use at a time, and no blob by two at once.
const CHECKS: usize = 16;

/// What the server keeps.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) store: Store,
    index: Index,
    pub(super) results: Results,
    pub(super) most: u64,
    // Bytes of uploads that are not finished.
    pub(super) arriving: AtomicU64,
    // Held by those who mark what belongs together, against those who remove.
    gate: RwLock<()>,
    // How many wait to mark something.
    waiting: AtomicUsize,
    // Held by who removes, from the first slice of it to the last.
    pub(super) expiring: Mutex<()>,
    // What has come since that began and may have been used before what is looked at.
    pub(super) late: Mutex<Option<Vec<(u64, Candidate)>>>,
    checks: Vec<Mutex<()>>,
    clock: AtomicU64,
    listener: Listener,
    _hold: Hold,
}

/// Why a content could not be taken in.
#[derive(Debug, Error)]
pub(super) enum Refused {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is larger than everything that may be kept.
    #[error("it is larger than this server may keep")]
    TooLarge,
    /// Unfinished uploads take all the room.
    #[error("there is no room")]
    NoRoom,
}

/// What a blob is for who asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// It is not there.
    Missing,
    /// It is there, and has been used now.
    Marked,
    /// It is there, and what it needs has to be marked: see [`Storage::refresh`].
    Stale,
}

impl Storage {
    /// Opens a folder.
    ///
    /// # Errors
    /// When another process uses it, when it is the store of builds or of people, or when the file system refuses.
    pub(super) fn open(folder: &Path, most: u64, listener: Listener) -> Result<Self, ServerError> {
        let store = Store::open(folder)?;
        let hold = store.hold_to_serve()?;
        let actions = folder.join("actions");
        if !actions.is_dir() {
            // What expires here would be lacking there.
            if store.stats()?.blobs > 0 || !store.roots()?.is_empty() {
                return Err(ServerError::Foreign { folder: folder.to_owned() });
            }
            let failed = |source| StoreError::Io { action: "create", path: actions.clone(), source };
            fs::create_dir_all(&actions).map_err(failed)?;
        }
        let storage = Self {
            results: Results::new(actions),
            store,
            index: Index::new(),
            most,
            arriving: AtomicU64::new(0),
            gate: RwLock::default(),
            waiting: AtomicUsize::new(0),
            expiring: Mutex::default(),
            late: Mutex::default(),
            checks: (0..CHECKS).map(|_| Mutex::default()).collect(),
            clock: AtomicU64::new(0),
            listener,
            _hold: hold,
        };
        storage.load()?;
        Ok(storage)
    }

    /// The file with the last uses.
    pub(super) fn snapshot_path(&self) -> PathBuf {
        self.store.folder().join("index")
    }

    /// The table of blobs.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Tells whoever wants to know.
    pub(super) fn tell(&self, event: &Event) {
        (self.listener.0)(event);
    }

    /// Holds expiry back.
    pub(super) fn hold_expiry(&self) -> RwLockReadGuard<'_, ()> {
        if let Ok(gate) = self.gate.try_read() {
            return gate;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        gate
    }

    /// Holds back all who mark what belongs together. Those who wait for that come first, but not for ever.
    pub(super) fn hold_marks(&self) -> RwLockWriteGuard<'_, ()> {
        let mut patience = 100;
        while self.waiting.load(Ordering::Relaxed) > 0 && patience > 0 {
            patience -= 1;
            thread::sleep(Duration::from_micros(100));
        }
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A time that is later than all that were given out before, in microseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Never so early that nothing can be said to be long ago, by a clock that nobody has set.
        let clock = u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2).max(1 << 50);
        let later = |last: u64| Some(clock.max(last + 1));
        self.clock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).map_or(clock, |last| clock.max(last + 1))
    }

    /// Notes the use of a blob.
    pub(super) fn touch(&self, digest: &Digest) -> Touched {
        if *digest == Digest::EMPTY {
            return Touched::Marked;
        }
        let now = self.now();
        let touched = self.index.change(digest, |entry| match entry.kind {
            Kind::Leaf => {
                entry.used = entry.used.max(now);
                Touched::Marked
            }
            _ if entry.used > now - FRESH => Touched::Marked,
            _ => Touched::Stale,
        });
        touched.unwrap_or(Touched::Missing)
    }

    /// Marks all that a blob needs, and the blob. Reads directories.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn refresh(&self, digest: &Digest) -> Result<(), StoreError> {
        let _gate = self.hold_expiry();
        Walk::lazy(self).blob(digest)?;
        Ok(())
    }

    /// Notes the use of a blob, with all that it needs; whether it is there. Reads directories.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn mark(&self, digest: &Digest) -> Result<bool, StoreError> {
        match self.touch(digest) {
            Touched::Missing => return Ok(false),
            Touched::Marked => {}
            Touched::Stale => self.refresh(digest)?,
        }
        Ok(true)
    }

    /// The bytes of a small blob, hashed. It counts as used.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Corrupt`] when it is not there, and when the file system refuses.
    pub(super) fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        if self.mark(digest)? { self.read_unmarked(digest) } else { Err(StoreError::Missing { digest: *digest }) }
    }

    /// The bytes of a blob, hashed.
    ///
    /// # Errors
    /// As for [`Storage::read`].
    pub(super) fn read_unmarked(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        if *digest == Digest::EMPTY {
            return Ok(Vec::new());
        }
        // Without the table's word no file is read: its claimed size could be anything.
        if self.index.get(digest).is_none() {
            return Err(StoreError::Missing { digest: *digest });
        }
        self.store.read_small(digest).map_err(|error| self.lost(digest, error))
    }

    /// The file of a blob, which was hashed since the server started, or is now. It counts as used.
    ///
    /// # Errors
    /// As for [`Storage::read`].
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let missing = || StoreError::Missing { digest: *digest };
        if !self.mark(digest)? {
            return Err(missing());
        }
        let trusted = |verified: bool| -> Result<Option<File>, StoreError> {
            let opened = self.store.open_content(digest).map_err(|error| self.lost(digest, error))?;
            Ok((verified && opened.untouched).then_some(opened.file))
        };
        if let Some(file) = trusted(self.index.get(digest).ok_or_else(missing)?.verified)? {
            return Ok(file);
        }
        let _one = lock(&self.checks[usize::from(digest.hash[0]) % CHECKS]);
        // Somebody else may have hashed it while this one waited.
        if let Some(file) = trusted(self.index.get(digest).ok_or_else(missing)?.verified)? {
            return Ok(file);
        }
        self.store.check(digest).map_err(|error| self.lost(digest, error))?;
        let opened = self.store.open_content(digest).map_err(|error| self.lost(digest, error))?;
        self.index.change(digest, |entry| entry.verified = true);
        Ok(opened.file)
    }

    // What was thought to be there is not.
    fn lost(&self, digest: &Digest, error: StoreError) -> StoreError {
        if !error.is_miss() {
            return error;
        }
        if matches!(error, StoreError::Corrupt { .. }) {
            self.tell(&Event::Corrupt(*digest));
        }
        let mut part = self.index.part(&digest.hash);
        // It may have been uploaded again meanwhile.
        let there = self.store.open_content(digest).is_ok_and(|opened| opened.untouched);
        if !there && part.get(&digest.hash).is_some_and(|entry| entry.size == digest.size) {
            part.remove(&digest.hash);
            self.index.shrank(digest.size);
        }
        error
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// When they are not what they are said to be, or there is no room, or the file system refuses.
    pub(super) fn add(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Refused> {
        let wrong = bytes.len() as u64 != digest.size || (bytes.is_empty() && *digest != Digest::EMPTY);
        if wrong {
            return Err(StoreError::Unlike { digest: *digest, size: bytes.len() as u64 }.into());
        }
        if *digest == Digest::EMPTY {
            return Ok(());
        }
        if self.index.get(digest).is_some() {
            if Digest::of(bytes) != *digest {
                return Err(StoreError::Unlike { digest: *digest, size: bytes.len() as u64 }.into());
            }
            if self.mark(digest)? {
                return Ok(());
            }
        }
        self.make_room(room_of(digest.size))?;
        let ready = self.with_room(digest.size, || self.store.ready(digest, bytes))?;
        let (kind, needs) = kind::recognise(bytes);
        Ok(self.publish(ready, digest, kind, needs)?)
    }

    /// Takes in what has arrived piece by piece.
    ///
    /// # Errors
    /// As for [`Storage::add`].
    pub(super) fn complete(&self, incoming: Incoming) -> Result<(), Refused> {
        let digest = *incoming.digest();
        let ready = self.store.completed(incoming)?;
        let (kind, needs) = match ready.first()?.map(kind::may_need) {
            Some(true) if digest.size <= kind::LARGEST => kind::recognise(&ready.bytes()?),
            _ => (Kind::Leaf, Needs::default()),
        };
        Ok(self.publish(ready, &digest, kind, needs)?)
    }

    fn publish(&self, ready: Ready, digest: &Digest, kind: Kind, needs: Needs) -> Result<(), StoreError> {
        // From marking what it needs until it is in the table, none of that may go.
        let _gate = (kind != Kind::Leaf).then(|| self.hold_expiry());
        let used = if kind == Kind::Leaf { self.now() } else { Walk::lazy(self).needs(needs)? };
        let mut part = self.index.part(&digest.hash);
        if let Some(entry) = part.get_mut(&digest.hash) {
            // Another client was faster. The file that came last goes.
            entry.used = entry.used.max(used);
            return Ok(());
        }
        ready.put(&self.store)?;
        part.insert(digest.hash, Entry { size: digest.size, used, kind, verified: true });
        drop(part);
        self.index.grew(digest.size);
        if kind != Kind::Leaf {
            self.came_late(used, Candidate::Blob(*digest));
        }
        Ok(())
    }

    /// Does something that writes so many bytes; if the disk is full, removes what was used least lately and tries again.
    ///
    /// # Errors
    /// Those of what is done.
    pub(super) fn with_room<T>(
        &self,
        size: u64,
        mut write: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = 3;
        loop {
            match write() {
                Err(error) if error.is_full() && !error.is_too_large() && tries > 0 => {
                    tries -= 1;
                    // More than that, or the next one has the same trouble.
                    let wanted = room_of(size).saturating_mul(2).max(self.index.room() / 20);
                    let before = self.index.room();
                    // Somebody else may have made room while this one waited.
                    if self.expire(before.saturating_sub(wanted))? == 0 && self.index.room() >= before {
                        self.tell(&Event::DiskFull);
                        return Err(error);
                    }
                }
                Err(error) => {
                    if error.is_full() {
                        self.tell(&Event::DiskFull);
                    }
                    return Err(error);
                }
                answer => return answer,
            }
        }
    }

    /// Whether a result's blobs are all there; they are marked. The answer bounds its last use.
    ///
    /// # Errors
    /// When the file system refuses. The missing ones otherwise.
    pub(super) fn mark_all(&self, needs: Needs) -> Result<Result<u64, Vec<Digest>>, StoreError> {
        let mut walk = Walk::thorough(self);
        let bound = walk.needs(needs)?;
        Ok(if walk.missing.is_empty() { Ok(bound) } else { Err(walk.missing) })
    }

    /// Puts an entry into the table that was read from the folder.
    pub(super) fn restore(&self, hash: Hash, entry: Entry) {
        self.index.part(&hash).insert(hash, entry);
    }
}
