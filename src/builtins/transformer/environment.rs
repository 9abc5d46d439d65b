//! The environment variables of a process.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Machine, Raised, Value};
use crate::graph::{EnvironmentValue, EnvironmentVariable, ProcessPip};

use super::data::{joined_data, pip_data};
use super::fields::{Fields, origin};

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
        let os = m.paths().os();
        // The build sets these itself, so that every process has a temporary folder of its own.
        if os.temporary_folder_variables().iter().any(|reserved| os.is_same_variable(reserved, name)) {
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
            None => ";",
        };
        let data = match entry.get("value") {
            Value::Undefined => {
                let message = format!("the environment variable `{name}` has no value");
                return Err(m.fail(Diagnostic::error(Code::Dx(9357), message).at(place, "")));
            }
            Value::Array(values) => joined_data(m, values.items, separator, place)?,
            Value::Bool(flag) => pip_data(m, m.string(if flag { "true" } else { "false" }), place)?,
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

fn set(m: &Machine<'_, '_>, process: &mut ProcessPip, name: &str, value: EnvironmentValue) {
    let name = m.symbols().intern(name);
    let mut variables = std::mem::take(&mut process.environment).into_vec();
    let os = m.paths().os();
    let symbols = m.symbols();
    variables.retain(|variable| !os.is_same_variable(symbols.text(variable.name), symbols.text(name)));
    variables.push(EnvironmentVariable { name, value });
    process.environment = variables.into();
}
