//! `dscript build`: evaluates a workspace and brings its pip graph about.
//!
//! `progress.rs` hears what the engine does; `screen.rs` is where lines go, with the live status of `status.rs` below
//! them on a terminal; `log.rs` and `trace.rs` are the files of `--log` and `--trace`; `summary.rs` is the end.
//! `unchanged.rs` sees at a glance that there is nothing to do.

mod args;
mod log;
mod progress;
mod remote;
mod screen;
mod status;
mod summary;
mod trace;
mod unchanged;
pub(super) mod words;

use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal, Stderr, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::ProgressDrawTarget;
use serde_json::Value;

use super::interrupt::when_told_to_end;
use super::output::{Output, SummaryFormat};
use super::report::{Reporter, statistics};
use super::{Failure, Outcome, library};
use crate::engine::sandbox::{Launcher, Method};
use crate::engine::{self, BuildOptions, BuildOutcome, Cancellation, ExecutorOptions, SharedCache};
use crate::source::system::{Environment, ProcessEnvironment, Stopwatch};
use crate::workspace::Workspace;
pub(super) use args::BuildArgs;
use args::Sandbox;
use log::Log;
use progress::{Progress, Sink, Wishes};
use screen::{DRAWS_PER_SECOND, Live, Plain, Screen};
use status::Estimate;
use trace::Trace;

pub(super) fn run(args: BuildArgs) -> Result<Outcome, Failure> {
    let watch = Stopwatch::start();
    let reporter = Reporter::new(&args.messages)?;
    let qualifiers = library::qualifiers(&args.qualifiers.qualifiers)?;
    let filter = args.filter.as_deref().map(library::filter).transpose()?;
    let output = Output::standard();
    // Files that cannot be written are told at once, not after a long build.
    let log = args.log.as_deref().map(create).transpose()?;
    let trace = args.trace.as_deref().map(create).transpose()?;
    // What processes are seen to touch has no links in it, so neither have the paths of the graph.
    let path =
        fs::canonicalize(&args.workspace.path).map_err(|error| Failure::file("read", &args.workspace.path, error))?;
    let root = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(&path) };
    let open_options = library::open_options(&args.options, reporter.levels()).recording();
    if let Some(pips) = unchanged::pips(&args, &path, root, &open_options) {
        let outcome = BuildOutcome { pips, hits: pips, ..BuildOutcome::default() };
        let summary = summary::object(&outcome, 0, Vec::new(), watch.seconds());
        return finish(&args, &reporter, output, &outcome, &summary, watch.seconds());
    }
    let workspace = library::open_with(&path, &args.options, open_options)?;
    let evaluation = workspace.evaluate(&qualifiers);
    let graph = match evaluation.graph {
        Some(graph) if !evaluation.diagnostics.iter().any(|one| one.is_error()) => graph,
        _ => return Ok(reporter.report(evaluation.diagnostics, workspace.files())),
    };
    let config = &workspace.config().engine;
    let filter = match (filter, &config.default_filter) {
        (None, Some(default)) => Some(library::filter(&default.value)?),
        (given, _) => given,
    };
    let selection = match &filter {
        Some(filter) => Some(library::select(&graph, filter, |note| reporter.note(note))?),
        None => None,
    };
    let asked = selection.as_ref().map(|chosen| graph.ids().map(|id| chosen.pips().contains(id)).collect());
    let selection = selection.map(|chosen| chosen.closure(&graph));
    let selection = selection.map(|chosen| graph.ids().map(|id| chosen.contains(id)).collect());
    let cancellation = Cancellation::new();
    let on_signal = cancellation.clone();
    // Where it cannot be listened to, a signal ends this process at once, and the workers then end what runs.
    let _ = when_told_to_end(move |_| on_signal.cancel());
    let environment = library::environment(&args.options);
    let most = config.schedule.max_processes.map(|most| most as usize).filter(|most| *most > 0);
    let may_skip = config.cache.cache_graph && config.cache.incremental;
    let shared = match args.no_cache {
        true => None,
        false => {
            let folder = cache_folder(&workspace, args.cache_dir.as_deref());
            let is_spoken_to = args.remote_executor.is_some();
            args.remote.connect(&folder, &environment, &cancellation, is_spoken_to, |text| {
                // Nobody is left to tell when standard error cannot be written.
                let _ = std::io::stderr().write_all(reporter.warning(text).as_bytes());
            })?
        }
    };
    let jobs = args.jobs.map(NonZeroUsize::get).or(most).unwrap_or_else(processors);
    let options = BuildOptions {
        shared: shared.as_ref().map(|shared| -> &dyn SharedCache { shared }),
        outputs: args.remote.wanted(),
        asked,
        jobs,
        keep_going: args.keep_going,
        selection,
        launcher: launcher(args.sandbox)?,
        observe: args.sandbox != Sandbox::None,
        use_cache: !args.no_cache,
        verify: args.verify,
        keep_observations: args.log.is_some(),
        executor: executor(&args, jobs)?,
        ..options(&workspace, &environment, args.cache_dir.as_deref())
    };

    let live = live_status(&reporter);
    let plain = Plain::new(std::io::stderr());
    let screen: &dyn Screen = match &live {
        Some(live) => live,
        None => &plain,
    };
    let since_build = Stopwatch::start();
    let clock = || Duration::from_secs_f64(since_build.seconds());
    let mut progress = Progress::new(&graph, workspace.files(), &reporter, screen, &clock, options.slots());
    progress.wishes = Wishes { verbose: args.verbose, explain: args.explain, each: live.is_none() };
    progress.log = args.log.as_deref().zip(log).map(|(path, file)| Log::new(path, file));
    progress.trace = args.trace.as_deref().zip(trace).map(|(path, file)| Trace::new(path, file, options.slots()));
    if let Some(log) = &progress.log {
        log.write(&log::beginning(&graph, options.jobs, args.filter.as_deref()), true);
    }
    // They would not be said again when evaluation is skipped.
    let may_skip = may_skip && evaluation.diagnostics.is_empty();
    progress.show(evaluation.diagnostics);

    let ended = while_shown(live.as_ref(), &progress, &cancellation, reporter.color(), || {
        engine::build(&graph, &options, &cancellation, &progress)
    });
    let mut outcome = match ended {
        Ok(outcome) => outcome,
        Err(error) => {
            progress.close(None)?;
            return Err(Failure::Usage(error.to_string()));
        }
    };
    progress.show_rest(&outcome.diagnostics);
    outcome.repairs.iter().for_each(|repair| reporter.note(repair));
    let seconds = watch.seconds();
    let violations = outcome.violations.iter().map(|one| summary::violation(one, &graph)).collect();
    let summary = summary::object(&outcome, progress.warnings(), violations, seconds);
    let last = progress.log.is_some().then(|| log::ending(&summary));
    let told = progress.close(last.as_ref())?;
    if let (Outcome::Fine, true, Some(snapshot), Some(inputs)) =
        (told, may_skip, outcome.snapshot.take(), workspace.inputs())
    {
        unchanged::keep(&args, root, snapshot, inputs, outcome.left_away == 0)
            .map_err(|error| Failure::Usage(error.to_string()))?;
    }
    let ended = finish(&args, &reporter, output, &outcome, &summary, seconds)?;
    drop(options);
    std::mem::forget((graph, workspace));
    Ok(if told == Outcome::Fine { ended } else { Outcome::Errors })
}

/// Tells how it ended.
fn finish(
    args: &BuildArgs,
    reporter: &Reporter,
    output: Output,
    outcome: &BuildOutcome,
    summary: &Value,
    seconds: f64,
) -> Result<Outcome, Failure> {
    if args.format == SummaryFormat::Json {
        output.write_all(format!("{summary}\n").as_bytes())?;
    } else if reporter.chats() {
        statistics(&summary::sentence(outcome, Duration::from_secs_f64(seconds), reporter.color()));
    }
    Ok(if outcome.is_success() { Outcome::Fine } else { Outcome::Errors })
}

/// The file of `--log` or `--trace`.
fn create(path: &Path) -> Result<Sink, Failure> {
    let file = File::create(path).map_err(|error| Failure::file("write", path, error))?;
    Ok(Box::new(BufWriter::with_capacity(1 << 16, file)))
}

/// The status below the lines, where standard error is a terminal and people are to see more than what is wrong.
fn live_status(reporter: &Reporter) -> Option<Live<Stderr>> {
    let is_dumb = ProcessEnvironment::new().variable("TERM").is_some_and(|term| term == "dumb");
    let wanted = std::io::stderr().is_terminal() && !is_dumb && reporter.chats();
    wanted.then(|| Live::new(ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND), std::io::stderr()))
}

/// Builds, with the status kept current, and takes it away again.
fn while_shown<R>(
    live: Option<&Live<Stderr>>,
    progress: &Progress<'_>,
    cancellation: &Cancellation,
    color: bool,
    build: impl FnOnce() -> R,
) -> R {
    let Some(live) = live else { return build() };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let drawer = scope.spawn(|| {
            let mut estimate = Estimate::default();
            let between = Duration::from_millis(1000 / u64::from(DRAWS_PER_SECOND));
            // A build that takes no time shows nothing.
            std::thread::park_timeout(2 * between);
            while !done.load(Ordering::Acquire) {
                live.show(&progress.snapshot(&mut estimate, cancellation.is_cancelled()).lines(color));
                std::thread::park_timeout(between);
            }
            live.clear();
        });
        let drawer = drawer.thread().clone();
        // Also when the build panics: the scope waits for the thread.
        let _end = OnDrop(|| {
            done.store(true, Ordering::Release);
            drawer.unpark();
        });
        build()
    })
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Where results are kept: as the command line says, else the configuration, else in the state folder.
pub(super) fn cache_folder(workspace: &Workspace, given: Option<&Path>) -> PathBuf {
    let configured = workspace.config().engine.cache.directory.map(|path| workspace.path_text(path).into());
    let given = given.map(Path::to_owned).or(configured);
    given.unwrap_or_else(|| workspace.folder().join(engine::FOLDER).join("cache"))
}

/// What a build is asked for where the command line says nothing.
pub(super) fn options<'a>(
    workspace: &Workspace,
    environment: &'a ProcessEnvironment,
    cache: Option<&Path>,
) -> BuildOptions<'a> {
    let folder = workspace.folder();
    let config = workspace.config().engine.clone();
    BuildOptions {
        cache: cache_folder(workspace, cache),
        workspace: folder,
        jobs: 1,
        keep_going: false,
        selection: None,
        launcher: Launcher::this_program(Method::Trace),
        observe: true,
        use_cache: true,
        verify: false,
        environment,
        config,
        allow_lists: workspace.allow_lists(),
        keep_observations: false,
        shared: None,
        outputs: engine::Outputs::All,
        asked: None,
        patience: Duration::from_secs(300),
        executor: None,
    }
}

/// The server that runs processes, where one is named.
fn executor(args: &BuildArgs, jobs: usize) -> Result<Option<ExecutorOptions>, Failure> {
    let Some(endpoint) = &args.remote_executor else { return Ok(None) };
    Ok(Some(ExecutorOptions {
        remote: args.remote.executor(endpoint),
        jobs: args.remote_jobs.map_or_else(|| (4 * jobs).max(16), NonZeroUsize::get),
        platform: args.remote_platform.clone(),
    }))
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
