//! Who goes next: pips whose dependencies are done, the longest way to the end first, as far as slots and semaphores
//! allow.
//!
//! Slots are of three kinds: for what runs here, for what runs elsewhere, and for asking a cache that is elsewhere, which is
//! mostly waiting. A pip that is asked for first and is not there goes into the queue again, for one of the others.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::graph::{Pip, PipGraph, PipId, ProcessPip};
use crate::source::Symbol;

/// The pips of one build that are to be done.
pub(super) struct Schedule<'g> {
    graph: &'g PipGraph,
    wanted: Vec<bool>,
    /// For each pip how many of its dependencies are not done.
    waiting: Vec<AtomicU32>,
    /// Whether a pip was dealt with, one way or another.
    settled: Vec<AtomicBool>,
    priorities: Vec<u64>,
    /// Whether a pip is likely to run on another machine. One that turns out to stay here changes sides.
    elsewhere: Vec<AtomicBool>,
    /// Whether a pip is looked up before it is taken to run.
    looked_up: Vec<AtomicBool>,
    has_lookups: bool,
    /// How many processes run here.
    slots: i64,
    queue: Mutex<Queue>,
    /// For those who run pips, and for those who look them up.
    changed: Condvar,
    to_look_up: Condvar,
}

/// How much is done at a time: processes here, processes elsewhere, and lookups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub(super) here: usize,
    pub(super) elsewhere: usize,
    pub(super) lookups: usize,
}

/// What is to become of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Route {
    /// It may leave this machine.
    pub(super) leaves: bool,
    /// It is looked up first, in a slot for that.
    pub(super) is_looked_up: bool,
}

/// The sides.
const HERE: usize = 0;
const ELSEWHERE: usize = 1;
const LOOKUPS: usize = 2;

struct Queue {
    /// Of each side.
    ready: [BinaryHeap<Ready>; 3],
    /// Pips that are ready but for a semaphore.
    blocked: Vec<Ready>,
    /// How many wait for slots here that were taken to run elsewhere.
    coming_back: usize,
    /// Free slots of each side.
    free: [i64; 3],
    semaphores: FxHashMap<Symbol, i64>,
    /// Pips that are not settled.
    left: usize,
    working: Vec<PipId>,
    stopped: bool,
    /// Pips that are done once more though they are settled, and who waits for each.
    again: FxHashMap<PipId, Vec<PipId>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    priority: u64,
    /// Of equals the first in the graph.
    pip: std::cmp::Reverse<u32>,
}

/// What a pip takes while it is worked on.
struct Needs {
    slots: i64,
    semaphores: Vec<(Symbol, i64, i64)>,
}

impl<'g> Schedule<'g> {
    /// The wanted pips: all, or a selection that has what its pips depend on.
    ///
    /// Where there are no slots for what a route says, the process goes without.
    pub(super) fn new(
        graph: &'g PipGraph,
        selection: Option<&[bool]>,
        slots: Slots,
        route: &dyn Fn(PipId, &ProcessPip) -> Route,
    ) -> Self {
        let mut wanted = selection.map_or_else(|| vec![true; graph.len()], <[bool]>::to_vec);
        wanted.resize(graph.len(), false);
        let mut priorities = vec![0u64; graph.len()];
        // Whatever a pip depends on has a smaller number.
        for at in (0..graph.len()).rev() {
            let id = PipId(at as u32);
            if !wanted[at] {
                continue;
            }
            let (own, first) = match graph.pip(id) {
                Pip::Process(process) => (10, process.rare.as_ref().and_then(|rare| rare.priority).unwrap_or(0)),
                Pip::SealDirectory(_) => (0, 0),
                _ => (1, 0),
            };
            let length = (priorities[at] & LENGTH) + own;
            priorities[at] = ((first.clamp(0, 99) as u64) << LENGTH_BITS) | length.min(LENGTH);
            for dependency in graph.dependencies(id) {
                let below = &mut priorities[dependency.0 as usize];
                *below = (*below).max(length.min(LENGTH));
            }
        }
        // What winds a service down may depend on clients that nobody wants.
        let needed = |id| graph.dependencies(id).iter().filter(|to| wanted[to.0 as usize]).count();
        let waiting = graph.ids().map(|id| AtomicU32::new(needed(id) as u32)).collect();
        let left = wanted.iter().filter(|wanted| **wanted).count();
        let routes: Vec<Route> = graph
            .ids()
            .map(|id| match graph.pip(id) {
                Pip::Process(process) if wanted[id.0 as usize] => route(id, process),
                _ => Route::default(),
            })
            .collect();
        let flags = |flag: &dyn Fn(&Route) -> bool| routes.iter().map(|route| AtomicBool::new(flag(route))).collect();
        Self {
            graph,
            waiting,
            settled: (0..graph.len()).map(|_| AtomicBool::new(false)).collect(),
            priorities,
            elsewhere: flags(&|route| slots.elsewhere > 0 && route.leaves),
            looked_up: flags(&|route| slots.lookups > 0 && route.is_looked_up),
            has_lookups: slots.lookups > 0,
            slots: slots.here as i64,
            queue: Mutex::new(Queue {
                ready: [const { BinaryHeap::new() }; 3],
                blocked: Vec::new(),
                coming_back: 0,
                free: [slots.here, slots.elsewhere, slots.lookups].map(|slots| slots as i64),
                semaphores: FxHashMap::default(),
                left,
                working: Vec::new(),
                stopped: false,
                again: FxHashMap::default(),
            }),
            changed: Condvar::new(),
            to_look_up: Condvar::new(),
            wanted,
        }
    }

    /// Whether pips are looked up before they are taken to run, those of which their routes say so.
    pub(super) fn looks_up(&self) -> bool {
        self.has_lookups
    }

    /// Whether a pip is part of the build.
    pub(super) fn is_wanted(&self, pip: PipId) -> bool {
        self.wanted[pip.0 as usize]
    }

    /// The wanted pips that depend on nothing.
    pub(super) fn first(&self) -> Vec<PipId> {
        let is_first = |id: &PipId| self.is_wanted(*id) && self.waiting[id.0 as usize].load(Ordering::Acquire) == 0;
        self.graph.ids().filter(is_first).collect()
    }

    /// Lets pips be taken whose dependencies are done.
    pub(super) fn ready(&self, pips: &[PipId]) {
        if pips.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let mut lookups = 0;
        for pip in pips {
            let side = self.side(*pip);
            lookups += usize::from(side == LOOKUPS);
            queue.ready[side].push(self.as_ready(*pip));
        }
        let others_wait = queue.coming_back > 0;
        drop(queue);
        let runs = pips.len() - lookups;
        // One alone may be told only where nobody waits for something else.
        match runs {
            0 => {}
            1 if !others_wait => self.changed.notify_one(),
            _ => self.changed.notify_all(),
        }
        match lookups {
            0 => {}
            1 => self.to_look_up.notify_one(),
            _ => self.to_look_up.notify_all(),
        }
    }

    fn as_ready(&self, pip: PipId) -> Ready {
        Ready { priority: self.priorities[pip.0 as usize], pip: std::cmp::Reverse(pip.0) }
    }

    /// The next pip to work on; none when there is nothing left to do. Waits where others must finish first.
    pub(super) fn next(&self) -> Option<PipId> {
        // What leaves costs this machine little, so it goes first.
        self.next_of(&[ELSEWHERE, HERE], &self.changed)
    }

    /// The next pip to look up, in the same way. Where it is not found, [`Schedule::missed`] takes it back.
    pub(super) fn next_lookup(&self) -> Option<PipId> {
        self.next_of(&[LOOKUPS], &self.to_look_up)
    }

    fn next_of(&self, sides: &[usize], changed: &Condvar) -> Option<PipId> {
        let mut queue = self.lock();
        loop {
            if queue.stopped || queue.left == 0 {
                return None;
            }
            if let Some(pip) = sides.iter().find_map(|side| self.take_from(&mut queue, *side)) {
                queue.working.push(pip);
                return Some(pip);
            }
            let nothing_ready = queue.ready.iter().all(BinaryHeap::is_empty);
            if queue.working.is_empty() && nothing_ready && queue.blocked.is_empty() {
                // What is left waits for pips that nobody works on: they were skipped.
                return None;
            }
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the best pip whose needs can be met. A pip that lacks slots keeps those behind it waiting, or it would
    /// never get them; one that lacks a semaphore does not.
    fn take_from(&self, queue: &mut Queue, side: usize) -> Option<PipId> {
        while let Some(best) = queue.ready[side].pop() {
            let pip = PipId(best.pip.0);
            let needs = self.needs(pip);
            // Those that came back from elsewhere were taken before.
            let is_behind = side == HERE && needs.slots > 0 && queue.coming_back > 0;
            if needs.slots > queue.free[side] || is_behind {
                queue.ready[side].push(best);
                return None;
            }
            let held = |name: &Symbol| queue.semaphores.get(name).copied().unwrap_or(0);
            // One that takes more than there is runs alone.
            let fits = needs.semaphores.iter().all(|(name, limit, take)| {
                let held = held(name);
                held == 0 || held + take <= *limit
            });
            if !fits || !self.may_run_beside(queue, pip) {
                queue.blocked.push(best);
                continue;
            }
            queue.free[side] -= needs.slots;
            for (name, _, take) in &needs.semaphores {
                *queue.semaphores.entry(*name).or_default() += take;
            }
            return Some(pip);
        }
        None
    }

    /// Gives back what a pip took. Whoever called [`Schedule::next`] calls this when the pip is done.
    pub(super) fn release(&self, pip: PipId) {
        self.give_back(pip, false);
    }

    /// The same for a pip that was looked up and not found: now it is to be taken by those who run pips.
    pub(super) fn missed(&self, pip: PipId) {
        self.give_back(pip, true);
    }

    fn give_back(&self, pip: PipId, is_to_run: bool) {
        let needs = self.needs(pip);
        let side = self.side(pip);
        let mut queue = self.lock();
        if let Some(at) = queue.working.iter().position(|working| *working == pip) {
            queue.working.swap_remove(at);
        }
        queue.free[side] += needs.slots;
        for (name, _, take) in &needs.semaphores {
            *queue.semaphores.entry(*name).or_default() -= take;
        }
        for ready in std::mem::take(&mut queue.blocked) {
            queue.ready[self.side(PipId(ready.pip.0))].push(ready);
        }
        // In the same moment, or the others would think that nothing is left.
        if is_to_run {
            self.looked_up[pip.0 as usize].store(false, Ordering::Release);
            queue.ready[self.side(pip)].push(self.as_ready(pip));
        }
        // Who looks pips up waits for no slot, as there is one for each of them.
        let concerns_lookups = !queue.ready[LOOKUPS].is_empty() || queue.working.is_empty();
        drop(queue);
        self.changed.notify_all();
        if concerns_lookups {
            self.to_look_up.notify_all();
        }
    }

    fn tell_all(&self) {
        self.changed.notify_all();
        self.to_look_up.notify_all();
    }

    /// A pip is done once more when nobody reads what it made the first time, and meanwhile nobody begins who would.
    fn may_run_beside(&self, queue: &Queue, pip: PipId) -> bool {
        if queue.again.is_empty() {
            return true;
        }
        let reads = |reader: PipId, maker: PipId| reader != maker && depends_on(self.graph, reader, maker);
        let is_read = || queue.working.iter().any(|working| reads(*working, pip));
        // The order does not matter: all are asked.
        #[allow(clippy::iter_over_hash_type, reason = "only whether one of them is in the way counts")]
        let in_the_way = queue.again.keys().any(|again| reads(pip, *again));
        !(in_the_way || queue.again.contains_key(&pip) && is_read())
    }

    /// A pip cannot be done before others are done once more, which were settled already. The caller still works on it.
    pub(super) fn do_again(&self, pip: PipId, makers: &[PipId]) {
        let mut queue = self.lock();
        for maker in makers {
            if let Some(waiting) = queue.again.get_mut(maker) {
                waiting.push(pip);
                continue;
            }
            queue.again.insert(*maker, vec![pip]);
            // What was found is what is lost.
            self.looked_up[maker.0 as usize].store(false, Ordering::Release);
            // Others wait for it.
            queue.ready[self.side(*maker)].push(Ready { priority: u64::MAX, pip: std::cmp::Reverse(maker.0) });
        }
        drop(queue);
        self.tell_all();
    }

    /// A pip that was perhaps done once more is done. Those that wait for nothing else now are taken up again; where it
    /// failed they never are.
    pub(super) fn done_again(&self, pip: PipId, is_well: bool) {
        let mut queue = self.lock();
        let Some(waiting) = queue.again.remove(&pip) else { return };
        for waiter in waiting {
            let is_given_up =
                self.settled[waiter.0 as usize].load(Ordering::Acquire) && !queue.again.contains_key(&waiter);
            #[allow(clippy::iter_over_hash_type, reason = "only whether one of them is waited for counts")]
            let waits = queue.again.values().any(|waiting| waiting.contains(&waiter));
            if is_well && !is_given_up && !waits {
                queue.ready[self.side(waiter)].push(self.as_ready(waiter));
            }
        }
        drop(queue);
        self.tell_all();
    }

    /// A pip that was taken to run elsewhere runs here after all: waits for slots here. Whether it may begin: not where the
    /// build is ending.
    pub(super) fn keep_here(&self, pip: PipId) -> bool {
        let mut queue = self.lock();
        if self.side(pip) == ELSEWHERE {
            queue.free[ELSEWHERE] += self.needs(pip).slots;
            self.elsewhere[pip.0 as usize].store(false, Ordering::Release);
            let slots = self.needs(pip).slots;
            // The slot elsewhere is free for another one.
            self.changed.notify_all();
            queue.coming_back += 1;
            while queue.free[HERE] < slots && !queue.stopped {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.coming_back -= 1;
            // Given back when the pip is released, whether it runs or not.
            queue.free[HERE] -= slots;
        }
        !queue.stopped
    }

    /// Whose turn it is to take a pip.
    fn side(&self, pip: PipId) -> usize {
        let is = |flags: &[AtomicBool]| flags[pip.0 as usize].load(Ordering::Acquire);
        match () {
            () if is(&self.looked_up) => LOOKUPS,
            () if is(&self.elsewhere) => ELSEWHERE,
            () => HERE,
        }
    }

    fn needs(&self, pip: PipId) -> Needs {
        let Pip::Process(process) = self.graph.pip(pip) else { return Needs { slots: 0, semaphores: Vec::new() } };
        if self.side(pip) == LOOKUPS {
            return Needs { slots: 1, semaphores: Vec::new() };
        }
        let rare = process.rare.as_deref();
        let weight = i64::from(rare.and_then(|rare| rare.weight).unwrap_or(1)).max(1);
        // How heavy it is matters to the machine that runs it.
        let slots = match self.side(pip) {
            HERE if process.flags.is_light => 0,
            HERE => weight.min(self.slots),
            _ => 1,
        };
        let semaphores = rare.map_or(&[][..], |rare| &rare.semaphores);
        let semaphores = semaphores.iter().map(|one| (one.name, one.limit.into(), one.increment.into())).collect();
        Needs { slots, semaphores }
    }

    /// A pip is done and well: gives the wanted pips that wait for nothing else now.
    pub(super) fn settle(&self, pip: PipId) -> Vec<PipId> {
        if !self.mark(pip) {
            return Vec::new();
        }
        let dependents = self.graph.dependents(pip).iter().filter(|to| self.is_wanted(**to));
        dependents.filter(|to| self.waiting[to.0 as usize].fetch_sub(1, Ordering::AcqRel) == 1).copied().collect()
    }

    /// A pip is not there for those that depend on it: none of these is begun. Gives those that nobody had given up before.
    pub(super) fn give_up(&self, pip: PipId) -> Vec<PipId> {
        self.mark(pip);
        let mut open = vec![pip];
        let mut given_up = Vec::new();
        while let Some(at) = open.pop() {
            let first = given_up.len();
            let dependents = self.graph.dependents(at).iter();
            given_up.extend(dependents.filter(|to| self.is_wanted(**to) && self.mark(**to)));
            open.extend(&given_up[first..]);
        }
        given_up
    }

    /// Counts a pip as dealt with. False when it was already.
    fn mark(&self, pip: PipId) -> bool {
        if self.settled[pip.0 as usize].swap(true, Ordering::AcqRel) {
            return false;
        }
        let mut queue = self.lock();
        queue.left -= 1;
        if queue.left == 0 {
            drop(queue);
            self.tell_all();
        }
        true
    }

    /// Nothing more is begun.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.tell_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is complete before anything can panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a pip comes after another because it depends on it, directly or not.
pub(super) fn depends_on(graph: &PipGraph, pip: PipId, other: PipId) -> bool {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut open = vec![pip];
    while let Some(at) = open.pop() {
        if at == other {
            return true;
        }
        // What a pip depends on has a smaller number.
        open.extend(graph.dependencies(at).iter().filter(|to| **to >= other && seen.insert(**to)));
    }
    false
}

const LENGTH_BITS: u32 = 48;
const LENGTH: u64 = (1 << LENGTH_BITS) - 1;
