//! Diagnostics for programs: one JSON object a line.

use serde_json::{Value, json};

use super::{Renderer, word};
use crate::diagnostics::Diagnostic;
use crate::source::{Files, Location};

/// The object of one diagnostic. `file`, `line` and the other fields of the place are `null` where it has none.
pub(super) fn object(renderer: &Renderer, diagnostic: &Diagnostic, files: &Files) -> Value {
    let place = match diagnostic.primary() {
        Some(label) => Place::new(renderer, label.location, files),
        None => Place::default(),
    };
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| {
            let place = Place::new(renderer, label.location, files);
            json!({
                "file": place.file,
                "line": place.line,
                "column": place.column,
                "end_line": place.end_line,
                "end_column": place.end_column,
                "message": label.message,
                "primary": label.primary,
            })
        })
        .collect();
    let trace: Vec<Value> = diagnostic
        .trace
        .iter()
        .map(|frame| {
            let place = Place::new(renderer, frame.location, files);
            json!({ "value": frame.value, "file": place.file, "line": place.line, "column": place.column })
        })
        .collect();
    json!({
        "code": diagnostic.code.to_string(),
        "severity": word(diagnostic.severity),
        "message": diagnostic.message,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "labels": labels,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "trace": trace,
    })
}

/// A location as programs are told it: lines and columns from 1, the end just after the last character.
#[derive(Default)]
pub(super) struct Place {
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) end_line: Option<u32>,
    pub(super) end_column: Option<u32>,
}

impl Place {
    pub(super) fn new(renderer: &Renderer, location: Location, files: &Files) -> Self {
        let file = files.get(location.file);
        let start = file.line_column(location.span.start);
        let end = file.line_column(location.span.end.max(location.span.start));
        Self {
            file: Some(renderer.file_name(location.file, files)),
            line: Some(start.line),
            column: Some(start.column),
            end_line: Some(end.line),
            end_column: Some(end.column),
        }
    }
}
