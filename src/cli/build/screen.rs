//! Where the lines of a build go: a terminal with a live status below them, or plain lines.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the status is drawn, per second.
pub(super) const DRAWS_PER_SECOND: u8 = 10;

/// Takes lines. Several threads may write; what is written at once stays together.
pub(super) trait Screen: Sync {
    /// Writes whole lines.
    fn write(&self, text: &[u8]);
}

/// Lines and nothing else.
pub(super) struct Plain<W> {
    out: Mutex<W>,
}

impl<W: Write + Send> Plain<W> {
    /// Lines that go to a writer.
    pub(super) fn new(out: W) -> Self {
        Self { out: Mutex::new(out) }
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> W {
        self.out.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send> Screen for Plain<W> {
    fn write(&self, text: &[u8]) {
        let mut out = lock(&self.out);
        // Nobody is left to tell when standard error cannot be written; the exit code still says how the build ended.
        let _ = out.write_all(text).and_then(|()| out.flush());
    }
}

/// Lines above a status that changes in place.
///
/// Every line means that the status is taken away and drawn again. So lines wait for the next time that it is drawn, and
/// a build that has much to say does not flicker.
pub(super) struct Live<W> {
    bars: MultiProgress,
    status: Mutex<Vec<(ProgressBar, String)>>,
    above: Mutex<Above<W>>,
}

struct Above<W> {
    out: W,
    waiting: Vec<u8>,
    /// Whether the status is gone for good.
    ended: bool,
}

impl<W: Write> Above<W> {
    fn flush(&mut self) {
        // Nobody is left to tell when standard error cannot be written; the exit code still says how the build ended.
        let _ = self.out.write_all(&self.waiting).and_then(|()| self.out.flush());
        self.waiting.clear();
    }
}

impl<W: Write + Send> Live<W> {
    /// A status drawn on `target`; `out` is the same terminal, for the lines above it.
    pub(super) fn new(target: ProgressDrawTarget, out: W) -> Self {
        let above = Above { out, waiting: Vec::new(), ended: false };
        Self { bars: MultiProgress::with_draw_target(target), status: Mutex::default(), above: Mutex::new(above) }
    }

    /// Writes the lines that wait, and draws the status below them. Lines of the status that are too long for the
    /// terminal are cut, and those that are too many for it left out.
    pub(super) fn show(&self, status: &[String]) {
        let mut lines = lock(&self.status);
        let mut above = lock(&self.above);
        if !above.waiting.is_empty() {
            self.bars.suspend(|| above.flush());
        }
        drop(above);
        while lines.len() > status.len() {
            if let Some((bar, _)) = lines.pop() {
                self.bars.remove(&bar);
            }
        }
        // The first line comes last: it has the numbers, and drawing may stop at the limit of the rate.
        for ((bar, shown), text) in lines.iter_mut().zip(status).rev() {
            if shown != text {
                shown.clone_from(text);
                bar.set_message(text.clone());
            }
        }
        for text in status.iter().skip(lines.len()) {
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = self.bars.add(ProgressBar::no_length().with_style(style));
            bar.set_message(text.clone());
            lines.push((bar, text.clone()));
        }
    }

    /// Takes the status away for good. Lines go straight to the terminal afterwards.
    pub(super) fn clear(&self) {
        for (bar, _) in lock(&self.status).drain(..) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        let _ = self.bars.clear();
        let mut above = lock(&self.above);
        above.ended = true;
        above.flush();
    }
}

impl<W: Write + Send> Screen for Live<W> {
    fn write(&self, text: &[u8]) {
        let mut above = lock(&self.above);
        above.waiting.extend_from_slice(text);
        if above.ended {
            above.flush();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a thread that panicked left is whole: every change is one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
