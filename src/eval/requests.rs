//! What evaluation asks of the graph. Requests are kept with the top-level value that made them and handed to the
//! graph afterwards, in the order of one worker (see `replay`), so that the graph never depends on timing.

use crate::graph::{CopyFilePip, IpcPip, ProcessPip, SealRequest, WriteFilePip};
use crate::paths::PathId;
use crate::source::Location;

use super::value::{PipHandle, SealHandle};

/// Something for the graph, and where it was asked for. Directory ids in it are [`SealHandle`]s, and pip ids
/// [`PipHandle`]s, until the graph gives them their lasting ids.
#[derive(Debug)]
pub struct Request {
    /// The call that asks.
    pub location: Location,
    /// What it asks for.
    pub kind: RequestKind,
}

/// The forms of requests.
#[derive(Debug)]
pub enum RequestKind {
    /// A process, its handle, and the handles of its output directories, in order.
    Process(ProcessPip, PipHandle, Box<[SealHandle]>),
    /// A file copy.
    CopyFile(CopyFilePip),
    /// A file write.
    WriteFile(WriteFilePip),
    /// A message to a service, and its handle.
    Ipc(IpcPip, PipHandle),
    /// A sealed directory and its handle.
    Seal(SealRequest, SealHandle),
    /// A handle for the exclusive opaque directory at a path, whoever fills it.
    Exclusive(SealHandle, PathId),
    /// A file that must exist in an opaque directory.
    Assert(SealHandle, PathId),
}
