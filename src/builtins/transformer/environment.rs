//! The environment variables of a process.

use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Machine, Raised, Value};
use crate::graph::{EnvironmentValue, EnvironmentVariable, Fragment, PipData, ProcessPip};
use crate::paths::PathId;
use crate::source::system::OperatingSystem;

use super::artifacts::extend_paths;
use super::data::{joined_data, pip_data};
use super::fields::{Fields, origin};

/// The build sets these itself, so that every process has a temporary folder of its own.
const RESERVED: [&str; 3] = ["TEMP", "TMP", "TMPDIR"];

/// Adds the variables listed in a field: `{name, value, separator}` each. A later one of the same name wins.
pub(super) fn apply<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    field: &str,
    process: &mut ProcessPip,
) -> Result<(), Raised> {
    for value in fields.array(m, field)? {
        let entry = Fields::of_value(m, *value, "an environment variable", fields.place)?;
        let name = entry.string(m, "name")?.unwrap_or("");
        let place = origin(entry.get("name")).unwrap_or(fields.place);
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = match name {
                "" => "an environment variable has no name".to_owned(),
                _ => format!("`{}` is not the name of an environment variable", name.escape_debug()),
            };
            return Err(m.fail(Diagnostic::error(Code::Dx(9357), message).at(place, "")));
        }
        if RESERVED.contains(&name) {
            let message = format!(
                "the environment variable `{name}` cannot be set: the build gives each process a temporary folder of its own"
            );
            let error = Diagnostic::error(Code::Dx(9357), message).at(place, "");
            return Err(m.fail(error.help("use `tempDirectory` to choose the folder")));
        }
        let separator = match entry.string(m, "separator")? {
            Some("") => {
                let message = format!("the separator of the environment variable `{name}` is empty");
                return Err(m.fail(Diagnostic::error(Code::Dx(9357), message).at(place, "")));
            }
            Some(separator) => separator,
            None if on_windows(m) => ";",
            None => ":",
        };
        let data = match entry.get("value") {
            Value::Undefined => {
                let message = format!("the environment variable `{name}` has no value");
                return Err(m.fail(Diagnostic::error(Code::Dx(9357), message).at(place, "")));
            }
            Value::Array(values) => joined_data(m, values.items, separator, place)?,
            Value::Bool(flag) => pip_data(m, m.string(if flag { "True" } else { "False" }), place)?,
            single => pip_data(m, single, place)?,
        };
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
    for value in fields.array(m, "passThroughEnvironmentVariables")? {
        let name = match value {
            Value::String(text) => text.text,
            Value::Object(_) => {
                let entry = Fields::of_value(m, *value, "a pass-through variable", fields.place)?;
                match entry.string(m, "name")? {
                    Some(name) => name,
                    None => return Err(entry.wrong(m, "name", "a string", Value::Undefined)),
                }
            }
            other => return Err(fields.wrong(m, "passThroughEnvironmentVariables", "an array of names", *other)),
        };
        set(m, process, name, EnvironmentValue::PassThrough);
    }
    Ok(())
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
    let names = if on_windows(m) { &RESERVED[..2] } else { &RESERVED[..] };
    for name in names {
        set_fragment(m, process, name, Fragment::Path(folder));
    }
}

fn on_windows(m: &Machine<'_, '_>) -> bool {
    m.host().environment.host().os == OperatingSystem::Windows
}

fn set(m: &Machine<'_, '_>, process: &mut ProcessPip, name: &str, value: EnvironmentValue) {
    let name = m.symbols().intern(name);
    let mut variables = std::mem::take(&mut process.environment).into_vec();
    variables.retain(|variable| variable.name != name);
    variables.push(EnvironmentVariable { name, value });
    process.environment = variables.into();
}
