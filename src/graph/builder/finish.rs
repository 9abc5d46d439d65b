//! Freezing: the rules about the whole graph (moment B), the order to show pips in, and their lasting identities.
//!
//! No rule compares all pairs. Folders that forbid something are put in a table; each file and directory then asks only
//! the folders above itself, and folders that forbid nothing are skipped over with the help of a memo.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::GraphBuilder;
use super::report::{and_other, kind_words};
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::origins::Origins;
use crate::graph::{
    DirectoryId, Existence, FileArtifact, Pip, PipGraph, PipId, Provenance, Qualifier, SealKind, stable,
};
use crate::paths::{PathId, Paths};

pub(super) fn finish(mut builder: GraphBuilder) -> (PipGraph, Vec<Diagnostic>) {
    let order = show_order(&builder.origins, &builder.paths);
    let mut found = std::mem::take(&mut builder.warnings);
    let linked = builder.dependencies_with_services(&mut found);
    if !builder.options.unsafe_disable_graph_post_validation {
        let mut rules = Rules::new(&builder);
        rules.run(&order);
        found.append(&mut rules.found);
    }

    let root = builder.options.workspace_root;
    let mut position = vec![0; order.len()];
    for (place, pip) in order.iter().enumerate() {
        position[pip.0 as usize] = place as u32;
    }
    let qualifiers = if builder.options.qualifiers.is_empty() {
        used_qualifiers(&builder.origins, &order)
    } else {
        std::mem::take(&mut builder.options.qualifiers)
    };
    let source_files = builder.files.source_count();
    let (newest, older) = builder.files.into_producers();
    let mut dependencies = linked.unwrap_or(builder.dependencies);
    dependencies.shrink_to_fit();
    let (stable, dependents) = rayon::join(
        || stable::identify(&builder.pips, &builder.origins, &order, &builder.paths, root),
        || dependencies.reversed(),
    );
    let graph = PipGraph {
        dependents,
        paths: builder.paths,
        workspace_root: root,
        mounts: builder.mounts,
        qualifiers,
        pips: builder.pips,
        origins: builder.origins,
        directories: builder.directories,
        dependencies,
        order,
        position,
        stable,
        newest,
        older,
        source_files,
    };
    (graph, found)
}

fn used_qualifiers(origins: &Origins, order: &[PipId]) -> Vec<Arc<Qualifier>> {
    let mut used: Vec<Arc<Qualifier>> = Vec::new();
    for pip in order {
        let qualifier = &origins.of(*pip).qualifier;
        // Most neighbours share theirs, so this keeps the list short before it is sorted.
        if used.last().is_none_or(|last| !Arc::ptr_eq(last, qualifier)) {
            used.push(qualifier.clone());
        }
    }
    used.sort();
    used.dedup();
    used
}

/// Groups pips by the top-level value that made them and orders the groups by module, spec, the first place that led to
/// one of their pips, value and qualifier. Within a group pips keep the order of
/// adding, which one evaluation of a value always repeats; between groups the order of adding depends on which value
/// was asked for first, and so does not count.
fn show_order(origins: &Origins, paths: &Paths) -> Vec<PipId> {
    struct Group<'a> {
        first: &'a Provenance,
        place: (u32, u32),
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    // By address first: comparing texts and qualifiers of a million pips would cost more than all else here.
    let mut by_address: FxHashMap<(usize, PathId, usize, usize), u32> = FxHashMap::default();
    let mut by_content: FxHashMap<(&str, PathId, &str, &Qualifier), u32> = FxHashMap::default();
    let mut group_of: Vec<u32> = Vec::with_capacity(origins.iter().len());
    for item in origins.iter() {
        let address = (
            Arc::as_ptr(&item.module).cast::<u8>() as usize,
            item.spec,
            Arc::as_ptr(&item.value).cast::<u8>() as usize,
            Arc::as_ptr(&item.qualifier) as usize,
        );
        let place = (item.line, item.column);
        let group = *by_address.entry(address).or_insert_with(|| {
            *by_content.entry((&item.module, item.spec, &item.value, &item.qualifier)).or_insert_with(|| {
                groups.push(Group { first: item, place });
                groups.len() as u32 - 1
            })
        });
        let known = &mut groups[group as usize].place;
        *known = place.min(*known);
        group_of.push(group);
    }
    let mut sorted: Vec<u32> = (0..groups.len() as u32).collect();
    sorted.sort_by(|left, right| {
        let (a, b) = (&groups[*left as usize], &groups[*right as usize]);
        a.first
            .module
            .cmp(&b.first.module)
            .then_with(|| paths.compare(a.first.spec, b.first.spec))
            .then_with(|| a.place.cmp(&b.place))
            .then_with(|| a.first.value.cmp(&b.first.value))
            .then_with(|| a.first.qualifier.cmp(&b.first.qualifier))
    });
    let mut rank = vec![0u32; groups.len()];
    for (place, group) in sorted.iter().enumerate() {
        rank[*group as usize] = place as u32;
    }
    let mut order: Vec<PipId> = (0..group_of.len() as u32).map(PipId).collect();
    order.sort_by_key(|pip| (rank[group_of[pip.0 as usize] as usize], pip.0));
    order
}

/// What one folder forbids at or below itself.
#[derive(Debug, Default)]
struct Forbids {
    exclusive: Option<DirectoryId>,
    shared: Option<DirectoryId>,
    source: Option<DirectoryId>,
    full: Vec<DirectoryId>,
    temp: Option<PipId>,
}

/// What lies at or below a folder that forbids something.
#[derive(Clone, Copy)]
struct Subject<'a> {
    path: PathId,
    at: &'a Provenance,
    at_root: bool,
}

struct Rules<'a> {
    builder: &'a GraphBuilder,
    forbids: FxHashMap<PathId, Forbids>,
    /// For a folder, the nearest of itself and the folders above that forbids something.
    nearest: FxHashMap<PathId, Option<PathId>>,
    /// How many full seals of a root hold a file, or a directory.
    full_files: FxHashMap<(PathId, FileArtifact), u32>,
    full_directories: FxHashMap<(PathId, DirectoryId), u32>,
    found: Vec<Diagnostic>,
}

impl<'a> Rules<'a> {
    fn new(builder: &'a GraphBuilder) -> Self {
        let mut rules = Self {
            builder,
            forbids: FxHashMap::default(),
            nearest: FxHashMap::default(),
            full_files: FxHashMap::default(),
            full_directories: FxHashMap::default(),
            found: Vec::new(),
        };
        // A shared opaque forbids full seals and nothing else, and there may be very many of them.
        let any_full = builder.directories.iter().any(|directory| directory.kind == SealKind::Full);
        for (index, directory) in builder.directories.iter().enumerate() {
            let id = DirectoryId(index as u32);
            match directory.kind {
                SealKind::SharedOpaque if !any_full => {}
                SealKind::Partial | SealKind::Composite | SealKind::SubDirectory => {}
                kind => {
                    let forbids = rules.forbids.entry(directory.root).or_default();
                    match kind {
                        SealKind::ExclusiveOpaque => forbids.exclusive = forbids.exclusive.or(Some(id)),
                        SealKind::SharedOpaque => forbids.shared = forbids.shared.or(Some(id)),
                        SealKind::Full => forbids.full.push(id),
                        _ => forbids.source = forbids.source.or(Some(id)),
                    }
                }
            }
            if directory.kind == SealKind::Full
                && let Some(Pip::SealDirectory(seal)) = builder.pip(directory.pip)
            {
                for file in &seal.files {
                    *rules.full_files.entry((directory.root, *file)).or_default() += 1;
                }
                for inner in &seal.directories {
                    *rules.full_directories.entry((directory.root, *inner)).or_default() += 1;
                }
            }
        }
        for (index, pip) in builder.pips.iter().enumerate() {
            let Pip::Process(process) = pip else { continue };
            let Some(rare) = &process.rare else { continue };
            for temp in rare.temp_directory.iter().chain(&rare.additional_temp_directories) {
                rules.forbids.entry(*temp).or_default().temp.get_or_insert(PipId(index as u32));
            }
        }
        rules
    }

    fn run(&mut self, order: &[PipId]) {
        if self.forbids.is_empty() {
            return;
        }
        let builder = self.builder;
        for id in order {
            let at = builder.origins.of(*id);
            match &builder.pips[id.0 as usize] {
                Pip::Process(process) => {
                    self.sources(&process.inputs, *id, at);
                    for output in &process.outputs {
                        self.output(output.artifact, *id, at);
                    }
                }
                Pip::CopyFile(copy) => {
                    self.sources(&[copy.source], *id, at);
                    self.output(copy.destination, *id, at);
                }
                Pip::WriteFile(write) => self.output(write.destination, *id, at),
                Pip::Ipc(ipc) => {
                    self.sources(&ipc.inputs, *id, at);
                    self.output(ipc.output, *id, at);
                }
                Pip::SealDirectory(seal) => {
                    if seal.kind.is_output() {
                        // Files whose existence was asserted: outputs of the process that fills the directory.
                        if let Some(producer) = builder.directory(seal.directory).and_then(|known| known.producer) {
                            for file in &seal.files {
                                self.output(*file, producer, at);
                            }
                        }
                    } else {
                        self.sources(&seal.files, *id, at);
                    }
                    self.directory(seal.directory, seal.root, seal.kind, at);
                }
            }
        }
    }

    /// The nearest folder at or above `path` that forbids something.
    fn nearest(&mut self, path: PathId) -> Option<PathId> {
        let paths = &self.builder.paths;
        let mut asked = Vec::new();
        let mut answer = None;
        for at in paths.ancestors(path) {
            if let Some(known) = self.nearest.get(&at) {
                answer = *known;
                break;
            }
            asked.push(at);
            if self.forbids.contains_key(&at) {
                answer = Some(at);
                break;
            }
        }
        // Only folders are worth remembering: nobody asks for the same file twice.
        for at in asked.into_iter().filter(|at| *at != path) {
            self.nearest.insert(at, answer);
        }
        answer
    }

    /// Every folder at or above `path` that forbids something, nearest first.
    fn forbidding(&mut self, path: PathId) -> Vec<PathId> {
        let mut all = Vec::new();
        let mut at = self.nearest(path);
        while let Some(root) = at {
            all.push(root);
            at = self.builder.paths.parent(root).and_then(|above| self.nearest(above));
        }
        all
    }

    fn sources(&mut self, files: &[FileArtifact], user: PipId, at: &Provenance) {
        for file in files.iter().filter(|file| file.is_source()) {
            // Each source file once, for its first user.
            let state = self.builder.files.get(file.path);
            if state.is_none_or(|state| state.version != 0 || state.user() != Some(user)) {
                continue;
            }
            for root in self.forbidding(file.path) {
                let subject = Subject { path: file.path, at, at_root: root == file.path };
                let Some(forbids) = self.forbids.get(&root) else { continue };
                let (exclusive, source, temp) = (forbids.exclusive, forbids.source, forbids.temp);
                let shown = self.builder.show(file.path);
                if let Some(exclusive) = exclusive {
                    let code = if subject.at_root { 14107 } else { 14100 };
                    let message = if subject.at_root {
                        format!("`{shown}` is used as a source file but is an exclusive opaque directory")
                    } else {
                        format!("source file `{shown}` lies in {}", self.named(exclusive))
                    };
                    self.clash(code, message, subject, "used as a source file", exclusive);
                }
                if let Some(source) = source.filter(|_| subject.at_root) {
                    let message = format!("`{shown}` is used as a source file but is a sealed source directory");
                    self.clash(14110, message, subject, "used as a source file", source);
                }
                if let Some(temp) = temp {
                    self.in_temp(subject, root, temp, "used as a source file");
                }
            }
        }
    }

    fn output(&mut self, file: FileArtifact, producer: PipId, at: &Provenance) {
        // Only the newest version counts: whoever rewrites it writes at the same place.
        let Some(state) = self.builder.files.get(file.path).filter(|state| state.version == file.rewrite) else {
            return;
        };
        let temporary = state.existence == Existence::Temporary;
        for root in self.forbidding(file.path) {
            let subject = Subject { path: file.path, at, at_root: root == file.path };
            let Some(forbids) = self.forbids.get(&root) else { continue };
            let (exclusive, source, temp) = (forbids.exclusive, forbids.source, forbids.temp);
            let lacking = if subject.at_root || self.held_by(root, file) == forbids.full.len() {
                None
            } else {
                self.full_seal_without(root, |seal| seal.files.contains(&file))
            };
            let shown = self.builder.show(file.path);
            if let Some(exclusive) = exclusive {
                let owner = self.builder.directory(exclusive).and_then(|directory| directory.producer);
                if subject.at_root {
                    let message = format!("`{shown}` is both an output file and an exclusive opaque directory");
                    self.clash(14108, message, subject, "written as a file", exclusive);
                } else if owner != Some(producer) {
                    let message = format!("`{shown}` is written by another pip into {}", self.named(exclusive));
                    self.clash(14101, message, subject, "written", exclusive);
                }
            }
            if let Some(source) = source {
                if subject.at_root {
                    let message = format!("`{shown}` is both an output file and a sealed source directory");
                    self.clash(14111, message, subject, "written as a file", source);
                } else {
                    let message = format!("`{shown}` is written into {}", self.named(source));
                    self.clash(14104, message, subject, "written", source);
                }
            }
            if let Some(full) = lacking {
                let message = format!("`{shown}` lies in {}, but is not in its contents", self.named(full));
                self.clash(14103, message, subject, "written", full);
            }
            if let Some(temp) = temp.filter(|_| !temporary) {
                self.in_temp(subject, root, temp, "written");
            }
        }
    }

    fn directory(&mut self, id: DirectoryId, path: PathId, kind: SealKind, at: &Provenance) {
        for root in self.forbidding(path) {
            let subject = Subject { path, at, at_root: root == path };
            let Some(forbids) = self.forbids.get(&root) else { continue };
            let (exclusive, shared) = (forbids.exclusive.filter(|outer| *outer != id), forbids.shared);
            let (source, temp) = (forbids.source.filter(|_| kind.is_output()), forbids.temp);
            let held = self.full_directories.get(&(root, id)).copied().unwrap_or(0) as usize;
            let lacking = if subject.at_root || !kind.is_output() || held == forbids.full.len() {
                None
            } else {
                self.full_seal_without(root, |seal| seal.directories.contains(&id))
            };
            let (shown, words) = (self.builder.show(path), kind_words(kind));
            let verb = if kind.is_output() { "declared as an output directory" } else { "sealed" };
            let (code, source_code) = if subject.at_root { (14109, 14109) } else { (14102, 14105) };
            for outer in [exclusive, shared.filter(|_| kind == SealKind::Full)].into_iter().flatten() {
                let message = self.both_or_inside(&shown, words, outer, subject.at_root);
                self.clash(code, message, subject, verb, outer);
            }
            if let Some(outer) = source {
                let message = self.both_or_inside(&shown, words, outer, subject.at_root);
                self.clash(source_code, message, subject, verb, outer);
            }
            if let Some(full) = lacking {
                let message = format!("`{shown}`, {words}, lies in {}, but is not in its contents", self.named(full));
                self.clash(14114, message, subject, verb, full);
            }
            if let Some(temp) = temp {
                self.in_temp(subject, root, temp, verb);
            }
        }
    }

    fn both_or_inside(&self, shown: &str, words: &str, outer: DirectoryId, at_root: bool) -> String {
        if at_root {
            let outer = self.builder.directory(outer).map_or("a sealed directory", |outer| kind_words(outer.kind));
            format!("`{shown}` is both {words} and {outer}")
        } else {
            format!("`{shown}`, {words}, lies in {}", self.named(outer))
        }
    }

    fn held_by(&self, root: PathId, file: FileArtifact) -> usize {
        self.full_files.get(&(root, file)).copied().unwrap_or(0) as usize
    }

    fn full_seal_without(
        &self,
        root: PathId,
        holds: impl Fn(&crate::graph::SealDirectoryPip) -> bool,
    ) -> Option<DirectoryId> {
        self.forbids.get(&root)?.full.iter().copied().find(|id| {
            let seal = self.builder.directory(*id).and_then(|directory| self.builder.pip(directory.pip));
            matches!(seal, Some(Pip::SealDirectory(seal)) if !holds(seal))
        })
    }

    /// A directory as messages name it: `` `out`, a fully sealed directory ``.
    fn named(&self, id: DirectoryId) -> String {
        match self.builder.directory(id) {
            Some(directory) => format!("`{}`, {}", self.builder.show(directory.root), kind_words(directory.kind)),
            None => "a sealed directory".to_owned(),
        }
    }

    fn clash(&mut self, code: u32, message: String, subject: Subject<'_>, verb: &str, with: DirectoryId) {
        let shown = self.builder.show(subject.path);
        let diagnostic = Diagnostic::error(Code::Dx(code), message)
            .at(subject.at.location, format!("`{shown}` is {verb} here"))
            .help(help(code));
        self.found.push(self.builder.with_directory(diagnostic, subject.at, with));
    }

    fn in_temp(&mut self, subject: Subject<'_>, temp: PathId, owner: PipId, verb: &str) {
        let (shown, temp) = (self.builder.show(subject.path), self.builder.show(temp));
        let message = if subject.at_root {
            format!("`{shown}` is also a temporary directory, which is emptied after its pip")
        } else {
            format!("`{shown}` lies in the temporary directory `{temp}`, which is emptied after its pip")
        };
        let diagnostic = Diagnostic::error(Code::Dx(14113), message)
            .at(subject.at.location, format!("`{shown}` is {verb} here"))
            .help(help(14113));
        let Some(owner) = self.builder.origins.get(owner) else { return };
        let what = format!("`{temp}` is a temporary directory here");
        self.found.push(and_other(diagnostic, subject.at, owner, &what));
    }
}

fn help(code: u32) -> &'static str {
    match code {
        14107 | 14108 | 14110 | 14111 => "a path is either a file or a directory: give one of the two another path",
        14100 => "move the source file out of the output directory, or let the process write elsewhere",
        14101 => "write elsewhere, or make the directory a shared opaque one: `Artifact.sharedOpaqueOutput`",
        14102 => "move one of the two; a shared opaque directory may hold partially sealed ones, an exclusive one none",
        14104 | 14105 => "write to an output directory: sealed source directories hold only source files",
        14103 => "add the file to the seal, or seal the folder partially: `Transformer.sealPartialDirectory`",
        14114 => "add the output directory to the seal, or seal the folder partially",
        14113 => "choose another path: `Context.getNewOutputDirectory` gives a folder that lasts",
        _ => "give one of the two another folder",
    }
}
