//! The tables of the database, and how their values are written. A value that is not as it was written is no value.

use std::collections::BTreeSet;

use redb::{
    AccessGuard, ReadTransaction, ReadableDatabase as _, ReadableTable, ReadableTableMetadata as _, TableDefinition,
    TableError,
};
use sha2::{Digest as _, Sha256};

use super::fingerprint::Fingerprint;
use super::pending::{Pending, Recorded, append};
use crate::cas::Digest;

// Another format gets other names.
pub(super) const WEAK: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("weak-1");
pub(super) const PATH_SETS: TableDefinition<&[u8; 40], &[u8]> = TableDefinition::new("path-sets-1");
pub(super) const RESULTS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("results-1");
pub(super) const RECIPES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("recipes-1");
pub(super) const USED: TableDefinition<&[u8; 32], u64> = TableDefinition::new("used-1");

const DIGEST: usize = 40;
const CHECKSUM: usize = 8;

// The time of the last use may be late by so much, in seconds: a build that only finds results writes next to nothing.
const USED_STEP: u64 = 3600;

/// A digest as it is written.
pub(super) fn digest_bytes(digest: &Digest) -> [u8; DIGEST] {
    let mut bytes = [0; DIGEST];
    bytes[..32].copy_from_slice(&digest.hash);
    bytes[32..].copy_from_slice(&digest.size.to_le_bytes());
    bytes
}

fn read_digest(bytes: &[u8; DIGEST]) -> Digest {
    let (mut hash, mut size) = ([0; 32], [0; 8]);
    hash.copy_from_slice(&bytes[..32]);
    size.copy_from_slice(&bytes[32..]);
    Digest { hash, size: u64::from_le_bytes(size) }
}

// The checksum is over the key too: a value under another key is as bad as a changed one.
fn checksum(key: &[u8; 32], value: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha256::new().chain_update(key).chain_update(value).finalize();
    let mut first = [0; CHECKSUM];
    first.copy_from_slice(&hash[..CHECKSUM]);
    first
}

fn sealed(key: &[u8; 32], value: &[u8]) -> Vec<u8> {
    [&checksum(key, value), value].concat()
}

fn unsealed<'v>(key: &[u8; 32], bytes: &'v [u8]) -> Option<&'v [u8]> {
    let (sum, value) = bytes.split_first_chunk::<CHECKSUM>()?;
    (checksum(key, value) == *sum).then_some(value)
}

/// The path sets of a weak fingerprint.
pub(super) fn read_weak(key: &[u8; 32], bytes: &[u8]) -> Option<Vec<Digest>> {
    let (digests, rest) = unsealed(key, bytes)?.as_chunks::<DIGEST>();
    rest.is_empty().then(|| digests.iter().map(read_digest).collect())
}

/// The same, to be written.
pub(super) fn write_weak(key: &[u8; 32], digests: &[Digest]) -> Vec<u8> {
    sealed(key, digests.iter().map(digest_bytes).collect::<Vec<_>>().as_flattened())
}

/// A result, and which path set of which weak fingerprint led to it.
pub(super) fn read_result<'v>(key: &[u8; 32], bytes: &'v [u8]) -> Option<(Fingerprint, Digest, &'v [u8])> {
    let (weak, rest) = unsealed(key, bytes)?.split_first_chunk::<32>()?;
    let (path_set, result) = rest.split_first_chunk::<DIGEST>()?;
    Some((Fingerprint(*weak), read_digest(path_set), result))
}

fn write_result(key: &[u8; 32], recorded: &Recorded) -> Vec<u8> {
    sealed(key, &[&recorded.weak.0, &digest_bytes(&recorded.path_set)[..], &recorded.bytes].concat())
}

/// What a result was made of.
pub(super) fn read_recipe<'v>(key: &[u8; 32], bytes: &'v [u8]) -> Option<&'v [u8]> {
    unsealed(key, bytes)
}

/// One value, as it was written; `None` also where the table has not been made yet.
pub(super) fn get<const N: usize>(
    reading: &ReadTransaction,
    table: TableDefinition<&'static [u8; N], &'static [u8]>,
    key: &[u8; N],
) -> Result<Option<Vec<u8>>, redb::Error> {
    let table = match reading.open_table(table) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(table.get(key)?.map(|value| value.value().to_vec()))
}

/// The number of rows of each table. Also shows that they are the tables of this format.
pub(super) fn lengths(database: &redb::Database) -> Result<[u64; 3], redb::Error> {
    fn length<K: redb::Key + 'static, V: redb::Value + 'static>(
        reading: &ReadTransaction,
        table: TableDefinition<'static, K, V>,
    ) -> Result<u64, redb::Error> {
        match reading.open_table(table) {
            Ok(table) => Ok(table.len()?),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
    let reading = database.begin_read()?;
    length(&reading, USED)?;
    Ok([length(&reading, WEAK)?, length(&reading, PATH_SETS)?, length(&reading, RESULTS)?])
}

/// Those of some results whose last use was noted long ago.
pub(super) fn stale(
    database: &redb::Database,
    touched: BTreeSet<Fingerprint>,
    now: u64,
) -> Result<Vec<Fingerprint>, redb::Error> {
    let mut stale = Vec::new();
    if touched.is_empty() {
        return Ok(stale);
    }
    let reading = database.begin_read()?;
    let used = match reading.open_table(USED) {
        Ok(used) => used,
        Err(TableError::TableDoesNotExist(_)) => return Ok(touched.into_iter().collect()),
        Err(error) => return Err(error.into()),
    };
    for key in touched {
        if is_stale(used.get(&key.0)?, now) {
            stale.push(key);
        }
    }
    Ok(stale)
}

fn is_stale(last: Option<AccessGuard<'_, u64>>, now: u64) -> bool {
    last.is_none_or(|last| last.value().saturating_add(USED_STEP) < now)
}

/// Writes all records in one transaction: all of them are there afterwards, or none.
pub(super) fn write(database: &redb::Database, pending: &Pending) -> Result<(), redb::Error> {
    let mut writing = database.begin_write()?;
    // The next start after a kill need not go through the whole file.
    writing.set_quick_repair(true);
    {
        let mut weak = writing.open_table(WEAK)?;
        for (key, newer) in &pending.weak {
            let mut list = Vec::new();
            append(&mut list, newer.iter().copied());
            let older = weak.get(&key.0)?.and_then(|older| read_weak(&key.0, older.value()));
            append(&mut list, older.into_iter().flatten());
            weak.insert(&key.0, &*write_weak(&key.0, &list))?;
        }
        let mut path_sets = writing.open_table(PATH_SETS)?;
        for (digest, bytes) in &pending.path_sets {
            let key = digest_bytes(digest);
            let there = path_sets.get(&key)?.is_some_and(|there| there.value() == &**bytes);
            if !there {
                path_sets.insert(&key, &**bytes)?;
            }
        }
        let mut results = writing.open_table(RESULTS)?;
        let mut used = writing.open_table(USED)?;
        for (key, recorded) in &pending.results {
            match recorded {
                Some(recorded) => results.insert(&key.0, &*write_result(&key.0, recorded))?.map(drop),
                None => {
                    used.remove(&key.0)?;
                    results.remove(&key.0)?.map(drop)
                }
            };
        }
        let mut recipes = writing.open_table(RECIPES)?;
        for (key, recipe) in &pending.recipes {
            recipes.insert(&key.0, &*sealed(&key.0, recipe))?;
        }
        for (key, time) in &pending.used {
            if is_stale(used.get(&key.0)?, *time) && results.get(&key.0)?.is_some() {
                used.insert(&key.0, time)?;
            }
        }
    }
    writing.commit()?;
    Ok(())
}
