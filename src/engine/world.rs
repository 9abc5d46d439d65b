//! What is known of files while a build runs: who makes what, what has been made, what lies on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::cache::{Entries, FileTable, Known, Signature};
use super::content::Content;
use super::directories::Contents;
use super::made::Made;
use super::steps::temporary_folders;
use super::virtual_outputs::VirtualOutputs;
use crate::cas::{Digest, Store};
use crate::graph::{DirectoryId, FileArtifact, Pip, PipGraph, PipId, SealKind};
use crate::paths::PathId;

type Map<K, V> = DashMap<K, V, FxBuildHasher>;

/// What is known of files while a build runs. Shared by all threads.
pub(super) struct World<'g> {
    pub(super) graph: &'g PipGraph,
    pub(super) files: FileTable,
    pub(super) store: Arc<Store>,
    pub(super) entries: Entries,
    /// What earlier builds left.
    pub(super) made: Made,
    /// Whether files are read whatever their times say.
    verify: bool,
    /// Declared outputs that exist by now, and asserted ones.
    outputs: Map<FileArtifact, Content>,
    /// What pips were seen to leave in shared output directories in this build.
    claims: Map<PathId, Claim>,
    /// Folders that pips were seen to leave in output directories in this build.
    folders: Map<PathId, ()>,
    /// Paths that a pip found absent in this build.
    absent: Map<PathId, PipId>,
    /// Source files that a pip read without declaring them, as it may.
    undeclared: Map<PathId, PipId>,
    contents: Vec<OnceLock<Arc<Contents>>>,
    /// Outputs that are known and do not lie on the disk.
    pub(super) virtual_outputs: VirtualOutputs,
    statics: Statics,
}

/// Who left something at a path in a shared output directory.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) pip: PipId,
    pub(super) content: Content,
}

/// What the graph says about paths, by path.
pub(super) struct Statics {
    /// Every output directory of a process, by its root.
    opaque_roots: FxHashMap<PathId, Vec<DirectoryId>>,
    /// Folders that hold declared outputs, output directories or temporary folders, and these themselves: they are
    /// there whenever a process runs.
    output_folders: FxHashSet<PathId>,
}

impl Statics {
    pub(super) fn of(graph: &PipGraph) -> Self {
        let mut statics = Self { opaque_roots: FxHashMap::default(), output_folders: FxHashSet::default() };
        let paths = graph.paths();
        let mut add_folders = |path: PathId| {
            for folder in paths.ancestors(path) {
                if !statics.output_folders.insert(folder) {
                    break;
                }
            }
        };
        for id in graph.ids() {
            let pip = graph.pip(id);
            for output in pip.output_files() {
                if let Some(parent) = paths.parent(output.path) {
                    add_folders(parent);
                }
            }
            if let Pip::Process(process) = pip {
                for (output, directory) in process.output_directories.iter().zip(process.output_directory_ids()) {
                    add_folders(output.path);
                    statics.opaque_roots.entry(output.path).or_default().push(directory);
                }
                temporary_folders(process).for_each(&mut add_folders);
            }
        }
        statics
    }

    /// Whether a path lies below an output directory, or in a folder with declared outputs.
    pub(super) fn is_below_outputs(&self, graph: &PipGraph, path: PathId) -> bool {
        let mut above = graph.paths().ancestors(path).skip(1);
        let parent = above.next();
        parent.is_some_and(|parent| self.output_folders.contains(&parent)) || self.is_below_shared(graph, path)
    }

    /// Whether a path lies below the root of a shared output directory of any process.
    pub(super) fn is_below_shared(&self, graph: &PipGraph, path: PathId) -> bool {
        graph.paths().ancestors(path).skip(1).any(|at| {
            let directories = self.opaque_roots.get(&at);
            directories.is_some_and(|all| all.iter().any(|id| graph.directory(*id).kind == SealKind::SharedOpaque))
        })
    }
}

impl<'g> World<'g> {
    pub(super) fn new(
        graph: &'g PipGraph,
        statics: Statics,
        files: FileTable,
        store: Store,
        entries: Entries,
        made: Made,
        verify: bool,
    ) -> Self {
        Self {
            graph,
            files,
            store: Arc::new(store),
            entries,
            made,
            verify,
            outputs: Map::default(),
            claims: Map::default(),
            folders: Map::default(),
            absent: Map::default(),
            undeclared: Map::default(),
            contents: (0..graph.directories().len()).map(|_| OnceLock::new()).collect(),
            virtual_outputs: VirtualOutputs::default(),
            statics,
        }
    }

    /// The text of a path for the system.
    pub(super) fn disk_path(&self, path: PathId) -> PathBuf {
        self.graph.paths().display(path).into()
    }

    /// The number of a path that a process used; none for names that are not UTF-8 or hold what paths of specs may not.
    pub(super) fn path_id(&self, path: &Path) -> Option<PathId> {
        let text = path.to_str()?;
        // A backslash would separate names.
        if text.contains('\\') { None } else { self.graph.paths().parse_absolute(text).ok() }
    }

    /// A path as fingerprints write it: the same wherever the workspace lies.
    pub(super) fn token(&self, path: PathId) -> String {
        self.graph.display(path)
    }

    /// The path of a token.
    pub(super) fn path_of_token(&self, token: &str) -> Option<PathId> {
        let paths = self.graph.paths();
        match token.starts_with('/') {
            true => paths.parse_absolute(token).ok(),
            false => paths.walk(self.graph.workspace_root(), token).ok(),
        }
    }

    /// Whether the store has a content. A store that cannot be read has nothing.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.store.contains(digest).unwrap_or(false)
    }

    /// What lies at a path on the disk. Links are not followed.
    pub(super) fn on_disk(&self, path: PathId) -> io::Result<Content> {
        self.look(&self.disk_path(path), true)
    }

    /// What kind of thing lies at a path on the disk: [`Content::kind_only`], without reading files.
    pub(super) fn kind_on_disk(&self, path: PathId) -> io::Result<Content> {
        self.look(&self.disk_path(path), false)
    }

    /// What lies at a path on the disk, with contents or only by kind.
    pub(super) fn look(&self, path: &Path, with_content: bool) -> io::Result<Content> {
        if with_content {
            if self.verify {
                // Times say nothing to who asks for certainty.
                self.files.forget(path);
            }
            return Ok(match self.files.digest_of(path)? {
                Known::File { digest, signature } => Content::File { digest, executable: signature.is_executable() },
                Known::Link { target } => Content::Link(target.to_string_lossy().into()),
                Known::Directory => Content::Directory,
                Known::Other => Content::Other,
                Known::Absent => Content::Absent,
            });
        }
        Ok(match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => Content::SOME_FILE,
            Ok(metadata) if metadata.is_dir() => Content::Directory,
            Ok(metadata) if metadata.is_symlink() => Content::Link("".into()),
            Ok(_) => Content::Other,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Content::Absent
            }
            Err(error) => return Err(error),
        })
    }

    /// Notes what is in a file that was just put in place or into the store, so that it need not be read for that.
    pub(super) fn learn(&self, path: &Path, digest: &Digest) -> io::Result<()> {
        let signature = Signature::of(&fs::symlink_metadata(path)?);
        self.files.remember(path, &signature, digest);
        Ok(())
    }

    /// The content of a version of a file: of an output what its pip left, of a source what is on the disk, through
    /// links. An output that was not made is absent.
    pub(super) fn artifact(&self, artifact: FileArtifact) -> io::Result<Content> {
        if !artifact.is_source() {
            return Ok(self.outputs.get(&artifact).map_or(Content::Absent, |content| content.clone()));
        }
        match self.on_disk(artifact.path)? {
            Content::Link(_) => match fs::canonicalize(self.disk_path(artifact.path)) {
                Ok(target) => self.look(&target, true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::Absent),
                Err(error) => Err(error),
            },
            content => Ok(content),
        }
    }

    /// Notes an output that exists now.
    pub(super) fn set_output(&self, artifact: FileArtifact, content: Content) {
        self.outputs.insert(artifact, content);
    }

    /// Notes who left something in a shared output directory. Gives the claim of another pip if there is one, and then
    /// changes nothing.
    pub(super) fn claim(&self, path: PathId, pip: PipId, content: Content) -> Option<Claim> {
        let mut entry = self.claims.entry(path).or_insert_with(|| Claim { pip, content: content.clone() });
        if entry.pip == pip {
            entry.content = content;
            return None;
        }
        Some(entry.clone())
    }

    /// Who left something at a path in a shared output directory in this build.
    pub(super) fn claim_of(&self, path: PathId) -> Option<Claim> {
        self.claims.get(&path).map(|claim| claim.clone())
    }

    /// Notes that a pip found nothing at a path.
    pub(super) fn found_absent(&self, path: PathId, pip: PipId) {
        self.absent.entry(path).or_insert(pip);
    }

    /// The pip that found nothing at a path.
    pub(super) fn absent_for(&self, path: PathId) -> Option<PipId> {
        self.absent.get(&path).map(|pip| *pip)
    }

    /// Notes that a pip read a source file without declaring it.
    pub(super) fn read_undeclared(&self, path: PathId, pip: PipId) {
        self.undeclared.entry(path).or_insert(pip);
    }

    /// The pip that read a file without declaring it.
    pub(super) fn undeclared_reader(&self, path: PathId) -> Option<PipId> {
        self.undeclared.get(&path).map(|pip| *pip)
    }

    /// The contents of a directory, once they are known.
    pub(super) fn contents(&self, directory: DirectoryId) -> Option<Arc<Contents>> {
        self.contents.get(directory.0 as usize)?.get().cloned()
    }

    /// Notes the contents of a directory.
    pub(super) fn set_contents(&self, directory: DirectoryId, contents: Contents) {
        let folders = contents.entries().iter().filter(|(_, content)| *content == Content::Directory);
        for (path, _) in folders {
            self.folders.insert(*path, ());
        }
        if let Some(slot) = self.contents.get(directory.0 as usize) {
            // A pip is done once, so nothing is there before.
            let _ = slot.set(Arc::new(contents));
        }
    }

    /// The pip that makes what is or will be at a path, as far as that is known: a declared output, or what was seen.
    pub(super) fn maker(&self, path: PathId) -> Option<PipId> {
        self.graph.producer(self.graph.latest(path)).or_else(|| self.claims.get(&path).map(|claim| claim.pip))
    }

    /// Whether pips make what is at a path, in this build or an earlier one: it is no source file.
    pub(super) fn is_made(&self, path: PathId) -> bool {
        !self.graph.latest(path).is_source()
            || self.claims.contains_key(&path)
            || self.folders.contains_key(&path)
            || self.made.is_known(path)
    }

    /// Whether a folder above a path is a link that a pip made: nobody may write through it to a place that is not its own.
    pub(super) fn leads_elsewhere(&self, path: PathId) -> bool {
        let root = self.graph.workspace_root();
        let mut above = self.graph.paths().ancestors(path).skip(1).take_while(|at| *at != root);
        above.any(|at| self.is_made(at) && fs::symlink_metadata(self.disk_path(at)).is_ok_and(|it| it.is_symlink()))
    }

    /// Whether a folder holds declared outputs or output directories, or is one: it exists whenever a pip runs.
    pub(super) fn is_output_folder(&self, path: PathId) -> bool {
        self.statics.output_folders.contains(&path)
    }

    /// The output directories whose root is the nearest at or above a path, of any process.
    pub(super) fn output_directories_above(&self, path: PathId) -> &[DirectoryId] {
        let mut above = self.graph.paths().ancestors(path);
        above.find_map(|at| self.statics.opaque_roots.get(&at)).map_or(&[], Vec::as_slice)
    }

    /// Whether a path lies below the root of a shared output directory of any process.
    pub(super) fn is_below_shared(&self, path: PathId) -> bool {
        self.statics.is_below_shared(self.graph, path)
    }
}
