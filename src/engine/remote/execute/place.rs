//! Which processes stay on this machine, and why.
//!
//! A server gives a process its declared inputs and nothing else, in a folder that is called otherwise. So whatever needs
//! more, or knows the name of the workspace, is run here. Most of that the spec says ([`stays`]), so that the schedule can
//! count on it; some shows only when the inputs are there ([`hinders`]).

use std::io;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use super::super::super::command::file_text;
use super::super::super::context::Engine;
use super::super::super::directories::{Contents, Found};
use super::super::super::steps::temporary_folders;
use super::super::super::world::World;
use super::Errand;
use crate::graph::{FileArtifact, Pip, PipId, PrivilegeLevel, ProcessPip, ServiceKind};
use crate::paths::PathId;

/// A tag of pips that are to stay on this machine.
const NOT_REMOTE: &str = "no-remote";

/// Folders with programs and what they need, which every machine with the same system has.
const SYSTEM: [&str; 10] = ["/bin", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/opt", "/sbin", "/usr"];

/// Folders that every machine has, with contents of its own.
const LOCAL: [&str; 7] = ["/dev", "/private", "/proc", "/run", "/sys", "/tmp", "/var"];

/// Why a process stays on this machine, as its spec and the settings say. None where it may leave.
pub(in crate::engine) fn stays(engine: &Engine<'_>, pip: PipId, process: &ProcessPip) -> Option<String> {
    let world = &engine.world;
    let graph = world.graph;
    let flags = &process.flags;
    let rare = process.rare.as_deref();
    let said = |text: &str| Some(text.to_owned());
    if process.tags.iter().any(|tag| graph.text(*tag) == NOT_REMOTE) {
        return said("it has the tag `no-remote`");
    }
    if let Some(rare) = rare {
        if rare.service.kind != ServiceKind::None {
            return said("it is a service, or ends one");
        }
        if !rare.service.dependencies.is_empty() || rare.service.moniker.is_some() {
            return said("it talks to services on this machine");
        }
        if rare.privilege_level == PrivilegeLevel::Admin {
            return said("it needs the privileges of an administrator");
        }
        if rare.change_affected_input_list.is_some() || rare.file_access_trace_file.is_some() {
            return said("the build tells it what changed, or what it read");
        }
        if rare.streams.output.is_some() && rare.streams.output == rare.streams.error {
            return said("both of its output streams go to one file, in the order in which it writes");
        }
    }
    if flags.must_run_on_orchestrator {
        return said("`runOnOrchestrator` says so");
    }
    if flags.allow_undeclared_source_reads {
        return said("it may read sources that are not declared");
    }
    if !engine.options.config.sandbox.unexpected_accesses_are_errors {
        return said("undeclared accesses are no errors in this build");
    }
    let provenance = graph.provenance(pip);
    if engine.options.allow_lists.concern(&provenance.module, &provenance.value) {
        return said("an allow list lets it do what it does not declare");
    }
    if flags.incremental_tool || engine.preserves(process) {
        return said("it finds its outputs of last time");
    }
    if flags.disable_sandboxing {
        return said("it runs outside the sandbox, so what it reads need not be declared");
    }
    if let Some(output) = process.outputs.iter().find(|output| output.artifact.rewrite > 1) {
        return Some(format!("it changes `{}` in place", graph.display(output.artifact.path)));
    }
    outside(world, process)
}

/// A path that no other machine has, or that has another name there.
fn outside(world: &World<'_>, process: &ProcessPip) -> Option<String> {
    let graph = world.graph;
    if graph.workspace_root() == PathId::ROOT {
        return Some("the workspace is the whole file system".to_owned());
    }
    let inside = |path: PathId| graph.paths().is_within(path, graph.workspace_root());
    let shown = |path: PathId| graph.display(path);
    if !inside(process.working_directory) {
        return Some(format!("its working directory `{}` is outside the workspace", shown(process.working_directory)));
    }
    let outputs = process.outputs.iter().map(|output| output.artifact.path);
    let outputs = outputs.chain(process.output_directories.iter().map(|output| output.path));
    if let Some(path) = outputs.chain(temporary_folders(process)).find(|path| !inside(*path)) {
        return Some(format!("it writes to `{}`, outside the workspace", shown(path)));
    }
    let inputs = process.inputs.iter().map(|input| input.path);
    let mut inputs = inputs.chain(process.directory_inputs.iter().map(|input| graph.directory(*input).root));
    if let Some(path) = inputs.find(|path| !inside(*path) && !is_below(&graph.paths().display(*path), &SYSTEM)) {
        return Some(format!("it reads `{}`, which only this machine has", shown(path)));
    }
    for path in process.untracked_paths.iter().chain(process.untracked_scopes.iter()) {
        if temporary_folders(process).any(|folder| graph.paths().is_within(*path, folder)) {
            continue;
        }
        if inside(*path) {
            return Some(format!("what it does with `{}` is not watched, so it may read there", shown(*path)));
        }
        let text = graph.paths().display(*path);
        if !is_below(&text, &SYSTEM) && !is_below(&text, &LOCAL) {
            return Some(format!("it may use `{text}`, which only this machine has"));
        }
    }
    None
}

fn is_below(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Why a process cannot leave this machine, as its inputs show.
pub(super) fn hinders(
    errand: &Errand<'_, '_, '_>,
    written: &DashMap<PipId, bool, FxBuildHasher>,
) -> io::Result<Option<String>> {
    let world = &errand.engine.world;
    let root = world.graph.paths().display(world.graph.workspace_root());
    let command = errand.command;
    let mut texts = command.arguments.iter().chain([&command.program]).map(String::as_str);
    if texts.any(|text| names(text, &root)) {
        return Ok(Some("its command line has an absolute path of the workspace".to_owned()));
    }
    if command.response.as_ref().is_some_and(|response| names(&response.text, &root)) {
        return Ok(Some("its response file has an absolute path of the workspace".to_owned()));
    }
    if command.input.as_ref().is_some_and(|input| names(input, &root)) {
        return Ok(Some("its standard input has an absolute path of the workspace".to_owned()));
    }
    let mut written_inputs: Vec<FileArtifact> = errand.process.inputs.to_vec();
    for directory in &errand.process.directory_inputs {
        if let Some(contents) = world.contents(*directory) {
            listed(&contents, world, &mut written_inputs);
        }
    }
    for artifact in written_inputs {
        if names_workspace(world, artifact, &root, written) {
            let path = world.graph.display(artifact.path);
            return Ok(Some(format!("its input `{path}` has absolute paths of the workspace")));
        }
    }
    Ok(None)
}

/// Whether a text holds the path of the workspace.
pub(super) fn names(text: &str, root: &str) -> bool {
    text.match_indices(root).any(|(at, _)| {
        let rest = &text[at + root.len()..];
        // `/work` is not named by `/workshop`.
        !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

/// The files that are listed in a sealed directory.
fn listed(contents: &Contents, world: &World<'_>, all: &mut Vec<FileArtifact>) {
    contents.for_each(&mut |path| {
        if let Some(Found::Artifact(artifact)) = contents.find(path, world.graph.paths()) {
            all.push(artifact);
        }
    });
}

/// Whether a file was written by the build itself, or copied from such a one, and names the workspace.
fn names_workspace(
    world: &World<'_>,
    artifact: FileArtifact,
    root: &str,
    known: &DashMap<PipId, bool, FxBuildHasher>,
) -> bool {
    let mut at = artifact;
    loop {
        let Some(maker) = world.graph.producer(at) else { return false };
        match world.graph.pip(maker) {
            Pip::CopyFile(copy) => at = copy.source,
            Pip::WriteFile(write) => {
                if let Some(known) = known.get(&maker) {
                    return *known;
                }
                let found = names(&file_text(world, write), root);
                known.insert(maker, found);
                return found;
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_named_only_by_its_whole_path() {
        assert!(names("-I/home/me/work/include", "/home/me/work"));
        assert!(names("x=/home/me/work", "/home/me/work"));
        assert!(names("/home/me/workshop:/home/me/work", "/home/me/work"));
        assert!(!names("/home/me/workshop /home/me/work.old", "/home/me/work"));
    }

    #[test]
    fn folders_of_the_system_are_known_by_whole_names() {
        assert!(is_below("/usr/bin/cc", &SYSTEM) && is_below("/usr", &SYSTEM));
        assert!(!is_below("/usrlocal", &SYSTEM) && !is_below("/home/me", &SYSTEM));
    }
}
