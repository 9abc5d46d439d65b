//! The numbers of enum members.

use super::tables::{Node, Tables, Target};
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{DeclKind, EnumId};
use crate::source::Location;
use crate::syntax::ast::{self, Ast, BinaryOp, Expr, PropertyName, UnaryOp};
use crate::syntax::literals::{negated_number_value, number_value, string_value};

/// Computes all enums, in order of declaration; members may refer to earlier members and to other enums.
pub(super) fn compute(t: &mut Tables<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut state = vec![State::Pending; t.program.enums.len()];
    for index in 0..t.program.enums.len() {
        compute_one(t, diagnostics, &mut state, EnumId(index as u32));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Running,
    Done,
}

fn compute_one(t: &mut Tables<'_>, diagnostics: &mut Vec<Diagnostic>, state: &mut [State], id: EnumId) {
    if state[id.index()] != State::Pending {
        return;
    }
    state[id.index()] = State::Running;
    let decl = t.program.enums[id.index()].decl;
    let item = t.items[decl.index()];
    let Node::Enum(members) = item.node else { return };
    let spec = t.program.decls[decl.index()].spec;
    let ast = t.asts[spec.index()];
    let mut next = Some(0i32);
    for member in ast.list(members) {
        let (text, span) = match member.name {
            PropertyName::Ident(name) => (ast.name(name).to_owned(), name.span),
            PropertyName::String(span) => (string_value(ast.text_of(span)).into_owned(), span),
            PropertyName::Number(span) => (ast.text_of(span).to_owned(), span),
            PropertyName::Computed(_) => continue,
        };
        let name = t.intern(&text);
        let value = match member.value {
            Some(value) => {
                let mut evaluator = Evaluator { t, diagnostics, state, id, ast };
                match evaluator.evaluate(value) {
                    Ok(value) => value,
                    Err(problem) => {
                        diagnostics.extend(problem.diagnostic(&text));
                        0
                    }
                }
            }
            None => next.unwrap_or_else(|| {
                let message = format!("the number of `{text}` does not fit into 32 bits");
                let place = t.location(spec, span);
                diagnostics.push(Diagnostic::error(Code::Dx(50120), message).at(place, "too large"));
                0
            }),
        };
        next = value.checked_add(1);
        let place = t.location(spec, span);
        if t.program.enums[id.index()].members.insert(name, value).is_some() {
            let message = format!("`{text}` is declared twice in the same enum");
            diagnostics.push(Diagnostic::error(Code::Dx(9201), message).at(place, "declared again here"));
        }
    }
    state[id.index()] = State::Done;
}

enum Problem {
    /// Not a constant number.
    NotNumeric(Location),
    /// A number that is not an integer of 32 bits.
    NotInteger(Location),
    /// A name that does not exist.
    Unknown(Location, String, Option<String>),
    /// Reported by a rule.
    Reported,
}

impl Problem {
    fn diagnostic(self, member: &str) -> Option<Diagnostic> {
        match self {
            Problem::NotNumeric(place) => {
                let message = format!("the value of enum member `{member}` must be a constant number");
                let help = "use numbers, earlier members, and the operators | & ^ ~ << >> + - *";
                Some(Diagnostic::error(Code::Dx(9204), message).at(place, "not a constant number").help(help))
            }
            Problem::NotInteger(place) => {
                let message = format!("the value of enum member `{member}` is not an integer of 32 bits");
                Some(Diagnostic::error(Code::Dx(50120), message).at(place, "out of range"))
            }
            Problem::Unknown(place, name, known) => {
                let message = format!("there is no enum member called `{name}` before `{member}`");
                let help = known.map(|known| format!("did you mean `{known}`?"));
                Some(Diagnostic::error(Code::Dx(9204), message).at(place, "not found").maybe_help(help))
            }
            Problem::Reported => None,
        }
    }
}

struct Evaluator<'a, 'i> {
    t: &'a mut Tables<'i>,
    diagnostics: &'a mut Vec<Diagnostic>,
    state: &'a mut [State],
    id: EnumId,
    ast: &'i Ast,
}

impl Evaluator<'_, '_> {
    fn place(&self, id: ast::ExprId) -> Location {
        self.ast.expr_span(id).in_file(self.ast.file)
    }

    fn evaluate(&mut self, id: ast::ExprId) -> Result<i32, Problem> {
        stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.evaluate_inner(id))
    }

    fn evaluate_inner(&mut self, id: ast::ExprId) -> Result<i32, Problem> {
        let place = self.place(id);
        match self.ast.expr(id) {
            Expr::Number => number_value(self.ast.text_of(place.span)).map_err(|_| Problem::Reported),
            Expr::Paren(inner) | Expr::Cast { operand: inner, .. } => self.evaluate(inner),
            Expr::Name => {
                let text = self.ast.text_of(place.span);
                self.member(self.id, text, place)
            }
            Expr::Member { object, name } => {
                let target = self.enum_of(object).ok_or(Problem::NotNumeric(place))?;
                if target != self.id {
                    compute_one(self.t, self.diagnostics, self.state, target);
                }
                self.member(target, self.ast.name(name), name.span.in_file(self.ast.file))
            }
            Expr::Unary { op: UnaryOp::Minus, operand } if matches!(self.ast.expr(operand), Expr::Number) => {
                let text = self.ast.text_of(self.ast.expr_span(operand));
                negated_number_value(text).map_err(|_| Problem::Reported)
            }
            Expr::Unary { op, operand } => {
                let value = self.evaluate(operand)?;
                match op {
                    UnaryOp::Minus => value.checked_neg().ok_or(Problem::NotInteger(place)),
                    UnaryOp::Plus => Ok(value),
                    UnaryOp::BitNot => Ok(!value),
                    _ => Err(Problem::Reported),
                }
            }
            Expr::Binary { op, left, right, .. } => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                let checked = |value: Option<i32>| value.ok_or(Problem::NotInteger(place));
                match op {
                    BinaryOp::BitOr => Ok(left | right),
                    BinaryOp::BitAnd => Ok(left & right),
                    BinaryOp::BitXor => Ok(left ^ right),
                    BinaryOp::ShiftLeft => Ok(left.wrapping_shl(right as u32)),
                    BinaryOp::ShiftRight => Ok(left.wrapping_shr(right as u32)),
                    BinaryOp::ShiftRightUnsigned => checked(i32::try_from((left as u32) >> (right as u32 & 31)).ok()),
                    BinaryOp::Add => checked(left.checked_add(right)),
                    BinaryOp::Subtract => checked(left.checked_sub(right)),
                    BinaryOp::Multiply => checked(left.checked_mul(right)),
                    BinaryOp::Remainder => checked(left.checked_rem(right)),
                    BinaryOp::Power => checked(u32::try_from(right).ok().and_then(|right| left.checked_pow(right))),
                    BinaryOp::Divide => Err(Problem::Reported),
                    _ => Err(Problem::Reported),
                }
            }
            // A rule reports what can never be a number.
            _ => Err(Problem::Reported),
        }
    }

    fn member(&self, id: EnumId, name: &str, place: Location) -> Result<i32, Problem> {
        let members = &self.t.program.enums[id.index()].members;
        if let Some(value) = self.t.program.symbols.lookup(name).and_then(|symbol| members.get(&symbol)) {
            return Ok(*value);
        }
        let known = nearest(name, members.keys().map(|known| self.t.text(*known))).map(str::to_owned);
        Err(Problem::Unknown(place, name.to_owned(), known))
    }

    /// The enum that a (dotted) name means.
    fn enum_of(&self, id: ast::ExprId) -> Option<EnumId> {
        let mut names = Vec::new();
        let mut at = id;
        while let Expr::Member { object, name } = self.ast.expr(at) {
            names.push(self.t.intern(self.ast.name(name)));
            at = object;
        }
        let Expr::Name = self.ast.expr(at) else { return None };
        let first = self.t.intern(self.ast.text_of(self.ast.expr_span(at)));
        let decl = self.t.program.enums[self.id.index()].decl;
        let block = self.t.items[decl.index()].block;
        let mut target = self.t.lookup(block, first, |entry| entry.value.is_some())?.value?.target;
        for name in names.into_iter().rev() {
            let Target::Namespace(namespace) = target else { return None };
            target = self.t.members[namespace.index()].get(&name)?.value?.target;
        }
        let Target::Decl(decl) = target else { return None };
        match self.t.program.decls[decl.index()].kind {
            DeclKind::Enum(id) => Some(id),
            _ => None,
        }
    }
}
