//! What the threads of one build share: the world of its graph, its settings, and what it has found out so far.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use dashmap::DashMap;
use regex::Regex;
use rustc_hash::FxBuildHasher;

use super::cache::{Entries, EntriesError, FileTable, Repair};
use super::fingerprint::PathSet;
use super::made::{Made, Scrubbed};
use super::outcome::BuildOutcome;
use super::shared::{self, WantedBlob};
use super::snapshot;
use super::state::State;
use super::world::{Statics, World};
use super::{BuildError, BuildOptions, Cancellation, Listener};
use crate::cas::store::Hold;
use crate::cas::{Digest, Store};
use crate::graph::{DoubleWritePolicy, PipGraph, PipId, PreserveOutputs, ProcessPip};
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
    pub(super) scrubbed: Scrubbed,
    pub(super) repairs: Vec<Repair>,
    /// The pips whose outputs are to lie on the disk in the end; none for all.
    on_disk: Option<Vec<bool>>,
    /// Pips that are done once more, because the shared cache lost what they made.
    pub(super) again: DashMap<PipId, u32, FxBuildHasher>,
    /// Whether there are any: most builds have none.
    pub(super) repeats: AtomicBool,
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
