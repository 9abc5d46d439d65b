//! Who goes next: pips whose dependencies are done, the longest way to the end first, as far as slots and semaphores
//! allow.

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
    /// How many processes run here.
    slots: i64,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The two sides: here and elsewhere.
const SIDES: [usize; 2] = [0, 1];

struct Queue {
    /// Of each side.
    ready: [BinaryHeap<Ready>; 2],
    /// Pips that are ready but for a semaphore.
    blocked: Vec<Ready>,
    /// How many wait for slots here that were taken to run elsewhere.
    coming_back: usize,
    /// Free slots of each side.
    free: [i64; 2],
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
    /// There are so many slots here and so many elsewhere, for processes of which `leaves` says that they may leave this
    /// machine.
    pub(super) fn new(
        graph: &'g PipGraph,
        selection: Option<&[bool]>,
        slots: [usize; 2],
        leaves: &dyn Fn(PipId, &ProcessPip) -> bool,
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
        let goes = |id: PipId| {
            wanted[id.0 as usize]
                && matches!(graph.pip(id), Pip::Process(process) if slots[1] > 0 && leaves(id, process))
        };
        let elsewhere = graph.ids().map(|id| AtomicBool::new(goes(id))).collect();
        Self {
            graph,
            waiting,
            settled: (0..graph.len()).map(|_| AtomicBool::new(false)).collect(),
            priorities,
            elsewhere,
            slots: slots[0] as i64,
            queue: Mutex::new(Queue {
                ready: SIDES.map(|_| BinaryHeap::new()),
                blocked: Vec::new(),
                coming_back: 0,
                free: slots.map(|slots| slots as i64),
                semaphores: FxHashMap::default(),
                left,
                working: Vec::new(),
                stopped: false,
                again: FxHashMap::default(),
            }),
            changed: Condvar::new(),
            wanted,
        }
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
        for pip in pips {
            let priority = self.priorities[pip.0 as usize];
            queue.ready[self.side(*pip)].push(Ready { priority, pip: std::cmp::Reverse(pip.0) });
        }
        let others_wait = queue.coming_back > 0;
        drop(queue);
        // One alone may be told only where nobody waits for something else.
        if pips.len() == 1 && !others_wait { self.changed.notify_one() } else { self.changed.notify_all() }
    }

    /// The next pip to work on; none when there is nothing left to do. Waits where others must finish first.
    pub(super) fn next(&self) -> Option<PipId> {
        let mut queue = self.lock();
        loop {
            if queue.stopped || queue.left == 0 {
                return None;
            }
            if let Some(pip) = self.take(&mut queue) {
                queue.working.push(pip);
                return Some(pip);
            }
            let nothing_ready = queue.ready.iter().all(BinaryHeap::is_empty);
            if queue.working.is_empty() && nothing_ready && queue.blocked.is_empty() {
                // What is left waits for pips that nobody works on: they were skipped.
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the best pip whose needs can be met. A pip that lacks slots keeps those behind it waiting, or it would
    /// never get them; one that lacks a semaphore does not.
    fn take(&self, queue: &mut Queue) -> Option<PipId> {
        // What leaves costs this machine little, so it goes first.
        self.take_from(queue, 1).or_else(|| self.take_from(queue, 0))
    }

    fn take_from(&self, queue: &mut Queue, side: usize) -> Option<PipId> {
        while let Some(best) = queue.ready[side].pop() {
            let pip = PipId(best.pip.0);
            let needs = self.needs(pip);
            // Those that came back from elsewhere were taken before.
            let is_behind = side == 0 && needs.slots > 0 && queue.coming_back > 0;
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
        drop(queue);
        self.changed.notify_all();
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
            // Others wait for it.
            queue.ready[self.side(*maker)].push(Ready { priority: u64::MAX, pip: std::cmp::Reverse(maker.0) });
        }
        drop(queue);
        self.changed.notify_all();
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
                let priority = self.priorities[waiter.0 as usize];
                queue.ready[self.side(waiter)].push(Ready { priority, pip: std::cmp::Reverse(waiter.0) });
            }
        }
        drop(queue);
        self.changed.notify_all();
    }

    /// A pip that was taken to run elsewhere runs here after all: waits for slots here. Whether it may begin: not where the
    /// build is ending.
    pub(super) fn keep_here(&self, pip: PipId) -> bool {
        let mut queue = self.lock();
        if self.side(pip) == 1 {
            queue.free[1] += self.needs(pip).slots;
            self.elsewhere[pip.0 as usize].store(false, Ordering::Release);
            let slots = self.needs(pip).slots;
            // The slot elsewhere is free for another one.
            self.changed.notify_all();
            queue.coming_back += 1;
            while queue.free[0] < slots && !queue.stopped {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.coming_back -= 1;
            // Given back when the pip is released, whether it runs or not.
            queue.free[0] -= slots;
        }
        !queue.stopped
    }

    /// Where a pip is to run: 0 here, 1 elsewhere.
    fn side(&self, pip: PipId) -> usize {
        usize::from(self.elsewhere[pip.0 as usize].load(Ordering::Acquire))
    }

    fn needs(&self, pip: PipId) -> Needs {
        let Pip::Process(process) = self.graph.pip(pip) else { return Needs { slots: 0, semaphores: Vec::new() } };
        let rare = process.rare.as_deref();
        let weight = i64::from(rare.and_then(|rare| rare.weight).unwrap_or(1)).max(1);
        // How heavy it is matters to the machine that runs it.
        let slots = match self.side(pip) {
            0 if process.flags.is_light => 0,
            0 => weight.min(self.slots),
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
            self.changed.notify_all();
        }
        true
    }

    /// Nothing more is begun.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
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
