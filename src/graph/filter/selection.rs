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

    /// The pips that match and all that they need, directly or not. A process brings the seals of its output
    /// directories. A service brings what winds it down, and the other way round. What runs before a service ends waits for all clients; the clients are no reason to build them,
    /// though, so these pips may have dependencies that are not in the set. Nothing else has.
    pub fn closure(&self, graph: &PipGraph) -> PipSet {
        let winding = WindingDown::of(graph);
        let mut closure = self.pips.clone();
        let mut open: Vec<PipId> = closure.iter().collect();
        while let Some(pip) = open.pop() {
            let needed = graph.dependencies(pip).iter().filter(|needed| !winding.only_waits(graph, pip, **needed));
            let mut service = None;
            if let Pip::Process(process) = graph.pip(pip) {
                service = process.rare.as_ref().map(|rare| &rare.service);
                for directory in process.output_directory_ids() {
                    // It needs nothing but the process.
                    closure.insert(graph.directory(directory).pip);
                }
            }
            let ends = service.into_iter().flat_map(|service| service.finalization.iter().chain(&service.shutdown));
            for next in needed.chain(ends).chain(winding.services(pip)) {
                if closure.insert(*next) {
                    open.push(*next);
                }
            }
        }
        closure
    }
}

/// The pips that wind services down.
struct WindingDown {
    /// Each with a service; sorted.
    pips: Vec<(PipId, PipId)>,
}

impl WindingDown {
    fn of(graph: &PipGraph) -> Self {
        let mut pips = Vec::new();
        for id in graph.ids() {
            let Pip::Process(process) = graph.pip(id) else { continue };
            if let Some(rare) = &process.rare {
                let service = &rare.service;
                pips.extend(service.finalization.iter().chain(&service.shutdown).map(|last| (*last, id)));
            }
        }
        pips.sort_unstable();
        Self { pips }
    }

    /// The services that a pip winds down.
    fn services(&self, pip: PipId) -> impl Iterator<Item = &PipId> {
        let from = self.pips.partition_point(|(last, _)| *last < pip);
        self.pips[from..].iter().take_while(move |(last, _)| *last == pip).map(|(_, service)| service)
    }

    /// Whether a pip depends on another only because that is a client of the service which it winds down.
    fn only_waits(&self, graph: &PipGraph, pip: PipId, dependency: PipId) -> bool {
        let talks_to: &[PipId] = match graph.pip(dependency) {
            Pip::Process(process) => process.rare.as_ref().map_or(&[], |rare| &rare.service.dependencies),
            Pip::Ipc(ipc) => &ipc.services,
            _ => &[],
        };
        self.services(pip).any(|service| talks_to.contains(service)) && !needs(graph, pip, dependency)
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
