//! What filters select from: not pips but the things that pips make.
//!
//! A filter on one of the two files of a process selects that file; its negation selects the other one, and so the same
//! process. Each thing has a number. A file that is rewritten is a thing for each pip that writes it. An output
//! directory is one thing, which the process makes that fills it; the pip that seals it has no will of its own.

use super::set::{Bits, PipSet};
use crate::graph::{DirectoryId, FileArtifact, Pip, PipGraph, PipId};

/// One thing that a pip makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    File(FileArtifact),
    Directory(DirectoryId),
    /// Stands for a pip that makes nothing, so that filters about the pip can select it.
    Nothing,
}

/// The numbers of all things that the pips of a graph make.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Those of pip p are `first[p]..first[p + 1]`.
    first: Vec<u32>,
    all: Vec<Output>,
    /// For each thing the pip that it belongs to.
    pip: Vec<PipId>,
}

impl Outputs {
    pub fn of(graph: &PipGraph) -> Self {
        let mut found = Self {
            first: Vec::with_capacity(graph.len() + 1),
            all: Vec::with_capacity(graph.len()),
            pip: Vec::with_capacity(graph.len()),
        };
        for id in graph.ids() {
            let start = found.all.len();
            found.first.push(start as u32);
            match graph.pip(id) {
                Pip::SealDirectory(seal) => found.all.push(Output::Directory(seal.directory)),
                pip => found.all.extend(pip.output_files().map(Output::File)),
            }
            let fills = matches!(graph.pip(id), Pip::Process(process) if !process.output_directories.is_empty());
            if found.all.len() == start && !fills {
                found.all.push(Output::Nothing);
            }
            found.pip.resize(found.all.len(), id);
        }
        found.first.push(found.all.len() as u32);
        found
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Every thing with its number and its pip.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Output, PipId)> + '_ {
        self.all.iter().zip(&self.pip).enumerate().map(|(at, (output, pip))| (at, *output, *pip))
    }

    /// The pips that make one of these things: for an output directory the process and the seal.
    pub fn pips(&self, graph: &PipGraph, things: &Bits) -> PipSet {
        let mut pips = PipSet::none(graph.len());
        for at in things.iter() {
            let pip = self.pip[at];
            pips.insert(pip);
            pips.insert(owner(graph, pip));
        }
        pips
    }

    /// All that these pips make. What a process makes are its output directories too, so a seal is among them when its
    /// process is.
    pub fn made_by(&self, graph: &PipGraph, pips: &Bits) -> Bits {
        let mut things = Bits::none(self.len());
        for pip in graph.ids() {
            if pips.contains(pip.0 as usize) || pips.contains(owner(graph, pip).0 as usize) {
                for at in self.first[pip.0 as usize]..self.first[pip.0 as usize + 1] {
                    things.insert(at as usize);
                }
            }
        }
        things
    }
}

/// Who decides about a pip: for the seal of an output directory the process that fills it, else the pip itself.
pub(super) fn owner(graph: &PipGraph, pip: PipId) -> PipId {
    match graph.pip(pip) {
        Pip::SealDirectory(seal) => graph.directory(seal.directory).producer.unwrap_or(pip),
        _ => pip,
    }
}
