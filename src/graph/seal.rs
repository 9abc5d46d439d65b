//! Sealed directories: views of a folder's contents that pips consume as a unit.

use crate::graph::{DirectoryId, FileArtifact, PipId};
use crate::paths::PathId;
use crate::source::Symbol;

/// What a sealed directory promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SealKind {
    /// Exactly the listed contents, nothing else lies there.
    Full,
    /// The listed contents; other things may lie there.
    Partial,
    /// Source files directly in the folder.
    SourceTop,
    /// Source files at any depth.
    SourceAll,
    /// Outputs not known before a run, in a folder that several pips may write to.
    SharedOpaque,
    /// Outputs not known before a run, in a folder that one pip owns.
    ExclusiveOpaque,
    /// Several shared opaques seen as one, from a common ancestor; with a filter and one member also a filtered one.
    Composite,
    /// The part of one shared opaque that lies below a folder inside it.
    SubDirectory,
}

impl SealKind {
    /// Source files, at one level or all.
    pub fn is_source(self) -> bool {
        matches!(self, Self::SourceTop | Self::SourceAll)
    }

    /// An output directory of one process.
    pub fn is_output(self) -> bool {
        matches!(self, Self::SharedOpaque | Self::ExclusiveOpaque)
    }

    /// Made of other shared opaques.
    pub fn is_composed(self) -> bool {
        matches!(self, Self::Composite | Self::SubDirectory)
    }

    /// Usable wherever a shared opaque is.
    pub fn is_shared(self) -> bool {
        self == Self::SharedOpaque || self.is_composed()
    }
}

/// Whether matching files stay or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterKind {
    /// Files that match stay.
    Include,
    /// Files that match go.
    Exclude,
}

/// A regular expression over the full paths of a shared opaque's files. Its syntax was checked by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentFilter {
    /// Whether matching files stay or go.
    pub kind: FilterKind,
    /// The text of the expression.
    pub regex: Symbol,
}

/// What to seal. [`SealKind::SharedOpaque`] and [`SealKind::ExclusiveOpaque`] are made by adding a process, not by
/// asking for them.
#[derive(Clone, Debug)]
pub struct SealRequest {
    /// What the seal promises.
    pub kind: SealKind,
    /// The folder.
    pub root: PathId,
    /// Contents of full and partial seals.
    pub files: Box<[FileArtifact]>,
    /// Output directories among the contents of full and partial seals; the members of a composite; the one directory
    /// that a sub-directory is part of.
    pub directories: Box<[DirectoryId]>,
    /// Patterns of a source seal; empty for all files.
    pub patterns: Box<[Symbol]>,
    /// Which files of a composite or sub-directory are seen.
    pub filter: Option<ContentFilter>,
    /// Whether a run deletes what is in the folder but not in the contents.
    pub scrub: bool,
    /// Tags for filters.
    pub tags: Box<[Symbol]>,
    /// What people are told about it.
    pub description: Option<Symbol>,
}

impl SealRequest {
    /// A seal without contents.
    pub fn new(kind: SealKind, root: PathId) -> Self {
        Self {
            kind,
            root,
            files: Box::default(),
            directories: Box::default(),
            patterns: Box::default(),
            filter: None,
            scrub: false,
            tags: Box::default(),
            description: None,
        }
    }
}

/// The pip behind a sealed directory.
#[derive(Clone, Debug)]
pub struct SealDirectoryPip {
    /// The directory that it makes.
    pub directory: DirectoryId,
    /// What the seal promises.
    pub kind: SealKind,
    /// Whether a run deletes what is in the folder but not in the contents.
    pub scrub: bool,
    /// The folder.
    pub root: PathId,
    /// Which files of a composite or sub-directory are seen.
    pub filter: Option<ContentFilter>,
    /// Contents of full and partial seals; for opaques the files whose existence was asserted.
    pub files: Box<[FileArtifact]>,
    /// Output directories among the contents, or members, as in [`SealRequest::directories`].
    pub directories: Box<[DirectoryId]>,
    /// Patterns of a source seal; empty for all files.
    pub patterns: Box<[Symbol]>,
    /// Tags for filters.
    pub tags: Box<[Symbol]>,
    /// What people are told about it.
    pub description: Option<Symbol>,
}

/// A sealed or output directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The folder.
    pub root: PathId,
    /// What the seal promises.
    pub kind: SealKind,
    /// The pip that seals it. Whoever consumes the directory depends on this pip.
    pub pip: PipId,
    /// The process that fills it, for shared and exclusive opaques.
    pub producer: Option<PipId>,
}
