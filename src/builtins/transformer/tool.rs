//! Tool definitions: the program and everything that every use of it needs.

use crate::eval::{Machine, Raised, Value};
use crate::graph::ProcessPip;
use crate::source::system::OperatingSystem;

use super::artifacts::{Artifacts, extend_paths};
use super::fields::{Fields, Spot};

/// How deep tools may nest; they are plain objects, so they cannot refer to themselves.
const NESTING: usize = 64;

/// Adds what the tool and the tools it starts need. Gives whether one of them needs a temporary directory.
pub(super) fn apply<'h>(
    m: &mut Machine<'_, 'h>,
    tool: &Fields<'_, 'h>,
    process: &mut ProcessPip,
    artifacts: &mut Artifacts,
) -> Result<bool, Raised> {
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
) -> Result<bool, Raised> {
    artifacts.inputs.push(tool.file(m, "exe")?);
    for (field, what) in [("runtimeDependencies", "files"), ("runtimeDirectoryDependencies", "sealed directories")] {
        let values = tool.array(m, field)?.iter().enumerate();
        for (index, value) in values.filter(|(_, value)| !value.is_undefined()) {
            let spot = Spot::item(field, index);
            match (field, value) {
                ("runtimeDependencies", Value::File(file)) => artifacts.inputs.push(*file),
                ("runtimeDirectoryDependencies", Value::StaticDirectory(_)) => {
                    artifacts.add_input(m, *value, tool, spot)?;
                }
                (_, other) => return Err(tool.wrong_at(m, spot, &format!("an array of {what}"), *other)),
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
    let mut needs_temp = tool.flag(m, "prepareTempDirectory")?;
    let nested = tool.array(m, "nestedTools")?;
    if levels == 0 && !nested.is_empty() {
        return Err(tool.wrong(m, "nestedTools", "tools that nest less than 64 levels", Value::Undefined));
    }
    for (index, value) in nested.iter().enumerate().filter(|(_, value)| !value.is_undefined()) {
        let inner = tool.inner(m, Spot::item("nestedTools", index), *value, "an entry of `nestedTools`")?;
        needs_temp |= add(m, &inner, process, artifacts, levels - 1)?;
    }
    Ok(needs_temp)
}
