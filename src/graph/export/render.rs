//! Structured text as plain text. What paths and identities look like is up to [`Names`]: before a run what only a run
//! can tell is a placeholder.

use crate::graph::{DirectoryId, Escaping, FileArtifact, Fragment, PathRendering, PipData, PipGraph};
use crate::paths::PathId;
use crate::source::Symbol;

/// What stands for the parts of structured text that are not text.
pub trait Names {
    /// A path.
    fn path(&self, path: PathId) -> String;
    /// The content hash of a file.
    fn vso_hash(&self, file: FileArtifact) -> String;
    /// The identity of a file.
    fn file_id(&self, file: FileArtifact) -> String;
    /// The identity of a directory.
    fn directory_id(&self, directory: DirectoryId) -> String;
    /// The name of an ipc channel.
    fn ipc_moniker(&self, moniker: Symbol) -> String;
}

/// Before a run: paths relative to the workspace, and in braces what is not known yet: `{vsoHash:out/a.txt}`,
/// `{fileId:out/a.txt}`, `{directoryId:out/gen}`, `{ipcMoniker:name}`.
impl Names for PipGraph {
    fn path(&self, path: PathId) -> String {
        self.display(path)
    }

    fn vso_hash(&self, file: FileArtifact) -> String {
        format!("{{vsoHash:{}}}", self.display(file.path))
    }

    fn file_id(&self, file: FileArtifact) -> String {
        format!("{{fileId:{}}}", self.display(file.path))
    }

    fn directory_id(&self, directory: DirectoryId) -> String {
        match self.directories().get(directory.0 as usize) {
            Some(directory) => format!("{{directoryId:{}}}", self.display(directory.root)),
            None => "{directoryId:unknown}".to_owned(),
        }
    }

    fn ipc_moniker(&self, moniker: Symbol) -> String {
        format!("{{ipcMoniker:{}}}", self.text(moniker))
    }
}

/// The whole text: fragments quoted as the data asks, with its separators between them.
pub fn render(graph: &PipGraph, data: &PipData, paths: PathRendering) -> String {
    render_with(graph, graph, data, paths)
}

/// [`render`], with names of one's own.
pub fn render_with(graph: &PipGraph, names: &dyn Names, data: &PipData, paths: PathRendering) -> String {
    let mut text = String::new();
    Writer { graph, names }.append(data, paths, &mut text);
    text
}

/// A command line as the list of arguments that the process receives: what is quoted on the line is one argument,
/// without its quotes; raw text is split where the C run-time would split it.
pub fn arguments(graph: &PipGraph, data: &PipData) -> Vec<String> {
    arguments_with(graph, graph, data)
}

/// [`arguments`], with names of one's own.
pub fn arguments_with(graph: &PipGraph, names: &dyn Names, data: &PipData) -> Vec<String> {
    let writer = Writer { graph, names };
    let mut arguments = Vec::with_capacity(data.fragments.len());
    if data.fragments.iter().any(|fragment| is_raw(data, fragment) && has_quote(graph, fragment)) {
        // A quote that one raw text opens may be closed by another: only the whole line tells.
        split(&writer.line(data), &mut arguments);
        return arguments;
    }
    for fragment in &data.fragments {
        let mut text = String::new();
        writer.append_plain(fragment, &mut text);
        if is_raw(data, fragment) { split(&text, &mut arguments) } else { arguments.push(text) }
    }
    arguments
}

/// Whether a fragment of a command line stands on it as it is.
fn is_raw(line: &PipData, fragment: &Fragment) -> bool {
    match fragment {
        Fragment::Text(_) => line.escaping == Escaping::None,
        Fragment::Raw(_) => true,
        Fragment::Nested(inner) => inner.escaping == Escaping::None,
        _ => false,
    }
}

fn has_quote(graph: &PipGraph, fragment: &Fragment) -> bool {
    match fragment {
        Fragment::Text(text) | Fragment::Raw(text) => graph.text(*text).contains('"'),
        Fragment::Nested(inner) => inner.fragments.iter().any(|fragment| has_quote(graph, fragment)),
        _ => false,
    }
}

/// Text of one graph under some names.
struct Writer<'a> {
    graph: &'a PipGraph,
    names: &'a dyn Names,
}

impl Writer<'_> {
    /// The command line as one text.
    fn line(&self, data: &PipData) -> String {
        let mut line = String::new();
        for (index, fragment) in data.fragments.iter().enumerate() {
            self.separate(index, data, &mut line);
            let mut text = String::new();
            self.append_plain(fragment, &mut text);
            if is_raw(data, fragment) { line.push_str(&text) } else { quote(&text, &mut line) }
        }
        line
    }

    /// What stands before the fragment with this index.
    fn separate(&self, index: usize, data: &PipData, text: &mut String) {
        if index > 0
            && let Some(separator) = data.separator
        {
            text.push_str(self.graph.text(separator));
        }
    }

    /// A fragment without quotes.
    fn append_plain(&self, fragment: &Fragment, text: &mut String) {
        let Fragment::Nested(inner) = fragment else {
            self.append_fragment(fragment, PathRendering::None, text);
            return;
        };
        for (index, fragment) in inner.fragments.iter().enumerate() {
            self.separate(index, inner, text);
            self.append_plain(fragment, text);
        }
    }

    fn append(&self, data: &PipData, paths: PathRendering, text: &mut String) {
        for (index, fragment) in data.fragments.iter().enumerate() {
            self.separate(index, data, text);
            if data.escaping == Escaping::None {
                self.append_fragment(fragment, paths, text);
            } else {
                let mut plain = String::new();
                self.append_fragment(fragment, paths, &mut plain);
                // Nested data has quoted itself already.
                if matches!(fragment, Fragment::Nested(_) | Fragment::Raw(_)) {
                    text.push_str(&plain)
                } else {
                    quote(&plain, text)
                }
            }
        }
    }

    fn append_fragment(&self, fragment: &Fragment, paths: PathRendering, text: &mut String) {
        match fragment {
            Fragment::Text(symbol) | Fragment::Raw(symbol) => text.push_str(self.graph.text(*symbol)),
            Fragment::Path(path) => text.push_str(&separators(self.graph, self.names.path(*path), paths)),
            Fragment::VsoHash(file) => text.push_str(&self.names.vso_hash(*file)),
            Fragment::FileId(file) => text.push_str(&self.names.file_id(*file)),
            Fragment::DirectoryId(directory) => text.push_str(&self.names.directory_id(*directory)),
            Fragment::IpcMoniker(name) => text.push_str(&self.names.ipc_moniker(*name)),
            Fragment::Nested(inner) => self.append(inner, paths, text),
        }
    }
}

/// Splits a line as the C run-time does: at white space outside quotes; a quote after an odd number of backslashes is
/// plain.
fn split(line: &str, arguments: &mut Vec<String>) {
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut backslashes = 0;
    for c in line.chars() {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        let plain_quote = c == '"' && backslashes % 2 == 1;
        if backslashes > 0 {
            // Backslashes mean something only before a quote.
            let kept = if c == '"' { backslashes / 2 } else { backslashes };
            current.get_or_insert_default().extend(std::iter::repeat_n('\\', kept));
            backslashes = 0;
        }
        match c {
            '"' if !plain_quote => {
                quoted = !quoted;
                current.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => arguments.extend(current.take()),
            c => current.get_or_insert_default().push(c),
        }
    }
    if backslashes > 0 {
        current.get_or_insert_default().extend(std::iter::repeat_n('\\', backslashes));
    }
    arguments.extend(current);
}

/// A path relative to the workspace, or absolute elsewhere.
pub(super) fn path_text(graph: &PipGraph, path: PathId, rendering: PathRendering) -> String {
    separators(graph, graph.display(path), rendering)
}

/// A path with the separators that are asked for.
fn separators(graph: &PipGraph, shown: String, rendering: PathRendering) -> String {
    match rendering {
        PathRendering::None if graph.paths().os().has_drives() => shown.replace('/', "\\"),
        PathRendering::None | PathRendering::ForwardSlashes => shown,
        PathRendering::BackSlashes => shown.replace('/', "\\"),
        PathRendering::EscapedBackSlashes => shown.replace('/', "\\\\"),
    }
}

/// Quotes as the C run-time expects: only where needed, backslashes doubled before a quote.
fn quote(plain: &str, text: &mut String) {
    let special = |c: char| c.is_whitespace() || c == '"';
    if !plain.is_empty() && !plain.contains(special) {
        text.push_str(plain);
        return;
    }
    text.push('"');
    let mut backslashes = 0;
    for c in plain.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                // Those before a quote are doubled, and one more makes the quote itself plain.
                text.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        text.push(c);
    }
    text.extend(std::iter::repeat_n('\\', backslashes));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::{quote, split};

    #[test]
    fn raw_text_is_split_as_the_c_run_time_splits_it() {
        for (line, words) in [
            ("a  b", vec!["a", "b"]),
            ("\"a b\"c \"\"", vec!["a bc", ""]),
            (r#"\"a\\b c\\"#, vec!["\"a\\\\b", "c\\\\"]),
            ("", vec![]),
        ] {
            let mut found = Vec::new();
            split(line, &mut found);
            assert_eq!(found, words, "{line}");
        }
    }

    #[test]
    fn quotes_follow_the_c_run_time() {
        for (plain, quoted) in [
            ("a", "a"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            (r"c:\x\", r"c:\x\"),
            (r"c:\x y\", "\"c:\\x y\\\\\""),
            ("say \"hi\"", "\"say \\\"hi\\\"\""),
            ("\\\"", "\"\\\\\\\"\""),
        ] {
            let mut text = String::new();
            quote(plain, &mut text);
            assert_eq!(text, quoted, "{plain}");
        }
    }
}
