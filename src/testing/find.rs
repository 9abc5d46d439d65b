//! Where tests are looked for: a workspace, a spec, or a folder of specs that belong to no workspace.

use std::path::{Path, PathBuf};

use super::{TestError, TestOptions};
use crate::source::system::{EntryKind, FileSystem};
use crate::workspace::{is_config_file, is_spec};

/// What stands in every spec with a test.
const MARK: &[u8] = b"unitTest";

/// What is to be opened for a path: the path itself where it is a workspace or a file, else each spec below it that
/// may hold a test.
pub(super) fn targets(path: &Path, options: &TestOptions) -> Result<Vec<PathBuf>, TestError> {
    let files = &*options.file_system;
    if !files.is_dir(path) {
        return Ok(vec![path.to_owned()]);
    }
    let mut specs = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match files.read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => return Err(TestError::Unreadable(folder, error)),
        };
        if folder == path && entries.iter().any(|entry| is_config_file(&entry.name)) {
            return Ok(vec![folder]);
        }
        let mut below = Vec::new();
        for entry in entries.into_iter().filter(|entry| !entry.name.starts_with('.')) {
            let path = folder.join(&entry.name);
            match entry.kind {
                EntryKind::Directory => below.push(path),
                _ if is_spec(&entry.name) && files.is_file(&path) && has_mark(files, &path)? => {
                    specs.push(path);
                }
                _ => {}
            }
        }
        open.extend(below.into_iter().rev());
    }
    specs.sort();
    Ok(specs)
}

fn has_mark(files: &dyn FileSystem, path: &Path) -> Result<bool, TestError> {
    match files.read(path) {
        Ok(text) => Ok(memchr::memmem::find(&text, MARK).is_some()),
        Err(error) => Err(TestError::Unreadable(path.to_owned(), error)),
    }
}
