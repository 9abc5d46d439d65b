//! Top-level values: computed on demand, at most once, with every cycle shown whole.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::Mutex;

use rustc_hash::FxHashMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::program::{DeclId, DeclKind, QualifierId};
use crate::resolve::ir;
use crate::source::Location;

use super::calls::Frame;
use super::machine::Machine;
use super::native::{Eval, Raised};
use super::shared::{CacheUse, Cycle, Event, Maker, Record, Running, Shared, Thunk, ThunkId};

/// A thunk that is being computed. Dropped only when computing it panics: then whoever waits must not wait for ever.
struct Claim<'s, 'h> {
    shared: &'s Shared<'h>,
    thunk: &'s Thunk<'h>,
}

impl Drop for Claim<'_, '_> {
    fn drop(&mut self) {
        self.shared.finish(self.thunk, None, Record::default());
    }
}

impl<'h> Machine<'_, 'h> {
    /// The value of a declaration under a qualifier of its own space. `reference` is where it is needed.
    pub(super) fn force(&mut self, decl: DeclId, qualifier: QualifierId, reference: Location) -> Eval<'h> {
        let id = self.shared.thunk_of(decl, qualifier);
        self.force_thunk(id, reference, &mut |m| m.compute_body(decl, qualifier, reference))
    }

    /// A value that is computed once for each key and qualifier, by `compute`, and shared by all top-level values.
    /// `decl` is where pips made for it are said to come from; it must follow from the key alone. `maker` says what
    /// `compute` does: who comes first with a key depends on timing, so the replay refuses top-level values whose makers
    /// differ (DS0407).
    ///
    /// # Errors
    /// When computing it fails, or needs the same key again (DX9378).
    pub fn cached(
        &mut self,
        key: &Arc<str>,
        decl: DeclId,
        qualifier: QualifierId,
        reference: Location,
        maker: Maker,
        compute: &mut dyn FnMut(&mut Self) -> Eval<'h>,
    ) -> Eval<'h> {
        let id = self.shared.cached_thunk(key, decl, qualifier);
        self.emit(Event::Cached(Box::new(CacheUse { thunk: id, maker, location: reference })));
        self.force_thunk(id, reference, &mut |m| m.enter(reference, |m| compute(m)))
    }

    /// The key of the cached value being computed; none while a declared value is.
    pub fn cache_key(&self) -> Option<Arc<str>> {
        self.shared.thunk(self.running.last()?.thunk).cache_key.clone()
    }

    fn force_thunk(
        &mut self,
        id: ThunkId,
        reference: Location,
        body: &mut dyn FnMut(&mut Self) -> Eval<'h>,
    ) -> Eval<'h> {
        let thunk = self.shared.thunk(id);
        if thunk.result.get().is_none() {
            if self.shared.claim(thunk, self.worker) {
                self.compute(id, reference, body);
            } else if let Err(cycle) = self.shared.wait(id, reference, self.worker, &self.running) {
                return Err(self.fail_cycle(cycle));
            }
        }
        self.note_need(id);
        // The value that failed has reported why; what needs it fails without a word.
        thunk.result.get().copied().flatten().ok_or_else(|| {
            self.failed = Some(id);
            Raised
        })
    }

    /// Remembers that the running value needed another one that has something to tell.
    fn note_need(&mut self, id: ThunkId) {
        let thunk = self.shared.thunk(id);
        let told = thunk.record.get().is_some_and(|record| record.told);
        if told && let Some(running) = self.running.last_mut() {
            let again = running.events.iter().rev().take(16).any(|event| matches!(event, Event::Needed(x) if *x == id));
            if !again {
                running.events.push(Event::Needed(id));
            }
        }
    }

    fn compute(&mut self, id: ThunkId, reference: Location, body: &mut dyn FnMut(&mut Self) -> Eval<'h>) {
        let thunk = self.shared.thunk(id);
        self.running.push(Running {
            thunk: id,
            reference,
            // The reference itself, which `enter` notes next, lies in another value.
            sites: self.sites.len() + 1,
            events: Vec::new(),
            diagnostics: Vec::new(),
            seals: 0,
            repetitions: FxHashMap::default(),
        });
        let claim = Claim { shared: self.shared, thunk };
        let steps = std::mem::take(&mut self.steps);
        // Every value has a depth of its own.
        let depth_limit = std::mem::take(&mut self.depth_limit);
        let result = body(self);
        self.depth_limit = depth_limit;
        self.steps = steps;
        std::mem::forget(claim);
        let Some(mut running) = self.running.pop() else { return };
        if result.is_err()
            && let Some(mut error) = self.error.take()
        {
            // Who needed the value first depends on timing, so the trace ends with the value's own calls. At which of
            // its values a cycle is found depends on timing too, and its message shows every step already.
            if error.code == Code::Dx(9378) {
                error.trace.clear();
            }
            running.diagnostics.push(*error);
        }
        let told = !running.events.is_empty() || !running.diagnostics.is_empty();
        let has_failed = |id: &ThunkId| matches!(self.shared.thunk(*id).result.get(), Some(None));
        // Only a value that failed has a reason to look for.
        let because = result.is_err().then_some(&running.events).and_then(|events| {
            events.iter().rev().find_map(|event| match event {
                Event::Needed(id) => Some(*id).filter(has_failed),
                _ => None,
            })
        });
        let diagnostics = running.diagnostics.into();
        let record = Record { events: Mutex::new(running.events), told, diagnostics, because };
        self.shared.finish(thunk, result.ok(), record);
    }

    fn compute_body(&mut self, decl: DeclId, qualifier: QualifierId, reference: Location) -> Eval<'h> {
        let program = self.program();
        let declared = &program.decls[decl.index()];
        let DeclKind::Value { function } = declared.kind else { return Err(Raised) };
        let code = self.shared.code(declared.spec);
        let function: &'h ir::Function = &code.functions[function as usize];
        let frame = Frame { code, captures: &[], base: self.stack.len(), qualifier };
        self.run(function, &frame, reference)?;
        Ok(self.returned)
    }

    fn fail_cycle(&mut self, cycle: Cycle) -> Raised {
        let diagnostic = self.describe_cycle(cycle);
        // The cycle is told by one value only; all others on it fail without a word. Which worker found it depends on
        // timing, so the message goes to the value that the cycle begins with, whoever found it.
        self.fail(diagnostic)
    }

    /// The message about a cycle; it begins with the value that comes first in the program.
    fn describe_cycle(&self, mut cycle: Cycle) -> Diagnostic {
        let program = self.program();
        let first = (0..cycle.len()).min_by(|a, b| self.compare_thunks(cycle[*a].0, cycle[*b].0)).unwrap_or(0);
        cycle.rotate_left(first);
        let name = |id: ThunkId| {
            let thunk = self.shared.thunk(id);
            let name = program.decl_name(thunk.decl);
            let again = |other: &&(ThunkId, Location)| self.shared.thunk(other.0).decl == thunk.decl;
            if cycle.iter().filter(again).count() < 2 || thunk.qualifier == QualifierId::EMPTY {
                return name;
            }
            // The same declaration under several qualifiers: only these tell its values apart.
            let qualifier = program.qualifiers.map_of(thunk.qualifier);
            let qualifier: Vec<String> = qualifier.iter().map(|(key, value)| format!("{key}: \"{value}\"")).collect();
            format!("{name} {{{}}}", qualifier.join(", "))
        };
        let mut names: Vec<String> = cycle.iter().map(|(id, _)| format!("`{}`", name(*id))).collect();
        names.push(names[0].clone());
        let start = program.decl_location(self.shared.thunk(cycle[0].0).decl);
        let message = if cycle.len() == 1 {
            format!("the value {} needs itself to be evaluated", names[0])
        } else {
            format!("the value {} needs itself to be evaluated: {}", names[0], names.join(" → "))
        };
        let mut diagnostic = Diagnostic::error(Code::Dx(9378), message).at(start, "the cycle begins here");
        for step in 0..cycle.len() {
            let (next, reference) = cycle[(step + 1) % cycle.len()];
            let text = format!("`{}` needs `{}` here", name(cycle[step].0), name(next));
            diagnostic = diagnostic.and_at(reference, text);
        }
        diagnostic.help("break the cycle: move what both sides need into a value of its own, or into a function")
    }

    /// Orders top-level values by module, spec, place and qualifier: the same on every run.
    fn compare_thunks(&self, left: ThunkId, right: ThunkId) -> Ordering {
        let (left, right) = (self.shared.thunk(left), self.shared.thunk(right));
        left.decl
            .cmp(&right.decl)
            .then_with(|| self.program().qualifiers.compare(left.qualifier, right.qualifier))
            .then_with(|| left.cache_key.cmp(&right.cache_key))
    }
}
