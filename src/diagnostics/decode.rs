//! From bytes to a file of this run.

use std::path::Path;

use super::{Code, Diagnostic};
use crate::source::{FileId, Files, Span};

/// Adds a file from its bytes. Bytes that are not a spec's text give a diagnostic instead of wrong text further on;
/// the file is then known with its wrong bytes replaced (too large ones: empty), only so that the diagnostic can point
/// into it.
pub fn decode(path: &Path, bytes: Vec<u8>, files: &Files) -> (FileId, Option<Diagnostic>) {
    // Offsets are 32 bits wide; the last one is kept free as an end.
    if bytes.len() >= u32::MAX as usize {
        let id = files.add(path, "");
        let problem = Diagnostic::error(Code::Ds(103), "this file is larger than 4 GB")
            .at(Span::default().in_file(id), "")
            .help("split it, or take it out of the workspace");
        return (id, Some(problem));
    }
    let error = match String::from_utf8(bytes) {
        Ok(text) => return (files.add(path, text), None),
        Err(error) => error,
    };
    let at = error.utf8_error().valid_up_to();
    let bytes = error.into_bytes();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let is_utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    // A byte order mark is dropped when the file is added, so what comes after it moves.
    let start = if bytes.starts_with(b"\xEF\xBB\xBF") { at.saturating_sub(3) } else { at } as u32;
    let id = files.add(path, String::from_utf8_lossy(&bytes));
    let problem = Diagnostic::error(Code::Ds(190), "the file is not UTF-8 text")
        .at(Span::new(start, start + 1).in_file(id), format!("byte 0x{byte:02X} is no part of UTF-8 text"))
        .help(if is_utf16 {
            "it looks like UTF-16: save it as UTF-8"
        } else {
            "save the file as UTF-8, or replace the bytes by escapes such as `\\u00e9` in a string"
        });
    (id, Some(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_bytes_are_pointed_at() {
        let files = Files::new();
        let (_, fine) = decode(Path::new("a"), "\u{FEFF}é".into(), &files);
        assert_eq!(fine, None);
        let (id, problem) = decode(Path::new("b"), b"\xEF\xBB\xBFab\xFFc".to_vec(), &files);
        let span = problem.unwrap().labels[0].location.span;
        assert_eq!(span, Span::new(2, 3));
        assert_eq!(&**files.get(id).text(), "ab\u{FFFD}c");
        let (_, problem) = decode(Path::new("c"), b"\xFF\xFEa\0".to_vec(), &files);
        assert!(problem.unwrap().help.unwrap().contains("UTF-16"));
    }
}
