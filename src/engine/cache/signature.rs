//! What the file system says about a file without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cas::{Digest, store};

// The longest step of a clock that stamps files, and some more.
const TICK: i64 = 20_000_000;

// The same for file systems that keep whole seconds, or every second one.
const COARSE_TICK: i64 = 2_100_000_000;

/// What is compared to see whether a file may have changed. Times are in nanoseconds since 1970.
///
/// Take it *before* the file is read. The clock that gives files their times moves in steps, so a file can change twice
/// at one and the same time; a signature remembers whether it was taken so soon after the last change that another one
/// could leave it as it is. Such a signature is never remembered.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The device.
    pub device: u64,
    /// The inode.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// When the content was last changed.
    pub modified: i64,
    /// When the inode was last changed.
    pub changed: i64,
    /// The kind and the permissions.
    pub mode: u32,
    // Whether it was taken too soon.
    young: bool,
}

impl Signature {
    /// The signature of a file whose metadata has just been asked for.
    pub fn of(metadata: &Metadata) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(metadata, i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
    }

    fn at(metadata: &Metadata, now: i64) -> Self {
        let time = |seconds: i64, rest| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        let modified = time(metadata.mtime(), metadata.mtime_nsec());
        let changed = time(metadata.ctime(), metadata.ctime_nsec());
        // Both without a fraction: hardly by chance.
        let whole = metadata.mtime_nsec() == 0 && metadata.ctime_nsec() == 0;
        let settled = now.saturating_sub(if whole { COARSE_TICK } else { TICK });
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified,
            changed,
            mode: metadata.mode(),
            // Times of the future are from another clock, about which nothing is known.
            young: modified >= settled || changed >= settled,
        }
    }

    /// Whether the signature is enough to recognise this content later.
    pub fn vouches_for(&self, digest: &Digest) -> bool {
        digest.size == self.size && (!self.young || store::is_stamped(digest, self.modified))
    }

    /// Whether any user may execute the file.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.device, it.inode, it.size, it.modified, it.changed, it.mode);
        key(self) == key(other)
    }
}

impl Eq for Signature {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_signature_taken_right_after_a_change_vouches_for_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "text").unwrap();
        let metadata = fs::metadata(file.path()).unwrap();
        let changed = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
        let digest = Digest::of(b"text");
        assert!(!Signature::at(&metadata, changed).vouches_for(&digest));
        assert!(!Signature::at(&metadata, changed + TICK).vouches_for(&digest));
        assert!(!Signature::at(&metadata, changed - 1_000_000_000).vouches_for(&digest));
        let settled = Signature::at(&metadata, changed + TICK + 1);
        assert!(settled.vouches_for(&digest) && !settled.vouches_for(&Digest::of(b"longer")));
        assert_eq!(settled, Signature::of(&metadata));
    }
}
