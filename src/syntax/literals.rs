//! What literals mean: numbers, the escapes of strings, and the text of back-tick literals.

use std::borrow::Cow;

/// Why the text of a number is not a 32-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberProblem {
    /// It has a fraction or an exponent.
    Fraction,
    /// It is larger than 2147483647.
    TooLarge,
}

/// The value of a number as written: decimal, or with `0x`, `0o` or `0b`.
///
/// ```
/// use dscript::syntax::literals::{NumberProblem, number_value};
/// assert_eq!(number_value("0xff"), Ok(255));
/// assert_eq!(number_value("1.5"), Err(NumberProblem::Fraction));
/// assert_eq!(number_value("2147483648"), Err(NumberProblem::TooLarge));
/// ```
pub fn number_value(text: &str) -> Result<i32, NumberProblem> {
    i32::try_from(magnitude(text)?).map_err(|_| NumberProblem::TooLarge)
}

/// The value of a number that stands after a minus sign: `2147483648` is allowed here, as `-2147483648` fits.
pub fn negated_number_value(text: &str) -> Result<i32, NumberProblem> {
    i32::try_from(-i64::from(magnitude(text)?)).map_err(|_| NumberProblem::TooLarge)
}

fn magnitude(text: &str) -> Result<u32, NumberProblem> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        _ => (lower.as_str(), 10),
    };
    if radix == 10 && digits.contains(['.', 'e']) {
        return Err(NumberProblem::Fraction);
    }
    // Only digits are left, unless the lexer already complained.
    u32::from_str_radix(digits, radix).map_err(|_| NumberProblem::TooLarge)
}

/// The text of a quoted string, given with its quotes.
///
/// ```
/// use dscript::syntax::literals::string_value;
/// assert_eq!(string_value(r#""a\tb\u0041""#), "a\tbA");
/// ```
pub fn string_value(raw: &str) -> Cow<'_, str> {
    const QUOTES: [char; 6] = ['"', '\'', '\u{201C}', '\u{201D}', '\u{2018}', '\u{2019}'];
    let inner = raw.strip_prefix(QUOTES).unwrap_or(raw);
    // A string that was not closed has no quote at its end; an escaped one does not close it.
    let inner = match inner.strip_suffix(QUOTES) {
        Some(shorter) if trailing_backslashes(shorter).is_multiple_of(2) => shorter,
        _ => inner,
    };
    unescape(inner)
}

/// The text of a piece of a back-tick literal. In path-like literals (`p d f r a`) a backslash is an ordinary
/// character and a back tick is written twice; in the others the escapes of strings apply, and every line break
/// counts as one line feed.
pub fn template_text(raw: &str, path_like: bool) -> Cow<'_, str> {
    if path_like {
        return if raw.contains("``") { Cow::Owned(raw.replace("``", "`")) } else { Cow::Borrowed(raw) };
    }
    if raw.contains('\r') {
        let unified = raw.replace("\r\n", "\n").replace('\r', "\n");
        return Cow::Owned(unescape(&unified).into_owned());
    }
    unescape(raw)
}

/// Whether a tag makes a back-tick literal path-like: one of `p d f r a`.
pub fn is_path_tag(tag: &str) -> bool {
    matches!(tag, "p" | "d" | "f" | "r" | "a")
}

fn trailing_backslashes(text: &str) -> usize {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count()
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // UTF-16 escapes may come in pairs that mean one character.
    let mut high: Option<u32> = None;
    while let Some(at) = rest.find('\\') {
        let plain = &rest[..at];
        if !plain.is_empty() && high.take().is_some() {
            out.push('\u{FFFD}');
        }
        out.push_str(plain);
        let (unit, used) = escape(&rest[at + 1..]);
        rest = &rest[at + 1 + used..];
        let Some(unit) = unit else { continue };
        match (high.take(), unit) {
            (Some(first), 0xDC00..=0xDFFF) => {
                let code = 0x10000 + ((first - 0xD800) << 10) + (unit - 0xDC00);
                out.push(char::from_u32(code).unwrap_or('\u{FFFD}'));
            }
            (pending, _) => {
                if pending.is_some() {
                    out.push('\u{FFFD}');
                }
                match unit {
                    0xD800..=0xDBFF => high = Some(unit),
                    _ => out.push(char::from_u32(unit).unwrap_or('\u{FFFD}')),
                }
            }
        }
    }
    if high.is_some() {
        out.push('\u{FFFD}');
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The code unit of the escape whose text after the backslash is given, and how many bytes of it belong to it.
/// A continued line has no unit.
fn escape(text: &str) -> (Option<u32>, usize) {
    let hex = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let Some(first) = text.chars().next() else { return (None, 0) };
    let unit = match first {
        'n' => 0x0A,
        't' => 0x09,
        'r' => 0x0D,
        'b' => 0x08,
        'f' => 0x0C,
        'v' => 0x0B,
        '0' if !text[1..].starts_with(|c: char| c.is_ascii_digit()) => 0,
        'x' => match hex(1, 3) {
            Some(unit) => return (Some(unit), 3),
            None => u32::from(first),
        },
        'u' if text[1..].starts_with('{') => match text.find('}').and_then(|end| Some((hex(2, end)?, end + 1))) {
            Some((unit, used)) => return (Some(unit), used),
            None => u32::from(first),
        },
        'u' => match hex(1, 5) {
            Some(unit) => return (Some(unit), 5),
            None => u32::from(first),
        },
        '\r' => return (None, if text[1..].starts_with('\n') { 2 } else { 1 }),
        '\n' | '\u{2028}' | '\u{2029}' => return (None, first.len_utf8()),
        other => u32::from(other),
    };
    (Some(unit), first.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_base() {
        for (text, value) in [("0", 0), ("42", 42), ("0xFF", 255), ("0o17", 15), ("0b101", 5), ("2147483647", i32::MAX)]
        {
            assert_eq!(number_value(text), Ok(value), "{text}");
        }
        assert_eq!(number_value("2147483648"), Err(NumberProblem::TooLarge));
        assert_eq!(negated_number_value("2147483648"), Ok(i32::MIN));
        assert_eq!(negated_number_value("2147483649"), Err(NumberProblem::TooLarge));
        assert_eq!(number_value("99999999999999999999"), Err(NumberProblem::TooLarge));
        assert_eq!(number_value("1e3"), Err(NumberProblem::Fraction));
        assert_eq!(number_value("0x1e3"), Ok(0x1e3));
    }

    #[test]
    fn escapes_of_strings() {
        for (raw, value) in [
            (r#""""#, ""),
            (r#""a""#, "a"),
            (r"'it\'s'", "it's"),
            (r#""\\""#, "\\"),
            (r#""\n\t\0\x41\u0042\u{43}""#, "\n\t\0ABC"),
            (r#""\uD83D\uDE00!""#, "\u{1F600}!"),
            (r#""\uD83Dx""#, "\u{FFFD}x"),
            ("\"a\\\r\nb\"", "ab"),
            ("\u{201C}a\u{201D}", "a"),
            (r#""\q""#, "q"),
        ] {
            assert_eq!(string_value(raw), value, "{raw}");
        }
    }

    #[test]
    fn back_tick_literals_come_in_two_kinds() {
        assert_eq!(template_text(r"a\b``c\", true), r"a\b`c\");
        assert_eq!(template_text(r"a\n\`\${", false), "a\n`${");
        assert_eq!(template_text("a\r\nb\rc", false), "a\nb\nc");
    }
}
