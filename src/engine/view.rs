//! What one pip may see, and what is there for it. Fingerprints are made of what a pip sees, so nothing here depends on
//! what other pips have done so far: what it does not depend on is absent for it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::content::Content;
use super::directories::{Contents, Found};
use super::fingerprint::{PathEntry, PathSet};
use super::world::World;
use crate::graph::{DirectoryId, FileArtifact, PipId, ProcessPip};
use crate::paths::PathId;

/// The inputs of one process, ready to be asked.
pub(super) struct View<'w, 'g> {
    pub(super) world: &'w World<'g>,
    pub(super) pip: PipId,
    inputs: FxHashMap<PathId, FileArtifact>,
    directories: Vec<(DirectoryId, Arc<Contents>)>,
}

impl<'w, 'g> View<'w, 'g> {
    /// The view of a process whose dependencies are done.
    pub(super) fn of(world: &'w World<'g>, pip: PipId, process: &ProcessPip) -> Self {
        let inputs = process.inputs.iter().map(|artifact| (artifact.path, *artifact)).collect();
        let directories = process.directory_inputs.iter();
        let directories = directories.filter_map(|id| Some((*id, world.contents(*id)?))).collect();
        Self { world, pip, inputs, directories }
    }

    /// What the declared inputs say about a path.
    pub(super) fn find(&self, path: PathId) -> Option<Found<'_>> {
        if let Some(artifact) = self.inputs.get(&path) {
            return Some(Found::Artifact(*artifact));
        }
        let paths = self.world.graph.paths();
        let found = self.directories.iter().filter_map(|(_, contents)| contents.find(path, paths));
        // What is known by name comes before the wide net of a sealed source directory, in which nothing that pips make
        // counts.
        let mut source = None;
        for found in found {
            match found {
                Found::Source => source = source.or(Some(Found::Source)),
                known => return Some(known),
            }
        }
        source.filter(|_| !self.world.is_made(path))
    }

    /// What is at a path for this pip: with its content, or only what kind of thing it is.
    pub(super) fn content(&self, path: PathId, with_content: bool) -> io::Result<Content> {
        let known = match self.find(path) {
            Some(Found::Artifact(artifact)) if !artifact.is_source() => self.world.artifact(artifact)?,
            Some(Found::Dynamic(content)) => content.clone(),
            None if self.world.is_output_folder(path) => Content::Directory,
            None if self.world.is_made(path) && self.is_above_inputs(path) => Content::Directory,
            None if self.world.is_made(path) => Content::Absent,
            None if self.is_folder_of_others(path)? => Content::Absent,
            Some(Found::Artifact(_) | Found::Source) | None => {
                return if with_content { self.world.on_disk(path) } else { self.world.kind_on_disk(path) };
            }
        };
        Ok(if with_content { known } else { known.kind_only() })
    }

    /// The names in a folder, as this pip sees them: what lies there on the disk and no pip made, and the inputs of
    /// this pip that pips made. In output directories only the latter count, as other pips may be at work there.
    pub(super) fn listing(&self, folder: PathId) -> io::Result<BTreeSet<String>> {
        let graph = self.world.graph;
        let paths = graph.paths();
        let mut names = BTreeSet::new();
        if self.world.output_directories_above(folder).is_empty() {
            self.add_sources(folder, &mut names)?;
        }
        self.for_each_made(&mut |path| {
            if path != folder && paths.is_within(path, folder) {
                let below = paths.ancestors(path).take_while(|at| *at != folder).last();
                names.extend(below.and_then(|at| paths.name(at)).map(|name| graph.text(name).to_owned()));
            }
        });
        Ok(names)
    }

    /// Everything that this pip may read in its directories: what its result may depend on when nobody watches it.
    pub(super) fn everything(&self) -> io::Result<PathSet> {
        let mut entries = Vec::new();
        for (_, contents) in &self.directories {
            contents.for_each(&mut |path| {
                entries.push(PathEntry { path: self.world.token(path), content: true, listing: false });
            });
        }
        self.for_each_source(&mut |path, is_folder| {
            entries.push(PathEntry { path: self.world.token(path), content: !is_folder, listing: is_folder });
        })?;
        entries.sort_unstable();
        entries.dedup();
        Ok(PathSet { entries })
    }

    /// Everything that this pip may read, with what is there for it, in the order of paths.
    #[cfg(feature = "remote")]
    pub(super) fn inputs(&self) -> io::Result<Vec<(PathId, Content)>> {
        let paths = self.world.graph.paths();
        let mut folders = Vec::new();
        #[allow(clippy::iter_over_hash_type, reason = "sorted below")]
        let mut all: Vec<PathId> = self.inputs.keys().copied().collect();
        for (_, contents) in &self.directories {
            contents.for_each(&mut |path| all.push(path));
        }
        self.for_each_source(&mut |path, is_folder| if is_folder { folders.push(path) } else { all.push(path) })?;
        let mut inputs: Vec<(PathId, Content)> = Vec::new();
        for path in all {
            let content = match self.find(path) {
                Some(Found::Artifact(artifact)) => self.world.artifact(artifact)?,
                Some(Found::Dynamic(content)) => content.clone(),
                Some(Found::Source) | None => self.world.on_disk(path)?,
            };
            inputs.push((path, content));
        }
        inputs.extend(folders.into_iter().map(|folder| (folder, Content::Directory)));
        inputs.sort_by(|(left, _), (right, _)| paths.compare(*left, *right));
        inputs.dedup_by_key(|(path, _)| *path);
        Ok(inputs)
    }

    /// Every source file that counts in a sealed source directory, and the folders above them that are looked through,
    /// in any order. Tells of each whether it is such a folder.
    fn for_each_source(&self, visit: &mut impl FnMut(PathId, bool)) -> io::Result<()> {
        let mut open = Vec::new();
        for (_, contents) in &self.directories {
            if let Contents::Source { root, deep, .. } = &**contents {
                open.push((*root, *deep));
            }
        }
        while let Some((folder, deep)) = open.pop() {
            visit(folder, true);
            for name in self.listing(folder)? {
                let path = self.world.graph.paths().child_named(folder, &name);
                match self.world.kind_on_disk(path)? {
                    Content::Directory if deep => open.push((path, deep)),
                    Content::Directory => {}
                    _ if matches!(self.find(path), Some(Found::Source)) => visit(path, false),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Adds the names in a folder of what no pip made.
    fn add_sources(&self, folder: PathId, names: &mut BTreeSet<String>) -> io::Result<()> {
        let entries = match fs::read_dir(self.world.disk_path(folder)) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let graph = self.world.graph;
        for entry in entries {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            let path = graph.paths().child_named(folder, &name);
            let own_state = folder == graph.workspace_root() && name == super::state::FOLDER;
            if !own_state && !self.world.is_made(path) && !self.world.is_output_folder(path) {
                names.insert(name);
            }
        }
        Ok(())
    }

    /// Whether a folder lies in an output directory and none of the inputs in it: other pips that are at work there make
    /// and remove such folders at any time.
    fn is_folder_of_others(&self, path: PathId) -> io::Result<bool> {
        let world = self.world;
        let paths = world.graph.paths();
        Ok(!world.output_directories_above(path).is_empty()
            && world.kind_on_disk(path)? == Content::Directory
            && !self.is_above_inputs(path)
            && !self.inputs.keys().any(|input| paths.is_within(*input, path)))
    }

    /// Whether an input that a pip made lies below a folder.
    fn is_above_inputs(&self, folder: PathId) -> bool {
        let paths = self.world.graph.paths();
        let mut found = false;
        self.for_each_made(&mut |path| found = found || paths.is_within(path, folder));
        found
    }

    /// Every input that a pip made, in any order.
    fn for_each_made(&self, visit: &mut impl FnMut(PathId)) {
        #[allow(clippy::iter_over_hash_type, reason = "callers collect into ordered sets")]
        for artifact in self.inputs.values().filter(|artifact| !artifact.is_source()) {
            visit(artifact.path);
        }
        for (_, contents) in &self.directories {
            contents.for_each(&mut |path| {
                if !matches!(contents.find(path, self.world.graph.paths()), Some(Found::Artifact(it)) if it.is_source())
                {
                    visit(path);
                }
            });
        }
    }
}
