//! Rules for expressions: operators and forms that DScript leaves out.

use rustc_hash::FxHashMap;

use super::linter::{Linter, unquote};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprId, List, Member, MemberKind, PropertyName, UnaryOp};

pub(super) fn expression(linter: &mut Linter<'_>, id: ExprId, expr: Expr) {
    let span = linter.ast.expr_span(id);
    match expr {
        Expr::Null => {
            let message = "`null` does not exist in DScript";
            linter.report(linter.error(9033, span, message).help("write `undefined`"));
        }
        Expr::This => {
            let help = "write the name of the value, or pass it as a parameter";
            linter.report(linter.error(9030, span, "`this` does not exist in DScript").help(help));
        }
        Expr::RegExp => {
            let message = "regular expression literals do not exist in DScript";
            let help = "write the expression as a string, where a parameter takes one";
            linter.report(linter.error(9030, span, message).help(help));
        }
        Expr::Class => {
            let message = "a class cannot be used as a value: DScript has no classes";
            let help = "write an object literal, with arrow functions as its members where needed";
            linter.report(linter.error(9015, linter.head(span), message).help(help));
        }
        Expr::New { callee, .. } => no_new(linter, span, callee),
        Expr::Function(_) => {
            let message = "`function` cannot be used as a value";
            linter.report(linter.error(9030, linter.head(span), message).help("write an arrow function: `(x) => …`"));
        }
        Expr::Object { members } => object(linter, members),
        Expr::Call { callee, .. } if linter.as_name(callee) == Some("eval") => {
            let message = "`eval` cannot be called in DScript";
            let help = "write the expression itself; it is evaluated only when its value is needed";
            linter.report(linter.error(9032, linter.ast.expr_span(callee), message).help(help));
        }
        Expr::Unary { op: UnaryOp::Void, .. } => {
            let message = "the operator `void` does not exist in DScript";
            linter.report(linter.error(9030, linter.head(span), message).help("write `undefined`"));
        }
        Expr::Unary { op: UnaryOp::Delete, .. } => {
            let message = "the operator `delete` does not exist in DScript: objects never change";
            let help = "override the member: `object.override({key: undefined})`";
            linter.report(linter.error(9030, linter.head(span), message).help(help));
        }
        Expr::Binary { op, left, right } => binary(linter, op, left, right),
        Expr::Assign { op: Some(BinaryOp::Divide), target, value } => {
            let at = linter.operator(target, value, "/=");
            let help = match (linter.short_expr(target), linter.short_expr(linter.bare(value))) {
                (Some(a), Some(b)) => format!("write `{a} = Math.div({a}, {b})`"),
                _ => "write `x = Math.div(x, y)`".to_owned(),
            };
            linter.report(linter.error(9229, at, "the operator `/=` does not exist in DScript").help(help));
        }
        _ => {}
    }
}

fn no_new(linter: &mut Linter<'_>, span: Span, callee: ExprId) {
    let name = linter.quote(linter.ast.expr_span(callee));
    let help = match name.as_str() {
        "Map" | "Set" | "MutableSet" => format!("write `{name}.empty<…>()`"),
        "StringBuilder" => "write `StringBuilder.create()`".to_owned(),
        "Array" => "write an array literal: `[]`".to_owned(),
        "Object" => "write an object literal: `{}`".to_owned(),
        _ => "write an object literal, or call a function that makes the value".to_owned(),
    };
    let message = format!("`new {name}` cannot be used: DScript has no classes");
    linter.report(linter.error(9016, linter.head(span), message).help(help));
}

fn binary(linter: &mut Linter<'_>, op: BinaryOp, left: ExprId, right: ExprId) {
    let (number, sign) = match op {
        BinaryOp::LooseEqual => (9041, "=="),
        BinaryOp::LooseNotEqual => (9041, "!="),
        BinaryOp::Divide => (9229, "/"),
        BinaryOp::InstanceOf => (9030, "instanceof"),
        BinaryOp::In => (9030, "in"),
        _ => return,
    };
    let at = linter.operator(left, right, sign);
    let operands = linter.short_expr(left).zip(linter.short_expr(right));
    let rewritten = |strict: &str| match &operands {
        Some((a, b)) => format!("write `{a} {strict} {b}`"),
        None => format!("write `{strict}`"),
    };
    let (message, help) = match op {
        BinaryOp::LooseEqual => (format!("the operator `{sign}` does not exist in DScript"), rewritten("===")),
        BinaryOp::LooseNotEqual => (format!("the operator `{sign}` does not exist in DScript"), rewritten("!==")),
        BinaryOp::Divide => (
            "the operator `/` does not exist in DScript: numbers are whole".to_owned(),
            match linter.short_expr(linter.bare(left)).zip(linter.short_expr(linter.bare(right))) {
                Some((a, b)) => format!("write `Math.div({a}, {b})`"),
                None => "write `Math.div(a, b)`".to_owned(),
            },
        ),
        BinaryOp::InstanceOf => (
            format!("the operator `{sign}` does not exist in DScript"),
            match &operands {
                Some((a, _)) => format!("compare the type: `typeof {a} === \"…\"`"),
                None => "compare the type: `typeof x === \"…\"`".to_owned(),
            },
        ),
        _ => (
            format!("the operator `{sign}` does not exist in DScript"),
            match &operands {
                Some((a, b)) => format!("write `{b}[{a}] !== undefined`"),
                None => "write `object[key] !== undefined`".to_owned(),
            },
        ),
    };
    linter.report(linter.error(number, at, message).help(help));
}

fn object(linter: &mut Linter<'_>, members: List<Member>) {
    let mut seen: FxHashMap<&str, Span> = FxHashMap::default();
    for member in linter.ast.list(members) {
        let key = match member.kind {
            MemberKind::Property { key, .. } => key,
            MemberKind::Shorthand { name, .. } => PropertyName::Ident(name),
            MemberKind::Method { key, .. } => {
                no_method(linter, key);
                key
            }
            MemberKind::Spread(value) => {
                no_object_spread(linter, member.span, value);
                continue;
            }
        };
        let (text, span) = match key {
            PropertyName::Ident(name) => (linter.name(name), name.span),
            PropertyName::String(span) => (unquote(linter.ast.text_of(span)), span),
            PropertyName::Number(span) => (linter.ast.text_of(span), span),
            PropertyName::Computed(id) => {
                let span = linter.ast.expr_span(id);
                let message = format!("the key `[{}]` cannot be computed", linter.quote(span));
                let help = "write the key itself, or use a `Map`";
                linter.report(linter.error(9030, span, message).help(help));
                continue;
            }
        };
        if let Some(first) = seen.insert(text, span) {
            let message = format!("the key `{text}` stands twice in this object");
            let diagnostic =
                linter.error(2300, span, message).and_at(first.in_file(linter.ast.file), "the first is here");
            linter.report(diagnostic.help("remove one of the two, or rename it"));
        }
    }
}

fn no_method(linter: &mut Linter<'_>, key: PropertyName) {
    let span = key_span(linter, key);
    let name = linter.quote(span);
    let message = format!("the object literal cannot declare the method `{name}`");
    let help = format!("write an arrow function: `{name}: (…) => …`");
    linter.report(linter.error(9009, span, message).help(help));
}

fn no_object_spread(linter: &mut Linter<'_>, span: Span, value: ExprId) {
    let help = match linter.short_expr(value) {
        Some(value) => {
            format!("write `{value}.override({{…}})`, or `{value}.merge({{…}})` to join inner objects and arrays")
        }
        None => "write `x.override({…})`, or `x.merge({…})` to join inner objects and arrays".to_owned(),
    };
    let message = "an object cannot be spread into an object literal";
    linter.report(linter.error(9030, span, message).help(help));
}

fn key_span(linter: &Linter<'_>, key: PropertyName) -> Span {
    match key {
        PropertyName::Ident(name) => name.span,
        PropertyName::String(span) | PropertyName::Number(span) => span,
        PropertyName::Computed(id) => linter.ast.expr_span(id),
    }
}
