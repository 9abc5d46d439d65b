//! Errors of the program itself: one clear line each.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use crate::source::system::reason;

/// Why a command could not do its work.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line makes no sense; the message says why.
    #[error("{0}")]
    Usage(String),
    /// A file or folder cannot be used.
    #[error("cannot {action} `{}`: {}", shown(path), reason(error))]
    File {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The path as the user gave it.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {}", reason(.0))]
    StandardOutput(io::Error),
    /// The reader of standard output has gone. Not an error for the user.
    #[error("standard output was closed")]
    ClosedPipe,
}

impl Failure {
    /// A path that cannot be used.
    pub fn file(action: &'static str, path: &Path, error: io::Error) -> Self {
        Failure::File { action, path: path.to_string_lossy().into_owned(), error }
    }

    /// An error while writing standard output.
    pub fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Failure::ClosedPipe } else { Failure::StandardOutput(error) }
    }

    /// Writes the line to standard error.
    pub(super) fn print(&self) {
        // There is nobody left to tell when standard error cannot be written.
        let _ = writeln!(io::stderr().lock(), "dscript: error: {self}");
    }
}

/// A path in a message: no character of it may steer the terminal or break the line.
fn shown(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// The panic hook: a panic is always a bug of ours, and the user should know that it is not theirs.
pub(super) fn report_bug(info: &PanicHookInfo<'_>) {
    // Several threads may trip over the same bug; one line says it.
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if REPORTED.swap(true, Ordering::Relaxed) {
        return;
    }
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    let place =
        info.location().map_or_else(String::new, |at| format!(" at {}:{}:{}", at.file(), at.line(), at.column()));
    let mut out = io::stderr().lock();
    let _ = writeln!(
        out,
        "dscript: error: this is a bug in dscript {}, not in your specs: {message}{place}; please report it",
        env!("CARGO_PKG_VERSION"),
    );
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let _ = writeln!(out, "{trace}");
    }
}
