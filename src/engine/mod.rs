//! Running a pip graph: scheduling, watched execution, fingerprints and the cache.
//!
//! [`build`] brings every pip of a graph about, each after what it depends on. A process is looked up in the cache
//! first; if it must run, a [`sandbox`] worker runs it and reports every file that it touched, and what it did is judged
//! against what its spec declares. Only what is right is kept.
//!
//! Nothing here knows the language.

#![allow(clippy::disallowed_methods, reason = "running pips is about files and time")]

pub mod cache;
mod command;
mod content;
mod context;
mod directories;
mod explain;
mod fingerprint;
mod journal;
mod judge;
mod made;
mod options;
mod outcome;
#[cfg(feature = "remote")]
pub mod remote;
mod run;
pub mod sandbox;
mod schedule;
mod services;
mod shared;
mod snapshot;
mod state;
mod steps;
mod tally;
mod upkeep;
mod view;
mod violation;
mod virtual_outputs;
mod why;
mod world;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

pub use content::Content;
pub use made::Scrubbed;
pub use options::{BuildOptions, Listener};
pub use outcome::{BuildOutcome, Done, Ended, Origin, PipResult};
#[cfg(feature = "remote")]
pub use remote::ExecutorOptions;
pub use shared::{Finding, Outputs, SharedCache, Traffic, WantedBlob};
pub use snapshot::Snapshot;
pub use state::FOLDER;
pub use upkeep::{CacheStats, CacheVerified, Keep, StoreCollected, cache_gc, cache_stats, cache_verify, store_gc};
pub use violation::{Rule, Violation, pip_name};
pub use why::{Explanation, why};

use crate::cas::StoreError;
use crate::graph::PipGraph;
use cache::EntriesError;
use context::{Engine, Purpose};
use sandbox::Canceller;

/// Why a build cannot begin or end.
#[derive(Debug, Error)]
pub enum BuildError {
    /// Another build works in the workspace.
    #[error("another build is running in `{}` (process {holder})", .workspace.display())]
    Locked {
        /// The workspace.
        workspace: PathBuf,
        /// The number of its process.
        holder: String,
    },
    /// The build's own files cannot be used.
    #[error("cannot use `{}`: {error}", .path.display())]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A folder belongs to a server, which removes what it can do without by itself.
    #[error("`{}` belongs to a server, which keeps what its clients need within its bounds", .folder.display())]
    Served {
        /// The folder.
        folder: PathBuf,
    },
    /// The content store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table of results cannot be used.
    #[error(transparent)]
    Cache(#[from] EntriesError),
}

/// Ends a build from outside: from a signal handler's thread, or when a host loses interest.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    inner: Arc<CancellationInner>,
}

#[derive(Debug, Default)]
struct CancellationInner {
    asked: AtomicBool,
    /// Ends waiting for servers.
    #[cfg(feature = "remote")]
    token: tokio_util::sync::CancellationToken,
    running: Mutex<Vec<Option<Canceller>>>,
}

impl Cancellation {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the end: no pip is begun any more, every process that runs is ended with all its children.
    pub fn cancel(&self) {
        self.inner.asked.store(true, Ordering::SeqCst);
        #[cfg(feature = "remote")]
        self.inner.token.cancel();
        for canceller in self.running().iter().flatten() {
            canceller.cancel();
        }
    }

    /// Whether somebody has asked.
    pub fn is_cancelled(&self) -> bool {
        self.inner.asked.load(Ordering::SeqCst)
    }

    /// What ends waiting for servers: for [`crate::cas::remote::RemoteOptions::cancellation`].
    #[cfg(feature = "remote")]
    pub fn token(&self) -> tokio_util::sync::CancellationToken {
        self.inner.token.clone()
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<Canceller>>> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs in a slot.
    fn get(&self, slot: usize) -> Option<Canceller> {
        self.running().get(slot).cloned().flatten()
    }

    /// Notes what runs in a slot, so that it can be ended.
    fn set(&self, slot: usize, canceller: Option<Canceller>) {
        let mut running = self.running();
        if running.len() <= slot {
            running.resize(slot + 1, None);
        }
        running[slot] = canceller;
    }
}

/// Brings the wanted pips of a graph about.
///
/// # Errors
/// When the build's own files cannot be used. What is wrong with pips is part of the outcome.
pub fn build(
    graph: &PipGraph,
    options: &BuildOptions<'_>,
    cancellation: &Cancellation,
    listener: &dyn Listener,
) -> Result<BuildOutcome, BuildError> {
    let engine = Engine::open(graph, options, cancellation, listener, Purpose::Build)?;
    let mut outcome = run::run(&engine);
    engine.finish_giving(&mut outcome);
    outcome.repairs.extend(engine.close()?.iter().map(ToString::to_string));
    Ok(outcome)
}
