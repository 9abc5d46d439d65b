//! Interned paths: absolute paths as a trie, relative paths as lists of atoms. No function here touches the disk.

mod absolute;
mod relative;

pub use absolute::{PathId, Paths};
pub use relative::{RelativeError, RelativePath};
