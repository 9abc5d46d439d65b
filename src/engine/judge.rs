//! Whether what a process was seen to do is allowed, and what of it its fingerprint depends on.

use std::fs;
use std::path::PathBuf;

use rustc_hash::FxHashSet;

use super::directories::Found;
use super::fingerprint::{PathEntry, PathSet};
use super::sandbox::{Access, Denied, Kind, Operation, Reads, Report};
use super::state;
use super::view::View;
use super::violation::{Rule, Violation};
use super::world::World;
use crate::graph::{AbsentPathProbe, PipId, ProcessPip};
use crate::paths::PathId;
use crate::workspace::{AllowLists, Allowed, UndeclaredAccess};

/// What was found out about a run.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) violations: Vec<Violation>,
    /// What the run read beyond its declared files.
    pub(super) path_set: PathSet,
    /// Why the run must not be cached although it is allowed.
    pub(super) uncacheable: Option<String>,
    /// What it left in its output directories.
    pub(super) left: Vec<Left>,
}

/// Something that a process left in an output directory.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) path: PathId,
    pub(super) kind: Kind,
    /// Where what was there before has been moved to.
    pub(super) backup: Option<PathBuf>,
}

/// Judges one run.
pub(super) fn judge(view: &View<'_, '_>, process: &ProcessPip, report: &Report, allow_lists: &AllowLists) -> Verdict {
    let mut judge = Judge { view, process, report, allow_lists, real_inputs: None, verdict: Verdict::default() };
    for access in &report.accesses {
        judge.access(access);
    }
    for denied in &report.denied {
        judge.denied(denied);
    }
    let own = judge.own_folders();
    let mut verdict = judge.verdict;
    verdict.path_set.entries.retain(|entry| entry.content || entry.listing || !own.contains(&entry.path));
    verdict.path_set.entries.sort_unstable();
    verdict.path_set.entries.dedup();
    verdict
}

struct Judge<'j, 'w, 'g> {
    view: &'j View<'w, 'g>,
    process: &'j ProcessPip,
    report: &'j Report,
    allow_lists: &'j AllowLists,
    /// The declared inputs with links followed, once something makes that worth finding out.
    real_inputs: Option<FxHashSet<PathBuf>>,
    verdict: Verdict,
}

impl Judge<'_, '_, '_> {
    fn world(&self) -> &World<'_> {
        self.view.world
    }

    fn access(&mut self, access: &Access) {
        let Some(path) = self.world().path_id(&access.path) else {
            let name = access.path.to_string_lossy();
            self.verdict.uncacheable = Some(format!("it used a path that specs cannot name: `{name}`"));
            return;
        };
        let own = access.written || self.is_declared_output(path);
        if access.written
            && let Some(kind) = access.after
        {
            if self.is_in_output_directory(path) {
                self.verdict.left.push(Left { path, kind, backup: access.backup.clone() });
            } else if !self.is_declared_output(path) && access.before != Some(kind) {
                self.left_over(path, access.process);
            }
        }
        // Looking for one's own output before making it is how compilers work.
        // Neither is looking at what one is about to write; that it must not be written is told already.
        let own = own || self.report.denied.iter().any(|denied| denied.path == access.path);
        if access.reads.any() && (!own || access.reads.content) {
            self.read(path, access.reads, access.process);
        }
    }

    /// Something that was made beside an output and is still there: it goes, so that nobody takes it for a source.
    fn left_over(&mut self, path: PathId, process: u32) {
        let (rule, other) = self.write_rule(path, false);
        if !self.refuse(rule, path, other, process, None) {
            return;
        }
        let text = self.world().disk_path(path);
        // A folder that is not empty holds other leftovers, which are reported by themselves.
        let gone = if text.is_dir() { fs::remove_dir(&text) } else { fs::remove_file(&text) };
        if let (Err(error), Some(violation)) = (gone, self.verdict.violations.last_mut()) {
            violation.note = Some(format!("it is still there: {error}"));
        }
    }

    fn read(&mut self, path: PathId, reads: Reads, process: u32) {
        let world = self.view.world;
        match self.view.find(path) {
            // The weak fingerprint has it.
            Some(Found::Artifact(_)) if self.process.inputs.iter().any(|input| input.path == path) => return,
            Some(_) => return self.track(path, reads),
            None => {}
        }
        if !(reads.content || reads.file || reads.absent || reads.link) {
            return self.track(path, reads);
        }
        let maker = world.maker(path).filter(|maker| *maker != self.view.pip);
        // An output that is known and not on the disk is there for who asks about it.
        let is_away = world.virtual_outputs.is_away(path);
        if reads.absent && !(reads.content || reads.file || reads.link || is_away) {
            return self.absent(path, reads, maker, process);
        }
        if let Some(maker) = maker {
            let ordered = depends_on(world, self.view.pip, maker);
            let rule = if ordered { Rule::UndeclaredOrderedRead } else { Rule::ReadRace };
            self.refuse(rule, path, Some(maker), process, None);
            return;
        }
        if world.maker(path) == Some(self.view.pip) {
            return;
        }
        if world.made.is_known(path) {
            self.refuse(Rule::ReadLeftover, path, None, process, None);
            return;
        }
        if reads.link && !reads.content && !reads.file && self.leads_to_folder(path) {
            return self.track(path, reads);
        }
        if self.process.flags.allow_undeclared_source_reads {
            world.read_undeclared(path, self.view.pip);
            return self.track(path, reads);
        }
        // Only now, as it asks the disk for each input: the declared path may lead here through links.
        if self.is_real_input(path) {
            return self.track(path, reads);
        }
        let note = self.near_seal(path);
        self.refuse(Rule::MissingSourceDependency, path, None, process, note);
    }

    fn absent(&mut self, path: PathId, reads: Reads, maker: Option<PipId>, process: u32) {
        let world = self.view.world;
        let mode = self.process.rare.as_ref().and_then(|rare| rare.absent_path_probe);
        // A probe that a spec calls unsafe is its own business; what nobody spoke about is still a race.
        if let Some(maker) = maker
            && mode != Some(AbsentPathProbe::Unsafe)
        {
            self.refuse(Rule::AbsentProbeOfOutput, path, Some(maker), process, None);
            return;
        }
        let above = world.output_directories_above(path);
        if !above.is_empty() {
            let graph = world.graph;
            let is_declared = above.iter().any(|directory| {
                graph.directory(*directory).producer == Some(self.view.pip) || self.depends_on_root(path, *directory)
            });
            if !is_declared && mode == Some(AbsentPathProbe::Strict) {
                let maker = above.iter().find_map(|directory| graph.directory(*directory).producer);
                self.refuse(Rule::AbsentProbeInUndeclaredOpaque, path, maker, process, None);
                return;
            }
            if mode != Some(AbsentPathProbe::Unsafe) {
                world.found_absent(path, self.view.pip);
            }
        }
        self.track(path, reads);
    }

    /// Whether the process depends on a directory, or on a view of directories, that covers a path of it.
    fn depends_on_root(&self, path: PathId, directory: crate::graph::DirectoryId) -> bool {
        let graph = self.world().graph;
        self.process.directory_inputs.iter().any(|input| {
            let sealed = graph.directory(*input);
            *input == directory || (sealed.kind.is_shared() && graph.paths().is_within(path, sealed.root))
        })
    }

    /// Notes that the fingerprint depends on a path.
    fn track(&mut self, path: PathId, reads: Reads) {
        // The workspace and the folders that it lies in are always there, and have other names elsewhere.
        let graph = self.world().graph;
        if !reads.listing && graph.paths().is_within(graph.workspace_root(), path) {
            return;
        }
        let token = self.world().token(path);
        if token.strip_prefix(state::FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return;
        }
        self.verdict.path_set.entries.push(PathEntry::new(token, reads));
    }

    fn denied(&mut self, denied: &Denied) {
        let Some(path) = self.world().path_id(&denied.path) else {
            let name = denied.path.to_string_lossy();
            self.verdict.uncacheable = Some(format!("it used a path that specs cannot name: `{name}`"));
            return;
        };
        let (rule, other) = self.write_rule(path, denied.before.is_some());
        let note = match denied.operation {
            Operation::Write => None,
            Operation::MakeDirectory => Some("it tried to make a folder".to_owned()),
            Operation::Delete => Some("it tried to delete it or to move it away".to_owned()),
            Operation::Metadata => Some("it tried to change its mode, owner or times".to_owned()),
        };
        self.refuse(rule, path, other, denied.process, note);
    }

    /// The rule that a write breaks, and the other pip that it concerns.
    fn write_rule(&self, path: PathId, existed: bool) -> (Rule, Option<PipId>) {
        let world = self.view.world;
        let graph = world.graph;
        let maker = world.maker(path).filter(|maker| *maker != self.view.pip);
        let is_input = self.process.inputs.iter().any(|input| input.path == path);
        let opaque_of_other = world.output_directories_above(path).iter().find_map(|directory| {
            let directory = graph.directory(*directory);
            (directory.kind == crate::graph::SealKind::ExclusiveOpaque && directory.producer != Some(self.view.pip))
                .then_some(directory.producer)
                .flatten()
        });
        if let Some(maker) = maker {
            (Rule::DoubleWrite, Some(maker))
        } else if is_input && existed {
            (Rule::WriteInDeclaredSource, None)
        } else if let Some(reader) = world.undeclared_reader(path).filter(|reader| *reader != self.view.pip) {
            (Rule::WriteInUndeclaredSourceRead, Some(reader))
        } else if let Some(owner) = opaque_of_other {
            (Rule::WriteInExclusiveOpaqueDirectory, Some(owner))
        } else if matches!(self.view.find(path), Some(Found::Source)) {
            (Rule::WriteInSourceSealDirectory, None)
        } else if self.is_excluded(path) {
            (Rule::WriteInExclusion, None)
        } else if self.is_in_output_directory(path) && existed {
            (Rule::WriteOnExistingFile, None)
        } else {
            (Rule::UndeclaredOutput, None)
        }
    }

    /// Folders in its output directories that hold what it left. Whether one was there before, because others keep files
    /// in it, does not matter to who makes folders as they are needed; and next time it would be a folder that a pip
    /// made.
    fn own_folders(&self) -> FxHashSet<String> {
        let world = self.world();
        let mut own = FxHashSet::default();
        for left in &self.verdict.left {
            let above = world.graph.paths().ancestors(left.path).skip(1);
            for folder in above.take_while(|folder| self.is_in_output_directory(*folder)) {
                if !own.insert(world.token(folder)) {
                    break;
                }
            }
        }
        own
    }

    /// Reports a violation, unless the configuration accepts it. Says whether it was reported.
    fn refuse(&mut self, rule: Rule, path: PathId, other: Option<PipId>, process: u32, note: Option<String>) -> bool {
        let program = self
            .report
            .processes
            .get(process as usize)
            .map_or_else(String::new, |process| process.program.to_string_lossy().into_owned());
        let world = self.view.world;
        if !self.allow_lists.is_empty() {
            let provenance = world.graph.provenance(self.view.pip);
            let text = world.graph.paths().display(path);
            let access = UndeclaredAccess {
                module: &provenance.module,
                value: &provenance.value,
                program: &program,
                path: &text,
            };
            match self.allow_lists.judge(access, world.graph.paths()) {
                (Allowed::No, _) => {}
                (Allowed::Cacheable, _) => return false,
                (Allowed::Uncacheable, entry) => {
                    let name = entry.map_or("", |entry| &*entry.name);
                    self.verdict.uncacheable = Some(format!("`{name}` of an allow list accepts `{text}`"));
                    return false;
                }
            }
        }
        self.verdict.violations.push(Violation { rule, path, pip: self.view.pip, other, program, note });
        true
    }

    fn is_declared_output(&self, path: PathId) -> bool {
        self.process.outputs.iter().any(|output| output.artifact.path == path)
    }

    fn is_in_output_directory(&self, path: PathId) -> bool {
        let root = self.process.output_directory_of(path, self.world().graph.paths());
        root.is_some() && !self.is_excluded(path)
    }

    fn is_excluded(&self, path: PathId) -> bool {
        self.process.excludes(path, self.world().graph.paths())
    }

    fn leads_to_folder(&self, path: PathId) -> bool {
        fs::metadata(self.world().disk_path(path)).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Whether a declared input leads to this path, or through it, by links.
    fn is_real_input(&mut self, path: PathId) -> bool {
        let world = self.view.world;
        if self.real_inputs.is_none() {
            let sources = self.process.inputs.iter().filter(|input| input.is_source());
            let real = sources.filter_map(|input| {
                let declared = world.disk_path(input.path);
                let real = fs::canonicalize(&declared).ok()?;
                (real != declared).then_some(real)
            });
            self.real_inputs = Some(real.collect());
        }
        let Some(real) = self.real_inputs.as_ref().filter(|real| !real.is_empty()) else { return false };
        let text = world.disk_path(path);
        real.contains(&text) || fs::canonicalize(&text).is_ok_and(|target| real.contains(&target))
    }

    /// Why a seal that nearly covers a path does not.
    fn near_seal(&self, path: PathId) -> Option<String> {
        let graph = self.world().graph;
        let near = self
            .process
            .directory_inputs
            .iter()
            .map(|id| graph.directory(*id))
            .find(|directory| graph.paths().is_within(path, directory.root) && path != directory.root)?;
        let root = graph.display(near.root);
        Some(match near.kind {
            crate::graph::SealKind::SourceTop => format!("the seal of `{root}` has only the files directly in it"),
            crate::graph::SealKind::SourceAll => format!("the patterns of the seal of `{root}` leave it out"),
            _ => format!("it is not among the contents of the sealed directory `{root}`"),
        })
    }
}

/// Whether a pip comes after another because it depends on it, directly or not.
pub(super) fn depends_on(world: &World<'_>, pip: PipId, other: PipId) -> bool {
    super::schedule::depends_on(world.graph, pip, other)
}
