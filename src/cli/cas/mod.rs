//! `dscript cas`: contents and directories by their digests, in a store on this machine or on a server.

mod gc;
mod get;
mod missing;
mod passing;
mod place;
mod progress;
mod put;
mod serve;
mod stat;
mod tree;
mod verify;

use clap::{Args, Subcommand};

use super::{Failure, Outcome};

/// Arguments of `cas`.
#[derive(Args, Debug)]
pub(super) struct CasArgs {
    #[command(subcommand)]
    command: CasCommand,
}

/// What is done with a store.
#[derive(Debug, Subcommand)]
enum CasCommand {
    /// Add files and directories, and print their digests
    #[command(after_help = "Examples:\n  \
        dscript cas put out/app                              hash/size of a file, on standard output\n  \
        dscript cas put out                                  that of a directory, with all that is in it\n  \
        dscript cas put --remote grpc://cache:8980 out       also send what the server does not have\n  \
        generate | dscript cas put -                         standard input\n\n\
        What was put in is kept by `cas gc` and `cache gc`, whatever builds need. Without --dir, the\n\
        store is the cache of the workspace in this folder; with --remote none needs to be there.")]
    Put(put::PutArgs),
    /// Put a file or a directory on the disk
    #[command(after_help = "Examples:\n  \
        dscript cas get DIGEST out                           where nothing is yet\n  \
        dscript cas get --remote grpc://cache:8980 DIGEST out\n  \
        dscript cas get --file DIGEST -                      on standard output\n\n\
        Without --tree or --file, a digest is a directory if it was put in as one, or if what it stands\n\
        for is the message of a directory. Scripts that know should say. Files are read-only, for they\n\
        share their room on the disk with the store; with --writable they are copies.")]
    Get(get::GetArgs),
    /// List what is in a directory, by its digest
    #[command(
        after_help = "A line for each entry: `d` a directory, `f` a file, `x` an executable file, `l` a symbolic\n\
        link; its digest; its path. With --format json, one object a line."
    )]
    Tree(tree::TreeArgs),
    /// Print those digests of which the content is not there; the exit code is 1 if any is not
    Missing(missing::MissingArgs),
    /// Say what a store has, or whether it has one content; the exit code is 1 if not
    Stat(stat::StatArgs),
    /// Remove what was put in and is no longer wanted, and contents that nothing needs
    #[command(after_help = "Examples:\n  \
        dscript cas gc --unused-days 30     what was neither put in nor got for a month\n  \
        dscript cas gc --max-size 10GB      the latest used stay, as far as they fit\n\n\
        Without an option only contents go that nothing needs. The results of builds stay, with all\n\
        that they need; `dscript cache gc` is for those.")]
    Gc(gc::GcArgs),
    /// Read every content, and remove what is damaged; the exit code is 1 if anything was, or is lacking
    Verify(verify::VerifyArgs),
    /// Serve contents and results of actions to other machines, by the Remote Execution API
    #[command(after_help = "Examples:\n  \
        dscript cas serve --dir /var/cache/dscript                        on loopback, for this machine only\n  \
        dscript cas serve --listen 0.0.0.0:8980 --token-file tokens --dir /var/cache/dscript --max-size 500GB\n\n\
        Prints `listening on grpc://ADDRESS:PORT` when it is ready, and serves until it is interrupted. Whoever can\n\
        be reached from other machines must ask for a token or a certificate. Nothing else may use the folder.")]
    Serve(serve::ServeArgs),
}

pub(super) fn run(args: CasArgs) -> Result<Outcome, Failure> {
    match args.command {
        CasCommand::Put(args) => put::run(&args),
        CasCommand::Get(args) => get::run(&args),
        CasCommand::Tree(args) => tree::run(&args),
        CasCommand::Missing(args) => missing::run(&args),
        CasCommand::Stat(args) => stat::run(&args),
        CasCommand::Gc(args) => gc::run(&args),
        CasCommand::Verify(args) => verify::run(&args),
        CasCommand::Serve(args) => serve::run(args),
    }
}

/// An error of the library in one line.
fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
