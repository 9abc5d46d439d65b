//! What an operator may want to know.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cas::Digest;

/// Something that happened in a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What had not been used for longest was removed, to make room.
    Expired {
        /// How many blobs.
        blobs: u64,
        /// How many results of actions.
        results: u64,
        /// The room that they took.
        bytes: u64,
    },
    /// A blob's file no longer held what its name says. It has been removed.
    Corrupt(Digest),
    /// A result's file was damaged. It has been removed.
    CorruptResult,
    /// The disk is full.
    DiskFull,
    /// A file of tokens that could not be used has tokens again, and they count.
    TokensAgain(PathBuf),
    /// The file system refused something.
    Failed(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { blobs, results, bytes } => {
                write!(f, "removed {blobs} blobs and {results} results that were used least lately, {bytes} bytes")
            }
            Self::Corrupt(digest) => write!(f, "removed {digest}, whose file held something else"),
            Self::CorruptResult => write!(f, "removed the result of an action, whose file was damaged"),
            Self::DiskFull => write!(f, "the disk is full"),
            Self::TokensAgain(path) => write!(f, "`{}` has tokens again", path.display()),
            Self::Failed(message) => write!(f, "{message}"),
        }
    }
}

/// Who is told. Called from several threads.
#[derive(Clone)]
pub struct Listener(pub Arc<dyn Fn(&Event) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
