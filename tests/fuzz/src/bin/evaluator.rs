//! Small programs evaluate without a panic, and to the same graph and messages with one thread as with three.

use std::num::NonZeroUsize;

use dscript::diagnostics::render::{Format, Renderer};
use dscript::graph::export;
use dscript::workspace::{OpenOptions, Workspace};
use dscript_fuzz::programs::Names;

/// Loops end early: what is looked for is a panic, not patience.
const CONFIG: &str = "config({frontEnd: {maxLoopIterations: 200}});";

fn main() {
    let names = Names::new();
    let make = |seeds: &[String], random: &mut dscript_fuzz::Random| {
        if random.below(4) == 0 { dscript_fuzz::mutate(seeds, random) } else { names.program(random) }
    };
    dscript_fuzz::run_on("evaluator", make, |text| {
        let one = outcome(text, 1)?;
        let three = outcome(text, 3)?;
        if one == three { Ok(()) } else { Err(format!("one thread and three differ\n{one}\n----\n{three}")) }
    });
}

/// The graph as JSON, the messages as people see them.
fn outcome(text: &str, threads: usize) -> Result<String, String> {
    let options = OpenOptions { threads: NonZeroUsize::new(threads), ..OpenOptions::default() };
    let files = [("config.dsc", CONFIG), ("main.dsc", text)];
    let workspace = Workspace::from_memory_with(files, options);
    let evaluation = workspace.evaluate(&[]);
    let mut out = Vec::new();
    let renderer = Renderer { format: Format::Json, ..Renderer::default() };
    let failed = |error: std::io::Error| error.to_string();
    renderer.render(&evaluation.diagnostics, workspace.files(), &mut out).map_err(failed)?;
    if let Some(graph) = &evaluation.graph {
        export::json(graph, &mut out).map_err(failed)?;
    }
    String::from_utf8(out).map_err(|error| error.to_string())
}
