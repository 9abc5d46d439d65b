//! Filters over the graphs of whole workspaces.
//!
//! `tests/cases/filter/NAME.dsc` is a workspace (see `support::workspace`), `NAME.filters` has filters for it, one a
//! line; a line that starts with `words` has words instead of an expression, and `#` begins a remark. What each selects
//! stands in `NAME.expected`: the canonical text where it is another one, the pips, after `needs` what is built for
//! them besides, and notes and errors. `UPDATE=1 cargo test --test filter` writes the snapshots anew.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use dscript::graph::export::seal_kind;
use dscript::graph::{FileArtifact, FilterError, Pip, PipFilter, PipGraph, PipId, PipSet};
use dscript::{OpenOptions, Workspace};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let folder = support::project().join("tests/cases/filter");
    let trials = support::files_below(&folder, ".dsc")
        .into_iter()
        .map(|path| Trial::test(support::name_of(&path), move || case(&path)))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn case(path: &Path) -> Result<(), Failed> {
    let folder = support::workspace(&std::fs::read_to_string(path)?)?;
    let target = folder.path().join(support::target(folder.path()));
    let evaluation = Workspace::open(&target, OpenOptions::default())?.evaluate(&[]);
    if !evaluation.diagnostics.is_empty() {
        return Err(format!("the workspace is not well: {:#?}", evaluation.diagnostics).into());
    }
    let graph = evaluation.graph.ok_or("there is no graph")?;
    let filters = std::fs::read_to_string(path.with_extension("filters"))?;
    let root = graph.paths().display(graph.workspace_root());
    let mut shown = String::new();
    for line in filters.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            writeln!(shown, "{line}\n")?;
            continue;
        }
        // Filters with absolute paths.
        let text = line.replace("ROOT", &root);
        let found = match text.strip_prefix("words ") {
            Some(words) => PipFilter::from_words(&words.split(' ').collect::<Vec<_>>()),
            None => PipFilter::parse(&text),
        };
        let mut told = format!("=== {line}\n");
        match found.and_then(|filter| one(&graph, &filter, &text, &mut told)) {
            Ok(()) => {}
            Err(error) => write!(told, "error: {error}\n{}\n", error.excerpt())?,
        }
        writeln!(shown, "{}", told.replace(&root, "ROOT"))?;
    }
    support::compare(&path.with_extension("expected"), &shown)
}

fn one(graph: &PipGraph, filter: &PipFilter, text: &str, told: &mut String) -> Result<(), FilterError> {
    let canonical = filter.canonical();
    if canonical != text {
        told.push_str(&format!("canonical {canonical}\n"));
    }
    let selection = graph.select(filter)?;
    let again = graph.select(&PipFilter::parse(&canonical)?)?;
    assert_eq!(again.pips(), selection.pips(), "the canonical text of `{text}` selects something else");
    for pip in graph.in_order(selection.pips()) {
        told.push_str(&format!("  {}\n", name(graph, pip)));
    }
    let closure = selection.closure(graph);
    let mut needs = PipSet::none(graph.len());
    closure.iter().filter(|pip| !selection.pips().contains(*pip)).for_each(|pip| {
        needs.insert(pip);
    });
    for pip in graph.in_order(&needs) {
        told.push_str(&format!("  needs {}\n", name(graph, pip)));
    }
    for note in selection.notes() {
        told.push_str(&format!("note: {note}\n      at `{}`\n", &filter.text()[note.span.clone()]));
    }
    Ok(())
}

/// A pip by its value and what it makes.
fn name(graph: &PipGraph, pip: PipId) -> String {
    let files: Vec<String> = graph
        .pip(pip)
        .output_files()
        .map(|FileArtifact { path, rewrite }| match rewrite {
            1 => graph.display(path),
            version => format!("{}@{version}", graph.display(path)),
        })
        .collect();
    let what = match graph.pip(pip) {
        Pip::SealDirectory(seal) => format!("{} {}", seal_kind(seal.kind), graph.display(seal.root)),
        other => format!("{} {}", other.kind_name(), files.join(" ")),
    };
    format!("{}: {}", graph.provenance(pip).value, what.trim())
}
