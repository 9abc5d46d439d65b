//! The kinds of pip other than processes and seals.

use crate::graph::{
    DirectoryId, FileArtifact, FileOutput, PathRendering, PipData, PipId, ProcessPip, SealDirectoryPip,
};
use crate::source::Symbol;

/// One node of the graph.
#[derive(Clone, Debug)]
pub enum Pip {
    /// A process to run.
    Process(Box<ProcessPip>),
    /// A file to copy.
    CopyFile(Box<CopyFilePip>),
    /// A file to write.
    WriteFile(Box<WriteFilePip>),
    /// A directory to seal.
    SealDirectory(Box<SealDirectoryPip>),
    /// A message to a service.
    Ipc(Box<IpcPip>),
}

impl Pip {
    /// The kind as JSON names it.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Pip::Process(_) => "process",
            Pip::CopyFile(_) => "copyFile",
            Pip::WriteFile(_) => "writeFile",
            Pip::SealDirectory(_) => "sealDirectory",
            Pip::Ipc(_) => "ipc",
        }
    }

    /// Tags for filters.
    pub fn tags(&self) -> &[Symbol] {
        match self {
            Pip::Process(pip) => &pip.tags,
            Pip::CopyFile(pip) => &pip.tags,
            Pip::WriteFile(pip) => &pip.tags,
            Pip::SealDirectory(pip) => &pip.tags,
            Pip::Ipc(pip) => &pip.tags,
        }
    }

    /// The files that it makes, in the order in which they were declared. What an opaque directory will hold is not
    /// among them.
    pub fn output_files(&self) -> impl Iterator<Item = FileArtifact> + '_ {
        let (many, one): (&[FileOutput], _) = match self {
            Pip::Process(pip) => (&pip.outputs, None),
            Pip::CopyFile(pip) => (&[], Some(pip.destination)),
            Pip::WriteFile(pip) => (&[], Some(pip.destination)),
            Pip::SealDirectory(_) => (&[], None),
            Pip::Ipc(pip) => (&[], Some(pip.output)),
        };
        many.iter().map(|output| output.artifact).chain(one)
    }

    /// What people are told about it.
    pub fn description(&self) -> Option<Symbol> {
        match self {
            Pip::Process(pip) => pip.description,
            Pip::CopyFile(pip) => pip.description,
            Pip::WriteFile(pip) => pip.description,
            Pip::SealDirectory(pip) => pip.description,
            Pip::Ipc(pip) => pip.description,
        }
    }
}

/// Copies one file.
#[derive(Clone, Debug)]
pub struct CopyFilePip {
    /// What is copied.
    pub source: FileArtifact,
    /// What is made.
    pub destination: FileArtifact,
    /// Whether the copy stays writable after the run.
    pub keep_writable: bool,
    /// Tags for filters.
    pub tags: Box<[Symbol]>,
    /// What people are told about it.
    pub description: Option<Symbol>,
}

/// Writes one file with contents known when the graph is built, up to paths and hashes.
#[derive(Clone, Debug)]
pub struct WriteFilePip {
    /// What is made; always version 1.
    pub destination: FileArtifact,
    /// What is written.
    pub contents: PipData,
    /// How paths in the contents are written.
    pub path_rendering: PathRendering,
    /// Tags for filters.
    pub tags: Box<[Symbol]>,
    /// What people are told about it.
    pub description: Option<Symbol>,
}

/// Sends one message to a service.
#[derive(Clone, Debug)]
pub struct IpcPip {
    /// The channel.
    pub moniker: Symbol,
    /// What is sent.
    pub message: PipData,
    /// The file that receives the answer.
    pub output: FileArtifact,
    /// Files that must be there before.
    pub inputs: Box<[FileArtifact]>,
    /// Directories that must be there before.
    pub directory_inputs: Box<[DirectoryId]>,
    /// Services that must run.
    pub services: Box<[PipId]>,
    /// Inputs that need not be on disk before the service asks for them.
    pub lazily_materialized: Box<[FileArtifact]>,
    /// Directories that need not be on disk before the service asks for them.
    pub lazily_materialized_directories: Box<[DirectoryId]>,
    /// How often a connection is tried again.
    pub max_connect_retries: Option<u32>,
    /// Milliseconds between two tries.
    pub connect_retry_delay: Option<u32>,
    /// Whether it is sent after all clients of a service, before the service ends.
    pub is_service_finalization: bool,
    /// Whether it ends a service.
    pub is_service_shutdown: bool,
    /// Whether it must run on the machine that leads the build.
    pub must_run_on_orchestrator: bool,
    /// Tags for filters.
    pub tags: Box<[Symbol]>,
    /// What people are told about it.
    pub description: Option<Symbol>,
}
