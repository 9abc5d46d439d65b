//! Damaged files of the cache are put aside, and half-written ones never get their name.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

// So many damaged files are kept, for whoever wants to know what happened.
const KEPT: usize = 2;

// What is older has been left by a process that was killed.
const UNFINISHED: Duration = Duration::from_secs(3600);

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

/// The name of this process for a file that is not complete.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", process::id()));
    name.into()
}

/// Removes what processes left that were killed while they made a file.
pub(super) fn remove_unfinished(path: &Path) -> io::Result<()> {
    let before = path.file_name().map(|name| format!("{}.", name.to_string_lossy())).unwrap_or_default();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(&before) && name.ends_with(".tmp")) {
            continue;
        }
        let old = match entry.metadata() {
            Ok(metadata) => metadata.modified()?.elapsed().is_ok_and(|age| age > UNFINISHED),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if old {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn only_old_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let old = SystemTime::now() - 2 * UNFINISHED;
        for (name, time) in
            [("table.1.tmp", old), ("table.2.tmp", SystemTime::now()), ("other.1.tmp", old), ("table", old)]
        {
            fs::File::create(folder.path().join(name)).unwrap().set_modified(time).unwrap();
        }
        remove_unfinished(&path).unwrap();
        let left: Vec<bool> =
            ["table.1.tmp", "table.2.tmp", "other.1.tmp", "table"].map(|name| folder.path().join(name).exists()).into();
        assert_eq!(left, [false, true, true, true]);
    }
}
