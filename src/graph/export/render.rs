//! Structured text as plain text, with what only a run can tell left as a placeholder.

use crate::graph::{Escaping, Fragment, PathRendering, PipData, PipGraph};
use crate::paths::PathId;

/// The whole text: fragments quoted as the data asks, with its separators between them.
///
/// Paths are shown relative to the workspace. What is not known before a run stands in braces: `{vsoHash:out/a.txt}`,
/// `{fileId:out/a.txt}`, `{directoryId:out/gen}`, `{ipcMoniker:name}`.
pub fn render(graph: &PipGraph, data: &PipData, paths: PathRendering) -> String {
    let mut text = String::new();
    append(graph, data, paths, &mut text);
    text
}

/// A command line as the list of arguments that the process receives: what is quoted on the line is one argument,
/// without its quotes; raw text is split where the C run-time would split it.
pub fn arguments(graph: &PipGraph, data: &PipData) -> Vec<String> {
    let mut arguments = Vec::with_capacity(data.fragments.len());
    if data.fragments.iter().any(|fragment| is_raw(data, fragment) && has_quote(graph, fragment)) {
        // A quote that one raw text opens may be closed by another: only the whole line tells.
        split(&line(graph, data), &mut arguments);
        return arguments;
    }
    for fragment in &data.fragments {
        let mut text = String::new();
        append_plain(graph, fragment, &mut text);
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

/// The command line as one text.
fn line(graph: &PipGraph, data: &PipData) -> String {
    let mut line = String::new();
    for (index, fragment) in data.fragments.iter().enumerate() {
        if index > 0
            && let Some(separator) = data.separator
        {
            line.push_str(graph.text(separator));
        }
        let mut text = String::new();
        append_plain(graph, fragment, &mut text);
        if is_raw(data, fragment) { line.push_str(&text) } else { quote(&text, &mut line) }
    }
    line
}

/// A fragment without quotes.
fn append_plain(graph: &PipGraph, fragment: &Fragment, text: &mut String) {
    let Fragment::Nested(inner) = fragment else {
        append_fragment(graph, fragment, PathRendering::None, text);
        return;
    };
    for (index, fragment) in inner.fragments.iter().enumerate() {
        if index > 0
            && let Some(separator) = inner.separator
        {
            text.push_str(graph.text(separator));
        }
        append_plain(graph, fragment, text);
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

fn append(graph: &PipGraph, data: &PipData, paths: PathRendering, text: &mut String) {
    for (index, fragment) in data.fragments.iter().enumerate() {
        if index > 0
            && let Some(separator) = data.separator
        {
            text.push_str(graph.text(separator));
        }
        if data.escaping == Escaping::None {
            append_fragment(graph, fragment, paths, text);
        } else {
            let mut plain = String::new();
            append_fragment(graph, fragment, paths, &mut plain);
            // Nested data has quoted itself already.
            if matches!(fragment, Fragment::Nested(_) | Fragment::Raw(_)) {
                text.push_str(&plain)
            } else {
                quote(&plain, text)
            }
        }
    }
}

fn append_fragment(graph: &PipGraph, fragment: &Fragment, paths: PathRendering, text: &mut String) {
    let mut braced = |what: &str, inner: &str| {
        text.push('{');
        text.push_str(what);
        text.push(':');
        text.push_str(inner);
        text.push('}');
    };
    match fragment {
        Fragment::Text(symbol) | Fragment::Raw(symbol) => text.push_str(graph.text(*symbol)),
        Fragment::Path(path) => text.push_str(&path_text(graph, *path, paths)),
        Fragment::VsoHash(file) => braced("vsoHash", &graph.display(file.path)),
        Fragment::FileId(file) => braced("fileId", &graph.display(file.path)),
        Fragment::DirectoryId(directory) => match graph.directories().get(directory.0 as usize) {
            Some(directory) => braced("directoryId", &graph.display(directory.root)),
            None => braced("directoryId", "unknown"),
        },
        Fragment::IpcMoniker(name) => braced("ipcMoniker", graph.text(*name)),
        Fragment::Nested(inner) => append(graph, inner, paths, text),
    }
}

/// A path relative to the workspace, or absolute elsewhere.
pub(super) fn path_text(graph: &PipGraph, path: PathId, rendering: PathRendering) -> String {
    let shown = graph.display(path);
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
