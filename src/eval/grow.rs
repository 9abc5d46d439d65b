//! Variables that grow in place: `s += x;`, `xs = xs.push(x);` and the like, over and over.
//!
//! Values never change and memory is never given back, so a loop that adds to a string would hold every step of it. The
//! lowering marks the statements that do nothing but add to a local variable. They add to a buffer that only the
//! variable knows of, which turns into an ordinary value, without a copy, when the variable is read.

use bumpalo::collections::{String, Vec as ArenaVec};
use smallvec::SmallVec;

use crate::resolve::ir::{self, BinaryOp, Expr, ExprId};
use crate::source::{Location, Symbol};

use super::calls::Frame;
use super::limits::LARGEST;
use super::machine::Machine;
use super::native::{Eval, Raised};
use super::value::{Text, Value};

/// Texts of fewer bytes are copied.
const SHORT_TEXT: usize = 128;
/// Arrays of fewer items are copied.
const SHORT_ARRAY: usize = 16;

/// The buffers of the variables that grow, those of inner calls last.
pub(super) type Growths<'h> = Vec<Growth<'h>>;

/// The buffer of one variable.
pub(super) struct Growth<'h> {
    /// Where on the machine's stack the variable lies.
    at: usize,
    grown: Grown<'h>,
}

enum Grown<'h> {
    Text(String<'h>),
    Items(ArenaVec<'h, Value<'h>>),
}

impl<'h> Machine<'_, 'h> {
    /// Runs a statement that adds to the variable in a slot: `whole` is the assignment.
    #[inline(never)]
    pub(super) fn grow(&mut self, frame: &Frame<'h>, slot: u32, whole: ExprId, by: ir::Growth) -> Result<(), Raised> {
        let at = frame.base + slot as usize;
        let Expr::Assign { value, .. } = frame.code.exprs[whole.0 as usize] else { return Err(Raised) };
        let is_text = matches!(by, ir::Growth::Text | ir::Growth::Texts);
        let fits = match self.stack[at] {
            Value::String(_) => is_text,
            Value::Array(_) => !is_text,
            Value::Growing => matches!(self.growth(at), Some(Grown::Text(_))) == is_text,
            _ => false,
        };
        if !fits {
            return self.effect(frame, whole);
        }
        let base = self.stack.len();
        let grown = match (by, frame.code.exprs[value.0 as usize]) {
            (ir::Growth::Texts, _) => {
                let mut parts: SmallVec<[_; 4]> = SmallVec::new();
                let mut left = value;
                while let Expr::Binary { op: BinaryOp::Add, left: inner, right, .. } = frame.code.exprs[left.0 as usize]
                {
                    parts.push((left, right));
                    left = inner;
                }
                parts.reverse();
                self.grow_text(frame, at, &parts)
            }
            (ir::Growth::Push, Expr::CallMember { arguments, .. }) => {
                self.push_arguments(frame, frame.code.exprs_of(arguments))?;
                self.grow_items(at, base, || frame.location(value))
            }
            (ir::Growth::Concat, Expr::CallMember { name, arguments, .. }) => {
                self.push_arguments(frame, frame.code.exprs_of(arguments))?;
                self.concat_items(frame, at, base, value, name)
            }
            (ir::Growth::Items, Expr::Array(items)) => {
                let items = frame.code.exprs_of(items);
                self.push_arguments(frame, &items[1..])?;
                if let (Value::Array(array), true) = (self.stack[at], self.stack.len() == base) {
                    // Nothing is added, but it is another array, with no rule for merging.
                    self.stack[at] = self.array(array.items);
                }
                self.grow_items(at, base, || frame.location(items[0]))
            }
            _ => self.grow_text(frame, at, &[(whole, value)]),
        };
        self.stack.truncate(base);
        grown
    }

    /// Appends parts to a text. Each is given with the expression that adds it.
    fn grow_text(&mut self, frame: &Frame<'h>, at: usize, parts: &[(ExprId, ExprId)]) -> Result<(), Raised> {
        for (whole, part) in parts {
            let value = self.operand(frame, *part)?;
            let mut number = itoa::Buffer::new();
            let other;
            let part = match value {
                Value::String(text) => text.text,
                Value::Number(value) => number.format(value),
                _ => {
                    other = self.text_of(value, frame.location(*whole))?;
                    &other
                }
            };
            self.append_text(at, part, || frame.location(*whole))?;
        }
        Ok(())
    }

    fn append_text(&mut self, at: usize, part: &str, place: impl FnOnce() -> Location) -> Result<(), Raised> {
        if let Value::String(text) = self.stack[at] {
            if text.text.len() + part.len() < SHORT_TEXT {
                self.stack[at] = self.joined_text([text.text, part].into_iter(), "", place())?;
                return Ok(());
            }
            self.start_growth(at, Grown::Text(String::from_str_in(text.text, self.heap)));
        }
        let Some(Grown::Text(text)) = self.growth(at) else { return Err(Raised) };
        text.push_str(part);
        let len = text.len();
        if len > LARGEST { self.room(len, place()) } else { Ok(()) }
    }

    /// `xs = xs.concat(…)` with the arguments on the stack from `base` on.
    fn concat_items(
        &mut self,
        frame: &Frame<'h>,
        at: usize,
        base: usize,
        call: ExprId,
        name: Symbol,
    ) -> Result<(), Raised> {
        let arguments: SmallVec<[_; 4]> = self.stack[base..].iter().copied().collect();
        if !arguments.iter().all(|value| value.as_array().is_some()) {
            let receiver = self.settle(at)?;
            self.stack[at] = self.call_member_of(receiver, name, &arguments, frame.site(call))?;
            return Ok(());
        }
        self.stack.truncate(base);
        let arrays = arguments.iter().filter_map(|value| value.as_array());
        self.room_for_items(arrays.clone().map(<[_]>::len).sum(), frame.location(call))?;
        for array in arrays {
            self.stack.extend_from_slice(array);
        }
        self.grow_items(at, base, || frame.location(call))
    }

    /// Appends what lies on the stack from `base` on to an array.
    fn grow_items(&mut self, at: usize, base: usize, place: impl FnOnce() -> Location) -> Result<(), Raised> {
        if self.stack.len() == base {
            return Ok(());
        }
        if let Value::Array(array) = self.stack[at] {
            let (old, len) = (array.items, array.items.len() + self.stack.len() - base);
            let mut items = ArenaVec::with_capacity_in(if len < SHORT_ARRAY { len } else { 2 * len }, self.heap);
            items.extend_from_slice_copy(old);
            if len < SHORT_ARRAY {
                items.extend_from_slice_copy(&self.stack[base..]);
                self.stack[at] = self.array_in_arena(items.into_bump_slice());
                return Ok(());
            }
            self.start_growth(at, Grown::Items(items));
        }
        let Some(growth) = self.growths.iter_mut().rev().find(|growth| growth.at == at) else { return Err(Raised) };
        let Grown::Items(items) = &mut growth.grown else { return Err(Raised) };
        items.extend_from_slice_copy(&self.stack[base..]);
        let bytes = size_of_val(items.as_slice());
        if bytes > LARGEST { self.room(bytes, place()) } else { Ok(()) }
    }

    /// Makes the variable one that grows.
    fn start_growth(&mut self, at: usize, grown: Grown<'h>) {
        match self.growth(at) {
            Some(known) => *known = grown,
            None => self.growths.push(Growth { at, grown }),
        }
        self.stack[at] = Value::Growing;
    }

    fn growth(&mut self, at: usize) -> Option<&mut Grown<'h>> {
        self.growths.iter_mut().rev().find(|growth| growth.at == at).map(|growth| &mut growth.grown)
    }

    /// The value of a variable that may be growing; it is an ordinary one again.
    pub(super) fn settle(&mut self, at: usize) -> Eval<'h> {
        if !matches!(self.stack[at], Value::Growing) {
            return Ok(self.stack[at]);
        }
        let heap = self.heap;
        let value = match self.growth(at) {
            Some(Grown::Items(items)) => {
                let items = std::mem::replace(items, ArenaVec::new_in(heap)).into_bump_slice();
                self.array_in_arena(items)
            }
            Some(Grown::Text(text)) => {
                let text = std::mem::replace(text, String::new_in(heap)).into_bump_str();
                Value::String(heap.alloc(Text { text, origin: None }))
            }
            None => return Err(Raised),
        };
        self.stack[at] = value;
        Ok(value)
    }

    /// The items so far of an array that grows, read without an end to its growth.
    #[inline]
    pub(super) fn growing_items(&mut self, frame: &Frame<'h>, object: ExprId) -> Option<&[Value<'h>]> {
        let Expr::LocalGrown(slot) = frame.code.exprs[object.0 as usize] else { return None };
        let at = frame.base + slot as usize;
        if !matches!(self.stack[at], Value::Growing) {
            return None;
        }
        match self.growth(at) {
            Some(Grown::Items(items)) => Some(items.as_slice()),
            _ => None,
        }
    }

    /// Forgets the buffers of a call that ends.
    #[inline(always)]
    pub(super) fn end_growths(&mut self, base: usize) {
        while self.growths.last().is_some_and(|growth| growth.at >= base) {
            self.growths.pop();
        }
    }
}
