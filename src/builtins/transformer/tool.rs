//! Tool definitions: the program and everything that every use of it needs.

use crate::eval::{Machine, Raised, Value};
use crate::graph::ProcessPip;

use super::artifacts::{Artifacts, extend_paths};
use super::fields::Fields;

/// Folders of the system that most programs read on Unix: everything below is untracked.
const SYSTEM_SCOPES: [&str; 18] = [
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/private",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
];
/// Entries that are untracked themselves, not what lies below them.
const SYSTEM_PATHS: [&str; 7] =
    ["/etc", "/etc/hosts", "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd", "/tmp"];
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
    extend_paths(&mut process.untracked_paths, untracked);
    extend_paths(&mut process.untracked_scopes, tool.paths(m, "untrackedDirectoryScopes")?);
    if tool.flag(m, "dependsOnCurrentHostOSDirectories")? {
        process.flags.depends_on_current_host_os_directories = true;
        let known = |m: &Machine<'_, '_>, paths: &[&str]| -> Vec<_> {
            // Constants that are all absolute.
            paths.iter().filter_map(|path| m.paths().parse_absolute(path).ok()).collect()
        };
        extend_paths(&mut process.untracked_paths, known(m, &SYSTEM_PATHS));
        extend_paths(&mut process.untracked_scopes, known(m, &SYSTEM_SCOPES));
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
