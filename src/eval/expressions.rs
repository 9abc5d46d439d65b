//! Expressions of the lowered form.

use std::sync::{Mutex, PoisonError};

use crate::diagnostics::{Code, Diagnostic};
use crate::graph::FileArtifact;
use crate::program::{DeclId, DeclKind, NamespaceId, NamespaceMember, QualifierId, QualifierMap};
use crate::resolve::ir::{BinaryOp, CaptureSource, Expr, ExprId, List, Operands, Variable};
use crate::source::{Location, Symbol};

use super::calls::Frame;
use super::machine::Machine;
use super::native::{Eval, Raised};
use super::operators::{calculate, compare};
use super::value::{Array, Closure, Object, Relative, Value, read_cell};

impl<'h> Machine<'_, 'h> {
    /// Evaluates an operand. Most are variables and numbers, which need no call.
    #[inline(always)]
    pub(super) fn operand(&mut self, frame: &Frame<'h>, id: ExprId) -> Eval<'h> {
        match frame.code.exprs[id.0 as usize] {
            Expr::Local(slot) => Ok(self.stack[frame.base + slot as usize]),
            Expr::Number(number) => Ok(Value::Number(number)),
            Expr::String(text) => Ok(self.literal(frame, text)),
            _ => self.eval(frame, id),
        }
    }

    /// A string literal.
    #[inline(always)]
    fn literal(&self, frame: &Frame<'h>, text: u32) -> Value<'h> {
        Value::String(&self.shared.texts(frame.code.spec, self.heap)[text as usize])
    }

    /// The number that an operand is, when that is known without evaluating anything.
    #[inline(always)]
    pub(super) fn number_at(&self, frame: &Frame<'h>, id: ExprId) -> Option<i32> {
        match frame.code.exprs[id.0 as usize] {
            Expr::Local(slot) => match self.stack[frame.base + slot as usize] {
                Value::Number(number) => Some(number),
                _ => None,
            },
            Expr::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The numbers that two operands are, when that is known without evaluating anything.
    #[inline(always)]
    pub(super) fn numbers_at(&self, frame: &Frame<'h>, operands: Operands) -> Option<(i32, i32)> {
        let (left, right) = match operands {
            Operands::LocalNumber(left, right) => (left, right),
            Operands::Locals(left, right) => match self.stack[frame.base + usize::from(right)] {
                Value::Number(right) => (left, right),
                _ => return None,
            },
            Operands::Any => return None,
        };
        match self.stack[frame.base + usize::from(left)] {
            Value::Number(left) => Some((left, right)),
            _ => None,
        }
    }

    /// Evaluates an expression of the running function.
    pub(super) fn eval(&mut self, frame: &Frame<'h>, id: ExprId) -> Eval<'h> {
        if self.stack_is_low() {
            return self.with_more_stack(|m| m.eval(frame, id));
        }
        // The most frequent ones; all others in a function of their own, so that this one needs little stack.
        match frame.code.exprs[id.0 as usize] {
            Expr::Local(slot) => Ok(self.stack[frame.base + slot as usize]),
            Expr::Number(number) => Ok(Value::Number(number)),
            Expr::String(text) => Ok(self.literal(frame, text)),
            Expr::Capture(index) => Ok(frame.captures[index as usize]),
            Expr::Binary { op, left, right, operands } => self.eval_binary(frame, id, op, left, right, operands),
            Expr::CallGlobal { decl, arguments } => {
                self.run_call(frame, id, decl, arguments)?;
                Ok(self.returned)
            }
            Expr::Call { callee, arguments } => self.eval_call(frame, id, callee, arguments),
            Expr::CallMember { object, name, arguments } => self.eval_call_member(frame, id, object, name, arguments),
            Expr::Member { object, name } => self.eval_member(frame, id, object, name),
            Expr::Object { shape, values } => self.eval_object(frame, shape, values),
            other => self.eval_other(frame, id, other),
        }
    }

    #[inline(never)]
    fn eval_other(&mut self, frame: &Frame<'h>, id: ExprId, expr: Expr) -> Eval<'h> {
        match expr {
            Expr::Local(_)
            | Expr::Number(_)
            | Expr::String(_)
            | Expr::Capture(_)
            | Expr::Binary { .. }
            | Expr::CallGlobal { .. }
            | Expr::Call { .. }
            | Expr::CallMember { .. }
            | Expr::Member { .. }
            | Expr::Object { .. } => self.eval(frame, id),
            Expr::Undefined => Ok(Value::Undefined),
            Expr::Bool(value) => Ok(Value::Bool(value)),
            Expr::Error | Expr::Spread(_) => Err(Raised),
            Expr::Path(path) => Ok(Value::Path(path)),
            Expr::File(path) => Ok(Value::File(FileArtifact { path, rewrite: 0 })),
            Expr::Directory(path) => Ok(Value::Directory(path)),
            Expr::Atom(atom) => Ok(Value::Atom(atom)),
            Expr::Relative(index) => {
                let atoms = frame.code.relatives[index as usize].atoms();
                Ok(Value::Relative(self.heap.alloc(Relative { atoms })))
            }
            Expr::Interpolate(parts) => self.eval_interpolation(frame, parts),
            Expr::PathTemplate { kind, base, parts } => self.eval_path_template(frame, id, kind, base, parts),
            Expr::LocalCell(slot) => self.read(frame, Variable::LocalCell(slot)),
            Expr::CaptureCell(index) => self.read(frame, Variable::CaptureCell(index)),
            Expr::LocalGrown(slot) => self.settle(frame.base + slot as usize),
            Expr::Global(decl) => self.value_of(decl, frame.qualifier, frame.location(id)),
            Expr::Namespace(namespace) => {
                // A namespace keeps the whole qualifier: its members coerce it when they are read.
                Ok(Value::Namespace(namespace, frame.qualifier))
            }
            Expr::WithQualifier { namespace, qualifier } => self.eval_with_qualifier(frame, id, namespace, qualifier),
            Expr::Qualified { namespace, decl } => {
                let Value::Namespace(_, qualifier) = self.eval(frame, namespace)? else { return Err(Raised) };
                self.value_of(decl, qualifier, frame.location(id))
            }
            Expr::Enum { ty, value } => Ok(Value::Enum(ty, value)),
            Expr::Qualifier => Ok(self.qualifier_object(frame.qualifier)),
            Expr::Array(items) => self.eval_array(frame, items),
            Expr::Index { object, index } => self.eval_index(frame, id, object, index),
            Expr::Not(operand) => Ok(Value::Bool(!self.eval(frame, operand)?.is_truthy())),
            Expr::Minus(operand) => self.eval_minus(frame, id, operand),
            Expr::Plus(operand) => self.eval_plus(frame, operand),
            Expr::BitNot(operand) => self.eval_bit_not(frame, operand),
            Expr::TypeOf(operand) => self.eval(frame, operand).map(|value| self.string(value.type_of())),
            Expr::And(left, right) => {
                let left = self.eval(frame, left)?;
                if left.is_truthy() { self.eval(frame, right) } else { Ok(left) }
            }
            Expr::Or(left, right) => {
                let left = self.eval(frame, left)?;
                if left.is_truthy() { Ok(left) } else { self.eval(frame, right) }
            }
            Expr::Conditional { condition, then, otherwise } => {
                let holds = self.holds(frame, condition)?;
                self.eval(frame, if holds { then } else { otherwise })
            }
            Expr::Assign { target, op, value } => {
                self.assign(frame, id, target, op, value)?;
                self.read(frame, target)
            }
            Expr::Update { target, by, prefix } => {
                let old = self.read(frame, target)?;
                self.update(frame, id, target, by)?;
                if prefix { self.read(frame, target) } else { Ok(old) }
            }
            Expr::Lambda(index) => Ok(self.eval_lambda(frame, index)),
        }
    }

    /// Whether a condition holds.
    #[inline(always)]
    pub(super) fn holds(&mut self, frame: &Frame<'h>, id: ExprId) -> Result<bool, Raised> {
        let Expr::Binary { op, left, right, operands } = frame.code.exprs[id.0 as usize] else {
            return self.operand(frame, id).map(Value::is_truthy);
        };
        if let Some((a, b)) = self.numbers_at(frame, operands)
            && let Some(answer) = compare(op, a, b)
        {
            return Ok(answer);
        }
        self.eval_binary(frame, id, op, left, right, operands).map(Value::is_truthy)
    }

    /// Evaluates an expression for what it does, not for what it gives.
    #[inline(always)]
    pub(super) fn effect(&mut self, frame: &Frame<'h>, id: ExprId) -> Result<(), Raised> {
        match frame.code.exprs[id.0 as usize] {
            Expr::Update { target, by, .. } => self.update(frame, id, target, by),
            Expr::Assign { target, op, value } => self.assign(frame, id, target, op, value),
            _ => self.eval(frame, id).map(|_| ()),
        }
    }

    /// `x = e`, `x += e`
    #[inline(always)]
    fn assign(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        target: Variable,
        op: Option<BinaryOp>,
        value: ExprId,
    ) -> Result<(), Raised> {
        match op {
            None => self.give(frame, value)?,
            Some(op) => self.eval_changed(frame, id, target, op, value)?.store(&mut self.returned),
        }
        if let (Value::Number(new), Variable::Local(slot)) = (self.returned, target)
            && let Value::Number(old) = &mut self.stack[frame.base + slot as usize]
        {
            *old = new;
            return Ok(());
        }
        self.write(frame, target, self.returned);
        Ok(())
    }

    /// Evaluates an expression and leaves its value in `returned`.
    #[inline(always)]
    pub(super) fn give(&mut self, frame: &Frame<'h>, id: ExprId) -> Result<(), Raised> {
        match frame.code.exprs[id.0 as usize] {
            Expr::CallGlobal { decl, arguments } => return self.run_call(frame, id, decl, arguments),
            Expr::Binary { op, operands, .. } => {
                if let Some((a, b)) = self.numbers_at(frame, operands)
                    && let Some(result) = calculate(op, a, b)
                {
                    Value::Number(result).store(&mut self.returned);
                    return Ok(());
                }
            }
            _ => {}
        }
        self.eval(frame, id)?.store(&mut self.returned);
        Ok(())
    }

    /// What `x += e` assigns.
    fn eval_changed(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        target: Variable,
        op: BinaryOp,
        value: ExprId,
    ) -> Eval<'h> {
        let old = self.read(frame, target)?;
        if let (Value::Number(a), Some(b)) = (old, self.number_at(frame, value)) {
            return self.apply_numbers(op, a, b, frame.site(id));
        }
        let value = self.eval(frame, value)?;
        self.apply(op, old, value, frame.site(id))
    }

    /// `x++`, `--x`
    #[inline(always)]
    fn update(&mut self, frame: &Frame<'h>, id: ExprId, target: Variable, by: i32) -> Result<(), Raised> {
        if let Variable::Local(slot) = target
            && let Value::Number(number) = &mut self.stack[frame.base + slot as usize]
            && let Some(sum) = number.checked_add(by)
        {
            *number = sum;
            return Ok(());
        }
        self.update_any(frame, id, target, by)
    }

    #[inline(never)]
    fn update_any(&mut self, frame: &Frame<'h>, id: ExprId, target: Variable, by: i32) -> Result<(), Raised> {
        let old = self.read(frame, target)?;
        if !matches!(old, Value::Number(_)) {
            let op = if by < 0 { "--" } else { "++" };
            let message = format!("`{op}` needs a number, but this is {}", self.describe(old));
            return Err(self.fail(Diagnostic::error(Code::Dx(9325), message).at(frame.location(id), "")));
        }
        let new = self.apply(BinaryOp::Add, old, Value::Number(by), frame.site(id))?;
        self.write(frame, target, new);
        Ok(())
    }

    #[inline(never)]
    fn eval_lambda(&self, frame: &Frame<'h>, index: u32) -> Value<'h> {
        let function = &frame.code.functions[index as usize];
        let captured = function.captures.iter().map(|source| match source {
            CaptureSource::Local(slot) => self.stack[frame.base + *slot as usize],
            CaptureSource::Capture(index) => frame.captures[*index as usize],
        });
        let captures = &*self.heap.alloc_slice_fill_iter(captured);
        let closure = Closure { code: frame.code, function, captures, qualifier: frame.qualifier };
        Value::Closure(self.heap.alloc(closure))
    }

    #[inline(never)]
    fn eval_object(&mut self, frame: &Frame<'h>, shape: u32, values: List<ExprId>) -> Eval<'h> {
        let base = self.stack.len();
        for value in frame.code.exprs_of(values) {
            match self.operand(frame, *value) {
                Ok(value) => self.stack.push(value),
                Err(raised) => {
                    self.stack.truncate(base);
                    return Err(raised);
                }
            }
        }
        let values = &*self.heap.alloc_slice_copy(&self.stack[base..]);
        self.stack.truncate(base);
        let keys = &*frame.code.shapes[shape as usize];
        Ok(Value::Object(self.heap.alloc(Object { keys, values, merge: None })))
    }

    #[inline(never)]
    fn eval_array(&mut self, frame: &Frame<'h>, items: List<ExprId>) -> Eval<'h> {
        let base = self.stack.len();
        for item in frame.code.exprs_of(items) {
            let pushed = match frame.code.exprs[item.0 as usize] {
                Expr::Spread(inner) => self.push_spread(frame, inner, base),
                _ => self.eval(frame, *item).map(|value| self.stack.push(value)),
            };
            if pushed.is_err() {
                self.stack.truncate(base);
                return Err(Raised);
            }
        }
        let items = &*self.heap.alloc_slice_copy(&self.stack[base..]);
        self.stack.truncate(base);
        Ok(Value::Array(self.heap.alloc(Array { items, merge: None })))
    }

    /// A declaration as a value, under a qualifier of its own space.
    pub(super) fn global(&mut self, decl: DeclId, qualifier: QualifierId, reference: Location) -> Eval<'h> {
        match self.program().decls[decl.index()].kind {
            DeclKind::Value { .. } => self.force(decl, qualifier, reference),
            DeclKind::Function { .. } => Ok(Value::Function(decl, qualifier)),
            DeclKind::Native { .. } => Ok(Value::Native(decl)),
            DeclKind::Enum(ty) => {
                // An enum used as a value: an object of its members.
                let members = &self.program().enums[ty.index()].members;
                let members: Vec<_> = members.iter().map(|(name, value)| (*name, Value::Enum(ty, *value))).collect();
                Ok(self.object(&members))
            }
            DeclKind::Type => {
                let name = self.program().decl_name(decl);
                let message = format!("`{name}` is a type, not a value");
                Err(self.fail(Diagnostic::error(Code::Dx(9343), message).at(reference, "")))
            }
        }
    }

    /// What a reference to a declaration gives, seen from a qualifier.
    ///
    /// # Errors
    /// When the qualifier does not fit the declaration's space, or computing its value fails.
    pub fn value_of(&mut self, decl: DeclId, qualifier: QualifierId, reference: Location) -> Eval<'h> {
        let qualifier = self.coerce(qualifier, decl, reference)?;
        self.global(decl, qualifier, reference)
    }

    /// A member of a namespace that was chosen while evaluating.
    pub(super) fn namespace_member(
        &mut self,
        namespace: NamespaceId,
        qualifier: QualifierId,
        name: Symbol,
        reference: Location,
    ) -> Eval<'h> {
        let program = self.program();
        match program.namespaces[namespace.index()].members.get(&name) {
            Some(NamespaceMember::Decl(decl)) => self.value_of(*decl, qualifier, reference),
            Some(NamespaceMember::Namespace(inner)) => Ok(Value::Namespace(*inner, qualifier)),
            Some(NamespaceMember::Type(_)) | None => {
                let members = &program.namespaces[namespace.index()].members;
                let text = program.symbols.text(name);
                let near = crate::diagnostics::nearest(text, members.keys().map(|key| program.symbols.text(*key)));
                let owner = program.namespace_name(namespace);
                let owner = if owner.is_empty() { "the module's root namespace".into() } else { format!("`{owner}`") };
                let error = Diagnostic::error(Code::Dx(9342), format!("{owner} has no member `{text}`"))
                    .at(reference, "")
                    .maybe_help(near.map(|near| format!("did you mean `{near}`?")));
                Err(self.fail(error))
            }
        }
    }

    #[inline(never)]
    fn eval_with_qualifier(&mut self, frame: &Frame<'h>, id: ExprId, namespace: ExprId, qualifier: ExprId) -> Eval<'h> {
        let target = self.eval(frame, namespace)?;
        let Value::Namespace(namespace, current) = target else {
            let message = format!("`withQualifier` belongs to namespaces, but this is {}", self.describe(target));
            return Err(self.fail(Diagnostic::error(Code::Dx(9325), message).at(frame.location(id), "")));
        };
        let given = self.eval(frame, qualifier)?;
        let Value::Object(object) = given else {
            let message = format!("a qualifier is an object of strings, but this is {}", self.describe(given));
            return Err(self.fail(Diagnostic::error(Code::Dx(9361), message).at(frame.location(qualifier), "")));
        };
        let mut map: QualifierMap = (**self.program().qualifiers.map_of(current)).clone();
        for (key, value) in object.entries() {
            let key = self.symbols().text(key);
            match value {
                Value::String(text) => {
                    map.insert(key.into(), text.text.into());
                }
                Value::Undefined => {
                    map.remove(key);
                }
                other => {
                    let message =
                        format!("the qualifier key `{key}` must be a string, but it is {}", self.describe(other));
                    let place = frame.location(qualifier);
                    return Err(self.fail(Diagnostic::error(Code::Dx(9362), message).at(place, "")));
                }
            }
        }
        let program = self.program();
        let wanted = program.qualifiers.qualifier(map);
        let space = program.namespaces[namespace.index()].space;
        // The namespace's own space must accept it, whatever members are read later.
        if let Err(error) = program.qualifiers.coerce(wanted, space) {
            let name = program.namespace_name(namespace);
            let module = &program.modules[program.namespaces[namespace.index()].module.index()].name;
            let name = if name.is_empty() { module.to_string() } else { name };
            return Err(self.fail_coercion(&name, None, &error, wanted, frame.location(qualifier)));
        }
        Ok(Value::Namespace(namespace, wanted))
    }

    /// The current qualifier as an object.
    #[inline(never)]
    fn qualifier_object(&mut self, qualifier: QualifierId) -> Value<'h> {
        let map = self.program().qualifiers.map_of(qualifier).clone();
        let entries: Vec<_> = map.iter().map(|(key, value)| (&**key, self.string(value))).collect();
        self.object_of(&entries)
    }

    #[inline(never)]
    fn eval_index(&mut self, frame: &Frame<'h>, id: ExprId, object: ExprId, index: ExprId) -> Eval<'h> {
        if self.growing_items(frame, object).is_some()
            && let Some(number) = self.number_at(frame, index)
            && let Some(items) = self.growing_items(frame, object)
            && let Some(item) = usize::try_from(number).ok().and_then(|at| items.get(at))
        {
            return Ok(*item);
        }
        let receiver = self.eval(frame, object)?;
        let key = self.operand(frame, index)?;
        match (receiver, key) {
            (Value::Array(array), Value::Number(number)) => {
                let found = usize::try_from(number).ok().and_then(|at| array.items.get(at));
                if let Some(value) = found {
                    return Ok(*value);
                }
                let count = array.items.len();
                let items = if count == 1 { "item" } else { "items" };
                let message = format!("the array has no item {number}: it has {count} {items}, counted from 0");
                Err(self.fail(Diagnostic::error(Code::Dx(9328), message).at(frame.location(index), "")))
            }
            (Value::Object(object), Value::String(text)) => {
                let symbol = self.symbols().lookup(text.text);
                Ok(symbol.and_then(|symbol| object.get(symbol)).unwrap_or(Value::Undefined))
            }
            (Value::Namespace(namespace, qualifier), Value::String(text)) => {
                let name = self.symbols().intern(text.text);
                self.namespace_member(namespace, qualifier, name, frame.location(id))
            }
            (Value::Undefined, _) => {
                let error = Diagnostic::error(Code::Dx(9338), "an item is read from a value that is undefined")
                    .at(frame.location(object), "this is undefined");
                Err(self.fail(error))
            }
            // Indexing other values finds nothing: how specs tell objects from the rest.
            (_, Value::String(_)) => Ok(Value::Undefined),
            (receiver, key) => {
                let message = format!(
                    "arrays are indexed by numbers and objects by strings, but this is {} indexed by {}",
                    self.describe(receiver),
                    self.describe(key)
                );
                Err(self.fail(Diagnostic::error(Code::Dx(9325), message).at(frame.location(id), "")))
            }
        }
    }

    // Variables.

    pub(super) fn new_cell(&self, value: Value<'h>) -> Value<'h> {
        Value::Cell(self.heap.alloc(Mutex::new(value)))
    }

    #[inline(always)]
    fn read(&mut self, frame: &Frame<'h>, variable: Variable) -> Eval<'h> {
        let held = match variable {
            Variable::Local(slot) | Variable::LocalCell(slot) => self.stack[frame.base + slot as usize],
            Variable::CaptureCell(index) => frame.captures[index as usize],
        };
        match (held, variable) {
            (Value::Cell(cell), _) => Ok(read_cell(cell)),
            (Value::Growing, Variable::Local(slot)) => self.settle(frame.base + slot as usize),
            _ => Ok(held),
        }
    }

    #[inline(always)]
    fn write(&mut self, frame: &Frame<'h>, variable: Variable, value: Value<'h>) {
        let held = match variable {
            Variable::Local(slot) => {
                value.store(&mut self.stack[frame.base + slot as usize]);
                return;
            }
            Variable::LocalCell(slot) => self.stack[frame.base + slot as usize],
            Variable::CaptureCell(index) => frame.captures[index as usize],
        };
        if let Value::Cell(cell) = held {
            write_cell(cell, value);
        }
    }
}

#[inline(never)]
fn write_cell<'h>(cell: &Mutex<Value<'h>>, value: Value<'h>) {
    *cell.lock().unwrap_or_else(PoisonError::into_inner) = value;
}
