//! What can be wrong with a directory.

use thiserror::Error;

use crate::cas::Digest;

/// Why something is no directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// A path that was given leads nowhere in a directory.
    #[error("`{path}` is not a relative path of names with `/` between them")]
    NotAPath {
        /// The path.
        path: String,
    },
    /// Two different things were put at one path.
    #[error("`{path}` cannot be two things in one directory")]
    Conflict {
        /// The path.
        path: String,
    },
    /// The bytes are not a message of this kind.
    #[error("these bytes are not a directory: {reason}")]
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
        digest: Digest,
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
