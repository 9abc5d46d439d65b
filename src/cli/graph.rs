//! `dscript graph`: evaluates a workspace and writes its pip graph.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::figures::grouped;
use super::library::GraphFormat;
use super::options::{EvaluationArgs, MessageArgs, QualifierArgs, WorkspaceArg};
use super::output::Output;
use super::report::{Reporter, statistics};
use super::{Failure, Outcome, library};
use crate::graph::Selection;
use crate::source::system::{Stopwatch, peak_memory};

/// Arguments of `graph`.
#[derive(Args, Debug)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    pub(super) workspace: WorkspaceArg,
    /// Show only the pips that a filter selects: `tag='test'`, `output='out/*'`, a path, a tag …
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// How the graph is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: GraphFormat,
    /// Write the graph to this file, whole or not at all, instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

pub(super) fn run(args: GraphArgs) -> Result<Outcome, Failure> {
    let options = &args.options;
    let reporter = Reporter::new(&args.messages)?;
    let qualifiers = library::qualifiers(&args.qualifiers.qualifiers)?;
    let filter = args.filter.as_deref().map(library::filter).transpose()?;
    // A target that cannot be written is told at once, not after a long evaluation.
    let output = Output::open(args.output.as_deref())?;
    let watch = Stopwatch::start();
    let workspace = library::open(&args.workspace.path, options, reporter.levels(), false)?;
    let evaluation = workspace.evaluate(&qualifiers);
    let seconds = watch.seconds();

    let outcome = reporter.report(evaluation.diagnostics, workspace.files());
    if options.stats {
        let pips = evaluation.graph.as_ref().map_or(0, library::pip_count);
        statistics(&format!(
            "{} pips from {} specs in {seconds:.3} s",
            grouped(pips as u64),
            grouped(workspace.spec_count() as u64)
        ));
    }
    if let (Some(graph), Outcome::Fine) = (&evaluation.graph, outcome) {
        let pips = match &filter {
            Some(filter) => Some(library::select(graph, filter, |note| reporter.note(note))?),
            None => None,
        };
        let pips = pips.as_ref().map(Selection::pips);
        let write = |out: &mut (dyn Write + Send)| {
            workspace.install(|| library::write_graph(graph, pips, args.format, args.messages.ascii, out))
        };
        output.write_with(write)?;
    }
    if options.stats
        && let Some(peak) = peak_memory()
    {
        statistics(&format!("peak memory: {} KB", grouped(peak)));
    }
    // The process ends here: giving back millions of small pieces one by one would only take time.
    std::mem::forget((evaluation.graph, workspace));
    Ok(outcome)
}
