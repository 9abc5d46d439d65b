//! Directories as contents: each is a small message that names what is in it, by digest.
//!
//! These are the `Directory` messages of the Remote Execution API, in its canonical form: children are sorted by the
//! bytes of their names, and no two have the same. So equal directories have equal digests, on every machine, and the
//! digest of the topmost one stands for all that is below it.
//!
//! What comes from elsewhere is read by [`decode_directory`] and [`decode_tree`], which let nothing pass that could lead
//! out of a directory.

mod build;
mod decode;
mod error;
#[cfg(test)]
mod tests;

pub use build::{Built, TreeBuilder};
pub use decode::{decode_directory, decode_tree};
pub use error::TreeError;

/// How deep directories may be nested. No path that the system takes is deeper by much.
pub const MAX_DEPTH: usize = 512;

/// Whether something can be the name of a file in a directory.
pub fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.bytes().any(|byte| matches!(byte, b'/' | 0))
}
