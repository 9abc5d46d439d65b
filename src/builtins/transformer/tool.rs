//! Tool definitions: the program and everything that every use of it needs.

use crate::eval::{Machine, Raised, Value};
use crate::graph::ProcessPip;
use crate::source::system::OperatingSystem;

use super::artifacts::{Artifacts, extend_paths};
use super::fields::Fields;

/// How deep tools may nest; they are plain objects, so they cannot refer to themselves.
const NESTING: usize = 64;

/// Adds what the tool and the tools it starts need.
pub(super) fn apply<'h>(
    m: &mut Machine<'_, 'h>,
    tool: &Fields<'_, 'h>,
    process: &mut ProcessPip,
    artifacts: &mut Artifacts,
) -> Result<(), Raised> {
    process.tool_description = tool.symbol(m, "description")?;
    if let Some(timeout) = tool.count(m, "timeoutInMilliseconds")? {
        process.rare_mut().timeout = Some(timeout);
    }
    if let Some(timeout) = tool.count(m, "warningTimeoutInMilliseconds")? {
        process.rare_mut().warning_timeout = Some(timeout);
    }
    add(m, tool, process, artifacts, NESTING)
}

fn add<'h>(
    m: &mut Machine<'_, 'h>,
    tool: &Fields<'_, 'h>,
    process: &mut ProcessPip,
    artifacts: &mut Artifacts,
    levels: usize,
) -> Result<(), Raised> {
    artifacts.inputs.push(tool.file(m, "exe")?);
    for (field, what) in [("runtimeDependencies", "files"), ("runtimeDirectoryDependencies", "sealed directories")] {
        for value in tool.array(m, field)?.iter().filter(|value| !value.is_undefined()) {
            match (field, value) {
                ("runtimeDependencies", Value::File(file)) => artifacts.inputs.push(*file),
                ("runtimeDirectoryDependencies", Value::StaticDirectory(_)) => {
                    artifacts.add_input(m, *value, tool.place)?
                }
                (_, other) => return Err(tool.wrong(m, field, &format!("an array of {what}"), *other)),
            }
        }
    }
    let mut untracked = tool.paths(m, "untrackedFiles")?;
    untracked.extend(tool.paths(m, "untrackedDirectories")?);
    extend_paths(&mut process.untracked_paths, &untracked.into());
    extend_paths(&mut process.untracked_scopes, &tool.paths(m, "untrackedDirectoryScopes")?.into());
    let os = m.paths().os();
    let windows_only = tool.flag(m, "dependsOnWindowsDirectories")? && os == OperatingSystem::Windows;
    if tool.flag(m, "dependsOnCurrentHostOSDirectories")? || windows_only {
        process.flags.depends_on_current_host_os_directories = true;
        let system = &m.host().system;
        extend_paths(&mut process.untracked_paths, &system.paths);
        extend_paths(&mut process.untracked_scopes, &system.scopes);
    }
    if tool.flag(m, "dependsOnAppDataDirectory")? {
        extend_paths(&mut process.untracked_scopes, &m.host().system.application_data);
    }
    let nested = tool.array(m, "nestedTools")?;
    if levels == 0 && !nested.is_empty() {
        return Err(tool.wrong(m, "nestedTools", "tools that nest less than 64 levels", Value::Undefined));
    }
    for value in nested.iter().filter(|value| !value.is_undefined()) {
        let inner = Fields::of_value(m, *value, "an entry of `nestedTools`", tool.place)?;
        add(m, &inner, process, artifacts, levels - 1)?;
    }
    Ok(())
}
