//! What evaluation may see of the machine: a file system and an environment, both behind traits.
//!
//! No other module reads the disk, environment variables or facts of the host. So a host program can evaluate from
//! memory, and [`RecordingFileSystem`] and [`RecordingEnvironment`] know every input of an evaluation.

mod any_case;
mod clock;
mod environment;
mod file_system;
mod host;
mod inputs;
mod memory;
mod recording;
mod signature;
mod usage;

pub use any_case::AnyCaseFileSystem;
pub use clock::Stopwatch;
pub use environment::{Environment, MapEnvironment, ProcessEnvironment};
pub use file_system::{DirEntry, DiskFileSystem, EntryKind, FileSystem, reason};
pub use host::{Host, HostEnvironment, Kernel, OperatingSystem};
pub use inputs::{Changed, FileState, FolderState, Inputs, Listing, VariableInput};
pub use memory::MemoryFileSystem;
pub use recording::{RecordingEnvironment, RecordingFileSystem};
pub use signature::Signature;
pub use usage::peak_memory;
