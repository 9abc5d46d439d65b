//! Results as the cache keeps them, and how they come back.

use std::fs;
use std::io;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::super::content::Content;
use super::super::shared::WantedBlob;
use super::super::state::{make_way, remove_all};
use super::super::virtual_outputs::Away;
use super::super::world::{Claim, World};
use super::prepare::clear;
use crate::cas::{Digest, Materialize};
use crate::graph::{OutputDirectoryKind, PipId, ProcessPip};
use crate::paths::PathId;

/// The result of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct CachedResult {
    /// Declared outputs, in their order; absent where an optional one was not made.
    pub(super) outputs: Vec<Content>,
    /// Of each output directory, in their order, what was left below it, by path relative to the workspace.
    pub(super) directories: Vec<Vec<(String, Content)>>,
    /// Source files among these that were written again with the same content.
    pub(super) sources: Vec<String>,
    /// What was printed.
    pub(super) stdout: Digest,
    pub(super) stderr: Digest,
    pub(super) exit_code: i32,
    /// Whether dependents are skipped.
    pub(super) succeed_fast: bool,
    /// How long it took.
    pub(super) milliseconds: u64,
    /// Whether it came from a shared cache: its contents may be there only.
    pub(super) shared: bool,
}

/// Contents of a result that are not in the cache of this machine.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// What would have to be put in place, and older versions of rewritten files.
    pub(super) outputs: Vec<WantedBlob>,
    /// What was printed.
    pub(super) streams: Vec<WantedBlob>,
}

/// What became of the contents that were missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// They are here.
    Here,
    /// They can be had when somebody needs them.
    Away,
    /// They are lost.
    Lost,
}

impl CachedResult {
    /// Every blob that it needs.
    pub(in crate::engine) fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        let contents = self.outputs.iter().chain(self.directories.iter().flatten().map(|(_, content)| content));
        contents.filter_map(Content::digest).chain([self.stdout, self.stderr])
    }

    /// Whether it may be in the cache of this machine although its contents are not.
    pub(in crate::engine) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Puts every output in place that is not there already, or notes that it is away. `bring` is asked for contents that
    /// are missing. Gives false when they are lost: then the result is no good, and nothing that is there was taken away
    /// but what the pip had left before.
    pub(super) fn restore(
        &self,
        world: &World<'_>,
        pip: PipId,
        process: &ProcessPip,
        bring: &mut dyn FnMut(&Missing) -> Brought,
        note_shared: &mut dyn FnMut(PathId) -> io::Result<()>,
    ) -> Result<bool, io::Error> {
        let graph = world.graph;
        let Some(wanted) = self.wanted(world, process) else { return Ok(false) };
        // Another pip of this build has made something else there meanwhile, which stays.
        let is_taken = |(path, content, shared): &Wanted<'_>| {
            let other = |claim: Claim| claim.pip != pip && claim.content != **content;
            *shared && **content != Content::Directory && world.claim_of(*path).is_some_and(other)
        };
        if wanted.iter().any(is_taken) {
            return Ok(false);
        }
        // Who recorded it elsewhere says nothing about links that other pips made here.
        if self.shared && wanted.iter().any(|(path, ..)| world.leads_elsewhere(*path)) {
            return Ok(false);
        }
        let (changed, missing) = self.changes(world, process, &wanted)?;
        let brought = if missing.is_empty() { Brought::Here } else { bring(&missing) };
        if brought == Brought::Lost {
            return Ok(false);
        }
        // A result that was tried before this one and did not fit has left nothing that counts.
        world.virtual_outputs.forget(pip);
        let keep: FxHashSet<PathId> = wanted.iter().map(|(path, ..)| *path).collect();
        let is_of_another = |path| world.claim_of(path).is_some_and(|claim| claim.pip != pip);
        world.made.remove_before(pip, graph, |path| keep.contains(&path) || is_of_another(path))?;
        for output in &process.output_directories {
            if output.kind == OutputDirectoryKind::Exclusive {
                clear(world, process, output.path, &keep)?;
            }
            if brought == Brought::Here {
                fs::create_dir_all(world.disk_path(output.path))?;
            }
        }
        for (path, content, shared) in changed {
            if brought == Brought::Away {
                make_way(&world.disk_path(path))?;
                let writable = process.flags.keep_outputs_writable;
                world.virtual_outputs.leave_away(path, Away { pip, content: content.clone(), writable });
                continue;
            }
            if shared {
                note_shared(path)?;
            }
            match put(world, path, content, process.flags.keep_outputs_writable) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What is to lie on the disk, and whether that is in a shared output directory. None where the result does not fit
    /// the process.
    pub(super) fn wanted(&self, world: &World<'_>, process: &ProcessPip) -> Option<Vec<Wanted<'_>>> {
        let graph = world.graph;
        if self.outputs.len() != process.outputs.len() || self.directories.len() != process.output_directories.len() {
            return None;
        }
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        for (output, content) in process.outputs.iter().zip(&self.outputs) {
            // Only the newest version of a rewritten file is put on the disk; who reads an older one asks for it.
            let newest = graph.latest(output.artifact.path) == output.artifact;
            if newest && *content != Content::Absent {
                wanted.push((output.artifact.path, content, false));
            }
        }
        for (directory, output) in self.directories.iter().zip(&process.output_directories) {
            for (token, content) in directory {
                let path = world.path_of_token(token)?;
                wanted.push((path, content, output.kind == OutputDirectoryKind::Shared));
            }
        }
        Some(wanted)
    }

    /// What of it does not lie there yet, and which contents are missing for that.
    pub(super) fn changes<'c>(
        &self,
        world: &World<'_>,
        process: &ProcessPip,
        wanted: &[Wanted<'c>],
    ) -> io::Result<(Vec<Wanted<'c>>, Missing)> {
        let mut changed = Vec::new();
        for (path, content, shared) in wanted {
            if world.on_disk(*path)? != **content {
                changed.push((*path, *content, *shared));
            }
        }
        let mut missing = Missing::default();
        let mut look = |path: PathId, content: &Content| {
            if let Content::File { digest, executable } = *content
                && !world.has(&digest)
            {
                missing.outputs.push(WantedBlob { digest, path: world.token(path), executable });
            }
        };
        for (path, content, _) in &changed {
            look(*path, content);
        }
        // Older versions of rewritten files are not on the disk: whoever reads them needs the blob.
        for (output, content) in process.outputs.iter().zip(&self.outputs) {
            if world.graph.latest(output.artifact.path) != output.artifact {
                look(output.artifact.path, content);
            }
        }
        for (digest, path) in [(self.stdout, "standard output"), (self.stderr, "standard error")] {
            if digest.size > 0 && !world.has(&digest) {
                missing.streams.push(WantedBlob { digest, path: path.to_owned(), executable: false });
            }
        }
        Ok((changed, missing))
    }
}

impl Missing {
    /// Whether everything is here.
    pub(super) fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.streams.is_empty()
    }
}

/// A path, what is to lie there, and whether it is in a shared output directory.
pub(super) type Wanted<'c> = (PathId, &'c Content, bool);

/// Puts a content at a path, whatever is there. False when the cache does not have it, or has it damaged.
pub(in crate::engine) fn put(world: &World<'_>, path: PathId, content: &Content, writable: bool) -> io::Result<bool> {
    let text = world.disk_path(path);
    if let Some(parent) = text.parent() {
        fs::create_dir_all(parent)?;
    }
    match content {
        Content::Absent => remove_all(&text)?,
        Content::Directory => {
            if !text.is_dir() {
                // Another pip may make the same folder at this moment; a file in its place goes first.
                if text.is_file() || text.is_symlink() {
                    remove_all(&text)?;
                }
                fs::create_dir_all(&text)?;
            }
        }
        Content::Link(target) => {
            make_way(&text)?;
            std::os::unix::fs::symlink(&**target, &text)?;
        }
        Content::File { digest, executable } => {
            if text.is_dir() && !text.is_symlink() {
                make_way(&text)?;
            }
            let how = Materialize { executable: *executable, writable };
            match world.store.materialize(digest, &text, how) {
                Ok(()) => world.learn(&text, digest)?,
                Err(error) if error.is_miss() => return Ok(false),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Content::Other => return Ok(false),
    }
    Ok(true)
}
