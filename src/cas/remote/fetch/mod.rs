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

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use rustc_hash::{FxHashMap, FxHashSet};

use super::batch::{Answer, Outcome, fitting};
use super::capabilities::in_message;
use super::client::Client;
use super::directory::{Children, children};
use super::parallel::lock;
use super::read::{Memory, Sink as _};
use super::{Progress, RemoteError, Transfer, Wanted};
use crate::cas::tree::{MAX_DEPTH, TreeError};
use crate::cas::{Digest, Store, StoreError};

// A directory that is larger is an attack: it would have some hundred thousand entries.
const LARGEST_DIRECTORY: u64 = 64 << 20;

// When the directories that are held take so much, the walk goes down.
const HELD: u64 = 32 << 20;

// Which directory, among those that are not done.
type Node = usize;

/// Where a blob is wanted.
#[derive(Debug)]
struct Want {
    digest: Digest,
    // The directory that it is in, and its name there; without a directory, a path.
    above: Option<Node>,
    name: Box<str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File { executable: bool },
    Directory(Node),
}

// A directory that has been met and is not done.
#[derive(Debug)]
struct Pending {
    digest: Digest,
    // Empty until they have arrived.
    bytes: Vec<u8>,
    // Whether the store has it, so that it need not get there.
    stored: bool,
    // How many of its entries are not in the store, and one more until it has been walked.
    waiting: usize,
    // Which directories wait for it; one that has it twice is here twice.
    parents: Vec<Node>,
    // One place where it was met.
    above: Option<Node>,
    name: Box<str>,
    depth: usize,
}

// Blobs that wait for a batch, and how large they are in a message.
#[derive(Debug, Default)]
struct Queue {
    wants: VecDeque<Want>,
    size: u64,
}

impl Queue {
    fn push(&mut self, want: Want) {
        self.size += in_message(&want.digest);
        self.wants.push_back(want);
    }

    fn take(&mut self, limit: u64) -> Vec<Want> {
        let count = fitting(self.wants.iter().map(|want| &want.digest), limit).min(self.wants.len());
        let batch: Vec<Want> = self.wants.drain(..count).collect();
        self.size -= batch.iter().map(|want| in_message(&want.digest)).sum::<u64>();
        batch
    }
}

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Option<Pending>>,
    free: Vec<Node>,
    // Directories that are not done, by digest.
    known: FxHashMap<Digest, Node>,
    // Directories that are done.
    done: FxHashSet<Digest>,
    // Files that are on their way, and which directories wait for them.
    coming: FxHashMap<Digest, Vec<Node>>,
    // The queues.
    ready: VecDeque<Node>,
    directories: Queue,
    files: Queue,
    streams: VecDeque<Want>,
    // What the directories take whose bytes are here.
    held: u64,
    workers: usize,
    idle: usize,
    // Jobs under way: all of them, and those that will bring directories to be walked.
    running: usize,
    finding: usize,
    missing: Vec<(Digest, String)>,
    error: Option<RemoteError>,
    panicked: bool,
    transfer: Transfer,
}

enum Job {
    Walk(Node),
    Batch(Vec<Want>),
    Stream(Want),
}

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
    pub(super) fn fetch(
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
    pub(super) fn fetch_tree(
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

impl State {
    fn met(&mut self, digest: Digest, above: Option<Node>, name: &str) -> Node {
        let pending = Pending {
            digest,
            bytes: Vec::new(),
            stored: false,
            waiting: 1,
            parents: above.into_iter().collect(),
            above,
            name: name.into(),
            depth: above.and_then(|above| self.nodes[above].as_ref()).map_or(0, |above| above.depth + 1),
        };
        let node = match self.free.pop() {
            Some(node) => {
                self.nodes[node] = Some(pending);
                node
            }
            None => {
                self.nodes.push(Some(pending));
                self.nodes.len() - 1
            }
        };
        self.known.insert(digest, node);
        node
    }

    // One more of the entries of a directory is there. Whether it was the last.
    fn came(&mut self, node: Node) -> bool {
        self.nodes[node].as_mut().is_some_and(|pending| {
            pending.waiting -= 1;
            pending.waiting == 0
        })
    }

    fn path(&self, above: Option<Node>, name: &str) -> String {
        let mut names = vec![name];
        let mut at = above;
        while let Some(pending) = at.and_then(|node| self.nodes[node].as_ref()) {
            names.push(&pending.name);
            at = pending.above;
        }
        // The root has no name, and neither has what nobody gave one.
        let names: Vec<&str> = names.into_iter().rev().filter(|name| !name.is_empty()).collect();
        names.join("/")
    }

    fn arrived(&mut self, node: Node, bytes: Vec<u8>, stored: bool) {
        self.held += bytes.len() as u64;
        if let Some(pending) = &mut self.nodes[node] {
            pending.bytes = bytes;
            pending.stored = stored;
        }
        self.ready.push_back(node);
    }

    // What is to be done next, if anything can be done now.
    fn job(&mut self, limit: u64) -> Option<Job> {
        if let Some(want) = self.streams.pop_front() {
            return Some(Job::Stream(want));
        }
        if self.directories.size >= limit {
            return Some(Job::Batch(self.directories.take(limit)));
        }
        if self.files.size >= limit {
            return Some(Job::Batch(self.files.take(limit)));
        }
        let ready = if self.held > HELD { self.ready.pop_back() } else { self.ready.pop_front() };
        if let Some(node) = ready {
            return Some(Job::Walk(node));
        }
        if !self.directories.wants.is_empty() {
            return Some(Job::Batch(self.directories.take(limit)));
        }
        // What comes next may fill it up.
        if !self.files.wants.is_empty() && self.finding == 0 {
            return Some(Job::Batch(self.files.take(limit)));
        }
        None
    }
}

impl Job {
    // Whether it may bring directories to be walked.
    fn finds(&self) -> bool {
        let is_directory = |want: &Want| matches!(want.kind, Kind::Directory(_));
        match self {
            Self::Walk(_) => true,
            Self::Batch(wants) => wants.first().is_some_and(is_directory),
            Self::Stream(want) => is_directory(want),
        }
    }
}

// A thread that panics must not keep the others waiting for what it had under way.
struct Panic<'f, 'a>(&'f Fetch<'a>);

impl Drop for Panic<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.state).panicked = true;
            self.0.changed.notify_all();
        }
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
            let _panic = Panic(self);
            let answer = match job {
                Job::Walk(node) => self.walk(node),
                Job::Batch(wants) => self.batch(wants),
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
            if let Some(job) = state.job(self.client.capabilities.read_batch()) {
                state.running += 1;
                state.finding += usize::from(job.finds());
                let more = !state.ready.is_empty()
                    || !state.streams.is_empty()
                    || !state.directories.wants.is_empty()
                    || !state.files.wants.is_empty();
                let help = more && state.idle == 0 && state.workers < self.client.options.concurrency;
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
        let capabilities = &self.client.capabilities;
        if !capabilities.reads_batches() || in_message(&want.digest) > capabilities.read_batch() {
            state.streams.push_back(want);
        } else if let Kind::Directory(_) = want.kind {
            state.directories.push(want);
        } else {
            state.files.push(want);
        }
    }

    // Takes directories that have been met from where they are: from what was given, the store, or the server.
    fn find(&self, nodes: Vec<Node>) -> Result<(), RemoteError> {
        let digests: Vec<(Node, Digest)> = {
            let state = lock(&self.state);
            let digest = |node: Node| state.nodes[node].as_ref().map(|pending| (node, pending.digest));
            nodes.into_iter().filter_map(digest).collect()
        };
        let mut found = Vec::with_capacity(digests.len());
        for (node, digest) in digests {
            if digest.size > LARGEST_DIRECTORY {
                let path = self.path(node);
                return Err(RemoteError::HugeDirectory { digest, path });
            }
            let here = match self.given.get(&digest) {
                _ if digest == Digest::EMPTY => Some((Vec::new(), false)),
                Some(bytes) => Some((bytes.clone(), false)),
                None => match self.store.read(&digest) {
                    Ok(bytes) => Some((bytes, true)),
                    Err(error) if error.is_miss() => None,
                    Err(error) => return Err(error.into()),
                },
            };
            found.push((node, digest, here));
        }
        let mut state = lock(&self.state);
        for (node, digest, here) in found {
            if let Some((bytes, stored)) = here {
                state.transfer.present += u64::from(stored);
                state.arrived(node, bytes, stored);
                continue;
            }
            let Some(pending) = &state.nodes[node] else { continue };
            let want = Want { digest, above: pending.above, name: pending.name.clone(), kind: Kind::Directory(node) };
            self.want(&mut state, want);
        }
        Ok(())
    }

    fn walk(&self, node: Node) -> Result<(), RemoteError> {
        let (digest, depth, bytes) = {
            let mut state = lock(&self.state);
            let Some(pending) = &mut state.nodes[node] else { return Ok(()) };
            (pending.digest, pending.depth, std::mem::take(&mut pending.bytes))
        };
        let bad = |reason| RemoteError::Directory { digest, path: self.path(node), reason };
        if depth > MAX_DEPTH {
            return Err(bad(TreeError::TooDeep { path: self.path(node) }));
        }
        let Children { files, directories } = children(&bytes).map_err(bad)?;
        let mut present = 0;
        let mut absent = Vec::with_capacity(files.len());
        for file in files {
            if self.is_here(&file.digest)? {
                present += 1;
            } else {
                absent.push(file);
            }
        }
        let mut met = Vec::new();
        {
            let mut state = lock(&self.state);
            state.transfer.present += present;
            let mut waiting = 0;
            for (name, digest) in directories {
                if state.done.contains(&digest) {
                    continue;
                }
                waiting += 1;
                match state.known.get(&digest).copied() {
                    Some(known) => {
                        if let Some(pending) = &mut state.nodes[known] {
                            pending.parents.push(node);
                        }
                    }
                    None => met.push(state.met(digest, Some(node), &name)),
                }
            }
            for file in absent {
                waiting += 1;
                if let Some(waiters) = state.coming.get_mut(&file.digest) {
                    waiters.push(node);
                    continue;
                }
                state.coming.insert(file.digest, vec![node]);
                let kind = Kind::File { executable: file.executable };
                self.want(&mut state, Want { digest: file.digest, above: Some(node), name: file.name, kind });
            }
            if let Some(pending) = &mut state.nodes[node] {
                pending.waiting += waiting;
                pending.bytes = bytes;
            }
        }
        self.find(met)?;
        let last = lock(&self.state).came(node);
        if last { self.complete(vec![node]) } else { Ok(()) }
    }

    // Puts directories into the store below which everything is there, and those above them whose last entry that was.
    fn complete(&self, mut nodes: Vec<Node>) -> Result<(), RemoteError> {
        while let Some(node) = nodes.pop() {
            let whole = |pending: &mut Pending| {
                (
                    pending.digest,
                    std::mem::take(&mut pending.bytes),
                    pending.stored,
                    pending.above,
                    pending.name.clone(),
                )
            };
            let Some((digest, bytes, stored, above, name)) = lock(&self.state).nodes[node].as_mut().map(whole) else {
                continue;
            };
            if !stored {
                self.add(&digest, &bytes, false).map_err(|error| self.unlike(error, above, &name))?;
            }
            // It stays known until now: another directory that has it may have been walked while it was stored, and waits.
            let mut state = lock(&self.state);
            let Some(pending) = state.nodes[node].take() else { continue };
            state.held -= bytes.len() as u64;
            state.known.remove(&digest);
            state.done.insert(digest);
            state.free.push(node);
            nodes.extend(pending.parents.into_iter().filter(|parent| state.came(*parent)).collect::<Vec<_>>());
        }
        Ok(())
    }

    fn add(&self, digest: &Digest, bytes: &[u8], executable: bool) -> Result<(), RemoteError> {
        match self.store.add_claimed(digest, bytes, executable) {
            Err(StoreError::Unlike { size, .. }) => Err(self.client.wrong(digest, "", size)),
            answer => Ok(answer?),
        }
    }

    // Says where it was wanted.
    fn unlike(&self, mut error: RemoteError, above: Option<Node>, name: &str) -> RemoteError {
        if let RemoteError::Wrong { path, .. } = &mut error {
            *path = lock(&self.state).path(above, name);
        }
        error
    }

    fn path(&self, node: Node) -> String {
        let state = lock(&self.state);
        state.nodes[node].as_ref().map(|pending| state.path(pending.above, &pending.name)).unwrap_or_default()
    }

    fn batch(&self, wants: Vec<Want>) -> Result<(), RemoteError> {
        let capabilities = &self.client.capabilities;
        let size: u64 = wants.iter().map(|want| in_message(&want.digest)).sum();
        let outcome = if capabilities.reads_batches() && (wants.len() > 1 || size <= capabilities.read_batch()) {
            let digests: Vec<Digest> = wants.iter().map(|want| want.digest).collect();
            self.client.block(self.client.read_batch(&digests))?
        } else {
            Outcome::OneByOne
        };
        let answers = match outcome {
            Outcome::Answers(answers) => answers,
            Outcome::Smaller => {
                let mut state = lock(&self.state);
                for want in wants {
                    self.queue(&mut state, want);
                }
                return Ok(());
            }
            Outcome::OneByOne => {
                lock(&self.state).streams.extend(wants);
                return Ok(());
            }
        };
        let mut here = Vec::with_capacity(wants.len());
        let mut alone = Vec::new();
        let mut missing = Vec::new();
        let mut failed = None;
        for (want, answer) in wants.into_iter().zip(answers) {
            match answer {
                Answer::Bytes(bytes) => match self.received(&want, bytes) {
                    Ok(bytes) => here.push((want, bytes)),
                    Err(error) => failed = failed.or(Some((want, error))),
                },
                Answer::Missing => missing.push(want),
                Answer::Alone => alone.push(want),
                Answer::Wrong(size) => {
                    let error = self.client.wrong(&want.digest, "", size);
                    failed = failed.or(Some((want, error)));
                }
                Answer::Error(error) => failed = failed.or(Some((want, error))),
            }
        }
        {
            let mut state = lock(&self.state);
            state.streams.extend(alone);
            for want in missing {
                let path = state.path(want.above, &want.name);
                state.missing.push((want.digest, path));
            }
        }
        // What is good is kept all the same.
        self.arrived(here)?;
        match failed {
            Some((want, error)) => Err(self.unlike(error, want.above, &want.name)),
            None => Ok(()),
        }
    }

    // Verifies a blob, and puts it into the store if it is a file. Directories have to wait.
    fn received(&self, want: &Want, bytes: Vec<u8>) -> Result<Vec<u8>, RemoteError> {
        match want.kind {
            Kind::File { executable } => {
                self.add(&want.digest, &bytes, executable)?;
                self.progress.moved(1, want.digest.size);
                Ok(Vec::new())
            }
            Kind::Directory(_) if Digest::of(&bytes) == want.digest => {
                self.progress.moved(1, want.digest.size);
                Ok(bytes)
            }
            Kind::Directory(_) => Err(self.client.wrong(&want.digest, "", bytes.len() as u64)),
        }
    }

    fn arrived(&self, blobs: Vec<(Want, Vec<u8>)>) -> Result<(), RemoteError> {
        let mut complete = Vec::new();
        {
            let mut state = lock(&self.state);
            for (want, bytes) in blobs {
                state.transfer.blobs += 1;
                state.transfer.bytes += want.digest.size;
                if let Kind::Directory(node) = want.kind {
                    state.arrived(node, bytes, false);
                    continue;
                }
                for waiter in state.coming.remove(&want.digest).unwrap_or_default() {
                    if state.came(waiter) {
                        complete.push(waiter);
                    }
                }
            }
            if state.idle > 0 {
                self.changed.notify_all();
            }
        }
        self.complete(complete)
    }

    fn stream(&self, want: Want) -> Result<(), RemoteError> {
        let path = if want.above.is_none() { want.name.to_string() } else { String::new() };
        let answer = match want.kind {
            Kind::File { executable } => self.stream_file(&want.digest, &path, executable),
            Kind::Directory(_) => {
                self.client.read(&want.digest, &path).inspect(|_| self.progress.moved(0, want.digest.size))
            }
        };
        match answer.map_err(|error| self.unlike(error, want.above, &want.name))? {
            Some(bytes) => {
                self.progress.moved(1, 0);
                self.arrived(vec![(want, bytes)])
            }
            None => {
                let mut state = lock(&self.state);
                let path = state.path(want.above, &want.name);
                state.missing.push((want.digest, path));
                Ok(())
            }
        }
    }

    fn stream_file(&self, digest: &Digest, path: &str, executable: bool) -> Result<Option<Vec<u8>>, RemoteError> {
        let mut incoming = self.store.receive(digest)?;
        let moved = |bytes| self.progress.moved(0, bytes);
        if !self.client.block(self.client.stream_to(digest, path, &mut incoming, &moved))? {
            return Ok(None);
        }
        let size = incoming.arrived();
        match incoming.finish(self.store, executable) {
            Err(StoreError::Unlike { .. }) => Err(self.client.wrong(digest, path, size)),
            answer => answer.map(|()| Some(Vec::new())).map_err(RemoteError::from),
        }
    }
}

impl Client {
    /// A blob in memory, if the server has it.
    pub(super) fn read(&self, digest: &Digest, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        if *digest == Digest::EMPTY {
            return Ok(Some(Vec::new()));
        }
        let mut memory = Memory::new(digest);
        if !self.block(self.stream_to(digest, path, &mut memory, &|_| {}))? {
            return Ok(None);
        }
        let size = memory.arrived();
        memory.finish().map(Some).map_err(|_| self.wrong(digest, path, size))
    }

    /// The same, of a blob that is likely to be small.
    pub(super) fn read_small(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RemoteError> {
        let batches = self.capabilities.reads_batches() && in_message(digest) <= self.capabilities.read_batch();
        if batches && *digest != Digest::EMPTY {
            let outcome = self.block(self.read_batch(&[*digest]))?;
            if let Outcome::Answers(mut answers) = outcome {
                match answers.pop() {
                    Some(Answer::Bytes(bytes)) if Digest::of(&bytes) == *digest => return Ok(Some(bytes)),
                    Some(Answer::Bytes(bytes)) => return Err(self.wrong(digest, "", bytes.len() as u64)),
                    Some(Answer::Missing) => return Ok(None),
                    Some(Answer::Wrong(size)) => return Err(self.wrong(digest, "", size)),
                    Some(Answer::Error(error)) => return Err(error),
                    Some(Answer::Alone) | None => {}
                }
            }
        }
        self.read(digest, "")
    }
}
