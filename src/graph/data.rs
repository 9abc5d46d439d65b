//! Structured text: command lines, file contents and messages, kept apart until they are rendered because paths and
//! content hashes are only known then.

use crate::graph::{DirectoryId, FileArtifact};
use crate::paths::PathId;
use crate::source::{Symbol, Symbols};

/// How a fragment is quoted when it is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Escaping {
    /// As it is.
    #[default]
    None,
    /// Quoted so that the C run-time splits the line back into the same arguments.
    CRuntimeArgumentRules,
}

/// How paths are written into the contents of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathRendering {
    /// As the host writes them.
    #[default]
    None,
    /// With `\`.
    BackSlashes,
    /// With `\\`.
    EscapedBackSlashes,
    /// With `/`.
    ForwardSlashes,
}

/// Fragments with a separator between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PipData {
    /// What stands between two fragments; none for nothing.
    pub separator: Option<Symbol>,
    /// How each fragment is quoted.
    pub escaping: Escaping,
    /// The parts, in order.
    pub fragments: Box<[Fragment]>,
}

/// One part of structured text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// Plain text.
    Text(Symbol),
    /// Text that is never quoted: the same as nested text without quoting, which nearly every option has.
    Raw(Symbol),
    /// An absolute path.
    Path(PathId),
    /// The content hash of a file, known when the file is.
    VsoHash(FileArtifact),
    /// The identity of a file: its path and version.
    FileId(FileArtifact),
    /// The identity of a directory.
    DirectoryId(DirectoryId),
    /// The moniker of an ipc channel.
    IpcMoniker(Symbol),
    /// Fragments with a separator and quoting of their own.
    Nested(Box<PipData>),
}

impl PipData {
    /// Text as it is.
    pub fn text(text: &str, symbols: &Symbols) -> Self {
        Self { fragments: Box::new([Fragment::Text(symbols.intern(text))]), ..Self::default() }
    }

    /// Whether there is nothing to render.
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// Every fragment, nested ones as well, in order. The nesting depth is that of the data.
    pub fn visit(&self, visitor: &mut impl FnMut(&Fragment)) {
        for fragment in &self.fragments {
            visitor(fragment);
            if let Fragment::Nested(inner) = fragment {
                inner.visit(visitor);
            }
        }
    }
}
