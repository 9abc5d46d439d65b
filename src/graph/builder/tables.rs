//! What the builder remembers of files and folders, keyed by path so that no rule has to compare all pairs.

use rustc_hash::FxHashMap;

use crate::graph::{DirectoryId, Existence, FileArtifact, FileOutput, PipId, SealKind};
use crate::paths::{PathId, Paths};

const NOBODY: u32 = u32::MAX;

/// The newest version of one file, and who deals with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileState {
    /// 0: only known as a source file.
    pub(super) version: u32,
    producer: u32,
    user: u32,
    /// Whether the first user is a sealed directory.
    pub(super) used_by_seal: bool,
    /// What its producer says about it.
    pub(super) existence: Existence,
}

impl FileState {
    /// Who makes the newest version.
    pub(super) fn producer(&self) -> Option<PipId> {
        (self.producer != NOBODY).then_some(PipId(self.producer))
    }

    /// Who used the newest version first.
    pub(super) fn user(&self) -> Option<PipId> {
        (self.user != NOBODY).then_some(PipId(self.user))
    }
}

/// All files that pips name.
#[derive(Debug, Default)]
pub(super) struct FileTable {
    newest: FxHashMap<PathId, FileState>,
    // Versions that were rewritten. Few, so they do not widen every row of `newest`.
    older: FxHashMap<FileArtifact, PipId>,
}

impl FileTable {
    pub(super) fn get(&self, path: PathId) -> Option<&FileState> {
        self.newest.get(&path)
    }

    pub(super) fn producer(&self, artifact: FileArtifact) -> Option<PipId> {
        if artifact.is_source() {
            return None;
        }
        let state = self.newest.get(&artifact.path)?;
        if state.version == artifact.rewrite { state.producer() } else { self.older.get(&artifact).copied() }
    }

    /// Notes a use of the newest version; only the first user is kept, for messages.
    pub(super) fn mark_used(&mut self, path: PathId, user: PipId, by_seal: bool) {
        let state = self.newest.entry(path).or_insert(FileState {
            version: 0,
            producer: NOBODY,
            user: NOBODY,
            used_by_seal: false,
            existence: Existence::Required,
        });
        if state.user == NOBODY {
            state.user = user.0;
            state.used_by_seal = by_seal;
        }
    }

    /// Notes a new version.
    pub(super) fn make(&mut self, output: FileOutput, producer: PipId) {
        let FileArtifact { path, rewrite } = output.artifact;
        let state = FileState {
            version: rewrite,
            producer: producer.0,
            user: NOBODY,
            used_by_seal: false,
            existence: output.existence,
        };
        if let Some(before) = self.newest.insert(path, state)
            && let Some(producer) = before.producer()
        {
            self.older.insert(FileArtifact { path, rewrite: before.version }, producer);
        }
    }

    /// How many files are only known as sources.
    pub(super) fn source_count(&self) -> usize {
        self.newest.values().filter(|state| state.version == 0).count()
    }

    /// Takes the table apart for the frozen graph: producers of the newest and of older versions.
    pub(super) fn into_producers(self) -> (FxHashMap<PathId, (u32, PipId)>, FxHashMap<FileArtifact, PipId>) {
        let mut newest = FxHashMap::default();
        newest.reserve(self.newest.len());
        #[expect(clippy::iter_over_hash_type, reason = "into another table, where order does not show")]
        for (path, state) in self.newest {
            if let Some(producer) = state.producer() {
                newest.insert(path, (state.version, producer));
            }
        }
        (newest, self.older)
    }
}

/// The sealed directories rooted at one folder: the first of each sort, which is all that messages need.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RootState {
    /// Full, source or exclusive: nothing may be written below.
    pub(super) closed: Option<DirectoryId>,
    /// Exclusive opaque.
    pub(super) exclusive: Option<DirectoryId>,
    /// Shared opaque of a process.
    pub(super) shared: Option<DirectoryId>,
}

/// All folders that are roots of sealed directories.
#[derive(Debug, Default)]
pub(super) struct RootTable {
    roots: FxHashMap<PathId, RootState>,
    /// For each folder above an exclusive opaque, the first such opaque.
    exclusive_below: FxHashMap<PathId, DirectoryId>,
    any_closed: bool,
    any_shared: bool,
}

impl RootTable {
    pub(super) fn get(&self, path: PathId) -> Option<&RootState> {
        self.roots.get(&path)
    }

    /// An exclusive opaque strictly below this folder.
    pub(super) fn exclusive_below(&self, path: PathId) -> Option<DirectoryId> {
        self.exclusive_below.get(&path).copied()
    }

    pub(super) fn add(&mut self, root: PathId, kind: SealKind, id: DirectoryId, paths: &Paths) {
        let state = self.roots.entry(root).or_default();
        if matches!(kind, SealKind::Full | SealKind::ExclusiveOpaque) || kind.is_source() {
            state.closed.get_or_insert(id);
            self.any_closed = true;
        }
        if kind == SealKind::SharedOpaque {
            state.shared.get_or_insert(id);
            self.any_shared = true;
        }
        if kind == SealKind::ExclusiveOpaque {
            state.exclusive.get_or_insert(id);
            for above in paths.ancestors(root).skip(1) {
                if self.exclusive_below.contains_key(&above) {
                    // Whoever marked this folder marked everything above it.
                    break;
                }
                self.exclusive_below.insert(above, id);
            }
        }
    }

    /// The closed directory rooted at `path` or nearest above it.
    pub(super) fn nearest_closed(&self, path: PathId, paths: &Paths) -> Option<DirectoryId> {
        let ask = |at: PathId| self.roots.get(&at).and_then(|state| state.closed);
        if self.any_closed { paths.ancestors(path).find_map(ask) } else { None }
    }

    /// The shared opaque of a process nearest above `path`, not at it.
    pub(super) fn shared_above(&self, path: PathId, paths: &Paths) -> Option<DirectoryId> {
        let ask = |at: PathId| self.roots.get(&at).and_then(|state| state.shared);
        if self.any_shared { paths.ancestors(path).skip(1).find_map(ask) } else { None }
    }
}
