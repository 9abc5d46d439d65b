//! Processes that run on a server.
//!
//! A process becomes an action: its command, and a tree of everything that it may read (`stage.rs`). The server runs it in
//! a folder that holds nothing else, and what it left comes back and is put in place (`land.rs`) so that it is judged as
//! if it had run here. `place.rs` says which processes stay here, and why.
//!
//! **Invariant.** Nothing in an action depends on where the workspace lies, so two machines ask for the same one.

mod action;
mod bring;
mod land;
mod place;
mod stage;

pub(in crate::engine) use place::stays;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use tonic::Code;

use super::super::Cancellation;
use super::super::command::Command;
use super::super::context::Engine;
use super::super::sandbox::{Exit, ProcessInfo, Report};
use super::super::steps::Run;
use super::super::view::View;
use super::super::virtual_outputs;
use super::breaker::Breaker;
use crate::cas::api::reapi;
use crate::cas::remote::{Blob, Remote, RemoteError, RemoteOptions};
use crate::cas::{Digest, Store};
use crate::graph::{PipId, ProcessPip};
use action::Action;
use bring::Brought;
use stage::{Staged, StagedFile};

/// What a build is told about the server that runs its processes.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// Where it is, and how it is spoken to.
    pub remote: RemoteOptions,
    /// How many processes run there at a time.
    pub jobs: usize,
    /// What the machines that run them must offer, where the tool does not say: names and values.
    pub platform: Vec<(String, String)>,
}

/// A server that runs processes.
pub(in crate::engine) struct Executor {
    remote: Remote,
    platform: Vec<(String, String)>,
    /// Contents that the server is known to have.
    present: DashMap<Digest, (), FxBuildHasher>,
    /// For pips that write files: whether the workspace is named in what they write.
    written: DashMap<PipId, bool, FxBuildHasher>,
    /// Whether it is asked at all. Whole runs count, not single requests: one that is begun and not answered is what a
    /// build must not wait for again and again.
    breaker: Breaker,
    /// Whether somebody was told that a process could not be run there.
    told: AtomicBool,
}

/// One try to run a process.
pub(in crate::engine) struct Errand<'e, 's, 'g> {
    pub(in crate::engine) engine: &'e Engine<'g>,
    pub(in crate::engine) pip: PipId,
    pub(in crate::engine) process: &'e ProcessPip,
    pub(in crate::engine) view: &'e View<'s, 'g>,
    pub(in crate::engine) command: &'e Command,
    /// Which try it is, from 0.
    pub(in crate::engine) attempt: u32,
    pub(in crate::engine) slot: usize,
    /// Where files go that are moved out of the way.
    pub(in crate::engine) backup: &'e Path,
    /// Whether results that the server knows may be used.
    pub(in crate::engine) looks_up: bool,
}

/// What comes of it.
pub(in crate::engine) enum Answer {
    /// It ran there.
    Ran(Box<Run>),
    /// It has to be run here, for this reason.
    Here(String),
}

/// Why something did not work out.
enum Trouble {
    /// The build's own part.
    Io(io::Error),
    /// It has to be run here.
    Here(String),
    /// The server does not have what it should have.
    Missing(String),
    /// Somebody asked for the end.
    Cancelled,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Executor {
    /// Connects to the server.
    ///
    /// # Errors
    /// When it cannot be reached, or does not run anything.
    pub(in crate::engine) fn connect(options: &ExecutorOptions, cancellation: &Cancellation) -> Result<Self, String> {
        let spoken_to = RemoteOptions { cancellation: cancellation.token(), ..options.remote.clone() };
        let remote = Remote::connect(spoken_to).map_err(|error| error.to_string())?;
        if !remote.executes() {
            return Err(format!("`{}` does not say that it runs anything", options.remote.endpoint));
        }
        let mut platform = options.platform.clone();
        platform.sort();
        Ok(Self {
            remote,
            platform,
            present: DashMap::default(),
            written: DashMap::default(),
            breaker: Breaker::new("processes cannot be run remotely"),
            told: AtomicBool::new(false),
        })
    }

    /// Runs a process there, if that can be.
    pub(in crate::engine) fn run(&self, errand: &Errand<'_, '_, '_>) -> io::Result<Answer> {
        match self.try_run(errand) {
            Ok(run) => {
                self.breaker.went_well(Duration::ZERO);
                Ok(Answer::Ran(Box::new(run)))
            }
            Err(Trouble::Io(error)) => Err(error),
            Err(Trouble::Here(reason) | Trouble::Missing(reason)) => Ok(Answer::Here(reason)),
            Err(Trouble::Cancelled) => Ok(Answer::Ran(Box::new(ended(errand, Exit::Cancelled, Duration::ZERO)))),
        }
    }

    fn try_run(&self, errand: &Errand<'_, '_, '_>) -> Result<Run, Trouble> {
        if let Some(reason) = place::stays(errand.engine, errand.pip, errand.process) {
            return Err(Trouble::Here(reason));
        }
        if let Some(reason) = place::hinders(errand, &self.written)? {
            return Err(Trouble::Here(reason));
        }
        if !self.breaker.allows() {
            return Err(Trouble::Here(
                "the server did not do its part before, and is not asked for a while".to_owned(),
            ));
        }
        let mut staged = stage::stage(errand)?;
        let action = action::action(errand, &mut staged, &self.platform)?;
        let mut skip = !errand.looks_up;
        if !skip && let Some(run) = self.known(errand, &staged, &action)? {
            return Ok(run);
        }
        errand.engine.listener.elsewhere(errand.pip, errand.slot);
        let begun = Instant::now();
        let mut again = true;
        loop {
            self.upload(errand, &staged, &action)?;
            let response = match self.remote.execute(&action.digest, skip) {
                Ok(response) => response,
                Err(RemoteError::Execution { code: Code::DeadlineExceeded, .. }) => {
                    return Ok(ended(errand, Exit::TimedOut, begun.elapsed()));
                }
                // It has thrown away what it had.
                Err(RemoteError::InputsMissing { .. }) if again => {
                    again = false;
                    self.present.clear();
                    continue;
                }
                Err(error) => return Err(self.trouble(errand, error)),
            };
            let cached = response.cached_result;
            let Some(result) = response.result else {
                return Err(self.failed(errand, "it says that it is done, and not what came of it"));
            };
            // A failure that the server remembers may be due to a machine that was not as it should be.
            let believed = !cached || is_fine(errand, &result) || !again;
            if believed {
                match self.bring(errand, &staged, &action, &result, cached) {
                    Err(Trouble::Missing(_)) if again => {}
                    Err(Trouble::Missing(reason)) => return Err(self.failed(errand, &reason)),
                    other => return other,
                }
            }
            again = false;
            skip = true;
        }
    }

    /// The result of an earlier run that the server knows, if it is a good one and all of it is there.
    fn known(&self, errand: &Errand<'_, '_, '_>, staged: &Staged, action: &Action) -> Result<Option<Run>, Trouble> {
        let result = match self.remote.action_result(&action.digest) {
            Ok(Some(result)) => result,
            Ok(None) => return Ok(None),
            // A server may run actions and keep no results for others to ask for.
            Err(RemoteError::Refused { code: Code::Unimplemented | Code::PermissionDenied, .. }) => return Ok(None),
            Err(error) => return Err(self.trouble(errand, error)),
        };
        if !is_fine(errand, &result) {
            return Ok(None);
        }
        match self.bring(errand, staged, action, &result, true) {
            Ok(run) => Ok(Some(run)),
            Err(Trouble::Missing(_)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Brings what a run left, and puts it in place.
    fn bring(
        &self,
        errand: &Errand<'_, '_, '_>,
        staged: &Staged,
        action: &Action,
        result: &reapi::ActionResult,
        cached: bool,
    ) -> Result<Run, Trouble> {
        let brought = match bring::bring(&self.remote, errand, action, result) {
            Err(bring::BringError::Missing(what)) => return Err(Trouble::Missing(what)),
            Err(bring::BringError::Remote(error)) => return Err(self.trouble(errand, *error)),
            Err(bring::BringError::Wrong(what)) => return Err(self.failed(errand, &what)),
            Ok(brought) => brought,
        };
        let landed = land::land(errand, staged, &brought)?;
        let wall = if cached { Duration::ZERO } else { brought.took };
        let mut run = ended(errand, Exit::Code(result.exit_code), wall);
        run.report.accesses = landed.accesses;
        run.report.denied = landed.denied;
        let Brought { stdout, stderr, .. } = brought;
        run.stdout = String::from_utf8_lossy(&stdout).into_owned();
        run.stderr = String::from_utf8_lossy(&stderr).into_owned();
        run.cached = cached;
        Ok(run)
    }

    /// Gives the server what it does not have of an action.
    fn upload(&self, errand: &Errand<'_, '_, '_>, staged: &Staged, action: &Action) -> Result<(), Trouble> {
        let mut digests: Vec<Digest> = staged.files.iter().map(|file| file.digest).collect();
        digests.extend(staged.messages.iter().chain(&action.messages).map(|(digest, _)| *digest));
        digests.retain(|digest| digest.size > 0 && !self.present.contains_key(digest));
        digests.sort_unstable_by_key(|digest| (digest.hash, digest.size));
        digests.dedup();
        if digests.is_empty() {
            return Ok(());
        }
        let missing = self.remote.missing(&digests).map_err(|error| self.trouble(errand, error))?;
        let missing: rustc_hash::FxHashSet<Digest> = missing.into_iter().collect();
        let mut blobs: Vec<Blob> = Vec::new();
        let mut taken = rustc_hash::FxHashSet::default();
        for (digest, bytes) in staged.messages.iter().chain(&action.messages) {
            if missing.contains(digest) && taken.insert(*digest) {
                blobs.push(Blob::Bytes(*digest, bytes.clone()));
            }
        }
        let store = &errand.engine.world.store;
        let is_away = |file: &StagedFile| {
            missing.contains(&file.digest)
                && std::fs::symlink_metadata(&file.place).is_err()
                && !store.contains(&file.digest).unwrap_or(false)
        };
        if staged.files.iter().any(is_away) {
            // What another server has must come here before it can go there.
            virtual_outputs::bring(errand.engine, errand.process, errand.slot)?;
        }
        for file in &staged.files {
            if missing.contains(&file.digest) && taken.insert(file.digest) {
                blobs.push(blob(&errand.engine.world.store, &file.digest, &file.place)?);
            }
        }
        if !blobs.is_empty() {
            let store = &errand.engine.world.store;
            self.remote.upload(store, &blobs, &()).map_err(|error| self.trouble(errand, error))?;
        }
        for digest in digests {
            self.present.insert(digest, ());
        }
        Ok(())
    }

    /// What an error of the client means for a process.
    fn trouble(&self, errand: &Errand<'_, '_, '_>, error: RemoteError) -> Trouble {
        match error {
            RemoteError::Store(error) => Trouble::Io(io::Error::other(error)),
            RemoteError::Cancelled => Trouble::Cancelled,
            error => {
                self.breaker.failed(&error);
                self.here(errand, &error.to_string())
            }
        }
    }

    /// The server did not do its part, and answered.
    fn failed(&self, errand: &Errand<'_, '_, '_>, what: &str) -> Trouble {
        self.breaker.failed_because(what, false);
        self.here(errand, what)
    }

    /// The process is run here. Somebody is told the first time: that it is, or that all are for a while.
    fn here(&self, errand: &Errand<'_, '_, '_>, what: &str) -> Trouble {
        let trouble = self.breaker.trouble();
        if !self.told.swap(true, Ordering::Relaxed) {
            let name = super::super::violation::pip_name(errand.engine.world.graph, errand.pip);
            let text = format!(
                "{name} could not be run remotely, so it runs on this machine: {what}; others of this kind are not \
                 mentioned, `--log` has them all"
            );
            errand.engine.listener.warn(&trouble.unwrap_or(text));
        }
        Trouble::Here(format!("the server did not run it: {what}"))
    }
}

/// Whether the exit code of a result is one that its spec calls a success.
fn is_fine(errand: &Errand<'_, '_, '_>, result: &reapi::ActionResult) -> bool {
    super::super::steps::is_success(errand.process, result.exit_code)
}

/// The run of a process that was not begun, because the build was ending.
pub(in crate::engine) fn cancelled(errand: &Errand<'_, '_, '_>) -> Run {
    Run { elsewhere: false, ..ended(errand, Exit::Cancelled, Duration::ZERO) }
}

/// A run that left nothing.
fn ended(errand: &Errand<'_, '_, '_>, exit: Exit, wall: Duration) -> Run {
    let world = &errand.engine.world;
    let given = world.disk_path(errand.process.executable.path);
    let program = std::fs::canonicalize(&given).unwrap_or(given);
    Run {
        report: Report {
            exit,
            processes: vec![ProcessInfo { pid: 0, program }],
            accesses: Vec::new(),
            denied: Vec::new(),
            incomplete: None,
            survivors: Vec::new(),
            wall,
            user: Duration::ZERO,
            system: Duration::ZERO,
            peak_memory: 0,
        },
        stdout: String::new(),
        stderr: String::new(),
        observed: false,
        elsewhere: true,
        cached: false,
        stays: None,
    }
}

/// Files up to this size are read into memory to be sent; larger ones go through the store.
const IN_MEMORY: u64 = 1 << 20;

/// A content as it is to be sent: from the store, else from where it lies.
fn blob(store: &Store, digest: &Digest, place: &PathBuf) -> Result<Blob, Trouble> {
    if store.contains(digest).unwrap_or(false) {
        return Ok(Blob::Stored(*digest));
    }
    let changed = || Trouble::Here(format!("`{}` changed while the build ran", place.display()));
    // Outputs that came from a remote cache need not be here.
    if !std::fs::exists(place)? {
        return Err(Trouble::Here(format!("`{}` is neither here nor there", place.display())));
    }
    if digest.size <= IN_MEMORY {
        let bytes = std::fs::read(place)?;
        return if Digest::of(&bytes) == *digest { Ok(Blob::Bytes(*digest, bytes)) } else { Err(changed()) };
    }
    match store.add_file_as(place, digest, crate::cas::Keep::Copy) {
        Ok(()) => Ok(Blob::Stored(*digest)),
        Err(crate::cas::StoreError::Changed { .. } | crate::cas::StoreError::Unlike { .. }) => Err(changed()),
        Err(error) => Err(Trouble::Io(io::Error::other(error))),
    }
}
