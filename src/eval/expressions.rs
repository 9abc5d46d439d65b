//! Expressions of the lowered form.

use std::sync::{Mutex, PoisonError};

use crate::diagnostics::{Code, Diagnostic};
use crate::graph::FileArtifact;
use crate::program::{DeclId, DeclKind, NamespaceId, NamespaceMember, QualifierId, QualifierMap};
use crate::resolve::ir::{BinaryOp, CaptureSource, Expr, ExprId, List, Variable};
use crate::source::{Location, Symbol};

use super::calls::{Frame, with_stack};
use super::machine::Machine;
use super::native::{Eval, Raised};
use super::value::{Array, Closure, Object, Relative, Value, read_cell};

impl<'h> Machine<'_, 'h> {
    /// Evaluates an expression of the running function.
    #[inline]
    pub(super) fn eval(&mut self, frame: &Frame<'h>, id: ExprId) -> Eval<'h> {
        // Leaves first: they need no depth check.
        match frame.code.exprs[id.0 as usize] {
            Expr::Local(slot) => Ok(self.stack[frame.base + slot as usize]),
            Expr::Number(number) => Ok(Value::Number(number)),
            Expr::String(text) => Ok(Value::String(&frame.texts[text as usize])),
            Expr::Capture(index) => Ok(frame.captures[index as usize]),
            Expr::Undefined => Ok(Value::Undefined),
            Expr::Bool(value) => Ok(Value::Bool(value)),
            expr => {
                self.nesting += 1;
                let result = if self.nesting.is_multiple_of(32) {
                    with_stack(|| self.eval_inner(frame, id, expr))
                } else {
                    self.eval_inner(frame, id, expr)
                };
                self.nesting -= 1;
                result
            }
        }
    }

    fn eval_inner(&mut self, frame: &Frame<'h>, id: ExprId, expr: Expr) -> Eval<'h> {
        match expr {
            Expr::Local(_)
            | Expr::Number(_)
            | Expr::String(_)
            | Expr::Capture(_)
            | Expr::Undefined
            | Expr::Bool(_)
            | Expr::Error
            | Expr::Spread(_) => Err(Raised),
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
            Expr::LocalCell(slot) => match self.stack[frame.base + slot as usize] {
                Value::Cell(cell) => Ok(read_cell(cell)),
                other => Ok(other),
            },
            Expr::CaptureCell(index) => match frame.captures[index as usize] {
                Value::Cell(cell) => Ok(read_cell(cell)),
                other => Ok(other),
            },
            Expr::Global(decl) => {
                let reference = frame.location(id);
                let qualifier = self.coerce(frame.qualifier, decl, reference)?;
                self.global(decl, qualifier, reference)
            }
            Expr::Namespace(namespace) => {
                // A namespace keeps the whole qualifier: its members coerce it when they are read.
                Ok(Value::Namespace(namespace, frame.qualifier))
            }
            Expr::WithQualifier { namespace, qualifier } => self.eval_with_qualifier(frame, id, namespace, qualifier),
            Expr::Qualified { namespace, decl } => {
                let Value::Namespace(_, qualifier) = self.eval(frame, namespace)? else { return Err(Raised) };
                let reference = frame.location(id);
                let qualifier = self.coerce(qualifier, decl, reference)?;
                self.global(decl, qualifier, reference)
            }
            Expr::Enum { ty, value } => Ok(Value::Enum(ty, value)),
            Expr::Qualifier => Ok(self.qualifier_object(frame.qualifier)),
            Expr::Array(items) => self.eval_array(frame, items),
            Expr::Object { shape, values } => {
                let base = self.stack.len();
                for value in frame.code.exprs_of(values) {
                    match self.eval(frame, *value) {
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
            Expr::Member { object, name } => self.eval_member(frame, id, object, name),
            Expr::Index { object, index } => self.eval_index(frame, id, object, index),
            Expr::Call { callee, arguments } => self.eval_call(frame, id, callee, arguments),
            Expr::CallMember { object, name, arguments } => self.eval_call_member(frame, id, object, name, arguments),
            Expr::Not(operand) => Ok(Value::Bool(!self.eval(frame, operand)?.is_truthy())),
            Expr::Minus(operand) => self.eval_minus(frame, id, operand),
            Expr::Plus(operand) => self.eval_plus(frame, operand),
            Expr::BitNot(operand) => self.eval_bit_not(frame, operand),
            Expr::TypeOf(operand) => {
                let name = self.eval(frame, operand)?.type_of();
                Ok(self.string(name))
            }
            Expr::Binary { op, left, right } => self.eval_binary(frame, id, op, left, right),
            Expr::And(left, right) => {
                let left = self.eval(frame, left)?;
                if left.is_truthy() { self.eval(frame, right) } else { Ok(left) }
            }
            Expr::Or(left, right) => {
                let left = self.eval(frame, left)?;
                if left.is_truthy() { Ok(left) } else { self.eval(frame, right) }
            }
            Expr::Conditional { condition, then, otherwise } => {
                let holds = self.eval(frame, condition)?.is_truthy();
                self.eval(frame, if holds { then } else { otherwise })
            }
            Expr::Assign { target, op, value } => {
                let new = match op {
                    None => self.eval(frame, value)?,
                    Some(op) => {
                        let old = self.read(frame, target);
                        let value_now = self.eval(frame, value)?;
                        self.apply(op, old, value_now, frame.site(id))?
                    }
                };
                self.write(frame, target, new);
                Ok(new)
            }
            Expr::Update { target, by, prefix } => {
                let old = self.read(frame, target);
                if !matches!(old, Value::Number(_)) {
                    let op = if by < 0 { "--" } else { "++" };
                    let message = format!("`{op}` needs a number, but this is {}", self.describe(old));
                    return Err(self.fail(Diagnostic::error(Code::Dx(9325), message).at(frame.location(id), "")));
                }
                let new = self.apply(BinaryOp::Add, old, Value::Number(by), frame.site(id))?;
                self.write(frame, target, new);
                Ok(if prefix { new } else { old })
            }
            Expr::Lambda(index) => {
                let function = &frame.code.functions[index as usize];
                let captured = function.captures.iter().map(|source| match source {
                    CaptureSource::Local(slot) => self.stack[frame.base + *slot as usize],
                    CaptureSource::Capture(index) => frame.captures[*index as usize],
                });
                let captures = &*self.heap.alloc_slice_fill_iter(captured);
                let closure = Closure { code: frame.code, function, captures, qualifier: frame.qualifier };
                Ok(Value::Closure(self.heap.alloc(closure)))
            }
        }
    }

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
                let error = Diagnostic::error(Code::Dx(9343), format!("{owner} has no member `{text}`"))
                    .at(reference, "")
                    .maybe_help(near.map(|near| format!("did you mean `{near}`?")));
                Err(self.fail(error))
            }
        }
    }

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
    fn qualifier_object(&mut self, qualifier: QualifierId) -> Value<'h> {
        let map = self.program().qualifiers.map_of(qualifier).clone();
        let entries: Vec<_> = map.iter().map(|(key, value)| (&**key, self.string(value))).collect();
        self.object_of(&entries)
    }

    fn eval_index(&mut self, frame: &Frame<'h>, id: ExprId, object: ExprId, index: ExprId) -> Eval<'h> {
        let receiver = self.eval(frame, object)?;
        let key = self.eval(frame, index)?;
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

    fn read(&self, frame: &Frame<'h>, variable: Variable) -> Value<'h> {
        let held = match variable {
            Variable::Local(slot) | Variable::LocalCell(slot) => self.stack[frame.base + slot as usize],
            Variable::CaptureCell(index) => frame.captures[index as usize],
        };
        if let Value::Cell(cell) = held { read_cell(cell) } else { held }
    }

    fn write(&mut self, frame: &Frame<'h>, variable: Variable, value: Value<'h>) {
        let held = match variable {
            Variable::Local(slot) => {
                self.stack[frame.base + slot as usize] = value;
                return;
            }
            Variable::LocalCell(slot) => self.stack[frame.base + slot as usize],
            Variable::CaptureCell(index) => frame.captures[index as usize],
        };
        if let Value::Cell(cell) = held {
            *cell.lock().unwrap_or_else(PoisonError::into_inner) = value;
        }
    }
}
