//! Last uses outlive the server: they are written to one file every few minutes and when it ends.
//!
//! The file is a consistent picture: while it is taken, nothing that needs other blobs is marked. After a kill it is a
//! few minutes old, which is still a picture in which everything was used before what it needs. What is not in it came
//! later, is looked at when the server starts, and counts as used then. The folder says what is there, never this file.

use std::collections::HashMap;
use std::fs;
use std::io;

use rayon::prelude::*;

use super::event::Event;
use super::index::{Entry, Hash};
use super::kind::{self, Kind, Needs};
use super::storage::Storage;
use super::walk::Walk;
use crate::cas::{Digest, StoreError};

const HEADER: &[u8] = b"dscript cas index 1\n";

// A kind that no blob has: the entry is of a result.
const RESULT: u8 = 255;

// Hash, size, last use, kind.
const RECORD: usize = 32 + 8 + 8 + 1;

impl Storage {
    /// Writes the last uses down.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn save(&self) -> Result<(), StoreError> {
        let mut bytes = HEADER.to_vec();
        {
            let _gate = self.hold_marks();
            for part in self.index().parts() {
                bytes.reserve(part.len() * RECORD);
                #[expect(clippy::iter_over_hash_type, reason = "nobody sees the order")]
                for (hash, entry) in part.iter() {
                    record(&mut bytes, hash, entry.size, entry.used, entry.kind.code());
                }
            }
            for (key, used) in self.results.uses() {
                record(&mut bytes, &key, 0, used, RESULT);
            }
        }
        let sum = Digest::of(&bytes).hash;
        bytes.extend(sum);
        self.store.replace_file(&self.snapshot_path(), &bytes)
    }

    /// Fills the tables from the folder.
    pub(super) fn load(&self) -> Result<(), StoreError> {
        let (mut blobs, mut results) = self.read_snapshot()?;
        let now = self.now();
        // A clock that was set back makes uses of before come from the future. All move by as much, so that their order
        // stays, on which it rests that nothing goes before what needs it.
        let uses = || blobs.values().map(|entry| entry.used).chain(results.values().copied());
        let ahead = uses().max().unwrap_or(0).saturating_sub(now);
        if ahead > 0 {
            let back = |used: &mut u64| *used = used.saturating_sub(ahead);
            blobs.values_mut().for_each(|entry| back(&mut entry.used));
            results.values_mut().for_each(back);
        }
        let mut unknown = Vec::new();
        for digest in self.store.list()? {
            // A content that is there with both modes is one.
            if self.index().get(&digest).is_some() {
                continue;
            }
            let entry = match blobs.get(&digest.hash).filter(|entry| entry.size == digest.size) {
                Some(entry) => *entry,
                None => {
                    unknown.push(digest);
                    Entry { size: digest.size, used: now, kind: Kind::Leaf, verified: false }
                }
            };
            self.restore(digest.hash, entry);
            self.index().grew(digest.size);
        }
        self.look_at(&unknown)?;
        for (key, size) in self.results.list()? {
            match results.get(&key) {
                Some(used) => self.results.restore(key, *used, size),
                None if self.recover_result(&key, size)? => {}
                None => {
                    self.tell(&Event::CorruptResult);
                    self.results.remove_file(&key)?;
                    continue;
                }
            }
            self.index().grew(size);
        }
        Ok(())
    }

    // Finds out which of these are directories or trees, and marks what they need.
    fn look_at(&self, unknown: &[Digest]) -> Result<(), StoreError> {
        let found: Vec<(Digest, Kind, Needs)> = unknown
            .par_iter()
            .filter_map(|digest| match self.kind_of(digest) {
                Ok((Kind::Leaf, _)) => None,
                Ok((kind, needs)) => Some(Ok((*digest, kind, needs))),
                // Damaged: it has left the table.
                Err(error) if error.is_miss() => None,
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<_, StoreError>>()?;
        for (digest, kind, _) in &found {
            // As old as can be, so that it is walked.
            self.index().change(digest, |entry| (entry.kind, entry.used) = (*kind, 0));
        }
        let _gate = self.hold_expiry();
        let mut walk = Walk::lazy(self);
        for (digest, _, _) in &found {
            walk.blob(digest)?;
        }
        Ok(())
    }

    fn kind_of(&self, digest: &Digest) -> Result<(Kind, Needs), StoreError> {
        use std::io::Read as _;
        let mut first = [0];
        let path = self.store.folder();
        let mut file = self.store.open_content(digest)?.file;
        let count = file.read(&mut first).map_err(|source| StoreError::Io {
            action: "read a blob in",
            path: path.to_owned(),
            source,
        })?;
        if count == 0 || !kind::may_need(first[0]) || digest.size > kind::LARGEST {
            return Ok((Kind::Leaf, Needs::default()));
        }
        Ok(kind::recognise(&self.read_unmarked(digest)?))
    }

    #[allow(clippy::type_complexity, reason = "blobs and results, used once")]
    fn read_snapshot(&self) -> Result<(HashMap<Hash, Entry>, HashMap<Hash, u64>), StoreError> {
        let path = self.snapshot_path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(StoreError::Io { action: "read", path, source }),
        };
        let (mut blobs, mut results) = (HashMap::new(), HashMap::new());
        // One that is damaged says nothing: then everything is looked at.
        for record in records(&bytes).unwrap_or_default().chunks_exact(RECORD) {
            let (Ok(hash), Ok(size), Ok(used)) =
                (record[..32].try_into(), record[32..40].try_into(), record[40..48].try_into())
            else {
                continue;
            };
            let (size, used) = (u64::from_le_bytes(size), u64::from_le_bytes(used));
            match Kind::from_code(record[48]) {
                Some(kind) => {
                    blobs.insert(hash, Entry { size, used, kind, verified: false });
                }
                None => {
                    results.insert(hash, used);
                }
            }
        }
        Ok((blobs, results))
    }
}

fn record(bytes: &mut Vec<u8>, hash: &Hash, size: u64, used: u64, kind: u8) {
    bytes.extend(hash);
    bytes.extend(size.to_le_bytes());
    bytes.extend(used.to_le_bytes());
    bytes.push(kind);
}

// What stands between the header and the check sum, if that is right.
fn records(bytes: &[u8]) -> Option<&[u8]> {
    let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    (Digest::of(body).hash == sum).then(|| body.strip_prefix(HEADER))?
}
