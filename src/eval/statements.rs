//! Statements of the lowered form.

use crate::diagnostics::{Code, Diagnostic};
use crate::resolve::ir::{Clause, ExprId, List, Stmt, StmtId};

use super::calls::Frame;
use super::machine::Machine;
use super::native::Raised;
use super::value::{Value, read_cell};

/// How a statement ended.
#[derive(Clone, Copy)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    /// The machine has the value.
    Return,
}

/// A loop with a condition.
struct Loop {
    /// The error when it does not end.
    code: Code,
    init: Option<StmtId>,
    condition: Option<ExprId>,
    step: Option<ExprId>,
    body: StmtId,
}

impl Loop {
    fn while_holds(condition: ExprId, body: StmtId) -> Self {
        Self { code: Code::Dx(9380), init: None, condition: Some(condition), step: None, body }
    }
}

/// Goes on with the loop, or leaves the function that runs it.
macro_rules! loop_body {
    ($flow:expr) => {
        match $flow {
            Flow::Next | Flow::Continue => {}
            Flow::Break => return Ok(Flow::Next),
            Flow::Return => return Ok(Flow::Return),
        }
    };
}

impl<'h> Machine<'_, 'h> {
    pub(super) fn exec_all(&mut self, frame: &Frame<'h>, statements: &'h [StmtId]) -> Result<Flow, Raised> {
        for statement in statements {
            match self.exec_next(frame, *statement)? {
                Flow::Next => {}
                leave => return Ok(leave),
            }
        }
        Ok(Flow::Next)
    }

    /// `exec` without a call for the statements that are most of them.
    #[inline(always)]
    fn exec_next(&mut self, frame: &Frame<'h>, id: StmtId) -> Result<Flow, Raised> {
        match frame.code.stmts[id.0 as usize] {
            Stmt::Expr(expr) => self.effect(frame, expr).map(|()| Flow::Next),
            Stmt::Grow { slot, whole, by } => self.grow(frame, slot, whole, by).map(|()| Flow::Next),
            _ => self.exec(frame, id),
        }
    }

    fn exec(&mut self, frame: &Frame<'h>, id: StmtId) -> Result<Flow, Raised> {
        if self.stack_is_low() {
            return self.with_more_stack(|m| m.exec(frame, id));
        }
        match frame.code.stmts[id.0 as usize] {
            Stmt::Let { slot, cell, value } => {
                let value = self.operand(frame, value)?;
                self.bind(frame, slot, cell, value);
                Ok(Flow::Next)
            }
            Stmt::Expr(expr) => self.effect(frame, expr).map(|()| Flow::Next),
            Stmt::Grow { slot, whole, by } => self.grow(frame, slot, whole, by).map(|()| Flow::Next),
            Stmt::Return(value) => {
                match value {
                    Some(value) => self.give(frame, value)?,
                    None => self.returned = Value::Undefined,
                }
                Ok(Flow::Return)
            }
            Stmt::Break => Ok(Flow::Break),
            Stmt::Continue => Ok(Flow::Continue),
            Stmt::Empty => Ok(Flow::Next),
            Stmt::Block(body) => self.exec_all(frame, frame.code.stmts_of(body)),
            Stmt::If { condition, then, otherwise } => {
                if self.holds(frame, condition)? {
                    self.exec(frame, then)
                } else if let Some(otherwise) = otherwise {
                    self.exec(frame, otherwise)
                } else {
                    Ok(Flow::Next)
                }
            }
            Stmt::Switch { subject, clauses } => self.exec_switch(frame, subject, clauses),
            Stmt::For { init, condition, step, body } => {
                if let Some(init) = init {
                    self.exec(frame, init)?;
                }
                self.exec_loop(frame, id, &Loop { code: Code::Dx(9379), init, condition, step, body })
            }
            Stmt::While { condition, body } => self.exec_loop(frame, id, &Loop::while_holds(condition, body)),
            Stmt::DoWhile { body, condition } => {
                loop_body!(self.exec(frame, body)?);
                self.exec_loop(frame, id, &Loop::while_holds(condition, body))
            }
            Stmt::ForOf { slot, cell, iterable, body } => self.exec_for_of(frame, slot, cell, iterable, body),
        }
    }

    #[inline(never)]
    fn exec_loop(&mut self, frame: &Frame<'h>, id: StmtId, what: &Loop) -> Result<Flow, Raised> {
        let Loop { code, init, condition, step, body } = *what;
        let limit = self.host().limits.loop_iterations;
        let place = || frame.code.stmt_spans[id.0 as usize].in_file(frame.code.file);
        let renewed = init.and_then(|init| match frame.code.stmts[init.0 as usize] {
            Stmt::Let { slot, cell: true, .. } => Some(slot),
            _ => None,
        });
        for round in 0..=limit {
            self.step(place)?;
            if let Some(condition) = condition
                && !self.holds(frame, condition)?
            {
                return Ok(Flow::Next);
            }
            if round == limit {
                break;
            }
            loop_body!(self.exec_next(frame, body)?);
            if let Some(step) = step {
                if let Some(slot) = renewed {
                    self.renew_cell(frame, slot);
                }
                self.effect(frame, step)?;
            }
        }
        let error = Diagnostic::error(code, format!("this loop has run {limit} rounds and is taken to be endless"))
            .at(place(), "")
            .help("make sure that its condition becomes false; `frontEnd.maxLoopIterations` in the configuration sets the limit");
        Err(self.fail(error))
    }

    #[inline(never)]
    fn exec_for_of(
        &mut self,
        frame: &Frame<'h>,
        slot: u32,
        cell: bool,
        iterable: ExprId,
        body: StmtId,
    ) -> Result<Flow, Raised> {
        let items = match self.eval(frame, iterable)? {
            Value::Array(array) => array.items,
            Value::Set(set) => set.items(),
            Value::Map(map) => {
                let pairs: Vec<_> = map.entries().map(|(key, value)| self.array(&[key, value])).collect();
                self.heap.alloc_slice_copy(&pairs)
            }
            other => {
                let message = format!("`for…of` goes through arrays, but this is {}", self.describe(other));
                return Err(self.fail(Diagnostic::error(Code::Dx(9325), message).at(frame.location(iterable), "")));
            }
        };
        for item in items {
            self.step(|| frame.location(iterable))?;
            self.bind(frame, slot, cell, *item);
            loop_body!(self.exec(frame, body)?);
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn exec_switch(&mut self, frame: &Frame<'h>, subject: ExprId, clauses: List<Clause>) -> Result<Flow, Raised> {
        let subject = self.eval(frame, subject)?;
        let clauses = frame.code.clauses_of(clauses);
        let mut chosen = None;
        for (index, clause) in clauses.iter().enumerate() {
            if let Some(test) = clause.test
                && self.eval(frame, test)?.same(subject)
            {
                chosen = Some(index);
                break;
            }
        }
        let chosen = chosen.or_else(|| clauses.iter().position(|clause| clause.test.is_none()));
        for clause in chosen.map_or(&[][..], |index| &clauses[index..]) {
            match self.exec_all(frame, frame.code.stmts_of(clause.body))? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                leave => return Ok(leave),
            }
        }
        Ok(Flow::Next)
    }

    /// Each round of a `for` has a variable of its own: what a closure of the last round captured stays as it is.
    fn renew_cell(&mut self, frame: &Frame<'h>, slot: u32) {
        if let Value::Cell(cell) = self.stack[frame.base + slot as usize] {
            let renewed = self.new_cell(read_cell(cell));
            self.stack[frame.base + slot as usize] = renewed;
        }
    }

    fn bind(&mut self, frame: &Frame<'h>, slot: u32, cell: bool, value: Value<'h>) {
        let value = if cell { self.new_cell(value) } else { value };
        value.store(&mut self.stack[frame.base + slot as usize]);
    }
}
