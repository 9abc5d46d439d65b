//! What can be wrong with a directory, and with bringing it into a store or out of it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::cas::{Digest, StoreError};

/// Why something is no directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// A path that was given leads nowhere in a directory.
    #[error("`{path}` is not a relative path of names with `/` between them")]
    NotAPath {
        /// The path.
        path: String,
    },
    /// The bytes are not a message of this kind.
    #[error("the bytes are not such a message ({reason})")]
    NotADirectory {
        /// What the reader of messages says.
        reason: String,
    },
    /// A name that no file can have, or that would lead elsewhere.
    #[error("a directory cannot hold something with the name `{}`", .name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// The names are not sorted, or not different.
    #[error("`{}` is out of order in its directory, or there twice", .name.escape_debug())]
    OutOfOrder {
        /// The name.
        name: String,
    },
    /// Something has no digest, or none that makes sense.
    #[error("`{}` has no valid digest in its directory", .name.escape_debug())]
    BadDigest {
        /// The name.
        name: String,
    },
    /// A symbolic link leads to something that no path can be.
    #[error("the symbolic link `{}` has a target that is no path", .name.escape_debug())]
    BadTarget {
        /// The name of the link.
        name: String,
    },
    /// A directory that is named is not there.
    #[error("the tree does not hold the directory {digest}, which is `{path}`")]
    MissingChild {
        /// The directory.
        digest: Box<Digest>,
        /// Where it should be.
        path: String,
    },
    /// Directories are nested too deep.
    #[error("`{path}` is nested too deep")]
    TooDeep {
        /// The path, as far as it was followed.
        path: String,
    },
}

/// Why a real directory could not be captured.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Devices, sockets and pipes have no content.
    #[error("`{}` is neither a file nor a directory nor a symbolic link", .path.display())]
    Special {
        /// What it was.
        path: PathBuf,
    },
    /// Something was written to it while it was read.
    #[error("`{}` changed while it was added to the store", .path.display())]
    Changed {
        /// The file or directory.
        path: PathBuf,
    },
    /// Names in directories of the Remote Execution API are Unicode.
    #[error("the name of `{}` is not Unicode, so no directory can hold it", .path.display())]
    NotUnicode {
        /// The file.
        path: PathBuf,
    },
    /// So are the targets of symbolic links.
    #[error("the target of the symbolic link `{}` is not Unicode, so no directory can hold it", .path.display())]
    TargetNotUnicode {
        /// The link.
        path: PathBuf,
    },
    /// Directories are nested too deep.
    #[error("`{}` is nested too deep", .path.display())]
    TooDeep {
        /// The first that is.
        path: PathBuf,
    },
    /// The store would be put into itself.
    #[error("`{}` is the store itself, which cannot be added to itself", .path.display())]
    HoldsStore {
        /// The store's folder.
        path: PathBuf,
    },
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tree could not be read from a store.
#[derive(Debug, Error)]
pub enum WalkError {
    /// The store does not have a directory.
    #[error("the store does not have {digest}{}", place(.path))]
    Missing {
        /// The directory.
        digest: Digest,
        /// Where it is in the tree; empty for the topmost one.
        path: String,
    },
    /// A content is not a directory, or one that cannot be trusted.
    #[error("{digest}{} is not a directory: {error}", place(.path))]
    NotADirectory {
        /// The content.
        digest: Digest,
        /// Where it is in the tree; empty for the topmost one.
        path: String,
        /// What is wrong with it.
        error: TreeError,
    },
    /// Directories are nested too deep.
    #[error("`{path}` is nested too deep")]
    TooDeep {
        /// The first that is.
        path: String,
    },
    /// A few directories that name one another many times stand for more files than any disk has.
    #[error("the tree {root} has more than {most} entries")]
    TooLarge {
        /// The tree.
        root: Digest,
        /// How many are allowed.
        most: usize,
    },
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tree could not be put at a path.
#[derive(Debug, Error)]
pub enum CheckoutError {
    /// The tree could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Something is there already.
    #[error("`{}` is there already; a tree is only put where nothing is, or an empty directory", .path.display())]
    Occupied {
        /// The target.
        path: PathBuf,
    },
    /// The store does not have a file.
    #[error("the store does not have {digest}, which is `{path}`")]
    Missing {
        /// The file's content.
        digest: Digest,
        /// Where it is in the tree.
        path: String,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", which is `{}`", path.escape_debug()) }
}
