//! What has been recorded and is not yet in the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use crate::cas::Digest;

/// Records that are waiting to be written. Ordered maps, because a B-tree takes sorted keys fastest.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Path sets by weak fingerprint, the most recent first.
    pub(super) weak: BTreeMap<Fingerprint, Vec<Digest>>,
    /// Path sets by digest.
    pub(super) path_sets: BTreeMap<Digest, Arc<[u8]>>,
    /// Results by strong fingerprint; `None` for those that are to be removed.
    pub(super) results: BTreeMap<Fingerprint, Option<Recorded>>,
    /// What results were made of, by the pip.
    pub(super) recipes: BTreeMap<Fingerprint, Arc<[u8]>>,
    /// When results were last used, in seconds since 1970.
    pub(super) used: BTreeMap<Fingerprint, u64>,
    /// Roughly how many bytes all of this has.
    pub(super) weight: usize,
}

/// A result that is waiting to be written.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) weak: Fingerprint,
    pub(super) path_set: Digest,
    pub(super) bytes: Arc<[u8]>,
}

// What an entry takes beside its values.
const OVERHEAD: usize = 300;

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.results.is_empty() && self.recipes.is_empty()
    }

    pub(super) fn record(&mut self, weak: Fingerprint, path_set: &[u8], strong: Fingerprint, result: &[u8], now: u64) {
        self.weight += path_set.len() + result.len() + OVERHEAD;
        let digest = Digest::of(path_set);
        self.path_sets.entry(digest).or_insert_with(|| path_set.into());
        bring_forward(self.weak.entry(weak).or_default(), [digest]);
        self.results.insert(strong, Some(Recorded { weak, path_set: digest, bytes: result.into() }));
        self.used.insert(strong, now);
    }

    pub(super) fn remember(&mut self, pip: Fingerprint, recipe: &[u8]) {
        self.weight += recipe.len() + OVERHEAD;
        self.recipes.insert(pip, recipe.into());
    }

    pub(super) fn remove(&mut self, strong: Fingerprint) {
        self.weight += OVERHEAD;
        self.results.insert(strong, None);
        self.used.remove(&strong);
    }
}

/// How many path sets are kept for a weak fingerprint.
pub(super) const MOST_PATH_SETS: usize = 64;

/// Adds path sets at the end of a list, but for those that it has, as long as it is not full.
pub(super) fn append(list: &mut Vec<Digest>, older: impl IntoIterator<Item = Digest>) {
    for digest in older {
        if list.len() >= MOST_PATH_SETS {
            break;
        }
        if !list.contains(&digest) {
            list.push(digest);
        }
    }
}

// Puts path sets at the front of a list.
fn bring_forward(list: &mut Vec<Digest>, newer: impl IntoIterator<Item = Digest>) {
    let older = std::mem::replace(list, newer.into_iter().collect());
    append(list, older);
}
