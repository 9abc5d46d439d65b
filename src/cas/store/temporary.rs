//! Names for files that are not finished, and what is done about those that a killed process left.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::{During, StoreError};

const DAY: i64 = 24 * 60 * 60;

/// Gives out names in a folder: `namespace-process-number`.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: PathBuf,
    prefix: String,
}

// One for the whole process: two stores may be open on one folder.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Temporary {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, prefix: format!("{}-{}-", process_namespace(), process::id()) }
    }

    /// A name that nobody else has in the store's own folder.
    pub(super) fn unused(&self) -> Unfinished {
        self.unused_in(&self.folder, "")
    }

    /// A name that nobody else has in a folder of the caller, for files that must not cross file systems.
    pub(super) fn unused_beside(&self, path: &Path) -> Unfinished {
        self.unused_in(path.parent().unwrap_or(Path::new("")), ".dscript-")
    }

    fn unused_in(&self, folder: &Path, before: &str) -> Unfinished {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Unfinished { path: folder.join(format!("{before}{}{number}", self.prefix)), there: true }
    }

    /// Removes what killed processes left: of processes that no longer exist, and whatever is older than a day.
    pub(super) fn clean(&self, now: SystemTime) -> Result<(), StoreError> {
        let namespace = process_namespace();
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        for entry in fs::read_dir(&self.folder).during("list", &self.folder)? {
            let entry = entry.during("list", &self.folder)?;
            let path = entry.path();
            let name = entry.file_name();
            let mut parts = name.to_str().unwrap_or_default().split('-');
            // A process of another container cannot be looked for.
            let gone = parts.next() == Some(&namespace)
                && parts.next().and_then(|id| id.parse().ok()).is_some_and(|id: u32| !exists(id));
            // The time of the last change of the inode: the modification time may be that of a blob.
            let old = match entry.metadata() {
                Ok(metadata) => now.saturating_sub(metadata.ctime()) > DAY,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).during("look at", &path),
            };
            if gone || old {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).during("remove", &path),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

// Process ids count for themselves in each container.
fn process_namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

fn exists(id: u32) -> bool {
    let Ok(id) = i32::try_from(id) else { return false };
    // No signal is sent: it is only asked whether one could be. `EPERM` comes from a process that exists.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), None) != Err(nix::errno::Errno::ESRCH)
}

/// A name under which a file is being made. What is there is removed when this goes, unless the file was moved away.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
    there: bool,
}

impl Unfinished {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file to its name, over whatever file is there.
    pub(super) fn rename(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.there = false;
        Ok(())
    }

    /// The file has been moved away by other means.
    pub(super) fn was_moved(mut self) {
        self.there = false;
    }

    /// Like [`Unfinished::rename`], for a link to a file of which the target may have become a link too. Renaming one to
    /// the other does nothing and is no error.
    pub(super) fn rename_link(self, target: &Path) -> io::Result<()> {
        // What is left of the name goes with `self`.
        fs::rename(&self.path, target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.there {
            // It may never have been made. What cannot be removed now is removed when the store is next opened.
            let _ = fs::remove_file(&self.path);
        }
    }
}
