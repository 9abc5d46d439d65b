//! Why a pip would run, or would not, without running anything.
//!
//! Everything that a pip depends on is looked up in order, as a build would do it, but nothing is put in place. Where
//! something would have to run, what comes after it cannot be known: its outputs may turn out the same.

use std::time::Duration;

use super::content::Content;
use super::context::{Engine, Purpose};
use super::directories::sealed;
use super::outcome::{Done, PipResult};
use super::steps::{self, Foresight};
use super::{BuildError, BuildOptions, Cancellation, Listener};
use crate::graph::{CopyFilePip, FileArtifact, Pip, PipGraph, PipId, SealDirectoryPip, WriteFilePip};

/// What would become of a pip in a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// Its outputs are there as they should be.
    UpToDate,
    /// Its outputs would be taken from the cache.
    Cached,
    /// It would run, or the build would do its work itself, for this reason.
    Runs(String),
    /// It would fail, for this reason.
    Fails(String),
    /// Pips that it depends on would run or fail first; what they make decides. Each with its reason.
    Depends(Vec<(PipId, String)>),
}

/// Finds out what would become of a pip in a build with these options. The workspace must not be built meanwhile.
///
/// # Errors
/// When the build's own files cannot be used.
pub fn why(graph: &PipGraph, options: &BuildOptions<'_>, pip: PipId) -> Result<Explanation, BuildError> {
    let cancellation = Cancellation::new();
    let engine = Engine::open(graph, options, &cancellation, &Nobody, Purpose::Look)?;
    let mut open: Vec<Option<String>> = vec![None; graph.len()];
    let mut waits = vec![false; graph.len()];
    for at in below(graph, pip) {
        let index = at.0 as usize;
        if graph.dependencies(at).iter().any(|to| waits[to.0 as usize]) {
            waits[index] = true;
            continue;
        }
        let found = look(&engine, at);
        if at == pip {
            return Ok(found);
        }
        if let Explanation::Fails(reason) = &found {
            (waits[index], open[index]) = (true, Some(reason.clone()));
        }
        // What the build writes or copies itself is known beforehand.
        if let (Explanation::Runs(reason), Pip::Process(_)) = (&found, graph.pip(at)) {
            (waits[index], open[index]) = (true, Some(reason.clone()));
        }
    }
    let first = graph.order().iter().filter_map(|at| Some((*at, open[at.0 as usize].take()?)));
    Ok(Explanation::Depends(first.collect()))
}

/// A pip and all that it depends on, each after what it depends on itself.
fn below(graph: &PipGraph, pip: PipId) -> Vec<PipId> {
    let mut wanted = vec![false; pip.0 as usize + 1];
    wanted[pip.0 as usize] = true;
    let mut found = Vec::new();
    // Whatever a pip depends on has a smaller number.
    for at in (0..=pip.0).rev().map(PipId) {
        if wanted[at.0 as usize] {
            found.push(at);
            for dependency in graph.dependencies(at) {
                wanted[dependency.0 as usize] = true;
            }
        }
    }
    found.reverse();
    found
}

/// What would become of a pip whose dependencies are known.
fn look(engine: &Engine<'_>, pip: PipId) -> Explanation {
    match engine.world.graph.pip(pip) {
        Pip::Process(process) => match steps::foresee(engine, pip, process) {
            Ok(Foresight::UpToDate) => Explanation::UpToDate,
            Ok(Foresight::Cached) => Explanation::Cached,
            Ok(Foresight::Runs(reason)) => Explanation::Runs(reason),
            Err(error) => Explanation::Fails(error.to_string()),
        },
        Pip::CopyFile(copy) => look_at_copy(engine, copy),
        Pip::WriteFile(write) => look_at_write(engine, write),
        Pip::SealDirectory(seal) => look_at_seal(engine, pip, seal),
        Pip::Ipc(_) => failure(&steps::ipc(engine, pip)),
    }
}

fn look_at_copy(engine: &Engine<'_>, copy: &CopyFilePip) -> Explanation {
    match engine.world.artifact(copy.source) {
        Ok(content @ Content::File { .. }) => place(engine, copy.destination, content, "its source"),
        Ok(content) => {
            let source = engine.world.graph.display(copy.source.path);
            Explanation::Fails(format!("`{source}` is {}, so it cannot be copied", content.describe()))
        }
        Err(error) => Explanation::Fails(error.to_string()),
    }
}

fn look_at_write(engine: &Engine<'_>, write: &WriteFilePip) -> Explanation {
    let text = super::command::file_text(&engine.world, write);
    let content = Content::File { digest: crate::cas::Digest::of(text.as_bytes()), executable: false };
    place(engine, write.destination, content, "what its spec says")
}

/// An output that the build makes itself.
fn place(engine: &Engine<'_>, output: FileArtifact, content: Content, right: &str) -> Explanation {
    let world = &engine.world;
    let newest = world.graph.latest(output.path) == output;
    let there = world.on_disk(output.path);
    let wanted = content.describe();
    world.set_output(output, content.clone());
    match there {
        Ok(there) if there == content || !newest => Explanation::UpToDate,
        Ok(there) => {
            let path = world.graph.display(output.path);
            Explanation::Runs(format!("`{path}` is {}, and {right} is {wanted}", there.describe()))
        }
        Err(error) => Explanation::Fails(error.to_string()),
    }
}

fn look_at_seal(engine: &Engine<'_>, pip: PipId, seal: &SealDirectoryPip) -> Explanation {
    if seal.kind.is_output() {
        let result = steps::seal(engine, pip, seal);
        return if result.done == Done::Failed { failure(&result) } else { Explanation::UpToDate };
    }
    let contents = sealed(engine.world.graph, seal, |directory| engine.world.contents(directory));
    engine.world.set_contents(seal.directory, contents);
    Explanation::UpToDate
}

fn failure(result: &PipResult) -> Explanation {
    let messages: Vec<&str> = result.diagnostics.iter().map(|one| one.message.as_str()).collect();
    Explanation::Fails(messages.join("; "))
}

/// Nothing happens, so nobody need listen.
struct Nobody;

impl Listener for Nobody {
    fn begun(&self, _: usize) {}
    fn started(&self, _: PipId, _: usize) {}
    fn running(&self, _: PipId, _: usize) {}
    fn finished(&self, _: PipId, _: usize, _: &PipResult, _: Duration, _: Duration) {}
    fn skipped(&self, _: PipId) {}
}
