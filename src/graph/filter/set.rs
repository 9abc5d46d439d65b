//! Sets of small numbers, one bit each.

use crate::graph::PipId;

/// A set of numbers below a fixed bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    bound: usize,
}

impl Bits {
    pub fn none(bound: usize) -> Self {
        Self { words: vec![0; bound.div_ceil(64)], bound }
    }

    pub fn all(bound: usize) -> Self {
        let mut all = Self { words: vec![u64::MAX; bound.div_ceil(64)], bound };
        all.trim();
        all
    }

    /// Bits beyond the bound stay unset, so that counting and comparing need not look at them.
    fn trim(&mut self) {
        let rest = self.bound % 64;
        if let Some(last) = self.words.last_mut().filter(|_| rest > 0) {
            *last &= (1 << rest) - 1;
        }
    }

    pub fn contains(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Adds a number; false when it was there, or is beyond the bound.
    pub fn insert(&mut self, at: usize) -> bool {
        if at >= self.bound {
            return false;
        }
        let (word, bit) = (&mut self.words[at / 64], 1 << (at % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Every member, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let at = (rest != 0).then(|| index * 64 + rest.trailing_zeros() as usize);
                rest &= rest.wrapping_sub(1);
                at
            })
        })
    }

    /// Keeps what the other has too.
    pub fn intersect(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Adds what the other has.
    pub fn unite(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Takes away what the other has.
    pub fn subtract(&mut self, other: &Bits) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// All that is not in it.
    pub fn complement(&self) -> Bits {
        let mut other = Self { words: self.words.iter().map(|word| !word).collect(), bound: self.bound };
        other.trim();
        other
    }
}

/// A set of pips of one graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipSet {
    pub(super) bits: Bits,
}

impl PipSet {
    /// No pip, of a graph with this many.
    pub fn none(pips: usize) -> Self {
        Self { bits: Bits::none(pips) }
    }

    /// All pips of a graph with this many.
    pub fn all(pips: usize) -> Self {
        Self { bits: Bits::all(pips) }
    }

    /// Whether the pip is in the set.
    pub fn contains(&self, pip: PipId) -> bool {
        self.bits.contains(pip.0 as usize)
    }

    /// Adds a pip; false when it was there, or the graph has no such pip.
    pub fn insert(&mut self, pip: PipId) -> bool {
        self.bits.insert(pip.0 as usize)
    }

    /// How many pips there are in the set.
    pub fn len(&self) -> usize {
        self.bits.count()
    }

    /// Whether there is no pip in the set.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// Every pip of the set, by number.
    pub fn iter(&self) -> impl Iterator<Item = PipId> + '_ {
        self.bits.iter().map(|at| PipId(at as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_every_size_keep_to_their_bound() {
        for bound in [0, 1, 63, 64, 65, 200] {
            let all = Bits::all(bound);
            assert_eq!((all.count(), all.is_empty()), (bound, bound == 0));
            assert!(all.iter().eq(0..bound));
            assert_eq!(all.complement(), Bits::none(bound));
            let mut odd = Bits::none(bound);
            for at in (1..bound + 9).step_by(2) {
                assert_eq!(odd.insert(at), at < bound, "{at} of {bound}");
            }
            let mut even = odd.complement();
            assert!(even.iter().all(|at| at % 2 == 0 && !odd.contains(at)));
            assert!(!odd.insert(1), "there already, or beyond the bound");
            even.unite(&odd);
            assert_eq!(even, all);
            even.subtract(&odd);
            even.intersect(&odd);
            assert!(even.is_empty());
        }
    }
}
