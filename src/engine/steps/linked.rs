//! What lies behind symbolic links, by the names that specs have for it.
//!
//! A folder that specs name may be a link or lie below one: `Out` on another disk, for one. Processes are seen to touch
//! the place where it leads. Their accesses get the names of the specs here, so that the rules hold as everywhere.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use super::super::context::Engine;
use super::super::sandbox::{Access, Report};
use super::temporary_folders;
use crate::graph::ProcessPip;
use crate::paths::PathId;

/// The folders that one process declares something in.
pub(super) struct Linked {
    /// Where those lead that are not where they seem to be, each with its name in the specs.
    elsewhere: Vec<(PathBuf, PathBuf)>,
    /// The others.
    in_place: Vec<PathBuf>,
}

impl Linked {
    pub(super) fn of(engine: &Engine<'_>, process: &ProcessPip) -> Self {
        let graph = engine.world.graph;
        let files = process.inputs.iter().copied().chain(process.outputs.iter().map(|output| output.artifact));
        let roots = process.directory_inputs.iter().map(|id| graph.directory(*id).root);
        let roots = roots.chain(process.output_directories.iter().map(|output| output.path));
        let folders: FxHashSet<PathId> = files
            .filter_map(|file| graph.paths().parent(file.path))
            .chain(roots)
            .chain(temporary_folders(process))
            .collect();
        let mut linked = Self { elsewhere: Vec::new(), in_place: Vec::new() };
        #[allow(clippy::iter_over_hash_type, reason = "the longest match counts, whatever the order")]
        for folder in folders {
            let (given, real) = engine.real_folder(folder);
            match real {
                Some(real) => linked.elsewhere.push((real, given)),
                None => linked.in_place.push(given),
            }
        }
        linked
    }

    /// Names the accesses of a run as specs do.
    pub(super) fn rename(&self, report: &mut Report) {
        if self.elsewhere.is_empty() {
            return;
        }
        for denied in &mut report.denied {
            if let Some(name) = self.name(&denied.path) {
                denied.path = name;
            }
        }
        for access in &mut report.accesses {
            if let Some(name) = self.name(&access.path) {
                access.path = name;
            }
        }
        report.denied.sort_by(|left, right| left.path.cmp(&right.path));
        report.accesses.sort_by(|left, right| left.path.cmp(&right.path));
        // A link and the folder that it leads to have the same name now.
        report.accesses.dedup_by(|next, kept| {
            let same = next.path == kept.path;
            if same {
                merge(kept, next);
            }
            same
        });
    }

    /// The name of a path behind a link; none where it has its own. What is declared nearest to it decides.
    fn name(&self, path: &Path) -> Option<PathBuf> {
        let (real, given) = self
            .elsewhere
            .iter()
            .filter(|(real, _)| path.starts_with(real))
            .max_by_key(|(real, given)| (real.as_os_str().len(), given))?;
        let nearer = |folder: &PathBuf| folder.as_os_str().len() >= real.as_os_str().len() && path.starts_with(folder);
        if self.in_place.iter().any(nearer) {
            return None;
        }
        let below = path.strip_prefix(real).ok()?;
        // Nothing below must not give a slash at the end.
        Some(if below.as_os_str().is_empty() { given.clone() } else { given.join(below) })
    }
}

/// Adds one access to another of the same path.
fn merge(kept: &mut Access, other: &mut Access) {
    kept.reads = kept.reads.with(other.reads);
    if other.written && !kept.written {
        kept.written = true;
        (kept.before, kept.after, kept.backup) = (other.before, other.after, other.backup.take());
    }
}
