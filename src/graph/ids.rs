//! Identities: pips, directories, versions of files, and where in the specs a pip was made.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::paths::PathId;
use crate::source::Location;

/// A pip, by its place in the graph: dense, from 0, in the order of adding. Only meaningful with the builder that
/// gave it out and the graph frozen from that builder. What users see is [`crate::graph::StableId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipId(pub u32);

/// A sealed or output directory: dense, from 0. Each seal of a folder is a new directory with an id of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectoryId(pub u32);

/// One version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileArtifact {
    /// Where the file lies.
    pub path: PathId,
    /// 0 for a source file, 1 for the first output at this path, n for the n-th rewrite.
    pub rewrite: u32,
}

impl FileArtifact {
    /// A source file: made by no pip.
    pub fn source(path: PathId) -> Self {
        Self { path, rewrite: 0 }
    }

    /// The first output at a path.
    pub fn output(path: PathId) -> Self {
        Self { path, rewrite: 1 }
    }

    /// The version that a pip makes when it rewrites this one.
    pub fn rewritten(self) -> Self {
        Self { path: self.path, rewrite: self.rewrite + 1 }
    }

    /// The version that this one rewrites; none for sources and first outputs.
    pub fn before(self) -> Option<Self> {
        (self.rewrite > 1).then(|| Self { path: self.path, rewrite: self.rewrite - 1 })
    }

    /// Whether no pip makes it.
    pub fn is_source(self) -> bool {
        self.rewrite == 0
    }
}

/// An instance of a qualifier: keys and values, ordered by key.
pub type Qualifier = BTreeMap<String, String>;

/// Where a pip comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The name of the module.
    pub module: Arc<str>,
    /// The spec that holds the top-level value.
    pub spec: PathId,
    /// The call that made the pip.
    pub location: Location,
    /// The line of that call, from 1.
    pub line: u32,
    /// The column of that call in characters, from 1.
    pub column: u32,
    /// The top-level value that was being evaluated, dotted.
    pub value: Arc<str>,
    /// The qualifier instance of that value.
    pub qualifier: Arc<Qualifier>,
}
