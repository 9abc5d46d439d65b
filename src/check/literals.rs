//! Rules for numbers and back-tick tags.

use super::linter::Linter;
use super::walk::Place;
use std::num::{IntErrorKind, ParseIntError};

use crate::diagnostics::nearest;
use crate::syntax::ast::{Expr, ExprId};

pub(super) fn expression(linter: &mut Linter<'_>, id: ExprId, expr: Expr, place: Place) {
    let span = linter.ast.expr_span(id);
    match expr {
        Expr::Number => number(linter, id, place),
        Expr::Name => match linter.ast.text_of(span) {
            "NaN" => {
                let message = "`NaN` does not exist in DScript: numbers are whole";
                linter.report(linter.error(9013, span, message).help("write `undefined` for a missing number"));
            }
            "Infinity" => {
                let message = "`Infinity` does not exist in DScript: numbers are whole and have 32 bits";
                linter.report(linter.error(9090, span, message).help("the greatest number is `2147483647`"));
            }
            _ => {}
        },
        Expr::Template { tag: Some(tag), .. } => {
            let text = linter.name(tag);
            if !matches!(text, "p" | "d" | "f" | "r" | "a") {
                let message = format!("the tag `{text}` does not exist");
                let help = match meant(text) {
                    Some(known) => format!("did you mean the tag `{known}`?"),
                    None => "the tags are `p` (path), `d` (directory), `f` (file), `r` (relative path) and `a` (path \
                             atom); a text has none"
                        .to_owned(),
                };
                linter.report(linter.error(9010, tag.span, message).help(help));
            }
        }
        _ => {}
    }
}

/// The tag that was likely meant.
fn meant(tag: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 8] = [
        ("path", "p"),
        ("directory", "d"),
        ("dir", "d"),
        ("folder", "d"),
        ("file", "f"),
        ("relative", "r"),
        ("relativePath", "r"),
        ("atom", "a"),
    ];
    let tags = ["p", "d", "f", "r", "a"];
    let same = tags.into_iter().find(|known| known.eq_ignore_ascii_case(tag));
    let word = |word: &str| WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, tag)| *tag);
    same.or_else(|| word(tag)).or_else(|| nearest(tag, WORDS.map(|(known, _)| known)).and_then(word))
}

/// Why a number as written is refused.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    /// It has a fraction or an exponent.
    Fraction,
    /// It does not fit 32 bits.
    TooLarge,
}

fn number(linter: &mut Linter<'_>, id: ExprId, place: Place) {
    let span = linter.ast.expr_span(id);
    let text = linter.ast.text_of(span);
    let diagnostic = match problem(text, place.negated) {
        None => return,
        Some(Problem::Fraction) => {
            let shown = linter.quote(span);
            let whole = text.split(['.', 'e', 'E']).next().filter(|whole| !whole.is_empty()).unwrap_or("0");
            let help = match text.contains(['e', 'E']) {
                true => "write all digits of a whole number".to_owned(),
                false => format!("write a whole number, `{whole}` for example"),
            };
            linter.error(9013, span, format!("`{shown}` is not a whole number")).help(help)
        }
        Some(Problem::TooLarge) => {
            let shown = linter.quote(span);
            let help = "numbers go from `-2147483648` to `2147483647`; keep larger ones as text";
            linter.error(9090, span, format!("the number `{shown}` does not fit 32 bits")).help(help)
        }
    };
    linter.report(diagnostic);
}

fn problem(text: &str, negated: bool) -> Option<Problem> {
    let radix = match text.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => 10,
    };
    if radix != 10 {
        // All 32 bits may be written; the highest one is the sign.
        let value = u64::from_str_radix(&text[2..], radix);
        return exceeds(value, u64::from(u32::MAX)).then_some(Problem::TooLarge);
    }
    if text.contains(['.', 'e', 'E']) {
        return Some(Problem::Fraction);
    }
    let most = if negated { 1 << 31 } else { (1 << 31) - 1 };
    exceeds(text.parse::<u64>(), most).then_some(Problem::TooLarge)
}

/// Whether a number is larger than allowed. What is no number at all was reported when it was read.
fn exceeds(value: Result<u64, ParseIntError>, most: u64) -> bool {
    match value {
        Ok(value) => value > most,
        Err(error) => *error.kind() == IntErrorKind::PosOverflow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_have_32_bits() {
        for text in ["0", "2147483647", "0xFFFFFFFF", "0b1", "0o17"] {
            assert_eq!(problem(text, false), None, "{text}");
        }
        assert_eq!(problem("2147483648", true), None);
        for text in ["2147483648", "99999999999999999999999", "0x100000000"] {
            assert_eq!(problem(text, false), Some(Problem::TooLarge), "{text}");
        }
        for text in ["1.0", ".5", "1e3"] {
            assert_eq!(problem(text, false), Some(Problem::Fraction), "{text}");
        }
    }
}
