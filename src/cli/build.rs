//! `dscript build`: evaluates a workspace and brings its pip graph about.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{BuildArgs, Sandbox, SummaryFormat};
use super::output::Output;
use super::report::Reporter;
use super::{Failure, Outcome, library, unchanged};
use crate::diagnostics::Code;
use crate::engine::sandbox::{Launcher, Method};
use crate::engine::{self, BuildOptions, BuildOutcome, Cancellation, Listener, PipResult, Violation};
use crate::graph::{PipGraph, PipId};
use crate::source::system::Stopwatch;
use crate::workspace::Workspace;

pub(super) fn run(args: BuildArgs) -> Result<Outcome, Failure> {
    let watch = Stopwatch::start();
    let reporter = Reporter::new(&args.messages)?;
    let qualifiers = library::qualifiers(&args.qualifiers.qualifiers)?;
    let filter = args.filter.as_deref().map(library::filter).transpose()?;
    let output = Output::standard();
    // What processes are seen to touch has no links in it, so neither have the paths of the graph.
    let path =
        fs::canonicalize(&args.workspace.path).map_err(|error| Failure::file("read", &args.workspace.path, error))?;
    let open_options = library::open_options(&args.options, reporter.levels()).recording();
    let root = if path.is_dir() { path.clone() } else { path.parent().unwrap_or(&path).to_owned() };
    if let Some(pips) = unchanged::pips(&args, &path, &root, &open_options) {
        let outcome = BuildOutcome { pips, hits: pips, ..BuildOutcome::default() };
        return finish(&args, output, &outcome, Vec::new(), watch.seconds());
    }
    let workspace = library::open_with(&path, &args.options, open_options)?;
    let evaluation = workspace.evaluate(&qualifiers);
    let mut diagnostics = evaluation.diagnostics;
    let graph = match evaluation.graph {
        Some(graph) if !diagnostics.iter().any(|one| one.is_error()) => graph,
        _ => return Ok(reporter.report(diagnostics, workspace.files())),
    };
    let config = workspace.config().engine.clone();
    let filter = match (filter, &config.default_filter) {
        (None, Some(default)) => Some(library::filter(&default.value)?),
        (given, _) => given,
    };
    let selection = match &filter {
        Some(filter) => Some(library::select(&graph, filter, |note| reporter.note(note))?),
        None => None,
    };
    let selection = selection.map(|chosen| chosen.closure(&graph));
    let selection = selection.map(|chosen| graph.ids().map(|id| chosen.contains(id)).collect());
    let cancellation = Cancellation::new();
    let on_signal = cancellation.clone();
    // Without a handler a signal ends this process at once, and the workers then end what runs.
    let _ = ctrlc::set_handler(move || on_signal.cancel());
    let folder = workspace.folder();
    let environment = library::environment(&args.options);
    let configured = config.cache.directory.map(|path| PathBuf::from(graph.paths().display(path)));
    let most = config.schedule.max_processes.map(|most| most as usize);
    let may_skip = config.cache.cache_graph && config.cache.incremental;
    let options = BuildOptions {
        cache: args.cache_dir.clone().or(configured).unwrap_or_else(|| folder.join(engine::FOLDER).join("cache")),
        workspace: folder,
        jobs: args.jobs.map(NonZeroUsize::get).or(most.filter(|most| *most > 0)).unwrap_or_else(processors),
        keep_going: args.keep_going,
        selection,
        launcher: launcher(args.sandbox)?,
        observe: args.sandbox != Sandbox::None,
        use_cache: !args.no_cache,
        verify: args.verify,
        environment: &environment,
        config,
        allow_lists: workspace.allow_lists(),
        keep_observations: args.log.is_some(),
    };
    let progress = Progress { workspace: &workspace, graph: &graph, quiet: args.messages.quiet };
    let ended = engine::build(&graph, &options, &cancellation, &progress);
    let mut outcome = ended.map_err(|error| Failure::Usage(error.to_string()))?;
    // They would not be said again.
    let had_warnings = !diagnostics.is_empty();
    diagnostics.extend(outcome.diagnostics.iter().cloned());
    let told = reporter.report(diagnostics, workspace.files());
    if let (Outcome::Fine, Some(snapshot), Some(inputs)) = (told, outcome.snapshot.take(), workspace.inputs())
        && !had_warnings
        && may_skip
    {
        unchanged::keep(&args, &root, snapshot, inputs).map_err(|error| Failure::Usage(error.to_string()))?;
    }
    let violations = outcome.violations.iter().map(|violation| violation_json(violation, &graph)).collect();
    let ended = finish(&args, output, &outcome, violations, watch.seconds());
    std::mem::forget((graph, workspace));
    Ok(if told == Outcome::Fine { ended? } else { Outcome::Errors })
}

/// Tells how it went.
fn finish(
    args: &BuildArgs,
    output: Output,
    outcome: &BuildOutcome,
    violations: Vec<Value>,
    seconds: f64,
) -> Result<Outcome, Failure> {
    if args.format == SummaryFormat::Json {
        output.write_all(format!("{}\n", summary(outcome, violations, seconds)).as_bytes())?;
    } else if !args.messages.quiet {
        super::report::statistics(&sentence(outcome, seconds));
    }
    Ok(if outcome.is_success() { Outcome::Fine } else { Outcome::Errors })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn launcher(sandbox: Sandbox) -> Result<Launcher, Failure> {
    let method = match sandbox {
        Sandbox::Auto | Sandbox::None => Method::detect(),
        Sandbox::Notify => Some(Method::Notify),
        Sandbox::Trace => Some(Method::Trace),
    };
    let method = method.ok_or_else(|| {
        Failure::Usage(
            "this system lets neither seccomp notifications nor ptrace be used, so accesses cannot be observed; \
             `--sandbox none` builds without"
                .to_owned(),
        )
    })?;
    Ok(Launcher::this_program(method))
}

/// The line at the end.
fn sentence(outcome: &BuildOutcome, seconds: f64) -> String {
    let mut parts = Vec::new();
    for (count, what) in [
        (outcome.executed, "executed"),
        (outcome.hits, "up to date"),
        (outcome.failed, "failed"),
        (outcome.skipped, "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", super::report::grouped(count as u64)));
        }
    }
    let what = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") };
    let ended = if outcome.cancelled { "cancelled: " } else { "" };
    format!("{ended}{} pips: {what}; {seconds:.2} s", super::report::grouped(outcome.pips as u64))
}

/// The summary as JSON.
fn summary(outcome: &BuildOutcome, violations: Vec<Value>, seconds: f64) -> Value {
    json!({
        "pips": outcome.pips,
        "executed": outcome.executed,
        "hits": outcome.hits,
        "skipped": outcome.skipped,
        "failed": outcome.failed,
        "cancelled": outcome.cancelled,
        "seconds": seconds,
        "violations": violations,
    })
}

fn violation_json(violation: &Violation, graph: &PipGraph) -> Value {
    let id = |pip: PipId| graph.stable_id(pip).to_string();
    let place = |pip: PipId| {
        let made = graph.provenance(pip);
        json!({ "file": graph.display(made.spec), "line": made.line, "column": made.column })
    };
    let mut places = vec![place(violation.pip)];
    places.extend(violation.other.map(place));
    json!({
        "rule": violation.rule.name(),
        "code": violation.rule.code().to_string(),
        "path": graph.display(violation.path),
        "pip": id(violation.pip),
        "other": violation.other.map(id),
        "program": violation.program,
        "places": places,
    })
}

struct Progress<'a> {
    workspace: &'a Workspace,
    graph: &'a PipGraph,
    quiet: bool,
}

impl Listener for Progress<'_> {
    fn begun(&self, _total: usize) {}

    fn started(&self, _pip: PipId, _slot: usize) {}

    fn running(&self, pip: PipId, _slot: usize) {
        if !self.quiet {
            super::report::statistics(&engine::pip_name(self.graph, pip));
        }
    }

    fn finished(&self, _pip: PipId, _slot: usize, result: &PipResult, _start: Duration, _end: Duration) {
        let _ = (self.workspace, Code::Dx(0));
        if !self.quiet {
            if let Some(reason) = &result.reason {
                super::report::statistics(&format!("   because {reason}"));
            }
            for warning in &result.warnings {
                super::report::statistics(warning);
            }
        }
    }
}
