//! What is known of a walk, and what is to be done next.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::batch::fitting;
use super::super::capabilities::in_message;
use super::super::{RemoteError, Transfer};
use crate::cas::Digest;

// When the directories that are held take so much, the walk goes down.
const HELD: u64 = 32 << 20;

/// Which directory, among those that are not done.
pub(super) type Node = usize;

/// Where a blob is wanted.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) digest: Digest,
    // The directory that it is in, and its name there; without a directory, a path.
    pub(super) above: Option<Node>,
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { executable: bool },
    Directory(Node),
}

/// A directory that has been met and is not done.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) digest: Digest,
    // Empty until they have arrived.
    pub(super) bytes: Vec<u8>,
    // Whether the store has it, so that it need not get there.
    pub(super) stored: bool,
    // How many of its entries are not in the store, and one more until it has been walked.
    pub(super) waiting: usize,
    // Which directories wait for it; one that has it twice is here twice.
    pub(super) parents: Vec<Node>,
    // One place where it was met.
    pub(super) above: Option<Node>,
    pub(super) name: Box<str>,
    pub(super) depth: usize,
}

/// Blobs that wait for a batch, and how large they are in a message.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) wants: VecDeque<Want>,
    pub(super) size: u64,
}

impl Queue {
    pub(super) fn push(&mut self, want: Want) {
        self.size += in_message(&want.digest);
        self.wants.push_back(want);
    }

    pub(super) fn take(&mut self, limit: u64) -> Vec<Want> {
        let count = fitting(self.wants.iter().map(|want| &want.digest), limit).min(self.wants.len());
        let batch: Vec<Want> = self.wants.drain(..count).collect();
        self.size -= batch.iter().map(|want| in_message(&want.digest)).sum::<u64>();
        batch
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) nodes: Vec<Option<Pending>>,
    pub(super) free: Vec<Node>,
    // Directories that are not done, by digest.
    pub(super) known: FxHashMap<Digest, Node>,
    // Directories that are done.
    pub(super) done: FxHashSet<Digest>,
    // Files that are on their way, and which directories wait for them.
    pub(super) coming: FxHashMap<Digest, Vec<Node>>,
    // The queues.
    pub(super) ready: VecDeque<Node>,
    pub(super) directories: Queue,
    pub(super) files: Queue,
    pub(super) streams: VecDeque<Want>,
    // Parts of batches that were refused, and the sizes of those.
    pub(super) parts: VecDeque<(Vec<Want>, u64)>,
    // What the directories take whose bytes are here.
    pub(super) held: u64,
    pub(super) workers: usize,
    pub(super) idle: usize,
    // Jobs under way: all of them, and those that will bring directories to be walked.
    pub(super) running: usize,
    pub(super) finding: usize,
    pub(super) missing: Vec<(Digest, String)>,
    pub(super) error: Option<RemoteError>,
    pub(super) panicked: bool,
    pub(super) transfer: Transfer,
}

pub(super) enum Job {
    Walk(Node),
    Batch(Vec<Want>),
    /// A part of a batch that was refused, and the size of that.
    Part(Vec<Want>, u64),
    Stream(Want),
}

impl State {
    pub(super) fn met(&mut self, digest: Digest, above: Option<Node>, name: &str) -> Node {
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

    /// One more of the entries of a directory is there. Whether it was the last.
    pub(super) fn came(&mut self, node: Node) -> bool {
        self.nodes[node].as_mut().is_some_and(|pending| {
            pending.waiting -= 1;
            pending.waiting == 0
        })
    }

    pub(super) fn path(&self, above: Option<Node>, name: &str) -> String {
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

    pub(super) fn arrived(&mut self, node: Node, bytes: Vec<u8>, stored: bool) {
        self.held += bytes.len() as u64;
        if let Some(pending) = &mut self.nodes[node] {
            pending.bytes = bytes;
            pending.stored = stored;
        }
        self.ready.push_back(node);
    }

    /// Whether somebody could do something besides.
    pub(super) fn has_more(&self) -> bool {
        !self.ready.is_empty()
            || !self.streams.is_empty()
            || !self.parts.is_empty()
            || !self.directories.wants.is_empty()
            || !self.files.wants.is_empty()
    }

    /// What is to be done next, if anything can be done now.
    pub(super) fn job(&mut self, limit: u64) -> Option<Job> {
        if let Some(want) = self.streams.pop_front() {
            return Some(Job::Stream(want));
        }
        if let Some((wants, whole)) = self.parts.pop_front() {
            return Some(Job::Part(wants, whole));
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
    /// Whether it may bring directories to be walked.
    pub(super) fn finds(&self) -> bool {
        let is_directory = |want: &Want| matches!(want.kind, Kind::Directory(_));
        match self {
            Self::Walk(_) => true,
            Self::Batch(wants) | Self::Part(wants, _) => wants.first().is_some_and(is_directory),
            Self::Stream(want) => is_directory(want),
        }
    }
}
