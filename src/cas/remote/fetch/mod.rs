//! Blobs and trees from the server into the local store.
//!
//! A tree is walked breadth first. Directories whose bytes are here wait in one queue to be walked; those that have been
//! met but are not here wait in another for the batch that brings them. Files wait in a third. Whoever has nothing to do
//! sends a batch as soon as one is full, or else walks a directory, or else sends a batch that is not full. Blobs that are
//! too large for a batch come as streams. All that happens on several threads, each of which has one request under
//! way or writes to the store.
//!
//! A directory is kept in memory until all that is below it is in the store, and only then gets there itself: what is in
//! the store never refers to something that has not been there. What was there once may have gone, so directories
//! that are in the store already are walked, too, which costs no request.
//!
//! Memory is bounded by what the tree itself takes at a time: once the directories that are held take a lot, it is the
//! newest that is walked next, so that the walk goes down instead of further out and the oldest get done.

mod blobs;
mod directories;
mod state;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use rustc_hash::FxHashMap;

use super::capabilities::in_message;
use super::client::Client;
use super::parallel::{OnPanic, lock};
use super::{Progress, RemoteError, Transfer, Wanted};
use crate::cas::{Digest, Store, StoreError};
use state::{Job, Kind, State, Want};

struct Fetch<'a> {
    client: &'a Client,
    store: &'a Store,
    progress: &'a dyn Progress,
    // Directories that need not be asked for.
    given: FxHashMap<Digest, Vec<u8>>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Client {
    /// Brings blobs into the store.
    pub(in crate::cas::remote) fn fetch(
        &self,
        store: &Store,
        wanted: &[Wanted],
        progress: &dyn Progress,
    ) -> Result<Transfer, RemoteError> {
        // Nothing that is found to be here may go before it is used.
        let _hold = store.hold()?;
        let fetch = Fetch::new(self, store, progress, FxHashMap::default());
        {
            let mut state = lock(&fetch.state);
            for want in wanted {
                if state.coming.contains_key(&want.digest) {
                    continue;
                }
                if fetch.is_here(&want.digest)? {
                    state.transfer.present += 1;
                    continue;
                }
                state.coming.insert(want.digest, Vec::new());
                fetch.want(
                    &mut state,
                    Want {
                        digest: want.digest,
                        above: None,
                        name: want.path.as_str().into(),
                        kind: Kind::File { executable: want.executable },
                    },
                );
            }
        }
        fetch.run()
    }

    /// Brings a directory and everything below it into the store. Directories that are given are not asked for.
    pub(in crate::cas::remote) fn fetch_tree(
        &self,
        store: &Store,
        root: &Digest,
        given: FxHashMap<Digest, Vec<u8>>,
        progress: &dyn Progress,
    ) -> Result<Transfer, RemoteError> {
        // Nothing that is found to be here may go before what refers to it is here, too.
        let _hold = store.hold()?;
        let fetch = Fetch::new(self, store, progress, given);
        let node = lock(&fetch.state).met(*root, None, "");
        fetch.find(vec![node])?;
        fetch.run()
    }
}

impl<'a> Fetch<'a> {
    fn new(
        client: &'a Client,
        store: &'a Store,
        progress: &'a dyn Progress,
        given: FxHashMap<Digest, Vec<u8>>,
    ) -> Self {
        Self { client, store, progress, given, state: Mutex::default(), changed: Condvar::new() }
    }

    fn run(self) -> Result<Transfer, RemoteError> {
        lock(&self.state).workers = 1;
        thread::scope(|scope| self.work(scope));
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.error {
            return Err(error);
        }
        if !state.missing.is_empty() {
            // They were found in any order.
            state.missing.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
            return Err(RemoteError::Missing { missing: state.missing });
        }
        match state.known.keys().min() {
            Some(digest) => Err(RemoteError::Unfinished { digest: *digest }),
            None => Ok(state.transfer),
        }
    }

    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        while let Some((job, help)) = self.next() {
            if help {
                let spawned =
                    thread::Builder::new().name("remote-fetch".to_owned()).spawn_scoped(scope, || self.work(scope));
                if spawned.is_err() {
                    // It goes on with those that there are.
                    lock(&self.state).workers -= 1;
                }
            }
            let finds = job.finds();
            let _guard = OnPanic(|| {
                lock(&self.state).panicked = true;
                self.changed.notify_all();
            });
            let answer = match job {
                Job::Walk(node) => self.walk(node),
                Job::Batch(wants) => self.batch(wants, None),
                Job::Part(wants, whole) => self.batch(wants, Some(whole)),
                Job::Stream(want) => self.stream(want),
            };
            let mut state = lock(&self.state);
            state.running -= 1;
            state.finding -= usize::from(finds);
            if let Err(error) = answer {
                state.error.get_or_insert(error);
            }
            if state.idle > 0 {
                self.changed.notify_all();
            }
        }
    }

    // The next job, and whether another thread would have something to do, too.
    fn next(&self) -> Option<(Job, bool)> {
        let mut state = lock(&self.state);
        loop {
            if state.error.is_some() || state.panicked {
                self.changed.notify_all();
                return None;
            }
            if let Some(job) = state.job(self.client.capabilities.reads.limit()) {
                state.running += 1;
                state.finding += usize::from(job.finds());
                let help = state.has_more() && state.idle == 0 && state.workers < self.client.options.concurrency;
                state.workers += usize::from(help);
                return Some((job, help));
            }
            if state.running == 0 {
                self.changed.notify_all();
                return None;
            }
            state = self.wait(state);
        }
    }

    fn wait<'s>(&self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        state.idle += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state
    }

    // Whether the store has a blob. The one of no bytes it gets without a request.
    fn is_here(&self, digest: &Digest) -> Result<bool, StoreError> {
        if *digest == Digest::EMPTY {
            self.store.add_bytes(b"")?;
            return Ok(true);
        }
        self.store.contains(digest)
    }

    // Puts something in the queue that it belongs to.
    fn want(&self, state: &mut State, want: Want) {
        self.progress.expect(1, want.digest.size);
        self.queue(state, want);
    }

    fn queue(&self, state: &mut State, want: Want) {
        let batches = &self.client.capabilities.reads;
        if !batches.are_known() || in_message(&want.digest) > batches.limit() {
            state.streams.push_back(want);
        } else if let Kind::Directory(_) = want.kind {
            state.directories.push(want);
        } else {
            state.files.push(want);
        }
    }
}
