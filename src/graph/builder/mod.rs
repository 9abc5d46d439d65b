//! Building a graph: pips go in one at a time, each checked against those already there.
//!
//! A pip that needs the output of a refused one is refused with an empty list: the reason was given already.
//!
//! A pip that breaks a rule leaves no trace: its checks all run before anything is written down. Several broken rules
//! of one pip are reported together.

mod finish;
mod inputs;
mod outputs;
mod process;
mod report;
mod seal;
mod secrets;
mod services;
mod tables;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::graph::origins::Origins;
use crate::graph::{
    CopyFilePip, Directory, DirectoryId, Existence, FileArtifact, FileOutput, IpcPip, OutputDirectoryKind, Pip,
    PipGraph, PipId, ProcessPip, Provenance, Qualifier, Rows, SealDirectoryPip, SealKind, SealRequest, ServiceKind,
    WriteFilePip,
};
use crate::paths::{PathId, Paths};
use crate::source::Location;
use tables::{FileTable, RootTable};

/// A named folder with rights.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Its name.
    pub name: Arc<str>,
    /// The folder.
    pub path: PathId,
    /// Whether pips may read below it.
    pub readable: bool,
    /// Whether pips may write below it.
    pub writable: bool,
    /// Whether what no pip makes is deleted below it.
    pub scrubbable: bool,
    /// Where the configuration defines it; none for predefined mounts.
    pub location: Option<Location>,
}

/// What is done about environment variables whose values look like secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialScan {
    /// Values are not looked at.
    #[default]
    Off,
    /// A warning.
    Warn,
    /// An error.
    Refuse,
}

/// Which rules apply.
#[derive(Clone, Debug)]
pub struct GraphOptions {
    /// The folder that messages and exports show paths relative to.
    pub workspace_root: PathId,
    /// The qualifiers that were asked for, in the order of asking. Empty: those that pips have.
    pub qualifiers: Vec<Arc<Qualifier>>,
    /// Outputs outside every mount are allowed (`engine.unsafeAllowOutOfMountWrites`).
    pub unsafe_allow_out_of_mount_writes: bool,
    /// Two pips may share a temporary directory (`engine.allowDuplicateTemporaryDirectory`; allowed unless set).
    pub allow_duplicate_temporary_directory: bool,
    /// The rules about the whole graph are skipped (`unsafeDisableGraphPostValidation`).
    pub unsafe_disable_graph_post_validation: bool,
    /// What is done about values that look like secrets.
    pub credential_scan: CredentialScan,
    /// The variables that are not looked at.
    pub credential_scan_allowed: Vec<Arc<str>>,
}

impl GraphOptions {
    /// The defaults, for a workspace in this folder.
    pub fn new(workspace_root: PathId) -> Self {
        Self {
            workspace_root,
            qualifiers: Vec::new(),
            unsafe_allow_out_of_mount_writes: false,
            allow_duplicate_temporary_directory: true,
            unsafe_disable_graph_post_validation: false,
            credential_scan: CredentialScan::Off,
            credential_scan_allowed: Vec::new(),
        }
    }
}

/// A graph under construction.
#[derive(Debug)]
pub struct GraphBuilder {
    paths: Arc<Paths>,
    mounts: Vec<Mount>,
    mount_at: FxHashMap<PathId, u32>,
    options: GraphOptions,

    pips: Vec<Pip>,
    origins: Origins,
    dependencies: Rows,
    directories: Vec<Directory>,

    files: FileTable,
    roots: RootTable,
    temp_directories: FxHashMap<PathId, PipId>,
    services: FxHashSet<PipId>,
    path_lists: FxHashSet<Arc<[PathId]>>,
    warnings: Vec<Diagnostic>,
    /// Outputs of pips that were refused: whoever needs them is refused as well, without another message.
    lost: FxHashSet<FileArtifact>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(paths: Arc<Paths>, mounts: Vec<Mount>, options: GraphOptions) -> Self {
        let mut mount_at = FxHashMap::default();
        for (index, mount) in mounts.iter().enumerate() {
            mount_at.entry(mount.path).or_insert(index as u32);
        }
        Self {
            paths,
            mounts,
            mount_at,
            options,
            pips: Vec::new(),
            origins: Origins::default(),
            dependencies: Rows::default(),
            directories: Vec::new(),
            files: FileTable::default(),
            roots: RootTable::default(),
            temp_directories: FxHashMap::default(),
            services: FxHashSet::default(),
            path_lists: FxHashSet::default(),
            warnings: Vec::new(),
            lost: FxHashSet::default(),
        }
    }

    /// The interned paths that ids of this graph refer to.
    pub fn paths(&self) -> &Arc<Paths> {
        &self.paths
    }

    /// How many pips are there.
    pub fn len(&self) -> usize {
        self.pips.len()
    }

    /// Whether no pip is there.
    pub fn is_empty(&self) -> bool {
        self.pips.is_empty()
    }

    /// Adds a process. Each of its output directories is sealed by a pip that follows it: see
    /// [`Self::process_outputs`].
    ///
    /// # Errors
    /// Every rule that the process breaks; it is not added then.
    pub fn add_process(&mut self, mut process: ProcessPip, provenance: Provenance) -> Result<PipId, Vec<Diagnostic>> {
        process::normalize(&mut process);
        let checked = self.check_process(&process, &provenance);
        let outputs = process.outputs.iter().map(|output| output.artifact);
        self.settle(checked, &process.inputs, outputs)?;

        process.untracked_paths = self.share(process.untracked_paths);
        process.untracked_scopes = self.share(process.untracked_scopes);
        let id = PipId(self.pips.len() as u32);
        let outputs = process.output_directories.clone();
        let (tags, description) = (process.tags.clone(), process.description);
        process.first_output_directory = DirectoryId(self.directories.len() as u32);

        let mut needs = Vec::new();
        self.need_files(&process.inputs, &mut needs);
        self.need_directories(&process.directory_inputs, &mut needs);
        if let Some(rare) = &process.rare {
            needs.extend_from_slice(&rare.service.dependencies);
            if rare.service.kind == ServiceKind::Service {
                self.services.insert(id);
            }
            for temp in rare.temp_directory.iter().chain(&rare.additional_temp_directories) {
                self.temp_directories.entry(*temp).or_insert(id);
            }
        }
        self.use_files(&process.inputs, id, false);
        self.make_files(&process.outputs, id, &mut needs);
        self.push(Pip::Process(Box::new(process)), provenance.clone(), needs);

        for output in outputs {
            let kind = match output.kind {
                OutputDirectoryKind::Shared => SealKind::SharedOpaque,
                OutputDirectoryKind::Exclusive => SealKind::ExclusiveOpaque,
            };
            let request = SealRequest { tags: tags.clone(), description, ..SealRequest::new(kind, output.path) };
            self.push_seal(request, provenance.clone(), Some(id), vec![id]);
        }
        Ok(id)
    }

    /// The output directories of a process: the folder and the directory, in the order of declaration. A folder that
    /// was declared twice in one kind comes once.
    pub fn process_outputs(&self, process: PipId) -> Vec<(PathId, DirectoryId)> {
        match self.pips.get(process.0 as usize) {
            Some(Pip::Process(pip)) => {
                let paths = pip.output_directories.iter().map(|output| output.path);
                paths.zip(pip.output_directory_ids()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The exclusive opaque directory at a path, if a process that was added fills it.
    pub fn exclusive_output(&self, path: PathId) -> Option<DirectoryId> {
        self.roots.get(path)?.exclusive
    }

    /// Adds a copy.
    ///
    /// # Errors
    /// Every rule that it breaks; it is not added then.
    pub fn add_copy_file(&mut self, copy: CopyFilePip, provenance: Provenance) -> Result<PipId, Vec<Diagnostic>> {
        let checked = self.check_copy_file(&copy, &provenance);
        self.settle(checked, &[copy.source], [copy.destination])?;
        let id = PipId(self.pips.len() as u32);
        let mut needs = Vec::new();
        self.need_files(&[copy.source], &mut needs);
        self.use_files(&[copy.source], id, false);
        self.make_files(&[FileOutput::required(copy.destination)], id, &mut needs);
        Ok(self.push(Pip::CopyFile(Box::new(copy)), provenance, needs))
    }

    /// Adds a write.
    ///
    /// # Errors
    /// Every rule that it breaks; it is not added then.
    pub fn add_write_file(&mut self, write: WriteFilePip, provenance: Provenance) -> Result<PipId, Vec<Diagnostic>> {
        let checked = self.check_write_file(&write, &provenance);
        self.settle(checked, &[], [write.destination])?;
        let id = PipId(self.pips.len() as u32);
        self.make_files(&[FileOutput::required(write.destination)], id, &mut Vec::new());
        Ok(self.push(Pip::WriteFile(Box::new(write)), provenance, Vec::new()))
    }

    /// Adds a message to a service.
    ///
    /// # Errors
    /// Every rule that it breaks; it is not added then.
    pub fn add_ipc(&mut self, mut ipc: IpcPip, provenance: Provenance) -> Result<PipId, Vec<Diagnostic>> {
        ipc.inputs = distinct(ipc.inputs);
        ipc.directory_inputs = distinct(ipc.directory_inputs);
        let checked = self.check_ipc(&ipc, &provenance);
        self.settle(checked, &ipc.inputs, [ipc.output])?;
        let id = PipId(self.pips.len() as u32);
        let mut needs = Vec::new();
        self.need_files(&ipc.inputs, &mut needs);
        self.need_directories(&ipc.directory_inputs, &mut needs);
        needs.extend_from_slice(&ipc.services);
        self.use_files(&ipc.inputs, id, false);
        self.make_files(&[FileOutput::required(ipc.output)], id, &mut needs);
        Ok(self.push(Pip::Ipc(Box::new(ipc)), provenance, needs))
    }

    /// Seals a directory. Each call makes a new view, also of a folder that is sealed already.
    ///
    /// # Errors
    /// Every rule that it breaks; it is not added then.
    pub fn seal(&mut self, request: SealRequest, provenance: Provenance) -> Result<DirectoryId, Vec<Diagnostic>> {
        let mut request = request;
        request.files = distinct(request.files);
        request.directories = distinct(request.directories);
        let checked = self.check_seal(&request, &provenance);
        self.settle(checked, &request.files, [])?;
        let id = PipId(self.pips.len() as u32);
        let mut needs = Vec::new();
        self.need_files(&request.files, &mut needs);
        self.need_directories(&request.directories, &mut needs);
        self.use_files(&request.files, id, true);
        Ok(self.push_seal(request, provenance, None, needs))
    }

    /// States that a process leaves a file in one of its output directories, so that the file can be consumed alone.
    /// `at` is where the spec says so. Saying it twice gives the same file.
    ///
    /// # Errors
    /// Every rule that the statement breaks.
    pub fn assert_existence(
        &mut self,
        directory: DirectoryId,
        path: PathId,
        at: Location,
    ) -> Result<FileArtifact, Vec<Diagnostic>> {
        let (artifact, producer) = match self.check_assertion(directory, path, at) {
            Ok(checked) => checked,
            Err(found) => {
                self.lose([FileArtifact::output(path)]);
                return Err(found);
            }
        };
        if self.files.producer(artifact).is_none() {
            self.lost.remove(&artifact);
            self.files.make(FileOutput { artifact, existence: Existence::Required }, producer);
            let seal = self.directories[directory.0 as usize].pip;
            if let Some(Pip::SealDirectory(seal)) = self.pips.get_mut(seal.0 as usize) {
                let mut files = std::mem::take(&mut seal.files).into_vec();
                files.push(artifact);
                seal.files = files.into_boxed_slice();
            }
        }
        Ok(artifact)
    }

    /// The seal behind a directory.
    pub fn seal_of(&self, id: DirectoryId) -> Option<&SealDirectoryPip> {
        match self.pip(self.directory(id)?.pip)? {
            Pip::SealDirectory(seal) => Some(seal),
            _ => None,
        }
    }

    /// Says that these files will never be made, because their pip was given up before it reached the graph and the
    /// reason was reported. Pips that need them are then refused without another message.
    pub fn lose(&mut self, files: impl IntoIterator<Item = FileArtifact>) {
        for file in files {
            if !file.is_source() && self.files.producer(file).is_none() {
                self.lost.insert(file);
            }
        }
    }

    /// A directory of this graph.
    pub fn directory(&self, id: DirectoryId) -> Option<&Directory> {
        self.directories.get(id.0 as usize)
    }

    /// A pip of this graph.
    pub fn pip(&self, id: PipId) -> Option<&Pip> {
        self.pips.get(id.0 as usize)
    }

    /// The pip that makes a version of a file.
    pub fn producer(&self, artifact: FileArtifact) -> Option<PipId> {
        self.files.producer(artifact)
    }

    /// The newest version of a file: a source where nothing makes it.
    pub fn latest(&self, path: PathId) -> FileArtifact {
        FileArtifact { path, rewrite: self.files.get(path).map_or(0, |state| state.version) }
    }

    /// The message for a plain folder that is given where a sealed directory is wanted: callers that still know it as
    /// a path cannot name it to [`Self::add_process`] at all.
    pub fn plain_directory_input(&self, path: PathId, at: Location) -> Diagnostic {
        Diagnostic::error(Code::Dx(13102), format!("`{}` is a plain folder, not a sealed directory", self.show(path)))
            .at(at, "used as an input here")
            .help("seal it first, for example with `Transformer.sealSourceDirectory`, and depend on the seal")
    }

    /// Applies the rules about the whole graph and freezes it. The diagnostics hold what the rules found, and every
    /// warning since the start, in the order of their places; with an error among them the graph is not valid.
    pub fn finish(self) -> (PipGraph, Vec<Diagnostic>) {
        finish::finish(self)
    }

    /// The end of the checks of one pip: refused for its own mistakes, or for what it needs and will never get.
    fn settle(
        &mut self,
        checked: Result<(), Vec<Diagnostic>>,
        inputs: &[FileArtifact],
        outputs: impl IntoIterator<Item = FileArtifact> + Clone,
    ) -> Result<(), Vec<Diagnostic>> {
        let rewrites = outputs.clone().into_iter().filter_map(FileArtifact::before);
        let needs_lost = || inputs.iter().copied().chain(rewrites).any(|file| self.lost.contains(&file));
        let settled = if checked.is_ok() && !self.lost.is_empty() && needs_lost() { Err(Vec::new()) } else { checked };
        if settled.is_err() {
            self.lose(outputs);
        }
        settled
    }

    // ---- writing down, after all checks ----

    fn push(&mut self, pip: Pip, provenance: Provenance, mut needs: Vec<PipId>) -> PipId {
        let id = PipId(self.pips.len() as u32);
        needs.sort_unstable();
        needs.dedup();
        needs.retain(|need| *need != id);
        self.dependencies.push(&needs);
        self.pips.push(pip);
        self.origins.push(provenance);
        id
    }

    fn push_seal(
        &mut self,
        request: SealRequest,
        provenance: Provenance,
        producer: Option<PipId>,
        needs: Vec<PipId>,
    ) -> DirectoryId {
        let directory = DirectoryId(self.directories.len() as u32);
        let (root, kind) = (request.root, request.kind);
        let SealRequest { files, directories, patterns, filter, scrub, tags, description, .. } = request;
        let pip =
            SealDirectoryPip { directory, kind, scrub, root, filter, files, directories, patterns, tags, description };
        let pip = self.push(Pip::SealDirectory(Box::new(pip)), provenance, needs);
        self.directories.push(Directory { root, kind, pip, producer });
        self.roots.add(root, kind, directory, &self.paths);
        directory
    }

    fn need_files(&self, files: &[FileArtifact], needs: &mut Vec<PipId>) {
        needs.extend(files.iter().filter_map(|file| self.files.producer(*file)));
    }

    fn need_directories(&self, directories: &[DirectoryId], needs: &mut Vec<PipId>) {
        needs.extend(directories.iter().filter_map(|id| self.directory(*id)).map(|directory| directory.pip));
    }

    fn use_files(&mut self, files: &[FileArtifact], user: PipId, by_seal: bool) {
        for file in files {
            self.files.mark_used(file.path, user, by_seal);
        }
    }

    fn make_files(&mut self, outputs: &[FileOutput], producer: PipId, needs: &mut Vec<PipId>) {
        for output in outputs {
            // A rewrite comes after whoever made the version before.
            needs.extend(self.files.get(output.artifact.path).and_then(|state| state.producer()));
            self.lost.remove(&output.artifact);
            self.files.make(*output, producer);
        }
    }

    fn share(&mut self, list: Arc<[PathId]>) -> Arc<[PathId]> {
        if let Some(known) = self.path_lists.get(&list) {
            return known.clone();
        }
        self.path_lists.insert(list.clone());
        list
    }
}

/// A list without repetitions, in the order of first appearance.
fn distinct<T: Copy + Eq + std::hash::Hash>(list: Box<[T]>) -> Box<[T]> {
    if list.len() < 2 {
        return list;
    }
    let mut seen = FxHashSet::default();
    let mut list = list.into_vec();
    list.retain(|item| seen.insert(*item));
    list.into_boxed_slice()
}
