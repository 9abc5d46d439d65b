//! One worker's interpreter: its arena, its stack, and the small services that natives use.

use std::sync::Arc;

use bumpalo::Bump;
use rustc_hash::FxHashMap;

use crate::diagnostics::{Code, Diagnostic, Label, TraceFrame};
use crate::paths::{PathId, Paths};
use crate::program::{Program, QualifierId};
use crate::source::{Location, Symbol, Symbols};

use super::calls::Callees;
use super::grow::Growths;
use super::host::Host;
use super::native::{Args, Eval, Raised, Site};
use super::shared::{Event, Running, Shared, ThunkId};
use super::stack::StackRoom;
use super::value::{Array, Object, PipHandle, Relative, SealHandle, Text, Value};
use crate::graph::FileArtifact;

/// One worker's interpreter.
pub struct Machine<'s, 'h> {
    pub(super) shared: &'s Shared<'h>,
    /// Where new values go.
    pub(super) heap: &'h Bump,
    /// The number of the worker, from 1.
    pub(super) worker: u32,
    /// Slots of the running frames.
    pub(super) stack: Vec<Value<'h>>,
    /// Where each running call was made and each running value was referenced, innermost last.
    pub(super) sites: Vec<Location>,
    /// How many calls in all are surely not too deep.
    pub(super) depth_limit: usize,
    /// The native stack.
    pub(super) stack_room: StackRoom,
    /// What the function gave that ran last.
    pub(super) returned: Value<'h>,
    /// Variables that grow in place.
    pub(super) growths: Growths<'h>,
    /// The declared functions called last.
    pub(super) callees: Box<Callees<'h>>,
    /// Calls and rounds of loops of the running value so far.
    pub(super) steps: u64,
    /// After how many steps to see whether somebody wants evaluation to stop. Never above the limit of steps.
    pub(super) pause_at: u64,
    /// The bytes in the arena that the workers' common count knows of.
    pub(super) counted: usize,
    /// The top-level values being computed, innermost last.
    pub(super) running: Vec<Running>,
    /// Why evaluation is unwinding; none while it is not, or when the reason was reported already.
    pub(super) error: Option<Box<Diagnostic>>,
    /// The top-level value that was needed last and had failed.
    pub(super) failed: Option<ThunkId>,
    /// The symbols of string literals by the address of their text: most arguments of processes are literals, and the
    /// table of all strings is shared by all workers.
    pub(super) literals: FxHashMap<usize, Symbol>,
    /// The last coercion of a qualifier: nearly always the next one too.
    pub(super) last_coercion: (QualifierId, crate::program::SpaceId, QualifierId),
}

/// How many steps of the call chain an error keeps.
const TRACE: usize = 64;

impl<'s, 'h> Machine<'s, 'h> {
    // What natives see of the world.

    /// The declarations, modules and namespaces.
    pub fn program(&self) -> &'h Program {
        &self.shared.resolved.program
    }

    /// The interned paths.
    pub fn paths(&self) -> &'h Paths {
        &self.shared.resolved.program.paths
    }

    /// A path as messages name it: relative to the workspace where it lies below it.
    pub fn show(&self, path: PathId) -> String {
        crate::graph::show(self.paths(), self.host().source_root, path)
    }

    /// The interned strings.
    pub fn symbols(&self) -> &'h Symbols {
        &self.shared.resolved.program.symbols
    }

    /// The file system, environment, mounts and limits of this evaluation.
    pub fn host(&self) -> &'h Host {
        self.shared.host
    }

    /// The arena, for values that natives build by hand.
    pub fn heap(&self) -> &'h Bump {
        self.heap
    }

    // Making values.

    /// A string.
    pub fn string(&self, text: &str) -> Value<'h> {
        let text = self.heap.alloc_str(text);
        Value::String(self.heap.alloc(Text { text, origin: None }))
    }

    /// The symbol of a string.
    pub fn intern(&mut self, text: &'h Text<'h>) -> Symbol {
        if text.origin.is_none() {
            return self.symbols().intern(text.text);
        }
        let symbols = self.symbols();
        *self.literals.entry(std::ptr::from_ref(text) as usize).or_insert_with(|| symbols.intern(text.text))
    }

    /// An array.
    pub fn array(&self, items: &[Value<'h>]) -> Value<'h> {
        let items = self.heap.alloc_slice_copy(items);
        Value::Array(self.heap.alloc(Array { items, merge: None }))
    }

    /// An array of items that lie in the arena already.
    pub fn array_in_arena(&self, items: &'h [Value<'h>]) -> Value<'h> {
        Value::Array(self.heap.alloc(Array { items, merge: None }))
    }

    /// An object; keys must not repeat.
    pub fn object(&self, entries: &[(Symbol, Value<'h>)]) -> Value<'h> {
        let keys = self.heap.alloc_slice_fill_iter(entries.iter().map(|(key, _)| *key));
        let values = self.heap.alloc_slice_fill_iter(entries.iter().map(|(_, value)| *value));
        Value::Object(self.heap.alloc(Object { keys, values, merge: None }))
    }

    /// An object whose keys are given as text; keys must not repeat.
    pub fn object_of(&self, entries: &[(&str, Value<'h>)]) -> Value<'h> {
        let entries: Vec<_> = entries.iter().map(|(key, value)| (self.symbols().intern(key), *value)).collect();
        self.object(&entries)
    }

    /// A relative path.
    pub fn relative(&self, atoms: &[Symbol]) -> Value<'h> {
        Value::Relative(self.heap.alloc(Relative { atoms: self.heap.alloc_slice_copy(atoms) }))
    }

    /// A source file.
    pub fn source_file(&self, path: PathId) -> Value<'h> {
        Value::File(FileArtifact { path, rewrite: 0 })
    }

    // Failing.

    /// Stops evaluation with this diagnostic. One that points into an SDK points at the call that led there as well,
    /// and first: that is where its reader can act.
    pub fn fail(&mut self, mut diagnostic: Diagnostic) -> Raised {
        // Only the calls of the running value: who needed the value first depends on timing.
        let own = self.running.last().map_or(0, |running| running.sites).min(self.sites.len());
        let inside = diagnostic.labels.iter_mut().find(|label| label.primary);
        if let Some(inside) = inside.filter(|label| self.shared.is_library(label.location.file))
            && let Some(caller) = self.sites[own..].iter().rev().find(|site| !self.shared.is_library(site.file))
        {
            inside.primary = false;
            if inside.message.is_empty() {
                inside.message = "raised here".to_owned();
            }
            diagnostic.labels.insert(0, Label { location: *caller, message: String::new(), primary: true });
        }
        self.error = Some(Box::new(diagnostic));
        Raised
    }

    /// The innermost call that led to `site` and was not made by the SDK: where a message is for its reader.
    pub fn call_outside_sdk(&self, site: Location) -> Location {
        if !self.shared.is_library(site.file) {
            return site;
        }
        let own = self.running.last().map_or(0, |running| running.sites).min(self.sites.len());
        let caller = self.sites[own..].iter().rev().find(|site| !self.shared.is_library(site.file));
        caller.copied().unwrap_or(site)
    }

    /// Where the running top-level value's own spec made the call that led here: the line that a user would name.
    pub fn call_in_spec(&self, site: Location) -> Location {
        let Some(running) = self.running.last() else { return site };
        let program = self.program();
        let decl = self.shared.thunk(running.thunk).decl;
        let declared = program.decl_location(decl);
        // An expression that is evaluated in a spec leads into that spec: that is where its user can act.
        let at = program.specs[program.decls[decl.index()].spec.index()].probe_of;
        let file = at.map_or(declared.file, |at| program.specs[at.index()].file);
        if site.file == file {
            return site;
        }
        let own = self.sites[running.sites.min(self.sites.len())..].iter().rev().find(|site| site.file == file);
        own.copied().unwrap_or(if site.file == declared.file { site } else { declared })
    }

    /// Stops evaluation with an error at the call.
    pub fn fail_at_call(&mut self, args: &Args<'_, 'h>, code: Code, message: impl Into<String>) -> Raised {
        self.fail(Diagnostic::error(code, message).at(args.site.location(), ""))
    }

    /// Stops evaluation with an error at one argument of the call.
    pub fn fail_at(&mut self, args: &Args<'_, 'h>, index: usize, code: Code, message: impl Into<String>) -> Raised {
        self.fail(Diagnostic::error(code, message).at(args.site.argument(index), ""))
    }

    /// Stops evaluation because an argument has the wrong type (DX9325).
    pub fn wrong_type(&mut self, args: &Args<'_, 'h>, index: usize, expected: &str) -> Raised {
        let found = self.describe(args.get(index));
        // Modules of the SDK give the hidden natives the names that users know.
        let name = args.name.strip_prefix("_PreludeAmbientHack_").unwrap_or(args.name);
        let nth = index + 1;
        let message = format!("argument {nth} of `{name}` must be {expected}, but it is {found}");
        self.fail_at(args, index, Code::Dx(9325), message)
    }

    /// Keeps a message that does not stop evaluation: warnings, `Debug.writeLine`.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if let Some(running) = self.running.last_mut() {
            running.diagnostics.push(diagnostic);
        }
    }

    /// The calls that the running value is in, innermost first, each by the text of what is called.
    pub fn call_stack(&self) -> Vec<TraceFrame> {
        let own = self.running.last().map_or(0, |running| running.sites).min(self.sites.len());
        let named = |site: &Location| {
            let text = self.source_text(*site);
            let callee = text.split('(').next().unwrap_or(text).trim();
            let short = !callee.is_empty() && callee.len() <= 60 && !callee.contains('\n');
            TraceFrame { value: if short { callee } else { "a function" }.to_owned(), location: *site }
        };
        self.sites[own..].iter().rev().take(TRACE).map(named).collect()
    }

    /// Adds a step to the call chain of the error that is unwinding.
    #[inline(never)]
    pub(super) fn trace(&mut self, value: impl FnOnce(&Self) -> String, location: Location) {
        if self.error.as_ref().is_some_and(|error| error.trace.len() < TRACE) {
            let value = value(self);
            if let Some(error) = &mut self.error {
                error.trace.push(TraceFrame { value, location });
            }
        }
    }

    /// A value as text: what `toString()` and `${…}` give.
    pub fn display(&self, value: Value<'h>) -> String {
        super::display::to_display(self, value)
    }

    /// A value in a few words, for messages: ``string `abc` ``, `number 3`, `array`.
    pub fn describe(&self, value: Value<'h>) -> String {
        match value {
            Value::Undefined => "undefined".to_owned(),
            Value::Unit => "unit".to_owned(),
            Value::Namespace(..) => "a namespace".to_owned(),
            Value::MutableSet(_) => "a MutableSet".to_owned(),
            Value::StringBuilder(_) => "a StringBuilder".to_owned(),
            Value::ServiceId(_) => "a service id".to_owned(),
            Value::IpcMoniker(_) => "an ipc moniker".to_owned(),
            Value::ExecuteResult(result) if result.is_service => "the result of `Transformer.createService`".to_owned(),
            Value::ExecuteResult(_) => "the result of `Transformer.execute`".to_owned(),
            Value::Bool(b) => format!("boolean `{b}`"),
            Value::Number(n) => format!("number `{n}`"),
            Value::String(text) => {
                let shown: String = text.text.chars().take(40).collect();
                let more = if shown.len() < text.text.len() { "…" } else { "" };
                format!("string `{}{more}`", shown.escape_debug())
            }
            other => {
                let name = other.type_of();
                let article = if name.starts_with(['a', 'e', 'i', 'o', 'u', 'E']) { "an" } else { "a" };
                format!("{article} {name}")
            }
        }
    }

    // Arguments of the wanted type.

    /// A string argument.
    ///
    /// # Errors
    /// DX9325 when it is something else.
    pub fn string_arg(&mut self, args: &Args<'_, 'h>, index: usize) -> Result<&'h str, Raised> {
        args.get(index).as_str().ok_or(()).map_err(|()| self.wrong_type(args, index, "a string"))
    }

    /// A number argument.
    ///
    /// # Errors
    /// DX9325 when it is something else.
    pub fn number_arg(&mut self, args: &Args<'_, 'h>, index: usize) -> Result<i32, Raised> {
        match args.get(index) {
            Value::Number(number) => Ok(number),
            _ => Err(self.wrong_type(args, index, "a number")),
        }
    }

    /// An array argument.
    ///
    /// # Errors
    /// DX9325 when it is something else.
    pub fn array_arg(&mut self, args: &Args<'_, 'h>, index: usize) -> Result<&'h [Value<'h>], Raised> {
        args.get(index).as_array().ok_or(()).map_err(|()| self.wrong_type(args, index, "an array"))
    }

    /// The path of a path-like argument: path, file, directory or sealed directory.
    ///
    /// # Errors
    /// DX9325 when it is something else.
    pub fn path_arg(&mut self, args: &Args<'_, 'h>, index: usize) -> Result<PathId, Raised> {
        args.get(index).as_path().ok_or(()).map_err(|()| self.wrong_type(args, index, "a path, file or directory"))
    }

    // Calling back.

    /// Calls a function value; surplus arguments are dropped.
    ///
    /// # Errors
    /// When the value is not a function (DX9325) or the call fails.
    pub fn call(&mut self, function: Value<'h>, values: &[Value<'h>], site: Site<'h>) -> Eval<'h> {
        self.on_any_stack(|m| m.call_value(function, values, site))
    }

    // Pips.

    /// Records something for the graph, in the order in which this top-level value does it.
    pub fn emit(&mut self, event: Event) {
        if let (Some(records), Event::Made(request)) = (&self.shared.records, &event) {
            records.note(&request.kind);
        }
        if let Some(running) = self.running.last_mut() {
            running.events.push(event);
        }
    }

    /// A new identity for a sealed or output directory.
    pub fn new_seal(&mut self) -> SealHandle {
        let maker = match self.running.last_mut() {
            Some(running) => {
                running.seals += 1;
                (running.thunk, running.seals)
            }
            None => (ThunkId(u32::MAX), 0),
        };
        SealHandle(self.shared.seals.push(maker) as u32)
    }

    /// Which seal it is, by who made it: unlike the handle it does not depend on timing, nor on where the workspace lies.
    pub fn seal_name(&self, seal: SealHandle) -> String {
        let Some((thunk, number)) = self.shared.seals.get(seal.0 as usize).filter(|maker| maker.1 > 0) else {
            return String::new();
        };
        let (program, thunk) = (self.program(), self.shared.thunk(*thunk));
        let spec = &program.specs[program.decls[thunk.decl.index()].spec.index()];
        let module = &program.modules[spec.module.index()].name;
        let key = thunk.cache_key.as_deref().unwrap_or_default();
        let mut name =
            format!("{module}\0{}\0{}\0{key}\0{number}", self.show(spec.path), program.decl_name(thunk.decl));
        for (setting, value) in program.qualifiers.map_of(thunk.qualifier).iter() {
            name.push_str(&format!("\0{setting}={value}"));
        }
        name
    }

    /// A new identity for a process or a message.
    pub fn new_pip(&self) -> PipHandle {
        PipHandle(self.shared.next_pip.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    /// What distinguishes the top-level value being evaluated: its declaration and qualifier.
    pub fn current_value(&self) -> Option<(crate::program::DeclId, QualifierId)> {
        let running = self.running.last()?;
        let thunk = self.shared.thunk(running.thunk);
        Some((thunk.decl, thunk.qualifier))
    }

    /// How often the current top-level value asked for this name before; counts this time.
    pub fn repetition(&mut self, name: &str) -> u32 {
        let Some(running) = self.running.last_mut() else { return 0 };
        let count = running.repetitions.entry(Arc::from(name)).or_insert(0);
        *count += 1;
        *count - 1
    }
}
