//! What is told of a build while it runs: each event of the engine goes to the counts of the status, to the lines above
//! it, to the log and to the trace.
//!
//! Thousands of pips a second come from the cache. Such a pip costs one addition, unless it has something to say or a
//! file is written in which it has a place.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::log::{self, Log};
use super::screen::Screen;
use super::status::{Estimate, NAMED, Snapshot};
use super::trace::Trace;
use super::words::{indented, paint, span, title};
use crate::cli::Outcome;
use crate::cli::figures::grouped;
use crate::cli::report::{Reporter, Shown};
use crate::diagnostics::Diagnostic;
use crate::engine::{Done, Listener, PipResult};
use crate::graph::{Pip, PipGraph, PipId};
use crate::source::Files;

/// What the user wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    /// Everything that processes print, and a line for each pip.
    pub(super) verbose: bool,
    /// Why pips run.
    pub(super) explain: bool,
    /// A line for each pip that was run. With a live status they are seen there.
    pub(super) each: bool,
}

/// It is said that the build waits for uploads when it was told so often: after about a second.
const GIVING_TOLD: usize = 10;

/// A file that log or trace go to.
pub(super) type Sink = Box<dyn Write + Send>;

/// Listens to one build.
pub(super) struct Progress<'a> {
    pub(super) graph: &'a PipGraph,
    pub(super) files: &'a Files,
    pub(super) reporter: &'a Reporter,
    pub(super) screen: &'a dyn Screen,
    /// A clock. Times are counted from when the engine began.
    pub(super) clock: &'a (dyn Fn() -> Duration + Sync),
    pub(super) wishes: Wishes,
    pub(super) log: Option<Log<Sink>>,
    pub(super) trace: Option<Trace<Sink>>,
    began: OnceLock<Duration>,
    total: AtomicUsize,
    executed: AtomicUsize,
    hits: AtomicUsize,
    failed: AtomicUsize,
    warnings: AtomicUsize,
    /// How many results are on their way to the remote cache, at the end.
    giving: AtomicUsize,
    /// How often that was told.
    giving_told: AtomicUsize,
    /// What runs in each slot, since when.
    running: Vec<Mutex<Option<(PipId, Duration)>>>,
    /// Whether it runs on another machine.
    elsewhere: Vec<AtomicBool>,
    shown: Mutex<Shown>,
    /// The diagnostics of pips that are done.
    told: Mutex<FxHashSet<Diagnostic>>,
}

impl<'a> Progress<'a> {
    /// For a build with so many threads that has not begun.
    pub(super) fn new(
        graph: &'a PipGraph,
        files: &'a Files,
        reporter: &'a Reporter,
        screen: &'a dyn Screen,
        clock: &'a (dyn Fn() -> Duration + Sync),
        jobs: usize,
    ) -> Self {
        Self {
            graph,
            files,
            reporter,
            screen,
            clock,
            wishes: Wishes::default(),
            log: None,
            trace: None,
            began: OnceLock::new(),
            total: AtomicUsize::new(0),
            executed: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            warnings: AtomicUsize::new(0),
            giving: AtomicUsize::new(0),
            giving_told: AtomicUsize::new(0),
            running: (0..jobs).map(|_| Mutex::default()).collect(),
            elsewhere: (0..jobs).map(|_| AtomicBool::new(false)).collect(),
            shown: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Shows diagnostics now. They count at the end.
    pub(super) fn show(&self, diagnostics: Vec<Diagnostic>) {
        let text = self.render(diagnostics);
        if !text.is_empty() {
            self.screen.write(&text);
        }
    }

    /// Shows what came with no pip that was done: services end when everything else has.
    pub(super) fn show_rest(&self, all: &[Diagnostic]) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = all.iter().filter(|one| !told.contains(*one)).cloned().collect();
        drop(told);
        self.show(rest);
    }

    /// How many lines of output were warnings.
    pub(super) fn warnings(&self) -> usize {
        self.warnings.load(Ordering::Relaxed)
    }

    /// Ends the log and the trace, and tells whether something was an error.
    pub(super) fn close(self, summary: Option<&serde_json::Value>) -> Result<Outcome, crate::cli::Failure> {
        let shown = self.shown.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.reporter.close(shown, self.files);
        if let Some(log) = self.log {
            if let Some(summary) = summary {
                log.write(summary, false);
            }
            log.close()?;
        }
        if let Some(trace) = self.trace {
            trace.close()?;
        }
        Ok(outcome)
    }

    /// Where the build is. The status asks for it a few times a second.
    pub(super) fn snapshot(&self, estimate: &mut Estimate, stopping: bool) -> Snapshot {
        let now = self.now();
        let mut running: Vec<(PipId, Duration, bool)> = Vec::new();
        for (slot, elsewhere) in self.running.iter().zip(&self.elsewhere) {
            let at_work = *slot.lock().unwrap_or_else(PoisonError::into_inner);
            running.extend(at_work.map(|(pip, since)| (pip, since, elsewhere.load(Ordering::Relaxed))));
        }
        running.sort_by_key(|(pip, since, _)| (*since, self.graph.position(*pip)));
        let more = running.len().saturating_sub(NAMED);
        running.truncate(NAMED);
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let (executed, hits, failed, total) =
            (load(&self.executed), load(&self.hits), load(&self.failed), load(&self.total));
        Snapshot {
            total,
            executed,
            hits,
            failed,
            elapsed: now,
            running: running
                .into_iter()
                .map(|(pip, since, elsewhere)| {
                    let remote = if elsewhere { " (remote)" } else { "" };
                    (format!("{}{remote}", title(self.graph, pip)), now.saturating_sub(since))
                })
                .collect(),
            more,
            left: estimate.left(now, executed + hits + failed, total),
            giving: load(&self.giving),
            stopping,
        }
    }

    /// The time since the engine began.
    fn now(&self) -> Duration {
        self.began.get().map_or(Duration::ZERO, |began| (self.clock)().saturating_sub(*began))
    }

    fn render(&self, diagnostics: Vec<Diagnostic>) -> Vec<u8> {
        if diagnostics.is_empty() {
            return Vec::new();
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.reporter.render_now(diagnostics, self.files, &mut shown)
    }

    /// The lines about a pip that is done.
    fn lines(&self, pip: PipId, result: &PipResult, time: Duration, done: usize) -> String {
        let mut text = String::new();
        let color = self.reporter.color();
        let Wishes { verbose, explain, each } = self.wishes;
        let name = title(self.graph, pip);
        let whole = verbose && matches!(result.done, Done::Executed) && !result.output.is_empty();
        let line = match result.done {
            Done::Executed => verbose || each || explain,
            Done::Hit => verbose,
            // The diagnostic says the rest.
            Done::Failed => explain && result.reason.is_some(),
            Done::Skipped | Done::Cancelled => false,
        };
        if line {
            let total = self.total.load(Ordering::Relaxed);
            let counts = format!("[{}/{}]", grouped(done as u64), grouped(total as u64));
            let end = match result.done {
                Done::Hit => " (up to date)".to_owned(),
                _ if time > Duration::from_secs(1) && result.elsewhere => format!(" (remote, {})", span(time)),
                _ if time > Duration::from_secs(1) => format!(" ({})", span(time)),
                _ if result.elsewhere => " (remote)".to_owned(),
                _ => String::new(),
            };
            text.push_str(&format!("{} {name}{end}\n", paint(color, "1", &counts)));
        }
        if explain && result.done != Done::Hit {
            for (word, why) in
                [("because", &result.reason), ("not cached", &result.uncached), ("not remote", &result.stays)]
            {
                if let Some(why) = why {
                    text.push_str(&indented([format!("{word}: {}", why.replace('\n', " ")).as_str()]));
                }
            }
        }
        if whole {
            text.push_str(&indented(result.output.lines()));
        } else if !result.warnings.is_empty() && result.done != Done::Failed {
            text.push_str(&format!("{}: {name}\n", paint(color, "33", "warning")));
            text.push_str(&indented(result.warnings.iter().map(String::as_str)));
        }
        text
    }

    /// Where a pip is counted that ended so.
    fn counter(&self, done: Done) -> Option<&AtomicUsize> {
        match done {
            Done::Hit => Some(&self.hits),
            Done::Executed => Some(&self.executed),
            Done::Failed => Some(&self.failed),
            Done::Skipped | Done::Cancelled => None,
        }
    }

    /// Whether the pip is one of those that are counted. Sealed directories are views of what others make.
    fn counts(&self, pip: PipId) -> bool {
        !matches!(self.graph.pip(pip), Pip::SealDirectory(_))
    }
}

impl Listener for Progress<'_> {
    fn begun(&self, total: usize) {
        self.began.get_or_init(self.clock);
        self.total.store(total, Ordering::Relaxed);
    }

    fn started(&self, _pip: PipId, _slot: usize) {}

    fn running(&self, pip: PipId, number: usize) {
        let now = self.now();
        // Services run beside the slots, as long as the build does.
        let Some(slot) = self.running.get(number) else { return };
        if let Some(elsewhere) = self.elsewhere.get(number) {
            elsewhere.store(false, Ordering::Relaxed);
        }
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((pip, now));
        if let Some(trace) = &self.trace {
            trace.running(now);
        }
    }

    fn elsewhere(&self, _pip: PipId, slot: usize) {
        if let Some(elsewhere) = self.elsewhere.get(slot) {
            elsewhere.store(true, Ordering::Relaxed);
        }
    }

    fn warn(&self, text: &str) {
        self.screen.write(self.reporter.warning(text).as_bytes());
    }

    fn finished(&self, pip: PipId, slot: usize, result: &PipResult, start: Duration, end: Duration) {
        if self.counts(pip) {
            if let Some(counter) = self.counter(result.done) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(counter) = result.before.and_then(|before| self.counter(before.done)) {
                counter.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let mut ran = false;
        // A process may turn out to need no run only when its turn to run has come: another machine has its result.
        if (result.done != Done::Hit || result.elsewhere)
            && let Some(slot) = self.running.get(slot)
        {
            ran = slot.lock().unwrap_or_else(PoisonError::into_inner).take().is_some();
        }
        if let Some(log) = &self.log {
            log.write(&log::pip(self.graph, pip, result, start, end), result.done != Done::Hit);
        }
        if let Some(trace) = &self.trace {
            trace.finished(self.graph, pip, slot, result, (start, end), ran);
        }
        if !result.warnings.is_empty() {
            self.warnings.fetch_add(result.warnings.len(), Ordering::Relaxed);
        }
        let quiet = result.done == Done::Hit && !self.wishes.verbose && result.warnings.is_empty();
        if quiet && result.diagnostics.is_empty() {
            return;
        }
        let mut text = Vec::new();
        if self.reporter.chats() {
            let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
            let done = load(&self.hits) + load(&self.executed) + load(&self.failed);
            text = self.lines(pip, result, end.saturating_sub(start), done).into_bytes();
        }
        if !result.diagnostics.is_empty() {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.extend(result.diagnostics.iter().cloned());
            drop(told);
            text.extend(self.render(result.diagnostics.clone()));
        }
        if !text.is_empty() {
            self.screen.write(&text);
        }
    }

    fn skipped(&self, pip: PipId) {
        if let Some(log) = &self.log {
            log.write(&log::skipped(self.graph, pip), false);
        }
    }

    fn giving(&self, left: usize) {
        self.giving.store(left, Ordering::Relaxed);
        // Without a live status nobody would know what the build waits for.
        let calls = self.giving_told.fetch_add(1, Ordering::Relaxed);
        if calls == GIVING_TOLD && self.wishes.each && self.reporter.chats() {
            self.screen.write(format!("{}\n", super::status::uploading(left)).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
