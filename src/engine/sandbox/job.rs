//! What a worker is asked to run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A process to run. All paths are absolute and free of symbolic links in their folders.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The program; relative ones are found from the working directory, never by `PATH`.
    #[serde(with = "super::path_bytes")]
    pub program: PathBuf,
    /// The command line, beginning with what the program is called.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The folder it starts in.
    #[serde(with = "super::path_bytes")]
    pub working_directory: PathBuf,
    /// Standard input.
    pub stdin: Stdin,
    /// The file that receives standard output, made anew.
    #[serde(with = "super::path_bytes")]
    pub stdout: PathBuf,
    /// The file that receives standard error, made anew.
    #[serde(with = "super::path_bytes")]
    pub stderr: PathBuf,
    /// After how long it is ended.
    pub timeout: Option<Duration>,
    /// How long its child processes may outlive it before they are ended.
    pub grace: Duration,
    /// Whether accesses are observed. Without, the report has no accesses and no write is denied.
    pub observe: bool,
    /// What may be written, and what is not judged. For a path the rule of the nearest path at or above it counts;
    /// where there is none, everything may be read and nothing written.
    pub rules: Vec<Rule>,
    /// Whether forbidden writes are let through. They are listed as denied all the same, for the build to judge.
    pub lenient: bool,
    /// Where the path of each file and folder made in a shared output directory is noted before the process goes on:
    /// one path and a NUL byte each, appended.
    #[serde(with = "super::path_bytes::option")]
    pub journal: Option<PathBuf>,
    /// An empty folder on the file system of the outputs. Before a file is overwritten under
    /// [`RuleKind::Rewritable`], or in a shared output directory where `existing` allows it, it is moved aside to here.
    #[serde(with = "super::path_bytes")]
    pub backup: PathBuf,
}

/// Where standard input comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdin {
    /// It is empty.
    Null,
    /// A file.
    File(#[serde(with = "super::path_bytes")] PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// What is allowed at and below a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Where.
    #[serde(with = "super::path_bytes")]
    pub path: PathBuf,
    /// What.
    pub kind: RuleKind,
}

/// The kinds of [`Rule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleKind {
    /// The path itself, not what lies below: neither judged nor reported.
    UntrackedPath,
    /// The path and all below: neither judged nor reported.
    UntrackedScope,
    /// The path itself may be written.
    Output,
    /// The path itself may be overwritten, and holds its earlier version before.
    Rewritable,
    /// What lies below may be made, changed and deleted by this process; what was there before may be overwritten or
    /// deleted too: the process is the only one that writes there.
    ExclusiveDirectory,
    /// What lies below may be made, and changed or deleted if this process made it. What was there before may be
    /// written only where `existing` says so.
    SharedDirectory {
        /// Whether files that were there before may be overwritten; their old contents are moved aside first.
        existing: bool,
    },
    /// What lies directly in the folder may be made, and changed or deleted if this process made it: tools write beside
    /// their target and rename at the end.
    Beside,
    /// A part of an output directory that is none: nothing may be written, as if there were no rule.
    Excluded,
    /// Temporary files: everything is allowed and nothing reported.
    Temporary,
}
