//! `dscript test` as its users meet it.
//!
//! Each `.fixture` under `tests/cases/testing` says in its first lines what it is about and, after `run:`, the command
//! lines to run one after the other; the files of the workspace follow, each after a line `//// path`. The `.expected`
//! beside it holds what each run printed, and the golden files that were there in the end.
//! `UPDATE=1 cargo test --test testing` writes it anew.

#![allow(clippy::disallowed_methods, reason = "tests read and write their own cases")]

mod support;

use std::fmt::Write;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let folder = support::project().join("tests/cases/testing");
    let trials = support::files_below(&folder, ".fixture")
        .into_iter()
        .map(|path| Trial::test(support::name_of(&path), move || case(&path)))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn case(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let files = text.find("//// ").ok_or("there are no files")?;
    let runs: Vec<&str> = text[..files].lines().filter_map(|line| line.strip_prefix("run: ")).collect();
    if runs.is_empty() {
        return Err("there is no line `run: dscript …`".into());
    }
    let folder = support::workspace(&text[files..])?;
    let folder = folder.path().canonicalize()?;
    let mut actual = String::new();
    for run in runs {
        let words: Vec<&str> = run.split(' ').collect();
        let ["dscript", args @ ..] = words.as_slice() else {
            return Err(format!("`{run}` does not run dscript").into());
        };
        let ran = support::run(&folder, args)?;
        let _ = write!(actual, "=== {run}\n{}", ran.stdout);
        if !ran.stderr.is_empty() {
            let _ = write!(actual, "=== stderr\n{}", ran.stderr);
        }
        let _ = writeln!(actual, "=== exit {}", ran.code);
    }
    for golden in support::files_below(&folder, ".lkg") {
        let name = golden.strip_prefix(&folder)?.display();
        let _ = write!(actual, "=== file {name}\n{}", std::fs::read_to_string(&golden)?);
    }
    support::compare(&path.with_extension("expected"), &actual)
}
