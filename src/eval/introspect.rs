//! What pips were asked for so far, for natives that ask about dependencies.
//!
//! The graph comes about only when all values are there, so these questions are answered from the requests. A value that
//! refers to an artifact was given it by the value that asked for its pip, which therefore is known here already: the
//! answers do not depend on timing. Only who names an output by `Unsafe.outputFile`, without the value that makes it, may
//! ask too early. Programs that do not ask such questions keep no records.

use std::sync::Arc;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use crate::graph::{self, FileArtifact, OutputDirectoryKind};
use crate::paths::PathId;
use crate::program::{DeclId, DeclKind};
use crate::resolve::{Resolved, ir};

use super::machine::Machine;
use super::requests::RequestKind;
use super::value::{PipHandle, SealHandle, SealKind, StaticDirectory};

/// The namespace of the natives that ask.
const NAMESPACE: &str = "_PreludeAmbientHack_Graph.";

/// The inputs of one pip.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Files in the order in which they were declared.
    pub files: Box<[FileArtifact]>,
    /// Directories in the order in which they were declared.
    pub directories: Box<[SealHandle]>,
    /// Services that must run.
    pub services: Box<[PipHandle]>,
}

/// A sealed or output directory.
struct Directory {
    path: PathId,
    kind: SealKind,
    composite: bool,
    contents: Box<[FileArtifact]>,
    maker: Arc<Inputs>,
}

/// What each artifact is made from.
#[derive(Default)]
pub(super) struct Records {
    processes: DashMap<PipHandle, Arc<Inputs>, FxBuildHasher>,
    files: DashMap<FileArtifact, Arc<Inputs>, FxBuildHasher>,
    directories: DashMap<SealHandle, Directory, FxBuildHasher>,
}

impl Records {
    /// Empty records; none when the program asks nothing.
    pub fn wanted(resolved: &Resolved) -> Option<Self> {
        let program = &resolved.program;
        let questions: Vec<DeclId> = (0..program.decls.len())
            .filter(|index| matches!(program.decls[*index].kind, DeclKind::Native { .. }))
            .map(|index| DeclId(index as u32))
            .filter(|decl| program.decl_name(*decl).starts_with(NAMESPACE))
            .collect();
        let namespaces: Vec<_> = questions.iter().map(|decl| program.decls[decl.index()].namespace).collect();
        let asks = |expr: &ir::Expr| match expr {
            ir::Expr::Global(decl) => questions.contains(decl),
            ir::Expr::Namespace(namespace) => namespaces.contains(namespace),
            _ => false,
        };
        resolved.code.iter().any(|code| code.exprs.iter().any(asks)).then(Self::default)
    }

    /// Notes what a request makes.
    pub fn note(&self, kind: &RequestKind) {
        match kind {
            RequestKind::Process(process, handle, handles) => {
                let services = process.rare.as_ref().map_or(&[][..], |rare| &rare.service.dependencies);
                let maker = inputs(process.inputs.iter(), &process.directory_inputs, services);
                self.processes.insert(*handle, maker.clone());
                let streams = process.rare.as_ref().map(|rare| &rare.streams);
                let console = streams.into_iter().flat_map(|streams| [streams.output, streams.error]).flatten();
                let trace = process.rare.as_ref().and_then(|rare| rare.file_access_trace_file);
                let outputs = process.outputs.iter().map(|output| output.artifact);
                for file in outputs.chain(console).chain(trace) {
                    self.files.entry(file).or_insert_with(|| maker.clone());
                }
                for (output, handle) in process.output_directories.iter().zip(handles) {
                    let kind = match output.kind {
                        OutputDirectoryKind::Shared => SealKind::SharedOpaque,
                        OutputDirectoryKind::Exclusive => SealKind::ExclusiveOpaque,
                    };
                    let (composite, contents) = (false, Box::default());
                    let directory = Directory { path: output.path, kind, composite, contents, maker: maker.clone() };
                    self.directories.insert(*handle, directory);
                }
            }
            RequestKind::CopyFile(copy) => {
                self.files.entry(copy.destination).or_insert_with(|| inputs([copy.source].iter(), &[], &[]));
            }
            RequestKind::WriteFile(write) => {
                self.files.entry(write.destination).or_default();
            }
            RequestKind::Ipc(ipc, _) => {
                let inputs = || inputs(ipc.inputs.iter(), &ipc.directory_inputs, &ipc.services);
                self.files.entry(ipc.output).or_insert_with(inputs);
            }
            RequestKind::Seal(request, handle) => {
                let (kind, composite) = match request.kind {
                    graph::SealKind::Full => (SealKind::Full, false),
                    graph::SealKind::Partial => (SealKind::Partial, false),
                    graph::SealKind::SourceTop => (SealKind::SourceTop, false),
                    graph::SealKind::SourceAll => (SealKind::SourceAll, false),
                    graph::SealKind::ExclusiveOpaque => (SealKind::ExclusiveOpaque, false),
                    graph::SealKind::SharedOpaque => (SealKind::SharedOpaque, false),
                    graph::SealKind::Composite | graph::SealKind::SubDirectory => (SealKind::SharedOpaque, true),
                };
                let maker = inputs(request.files.iter(), &request.directories, &[]);
                let contents = request.files.clone();
                self.directories.insert(*handle, Directory { path: request.root, kind, composite, contents, maker });
            }
            // Who fills it is known only to the graph.
            RequestKind::Exclusive(..) => {}
            RequestKind::Assert(handle, path) => {
                let maker = self.directories.get(handle).map(|directory| directory.maker.clone());
                if let Some(maker) = maker {
                    self.files.entry(FileArtifact::output(*path)).or_insert(maker);
                }
            }
        }
    }
}

fn inputs<'a>(
    files: impl Iterator<Item = &'a FileArtifact>,
    directories: &[graph::DirectoryId],
    services: &[graph::PipId],
) -> Arc<Inputs> {
    let directories = directories.iter().map(|directory| SealHandle(directory.0)).collect();
    let services = services.iter().map(|service| PipHandle(service.0)).collect();
    Arc::new(Inputs { files: files.copied().collect(), directories, services })
}

impl<'h> Machine<'_, 'h> {
    /// The inputs of a process.
    pub fn inputs_of_process(&self, process: PipHandle) -> Option<Arc<Inputs>> {
        self.shared.records.as_ref()?.processes.get(&process).map(|inputs| inputs.clone())
    }

    /// The inputs of the pip that makes a file; none for source files.
    pub fn inputs_of_file(&self, file: FileArtifact) -> Option<Arc<Inputs>> {
        self.shared.records.as_ref()?.files.get(&file).map(|maker| maker.clone())
    }

    /// The inputs of the pip that makes a directory.
    pub fn inputs_of_directory(&self, directory: SealHandle) -> Option<Arc<Inputs>> {
        self.shared.records.as_ref()?.directories.get(&directory).map(|directory| directory.maker.clone())
    }

    /// A directory that a request made, as a value.
    pub fn directory_of(&self, seal: SealHandle) -> Option<&'h StaticDirectory<'h>> {
        let known = self.shared.records.as_ref()?.directories.get(&seal)?;
        let contents = self.heap.alloc_slice_copy(&known.contents);
        let (path, kind, composite) = (known.path, known.kind, known.composite);
        Some(self.heap.alloc(StaticDirectory { path, kind, seal, contents, composite }))
    }
}
