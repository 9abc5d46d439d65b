//! How far a transfer is, on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cas::remote::Progress;

/// A line that shows how much of what is needed has been moved. There is none where standard error is no terminal.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// For `Receiving`, `Sending`.
    pub(super) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{msg} {bytes} of {total_bytes}, {bytes_per_sec}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        Self { bar }
    }
}

impl Progress for Bar {
    fn expect(&self, _: u64, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    fn moved(&self, _: u64, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
