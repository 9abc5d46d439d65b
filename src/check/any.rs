//! 9404: members of values that are declared as `any`.
//!
//! Without a type checker only two cases are certain: a cast to `any`, and a parameter of type `any` that its function
//! neither shadows nor narrows. Everything else is left alone.

use rustc_hash::FxHashMap;

use super::linter::Linter;
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprId, FunctionId, Ident, Pattern, Stmt, UnaryOp};

/// What the walk has seen of one name that is a parameter of type `any` somewhere in the file.
#[derive(Default)]
struct Uses {
    /// Functions with such a parameter, and where it is declared.
    functions: Vec<(Span, Span)>,
    /// Members that are read from the name.
    reads: Vec<Ident>,
    /// Where the name is declared again, tested with `typeof`, or handed to a function that may test it.
    doubts: Vec<u32>,
}

/// The names of all parameters of type `any` so far. The walk meets a function before its body.
#[derive(Default)]
pub(super) struct AnyParameters<'a> {
    names: FxHashMap<&'a str, Uses>,
}

pub(super) fn function(linter: &mut Linter<'_>, id: FunctionId) {
    let function = linter.ast.function(id);
    for parameter in linter.ast.list(function.parameters) {
        let Pattern::Ident(name) = parameter.pattern else { continue };
        doubt(linter, name.span);
        if parameter.ty.is_some_and(|ty| linter.type_is(ty, "any")) && linter.is_user_spec() {
            let text = linter.name(name);
            linter.any.names.entry(text).or_default().functions.push((function.span, name.span));
        }
    }
}

pub(super) fn statement(linter: &mut Linter<'_>, stmt: Stmt) {
    let Stmt::Variable { declarators, .. } = stmt else { return };
    for declarator in linter.ast.list(declarators) {
        if let Pattern::Ident(name) = declarator.pattern {
            doubt(linter, name.span);
        }
    }
}

pub(super) fn expression(linter: &mut Linter<'_>, expr: Expr) {
    match expr {
        Expr::Member { object, name } => match linter.ast.expr(linter.bare(object)) {
            Expr::Name => {
                let text = linter.ast.text_of(linter.ast.expr_span(linter.bare(object)));
                if let Some(uses) = linter.any.names.get_mut(text) {
                    uses.reads.push(name);
                }
            }
            Expr::Cast { ty, operand, .. } if linter.type_is(ty, "any") && linter.is_user_spec() => {
                let operand = linter.quote(linter.ast.expr_span(operand));
                member_of_any(linter, name, &operand);
            }
            _ => {}
        },
        Expr::Unary { op: UnaryOp::TypeOf, operand } => doubt_value(linter, operand),
        Expr::Call { arguments, .. } => {
            linter.ast.list(arguments).iter().for_each(|argument| doubt_value(linter, *argument));
        }
        Expr::Assign { target, .. } => doubt_value(linter, target),
        _ => {}
    }
}

fn doubt_value(linter: &mut Linter<'_>, id: ExprId) {
    let id = linter.bare(id);
    if matches!(linter.ast.expr(id), Expr::Name) {
        doubt(linter, linter.ast.expr_span(id));
    }
}

fn doubt(linter: &mut Linter<'_>, name: Span) {
    if let Some(uses) = linter.any.names.get_mut(linter.ast.text_of(name)) {
        uses.doubts.push(name.start);
    }
}

/// Reports what the whole walk has made certain.
pub(super) fn finish(linter: &mut Linter<'_>) {
    let mut found = Vec::new();
    for (name, mut uses) in
        std::mem::take(&mut linter.any.names).into_iter().collect::<std::collections::BTreeMap<_, _>>()
    {
        uses.reads.sort_by_key(|read| read.span.start);
        uses.doubts.sort_unstable();
        for (function, parameter) in uses.functions {
            let first = uses.doubts.partition_point(|at| *at < function.start);
            let doubts = uses.doubts[first..].iter().take_while(|at| **at < function.end);
            if doubts.copied().any(|at| at != parameter.start) {
                continue;
            }
            let first = uses.reads.partition_point(|read| read.span.start < function.start);
            let reads = uses.reads[first..].iter().take_while(|read| read.span.end <= function.end);
            found.extend(reads.map(|read| (name, *read)));
        }
    }
    for (name, read) in found {
        member_of_any(linter, read, name);
    }
}

fn member_of_any(linter: &mut Linter<'_>, member: Ident, object: &str) {
    let text = linter.name(member);
    if text == "toString" {
        return;
    }
    let message = format!("the member `{text}` of `{object}` is read, but the type of `{object}` is `any`");
    let help = format!("declare its type, or cast it: `(<Type>{object}).{text}`");
    linter.report(linter.error(9404, member.span, message).help(help));
}
