//! Text that natives write piece by piece, in which paths stay paths: they are fragments of their own.

use crate::eval::Machine;
use crate::graph::{Escaping, Fragment, PipData};
use crate::paths::PathId;

/// Text with paths in it.
#[derive(Default)]
pub(super) struct Pieces {
    /// The text since the last path.
    text: String,
    fragments: Vec<Fragment>,
}

impl Pieces {
    /// Where text goes next.
    pub fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// How many bytes stand there since the last path.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Adds a path.
    pub fn path(&mut self, m: &Machine<'_, '_>, path: PathId) {
        self.flush(m);
        self.fragments.push(Fragment::Path(path));
    }

    /// All of it.
    pub fn finish(mut self, m: &Machine<'_, '_>) -> PipData {
        self.flush(m);
        PipData { separator: None, escaping: Escaping::None, fragments: self.fragments.into() }
    }

    fn flush(&mut self, m: &Machine<'_, '_>) {
        if !self.text.is_empty() {
            self.fragments.push(Fragment::Text(m.symbols().intern(&self.text)));
            self.text.clear();
        }
    }
}
