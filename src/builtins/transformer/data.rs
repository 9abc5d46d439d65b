//! Data that is written to files, given to standard input or to variables: text, numbers, paths, and compounds.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Machine, Raised, Value};
use crate::graph::{Escaping, Fragment, PipData};
use crate::source::{Location, Symbol};

use super::arguments::primitive;
use super::fields::{field, origin};

/// How deeply data may be nested.
const DEEPEST: usize = 200;

/// Structured text from a value: one fragment. That of `{separator, contents}` holds the others.
pub(super) fn pip_data<'h>(m: &mut Machine<'_, 'h>, value: Value<'h>, place: Location) -> Result<PipData, Raised> {
    let fragment = fragment(m, value, place, 0)?;
    Ok(PipData { fragments: Box::new([fragment]), ..PipData::default() })
}

/// Several values with a separator between them; `undefined` ones are left out.
pub(super) fn joined_data<'h>(
    m: &mut Machine<'_, 'h>,
    values: &[Value<'h>],
    separator: &str,
    place: Location,
) -> Result<PipData, Raised> {
    joined_at(m, values, separator, place, 0)
}

fn joined_at<'h>(
    m: &mut Machine<'_, 'h>,
    values: &[Value<'h>],
    separator: &str,
    place: Location,
    depth: usize,
) -> Result<PipData, Raised> {
    let mut fragments = Vec::with_capacity(values.len());
    for value in values.iter().filter(|value| !value.is_undefined()) {
        fragments.push(fragment(m, *value, place, depth)?);
    }
    let separator: Option<Symbol> = (!separator.is_empty()).then(|| m.symbols().intern(separator));
    Ok(PipData { separator, escaping: Escaping::None, fragments: fragments.into() })
}

/// Stops when data or an argument is nested deeper than any is meant to be: what reads it later goes down level by
/// level.
///
/// # Errors
/// DX9327 beyond the limit.
pub(super) fn check_nesting(m: &mut Machine<'_, '_>, depth: usize, place: Location) -> Result<(), Raised> {
    if depth <= DEEPEST {
        return Ok(());
    }
    let message = format!("this is nested more than {DEEPEST} levels deep");
    Err(m.fail(Diagnostic::error(Code::Dx(9327), message).at(place, "")))
}

fn fragment<'h>(m: &mut Machine<'_, 'h>, value: Value<'h>, place: Location, depth: usize) -> Result<Fragment, Raised> {
    check_nesting(m, depth, place)?;
    // Parts may be shared, so a small value can make endless data.
    m.count_step(place)?;
    if let Some(fragment) = primitive(m, value) {
        return Ok(fragment);
    }
    match value {
        Value::Directory(path) => return Ok(Fragment::Path(path)),
        Value::File(file) => return Ok(Fragment::Path(file.path)),
        Value::StaticDirectory(directory) => return Ok(Fragment::Path(directory.path)),
        Value::Object(object) => {
            let contents = field(m, object, "contents");
            let separator = match field(m, object, "separator") {
                Value::String(separator) => Some(separator.text),
                Value::Undefined => Some(m.paths().os().new_line()),
                _ => None,
            };
            if let (Some(separator), Value::Array(contents)) = (separator, contents) {
                let data = joined_at(m, contents.items, separator, place, depth + 1)?;
                return Ok(Fragment::Nested(Box::new(data)));
            }
        }
        _ => {}
    }
    let message =
        format!("data is text, a number, a path, or an object with `contents`, but this is {}", m.describe(value));
    Err(m.fail(Diagnostic::error(Code::Dx(9327), message).at(origin(value).unwrap_or(place), "")))
}
