//! What came back is put in place, under the rules that a process has to keep that runs here.
//!
//! The result is what a watched run would have reported: what was written, and what was not let through. So the same judge
//! decides, and people read the same messages.

use std::fs;
use std::io;
use std::path::Path;

use rustc_hash::FxHashSet;

use super::super::super::content::Content;
use super::super::super::context::Engine;
use super::super::super::sandbox::{Access, Denied, Kind, Operation, Reads};
use super::super::super::steps::{may_overwrite, put, temporary_folders};
use super::Errand;
use super::bring::Brought;
use super::stage::Staged;
use crate::graph::OutputDirectoryKind;
use crate::paths::PathId;

/// What was done to the disk.
#[derive(Default)]
pub(super) struct Landed {
    pub(super) accesses: Vec<Access>,
    pub(super) denied: Vec<Denied>,
}

/// Puts everything in place that may be there.
pub(super) fn land(errand: &Errand<'_, '_, '_>, staged: &Staged, brought: &Brought) -> io::Result<Landed> {
    let mut landing =
        Landing { errand, existing: may_overwrite(errand.engine, errand.process), landed: Landed::default() };
    for (path, content) in &brought.files {
        landing.declared(*path, content)?;
    }
    let process = errand.process;
    let mut seen: FxHashSet<PathId> = FxHashSet::default();
    for (path, content) in &brought.entries {
        seen.insert(*path);
        if process.outputs.iter().any(|output| output.artifact.path == *path) {
            landing.declared(*path, content)?;
            continue;
        }
        let was_there = match content {
            Content::Directory => staged.folders.contains(path),
            content => staged.inputs.get(path) == Some(content),
        };
        if was_there || landing.is_temporary(*path) {
            continue;
        }
        let before = staged.inputs.get(path).and_then(kind);
        landing.entry(*path, content, before)?;
    }
    if !landing.existing {
        landing.deleted(staged, &brought.directories, &seen);
    }
    let mut landed = landing.landed;
    landed.accesses.sort_by(|left, right| left.path.cmp(&right.path));
    landed.denied.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(landed)
}

struct Landing<'l, 'e, 's, 'g> {
    errand: &'l Errand<'e, 's, 'g>,
    /// Whether files in shared output directories may be overwritten, and be judged afterwards.
    existing: bool,
    landed: Landed,
}

impl Landing<'_, '_, '_, '_> {
    fn engine(&self) -> &Engine<'_> {
        self.errand.engine
    }

    /// A declared file, whose place was cleared before.
    fn declared(&mut self, path: PathId, content: &Content) -> io::Result<()> {
        if self.engine().world.leads_elsewhere(path) {
            self.deny(path, Operation::Write, None);
            return Ok(());
        }
        self.put(path, content)
    }

    /// Something in an output directory that was not given to the process as it is now.
    fn entry(&mut self, path: PathId, content: &Content, before: Option<Kind>) -> io::Result<()> {
        let is_excluded = self.errand.process.excludes(path, self.engine().world.graph.paths());
        let is_folder = *content == Content::Directory;
        let operation = if is_folder { Operation::MakeDirectory } else { Operation::Write };
        let is_shared = self.is_shared(path);
        let disk = self.engine().world.disk_path(path);
        let there = match fs::symlink_metadata(&disk) {
            Ok(metadata) => Some(kind_of(&metadata)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(error) => return Err(error),
        };
        // To find a folder there is no write.
        if is_folder && there == Some(Kind::Directory) && is_excluded {
            return Ok(());
        }
        if is_excluded || self.engine().world.leads_elsewhere(path) {
            self.deny(path, operation, there.or(before));
            return Ok(());
        }
        let Some(after) = kind(content) else { return Ok(()) };
        let mut backup = None;
        match there {
            None => {
                if is_shared {
                    self.engine().note_shared(self.errand.slot, path)?;
                }
            }
            Some(Kind::Directory) if is_folder => {}
            Some(kind) if !is_shared && kind != Kind::Directory && !is_folder => {}
            Some(kind) if is_shared && self.existing && kind != Kind::Directory && !is_folder => {
                let place = self.errand.backup.join(self.landed.accesses.len().to_string());
                move_file(&disk, &place)?;
                backup = Some(place);
            }
            Some(kind) => {
                self.deny(path, operation, Some(kind));
                return Ok(());
            }
        }
        self.put(path, content)?;
        self.landed.accesses.push(Access {
            path: disk,
            process: 0,
            reads: Reads::default(),
            before: there,
            written: true,
            after: Some(after),
            backup,
        });
        Ok(())
    }

    /// Inputs that lie in output directories and did not come back were deleted.
    fn deleted(&mut self, staged: &Staged, roots: &[PathId], seen: &FxHashSet<PathId>) {
        let paths = self.engine().world.graph.paths();
        let mut gone: Vec<(PathId, Option<Kind>)> = Vec::new();
        #[allow(clippy::iter_over_hash_type, reason = "sorted afterwards")]
        for (path, content) in &staged.inputs {
            let came_back = roots.iter().any(|root| *root != *path && paths.is_within(*path, *root));
            if !came_back || seen.contains(path) || self.is_temporary(*path) {
                continue;
            }
            if self.is_shared(*path) {
                gone.push((*path, kind(content)));
            }
        }
        gone.sort_by(|(left, _), (right, _)| paths.compare(*left, *right));
        for (path, before) in gone {
            self.deny(path, Operation::Delete, before);
        }
    }

    fn put(&self, path: PathId, content: &Content) -> io::Result<()> {
        let world = &self.engine().world;
        if put(world, path, content, self.errand.process.flags.keep_outputs_writable)? {
            return Ok(());
        }
        let shown = world.graph.display(path);
        Err(io::Error::other(format!("the content of `{shown}` is not in the cache any more")))
    }

    fn deny(&mut self, path: PathId, operation: Operation, before: Option<Kind>) {
        let path = self.engine().world.disk_path(path);
        self.landed.denied.push(Denied { path, operation, before, process: 0 });
    }

    /// Whether the output directory that a path belongs to is a shared one.
    fn is_shared(&self, path: PathId) -> bool {
        let process = self.errand.process;
        let slot = process.output_directory_of(path, self.engine().world.graph.paths());
        slot.is_some_and(|slot| process.output_directories[slot].kind == OutputDirectoryKind::Shared)
    }

    fn is_temporary(&self, path: PathId) -> bool {
        let paths = self.engine().world.graph.paths();
        temporary_folders(self.errand.process).any(|folder| paths.is_within(path, folder))
    }
}

fn kind(content: &Content) -> Option<Kind> {
    match content {
        Content::Absent => None,
        Content::Directory => Some(Kind::Directory),
        Content::File { .. } => Some(Kind::File),
        Content::Link(_) => Some(Kind::Symlink),
        Content::Other => Some(Kind::Other),
    }
}

fn kind_of(metadata: &fs::Metadata) -> Kind {
    match () {
        () if metadata.is_file() => Kind::File,
        () if metadata.is_dir() => Kind::Directory,
        () if metadata.is_symlink() => Kind::Symlink,
        () => Kind::Other,
    }
}

/// Moves a file out of the way, also to another file system.
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to)?;
            fs::remove_file(from)
        }
        moved => moved,
    }
}
