//! Pips that seal directories: from here on it is known what they hold.

use std::fs;
use std::io;
use std::path::Path;

use super::super::content::Content;
use super::super::context::Engine;
use super::super::directories::{Contents, Found, sealed};
use super::super::outcome::{Done, PipResult};
use super::super::state::remove_all;
use super::super::violation::pip_name;
use super::{done, failed_io, pip_error};
use crate::diagnostics::Code;
use crate::graph::{PipId, SealDirectoryPip};

/// Seals a directory.
pub(in crate::engine) fn seal(engine: &Engine<'_>, pip: PipId, seal: &SealDirectoryPip) -> PipResult {
    let world = &engine.world;
    let graph = world.graph;
    if seal.kind.is_output() {
        return asserted(engine, pip, seal);
    }
    let contents = sealed(graph, seal, |directory| world.contents(directory));
    if seal.scrub
        && let Err(error) = scrub(engine, &contents, &world.disk_path(seal.root))
    {
        let what = format!("`{}` cannot be cleaned", graph.display(seal.root));
        return failed_io(graph, pip, Code::Dx(2207), &what, &error);
    }
    world.set_contents(seal.directory, contents);
    done(Done::Hit)
}

/// Files that a spec says to be in an output directory must be there.
fn asserted(engine: &Engine<'_>, pip: PipId, seal: &SealDirectoryPip) -> PipResult {
    let world = &engine.world;
    let graph = world.graph;
    let Some(contents) = world.contents(seal.directory) else {
        world.set_contents(seal.directory, Contents::opaque(Vec::new()));
        return done(Done::Hit);
    };
    let mut missing = Vec::new();
    for artifact in &seal.files {
        match contents.find(artifact.path, graph.paths()) {
            Some(Found::Dynamic(content)) if content.is_output() => world.set_output(*artifact, content.clone()),
            _ if world.artifact(*artifact).is_ok_and(|content| content != Content::Absent) => {}
            _ => {
                let producer = graph.directory(seal.directory).producer.unwrap_or(pip);
                let message = format!(
                    "`{}` is said to exist in `{}`, but {} did not make it",
                    graph.display(artifact.path),
                    graph.display(seal.root),
                    pip_name(graph, producer)
                );
                missing.push(pip_error(graph, producer, Code::Dx(44), message).help(
                    "take `assertExistence` away if the file comes only sometimes, and depend on the directory instead",
                ));
            }
        }
    }
    if missing.is_empty() { done(Done::Hit) } else { PipResult::failed(missing) }
}

/// Removes what lies in a fully sealed directory without being part of it, as the spec asks for.
fn scrub(engine: &Engine<'_>, contents: &Contents, folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let paths = engine.world.graph.paths();
    let mut kept = Vec::new();
    contents.for_each(&mut |path| kept.push(path));
    for entry in entries {
        let path = entry?.path();
        let Some(id) = engine.world.path_id(&path) else { continue };
        if contents.find(id, paths).is_some() {
            continue;
        }
        if kept.iter().any(|kept| paths.is_within(*kept, id)) {
            scrub(engine, contents, &path)?;
        } else {
            remove_all(&path)?;
        }
    }
    Ok(())
}
