//! Services: processes that run while their clients do.
//!
//! A service is started when the first of its clients must run, not before: where all clients come from the cache nobody
//! needs it. When everything else is done, its shutdown command is run, and what still runs then is ended.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::outcome::{Done, PipResult};
use super::run::Engine;
use super::sandbox::Canceller;
use super::steps::{self, Attempt};
use crate::graph::{Pip, PipGraph, PipId, ProcessPip, ServiceKind};

/// How long a service may take to end once it was told to.
const PATIENCE: Duration = Duration::from_secs(30);

/// The part that a pip plays.
pub(super) fn kind(graph: &PipGraph, pip: PipId) -> ServiceKind {
    match graph.pip(pip) {
        Pip::Process(process) => process.rare.as_ref().map_or(ServiceKind::None, |rare| rare.service.kind),
        _ => ServiceKind::None,
    }
}

/// Whether a pip is not run when its turn comes: a service waits for a client, its shutdown for the end.
pub(super) fn waits(graph: &PipGraph, pip: PipId) -> bool {
    matches!(kind(graph, pip), ServiceKind::Service | ServiceKind::Shutdown)
}

/// The services of one build.
#[derive(Default)]
pub(super) struct Services<'scope> {
    started: Mutex<Started<'scope>>,
}

#[derive(Default)]
struct Started<'scope> {
    known: FxHashSet<PipId>,
    running: Vec<(PipId, ScopedJoinHandle<'scope, PipResult>)>,
}

impl<'scope> Services<'scope> {
    /// Starts the services that a process talks to, unless they run already.
    pub(super) fn ensure<'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        engine: &'env Engine<'env>,
        process: &ProcessPip,
    ) -> io::Result<()> {
        let Some(rare) = &process.rare else { return Ok(()) };
        for service in &rare.service.dependencies {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            if !started.known.insert(*service) {
                continue;
            }
            let Pip::Process(process) = engine.world.graph.pip(*service) else { continue };
            let (pip, slot) = (*service, engine.options.jobs.max(1) + started.running.len());
            engine.listener.running(pip, slot);
            let handle = std::thread::Builder::new().spawn_scoped(scope, move || {
                let mut worker = None;
                steps::service(engine, pip, process, Attempt { slot, worker: &mut worker })
            })?;
            started.running.push((pip, handle));
        }
        Ok(())
    }

    /// Ends all services that were started, each by its shutdown command. Gives their results and those of the commands.
    pub(super) fn shut_down(self, engine: &Engine<'_>) -> Vec<(PipId, PipResult)> {
        let started = self.started.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut results = Vec::new();
        for (index, (pip, handle)) in started.running.into_iter().enumerate() {
            let slot = engine.options.jobs.max(1) + index;
            let command = match engine.world.graph.pip(pip) {
                Pip::Process(process) => process.rare.as_ref().and_then(|rare| rare.service.shutdown),
                _ => None,
            };
            if let Some(shutdown) = command
                && !engine.cancellation.is_cancelled()
                && let Pip::Process(process) = engine.world.graph.pip(shutdown)
            {
                let mut worker = None;
                // Not the slot of the service, whose worker can be reached there.
                let attempt = Attempt { slot: 0, worker: &mut worker };
                results.push((shutdown, steps::process(engine, shutdown, process, attempt)));
            }
            let patience = Instant::now() + PATIENCE;
            while !handle.is_finished() && Instant::now() < patience && !engine.cancellation.is_cancelled() {
                std::thread::sleep(Duration::from_millis(10));
            }
            if !handle.is_finished()
                && let Some(canceller) = engine.cancellation.get(slot)
            {
                Canceller::cancel(&canceller);
            }
            let result = handle.join().unwrap_or_else(|_| PipResult::failed(Vec::new()));
            results.push((pip, result));
        }
        results
    }
}

/// The result of a pip whose turn came although it is started only on demand.
pub(super) fn later() -> PipResult {
    PipResult::new(Done::Hit)
}
