//! What a worker answers.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a process and its children did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// How it ended.
    pub exit: Exit,
    /// Every process, in the order in which they were seen first; the first one is the program of the job.
    pub processes: Vec<ProcessInfo>,
    /// Every path that was accessed and is judged, sorted by path, each once.
    pub accesses: Vec<Access>,
    /// Writes that were not let through, sorted by path.
    pub denied: Vec<Denied>,
    /// Why the accesses are not complete (memory of a process could not be read, a filter could not be installed in a
    /// child …). Such a run must not be cached.
    pub incomplete: Option<String>,
    /// The programs of processes that outlived the first one for longer than allowed and were ended, by name.
    pub survivors: Vec<String>,
    /// From start to the end of the last process.
    pub wall: Duration,
    /// Processor time of all processes, in user mode.
    pub user: Duration,
    /// Processor time of all processes, in the kernel.
    pub system: Duration,
    /// The largest resident size of one of them, in bytes.
    pub peak_memory: u64,
}

/// How the process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It took too long and was ended, with all its children.
    TimedOut,
    /// The build asked for its end.
    Cancelled,
    /// It could not be started; the reason is a system error such as `No such file or directory`.
    NotStarted(String),
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: i32,
    /// The program that it runs, as the system calls it: what it executed last.
    #[serde(with = "super::path_bytes")]
    pub program: PathBuf,
}

/// What was done with one path. Reads count only when they see what was there before the job: a file that the job made
/// and reads again is no input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Absolute, without `.`, `..` and symbolic links in its folders.
    #[serde(with = "super::path_bytes")]
    pub path: PathBuf,
    /// The process that came first, by its place in [`Report::processes`].
    pub process: u32,
    /// How what was there before was read.
    pub reads: Reads,
    /// What was there before the first write; meaningful where `written`.
    pub before: Option<Kind>,
    /// Whether it was made, changed, renamed or deleted, and is not again as it was: a file that came and went is not
    /// reported at all unless it was read before.
    pub written: bool,
    /// What is there after the last process ended; meaningful where `written`.
    pub after: Option<Kind>,
    /// Where the old content was moved to before it was overwritten.
    #[serde(with = "super::path_bytes::option")]
    pub backup: Option<PathBuf>,
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, pipe or device.
    Other,
}

/// How a path was read; several may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reads {
    /// The content of a file.
    pub content: bool,
    /// Whether a file is there, and what it is like: `stat`, `access`, `O_PATH`.
    pub file: bool,
    /// Whether a folder is there.
    pub directory: bool,
    /// That nothing is there.
    pub absent: bool,
    /// The target of a symbolic link, also when a path leads through it.
    pub link: bool,
    /// The names in a folder.
    pub listing: bool,
}

impl Reads {
    /// Whether anything was read.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// What holds in one of the two.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            content: self.content || other.content,
            file: self.file || other.file,
            directory: self.directory || other.directory,
            absent: self.absent || other.absent,
            link: self.link || other.link,
            listing: self.listing || other.listing,
        }
    }
}

/// A write that was not let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Absolute, as in [`Access::path`].
    #[serde(with = "super::path_bytes")]
    pub path: PathBuf,
    /// What was tried.
    pub operation: Operation,
    /// What was there.
    pub before: Option<Kind>,
    /// The process, by its place in [`Report::processes`].
    pub process: u32,
}

/// What a process tried to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// To write or make a file, link or node.
    Write,
    /// To make a folder.
    MakeDirectory,
    /// To delete a file or folder, or rename it away.
    Delete,
    /// To change its owner, mode, times or attributes.
    Metadata,
}
