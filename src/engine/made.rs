//! What earlier builds left on the disk, so that it is never taken for source files, and so that it goes when no pip
//! makes it any more.
//!
//! While pips run, what they make in shared output directories is noted in journals before it is there. When a build
//! ends, all that it knows goes into one file and the journals go. A journal that is still there tells of a build that
//! was killed: what it lists was perhaps half written, and is deleted unless it is as an earlier build left it.
//!
//! **Invariant.** Only what is listed is ever deleted, and of what a finished build left only what is still the same
//! file with the same size and time.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::BuildError;
use super::journal::Journals;
use super::state::{State, remove_leaf, write_whole};
use crate::cas::Digest;
use crate::cas::store::is_stamped;
use crate::graph::{FileArtifact, Pip, PipGraph, PipId};
use crate::paths::PathId;

/// What earlier builds left, and what this one adds.
pub(super) struct Made {
    known: FxHashSet<PathId>,
    before: FxHashMap<PipId, Vec<Item>>,
    /// Of pips that are not in this graph: other qualifiers, pips that were taken away.
    others: Vec<Record>,
    now: Mutex<FxHashMap<PipId, Vec<Item>>>,
}

/// One thing on the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    /// Relative to the workspace, or absolute.
    path: String,
    /// What was there when its pip was done; none for folders.
    mark: Option<Mark>,
}

/// Enough of a file's metadata to know it again. Not its change time: links from the cache come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    pip: (u64, u32),
    items: Vec<Item>,
}

impl Mark {
    /// Whether a thing on the disk is still the one that a pip left: a file that may have been changed in place, but not
    /// one that somebody put in its place; a folder.
    fn is_of(mark: Option<Self>, metadata: &fs::Metadata) -> bool {
        match mark {
            Some(mark) => !metadata.is_dir() && mark.inode == metadata.ino(),
            None => metadata.is_dir(),
        }
    }

    fn of(metadata: &fs::Metadata) -> Option<Self> {
        (!metadata.is_dir()).then(|| Self {
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }

    /// The time of the last change of the content, in nanoseconds since 1970.
    fn modified(self) -> i64 {
        self.seconds.saturating_mul(1_000_000_000).saturating_add(self.nanoseconds)
    }
}

/// What removing leftovers did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// How many files and folders of earlier builds were removed.
    pub removed: usize,
    /// How many journals of builds that were killed were found.
    pub journals: usize,
}

const FILE: &str = "made.bin";
const CHECKSUM: usize = 32;

impl Made {
    /// Reads what earlier builds left, and removes what no pip of this graph makes any more from shared output
    /// directories, and what a killed build left there.
    pub(super) fn open(
        state: &State,
        graph: &PipGraph,
        is_below_shared: impl Fn(PathId) -> bool,
        is_below_outputs: impl Fn(PathId) -> bool,
    ) -> Result<(Self, Scrubbed), BuildError> {
        let mut made = Self {
            known: FxHashSet::default(),
            before: FxHashMap::default(),
            others: Vec::new(),
            now: Mutex::default(),
        };
        let failed = |path: &Path, error| BuildError::State { path: path.to_owned(), error };
        let path = state.path(FILE);
        let records = read(&path).map_err(|error| failed(&path, error))?;
        let by_key: FxHashMap<_, _> = match records.is_empty() {
            true => FxHashMap::default(),
            false => graph.ids().map(|id| (graph.stable_id(id).key(), id)).collect(),
        };
        let resolve = |item: &Item| token_path(graph, &item.path);
        let mut scrubbed = Scrubbed::default();
        let mut doomed = Vec::new();
        let mut marks: FxHashMap<PathId, Option<Mark>> = FxHashMap::default();
        for mut record in records {
            let Some(pip) = by_key.get(&record.pip) else {
                // The output directories that this build has are its own; those of other qualifiers are left alone.
                record.items.retain(|item| {
                    let Some(path) = resolve(item).filter(|path| is_there(graph, *path, item.mark)) else {
                        return false;
                    };
                    made.known.insert(path);
                    let stays = !is_below_shared(path);
                    if !stays {
                        doomed.push((path, Some(item.mark)));
                    }
                    stays
                });
                if !record.items.is_empty() {
                    made.others.push(record);
                }
                continue;
            };
            for (path, item) in record.items.iter().filter_map(|item| Some((resolve(item)?, item))) {
                if is_there(graph, path, item.mark) {
                    made.known.insert(path);
                }
                marks.insert(path, item.mark);
            }
            made.before.insert(*pip, record.items);
        }
        let journals = Journals::find(state, graph)?;
        let sources = if journals.is_empty() { FxHashSet::default() } else { sources(graph) };
        for journal in journals.all() {
            scrubbed.journals += 1;
            for path in journals.read(journal)? {
                // A workspace that was copied brings journals of another place along. And what a spec names as a source
                // by now is one.
                if !is_below_outputs(path) || sources.contains(&path) {
                    continue;
                }
                made.known.insert(path);
                let now = fs::symlink_metadata(graph.paths().display(path)).ok();
                let as_recorded =
                    marks.get(&path).is_some_and(|mark| now.as_ref().is_some_and(|now| Mark::of(now) == *mark));
                if !as_recorded {
                    doomed.push((path, None));
                }
            }
        }
        // What a pip that is left knows too is that pip's to see to.
        doomed.retain(|(path, mark)| mark.is_none() || !marks.contains_key(path));
        scrubbed.removed = remove(graph, doomed).map_err(|(path, error)| failed(&path, error))?;
        Ok((made, scrubbed))
    }

    /// Whether an earlier build made what is or was at a path.
    pub(super) fn is_known(&self, path: PathId) -> bool {
        self.known.contains(&path)
    }

    /// Removes what the last run of a pip left, but for what `stays`, the deepest first: files and links that are still
    /// the ones that it left, and folders that are empty.
    pub(super) fn remove_before(&self, pip: PipId, graph: &PipGraph, stays: impl Fn(PathId) -> bool) -> io::Result<()> {
        let items = self.before.get(&pip).into_iter().flatten();
        let mut items: Vec<(PathId, Option<Mark>)> =
            items.filter_map(|item| Some((token_path(graph, &item.path)?, item.mark))).collect();
        items.sort_by(|(left, _), (right, _)| graph.paths().compare(*right, *left));
        for (path, mark) in items {
            let text = PathBuf::from(graph.paths().display(path));
            if !stays(path) && fs::symlink_metadata(&text).is_ok_and(|metadata| Mark::is_of(mark, &metadata)) {
                remove_leaf(&text)?;
            }
        }
        Ok(())
    }

    /// Whether the last run of a pip left a file with this content. The time of a file that is shared with the store says
    /// what it holds.
    pub(super) fn had(&self, pip: PipId, digest: &Digest) -> bool {
        let has = |mark: Mark| mark.size == digest.size && is_stamped(digest, mark.modified());
        self.before.get(&pip).into_iter().flatten().filter_map(|item| item.mark).any(has)
    }

    /// Notes what a pip has left now. Takes the place of what earlier runs left.
    pub(super) fn leave(&self, pip: PipId, graph: &PipGraph, paths: impl Iterator<Item = PathId>) {
        let items = paths.map(|path| {
            let metadata = fs::symlink_metadata(graph.paths().display(path)).ok();
            Item { path: graph.display(path), mark: metadata.as_ref().and_then(Mark::of) }
        });
        let items: Vec<Item> = items.collect();
        // Each change is one insertion, so a thread that panicked left the map whole.
        self.now.lock().unwrap_or_else(PoisonError::into_inner).insert(pip, items);
    }

    /// Notes one more thing that a pip has left: an output that was away when it was done.
    pub(super) fn leave_too(&self, pip: PipId, graph: &PipGraph, path: PathId) {
        let metadata = fs::symlink_metadata(graph.paths().display(path)).ok();
        let item = Item { path: graph.display(path), mark: metadata.as_ref().and_then(Mark::of) };
        self.now.lock().unwrap_or_else(PoisonError::into_inner).entry(pip).or_default().push(item);
    }

    /// Writes everything down, and then removes the journals. One that lists what is not as it was written down stays
    /// for the next build to see to: a pip whose worker died, or that was ended with the build, left it half written.
    pub(super) fn save(&self, state: &State, graph: &PipGraph) -> Result<(), BuildError> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let of_graph = graph.ids().filter_map(|id| {
            let items = now.get(&id).or_else(|| self.before.get(&id))?;
            (!items.is_empty()).then(|| Record { pip: graph.stable_id(id).key(), items: items.clone() })
        });
        let others = self.others.iter().map(|record| Record { pip: record.pip, items: record.items.clone() });
        let records: Vec<Record> = of_graph.chain(others).collect();
        let path = state.path(FILE);
        let failed = |error| BuildError::State { path: path.clone(), error };
        let body = postcard::to_stdvec(&records).map_err(|error| failed(io::Error::other(error)))?;
        let mut bytes = Digest::of(&body).hash.to_vec();
        bytes.extend(body);
        write_whole(&path, &bytes).map_err(failed)?;
        let marks: FxHashMap<PathId, Option<Mark>> = records
            .iter()
            .flat_map(|record| &record.items)
            .filter_map(|item| Some((token_path(graph, &item.path)?, item.mark)))
            .collect();
        let journals = Journals::find(state, graph)?;
        for journal in journals.all() {
            let is_settled = |path: PathId| match fs::symlink_metadata(graph.paths().display(path)) {
                Ok(metadata) => marks.get(&path).is_some_and(|mark| *mark == Mark::of(&metadata)),
                Err(_) => true,
            };
            if journals.read(journal)?.into_iter().all(is_settled) {
                fs::remove_file(journal).map_err(|error| BuildError::State { path: journal.clone(), error })?;
            }
        }
        Ok(())
    }
}

/// The records of a file; none when it is missing or damaged, as then nothing is known.
fn read(path: &Path) -> io::Result<Vec<Record>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let Some((checksum, body)) = bytes.split_at_checked(CHECKSUM) else { return Ok(Vec::new()) };
    if checksum != Digest::of(body).hash {
        return Ok(Vec::new());
    }
    Ok(postcard::from_bytes(body).unwrap_or_default())
}

/// Every file that the graph reads and nobody makes.
fn sources(graph: &PipGraph) -> FxHashSet<PathId> {
    let inputs = |pip: &Pip| -> Vec<FileArtifact> {
        match pip {
            Pip::Process(process) => process.inputs.to_vec(),
            Pip::CopyFile(copy) => vec![copy.source],
            _ => Vec::new(),
        }
    };
    let all = graph.ids().flat_map(|id| inputs(graph.pip(id)));
    all.filter(|artifact| artifact.is_source()).map(|artifact| artifact.path).collect()
}

/// Whether what a pip left is still there.
fn is_there(graph: &PipGraph, path: PathId, mark: Option<Mark>) -> bool {
    fs::symlink_metadata(graph.paths().display(path)).is_ok_and(|metadata| Mark::is_of(mark, &metadata))
}

fn token_path(graph: &PipGraph, token: &str) -> Option<PathId> {
    match token.starts_with('/') {
        true => graph.paths().parse_absolute(token).ok(),
        false => graph.paths().walk(graph.workspace_root(), token).ok(),
    }
}

/// Removes things, the deepest first: files and links, where a mark is given only if they still have it, and folders
/// that are empty.
fn remove(graph: &PipGraph, mut doomed: Vec<(PathId, Option<Option<Mark>>)>) -> Result<usize, (PathBuf, io::Error)> {
    doomed.sort_by(|(left, _), (right, _)| graph.paths().compare(*right, *left));
    doomed.dedup_by_key(|(path, _)| *path);
    let mut removed = 0;
    for (path, wanted) in doomed {
        let text = PathBuf::from(graph.paths().display(path));
        let Ok(metadata) = fs::symlink_metadata(&text) else { continue };
        if wanted.is_some_and(|wanted| wanted != Mark::of(&metadata)) {
            continue;
        }
        let gone = if metadata.is_dir() { fs::remove_dir(&text) } else { fs::remove_file(&text) };
        match gone {
            Ok(()) => removed += 1,
            Err(error) if metadata.is_dir() && error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((text, error)),
        }
    }
    Ok(removed)
}
