//! The files of one run: their text, their names, and the way from bytes to lines and columns.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A file of this run, by its place in [`Files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A place in a file as people count it: both numbers from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

/// One file: its path and its text.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
    line_starts: OnceLock<Box<[u32]>>,
}

impl SourceFile {
    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text, without a byte order mark.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The line of a byte offset, from 1; offsets past the end count as the end. Cheap even in a very long line.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts().partition_point(|&start| start <= offset.min(self.text.len() as u32)) as u32
    }

    /// The place of a byte offset; offsets past the end count as the end. Takes time proportional to the column.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let starts = self.line_starts();
        let offset = offset.min(self.text.len() as u32);
        let line = self.line(offset) as usize - 1;
        let before = &self.text.as_bytes()[starts[line] as usize..offset as usize];
        // Every byte that does not continue a character begins one.
        let column = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        LineColumn { line: line as u32 + 1, column: column as u32 + 1 }
    }

    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            // Counted first, so that nothing grows: every spec with a pip has such a list.
            let breaks = memchr::memchr_iter(b'\n', self.text.as_bytes());
            let mut starts = Vec::with_capacity(breaks.clone().count() + 1);
            starts.push(0);
            starts.extend(breaks.map(|at| at as u32 + 1));
            starts.into_boxed_slice()
        })
    }
}

/// All files of one run. Files are added from any thread and never removed.
#[derive(Debug, Default)]
pub struct Files {
    files: boxcar::Vec<SourceFile>,
}

impl Files {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file. A leading byte order mark is not part of its text.
    pub fn add(&self, path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> FileId {
        let text: Arc<str> = text.into();
        let text = match text.strip_prefix('\u{FEFF}') {
            Some(rest) => Arc::from(rest),
            None => text,
        };
        let file = SourceFile { path: path.into(), text, line_starts: OnceLock::new() };
        FileId(self.files.push(file) as u32)
    }

    /// All files, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().map(|(_, file)| file)
    }

    /// The file with this id.
    ///
    /// # Panics
    /// When the id comes from another `Files`.
    pub fn get(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let files = Files::new();
        let id = files.add("a.dsc", "\u{FEFF}é=1;\r\nb");
        let file = files.get(id);
        assert_eq!(file.line_column(0), LineColumn { line: 1, column: 1 });
        assert_eq!(file.line_column(2), LineColumn { line: 1, column: 2 });
        assert_eq!(file.line_column(7), LineColumn { line: 2, column: 1 });
        assert_eq!(file.line_column(99), LineColumn { line: 2, column: 2 });
    }
}
