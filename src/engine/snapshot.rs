//! Everything that a whole build rested on, so that the next one can see at a glance that nothing has changed.
//!
//! After a build in which all went well, the signatures of all files that counted are written down: sources, outputs,
//! what was looked for and was absent, folders whose names were read. As long as they are all the same, and so is what
//! the specs were evaluated from, there is nothing to do, and neither the graph nor the cache is opened.
//!
//! **Invariant.** A snapshot holds only what would make every pip of the same build a hit.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::BuildError;
use super::cache::Signature;
use super::content::Content;
use super::context::Engine;
use super::state::{FOLDER, State, remove_all, touched, write_whole};
use crate::cas::Digest;
use crate::graph::{Pip, PipId, SealKind};
use crate::paths::PathId;

/// What a build rested on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the caller adds: what was asked for, and what evaluation read.
    pub context: Vec<u8>,
    /// How many pips there were.
    pub pips: usize,
    /// Where what counted lies, relative to the workspace or absolute.
    paths: Vec<String>,
    /// What was there, in the same order.
    marks: Vec<Mark>,
}

/// What was at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Mark {
    /// A file or link that has not been touched since, or a folder without new or lost names.
    Same { inode: u64, size: u64, modified: (i64, i64), changed: (i64, i64), mode: u32 },
    /// A folder, whatever is in it.
    Folder,
    /// A file, whatever is in it.
    File,
    /// Something else, or a link.
    Else,
    /// Nothing.
    Absent,
}

const FILE: &str = "last.bin";
const CHECKSUM: usize = 32;

impl Mark {
    /// That nothing of a thing has changed.
    fn same(metadata: &fs::Metadata) -> Self {
        Self::Same {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }

    /// What kind of thing there is.
    fn kind(metadata: &fs::Metadata) -> Self {
        let kind = metadata.file_type();
        if kind.is_dir() {
            Self::Folder
        } else if kind.is_file() {
            Self::File
        } else {
            Self::Else
        }
    }

    fn holds(self, path: &Path) -> bool {
        match (self, fs::symlink_metadata(path)) {
            (Mark::Absent, Err(error)) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
            (Mark::Absent, Ok(_)) | (_, Err(_)) => false,
            (Mark::Same { .. }, Ok(metadata)) => Mark::same(&metadata) == self,
            (_, Ok(metadata)) => Mark::kind(&metadata) == self,
        }
    }
}

impl Snapshot {
    /// The snapshot of a workspace's last build; none where there is none, or a damaged one.
    pub fn load(workspace: &Path) -> Option<Self> {
        let bytes = fs::read(workspace.join(FOLDER).join(FILE)).ok()?;
        let (checksum, body) = bytes.split_at_checked(CHECKSUM)?;
        (checksum == Digest::of(body).hash).then(|| postcard::from_bytes(body).ok()).flatten()
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, workspace: &Path) -> Result<(), BuildError> {
        let path = workspace.join(FOLDER).join(FILE);
        let failed = |error| BuildError::State { path: path.clone(), error };
        let body = postcard::to_stdvec(self).map_err(|error| failed(io::Error::other(error)))?;
        let mut bytes = Digest::of(&body).hash.to_vec();
        bytes.extend(body);
        write_whole(&path, &bytes).map_err(failed)
    }

    /// Whether everything on the disk is as it was.
    pub fn holds(&self, workspace: &Path) -> bool {
        // A relative path is looked up below the workspace, an absolute one as it is.
        let all = self.paths.par_iter().zip(&self.marks).with_min_len(512);
        self.paths.len() == self.marks.len() && all.all(|(path, mark)| mark.holds(&workspace.join(path)))
    }
}

/// Takes away what an earlier build kept: from here on things change.
pub(super) fn discard(state: &State) -> io::Result<()> {
    remove_all(&state.path(FILE))
}

/// The snapshot of a build in which every pip is or was a hit; none where a file cannot be vouched for: it changed while
/// the build ran, or so shortly before that its times do not tell.
pub(super) fn take(engine: &Engine<'_>, is_wanted: impl Fn(PipId) -> bool, pips: usize) -> Option<Snapshot> {
    let world = &engine.world;
    let graph = world.graph;
    let mut wanted: Vec<(PathId, Count)> = Vec::new();
    for id in graph.ids().filter(|id| is_wanted(*id)) {
        let pip = graph.pip(id);
        for output in pip.output_files().filter(|output| graph.latest(output.path) == *output) {
            wanted.push((output.path, Count::Output));
        }
        match pip {
            Pip::Process(process) => {
                let sources = process.inputs.iter().filter(|input| input.is_source());
                wanted.extend(sources.map(|input| (input.path, Count::Source)));
            }
            Pip::CopyFile(copy) if copy.source.is_source() => wanted.push((copy.source.path, Count::Source)),
            Pip::SealDirectory(seal) if matches!(seal.kind, SealKind::SharedOpaque | SealKind::ExclusiveOpaque) => {
                let contents = world.contents(seal.directory)?;
                wanted.extend(contents.entries().iter().map(|(path, content)| match content {
                    Content::Directory => (*path, Count::Kind),
                    _ => (*path, Count::Output),
                }));
            }
            _ => {}
        }
    }
    for one in engine.relied() {
        let (path, content, listing) = one;
        // What pips make is among the outputs.
        if world.is_made(path) || world.is_output_folder(path) && !listing {
            continue;
        }
        wanted.push((
            path,
            if listing {
                Count::Listing
            } else if content {
                Count::Source
            } else {
                Count::Kind
            },
        ));
    }
    wanted.sort_unstable_by_key(|(path, count)| (path.0, *count));
    wanted.dedup_by_key(|(path, _)| *path);
    let marks: Option<Vec<Vec<(String, Mark)>>> =
        wanted.par_iter().with_min_len(512).map(|(path, count)| marks(engine, *path, *count)).collect();
    let (paths, marks) = marks?.into_iter().flatten().unzip();
    Some(Snapshot { context: Vec::new(), pips, paths, marks })
}

/// The marks of a path: of a link also that of where it leads. None where what is there now may not be what pips saw: it
/// was changed after the build began.
fn marks(engine: &Engine<'_>, path: PathId, count: Count) -> Option<Vec<(String, Mark)>> {
    let world = &engine.world;
    let text = world.disk_path(path);
    let metadata = match fs::symlink_metadata(&text) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Some(vec![(world.token(path), Mark::Absent)]);
        }
        Err(_) => return None,
    };
    if count != Count::Output && touched(&metadata, engine.begun) {
        return None;
    }
    let known = |text: &Path, metadata: &fs::Metadata| {
        world.files.lookup(text, &Signature::of(metadata)).map(|_| Mark::same(metadata))
    };
    let mark = match count {
        Count::Kind => Mark::kind(&metadata),
        Count::Source | Count::Output if metadata.is_file() => known(&text, &metadata)?,
        Count::Listing | Count::Source | Count::Output => Mark::same(&metadata),
    };
    let mut all = vec![(world.token(path), mark)];
    if count == Count::Source && metadata.is_symlink() {
        let target = fs::canonicalize(&text).ok()?;
        let metadata = fs::symlink_metadata(&target).ok()?;
        let mark = if metadata.is_file() { known(&target, &metadata)? } else { Mark::kind(&metadata) };
        all.push((target.to_str()?.to_owned(), mark));
    }
    Some(all)
}

/// Why a path counts; of several reasons for one path the first is the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Count {
    Listing,
    Source,
    Output,
    Kind,
}
