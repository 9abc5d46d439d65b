//! Compressed rows: a list of lists in two flat vectors.

use crate::graph::PipId;

/// For each pip a list of pips, all in one vector, with one offset a pip.
#[derive(Clone, Debug)]
pub struct Rows {
    // Row r is `items[starts[r]..starts[r + 1]]`. 32 bits hold four billion edges.
    starts: Vec<u32>,
    items: Vec<PipId>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }
}

impl Rows {
    /// Adds the next row.
    pub fn push(&mut self, row: &[PipId]) {
        self.items.extend_from_slice(row);
        self.starts.push(self.items.len() as u32);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items all rows hold.
    pub fn items(&self) -> usize {
        self.items.len()
    }

    /// One row; empty when there is none with this number.
    pub fn row(&self, pip: PipId) -> &[PipId] {
        let at = pip.0 as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.items[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The same edges seen from their other end, each row in ascending order. Items beyond the last row are dropped.
    pub fn reversed(&self) -> Rows {
        let count = self.len();
        let mut starts = vec![0u32; count + 1];
        for item in self.items.iter().filter(|item| (item.0 as usize) < count) {
            starts[item.0 as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut items = vec![PipId(0); starts[count] as usize];
        for from in 0..count {
            for to in self.row(PipId(from as u32)) {
                if let Some(slot) = next.get_mut(to.0 as usize).filter(|_| (to.0 as usize) < count) {
                    items[*slot as usize] = PipId(from as u32);
                    *slot += 1;
                }
            }
        }
        Rows { starts, items }
    }

    /// Gives back what was reserved for rows that never came.
    pub fn shrink_to_fit(&mut self) {
        self.starts.shrink_to_fit();
        self.items.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_keeps_every_edge_and_twice_is_the_same() {
        // Many shapes from a small generator: no outside randomness, so that a failure repeats.
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..200 {
            let count = next(40) as u32;
            let mut rows = Rows::default();
            let mut edges = Vec::new();
            for from in 0..count {
                let mut row: Vec<PipId> = (0..next(6)).map(|_| PipId(next(u64::from(count)) as u32)).collect();
                row.sort_unstable();
                row.dedup();
                edges.extend(row.iter().map(|to| (PipId(from), *to)));
                rows.push(&row);
            }
            let back = rows.reversed();
            assert_eq!(back.len(), rows.len());
            let mut seen = Vec::new();
            for to in (0..count).map(PipId) {
                assert!(back.row(to).is_sorted(), "rows ascend");
                seen.extend(back.row(to).iter().map(|from| (*from, to)));
            }
            seen.sort_unstable();
            assert_eq!(seen, edges);
            let again = back.reversed();
            assert!((0..count).map(PipId).all(|pip| again.row(pip) == rows.row(pip)));
        }
    }

    #[test]
    fn rows_that_do_not_exist_are_empty() {
        let mut rows = Rows::default();
        assert!(rows.is_empty() && rows.row(PipId(0)).is_empty());
        rows.push(&[PipId(7)]);
        assert_eq!(rows.row(PipId(0)), [PipId(7)]);
        assert!(rows.row(PipId(1)).is_empty());
        assert_eq!(rows.reversed().items(), 0, "an item beyond the last row");
    }
}
