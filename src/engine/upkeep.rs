//! What is done with a cache between builds: counting, verifying, removing what was not used for long.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashSet;

use super::BuildError;
use super::cache::{Entries, EntryStats, Fingerprint, Found, Retained};
use super::steps::CachedResult;
#[cfg(not(feature = "remote"))]
use crate::cas::StoreError;
use crate::cas::store::{Collected, Root, Stats, Verified};
#[cfg(feature = "remote")]
use crate::cas::tree::Reachable;
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

/// Removes results that are not to be kept, and then every content that neither a result needs nor anybody put there.
///
/// # Errors
/// When the cache cannot be read or written, or a build uses it.
pub fn cache_gc(folder: &Path, keep: Keep) -> Result<(Retained, Collected), BuildError> {
    let collected = gc(folder, keep, Keep::default())?;
    Ok((collected.results, collected.blobs))
}

/// What [`store_gc`] did.
#[derive(Clone, Debug, Default)]
pub struct StoreCollected {
    /// Results of builds.
    pub results: Retained,
    /// What was put there on purpose and is still kept.
    pub kept: usize,
    /// What was put there on purpose and is no longer kept.
    pub removed: Vec<Root>,
    /// Contents.
    pub blobs: Collected,
}

/// Removes what was put into a store on purpose and is not to be kept, and then every content that neither that nor a
/// result of a build needs. The results stay.
///
/// # Errors
/// When the store cannot be read or written, or is used.
pub fn store_gc(folder: &Path, keep: Keep) -> Result<StoreCollected, BuildError> {
    gc(folder, Keep::default(), keep)
}

// A cache and a store are one folder, and what one of them keeps the other must not take.
fn gc(folder: &Path, keep: Keep, keep_roots: Keep) -> Result<StoreCollected, BuildError> {
    let store = Store::open(folder)?;
    // Held from before anything is counted: what a build adds later may need what is there now.
    let alone = store.hold_alone()?;
    let mut done = StoreCollected::default();
    let mut live = Live { digests: FxHashSet::default(), bytes: 0, keep: keep_roots };
    for root in store.roots()? {
        let used = root.used.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if live.take(used, needs(&store, &root)?) {
            done.kept += 1;
        } else {
            store.remove_root(&root, &alone)?;
            done.removed.push(root);
        }
    }
    // A store may belong to no cache.
    let entries = if Entries::are_in(folder) { Some(Entries::open(folder)?.0) } else { None };
    if let Some(entries) = &entries {
        live = Live { bytes: 0, keep, ..live };
        done.results = retain(&store, entries, &mut live)?;
    }
    done.blobs = store.collect(&alone, &|digest| live.digests.contains(digest), GRACE)?;
    if let Some(entries) = entries {
        entries.close()?;
    }
    Ok(done)
}

// The contents that are wanted, and what else may be.
struct Live {
    digests: FxHashSet<Digest>,
    // The sizes of those that were taken.
    bytes: u64,
    keep: Keep,
}

impl Live {
    // Takes what something needs, if that is to be kept.
    fn take(&mut self, used: u64, needs: Vec<Digest>) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let oldest = self.keep.used_within.map_or(0, |within| now.saturating_sub(within).as_secs());
        let new: u64 = needs.iter().filter(|digest| !self.digests.contains(digest)).map(|digest| digest.size).sum();
        if used < oldest || self.keep.bytes.is_some_and(|most| self.bytes + new > most) {
            return false;
        }
        self.bytes += new;
        self.digests.extend(needs);
        true
    }
}

fn retain(store: &Store, entries: &Entries, live: &mut Live) -> Result<Retained, BuildError> {
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
    let mut kept: FxHashSet<Fingerprint> = FxHashSet::default();
    for (used, strong, blobs) in results {
        if live.take(used, blobs) {
            kept.insert(strong);
        }
    }
    Ok(entries.retain(&mut |found| kept.contains(&found.strong))?)
}

// What a root needs, as far as it can be followed, each once.
#[cfg(feature = "remote")]
fn needs(store: &Store, root: &Root) -> Result<Vec<Digest>, BuildError> {
    let mut reachable = Reachable::new(store);
    if root.is_tree {
        // What is lacking cannot be kept; `cas verify` tells of it.
        reachable.add_tree(&root.digest)?;
    } else {
        reachable.add_blob(root.digest);
    }
    Ok(reachable.digests().copied().collect())
}

// Without the messages of the Remote Execution API there is no telling what a tree needs, so nothing is taken.
#[cfg(not(feature = "remote"))]
fn needs(store: &Store, root: &Root) -> Result<Vec<Digest>, BuildError> {
    if root.is_tree {
        return Err(StoreError::InUse { folder: store.folder().to_owned() }.into());
    }
    Ok(vec![root.digest])
}

/// The contents that a result needs, and whether they may be in a shared cache instead; none where it cannot be read.
fn blobs_of(result: &[u8]) -> Option<(Vec<Digest>, bool)> {
    let result: CachedResult = postcard::from_bytes(result).ok()?;
    Some((result.blobs().filter(|digest| digest.size > 0).collect(), result.is_shared()))
}
