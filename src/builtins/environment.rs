//! The namespace `Environment`.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, NativeFn, Raised, Value};
use crate::paths::PathId;
use crate::source::system::OperatingSystem;

/// Functions of the namespace `Environment`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("Environment.hasVariable", has_variable),
    ("Environment.getFlag", get_flag),
    ("Environment.getStringValue", get_string_value),
    ("Environment.getBooleanValue", get_boolean_value),
    ("Environment.getNumberValue", get_number_value),
    ("Environment.getPathValue", get_path_value),
    ("Environment.getPathValues", get_path_values),
    ("Environment.getFileValue", get_file_value),
    ("Environment.getFileValues", get_file_values),
    ("Environment.getDirectoryValue", get_directory_value),
    ("Environment.getDirectoryValues", get_directory_values),
    ("Environment.newLine", new_line),
    ("Environment.expandEnvironmentVariablesInPath", expand_in_path),
    ("Environment.expandEnvironmentVariablesInString", expand_in_string),
];

/// The variable that the first argument names, and its name.
fn variable<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<(&'h str, Option<String>), Raised> {
    let name = m.string_arg(args, 0)?;
    Ok((name, m.host().environment.variable(name)))
}

/// Stops because the text of a variable is not what was asked for (DX9356).
fn malformed<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    name: &str,
    value: Option<&str>,
    expected: &str,
) -> Raised {
    let message = match value {
        Some(value) => format!("the environment variable `{name}` must be {expected}, but it is `{value}`"),
        None => format!("the environment variable `{name}` must be {expected}, but it is not set"),
    };
    let diagnostic = Diagnostic::error(Code::Dx(9356), message).at(args.site.argument(0), "");
    let help = value.is_none().then(|| "ask `Environment.hasVariable` first".to_owned());
    m.fail(diagnostic.maybe_help(help))
}

fn has_variable<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(variable(m, args)?.1.is_some()))
}

fn get_string_value<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(variable(m, args)?.1.map_or(Value::Undefined, |value| m.string(&value)))
}

fn get_flag<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (name, value) = variable(m, args)?;
    let value = value.unwrap_or_default();
    match value.to_lowercase().as_str() {
        "1" | "true" => Ok(Value::Bool(true)),
        "0" | "false" => Ok(Value::Bool(false)),
        blank if blank.trim().is_empty() => Ok(Value::Bool(false)),
        _ => Err(malformed(m, args, name, Some(&value), "`1`, `true`, `0` or `false`")),
    }
}

fn get_boolean_value<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (name, value) = variable(m, args)?;
    match value.as_deref().map(|value| value.trim().to_lowercase()).as_deref() {
        Some("true") => Ok(Value::Bool(true)),
        Some("false") => Ok(Value::Bool(false)),
        _ => Err(malformed(m, args, name, value.as_deref(), "`true` or `false`")),
    }
}

fn get_number_value<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (name, value) = variable(m, args)?;
    match value.as_deref().and_then(|value| value.trim().parse().ok()) {
        Some(number) => Ok(Value::Number(number)),
        None => Err(malformed(m, args, name, value.as_deref(), "a number of 32 bits")),
    }
}

/// A path that a variable holds.
fn parse_path<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, name: &str, text: &str) -> Result<PathId, Raised> {
    match m.paths().parse_absolute(text) {
        Ok(path) => Ok(path),
        Err(_) => Err(malformed(m, args, name, Some(text), "an absolute path")),
    }
}

fn single<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    make: impl Fn(&Machine<'_, 'h>, PathId) -> Value<'h>,
) -> Eval<'h> {
    let (name, value) = variable(m, args)?;
    match value.filter(|value| !value.trim().is_empty()) {
        None => Ok(Value::Undefined),
        Some(value) => {
            let path = parse_path(m, args, name, &value)?;
            Ok(make(m, path))
        }
    }
}

fn several<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    make: impl Fn(&Machine<'_, 'h>, PathId) -> Value<'h>,
) -> Eval<'h> {
    let (name, value) = variable(m, args)?;
    let separator = m.string_arg(args, 1)?;
    let value = value.unwrap_or_default();
    let parts: Vec<&str> = if separator.is_empty() { vec![&value] } else { value.split(separator).collect() };
    let mut values = Vec::new();
    for part in parts.into_iter().filter(|part| !part.trim().is_empty()) {
        let path = parse_path(m, args, name, part)?;
        values.push(make(m, path));
    }
    Ok(m.array(&values))
}

fn path<'h>(_: &Machine<'_, 'h>, path: PathId) -> Value<'h> {
    Value::Path(path)
}

fn file<'h>(m: &Machine<'_, 'h>, path: PathId) -> Value<'h> {
    m.source_file(path)
}

fn directory<'h>(_: &Machine<'_, 'h>, path: PathId) -> Value<'h> {
    Value::Directory(path)
}

fn get_path_value<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    single(m, args, path)
}

fn get_path_values<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    several(m, args, path)
}

fn get_file_value<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    single(m, args, file)
}

fn get_file_values<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    several(m, args, file)
}

fn get_directory_value<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    single(m, args, directory)
}

fn get_directory_values<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    several(m, args, directory)
}

fn on_windows(m: &Machine<'_, '_>) -> bool {
    m.paths().os() == OperatingSystem::Windows
}

fn new_line<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.string(m.paths().os().new_line()))
}

/// Puts the values of variables into a text: `%NAME%` on Windows, `$NAME` elsewhere. Variables without a value stay
/// as they are written.
fn expand(text: &str, windows: bool, value: impl Fn(&str) -> Option<String>) -> String {
    let sign = if windows { '%' } else { '$' };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(sign) {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let length = if windows {
            after.find(sign)
        } else {
            Some(after.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(after.len()))
        };
        let Some(length) = length else {
            out.push_str(&rest[at..]);
            return out;
        };
        let end = at + 1 + length + usize::from(windows);
        match value(&after[..length]).filter(|value| length > 0 && !value.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn expanded(m: &Machine<'_, '_>, text: &str) -> String {
    expand(text, on_windows(m), |name| m.host().environment.variable(name))
}

fn expand_in_string<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    Ok(m.string(&expanded(m, text)))
}

fn expand_in_path<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = match args.get(0) {
        Value::Path(path) => m.paths().display(path),
        _ => return Err(m.wrong_type(args, 0, "a path")),
    };
    let text = expanded(m, &text);
    match m.paths().parse_absolute(&text) {
        Ok(path) => Ok(Value::Path(path)),
        Err(error) => Err(m.fail_at(args, 0, Code::Dx(9406), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn variables_in_texts() {
        let value = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(expand("/$A/$B/$", false, value), "/x/$B/$");
        assert_eq!(expand("$A$A-%A%", false, value), "xx-%A%");
        assert_eq!(expand("%A%%B%z%", true, value), "x%B%z%");
    }
}
