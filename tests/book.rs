//! What users copy works: every spec in the book evaluates, and every example gives the same graph however it is
//! evaluated.

#![expect(clippy::disallowed_methods, reason = "tests read the tree as it is")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use dscript::diagnostics::Diagnostic;
use dscript::graph::export::json;
use dscript::workspace::{OpenOptions, Workspace};

/// The examples with the number of pips that each makes under its default qualifier.
const EXAMPLES: &[(&str, usize)] =
    &[("hello", 2), ("shared-opaque", 19), ("c-program", 7), ("codegen", 6), ("monorepo", 11)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn messages(workspace: &Workspace, diagnostics: &[Diagnostic]) -> String {
    let place = |found: &Diagnostic| {
        found.primary().map_or_else(String::new, |label| {
            let file = workspace.files().get(label.location.file);
            let at = file.line_column(label.location.span.start);
            format!("{}:{}:{}: ", file.path().display(), at.line, at.column)
        })
    };
    diagnostics.iter().map(|found| format!("{}{} {}\n", place(found), found.code, found.message)).collect()
}

/// The blocks of a page that start with a fence of exactly this language, with the line of each.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<(usize, &'a str)> {
    let fence = format!("```{language}\n");
    let mut found = Vec::new();
    for (start, _) in page.match_indices(&fence) {
        let text = &page[start + fence.len()..];
        let end = text.find("\n```").map_or(text.len(), |end| end + 1);
        found.push((page[..start].matches('\n').count() + 1, &text[..end]));
    }
    found
}

#[test]
fn specs_in_the_book_evaluate() {
    let mut count = 0;
    let mut wrong = String::new();
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .expect("docs can be read")
        .map(|entry| entry.expect("the entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(root().join("README.md"));
    pages.sort();
    for path in pages {
        let Ok(page) = std::fs::read_to_string(&path) else { continue };
        for (line, block) in blocks(&page, "dscript") {
            count += 1;
            let workspace = Workspace::from_memory([("block.dsc", block)]);
            let evaluation = workspace.evaluate(&[]);
            if !evaluation.diagnostics.is_empty() {
                let said = messages(&workspace, &evaluation.diagnostics);
                wrong += &format!("{}:{line}:\n{said}\n", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 15, "only {count} blocks were found");
}

fn graph_of(folder: &Path, threads: usize) -> (usize, String) {
    let options = OpenOptions { threads: NonZeroUsize::new(threads), ..OpenOptions::default() };
    let workspace = Workspace::open(folder, options).expect("the example can be opened");
    let evaluation = workspace.evaluate(&[]);
    let said = messages(&workspace, &evaluation.diagnostics);
    assert!(said.is_empty(), "{}:\n{said}", folder.display());
    let graph = evaluation.graph.expect("without diagnostics there is a graph");
    let mut text = Vec::new();
    json(&graph, &mut text).expect("memory can be written");
    (graph.len(), String::from_utf8(text).expect("JSON is UTF-8"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be made");
    for entry in std::fs::read_dir(from).expect("the example can be read") {
        let path = entry.expect("the entry can be read").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("the file can be copied");
        }
    }
}

#[test]
fn examples_give_the_same_graph_however_they_are_evaluated() {
    let elsewhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples elsewhere");
    if elsewhere.exists() {
        // What an earlier run left may be files that the examples no longer have.
        std::fs::remove_dir_all(&elsewhere).expect("the old copies can be removed");
    }
    for (example, pips) in EXAMPLES {
        let folder = root().join("examples").join(example);
        let (count, once) = graph_of(&folder, 1);
        assert_eq!(count, *pips, "pips of {example}");
        let (_, again) = graph_of(&folder, 8);
        assert!(once == again, "{example} depends on the number of threads");
        let copied = elsewhere.join(example);
        copy(&folder, &copied);
        let (_, there) = graph_of(&copied, 2);
        assert!(once == there, "{example} depends on where it lies");
    }
}

#[test]
fn every_module_of_the_box_is_in_the_book() {
    let page = std::fs::read_to_string(root().join("docs/modules.md")).expect("the page can be read");
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(root().join("stdlib")).expect("stdlib can be read") {
        let name = entry.expect("the entry can be read").file_name().to_string_lossy().into_owned();
        if name.starts_with("Sdk.") && !page.contains(&format!("\n| `{name}` | ")) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "not in docs/modules.md: {missing:?}");
}
