//! What a build needs from a cache that machines share, whatever it is: results by their fingerprints, and contents.
//!
//! The build asks its own cache first, and then this one. What it finds there, it notes in its own. Nothing here fails: a
//! shared cache that cannot be reached has nothing, and says why once ([`SharedCache::trouble`]).

use std::time::Duration;

use super::cache::Fingerprint;
use super::content::Content;
use crate::cas::Digest;
use crate::graph::{Pip, PipGraph, PipId, ProcessPip, SealKind};
use crate::paths::PathId;

/// Results and contents that other machines left, and that other machines may find.
pub trait SharedCache: Sync {
    /// Hands out the path sets that runs with a weak fingerprint had, the most recent first, until `visit` says that it
    /// has found what it looked for.
    fn path_sets(&self, weak: Fingerprint, visit: &mut dyn FnMut(&[u8]) -> bool);

    /// The result that was recorded for a strong fingerprint, as bytes that came unharmed; what they say is for the
    /// caller to judge.
    fn result(&self, strong: Fingerprint) -> Option<Vec<u8>>;

    /// How many pips are looked up at a time, beside those that run: that is mostly waiting. None where it costs as much as
    /// in the cache of this machine.
    fn lookups(&self) -> usize {
        0
    }

    /// Brings contents into the store of this machine. Gives those that could not be had, whatever the reason.
    fn fetch(&self, wanted: &[WantedBlob]) -> Vec<Digest>;

    /// Whether it is worth asking. Contents that were promised can no longer be counted on where it is not.
    fn is_reachable(&self) -> bool;

    /// Takes a result to be given to the others. Returns at once; the work is done elsewhere.
    fn give(&self, finding: Finding);

    /// Whether results are to be given that were found in the cache of this machine, too.
    fn wants_old_results(&self) -> bool {
        false
    }

    /// Waits until everything has been given, for so long at most, or until `is_over` says so. `tell` hears how many
    /// results are left. Gives the number of results that were given up.
    fn finish(&self, limit: Duration, is_over: &dyn Fn() -> bool, tell: &dyn Fn(usize)) -> usize;

    /// What went wrong since somebody asked last, in words.
    fn trouble(&self) -> Option<String>;

    /// What has been moved so far.
    fn traffic(&self) -> Traffic;
}

/// A content that is wanted, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedBlob {
    /// Its name.
    pub digest: Digest,
    /// The path that it is for, as people read it.
    pub path: String,
    /// Whether it will be an executable file.
    pub executable: bool,
}

/// A result, and everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The weak fingerprint.
    pub weak: Fingerprint,
    /// What was read, as the cache has it.
    pub path_set: Vec<u8>,
    /// The strong fingerprint.
    pub strong: Fingerprint,
    /// The result, as the cache has it.
    pub result: Vec<u8>,
    /// What was made: paths relative to the workspace, or absolute ones.
    pub outputs: Vec<(String, Content)>,
    /// What was printed.
    pub stdout: Digest,
    /// What was printed as errors.
    pub stderr: Digest,
    /// How the process ended.
    pub exit_code: i32,
}

/// What was moved between this machine and the shared cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Contents that came.
    pub blobs_down: u64,
    /// Their bytes.
    pub bytes_down: u64,
    /// Contents that went.
    pub blobs_up: u64,
    /// Their bytes.
    pub bytes_up: u64,
    /// Results that went.
    pub results_up: u64,
}

/// Which outputs are brought from the shared cache though no process of this build reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outputs {
    /// All.
    #[default]
    All,
    /// Those of the pips that were asked for.
    Toplevel,
    /// None.
    None,
}

/// Which pips' outputs are to lie on the disk when a build is over, by number. `asked` has the pips that were named, before
/// what they need was added; where nobody named any, those count that nothing else needs.
pub(super) fn on_disk(
    graph: &PipGraph,
    outputs: Outputs,
    asked: Option<&[bool]>,
    is_wanted: impl Fn(PipId) -> bool,
) -> Option<Vec<bool>> {
    let mut chosen = vec![false; graph.len()];
    match outputs {
        Outputs::All => return None,
        Outputs::None => return Some(chosen),
        Outputs::Toplevel => {}
    }
    let is_asked = |pip: PipId| match asked {
        Some(asked) => asked.get(pip.0 as usize).copied().unwrap_or(false),
        None => is_wanted(pip) && !graph.dependents(pip).iter().any(|to| is_wanted(*to)),
    };
    let mut open: Vec<PipId> = graph.ids().filter(|pip| is_asked(*pip)).collect();
    while let Some(pip) = open.pop() {
        if std::mem::replace(&mut chosen[pip.0 as usize], true) {
            continue;
        }
        // A sealed directory has nothing of its own: what is asked for is what others put there.
        if let Pip::SealDirectory(_) = graph.pip(pip) {
            open.extend(graph.dependencies(pip));
        }
    }
    Some(chosen)
}

/// Whether a path of a result that came from elsewhere is one that the process may leave something at: a file below one of
/// its output directories, in the closest of them; a folder below or at one; not excluded, and no declared file.
pub(super) fn may_leave(graph: &PipGraph, process: &ProcessPip, slot: usize, path: PathId, is_folder: bool) -> bool {
    let paths = graph.paths();
    let Some(mine) = process.output_directories.get(slot) else { return false };
    if !paths.is_within(path, mine.path) {
        return false;
    }
    let closest = || process.output_directory_of(path, paths).map(|slot| process.output_directories[slot].path);
    // Of several directories with one root any may have it.
    (is_folder || closest() == Some(mine.path))
        && !process.excludes(path, paths)
        && !process.outputs.iter().any(|output| output.artifact.path == path)
}

/// The process or copy behind a pip that seals an output directory.
pub(super) fn behind(graph: &PipGraph, pip: PipId) -> PipId {
    match graph.pip(pip) {
        Pip::SealDirectory(seal) if matches!(seal.kind, SealKind::SharedOpaque | SealKind::ExclusiveOpaque) => {
            graph.directory(seal.directory).producer.unwrap_or(pip)
        }
        _ => pip,
    }
}
