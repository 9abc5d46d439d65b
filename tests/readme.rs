//! What the README shows is what the program prints.

use dscript::graph::export::{TextOptions, text};
use dscript::{Evaluation, Renderer, Workspace};

const README: &str = include_str!("../README.md");

/// The text of the first code block that has this language and stands after a heading.
fn block<'a>(heading: &str, language: &str) -> &'a str {
    let (_, section) = README.split_once(&format!("\n### {heading}\n")).expect("the heading is there");
    let (_, text) = section.split_once(&format!("```{language}\n")).expect("the block is there");
    text.split_once("```").expect("the block ends").0
}

fn evaluate(name: &str, spec: &str) -> (Workspace, Evaluation) {
    let workspace = Workspace::from_memory([(name, spec)]);
    let evaluation = workspace.evaluate(&[]);
    (workspace, evaluation)
}

#[test]
fn the_graph_is_what_is_printed() {
    let (_, evaluation) = evaluate("app.dsc", block("A spec and its graph", "dscript"));
    let graph = evaluation.graph.expect("there is a graph");
    let mut printed = Vec::new();
    text(&graph, TextOptions::default(), &mut printed).expect("memory can be written");
    assert_eq!(String::from_utf8_lossy(&printed), block("A spec and its graph", "text"));
}

#[test]
fn the_diagnostic_is_what_is_printed() {
    let (workspace, evaluation) = evaluate("copies.dsc", block("A mistake", "dscript-fragment"));
    let found = &evaluation.diagnostics;
    let renderer = Renderer { base: workspace.folder(), ..Renderer::default() };
    let mut printed = Vec::new();
    renderer.render(found, workspace.files(), &mut printed).expect("memory can be written");
    renderer.summary(found, Default::default(), &mut printed).expect("memory can be written");
    assert_eq!(String::from_utf8_lossy(&printed), block("A mistake", "text"));
}
