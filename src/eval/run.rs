//! Driving an evaluation: workers over the roots, then the replay into a graph.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bumpalo::Bump;
use rustc_hash::FxHashMap;

use crate::diagnostics::Diagnostic;
use crate::graph::{GraphBuilder, PipGraph};
use crate::program::{DeclId, DeclKind, Origin, QualifierId};
use crate::resolve::Resolved;
use crate::source::{Files, Location};

use super::follower::Follower;
use super::host::Host;
use super::machine::Machine;
use super::native::NativeTable;
use super::replay::Replay;
use super::shared::{Root, Shared};
use super::stack::StackRoom;
use super::value::Value;

/// What to evaluate.
#[derive(Clone, Copy)]
pub struct Evaluation<'h> {
    /// The lowered program.
    pub resolved: &'h Resolved,
    /// The world it sees.
    pub host: &'h Host,
    /// The natives.
    pub natives: &'h NativeTable,
    /// The texts, for places in messages.
    pub files: &'h Files,
    /// How many workers; at least one.
    pub threads: usize,
}

impl Evaluation<'_> {
    /// Computes every value of the build extent under each qualifier and builds the graph of all pips that were made.
    /// The graph is there even when there are errors, with what could be made.
    pub fn graph(&self, qualifiers: &[QualifierId], builder: GraphBuilder) -> (PipGraph, Vec<Diagnostic>) {
        let (roots, mut diagnostics) = self.extent_roots(qualifiers);
        let (builder, said) = self.filled(&roots, builder);
        diagnostics.extend(said);
        let (graph, found) = builder.finish();
        diagnostics.extend(found);
        (graph, diagnostics)
    }

    /// Computes some values and builds the graph of all pips that they make or need.
    pub fn graph_of(&self, roots: &[Root], builder: GraphBuilder) -> (PipGraph, Vec<Diagnostic>) {
        let (builder, mut diagnostics) = self.filled(roots, builder);
        let (graph, found) = builder.finish();
        diagnostics.extend(found);
        (graph, diagnostics)
    }

    /// The builder with the pips of all roots. The values are gone when it returns: nothing in the graph needs them.
    fn filled(&self, roots: &[Root], builder: GraphBuilder) -> (GraphBuilder, Vec<Diagnostic>) {
        let mut heaps = self.heaps();
        let shared = Shared::new(self.resolved, self.host, self.natives, self.files);
        let batches = batches(&shared, roots);
        let follower = Follower::new(Replay::new(&shared, self.files, builder), &shared, &batches);
        compute(&shared, &batches, &mut heaps, |batch| follower.computed(batch));
        follower.finish()
    }

    /// Computes some values and hands each to `take` with its root; a value that failed is `None`.
    pub fn values<R>(
        &self,
        roots: &[Root],
        take: impl FnMut(&mut Machine<'_, '_>, Option<Value<'_>>) -> R,
    ) -> (Vec<R>, Vec<Diagnostic>) {
        self.values_beside(roots, |_| false, take)
    }

    /// [`Evaluation::values`] without the messages of values for which `told` says that they were shown before.
    pub fn values_beside<R>(
        &self,
        roots: &[Root],
        told: impl Fn(DeclId) -> bool,
        mut take: impl FnMut(&mut Machine<'_, '_>, Option<Value<'_>>) -> R,
    ) -> (Vec<R>, Vec<Diagnostic>) {
        let mut heaps = self.heaps();
        heaps.push(Bump::new());
        let shared = Shared::new(self.resolved, self.host, self.natives, self.files);
        let Some((last, heaps)) = heaps.split_last_mut() else { return (Vec::new(), Vec::new()) };
        compute(&shared, &batches(&shared, roots), heaps, |_| {});
        let mut diagnostics = Vec::new();
        shared.each_record(|decl, record| {
            if !told(decl) {
                diagnostics.extend(record.diagnostics.iter().cloned());
            }
        });
        let mut machine = Machine::new(&shared, last, u32::MAX);
        let results = roots
            .iter()
            .map(|(decl, qualifier)| {
                let value = shared.thunk(shared.thunk_of(*decl, *qualifier)).result.get().copied().flatten();
                take(&mut machine, value)
            })
            .collect();
        (results, diagnostics)
    }

    fn heaps(&self) -> Vec<Bump> {
        (0..self.threads.max(1)).map(|_| Bump::new()).collect()
    }

    /// Every value of the build extent under each qualifier.
    fn extent_roots(&self, qualifiers: &[QualifierId]) -> (Vec<Root>, Vec<Diagnostic>) {
        let program = &self.resolved.program;
        let mut roots = Vec::new();
        let mut diagnostics = Vec::new();
        for spec in &program.specs {
            if program.modules[spec.module.index()].origin != Origin::Extent {
                continue;
            }
            for decl in &spec.decls {
                let declared = &program.decls[decl.index()];
                if !matches!(declared.kind, DeclKind::Value { .. }) {
                    continue;
                }
                for qualifier in qualifiers {
                    match program.qualifiers.coerce(*qualifier, declared.space) {
                        Ok(instance) => roots.push((*decl, instance)),
                        Err(error) => {
                            let name = program.decl_name(*decl);
                            let message =
                                format!("`{name}` cannot be evaluated under the requested qualifier: {error}");
                            let code = crate::diagnostics::Code::Dx(9364);
                            let place = program.decl_location(*decl);
                            let found = Diagnostic::error(code, message).at(place, "");
                            diagnostics
                                .push(found.help("request another qualifier with `-q`, or widen the qualifier space"));
                        }
                    }
                }
            }
        }
        (roots, diagnostics)
    }
}

/// How many values of one spec a worker takes at a time. Values of one spec need one another more often than not: two
/// workers in one spec would mostly wait.
const BATCH: usize = 32;

/// The roots in the portions that workers take.
fn batches<'r>(shared: &Shared<'_>, roots: &'r [Root]) -> Vec<&'r [Root]> {
    let spec_of = |root: &Root| shared.resolved.program.decls[root.0.index()].spec;
    roots.chunk_by(|a, b| spec_of(a) == spec_of(b)).flat_map(|spec| spec.chunks(BATCH)).collect()
}

/// Computes all batches with one worker for each heap; `computed` hears of each that is done.
fn compute<'h>(shared: &Shared<'h>, batches: &[&[Root]], heaps: &'h mut [Bump], computed: impl Fn(usize) + Sync) {
    let program = &shared.resolved.program;
    let next = AtomicUsize::new(0);
    let work = |worker: usize, heap: &'h Bump| {
        let mut machine = Machine::new(shared, heap, worker as u32 + 1);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(index) else { break };
            for (decl, qualifier) in *batch {
                // A failure is on record with the value.
                let _ = machine.force(*decl, *qualifier, program.decl_location(*decl));
                machine.error = None;
            }
            computed(index);
        }
    };
    match heaps {
        [only] => work(0, only),
        // On the threads that parsed, whose memory is free again. A worker that waits blocks its thread, which is safe:
        // whoever it waits for was started and never waits for a thread.
        several => rayon::scope(|scope| {
            for (worker, heap) in several.iter_mut().enumerate() {
                let work = &work;
                scope.spawn(move |_| work(worker, heap));
            }
        }),
    }
}

impl<'s, 'h> Machine<'s, 'h> {
    pub(super) fn new(shared: &'s Shared<'h>, heap: &'h Bump, worker: u32) -> Self {
        use crate::program::SpaceId;
        Self {
            shared,
            heap,
            worker,
            stack: Vec::with_capacity(1024),
            sites: Vec::new(),
            depth_limit: 0,
            stack_room: StackRoom::UNKNOWN,
            returned: Value::Undefined,
            growths: Vec::new(),
            callees: Box::new([None; _]),
            steps: 0,
            pause_at: shared.host.limits.steps.min(super::limits::STEPS_BETWEEN_PAUSES),
            counted: 0,
            running: Vec::new(),
            error: None,
            failed: None,
            literals: FxHashMap::default(),
            last_coercion: (QualifierId::EMPTY, SpaceId::EMPTY, QualifierId::EMPTY),
        }
    }

    /// The text of a place.
    pub fn source_text(&self, location: Location) -> &'h str {
        let text: &'h Arc<str> = self.shared.files.get(location.file).text();
        location.span.of(text)
    }

    /// Where a place is, as people count.
    pub fn line_column(&self, location: Location) -> crate::source::LineColumn {
        self.shared.files.get(location.file).line_column(location.span.start)
    }
}
