//! `dscript completions`: scripts that teach shells the commands and options.

use clap::Args;

use super::output::Output;
use super::{Failure, Outcome};

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

/// Prints the script for a command line as clap knows it.
pub(super) fn run(args: CompletionsArgs, mut command: clap::Command) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "dscript", &mut script);
    Output::standard().write_all(&script)?;
    Ok(Outcome::Fine)
}
