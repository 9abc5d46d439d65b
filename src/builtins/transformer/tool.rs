//! Tool definitions: the program and everything that every use of it needs.

use crate::eval::{Machine, Raised, Value};
use crate::graph::{Fragment, ProcessPip};
use crate::paths::PathId;
use crate::source::system::OperatingSystem;

use super::artifacts::{Artifacts, extend_paths};
use super::environment;
use super::fields::{Fields, Spot};

/// How deep tools may nest; they are plain objects, so they cannot refer to themselves.
const NESTING: usize = 64;

/// What a tool and the tools it starts say together.
#[derive(Default)]
struct Needs {
    untracked_files: Vec<PathId>,
    untracked_folders: Vec<PathId>,
    untracked_scopes: Vec<PathId>,
    system_folders: bool,
    application_data: bool,
    temp: bool,
}

/// Adds what the tool and the tools it starts need. True when one of them wants a temporary folder of its own.
pub(super) fn apply<'h>(
    m: &mut Machine<'_, 'h>,
    tool: &Fields<'_, 'h>,
    process: &mut ProcessPip,
    artifacts: &mut Artifacts,
) -> Result<bool, Raised> {
    if let Some(timeout) = tool.count(m, "timeoutInMilliseconds")? {
        process.rare_mut().timeout = Some(timeout);
    }
    if let Some(timeout) = tool.count(m, "warningTimeoutInMilliseconds")? {
        process.rare_mut().warning_timeout = Some(timeout);
    }
    let platform = tool.symbols(m, "remotePlatform")?;
    for text in &platform {
        if m.symbols().text(*text).split_once('=').is_none_or(|(name, _)| name.is_empty()) {
            let given = tool.get("remotePlatform");
            return Err(tool.wrong(m, "remotePlatform", "an array of texts like `OSFamily=Linux`", given));
        }
    }
    if !platform.is_empty() {
        process.rare_mut().remote_platform = platform;
    }
    let mut needs = Needs::default();
    add(m, tool, process, artifacts, &mut needs, NESTING)?;
    extend_paths(&mut process.untracked_paths, &needs.untracked_files.into());
    extend_paths(&mut process.untracked_scopes, &needs.untracked_folders.into());
    extend_paths(&mut process.untracked_scopes, &needs.untracked_scopes.into());
    if needs.system_folders {
        add_system_folders(m, process);
    }
    if needs.application_data {
        extend_paths(&mut process.untracked_scopes, &m.host().system.application_data);
    }
    Ok(needs.temp)
}

/// What programs of the system read is not watched.
pub(super) fn add_system_folders(m: &Machine<'_, '_>, process: &mut ProcessPip) {
    process.flags.depends_on_current_host_os_directories = true;
    let system = &m.host().system;
    extend_paths(&mut process.untracked_paths, &system.paths);
    extend_paths(&mut process.untracked_scopes, &system.scopes);
}

/// Nested tools come first, so that the outermost one has the last word.
fn add<'h>(
    m: &mut Machine<'_, 'h>,
    tool: &Fields<'_, 'h>,
    process: &mut ProcessPip,
    artifacts: &mut Artifacts,
    needs: &mut Needs,
    levels: usize,
) -> Result<(), Raised> {
    let nested = tool.array(m, "nestedTools")?;
    if levels == 0 && !nested.is_empty() {
        return Err(tool.wrong(m, "nestedTools", "tools that nest less than 64 levels", Value::Undefined));
    }
    for (index, value) in nested.iter().enumerate().filter(|(_, value)| !value.is_undefined()) {
        let inner = tool.inner(m, Spot::item("nestedTools", index), *value, "an entry of `nestedTools`")?;
        add(m, &inner, process, artifacts, needs, levels - 1)?;
    }
    if let Some(description) = tool.symbol(m, "description")? {
        process.tool_description = Some(description);
    }
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
    needs.untracked_files.extend(tool.paths(m, "untrackedFiles")?);
    needs.untracked_folders.extend(tool.paths(m, "untrackedDirectories")?);
    needs.untracked_scopes.extend(tool.paths(m, "untrackedDirectoryScopes")?);
    runtime_environment(m, tool, process)?;
    let on_windows = m.paths().os() == OperatingSystem::Windows;
    needs.system_folders |= tool.flag(m, "dependsOnCurrentHostOSDirectories")?;
    needs.system_folders |= tool.flag(m, "dependsOnWindowsDirectories")? && on_windows;
    needs.application_data |= tool.flag(m, "dependsOnAppDataDirectory")?;
    needs.temp |= tool.flag(m, "prepareTempDirectory")?;
    Ok(())
}

/// The variables by which a program chooses its .NET runtime.
fn runtime_environment<'h>(
    m: &mut Machine<'_, 'h>,
    tool: &Fields<'_, 'h>,
    process: &mut ProcessPip,
) -> Result<(), Raised> {
    if !tool.has("runtimeEnvironment") {
        return Ok(());
    }
    let runtime =
        tool.inner(m, Spot::field("runtimeEnvironment"), tool.get("runtimeEnvironment"), "`runtimeEnvironment`")?;
    if !runtime.has("clrOverride") {
        return Ok(());
    }
    let clr = runtime.inner(m, Spot::field("clrOverride"), runtime.get("clrOverride"), "`clrOverride`")?;
    if let Some(root) = clr.path(m, "installRoot")? {
        environment::set_fragment(m, process, "COMPLUS_InstallRoot", Fragment::Path(root));
    }
    for (field, variable) in [("version", "COMPLUS_Version"), ("defaultVersion", "COMPLUS_DefaultVersion")] {
        if let Some(version) = clr.symbol(m, field)? {
            environment::set_fragment(m, process, variable, Fragment::Text(version));
        }
    }
    for (field, variable) in [
        ("guiFromShim", "COMPLUS_NoGuiFromShim"),
        ("dbgJitDebugLaunchSetting", "COMPLUS_DbgJitDebugLaunchSetting"),
        ("onlyUseLatestClr", "COMPLUS_OnlyUseLatestClr"),
    ] {
        if let Some(set) = clr.boolean(m, field)? {
            let text = m.symbols().intern(if set { "1" } else { "0" });
            environment::set_fragment(m, process, variable, Fragment::Text(text));
        }
    }
    Ok(())
}
