//! The command line: arguments in, exit codes out. No rule of the language or the graph lives here.
//!
//! Exit codes: 0 all is well, 1 diagnostics with an error, 2 wrong usage or a machine that does not play along,
//! 101 a bug of dscript. Standard output carries only the result that was asked for.

#[cfg(target_os = "linux")]
mod build;
#[cfg(target_os = "linux")]
mod cache;
#[cfg(target_os = "linux")]
mod cas;
mod check;
mod command_line;
mod completions;
mod eval;
mod explain;
mod failure;
mod figures;
mod graph;
#[cfg(target_os = "linux")]
mod interrupt;
mod library;
mod options;
mod output;
mod parse;
mod prompt;
mod report;
mod test;

use std::ffi::OsString;
use std::panic;
use std::process::ExitCode;

use command_line::{Command, Parsed};
pub use failure::Failure;
use output::Output;

/// How a command ended when nothing went wrong with the machine or the usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No diagnostic is an error.
    Fine,
    /// Some diagnostic is an error.
    Errors,
}

const WRONG_USAGE: u8 = 2;
const BUG: u8 = 101;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // A build starts this program again for each of its workers.
    #[cfg(all(feature = "build", target_os = "linux"))]
    crate::engine::sandbox::serve_if_asked();
    panic::set_hook(Box::new(failure::report_bug));
    // A panic has been reported by the hook when it arrives here, from whichever thread it came.
    let code = panic::catch_unwind(|| run(std::env::args_os())).unwrap_or(BUG);
    ExitCode::from(code)
}

/// Runs a command line, program name first, on the standard streams. Returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let ended = match command_line::parse(args) {
        Ok(Parsed::Command(command)) => dispatch(*command),
        Ok(Parsed::Text(text)) => Output::standard().write_all(text.as_bytes()).map(|()| Outcome::Fine),
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(Outcome::Fine) => 0,
        Ok(Outcome::Errors) => 1,
        // Whoever reads our output has seen enough: `dscript graph | head`.
        Err(Failure::ClosedPipe) => 0,
        Err(failure) => {
            failure.print();
            WRONG_USAGE
        }
    }
}

fn dispatch(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Graph(args) => graph::run(args),
        #[cfg(target_os = "linux")]
        Command::Build(args) => build::run(*args),
        #[cfg(target_os = "linux")]
        Command::Cache(args) => cache::run(args),
        #[cfg(target_os = "linux")]
        Command::Cas(args) => cas::run(args),
        Command::Check(args) => check::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Parse(args) => parse::run(args),
        Command::Test(args) => test::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Completions(args) => completions::run(args, command_line::command()),
    }
}
