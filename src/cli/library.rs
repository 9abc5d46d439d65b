//! The one place where the commands touch the library: a change of its face is a change here.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::Failure;
use super::args::{EvaluationArgs, GraphFormat};
use crate::diagnostics::{Code, Diagnostic, Severity, catalogue};
use crate::graph::PipGraph;
use crate::graph::export::{self, TextOptions};
use crate::source::system::{DiskFileSystem, FileSystem};
use crate::source::{FileId, Files};
use crate::syntax;
use crate::syntax::ast::Ast;

/// Parses one file.
pub(super) fn parse(file: FileId, text: &Arc<str>) -> (Ast, Vec<Diagnostic>) {
    syntax::parse(file, text.clone())
}

/// A syntax tree as JSON.
pub(super) fn tree(ast: &Ast) -> Value {
    let _ = ast;
    unimplemented!()
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

/// One qualifier of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct QualifierRequest {
    /// A name from the configuration.
    pub(super) name: Option<String>,
    /// Keys to set; an empty value removes the key.
    pub(super) values: Vec<(String, String)>,
}

/// Reads the values of `-q`: a name, or `key=value;key=value`, or a name followed by such pairs.
pub(super) fn qualifiers(given: &[String]) -> Result<Vec<QualifierRequest>, Failure> {
    given.iter().map(|text| qualifier(text)).collect()
}

fn qualifier(text: &str) -> Result<QualifierRequest, Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "`{text}` is no qualifier: write a name from config.dsc, or `key=value;key=value` (in quotes)"
        ))
    };
    let mut request = QualifierRequest::default();
    for (index, part) in text.split([';', ',']).map(str::trim).enumerate() {
        match part.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                request.values.push((key.trim().to_owned(), value.trim().to_owned()));
            }
            None if index == 0 && !part.is_empty() => request.name = Some(part.to_owned()),
            // A separator at the end does no harm.
            None if index > 0 && part.is_empty() => {}
            _ => return Err(wrong()),
        }
    }
    Ok(request)
}

/// An opened workspace.
pub(super) struct Workspace {
    files: Files,
}

/// What evaluation gives.
pub(super) struct Evaluation {
    /// None where errors leave no graph.
    pub(super) graph: Option<PipGraph>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// The value of one expression.
pub(super) struct EvalResult {
    pub(super) text: String,
    pub(super) json: Value,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Opens the workspace at a path. Fails only when there is nothing that can be read.
pub(super) fn open(path: &Path, options: &EvaluationArgs) -> Result<Workspace, Failure> {
    readable(path)?;
    if let Some(sdk) = &options.sdk {
        DiskFileSystem.read_dir(sdk).map_err(|error| Failure::file("read", sdk, error))?;
    }
    unimplemented!()
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

impl Workspace {
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    pub(super) fn file_count(&self) -> usize {
        unimplemented!()
    }

    pub(super) fn check(&self) -> Vec<Diagnostic> {
        unimplemented!()
    }

    pub(super) fn evaluate(&self, qualifiers: &[QualifierRequest]) -> Evaluation {
        let _ = qualifiers;
        unimplemented!()
    }

    pub(super) fn eval_at(
        &self,
        spec: Option<&Path>,
        expressions: &[String],
        qualifiers: &[QualifierRequest],
    ) -> Vec<EvalResult> {
        let _ = (spec, expressions, qualifiers);
        unimplemented!()
    }
}

/// How many pips a graph holds.
pub(super) fn pip_count(graph: &PipGraph) -> usize {
    graph.order().len()
}

/// Writes a graph.
pub(super) fn write_graph(graph: &PipGraph, format: GraphFormat, ascii: bool, out: &mut dyn Write) -> io::Result<()> {
    match format {
        GraphFormat::Text => export::text(graph, TextOptions { unicode: !ascii, ..TextOptions::default() }, out),
        GraphFormat::Json => export::json(graph, out),
        GraphFormat::Dot => export::dot(graph, out),
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
    fn qualifiers_are_names_and_pairs() {
        let pairs = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let request = |name: Option<&str>, values| QualifierRequest { name: name.map(str::to_owned), values };
        assert_eq!(qualifier("release").unwrap(), request(Some("release"), vec![]));
        assert_eq!(qualifier("a=1;b=;").unwrap(), request(None, pairs(&[("a", "1"), ("b", "")])));
        assert_eq!(qualifier("debug;a=1").unwrap(), request(Some("debug"), pairs(&[("a", "1")])));
        for wrong in ["", "=1", "a=1;b", ";a=1"] {
            assert!(qualifier(wrong).is_err(), "{wrong}");
        }
    }
}
