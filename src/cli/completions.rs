//! `dscript completions`: scripts that teach shells the commands and options.

use super::args::{self, CompletionsArgs};
use super::output::Output;
use super::{Failure, Outcome};

pub(super) fn run(args: CompletionsArgs) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "dscript", &mut script);
    Output::standard().write_all(&script)?;
    Ok(Outcome::Fine)
}
