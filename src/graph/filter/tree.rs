//! A filter as a tree, and its one canonical text.

use std::ops::Range;

use super::pattern::Pattern;

/// A text of a filter with its place.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub text: String,
    pub span: Range<usize>,
}

/// What the names of a filter are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameKind {
    Tag,
    Module,
    Value,
    ValueTransitive,
    Id,
}

/// What the paths of a filter are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlaceKind {
    Output,
    Input,
    Spec,
    SpecRef,
    SpecValueTransitive,
}

/// The kinds of filter by their names. Letter case does not matter.
pub(super) const KINDS: [(&str, Kind); 10] = [
    ("tag", Kind::Name(NameKind::Tag)),
    ("output", Kind::Place(PlaceKind::Output)),
    ("input", Kind::Place(PlaceKind::Input)),
    ("spec", Kind::Place(PlaceKind::Spec)),
    ("specref", Kind::Place(PlaceKind::SpecRef)),
    ("spec_valueTransitive", Kind::Place(PlaceKind::SpecValueTransitive)),
    ("value", Kind::Name(NameKind::Value)),
    ("valueTransitive", Kind::Name(NameKind::ValueTransitive)),
    ("module", Kind::Name(NameKind::Module)),
    ("id", Kind::Name(NameKind::Id)),
];

/// What stands before a `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name(NameKind),
    Place(PlaceKind),
}

impl Kind {
    fn text(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(text, _)| text)
    }
}

/// What goes from some pips to others along edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Dependents,
    Dependencies,
    CopyDependents,
    RequiredFor,
}

/// The functions by their names. Letter case does not matter.
pub(super) const FUNCTIONS: [(&str, Function); 4] = [
    ("dpt", Function::Dependents),
    ("dpc", Function::Dependencies),
    ("copydpt", Function::CopyDependents),
    ("requiredfor", Function::RequiredFor),
];

impl Function {
    pub fn text(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function)| *function == self).map_or("", |(text, _)| text)
    }
}

/// A part of a filter. Its depth is limited by the parser.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Every pip: the empty filter.
    Everything,
    /// One of these names.
    Names(NameKind, Vec<Word>),
    /// Paths of this form.
    Place(PlaceKind, Pattern, Range<usize>),
    /// What is not in it.
    Not(Box<Node>),
    /// What is in all of them.
    And(Vec<Node>),
    /// What is in one of them.
    Or(Vec<Node>),
    /// What edges lead to.
    Along(Function, Box<Node>),
    /// A word instead of an expression, and what it may mean.
    Short(Word, Vec<Node>),
}

impl Node {
    /// What is in one of these, names of one kind put together: looking for a thousand tags is one pass then.
    pub fn any(nodes: Vec<Node>) -> Node {
        let mut all: Vec<Node> = Vec::with_capacity(nodes.len());
        // By kind, where its names are collected.
        let mut names: [Option<usize>; 5] = [None; 5];
        for node in nodes {
            match node {
                Node::Or(inner) => {
                    // Put together before; one level at a time is enough.
                    for node in inner {
                        add(node, &mut all, &mut names);
                    }
                }
                node => add(node, &mut all, &mut names),
            }
        }
        match all.len() {
            1 => all.swap_remove(0),
            _ => Node::Or(all),
        }
    }

    /// What is in all of these.
    pub fn every(nodes: Vec<Node>) -> Node {
        let mut all = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::And(inner) => all.extend(inner),
                node => all.push(node),
            }
        }
        match all.len() {
            1 => all.swap_remove(0),
            _ => Node::And(all),
        }
    }

    /// The text that equal filters share: kinds in their usual letter case, `/` in paths, operands in order and once,
    /// parentheses where they are needed.
    pub fn canonical(&self) -> String {
        match self {
            Node::Everything => String::new(),
            Node::Names(kind, words) => {
                let one = |word: &Word| format!("{}='{}'", Kind::Name(*kind).text(), word.text);
                joined(words.iter().map(one).collect(), " or ")
            }
            Node::Place(kind, pattern, _) => format!("{}='{pattern}'", Kind::Place(*kind).text()),
            Node::Not(inner) => format!("~({})", inner.canonical()),
            Node::And(nodes) => joined(nodes.iter().map(Node::operand).collect(), " and "),
            Node::Or(nodes) | Node::Short(_, nodes) => {
                joined(nodes.iter().flat_map(Node::alternatives).collect(), " or ")
            }
            Node::Along(function, inner) => format!("{}({})", function.text(), inner.canonical()),
        }
    }

    /// The text of an operand of `and`.
    fn operand(&self) -> String {
        let text = self.canonical();
        let several = match self {
            Node::Names(_, words) => words.len() > 1,
            Node::Or(_) | Node::Short(..) => true,
            _ => false,
        };
        if several { format!("({text})") } else { text }
    }

    /// The texts of the operands of `or` that it stands for.
    fn alternatives(&self) -> Vec<String> {
        match self {
            Node::Names(kind, words) => {
                words.iter().map(|word| Node::Names(*kind, vec![word.clone()]).canonical()).collect()
            }
            Node::Or(nodes) | Node::Short(_, nodes) => nodes.iter().flat_map(Node::alternatives).collect(),
            node => vec![node.canonical()],
        }
    }
}

fn add(node: Node, all: &mut Vec<Node>, names: &mut [Option<usize>; 5]) {
    if let Node::Names(kind, words) = node {
        let known = &mut names[kind as usize];
        match known.and_then(|at| all.get_mut(at)) {
            Some(Node::Names(_, all)) => all.extend(words),
            _ => {
                *known = Some(all.len());
                all.push(Node::Names(kind, words));
            }
        }
    } else {
        all.push(node);
    }
}

fn joined(mut texts: Vec<String>, between: &str) -> String {
    texts.sort();
    texts.dedup();
    texts.join(between)
}
