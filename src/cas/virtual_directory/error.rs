//! What can go wrong with virtual directories.

use std::path::PathBuf;

use thiserror::Error;

use crate::cas::tree::{CaptureError, CheckoutError, TreeError, WalkError};
use crate::cas::{Digest, StoreError};

/// Why something could not be done with a virtual directory.
#[derive(Debug, Error)]
pub enum VirtualError {
    /// There is nothing at a path.
    #[error("there is nothing at `{path}`")]
    NotFound {
        /// The path.
        path: String,
    },
    /// Something at a path is not what it should be.
    #[error("`{path}` is not a {wanted}")]
    Unfit {
        /// The path.
        path: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Different things were to be at the same paths.
    #[error("`{}` cannot be two things in one directory{}", .paths.first().map_or("", String::as_str), more(.paths.len()))]
    Conflict {
        /// Where, sorted; at least one.
        paths: Vec<String>,
    },
    /// The store does not have what a directory is to hold.
    #[error("the store does not have {digest}, which is `{path}`")]
    Missing {
        /// The content.
        digest: Digest,
        /// Where it is.
        path: String,
    },
    /// The real directory was handed out since, so that it may be another by now.
    #[error("this view of `{}` is from before it was last handed out as a real directory; ask for a new one", .folder.display())]
    Stale {
        /// The real directory.
        folder: PathBuf,
    },
    /// The real directory was handed out, so that is what is to be changed.
    #[error("`{}` is a real directory now, and is changed as such", .folder.display())]
    Real {
        /// The real directory.
        folder: PathBuf,
    },
    /// A path or a target makes no sense, or directories are nested too deep.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A directory could not be read from the store.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A real directory could not be captured.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A real directory could not be made.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn more(count: usize) -> String {
    if count > 1 { format!(", nor can {} other paths", count - 1) } else { String::new() }
}
