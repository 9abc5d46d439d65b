//! Diagnostics for code scanners: one SARIF 2.1.0 document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Renderer;
use super::json::Place;
use crate::diagnostics::{Code, Diagnostic, Severity, catalogue};
use crate::source::{Files, Location};

/// The document with all diagnostics of a run.
pub(super) fn document(renderer: &Renderer, diagnostics: &[Diagnostic], files: &Files) -> Value {
    let codes: BTreeSet<Code> = diagnostics.iter().map(|one| one.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|one| result(renderer, one, codes.binary_search(&one.code).unwrap_or_default(), files))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dscript",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A rule with its page of the catalogue.
fn rule(code: Code) -> Value {
    match catalogue::explain(code) {
        Some(page) => json!({
            "id": code.to_string(),
            "shortDescription": { "text": page.title },
            "help": { "text": page.body, "markdown": page.body },
            "defaultConfiguration": { "level": level(page.severity) },
        }),
        None => json!({ "id": code.to_string() }),
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(renderer: &Renderer, diagnostic: &Diagnostic, rule: usize, files: &Files) -> Value {
    let primary = diagnostic.primary();
    let mut result = json!({
        "ruleId": diagnostic.code.to_string(),
        "ruleIndex": rule,
        "level": level(diagnostic.severity),
        "message": { "text": text(diagnostic) },
        "locations": primary
            .map(|label| location(renderer, label.location, &label.message, None, files))
            .into_iter()
            .collect::<Vec<_>>(),
    });
    let others: Vec<Value> = diagnostic
        .labels
        .iter()
        .filter(|label| !primary.is_some_and(|first| std::ptr::eq(first, *label)))
        .enumerate()
        .map(|(id, label)| location(renderer, label.location, &label.message, Some(id), files))
        .collect();
    if !others.is_empty() {
        result["relatedLocations"] = others.into();
    }
    if !diagnostic.trace.is_empty() {
        let frames: Vec<Value> = diagnostic
            .trace
            .iter()
            .map(|frame| json!({ "location": location(renderer, frame.location, &frame.value, None, files) }))
            .collect();
        result["stacks"] = json!([{ "message": { "text": "called from" }, "frames": frames }]);
    }
    result
}

/// The message with notes and help: viewers show no other text.
fn text(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    for note in &diagnostic.notes {
        text.push_str("\nNote: ");
        text.push_str(note);
    }
    if let Some(help) = &diagnostic.help {
        text.push_str("\nHelp: ");
        text.push_str(help);
    }
    text
}

fn location(renderer: &Renderer, at: Location, message: &str, id: Option<usize>, files: &Files) -> Value {
    let place = Place::new(renderer, at, files);
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(place.file.as_deref().unwrap_or_default()) },
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endLine": place.end_line,
                "endColumn": place.end_column,
            },
        },
    });
    if !message.is_empty() {
        location["message"] = json!({ "text": message });
    }
    if let Some(id) = id {
        location["id"] = id.into();
    }
    location
}

/// A path as a URI reference: relative paths stay relative, absolute ones get the `file` scheme.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len() + 8);
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte as char),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::render::Format;
    use crate::source::Span;

    #[test]
    fn a_document_has_rules_places_and_stacks() {
        let files = Files::new();
        let a = files.add("/w/a b.dsc", "export const x = 1;\n");
        let at = Span::new(13, 14).in_file(a);
        let mut one = Diagnostic::error(Code::Dx(9041), "bad").at(at, "here").and_at(at, "there").help("do");
        one.trace.push(crate::diagnostics::TraceFrame { value: "f".into(), location: at });
        let renderer = Renderer { format: Format::Sarif, base: "/w".into(), ..Renderer::default() };
        let document = document(&renderer, &[one], &files);
        let result = &document["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "DX9041");
        assert_eq!(result["message"]["text"], "bad\nHelp: do");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b.dsc");
        assert_eq!(place["region"]["startColumn"], 14);
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "there");
        assert_eq!(result["stacks"][0]["frames"][0]["location"]["message"]["text"], "f");
        let rule = &document["runs"][0]["tool"]["driver"]["rules"][0];
        assert_eq!(rule["shortDescription"]["text"], catalogue::explain(Code::Dx(9041)).unwrap().title);
        assert_eq!(uri("/x/é"), "file:///x/%C3%A9");
    }
}
