//! What is done with a cache between builds: counting, verifying, removing what was not used for long.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashSet;

use super::BuildError;
use super::cache::{Entries, EntryStats, Fingerprint, Found, Retained};
use super::steps::CachedResult;
use crate::cas::store::{Collected, Stats, Verified};
use crate::cas::{Digest, Store};

/// A content that was used in this time is never removed, as a build may be about to record what needs it.
const GRACE: Duration = Duration::from_secs(60);

/// What a cache has.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStats {
    /// Results and path sets.
    pub entries: EntryStats,
    /// Contents.
    pub blobs: Stats,
}

/// Which results [`cache_gc`] keeps: all that fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// Results that were used in this time; none for any time.
    pub used_within: Option<Duration>,
    /// Results, the latest used first, until their contents have so many bytes; none for no limit.
    pub bytes: Option<u64>,
}

/// Counts what a cache has.
///
/// # Errors
/// When it cannot be read.
pub fn cache_stats(folder: &Path) -> Result<CacheStats, BuildError> {
    let store = Store::open(folder)?;
    let (entries, _) = Entries::open(folder)?;
    Ok(CacheStats { entries: entries.stats()?, blobs: store.stats()? })
}

/// What [`cache_verify`] found.
#[derive(Clone, Debug, Default)]
pub struct CacheVerified {
    /// Contents; damaged ones are removed.
    pub blobs: Verified,
    /// Results that could not be read or whose contents are not all there, which are removed, and the others.
    pub results: Retained,
    /// What of the table of results was damaged, in words.
    pub repairs: Vec<String>,
}

/// Reads and hashes every content, and removes what is damaged and the results that need it.
///
/// # Errors
/// When the cache cannot be read or written.
pub fn cache_verify(folder: &Path) -> Result<CacheVerified, BuildError> {
    let store = Store::open(folder)?;
    let blobs = store.verify(true)?;
    let (entries, repair) = Entries::open(folder)?;
    let whole = |found: Found<'_>| {
        let has = |digest: &Digest| store.contains(digest).unwrap_or(false);
        blobs_of(found.bytes).is_some_and(|(blobs, shared)| shared || blobs.iter().all(has))
    };
    let results = entries.retain(&mut |found| whole(found))?;
    let later = entries.close()?;
    let repairs = repair.into_iter().chain(later).map(|repair| repair.to_string()).collect();
    Ok(CacheVerified { blobs, results, repairs })
}

/// Removes results that are not to be kept, and then every content that no result needs.
///
/// # Errors
/// When the cache cannot be read or written, or a build uses it.
pub fn cache_gc(folder: &Path, keep: Keep) -> Result<(Retained, Collected), BuildError> {
    let store = Store::open(folder)?;
    let (entries, _) = Entries::open(folder)?;
    let mut results: Vec<(u64, Fingerprint, Vec<Digest>)> = Vec::new();
    entries.for_each(&mut |found| {
        if let Some((mut blobs, shared)) = blobs_of(found.bytes) {
            if shared {
                // What never came takes no room.
                blobs.retain(|digest| store.contains(digest).unwrap_or(false));
            }
            results.push((found.used, found.strong, blobs));
        }
    })?;
    // The latest first; of equals always the same.
    results.sort_by_key(|(used, strong, _)| (std::cmp::Reverse(*used), *strong));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let oldest = keep.used_within.map_or(0, |within| now.saturating_sub(within).as_secs());
    let mut live: FxHashSet<Digest> = FxHashSet::default();
    let mut kept: FxHashSet<Fingerprint> = FxHashSet::default();
    let mut bytes = 0;
    for (used, strong, blobs) in results {
        let new: u64 = blobs.iter().filter(|digest| !live.contains(digest)).map(|digest| digest.size).sum();
        if used < oldest || keep.bytes.is_some_and(|most| bytes + new > most) {
            continue;
        }
        bytes += new;
        live.extend(blobs);
        kept.insert(strong);
    }
    let retained = entries.retain(&mut |found| kept.contains(&found.strong))?;
    let collected = store.gc(&|digest| live.contains(digest), GRACE)?;
    entries.close()?;
    Ok((retained, collected))
}

/// The contents that a result needs, and whether they may be in a shared cache instead; none where it cannot be read.
fn blobs_of(result: &[u8]) -> Option<(Vec<Digest>, bool)> {
    let result: CachedResult = postcard::from_bytes(result).ok()?;
    Some((result.blobs().filter(|digest| digest.size > 0).collect(), result.is_shared()))
}
