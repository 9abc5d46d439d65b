//! Before a process runs: old outputs go, folders are made, and it is written down what it may do.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::super::command::Command;
use super::super::context::Engine;
use super::super::sandbox::{Job, Rule, RuleKind, Stdin};
use super::super::state::{make_way, remove_all};
use super::super::world::World;
use crate::graph::{
    DoubleWritePolicy, Existence, FileArtifact, OutputDirectoryKind, PipId, ProcessPip, SourceRewritePolicy,
    StandardInput,
};
use crate::paths::PathId;

/// How long child processes may outlive a process where its spec says nothing.
const GRACE: Duration = Duration::from_secs(30);

/// Folders of one run.
pub(super) struct Scratch {
    pub(super) stdout: PathBuf,
    pub(super) stderr: PathBuf,
    pub(super) backup: PathBuf,
    response: PathBuf,
}

impl Scratch {
    /// Fresh folders under a name that no other running pip has.
    pub(super) fn new(engine: &Engine<'_>, slot: usize) -> io::Result<Self> {
        let folder = engine.state.scratch(&format!("{slot}"))?;
        let backup = folder.join("backup");
        fs::create_dir(&backup)?;
        Ok(Self {
            stdout: folder.join("stdout"),
            stderr: folder.join("stderr"),
            backup,
            response: folder.join("response.rsp"),
        })
    }
}

/// Removes what the last run left, and makes the folders that a process may count on.
pub(super) fn make_room(engine: &Engine<'_>, pip: PipId, process: &ProcessPip) -> io::Result<()> {
    let world = &engine.world;
    let graph = world.graph;
    let preserved = engine.preserves(process);
    if !preserved {
        // A file that another pip of this build has made since, or that another one declares, is that pip's.
        let is_of_another =
            |path| world.claim_of(path).is_some_and(|claim| claim.pip != pip) || !is_free(world, pip, path);
        world.made.remove_before(pip, graph, is_of_another)?;
    }
    for output in &process.output_directories {
        let path = world.disk_path(output.path);
        if output.kind == OutputDirectoryKind::Exclusive && !preserved {
            clear(world, process, output.path, &FxHashSet::default())?;
        }
        fs::create_dir_all(&path)?;
    }
    for output in &process.outputs {
        let path = world.disk_path(output.artifact.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        if output.artifact.rewrite <= 1 && !preserved {
            make_way(&path)?;
        }
    }
    for folder in temporary_folders(process) {
        let path = world.disk_path(folder);
        remove_all(&path)?;
        fs::create_dir_all(&path)?;
    }
    // A working directory that is an output or temporary folder is there only if somebody makes it.
    let working = world.disk_path(process.working_directory);
    if !working.exists() && world.is_output_folder(process.working_directory) {
        fs::create_dir_all(working)?;
    }
    for input in process.inputs.iter().filter(|input| !input.is_source()) {
        restore_version(world, *input)?;
    }
    Ok(())
}

/// Removes what lies in an exclusive output directory, which is its process's alone, but for what is excluded from it and
/// what is to stay.
pub(super) fn clear(
    world: &World<'_>,
    process: &ProcessPip,
    output: PathId,
    stays: &FxHashSet<PathId>,
) -> io::Result<()> {
    let paths = world.graph.paths();
    let kept = stays.iter().chain(process.exclusions()).filter(|path| paths.is_within(**path, output));
    let folders: FxHashSet<PathId> =
        kept.flat_map(|path| paths.ancestors(*path).take_while(|above| *above != output)).collect();
    let mut open = vec![world.disk_path(output)];
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let is_folder = path.is_dir() && !path.is_symlink();
            match world.path_id(&path) {
                Some(id) if process.excludes(id, paths) => {}
                Some(id) if is_folder && folders.contains(&id) => open.push(path),
                Some(id) if !is_folder && stays.contains(&id) => {}
                _ => remove_all(&path)?,
            }
        }
    }
    Ok(())
}

/// Whether nothing else in the graph is at a path: a declared output of another pip stays.
fn is_free(world: &World<'_>, pip: PipId, path: PathId) -> bool {
    world.graph.producer(world.graph.latest(path)).is_none_or(|producer| producer == pip)
}

/// Puts the version of a file in place that a process reads, where a later version or nothing is on the disk.
fn restore_version(world: &World<'_>, artifact: FileArtifact) -> io::Result<()> {
    if world.graph.latest(artifact.path) == artifact {
        return Ok(());
    }
    let wanted = world.artifact(artifact)?;
    if world.on_disk(artifact.path)? != wanted {
        let there = super::cached::put(world, artifact.path, &wanted, true)?;
        if !there {
            let text =
                format!("an earlier version of `{}` is not in the cache any more", world.graph.display(artifact.path));
            return Err(io::Error::other(text));
        }
    }
    Ok(())
}

/// The temporary folders of a process, the main one first.
pub(in crate::engine) fn temporary_folders(process: &ProcessPip) -> impl Iterator<Item = PathId> + '_ {
    let rare = process.rare.iter();
    rare.flat_map(|rare| rare.temp_directory.iter().chain(&rare.additional_temp_directories)).copied()
}

/// The job of a process. `attempt` counts from 0.
pub(super) fn job(
    engine: &Engine<'_>,
    process: &ProcessPip,
    command: &Command,
    scratch: &Scratch,
    attempt: u32,
    slot: usize,
) -> io::Result<Job> {
    let world = &engine.world;
    let rare = process.rare.as_deref();
    let temporary = rare.and_then(|rare| rare.temp_directory).map(|path| world.disk_path(path));
    let everywhere = &engine.options.config.sandbox.pass_through_variables;
    let mut environment = command.full_environment(engine.options.environment, everywhere, temporary.as_ref());
    if let Some(variable) = rare.and_then(|rare| rare.retry_attempt_variable) {
        environment.push((world.graph.text(variable).into(), attempt.to_string().into()));
    }
    let mut arguments: Vec<OsString> = vec![command.program.clone().into()];
    arguments.extend(command.arguments.iter().map(OsString::from));
    let mut rules = rules(engine, process);
    if let Some(response) = &command.response {
        fs::write(&scratch.response, &response.text)?;
        let mut argument = OsString::from(&response.prefix);
        argument.push(&scratch.response);
        arguments.push(argument);
        rules.push(Rule { path: scratch.response.clone(), kind: RuleKind::UntrackedPath });
    }
    let stdin = match rare.map(|rare| &rare.streams.input) {
        Some(StandardInput::File(file)) => Stdin::File(world.disk_path(file.path)),
        Some(StandardInput::Data(_)) => Stdin::Bytes(command.input.clone().unwrap_or_default().into_bytes()),
        Some(StandardInput::None) | None => Stdin::Null,
    };
    let stream = |file: Option<FileArtifact>, scratch: &PathBuf| match file {
        Some(file) => world.disk_path(file.path),
        None => scratch.clone(),
    };
    let milliseconds = |given: Option<u32>| given.map(|given| Duration::from_millis(given.into()));
    Ok(Job {
        program: command.program.clone().into(),
        arguments,
        environment,
        working_directory: world.disk_path(process.working_directory),
        stdin,
        stdout: stream(rare.and_then(|rare| rare.streams.output), &scratch.stdout),
        stderr: stream(rare.and_then(|rare| rare.streams.error), &scratch.stderr),
        timeout: Some(engine.options.config.sandbox.timeout(milliseconds(rare.and_then(|rare| rare.timeout)))),
        grace: milliseconds(rare.and_then(|rare| rare.nested_process_termination_timeout)).unwrap_or(GRACE),
        observe: engine.observes(process),
        // As in BuildXL, an allow list means that accesses are judged afterwards.
        lenient: !engine.options.allow_lists.is_empty() || !engine.options.config.sandbox.deny_unexpected_accesses,
        rules,
        journal: Some(engine.journal(slot)),
        backup: scratch.backup.clone(),
    })
}

/// Whether a process may overwrite files in shared output directories that were there before, to be judged afterwards.
pub(in crate::engine) fn may_overwrite(engine: &Engine<'_>, process: &ProcessPip) -> bool {
    let rare = process.rare.as_deref();
    engine.double_writes(process) != DoubleWritePolicy::Error
        || rare.is_some_and(|rare| rare.source_rewrite_policy == Some(SourceRewritePolicy::SafeSourceRewrites))
}

/// What a process may do.
fn rules(engine: &Engine<'_>, process: &ProcessPip) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut add = |path: PathId, kind: RuleKind| {
        let (given, real) = engine.real_path(path);
        if let Some(real) = real {
            rules.push(Rule { path: real, kind });
        }
        rules.push(Rule { path: given, kind });
    };
    for path in process.untracked_paths.iter() {
        add(*path, RuleKind::UntrackedPath);
    }
    for path in process.untracked_scopes.iter().chain(&engine.options.config.sandbox.untracked_scopes) {
        add(*path, RuleKind::UntrackedScope);
    }
    let existing = may_overwrite(engine, process);
    // Many tools write beside the target and rename at the end. What is left over there is found by the judge.
    let mut beside: Vec<PathId> =
        process.outputs.iter().filter_map(|output| engine.world.graph.paths().parent(output.artifact.path)).collect();
    beside.sort_unstable_by_key(|folder| folder.0);
    beside.dedup();
    for folder in beside {
        add(folder, RuleKind::Beside);
    }
    for output in &process.output_directories {
        let kind = match output.kind {
            OutputDirectoryKind::Shared => RuleKind::SharedDirectory { existing },
            OutputDirectoryKind::Exclusive => RuleKind::ExclusiveDirectory,
        };
        add(output.path, kind);
    }
    for excluded in process.exclusions() {
        add(*excluded, RuleKind::Excluded);
    }
    for folder in temporary_folders(process) {
        add(folder, RuleKind::Temporary);
    }
    for output in &process.outputs {
        let kind = match (output.artifact.rewrite, output.existence) {
            (_, Existence::Temporary) => RuleKind::Temporary,
            (0 | 1, _) => RuleKind::Output,
            _ => RuleKind::Rewritable,
        };
        add(output.artifact.path, kind);
    }
    rules
}

/// Makes a file writable for its owner, where a tool is to change it in place.
pub(super) fn make_writable(path: &Path) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    permissions.set_mode(permissions.mode() | 0o200);
    fs::set_permissions(path, permissions)
}
