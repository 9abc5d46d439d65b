//! What pips were about to make in shared output directories, as their workers and copies from the cache noted it before
//! it was there. Only builds that were killed leave journals that somebody needs.

use std::fs;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::BuildError;
use super::state::State;
use crate::graph::{Pip, PipGraph};
use crate::paths::PathId;

/// The journals of a workspace.
pub(super) struct Journals<'g> {
    graph: &'g PipGraph,
    files: Vec<PathBuf>,
    /// Where output folders lead that are symbolic links or lie below one, with their names in the specs: workers see
    /// where things really are.
    linked: FxHashMap<PathId, PathId>,
}

impl<'g> Journals<'g> {
    /// Those that are there.
    pub(super) fn find(state: &State, graph: &'g PipGraph) -> Result<Self, BuildError> {
        let folder = state.path("journal");
        let failed = |error| BuildError::State { path: folder.clone(), error };
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        files.sort();
        let linked = if files.is_empty() { FxHashMap::default() } else { linked(graph) };
        Ok(Self { graph, files, linked })
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Their files.
    pub(super) fn all(&self) -> &[PathBuf] {
        &self.files
    }

    /// The paths that one of them lists, as specs call them.
    pub(super) fn read(&self, journal: &PathBuf) -> Result<Vec<PathId>, BuildError> {
        let bytes = fs::read(journal).map_err(|error| BuildError::State { path: journal.clone(), error })?;
        let texts = bytes.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
        let paths = texts.filter(|text| text.starts_with('/'));
        let paths = paths.filter_map(|text| self.graph.paths().parse_absolute(text).ok());
        Ok(paths.map(|path| self.as_declared(path)).collect())
    }

    fn as_declared(&self, path: PathId) -> PathId {
        let paths = self.graph.paths();
        if self.linked.is_empty() {
            return path;
        }
        let nearest = paths.ancestors(path).find_map(|at| Some((at, *self.linked.get(&at)?)));
        let below = nearest.and_then(|(real, given)| Some(paths.join(given, &paths.relative_to(path, real)?)));
        below.unwrap_or(path)
    }
}

/// The folders of outputs that lead elsewhere: real folder, declared folder.
fn linked(graph: &PipGraph) -> FxHashMap<PathId, PathId> {
    let paths = graph.paths();
    let mut folders: Vec<PathId> = Vec::new();
    for id in graph.ids() {
        folders.extend(graph.pip(id).output_files().filter_map(|file| paths.parent(file.path)));
        if let Pip::Process(process) = graph.pip(id) {
            folders.extend(process.output_directories.iter().map(|output| output.path));
        }
    }
    folders.sort_unstable_by_key(|folder| folder.0);
    folders.dedup();
    let elsewhere = folders.into_iter().filter_map(|given| {
        let declared = paths.display(given);
        let real = fs::canonicalize(&declared).ok()?;
        let real = real.to_str().filter(|real| *real != declared)?;
        Some((paths.parse_absolute(real).ok()?, given))
    });
    elsewhere.collect()
}
