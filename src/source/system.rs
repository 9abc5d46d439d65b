//! What evaluation may see of the machine: a file system and an environment, both behind traits.
//!
//! No other module reads the disk, environment variables or facts of the host. So a host program can evaluate from
//! memory, and [`RecordingFileSystem`] and [`RecordingEnvironment`] know every input of an evaluation.

mod any_case;
mod clock;
mod environment;
mod file_system;
mod host;
mod memory;
mod recording;
mod usage;

pub use any_case::AnyCaseFileSystem;
pub use clock::Stopwatch;
pub use environment::{Environment, MapEnvironment, ProcessEnvironment, RecordingEnvironment};
pub use file_system::{DirEntry, DiskFileSystem, EntryKind, FileSystem, reason};
pub use host::{Host, HostEnvironment, Kernel, OperatingSystem};
pub use memory::MemoryFileSystem;
pub use recording::{FileAccesses, RecordingFileSystem};
pub use usage::peak_memory;
