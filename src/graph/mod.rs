//! The pip graph: what a build will do, validated before anything runs.
//!
//! A *pip* is one node: a process to run, a file to copy or write, a directory to seal, a message to a service. The
//! [`GraphBuilder`] takes pips one at a time, checks each against those it already has, and is frozen into a
//! [`PipGraph`] once the rules about the whole graph hold too. Every violation is a diagnostic that shows both places
//! in the specs. [`export`] writes a graph as JSON, as a readable tree, or for Graphviz. A [`PipFilter`] selects pips.
//!
//! Nothing here knows the language: callers hand over plain data.

pub mod export;

mod builder;
mod csr;
mod data;
mod filter;
mod frozen;
mod ids;
mod names;
mod origins;
mod pip;
mod process;
mod seal;
mod stable;

pub use builder::{CredentialScan, GraphBuilder, GraphOptions, Mount};
pub use csr::Rows;
pub use data::{Escaping, Fragment, PathRendering, PipData};
pub use filter::{FilterError, FilterNote, PipFilter, PipSet, Selection};
pub(crate) use frozen::show;
pub use frozen::{PipGraph, Summary};
pub use ids::{DirectoryId, FileArtifact, PipId, Provenance, Qualifier};
pub use pip::{CopyFilePip, IpcPip, Pip, WriteFilePip};
pub use process::{
    AbsentPathProbe, DoubleWritePolicy, EnvironmentValue, EnvironmentVariable, Existence, FileOutput, OutputDirectory,
    OutputDirectoryKind, PermissionDelegation, PreserveOutputs, PrivilegeLevel, ProcessFlags, ProcessPip, RareOptions,
    ResponseFileData, Semaphore, ServiceKind, ServiceOptions, SourceRewritePolicy, StandardInput, Streams,
};
pub use seal::{ContentFilter, Directory, FilterKind, SealDirectoryPip, SealKind, SealRequest};
pub use stable::StableId;

#[cfg(test)]
mod tests;
