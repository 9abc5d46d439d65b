//! `dscript cas`: contents and directories by their digests, in a store on this machine or on a server.

pub(super) mod args;
mod gc;
mod get;
mod interrupted;
mod missing;
mod passing;
mod place;
mod progress;
mod put;
mod serve;
mod stat;
mod tree;
mod verify;

use args::{CasArgs, CasCommand};

use super::{Failure, Outcome};

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
