//! `dscript build`: evaluates a workspace and brings its pip graph about.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{BuildArgs, Sandbox, SummaryFormat};
use super::output::Output;
use super::report::Reporter;
use super::{Failure, Outcome, library};
use crate::diagnostics::Code;
use crate::engine::sandbox::{Launcher, Method};
use crate::engine::{self, BuildOptions, BuildOutcome, Cancellation, Listener, PipResult, Violation};
use crate::graph::{PipGraph, PipId};
use crate::source::system::{ProcessEnvironment, Stopwatch};
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
    let workspace = library::open(&path, &args.options, reporter.levels(), false)?;
    let evaluation = workspace.evaluate(&qualifiers);
    let mut diagnostics = evaluation.diagnostics;
    let graph = match evaluation.graph {
        Some(graph) if !diagnostics.iter().any(|one| one.is_error()) => graph,
        _ => return Ok(reporter.report(diagnostics, workspace.files())),
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
    let environment =
        args.options.environment.iter().fold(ProcessEnvironment::new(), |all, (name, value)| all.with(name, value));
    let options = BuildOptions {
        cache: args.cache_dir.clone().unwrap_or_else(|| folder.join(engine::FOLDER).join("cache")),
        workspace: folder,
        jobs: args.jobs.map_or_else(processors, NonZeroUsize::get),
        keep_going: args.keep_going,
        selection,
        launcher: launcher(args.sandbox)?,
        observe: args.sandbox != Sandbox::None,
        use_cache: !args.no_cache,
        verify: args.verify,
        environment: &environment,
        config: workspace.config().engine.clone(),
        allow_lists: workspace.allow_lists(),
        keep_observations: args.log.is_some(),
    };
    let progress = Progress { workspace: &workspace, graph: &graph, quiet: args.messages.quiet };
    let ended = engine::build(&graph, &options, &cancellation, &progress);
    let outcome = ended.map_err(|error| Failure::Usage(error.to_string()))?;
    diagnostics.extend(outcome.diagnostics.iter().cloned());
    let told = reporter.report(diagnostics, workspace.files());
    let seconds = watch.seconds();
    if args.format == SummaryFormat::Json {
        let text = format!("{}\n", summary(&outcome, &graph, &workspace, seconds));
        output.write_all(text.as_bytes())?;
    } else if !args.messages.quiet {
        super::report::statistics(&sentence(&outcome, seconds));
    }
    let fine = told == Outcome::Fine && outcome.is_success();
    std::mem::forget((graph, workspace));
    Ok(if fine { Outcome::Fine } else { Outcome::Errors })
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
fn summary(outcome: &BuildOutcome, graph: &PipGraph, workspace: &Workspace, seconds: f64) -> Value {
    let violations: Vec<Value> =
        outcome.violations.iter().map(|violation| violation_json(violation, graph, workspace)).collect();
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

fn violation_json(violation: &Violation, graph: &PipGraph, workspace: &Workspace) -> Value {
    let id = |pip: PipId| graph.stable_id(pip).to_string();
    let place = |pip: PipId| {
        let made = graph.provenance(pip);
        json!({ "file": graph.display(made.spec), "line": made.line, "column": made.column })
    };
    let _ = workspace;
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
        let _ = (self.workspace, Code::Dx(0), PathBuf::new());
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
