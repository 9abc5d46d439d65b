//! The finished graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::origins::Origins;
use crate::graph::{
    Directory, DirectoryId, FileArtifact, Mount, OutputDirectoryKind, Pip, PipId, Provenance, Qualifier, Rows,
    SealKind, StableId,
};
use crate::paths::{PathId, Paths};

/// A graph that nobody changes any more. Pips, directories and edges are numbered densely; [`Self::order`] is the
/// order to show them in.
#[derive(Debug)]
pub struct PipGraph {
    pub(super) paths: Arc<Paths>,
    pub(super) workspace_root: PathId,
    pub(super) mounts: Vec<Mount>,
    pub(super) qualifiers: Vec<Arc<Qualifier>>,
    pub(super) pips: Vec<Pip>,
    pub(super) origins: Origins,
    pub(super) directories: Vec<Directory>,
    pub(super) dependencies: Rows,
    pub(super) dependents: Rows,
    pub(super) order: Vec<PipId>,
    pub(super) position: Vec<u32>,
    pub(super) stable: Vec<StableId>,
    pub(super) newest: FxHashMap<PathId, (u32, PipId)>,
    pub(super) older: FxHashMap<FileArtifact, PipId>,
    pub(super) source_files: usize,
}

/// How much of what a graph holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All pips.
    pub pips: usize,
    /// Pips by kind, named as in JSON.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Sealed directories by kind, named as in JSON.
    pub seals: BTreeMap<&'static str, usize>,
    /// Modules with pips.
    pub modules: usize,
    /// Specs with pips.
    pub specs: usize,
    /// Different source files that pips name.
    pub source_files: usize,
    /// Files that pips declare to write, rewrites counted.
    pub output_files: usize,
    /// Directories that processes fill.
    pub output_directories: usize,
    /// Edges between pips.
    pub edges: usize,
}

/// A path as users see it: relative to the workspace, with `/`, the workspace itself as `.`; absolute elsewhere.
pub(crate) fn show(paths: &Paths, root: PathId, path: PathId) -> String {
    if path == root {
        return ".".to_owned();
    }
    // The root of the file system as a workspace: a leading slash says more than none.
    if root == PathId::ROOT || !paths.is_within(path, root) {
        return paths.display(path);
    }
    let names: SmallVec<[&str; 16]> = paths
        .ancestors(path)
        .take_while(|at| *at != root)
        .filter_map(|at| paths.name(at))
        .map(|name| paths.symbols().text(name))
        .collect();
    let mut text = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
    for name in names.iter().rev() {
        if !text.is_empty() {
            text.push('/');
        }
        text.push_str(name);
    }
    text
}

impl PipGraph {
    /// How many pips there are. Ids below this number are valid.
    pub fn len(&self) -> usize {
        self.pips.len()
    }

    /// Whether there is no pip.
    pub fn is_empty(&self) -> bool {
        self.pips.is_empty()
    }

    /// Every pip by its number. Whatever a pip depends on has a smaller number, so this is an order to run them in.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = PipId> + use<> {
        (0..self.pips.len() as u32).map(PipId)
    }

    /// A pip.
    ///
    /// # Panics
    /// When the id comes from another graph, as for all members that take a [`PipId`] or [`DirectoryId`].
    pub fn pip(&self, id: PipId) -> &Pip {
        &self.pips[id.0 as usize]
    }

    /// Where a pip comes from.
    pub fn provenance(&self, id: PipId) -> &Provenance {
        self.origins.of(id)
    }

    /// The pips that must be done before this one, ascending.
    pub fn dependencies(&self, id: PipId) -> &[PipId] {
        self.dependencies.row(id)
    }

    /// The pips that need this one, ascending.
    pub fn dependents(&self, id: PipId) -> &[PipId] {
        self.dependents.row(id)
    }

    /// Every pip in the order to show them in: by module, spec, place of the top-level value, qualifier, and within one
    /// value as it made them. It does not depend on the order of evaluation.
    pub fn order(&self) -> &[PipId] {
        &self.order
    }

    /// The place of a pip in [`Self::order`].
    pub fn position(&self, id: PipId) -> usize {
        self.position[id.0 as usize] as usize
    }

    /// The identity of a pip across runs.
    pub fn stable_id(&self, id: PipId) -> StableId {
        self.stable[id.0 as usize]
    }

    /// A sealed or output directory.
    pub fn directory(&self, id: DirectoryId) -> &Directory {
        &self.directories[id.0 as usize]
    }

    /// Every directory, by id.
    pub fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// The pip that makes a version of a file; none for source files and versions that nobody makes.
    pub fn producer(&self, artifact: FileArtifact) -> Option<PipId> {
        match self.newest.get(&artifact.path) {
            Some((version, producer)) if *version == artifact.rewrite => Some(*producer),
            _ => self.older.get(&artifact).copied(),
        }
    }

    /// The newest version of a path; version 0 where no pip makes it.
    pub fn latest(&self, path: PathId) -> FileArtifact {
        FileArtifact { path, rewrite: self.newest.get(&path).map_or(0, |(version, _)| *version) }
    }

    /// Of the shared opaque directories of one process, the one that a file belongs to: the closest above it. Nested
    /// roots are allowed, and each file counts for the innermost only.
    pub fn closest_shared_root(&self, process: PipId, file: PathId) -> Option<DirectoryId> {
        let Pip::Process(pip) = self.pip(process) else { return None };
        let shared = pip.output_directories.iter().zip(pip.output_directory_ids());
        shared
            .filter(|(output, _)| output.kind == OutputDirectoryKind::Shared)
            .filter(|(output, _)| self.paths.is_within(file, output.path))
            .max_by_key(|(output, _)| self.paths.depth(output.path))
            .map(|(_, id)| id)
    }

    /// The interned paths.
    pub fn paths(&self) -> &Arc<Paths> {
        &self.paths
    }

    /// The folder that paths are shown relative to.
    pub fn workspace_root(&self) -> PathId {
        self.workspace_root
    }

    /// The mounts.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The qualifiers that were asked for; without any those of the pips, ordered.
    pub fn qualifiers(&self) -> &[Arc<Qualifier>] {
        &self.qualifiers
    }

    /// A path as users see it: relative to the workspace, with `/`, the workspace itself as `.`; absolute elsewhere.
    pub fn display(&self, path: PathId) -> String {
        show(&self.paths, self.workspace_root, path)
    }

    /// The text of a symbol of this graph.
    pub fn text(&self, symbol: crate::source::Symbol) -> &str {
        self.paths.symbols().text(symbol)
    }

    /// How much of what the graph holds.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            pips: self.len(),
            source_files: self.source_files,
            output_files: self.newest.len() + self.older.len(),
            edges: self.dependencies.items(),
            ..Summary::default()
        };
        let mut last: Option<&Provenance> = None;
        for id in &self.order {
            let provenance = self.provenance(*id);
            let new_module = last.is_none_or(|last| last.module != provenance.module);
            summary.modules += usize::from(new_module);
            summary.specs += usize::from(new_module || last.is_none_or(|last| last.spec != provenance.spec));
            last = Some(provenance);
            let pip = self.pip(*id);
            *summary.kinds.entry(pip.kind_name()).or_default() += 1;
            if let Pip::SealDirectory(seal) = pip {
                *summary.seals.entry(super::export::seal_kind(seal.kind)).or_default() += 1;
                summary.output_directories +=
                    usize::from(matches!(seal.kind, SealKind::SharedOpaque | SealKind::ExclusiveOpaque));
            }
        }
        summary
    }
}
