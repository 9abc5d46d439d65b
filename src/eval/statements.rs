//! Statements of the lowered form.

use crate::diagnostics::{Code, Diagnostic};
use crate::resolve::ir::{Clause, ExprId, List, Stmt, StmtId};

use super::calls::Frame;
use super::machine::Machine;
use super::native::Raised;
use super::value::{Value, read_cell};

/// How a statement ended.
pub(super) enum Flow<'h> {
    Next,
    Break,
    Continue,
    Return(Value<'h>),
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
            Flow::Return(value) => return Ok(Flow::Return(value)),
        }
    };
}

impl<'h> Machine<'_, 'h> {
    pub(super) fn exec_all(&mut self, frame: &Frame<'h>, statements: &'h [StmtId]) -> Result<Flow<'h>, Raised> {
        for statement in statements {
            match self.exec(frame, *statement)? {
                Flow::Next => {}
                leave => return Ok(leave),
            }
        }
        Ok(Flow::Next)
    }

    fn exec(&mut self, frame: &Frame<'h>, id: StmtId) -> Result<Flow<'h>, Raised> {
        match frame.code.stmts[id.0 as usize] {
            Stmt::Let { slot, cell, value } => {
                let value = self.eval(frame, value)?;
                self.bind(frame, slot, cell, value);
                Ok(Flow::Next)
            }
            Stmt::Expr(expr) => self.eval(frame, expr).map(|_| Flow::Next),
            Stmt::Return(None) => Ok(Flow::Return(Value::Undefined)),
            Stmt::Return(Some(expr)) => self.eval(frame, expr).map(Flow::Return),
            Stmt::Break => Ok(Flow::Break),
            Stmt::Continue => Ok(Flow::Continue),
            Stmt::Empty => Ok(Flow::Next),
            _ => {
                // Blocks nest; count them like expressions so that the stack grows in time.
                self.nesting += 1;
                let result = if self.nesting.is_multiple_of(32) {
                    super::calls::with_stack(|| self.exec_nested(frame, id))
                } else {
                    self.exec_nested(frame, id)
                };
                self.nesting -= 1;
                result
            }
        }
    }

    fn exec_nested(&mut self, frame: &Frame<'h>, id: StmtId) -> Result<Flow<'h>, Raised> {
        match frame.code.stmts[id.0 as usize] {
            Stmt::Block(body) => self.exec_all(frame, frame.code.stmts_of(body)),
            Stmt::If { condition, then, otherwise } => {
                if self.eval(frame, condition)?.is_truthy() {
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
            _ => Ok(Flow::Next),
        }
    }

    fn exec_loop(&mut self, frame: &Frame<'h>, id: StmtId, what: &Loop) -> Result<Flow<'h>, Raised> {
        let Loop { code, init, condition, step, body } = *what;
        let limit = self.host().limits.loop_iterations;
        let place = frame.code.stmt_spans[id.0 as usize].in_file(frame.code.file);
        for round in 0..=limit {
            self.step(place)?;
            if let Some(condition) = condition
                && !self.eval(frame, condition)?.is_truthy()
            {
                return Ok(Flow::Next);
            }
            if round == limit {
                break;
            }
            loop_body!(self.exec(frame, body)?);
            if let Some(step) = step {
                self.renew_cell(frame, init);
                self.eval(frame, step)?;
            }
        }
        let error = Diagnostic::error(code, format!("this loop has run {limit} rounds and is taken to be endless"))
            .at(place, "")
            .help("make sure that its condition becomes false; `frontEnd.maxLoopIterations` in the configuration sets the limit");
        Err(self.fail(error))
    }

    fn exec_for_of(
        &mut self,
        frame: &Frame<'h>,
        slot: u32,
        cell: bool,
        iterable: ExprId,
        body: StmtId,
    ) -> Result<Flow<'h>, Raised> {
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
        let place = frame.location(iterable);
        for item in items {
            self.step(place)?;
            self.bind(frame, slot, cell, *item);
            loop_body!(self.exec(frame, body)?);
        }
        Ok(Flow::Next)
    }

    fn exec_switch(&mut self, frame: &Frame<'h>, subject: ExprId, clauses: List<Clause>) -> Result<Flow<'h>, Raised> {
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
    fn renew_cell(&mut self, frame: &Frame<'h>, init: Option<StmtId>) {
        if let Some(init) = init
            && let Stmt::Let { slot, cell: true, .. } = frame.code.stmts[init.0 as usize]
            && let Value::Cell(cell) = self.stack[frame.base + slot as usize]
        {
            let renewed = self.new_cell(read_cell(cell));
            self.stack[frame.base + slot as usize] = renewed;
        }
    }

    fn bind(&mut self, frame: &Frame<'h>, slot: u32, cell: bool, value: Value<'h>) {
        let value = if cell { self.new_cell(value) } else { value };
        self.stack[frame.base + slot as usize] = value;
    }
}
