//! Renderers: the same diagnostics for a person, for a program (JSON lines) and for code scanners (SARIF).
//!
//! A renderer writes to whatever it is given and never decides where that is; only `cli/` and `lsp/` do.

mod excerpt;
mod human;
mod json;
mod sarif;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Diagnostic, Hidden, Severity};
use crate::source::{FileId, Files};

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Excerpts of the source with the places marked.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
    /// One SARIF 2.1.0 document.
    Sarif,
}

/// The characters that draw the frames of [`Format::Human`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Box-drawing characters.
    #[default]
    Unicode,
    /// ASCII only, for terminals and logs that know nothing else. The source text itself is not changed.
    Ascii,
}

/// Writes diagnostics in one format.
#[derive(Clone, Debug, Default)]
pub struct Renderer {
    /// The format.
    pub format: Format,
    /// Whether [`Format::Human`] uses ANSI colours.
    pub color: bool,
    /// The characters of the frames in [`Format::Human`].
    pub charset: Charset,
    /// File names are shown relative to this folder where they lie in it. Empty: shown as they are.
    pub base: PathBuf,
}

impl Renderer {
    /// Writes all diagnostics in the order given. For SARIF this is a whole document, so call it once a run.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn render(&self, diagnostics: &[Diagnostic], files: &Files, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Format::Human => diagnostics.iter().try_for_each(|one| human::write(self, one, files, out)),
            Format::Json => diagnostics.iter().try_for_each(|one| {
                serde_json::to_writer(&mut *out, &json::object(self, one, files))?;
                out.write_all(b"\n")
            }),
            Format::Sarif => {
                serde_json::to_writer_pretty(&mut *out, &sarif::document(self, diagnostics, files))?;
                out.write_all(b"\n")
            }
        }
    }

    /// Writes the closing line, such as `3 errors, 1 warning`. Writes nothing when there is nothing to count or the
    /// format is made for programs.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn summary(&self, diagnostics: &[Diagnostic], hidden: Hidden, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Format::Human => human::write_summary(self, diagnostics, hidden, out),
            Format::Json | Format::Sarif => Ok(()),
        }
    }

    /// The name of a file as it is shown: relative to the base where it lies in it, with `/` between the parts.
    pub fn file_name(&self, file: FileId, files: &Files) -> String {
        shown_path(files.get(file).path(), &self.base)
    }
}

/// A path as it is shown to people: relative to `base` where it lies in it, with `/` between the parts.
pub fn shown_path(path: &Path, base: &Path) -> String {
    let below = if base.as_os_str().is_empty() { None } else { path.strip_prefix(base).ok() };
    let shown = match below {
        Some(rest) if rest.as_os_str().is_empty() => Path::new("."),
        Some(rest) => rest,
        None => path.strip_prefix("./").unwrap_or(path),
    };
    // A line break or an escape sequence in a file name must not be able to fake output.
    shown.to_string_lossy().chars().map(|c| if steers(c) { '\u{FFFD}' } else { c }).collect()
}

/// One line of a text that somebody else wrote, such as the output of a tool, as it is shown: without colours, of what
/// a progress display wrote over itself the last state, and with nothing that steers a terminal.
pub fn shown_line(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.rsplit('\r').next().unwrap_or(line);
    let plain = anstream::adapter::strip_str(line).to_string();
    plain.chars().map(|c| if steers(c) && c != '\t' { '\u{FFFD}' } else { c }).collect()
}

/// Whether a character does something else to a terminal than show itself: control characters, line ends, and the marks
/// that turn the direction of text around and make it read as something else.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The word for a severity, as used in every format.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
