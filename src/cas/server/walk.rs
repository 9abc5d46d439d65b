//! Uses of what needs other blobs: they count as uses of all of these.
//!
//! **Invariant.** A directory, a tree or a result was last used *before* everything that it needs, as far as that is
//! there. So when blobs are removed in the order of their last uses, nothing that stays needs one that goes. To hold it,
//! what is needed is marked first, and its last use then bounds the one of what needs it.
//!
//! What is missing may come later. By then it is used later than what needs it, but not by much more than what is
//! passed over in a lazy walk: so what lacks something counts as used a while ago.

use std::collections::HashMap;

use super::index::Hash;
use super::kind::{self, Kind, Needs};
use super::storage::Storage;
use crate::cas::{Digest, StoreError};

/// How long a use of a directory counts for what is below it, in microseconds: it is not walked again meanwhile.
pub(super) const FRESH: u64 = 60_000_000;

/// One walk below some blobs. The storage's gate must be held, so that nothing expires meanwhile.
pub(super) struct Walk<'a> {
    storage: &'a Storage,
    now: u64,
    // Directories that were used later than this are not walked.
    fresh_after: u64,
    // The last uses of those that have been walked.
    seen: HashMap<Hash, u64>,
    /// What is not there.
    pub(super) missing: Vec<Digest>,
}

// A directory whose needs are being marked.
struct Frame {
    digest: Digest,
    needs: Vec<Digest>,
    bound: u64,
}

// What is found at a blob.
enum Found {
    // It was used then.
    Used(u64),
    // What it needs has to be marked first.
    Needs(Frame),
}

impl<'a> Walk<'a> {
    /// A walk that passes over directories that were used a short while ago.
    pub(super) fn lazy(storage: &'a Storage) -> Self {
        let now = storage.now();
        // Half: so that what is below does not turn stale a moment after what is above was marked.
        Self { storage, now, fresh_after: now - FRESH / 2, seen: HashMap::new(), missing: Vec::new() }
    }

    /// A walk that looks at everything, so that [`Walk::missing`] is what is missing.
    pub(super) fn thorough(storage: &'a Storage) -> Self {
        Self { fresh_after: u64::MAX, ..Self::lazy(storage) }
    }

    /// Marks all that something needs. The answer is the last use that it may have itself.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn needs(&mut self, needs: Needs) -> Result<u64, StoreError> {
        let mut frame = self.frame(Digest::EMPTY, needs);
        while let Some(child) = frame.needs.pop() {
            frame.bound = frame.bound.min(self.blob(&child)?);
        }
        Ok(frame.bound)
    }

    /// Marks a blob and all that it needs. The answer is the last use that what needs it may have.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn blob(&mut self, root: &Digest) -> Result<u64, StoreError> {
        // Not by recursion: directories may be nested as deep as a client likes.
        let mut frames: Vec<Frame> = Vec::new();
        let mut next = Some(*root);
        loop {
            let used = match next.take() {
                Some(digest) => match self.find(&digest)? {
                    Found::Used(used) => used,
                    Found::Needs(frame) => {
                        frames.push(frame);
                        u64::MAX
                    }
                },
                None => match frames.pop() {
                    Some(frame) => self.leave(&frame),
                    None => u64::MAX,
                },
            };
            let Some(frame) = frames.last_mut() else { return Ok(used.saturating_sub(1)) };
            frame.bound = frame.bound.min(used.saturating_sub(1));
            next = frame.needs.pop();
        }
    }

    fn find(&mut self, digest: &Digest) -> Result<Found, StoreError> {
        if *digest == Digest::EMPTY {
            return Ok(Found::Used(u64::MAX));
        }
        if let Some(used) = self.seen.get(&digest.hash) {
            return Ok(Found::Used(*used));
        }
        let Some(entry) = self.touch(digest) else { return Ok(self.lack(digest)) };
        if entry.kind == Kind::Leaf || entry.used > self.fresh_after {
            return Ok(Found::Used(entry.used));
        }
        let bytes = match self.storage.read_unmarked(digest) {
            Ok(bytes) => bytes,
            Err(error) if error.is_miss() => return Ok(self.lack(digest)),
            Err(error) => return Err(error),
        };
        let needs = match entry.kind {
            Kind::Leaf => None,
            Kind::Directory => kind::directory(&bytes),
            Kind::Tree => kind::tree(&bytes),
        };
        Ok(Found::Needs(self.frame(*digest, needs.unwrap_or_default())))
    }

    // Marks the files at once; what is left has needs of its own.
    fn frame(&mut self, digest: Digest, needs: Needs) -> Frame {
        let Needs { files, mut directories } = needs;
        let mut bound = self.now - 1;
        for file in files {
            match self.touch(&file) {
                _ if file == Digest::EMPTY => {}
                None => {
                    self.missing.push(file);
                    bound = bound.min(self.now - FRESH);
                }
                Some(entry) if entry.kind == Kind::Leaf => {}
                // A file that holds a directory or a tree.
                Some(_) => directories.push(file),
            }
        }
        Frame { digest, needs: directories, bound }
    }

    // Marks a blob that needs nothing.
    fn touch(&self, digest: &Digest) -> Option<super::index::Entry> {
        self.storage.index().change(digest, |entry| {
            if entry.kind == Kind::Leaf {
                entry.used = entry.used.max(self.now);
            }
            *entry
        })
    }

    fn lack(&mut self, digest: &Digest) -> Found {
        self.missing.push(*digest);
        let used = self.now - FRESH;
        self.seen.insert(digest.hash, used);
        Found::Used(used)
    }

    // All that a directory needs has been marked.
    fn leave(&mut self, frame: &Frame) -> u64 {
        let used = self.storage.index().change(&frame.digest, |entry| {
            entry.used = entry.used.max(frame.bound);
            entry.used
        });
        let used = used.unwrap_or(self.now - FRESH);
        self.seen.insert(frame.digest.hash, used);
        used
    }
}
