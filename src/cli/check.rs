//! `dscript check`: every mistake in a workspace.

use clap::Args;

use super::figures::grouped;
use super::options::{EvaluationArgs, MessageArgs, WorkspaceArg};
use super::report::{Reporter, statistics};
use super::{Failure, Outcome, library};
use crate::source::system::Stopwatch;

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) workspace: WorkspaceArg,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

pub(super) fn run(args: CheckArgs) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(&args.messages)?;
    let watch = Stopwatch::start();
    let workspace = library::open(&args.workspace.path, &args.options, reporter.levels(), false)?;
    let diagnostics = workspace.check();
    let seconds = watch.seconds();
    let outcome = reporter.report(diagnostics, workspace.files());
    if args.options.stats {
        statistics(&format!("checked {} specs in {seconds:.3} s", grouped(workspace.spec_count() as u64)));
    }
    Ok(outcome)
}
