//! The arguments of `dscript build`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::options::{ConnectionArgs, EvaluationArgs, MessageArgs, QualifierArgs, WorkspaceArg, name_and_value};
use crate::cli::output::SummaryFormat;

/// Arguments of `build`.
#[derive(Args, Debug)]
pub(in crate::cli) struct BuildArgs {
    #[command(flatten)]
    pub(in crate::cli) workspace: WorkspaceArg,
    /// Run this many processes at a time [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    pub(in crate::cli) jobs: Option<NonZeroUsize>,
    /// Go on with what does not depend on a pip that failed
    #[arg(short, long)]
    pub(in crate::cli) keep_going: bool,
    /// Build only the pips that this filter selects, with what they depend on
    #[arg(long, value_name = "FILTER")]
    pub(in crate::cli) filter: Option<String>,
    /// How processes are watched
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(in crate::cli) sandbox: Sandbox,
    /// Keep the cache in this folder, for example to share it between workspaces [default: .dscript/cache]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) cache_dir: Option<PathBuf>,
    /// Run every pip, and keep no results
    #[arg(long)]
    pub(in crate::cli) no_cache: bool,
    /// Read and hash every input, output and blob of the cache, whatever their times say
    #[arg(long)]
    pub(in crate::cli) verify: bool,
    /// Run processes on a server that speaks the Remote Execution API: grpc://HOST:PORT, or grpcs:// with TLS
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(in crate::cli) remote_executor: Option<String>,
    /// Run this many processes there at a time [default: four times those that run here, at least 16]
    #[arg(long, value_name = "N", requires = "remote_executor")]
    pub(in crate::cli) remote_jobs: Option<NonZeroUsize>,
    /// What the machines there must offer, where the tool does not say otherwise, such as OSFamily=Linux
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value, requires = "remote_executor")]
    pub(in crate::cli) remote_platform: Vec<(String, String)>,
    /// Say for each pip that runs why it does
    #[arg(long)]
    pub(in crate::cli) explain: bool,
    #[command(flatten)]
    pub(in crate::cli) remote: BuildRemoteArgs,
    /// Write a JSON object a pip to this file: times, result, fingerprints, what was read and made
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) log: Option<PathBuf>,
    /// Write a trace of the build to this file, for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) trace: Option<PathBuf>,
    /// How the summary is written: a line on standard error, or JSON on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) format: SummaryFormat,
    /// Show everything that processes print, and each pip as it is done
    #[arg(short, long)]
    pub(in crate::cli) verbose: bool,
    #[command(flatten)]
    pub(in crate::cli) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(in crate::cli) options: EvaluationArgs,
    #[command(flatten)]
    pub(in crate::cli) messages: MessageArgs,
}

/// How processes are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Sandbox {
    /// The best way that this machine allows
    Auto,
    /// By notifications of seccomp
    Notify,
    /// By ptrace
    Trace,
    /// Not at all, but for processes with output directories
    None,
}

/// Which servers a build uses, and for what.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Remote")]
pub(in crate::cli) struct BuildRemoteArgs {
    /// Share results with others by a server that speaks the Remote Execution API: grpc://HOST:PORT, or grpcs:// with TLS
    /// [default: $DSCRIPT_REMOTE_CACHE]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(in crate::cli) remote_cache: Option<String>,
    /// Use no remote cache, whatever the environment says
    #[arg(long, conflicts_with = "remote_cache")]
    pub(in crate::cli) no_remote_cache: bool,
    /// Which results are uploaded
    #[arg(long, value_name = "WHICH", default_value = "new")]
    pub(in crate::cli) remote_upload: RemoteUpload,
    /// Only read from the remote cache: --remote-upload no
    #[arg(long, conflicts_with = "remote_upload")]
    pub(in crate::cli) remote_cache_read_only: bool,
    /// Which outputs are downloaded though no process of this build reads them
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub(in crate::cli) outputs: OutputsWanted,
    #[command(flatten)]
    pub(in crate::cli) connection: ConnectionArgs,
}

/// Which results are uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RemoteUpload {
    /// None
    No,
    /// Those of processes that this build runs
    New,
    /// Also those that the cache of this machine has and this build uses
    All,
}

/// Which outputs are downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum OutputsWanted {
    /// All
    All,
    /// Those of the pips that the filter names; without a filter of those that no other pip needs
    Toplevel,
    /// None
    None,
}
