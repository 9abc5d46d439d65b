//! Services: processes that run while their clients do.
//!
//! A service is started when the first of its clients must run, not before: where all clients come from the cache nobody
//! needs it. When everything else is done, its shutdown command is run, and what still runs then is ended.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::context::Engine;
use super::outcome::{Done, PipResult};
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
pub(super) struct Services<'e> {
    engine: &'e Engine<'e>,
    known: Mutex<FxHashSet<PipId>>,
    /// How those that were started ended, or none while they run.
    running: Mutex<Vec<(PipId, Option<PipResult>)>>,
    ended: Condvar,
}

impl<'e> Services<'e> {
    /// None is started yet.
    pub(super) fn new(engine: &'e Engine<'e>) -> Self {
        Self { engine, known: Mutex::default(), running: Mutex::default(), ended: Condvar::new() }
    }

    /// Starts the services that a process talks to, unless they run already.
    pub(super) fn ensure<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        process: &ProcessPip,
    ) -> io::Result<()> {
        let Some(rare) = &process.rare else { return Ok(()) };
        for service in &rare.service.dependencies {
            let is_new = self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(*service);
            let Pip::Process(process) = self.engine.world.graph.pip(*service) else { continue };
            if !is_new {
                continue;
            }
            let pip = *service;
            let place = {
                let mut running = self.lock();
                running.push((pip, None));
                running.len() - 1
            };
            let slot = self.slot(place);
            self.engine.listener.running(pip, slot);
            std::thread::Builder::new().spawn_scoped(scope, move || {
                let attempt =
                    Attempt { slot, worker: &mut None, before_run: &|| Ok(()), missed: false, stays_here: &|| true };
                let result = steps::service(self.engine, pip, process, attempt);
                self.lock()[place].1 = Some(result);
                self.ended.notify_all();
            })?;
        }
        Ok(())
    }

    /// Ends all services that were started, each by its shutdown command. Gives their results and those of the commands.
    pub(super) fn shut_down(&self) -> Vec<(PipId, PipResult)> {
        let engine = self.engine;
        let started: Vec<PipId> = self.lock().iter().map(|(pip, _)| *pip).collect();
        let mut results = Vec::new();
        for (place, pip) in started.into_iter().enumerate() {
            let command = match engine.world.graph.pip(pip) {
                Pip::Process(process) => process.rare.as_ref().and_then(|rare| rare.service.shutdown),
                _ => None,
            };
            if let Some(shutdown) = command
                && !engine.cancellation.is_cancelled()
                && let Pip::Process(process) = engine.world.graph.pip(shutdown)
            {
                let attempt =
                    Attempt { slot: 0, worker: &mut None, before_run: &|| Ok(()), missed: false, stays_here: &|| true };
                results.push((shutdown, steps::process(engine, shutdown, process, attempt)));
            }
            results.push((pip, self.wait_for(place)));
        }
        results
    }

    /// Waits until a service has ended by itself, and ends it when that takes too long.
    fn wait_for(&self, place: usize) -> PipResult {
        let ended = self.ended.wait_timeout_while(self.lock(), PATIENCE, |running| running[place].1.is_none());
        let (mut running, _) = ended.unwrap_or_else(PoisonError::into_inner);
        if running[place].1.is_none()
            && let Some(canceller) = self.engine.cancellation.get(self.slot(place))
        {
            canceller.cancel();
            let ended = self.ended.wait_while(running, |running| running[place].1.is_none());
            running = ended.unwrap_or_else(PoisonError::into_inner);
        }
        running[place].1.take().unwrap_or_else(|| PipResult::failed(Vec::new()))
    }

    /// The slot of a service: behind those of the threads that work on pips.
    fn slot(&self, place: usize) -> usize {
        self.engine.options.slots() + place
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(PipId, Option<PipResult>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of a pip whose turn came although it is started only on demand.
pub(super) fn later() -> PipResult {
    PipResult::new(Done::Hit)
}
