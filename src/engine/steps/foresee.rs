//! What would become of a process, found out without running it and without touching its outputs.

use std::io;

use super::super::context::Engine;
use super::super::explain;
use super::super::fingerprint::{PathSet, strong};
use super::cached::CachedResult;
use super::process::Step;
use crate::graph::{PipId, ProcessPip};

/// What would become of a process.
pub(in crate::engine) enum Foresight {
    /// Its outputs are there.
    UpToDate,
    /// Its outputs would be taken from the cache.
    Cached,
    /// It would be run, for this reason.
    Runs(String),
}

/// Looks a process up whose dependencies are known. What it makes is known to the world afterwards, unless it would run.
pub(in crate::engine) fn foresee(engine: &Engine<'_>, pip: PipId, process: &ProcessPip) -> io::Result<Foresight> {
    let step = Step::new(engine, pip, process)?;
    if !step.is_looked_up() {
        return Ok(Foresight::Runs("its results are never taken from the cache".to_owned()));
    }
    let world = &engine.world;
    let most = engine.options.config.cache.max_path_sets.map_or(usize::MAX, |most| most as usize);
    for (_, bytes) in world.entries.path_sets(step.weak).into_iter().take(most) {
        let Ok(paths) = postcard::from_bytes::<PathSet>(&bytes) else { continue };
        let strong = strong(&step.view, step.weak, &paths, None)?;
        let Some(bytes) = world.entries.result(strong) else { continue };
        let Ok(cached) = postcard::from_bytes::<CachedResult>(&bytes) else { continue };
        let Some(wanted) = cached.wanted(world, process) else { continue };
        let (changes, missing) = cached.changes(world, process, &wanted)?;
        // What another machine made may be where it came from.
        if !missing.is_empty() && !cached.is_shared() {
            continue;
        }
        let is_there = changes.is_empty();
        if step.accept_cached(&cached, strong, &paths, "", "")?.is_some() {
            return Ok(if is_there { Foresight::UpToDate } else { Foresight::Cached });
        }
    }
    Ok(Foresight::Runs(explain::reason(engine, pip, |paths| step.recipe(paths))?))
}
