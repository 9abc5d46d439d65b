//! The tree of files that a process is given.
//!
//! The workspace stands in a folder of its own in it: servers mount the system's folders beside it, and a workspace may
//! have a `lib` as well.

use std::path::PathBuf;

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::super::content::Content;
use super::super::super::steps::temporary_folders;
use super::super::super::world::World;
use super::{Errand, Trouble};
use crate::cas::Digest;
use crate::cas::virtual_directory::{VirtualDirectory, VirtualError};
use crate::graph::Existence;
use crate::paths::PathId;

/// The folder of the workspace.
pub(super) const WORKSPACE: &str = "workspace";

/// Everything that a process is given.
pub(super) struct Staged {
    /// The tree, to which more may be added.
    pub(super) tree: VirtualDirectory,
    /// Contents that the server must have.
    pub(super) files: Vec<StagedFile>,
    /// What is there, by path.
    pub(super) inputs: FxHashMap<PathId, Content>,
    /// Folders that are there.
    pub(super) folders: FxHashSet<PathId>,
    /// The directories of the tree, once it is complete, and other small contents.
    pub(super) messages: Vec<(Digest, Vec<u8>)>,
}

/// A content, and where it lies here.
pub(super) struct StagedFile {
    pub(super) digest: Digest,
    pub(super) place: PathBuf,
}

/// Puts together what a process is given.
pub(super) fn stage(errand: &Errand<'_, '_, '_>) -> Result<Staged, Trouble> {
    let world = &errand.engine.world;
    let mut staged = Staged {
        tree: VirtualDirectory::empty(&world.store),
        files: Vec::new(),
        inputs: FxHashMap::default(),
        folders: FxHashSet::default(),
        messages: Vec::new(),
    };
    for (path, content) in errand.view.inputs()? {
        let Some(name) = below(world, path) else { continue };
        match &content {
            Content::Absent => continue,
            Content::Directory => {
                staged.folder(world, path)?;
                continue;
            }
            Content::File { digest, executable } => {
                staged.tree.insert_file(&name, *digest, *executable).map_err(conflict)?;
                staged.files.push(StagedFile { digest: *digest, place: world.disk_path(path) });
            }
            Content::Link(target) if target.starts_with('/') => {
                let shown = world.graph.display(path);
                return Err(Trouble::Here(format!("its input `{shown}` is a link to an absolute path")));
            }
            Content::Link(target) => staged.tree.insert_link(&name, target).map_err(conflict)?,
            Content::Other => {
                let shown = world.graph.display(path);
                return Err(Trouble::Here(format!("its input `{shown}` is {}", content.describe())));
            }
        }
        staged.note_above(world, path);
        staged.inputs.insert(path, content);
    }
    let process = errand.process;
    staged.folder(world, process.working_directory)?;
    // As here, these are there when it begins.
    for output in &process.output_directories {
        staged.folder(world, output.path)?;
    }
    for folder in temporary_folders(process) {
        staged.folder(world, folder)?;
    }
    // The server makes the folders of outputs that it is asked for; those of others are made here.
    for output in process.outputs.iter().filter(|output| output.existence == Existence::Temporary) {
        if let Some(parent) = world.graph.paths().parent(output.artifact.path) {
            staged.folder(world, parent)?;
        }
    }
    Ok(staged)
}

impl Staged {
    fn folder(&mut self, world: &World<'_>, path: PathId) -> Result<(), Trouble> {
        if let Some(name) = below(world, path) {
            self.tree.insert_directory(&name).map_err(conflict)?;
            self.folders.insert(path);
            self.note_above(world, path);
        }
        Ok(())
    }

    fn note_above(&mut self, world: &World<'_>, path: PathId) {
        let graph = world.graph;
        let above = graph.paths().ancestors(path).skip(1);
        for folder in above.take_while(|folder| graph.paths().is_within(*folder, graph.workspace_root())) {
            if !self.folders.insert(folder) {
                break;
            }
        }
    }
}

/// The path of something in the tree; none for what lies outside the workspace.
pub(super) fn below(world: &World<'_>, path: PathId) -> Option<String> {
    let paths = world.graph.paths();
    let root = world.graph.workspace_root();
    if !paths.is_within(path, root) {
        return None;
    }
    let above = paths.ancestors(path).take_while(|at| *at != root).filter_map(|at| paths.name(at));
    let mut names: Vec<&str> = above.map(|name| paths.symbols().text(name)).collect();
    names.push(WORKSPACE);
    names.reverse();
    Some(names.join("/"))
}

/// Two inputs that cannot be at their places at once, or names that no tree can have.
pub(super) fn conflict(error: VirtualError) -> Trouble {
    Trouble::Here(format!("its inputs do not make a tree: {error}"))
}
