//! The one place where the commands touch the library: a change of its face is a change here.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::Value;

use super::Failure;
use super::options::{EvaluationArgs, HostSystem};
use crate::diagnostics::{Code, Diagnostic, Levels, Severity, catalogue};
use crate::graph::export::{self, TextOptions};
use crate::graph::{FilterError, PipFilter, PipGraph, PipSet, Selection};
use crate::source::FileId;
use crate::source::system::{DiskFileSystem, FileSystem, ProcessEnvironment};
use crate::syntax;
use crate::syntax::ast::Ast;
use crate::workspace::{OpenOptions, QualifierRequest, Workspace};

/// Parses one file.
pub(super) fn parse(file: FileId, text: &Arc<str>) -> (Ast, Vec<Diagnostic>) {
    syntax::parse(file, text.clone())
}

/// A syntax tree as JSON.
pub(super) fn tree(ast: &Ast) -> Value {
    syntax::to_json(ast)
}

/// Threads for parallel phases; none given means one for each processor.
pub(super) fn thread_pool(threads: Option<NonZeroUsize>) -> Result<rayon::ThreadPool, Failure> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, NonZeroUsize::get))
        .build()
        .map_err(|error| Failure::Usage(format!("cannot start threads: {error}")))
}

/// How grave a condition is when nothing is set; none for a code that does not exist.
pub(super) fn severity_of(code: Code) -> Option<Severity> {
    catalogue::explain(code).map(|page| page.severity)
}

/// What to say about a code that does not exist.
pub(super) fn unknown_code(code: Code) -> String {
    match near_code(code) {
        Some(near) => format!("there is no code {code}; did you mean {near}?"),
        None => format!("there is no code {code}; `dscript explain` lists all codes"),
    }
}

/// The same number with the other letters, else a number that is one slip away, else none: numbers that merely look
/// alike have nothing to do with each other.
fn near_code(code: Code) -> Option<Code> {
    let (number, twin) = match code {
        Code::Dx(number) => (number, Code::Ds(number)),
        Code::Ds(number) => (number, Code::Dx(number)),
    };
    if catalogue::explain(twin).is_some() {
        return Some(twin);
    }
    let one_slip = |known: &Code| match (code, *known) {
        (Code::Dx(_), Code::Dx(other)) | (Code::Ds(_), Code::Ds(other)) => {
            strsim::osa_distance(&number.to_string(), &other.to_string()) == 1
        }
        _ => false,
    };
    let distance = |known: &Code| match *known {
        Code::Dx(other) | Code::Ds(other) => other.abs_diff(number),
    };
    catalogue::all().iter().map(|page| page.code).filter(one_slip).min_by_key(distance)
}

/// Reads the values of `-q`. What the names and keys mean depends on the configuration.
pub(super) fn qualifiers(given: &[String]) -> Result<Vec<QualifierRequest>, Failure> {
    given.iter().map(|text| qualifier(text)).collect()
}

fn qualifier(text: &str) -> Result<QualifierRequest, Failure> {
    let is_pair = |part: &str| part.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty());
    let mut parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let fits = match text.contains(['=', ';']) {
        true => parts.clone().count() > 0 && parts.all(is_pair),
        false => parts.next().is_some(),
    };
    if !fits {
        return Err(Failure::Usage(format!(
            "`{text}` is no qualifier: write a name from config.dsc, or `key=value;key=value` (in quotes)"
        )));
    }
    Ok(QualifierRequest::from(text))
}

/// Opens the workspace at a path. Fails only when there is nothing that can be read.
///
/// Where `allow_missing_config` says so, a folder without `config.dsc` is opened too: expressions need no workspace.
pub(super) fn open(
    path: &Path,
    options: &EvaluationArgs,
    levels: &Levels,
    allow_missing_config: bool,
) -> Result<Workspace, Failure> {
    open_with(path, options, OpenOptions { allow_missing_config, ..open_options(options, levels) })
}

/// [`open`], with options that were made from those of the command line.
pub(super) fn open_with(path: &Path, given: &EvaluationArgs, options: OpenOptions) -> Result<Workspace, Failure> {
    readable(path)?;
    if let Some(sdk) = &given.sdk {
        DiskFileSystem.read_dir(sdk).map_err(|error| Failure::file("read", sdk, error))?;
    }
    Workspace::open(path, options).map_err(|error| Failure::Usage(error.to_string()))
}

/// What the options of the command line mean to the library.
pub(super) fn open_options(options: &EvaluationArgs, levels: &Levels) -> OpenOptions {
    OpenOptions {
        threads: options.threads,
        sdk: options.sdk.iter().cloned().collect(),
        environment: Arc::new(environment(options)),
        host: options.host.map(HostSystem::os),
        levels: levels.clone(),
        ..OpenOptions::default()
    }
}

/// The environment of the program, with the variables of the command line.
pub(super) fn environment(options: &EvaluationArgs) -> ProcessEnvironment {
    options.environment.iter().fold(ProcessEnvironment::new(), |all, (name, value)| all.with(name, value))
}

/// Whether the path can be read at all, so that slips on the command line are told in one line.
fn readable(path: &Path) -> Result<(), Failure> {
    let tried = if DiskFileSystem.is_dir(path) {
        DiskFileSystem.read_dir(path).map(drop)
    } else {
        std::fs::File::open(path).map(drop)
    };
    tried.map_err(|error| Failure::file("read", path, error))
}

/// How many pips a graph holds.
pub(super) fn pip_count(graph: &PipGraph) -> usize {
    graph.len()
}

/// Reads the value of `--filter`.
pub(super) fn filter(text: &str) -> Result<PipFilter, Failure> {
    PipFilter::from_argument(text).map_err(|error| filter_failure(&error))
}

fn filter_failure(error: &FilterError) -> Failure {
    Failure::Usage(format!("in the filter: {error}\n{}", error.excerpt()))
}

/// Selects pips by a filter, with remarks about parts of it that select nothing. To select nothing at all is an error.
pub(super) fn select(graph: &PipGraph, filter: &PipFilter, note: impl Fn(&str)) -> Result<Selection, Failure> {
    let selection = graph.select(filter).map_err(|error| filter_failure(&error))?;
    if selection.is_empty() {
        let reasons: Vec<String> = selection.notes().iter().map(ToString::to_string).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
        return Err(Failure::Usage(format!("the filter selects no pip{reasons}")));
    }
    selection.notes().iter().for_each(|found| note(&found.to_string()));
    Ok(selection)
}

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// A tree for people
    Text,
    /// One JSON document
    Json,
    /// A Graphviz graph
    Dot,
}

/// Writes a graph, or some pips of it.
pub(super) fn write_graph(
    graph: &PipGraph,
    pips: Option<&PipSet>,
    format: GraphFormat,
    ascii: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = TextOptions { unicode: !ascii, ..TextOptions::default() };
    match (format, pips) {
        (GraphFormat::Text, None) => export::text(graph, text, out),
        (GraphFormat::Text, Some(pips)) => export::text_of(graph, pips, text, out),
        (GraphFormat::Json, None) => export::json(graph, out),
        (GraphFormat::Json, Some(pips)) => export::json_of(graph, pips, out),
        (GraphFormat::Dot, None) => export::dot(graph, out),
        (GraphFormat::Dot, Some(pips)) => export::dot_of(graph, pips, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_codes_are_seen() {
        assert_eq!(near_code(Code::Ds(9041)), Some(Code::Dx(9041)));
        assert_eq!(near_code(Code::Ds(192)), Some(Code::Ds(191)));
        assert_eq!(near_code(Code::Dx(99999)), None);
    }

    #[test]
    fn qualifiers_are_names_or_pairs() {
        for fine in ["release", "a=1;b=", "a=1;"] {
            assert!(qualifier(fine).is_ok(), "{fine}");
        }
        for wrong in ["", "=1", "a=1;b", ";", "a=1;=2"] {
            assert!(qualifier(wrong).is_err(), "{wrong}");
        }
    }
}
