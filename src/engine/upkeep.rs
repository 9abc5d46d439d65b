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
    let collected = gc(folder, keep, Keep::default(), GRACE)?;
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
    gc(folder, Keep::default(), keep, GRACE)
}

// A cache and a store are one folder, and what one of them keeps the other must not take.
fn gc(folder: &Path, keep: Keep, keep_roots: Keep, grace: Duration) -> Result<StoreCollected, BuildError> {
    // What a server has is not wanted by anything here, but by its clients.
    if folder.join("actions").is_dir() {
        return Err(BuildError::Served { folder: folder.to_owned() });
    }
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
    done.blobs = store.collect(&alone, &|digest| live.digests.contains(digest), grace)?;
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

#[cfg(all(test, feature = "remote"))]
mod tests {
    use std::fs;

    use super::*;
    use crate::cas::tree::{Reachable, capture};
    use crate::cas::{Keep as How, StoreError};

    const ALL: Keep = Keep { used_within: None, bytes: None };
    const NONE: Keep = Keep { used_within: None, bytes: Some(0) };

    // A store with two trees that share a file, a blob that was put in, and one that nobody wants.
    fn filled() -> (tempfile::TempDir, Store, [Digest; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let trees = ["one", "two"].map(|name| {
            let from = folder.path().join(name);
            fs::create_dir_all(from.join("below")).unwrap();
            fs::write(from.join("below/own"), name).unwrap();
            fs::write(from.join("shared"), "shared").unwrap();
            let root = capture(&store, &from, How::Copy).unwrap().root;
            store.add_root(&root, true, name).unwrap();
            root
        });
        let put = store.add_bytes(b"put in").unwrap();
        store.add_root(&put, false, "blob").unwrap();
        store.add_bytes(b"unwanted").unwrap();
        (folder, store, trees)
    }

    fn is_whole(store: &Store, root: &Digest) -> bool {
        let mut reachable = Reachable::new(store);
        reachable.add_tree(root).unwrap().is_empty()
            && reachable.digests().all(|digest| store.contains(digest).unwrap())
    }

    #[test]
    fn what_was_put_in_stays_with_all_below_it() {
        let (folder, store, trees) = filled();
        let done = gc(store.folder(), NONE, ALL, Duration::ZERO).unwrap();
        assert_eq!((done.kept, done.removed.len(), done.blobs.removed), (3, 0, 1));
        assert!(trees.iter().all(|root| is_whole(&store, root)));
        // No table of results appears in a store that is no cache.
        assert!(!Entries::are_in(store.folder()));
        drop(folder);
    }

    #[test]
    fn the_oldest_go_first_and_take_nothing_that_others_need() {
        let (_folder, store, trees) = filled();
        let old = store.folder().join(format!("roots/{}-{}.tree", trees[0].hex(), trees[0].size));
        let long_ago = SystemTime::now() - Duration::from_secs(1000);
        fs::File::options().write(true).open(old).unwrap().set_modified(long_ago).unwrap();
        let within = Keep { used_within: Some(Duration::from_secs(500)), bytes: None };
        let done = gc(store.folder(), ALL, within, Duration::ZERO).unwrap();
        assert_eq!((done.kept, done.removed.len(), done.removed[0].digest), (2, 1, trees[0]));
        assert!(is_whole(&store, &trees[1]) && !store.contains(&trees[0]).unwrap());
        assert!(!store.contains(&Digest::of(b"one")).unwrap() && store.contains(&Digest::of(b"shared")).unwrap());
        // What two of them need counts once.
        let size: u64 = store.stats().unwrap().bytes;
        let done = gc(store.folder(), ALL, Keep { used_within: None, bytes: Some(size) }, Duration::ZERO).unwrap();
        assert_eq!((done.kept, done.blobs.removed), (2, 0));
        let done = gc(store.folder(), ALL, NONE, Duration::ZERO).unwrap();
        assert_eq!((done.kept, store.stats().unwrap().blobs), (0, 0));
    }

    #[test]
    fn what_a_server_has_is_left_to_it() {
        let (_folder, store, trees) = filled();
        fs::create_dir(store.folder().join("actions")).unwrap();
        let refused = store_gc(store.folder(), NONE).map(drop);
        assert!(matches!(refused, Err(BuildError::Served { .. })), "{refused:?}");
        assert!(is_whole(&store, &trees[0]));
    }

    #[test]
    fn nothing_is_removed_while_somebody_holds_the_store() {
        let (_folder, store, trees) = filled();
        let hold = store.hold().unwrap();
        for answer in [cache_gc(store.folder(), NONE).map(drop), store_gc(store.folder(), NONE).map(drop)] {
            assert!(matches!(answer, Err(BuildError::Store(StoreError::InUse { .. }))), "{answer:?}");
        }
        assert!(is_whole(&store, &trees[0]) && store.roots().unwrap().len() == 3);
        drop(hold);
        // What was added lately stays for a while, though nobody wants it: somebody may be about to.
        let done = store_gc(store.folder(), NONE).unwrap();
        assert_eq!((done.kept, done.blobs.removed), (0, 0));
        assert!(done.blobs.young > 0);
    }
}
