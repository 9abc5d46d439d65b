//! One build: what its threads share, and how they work through the graph.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant, SystemTime};

use dashmap::DashMap;
use regex::Regex;
use rustc_hash::FxBuildHasher;

use super::cache::{Entries, EntriesError, FileTable, Repair};
use super::fingerprint::PathSet;
use super::made::{Made, Scrubbed};
use super::outcome::{BuildOutcome, Done, Ended, Origin, PipResult};
use super::sandbox::{Job, Report, Worker};
use super::schedule::{Route, Schedule, Slots};
use super::services::{self, Services};
use super::shared::{self, WantedBlob};
use super::snapshot;
use super::state::State;
use super::steps::{self, Attempt};
use super::world::{Statics, World};
use super::{BuildError, BuildOptions, Cancellation, Listener};
use crate::cas::store::Hold;
use crate::cas::{Digest, Store};
use crate::graph::{DoubleWritePolicy, Pip, PipGraph, PipId, PreserveOutputs, ProcessPip};
use crate::paths::PathId;
use crate::workspace::PreserveOutputsMode;

/// Everything that the threads of one build share.
pub(super) struct Engine<'g> {
    pub(super) world: World<'g>,
    pub(super) state: State,
    pub(super) options: &'g BuildOptions<'g>,
    pub(super) cancellation: &'g Cancellation,
    pub(super) listener: &'g dyn Listener,
    regexes: DashMap<String, Option<Regex>, FxBuildHasher>,
    /// Where folders lead.
    real_folders: DashMap<PathId, PathBuf, FxBuildHasher>,
    /// Paths that fingerprints of this build depend on beyond what the graph names: whether contents and whether names
    /// in a folder mattered.
    relied: DashMap<PathId, (bool, bool), FxBuildHasher>,
    journals: Vec<Mutex<Option<File>>>,
    /// What of the build's settings decides about results: part of every weak fingerprint.
    pub(super) salt: String,
    /// When the build began to look at files.
    pub(super) begun: SystemTime,
    scrubbed: Scrubbed,
    repairs: Vec<Repair>,
    /// The pips whose outputs are to lie on the disk in the end; none for all.
    on_disk: Option<Vec<bool>>,
    /// Pips that are done once more, because the shared cache lost what they made.
    again: DashMap<PipId, u32, FxBuildHasher>,
    /// Whether there are any: most builds have none.
    repeats: AtomicBool,
    /// The server that runs processes, where there is one and it answers.
    #[cfg(feature = "remote")]
    pub(super) executor: Option<super::remote::Executor>,
    /// Nobody removes anything from the store while the build lasts.
    _hold: Hold,
}

/// What an engine is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To bring a graph about.
    Build,
    /// To find out what a build would do; nothing is changed.
    Look,
}

impl<'g> Engine<'g> {
    /// Opens everything that a build works with. For a build, what earlier ones left and nobody makes any more is removed.
    pub(super) fn open(
        graph: &'g PipGraph,
        options: &'g BuildOptions<'g>,
        cancellation: &'g Cancellation,
        listener: &'g dyn Listener,
        purpose: Purpose,
    ) -> Result<Self, BuildError> {
        let begun = SystemTime::now();
        let state = State::open(&options.workspace)?;
        let removes = purpose == Purpose::Build;
        if removes {
            snapshot::discard(&state).map_err(|error| BuildError::State { path: state.path("last.bin"), error })?;
        }
        let store = Store::open(&options.cache)?;
        let store = if options.verify { store.verifying() } else { store };
        let hold = store.hold()?;
        let (entries, repaired_entries) = open_entries(&options.cache, cancellation)?;
        let failed = |error| BuildError::State { path: state.path("files.bin"), error };
        let (files, repaired_files) = FileTable::open(&state.path(""), &options.workspace).map_err(failed)?;
        let statics = Statics::of(graph);
        let is_below_shared = |path| removes && statics.is_below_shared(graph, path);
        let is_below_outputs = |path| removes && statics.is_below_outputs(graph, path);
        #[cfg(feature = "remote")]
        let executor = options.executor.as_ref().filter(|_| removes).and_then(|wanted| {
            let connected = super::remote::Executor::connect(wanted, cancellation);
            let tell = |reason: String| listener.warn(&format!("processes run on this machine: {reason}"));
            connected
                .map_err(|reason| {
                    if !cancellation.is_cancelled() {
                        tell(reason)
                    }
                })
                .ok()
        });
        let (made, scrubbed) = Made::open(&state, graph, is_below_shared, is_below_outputs)?;
        Ok(Self {
            world: World::new(graph, statics, files, store, entries, made, options.verify),
            state,
            options,
            cancellation,
            listener,
            regexes: DashMap::default(),
            real_folders: DashMap::default(),
            relied: DashMap::default(),
            journals: (0..options.slots()).map(|_| Mutex::default()).collect(),
            salt: salt(graph, options),
            begun,
            scrubbed,
            on_disk: shared::on_disk(graph, options.outputs, options.asked.as_deref(), |pip| {
                options.selection.as_ref().is_none_or(|wanted| wanted.get(pip.0 as usize).copied().unwrap_or(false))
            }),
            again: DashMap::default(),
            repeats: AtomicBool::new(false),
            #[cfg(feature = "remote")]
            executor,
            _hold: hold,
            repairs: repaired_entries.into_iter().chain(repaired_files).collect(),
        })
    }

    /// Works until everything that is wanted is done or given up.
    pub(super) fn run(&self) -> BuildOutcome {
        let graph = self.world.graph;
        let slots = self.slots();
        let jobs = slots.here + slots.elsewhere;
        let schedule = Schedule::new(graph, self.options.selection.as_deref(), slots, &|pip, process| Route {
            leaves: slots.elsewhere > 0 && self.may_leave(pip, process),
            is_looked_up: slots.lookups > 0 && !services::waits(graph, pip) && steps::is_looked_up(self, pip, process),
        });
        let total = graph.ids().filter(|id| schedule.is_wanted(*id) && counts(graph, *id)).count();
        self.listener.begun(total);
        let services = Services::new(self);
        let crew = Crew {
            schedule: &schedule,
            engine: self,
            services: &services,
            start: Instant::now(),
            reported: (0..graph.len()).map(|_| Mutex::default()).collect(),
            told: Mutex::default(),
        };
        crew.hand_out(schedule.first(), 0);
        let over = Over::default();
        std::thread::scope(|scope| {
            if let Some(limit) = self.options.config.build_timeout {
                let over = &over;
                scope.spawn(move || {
                    if !over.wait(limit) {
                        self.cancellation.cancel();
                    }
                });
            }
            let threads: Vec<_> = (0..jobs)
                .map(|slot| {
                    let crew = &crew;
                    scope.spawn(move || crew.work(slot, scope))
                })
                .chain((jobs..jobs + slots.lookups).map(|slot| {
                    let crew = &crew;
                    scope.spawn(move || crew.look_up(slot))
                }))
                .collect();
            for thread in threads {
                // A thread that panicked has been reported by the hook; the others have done what they could.
                let _ = thread.join();
            }
            for (pip, result) in services.shut_down() {
                crew.tell(pip, result);
            }
            over.set();
        });
        for pip in graph.order() {
            if crew.reported(*pip).is_none() && schedule.is_wanted(*pip) && counts(graph, *pip) {
                self.listener.skipped(*pip);
            }
        }
        let told = crew.told.into_inner().unwrap_or_else(PoisonError::into_inner);
        let may_skip = told.nothing_special && self.options.use_cache;
        let mut outcome = told.outcome(graph, total, self);
        if may_skip && outcome.is_success() {
            outcome.snapshot = snapshot::take(self, |pip| schedule.is_wanted(pip), total);
        }
        outcome
    }

    /// How much is done at a time.
    fn slots(&self) -> Slots {
        #[cfg(feature = "remote")]
        let is_there = self.executor.is_some();
        #[cfg(not(feature = "remote"))]
        let is_there = false;
        Slots {
            here: self.options.jobs.max(1),
            elsewhere: if is_there { self.options.slots_elsewhere() } else { 0 },
            lookups: self.options.lookups(),
        }
    }

    /// Whether a process is likely to run on another machine.
    #[cfg(feature = "remote")]
    fn may_leave(&self, pip: PipId, process: &ProcessPip) -> bool {
        self.executor.is_some() && super::remote::stays(self, pip, process).is_none()
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "the same face with and without the feature")]
    fn may_leave(&self, _: PipId, _: &ProcessPip) -> bool {
        false
    }

    /// Writes down what the next build is to know.
    pub(super) fn close(self) -> Result<Vec<Repair>, BuildError> {
        self.world.made.save(&self.state, self.world.graph)?;
        let path = self.state.path("files.bin");
        self.world.files.save().map_err(|error| BuildError::State { path, error })?;
        Ok(self.world.entries.close()?.into_iter().collect())
    }

    /// Whether the outputs of a pip are to lie on the disk although nobody in this build may need them.
    pub(super) fn is_to_lie_on_disk(&self, pip: PipId) -> bool {
        self.on_disk.as_ref().is_none_or(|chosen| chosen[pip.0 as usize]) || self.is_again(pip)
    }

    /// Whether a pip is done once more, because what it made was lost.
    pub(super) fn is_again(&self, pip: PipId) -> bool {
        self.repeats.load(Ordering::Acquire) && self.again.contains_key(&pip)
    }

    /// Brings contents from the shared cache. Gives those that cannot be had.
    pub(super) fn fetch(&self, wanted: &[WantedBlob]) -> Vec<Digest> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let lost = match self.options.shared {
            Some(shared) => shared.fetch(wanted),
            None => wanted.iter().map(|one| one.digest).collect(),
        };
        self.tell_trouble();
        lost
    }

    /// Tells what is wrong with the shared cache.
    pub(super) fn tell_trouble(&self) {
        if let Some(text) = self.options.shared.and_then(|shared| shared.trouble()) {
            self.listener.warn(&text);
        }
    }

    /// Waits for the results that are on their way to the shared cache.
    pub(super) fn finish_giving(&self, outcome: &mut BuildOutcome) {
        let Some(shared) = self.options.shared else { return };
        let is_over = || self.cancellation.is_cancelled();
        let given_up = shared.finish(self.options.patience, &is_over, &|left| self.listener.giving(left));
        self.tell_trouble();
        if given_up > 0 && !is_over() {
            let results = if given_up == 1 { "1 result was".to_owned() } else { format!("{given_up} results were") };
            self.listener.warn(&format!("{results} not given to the remote cache in time"));
        }
        outcome.traffic = Some(shared.traffic());
        outcome.left_away = self.world.virtual_outputs.count();
    }

    /// Whether accesses of a process are observed. Nothing else tells what is left in its output directories.
    pub(super) fn observes(&self, process: &ProcessPip) -> bool {
        let watched = self.options.observe && self.options.config.sandbox.monitor_file_accesses;
        let asked = watched && !process.flags.disable_sandboxing;
        asked || !process.output_directories.is_empty()
    }

    /// Whether a process finds its outputs of last time: where the configuration allows it and trusts the process enough.
    pub(super) fn preserves(&self, process: &ProcessPip) -> bool {
        let sandbox = &self.options.config.sandbox;
        match process.rare.as_ref().map(|rare| rare.preserve_outputs) {
            Some(PreserveOutputs::Trusted(level)) => {
                sandbox.preserve_outputs != PreserveOutputsMode::Disabled
                    && i64::from(level) >= i64::from(sandbox.preserve_outputs_trust_level)
            }
            _ => false,
        }
    }

    /// What happens when a process writes a file in a shared output directory that another one made.
    pub(super) fn double_writes(&self, process: &ProcessPip) -> DoubleWritePolicy {
        let own = process.rare.as_ref().and_then(|rare| rare.double_write_policy);
        own.unwrap_or(self.options.config.sandbox.double_write_policy)
    }

    /// Runs a job by the worker of a thread, which is started at the first job.
    pub(super) fn run_job(&self, attempt: &mut Attempt<'_>, job: &Job) -> io::Result<Report> {
        let worker = match attempt.worker {
            Some(worker) => worker,
            None => attempt.worker.insert(Worker::start(&self.options.launcher)?),
        };
        self.cancellation.set(attempt.slot, Some(worker.canceller()));
        // Somebody may have asked for the end just before there was something to end.
        if self.cancellation.is_cancelled() {
            worker.canceller().cancel();
        }
        let report = worker.run(job);
        self.cancellation.set(attempt.slot, None);
        report.map_err(|error| {
            *attempt.worker = None;
            io::Error::other(error)
        })
    }

    /// A regular expression of a spec; none where it is not one.
    pub(super) fn regex(&self, text: &str) -> Option<Regex> {
        if let Some(known) = self.regexes.get(text) {
            return known.clone();
        }
        let regex = Regex::new(text).ok();
        self.regexes.insert(text.to_owned(), regex.clone());
        regex
    }

    /// A path as specs write it, and where links on the way to it lead elsewhere, where that is.
    pub(super) fn real_path(&self, path: PathId) -> (PathBuf, Option<PathBuf>) {
        let given = self.world.disk_path(path);
        let real = self.real(path, &given);
        let differs = real != given;
        (given, differs.then_some(real))
    }

    /// The same of a folder, which is looked at once a build.
    pub(super) fn real_folder(&self, folder: PathId) -> (PathBuf, Option<PathBuf>) {
        let given = self.world.disk_path(folder);
        let real = self.known_folder(folder, &given);
        let differs = real != given;
        (given, differs.then_some(real))
    }

    fn known_folder(&self, folder: PathId, given: &Path) -> PathBuf {
        if let Some(known) = self.real_folders.get(&folder) {
            return known.clone();
        }
        let real = self.real(folder, given);
        self.real_folders.insert(folder, real.clone());
        real
    }

    /// Where a path leads, also when it or the last folders of it are not there yet. Folders are looked at once a build,
    /// so that of each path only its last name is left to ask for.
    fn real(&self, path: PathId, given: &Path) -> PathBuf {
        let paths = self.world.graph.paths();
        let (Some(parent), Some(name)) = (paths.parent(path), given.file_name()) else { return given.to_owned() };
        let folder = self.known_folder(parent, given.parent().unwrap_or(given));
        let direct = folder.join(name);
        match fs::read_link(&direct) {
            Ok(_) => fs::canonicalize(&direct).unwrap_or(direct),
            Err(_) => direct,
        }
    }

    /// The journal of a thread.
    pub(super) fn journal(&self, slot: usize) -> PathBuf {
        self.state.path("journal").join(format!("{}-{slot}", std::process::id()))
    }

    /// Whether another thread's pip of this build has made something in a shared output directory, as the journals say.
    pub(super) fn is_made_elsewhere(&self, slot: usize, path: PathId) -> io::Result<bool> {
        let own = self.journal(slot);
        let of_this_build = format!("{}-", std::process::id());
        // Workers see where links lead, copies from the cache do not.
        let (given, real) = self.real_path(path);
        let is_it = |line: &[u8]| {
            line == given.as_os_str().as_bytes()
                || real.as_ref().is_some_and(|real| line == real.as_os_str().as_bytes())
        };
        for entry in fs::read_dir(self.state.path("journal"))? {
            let entry = entry?;
            let is_other = entry.file_name().to_string_lossy().starts_with(&of_this_build) && entry.path() != own;
            if is_other && fs::read(entry.path())?.split(|byte| *byte == 0).any(is_it) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that something is about to be made in a shared output directory.
    pub(super) fn note_shared(&self, slot: usize, path: PathId) -> io::Result<()> {
        let mut journal = self.journals[slot % self.journals.len()].lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *journal {
            Some(file) => file,
            empty => empty.insert(File::options().append(true).create(true).open(self.journal(slot))?),
        };
        let mut line = self.world.graph.paths().display(path).into_bytes();
        line.push(0);
        file.write_all(&line)
    }

    /// What fingerprints of this build depended on beyond what the graph names: paths, and whether contents and whether
    /// names in a folder mattered.
    pub(super) fn relied(&self) -> Vec<(PathId, bool, bool)> {
        self.relied.iter().map(|entry| (*entry.key(), entry.0, entry.1)).collect()
    }

    /// Notes what a fingerprint depended on, for knowing next time that nothing changed.
    pub(super) fn rely_on(&self, paths: &PathSet) {
        for entry in &paths.entries {
            if let Some(path) = self.world.path_of_token(&entry.path) {
                let mut relied = self.relied.entry(path).or_insert((false, false));
                relied.0 |= entry.content;
                relied.1 |= entry.listing;
            }
        }
    }
}

/// What decides about results beside the pips: whether accesses are watched, and how they are judged. Results of other
/// settings are none of this build's.
fn salt(graph: &PipGraph, options: &BuildOptions<'_>) -> String {
    let sandbox = &options.config.sandbox;
    let scopes: Vec<String> = sandbox.untracked_scopes.iter().map(|path| graph.display(*path)).collect();
    format!(
        "{:?} {} {} {:?} {:?} {:?} {}{}",
        options.config.cache.salt,
        options.observe && sandbox.monitor_file_accesses,
        sandbox.unexpected_accesses_are_errors,
        sandbox.double_write_policy,
        sandbox.ignored_writes_on_absent_probes,
        scopes,
        options.allow_lists.describe(|path| graph.display(path)),
        platform(options),
    )
}

/// What machines elsewhere must offer, where somebody said so: others may give other results.
#[cfg(feature = "remote")]
fn platform(options: &BuildOptions<'_>) -> String {
    let mut wanted = options.executor.as_ref().map_or_else(Vec::new, |executor| executor.platform.clone());
    wanted.sort();
    if wanted.is_empty() { String::new() } else { format!(" {wanted:?}") }
}

#[cfg(not(feature = "remote"))]
fn platform(_: &BuildOptions<'_>) -> String {
    String::new()
}

/// How often a pip is done again because what it made was lost.
const TIMES: u32 = 8;

/// How long a build waits for another one that has the table of results open.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens the table of results, which one process at a time can have open: builds that share a cache take turns.
fn open_entries(folder: &Path, cancellation: &Cancellation) -> Result<(Entries, Option<Repair>), BuildError> {
    let begun = Instant::now();
    loop {
        match Entries::open(folder) {
            Err(EntriesError::InUse { .. }) if begun.elapsed() < PATIENCE && !cancellation.is_cancelled() => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return Ok(opened?),
        }
    }
}

/// Whether a pip counts as one: seals are views of what others make.
fn counts(graph: &PipGraph, pip: PipId) -> bool {
    !matches!(graph.pip(pip), Pip::SealDirectory(_))
}

/// How many pips ended in which way.
#[derive(Default)]
struct Counts {
    executed: usize,
    hits: usize,
    remote_hits: usize,
    /// How many of these came about on another machine.
    elsewhere: usize,
    hits_elsewhere: usize,
    failed: usize,
}

impl Counts {
    /// Everything that a pip counts as.
    fn each(&mut self, ended: Ended, change: impl Fn(&mut usize)) {
        let Ended { done, origin, elsewhere } = ended;
        match done {
            Done::Executed => change(&mut self.executed),
            Done::Hit => change(&mut self.hits),
            Done::Failed => change(&mut self.failed),
            Done::Skipped | Done::Cancelled => {}
        }
        match done {
            Done::Executed if elsewhere => change(&mut self.elsewhere),
            Done::Hit if elsewhere => change(&mut self.hits_elsewhere),
            Done::Hit if origin == Some(Origin::Remote) => change(&mut self.remote_hits),
            _ => {}
        }
    }
}

/// What the end of the build tells.
struct Told {
    /// Whether every pip would be a silent hit if it were all done again.
    nothing_special: bool,
    counts: Counts,
    /// How many seals failed, which do not count as pips otherwise.
    failed_seals: usize,
    /// How many need not run, because a process they depend on said so.
    spared: usize,
    /// Results that have something to say.
    results: Vec<(PipId, PipResult)>,
}

impl Default for Told {
    fn default() -> Self {
        Self { nothing_special: true, counts: Counts::default(), failed_seals: 0, spared: 0, results: Vec::new() }
    }
}

impl Told {
    fn note(&mut self, graph: &PipGraph, pip: PipId, result: PipResult) {
        self.nothing_special &= result.uncached.is_none() && result.warnings.is_empty();
        if counts(graph, pip) {
            if let Some(before) = result.before {
                self.counts.each(before, |count| *count -= 1);
            }
            self.counts.each(result.ended(), |count| *count += 1);
        } else {
            self.failed_seals += usize::from(result.done == Done::Failed);
        }
        if !result.diagnostics.is_empty() || !result.violations.is_empty() {
            self.results.push((pip, result));
        }
    }

    fn outcome(mut self, graph: &PipGraph, pips: usize, engine: &Engine<'_>) -> BuildOutcome {
        self.results.sort_by_key(|(pip, _)| graph.position(*pip));
        let Counts { executed, hits, remote_hits, elsewhere, hits_elsewhere, failed } = self.counts;
        let mut outcome = BuildOutcome {
            pips,
            executed,
            hits,
            remote_hits,
            elsewhere,
            hits_elsewhere,
            failed: failed + self.failed_seals,
            spared: self.spared,
            skipped: pips.saturating_sub(executed + hits + failed),
            cancelled: engine.cancellation.is_cancelled(),
            scrubbed: engine.scrubbed,
            repairs: engine.repairs.iter().map(ToString::to_string).collect(),
            ..BuildOutcome::default()
        };
        for (_, result) in self.results {
            outcome.violations.extend(result.violations);
            outcome.diagnostics.extend(result.diagnostics);
        }
        outcome
    }
}

/// Whether a build is over, for the thread that ends it when it takes too long.
#[derive(Default)]
struct Over {
    is_over: Mutex<bool>,
    changed: Condvar,
}

impl Over {
    fn set(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until it is over, or for so long. Says whether it is over.
    fn wait(&self, limit: Duration) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(is_over, limit, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// While a thread works on a pip. A thread that panics must not keep the others waiting.
struct Turn<'t, 'g> {
    schedule: &'t Schedule<'g>,
    pip: PipId,
    /// Whether it was looked up and not found.
    missed: bool,
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.schedule.stop();
        }
        if self.missed { self.schedule.missed(self.pip) } else { self.schedule.release(self.pip) }
    }
}

/// The threads of one build at work.
struct Crew<'t, 'g> {
    schedule: &'t Schedule<'g>,
    engine: &'t Engine<'g>,
    services: &'t Services<'t>,
    start: Instant,
    /// How the listener was told that a pip ended, last.
    reported: Vec<Mutex<Option<Ended>>>,
    told: Mutex<Told>,
}

impl<'t> Crew<'t, '_> {
    /// Works until nothing is left.
    fn work<'scope>(&'scope self, slot: usize, scope: &'scope Scope<'scope, '_>)
    where
        't: 'scope,
    {
        let mut worker = None;
        while let Some(pip) = self.schedule.next() {
            let _turn = Turn { schedule: self.schedule, pip, missed: false };
            if self.engine.cancellation.is_cancelled() {
                self.schedule.stop();
            } else {
                self.bring_about(pip, slot, &mut worker, scope);
            }
        }
    }

    /// Looks pips up until nothing is left.
    fn look_up(&self, slot: usize) {
        let engine = self.engine;
        while let Some(pip) = self.schedule.next_lookup() {
            let mut turn = Turn { schedule: self.schedule, pip, missed: false };
            if engine.cancellation.is_cancelled() {
                self.schedule.stop();
                continue;
            }
            let begun = self.start.elapsed();
            engine.listener.started(pip, slot);
            let found = match engine.world.graph.pip(pip) {
                Pip::Process(process) => steps::look_up(engine, pip, process, slot),
                _ => None,
            };
            match found {
                Some(result) => self.conclude(pip, slot, result, begun),
                None => turn.missed = true,
            }
        }
    }

    fn bring_about<'scope>(
        &'scope self,
        pip: PipId,
        slot: usize,
        worker: &mut Option<Worker>,
        scope: &'scope Scope<'scope, '_>,
    ) {
        let engine = self.engine;
        let begun = self.start.elapsed();
        engine.listener.started(pip, slot);
        let services = self.services;
        let result = match engine.world.graph.pip(pip) {
            // Started when a client must run, and ended when all is done.
            Pip::Process(_) if services::waits(engine.world.graph, pip) => services::later(),
            Pip::Process(process) => {
                let before_run = || services.ensure(scope, process);
                let stays_here = || self.schedule.keep_here(pip);
                let missed = self.schedule.looks_up();
                let attempt = Attempt { slot, worker, before_run: &before_run, missed, stays_here: &stays_here };
                steps::process(engine, pip, process, attempt)
            }
            Pip::CopyFile(copy) => steps::copy(engine, pip, copy, slot),
            Pip::WriteFile(write) => steps::write(engine, pip, write, slot),
            Pip::SealDirectory(seal) => steps::seal(engine, pip, seal),
            Pip::Ipc(_) => steps::ipc(engine, pip),
        };
        self.conclude(pip, slot, result, begun);
    }

    /// A pip is done, or others must be done once more before it.
    fn conclude(&self, pip: PipId, slot: usize, result: PipResult, begun: Duration) {
        let engine = self.engine;
        if result.waits_for.is_empty() {
            return self.finish(pip, slot, result, begun);
        }
        engine.repeats.store(true, Ordering::Release);
        let times = result.waits_for.iter().map(|maker| *engine.again.entry(*maker).or_default()).max();
        if times.is_some_and(|times| times > TIMES) {
            // Its diagnostic says what is lost.
            let result = PipResult { done: Done::Failed, waits_for: Vec::new(), ..result };
            return self.finish(pip, slot, result, begun);
        }
        self.schedule.do_again(pip, &result.waits_for);
    }

    fn finish(&self, pip: PipId, slot: usize, mut result: PipResult, begun: Duration) {
        let repeats = self.engine.repeats.load(Ordering::Acquire);
        if repeats && let Some(mut times) = self.engine.again.get_mut(&pip) {
            *times += 1;
        }
        result.before = self.reported(pip).replace(result.ended());
        self.engine.listener.finished(pip, slot, &result, begun, self.start.elapsed());
        let (done, skips) = (result.done, result.skips_dependents);
        self.tell(pip, result);
        if repeats {
            self.schedule.done_again(pip, matches!(done, Done::Executed | Done::Hit));
        }
        match done {
            Done::Executed | Done::Hit if !skips => self.hand_out(self.schedule.settle(pip), slot),
            Done::Failed | Done::Cancelled if !self.engine.options.keep_going => self.schedule.stop(),
            Done::Executed | Done::Hit => {
                let spared = self.schedule.give_up(pip);
                let spared = spared.into_iter().filter(|pip| counts(self.engine.world.graph, *pip)).count();
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                told.spared += spared;
                // Not every pip would be a hit.
                told.nothing_special = false;
            }
            _ => drop(self.schedule.give_up(pip)),
        }
    }

    fn reported(&self, pip: PipId) -> MutexGuard<'_, Option<Ended>> {
        self.reported[pip.0 as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the end of the build tells of a pip; the rest was for the listener.
    fn tell(&self, pip: PipId, result: PipResult) {
        let kept = PipResult { output: String::new(), reads: Vec::new(), outputs: Vec::new(), ..result };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).note(self.engine.world.graph, pip, kept);
    }

    /// Hands pips that are ready to the queue, and does seals at once: they cost next to nothing.
    fn hand_out(&self, mut ready: Vec<PipId>, slot: usize) {
        let mut queued = Vec::new();
        while let Some(pip) = ready.pop() {
            let Pip::SealDirectory(seal) = self.engine.world.graph.pip(pip) else {
                queued.push(pip);
                continue;
            };
            let begun = self.start.elapsed();
            let result = steps::seal(self.engine, pip, seal);
            match result.done {
                Done::Failed => self.finish(pip, slot, result, begun),
                _ => ready.extend(self.schedule.settle(pip)),
            }
        }
        self.schedule.ready(&queued);
    }
}
