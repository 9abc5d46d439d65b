//! The examples and the documentation hold what they promise: every example gives a graph in every format, and every
//! block of DScript in the documentation is a spec that evaluates. Nothing may be said on standard error.
//!
//! A block that is not a whole spec can be told by its first line: ```` ```dscript,ignore ````.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for example in support::examples() {
        for format in ["text", "json", "dot"] {
            let path = example.clone();
            trials.push(Trial::test(format!("{} as {format}", support::name_of(&path)), move || graph(&path, format)));
        }
    }
    trials.push(Trial::test("there are examples", || {
        let examples = support::examples();
        if examples.len() >= 5 { Ok(()) } else { Err(format!("only {examples:?}").into()) }
    }));
    trials.push(Trial::test("zlib without and with its sources", fetched));
    for page in support::files_below(&support::project().join("docs"), ".md") {
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        for (line, spec) in blocks(&text) {
            trials.push(Trial::test(format!("{}:{line}", support::name_of(&page)), move || block(&spec)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn graph(example: &Path, format: &str) -> Result<(), Failed> {
    let output = support::program(example).args(["graph", "--format", format]).output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    if !output.status.success() || !stderr.is_empty() {
        return Err(format!("exit code {:?}:\n{stderr}", output.status.code()).into());
    }
    match format {
        "text" if stdout.starts_with("module ") => Ok(()),
        "dot" if stdout.starts_with("digraph ") && stdout.trim_end().ends_with('}') => Ok(()),
        "json" => {
            let graph: serde_json::Value = serde_json::from_str(&stdout)?;
            let pips = graph["pips"].as_array().map_or(0, Vec::len);
            if graph["version"] == 1 && pips > 1 { Ok(()) } else { Err(format!("{pips} pips").into()) }
        }
        _ => Err(format!("this is not a graph as {format}:\n{stdout}").into()),
    }
}

/// An example whose sources are fetched says what to do when they are not there, and is a graph as soon as files with
/// their names are.
fn fetched() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for entry in std::fs::read_dir(support::project().join("examples/zlib"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
        }
    }
    let ran = support::run(folder.path(), &["graph"])?;
    if ran.code != 1 || !ran.stderr.contains("fetch.sh` first") {
        return Err(format!("exit code {}:\n{}", ran.code, ran.stderr).into());
    }
    std::fs::create_dir(folder.path().join("source"))?;
    for name in ["zlib.h", "adler32.c", "crc32.c"] {
        std::fs::write(folder.path().join("source").join(name), "")?;
    }
    graph(folder.path(), "json")
}

/// The blocks of DScript in a page, with the lines where they begin.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.trim_end()) {
            (None, "```dscript") => open = Some((index + 1, String::new())),
            (None, _) => {}
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    found.extend(open);
    found
}

fn block(spec: &str) -> Result<(), Failed> {
    let workspace = support::workspace(spec)?;
    let folder = workspace.path();
    support::run(folder, &["graph", support::target(folder)])?.fine()?;
    Ok(())
}
