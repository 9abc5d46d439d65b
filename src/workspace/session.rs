//! What all phases of one workspace share: interned names and paths, texts, the world outside, threads.

use std::sync::{Arc, OnceLock};

use crate::paths::{PathId, Paths};
use crate::source::system::{Environment, FileSystem};
use crate::source::{Files, Symbols};

/// What all phases of one workspace share.
pub(super) struct Session {
    pub symbols: Arc<Symbols>,
    pub paths: Arc<Paths>,
    pub files: Files,
    pub file_system: Arc<dyn FileSystem>,
    pub environment: Arc<dyn Environment>,
    /// The folder of the workspace, once it is known: messages name paths from there.
    pub folder: OnceLock<PathId>,
    /// At least one.
    pub threads: usize,
    /// None with one thread, and where no threads could be started: then phases run on the caller's.
    pool: Option<rayon::ThreadPool>,
}

impl Session {
    /// A session without files, for the operating system of `environment`. No number of threads means one for each
    /// processor.
    pub fn new(
        file_system: Arc<dyn FileSystem>,
        environment: Arc<dyn Environment>,
        threads: Option<std::num::NonZeroUsize>,
    ) -> Self {
        let available = || std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
        let os = environment.host().os;
        // Where letter case does not matter, a path is shown as it was spelled first. Several threads would make it a
        // matter of chance which spelling that is.
        let threads = if os.has_case_blind_paths() { 1 } else { threads.unwrap_or_else(available).get() };
        let symbols = Arc::new(Symbols::new());
        let paths = Arc::new(Paths::on(symbols.clone(), os));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build().ok();
        Self { symbols, paths, files: Files::new(), file_system, environment, folder: OnceLock::new(), threads, pool }
    }

    /// A path as messages name it.
    pub fn show(&self, path: PathId) -> String {
        match self.folder.get() {
            Some(folder) => crate::graph::show(&self.paths, *folder, path),
            None => self.paths.display(path),
        }
    }

    /// Runs a phase on the threads of the session.
    pub fn run<R: Send>(&self, phase: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(phase),
            None => phase(),
        }
    }
}

/// Bytes of stack of each worker: specs nested up to the parser's limit are walked by recursion.
const STACK: usize = 8 << 20;
