//! What was used least lately goes when room is needed.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::event::Event;
use super::index::{Hash, lock};
use super::storage::{Refused, Storage};
use crate::cas::{Digest, StoreError};

// What may go, by its last use.
enum Candidate {
    Blob(Digest),
    Result(Hash),
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
        let _one = lock(&self.expiring);
        // Somebody else may have made room while this one waited.
        if self.fits(more) {
            return Ok(());
        }
        // A tenth more than needed, so that this is not done for each blob.
        let arriving = self.arriving.load(Ordering::Relaxed);
        let target = self.most.saturating_sub(more).saturating_sub(arriving).min(self.most - self.most / 10);
        self.expire(target)?;
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
        // While what belongs together is being marked, nothing of it goes.
        let gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.index().room();
        if before <= target {
            return Ok(0);
        }
        let mut candidates = Vec::new();
        for part in self.index().parts() {
            #[expect(clippy::iter_over_hash_type, reason = "sorted below")]
            for (hash, entry) in part.iter() {
                candidates.push((entry.used, Candidate::Blob(Digest { hash: *hash, size: entry.size })));
            }
        }
        candidates.extend(self.results.uses().into_iter().map(|(key, used)| (used, Candidate::Result(key))));
        candidates.sort_unstable_by_key(|(used, _)| *used);
        let (mut blobs, mut results) = (0, 0);
        let mut withdrawn = Vec::new();
        for (used, candidate) in candidates {
            if self.index().room() <= target {
                break;
            }
            match candidate {
                Candidate::Blob(digest) => {
                    let mut part = self.index().part(&digest.hash);
                    // Used meanwhile.
                    if part.get(&digest.hash).is_none_or(|entry| entry.used != used) {
                        continue;
                    }
                    withdrawn.push(self.store.withdraw(&digest)?);
                    part.remove(&digest.hash);
                    self.index().shrank(digest.size);
                    blobs += 1;
                }
                Candidate::Result(key) => {
                    if let Some(size) = self.results.remove(&key)? {
                        self.index().shrank(size);
                        results += 1;
                    }
                }
            }
        }
        drop(gate);
        drop(withdrawn);
        let bytes = before.saturating_sub(self.index().room());
        if blobs + results > 0 {
            self.tell(&Event::Expired { blobs, results, bytes });
        }
        Ok(blobs + results)
    }
}
