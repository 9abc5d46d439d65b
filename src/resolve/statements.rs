//! Statements of function bodies.

use super::ir::{BinaryOp, Body, Clause, Expr, ExprId, Growth, List, Stmt, StmtId, Variable};
use super::lower::Lowerer;
use super::variables::Stage;
use crate::source::Span;
use crate::syntax::ast::{self, Pattern, VariableKind};

impl Lowerer<'_, '_> {
    /// The body of a function with a block, in the scope of its parameters: a local may not have the name of one.
    pub(super) fn function_body(&mut self, block: ast::StmtId) -> Body {
        let mut lowered = Vec::new();
        match self.ast.stmt(block) {
            ast::Stmt::Block(body) => self.statements(body, &mut lowered),
            _ => self.statement(block, &mut lowered),
        }
        if let [only] = lowered.as_slice()
            && let Stmt::Return(Some(value)) = self.code.stmts[only.0 as usize]
        {
            return Body::Expr(value);
        }
        Body::Block(self.stmt_list(&lowered))
    }

    /// Statements of the scope that is open.
    fn statements(&mut self, body: ast::List<ast::StmtId>, out: &mut Vec<StmtId>) {
        let ast = self.ast;
        for &id in ast.list(body) {
            self.announce(id);
        }
        for &id in ast.list(body) {
            self.statement(id, out);
        }
    }

    /// Names that a statement declares are known from the beginning of its block on, so that a use before the
    /// definition is told apart from an outer name.
    fn announce(&mut self, id: ast::StmtId) {
        let ast = self.ast;
        match ast.stmt(id) {
            ast::Stmt::Variable { kind, declarators, .. } => {
                for declarator in ast.list(declarators) {
                    if let Pattern::Ident(name) = declarator.pattern {
                        let symbol = self.t.intern(ast.name(name));
                        self.add_var(symbol, name.span, kind == VariableKind::Const, Stage::Later);
                    }
                }
            }
            // Rules refuse these inside functions.
            ast::Stmt::Function { name, .. } | ast::Stmt::Enum { name, .. } => {
                let symbol = self.t.intern(ast.name(name));
                self.add_var(symbol, name.span, true, Stage::Broken);
            }
            _ => {}
        }
    }

    /// A statement where only one can stand: the body of a loop or branch.
    fn single(&mut self, id: ast::StmtId) -> StmtId {
        let span = self.ast.stmt_span(id);
        let mut lowered = Vec::new();
        self.frame().open();
        self.announce(id);
        self.statement(id, &mut lowered);
        self.close_scope();
        match lowered.as_slice() {
            [only] => *only,
            _ => {
                let list = self.stmt_list(&lowered);
                self.push_stmt(span, Stmt::Block(list))
            }
        }
    }

    fn statement(&mut self, id: ast::StmtId, out: &mut Vec<StmtId>) {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || self.statement_inner(id, out));
    }

    fn statement_inner(&mut self, id: ast::StmtId, out: &mut Vec<StmtId>) {
        let ast = self.ast;
        let span = ast.stmt_span(id);
        let stmt = match ast.stmt(id) {
            ast::Stmt::Variable { modifiers, declarators, .. } => {
                self.refuse_public(modifiers);
                for declarator in ast.list(declarators) {
                    self.variable(*declarator, out);
                }
                return;
            }
            ast::Stmt::Expr(expr) => {
                let first = self.code.exprs.len();
                let whole = self.expr(expr);
                let next = StmtId(self.code.stmts.len() as u32);
                if let Some((slot, by)) = self.growth(first, whole)
                    && let Some(variable) = self.frame().in_slot(slot)
                {
                    variable.growths.push(next);
                    Stmt::Grow { slot, whole, by }
                } else {
                    Stmt::Expr(whole)
                }
            }
            ast::Stmt::Block(body) => {
                // Its scope ends here, and with it all that distinguishes a block from its statements.
                self.frame().open();
                self.statements(body, out);
                self.close_scope();
                return;
            }
            ast::Stmt::If { condition, then, otherwise } => {
                let condition = self.expr(condition);
                let then = self.single(then);
                let otherwise = otherwise.map(|otherwise| self.single(otherwise));
                Stmt::If { condition, then, otherwise }
            }
            ast::Stmt::Switch { subject, clauses } => self.switch(subject, clauses),
            ast::Stmt::For { init, condition, step, body } => {
                self.frame().open();
                let mut first = Vec::new();
                if let Some(init) = init {
                    self.announce(init);
                    self.statement(init, &mut first);
                }
                let init = match first.as_slice() {
                    [] => None,
                    [only] => Some(*only),
                    // Several variables at once are refused by a rule; they share the scope all the same.
                    _ => {
                        let list = self.stmt_list(&first);
                        Some(self.push_stmt(span, Stmt::Block(list)))
                    }
                };
                let condition = condition.map(|condition| self.expr(condition));
                let step = step.map(|step| self.expr(step));
                let body = self.single(body);
                self.close_scope();
                Stmt::For { init, condition, step, body }
            }
            ast::Stmt::ForOf { binding, iterable, body } => self.for_of(binding, iterable, body),
            ast::Stmt::While { condition, body } => {
                let condition = self.expr(condition);
                let body = self.single(body);
                Stmt::While { condition, body }
            }
            ast::Stmt::DoWhile { body, condition } => {
                let body = self.single(body);
                let condition = self.expr(condition);
                Stmt::DoWhile { body, condition }
            }
            ast::Stmt::Return(value) => Stmt::Return(value.map(|value| self.expr(value))),
            ast::Stmt::Break(_) => Stmt::Break,
            ast::Stmt::Continue(_) => Stmt::Continue,
            ast::Stmt::Function { modifiers, .. }
            | ast::Stmt::Interface { modifiers, .. }
            | ast::Stmt::TypeAlias { modifiers, .. }
            | ast::Stmt::Enum { modifiers, .. } => {
                self.refuse_public(modifiers);
                Stmt::Empty
            }
            // Rules refuse the rest; nothing runs when one does.
            _ => Stmt::Empty,
        };
        let lowered = self.push_stmt(span, stmt);
        out.push(lowered);
    }

    /// The slot of the local that an assignment only adds to, and what it adds; `first` is the first expression that
    /// belongs to it.
    fn growth(&self, first: usize, whole: ExprId) -> Option<(u32, Growth)> {
        let exprs = &self.code.exprs;
        let expr = |id: ExprId| exprs[id.0 as usize];
        let Expr::Assign { target: Variable::Local(slot), op, value } = expr(whole) else { return None };
        let (by, variable) = match (op, expr(value)) {
            (Some(BinaryOp::Add), _) => (Growth::Text, None),
            (None, Expr::Binary { op: BinaryOp::Add, .. }) => {
                let mut at = value;
                while let Expr::Binary { op: BinaryOp::Add, left, .. } = expr(at) {
                    at = left;
                }
                (Growth::Texts, Some(at))
            }
            (None, Expr::CallMember { object, name, .. }) => match self.t.text(name) {
                "push" => (Growth::Push, Some(object)),
                "concat" => (Growth::Concat, Some(object)),
                _ => return None,
            },
            (None, Expr::Array(items)) => match expr(*self.code.exprs_of(items).first()?) {
                Expr::Spread(inner) => (Growth::Items, Some(inner)),
                _ => return None,
            },
            _ => return None,
        };
        let reads = |expr: Expr| matches!(expr, Expr::Local(read) if read == slot);
        if variable.is_some_and(|variable| !reads(expr(variable))) {
            return None;
        }
        // Whatever else reads the variable would make a value of it in each round.
        let uses = |(id, expr): (usize, &Expr)| match *expr {
            Expr::Assign { target, .. } | Expr::Update { target, .. } if id != whole.0 as usize => {
                target == Variable::Local(slot)
            }
            expr => reads(expr) && variable.is_none_or(|variable| variable.0 as usize != id),
        };
        let used = exprs.iter().enumerate().skip(first).any(uses);
        (!used).then_some((slot, by))
    }

    fn refuse_public(&mut self, modifiers: ast::Modifiers) {
        let ast = self.ast;
        for &decorator in ast.list(modifiers.decorators) {
            let span = ast.expr_span(decorator);
            if matches!(ast.expr(decorator), ast::Expr::Name) && ast.text_of(span) == "public" {
                let message = "`@@public` is for declarations of a file or namespace, not for locals".to_owned();
                let _ = self.error(50113, span, message, "not allowed here", None);
            }
        }
    }

    fn variable(&mut self, declarator: ast::Declarator, out: &mut Vec<StmtId>) {
        self.maybe_ty(declarator.ty);
        self.known_fields_in_value(declarator);
        let Pattern::Ident(name) = declarator.pattern else {
            if let Some(init) = declarator.init {
                let value = self.expr(init);
                let stmt = self.push_stmt(declarator.span, Stmt::Expr(value));
                out.push(stmt);
            }
            return;
        };
        let place = self.place(name.span);
        let Some(index) = self.frame().declared_at(place) else { return };
        self.frame().vars[index].stage = Stage::Defining;
        let value = match declarator.init {
            Some(init) => self.expr(init),
            None => self.push(declarator.span, Expr::Undefined),
        };
        let var = &mut self.frame().vars[index];
        var.stage = Stage::Defined;
        let slot = var.slot;
        if !var.recursive {
            let stmt = self.push_stmt(declarator.span, Stmt::Let { slot, cell: false, value });
            self.frame().vars[index].definition = Some(stmt);
            out.push(stmt);
            return;
        }
        // The closure in its own value captures the cell, so the cell comes first.
        let nothing = self.push(name.span, Expr::Undefined);
        let stmt = self.push_stmt(declarator.span, Stmt::Let { slot, cell: true, value: nothing });
        out.push(stmt);
        let assign = Expr::Assign { target: Variable::LocalCell(slot), op: None, value };
        let assign = self.push(declarator.span, assign);
        let stmt = self.push_stmt(declarator.span, Stmt::Expr(assign));
        out.push(stmt);
    }

    fn switch(&mut self, subject: ast::ExprId, clauses: ast::List<ast::SwitchClause>) -> Stmt {
        let ast = self.ast;
        let subject = self.expr(subject);
        self.frame().open();
        for clause in ast.list(clauses) {
            for &id in ast.list(clause.body) {
                self.announce(id);
            }
        }
        let mut lowered = Vec::new();
        for clause in ast.list(clauses) {
            let test = clause.test.map(|test| self.expr(test));
            let mut body = Vec::new();
            for &id in ast.list(clause.body) {
                self.statement(id, &mut body);
            }
            let body = self.stmt_list(&body);
            lowered.push(Clause { test, body });
        }
        self.close_scope();
        let start = self.code.clauses.len() as u32;
        self.code.clauses.extend_from_slice(&lowered);
        Stmt::Switch { subject, clauses: List::new(start, lowered.len() as u32) }
    }

    fn for_of(&mut self, binding: ast::StmtId, iterable: ast::ExprId, body: ast::StmtId) -> Stmt {
        let ast = self.ast;
        let iterable = self.expr(iterable);
        self.frame().open();
        let declarator = match ast.stmt(binding) {
            ast::Stmt::Variable { kind, declarators, .. } => {
                ast.list(declarators).first().map(|declarator| (*declarator, kind == VariableKind::Const))
            }
            _ => None,
        };
        let index = match declarator {
            Some((ast::Declarator { pattern: Pattern::Ident(name), .. }, constant)) => {
                let symbol = self.t.intern(ast.name(name));
                self.add_var(symbol, name.span, constant, Stage::Defined)
            }
            // A rule refuses it.
            _ => self.add_var(self.t.known.empty, Span::default(), true, Stage::Broken),
        };
        let slot = self.frame().vars[index].slot;
        let body = self.single(body);
        self.close_scope();
        let cell = self.frame().vars[index].in_cell();
        Stmt::ForOf { slot, cell, iterable, body }
    }
}
