//! What is done for one pip of each kind.

mod cached;
mod files;
mod foresee;
mod harvest;
mod linked;
mod prepare;
mod process;
mod seal;
mod shared;

pub(super) use cached::{CachedResult, put};
pub(super) use files::{copy, write};
pub(super) use foresee::{Foresight, foresee};
#[cfg(feature = "remote")]
pub(super) use prepare::may_overwrite;
pub(super) use prepare::temporary_folders;
pub(super) use process::{Attempt, is_looked_up, look_up, process, service};
#[cfg(feature = "remote")]
pub(super) use process::{Run, is_success};
pub(super) use seal::seal;

use std::io;

use super::context::Engine;
use super::outcome::{Done, PipResult};
use super::virtual_outputs::LostInputs;
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{PipGraph, PipId};
use crate::source::system::reason;

/// An error about one pip, at the line of the spec that made it.
pub(super) fn pip_error(graph: &PipGraph, pip: PipId, code: Code, message: String) -> Diagnostic {
    let provenance = graph.provenance(pip);
    Diagnostic::error(code, message).at(provenance.location, format!("made here, by value `{}`", provenance.value))
}

/// A pip that failed because the machine did not play along.
fn failed_io(graph: &PipGraph, pip: PipId, code: Code, what: &str, error: &io::Error) -> PipResult {
    let message = format!("{}: {what}: {}", super::violation::pip_name(graph, pip), reason(error));
    PipResult::failed(vec![pip_error(graph, pip, code, message)])
}

/// The same, unless it failed because what it needs was lost: then it waits for who makes that.
fn lost_or_failed(graph: &PipGraph, pip: PipId, code: Code, what: &str, error: &io::Error) -> PipResult {
    let waits_for = LostInputs::of(error).map(|lost| lost.makers.clone()).unwrap_or_default();
    PipResult { waits_for, ..failed_io(graph, pip, code, what, error) }
}

/// A message to a service. Services that are spoken to are not run here.
pub(super) fn ipc(engine: &Engine<'_>, pip: PipId) -> PipResult {
    let message = "messages to services are not sent by `dscript build`".to_owned();
    PipResult::failed(vec![
        pip_error(engine.world.graph, pip, Code::Ds(802), message)
            .help("leave these pips out with `--filter`, or let a process do what the service does"),
    ])
}

/// A pip that was done without running anything outside.
fn done(done: Done) -> PipResult {
    PipResult::new(done)
}
