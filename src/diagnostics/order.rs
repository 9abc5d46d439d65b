//! Putting diagnostics into the order and the amount that people can read.

use std::cmp::Ordering;

use rustc_hash::FxHashSet;

use super::{Diagnostic, Label, Severity};
use crate::source::{Files, Location};

/// How many diagnostics of each severity are shown when nothing else is said.
pub const DEFAULT_LIMIT: usize = 100;

/// How many diagnostics were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Errors that are not shown.
    pub errors: usize,
    /// Warnings that are not shown.
    pub warnings: usize,
}

/// Sorts by file path and place, drops repetitions, and keeps at most `limit` errors and `limit` others.
///
/// The order depends only on the diagnostics and the paths of their files, never on file ids: those are handed out as
/// threads ask for them. Diagnostics without a place come first. Two diagnostics that differ only in notes, help or
/// call chain count as one: the same mistake met on several ways.
pub fn sort_and_cap(diagnostics: &mut Vec<Diagnostic>, files: &Files, limit: usize) -> Hidden {
    diagnostics.sort_by(|left, right| compare(left, right, files));
    let mut seen = FxHashSet::default();
    diagnostics.retain(|one| seen.insert((one.severity, one.code, one.message.clone(), one.labels.clone())));
    let (mut errors, mut others) = (0, 0);
    let mut hidden = Hidden::default();
    diagnostics.retain(|one| {
        let (count, over) = match one.severity {
            Severity::Error => (&mut errors, &mut hidden.errors),
            Severity::Warning | Severity::Info => (&mut others, &mut hidden.warnings),
        };
        *count += 1;
        let keep = *count <= limit;
        if !keep {
            *over += 1;
        }
        keep
    });
    hidden
}

fn compare(left: &Diagnostic, right: &Diagnostic, files: &Files) -> Ordering {
    compare_labels(left.primary(), right.primary(), files)
        .then_with(|| left.severity.cmp(&right.severity))
        .then_with(|| left.code.cmp(&right.code))
        .then_with(|| left.message.cmp(&right.message))
        .then_with(|| compare_lists(&left.labels, &right.labels, |a, b| compare_labels(Some(a), Some(b), files)))
        .then_with(|| left.notes.cmp(&right.notes))
        .then_with(|| left.help.cmp(&right.help))
        .then_with(|| {
            compare_lists(&left.trace, &right.trace, |a, b| {
                a.value.cmp(&b.value).then_with(|| compare_places(a.location, b.location, files))
            })
        })
}

fn compare_lists<T>(left: &[T], right: &[T], compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    // The shorter list first: the shortest way to a mistake is the easiest to follow.
    left.len().cmp(&right.len()).then_with(|| {
        left.iter().zip(right).map(|(a, b)| compare(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    })
}

fn compare_labels(left: Option<&Label>, right: Option<&Label>, files: &Files) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => compare_places(a.location, b.location, files).then_with(|| a.message.cmp(&b.message)),
    }
}

fn compare_places(left: Location, right: Location, files: &Files) -> Ordering {
    if left.file != right.file {
        let order = files.get(left.file).path().cmp(files.get(right.file).path());
        if order.is_ne() {
            return order;
        }
    }
    left.span.cmp(&right.span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Code;
    use crate::source::Span;

    #[test]
    fn order_follows_paths_and_repetitions_vanish() {
        let files = Files::new();
        let b = files.add("b.dsc", "xx");
        let a = files.add("a.dsc", "xx");
        let at = |file, start| Diagnostic::error(Code::Ds(1), "m").at(Span::new(start, start + 1).in_file(file), "");
        let mut all = vec![at(b, 0), at(a, 1), at(a, 0), at(a, 1).note("by another way")];
        all.push(Diagnostic::warning(Code::Ds(2), "no place"));
        let hidden = sort_and_cap(&mut all, &files, 10);
        assert_eq!(hidden, Hidden::default());
        let order: Vec<_> =
            all.iter().map(|one| one.primary().map(|label| (label.location.file, label.location.span.start))).collect();
        assert_eq!(order, [None, Some((a, 0)), Some((a, 1)), Some((b, 0))]);
    }

    #[test]
    fn the_limit_counts_what_it_hides() {
        let files = Files::new();
        let mut all: Vec<_> = (0..5).map(|n| Diagnostic::error(Code::Ds(n), "m")).collect();
        all.push(Diagnostic::warning(Code::Ds(9), "w"));
        let hidden = sort_and_cap(&mut all, &files, 3);
        assert_eq!(hidden, Hidden { errors: 2, warnings: 0 });
        assert_eq!(all.len(), 4);
    }
}
