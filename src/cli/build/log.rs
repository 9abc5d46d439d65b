//! `--log`: a JSON object for the build, one for each pip as it is done, and one for the summary, each on a line.
//! `docs/build-log.md` says what is in them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::summary::violation;
use crate::cli::Failure;
use crate::diagnostics::render::shown_line;
use crate::engine::sandbox::Reads;
use crate::engine::{Content, Done, Origin, PipResult};
use crate::graph::{Pip, PipGraph, PipId};

/// Raised by changes that break readers.
const VERSION: u32 = 1;

/// Writes lines as they come.
pub(super) struct Log<W> {
    path: PathBuf,
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    out: W,
    /// Why nothing more is written.
    failed: Option<io::Error>,
}

impl<W: Write + Send> Log<W> {
    /// A log. `path` is for messages.
    pub(super) fn new(path: &Path, out: W) -> Self {
        Self { path: path.to_owned(), inner: Mutex::new(Inner { out, failed: None }) }
    }

    /// Writes one object. `now` lets those see it at once who follow the file.
    pub(super) fn write(&self, object: &Value, now: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.failed.is_none() {
            let mut written = writeln!(inner.out, "{object}");
            if now && written.is_ok() {
                written = inner.out.flush();
            }
            inner.failed = written.err();
        }
    }

    /// Ends the file.
    pub(super) fn close(self) -> Result<(), Failure> {
        let mut inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ended = match inner.failed.take() {
            Some(error) => Err(error),
            None => inner.out.flush(),
        };
        ended.map_err(|error| Failure::file("write", &self.path, error))
    }
}

/// The first object.
pub(super) fn beginning(graph: &PipGraph, jobs: usize, filter: Option<&str>) -> Value {
    let qualifiers: Vec<Value> = graph.qualifiers().iter().map(|qualifier| json!(**qualifier)).collect();
    json!({
        "event": "build",
        "version": VERSION,
        "program": concat!("dscript ", env!("CARGO_PKG_VERSION")),
        "workspace": ".",
        "jobs": jobs,
        "qualifiers": qualifiers,
        "filter": filter,
    })
}

/// The last object: the summary.
pub(super) fn ending(summary: &Value) -> Value {
    let mut object = json!({ "event": "summary" });
    if let (Value::Object(object), Value::Object(rest)) = (&mut object, summary) {
        object.extend(rest.clone());
    }
    object
}

/// The object of a pip that was not begun.
pub(super) fn skipped(graph: &PipGraph, pip: PipId) -> Value {
    let mut object = origin(graph, pip);
    object["result"] = "skipped".into();
    object
}

/// The object of a pip that is done.
pub(super) fn pip(graph: &PipGraph, pip: PipId, result: &PipResult, start: Duration, end: Duration) -> Value {
    let ran = result.done != Done::Hit && matches!(graph.pip(pip), Pip::Process(_));
    let measured = |value: Value| if ran { value } else { Value::Null };
    let reads: Vec<Value> =
        result.reads.iter().map(|(path, how)| json!({ "path": graph.display(*path), "how": words(*how) })).collect();
    let outputs: Vec<Value> =
        result.outputs.iter().filter_map(|(path, content)| output(&graph.display(*path), content)).collect();
    let warnings: Vec<String> = result.warnings.iter().map(|line| shown_line(line)).collect();
    let violations: Vec<Value> = result.violations.iter().map(|one| violation(one, graph)).collect();
    let mut object = origin(graph, pip);
    let rest = json!({
        "result": result_name(result.done),
        "start": start.as_secs_f64(),
        "end": end.as_secs_f64(),
        "user": measured(result.user.as_secs_f64().into()),
        "system": measured(result.system.as_secs_f64().into()),
        "peakMemory": measured(result.peak_memory.into()),
        "exitCode": result.exit_code,
        "command": result.command,
        "weak": result.weak.as_ref().map(ToString::to_string),
        "strong": result.strong.as_ref().map(ToString::to_string),
        "reason": result.reason,
        "uncached": result.uncached,
        "origin": result.origin.map(origin_name),
        "remote": result.elsewhere,
        "local": result.stays,
        "retries": result.retries,
        "reads": reads,
        "outputs": outputs,
        "violations": violations,
        "warnings": warnings,
    });
    if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
        object.extend(rest);
    }
    object
}

/// What is known of every pip.
fn origin(graph: &PipGraph, pip: PipId) -> Value {
    let provenance = graph.provenance(pip);
    json!({
        "event": "pip",
        "id": graph.stable_id(pip).to_string(),
        "kind": graph.pip(pip).kind_name(),
        "value": &*provenance.value,
        "spec": graph.display(provenance.spec),
        "line": provenance.line,
        "description": graph.pip(pip).description().map(|text| graph.text(text)),
    })
}

/// How the results of pips are called in files.
pub(super) fn result_name(done: Done) -> &'static str {
    match done {
        Done::Executed => "executed",
        Done::Hit => "hit",
        Done::Failed => "failed",
        Done::Skipped => "skipped",
        Done::Cancelled => "cancelled",
    }
}

/// Where a result came from.
pub(super) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Local => "local",
        Origin::Remote => "remote",
    }
}

/// How a path was read.
fn words(how: Reads) -> Vec<&'static str> {
    let all = [
        (how.content, "content"),
        (how.file, "probe"),
        (how.directory, "directory"),
        (how.absent, "absent"),
        (how.link, "link"),
        (how.listing, "listing"),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word).collect()
}

fn output(path: &str, content: &Content) -> Option<Value> {
    match content {
        Content::File { digest, executable } => Some(json!({
            "path": path, "hash": digest.hex(), "size": digest.size, "executable": executable,
        })),
        Content::Link(target) => Some(json!({ "path": path, "link": &**target })),
        Content::Absent | Content::Directory | Content::Other => None,
    }
}
