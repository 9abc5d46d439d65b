//! Numbers and booleans.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, Value};

use super::support::{self, optional_number};

/// Functions of the namespace `Number`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("Number.parseInt", parse_int)];

/// Members of numbers.
pub(super) const MEMBERS: &[Member] = &[Member::method("toString", 0, 1, to_string)];

/// Members of booleans.
pub(super) const BOOLEAN_MEMBERS: &[Member] = &[Member::method("toString", 0, 0, support::to_string)];

/// The radix argument: 2, 8, 10 or 16.
fn radix_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<Option<u32>, Raised> {
    match optional_number(m, args, index)? {
        None => Ok(None),
        Some(radix @ (2 | 8 | 10 | 16)) => Ok(Some(radix.unsigned_abs())),
        Some(radix) => {
            let diagnostic = Diagnostic::error(Code::Dx(9405), format!("`{radix}` is not a radix for numbers"))
                .at(args.site.argument(index), "")
                .help("use 2, 8, 10 or 16");
            Err(m.fail(diagnostic))
        }
    }
}

/// Radix 2, 8 and 16 show negative numbers as the 32 bits of their two's complement.
fn to_string<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let radix = radix_arg(m, args, 0)?;
    let Value::Number(number) = args.this else { return support::to_string(m, args) };
    let text = match radix {
        Some(2) => format!("{number:b}"),
        Some(8) => format!("{number:o}"),
        Some(16) => format!("{number:x}"),
        _ => number.to_string(),
    };
    Ok(m.string(&text))
}

fn parse_int<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    let number = match radix_arg(m, args, 1)? {
        None => parse_decimal(text),
        Some(10) => text.trim().parse().ok(),
        Some(radix) => parse_bits(text, radix),
    };
    Ok(number.map_or(Value::Undefined, Value::Number))
}

/// The 32 bits of a number; hexadecimal ones may begin with `0x`.
fn parse_bits(text: &str, radix: u32) -> Option<i32> {
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = if radix == 16 { prefixed.unwrap_or(text) } else { text };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().map(u32::cast_signed)
}

/// A decimal number as people write it: blanks around it, a sign on either side, thousands separators and a fraction
/// of zeros are allowed.
pub(super) fn parse_decimal(text: &str) -> Option<i32> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-').or_else(|| text.strip_suffix('-')) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').or_else(|| text.strip_suffix('+')).unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || fraction.contains(|c| c != '0') {
        return None;
    }
    let mut number: i64 = 0;
    for c in whole.chars().filter(|c| *c != ',') {
        number = number.checked_mul(10)?.checked_add(i64::from(c.to_digit(10)?))?;
    }
    i32::try_from(if negative { -number } else { number }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_texts() {
        let cases = [
            ("12", Some(12)),
            (" -7 ", Some(-7)),
            ("+3", Some(3)),
            ("7-", Some(-7)),
            ("1,000", Some(1000)),
            ("2.00", Some(2)),
            ("2.5", None),
            ("", None),
            ("-", None),
            ("x", None),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("-2147483648", Some(i32::MIN)),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_decimal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn bit_texts() {
        assert_eq!(parse_bits("ff", 16), Some(255));
        assert_eq!(parse_bits("0xFFFFFFFF", 16), Some(-1));
        assert_eq!(parse_bits("101", 2), Some(5));
        assert_eq!(parse_bits("8", 8), None);
        assert_eq!(parse_bits("+1", 2), None);
    }
}
