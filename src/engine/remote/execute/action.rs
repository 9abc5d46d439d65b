//! The messages that say what a server is to run.

use std::path::PathBuf;
use std::time::Duration;

use prost::Message;

use super::stage::{Staged, WORKSPACE, below, conflict};
use super::{Errand, Trouble, place};
use crate::cas::Digest;
use crate::cas::api::{protobuf, reapi};
use crate::cas::virtual_directory::VirtualDirectory;
use crate::graph::{Existence, StandardInput};
use crate::paths::PathId;

/// The response file, beside the workspace.
const RESPONSE: &str = "response.rsp";

/// The text of standard input, beside the workspace.
const INPUT: &str = "input.txt";

/// The Remote Execution API has no standard input, so a shell opens it and then becomes the process. Its name and the
/// command follow as arguments.
const WITH_INPUT: [&str; 4] = ["/bin/sh", "-c", r#"input=$1; shift; exec "$@" <"$input""#, "sh"];

/// Sets a variable and then becomes the process.
const ENV: &str = "/usr/bin/env";

/// What a server is to run.
pub(super) struct Action {
    /// What it is known by.
    pub(super) digest: Digest,
    /// The action and its command.
    pub(super) messages: Vec<(Digest, Vec<u8>)>,
    /// The output files and directories that were asked for, by path in the tree.
    pub(super) outputs: Vec<(String, PathId)>,
    pub(super) directories: Vec<(String, PathId)>,
    /// The working directory, by path in the tree.
    pub(super) working_directory: String,
}

/// The action of a process. Completes the tree.
pub(super) fn action(
    errand: &Errand<'_, '_, '_>,
    staged: &mut Staged,
    platform: &[(String, String)],
) -> Result<Action, Trouble> {
    let world = &errand.engine.world;
    let process = errand.process;
    let nowhere = || Trouble::Here("its working directory is outside the workspace".to_owned());
    let working_directory = below(world, process.working_directory).ok_or_else(nowhere)?;
    let arguments = arguments(errand, staged, &working_directory)?;
    let (outputs, directories) = outputs(errand)?;

    let from_here = |name: &String| relative(&working_directory, name);
    let mut files: Vec<String> = outputs.iter().map(|(name, _)| from_here(name)).collect();
    let mut folders: Vec<String> = directories.iter().map(|(name, _)| from_here(name)).collect();
    files.sort();
    folders.sort();
    let mut paths: Vec<String> = files.iter().chain(&folders).cloned().collect();
    paths.sort();

    let platform = properties(errand, platform);
    // Servers of version 2.0 know neither `output_paths` nor the platform of an action; later ones ignore the rest.
    #[allow(deprecated, reason = "for servers that know nothing else")]
    let command = reapi::Command {
        arguments,
        environment_variables: environment(errand, &working_directory)?,
        output_files: files,
        output_directories: folders,
        output_paths: paths,
        platform: platform.clone(),
        working_directory: working_directory.clone(),
        ..reapi::Command::default()
    };
    // It is complete, and takes more room than its messages.
    let tree = std::mem::replace(&mut staged.tree, VirtualDirectory::empty(&world.store));
    staged.messages.extend(tree.messages().map_err(conflict)?);
    let root = tree.digest().map_err(conflict)?;
    let command = message(&command);
    let own = process.rare.as_ref().and_then(|rare| rare.timeout).map(|own| Duration::from_millis(own.into()));
    let timeout = errand.engine.options.config.sandbox.timeout(own);
    let action = message(&reapi::Action {
        command_digest: Some(command.0.into()),
        input_root_digest: Some(root.into()),
        timeout: Some(protobuf::Duration {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanos: timeout.subsec_nanos().cast_signed(),
        }),
        platform,
        ..reapi::Action::default()
    });
    Ok(Action { digest: action.0, messages: vec![command, action], outputs, directories, working_directory })
}

fn message(message: &impl Message) -> (Digest, Vec<u8>) {
    let bytes = message.encode_to_vec();
    (Digest::of(&bytes), bytes)
}

/// The command line. What it has in files goes into the tree.
fn arguments(
    errand: &Errand<'_, '_, '_>,
    staged: &mut Staged,
    working_directory: &str,
) -> Result<Vec<String>, Trouble> {
    let world = &errand.engine.world;
    let command = errand.command;
    let mut beside = |name: &str, text: &str| -> Result<String, Trouble> {
        let digest = Digest::of(text.as_bytes());
        staged.tree.insert_file(name, digest, false).map_err(conflict)?;
        staged.messages.push((digest, text.as_bytes().to_vec()));
        Ok(relative(working_directory, name))
    };
    let mut arguments = Vec::new();
    let input = match errand.process.rare.as_ref().map(|rare| &rare.streams.input) {
        Some(StandardInput::File(file)) => match below(world, file.path) {
            Some(name) => Some(relative(working_directory, &name)),
            None => Some(world.graph.paths().display(file.path)),
        },
        Some(StandardInput::Data(_)) => Some(beside(INPUT, command.input.as_deref().unwrap_or_default())?),
        Some(StandardInput::None) | None => None,
    };
    if let Some(input) = input {
        arguments.extend(WITH_INPUT.map(str::to_owned));
        arguments.push(input);
    }
    // Sandboxes of servers set this variable to where they put the tree, whatever the action says.
    if let Some((_, folder)) = command.environment.iter().find(|(name, _)| name == "PWD") {
        arguments.push(ENV.to_owned());
        arguments.push(format!("PWD={folder}"));
    }
    arguments.push(command.program.clone());
    arguments.extend(command.arguments.iter().cloned());
    if let Some(response) = &command.response {
        let place = beside(RESPONSE, &response.text)?;
        arguments.push(format!("{}{place}", response.prefix));
    }
    Ok(arguments)
}

/// The files and directories that are to come back: of those that lie in others only the outermost.
#[expect(clippy::type_complexity, reason = "two lists of the same kind")]
fn outputs(errand: &Errand<'_, '_, '_>) -> Result<(Vec<(String, PathId)>, Vec<(String, PathId)>), Trouble> {
    let world = &errand.engine.world;
    let paths = world.graph.paths();
    let process = errand.process;
    let nowhere = || Trouble::Here("it writes outside the workspace".to_owned());
    let covered = |path: PathId| {
        let mut roots = process.output_directories.iter().map(|output| output.path);
        roots.any(|root| root != path && paths.is_within(path, root))
    };
    let mut directories = Vec::new();
    for output in process.output_directories.iter().filter(|output| !covered(output.path)) {
        directories.push((below(world, output.path).ok_or_else(nowhere)?, output.path));
    }
    by_name(&mut directories);
    let streams = process.rare.as_ref().map(|rare| [rare.streams.output, rare.streams.error]).unwrap_or_default();
    let mut files = Vec::new();
    for output in &process.outputs {
        let is_stream = streams.contains(&Some(output.artifact));
        if output.existence == Existence::Temporary || is_stream || covered(output.artifact.path) {
            continue;
        }
        files.push((below(world, output.artifact.path).ok_or_else(nowhere)?, output.artifact.path));
    }
    by_name(&mut files);
    Ok((files, directories))
}

fn by_name(outputs: &mut Vec<(String, PathId)>) {
    outputs.sort_by(|(left, _), (right, _)| left.cmp(right));
    outputs.dedup_by(|(left, _), (right, _)| left == right);
}

/// The variables that it sees, sorted by name.
fn environment(
    errand: &Errand<'_, '_, '_>,
    working_directory: &str,
) -> Result<Vec<reapi::command::EnvironmentVariable>, Trouble> {
    let engine = errand.engine;
    let world = &engine.world;
    let rare = errand.process.rare.as_deref();
    // Nobody knows where the tree will stand, so this is the way from the working directory.
    let temporary = rare.and_then(|rare| rare.temp_directory).and_then(|path| below(world, path));
    let temporary = temporary.map(|name| PathBuf::from(relative(working_directory, &name)));
    let everywhere = &engine.options.config.sandbox.pass_through_variables;
    let mut all = std::collections::BTreeMap::new();
    for (name, value) in errand.command.full_environment(engine.options.environment, everywhere, temporary.as_ref()) {
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else {
            return Err(Trouble::Here("a variable that it sees is not UTF-8".to_owned()));
        };
        all.insert(name, value);
    }
    if let Some(variable) = rare.and_then(|rare| rare.retry_attempt_variable) {
        all.insert(world.graph.text(variable).to_owned(), errand.attempt.to_string());
    }
    let root = world.graph.paths().display(world.graph.workspace_root());
    if let Some((name, _)) = all.iter().find(|(_, value)| place::names(value, &root)) {
        return Err(Trouble::Here(format!("its variable `{name}` has an absolute path of the workspace")));
    }
    Ok(all.into_iter().map(|(name, value)| reapi::command::EnvironmentVariable { name, value }).collect())
}

/// What the machine must offer: what the tool says, and of the rest what the build was told.
fn properties(errand: &Errand<'_, '_, '_>, general: &[(String, String)]) -> Option<reapi::Platform> {
    let graph = errand.engine.world.graph;
    let own = errand.process.rare.as_ref().map_or(&[][..], |rare| &rare.remote_platform);
    let own: Vec<(&str, &str)> =
        own.iter().map(|text| graph.text(*text)).map(|text| text.split_once('=').unwrap_or((text, ""))).collect();
    let rest = general.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut all: Vec<(&str, &str)> = rest.filter(|(name, _)| own.iter().all(|(known, _)| known != name)).collect();
    all.extend(own);
    all.sort_unstable();
    all.dedup();
    let properties: Vec<_> = all
        .into_iter()
        .map(|(name, value)| reapi::platform::Property { name: name.to_owned(), value: value.to_owned() })
        .collect();
    (!properties.is_empty()).then_some(reapi::Platform { properties })
}

/// The way from one path in the tree to another.
pub(super) fn relative(base: &str, path: &str) -> String {
    let base: Vec<&str> = base.split('/').filter(|name| !name.is_empty()).collect();
    let path: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let common = base.iter().zip(&path).take_while(|(left, right)| left == right).count();
    let mut way = vec![".."; base.len() - common];
    way.extend(&path[common..]);
    if way.is_empty() { ".".to_owned() } else { way.join("/") }
}

/// A path that a server gives, as a path in the tree; none where it leads out of it.
pub(super) fn absolute(working_directory: &str, path: &str) -> Option<String> {
    let mut names: Vec<&str> = working_directory.split('/').collect();
    if path.starts_with('/') {
        return None;
    }
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    (names.first() == Some(&WORKSPACE)).then(|| names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_lead_there_and_back() {
        let cases =
            [("w/a", "w/a/b", "b"), ("w/a/b", "w/c", "../../c"), ("w", "w", "."), ("w/a", "x.rsp", "../../x.rsp")];
        for (base, path, way) in cases {
            assert_eq!(relative(base, path), way);
        }
        assert_eq!(absolute("workspace/a", "../out/x").as_deref(), Some("workspace/out/x"));
        assert_eq!(absolute("workspace/a", "./x//y").as_deref(), Some("workspace/a/x/y"));
        for evil in ["../../x", "../../../../etc/passwd", "/etc/passwd", "../../workspace2/x"] {
            assert_eq!(absolute("workspace/a", evil), None, "{evil}");
        }
    }
}
