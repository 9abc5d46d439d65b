//! Pips by the value or spec that made them, and what these need.

use super::set::Bits;
use crate::graph::{PipGraph, PipId};

/// What pips are taken together by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A value under one qualifier.
    Value,
    /// A spec.
    Spec,
}

/// The pips of all values or specs that have one of these pips, or whose pips are needed by such a pip, directly or not.
pub(super) fn with_needed(graph: &PipGraph, pips: &Bits, by: By) -> Bits {
    // The order to show pips in has those of one value, and of one spec, side by side.
    let order = graph.order();
    let mut group_of = vec![0; graph.len()];
    let mut starts: Vec<usize> = Vec::new();
    for (at, pip) in order.iter().enumerate() {
        let here = graph.provenance(*pip);
        let new = at.checked_sub(1).and_then(|before| order.get(before)).is_none_or(|before| {
            let last = graph.provenance(*before);
            last.spec != here.spec
                || last.module != here.module
                || by == By::Value && (last.value != here.value || last.qualifier != here.qualifier)
        });
        if new {
            starts.push(at);
        }
        group_of[pip.0 as usize] = starts.len() - 1;
    }
    starts.push(order.len());

    let mut groups = Bits::none(starts.len());
    let mut open = Vec::new();
    let mut add = |pip: PipId, open: &mut Vec<usize>| {
        let group = group_of[pip.0 as usize];
        if groups.insert(group) {
            open.push(group);
        }
    };
    pips.iter().for_each(|pip| add(PipId(pip as u32), &mut open));
    let mut found = Bits::none(graph.len());
    while let Some(group) = open.pop() {
        for pip in &order[starts[group]..starts[group + 1]] {
            found.insert(pip.0 as usize);
            graph.dependencies(*pip).iter().for_each(|pip| add(*pip, &mut open));
        }
    }
    found
}
