//! The values of literals as written.

use crate::syntax::ast::{Ast, Expr, ExprId, TemplatePart};
use crate::syntax::literals::{string_value, template_text};

/// The text of an expression that is a string without holes.
pub(super) fn text(ast: &Ast, id: ExprId) -> Option<String> {
    match ast.expr(id) {
        Expr::String => Some(string_value(ast.text_of(ast.expr_span(id))).into_owned()),
        Expr::Template { tag: None, parts } => match ast.list(parts) {
            [] => Some(String::new()),
            [TemplatePart::Text(span)] => Some(template_text(ast.text_of(*span), false).into_owned()),
            _ => None,
        },
        _ => None,
    }
}
