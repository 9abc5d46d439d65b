//! What was used least lately goes when room is needed.
//!
//! There may be very much of it, so it goes in slices, and between these others may mark and bring what they like. A use
//! only ever makes what is used later. So who is looked at in the order of uses that were noted before, and is passed on
//! to its true place where it has been used since, goes no earlier than it should. What has come meanwhile and counts as
//! used long ago, since what it needs does, is told to who removes: see [`Storage::came_late`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::TryLockError;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::event::Event;
use super::index::{Hash, lock, room_of};
use super::storage::{Refused, Storage};
use crate::cas::{Digest, StoreError};

// So many go while others wait.
const SLICE: usize = 256;

/// What may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Candidate {
    Blob(Digest),
    Result(Hash),
}

#[derive(Default)]
struct Gone {
    blobs: u64,
    results: u64,
    bytes: u64,
}

impl Storage {
    /// Makes sure that so much more fits.
    ///
    /// # Errors
    /// When it never will, or cannot now, and when the file system refuses.
    pub(super) fn make_room(&self, more: u64) -> Result<(), Refused> {
        if more > self.most {
            return Err(Refused::TooLarge);
        }
        if self.fits(more) {
            return Ok(());
        }
        let _one = loop {
            match self.expiring.try_lock() {
                Ok(one) => break one,
                Err(TryLockError::Poisoned(one)) => break one.into_inner(),
                // Somebody else is making room, and need not be done with it before this one can go on.
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
            if self.fits(more) {
                return Ok(());
            }
        };
        if self.fits(more) {
            return Ok(());
        }
        // A tenth more than needed, so that this is not done for each blob.
        let arriving = self.arriving.load(Ordering::Relaxed);
        let target = self.most.saturating_sub(more).saturating_sub(arriving).min(self.most - self.most / 10);
        self.expire_alone(target, || {})?;
        if self.fits(more) { Ok(()) } else { Err(Refused::NoRoom) }
    }

    /// Whether so much more fits.
    pub(super) fn fits(&self, more: u64) -> bool {
        let taken = self.index().room().saturating_add(self.arriving.load(Ordering::Relaxed));
        taken.saturating_add(more) <= self.most
    }

    /// Removes what was used least lately until no more than this room is taken. The answer is how many files went.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn expire(&self, target: u64) -> Result<u64, StoreError> {
        let _one = lock(&self.expiring);
        self.expire_alone(target, || {})
    }

    /// Tells who removes of something that has come, and that may count as used before what is removed now. The gate
    /// must be held since what it needs was marked.
    pub(super) fn came_late(&self, used: u64, candidate: Candidate) {
        if let Some(late) = &mut *lock(&self.late) {
            late.push((used, candidate));
        }
    }

    /// The same for one who holds [`Storage::expiring`]. After each slice something else may be done.
    pub(super) fn expire_alone(&self, target: u64, between: impl FnMut()) -> Result<u64, StoreError> {
        if self.index().room() <= target {
            return Ok(0);
        }
        *lock(&self.late) = Some(Vec::new());
        let mut gone = Gone::default();
        let done = self.expire_slices(target, between, &mut gone);
        *lock(&self.late) = None;
        let Gone { blobs, results, bytes } = gone;
        if blobs + results > 0 {
            self.tell(&Event::Expired { blobs, results, bytes });
        }
        done.map(|()| blobs + results)
    }

    fn expire_slices(&self, target: u64, mut between: impl FnMut(), gone: &mut Gone) -> Result<(), StoreError> {
        let mut candidates: BinaryHeap<Reverse<(u64, Candidate)>> = self.candidates().into();
        loop {
            let mut withdrawn = Vec::new();
            // While what belongs together is being marked, nothing of it goes.
            let gate = self.hold_marks();
            candidates.extend(lock(&self.late).iter_mut().flat_map(std::mem::take).map(Reverse));
            for _ in 0..SLICE {
                if self.index().room() <= target {
                    return Ok(());
                }
                let Some(Reverse((used, candidate))) = candidates.pop() else { return Ok(()) };
                let size = match candidate {
                    Candidate::Blob(digest) => {
                        let mut part = self.index().part(&digest.hash);
                        let Some(entry) = part.get(&digest.hash) else { continue };
                        if entry.used != used {
                            candidates.push(Reverse((entry.used, candidate)));
                            continue;
                        }
                        withdrawn.push(self.store.withdraw(&digest)?);
                        part.remove(&digest.hash);
                        gone.blobs += 1;
                        digest.size
                    }
                    Candidate::Result(key) => {
                        let Some(now) = self.results.used(&key) else { continue };
                        if now != used {
                            candidates.push(Reverse((now, candidate)));
                            continue;
                        }
                        // Uses are noted while the gate is held, and so are new ones.
                        let Some(size) = self.results.remove(&key)? else { continue };
                        gone.results += 1;
                        size
                    }
                };
                self.index().shrank(size);
                gone.bytes += room_of(size);
            }
            // The room of files is given back while others go on.
            drop(gate);
            drop(withdrawn);
            between();
        }
    }

    // All that is there, by its last use.
    fn candidates(&self) -> Vec<Reverse<(u64, Candidate)>> {
        let mut candidates = Vec::new();
        for part in self.index().parts() {
            #[expect(clippy::iter_over_hash_type, reason = "sorted by who gets it")]
            for (hash, entry) in part.iter() {
                candidates.push(Reverse((entry.used, Candidate::Blob(Digest { hash: *hash, size: entry.size }))));
            }
        }
        candidates.extend(self.results.uses().into_iter().map(|(key, used)| Reverse((used, Candidate::Result(key)))));
        candidates
    }
}
