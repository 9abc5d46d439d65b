//! `dscript cas`: contents and directories by their digests, in a store on this machine or on a server.

pub(super) mod args;
mod serve;

use args::{CasArgs, CasCommand};

use super::{Failure, Outcome};

pub(super) fn run(args: CasArgs) -> Result<Outcome, Failure> {
    match args.command {
        CasCommand::Serve(args) => serve::run(args),
    }
}

/// An error of the library in one line.
fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}
