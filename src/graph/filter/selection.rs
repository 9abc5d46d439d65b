//! What a filter selects, and what must be built for that.

use super::notes::FilterNote;
use super::set::PipSet;
use crate::graph::{Pip, PipGraph, PipId};

/// What a filter selects from a graph.
#[derive(Clone, Debug)]
pub struct Selection {
    pips: PipSet,
    notes: Vec<FilterNote>,
}

impl Selection {
    pub(super) fn new(pips: PipSet, notes: Vec<FilterNote>) -> Self {
        Self { pips, notes }
    }

    /// The pips that match: those that make one of the things that the filter selects. An output directory brings the
    /// process that fills it and the pip that seals it.
    pub fn pips(&self) -> &PipSet {
        &self.pips
    }

    /// Whether no pip matches.
    pub fn is_empty(&self) -> bool {
        self.pips.is_empty()
    }

    /// What the filter names and the graph does not have, in the order of the filter.
    pub fn notes(&self) -> &[FilterNote] {
        &self.notes
    }

    /// The pips that match and all that they need, directly or not. A service brings what ends it and what runs before
    /// that. What runs before a service ends waits for all clients; the clients are no reason to build them, though,
    /// so these pips may have dependencies that are not in the set. Nothing else has.
    pub fn closure(&self, graph: &PipGraph) -> PipSet {
        let clients = Clients::of(graph);
        let mut closure = self.pips.clone();
        let mut open: Vec<PipId> = closure.iter().collect();
        while let Some(pip) = open.pop() {
            for dependency in graph.dependencies(pip) {
                if !clients.only_waits(graph, pip, *dependency) && closure.insert(*dependency) {
                    open.push(*dependency);
                }
            }
            let Pip::Process(process) = graph.pip(pip) else { continue };
            for service in process.rare.iter().map(|rare| &rare.service) {
                for last in service.finalization.iter().chain(&service.shutdown) {
                    if closure.insert(*last) {
                        open.push(*last);
                    }
                }
            }
        }
        closure
    }
}

/// Which pips run before services end.
struct Clients {
    /// Pips that run before a service ends, each with a service; sorted.
    last: Vec<(PipId, PipId)>,
}

impl Clients {
    fn of(graph: &PipGraph) -> Self {
        let mut last = Vec::new();
        for id in graph.ids() {
            let Pip::Process(process) = graph.pip(id) else { continue };
            if let Some(rare) = &process.rare {
                last.extend(rare.service.finalization.iter().map(|last| (*last, id)));
            }
        }
        last.sort_unstable();
        Self { last }
    }

    /// Whether a pip depends on another only because that is a client of the service which it winds down.
    fn only_waits(&self, graph: &PipGraph, pip: PipId, dependency: PipId) -> bool {
        let from = self.last.partition_point(|(last, _)| *last < pip);
        let mut services = self.last[from..].iter().take_while(|(last, _)| *last == pip).map(|(_, service)| service);
        let talks_to: &[PipId] = match graph.pip(dependency) {
            Pip::Process(process) => process.rare.as_ref().map_or(&[], |rare| &rare.service.dependencies),
            Pip::Ipc(ipc) => &ipc.services,
            _ => &[],
        };
        services.any(|service| talks_to.contains(service)) && !needs(graph, pip, dependency)
    }
}

/// Whether a pip reads or rewrites what another makes, or talks to it.
fn needs(graph: &PipGraph, pip: PipId, maker: PipId) -> bool {
    let makes = |file| graph.producer(file) == Some(maker);
    let pip = graph.pip(pip);
    let (inputs, directories, services) = match pip {
        Pip::Process(process) => {
            let services = process.rare.as_ref().map_or(&[][..], |rare| &rare.service.dependencies);
            (&*process.inputs, &*process.directory_inputs, services)
        }
        Pip::Ipc(ipc) => (&*ipc.inputs, &*ipc.directory_inputs, &*ipc.services),
        // Only processes and messages wind services down.
        _ => return true,
    };
    inputs.iter().any(|file| makes(*file))
        || directories.iter().any(|directory| graph.directory(*directory).pip == maker)
        || services.contains(&maker)
        || pip.output_files().filter_map(crate::graph::FileArtifact::before).any(makes)
}
