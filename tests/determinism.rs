//! The graph of a workspace is the same, byte for byte, with one thread and with many, in every run, and wherever the
//! workspace lies: the examples, and workspaces under `tests/cases/determinism` that do what is easily done wrong.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let configs = support::files_below(&support::project().join("tests/cases/determinism"), "config.dsc");
    let cases = configs.iter().filter(|path| path.ends_with("config.dsc")).filter_map(|path| path.parent());
    let folders = support::examples().into_iter().chain(cases.map(Path::to_owned));
    let trials: Vec<Trial> =
        folders.map(|example| Trial::test(support::name_of(&example), move || same_everywhere(&example))).collect();
    assert!(trials.len() >= 5, "the examples are there");
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn same_everywhere(example: &Path) -> Result<(), Failed> {
    let first = graph(example, "1")?;
    for (threads, run) in [("1", 2), ("8", 1), ("8", 2), ("8", 3)] {
        same(&first, &graph(example, threads)?, &format!("run {run} with {threads} threads"))?;
    }
    let elsewhere = tempfile::tempdir()?;
    // Another depth, other names, and a character that needs escapes in some formats.
    let copy = elsewhere.path().join("some where/quite \"else\"/deeper").join(support::name_of(example));
    support::copy_folder(example, &copy)?;
    same(&first, &graph(&copy, "1")?, "a copy with 1 thread")?;
    same(&first, &graph(&copy, "8")?, "a copy with 8 threads")
}

fn graph(folder: &Path, threads: &str) -> Result<String, Failed> {
    let output = support::program(folder).args(["graph", "--format", "json", "--threads", threads]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn same(first: &str, other: &str, what: &str) -> Result<(), Failed> {
    if first == other {
        return Ok(());
    }
    let difference = similar::TextDiff::from_lines(first, other);
    Err(format!("{what} gives another graph:\n{}", difference.unified_diff().header("first", "other")).into())
}
