//! The shared cache on a server: results in its action cache, contents in its content store.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use thiserror::Error;

use super::super::cache::Fingerprint;
use super::super::shared::{Finding, SharedCache, Traffic, WantedBlob};
use super::breaker::Breaker;
use super::keys::{Key, Kind};
use super::records::{self, Listed, Place};
use super::uploads::Uploads;
use crate::cas::remote::{Remote, RemoteError, Transfer, Wanted};
use crate::cas::{Digest, Store, StoreError};

/// What is given to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upload {
    /// Nothing: it is only read.
    Nothing,
    /// What is made in this build.
    #[default]
    New,
    /// Also what the cache of this machine has and this build uses.
    All,
}

/// How a server is used.
#[derive(Clone, Debug)]
pub struct RemoteCacheOptions {
    /// The cache of this machine, where what is uploaded comes from.
    pub store: PathBuf,
    /// What is given to the server.
    pub upload: Upload,
    /// How many threads upload.
    pub threads: usize,
}

/// Why the shared cache cannot be used at all.
#[derive(Debug, Error)]
pub enum RemoteCacheError {
    /// The cache of this machine.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread.
    #[error("cannot start a thread for uploads: {0}")]
    Thread(#[from] io::Error),
}

/// The shared cache on a server.
#[derive(Debug)]
pub struct RemoteCache {
    remote: Remote,
    store: Arc<Store>,
    reads: Breaker,
    upload: Upload,
    uploads: Option<Uploads>,
    counts: Arc<Counts>,
    /// Contents that are on their way, so that two threads do not bring the same one.
    flying: Mutex<FxHashSet<Digest>>,
    landed: Condvar,
    /// Path sets that were read in this build: pips share them.
    path_sets: Mutex<FxHashMap<Digest, Arc<Vec<u8>>>>,
}

/// How many path sets are remembered.
const REMEMBERED: usize = 1024;

/// What has been moved.
#[derive(Debug, Default)]
pub(super) struct Counts {
    blobs_down: AtomicU64,
    bytes_down: AtomicU64,
    pub(super) blobs_up: AtomicU64,
    pub(super) bytes_up: AtomicU64,
    pub(super) results_up: AtomicU64,
}

impl Counts {
    pub(super) fn went(&self, transfer: Transfer) {
        self.blobs_up.fetch_add(transfer.blobs, Ordering::Relaxed);
        self.bytes_up.fetch_add(transfer.bytes, Ordering::Relaxed);
    }
}

impl RemoteCache {
    /// A shared cache on a server that has been spoken to.
    ///
    /// # Errors
    /// When the cache of this machine cannot be opened, or no thread started.
    pub fn new(remote: Remote, options: &RemoteCacheOptions) -> Result<Self, RemoteCacheError> {
        let counts = Arc::new(Counts::default());
        let store = Arc::new(Store::open(&options.store)?);
        let uploads = match options.upload {
            Upload::Nothing => None,
            Upload::New | Upload::All => {
                Some(Uploads::start(remote.clone(), Arc::clone(&store), Arc::clone(&counts), options.threads)?)
            }
        };
        Ok(Self {
            remote,
            store,
            reads: Breaker::new("the remote cache cannot be read"),
            upload: options.upload,
            uploads,
            counts,
            flying: Mutex::default(),
            landed: Condvar::new(),
            path_sets: Mutex::default(),
        })
    }

    /// The body of a record.
    fn body(&self, kind: Kind, fingerprint: Fingerprint) -> Option<Vec<u8>> {
        let record = self.reads.ask(|| record(&self.remote, kind, fingerprint))??;
        records::unseal(kind, fingerprint, &record).map(<[u8]>::to_vec)
    }

    fn path_set(&self, listed: Listed) -> Option<Arc<Vec<u8>>> {
        if let Some(bytes) = listed.bytes {
            return Some(Arc::new(bytes));
        }
        let known = || self.path_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = known().get(&listed.digest) {
            return Some(Arc::clone(bytes));
        }
        if listed.digest.size > records::LONGEST {
            return None;
        }
        let bytes = self.reads.ask(|| self.remote.read(&listed.digest))?;
        let bytes = Arc::new(bytes);
        if Digest::of(&bytes) != listed.digest {
            return None;
        }
        let mut known = known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(listed.digest, Arc::clone(&bytes));
        Some(bytes)
    }

    /// Brings contents that nobody else is bringing.
    fn bring(&self, wanted: &[&WantedBlob]) {
        let list: Vec<Wanted> = wanted
            .iter()
            .map(|one| Wanted { digest: one.digest, path: one.path.clone(), executable: one.executable })
            .collect();
        if let Some(transfer) = self.reads.transfer(|| self.remote.fetch(&self.store, &list, &())) {
            self.counts.blobs_down.fetch_add(transfer.blobs, Ordering::Relaxed);
            self.counts.bytes_down.fetch_add(transfer.bytes, Ordering::Relaxed);
        }
    }
}

/// Contents that somebody is bringing: those who wait for them go on, whatever becomes of it.
struct Landing<'l> {
    cache: &'l RemoteCache,
    digests: &'l [&'l WantedBlob],
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flying = self.cache.flying.lock().unwrap_or_else(PoisonError::into_inner);
        for one in self.digests {
            flying.remove(&one.digest);
        }
        drop(flying);
        self.cache.landed.notify_all();
    }
}

/// What a server has recorded for a fingerprint, as it came.
pub(super) fn record(remote: &Remote, kind: Kind, fingerprint: Fingerprint) -> Result<Option<Vec<u8>>, RemoteError> {
    let Some(answer) = remote.action_result(&Key::of(kind, fingerprint).digest)? else { return Ok(None) };
    match records::place(answer) {
        Some(Place::Here(record)) => Ok(Some(record)),
        Some(Place::Blob(digest)) => match remote.read(&digest) {
            Ok(record) => Ok(Some(record)),
            Err(RemoteError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        },
        None => Ok(None),
    }
}

impl SharedCache for RemoteCache {
    fn path_sets(&self, weak: Fingerprint, visit: &mut dyn FnMut(&[u8]) -> bool) {
        let Some(body) = self.body(Kind::PathSets, weak) else { return };
        for listed in records::listed(&body).unwrap_or_default() {
            if let Some(bytes) = self.path_set(listed)
                && visit(&bytes)
            {
                return;
            }
        }
    }

    fn result(&self, strong: Fingerprint) -> Option<Vec<u8>> {
        self.body(Kind::Result, strong)
    }

    fn lookups(&self) -> usize {
        self.remote.options().concurrency
    }

    fn fetch(&self, wanted: &[WantedBlob]) -> Vec<Digest> {
        let has = |digest: &Digest| self.store.contains(digest).unwrap_or(false);
        let mut seen = FxHashSet::default();
        let open: Vec<&WantedBlob> = wanted.iter().filter(|one| seen.insert(one.digest) && !has(&one.digest)).collect();
        if open.is_empty() {
            return Vec::new();
        }
        let flying = || self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        let (mine, others): (Vec<&WantedBlob>, Vec<&WantedBlob>) = {
            let mut flying = flying();
            open.iter().partition(|one| flying.insert(one.digest))
        };
        if !mine.is_empty() {
            let _landing = Landing { cache: self, digests: &mine };
            self.bring(&mine);
        }
        if !others.is_empty() {
            let in_the_air = |flying: &mut FxHashSet<Digest>| others.iter().any(|one| flying.contains(&one.digest));
            drop(self.landed.wait_while(flying(), in_the_air).unwrap_or_else(PoisonError::into_inner));
            // What came with them may have been at fault.
            let rest: Vec<&WantedBlob> = others.into_iter().filter(|one| !has(&one.digest)).collect();
            if !rest.is_empty() {
                self.bring(&rest);
            }
        }
        open.iter().map(|one| one.digest).filter(|digest| !has(digest)).collect()
    }

    fn is_reachable(&self) -> bool {
        self.reads.is_open()
    }

    fn give(&self, finding: Finding) {
        if let Some(uploads) = &self.uploads {
            uploads.add(finding);
        }
    }

    fn wants_old_results(&self) -> bool {
        self.upload == Upload::All
    }

    fn finish(&self, limit: Duration, is_over: &dyn Fn() -> bool, tell: &dyn Fn(usize)) -> usize {
        self.uploads.as_ref().map_or(0, |uploads| uploads.finish(limit, is_over, tell))
    }

    fn trouble(&self) -> Option<String> {
        self.reads.trouble().or_else(|| self.uploads.as_ref()?.trouble())
    }

    fn traffic(&self) -> Traffic {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            blobs_down: load(&self.counts.blobs_down),
            bytes_down: load(&self.counts.bytes_down),
            blobs_up: load(&self.counts.blobs_up),
            bytes_up: load(&self.counts.bytes_up),
            results_up: load(&self.counts.results_up),
        }
    }
}
