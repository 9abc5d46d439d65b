//! The `dscript` command: see [`dscript::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dscript::cli::main()
}
