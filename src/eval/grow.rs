//! Variables that grow in place: `s += x;`, `xs = xs.push(x);` and the like, over and over.
//!
//! Values never change and memory is never given back, so a loop that adds to a string would hold every step of it. The
//! lowering marks the statements that do nothing but add to a local variable. They add to a buffer that only the
//! variable knows of, which turns into an ordinary value, without a copy, when the variable is read.

use bumpalo::collections::{String, Vec as ArenaVec};
use smallvec::SmallVec;

use crate::resolve::ir::{Expr, ExprId, List};
use crate::source::{Location, Symbol};

use super::calls::Frame;
use super::machine::Machine;
use super::native::{Eval, Raised};
use super::value::{Array, Text, Value};

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
    pub(super) fn grow(&mut self, frame: &Frame<'h>, slot: u32, whole: ExprId) -> Result<(), Raised> {
        let at = frame.base + slot as usize;
        let Expr::Assign { op, value, .. } = frame.code.exprs[whole.0 as usize] else { return Err(Raised) };
        let (text, items) = match self.stack[at] {
            Value::Growing => match self.growth(at) {
                Some(Grown::Text(_)) => (true, false),
                _ => (false, true),
            },
            Value::String(_) => (true, false),
            Value::Array(_) => (false, true),
            _ => (false, false),
        };
        let base = self.stack.len();
        let grown = match (op, frame.code.exprs[value.0 as usize]) {
            (Some(_), _) if text => self.grow_text(frame, at, &[(whole, value)]),
            (None, Expr::Binary { .. }) if text => {
                let mut parts: SmallVec<[_; 4]> = SmallVec::new();
                let mut left = value;
                while let Expr::Binary { left: inner, right, .. } = frame.code.exprs[left.0 as usize] {
                    parts.push((left, right));
                    left = inner;
                }
                parts.reverse();
                self.grow_text(frame, at, &parts)
            }
            (None, Expr::CallMember { name, arguments, .. }) if items => {
                self.grow_by_call(frame, at, value, name, arguments)
            }
            (None, Expr::Array(list)) if items => {
                let list = frame.code.exprs_of(list);
                match (list, self.push_arguments(frame, &list[1..])) {
                    ([first, ..], Ok(base)) => self.grow_items(at, base, frame.location(*first)),
                    _ => Err(Raised),
                }
            }
            _ => self.effect(frame, whole),
        };
        self.stack.truncate(base);
        grown
    }

    /// Appends parts to a text. Each is given with the expression that adds it.
    fn grow_text(&mut self, frame: &Frame<'h>, at: usize, parts: &[(ExprId, ExprId)]) -> Result<(), Raised> {
        // All of them first: they may read the variable.
        let base = self.stack.len();
        for (_, part) in parts {
            let value = self.operand(frame, *part)?;
            self.stack.push(value);
        }
        for (index, (whole, _)) in parts.iter().enumerate() {
            let value = self.stack[base + index];
            let place = frame.location(*whole);
            let mut number = itoa::Buffer::new();
            let other;
            let part = match value {
                Value::String(text) => text.text,
                Value::Number(value) => number.format(value),
                _ => {
                    other = self.text_of(value, place)?;
                    &other
                }
            };
            self.append_text(at, part, place)?;
        }
        Ok(())
    }

    fn append_text(&mut self, at: usize, part: &str, place: Location) -> Result<(), Raised> {
        if let Value::String(text) = self.stack[at] {
            if text.text.len() + part.len() < SHORT_TEXT {
                self.stack[at] = self.joined_text([text.text, part].into_iter(), "", place)?;
                return Ok(());
            }
            self.start_growth(at, Grown::Text(String::from_str_in(text.text, self.heap)));
        }
        let Some(Grown::Text(text)) = self.growth(at) else { return Err(Raised) };
        text.push_str(part);
        let len = text.len();
        self.room(len, place)
    }

    /// `xs = xs.push(…)`, `xs = xs.concat(…)`
    fn grow_by_call(
        &mut self,
        frame: &Frame<'h>,
        at: usize,
        call: ExprId,
        name: Symbol,
        arguments: List<ExprId>,
    ) -> Result<(), Raised> {
        let base = self.push_arguments(frame, frame.code.exprs_of(arguments))?;
        if self.symbols().text(name) == "push" {
            return self.grow_items(at, base, frame.location(call));
        }
        let arrays: SmallVec<[_; 4]> = self.stack[base..].iter().copied().collect();
        if !arrays.iter().all(|value| value.as_array().is_some()) {
            let receiver = self.settle(at)?;
            self.stack[at] = self.call_member_of(receiver, name, &arrays, frame.site(call))?;
            return Ok(());
        }
        self.stack.truncate(base);
        for array in arrays {
            self.stack.extend_from_slice(array.as_array().unwrap_or_default());
        }
        self.grow_items(at, base, frame.location(call))
    }

    /// Appends what lies on the stack from `base` on to an array.
    fn grow_items(&mut self, at: usize, base: usize, place: Location) -> Result<(), Raised> {
        if self.stack.len() == base {
            return Ok(());
        }
        if let Value::Array(array) = self.stack[at] {
            let (old, len) = (array.items, array.items.len() + self.stack.len() - base);
            let mut items = ArenaVec::with_capacity_in(if len < SHORT_ARRAY { len } else { 2 * len }, self.heap);
            items.extend_from_slice_copy(old);
            if len < SHORT_ARRAY {
                items.extend_from_slice_copy(&self.stack[base..]);
                self.stack[at] = Value::Array(self.heap.alloc(Array { items: items.into_bump_slice(), merge: None }));
                return Ok(());
            }
            self.start_growth(at, Grown::Items(items));
        }
        let Some(index) = self.growth_index(at) else { return Err(Raised) };
        let Grown::Items(items) = &mut self.growths[index].grown else { return Err(Raised) };
        items.extend_from_slice_copy(&self.stack[base..]);
        let len = items.len();
        self.room_for_items(len, place)
    }

    /// Makes the variable one that grows.
    fn start_growth(&mut self, at: usize, grown: Grown<'h>) {
        match self.growth_index(at) {
            Some(index) => self.growths[index].grown = grown,
            None => self.growths.push(Growth { at, grown }),
        }
        self.stack[at] = Value::Growing;
    }

    fn growth_index(&self, at: usize) -> Option<usize> {
        self.growths.iter().rposition(|growth| growth.at == at)
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
                Value::Array(heap.alloc(Array { items, merge: None }))
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
