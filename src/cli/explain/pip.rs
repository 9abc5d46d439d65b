//! `dscript explain PIP`: why a pip would run in a build, or would not.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::ExplainArgs;
use crate::cli::build::options;
use crate::cli::build::words::title;
use crate::cli::output::Output;
use crate::cli::report::Reporter;
use crate::cli::{Failure, Outcome, library};
use crate::diagnostics::Code;
use crate::diagnostics::render::shown_line;
use crate::engine::{self, Explanation};
use crate::graph::{Pip, PipGraph, PipId};

/// How many pips of one value are explained.
const MOST: usize = 20;

/// Explains the pips that somebody names.
pub(super) fn run(name: &str, args: &ExplainArgs) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(&args.messages)?;
    let qualifiers = library::qualifiers(&args.qualifiers.qualifiers)?;
    let path = fs::canonicalize(&args.workspace).map_err(|error| Failure::file("read", &args.workspace, error))?;
    // A slip in a code, where there are no pips.
    if path.is_dir() && !path.join("config.dsc").is_file() {
        let no_code = name.parse::<Code>().err().unwrap_or_default();
        let place = shown_line(&args.workspace.to_string_lossy());
        return Err(Failure::Usage(format!("{no_code}, and in `{place}` is no workspace with a pip of this name")));
    }
    let workspace = library::open(&path, &args.options, reporter.levels(), false)?;
    let evaluation = workspace.evaluate(&qualifiers);
    let outcome = reporter.report(evaluation.diagnostics, workspace.files());
    let (Some(graph), Outcome::Fine) = (&evaluation.graph, outcome) else { return Ok(Outcome::Errors) };
    let pips = find(graph, name, std::env::current_dir().ok().as_deref());
    if pips.is_empty() {
        return Err(Failure::Usage(format!(
            "`{}` is neither a diagnostic code nor a pip: no pip has this id, makes this path, or comes from a value of \
             this name; `dscript graph` lists all pips",
            shown_line(name)
        )));
    }
    let environment = library::environment(&args.options);
    let options = options(&workspace, &environment, args.cache_dir.as_deref());
    let mut text = String::new();
    for (index, pip) in pips.iter().take(MOST).enumerate() {
        let found = engine::why(graph, &options, *pip).map_err(|error| Failure::Usage(error.to_string()))?;
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&shown(graph, *pip, &found));
    }
    if pips.len() > MOST {
        text.push_str(&format!("\nand {} more pips of this name\n", pips.len() - MOST));
    }
    Output::standard().write_all(text.as_bytes())?;
    Ok(Outcome::Fine)
}

/// The pips that a name means: one by its id, else by a path that it makes or whose folder it fills, else by its
/// description, else those of a value.
fn find(graph: &PipGraph, name: &str, folder: Option<&Path>) -> Vec<PipId> {
    let all = || graph.order().iter().copied();
    let by_id: Vec<PipId> = all().filter(|pip| graph.stable_id(*pip).to_string() == name).collect();
    if !by_id.is_empty() {
        return by_id;
    }
    // A path is relative to the current folder, as shells complete it, or to the workspace, as graphs show it.
    let given =
        folder.map(|folder| folder.join(name)).and_then(|path| graph.paths().parse_absolute(path.to_str()?).ok());
    let path = name.trim_end_matches('/');
    let is_path = |made| given == Some(made) || graph.display(made) == path;
    let by_path: Vec<PipId> = all()
        .filter(|pip| {
            let directories = match graph.pip(*pip) {
                Pip::Process(process) => &process.output_directories[..],
                _ => &[],
            };
            graph.pip(*pip).output_files().any(|file| is_path(file.path))
                || directories.iter().any(|one| is_path(one.path))
        })
        .collect();
    if !by_path.is_empty() {
        return by_path;
    }
    // What lies in an output directory is known when its producers have run; each of them may have made it.
    let directory_of = |pip: &PipId| match graph.pip(*pip) {
        Pip::Process(process) => {
            let paths = graph.paths();
            let given = given.or_else(|| paths.walk(graph.workspace_root(), path).ok());
            let inside = |root| given.is_some_and(|given| given != root && paths.is_within(given, root));
            process.output_directories.iter().any(|one| inside(one.path))
        }
        _ => false,
    };
    let by_directory: Vec<PipId> = if name.contains('/') { all().filter(directory_of).collect() } else { Vec::new() };
    if !by_directory.is_empty() {
        return by_directory;
    }
    let is_called = |pip: &PipId| graph.pip(*pip).description().is_some_and(|text| graph.text(text) == name);
    let by_description: Vec<PipId> = all().filter(is_called).collect();
    if !by_description.is_empty() {
        return by_description;
    }
    let is_sealed = |pip: &PipId| matches!(graph.pip(*pip), Pip::SealDirectory(_));
    let (seals, others): (Vec<PipId>, Vec<PipId>) =
        all().filter(|pip| &*graph.provenance(*pip).value == name).partition(is_sealed);
    if others.is_empty() { seals } else { others }
}

/// What people are told.
fn shown(graph: &PipGraph, pip: PipId, found: &Explanation) -> String {
    let provenance = graph.provenance(pip);
    let kind = graph.pip(pip).kind_name();
    let spec = graph.display(provenance.spec);
    let mut text = format!(
        "{}\n   {kind} {}, value `{}`, {}:{}\n",
        title(graph, pip),
        graph.stable_id(pip),
        provenance.value,
        spec,
        provenance.line
    );
    // Writing to a string cannot fail.
    let _ = match found {
        Explanation::UpToDate => writeln!(text, "is up to date"),
        Explanation::Cached => writeln!(text, "would be taken from the cache; its outputs are not in place"),
        Explanation::Runs(reason) => writeln!(text, "would run, because:\n{}", reasons(reason)),
        Explanation::Fails(reason) => writeln!(text, "would fail: {}", shown_line(reason)),
        Explanation::Depends(first) => {
            let _ = writeln!(text, "depends on what would run first:");
            first.iter().take(MOST).try_for_each(|(pip, reason)| {
                writeln!(text, "   {} ({})\n{}", title(graph, *pip), graph.stable_id(*pip), indent(&reasons(reason)))
            })
        }
    };
    if let Explanation::Depends(first) = found
        && first.len() > MOST
    {
        let _ = writeln!(text, "   and {} more", first.len() - MOST);
    }
    text
}

/// Reasons come with semicolons between them.
fn reasons(text: &str) -> String {
    text.split("; ")
        .map(|reason| format!("   {}", shown_line(&reason.replace('\n', " "))))
        .collect::<Vec<_>>()
        .join("\n")
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("   {line}")).collect::<Vec<_>>().join("\n")
}
