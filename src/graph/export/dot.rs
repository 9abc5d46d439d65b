//! Graphviz: one cluster a module, a shape for each kind, arrows from what is made to who needs it.

use std::io::{self, Write};

use super::seal_kind;
use crate::graph::{Pip, PipGraph, PipId, PipSet, ServiceKind};

/// Writes the graph for `dot`.
///
/// # Errors
/// When `out` cannot be written to.
pub fn dot(graph: &PipGraph, out: &mut dyn Write) -> io::Result<()> {
    dot_of(graph, &PipSet::all(graph.len()), out)
}

/// Writes some pips of the graph for `dot`, with the edges between them.
///
/// # Errors
/// When `out` cannot be written to.
pub fn dot_of(graph: &PipGraph, pips: &PipSet, out: &mut dyn Write) -> io::Result<()> {
    let order = graph.in_order(pips);
    out.write_all(b"digraph pips {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=10];\n")?;
    let mut clusters = 0;
    let mut open: Option<&str> = None;
    for id in &order {
        let module = &*graph.provenance(*id).module;
        if open != Some(module) {
            if open.is_some() {
                out.write_all(b"  }\n")?;
            }
            writeln!(out, "  subgraph cluster_{clusters} {{\n    label={};", quoted(module))?;
            clusters += 1;
            open = Some(module);
        }
        let (shape, label) = node(graph, *id);
        let provenance = graph.provenance(*id);
        let tip = format!("{} ({}:{})", provenance.value, graph.display(provenance.spec), provenance.line);
        writeln!(
            out,
            "    \"{}\" [shape={shape}, label={}, tooltip={}];",
            graph.stable_id(*id),
            quoted(&label),
            quoted(&tip)
        )?;
    }
    if open.is_some() {
        out.write_all(b"  }\n")?;
    }
    for id in &order {
        let mut dependencies = graph.dependencies(*id).to_vec();
        dependencies.retain(|dependency| pips.contains(*dependency));
        dependencies.sort_unstable_by_key(|dependency| graph.position(*dependency));
        for dependency in dependencies {
            writeln!(out, "  \"{}\" -> \"{}\";", graph.stable_id(dependency), graph.stable_id(*id))?;
        }
    }
    out.write_all(b"}\n")
}

fn node(graph: &PipGraph, id: PipId) -> (&'static str, String) {
    match graph.pip(id) {
        Pip::Process(process) => {
            let tool = super::text::tool_name(graph, process);
            let label = match process.description {
                Some(description) => format!("{tool}\n{}", graph.text(description)),
                None => format!("{tool}\n{}", graph.provenance(id).value),
            };
            let serves = process.rare.as_ref().is_some_and(|rare| rare.service.kind == ServiceKind::Service);
            (if serves { "component" } else { "box" }, label)
        }
        Pip::CopyFile(copy) => ("cds", format!("copy\n{}", graph.display(copy.destination.path))),
        Pip::WriteFile(write) => ("note", format!("write\n{}", graph.display(write.destination.path))),
        Pip::SealDirectory(seal) => ("folder", format!("{}\n{}", seal_kind(seal.kind), graph.display(seal.root))),
        Pip::Ipc(ipc) => ("hexagon", format!("ipc\n{}", graph.text(ipc.moniker))),
    }
}

/// A text as a Graphviz string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
