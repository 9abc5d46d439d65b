//! Replay while values are still computed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::diagnostics::Diagnostic;
use crate::graph::GraphBuilder;

use super::replay::Replay;
use super::shared::{Root, Shared};

/// Replays batches in their order while later ones are still computed: a single worker would do so too, and requests
/// do not pile up.
pub(super) struct Follower<'a, 's, 'h> {
    shared: &'s Shared<'h>,
    batches: &'a [&'a [Root]],
    computed: Vec<AtomicBool>,
    /// The replay and the first batch that it has not seen.
    progress: Mutex<(Replay<'s, 'h>, usize)>,
}

impl<'a, 's, 'h> Follower<'a, 's, 'h> {
    pub fn new(replay: Replay<'s, 'h>, shared: &'s Shared<'h>, batches: &'a [&'a [Root]]) -> Self {
        let computed = batches.iter().map(|_| AtomicBool::new(false)).collect();
        Self { shared, batches, computed, progress: Mutex::new((replay, 0)) }
    }

    /// A batch was computed. Whoever finds the replay idle takes it as far as values are there; all others go on
    /// computing.
    pub fn computed(&self, batch: usize) {
        self.computed[batch].store(true, Ordering::Release);
        if let Ok(mut progress) = self.progress.try_lock() {
            self.advance(&mut progress);
        }
    }

    fn advance(&self, (replay, next): &mut (Replay<'s, 'h>, usize)) {
        while self.computed.get(*next).is_some_and(|computed| computed.load(Ordering::Acquire)) {
            for (decl, qualifier) in self.batches[*next] {
                replay.value(self.shared.thunk_of(*decl, *qualifier));
            }
            *next += 1;
        }
    }

    /// Replays what is left, once everything is computed.
    pub fn finish(self) -> (GraphBuilder, Vec<Diagnostic>) {
        self.advance(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        let (replay, _) = self.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        replay.finish()
    }
}
