//! Where the pips of a graph come from, without repetitions.

use crate::graph::{PipId, Provenance};

/// The provenance of every pip. A process and the directories that it fills come from one call and follow each other,
/// so what neighbours share is kept once.
#[derive(Debug, Default)]
pub(super) struct Origins {
    distinct: Vec<Provenance>,
    /// For each pip its place in `distinct`.
    of: Vec<u32>,
}

impl Origins {
    /// The provenance of the next pip.
    pub(super) fn push(&mut self, provenance: Provenance) {
        if self.distinct.last() != Some(&provenance) {
            self.distinct.push(provenance);
        }
        self.of.push(self.distinct.len() as u32 - 1);
    }

    /// The provenance of a pip; none when there is no such pip.
    pub(super) fn get(&self, pip: PipId) -> Option<&Provenance> {
        self.distinct.get(*self.of.get(pip.0 as usize)? as usize)
    }

    /// The provenance of a pip.
    ///
    /// # Panics
    /// When there is no such pip.
    pub(super) fn of(&self, pip: PipId) -> &Provenance {
        &self.distinct[self.of[pip.0 as usize] as usize]
    }

    /// The provenance of each pip, by id.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Provenance> {
        self.of.iter().map(|at| &self.distinct[*at as usize])
    }
}
