//! How a change of a stored file is noticed without reading it.
//!
//! Files of the store share their inode with the outputs of builds, and who may write to any file can write through
//! such a link. So a file is trusted only while its size and its modification time are what they were when it was added.
//! That time is not written down anywhere: it is recognised. When a file is added, the last six digits of its time in
//! nanoseconds are replaced by a *mark*, computed from its content and the other digits. A write sets the time to that of
//! the clock, whose last digits are the right ones once in a million times.
//!
//! A table beside the files would have to be kept in step with them, by several processes, some of which are killed;
//! extended attributes are missing from some file systems. The mark is part of the inode. It also shows a write in the
//! very clock tick in which the file was added, which no comparison with a recorded time can. And the time stays, but for
//! a millisecond, the one at which the file was made, which other tools may look at.
//!
//! On file systems that do not keep nanoseconds the store reads files instead of trusting them.
//!
//! What it does not show: a write that restores the time afterwards, and later changes through a shared memory mapping
//! that was made before the file was added. `verify` finds those.

use std::fs::{File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cas::Digest;

// The digits of a time that the mark replaces.
const MARKED: i64 = 1_000_000;

/// Whether a modification time, in nanoseconds since 1970, carries the mark of this content: nothing has been written
/// to the file since the store gave it that time.
pub fn is_stamped(digest: &Digest, modified: i64) -> bool {
    stamped(digest, modified) == modified
}

/// A time with the mark of a content.
pub(super) fn stamped(digest: &Digest, modified: i64) -> i64 {
    let milliseconds = modified.div_euclid(MARKED);
    milliseconds * MARKED + mark(digest, milliseconds)
}

// Times of the system's clock come in steps, so their last digits are far from random; the mark is, for each
// millisecond anew.
fn mark(digest: &Digest, milliseconds: i64) -> i64 {
    let content = digest.hash[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let mut mixed = content ^ milliseconds.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2 {
        mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    ((mixed >> 32) % MARKED.cast_unsigned()).cast_signed()
}

/// The modification time of a file, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Gives a file a modification time.
pub(super) fn set_modified(file: &File, modified: i64) -> io::Result<()> {
    file.set_times(FileTimes::new().set_modified(time(modified)))
}

/// Whether a file system keeps times exactly enough; `probe` is a file on it, of which only the time is changed.
pub(super) fn is_kept(probe: &File) -> io::Result<bool> {
    let fine = 1_234_567_890_123_456_789;
    set_modified(probe, fine)?;
    Ok(modified(&probe.metadata()?) == fine)
}

/// The time that is so many nanoseconds after 1970.
fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    if nanoseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_the_millisecond_and_knows_its_content() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        for now in [1_763_000_000_123_456_789, 0, -5, 7] {
            let mark = stamped(&one, now);
            assert_eq!(mark.div_euclid(MARKED), now.div_euclid(MARKED));
            assert!(is_stamped(&one, mark));
            assert!(!is_stamped(&other, mark));
            assert!(!is_stamped(&one, mark + 1));
            assert!(!is_stamped(&one, mark + MARKED));
        }
    }

    #[test]
    fn the_times_of_a_clock_are_hardly_ever_marked() {
        // A clock of 250 steps a second, whose last digits never change, over a long time and some contents.
        let contents: Vec<Digest> = (0..20).map(|number| Digest::of(&[number])).collect();
        let marked = (0..200_000)
            .map(|tick| 1_763_000_000_000_812_345 + tick * 4_000_000)
            .flat_map(|now| contents.iter().map(move |content| is_stamped(content, now)))
            .filter(|marked| *marked)
            .count();
        // Four are expected of four million.
        assert!(marked < 16, "{marked}");
    }
}
