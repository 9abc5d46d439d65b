//! Telling cheaply whether a file or folder is as it was.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// What the system keeps about a file or folder. While it stays the same, so does the content, or the list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signature {
    /// The number of the file system that it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, in nanoseconds since 1970.
    pub modified: i128,
    /// When anything about it changed, in nanoseconds since 1970. Unlike the other time nobody can set it.
    pub changed: i128,
}

/// The clock of a file system goes on in steps. What changed less than a step ago can change again without a trace.
const STEP: Duration = Duration::from_millis(100);

/// The step of file systems that count whole seconds.
const LONG_STEP: Duration = Duration::from_secs(2);

impl Signature {
    /// That of what lies at a path, links followed, even if it changed a moment ago.
    pub fn of(path: &Path) -> Option<Self> {
        Self::from_metadata(&fs::metadata(path).ok()?)
    }

    /// That of what lies at a path, links followed; none where nothing is there, and where it changed so short a time
    /// ago that another change could leave it as it is.
    pub fn settled(path: &Path) -> Option<Self> {
        let signature = Self::of(path)?;
        let whole_seconds = signature.changed % 1_000_000_000 == 0;
        let step = if whole_seconds { LONG_STEP } else { STEP };
        (signature.changed + nanoseconds(step) < now()).then_some(signature)
    }

    #[cfg(unix)]
    fn from_metadata(metadata: &fs::Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    fn from_metadata(metadata: &fs::Metadata) -> Option<Self> {
        let modified = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok().map(nanoseconds)?;
        Some(Self { device: 0, inode: 0, size: metadata.len(), modified, changed: modified })
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[allow(clippy::disallowed_methods, reason = "only decides whether a file is hashed again, never what comes out")]
fn now() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write what they look at")]
mod tests {
    use super::*;

    #[test]
    fn what_changed_a_moment_ago_is_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "one").unwrap();
        assert_eq!(Signature::settled(&file), None);
        std::thread::sleep(STEP + Duration::from_millis(50));
        let first = Signature::settled(&file);
        assert!(first.is_some());
        fs::write(&file, "two").unwrap();
        assert_ne!(Signature::of(&file), first);
        assert_eq!(Signature::of(&folder.path().join("none")), None);
    }
}
