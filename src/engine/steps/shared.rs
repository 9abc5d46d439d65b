//! A process and the shared cache: its result is looked up there when the cache of this machine has none, and what it made
//! is given to others.
//!
//! Whatever comes from there may be wrong. Contents are hashed as they arrive. A result is used only if it makes what the
//! process declares, where it may make it ([`fits`]).

use std::io;

use rustc_hash::FxHashSet;

use super::super::cache::Fingerprint;
use super::super::content::Content;
use super::super::explain;
use super::super::fingerprint::{PathSet, strong};
use super::super::outcome::{Done, Origin, PipResult};
use super::super::shared::{Finding, may_leave};
use super::super::violation::pip_name;
use super::super::world::World;
use super::cached::{Brought, CachedResult, Missing};
use super::harvest::Harvest;
use super::pip_error;
use super::process::Step;
use crate::cas::Digest;
use crate::diagnostics::Code;
use crate::graph::{Existence, ProcessPip};

/// How many results of one process are asked for in the shared cache: each costs a question over the network.
const TRIES: usize = 16;

/// How many paths a path set from elsewhere may have. Each is looked at.
const MOST_PATHS: usize = 1_000_000;

impl Step<'_, '_> {
    /// Looks for a result in the shared cache: first for those that the path sets of this machine lead to, then for those
    /// of the path sets that others found. What is found is noted in the cache of this machine.
    pub(super) fn look_up_shared(
        &self,
        slot: usize,
        known: Vec<(Fingerprint, PathSet, Vec<u8>)>,
    ) -> io::Result<Option<PipResult>> {
        let Some(shared) = self.engine.options.shared else { return Ok(None) };
        let mut tried: FxHashSet<Fingerprint> = FxHashSet::default();
        let mut attempt = |strong: Fingerprint, paths: &PathSet, bytes: &[u8]| -> io::Result<Option<PipResult>> {
            if tried.len() >= TRIES || !tried.insert(strong) {
                return Ok(None);
            }
            let Some(result) = shared.result(strong) else { return Ok(None) };
            let Ok(mut cached) = postcard::from_bytes::<CachedResult>(&result) else { return Ok(None) };
            if !fits(&self.engine.world, self.process, &cached) {
                return Ok(None);
            }
            cached.shared = true;
            let Some(hit) = self.take_over(&cached, strong, paths, slot)? else { return Ok(None) };
            let entry = postcard::to_stdvec(&cached).map_err(io::Error::other)?;
            self.engine.world.entries.record(self.weak, bytes, strong, &entry);
            explain::remember(self.engine, self.pip, &self.recipe(Some(paths))?)?;
            Ok(Some(PipResult { origin: Some(Origin::Remote), ..hit }))
        };
        let mut found = Ok(None);
        for (strong, paths, bytes) in &known {
            found = attempt(*strong, paths, bytes);
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        if matches!(found, Ok(None)) {
            // Each costs a look at all its paths, and one that this machine does not know a question more.
            let mut left = TRIES.min(self.most_path_sets());
            shared.path_sets(self.weak, &mut |bytes| {
                if left == 0 {
                    return true;
                }
                left -= 1;
                found = match postcard::from_bytes::<PathSet>(bytes) {
                    Ok(paths) if paths.entries.len() <= MOST_PATHS => {
                        strong(&self.view, self.weak, &paths, None).and_then(|strong| attempt(strong, &paths, bytes))
                    }
                    _ => Ok(None),
                };
                !matches!(found, Ok(None))
            });
        }
        self.engine.tell_trouble();
        found
    }

    /// Brings contents of a result that are missing, as far as they are wanted here.
    pub(super) fn bring(&self, cached: &CachedResult, missing: &Missing) -> Brought {
        let engine = self.engine;
        if engine.options.shared.is_none_or(|shared| !shared.is_reachable()) {
            return Brought::Lost;
        }
        // Source files that were written again lie on the disk, whatever is wanted.
        let stays_away =
            !engine.is_to_lie_on_disk(self.pip) && cached.sources.is_empty() && !missing.outputs.is_empty();
        if stays_away {
            return if engine.fetch(&missing.streams).is_empty() { Brought::Away } else { Brought::Lost };
        }
        let all: Vec<_> = missing.outputs.iter().chain(&missing.streams).cloned().collect();
        if engine.fetch(&all).is_empty() { Brought::Here } else { Brought::Lost }
    }

    /// Gives a new result to others.
    pub(super) fn give(&self, cached: &CachedResult, path_set: &[u8], strong: Fingerprint, result: &[u8]) {
        let engine = self.engine;
        let Some(shared) = engine.options.shared else { return };
        // What it makes may depend on what it found in its outputs, and nobody would look it up.
        if engine.preserves(self.process) || self.process.flags.disable_cache_lookup {
            return;
        }
        let world = &engine.world;
        let declared = self.process.outputs.iter().zip(&cached.outputs);
        let outputs = declared
            .filter(|(_, content)| **content != Content::Absent)
            .map(|(output, content)| (world.token(output.artifact.path), content.clone()))
            .chain(cached.directories.iter().flatten().cloned())
            .collect();
        shared.give(Finding {
            weak: self.weak,
            path_set: path_set.to_vec(),
            strong,
            result: result.to_vec(),
            outputs,
            stdout: cached.stdout,
            stderr: cached.stderr,
            exit_code: cached.exit_code,
        });
        engine.tell_trouble();
    }

    /// Gives a result to others that the cache of this machine had, where that is wanted.
    pub(super) fn give_old(&self, cached: &CachedResult, path_set: &[u8], strong: Fingerprint, result: &[u8]) {
        if !cached.is_shared() && self.engine.options.shared.is_some_and(|shared| shared.wants_old_results()) {
            self.give(cached, path_set, strong, result);
        }
    }

    /// A process that was run once more must have made the same: others have relied on what it made first.
    pub(super) fn check_again(&self, harvest: &Harvest, result: &mut PipResult) {
        let world = &self.engine.world;
        if !self.engine.is_again(self.pip) {
            return;
        }
        let declared = self.process.outputs.iter().zip(&harvest.outputs);
        let mut differs = declared
            .filter(|(output, content)| world.artifact(output.artifact).ok().as_ref() != Some(*content))
            .map(|(output, _)| output.artifact.path)
            .next();
        for (id, entries) in self.process.output_directory_ids().zip(&harvest.directories) {
            let Some(before) = world.contents(id) else { continue };
            let mut now = entries.clone();
            now.sort_unstable_by_key(|(path, _)| path.0);
            now.dedup_by_key(|(path, _)| *path);
            if now != before.entries() {
                let other = now.iter().find(|one| !before.entries().contains(one));
                differs = differs.or(other.or(now.first()).map(|(path, _)| *path)).or(Some(crate::paths::PathId::ROOT));
            }
        }
        let Some(path) = differs else { return };
        let graph = world.graph;
        let message = format!(
            "the remote cache no longer has what {} made, and running it again gave something else: `{}` differs",
            pip_name(graph, self.pip),
            graph.display(path)
        );
        result.done = Done::Failed;
        result.diagnostics.push(
            pip_error(graph, self.pip, Code::Dx(2704), message)
                .help("build again: the new result has been kept, and all that depends on it will be made from it"),
        );
    }
}

/// Whether a result from elsewhere is one that a process can have: each declared output is a file or link, or absent where
/// it may be, and whatever lies in output directories lies where the process may leave it.
fn fits(world: &World<'_>, process: &ProcessPip, cached: &CachedResult) -> bool {
    if cached.outputs.len() != process.outputs.len() || cached.directories.len() != process.output_directories.len() {
        return false;
    }
    let is_whole = |content: &Content| match content {
        Content::File { digest, .. } => (digest.size == 0) == (*digest == Digest::EMPTY),
        Content::Link(target) => !target.is_empty() && !target.contains('\0'),
        _ => true,
    };
    let declared = process.outputs.iter().zip(&cached.outputs).all(|(output, content)| match content {
        Content::Absent => output.existence != Existence::Required,
        content => content.is_output() && is_whole(content) && output.existence != Existence::Temporary,
    });
    let mut seen = FxHashSet::default();
    let mut files = FxHashSet::default();
    let left = cached.directories.iter().enumerate().all(|(slot, entries)| {
        entries.iter().all(|(token, content)| {
            let Some(path) = world.path_of_token(token).filter(|path| world.token(*path) == *token) else {
                return false;
            };
            if content.is_output() {
                files.insert(path);
            }
            let is_folder = *content == Content::Directory;
            (is_folder || content.is_output())
                && is_whole(content)
                && (seen.insert(path) || is_folder)
                && may_leave(world.graph, process, slot, path, is_folder)
        })
    });
    // Nothing lies below a file.
    let paths = world.graph.paths();
    #[allow(clippy::iter_over_hash_type, reason = "all of them must be so")]
    let is_tree = seen.iter().all(|path| paths.ancestors(*path).skip(1).all(|above| !files.contains(&above)));
    let sources =
        cached.sources.iter().all(|token| world.path_of_token(token).is_some_and(|path| files.contains(&path)));
    declared && left && is_tree && sources
}
