//! Calls: frames, arguments, functions of every kind, and the limits that keep recursion finite.

use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{CoercionError, DeclId, DeclKind, QualifierId, SpaceId};
use crate::resolve::ir::{self, Expr, ExprId};
use crate::source::{Location, Symbol};

use super::instead::instead;
use super::machine::Machine;
use super::native::{Args, Eval, Raised, Receiver, Site, Values};
use super::statements::Flow;
use super::value::{Closure, Method, Value};

/// The frame of a running function. Its slots lie on the machine's stack from `base` on.
#[derive(Clone, Copy)]
pub(super) struct Frame<'h> {
    pub code: &'h ir::Code,
    pub captures: &'h [Value<'h>],
    pub base: usize,
    pub qualifier: QualifierId,
}

impl<'h> Frame<'h> {
    pub fn site(&self, expr: ExprId) -> Site<'h> {
        Site { code: self.code, expr }
    }

    pub fn location(&self, expr: ExprId) -> Location {
        self.code.span(expr).in_file(self.code.file)
    }
}

/// A declared function with what a call needs of it.
#[derive(Clone, Copy)]
pub(super) struct Callee<'h> {
    decl: DeclId,
    space: SpaceId,
    code: &'h ir::Code,
    function: &'h ir::Function,
}

/// The functions that were called last, each at the place that its number gives: mostly the same few are called over
/// and over.
pub(super) type Callees<'h> = [Option<Callee<'h>>; CALLEES];

const CALLEES: usize = 64;

impl<'h> Machine<'_, 'h> {
    /// One level deeper: refuses what looks endless (DX9353, DS0402, DS0403).
    pub(super) fn enter<R>(
        &mut self,
        reference: Location,
        f: impl FnOnce(&mut Self) -> Result<R, Raised>,
    ) -> Result<R, Raised> {
        self.check_depth(reference)?;
        self.step(|| reference)?;
        self.sites.push(reference);
        let result = if self.stack_is_low() { self.with_more_stack(f) } else { f(self) };
        self.sites.pop();
        result
    }

    /// Calls a function whose arguments lie on the stack from `base` on; the stack is cut back to `base`. The result
    /// waits in `returned`: handing it on from caller to caller would copy it each time.
    #[inline(always)]
    pub(super) fn run(
        &mut self,
        function: &'h ir::Function,
        frame: &Frame<'h>,
        reference: Location,
    ) -> Result<(), Raised> {
        if self.check_depth(reference).is_err() || self.step(|| reference).is_err() {
            self.stack.truncate(frame.base);
            return Err(Raised);
        }
        self.sites.push(reference);
        let result =
            if self.stack_is_low() { self.run_on_more_stack(function, frame) } else { self.run_body(function, frame) };
        self.sites.pop();
        self.end_growths(frame.base);
        self.stack.truncate(frame.base);
        result
    }

    #[cold]
    fn run_on_more_stack(&mut self, function: &'h ir::Function, frame: &Frame<'h>) -> Result<(), Raised> {
        self.with_more_stack(|m| m.run_body(function, frame))
    }

    #[inline(always)]
    fn run_body(&mut self, function: &'h ir::Function, frame: &Frame<'h>) -> Result<(), Raised> {
        if !function.plain || self.stack.len() != frame.base + function.slots as usize {
            self.adjust_arguments(function, frame.base);
        }
        match function.body {
            ir::Body::Expr(expr) => self.give(frame, expr),
            ir::Body::Block(body) => self.exec_all(frame, frame.code.stmts_of(body)).map(|flow| {
                if !matches!(flow, Flow::Return) {
                    self.returned = Value::Undefined;
                }
            }),
        }
    }

    /// Brings the arguments on the stack into the shape of the function's slots.
    #[inline(never)]
    fn adjust_arguments(&mut self, function: &ir::Function, base: usize) {
        let count = function.parameters.len();
        if function.rest {
            let fixed = count - 1;
            while self.stack.len() < base + fixed {
                self.stack.push(Value::Undefined);
            }
            let rest = self.array(&self.stack[base + fixed..]);
            self.stack.truncate(base + fixed);
            self.stack.push(rest);
        } else if self.stack.len() > base + count {
            self.stack.truncate(base + count);
        }
        self.stack.resize(base + function.slots as usize, Value::Undefined);
        for slot in &function.cell_parameters {
            let at = base + *slot as usize;
            self.stack[at] = self.new_cell(self.stack[at]);
        }
    }

    /// Evaluates arguments onto the stack; returns where they begin.
    #[inline(always)]
    pub(super) fn push_arguments(&mut self, frame: &Frame<'h>, arguments: &'h [ExprId]) -> Result<usize, Raised> {
        let base = self.stack.len();
        for argument in arguments {
            let pushed = match frame.code.exprs[argument.0 as usize] {
                Expr::Local(slot) => {
                    let slot = frame.base + slot as usize;
                    // As in `Value::store`: a number may just have been written.
                    if let Value::Number(number) = self.stack[slot] {
                        self.stack.push(Value::Number(number));
                    } else {
                        self.stack.push(self.stack[slot]);
                    }
                    continue;
                }
                Expr::Number(number) => {
                    self.stack.push(Value::Number(number));
                    continue;
                }
                Expr::Spread(inner) => self.push_spread(frame, inner, base),
                _ => self.eval(frame, *argument).map(|value| self.stack.push(value)),
            };
            if pushed.is_err() {
                self.stack.truncate(base);
                return Err(Raised);
            }
        }
        Ok(base)
    }

    /// The function that a declaration is; none when it is something else.
    #[inline(always)]
    fn callee(&mut self, decl: DeclId) -> Option<Callee<'h>> {
        let place = decl.index() % CALLEES;
        if self.callees[place].is_none_or(|known| known.decl != decl) {
            self.callees[place] = self.find_callee(decl);
        }
        let Callee { decl, space, code, function } = self.callees[place]?;
        Some(Callee { decl, space, code, function })
    }

    #[cold]
    fn find_callee(&self, decl: DeclId) -> Option<Callee<'h>> {
        let declared = &self.program().decls[decl.index()];
        let DeclKind::Function { function } = declared.kind else { return None };
        let code = self.shared.code(declared.spec);
        let function = &code.functions[function as usize];
        Some(Callee { decl, space: declared.space, code, function })
    }

    /// Evaluates arguments into a list of their own.
    #[inline(never)]
    fn collect_arguments(&mut self, frame: &Frame<'h>, arguments: &'h [ExprId]) -> Result<Values<'h>, Raised> {
        let base = self.push_arguments(frame, arguments)?;
        let values = Values::from_slice(&self.stack[base..]);
        self.stack.truncate(base);
        Ok(values)
    }

    /// Puts the items of `...e` on the stack, behind what lies there from `base` on.
    #[inline(never)]
    pub(super) fn push_spread(&mut self, frame: &Frame<'h>, inner: ExprId, base: usize) -> Result<(), Raised> {
        let items = self.spread(frame, inner)?;
        self.room_for_items(self.stack.len() - base + items.len(), frame.location(inner))?;
        self.stack.extend_from_slice(items);
        Ok(())
    }

    /// The items of `...e`.
    fn spread(&mut self, frame: &Frame<'h>, inner: ExprId) -> Result<&'h [Value<'h>], Raised> {
        match self.eval(frame, inner)? {
            Value::Array(array) => Ok(array.items),
            Value::Set(set) => Ok(set.items()),
            Value::Undefined => {
                let error = Diagnostic::error(Code::Dx(9338), "`...` is applied to undefined")
                    .at(frame.location(inner), "this is undefined")
                    .help("give an array here, for example with `… || []`");
                Err(self.fail(error))
            }
            other => {
                let message = format!("`...` needs an array, but this is {}", self.describe(other));
                Err(self.fail(Diagnostic::error(Code::Dx(9350), message).at(frame.location(inner), "")))
            }
        }
    }

    /// Calls a declared function or a native; what it gives is left in `returned`.
    #[inline(never)]
    pub(super) fn run_call(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        decl: DeclId,
        arguments: ir::List<ExprId>,
    ) -> Result<(), Raised> {
        let arguments = frame.code.exprs_of(arguments);
        let Some(callee) = self.callee(decl) else {
            let values = self.collect_arguments(frame, arguments)?;
            self.returned = self.call_native(decl, &values, frame.site(id))?;
            return Ok(());
        };
        let base = self.push_arguments(frame, arguments)?;
        let reference = frame.location(id);
        let Ok(qualifier) = self.coerce_to(frame.qualifier, callee.space, decl, reference) else {
            self.stack.truncate(base);
            return Err(Raised);
        };
        self.call_declared(callee, qualifier, base, reference)
    }

    /// `callee(…)`
    #[inline(never)]
    pub(super) fn eval_call(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        callee: ExprId,
        arguments: ir::List<ExprId>,
    ) -> Eval<'h> {
        let function = self.eval(frame, callee)?;
        let values = self.collect_arguments(frame, frame.code.exprs_of(arguments))?;
        self.call_value(function, &values, frame.site(id))
    }

    #[inline(always)]
    fn call_declared(
        &mut self,
        callee: Callee<'h>,
        qualifier: QualifierId,
        base: usize,
        reference: Location,
    ) -> Result<(), Raised> {
        let frame = Frame { code: callee.code, captures: &[], base, qualifier };
        let result = self.run(callee.function, &frame, reference);
        if result.is_err() {
            self.trace(|m| m.program().decl_name(callee.decl), reference);
        }
        result
    }

    fn call_closure(&mut self, closure: &'h Closure<'h>, values: &[Value<'h>], reference: Location) -> Eval<'h> {
        let base = self.stack.len();
        let function = closure.function;
        let taken = if function.rest { values.len() } else { values.len().min(function.parameters.len()) };
        self.stack.extend_from_slice(&values[..taken]);
        let frame = Frame { code: closure.code, captures: closure.captures, base, qualifier: closure.qualifier };
        let result = self.run(closure.function, &frame, reference);
        if result.is_err() {
            self.trace(|_| "a lambda".to_owned(), reference);
        }
        result.map(|()| self.returned)
    }

    /// Calls any function value.
    pub(super) fn call_value(&mut self, function: Value<'h>, values: &[Value<'h>], site: Site<'h>) -> Eval<'h> {
        match function {
            Value::Closure(closure) => self.call_closure(closure, values, site.location()),
            Value::Function(decl, qualifier) => {
                let Some(callee) = self.callee(decl) else { return Err(Raised) };
                let base = self.stack.len();
                self.stack.extend_from_slice(values);
                self.call_declared(callee, qualifier, base, site.location())?;
                Ok(self.returned)
            }
            Value::Native(decl) => self.call_native(decl, values, site),
            Value::Method(method) => self.call_member_of(method.receiver, method.name, values, site),
            other => {
                let message = format!("only functions can be called, but this is {}", self.describe(other));
                Err(self.fail(Diagnostic::error(Code::Dx(9325), message).at(site.location(), "")))
            }
        }
    }

    #[inline(never)]
    fn call_native(&mut self, decl: DeclId, values: &[Value<'h>], site: Site<'h>) -> Eval<'h> {
        let shared = self.shared;
        let Some((name, function)) = shared.natives.get(&decl) else {
            return self.call_host(decl, values, site);
        };
        if let DeclKind::Native { required, maximum } = self.program().decls[decl.index()].kind {
            self.check_arity(name, values.len(), required as usize, maximum.map(|most| most as usize), site)?;
        }
        function(self, &Args { name, this: Value::Undefined, values, site })
    }

    /// Calls a function of the host program.
    fn call_host(&mut self, decl: DeclId, values: &[Value<'h>], site: Site<'h>) -> Eval<'h> {
        let name = self.program().decl_name(decl);
        let Some(function) = self.shared.host.functions.get(&name) else {
            let message = format!("`{name}` is declared in the prelude, but this host does not implement it");
            return Err(self.fail(Diagnostic::error(Code::Dx(9343), message).at(site.location(), "")));
        };
        if let DeclKind::Native { required, maximum } = self.program().decls[decl.index()].kind {
            self.check_arity(&name, values.len(), required as usize, maximum.map(|most| most as usize), site)?;
        }
        function(self, &Args { name: &name, this: Value::Undefined, values, site })
    }

    fn check_arity(
        &mut self,
        name: &str,
        given: usize,
        required: usize,
        maximum: Option<usize>,
        site: Site<'h>,
    ) -> Result<(), Raised> {
        let wanted = match maximum {
            _ if given < required => required,
            Some(most) if given > most => most,
            _ => return Ok(()),
        };
        let few = if given < required { "at least" } else { "at most" };
        let few = if maximum == Some(required) { "exactly" } else { few };
        let were = if given == 1 { "was" } else { "were" };
        let plural = if wanted == 1 { "argument" } else { "arguments" };
        let message = format!("`{name}` takes {few} {wanted} {plural}, but {given} {were} given");
        Err(self.fail(Diagnostic::error(Code::Dx(9324), message).at(site.location(), "")))
    }

    /// `object.name(…)`
    #[inline(never)]
    pub(super) fn eval_call_member(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        object: ExprId,
        name: Symbol,
        arguments: ir::List<ExprId>,
    ) -> Eval<'h> {
        let receiver = self.eval(frame, object)?;
        if receiver.is_undefined() {
            return Err(self.member_of_undefined(frame, object, name));
        }
        let values = self.collect_arguments(frame, frame.code.exprs_of(arguments))?;
        self.call_member_of(receiver, name, &values, frame.site(id))
    }

    #[inline(never)]
    pub(super) fn call_member_of(
        &mut self,
        receiver: Value<'h>,
        name: Symbol,
        values: &[Value<'h>],
        site: Site<'h>,
    ) -> Eval<'h> {
        if let Value::Object(object) = receiver
            && let Some(function) = object.get(name)
        {
            if function.is_undefined() {
                return Err(self.no_such_method(receiver, name, site));
            }
            return self.call_value(function, values, site);
        }
        if let Value::Namespace(namespace, qualifier) = receiver {
            let function = self.namespace_member(namespace, qualifier, name, site.location())?;
            return self.call_value(function, values, site);
        }
        let shared = self.shared;
        let Some(bound) = Receiver::of(receiver).and_then(|kind| shared.members.get(kind, name)) else {
            return Err(self.no_such_method(receiver, name, site));
        };
        let (member, full_name) = (&bound.member, &bound.full_name);
        if member.property {
            let args = Args { name: full_name, this: receiver, values: &[], site };
            let value = (member.function)(self, &args)?;
            // `hasExtension()` and the like: declared as functions, evaluated as properties.
            if values.is_empty() && !matches!(Receiver::of(value), Some(Receiver::Function)) {
                return Ok(value);
            }
            return self.call_value(value, values, site);
        }
        self.check_arity(full_name, values.len(), member.required, member.maximum, site)?;
        (member.function)(self, &Args { name: full_name, this: receiver, values, site })
    }

    fn no_such_method(&mut self, receiver: Value<'h>, name: Symbol, site: Site<'h>) -> Raised {
        let text = self.symbols().text(name);
        let message = format!("{} has no function `{text}`", self.describe(receiver));
        let help = self.help_for_member(receiver, text);
        self.fail(Diagnostic::error(Code::Dx(9343), message).at(site.location(), "").maybe_help(help))
    }

    /// What to write instead of a member that is not there.
    fn help_for_member(&self, receiver: Value<'h>, name: &str) -> Option<String> {
        let known = Receiver::of(receiver).and_then(|kind| instead(kind, name)).map(str::to_owned);
        known.or_else(|| self.nearest_member(receiver, name).map(|near| format!("did you mean `{near}`?")))
    }

    /// The member of a value whose name is most like the wanted one.
    fn nearest_member(&self, receiver: Value<'h>, name: &str) -> Option<String> {
        let kind = Receiver::of(receiver)?;
        let natives = self.shared.members.names(kind);
        let own: Vec<&str> = match receiver {
            Value::Object(object) => object.keys.iter().map(|key| self.symbols().text(*key)).collect(),
            _ => Vec::new(),
        };
        nearest(name, natives.into_iter().chain(own)).map(str::to_owned)
    }

    /// A member of a value, read and not called.
    #[inline(never)]
    pub(super) fn eval_member(&mut self, frame: &Frame<'h>, id: ExprId, object: ExprId, name: Symbol) -> Eval<'h> {
        if let Some(count) = self.growing_items(frame, object).map(<[_]>::len)
            && let Ok(count) = i32::try_from(count)
            && self.symbols().text(name) == "length"
        {
            return Ok(Value::Number(count));
        }
        let receiver = self.operand(frame, object)?;
        match receiver {
            Value::Object(object) => {
                if let Some(value) = object.get(name) {
                    return Ok(value);
                }
            }
            Value::Undefined => return Err(self.member_of_undefined(frame, object, name)),
            Value::Namespace(namespace, qualifier) => {
                return self.namespace_member(namespace, qualifier, name, frame.location(id));
            }
            _ => {}
        }
        let shared = self.shared;
        let Some(bound) = Receiver::of(receiver).and_then(|kind| shared.members.get(kind, name)) else {
            if matches!(receiver, Value::Object(_)) {
                // A missing field is undefined.
                return Ok(Value::Undefined);
            }
            let text = self.symbols().text(name);
            let message = format!("{} has no member `{text}`", self.describe(receiver));
            let help = self.help_for_member(receiver, text);
            let error = Diagnostic::error(Code::Dx(9343), message).at(frame.location(id), "").maybe_help(help);
            return Err(self.fail(error));
        };
        if bound.member.property {
            let args = Args { name: &bound.full_name, this: receiver, values: &[], site: frame.site(id) };
            return (bound.member.function)(self, &args);
        }
        Ok(Value::Method(self.heap.alloc(Method { receiver, name })))
    }

    fn member_of_undefined(&mut self, frame: &Frame<'h>, object: ExprId, name: Symbol) -> Raised {
        let text = self.symbols().text(name);
        let message = format!("`{text}` is read from a value that is undefined");
        let written = self.source_text(frame.location(object));
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
        let x = if written.len() <= 40 && written != "undefined" && written.chars().all(plain) { written } else { "x" };
        let error = Diagnostic::error(Code::Dx(9338), message).at(frame.location(object), "this is undefined").help(
            format!("make sure that it has a value here, or test it first: `{x} !== undefined ? {x}.{text} : …`"),
        );
        self.fail(error)
    }

    /// The instance of a declaration's space that a reference from `qualifier` means.
    pub(super) fn coerce(
        &mut self,
        qualifier: QualifierId,
        decl: DeclId,
        reference: Location,
    ) -> Result<QualifierId, Raised> {
        let space = self.program().decls[decl.index()].space;
        self.coerce_to(qualifier, space, decl, reference)
    }

    /// `coerce` where the declaration's space is known.
    #[inline(always)]
    fn coerce_to(
        &mut self,
        qualifier: QualifierId,
        space: SpaceId,
        decl: DeclId,
        reference: Location,
    ) -> Result<QualifierId, Raised> {
        if space == SpaceId::EMPTY {
            return Ok(QualifierId::EMPTY);
        }
        if self.last_coercion.0 == qualifier && self.last_coercion.1 == space {
            return Ok(self.last_coercion.2);
        }
        self.coerce_anew(qualifier, space, decl, reference)
    }

    #[inline(never)]
    fn coerce_anew(
        &mut self,
        qualifier: QualifierId,
        space: SpaceId,
        decl: DeclId,
        reference: Location,
    ) -> Result<QualifierId, Raised> {
        match self.program().qualifiers.coerce(qualifier, space) {
            Ok(coerced) => {
                self.last_coercion = (qualifier, space, coerced);
                Ok(coerced)
            }
            Err(error) => {
                let name = self.program().decl_name(decl);
                Err(self.fail_coercion(&name, Some(decl), &error, qualifier, reference))
            }
        }
    }

    /// The error about a qualifier that does not fit (DX9364).
    pub(super) fn fail_coercion(
        &mut self,
        name: &str,
        decl: Option<DeclId>,
        error: &CoercionError,
        qualifier: QualifierId,
        reference: Location,
    ) -> Raised {
        let (CoercionError::MissingKey { key, allowed } | CoercionError::IllegalValue { key, allowed, .. }) = error;
        let from = self.program().qualifiers.map_of(qualifier);
        let shown: Vec<String> = from.iter().map(|(key, value)| format!("{key}: \"{value}\"")).collect();
        let choices: Vec<String> = allowed.iter().map(|value| format!("\"{value}\"")).collect();
        let message = format!("`{name}` cannot be referenced from the qualifier {{{}}}: {error}", shown.join(", "));
        let mut diagnostic = Diagnostic::error(Code::Dx(9364), message).at(reference, "referenced here");
        if let Some(decl) = decl {
            diagnostic = diagnostic.and_at(self.program().decl_location(decl), "declared here");
        }
        let choices = if choices.is_empty() { "any value".to_owned() } else { choices.join(" | ") };
        let help = format!(
            "reference it through `.withQualifier({{{key}: …}})` with {choices}, or declare the key in the qualifier space here"
        );
        self.fail(diagnostic.help(help))
    }
}
