//! What lies at a path, as fingerprints and the cache see it.

use serde::{Deserialize, Serialize};

use super::cache::Hasher;
use crate::cas::Digest;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing.
    Absent,
    /// A folder.
    Directory,
    /// A file.
    File {
        /// Its bytes.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link, by where it leads.
    Link(Box<str>),
    /// A socket, pipe or device: nothing that a cache could hold.
    Other,
}

impl Content {
    /// A file of which nothing is known but that it is there.
    pub(super) const SOME_FILE: Content =
        Content::File { digest: Digest { hash: [0; 32], size: 0 }, executable: false };

    /// What a probe tells: the kind of thing, not what is in it.
    pub(super) fn kind_only(self) -> Content {
        match self {
            Content::File { .. } => Self::SOME_FILE,
            Content::Link(_) => Content::Link("".into()),
            other => other,
        }
    }

    /// The digest of a file's bytes.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Content::File { digest, .. } => Some(*digest),
            _ => None,
        }
    }

    /// Whether something that a pip can have as an output lies there.
    pub fn is_output(&self) -> bool {
        matches!(self, Content::File { .. } | Content::Link(_))
    }

    /// Adds it to a fingerprint.
    pub(super) fn hash(&self, hasher: &mut Hasher) {
        match self {
            Content::Absent => hasher.text("absent"),
            Content::Directory => hasher.text("directory"),
            Content::File { digest, executable } => hasher.text("file").digest(digest).flag(*executable),
            Content::Link(target) => hasher.text("link").text(target),
            Content::Other => hasher.text("other"),
        };
    }

    /// One line for people: what changed in an input.
    pub fn describe(&self) -> String {
        match self {
            Content::Absent => "absent".to_owned(),
            Content::Directory => "a directory".to_owned(),
            same if *same == Self::SOME_FILE => "a file".to_owned(),
            Content::File { digest, executable } => {
                format!("{}{}", &digest.hex()[..16], if *executable { " (executable)" } else { "" })
            }
            Content::Link(target) => format!("a link to `{target}`"),
            Content::Other => "a device, pipe or socket".to_owned(),
        }
    }
}
