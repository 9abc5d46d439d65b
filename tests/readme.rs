//! What the README shows is what the program prints. `UPDATE=1 cargo test --test readme` writes it anew.

#![expect(clippy::disallowed_methods, reason = "the test writes the README when it is asked to")]

use std::ops::Range;

use dscript::graph::export::{TextOptions, text};
use dscript::{Renderer, Workspace};

/// Where the text of the first code block lies that has this language and stands below a heading.
fn block(page: &str, heading: &str, language: &str) -> Range<usize> {
    let after = |from: usize, what: &str| {
        from + page[from..].find(what).unwrap_or_else(|| panic!("`{what}` is there")) + what.len()
    };
    let section = after(0, &format!("\n### {heading}\n"));
    let start = after(section, &format!("```{language}\n"));
    start..after(start, "```") - "```".len()
}

/// What `dscript graph` prints about a single spec: the graph, or diagnostics.
fn printed(name: &str, spec: &str) -> String {
    let workspace = Workspace::from_memory([(name, spec)]);
    let evaluation = workspace.evaluate(&[]);
    let mut out = Vec::new();
    match &evaluation.graph {
        Some(graph) if !evaluation.has_errors() => text(graph, TextOptions::default(), &mut out),
        _ => {
            let (found, renderer) = (&evaluation.diagnostics, Renderer::default());
            let renderer = Renderer { base: workspace.folder(), ..renderer };
            let rendered = renderer.render(found, workspace.files(), &mut out);
            rendered.and_then(|()| renderer.summary(found, Default::default(), &mut out))
        }
    }
    .expect("memory can be written");
    String::from_utf8(out).expect("what is printed is UTF-8")
}

#[test]
fn outputs_are_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let page = std::fs::read_to_string(path).expect("the README can be read");
    let mut updated = page.clone();
    for (heading, language, name) in
        [("A spec and its graph", "dscript", "app.dsc"), ("A mistake", "dscript-fragment", "copies.dsc")]
    {
        let text = printed(name, &updated[block(&updated, heading, language)]);
        let shown = block(&updated, heading, "text");
        updated.replace_range(shown, &text);
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, updated).expect("the README can be written");
    } else {
        assert_eq!(page, updated);
    }
}
