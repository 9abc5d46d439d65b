//! Requests into pips: walks the top-level values as one worker would have evaluated them and hands their requests to
//! the graph, which applies its rules as each arrives.

use std::sync::{Arc, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::diagnostics::Diagnostic;
use crate::graph::{
    DirectoryId, FileArtifact, Fragment, GraphBuilder, IpcPip, PipData, PipId, ProcessPip, Provenance, ServiceOptions,
};
use crate::program::{DeclId, QualifierId};
use crate::source::{Files, Location};

use super::requests::{Request, RequestKind};
use super::shared::{Event, Shared, ThunkId};
use super::value::SealHandle;

/// An id that no directory of a graph has.
const UNKNOWN: DirectoryId = DirectoryId(u32::MAX);

/// Hands the requests of all values to the graph.
pub(super) struct Replay<'s, 'h> {
    shared: &'s Shared<'h>,
    files: &'s Files,
    builder: GraphBuilder,
    /// The lasting ids of handles.
    directories: Vec<DirectoryId>,
    /// Handles of directories that the graph refused.
    refused: FxHashSet<SealHandle>,
    /// The lasting ids of processes and messages. Those without were refused.
    pips: Vec<Option<PipId>>,
    visited: Vec<bool>,
    modules: Vec<Arc<str>>,
    /// The dotted names of declarations, as far as pips came from them.
    names: Vec<Option<Arc<str>>>,
    qualifiers: FxHashMap<QualifierId, Arc<crate::graph::Qualifier>>,
    diagnostics: Vec<Diagnostic>,
    /// Where the diagnostics of each running `expectFailure` begin, the innermost last.
    expected: Vec<usize>,
}

impl<'s, 'h> Replay<'s, 'h> {
    pub fn new(shared: &'s Shared<'h>, files: &'s Files, builder: GraphBuilder) -> Self {
        Self {
            shared,
            files,
            builder,
            directories: Vec::new(),
            refused: FxHashSet::default(),
            pips: Vec::new(),
            visited: Vec::new(),
            modules: shared.resolved.program.modules.iter().map(|module| module.name.clone()).collect(),
            names: vec![None; shared.resolved.program.decls.len()],
            qualifiers: FxHashMap::default(),
            diagnostics: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// Replays a value and what it needed before.
    pub fn value(&mut self, root: ThunkId) {
        // Values can need one another very deeply: a stack of our own, not of calls.
        let mut stack = Vec::new();
        self.begin(root, &mut stack);
        while let Some((id, mut events)) = stack.pop() {
            let thunk = self.shared.thunk(id);
            while let Some(event) = events.next() {
                match event {
                    Event::Made(request) => self.request(thunk.decl, thunk.qualifier, *request),
                    Event::FailureBegins => self.expected.push(self.diagnostics.len()),
                    Event::FailureEnds(expected) => {
                        let begin = self.expected.pop().unwrap_or(self.diagnostics.len());
                        let said = self.diagnostics.split_off(begin);
                        self.diagnostics.extend(expected.check(said));
                    }
                    Event::Needed(needed) => {
                        let above = stack.len();
                        self.begin(needed, &mut stack);
                        if stack.len() > above {
                            // What it needed comes first, the rest of it afterwards.
                            stack.insert(above, (id, events));
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Puts a value that was not replayed yet on the stack, and its messages to the others.
    fn begin(&mut self, id: ThunkId, stack: &mut Vec<(ThunkId, std::vec::IntoIter<Event>)>) {
        let index = id.0 as usize;
        if index >= self.visited.len() {
            self.visited.resize(index + 1, false);
        }
        if std::mem::replace(&mut self.visited[index], true) {
            return;
        }
        let Some(record) = self.shared.thunk(id).record.get() else { return };
        self.diagnostics.extend(record.diagnostics.iter().cloned());
        let mut events = record.events.lock().unwrap_or_else(PoisonError::into_inner);
        stack.push((id, std::mem::take(&mut *events).into_iter()));
    }

    /// The builder with all pips in it, and what was said on the way.
    pub fn finish(self) -> (GraphBuilder, Vec<Diagnostic>) {
        (self.builder, self.diagnostics)
    }

    fn request(&mut self, decl: DeclId, qualifier: QualifierId, request: Request) {
        let provenance = self.provenance(decl, qualifier, request.location);
        // A request that needs a directory which the graph refused is dropped, and so is what needs its outputs: the
        // refusal was reported.
        let refused = match request.kind {
            RequestKind::Process(mut process, handle, handles) => {
                if !self.map_process(&mut process) {
                    let outputs = process.outputs.iter().map(|output| output.artifact);
                    self.builder.lose(outputs.collect::<Vec<_>>());
                    self.refused.extend(handles);
                    return;
                }
                match self.builder.add_process(process, provenance) {
                    Ok(pip) => {
                        note(&mut self.pips, handle.0, Some(pip), None);
                        let outputs = self.builder.process_outputs(pip);
                        for (handle, (_, directory)) in handles.iter().zip(outputs) {
                            note(&mut self.directories, handle.0, directory, UNKNOWN);
                        }
                        return;
                    }
                    Err(refused) => {
                        self.refused.extend(handles);
                        refused
                    }
                }
            }
            RequestKind::CopyFile(copy) => match self.builder.add_copy_file(copy, provenance) {
                Ok(_) => return,
                Err(refused) => refused,
            },
            RequestKind::WriteFile(mut write) => {
                if !self.map_data(&mut write.contents) {
                    self.builder.lose([write.destination]);
                    return;
                }
                match self.builder.add_write_file(write, provenance) {
                    Ok(_) => return,
                    Err(refused) => refused,
                }
            }
            RequestKind::Ipc(mut ipc, handle) => {
                if !self.map_ipc(&mut ipc) {
                    self.builder.lose([ipc.output]);
                    return;
                }
                match self.builder.add_ipc(ipc, provenance) {
                    Ok(pip) => {
                        note(&mut self.pips, handle.0, Some(pip), None);
                        return;
                    }
                    Err(refused) => refused,
                }
            }
            RequestKind::Seal(mut seal, handle) => {
                if !self.map_all(&mut seal.directories) {
                    self.refused.insert(handle);
                    return;
                }
                match self.builder.seal(seal, provenance) {
                    Ok(directory) => {
                        note(&mut self.directories, handle.0, directory, UNKNOWN);
                        return;
                    }
                    Err(refused) => {
                        self.refused.insert(handle);
                        refused
                    }
                }
            }
            RequestKind::Exclusive(handle, path) => {
                if let Some(directory) = self.builder.exclusive_output(path) {
                    note(&mut self.directories, handle.0, directory, UNKNOWN);
                }
                return;
            }
            RequestKind::Assert(handle, path) => {
                let mut directory = DirectoryId(handle.0);
                if !self.map(&mut directory) {
                    self.builder.lose([FileArtifact::output(path)]);
                    return;
                }
                match self.builder.assert_existence(directory, path, request.location) {
                    Ok(_) => return,
                    Err(refused) => refused,
                }
            }
        };
        self.diagnostics.extend(refused);
    }

    fn map_process(&self, process: &mut ProcessPip) -> bool {
        let rare = process.rare.as_deref_mut();
        self.map_all(&mut process.directory_inputs)
            && self.map_data(&mut process.arguments)
            && rare.is_none_or(|rare| {
                let response = rare.response_file.as_mut();
                response.is_none_or(|file| self.map_data(&mut file.contents)) && self.map_service(&mut rare.service)
            })
    }

    fn map_ipc(&self, ipc: &mut IpcPip) -> bool {
        self.map_all(&mut ipc.directory_inputs)
            && self.map_all(&mut ipc.lazily_materialized_directories)
            && self.map_data(&mut ipc.message)
            && ipc.services.iter_mut().all(|pip| self.map_pip(pip))
    }

    /// A service without its shutdown is as refused as a client without its service.
    fn map_service(&self, service: &mut ServiceOptions) -> bool {
        let ServiceOptions { dependencies, shutdown, finalization, .. } = service;
        dependencies.iter_mut().chain(shutdown).chain(finalization).all(|pip| self.map_pip(pip))
    }

    /// Every pip that has a handle was asked for before: it is in the graph, or it was refused and the reason reported.
    fn map_pip(&self, pip: &mut PipId) -> bool {
        self.pips.get(pip.0 as usize).copied().flatten().is_some_and(|known| {
            *pip = known;
            true
        })
    }

    /// Handles to lasting ids, in place; false when one was refused.
    fn map_all(&self, directories: &mut [DirectoryId]) -> bool {
        directories.iter_mut().all(|directory| self.map(directory))
    }

    fn map(&self, directory: &mut DirectoryId) -> bool {
        let handle = SealHandle(directory.0);
        // What no pip before it makes (`Unsafe.exOutputDirectory`) stays unknown: the graph says so.
        *directory = self.directories.get(handle.0 as usize).copied().unwrap_or(UNKNOWN);
        *directory != UNKNOWN || !self.refused.contains(&handle)
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
        let value = self.names[decl.index()].get_or_insert_with(|| program.decl_name(decl).into()).clone();
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

/// Notes the lasting id of a handle. Handles are numbered densely, so a list holds them best.
fn note<T: Copy>(ids: &mut Vec<T>, handle: u32, id: T, unknown: T) {
    let at = handle as usize;
    if at >= ids.len() {
        ids.resize(at + 1, unknown);
    }
    ids[at] = id;
}
