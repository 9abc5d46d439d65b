//! The values of literals as written.

use std::borrow::Cow;

use crate::syntax::ast::{Ast, Expr, ExprId, TemplatePart};

/// The number of a literal; none where a rule refuses it.
pub(super) fn number(raw: &str) -> Option<i32> {
    let raw = raw.replace('_', "");
    let (digits, radix) = match raw.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (&raw[2..], 16),
        Some("0o") => (&raw[2..], 8),
        Some("0b") => (&raw[2..], 2),
        _ => (raw.as_str(), 10),
    };
    i32::from_str_radix(digits, radix).ok()
}

/// The number of a literal behind a minus sign.
pub(super) fn negated(raw: &str) -> Option<i32> {
    if raw == "2147483648" { Some(i32::MIN) } else { number(raw)?.checked_neg() }
}

/// The text of a quoted string, escapes resolved.
pub(super) fn string(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or("");
    unescape(inner)
}

/// Text of a back-tick literal. In path-like ones `\` is a separator and a back tick is written twice.
pub(super) fn template(raw: &str, path_like: bool) -> Cow<'_, str> {
    if !path_like {
        return unescape(raw);
    }
    if raw.contains("``") { Cow::Owned(raw.replace("``", "`")) } else { Cow::Borrowed(raw) }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => result.push('\n'),
            Some('r') => result.push('\r'),
            Some('t') => result.push('\t'),
            Some('0') => result.push('\0'),
            Some(other) => result.push(other),
            None => {}
        }
    }
    Cow::Owned(result)
}

/// The text of an expression that is a string without holes.
pub(super) fn text(ast: &Ast, id: ExprId) -> Option<String> {
    match ast.expr(id) {
        Expr::String => Some(string(ast.text_of(ast.expr_span(id))).into_owned()),
        Expr::Template { tag: None, parts } => match ast.list(parts) {
            [] => Some(String::new()),
            [TemplatePart::Text(span)] => Some(template(ast.text_of(*span), false).into_owned()),
            _ => None,
        },
        _ => None,
    }
}
