//! What the workers of one evaluation share: the program, the natives bound to it, and the thunks of top-level values.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use bumpalo::Bump;
use dashmap::DashMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::diagnostics::Diagnostic;
use crate::program::{DeclId, DeclKind, Origin, Program, QualifierId, Spec, SpecId};
use crate::resolve::{Resolved, ir};
use crate::source::{FileId, Files, Location};

use super::expect::ExpectedFailure;
use super::host::Host;
use super::introspect::Records;
use super::native::{BoundMembers, NativeFn, NativeTable};
use super::requests::Request;
use super::value::{Text, Value};

/// A top-level value to be computed: under each qualifier, coerced to the value's space.
pub type Root = (DeclId, QualifierId);

/// A top-level value under one qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThunkId(pub u32);

/// A top-level value under one qualifier: computed at most once, by whichever worker needs it first.
pub(super) struct Thunk<'h> {
    pub decl: DeclId,
    pub qualifier: QualifierId,
    /// The key of a value that a spec keeps in the value cache; none for declared values.
    pub cache_key: Option<Arc<str>>,
    /// The worker that computes it; 0 while none does.
    pub owner: AtomicU32,
    /// The value; `None` when computing it failed.
    pub result: OnceLock<Option<Value<'h>>>,
    /// What computing it did besides.
    pub record: OnceLock<Record>,
}

/// What computing a value did besides giving the value.
#[derive(Default)]
pub(super) struct Record {
    /// Pips made and values needed, in order. The replay takes them, so that no request is ever there twice.
    pub events: Mutex<Vec<Event>>,
    /// Whether it made pips, asked for values under keys, needed values that did, or has messages.
    pub told: bool,
    /// Messages in order; the error that ended it last.
    pub diagnostics: Box<[Diagnostic]>,
    /// The value because of which it failed, if it needed one that did.
    pub because: Option<ThunkId>,
}

/// Something that matters to the graph, in the order in which it happened.
pub enum Event {
    /// The value needed another one, which made pips or messages.
    Needed(ThunkId),
    /// The value made a pip or a seal, or asserted a file.
    Made(Box<Request>),
    /// The value asked for one that is kept under a key.
    Cached(Box<CacheUse>),
    /// A unit test expects that what follows fails.
    FailureBegins,
    /// What was expected to fail ends here.
    FailureEnds(Box<ExpectedFailure>),
}

/// A request for a value that is kept under a key.
#[derive(Debug)]
pub struct CacheUse {
    /// The value.
    pub(super) thunk: ThunkId,
    /// What it would be made from here.
    pub(super) maker: Maker,
    /// The call.
    pub(super) location: Location,
}

/// What a value that is kept under a key is made from: a digest of the function's code and of what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maker(pub [u8; 32]);

/// A top-level value while it is computed.
pub(super) struct Running {
    pub thunk: ThunkId,
    /// Where it was referenced.
    pub reference: Location,
    /// Where its own calls begin in the machine's list of call sites.
    pub sites: usize,
    pub events: Vec<Event>,
    pub diagnostics: Vec<Diagnostic>,
    /// How many seals it has made.
    pub seals: u32,
    /// How often it asked for a unique name.
    pub repetitions: FxHashMap<Arc<str>, u32>,
}

/// What a waiting worker waits for, and what it was computing then.
struct Waiting {
    thunk: ThunkId,
    reference: Location,
    running: Vec<(ThunkId, Location)>,
}

/// A cycle of top-level values: each with the place where the one before it refers to it.
pub(super) type Cycle = Vec<(ThunkId, Location)>;

/// What the workers of one evaluation share.
pub(super) struct Shared<'h> {
    pub resolved: &'h Resolved,
    pub host: &'h Host,
    pub files: &'h Files,
    pub natives: FxHashMap<DeclId, (Arc<str>, NativeFn)>,
    pub members: BoundMembers,
    /// Who made each seal, by its handle: a value, and how many that value had made before.
    pub seals: boxcar::Vec<(ThunkId, u32)>,
    /// What pips were asked for; none when the program does not ask about them.
    pub records: Option<Records>,
    /// The next [`PipHandle`](super::value::PipHandle).
    pub next_pip: AtomicU32,
    /// Bytes in the arenas of all workers, as far as they have told.
    pub memory: AtomicUsize,
    /// Whether that went over the limit.
    pub exhausted: AtomicBool,
    thunks: boxcar::Vec<Thunk<'h>>,
    /// The first thunk of each declaration: most have only one qualifier.
    first: Vec<OnceLock<ThunkId>>,
    more: DashMap<(DeclId, QualifierId), ThunkId, FxBuildHasher>,
    /// Values that specs keep under keys of their own.
    cached: DashMap<(Arc<str>, QualifierId), ThunkId, FxBuildHasher>,
    /// Files of SDK modules and the prelude.
    library: FxHashSet<FileId>,
    /// The string literals of each spec, made when its code first runs.
    texts: Vec<OnceLock<&'h [Text<'h>]>>,
    waiting: Mutex<FxHashMap<u32, Waiting>>,
    finished: Condvar,
}

impl<'h> Shared<'h> {
    pub fn new(resolved: &'h Resolved, host: &'h Host, table: &NativeTable, files: &'h Files) -> Self {
        let program = &resolved.program;
        let mut natives = FxHashMap::default();
        for (index, decl) in program.decls.iter().enumerate() {
            if let DeclKind::Native { .. } = decl.kind {
                let id = DeclId(index as u32);
                let name = program.decl_name(id);
                if let Some(function) = table.functions.get(name.as_str()) {
                    natives.insert(id, (Arc::from(shown_name(&name)), *function));
                }
            }
        }
        Self {
            resolved,
            host,
            files,
            natives,
            members: BoundMembers::new(table, &program.symbols),
            seals: boxcar::Vec::new(),
            records: Records::wanted(resolved),
            next_pip: AtomicU32::new(0),
            memory: AtomicUsize::new(0),
            exhausted: AtomicBool::new(false),
            thunks: boxcar::Vec::new(),
            first: (0..program.decls.len()).map(|_| OnceLock::new()).collect(),
            more: DashMap::default(),
            cached: DashMap::default(),
            library: program.specs.iter().filter(|spec| is_library(program, spec)).map(|spec| spec.file).collect(),
            texts: (0..program.specs.len()).map(|_| OnceLock::new()).collect(),
            waiting: Mutex::new(FxHashMap::default()),
            finished: Condvar::new(),
        }
    }

    /// Whether a file belongs to an SDK module or the prelude.
    pub fn is_library(&self, file: FileId) -> bool {
        self.library.contains(&file)
    }

    pub fn code(&self, spec: SpecId) -> &'h ir::Code {
        &self.resolved.code[spec.index()]
    }

    pub fn thunk(&self, id: ThunkId) -> &Thunk<'h> {
        &self.thunks[id.0 as usize]
    }

    /// The thunk of a declaration under a qualifier; made when it is first asked for.
    pub fn thunk_of(&self, decl: DeclId, qualifier: QualifierId) -> ThunkId {
        let first = *self.first[decl.index()].get_or_init(|| self.new_thunk(decl, qualifier, None));
        if self.thunk(first).qualifier == qualifier {
            return first;
        }
        if let Some(known) = self.more.get(&(decl, qualifier)) {
            return *known;
        }
        *self.more.entry((decl, qualifier)).or_insert_with(|| self.new_thunk(decl, qualifier, None))
    }

    /// What each value did that was computed, in no particular order.
    pub fn each_record(&self, mut see: impl FnMut(DeclId, &Record)) {
        for (_, thunk) in &self.thunks {
            if let Some(record) = thunk.record.get() {
                see(thunk.decl, record);
            }
        }
    }

    /// The thunk of a value that is kept under a key. `decl` is where pips made for it are said to come from.
    pub fn cached_thunk(&self, key: &Arc<str>, decl: DeclId, qualifier: QualifierId) -> ThunkId {
        let place = (key.clone(), qualifier);
        *self.cached.entry(place).or_insert_with(|| self.new_thunk(decl, qualifier, Some(key.clone())))
    }

    fn new_thunk(&self, decl: DeclId, qualifier: QualifierId, cache_key: Option<Arc<str>>) -> ThunkId {
        let (owner, result, record) = (AtomicU32::new(0), OnceLock::new(), OnceLock::new());
        let thunk = Thunk { decl, qualifier, cache_key, owner, result, record };
        ThunkId(self.thunks.push(thunk) as u32)
    }

    /// The string literals of a spec by their number.
    pub fn texts(&self, spec: SpecId, heap: &'h Bump) -> &'h [Text<'h>] {
        self.texts[spec.index()].get_or_init(|| {
            let code = self.code(spec);
            let mut origins = vec![None; code.strings.len()];
            for (index, expr) in code.exprs.iter().enumerate() {
                if let ir::Expr::String(text) = expr {
                    origins[*text as usize] = Some(code.expr_spans[index].in_file(code.file));
                }
            }
            let texts = code.strings.iter().zip(origins);
            let texts: Vec<Text<'h>> = texts.map(|(text, origin)| Text { text, origin }).collect();
            heap.alloc_slice_fill_iter(texts)
        })
    }

    /// Makes the worker the one that computes the thunk. False when it is being computed or done.
    pub fn claim(&self, thunk: &Thunk<'h>, worker: u32) -> bool {
        thunk.owner.compare_exchange(0, worker, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Publishes what a thunk came to and wakes whoever waits for it.
    pub fn finish(&self, thunk: &Thunk<'h>, result: Option<Value<'h>>, record: Record) {
        // Only the worker that claimed the thunk comes here, so neither can be set already.
        let _ = thunk.record.set(record);
        let _ = thunk.result.set(result);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.is_empty() {
            self.finished.notify_all();
        }
    }

    /// Waits until another worker has computed the thunk.
    ///
    /// # Errors
    /// When that worker, directly or through others, waits for something that this worker is computing: the cycle,
    /// beginning with `thunk`.
    pub fn wait(&self, id: ThunkId, reference: Location, worker: u32, running: &[Running]) -> Result<(), Cycle> {
        let thunk = self.thunk(id);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if thunk.result.get().is_some() {
            return Ok(());
        }
        if let Some(cycle) = self.cycle(&waiting, id, reference, worker, running) {
            return Err(cycle);
        }
        let running = running.iter().map(|value| (value.thunk, value.reference)).collect();
        waiting.insert(worker, Waiting { thunk: id, reference, running });
        while thunk.result.get().is_none() {
            waiting = self.finished.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.remove(&worker);
        Ok(())
    }

    /// The cycle that waiting for `wanted` would close: through every worker that waits for the next.
    fn cycle(
        &self,
        waiting: &FxHashMap<u32, Waiting>,
        wanted: ThunkId,
        reference: Location,
        worker: u32,
        running: &[Running],
    ) -> Option<Cycle> {
        let mut cycle = Vec::new();
        let (mut wanted, mut reference) = (wanted, reference);
        loop {
            let owner = self.thunk(wanted).owner.load(Ordering::Acquire);
            let stack: Vec<(ThunkId, Location)> = if owner == worker {
                running.iter().map(|value| (value.thunk, value.reference)).collect()
            } else {
                waiting.get(&owner)?.running.clone()
            };
            let from = stack.iter().position(|(thunk, _)| *thunk == wanted)?;
            cycle.push((wanted, reference));
            cycle.extend_from_slice(&stack[from + 1..]);
            if owner == worker {
                return Some(cycle);
            }
            let next = waiting.get(&owner)?;
            (wanted, reference) = (next.thunk, next.reference);
        }
    }
}

/// The name of a native as users know it. The namespaces behind SDK modules have a prefix that no user ever writes.
pub(super) fn shown_name(name: &str) -> &str {
    name.strip_prefix("_PreludeAmbientHack_").unwrap_or(name)
}

fn is_library(program: &Program, spec: &Spec) -> bool {
    matches!(program.modules[spec.module.index()].origin, Origin::Library | Origin::Prelude)
}
