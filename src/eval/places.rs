//! Where the parts of an argument were written: errors about a field point at the field, not at the whole call.
//!
//! Nothing is recorded for this while evaluation runs. When something is wrong, the calls that led to the native are
//! walked outwards to the object literal that it was given, as long as each only hands on what it got.

use crate::resolve::ir::{Code, Expr, ExprId, Function};
use crate::source::Location;

use super::machine::Machine;
use super::native::Site;

/// One step from a value to a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field of an object.
    Field(&'static str),
    /// An item of an array.
    Item(usize),
}

/// The way from an argument of a native to a part of it. Long ways are cut: they end at what holds the part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trail {
    argument: usize,
    steps: [Option<Step>; 6],
}

impl Trail {
    /// The argument itself, counted from 0.
    pub fn argument(argument: usize) -> Self {
        Self { argument, ..Self::default() }
    }

    /// The way one step further.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        if let Some(free) = self.steps.iter_mut().find(|known| known.is_none()) {
            *free = Some(step);
        }
        self
    }
}

impl<'h> Machine<'_, 'h> {
    /// Where a part of the object that a native was given at `site` is written. The way ends early where the text does
    /// not show the part: at a variable, or behind a spread. None when the object is not written as a literal, or lacks
    /// the first field of the way.
    pub fn written_at(&self, site: Site<'h>, trail: Trail) -> Option<Location> {
        let own = self.running.last().map_or(0, |running| running.sites).min(self.sites.len());
        let mut calls = self.sites[own..].iter().rev();
        let (mut code, mut argument) = (site.code, argument_of(site.code, site.expr, trail.argument)?);
        // A parameter that is handed on: the literal lies further out.
        while let Expr::Local(slot) = code.exprs[argument.0 as usize] {
            let function = enclosing(code, argument)?;
            if slot as usize >= function.parameters.len() {
                return None;
            }
            let call = calls.next()?;
            code = self.shared.resolved.code.iter().find(|code| code.file == call.file)?;
            let spans = code.expr_spans.iter().enumerate().filter(|(_, span)| **span == call.span);
            argument =
                spans.map(|(index, _)| ExprId(index as u32)).find_map(|id| argument_of(code, id, slot as usize))?;
        }
        let place = follow(self, code, argument, trail)?;
        Some(code.span(place).in_file(code.file))
    }
}

/// An argument of a call of a declared function.
fn argument_of(code: &Code, call: ExprId, index: usize) -> Option<ExprId> {
    let Expr::CallGlobal { arguments, .. } = code.exprs[call.0 as usize] else { return None };
    let arguments = code.exprs_of(arguments);
    let spread = |id: &ExprId| matches!(code.exprs[id.0 as usize], Expr::Spread(_));
    arguments.get(index).filter(|_| !arguments[..=index].iter().any(spread)).copied()
}

/// The innermost function around an expression.
fn enclosing(code: &Code, inner: ExprId) -> Option<&Function> {
    let span = code.span(inner);
    let around = |function: &&Function| function.span.start <= span.start && span.end <= function.span.end;
    code.functions.iter().filter(around).min_by_key(|function| function.span.end - function.span.start)
}

/// The expression at the end of the way.
fn follow(m: &Machine<'_, '_>, code: &Code, literal: ExprId, trail: Trail) -> Option<ExprId> {
    let mut at = literal;
    for (index, step) in trail.steps.iter().flatten().enumerate() {
        let inner = match (step, code.exprs[at.0 as usize]) {
            (Step::Field(name), Expr::Object { shape, values }) => {
                let keys = &code.shapes[shape as usize];
                let place = keys.iter().position(|key| m.symbols().text(*key) == *name);
                place.and_then(|place| code.exprs_of(values).get(place))
            }
            (Step::Item(item), Expr::Array(items)) => {
                let items = code.exprs_of(items);
                let spread = |id: &ExprId| matches!(code.exprs[id.0 as usize], Expr::Spread(_));
                items.get(*item).filter(|_| !items[..=*item].iter().any(spread))
            }
            _ => None,
        };
        match inner {
            Some(inner) => at = *inner,
            None if index == 0 => return None,
            None => break,
        }
    }
    Some(at)
}
