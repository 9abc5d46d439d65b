//! Requests into pips: walks the top-level values as one worker would have evaluated them and hands their requests to
//! the graph, which applies its rules as each arrives.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::diagnostics::Diagnostic;
use crate::graph::{DirectoryId, FileArtifact, Fragment, GraphBuilder, PipData, Provenance};
use crate::program::{DeclId, QualifierId};
use crate::source::{Files, Location};

use super::requests::{Request, RequestKind};
use super::shared::{Event, Shared, ThunkId};
use super::value::SealHandle;

/// Hands the requests of all values to the graph.
pub(super) struct Replay<'s, 'h> {
    shared: &'s Shared<'h>,
    files: &'s Files,
    builder: GraphBuilder,
    /// The lasting ids of handles; none where the graph refused the directory.
    directories: FxHashMap<SealHandle, DirectoryId>,
    visited: Vec<bool>,
    modules: Vec<Arc<str>>,
    names: FxHashMap<DeclId, Arc<str>>,
    qualifiers: FxHashMap<QualifierId, Arc<crate::graph::Qualifier>>,
    diagnostics: Vec<Diagnostic>,
}

impl<'s, 'h> Replay<'s, 'h> {
    pub fn new(shared: &'s Shared<'h>, files: &'s Files, builder: GraphBuilder) -> Self {
        Self {
            shared,
            files,
            builder,
            directories: FxHashMap::default(),
            visited: Vec::new(),
            modules: shared.resolved.program.modules.iter().map(|module| module.name.clone()).collect(),
            names: FxHashMap::default(),
            qualifiers: FxHashMap::default(),
            diagnostics: Vec::new(),
        }
    }

    /// Replays a value and what it needed before.
    pub fn value(&mut self, root: ThunkId) {
        // Values can need one another very deeply: a stack of our own, not of calls.
        let mut stack = Vec::new();
        if self.visit(root) {
            stack.push((root, 0));
        }
        while let Some((id, next)) = stack.pop() {
            let thunk = self.shared.thunk(id);
            let Some(record) = thunk.record.get() else { continue };
            if next == 0 {
                self.diagnostics.extend(record.diagnostics.iter().cloned());
            }
            let mut pushed = false;
            for (index, event) in record.events.iter().enumerate().skip(next) {
                match event {
                    Event::Needed(needed) if self.visit(*needed) => {
                        stack.push((id, index + 1));
                        stack.push((*needed, 0));
                        pushed = true;
                        break;
                    }
                    Event::Needed(_) => {}
                    Event::Made(request) => self.request(thunk.decl, thunk.qualifier, request),
                }
            }
            if pushed {
                continue;
            }
        }
    }

    /// The builder with all pips in it, and what was said on the way.
    pub fn finish(self) -> (GraphBuilder, Vec<Diagnostic>) {
        (self.builder, self.diagnostics)
    }

    /// True the first time.
    fn visit(&mut self, id: ThunkId) -> bool {
        let index = id.0 as usize;
        if index >= self.visited.len() {
            self.visited.resize(index + 1, false);
        }
        !std::mem::replace(&mut self.visited[index], true)
    }

    fn request(&mut self, decl: DeclId, qualifier: QualifierId, request: &Request) {
        let provenance = self.provenance(decl, qualifier, request.location);
        // A request that needs a directory which the graph refused is dropped, and so is what needs its outputs: the
        // refusal was reported.
        let refused = match &request.kind {
            RequestKind::Process(process, handles) => {
                let mut process = process.clone();
                let known = self.map_all(&mut process.directory_inputs) && self.map_data(&mut process.arguments);
                if !known {
                    let outputs = process.outputs.iter().map(|output| output.artifact);
                    self.builder.lose(outputs.collect::<Vec<_>>());
                    return;
                }
                match self.builder.add_process(process, provenance) {
                    Ok(pip) => {
                        let outputs = self.builder.process_outputs(pip);
                        for (handle, (_, directory)) in handles.iter().zip(outputs) {
                            self.directories.insert(*handle, directory);
                        }
                        return;
                    }
                    Err(refused) => refused,
                }
            }
            RequestKind::CopyFile(copy) => match self.builder.add_copy_file(copy.clone(), provenance) {
                Ok(_) => return,
                Err(refused) => refused,
            },
            RequestKind::WriteFile(write) => {
                let mut write = write.clone();
                if !self.map_data(&mut write.contents) {
                    self.builder.lose([write.destination]);
                    return;
                }
                match self.builder.add_write_file(write, provenance) {
                    Ok(_) => return,
                    Err(refused) => refused,
                }
            }
            RequestKind::Ipc(ipc) => {
                let mut ipc = ipc.clone();
                let known = self.map_all(&mut ipc.directory_inputs)
                    && self.map_all(&mut ipc.lazily_materialized_directories)
                    && self.map_data(&mut ipc.message);
                if !known {
                    self.builder.lose([ipc.output]);
                    return;
                }
                match self.builder.add_ipc(ipc, provenance) {
                    Ok(_) => return,
                    Err(refused) => refused,
                }
            }
            RequestKind::Seal(seal, handle) => {
                let mut seal = seal.clone();
                if !self.map_all(&mut seal.directories) {
                    return;
                }
                match self.builder.seal(seal, provenance) {
                    Ok(directory) => {
                        self.directories.insert(*handle, directory);
                        return;
                    }
                    Err(refused) => refused,
                }
            }
            RequestKind::Assert(handle, path) => {
                let Some(directory) = self.directories.get(handle) else {
                    self.builder.lose([FileArtifact::output(*path)]);
                    return;
                };
                match self.builder.assert_existence(*directory, *path, request.location) {
                    Ok(_) => return,
                    Err(refused) => refused,
                }
            }
        };
        self.diagnostics.extend(refused);
    }

    /// Handles to lasting ids, in place; false when one was refused.
    fn map_all(&self, directories: &mut [DirectoryId]) -> bool {
        directories.iter_mut().all(|directory| self.map(directory))
    }

    fn map(&self, directory: &mut DirectoryId) -> bool {
        match self.directories.get(&SealHandle(directory.0)) {
            Some(known) => {
                *directory = *known;
                true
            }
            None => false,
        }
    }

    fn map_data(&self, data: &mut PipData) -> bool {
        data.fragments.iter_mut().all(|fragment| match fragment {
            Fragment::DirectoryId(directory) => self.map(directory),
            Fragment::Nested(inner) => self.map_data(inner),
            _ => true,
        })
    }

    fn provenance(&mut self, decl: DeclId, qualifier: QualifierId, location: Location) -> Provenance {
        let program = &self.shared.resolved.program;
        let spec = &program.specs[program.decls[decl.index()].spec.index()];
        let value = self.names.entry(decl).or_insert_with(|| program.decl_name(decl).into()).clone();
        let qualifier = self
            .qualifiers
            .entry(qualifier)
            .or_insert_with(|| {
                let map = program.qualifiers.map_of(qualifier);
                let text = |text: &Arc<str>| text.to_string();
                Arc::new(map.iter().map(|(key, value)| (text(key), text(value))).collect())
            })
            .clone();
        let place = self.files.get(location.file).line_column(location.span.start);
        Provenance {
            module: self.modules[spec.module.index()].clone(),
            spec: spec.path,
            location,
            line: place.line,
            column: place.column,
            value,
            qualifier,
        }
    }
}
