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
    let mut trials: Vec<Trial> = support::files_below(&folder, ".fixture")
        .into_iter()
        .map(|path| Trial::test(support::name_of(&path), move || case(&path)))
        .collect();
    trials.push(Trial::test("the tests in docs/unit-tests.md pass", the_page));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The specs of the page for users, with the golden file that it shows.
fn the_page() -> Result<(), Failed> {
    let page = std::fs::read_to_string(support::project().join("docs/unit-tests.md"))?;
    let folder = tempfile::tempdir()?;
    let mut specs = 0;
    for (number, block) in page.split("\n```").enumerate() {
        if let Some(spec) = block.strip_prefix("dscript\n") {
            specs += 1;
            std::fs::write(folder.path().join(format!("spec{number}.dsc")), spec)?;
            if spec.contains("function copies()") {
                let golden = page.split("```text\n").find(|block| block.starts_with("Transformer.copyFile"));
                let golden = golden.and_then(|block| block.split("```").next()).ok_or("there is no golden file")?;
                std::fs::create_dir(folder.path().join(format!("spec{number}")))?;
                std::fs::write(folder.path().join(format!("spec{number}/copies.lkg")), golden)?;
            }
        }
    }
    let ran = support::run(folder.path(), &["test"])?.fine()?;
    if specs >= 4 && ran.stdout.contains("test result: ok.") { Ok(()) } else { Err(ran.stdout.into()) }
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
