//! Interned paths: absolute paths as a trie, relative paths as lists of atoms. No function here touches the disk.
//!
//! A [`PathId`] is four bytes and means something only together with the [`Paths`] that gave it out: a step of the trie
//! is a parent and a name, so equal paths have equal ids and a parent is one look-up. `.` and `..` are gone once a path
//! is interned; one that climbs above the root is refused. Letter case and drives follow the operating system that the
//! [`Paths`] were made for.

mod absolute;
mod relative;
mod rules;

pub use absolute::{PathId, Paths};
pub use relative::{RelativeError, RelativePath};
pub use rules::{begins_with_drive, begins_with_machine};
