//! Rules for the five path literals, as far as their text alone decides.
//!
//! What depends on the host, such as a drive letter, is left to evaluation: a spec may hold paths for several hosts.

use super::linter::Linter;
use crate::source::Span;
use crate::syntax::ast::{Ast, Expr, ExprId, TemplatePart};

const SEPARATORS: [char; 2] = ['/', '\\'];

pub(super) fn expression(linter: &mut Linter<'_>, id: ExprId, expr: Expr) {
    let Expr::Template { tag: Some(tag), parts } = expr else { return };
    let span = linter.ast.expr_span(id);
    let parts = linter.ast.list(parts);
    match linter.name(tag) {
        "a" => atom(linter, span, parts),
        tag @ ("p" | "d" | "f" | "r") => {
            separators(linter, tag, parts);
            match parts {
                [] if tag != "r" => empty(linter, span, tag),
                _ => texts(linter, tag, parts),
            }
        }
        _ => {}
    }
}

fn empty(linter: &mut Linter<'_>, span: Span, tag: &str) {
    let message = format!("the path literal `{tag}` is empty");
    let help = format!("write {tag}`.` for the folder of this spec");
    linter.report(linter.error(9209, span, message).help(help));
}

/// 9207: a hole stands for whole atoms, so separators stand around it.
fn separators(linter: &mut Linter<'_>, tag: &str, parts: &[TemplatePart]) {
    for pair in parts.windows(2) {
        match *pair {
            [TemplatePart::Hole(left), TemplatePart::Hole(right)] => {
                let (a, b) = (hole(linter, left), hole(linter, right));
                let at = linter.ast.expr_span(left).to(linter.ast.expr_span(right));
                let message = format!("no separator stands between the holes `{a}` and `{b}`");
                let help = format!("write `{a}/{b}`, or join them first: ${{`{a}{b}`}}");
                linter.report(linter.error(9207, at, message).help(help));
            }
            [TemplatePart::Text(text), TemplatePart::Hole(id)] => {
                let written = linter.ast.text_of(text);
                if !written.ends_with(SEPARATORS) {
                    let (last, hole) = (last_atom(written), hole(linter, id));
                    let shown = format!("{last}{hole}");
                    not_whole(linter, tag, Span::new(text.end - last.len() as u32, text.end), &shown, &hole);
                }
            }
            [TemplatePart::Hole(id), TemplatePart::Text(text)] => {
                let written = linter.ast.text_of(text);
                if !written.starts_with(SEPARATORS) {
                    let (first, hole) = (first_atom(written), hole(linter, id));
                    let shown = format!("{hole}{first}");
                    not_whole(linter, tag, Span::new(text.start, text.start + first.len() as u32), &shown, &hole);
                }
            }
            _ => {}
        }
    }
}

fn not_whole(linter: &mut Linter<'_>, tag: &str, at: Span, shown: &str, hole: &str) {
    let message = format!("the hole `{hole}` does not stand for a whole part of the path in `{shown}`");
    let what = if tag == "r" { "relative path" } else { "path" };
    let help =
        format!("put a `/` between them, or make one atom of the text for this part of the {what}: ${{a`{shown}`}}");
    linter.report(linter.error(9207, at, message).help(help));
}

fn hole(linter: &Linter<'_>, id: ExprId) -> String {
    format!("${{{}}}", linter.quote(linter.ast.expr_span(id)))
}

fn last_atom(text: &str) -> &str {
    text.rsplit(SEPARATORS).next().unwrap_or(text)
}

fn first_atom(text: &str) -> &str {
    text.split(SEPARATORS).next().unwrap_or(text)
}

/// 9209 and 9210: characters that no path can hold, and relative paths that are not relative.
fn texts(linter: &mut Linter<'_>, tag: &str, parts: &[TemplatePart]) {
    let number = if tag == "r" { 9210 } else { 9209 };
    for (index, part) in parts.iter().enumerate() {
        let TemplatePart::Text(span) = *part else { continue };
        let text = linter.ast.text_of(span);
        if let Some((at, found)) = illegal(linter.ast, span) {
            let message = format!("a path cannot hold the character `{}`", found.escape_default());
            linter.report(linter.error(number, at, message).help("remove it"));
            continue;
        }
        if tag != "r" || index > 0 {
            continue;
        }
        // Before a hole a separator is only a separator: BuildXL drops it, and specs rely on that.
        if parts.len() == 1 && text.starts_with(SEPARATORS) {
            let message = format!("the relative path `{text}` begins with a separator");
            let at = Span::new(span.start, span.start + 1);
            linter.report(linter.error(9210, at, message).help("remove it, or write a path: p`…`"));
        } else if is_drive(text) {
            let message = format!("the relative path `{text}` begins with a drive");
            let at = Span::new(span.start, span.start + 2);
            linter.report(linter.error(9210, at, message).help("remove it, or write a path: p`…`"));
        } else if climbs(text) {
            let message = format!("the relative path `{text}` climbs above its start");
            let help = "relative paths only go down; write a path: p`…`, or take `parent` of the folder";
            linter.report(linter.error(9210, span, message).help(help));
        }
    }
}

/// 9211: an atom is one part of a path.
fn atom(linter: &mut Linter<'_>, whole: Span, parts: &[TemplatePart]) {
    if parts.is_empty() {
        let message = "a path atom cannot be empty";
        return linter.report(linter.error(9211, whole, message).help("write the name of a file or folder"));
    }
    for part in parts {
        let TemplatePart::Text(span) = *part else { continue };
        let text = linter.ast.text_of(span);
        if let Some(offset) = text.find(SEPARATORS) {
            let at = Span::new(span.start + offset as u32, span.start + offset as u32 + 1);
            let message = format!("the path atom `{}` holds a separator", linter.quote(span));
            linter.report(linter.error(9211, at, message).help("write a relative path: r`…`"));
        } else if let Some((at, found)) = illegal(linter.ast, span) {
            let message = format!("a path atom cannot hold the character `{}`", found.escape_default());
            linter.report(linter.error(9211, at, message).help("remove it"));
        } else if parts.len() == 1 && text == ".." {
            let message = format!("`{text}` is not the name of a file or folder");
            linter.report(linter.error(9211, span, message).help("write a path instead: d`..`, or take `parent`"));
        }
    }
}

/// The first character that no host allows in a path.
fn illegal(ast: &Ast, span: Span) -> Option<(Span, char)> {
    let (at, found) = ast.text_of(span).char_indices().find(|(_, c)| matches!(c, '\0' | '\n' | '\r'))?;
    let start = span.start + at as u32;
    Some((Span::new(start, start + 1), found))
}

pub(super) fn is_drive(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

fn climbs(text: &str) -> bool {
    let mut depth = 0i64;
    text.split(SEPARATORS).any(|atom| {
        match atom {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        depth < 0
    })
}
