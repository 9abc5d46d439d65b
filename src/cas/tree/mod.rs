//! Directories as contents: each is a small message that names what is in it, by digest.
//!
//! These are the `Directory` messages of the Remote Execution API, in its canonical form: children are sorted by the
//! bytes of their names, and no two have the same. So equal directories have equal digests, on every machine, and the
//! digest of the topmost one stands for all that is below it.
//!
//! What comes from elsewhere is read by [`decode_directory`] and [`decode_tree`], which let nothing pass that could lead
//! out of a directory. [`capture`] brings a real directory into a store, [`checkout`] the other way.

#![allow(clippy::disallowed_methods, reason = "real directories are made of files")]

mod capture;
mod checkout;
pub(in crate::cas) mod decode;
#[cfg(test)]
mod disk_tests;
pub(in crate::cas) mod encode;
mod error;
#[cfg(test)]
mod tests;
pub(in crate::cas) mod walk;

pub use capture::{Captured, capture, capture_file};
pub use checkout::{CheckedOut, checkout};
pub use decode::{DecodedTree, decode_directory, decode_tree};
pub use error::{CaptureError, CheckoutError, TreeError, WalkError};
pub use walk::{Entry, EntryKind, Reachable, list};

/// How deep directories may be nested. No path that the system takes is deeper by much.
pub const MAX_DEPTH: usize = 512;

/// How many entries a tree that is put on a disk may have.
pub const MAX_ENTRIES: usize = 20_000_000;

/// Whether something can be the name of a file in a directory.
pub fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.bytes().any(|byte| matches!(byte, b'/' | 0))
}
