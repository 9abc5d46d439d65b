//! Whether the database is still as it was when it was last closed.
//!
//! Pages of the database have checksums, but they are looked at only when somebody asks, and reading a damaged page can
//! end a program. Verifying takes some hundred milliseconds for a large file, too long for a build that has nothing
//! to do. So whoever closes the database notes what the file system says about the file. As long as that is the same,
//! and for a day, the pages are taken to be as they were; after a kill, a copy or a repair of the disk they are verified.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

/// Notes the state of a file when it goes. It must go after the file is closed.
#[derive(Debug)]
pub(super) struct Closed {
    file: PathBuf,
    // When the pages were last verified, in seconds since 1970; 0 if the file is no good.
    verified: AtomicU64,
}

impl Closed {
    /// Looks at the note; says too whether the pages have to be verified.
    pub(super) fn of(file: &Path) -> (Self, bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let verified = last_verified(file).filter(|verified| (now.saturating_sub(DAY)..=now).contains(verified));
        let note = Self { file: file.to_owned(), verified: AtomicU64::new(verified.unwrap_or(now)) };
        (note, verified.is_none())
    }

    /// The file is no good, or no longer there.
    pub(super) fn forget(&self) {
        self.verified.store(0, Ordering::Relaxed);
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let verified = self.verified.load(Ordering::Relaxed);
        if verified == 0 {
            return;
        }
        if let Ok(metadata) = fs::metadata(&self.file) {
            // Without the note the next start takes a moment longer, and that is all.
            let _ = fs::write(note(&self.file), format!("{} {verified}\n", state(&metadata)));
        }
    }
}

fn last_verified(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(note(file)).ok()?;
    let metadata = fs::metadata(file).ok()?;
    text.strip_suffix('\n')?.strip_prefix(&state(&metadata))?.strip_prefix(' ')?.parse().ok()
}

fn note(file: &Path) -> PathBuf {
    file.with_extension("closed")
}

fn state(metadata: &Metadata) -> String {
    let (changed, modified) = (metadata.ctime(), metadata.mtime());
    let (changed_rest, modified_rest) = (metadata.ctime_nsec(), metadata.mtime_nsec());
    format!(
        "{} {} {} {modified}.{modified_rest} {changed}.{changed_rest}",
        metadata.dev(),
        metadata.ino(),
        metadata.len()
    )
}
