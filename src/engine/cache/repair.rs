//! Damaged files of the cache are put aside.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

// So many damaged files are kept, for whoever wants to know what happened.
const KEPT: usize = 2;

/// A file of the cache was damaged and has been begun anew. What it held will be found out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The file.
    pub path: PathBuf,
    /// Where the damaged one is now.
    pub moved_to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, moved) = (self.path.display(), self.moved_to.display());
        write!(f, "`{path}` was damaged ({}) and is begun anew; the old one is now `{moved}`", self.reason)
    }
}

/// Moves a damaged file to the next free `NAME.broken-N`, and removes the oldest of those.
pub(super) fn put_aside(path: &Path, reason: String) -> io::Result<Repair> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let before = format!("{name}.broken-");
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_prefix(&before)) {
            numbers.extend(number.parse::<u64>().ok().filter(|number| *number < u64::MAX));
        }
    }
    numbers.sort_unstable();
    let next = numbers.last().map_or(1, |last| last + 1);
    let at = |number| folder.join(format!("{before}{number}"));
    fs::rename(path, at(next))?;
    let surplus = (numbers.len() + 1).saturating_sub(KEPT);
    for old in &numbers[..surplus] {
        fs::remove_file(at(*old))?;
    }
    Ok(Repair { path: path.to_owned(), moved_to: at(next), reason })
}
