//! Strings. Lengths and indices count UTF-16 code units, as users of the language are used to; texts of ASCII only,
//! which nearly all are, need no counting.

use std::cmp::Ordering;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, Value};

use super::array::strings_arg;
use super::support::{self, count, optional_number, optional_string, wrong_item};

/// Functions of the namespace `String`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("String.join", static_join),
    ("String.fromCharCode", from_char_code),
    ("String.isUndefinedOrEmpty", is_undefined_or_empty),
    ("String.isUndefinedOrWhitespace", is_undefined_or_whitespace),
    ("String.interpolate", interpolate),
];

/// Members of strings.
pub(super) const MEMBERS: &[Member] = &[
    Member::property("length", length),
    Member::method("charAt", 1, 1, char_at),
    Member::method("charCodeAt", 1, 1, char_code_at),
    Member::variadic("concat", 0, concat),
    Member::method("contains", 1, 1, contains),
    Member::method("endsWith", 1, 1, ends_with),
    Member::method("startsWith", 1, 1, starts_with),
    Member::method("indexOf", 1, 2, index_of),
    Member::method("lastIndexOf", 1, 2, last_index_of),
    Member::method("localeCompare", 1, 1, locale_compare),
    Member::method("replace", 2, 2, replace),
    Member::method("slice", 0, 2, slice),
    Member::method("split", 1, 2, split),
    Member::method("toLowerCase", 0, 0, to_lower_case),
    Member::method("toUpperCase", 0, 0, to_upper_case),
    Member::method("toLowerCaseFirst", 0, 0, to_lower_case_first),
    Member::method("toUpperCaseFirst", 0, 0, to_upper_case_first),
    Member::method("trim", 0, 1, trim),
    Member::method("trimStart", 0, 1, trim_start),
    Member::method("trimEnd", 0, 1, trim_end),
    Member::method("toArray", 0, 0, to_array),
    Member::method("toString", 0, 0, support::to_string),
];

fn this<'h>(args: &Args<'_, 'h>) -> &'h str {
    args.this.as_str().unwrap_or_default()
}

/// How many UTF-16 code units.
fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char::len_utf16).sum() }
}

/// Where in the bytes the code unit with this index begins; an index inside of a character means its begin.
fn byte_of(text: &str, unit: usize) -> usize {
    if text.is_ascii() {
        return unit.min(text.len());
    }
    let mut seen = 0;
    for (at, c) in text.char_indices() {
        seen += c.len_utf16();
        if seen > unit {
            return at;
        }
    }
    text.len()
}

/// Where the first character begins that has no code unit before this index.
fn first_byte_from(text: &str, unit: usize) -> usize {
    let at = byte_of(text, unit);
    match text[at..].chars().next() {
        Some(inside) if units(&text[..at]) < unit => at + inside.len_utf8(),
        _ => at,
    }
}

fn length<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    count(m, args, units(this(args)))
}

/// The code unit at the index that is the first argument.
fn unit_at<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<u16, Raised> {
    let text = this(args);
    let index = m.number_arg(args, 0)?;
    let found = usize::try_from(index).ok().and_then(|index| {
        if text.is_ascii() {
            text.as_bytes().get(index).map(|byte| u16::from(*byte))
        } else {
            text.encode_utf16().nth(index)
        }
    });
    found.ok_or(()).map_err(|()| {
        let length = units(text);
        out_of_range(m, args, 0, index, length)
    })
}

fn out_of_range<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, at: usize, index: i32, length: usize) -> Raised {
    let message = format!("index `{index}` of `{}` is outside of a string of length {length}", args.name);
    m.fail(Diagnostic::error(Code::Dx(9329), message).at(args.site.argument(at), ""))
}

fn char_at<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let unit = unit_at(m, args)?;
    Ok(m.string(&String::from_utf16_lossy(&[unit])))
}

fn char_code_at<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Number(i32::from(unit_at(m, args)?)))
}

fn concat<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut texts = vec![this(args)];
    for index in 0..args.len() {
        texts.push(m.string_arg(args, index)?);
    }
    m.joined_text(texts.iter().copied(), "", args.site.location())
}

fn contains<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    m.count_work(this(args).len(), args.site.location())?;
    Ok(Value::Bool(this(args).contains(m.string_arg(args, 0)?)))
}

fn ends_with<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(this(args).ends_with(m.string_arg(args, 0)?)))
}

fn starts_with<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(this(args).starts_with(m.string_arg(args, 0)?)))
}

fn index_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = this(args);
    let wanted = m.string_arg(args, 0)?;
    let from = optional_number(m, args, 1)?.unwrap_or(0);
    let length = units(text);
    let start = match usize::try_from(from) {
        Ok(from) if from <= length => first_byte_from(text, from),
        _ => return Err(out_of_range(m, args, 1, from, length)),
    };
    m.count_work(text.len(), args.site.location())?;
    match text[start..].find(wanted) {
        Some(at) => count(m, args, units(&text[..start + at])),
        None => Ok(Value::Number(-1)),
    }
}

/// Finds the last occurrence that ends at or before the unit with the given index.
fn last_index_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = this(args);
    let wanted = m.string_arg(args, 0)?;
    m.count_work(text.len(), args.site.location())?;
    let length = units(text);
    let end = match optional_number(m, args, 1)? {
        None => text.len(),
        Some(from) => byte_of(text, usize::try_from(from).unwrap_or(0).min(length).saturating_add(1)),
    };
    match text[..end].rfind(wanted) {
        Some(at) => count(m, args, units(&text[..at])),
        None => Ok(Value::Number(-1)),
    }
}

/// Letters first without regard to case; where that decides nothing, lower case comes before upper case.
fn locale_compare<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let left = this(args);
    let Some(right) = optional_string(m, args, 0)? else { return Ok(Value::Number(-1)) };
    let folded = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    let order = folded(left).cmp(&folded(right)).then_with(|| right.cmp(left));
    Ok(Value::Number(match order {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }))
}

/// Refuses an empty text to look for.
pub(super) fn searched_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<&'h str, Raised> {
    let text = m.string_arg(args, index)?;
    if text.is_empty() {
        let message = format!("`{}` cannot replace the empty string", args.name);
        return Err(m.fail_at(args, index, Code::Dx(9351), message));
    }
    Ok(text)
}

fn replace<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let old = searched_arg(m, args, 0)?;
    let new = m.string_arg(args, 1)?;
    let text = replaced(m, args, this(args), old, new)?;
    Ok(m.string(&text))
}

/// The text with all of `old` replaced, after a look at how long it gets.
pub(super) fn replaced<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    text: &str,
    old: &str,
    new: &str,
) -> Result<String, Raised> {
    if new.len() > old.len() {
        let grows = text.matches(old).count().saturating_mul(new.len() - old.len());
        m.room(text.len().saturating_add(grows), args.site.location())?;
    }
    Ok(text.replace(old, new))
}

/// A start below zero gives the empty string, an end beyond the text means its end.
fn slice<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = this(args);
    let start = optional_number(m, args, 0)?.unwrap_or(0);
    let end = optional_number(m, args, 1)?.unwrap_or(i32::MAX);
    let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else { return Ok(m.string("")) };
    if end <= start {
        return Ok(m.string(""));
    }
    Ok(m.string(&text[byte_of(text, start)..byte_of(text, end)]))
}

fn split<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let separator = m.string_arg(args, 0)?;
    let limit = optional_number(m, args, 1)?.unwrap_or(i32::MAX);
    let Ok(limit) = usize::try_from(limit) else {
        let message = format!("the limit of `{}` must not be negative, but it is `{limit}`", args.name);
        return Err(m.fail_at(args, 1, Code::Dx(9351), message));
    };
    let text = this(args);
    let parts: Vec<_> = if separator.is_empty() {
        [text].into_iter().take(limit).map(|part| m.string(part)).collect()
    } else {
        text.split(separator).take(limit).map(|part| m.string(part)).collect()
    };
    Ok(m.array(&parts))
}

/// One character for one: characters whose other case is longer stay as they are.
fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn to_lower_case<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.string(&this(args).chars().map(lower).collect::<String>()))
}

fn to_upper_case<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.string(&this(args).chars().map(upper).collect::<String>()))
}

fn with_first<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>, change: fn(char) -> char) -> Value<'h> {
    let mut chars = this(args).chars();
    match chars.next() {
        None => args.this,
        Some(first) => m.string(&format!("{}{}", change(first), chars.as_str())),
    }
}

fn to_lower_case_first<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(with_first(m, args, lower))
}

fn to_upper_case_first<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(with_first(m, args, upper))
}

/// Whether a character is to be trimmed: one of those given, else white space. Without characters in the argument,
/// white space is meant too.
fn trimmed<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<impl Fn(char) -> bool + Copy + use<'h>, Raised> {
    let set = optional_string(m, args, 0)?.unwrap_or("");
    Ok(move |c: char| if set.is_empty() { c.is_whitespace() } else { set.contains(c) })
}

fn trim<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let trimmed = trimmed(m, args)?;
    Ok(m.string(this(args).trim_start_matches(trimmed).trim_end_matches(trimmed)))
}

fn trim_start<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let trimmed = trimmed(m, args)?;
    Ok(m.string(this(args).trim_start_matches(trimmed)))
}

fn trim_end<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let trimmed = trimmed(m, args)?;
    Ok(m.string(this(args).trim_end_matches(trimmed)))
}

fn to_array<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut buffer = [0; 4];
    let items: Vec<_> = this(args).chars().map(|c| m.string(c.encode_utf8(&mut buffer))).collect();
    Ok(m.array(&items))
}

fn static_join<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let separator = m.string_arg(args, 0)?;
    let texts = strings_arg(m, args, 1)?;
    m.joined_text(texts.iter().copied(), separator, args.site.location())
}

fn from_char_code<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let codes = m.array_arg(args, 0)?;
    let mut units = Vec::with_capacity(codes.len());
    for (index, code) in codes.iter().enumerate() {
        match code {
            // Only the low 16 bits count.
            Value::Number(code) => units.push(*code as u16),
            _ => return Err(wrong_item(m, args, 0, index, *code, "a number")),
        }
    }
    Ok(m.string(&String::from_utf16_lossy(&units)))
}

fn is_undefined_or_empty<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(optional_string(m, args, 0)?.is_none_or(str::is_empty)))
}

fn is_undefined_or_whitespace<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(optional_string(m, args, 0)?.is_none_or(|text| text.trim().is_empty())))
}

fn interpolate<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut text = String::new();
    for value in args.values {
        let part = m.text_of(*value, args.site.location())?;
        m.room(text.len() + part.len(), args.site.location())?;
        text.push_str(&part);
    }
    Ok(m.string(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_units_outside_of_ascii() {
        let text = "aé😀z";
        assert_eq!(units(text), 5);
        assert_eq!(byte_of(text, 0), 0);
        assert_eq!(byte_of(text, 2), 3);
        assert_eq!(byte_of(text, 3), 3);
        assert_eq!(byte_of(text, 4), 7);
        assert_eq!(byte_of(text, 9), text.len());
        assert_eq!([2, 3, 4, 5, 9].map(|unit| first_byte_from(text, unit)), [3, 7, 7, 8, 8]);
    }
}
