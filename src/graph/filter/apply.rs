//! Applying a filter to a graph.
//!
//! What an opaque directory will hold is not known before a run, so whether a filter about paths selects it may be
//! unknown. Each part of a filter therefore gives two sets: what it may select and what it selects for certain.
//! Negation swaps them. At the end counts what may be selected: nothing is left out that was asked for.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::error::FilterError;
use super::notes::{self, FilterNote};
use super::outputs::{Output, Outputs, owner};
use super::pattern::{Matcher, Mistake, Pattern, Reach};
use super::set::{Bits, PipSet};
use super::tree::{Function, NameKind, Node, PlaceKind, Word};
use super::{PipFilter, Selection, inputs, values};
use crate::graph::{DirectoryId, Pip, PipGraph, PipId, SealKind};

/// How many notes get a suggestion.
const SUGGESTIONS: usize = 8;

/// Two sets of outputs.
pub(super) struct Found {
    /// What may be selected.
    may: Bits,
    /// What is selected for certain; none where it is the same.
    must: Option<Bits>,
}

impl Found {
    fn certain(all: Bits) -> Self {
        Self { may: all, must: None }
    }

    fn must(&self) -> &Bits {
        self.must.as_ref().unwrap_or(&self.may)
    }

    fn combine(&mut self, other: &Found, how: impl Fn(&mut Bits, &Bits)) {
        if self.must.is_some() || other.must.is_some() {
            how(self.must.get_or_insert_with(|| self.may.clone()), other.must());
        }
        how(&mut self.may, &other.may);
    }

    /// Applies a function that gives more when it is given more.
    fn map(&self, how: impl Fn(&Bits) -> Bits) -> Self {
        Self { may: how(&self.may), must: self.must.as_ref().map(how) }
    }

    fn negated(&self) -> Self {
        Self { may: self.must().complement(), must: self.must.as_ref().map(|_| self.may.complement()) }
    }
}

/// Selects from a graph.
pub(super) fn select(graph: &PipGraph, filter: &PipFilter) -> Result<Selection, FilterError> {
    let mut apply =
        Apply { graph, filter, outputs: Outputs::of(graph), notes: Vec::new(), quiet: false, suggestions: 0 };
    let mut pips = match &filter.node {
        Node::Everything => PipSet::all(graph.len()),
        node => {
            let found = apply.node(node, false)?;
            apply.outputs.pips(graph, &found.may)
        }
    };
    // A process that makes files as well as directories is run as a whole.
    for pip in graph.ids() {
        if pips.contains(owner(graph, pip)) {
            pips.insert(pip);
        }
    }
    apply.notes.sort_by_key(|note| note.span.start);
    Ok(Selection::new(pips, apply.notes))
}

struct Apply<'a> {
    graph: &'a PipGraph,
    filter: &'a PipFilter,
    outputs: Outputs,
    notes: Vec<FilterNote>,
    /// Whether one note about several parts comes later.
    quiet: bool,
    /// How many notes there were that count.
    suggestions: usize,
}

impl Apply<'_> {
    /// What a part selects, or what it does not when `negate` is set. Negation goes down to the leaves, because not
    /// all of them negate alike. Recursion ends, since the parser limits the depth.
    fn node(&mut self, node: &Node, negate: bool) -> Result<Found, FilterError> {
        match node {
            Node::Everything => {
                let all = Bits::all(self.outputs.len());
                Ok(Found::certain(if negate { all.complement() } else { all }))
            }
            Node::Names(kind, words) => Ok(Found::certain(self.names(*kind, words, negate))),
            Node::Place(kind, pattern, span) => self.place(*kind, pattern, span, negate),
            Node::Not(inner) => self.node(inner, !negate),
            Node::And(nodes) => self.several(nodes, negate, !negate),
            Node::Or(nodes) => self.several(nodes, negate, negate),
            Node::Along(function, inner) => {
                let inner = self.node(inner, false)?;
                let found = self.along(*function, &inner);
                Ok(if negate { found.negated() } else { found })
            }
            Node::Short(word, nodes) => {
                let known = std::mem::replace(&mut self.quiet, true);
                let before = self.notes.len();
                let found = self.several(nodes, negate, negate);
                self.quiet = known;
                // One thing that it may mean is enough.
                let missed = self.notes.len() - before == nodes.len();
                self.notes.truncate(before);
                if missed {
                    let graph = self.graph;
                    self.note(&word.span, |suggest| notes::word(graph, &word.text, word.span.clone(), suggest));
                }
                found
            }
        }
    }

    fn several(&mut self, nodes: &[Node], negate: bool, all: bool) -> Result<Found, FilterError> {
        let start = Bits::none(self.outputs.len());
        let mut found = Found::certain(if all { start.complement() } else { start });
        for node in nodes {
            let part = self.node(node, negate)?;
            found.combine(&part, if all { Bits::intersect } else { Bits::unite });
        }
        Ok(found)
    }

    /// All that the pips make for which something holds.
    fn of_pips(&self, holds: impl Fn(PipId) -> bool) -> Bits {
        let mut pips = Bits::none(self.graph.len());
        for pip in self.graph.ids() {
            if owner(self.graph, pip) == pip && holds(pip) {
                pips.insert(pip.0 as usize);
            }
        }
        self.outputs.made_by(self.graph, &pips)
    }

    fn names(&mut self, kind: NameKind, words: &[Word], negate: bool) -> Bits {
        let graph = self.graph;
        let mut found = FxHashSet::default();
        let wanted: FxHashSet<&str> = words.iter().map(|word| &*word.text).collect();
        let mut selected = match kind {
            NameKind::Tag => {
                let symbols = graph.paths().symbols();
                let tags: FxHashSet<_> = words.iter().filter_map(|word| symbols.lookup(&word.text)).collect();
                for tag in graph.ids().flat_map(|id| graph.pip(id).tags()).filter(|tag| tags.contains(tag)) {
                    found.insert(graph.text(*tag).to_owned());
                }
                self.of_pips(|pip| graph.pip(pip).tags().iter().any(|tag| tags.contains(tag)))
            }
            NameKind::Module | NameKind::Value | NameKind::ValueTransitive => {
                let name = |pip: PipId| {
                    let at = graph.provenance(pip);
                    if kind == NameKind::Module { &*at.module } else { &*at.value }
                };
                let mut pips = Bits::none(graph.len());
                for pip in graph.ids().filter(|pip| wanted.contains(name(*pip))) {
                    pips.insert(pip.0 as usize);
                    if !found.contains(name(pip)) {
                        found.insert(name(pip).to_owned());
                    }
                }
                if kind == NameKind::ValueTransitive {
                    pips = values::with_needed(graph, &pips, values::By::Value);
                }
                self.outputs.made_by(graph, &pips)
            }
            NameKind::Id => {
                // The seal of an output directory has an id too.
                let mut pips = Bits::none(graph.len());
                for pip in graph.ids() {
                    let id = graph.stable_id(pip).to_string();
                    if wanted.contains(&*id) {
                        pips.insert(owner(graph, pip).0 as usize);
                        found.insert(id);
                    }
                }
                self.outputs.made_by(graph, &pips)
            }
        };
        if negate {
            selected = selected.complement();
            if kind == NameKind::Id {
                // A seal runs nothing, and would bring in the pip that is left out by its id.
                let runs = self.of_pips(|pip| !matches!(graph.pip(pip), Pip::SealDirectory(_)));
                selected.intersect(&runs);
            }
        }
        for word in words.iter().filter(|word| !found.contains(&word.text)) {
            self.note(&word.span, |suggest| notes::name(graph, kind, &word.text, word.span.clone(), suggest));
        }
        selected
    }

    fn place(
        &mut self,
        kind: PlaceKind,
        pattern: &Pattern,
        span: &Range<usize>,
        negate: bool,
    ) -> Result<Found, FilterError> {
        let error = |(message, help, _): Mistake| FilterError {
            message,
            help,
            span: span.clone(),
            filter: self.filter.text.clone(),
        };
        let mut matcher = pattern.bind(self.graph).map_err(error)?;
        let (found, empty) = match kind {
            PlaceKind::Output => self.outputs(&mut matcher, negate),
            PlaceKind::Input => self.inputs(&mut matcher, negate),
            PlaceKind::Spec | PlaceKind::SpecRef | PlaceKind::SpecValueTransitive => {
                self.specs(&mut matcher, kind, negate)
            }
        };
        if empty {
            let (graph, exact) = (self.graph, matcher.exact());
            self.note(span, |suggest| notes::place(graph, kind, &pattern.to_string(), exact, span.clone(), suggest));
        }
        Ok(found)
    }

    /// Adds a note about a part that selects nothing. Few notes get suggestions: a filter may have thousands of names,
    /// and each suggestion looks at the whole graph.
    fn note(&mut self, span: &Range<usize>, make: impl FnOnce(bool) -> FilterNote) {
        let note = match self.quiet {
            // Only counted.
            true => FilterNote { message: String::new(), help: None, span: span.clone() },
            false => {
                self.suggestions += 1;
                make(self.suggestions <= SUGGESTIONS)
            }
        };
        self.notes.push(note);
    }

    /// Outputs by their paths, and whether none matches.
    fn outputs(&self, matcher: &mut Matcher, negate: bool) -> (Found, bool) {
        let (graph, paths) = (self.graph, &**self.graph.paths());
        let mut may = Bits::none(self.outputs.len());
        let mut must = Bits::none(self.outputs.len());
        let mut views = Bits::none(self.outputs.len());
        for (at, output, _) in self.outputs.iter() {
            let reach = match output {
                Output::Nothing => Reach::None,
                Output::File(file) if matcher.matches(paths, file.path) => Reach::Whole,
                Output::File(_) => Reach::None,
                Output::Directory(directory) => {
                    let kind = graph.directory(directory).kind;
                    if !kind.is_output() {
                        views.insert(at);
                    }
                    self.directory(matcher, directory, kind)
                }
            };
            if reach > Reach::None {
                may.insert(at);
            }
            if reach == Reach::Whole {
                must.insert(at);
            }
        }
        let empty = may.is_empty();
        let found = if may == must { Found::certain(may) } else { Found { may, must: Some(must) } };
        if !negate {
            return (found, empty);
        }
        // Other seals are views of what pips make, and no one loses anything with them.
        (found.negated().map(|all| without(all, &views)), empty)
    }

    fn directory(&self, matcher: &mut Matcher, id: DirectoryId, kind: SealKind) -> Reach {
        let (graph, paths) = (self.graph, &**self.graph.paths());
        let directory = graph.directory(id);
        match kind {
            SealKind::SharedOpaque | SealKind::ExclusiveOpaque => {
                let reach = matcher.folder(paths, directory.root);
                // Files whose existence was asserted are known.
                let Pip::SealDirectory(seal) = graph.pip(directory.pip) else { return reach };
                let known = reach == Reach::None && seal.files.iter().any(|file| matcher.matches(paths, file.path));
                if known { Reach::Part } else { reach }
            }
            SealKind::Composite | SealKind::SubDirectory if matcher.matches(paths, directory.root) => Reach::Whole,
            SealKind::Full | SealKind::Partial if matcher.exact() == Some(directory.root) => Reach::Whole,
            _ => Reach::None,
        }
    }

    /// What the pips make that read a path, and whether there are none.
    fn inputs(&self, matcher: &mut Matcher, negate: bool) -> (Found, bool) {
        let reads = inputs::readers(self.graph, matcher);
        let may = self.of_pips(|pip| reads[pip.0 as usize] > Reach::None);
        let must = self.of_pips(|pip| reads[pip.0 as usize] == Reach::Whole);
        let empty = may.is_empty();
        let found = if may == must { Found::certain(may) } else { Found { may, must: Some(must) } };
        (if negate { found.negated() } else { found }, empty)
    }

    /// What the pips of specs make, and whether there are none.
    fn specs(&self, matcher: &mut Matcher, kind: PlaceKind, negate: bool) -> (Found, bool) {
        let graph = self.graph;
        let mut pips = Bits::none(graph.len());
        for pip in graph.ids() {
            if matcher.matches(graph.paths(), graph.provenance(pip).spec) {
                pips.insert(pip.0 as usize);
            }
        }
        let empty = pips.is_empty();
        match kind {
            PlaceKind::SpecRef => pips = values::with_needed(graph, &pips, values::By::Spec),
            PlaceKind::SpecValueTransitive => pips = values::with_needed(graph, &pips, values::By::Value),
            _ => {}
        }
        let found = Found::certain(self.outputs.made_by(graph, &pips));
        (if negate { found.negated() } else { found }, empty)
    }

    fn along(&self, function: Function, inner: &Found) -> Found {
        let graph = self.graph;
        if function == Function::RequiredFor {
            let next = |things: &Bits| {
                let mut next = Bits::none(graph.len());
                for pip in self.outputs.pips(graph, things).iter() {
                    graph.dependencies(pip).iter().for_each(|pip| {
                        next.insert(pip.0 as usize);
                    });
                }
                self.outputs.made_by(graph, &self.owners(&next))
            };
            let own = |things: &Bits| self.outputs.made_by(graph, &self.outputs.pips(graph, things).bits);
            // The more is asked for, the more is left out of it.
            return Found {
                may: without(&next(&inner.may), &own(inner.must())),
                must: inner.must.as_ref().map(|must| without(&next(must), &own(&inner.may))),
            };
        }
        inner.map(|things| {
            let mut reached = self.outputs.pips(graph, things);
            let mut open: Vec<PipId> = reached.iter().collect();
            while let Some(pip) = open.pop() {
                let next = match function {
                    Function::Dependencies => graph.dependencies(pip),
                    _ => graph.dependents(pip),
                };
                for pip in next {
                    let wanted = function != Function::CopyDependents || matches!(graph.pip(*pip), Pip::CopyFile(_));
                    if wanted && reached.insert(*pip) {
                        open.push(*pip);
                    }
                }
            }
            self.outputs.made_by(graph, &reached.bits)
        })
    }

    /// Pips, with processes in place of the seals of their directories.
    fn owners(&self, pips: &Bits) -> Bits {
        let mut owners = Bits::none(self.graph.len());
        for pip in pips.iter() {
            owners.insert(owner(self.graph, PipId(pip as u32)).0 as usize);
        }
        owners
    }
}

fn without(all: &Bits, some: &Bits) -> Bits {
    let mut all = all.clone();
    all.subtract(some);
    all
}
