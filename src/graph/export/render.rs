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

/// Each top-level fragment as a text of its own, not quoted: a command line as a list of arguments.
pub fn fragments<'a>(graph: &'a PipGraph, data: &'a PipData) -> impl Iterator<Item = String> + 'a {
    data.fragments.iter().map(|fragment| {
        let mut text = String::new();
        append_fragment(graph, fragment, PathRendering::None, &mut text);
        text
    })
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
            if matches!(fragment, Fragment::Nested(_)) { text.push_str(&plain) } else { quote(&plain, text) }
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
        Fragment::Text(symbol) => text.push_str(graph.text(*symbol)),
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

fn path_text(graph: &PipGraph, path: PathId, rendering: PathRendering) -> String {
    let shown = graph.display(path);
    match rendering {
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
    use super::quote;

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
