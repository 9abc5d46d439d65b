//! Diagnostics for people: the message, the source around each place, notes, help and the call chain.

use std::io::{self, Write};
use std::path::PathBuf;

use ariadne::{Color, Config, IndexType, LabelAttach, Report, ReportKind, Source};
use indexmap::IndexMap;

use super::excerpt::{self, Excerpt};
use super::{Charset, Renderer, shown_line, word};
use crate::diagnostics::{Diagnostic, Hidden, Label, Severity};
use crate::source::{Files, Span};

/// More places than this are counted, not shown.
const MAX_LABELS: usize = 12;
/// A call chain longer than this is shown with its middle left out.
const MAX_TRACE: usize = 16;
/// How many frames of a shortened call chain are its outer end.
const OUTER_TRACE: usize = 4;
/// Lines further down than this are named, not shown: ariadne needs memory for every line above a place.
const MAX_LINE: u32 = 200_000;

/// Writes one diagnostic and an empty line.
pub(super) fn write(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    files: &Files,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut text = Vec::new();
    if diagnostic.labels.is_empty() {
        header(renderer, diagnostic, &mut text)?;
    } else {
        let diagnostic = &first_lines(diagnostic, files);
        let (shown, hidden) = shown_labels(diagnostic);
        excerpts(renderer, diagnostic, &shown, files, &mut text)?;
        if hidden > 0 {
            writeln!(text, "   and {hidden} more {}", plural(hidden, "place", "places"))?;
        }
    }
    for note in &diagnostic.notes {
        remark(renderer, "note", note, &mut text)?;
    }
    if let Some(help) = &diagnostic.help {
        remark(renderer, "help", help, &mut text)?;
    }
    trace(renderer, diagnostic, files, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    if renderer.color {
        writeln!(out, "{text}")
    } else {
        // ariadne always colours here (it does not honour its own switch for custom kinds), and leaves spaces at the
        // ends of lines.
        let plain = anstream::adapter::strip_str(&text).to_string();
        for line in plain.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)
    }
}

/// Writes the closing line.
pub(super) fn write_summary(
    renderer: &Renderer,
    diagnostics: &[Diagnostic],
    hidden: Hidden,
    out: &mut dyn Write,
) -> io::Result<()> {
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let errors = count(Severity::Error) + hidden.errors;
    let warnings = count(Severity::Warning) + hidden.warnings;
    let mut parts = Vec::new();
    if errors > 0 {
        parts.push(paint(renderer, "1;31", &format!("{errors} {}", plural(errors, "error", "errors"))));
    }
    if warnings > 0 {
        parts.push(paint(renderer, "1;33", &format!("{warnings} {}", plural(warnings, "warning", "warnings"))));
    }
    if parts.is_empty() {
        return Ok(());
    }
    let left_out = hidden.errors + hidden.warnings;
    let more = if left_out > 0 { format!(" ({left_out} of them not shown)") } else { String::new() };
    writeln!(out, "{}{more}", parts.join(", "))
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn paint(renderer: &Renderer, style: &str, text: &str) -> String {
    if renderer.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// The words before the message: `error[DX9041]`.
fn kind(diagnostic: &Diagnostic) -> String {
    format!("{}[{}]", word(diagnostic.severity), diagnostic.code)
}

fn color_of(severity: Severity) -> Color {
    match severity {
        Severity::Error => Color::Red,
        Severity::Warning => Color::Yellow,
        Severity::Info => Color::Cyan,
    }
}

fn header(renderer: &Renderer, diagnostic: &Diagnostic, out: &mut Vec<u8>) -> io::Result<()> {
    let style = match diagnostic.severity {
        Severity::Error => "31",
        Severity::Warning => "33",
        Severity::Info => "36",
    };
    writeln!(out, "{}: {}", paint(renderer, style, &kind(diagnostic)), one_line(&diagnostic.message))
}

/// Places cut to their first line. A place of several lines is a call or a literal, which its first line names;
/// drawn whole, several of them would cross one another.
fn first_lines(diagnostic: &Diagnostic, files: &Files) -> Diagnostic {
    let mut diagnostic = diagnostic.clone();
    for label in &mut diagnostic.labels {
        let span = &mut label.location.span;
        let text = files.get(label.location.file).text();
        let whole = excerpt::clamp(text, *span);
        let shown = text.get(whole.0..whole.1).unwrap_or_default();
        // A place that starts with a line break is that line break.
        if let Some(end) = shown.find(['\n', '\r']).filter(|end| *end > 0) {
            *span = Span::new(whole.0 as u32, (whole.0 + shown[..end].trim_end().len().max(1)) as u32);
        }
    }
    diagnostic
}

/// The labels in the order that reads best: the primary one's file first, in each file from top to bottom.
fn shown_labels(diagnostic: &Diagnostic) -> (Vec<&Label>, usize) {
    let mut labels: Vec<&Label> = diagnostic.labels.iter().collect();
    let hidden = labels.len().saturating_sub(MAX_LABELS);
    if hidden > 0 {
        labels.sort_by_key(|label| !label.primary);
        labels.truncate(MAX_LABELS);
    }
    let Some(primary) = diagnostic.primary() else { return (labels, hidden) };
    let mut file_order: Vec<_> = vec![primary.location.file];
    for label in &labels {
        if !file_order.contains(&label.location.file) {
            file_order.push(label.location.file);
        }
    }
    labels.sort_by_key(|label| {
        let file = file_order.iter().position(|file| *file == label.location.file);
        (file, label.location.span.end, label.location.span.start)
    });
    (labels, hidden)
}

/// The message and the source around the labels.
fn excerpts(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    labels: &[&Label],
    files: &Files,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    // From the shown name of each file to its spans.
    let mut spans: IndexMap<u32, Vec<Span>> = IndexMap::new();
    for label in labels {
        spans.entry(label.location.file.0).or_default().push(label.location.span);
    }
    let too_far = labels
        .iter()
        .any(|label| Excerpt::last_line(&spans[&label.location.file.0], files.get(label.location.file)) > MAX_LINE);
    if too_far {
        return places_only(renderer, diagnostic, labels, files, out);
    }
    let mut sources: IndexMap<u32, (String, Excerpt)> = IndexMap::new();
    for label in labels {
        let file = label.location.file;
        sources.entry(file.0).or_insert_with(|| {
            let excerpt = Excerpt::new(files.get(file), &spans[&file.0], renderer.charset);
            (renderer.file_name(file, files), excerpt)
        });
    }
    let range_of = |label: &Label| {
        let file = label.location.file;
        (file.0, sources[&file.0].1.map(files.get(file), label.location.span))
    };

    let Some(primary) = diagnostic.primary() else { return Ok(()) };
    let kind = kind(diagnostic);
    let color = color_of(diagnostic.severity);
    // Places in the excerpt are counted in characters: where several files are shown, ariadne 0.6 takes a character
    // number for a byte offset when it is given bytes, and panics when that falls inside a character.
    let config = Config::new()
        .with_index_type(IndexType::Char)
        .with_label_attach(LabelAttach::Start)
        .with_tab_width(4)
        .with_char_set(match renderer.charset {
            Charset::Unicode => ariadne::CharSet::Unicode,
            Charset::Ascii => ariadne::CharSet::Ascii,
        });
    let mut report = Report::build(ReportKind::Custom(&kind, color), range_of(primary))
        .with_config(config)
        .with_message(one_line(&diagnostic.message));
    for (order, label) in labels.iter().enumerate() {
        let color = if label.primary { color } else { Color::Blue };
        report.add_label(
            ariadne::Label::new(range_of(label))
                .with_message(one_line(&label.message))
                .with_color(color)
                .with_order(order as i32)
                .with_priority(i32::from(label.primary)),
        );
    }
    let cache = Cache {
        sources: sources
            .iter()
            .map(|(id, (name, excerpt))| (*id, (name.as_str(), Source::from(excerpt.text.as_str()))))
            .collect(),
    };
    let mut text = Vec::new();
    report.finish().write(cache, &mut text)?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    // Where tabs or cropping moved a place, the headings of ariadne name the column in the excerpt.
    for label in labels {
        let file = files.get(label.location.file);
        let (name, excerpt) = &sources[&label.location.file.0];
        let at = file.line_column(excerpt::clamp(file.text(), label.location.span).0 as u32);
        let column = excerpt.shown_column(file, label.location.span);
        if column != at.column as usize {
            let wrong = format!(" {name}:{}:{column} ", at.line);
            text = text.replacen(&wrong, &format!(" {name}:{}:{} ", at.line, at.column), 1);
        }
    }
    out.write_all(text.as_bytes())
}

/// The short form: one line for each place.
fn places_only(
    renderer: &Renderer,
    diagnostic: &Diagnostic,
    labels: &[&Label],
    files: &Files,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    header(renderer, diagnostic, out)?;
    for label in labels {
        let place = place(renderer, label.location, files);
        let message = one_line(&label.message);
        writeln!(out, "   {place}{}{message}", if message.is_empty() { "" } else { ": " })?;
    }
    Ok(())
}

/// A note or help: its further lines, which may be the output of a tool, stand under the first.
fn remark(renderer: &Renderer, word: &str, text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let mut lines = text.lines();
    writeln!(out, "   {}: {}", paint(renderer, "36", word), clean(lines.next().unwrap_or_default()))?;
    for line in lines.map(shown_line) {
        let indented = format!("   {:width$}  {line}", "", width = word.len());
        writeln!(out, "{}", indented.trim_end())?;
    }
    Ok(())
}

fn trace(renderer: &Renderer, diagnostic: &Diagnostic, files: &Files, out: &mut Vec<u8>) -> io::Result<()> {
    let total = diagnostic.trace.len();
    for (index, frame) in diagnostic.trace.iter().enumerate() {
        if total > MAX_TRACE {
            let first_hidden = MAX_TRACE - OUTER_TRACE;
            let hidden = total - MAX_TRACE;
            if index == first_hidden {
                writeln!(out, "   ({hidden} more {})", plural(hidden, "call", "calls"))?;
            }
            if (first_hidden..first_hidden + hidden).contains(&index) {
                continue;
            }
        }
        let place = place(renderer, frame.location, files);
        writeln!(out, "   in `{}`, {} {place}", clean(&frame.value), paint(renderer, "36", "called from"))?;
    }
    Ok(())
}

/// `file:line:column`.
fn place(renderer: &Renderer, location: crate::source::Location, files: &Files) -> String {
    let at = files.get(location.file).line_column(location.span.start);
    format!("{}:{}:{}", renderer.file_name(location.file, files), at.line, at.column)
}

/// Text without line breaks and without characters that steer a terminal.
fn one_line(text: &str) -> String {
    clean(&text.replace("\r\n", " ").replace('\n', " "))
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if super::steers(c) && c != '\t' { '\u{FFFD}' } else { c }).collect()
}

/// The excerpts under the numbers of their files, for ariadne.
struct Cache<'a> {
    sources: IndexMap<u32, (&'a str, Source<&'a str>)>,
}

impl<'a> ariadne::Cache<u32> for Cache<'a> {
    type Storage = &'a str;

    fn fetch(&mut self, id: &u32) -> Result<&Source<&'a str>, impl std::fmt::Debug> {
        self.sources.get(id).map(|(_, source)| source).ok_or_else(|| PathBuf::from("unknown file"))
    }

    fn display<'b>(&self, id: &'b u32) -> Option<impl std::fmt::Display + 'b> {
        self.sources.get(id).map(|(name, _)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests;
