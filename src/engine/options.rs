//! What a build is asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::outcome::PipResult;
use super::sandbox::Launcher;
use super::shared::{Outputs, SharedCache};
use crate::graph::PipId;
use crate::source::system::Environment;
use crate::workspace::{AllowLists, EngineConfig};

/// What a build is asked for.
pub struct BuildOptions<'a> {
    /// The folder of the workspace, with links followed; the paths of the graph must lie below it as written.
    pub workspace: PathBuf,
    /// The folder of the cache.
    pub cache: PathBuf,
    /// How many processes run at a time; at least 1.
    pub jobs: usize,
    /// Whether pips that do not depend on a failed one still run.
    pub keep_going: bool,
    /// The pips that are wanted and all that they depend on ([`crate::graph::Selection::closure`]), by number; none for
    /// all.
    pub selection: Option<Vec<bool>>,
    /// How processes are started.
    pub launcher: Launcher,
    /// Whether accesses are observed. Without, only processes with output directories are, as nothing else tells what
    /// they made.
    pub observe: bool,
    /// Whether results are taken from the cache and put there.
    pub use_cache: bool,
    /// Whether every blob of the cache, and every input and output, is read and hashed before it is used.
    pub verify: bool,
    /// Where variables come from that pass through to processes.
    pub environment: &'a dyn Environment,
    /// What the configuration says.
    pub config: EngineConfig,
    /// Undeclared accesses that the configuration and the modules allow.
    pub allow_lists: AllowLists,
    /// Whether results tell what was read.
    pub keep_observations: bool,
    /// Where results of other machines come from, and where those of this one go.
    pub shared: Option<&'a dyn SharedCache>,
    /// Which outputs are brought from there though no process reads them.
    pub outputs: Outputs,
    /// The pips that were asked for by name, by number, before what they need was added; none where nobody named any.
    pub asked: Option<Vec<bool>>,
    /// How long the end of the build waits for results that are on their way to the shared cache.
    pub patience: Duration,
    /// The server that runs processes, if there is one.
    #[cfg(feature = "remote")]
    pub executor: Option<super::remote::ExecutorOptions>,
}

impl BuildOptions<'_> {
    /// How many pips are worked on at a time, here, elsewhere, and by looking them up: slots have smaller numbers.
    pub fn slots(&self) -> usize {
        self.jobs.max(1) + self.slots_elsewhere() + self.lookups()
    }

    /// How many processes run on other machines at a time.
    #[cfg(feature = "remote")]
    pub(super) fn slots_elsewhere(&self) -> usize {
        self.executor.as_ref().map_or(0, |executor| executor.jobs)
    }

    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "the same face with and without the feature")]
    pub(super) fn slots_elsewhere(&self) -> usize {
        0
    }

    /// How many pips are looked up at a time without a slot to run them.
    pub(super) fn lookups(&self) -> usize {
        self.shared.filter(|_| self.looks_up()).map_or(0, |shared| shared.lookups())
    }

    /// Whether results are taken from caches at all.
    pub(super) fn looks_up(&self) -> bool {
        self.use_cache && self.config.cache.incremental
    }
}

/// Who wants to know how a build goes. Calls come from several threads.
pub trait Listener: Sync {
    /// So many pips are wanted.
    fn begun(&self, total: usize);
    /// A pip is being worked on, by one of the threads.
    fn started(&self, pip: PipId, slot: usize);
    /// A pip was found to need a run.
    fn running(&self, pip: PipId, slot: usize);
    /// A pip that needs a run gets it on another machine.
    fn elsewhere(&self, _pip: PipId, _slot: usize) {}
    /// Something is not as it was asked for, and the build goes on.
    fn warn(&self, _text: &str) {}
    /// A pip is done. Times count from the beginning of the build.
    fn finished(&self, pip: PipId, slot: usize, result: &PipResult, start: Duration, end: Duration);
    /// A pip that counts was not begun, because something that it depends on failed or because the build was ending.
    /// Called at the end, in the order of the graph.
    fn skipped(&self, pip: PipId);
    /// So many results are still on their way to the shared cache. Called while the end of the build waits for them.
    fn giving(&self, _left: usize) {}
}
