//! A process pip: looked up, run if need be, judged, kept.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use regex::Regex;

use super::super::cache::Fingerprint;
use super::super::command::Command;
use super::super::content::Content;
use super::super::context::Engine;
use super::super::directories::Contents;
use super::super::explain::{self, Recipe};
use super::super::fingerprint::{Ingredient, PathSet, strong, weak};
use super::super::judge::{Verdict, judge};
use super::super::outcome::{Done, Origin, PipResult};
#[cfg(feature = "remote")]
use super::super::remote::{Answer, Errand, cancelled};
use super::super::sandbox::{Exit, Job, Report, Worker};
use super::super::state::{remove_all, remove_leaf, touched_since};
use super::super::view::View;
use super::super::violation::{diagnostics, pip_name};
use super::super::virtual_outputs::{bring, bring_versions};
use super::cached::{CachedResult, Missing};
use super::harvest::{Harvest, harvest};
use super::linked::Linked;
use super::prepare::{Scratch, job, make_room, make_writable, temporary_folders};
use super::{failed_io, lost_or_failed, pip_error};
use crate::cas::Digest;
use crate::diagnostics::{Code, Severity};
use crate::graph::{PipId, ProcessPip};
use crate::paths::PathId;

/// Lines of output that a failure shows.
const SHOWN_LINES: usize = 40;

/// Missing inputs that a failure shows.
const SHOWN_INPUTS: usize = 5;

/// Lines that are warnings where a spec does not say: `file:1: warning: text`, `warning X: text`.
const WARNINGS: &str = r"(?i)^\s*([^:]*:\s*)*(warning)(\s+[A-Za-z0-9]+)?\s*:";

/// What is said of a process that failed on another machine.
const ELSEWHERE: &str = "it ran on another machine, which has its declared inputs and the programs of the system; other \
                         files are not there";

/// What the thread that works on a pip has.
pub(in crate::engine) struct Attempt<'a> {
    /// Which thread it is.
    pub(in crate::engine) slot: usize,
    /// Its worker, once one was needed.
    pub(in crate::engine) worker: &'a mut Option<Worker>,
    /// What is done before the process is run, where it must be.
    pub(in crate::engine) before_run: &'a dyn Fn() -> io::Result<()>,
    /// Whether it was looked up before, and not found.
    pub(in crate::engine) missed: bool,
    /// Called when a process runs here that was expected to run on another machine; waits until there is room for it, and
    /// says whether it may begin.
    #[cfg_attr(not(feature = "remote"), expect(dead_code, reason = "without other machines all stay"))]
    pub(in crate::engine) stays_here: &'a dyn Fn() -> bool,
}

/// What a run gave, wherever it was.
pub(in crate::engine) struct Run {
    pub(in crate::engine) report: Report,
    /// What it printed.
    pub(in crate::engine) stdout: String,
    pub(in crate::engine) stderr: String,
    /// Whether its accesses were observed.
    pub(in crate::engine) observed: bool,
    /// Whether it ran on another machine.
    pub(in crate::engine) elsewhere: bool,
    /// Whether another machine had run it before.
    pub(in crate::engine) cached: bool,
    /// Why it ran here although there are other machines.
    pub(in crate::engine) stays: Option<String>,
}

/// Brings a process pip's outputs about.
pub(in crate::engine) fn process(
    engine: &Engine<'_>,
    pip: PipId,
    process: &ProcessPip,
    attempt: Attempt<'_>,
) -> PipResult {
    let graph = engine.world.graph;
    match Step::new(engine, pip, process).and_then(|step| step.take(attempt)) {
        Ok(result) => result,
        Err(error) => lost_or_failed(graph, pip, Code::Dx(2704), "the build could not do its part", &error),
    }
}

/// Looks a process pip up; none where it has to run.
pub(in crate::engine) fn look_up(
    engine: &Engine<'_>,
    pip: PipId,
    process: &ProcessPip,
    slot: usize,
) -> Option<PipResult> {
    let graph = engine.world.graph;
    match Step::new(engine, pip, process).and_then(|step| step.look_up(slot)) {
        Ok(found) => found,
        Err(error) => Some(lost_or_failed(graph, pip, Code::Dx(2704), "the build could not do its part", &error)),
    }
}

/// Whether the result of a process may come from the cache.
pub(in crate::engine) fn is_looked_up(engine: &Engine<'_>, pip: PipId, process: &ProcessPip) -> bool {
    !engine.is_again(pip) && !process.flags.disable_cache_lookup && engine.options.looks_up()
}

/// Runs a service until it ends. What it makes is never cached: it depends on its clients.
pub(in crate::engine) fn service(
    engine: &Engine<'_>,
    pip: PipId,
    process: &ProcessPip,
    mut attempt: Attempt<'_>,
) -> PipResult {
    let graph = engine.world.graph;
    let ran = Step::new(engine, pip, process).and_then(|mut step| {
        step.is_service = true;
        step.run_once(&mut attempt, 0)
    });
    match ran {
        Ok(ran) => ran.result,
        Err(error) => failed_io(graph, pip, Code::Dx(2704), "the build could not do its part", &error),
    }
}

/// What is known of a process before it is looked up.
pub(super) struct Step<'s, 'g> {
    pub(super) engine: &'s Engine<'g>,
    pub(super) pip: PipId,
    pub(super) process: &'s ProcessPip,
    pub(super) view: View<'s, 'g>,
    command: Command,
    pub(super) weak: Fingerprint,
    /// Whether it runs as long as its clients do.
    is_service: bool,
    /// When its inputs were looked at.
    begun: SystemTime,
}

impl<'s, 'g> Step<'s, 'g> {
    pub(super) fn new(engine: &'s Engine<'g>, pip: PipId, process: &'s ProcessPip) -> io::Result<Self> {
        let world = &engine.world;
        let begun = SystemTime::now();
        let command = Command::of(world, process);
        let weak = weak(world, process, &command, &engine.salt, None)?;
        Ok(Self { engine, pip, process, view: View::of(world, pip, process), command, weak, is_service: false, begun })
    }

    fn take(self, mut attempt: Attempt<'_>) -> io::Result<PipResult> {
        let looked = self.is_looked_up();
        if looked
            && !attempt.missed
            && let Some(hit) = self.look_up(attempt.slot)?
        {
            return Ok(hit);
        }
        if self.engine.options.config.schedule.cache_only {
            return Ok(PipResult { weak: Some(self.weak), ..PipResult::new(Done::Skipped) });
        }
        let reason = match looked {
            true => explain::reason(self.engine, self.pip, |paths| self.recipe(paths))?,
            false if self.engine.is_again(self.pip) => "the remote cache no longer has what it made".to_owned(),
            false => match self.engine.options.use_cache {
                true => "its results are never taken from the cache".to_owned(),
                false => "the cache is not used".to_owned(),
            },
        };
        (attempt.before_run)()?;
        self.engine.listener.running(self.pip, attempt.slot);
        let mut result = self.run(&mut attempt)?;
        result.reason = Some(reason);
        Ok(result)
    }

    /// Whether its result may come from the cache.
    pub(super) fn is_looked_up(&self) -> bool {
        is_looked_up(self.engine, self.pip, self.process)
    }

    /// How many path sets are tried, of each cache.
    pub(super) fn most_path_sets(&self) -> usize {
        self.engine.options.config.cache.max_path_sets.map_or(usize::MAX, |most| most as usize)
    }

    /// Looks for a result under each path set that runs with the same weak fingerprint had.
    fn look_up(&self, slot: usize) -> io::Result<Option<PipResult>> {
        let world = &self.engine.world;
        let most = self.most_path_sets();
        let mut known = Vec::new();
        for (_, bytes) in world.entries.path_sets(self.weak).into_iter().take(most) {
            let Ok(paths) = postcard::from_bytes::<PathSet>(&bytes) else { continue };
            let strong = strong(&self.view, self.weak, &paths, None)?;
            let found = world.entries.result(strong);
            if let Some(result) = &found
                && let Ok(cached) = postcard::from_bytes::<CachedResult>(result)
                && let Some(hit) = self.take_over(&cached, strong, &paths, slot)?
            {
                world.entries.touch(strong);
                self.give_old(&cached, &bytes, strong, result);
                return Ok(Some(PipResult { origin: Some(Origin::Local), ..hit }));
            }
            if self.engine.options.shared.is_some() {
                known.push((strong, paths, bytes));
            }
        }
        self.look_up_shared(slot, known)
    }

    /// Makes a result's outputs this build's, and tells what was printed. None where it is no good.
    pub(super) fn take_over(
        &self,
        cached: &CachedResult,
        strong: Fingerprint,
        paths: &PathSet,
        slot: usize,
    ) -> io::Result<Option<PipResult>> {
        let mut note = |path| self.engine.note_shared(slot, path);
        let mut bring = |missing: &Missing| self.bring(cached, missing);
        if !cached.restore(&self.engine.world, self.pip, self.process, &mut bring, &mut note)? {
            return Ok(None);
        }
        let (Ok(stdout), Ok(stderr)) = (self.text(&cached.stdout), self.text(&cached.stderr)) else { return Ok(None) };
        self.accept_cached(cached, strong, paths, &stdout, &stderr)
    }

    fn text(&self, digest: &Digest) -> Result<String, crate::cas::StoreError> {
        if digest.size == 0 {
            return Ok(String::new());
        }
        Ok(String::from_utf8_lossy(&self.engine.world.store.read(digest)?).into_owned())
    }

    /// Takes over what a cached result left. Another pip of this build may have made one of its files meanwhile: then
    /// the process is run, and judged.
    pub(super) fn accept_cached(
        &self,
        cached: &CachedResult,
        strong: Fingerprint,
        paths: &PathSet,
        stdout: &str,
        stderr: &str,
    ) -> io::Result<Option<PipResult>> {
        let world = &self.engine.world;
        let mut directories = Vec::new();
        for entries in &cached.directories {
            let mut list = Vec::new();
            for (token, content) in entries {
                let Some(path) = world.path_of_token(token) else { return Ok(None) };
                let is_file = *content != Content::Directory;
                if is_file
                    && world.claim(path, self.pip, content.clone()).is_some_and(|other| other.content != *content)
                {
                    return Ok(None);
                }
                list.push((path, content.clone()));
            }
            directories.push(list);
        }
        let mut result = PipResult::new(Done::Hit);
        result.strong = Some(strong);
        result.exit_code = Some(cached.exit_code);
        result.skips_dependents = cached.succeed_fast;
        self.say(&mut result, stdout, stderr);
        let sources: Vec<_> = cached.sources.iter().filter_map(|token| world.path_of_token(token)).collect();
        self.publish(cached.outputs.clone(), directories, &sources, &mut result);
        self.engine.rely_on(paths);
        Ok(Some(result))
    }

    /// Makes the outputs known to the pips that wait for them.
    fn publish(
        &self,
        outputs: Vec<Content>,
        directories: Vec<Vec<(crate::paths::PathId, Content)>>,
        sources: &[crate::paths::PathId],
        result: &mut PipResult,
    ) {
        let world = &self.engine.world;
        let mut left = Vec::new();
        for (output, content) in self.process.outputs.iter().zip(outputs) {
            if content != Content::Absent {
                left.push(output.artifact.path);
                result.outputs.push((output.artifact.path, content.clone()));
            }
            world.set_output(output.artifact, content);
        }
        for (id, entries) in self.process.output_directory_ids().zip(directories) {
            for (path, content) in &entries {
                left.push(*path);
                if *content != Content::Directory {
                    result.outputs.push((*path, content.clone()));
                }
            }
            world.set_contents(id, Contents::opaque(entries));
        }
        left.retain(|path| !sources.contains(path) && !world.virtual_outputs.is_away(*path));
        world.made.leave(self.pip, world.graph, left.into_iter());
        result.weak = Some(self.weak);
    }

    /// What the fingerprint is made of, for explaining.
    pub(super) fn recipe(&self, paths: Option<&PathSet>) -> io::Result<Recipe> {
        let mut ingredients: Vec<Ingredient> = Vec::new();
        weak(&self.engine.world, self.process, &self.command, &self.engine.salt, Some(&mut ingredients))?;
        if let Some(paths) = paths {
            strong(&self.view, self.weak, paths, Some(&mut ingredients))?;
        }
        Ok(Recipe { ingredients, paths: paths.cloned() })
    }

    fn run(&self, attempt: &mut Attempt<'_>) -> io::Result<PipResult> {
        let rare = self.process.rare.as_deref();
        let tries =
            rare.and_then(|rare| rare.process_retries).unwrap_or(self.engine.options.config.schedule.process_retries);
        let mut retries = 0;
        loop {
            let ran = self.run_once(attempt, retries)?;
            let again = matches!(&ran.exit, Some(Exit::Code(code))
                if rare.is_some_and(|rare| rare.retry_exit_codes.contains(code)));
            if !again || retries >= tries || ran.result.done != Done::Failed {
                return Ok(PipResult { retries, ..ran.result });
            }
            retries += 1;
            self.take_back(&ran.left)?;
        }
    }

    /// Removes what a try left that is followed by another one.
    fn take_back(&self, left: &[PathId]) -> io::Result<()> {
        let world = &self.engine.world;
        for path in left.iter().rev() {
            if world.claim_of(*path).is_none_or(|claim| claim.pip == self.pip) {
                remove_leaf(&world.disk_path(*path))?;
            }
        }
        Ok(())
    }

    fn run_once(&self, attempt: &mut Attempt<'_>, number: u32) -> io::Result<Ran> {
        let engine = self.engine;
        let world = &engine.world;
        bring_versions(engine, self.process, attempt.slot)?;
        world.virtual_outputs.forget(self.pip);
        make_room(engine, self.pip, self.process)?;
        let scratch = Scratch::new(engine, attempt.slot)?;
        for output in self.process.outputs.iter().filter(|output| output.artifact.rewrite > 1) {
            let path = world.disk_path(output.artifact.path);
            if path.exists() {
                detach(engine, &path)?;
            }
        }
        for output in self.process.outputs.iter().filter(|output| world.is_below_shared(output.artifact.path)) {
            engine.note_shared(attempt.slot, output.artifact.path)?;
        }
        let run = self.run_somewhere(attempt, &scratch, number)?;
        let Run { report, stdout, stderr, observed, elsewhere, cached, stays } = run;
        let mut result = PipResult::new(if cached { Done::Hit } else { Done::Executed });
        result.elsewhere = elsewhere;
        result.stays = stays;
        result.user = report.user;
        result.system = report.system;
        result.peak_memory = report.peak_memory;
        result.exit_code = match report.exit {
            Exit::Code(code) => Some(code),
            _ => None,
        };
        self.say(&mut result, &stdout, &stderr);
        if report.exit == Exit::Cancelled || engine.cancellation.is_cancelled() {
            result.done = Done::Cancelled;
            return Ok(Ran { result, exit: Some(report.exit), left: Vec::new() });
        }
        let mut verdict = judge(&self.view, self.process, &report, &engine.options.allow_lists);
        if !observed {
            verdict.path_set = self.view.everything()?;
            if self.process.flags.allow_undeclared_source_reads {
                verdict.uncacheable = Some("nobody watched which sources it read".to_owned());
            }
        }
        result.reads = self.reads(&report);
        let mut trouble = self.trouble(&report, &stdout, &stderr);
        if elsewhere && let Some(first) = trouble.first_mut() {
            first.notes.push(ELSEWHERE.to_owned());
        }
        let fine = trouble.is_empty() && verdict.violations.is_empty();
        let harvest = harvest(engine, self.pip, self.process, &verdict, attempt.slot, fine)?;
        result.violations = verdict.violations.iter().chain(&harvest.violations).cloned().collect();
        // A process that failed has an excuse for what is not there.
        let mut missing = if trouble.is_empty() { harvest.diagnostics.clone() } else { Vec::new() };
        if elsewhere && let Some(first) = missing.first_mut() {
            first.notes.push(ELSEWHERE.to_owned());
        }
        result.diagnostics = trouble;
        result.diagnostics.extend(missing);
        result.diagnostics.extend(self.slow(&report));
        let mut told = diagnostics(&result.violations, world.graph);
        if !engine.options.config.sandbox.unexpected_accesses_are_errors {
            for diagnostic in &mut told {
                diagnostic.severity = Severity::Warning;
            }
        }
        result.diagnostics.extend(told);
        if result.diagnostics.iter().any(|one| one.is_error()) {
            result.done = Done::Failed;
            result.weak = Some(self.weak);
            // What is there now is known to be this pip's, so that the next run removes it.
            let mut left: Vec<PathId> = harvest.directories.iter().flatten().map(|(path, _)| *path).collect();
            left.sort_by(|left, right| world.graph.paths().compare(*left, *right));
            let outputs = self.process.outputs.iter().map(|output| output.artifact.path);
            world.made.leave(self.pip, world.graph, outputs.chain(left.iter().copied()));
            return Ok(Ran { result, exit: Some(report.exit), left });
        }
        self.keep(&mut result, &report, verdict, harvest, [&stdout, &stderr])?;
        // Those of a process that failed stay, for whoever wants to find out why.
        if engine.options.config.clean_temp_directories {
            for folder in temporary_folders(self.process) {
                remove_all(&world.disk_path(folder))?;
            }
        }
        Ok(Ran { result, exit: Some(report.exit), left: Vec::new() })
    }

    /// Runs it: on another machine where there is one and that can be, else here.
    fn run_somewhere(&self, attempt: &mut Attempt<'_>, scratch: &Scratch, number: u32) -> io::Result<Run> {
        #[cfg(feature = "remote")]
        if let Some(executor) = self.engine.executor.as_ref().filter(|_| !self.is_service) {
            let errand = Errand {
                engine: self.engine,
                pip: self.pip,
                process: self.process,
                view: &self.view,
                command: &self.command,
                attempt: number,
                slot: attempt.slot,
                backup: &scratch.backup,
                looks_up: self.is_looked_up() && number == 0,
            };
            return match executor.run(&errand)? {
                Answer::Ran(run) => Ok(*run),
                Answer::Here(reason) => {
                    if !(attempt.stays_here)() {
                        return Ok(Run { stays: Some(reason), ..cancelled(&errand) });
                    }
                    Ok(Run { stays: Some(reason), ..self.run_here(attempt, scratch, number)? })
                }
            };
        }
        self.run_here(attempt, scratch, number)
    }

    /// Runs it on this machine.
    fn run_here(&self, attempt: &mut Attempt<'_>, scratch: &Scratch, number: u32) -> io::Result<Run> {
        bring(self.engine, self.process, attempt.slot)?;
        let mut job = job(self.engine, self.process, &self.command, scratch, number, attempt.slot)?;
        if self.is_service {
            job.timeout = None;
        }
        let mut report = run_job(self.engine, attempt, &job)?;
        Linked::of(self.engine, self.process).rename(&mut report);
        let (stdout, stderr) = (read_text(&job.stdout)?, read_text(&job.stderr)?);
        Ok(Run { report, stdout, stderr, observed: job.observe, elsewhere: false, cached: false, stays: None })
    }

    /// Keeps a good result in the cache, if it may be cached, and makes it known.
    fn keep(
        &self,
        result: &mut PipResult,
        report: &Report,
        verdict: Verdict,
        harvest: Harvest,
        streams: [&str; 2],
    ) -> io::Result<()> {
        let world = &self.engine.world;
        let rare = self.process.rare.as_deref();
        let code = result.exit_code.unwrap_or(0);
        result.skips_dependents = rare.is_some_and(|rare| rare.succeed_fast_exit_codes.contains(&code));
        let uncacheable_code = rare.is_some_and(|rare| rare.uncacheable_exit_codes.contains(&code));
        let violated = !result.violations.is_empty();
        result.uncached = verdict.uncacheable.or(harvest.uncacheable.clone()).or_else(|| {
            let is_service = self.is_service.then(|| "it is a service".to_owned());
            violated.then(|| "it broke rules".to_owned()).or(is_service)
        });
        result.uncached = result.uncached.take().or_else(|| {
            report.incomplete.clone().or_else(|| uncacheable_code.then(|| format!("exit code {code} is not cached")))
        });
        if result.uncached.is_none() {
            result.uncached = self.changed_meanwhile(&verdict.path_set)?;
        }
        let strong = strong(&self.view, self.weak, &verdict.path_set, None)?;
        result.strong = Some(strong);
        let stored = self.engine.options.use_cache && self.engine.options.config.schedule.store_outputs_to_cache;
        if result.uncached.is_none() && stored {
            let store = &world.store;
            let keep = |text: &str| store.add_bytes(text.as_bytes()).map_err(io::Error::other);
            let cached = CachedResult {
                outputs: harvest.outputs.clone(),
                directories: harvest
                    .directories
                    .iter()
                    .map(|list| list.iter().map(|(path, content)| (world.token(*path), content.clone())).collect())
                    .collect(),
                sources: harvest.sources.iter().map(|path| world.token(*path)).collect(),
                stdout: keep(streams[0])?,
                stderr: keep(streams[1])?,
                exit_code: code,
                succeed_fast: result.skips_dependents,
                milliseconds: report.wall.as_millis() as u64,
                shared: false,
            };
            let bytes = |error| io::Error::other(format!("a result cannot be written down: {error}"));
            let paths = postcard::to_stdvec(&verdict.path_set).map_err(bytes)?;
            let entry = postcard::to_stdvec(&cached).map_err(bytes)?;
            world.entries.record(self.weak, &paths, strong, &entry);
            self.give(&cached, &paths, strong, &entry);
            explain::remember(self.engine, self.pip, &self.recipe(Some(&verdict.path_set))?)?;
        }
        self.check_again(&harvest, result);
        self.engine.rely_on(&verdict.path_set);
        self.publish(harvest.outputs, harvest.directories, &harvest.sources, result);
        Ok(())
    }

    /// Whether an input was changed while the process ran: nobody knows which content it has read then.
    fn changed_meanwhile(&self, paths: &PathSet) -> io::Result<Option<String>> {
        let world = &self.engine.world;
        let graph = world.graph;
        let changed = |path| Ok(Some(format!("`{}` changed while it ran", graph.display(path))));
        // The clock of a file system may lag behind, so declared files are looked at again in doubt.
        let doubtful = self.begun.checked_sub(CLOCK_STEP).unwrap_or(self.begun);
        let mut sources = self.process.inputs.iter().filter(|input| input.is_source()).map(|input| input.path);
        if let Some(path) = sources.find(|path| touched_since(&world.disk_path(*path), doubtful))
            && self.weak_again()? != self.weak
        {
            return changed(path);
        }
        for entry in paths.entries.iter().filter(|entry| entry.content || entry.listing) {
            let Some(path) = world.path_of_token(&entry.path) else { continue };
            // What pips make is written before their dependents run, and folders with outputs change all the time.
            let is_source = !world.is_made(path) && !world.is_output_folder(path);
            if is_source && touched_since(&world.disk_path(path), self.begun) {
                return changed(path);
            }
        }
        Ok(None)
    }

    fn weak_again(&self) -> io::Result<Fingerprint> {
        weak(&self.engine.world, self.process, &self.command, &self.engine.salt, None)
    }

    fn reads(&self, report: &Report) -> Vec<(crate::paths::PathId, super::super::sandbox::Reads)> {
        if !self.engine.options.keep_observations {
            return Vec::new();
        }
        let read = report.accesses.iter().filter(|access| access.reads.any());
        read.filter_map(|access| Some((self.engine.world.path_id(&access.path)?, access.reads))).collect()
    }

    /// Sets what a process printed, and which lines of it are warnings.
    fn say(&self, result: &mut PipResult, stdout: &str, stderr: &str) {
        result.command = Some(self.command.shown());
        let streams = self.process.rare.as_ref().map(|rare| rare.streams.clone()).unwrap_or_default();
        if streams.output.is_none() {
            result.output.push_str(stdout);
        }
        if streams.error.is_none() {
            result.output.push_str(stderr);
        }
        let graph = self.engine.world.graph;
        let given = self.process.rare.as_ref().and_then(|rare| rare.warning_regex).map(|regex| graph.text(regex));
        if let Some(regex) = self.engine.regex(given.unwrap_or(WARNINGS)) {
            result.warnings = lines_that(&regex, &[stdout, stderr]);
        }
    }

    /// What is wrong with how a process ended; nothing where all is well.
    fn trouble(&self, report: &Report, stdout: &str, stderr: &str) -> Vec<crate::diagnostics::Diagnostic> {
        let graph = self.engine.world.graph;
        let rare = self.process.rare.as_deref();
        let name = pip_name(graph, self.pip);
        let fine = |code: &i32| is_success(self.process, *code);
        let wrote_error = self.process.flags.writing_to_standard_error_fails_execution && !stderr.is_empty();
        let (code, message) = match &report.exit {
            Exit::Code(code) if fine(code) && wrote_error => {
                (45, format!("{name} wrote to standard error, which its spec counts as a failure"))
            }
            Exit::Code(code) if fine(code) => return self.surviving(report),
            Exit::Code(code) => (64, format!("{name} failed with exit code {code}")),
            Exit::Signal(signal) => (64, format!("{name} was ended by {}", signal_name(*signal))),
            Exit::TimedOut => {
                let own = rare.and_then(|rare| rare.timeout).map(|own| Duration::from_millis(own.into()));
                let limit = self.engine.options.config.sandbox.timeout(own).as_millis();
                (16, format!("{name} took longer than {} and was ended", seconds(limit)))
            }
            Exit::Cancelled => (64, format!("{name} was ended with the build")),
            Exit::NotStarted(why) => (11, format!("{name} could not be started: {why}")),
        };
        let mut diagnostic = pip_error(graph, self.pip, Code::Dx(code), message);
        diagnostic = diagnostic.note(format!("command: {}", self.command.shown()));
        diagnostic = diagnostic.note(format!("in: {}", graph.display(self.process.working_directory)));
        let errors = rare.and_then(|rare| rare.error_regex).map(|regex| graph.text(regex));
        let output = match errors.and_then(|text| self.engine.regex(text)) {
            Some(regex) => lines_that(&regex, &[stdout, stderr]),
            None => [stdout, stderr].iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
        };
        if !output.is_empty() {
            let left_out = output.len().saturating_sub(SHOWN_LINES);
            let heading = match left_out {
                0 => "output:".to_owned(),
                count => format!("the last {SHOWN_LINES} of {} lines of output:", SHOWN_LINES + count),
            };
            diagnostic = diagnostic.note(format!("{heading}\n{}", output[left_out..].join("\n")));
        }
        for input in self.missing_inputs() {
            diagnostic = diagnostic.note(format!("its input `{input}` does not exist"));
        }
        let mut found = vec![match &report.exit {
            Exit::NotStarted(_) => diagnostic.help(
                "check that the file is there, is executable, and that its interpreter exists; the working directory \
                 must exist too",
            ),
            Exit::TimedOut => diagnostic.help("`timeoutInMilliseconds` of the tool sets another limit"),
            _ => diagnostic,
        }];
        found.extend(self.surviving(report));
        found
    }

    /// Source files among its inputs that are not there: often the reason why it failed.
    fn missing_inputs(&self) -> Vec<String> {
        let world = &self.engine.world;
        let sources = self.process.inputs.iter().filter(|input| input.is_source());
        let missing = sources.filter(|input| !world.disk_path(input.path).exists());
        missing.take(SHOWN_INPUTS).map(|input| world.graph.display(input.path)).collect()
    }

    /// A warning where it took longer than its spec or the configuration likes.
    fn slow(&self, report: &Report) -> Option<crate::diagnostics::Diagnostic> {
        let own = self.process.rare.as_ref().and_then(|rare| rare.warning_timeout);
        let limit =
            self.engine.options.config.sandbox.warning_timeout(own.map(|own| Duration::from_millis(own.into())));
        if report.wall <= limit || self.is_service {
            return None;
        }
        let graph = self.engine.world.graph;
        let (took, limit) = (seconds(report.wall.as_millis()), seconds(limit.as_millis()));
        let message = format!(
            "{} took {took}, longer than the {limit} after which there is a warning",
            pip_name(graph, self.pip)
        );
        let mut warning = pip_error(graph, self.pip, Code::Dx(15), message);
        warning.severity = Severity::Warning;
        Some(warning)
    }

    /// Children that outlived the process and had to be ended.
    fn surviving(&self, report: &Report) -> Vec<crate::diagnostics::Diagnostic> {
        let graph = self.engine.world.graph;
        let allowed = self.process.rare.as_ref().map_or(&[][..], |rare| &rare.allowed_surviving_children);
        let is_allowed = |name: &&String| allowed.iter().any(|allowed| graph.text(*allowed) == name.as_str());
        let left: Vec<&String> = report.survivors.iter().filter(|name| !is_allowed(name)).collect();
        if left.is_empty() {
            return Vec::new();
        }
        let names = left.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = format!("{} left child processes behind, which were ended: {names}", pip_name(graph, self.pip));
        vec![pip_error(graph, self.pip, Code::Dx(41), message).help(
            "let the tool wait for its children; `allowedSurvivingChildProcessNames` names those that may be ended, and \
             `nestedProcessTerminationTimeoutMs` gives them more time",
        )]
    }
}

/// The longest step of a clock that stamps files.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// How a run ended.
struct Ran {
    result: PipResult,
    exit: Option<Exit>,
    /// What a failed run left in output directories, folders before what is in them.
    left: Vec<PathId>,
}

/// Whether an exit code is one that the spec of a process calls a success.
pub(in crate::engine) fn is_success(process: &ProcessPip, code: i32) -> bool {
    let rare = process.rare.as_deref();
    match rare.filter(|rare| !rare.success_exit_codes.is_empty()) {
        Some(rare) => rare.success_exit_codes.contains(&code) || rare.succeed_fast_exit_codes.contains(&code),
        None => code == 0 || rare.is_some_and(|rare| rare.succeed_fast_exit_codes.contains(&code)),
    }
}

/// Makes a file that is to be changed in place this build's alone: the cache may have a link to it.
fn detach(engine: &Engine<'_>, path: &Path) -> io::Result<()> {
    engine.state.place(path, |temporary| {
        fs::copy(path, temporary)?;
        make_writable(temporary)
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn lines_that(regex: &Regex, texts: &[&str]) -> Vec<String> {
    texts.iter().flat_map(|text| text.lines()).filter(|line| regex.is_match(line)).map(str::to_owned).collect()
}

fn seconds(milliseconds: u128) -> String {
    match milliseconds % 1000 {
        0 => format!("{} s", milliseconds / 1000),
        _ => format!("{milliseconds} ms"),
    }
}

fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(known) => format!("signal {signal} ({known})"),
        Err(_) => format!("signal {signal}"),
    }
}

/// Runs a job by the worker of a thread, which is started at the first job.
fn run_job(engine: &Engine<'_>, attempt: &mut Attempt<'_>, job: &Job) -> io::Result<Report> {
    let worker = match attempt.worker {
        Some(worker) => worker,
        None => attempt.worker.insert(Worker::start(&engine.options.launcher)?),
    };
    engine.cancellation.set(attempt.slot, Some(worker.canceller()));
    // Somebody may have asked for the end just before there was something to end.
    if engine.cancellation.is_cancelled() {
        worker.canceller().cancel();
    }
    let report = worker.run(job);
    engine.cancellation.set(attempt.slot, None);
    report.map_err(|error| {
        *attempt.worker = None;
        io::Error::other(error)
    })
}
