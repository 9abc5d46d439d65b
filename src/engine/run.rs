//! The threads of one build, and how they work through the graph.

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::context::Engine;
use super::outcome::{BuildOutcome, Done, Ended, PipResult};
use super::sandbox::Worker;
use super::schedule::{Route, Schedule, Slots};
use super::services::{self, Services};
use super::snapshot;
use super::steps::{self, Attempt};
use super::tally::{Told, counts};
use crate::graph::{Pip, PipId, ProcessPip};

/// How often a pip is done again because what it made was lost.
const TIMES: u32 = 8;

/// Works until everything that is wanted is done or given up.
pub(super) fn run(engine: &Engine<'_>) -> BuildOutcome {
    let graph = engine.world.graph;
    let slots = slots(engine);
    let jobs = slots.here + slots.elsewhere;
    let schedule = Schedule::new(graph, engine.options.selection.as_deref(), slots, &|pip, process| Route {
        leaves: slots.elsewhere > 0 && may_leave(engine, pip, process),
        is_looked_up: slots.lookups > 0 && !services::waits(graph, pip) && steps::is_looked_up(engine, pip, process),
    });
    let total = graph.ids().filter(|id| schedule.is_wanted(*id) && counts(graph, *id)).count();
    engine.listener.begun(total);
    let services = Services::new(engine);
    let crew = Crew {
        schedule: &schedule,
        engine,
        services: &services,
        start: Instant::now(),
        reported: (0..graph.len()).map(|_| Mutex::default()).collect(),
        told: Mutex::default(),
    };
    crew.hand_out(schedule.first(), 0);
    let over = Over::default();
    std::thread::scope(|scope| {
        if let Some(limit) = engine.options.config.build_timeout {
            let over = &over;
            scope.spawn(move || {
                if !over.wait(limit) {
                    engine.cancellation.cancel();
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
            engine.listener.skipped(*pip);
        }
    }
    let told = crew.told.into_inner().unwrap_or_else(PoisonError::into_inner);
    let may_skip = told.nothing_special && engine.options.use_cache;
    let mut outcome = told.outcome(graph, total, engine);
    if may_skip && outcome.is_success() {
        outcome.snapshot = snapshot::take(engine, |pip| schedule.is_wanted(pip), total);
    }
    outcome
}

/// How much is done at a time.
fn slots(engine: &Engine<'_>) -> Slots {
    #[cfg(feature = "remote")]
    let is_there = engine.executor.is_some();
    #[cfg(not(feature = "remote"))]
    let is_there = false;
    Slots {
        here: engine.options.jobs.max(1),
        elsewhere: if is_there { engine.options.slots_elsewhere() } else { 0 },
        lookups: engine.options.lookups(),
    }
}

/// Whether a process is likely to run on another machine.
#[cfg(feature = "remote")]
fn may_leave(engine: &Engine<'_>, pip: PipId, process: &ProcessPip) -> bool {
    engine.executor.is_some() && super::remote::stays(engine, pip, process).is_none()
}

#[cfg(not(feature = "remote"))]
fn may_leave(_: &Engine<'_>, _: PipId, _: &ProcessPip) -> bool {
    false
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
