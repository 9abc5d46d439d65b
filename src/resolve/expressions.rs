//! Expressions other than names and calls.

use super::ir::{BinaryOp, Expr, ExprId, Operands, Variable};
use super::lower::Lowerer;
use super::names::Local;
use super::variables::Stage;
use crate::diagnostics::{Code as Number, Diagnostic};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, MemberKind, PropertyName, UnaryOp};
use crate::syntax::literals::{negated_number_value, number_value, string_value};

impl Lowerer<'_, '_> {
    /// Lowers an expression that is used as a value.
    pub(super) fn expr(&mut self, id: ast::ExprId) -> ExprId {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || match self.ast.expr(id) {
            ast::Expr::Name
            | ast::Expr::Member { .. }
            | ast::Expr::Call { .. }
            | ast::Expr::Paren(_)
            | ast::Expr::Cast { .. } => {
                let operand = self.operand(id);
                self.value(operand)
            }
            _ => self.plain(id),
        })
    }

    /// An expression that cannot mean a namespace or enum.
    pub(super) fn plain(&mut self, id: ast::ExprId) -> ExprId {
        let ast = self.ast;
        let span = ast.expr_span(id);
        let expr = match ast.expr(id) {
            ast::Expr::True => Expr::Bool(true),
            ast::Expr::False => Expr::Bool(false),
            ast::Expr::Number => number_value(ast.text_of(span)).map_or(Expr::Error, Expr::Number),
            ast::Expr::String => {
                let text = string_value(ast.text_of(span));
                Expr::String(self.string(&text))
            }
            ast::Expr::Template { tag, parts } => return self.template(span, tag, parts),
            // What stands between two commas: `[1,,2]`.
            ast::Expr::Hole => Expr::Undefined,
            ast::Expr::Array { items } => {
                let items: Vec<ExprId> = ast.list(items).iter().map(|&item| self.expr(item)).collect();
                Expr::Array(self.expr_list(&items))
            }
            ast::Expr::Spread(inner) => Expr::Spread(self.expr(inner)),
            ast::Expr::Object { members } => self.object(members),
            ast::Expr::Arrow(function) => Expr::Lambda(self.function(function, None)),
            ast::Expr::Index { object, index } => {
                let object = self.expr(object);
                Expr::Index { object, index: self.expr(index) }
            }
            ast::Expr::Unary { op: UnaryOp::Minus, operand } if matches!(ast.expr(operand), ast::Expr::Number) => {
                // The smallest number has no positive counterpart: the sign belongs to the literal.
                let value = negated_number_value(ast.text_of(ast.expr_span(operand)));
                value.map_or(Expr::Error, Expr::Number)
            }
            ast::Expr::Unary { op, operand } => {
                let operand = self.expr(operand);
                match op {
                    UnaryOp::Not => Expr::Not(operand),
                    UnaryOp::Minus => Expr::Minus(operand),
                    UnaryOp::Plus => Expr::Plus(operand),
                    UnaryOp::BitNot => Expr::BitNot(operand),
                    UnaryOp::TypeOf => Expr::TypeOf(operand),
                    UnaryOp::Void | UnaryOp::Delete => Expr::Error,
                }
            }
            ast::Expr::Binary { .. } => return self.binary(id),
            ast::Expr::Conditional { condition, then, otherwise } => {
                let condition = self.expr(condition);
                let then = self.expr(then);
                Expr::Conditional { condition, then, otherwise: self.expr(otherwise) }
            }
            ast::Expr::Assign { op, target, value } => return self.assign(span, op, target, value),
            ast::Expr::Update { increment, prefix, target } => return self.update(span, increment, prefix, target),
            ast::Expr::Named { value, .. } => {
                self.expr(value);
                Expr::Error
            }
            // Rules refuse the rest, or the parser reported it.
            _ => Expr::Error,
        };
        self.push(span, expr)
    }

    /// Chains such as `a + b + …` may have any length: their left spine is walked, not recursed into.
    fn binary(&mut self, id: ast::ExprId) -> ExprId {
        let ast = self.ast;
        let mut spine = Vec::new();
        let mut at = id;
        while let ast::Expr::Binary { op, left, right } = ast.expr(at) {
            spine.push((ast.expr_span(at), op, right));
            at = left;
        }
        let mut result = self.expr(at);
        for (span, op, right) in spine.into_iter().rev() {
            let right = self.expr(right);
            let expr = match op {
                ast::BinaryOp::Or => Expr::Or(result, right),
                ast::BinaryOp::And => Expr::And(result, right),
                _ => match binary_op(op) {
                    Some(op) => Expr::Binary { op, left: result, right, operands: Operands::Any },
                    None => Expr::Error,
                },
            };
            result = self.push(span, expr);
        }
        result
    }

    fn object(&mut self, members: ast::List<ast::Member>) -> Expr {
        let ast = self.ast;
        let mut keys: Vec<Symbol> = Vec::new();
        let mut values: Vec<ExprId> = Vec::new();
        // Large literals look keys up by hash.
        let mut places = rustc_hash::FxHashMap::default();
        let mut broken = false;
        for member in ast.list(members) {
            let (text, value) = match member.kind {
                MemberKind::Property { key, value } => match key {
                    PropertyName::Ident(name) => (ast.name(name).into(), value),
                    PropertyName::String(span) => (string_value(ast.text_of(span)), value),
                    PropertyName::Number(span) => (ast.text_of(span).into(), value),
                    PropertyName::Computed(key) => {
                        self.expr(key);
                        self.expr(value);
                        broken = true;
                        continue;
                    }
                },
                MemberKind::Shorthand { name, value } => (ast.name(name).into(), value),
                MemberKind::Method { function, .. } => {
                    self.function(function, None);
                    broken = true;
                    continue;
                }
                MemberKind::Spread(inner) => {
                    self.expr(inner);
                    broken = true;
                    continue;
                }
            };
            let key = self.t.intern(&text);
            let value = self.expr(value);
            match places.entry(key) {
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(keys.len());
                    keys.push(key);
                    values.push(value);
                }
                std::collections::hash_map::Entry::Occupied(entry) => {
                    // A rule reports it.
                    values[*entry.get()] = value;
                }
            }
        }
        if broken {
            return Expr::Error;
        }
        let shape: Box<[Symbol]> = keys.into();
        let shapes = &mut self.code.shapes;
        let shape = *self.shapes.entry(shape).or_insert_with_key(|shape| {
            shapes.push(shape.clone());
            shapes.len() as u32 - 1
        });
        Expr::Object { shape, values: self.expr_list(&values) }
    }

    fn assign(&mut self, span: Span, op: Option<ast::BinaryOp>, target: ast::ExprId, value: ast::ExprId) -> ExprId {
        let variable = self.assigned(target, true);
        let value = self.expr(value);
        let op = match op {
            None => None,
            Some(op) => match binary_op(op) {
                Some(op) => Some(op),
                None => return self.push(span, Expr::Error),
            },
        };
        let Some((index, slot)) = variable else { return self.push(span, Expr::Error) };
        let expr = self.push(span, Expr::Assign { target: Variable::Local(slot), op, value });
        self.frame().vars[index].uses.push(expr);
        expr
    }

    fn update(&mut self, span: Span, increment: bool, prefix: bool, target: ast::ExprId) -> ExprId {
        let Some((index, slot)) = self.assigned(target, false) else { return self.push(span, Expr::Error) };
        let by = if increment { 1 } else { -1 };
        let expr = self.push(span, Expr::Update { target: Variable::Local(slot), by, prefix });
        self.frame().vars[index].uses.push(expr);
        expr
    }

    /// The local variable that is assigned (or counted up or down): its index and slot. Anything else is reported.
    fn assigned(&mut self, target: ast::ExprId, assignment: bool) -> Option<(usize, u32)> {
        let ast = self.ast;
        let at = self.bare(target);
        let span = ast.expr_span(at);
        let not_local = if assignment { 9208 } else { 9233 };
        let constant = if assignment { 9231 } else { 9232 };
        let verb = if assignment { "assigned" } else { "changed" };
        if !matches!(ast.expr(at), ast::Expr::Name) {
            if let ast::Expr::Update { .. } | ast::Expr::Assign { .. } = ast.expr(at) {
                // The inner one is the mistake: `----x` is one, not two.
                let inner = self.diagnostics.len();
                self.expr(at);
                if self.diagnostics.len() > inner {
                    return None;
                }
            }
            if !matches!(ast.expr(at), ast::Expr::Error) {
                self.expr(at);
                let message = format!("only a local variable can be {verb}; values never change");
                let help = "make a changed copy instead, for example with `override` or `push`".to_owned();
                self.error(not_local, span, message, "not a local variable", Some(help));
            }
            return None;
        }
        let text = ast.text_of(span).to_owned();
        let name = self.t.intern(&text);
        match self.find_local(name) {
            Some(Local { frame, index }) => {
                let var = &self.frames[frame].vars[index];
                let (stage, place, slot, is_constant) = (var.stage, var.place, var.slot, var.constant);
                if stage == Stage::Broken {
                    return None;
                }
                if stage != Stage::Defined {
                    self.used_before(&text, span, place);
                    return None;
                }
                if is_constant {
                    let message = format!("`{text}` is a constant and cannot be {verb}");
                    let diagnostic = Diagnostic::error(Number::Dx(constant), message)
                        .at(self.place(span), format!("{verb} here"))
                        .and_at(place, "declared with `const` here");
                    self.diagnostics.push(diagnostic.help("declare it with `let`"));
                    return None;
                }
                if frame + 1 != self.frames.len() {
                    let message = format!("a function literal cannot change `{text}`, a variable outside of it");
                    let diagnostic = Diagnostic::error(Number::Dx(9228), message)
                        .at(self.place(span), format!("{verb} here"))
                        .and_at(place, "declared outside");
                    self.diagnostics.push(diagnostic.help("return the new value, or use a loop instead"));
                    return None;
                }
                self.frame().vars[index].assigned = true;
                Some((index, slot))
            }
            None => {
                let entry = self.t.lookup(self.block, name, |entry| entry.value.is_some()).copied();
                match entry.and_then(|entry| entry.value) {
                    Some(value) => {
                        let variable =
                            matches!(value.target, super::tables::Target::Decl(decl) if self.t.is_variable(decl));
                        let number = if variable { constant } else { not_local };
                        let message = format!("`{text}` is not a local variable and cannot be {verb}");
                        self.diagnostics.push(
                            Diagnostic::error(Number::Dx(number), message)
                                .at(self.place(span), format!("{verb} here"))
                                .and_at(value.place, "declared here"),
                        );
                    }
                    None => {
                        self.expr(at);
                    }
                }
                None
            }
        }
    }
}

fn binary_op(op: ast::BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        ast::BinaryOp::BitOr => BinaryOp::BitOr,
        ast::BinaryOp::BitXor => BinaryOp::BitXor,
        ast::BinaryOp::BitAnd => BinaryOp::BitAnd,
        ast::BinaryOp::Equal => BinaryOp::Equal,
        ast::BinaryOp::NotEqual => BinaryOp::NotEqual,
        ast::BinaryOp::Less => BinaryOp::Less,
        ast::BinaryOp::LessEqual => BinaryOp::LessEqual,
        ast::BinaryOp::Greater => BinaryOp::Greater,
        ast::BinaryOp::GreaterEqual => BinaryOp::GreaterEqual,
        ast::BinaryOp::ShiftLeft => BinaryOp::ShiftLeft,
        ast::BinaryOp::ShiftRight => BinaryOp::ShiftRight,
        ast::BinaryOp::ShiftRightUnsigned => BinaryOp::ShiftRightUnsigned,
        ast::BinaryOp::Add => BinaryOp::Add,
        ast::BinaryOp::Subtract => BinaryOp::Subtract,
        ast::BinaryOp::Multiply => BinaryOp::Multiply,
        ast::BinaryOp::Remainder => BinaryOp::Remainder,
        ast::BinaryOp::Power => BinaryOp::Power,
        // `||` and `&&` are no operators of this kind; rules refuse the rest.
        ast::BinaryOp::Or
        | ast::BinaryOp::And
        | ast::BinaryOp::LooseEqual
        | ast::BinaryOp::LooseNotEqual
        | ast::BinaryOp::InstanceOf
        | ast::BinaryOp::In
        | ast::BinaryOp::Divide => return None,
    })
}
