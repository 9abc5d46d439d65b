//! Fingerprints of processes, in two phases.
//!
//! The *weak* fingerprint is of what a spec says: the command, the environment, the contents of files that are declared
//! one by one, which directories may be read. What a run then really read, of directories and of what was found out by
//! looking, is its *path set*. The *strong* fingerprint is of the weak one and of what is at each path of a path set. A
//! result is found by its strong fingerprint; the path sets to try are found by the weak one.
//!
//! **Invariant.** Nothing here depends on where the workspace lies, on time, on the order in which pips run, or on
//! anything that a pip cannot see ([`View`]).

use std::io;

use serde::{Deserialize, Serialize};

use super::cache::{Fingerprint, Hasher};
use super::command::Command;
use super::sandbox::Reads;
use super::view::View;
use super::world::World;
use crate::graph::{Existence, OutputDirectoryKind, Pip, ProcessPip, SealKind};
use crate::paths::PathId;

/// Changes when results of earlier versions of this program must not be used.
const VERSION: u64 = 3;

/// One thing that a fingerprint is made of, for explaining why a pip runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ingredient {
    /// What it is: `command line`, `input src/a.c`, `environment PATH`.
    pub(super) name: String,
    /// Its value or the beginning of its hash.
    pub(super) value: String,
}

/// What a run read beyond the files that are declared one by one, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PathSet {
    pub(super) entries: Vec<PathEntry>,
}

/// One path that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct PathEntry {
    /// Relative to the workspace, or absolute.
    pub(super) path: String,
    /// Whether the content mattered, or only what kind of thing is there.
    pub(super) content: bool,
    /// Whether the names in a folder mattered.
    pub(super) listing: bool,
}

impl PathEntry {
    /// How a path was read.
    pub(super) fn new(path: String, reads: Reads) -> Self {
        Self { path, content: reads.content || reads.link, listing: reads.listing }
    }
}

/// The weak fingerprint of a process, and what it is made of where `explain` is given.
pub(super) fn weak(
    world: &World<'_>,
    process: &ProcessPip,
    command: &Command,
    salt: &str,
    mut explain: Option<&mut Vec<Ingredient>>,
) -> io::Result<Fingerprint> {
    let graph = world.graph;
    let mut hasher = Hasher::new("process");
    let mut tell = |name: &dyn Fn() -> String, value: &dyn Fn() -> String| {
        if let Some(list) = explain.as_deref_mut() {
            list.push(Ingredient { name: name(), value: value() });
        }
    };
    hasher.number(VERSION).text(salt);

    hasher.section("command");
    hasher.text(&command.program);
    add_all(&mut hasher, command.arguments.iter());
    if let Some(response) = &command.response {
        hasher.section("response");
        hasher.text(&response.prefix);
        hasher.text(&response.text);
    }
    tell(&|| "command line".to_owned(), &|| command.shown());
    hasher.text(&world.token(process.working_directory));
    tell(&|| "working directory".to_owned(), &|| world.token(process.working_directory));

    hasher.section("environment");
    for (name, value) in &command.environment {
        hasher.text(name);
        hasher.text(value);
        tell(&|| format!("environment variable {name}"), &|| value.clone());
    }
    hasher.section("pass through");
    add_all(&mut hasher, command.pass_through.iter());
    hasher.section("input text");
    hasher.text(command.input.as_deref().unwrap_or(""));

    hasher.section("files");
    for artifact in &process.inputs {
        let content = world.artifact(*artifact)?;
        hasher.text(&world.token(artifact.path));
        content.hash(&mut hasher);
        tell(&|| format!("input {}", world.token(artifact.path)), &|| content.describe());
    }
    hasher.section("directories");
    for id in &process.directory_inputs {
        let directory = graph.directory(*id);
        hasher.text(&world.token(directory.root));
        hasher.text(crate::graph::export::seal_kind(directory.kind));
        if let Pip::SealDirectory(seal) = graph.pip(directory.pip) {
            add_all(&mut hasher, seal.patterns.iter().map(|pattern| graph.text(*pattern)));
            if let Some(filter) = seal.filter {
                hasher.number(filter.kind as u64);
                hasher.text(graph.text(filter.regex));
            }
            if matches!(seal.kind, SealKind::Full | SealKind::Partial) {
                hasher.number(seal.files.len() as u64);
            }
        }
        tell(&|| format!("directory {}", world.token(directory.root)), &|| {
            crate::graph::export::seal_kind(directory.kind).to_owned()
        });
    }

    hasher.section("outputs");
    for output in &process.outputs {
        hasher.text(&world.token(output.artifact.path));
        hasher.number(u64::from(output.artifact.rewrite));
        hasher.number(match output.existence {
            Existence::Required => 0,
            Existence::Optional => 1,
            Existence::Temporary => 2,
        });
    }
    for output in &process.output_directories {
        hasher.text(&world.token(output.path));
        hasher.flag(output.kind == OutputDirectoryKind::Shared);
    }
    hash_options(&mut hasher, world, process);
    tell(&|| "outputs and options".to_owned(), &|| {
        let mut options = Hasher::new("options");
        hash_options(&mut options, world, process);
        options.finish().to_string()[..16].to_owned()
    });
    Ok(hasher.finish())
}

/// Adds a list of texts.
fn add_all(hasher: &mut Hasher, texts: impl Iterator<Item = impl AsRef<str>>) {
    for text in texts {
        hasher.text(text.as_ref());
    }
}

/// What decides how a run is judged.
fn hash_options(hasher: &mut Hasher, world: &World<'_>, process: &ProcessPip) {
    let graph = world.graph;
    let flags = &process.flags;
    hasher.section("options");
    for flag in [
        flags.allow_undeclared_source_reads,
        flags.keep_outputs_writable,
        flags.has_untracked_child_processes,
        flags.incremental_tool,
        flags.disable_sandboxing,
        flags.trust_statically_declared_accesses,
        flags.writing_to_standard_error_fails_execution,
    ] {
        hasher.flag(flag);
    }
    hasher.section("untracked");
    add_all(hasher, process.untracked_paths.iter().map(|path| world.token(*path)));
    hasher.section("untracked scopes");
    add_all(hasher, process.untracked_scopes.iter().map(|path| world.token(*path)));
    let Some(rare) = &process.rare else { return };
    hasher.section("rare");
    for codes in
        [&rare.success_exit_codes, &rare.retry_exit_codes, &rare.succeed_fast_exit_codes, &rare.uncacheable_exit_codes]
    {
        hasher.number(codes.len() as u64);
        for code in codes {
            hasher.number(*code as u64);
        }
    }
    hasher.number(rare.double_write_policy.map_or(0, |policy| policy as u64 + 1));
    hasher.number(rare.source_rewrite_policy.map_or(0, |policy| policy as u64 + 1));
    hasher.number(rare.absent_path_probe.map_or(0, |mode| mode as u64 + 1));
    hasher.section("exclusions");
    add_all(hasher, rare.output_directory_exclusions.iter().map(|path| world.token(*path)));
    for regex in [rare.warning_regex, rare.error_regex] {
        hasher.text(regex.map_or("", |regex| graph.text(regex)));
    }
    for stream in [rare.streams.output, rare.streams.error] {
        hasher.text(&stream.map_or_else(String::new, |file| world.token(file.path)));
    }
    hasher.flag(rare.temp_directory.is_some());
    // Another machine may give another result. Whoever says nothing keeps the results that are there.
    if !rare.remote_platform.is_empty() {
        hasher.section("platform");
        add_all(hasher, rare.remote_platform.iter().map(|text| graph.text(*text)));
    }
}

/// The strong fingerprint of a process under a path set, and what it is made of where `explain` is given.
pub(super) fn strong(
    view: &View<'_, '_>,
    weak: Fingerprint,
    paths: &PathSet,
    mut explain: Option<&mut Vec<Ingredient>>,
) -> io::Result<Fingerprint> {
    let mut hasher = Hasher::new("strong");
    hasher.fingerprint(&weak);
    for entry in &paths.entries {
        hasher.text(&entry.path);
        let Some(path) = view.world.path_of_token(&entry.path) else { continue };
        hash_entry(view, entry, path, &mut hasher, explain.as_deref_mut())?;
    }
    Ok(hasher.finish())
}

fn hash_entry(
    view: &View<'_, '_>,
    entry: &PathEntry,
    path: PathId,
    hasher: &mut Hasher,
    mut explain: Option<&mut Vec<Ingredient>>,
) -> io::Result<()> {
    let content = view.content(path, entry.content)?;
    content.hash(hasher);
    if let Some(list) = explain.as_deref_mut() {
        let what = if entry.content { "read of" } else { "look at" };
        list.push(Ingredient { name: format!("{what} {}", entry.path), value: content.describe() });
    }
    if entry.listing {
        hasher.section("listing");
        let names = view.listing(path)?;
        add_all(hasher, names.iter());
        if let Some(list) = explain {
            let mut text = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
            if names.len() > 20 {
                text.push_str(&format!(" and {} more", names.len() - 20));
            }
            list.push(Ingredient { name: format!("names in {}", entry.path), value: text });
        }
    }
    Ok(())
}
