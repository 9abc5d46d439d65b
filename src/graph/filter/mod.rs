//! BuildXL's filter language: which pips a build is about.
//!
//! A [`PipFilter`] is read from text and applied to a graph with [`PipGraph::select`]. The [`Selection`] has the pips
//! that match; [`Selection::closure`] adds what they need. `docs/filters.md` has the language.

mod apply;
mod error;
mod inputs;
mod notes;
mod outputs;
mod parse;
mod pattern;
mod selection;
mod set;
mod tree;
mod values;

pub use error::FilterError;
pub use notes::FilterNote;
pub use selection::Selection;
pub use set::PipSet;

use crate::graph::{PipGraph, PipId};
use tree::Node;

/// A filter that was read.
#[derive(Clone, Debug)]
pub struct PipFilter {
    node: Node,
    text: String,
}

impl PipFilter {
    /// Reads an expression, as in `tag='test' and ~(output='out/*')`. The empty text selects everything.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { node: parse::expression(text)?, text: text.to_owned() })
    }

    /// Reads words, each of which selects what is called so: outputs and specs by the end of their path, pips by a tag or
    /// by their id. No words select everything.
    ///
    /// # Errors
    /// A word that can be no name.
    pub fn from_words(words: &[&str]) -> Result<Self, FilterError> {
        let (node, text) = parse::short(words)?;
        Ok(Self { node, text })
    }

    /// Reads an argument of a command line: an expression where there is a `=` or a parenthesis in it, else a word.
    ///
    /// # Errors
    /// The first mistake.
    pub fn from_argument(text: &str) -> Result<Self, FilterError> {
        let expression = text.trim().is_empty() || text.contains(['=', '(', ')', '\'', '~']);
        if expression { Self::parse(text) } else { Self::from_words(&[text]) }
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that filters share which differ only in how they are written: spaces, the order of operands,
    /// separators of paths. Reading it gives the same filter.
    pub fn canonical(&self) -> String {
        self.node.canonical()
    }

    /// Whether it selects everything because it is empty.
    pub fn is_empty(&self) -> bool {
        matches!(self.node, Node::Everything)
    }
}

impl PipGraph {
    /// The pips of a set in the order to show them in.
    pub fn in_order(&self, pips: &PipSet) -> Vec<PipId> {
        self.order().iter().copied().filter(|pip| pips.contains(*pip)).collect()
    }

    /// Selects pips. Selecting none is no error here.
    ///
    /// # Errors
    /// When the filter names a mount that is not there, or a path that cannot be.
    pub fn select(&self, filter: &PipFilter) -> Result<Selection, FilterError> {
        apply::select(self, filter)
    }
}
