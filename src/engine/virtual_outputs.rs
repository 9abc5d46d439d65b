//! Outputs whose content is known and whose bytes are not on this machine.
//!
//! A result from a shared cache says what a pip makes; the bytes are not needed before a process reads them. Such an output
//! is *away*: the world knows its [`Content`], fingerprints are made of that, and at its place on the disk there is nothing.
//! It comes when a process of this build needs it as an input ([`bring`]). Copying it gives another output that is away.
//!
//! The shared cache may lose what it promised. Then the pips that make it are done again in the same build ([`LostInputs`]),
//! and who needed it waits for them.
//!
//! **Invariant.** A path is away only while nothing lies there, and only of pips that are done.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::content::Content;
use super::context::Engine;
use super::shared::{WantedBlob, behind};
use super::steps::put;
use crate::cas::Digest;
use crate::graph::{FileArtifact, Pip, PipId, ProcessPip};
use crate::paths::PathId;

/// An output that is away.
#[derive(Clone, Debug)]
pub(super) struct Away {
    /// Who makes it.
    pub(super) pip: PipId,
    pub(super) content: Content,
    /// Whether it may be written to where it lies.
    pub(super) writable: bool,
}

/// The outputs that are away.
pub(super) struct VirtualOutputs {
    /// Whether there has been any, so that builds without a shared cache pay for none of this.
    any: AtomicBool,
    away: DashMap<PathId, Away, FxBuildHasher>,
    of: Mutex<FxHashMap<PipId, Vec<PathId>>>,
    /// Who puts something at a path has its turn, so that nobody puts it there twice.
    turns: Vec<Mutex<()>>,
}

const TURNS: usize = 64;

impl Default for VirtualOutputs {
    fn default() -> Self {
        let turns = (0..TURNS).map(|_| Mutex::default()).collect();
        Self { any: AtomicBool::new(false), away: DashMap::default(), of: Mutex::default(), turns }
    }
}

impl VirtualOutputs {
    /// Notes that an output is away.
    pub(super) fn leave_away(&self, path: PathId, away: Away) {
        self.any.store(true, Ordering::Release);
        lock(&self.of).entry(away.pip).or_default().push(path);
        self.away.insert(path, away);
    }

    /// Whether an output is away.
    pub(super) fn is_away(&self, path: PathId) -> bool {
        self.has_any() && self.away.contains_key(&path)
    }

    /// Whether there has been any in this build.
    fn has_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// How many files and links are away.
    pub(super) fn count(&self) -> usize {
        self.away.iter().filter(|away| away.content != Content::Directory).count()
    }

    /// Forgets what a pip left away: it is about to be run.
    pub(super) fn forget(&self, pip: PipId) {
        if !self.has_any() {
            return;
        }
        let Some(paths) = lock(&self.of).remove(&pip) else { return };
        for path in paths {
            self.away.remove_if(&path, |_, away| away.pip == pip);
        }
    }

    fn get(&self, path: PathId) -> Option<Away> {
        self.away.get(&path).map(|away| away.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these is whole after each change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is needed is neither here nor in the shared cache any more.
#[derive(Debug)]
pub(super) struct LostInputs {
    /// Who makes it, each once, in the order of the graph.
    pub(super) makers: Vec<PipId>,
    /// One of the paths.
    path: String,
}

impl fmt::Display for LostInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the shared cache no longer has `{}`; build again without it", self.path)
    }
}

impl Error for LostInputs {}

impl LostInputs {
    /// Who must be done again, where that is why something failed.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Something that a pip needs on the disk or in the store.
struct Needed {
    path: PathId,
    content: Content,
    /// Who makes it.
    maker: PipId,
    /// How it is put in place; none for older versions of rewritten files, which are only in the store.
    away: Option<Away>,
}

/// Puts all inputs of a process in place that are away.
///
/// # Errors
/// [`LostInputs`] where one cannot be had, and when the disk cannot be written.
pub(super) fn bring(engine: &Engine<'_>, process: &ProcessPip, slot: usize) -> io::Result<()> {
    let world = &engine.world;
    if engine.options.shared.is_none() {
        return Ok(());
    }
    let mut needed = Vec::new();
    let mut add = |path: PathId| {
        if let Some(away) = world.virtual_outputs.get(path) {
            needed.push(Needed { path, content: away.content.clone(), maker: away.pip, away: Some(away) });
        }
    };
    if world.virtual_outputs.has_any() {
        for input in process.inputs.iter().filter(|input| !input.is_source()) {
            add(input.path);
        }
        for directory in process.directory_inputs.iter().filter_map(|id| world.contents(*id)) {
            directory.for_each(&mut add);
        }
    }
    let paths = world.graph.paths();
    // Folders before what is in them.
    needed.sort_by(|left, right| paths.compare(left.path, right.path));
    needed.dedup_by(|left, right| left.path == right.path && left.content == right.content);
    bring_all(engine, &needed, slot)
}

/// Has older versions of rewritten files in the store that a process reads.
///
/// # Errors
/// [`LostInputs`] where one cannot be had.
pub(super) fn bring_versions(engine: &Engine<'_>, process: &ProcessPip, slot: usize) -> io::Result<()> {
    let mut needed = Vec::new();
    if engine.options.shared.is_some() {
        for input in process.inputs.iter().filter(|input| !input.is_source()) {
            needed.extend(older_version(engine, *input)?);
        }
    }
    bring_all(engine, &needed, slot)
}

/// Has the content of an output in the store or on the disk, so that it can be copied.
///
/// # Errors
/// [`LostInputs`] where it cannot be had.
pub(super) fn bring_content(
    engine: &Engine<'_>,
    artifact: FileArtifact,
    content: &Content,
    slot: usize,
) -> io::Result<()> {
    let away = engine.world.virtual_outputs.get(artifact.path).filter(|away| away.content == *content);
    let needed = match away {
        // It need not lie there to be copied.
        Some(away) => Some(Needed { path: artifact.path, content: content.clone(), maker: away.pip, away: None }),
        None => older_version(engine, artifact)?,
    };
    bring_all(engine, needed.as_slice(), slot)
}

/// Whether the bytes of an output are nowhere on this machine.
pub(super) fn is_elsewhere(engine: &Engine<'_>, artifact: FileArtifact, digest: &Digest) -> bool {
    let world = &engine.world;
    let older = !artifact.is_source() && world.graph.latest(artifact.path) != artifact;
    engine.options.shared.is_some() && (older || world.virtual_outputs.is_away(artifact.path)) && !world.has(digest)
}

/// An older version of a rewritten file whose content is not in the store.
fn older_version(engine: &Engine<'_>, artifact: FileArtifact) -> io::Result<Option<Needed>> {
    let world = &engine.world;
    if world.graph.latest(artifact.path) == artifact {
        return Ok(None);
    }
    let content = world.artifact(artifact)?;
    let is_missing = content.digest().is_some_and(|digest| !world.has(&digest));
    let maker = world.graph.producer(artifact).filter(|_| is_missing);
    Ok(maker.map(|maker| Needed { path: artifact.path, content, maker, away: None }))
}

fn bring_all(engine: &Engine<'_>, needed: &[Needed], slot: usize) -> io::Result<()> {
    let world = &engine.world;
    let mut wanted = Vec::new();
    for one in needed {
        if let Content::File { digest, executable } = one.content
            && !world.has(&digest)
        {
            wanted.push(WantedBlob { digest, path: world.token(one.path), executable });
        }
    }
    let lost: FxHashSet<Digest> = engine.fetch(&wanted).into_iter().collect();
    if !lost.is_empty() {
        return Err(gone(
            engine,
            needed.iter().filter(|one| one.content.digest().is_some_and(|it| lost.contains(&it))),
        ));
    }
    for one in needed {
        let Some(away) = &one.away else { continue };
        let _turn = lock(&world.virtual_outputs.turns[one.path.0 as usize % TURNS]);
        if !world.virtual_outputs.is_away(one.path) {
            continue;
        }
        if world.leads_elsewhere(one.path) {
            let shown = world.graph.display(one.path);
            return Err(io::Error::other(format!("`{shown}` would lie behind a link that another pip made")));
        }
        if world.is_below_shared(one.path) {
            engine.note_shared(slot, one.path)?;
        }
        if !put(world, one.path, &away.content, away.writable)? {
            return Err(gone(engine, std::iter::once(one)));
        }
        world.made.leave_too(away.pip, world.graph, one.path);
        world.virtual_outputs.away.remove(&one.path);
    }
    Ok(())
}

fn gone<'n>(engine: &Engine<'_>, needed: impl Iterator<Item = &'n Needed>) -> io::Error {
    let graph = engine.world.graph;
    let mut path = String::new();
    let mut makers: Vec<PipId> = Vec::new();
    for one in needed {
        if path.is_empty() {
            path = graph.display(one.path);
        }
        makers.push(source_of(engine, one.maker));
    }
    makers.sort_by_key(|pip| graph.position(*pip));
    makers.dedup();
    io::Error::other(LostInputs { makers, path })
}

/// The pip whose run brings a content back: behind copies of outputs there is somebody who made the original.
fn source_of(engine: &Engine<'_>, maker: PipId) -> PipId {
    let graph = engine.world.graph;
    let mut maker = behind(graph, maker);
    while let Pip::CopyFile(copy) = graph.pip(maker) {
        let before = engine.world.virtual_outputs.get(copy.source.path).map(|away| away.pip);
        match before.or_else(|| graph.producer(copy.source)) {
            Some(before) if !copy.source.is_source() => maker = behind(graph, before),
            _ => break,
        }
    }
    maker
}
