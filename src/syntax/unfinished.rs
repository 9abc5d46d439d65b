//! Whether a text that somebody types is whole, or goes on in its next line.

use super::brackets::closer;
use super::builder::Builder;
use super::errors::SyntaxErrors;
use super::parse::run;
use super::relabel::relabel;
use super::token::{Tok, Token};
use super::{brackets, lexer};
use crate::source::FileId;

/// Whether more text could make this text whole: a bracket, comment or literal is open at its end, or an expression or
/// declaration lacks its rest. A missing `;` is nothing to wait for, and neither is what comes after a mistake.
pub fn is_unfinished(text: &str) -> bool {
    let (mut comments, mut diagnostics) = (Vec::new(), Vec::new());
    let mut errors = SyntaxErrors::new(FileId(0), &mut diagnostics);
    let mut tokens = lexer::lex(text, &mut comments, &mut errors);
    let broken = diagnostics.iter().filter_map(|found| found.primary()).map(|label| label.location.span.start as usize);
    // Strings end with their line; comments and back-tick literals do not.
    if broken.filter_map(|at| text.get(at..)).any(|rest| rest.starts_with("/*") || begins_template(rest)) {
        return true;
    }
    if !diagnostics.is_empty() {
        return false;
    }
    match open_brackets(&tokens) {
        None => return false,
        Some(open) if open > 0 => return true,
        Some(_) => {}
    }
    let Some(last) = tokens.last() else { return false };
    let count = tokens.len();
    tokens.push(Token { tok: Tok::Semi, start: last.end, end: last.end });
    let mut errors = SyntaxErrors::new(FileId(0), &mut diagnostics);
    let partners = brackets::pair(&mut tokens, text, &mut errors);
    let Ok(tokens) = relabel(text, &tokens, &partners) else { return false };
    run(&tokens, &mut Builder::new(text, tokens.len())).is_err_and(|stop| stop.index >= count)
}

fn begins_template(text: &str) -> bool {
    text.trim_start_matches(['p', 'd', 'f', 'r', 'a']).starts_with('`')
}

/// How many brackets are open at the end; none where one closes what it does not open.
fn open_brackets(tokens: &[Token]) -> Option<usize> {
    let mut open = Vec::new();
    for token in tokens {
        if token.tok.opens() {
            open.push(closer(token.tok));
        } else if token.tok.closes() && open.pop() != Some(token.tok) {
            return None;
        }
    }
    Some(open.len())
}

#[cfg(test)]
mod tests {
    use super::is_unfinished;

    #[test]
    fn what_goes_on_in_the_next_line() {
        for text in [
            "f(",
            "[1, 2",
            "{a: 1,",
            "const x =",
            "const f = (a: number) =>",
            "function f(a: number) {\n    return a;",
            "1 +",
            "x ? 1 :",
            "x.",
            "import * as A from",
            "@@public",
            "`a ${x",
            "`a",
            "p`a",
            "/* a",
            "namespace A {",
            "x // a comment\n&&",
        ] {
            assert!(is_unfinished(text), "{text}");
        }
    }

    #[test]
    fn what_is_whole_or_wrong() {
        for text in [
            "",
            "// a comment",
            "x",
            "x;",
            "1 + 1",
            "const x = 1",
            "function f() { return 1; }",
            "import {a} from \"A\";",
            "{a: 1}",
            "f)",
            "f(]",
            "1 2",
            "\"a",
            "const x = = 1",
        ] {
            assert!(!is_unfinished(text), "{text}");
        }
    }
}
