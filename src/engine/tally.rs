//! What becomes of the pips of a build, counted.

use super::context::Engine;
use super::outcome::{BuildOutcome, Done, Ended, Origin, PipResult};
use crate::graph::{Pip, PipGraph, PipId};

/// Whether a pip counts as one: seals are views of what others make.
pub(super) fn counts(graph: &PipGraph, pip: PipId) -> bool {
    !matches!(graph.pip(pip), Pip::SealDirectory(_))
}

/// How many pips ended in which way.
#[derive(Default)]
struct Counts {
    executed: usize,
    hits: usize,
    remote_hits: usize,
    /// How many of these came about on another machine.
    elsewhere: usize,
    hits_elsewhere: usize,
    failed: usize,
}

impl Counts {
    /// Everything that a pip counts as.
    fn each(&mut self, ended: Ended, change: impl Fn(&mut usize)) {
        let Ended { done, origin, elsewhere } = ended;
        match done {
            Done::Executed => change(&mut self.executed),
            Done::Hit => change(&mut self.hits),
            Done::Failed => change(&mut self.failed),
            Done::Skipped | Done::Cancelled => {}
        }
        match done {
            Done::Executed if elsewhere => change(&mut self.elsewhere),
            Done::Hit if elsewhere => change(&mut self.hits_elsewhere),
            Done::Hit if origin == Some(Origin::Remote) => change(&mut self.remote_hits),
            _ => {}
        }
    }
}

/// What the end of the build tells.
pub(super) struct Told {
    /// Whether every pip would be a silent hit if it were all done again.
    pub(super) nothing_special: bool,
    counts: Counts,
    /// How many seals failed, which do not count as pips otherwise.
    failed_seals: usize,
    /// How many need not run, because a process they depend on said so.
    pub(super) spared: usize,
    /// Results that have something to say.
    results: Vec<(PipId, PipResult)>,
}

impl Default for Told {
    fn default() -> Self {
        Self { nothing_special: true, counts: Counts::default(), failed_seals: 0, spared: 0, results: Vec::new() }
    }
}

impl Told {
    /// Counts a pip as what it ended as.
    pub(super) fn note(&mut self, graph: &PipGraph, pip: PipId, result: PipResult) {
        self.nothing_special &= result.uncached.is_none() && result.warnings.is_empty();
        if counts(graph, pip) {
            if let Some(before) = result.before {
                self.counts.each(before, |count| *count -= 1);
            }
            self.counts.each(result.ended(), |count| *count += 1);
        } else {
            self.failed_seals += usize::from(result.done == Done::Failed);
        }
        if !result.diagnostics.is_empty() || !result.violations.is_empty() {
            self.results.push((pip, result));
        }
    }

    /// The end of the build.
    pub(super) fn outcome(mut self, graph: &PipGraph, pips: usize, engine: &Engine<'_>) -> BuildOutcome {
        self.results.sort_by_key(|(pip, _)| graph.position(*pip));
        let Counts { executed, hits, remote_hits, elsewhere, hits_elsewhere, failed } = self.counts;
        let mut outcome = BuildOutcome {
            pips,
            executed,
            hits,
            remote_hits,
            elsewhere,
            hits_elsewhere,
            failed: failed + self.failed_seals,
            spared: self.spared,
            skipped: pips.saturating_sub(executed + hits + failed),
            cancelled: engine.cancellation.is_cancelled(),
            scrubbed: engine.scrubbed,
            repairs: engine.repairs.iter().map(ToString::to_string).collect(),
            ..BuildOutcome::default()
        };
        for (_, result) in self.results {
            outcome.violations.extend(result.violations);
            outcome.diagnostics.extend(result.diagnostics);
        }
        outcome
    }
}
