//! The arguments of `dscript cas`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::cas::Digest;
use crate::cli::args::SummaryFormat;
use crate::cli::remote_args::RemoteArgs;

/// Arguments of `cas`.
#[derive(Args, Debug)]
pub(in crate::cli) struct CasArgs {
    #[command(subcommand)]
    pub(super) command: CasCommand,
}

/// What is done with a store.
#[derive(Debug, Subcommand)]
pub(super) enum CasCommand {
    /// Add files and directories, and print their digests
    #[command(after_help = "Examples:\n  \
        dscript cas put out/app                              hash/size of a file, on standard output\n  \
        dscript cas put out                                  that of a directory, with all that is in it\n  \
        dscript cas put --remote grpc://cache:8980 out       also send what the server does not have\n  \
        generate | dscript cas put -                         standard input\n\n\
        What was put in is kept by `cas gc` and `cache gc`, whatever builds need. Without --dir, the\n\
        store is the cache of the workspace in this folder; with --remote none needs to be there.")]
    Put(PutArgs),
    /// Put a file or a directory on the disk
    #[command(after_help = "Examples:\n  \
        dscript cas get DIGEST out                           where nothing is yet\n  \
        dscript cas get --remote grpc://cache:8980 DIGEST out\n  \
        dscript cas get --file DIGEST -                      on standard output\n\n\
        Without --tree or --file, a digest is a directory if it was put in as one, or if what it stands\n\
        for is the message of a directory. Scripts that know should say. Files are read-only, for they\n\
        share their room on the disk with the store; with --writable they are copies.")]
    Get(GetArgs),
    /// List what is in a directory, by its digest
    #[command(
        after_help = "A line for each entry: `d` a directory, `f` a file, `x` an executable file, `l` a symbolic\n\
        link; its digest; its path. With --format json, one object a line."
    )]
    Tree(TreeArgs),
    /// Print those digests of which the content is not there; the exit code is 1 if any is not
    Missing(MissingArgs),
    /// Say what a store has, or whether it has one content; the exit code is 1 if not
    Stat(StatArgs),
    /// Remove what was put in and is no longer wanted, and contents that nothing needs
    #[command(after_help = "Examples:\n  \
        dscript cas gc --unused-days 30     what was neither put in nor got for a month\n  \
        dscript cas gc --max-size 10GB      the latest used stay, as far as they fit\n\n\
        Without an option only contents go that nothing needs. The results of builds stay, with all\n\
        that they need; `dscript cache gc` is for those.")]
    Gc(GcArgs),
    /// Read every content, and remove what is damaged; the exit code is 1 if anything was, or is lacking
    Verify(VerifyArgs),
    /// Serve contents and results of actions to other machines, by the Remote Execution API
    #[command(after_help = "Examples:\n  \
        dscript cas serve --dir /var/cache/dscript                        on loopback, for this machine only\n  \
        dscript cas serve --listen 0.0.0.0:8980 --token-file tokens --dir /var/cache/dscript --max-size 500GB\n\n\
        Prints `listening on grpc://ADDRESS:PORT` when it is ready, and serves until it is interrupted. Whoever can\n\
        be reached from other machines must ask for a token or a certificate. Nothing else may use the folder.")]
    Serve(super::serve::ServeArgs),
}

/// Which store.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct StoreArgs {
    /// The store in this folder [default: the cache of the workspace in the current folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) dir: Option<PathBuf>,
}

/// How a result is written.
#[derive(Args, Clone, Debug)]
pub(super) struct FormatArgs {
    /// How the result is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: SummaryFormat,
}

/// Arguments of `cas put`.
#[derive(Args, Debug)]
pub(super) struct PutArgs {
    /// Files and directories; `-` is standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub(super) paths: Vec<PathBuf>,
    /// Let files share their room on the disk with the store, which makes them read-only
    #[arg(long)]
    pub(super) link: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

/// Arguments of `cas get`.
#[derive(Args, Debug)]
pub(super) struct GetArgs {
    /// What to get, as `hash/size`
    #[arg(value_name = "DIGEST")]
    pub(super) digest: Digest,
    /// Where to put it: nothing may be there, or, for a directory, an empty one; `-` is standard output
    #[arg(value_name = "DEST", value_hint = ValueHint::AnyPath)]
    pub(super) destination: PathBuf,
    /// It is a directory
    #[arg(long, conflicts_with = "file")]
    pub(super) tree: bool,
    /// It is a file
    #[arg(long)]
    pub(super) file: bool,
    /// Make the file executable
    #[arg(long, conflicts_with = "tree")]
    pub(super) executable: bool,
    /// Make copies, which can be written to
    #[arg(long)]
    pub(super) writable: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

/// Arguments of `cas tree`.
#[derive(Args, Debug)]
pub(super) struct TreeArgs {
    /// The directory, as `hash/size`
    #[arg(value_name = "DIGEST")]
    pub(super) digest: Digest,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

/// Arguments of `cas missing`.
#[derive(Args, Debug)]
pub(super) struct MissingArgs {
    /// What to look for, as `hash/size`
    #[arg(value_name = "DIGEST", required = true)]
    pub(super) digests: Vec<Digest>,
    /// They are directories: look for all that is below them too, as the store knows them
    #[arg(long)]
    pub(super) tree: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

/// Arguments of `cas stat`.
#[derive(Args, Debug)]
pub(super) struct StatArgs {
    /// A content, as `hash/size`
    #[arg(value_name = "DIGEST")]
    pub(super) digest: Option<Digest>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

/// Arguments of `cas gc`.
#[derive(Args, Debug)]
pub(super) struct GcArgs {
    /// Keep only what was put in or got within this many days
    #[arg(long, value_name = "DAYS")]
    pub(super) unused_days: Option<u32>,
    /// Keep the latest used that fit into this size, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = crate::cli::cache::parse_size)]
    pub(super) max_size: Option<u64>,
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Arguments of `cas verify`.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) format: FormatArgs,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}
