//! The environment variables of a process.

use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Machine, Raised, Value};
use crate::graph::{EnvironmentValue, EnvironmentVariable, Fragment, PipData, ProcessPip};
use crate::paths::PathId;

use super::artifacts::extend_paths;
use super::data::{joined_data, pip_data};
use super::fields::{Fields, Spot};

/// Adds the variables listed in a field: `{name, value, separator}` each. A later one of the same name wins.
pub(super) fn apply<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    field: &'static str,
    process: &mut ProcessPip,
) -> Result<(), Raised> {
    for (index, value) in fields.array(m, field)?.iter().enumerate() {
        let entry = fields.inner(m, Spot::item(field, index), *value, "an environment variable")?;
        let (name, data) = variable(m, &entry)?;
        set(m, process, name, EnvironmentValue::Data(data));
    }
    Ok(())
}

/// `unsafe.passThroughEnvironmentVariables`: names, or `{name, value}` where the value is the default.
pub(super) fn pass_through<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    process: &mut ProcessPip,
) -> Result<(), Raised> {
    let field = "passThroughEnvironmentVariables";
    for (index, value) in fields.array(m, field)?.iter().enumerate() {
        let spot = Spot::item(field, index);
        let name = match value {
            Value::String(text) => text.text,
            Value::Object(_) => {
                let entry = fields.inner(m, spot, *value, "a pass-through variable")?;
                variable(m, &entry)?.0
            }
            other => return Err(fields.wrong_at(m, spot, "an array of names", *other)),
        };
        set(m, process, name, EnvironmentValue::PassThrough);
    }
    Ok(())
}

/// The name and the value of `{name, value, separator}` (DX9357 for what no environment could hold).
fn variable<'h>(m: &mut Machine<'_, 'h>, entry: &Fields<'_, 'h>) -> Result<(&'h str, PipData), Raised> {
    let name = entry.string(m, "name")?.unwrap_or("");
    let refuse = |m: &mut Machine<'_, 'h>, field: &'static str, message: String| {
        let place = entry.spot(m, Spot::field(field), entry.get(field));
        Diagnostic::error(Code::Dx(9357), message).at(place, "")
    };
    if name.trim().is_empty() || name.contains(['=', '\0']) {
        let message = match name.trim() {
            "" => "an environment variable has no name".to_owned(),
            _ => format!("`{}` is not the name of an environment variable", name.escape_debug()),
        };
        let error = refuse(m, "name", message);
        return Err(m.fail(error));
    }
    let os = m.paths().os();
    // The build sets these itself, so that every process has a temporary folder of its own.
    if os.temporary_folder_variables().iter().any(|reserved| os.is_same_variable(reserved, name)) {
        let message = format!(
            "the environment variable `{name}` cannot be set: the build gives each process a temporary folder of its own"
        );
        let error = refuse(m, "name", message);
        return Err(m.fail(error.help("use `tempDirectory` to choose the folder")));
    }
    let separator = match entry.string(m, "separator")? {
        Some(separator) if separator.trim().is_empty() => {
            let message = format!("the separator of the environment variable `{name}` is empty");
            let error = refuse(m, "separator", message);
            return Err(m.fail(error.help("leave it out to use the one of lists of paths on this system")));
        }
        Some(separator) => separator,
        None => os.path_list_separator(),
    };
    let value = entry.get("value");
    let data = match value {
        Value::Undefined => {
            let error = refuse(m, "value", format!("the environment variable `{name}` has no value"));
            return Err(m.fail(error));
        }
        Value::Array(values) => joined_data(m, values.items, separator, entry.place)?,
        Value::Bool(flag) => pip_data(m, m.string(if flag { "True" } else { "False" }), entry.place)?,
        single => pip_data(m, single, entry.place)?,
    };
    Ok((name, data))
}

/// Sets a variable to one text or path.
pub(super) fn set_fragment(m: &Machine<'_, '_>, process: &mut ProcessPip, name: &str, value: Fragment) {
    let data = PipData { fragments: Box::new([value]), ..PipData::default() };
    set(m, process, name, EnvironmentValue::Data(data));
}

/// Gives the process a temporary folder: its variables name it, and what happens there is not watched.
pub(super) fn set_temp(m: &Machine<'_, '_>, process: &mut ProcessPip, folder: PathId) {
    process.rare_mut().temp_directory = Some(folder);
    extend_paths(&mut process.untracked_scopes, &Arc::from([folder]));
    for name in m.paths().os().temporary_folder_variables() {
        set_fragment(m, process, name, Fragment::Path(folder));
    }
}

fn set(m: &Machine<'_, '_>, process: &mut ProcessPip, name: &str, value: EnvironmentValue) {
    let name = m.symbols().intern(name);
    let mut variables = std::mem::take(&mut process.environment).into_vec();
    let os = m.paths().os();
    let symbols = m.symbols();
    variables.retain(|variable| !os.is_same_variable(symbols.text(variable.name), symbols.text(name)));
    variables.push(EnvironmentVariable { name, value });
    process.environment = variables.into();
}
