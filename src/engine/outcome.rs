//! How pips and builds end.

use std::time::Duration;

use super::cache::Fingerprint;
use super::content::Content;
use super::made::Scrubbed;
use super::sandbox::Reads;
use super::shared::Traffic;
use super::snapshot::Snapshot;
use super::violation::Violation;
use crate::diagnostics::Diagnostic;
use crate::graph::PipId;
use crate::paths::PathId;

/// How a pip ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Done {
    /// It was run.
    Executed,
    /// Its outputs were there, or came from the cache.
    Hit,
    /// It was run, and what it did is not right; or it could not be run.
    Failed,
    /// It was not run: something that it depends on failed, or the build was ending.
    Skipped,
    /// It was ended with the build.
    Cancelled,
}

/// Where a result came from that was not made in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The cache of this machine.
    Local,
    /// The shared cache.
    Remote,
}

/// As what a pip counts that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub done: Done,
    /// Where its result came from that was not made in this build.
    pub origin: Option<Origin>,
    /// Whether another machine ran it, or had run it before.
    pub elsewhere: bool,
}

/// Everything that is known of a pip that is done.
#[derive(Clone, Debug)]
pub struct PipResult {
    /// How it ended.
    pub done: Done,
    /// What is to be said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// Accesses that break rules.
    pub violations: Vec<Violation>,
    /// The weak fingerprint of a process.
    pub weak: Option<Fingerprint>,
    /// The strong fingerprint of a process.
    pub strong: Option<Fingerprint>,
    /// Why a process was run and not taken from the cache.
    pub reason: Option<String>,
    /// Why the result of a process was not cached.
    pub uncached: Option<String>,
    /// The command line of a process, as a shell would read it.
    pub command: Option<String>,
    /// The exit code of a process.
    pub exit_code: Option<i32>,
    /// Everything that a process printed, standard output first; also from the cache.
    pub output: String,
    /// Lines of it that are warnings.
    pub warnings: Vec<String>,
    /// What it read, by path; of a process that was run.
    pub reads: Vec<(PathId, Reads)>,
    /// What it made.
    pub outputs: Vec<(PathId, Content)>,
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The largest resident size, in bytes.
    pub peak_memory: u64,
    /// How often it was tried again.
    pub retries: u32,
    /// Dependents are to be skipped although it succeeded.
    pub skips_dependents: bool,
    /// Where the result of a process came from that was not run.
    pub origin: Option<Origin>,
    /// How it ended before in this build, where it was done once more because what it made was lost.
    pub before: Option<Ended>,
    /// It is not done: these must be done again first.
    pub waits_for: Vec<PipId>,
    /// Whether it ran on another machine, or its result came from one that had run it before.
    pub elsewhere: bool,
    /// Why a process ran on this machine although others were there to run it.
    pub stays: Option<String>,
}

impl PipResult {
    /// A result of which nothing more is known.
    pub fn new(done: Done) -> Self {
        Self {
            done,
            diagnostics: Vec::new(),
            violations: Vec::new(),
            weak: None,
            strong: None,
            reason: None,
            uncached: None,
            command: None,
            exit_code: None,
            output: String::new(),
            warnings: Vec::new(),
            reads: Vec::new(),
            outputs: Vec::new(),
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_memory: 0,
            retries: 0,
            skips_dependents: false,
            origin: None,
            before: None,
            waits_for: Vec::new(),
            elsewhere: false,
            stays: None,
        }
    }

    /// As what it counts.
    pub fn ended(&self) -> Ended {
        Ended { done: self.done, origin: self.origin, elsewhere: self.elsewhere }
    }

    /// A failure with its reasons.
    pub(super) fn failed(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics, ..Self::new(Done::Failed) }
    }
}

/// How a build ended.
#[derive(Clone, Debug, Default)]
pub struct BuildOutcome {
    /// Pips that were asked for: processes, copies, writes and messages. Seals are views and do not count.
    pub pips: usize,
    /// How many were run.
    pub executed: usize,
    /// How many had their outputs already, or got them from the cache.
    pub hits: usize,
    /// How many of these came from the shared cache.
    pub remote_hits: usize,
    /// What was moved between this machine and the shared cache; none where there is no shared cache.
    pub traffic: Option<Traffic>,
    /// How many outputs are known and were left in the shared cache.
    pub left_away: usize,
    /// How many of those that were run were run on another machine.
    pub elsewhere: usize,
    /// How many of the hits are results of another machine that runs processes.
    pub hits_elsewhere: usize,
    /// How many were not run.
    pub skipped: usize,
    /// How many of these need not run: a process that they depend on ended with one of its `succeedFastExitCodes`.
    pub spared: usize,
    /// How many failed.
    pub failed: usize,
    /// Whether the build was ended from outside.
    pub cancelled: bool,
    /// Every violation, by pip.
    pub violations: Vec<Violation>,
    /// Everything that is to be said, by pip in the order of the graph.
    pub diagnostics: Vec<Diagnostic>,
    /// What of the build's own files was found damaged and begun anew, in words.
    pub repairs: Vec<String>,
    /// What was removed before the build.
    pub scrubbed: Scrubbed,
    /// What the build rested on, where the next one may skip everything if that is still so.
    pub snapshot: Option<Snapshot>,
}

impl BuildOutcome {
    /// Whether everything that was asked for is there.
    pub fn is_success(&self) -> bool {
        self.failed == 0 && self.skipped <= self.spared && !self.cancelled
    }
}
