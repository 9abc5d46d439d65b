//! Results on their way to a server, while the build goes on.
//!
//! For each result its contents go first, then the result, then its path set: whoever finds the path set finds the rest.
//! The path sets of a weak fingerprint are read, added to and written back. Two machines that do that at the same moment
//! lose one path set at most, and with it a hit.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::shared::Finding;
use super::breaker::Breaker;
use super::cache::{Counts, record};
use super::keys::{Key, Kind};
use super::records;
use crate::cas::Store;
use crate::cas::remote::{Blob, Remote};

/// How many bytes of results wait at most. Their contents wait in the cache of this machine.
const HEAVIEST: usize = 64 << 20;

/// How many results go together.
const TOGETHER: usize = 32;

/// How often somebody who waits looks.
const TICK: Duration = Duration::from_millis(100);

/// The queue of results, and the threads that empty it. These end with the process, or when this is dropped.
#[derive(Debug)]
pub(super) struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    remote: Remote,
    store: Arc<Store>,
    counts: Arc<Counts>,
    breaker: Breaker,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Finding>,
    weight: usize,
    /// How many are being uploaded.
    under_way: usize,
    /// How many were not taken because too many waited, or given up because the server did not take them.
    given_up: usize,
    closed: bool,
}

impl Uploads {
    /// Starts the threads.
    pub(super) fn start(remote: Remote, store: Arc<Store>, counts: Arc<Counts>, threads: usize) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            remote,
            store,
            counts,
            breaker: Breaker::new("results cannot be given to the remote cache"),
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        for number in 0..threads.max(1) {
            let inner = Arc::clone(&inner);
            thread::Builder::new().name(format!("upload-{number}")).spawn(move || inner.work())?;
        }
        Ok(Self { inner })
    }

    /// Takes a result. A build never waits for uploads before its end, so where too many wait it is not taken.
    pub(super) fn add(&self, finding: Finding) {
        let mut queue = self.inner.lock();
        let weight = weight(&finding);
        if queue.weight + weight > HEAVIEST && !queue.waiting.is_empty() {
            queue.given_up += 1;
            return;
        }
        queue.weight += weight;
        queue.waiting.push_back(finding);
        drop(queue);
        self.inner.changed.notify_one();
    }

    /// Waits until nothing is left, for so long at most. Gives the number of results that were given up.
    pub(super) fn finish(&self, limit: Duration, is_over: &dyn Fn() -> bool, tell: &dyn Fn(usize)) -> usize {
        let end = Instant::now() + limit;
        let mut queue = self.inner.lock();
        loop {
            let left = queue.waiting.len() + queue.under_way;
            if left == 0 {
                break;
            }
            if Instant::now() >= end || is_over() {
                queue.given_up += left;
                queue.waiting.clear();
                break;
            }
            drop(queue);
            tell(left);
            queue = self.inner.lock();
            if queue.waiting.len() + queue.under_way > 0 {
                queue = self.inner.changed.wait_timeout(queue, TICK).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        queue.closed = true;
        let given_up = std::mem::take(&mut queue.given_up);
        drop(queue);
        self.inner.changed.notify_all();
        // Where the server is at fault, that has been said.
        if self.inner.breaker.is_open() { given_up } else { 0 }
    }

    /// What went wrong, once.
    pub(super) fn trouble(&self) -> Option<String> {
        self.inner.breaker.trouble()
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        self.inner.lock().closed = true;
        self.inner.changed.notify_all();
    }
}

impl Inner {
    fn work(&self) {
        loop {
            let mut queue = self.lock();
            while queue.waiting.is_empty() {
                if queue.closed {
                    return;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            let count = queue.waiting.len().min(TOGETHER);
            let findings: Vec<Finding> = queue.waiting.drain(..count).collect();
            queue.weight -= findings.iter().map(weight).sum::<usize>();
            queue.under_way += count;
            drop(queue);
            let given = self.give(&findings);
            self.counts.results_up.fetch_add(given as u64, Ordering::Relaxed);
            let mut queue = self.lock();
            queue.under_way -= count;
            queue.given_up += count - given;
            drop(queue);
            self.changed.notify_all();
        }
    }

    /// Gives results to the server. Says how many it has taken.
    fn give(&self, findings: &[Finding]) -> usize {
        let mut answers = Vec::new();
        let mut all = Vec::new();
        for finding in findings {
            let (answer, mut blobs) = records::of_result(finding);
            let key = Key::of(Kind::Result, finding.strong);
            let name = key.digest;
            blobs.extend(key.blobs());
            blobs.extend(Key::of(Kind::PathSets, finding.weak).blobs());
            answers.push((finding, name, answer, blobs.clone()));
            all.extend(blobs);
        }
        let together = self.upload(&all).is_some();
        let mut given = 0;
        for (finding, name, answer, blobs) in answers {
            // One that lacks a content must not hold the others back.
            let has_contents = together || (findings.len() > 1 && self.upload(&blobs).is_some());
            let is_given = has_contents
                && self.breaker.ask(|| self.remote.update_action_result(&name, answer)).is_some()
                && self.list(finding).is_some();
            given += usize::from(is_given);
        }
        given
    }

    /// Sends contents; none where one of them is not in the cache of this machine, or the server does not take them.
    fn upload(&self, blobs: &[Blob]) -> Option<()> {
        self.breaker.transfer(|| self.remote.upload(&self.store, blobs, &())).map(|transfer| self.counts.went(transfer))
    }

    /// Adds a path set to those of its weak fingerprint.
    fn list(&self, finding: &Finding) -> Option<()> {
        let before = self.breaker.ask(|| record(&self.remote, Kind::PathSets, finding.weak))?;
        let before = before.and_then(|record| {
            let body = records::unseal(Kind::PathSets, finding.weak, &record)?;
            records::listed(body)
        });
        let before = before.unwrap_or_default();
        let list = records::with(&finding.path_set, before.clone());
        if list == before {
            return Some(());
        }
        let (answer, mut blobs) = records::of_path_sets(finding.weak, &list)?;
        let digest = crate::cas::Digest::of(&finding.path_set);
        // Too long to stand in the list itself.
        if list.first().is_some_and(|one| one.bytes.is_none()) {
            blobs.push(Blob::Bytes(digest, finding.path_set.clone()));
        }
        self.upload(&blobs)?;
        self.breaker.ask(|| self.remote.update_action_result(&Key::of(Kind::PathSets, finding.weak).digest, answer))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(finding: &Finding) -> usize {
    let outputs = finding.outputs.iter().map(|(path, _)| path.len() + 80).sum::<usize>();
    finding.result.len() + finding.path_set.len() + outputs + 200
}
