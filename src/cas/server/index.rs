//! The table of what the server has: sizes, last uses, and what has been hashed since it started.
//!
//! It is in memory, in parts that are locked one by one. A blob's file gets and loses its name only while the part that
//! the blob belongs to is locked, so table and folder never disagree.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kind::Kind;
use crate::cas::Digest;

const PARTS: usize = 256;

// What the file system gives out at a time, and so what a small file takes.
const BLOCK: u64 = 4096;

/// The hash of a blob, or the key of a result.
pub(super) type Hash = [u8; 32];

/// What is known of a blob.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) size: u64,
    /// When it was last used, in microseconds since 1970. For a directory or a tree it is earlier than the last uses of
    /// all that it needs.
    pub(super) used: u64,
    pub(super) kind: Kind,
    /// Whether it was hashed since the server started.
    pub(super) verified: bool,
}

/// The blobs.
#[derive(Debug)]
pub(super) struct Index {
    parts: Vec<Mutex<HashMap<Hash, Entry>>>,
    room: AtomicU64,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect(), room: AtomicU64::new(0) }
    }

    /// The part of the table that a blob belongs to, locked.
    pub(super) fn part(&self, hash: &Hash) -> MutexGuard<'_, HashMap<Hash, Entry>> {
        lock(&self.parts[usize::from(hash[31]) % PARTS])
    }

    /// What is known of a blob, if it is there with that size.
    pub(super) fn get(&self, digest: &Digest) -> Option<Entry> {
        self.part(&digest.hash).get(&digest.hash).copied().filter(|entry| entry.size == digest.size)
    }

    /// Changes what is known of a blob, if it is there with that size.
    pub(super) fn change<T>(&self, digest: &Digest, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.part(&digest.hash).get_mut(&digest.hash).filter(|entry| entry.size == digest.size).map(change)
    }

    /// Every part in turn, locked only while it is looked at.
    pub(super) fn parts(&self) -> impl Iterator<Item = MutexGuard<'_, HashMap<Hash, Entry>>> {
        self.parts.iter().map(lock)
    }

    /// The room that all files take, results included.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Relaxed)
    }

    /// Notes that a file of some size has come.
    pub(super) fn grew(&self, size: u64) {
        self.room.fetch_add(room_of(size), Ordering::Relaxed);
    }

    /// Notes that a file of some size has gone.
    pub(super) fn shrank(&self, size: u64) {
        self.room.fetch_sub(room_of(size), Ordering::Relaxed);
    }
}

/// The room that a file takes on the disk.
pub(super) fn room_of(size: u64) -> u64 {
    size.max(1).div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// Locks. What a panic elsewhere has left is still a table: nothing in it is changed in several steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_take_whole_blocks() {
        assert_eq!([room_of(0), room_of(1), room_of(4096), room_of(4097)], [4096, 4096, 4096, 8192]);
    }
}
