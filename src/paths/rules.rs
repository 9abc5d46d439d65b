//! What differs between operating systems in what a path is.

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use crate::source::system::OperatingSystem;
use crate::source::{Symbol, Symbols};

/// The rules of one operating system.
#[derive(Debug)]
pub(super) struct PathRules {
    /// From an atom to the one that stands for all its spellings; none where letter case matters.
    folded: Option<DashMap<Symbol, Symbol, FxBuildHasher>>,
    pub os: OperatingSystem,
}

impl PathRules {
    pub fn of(os: OperatingSystem) -> Self {
        Self { folded: os.has_case_blind_paths().then(DashMap::default), os }
    }

    /// Whether paths begin with a drive: `C:/Windows`.
    pub fn drives(&self) -> bool {
        self.os.has_drives()
    }

    /// The atom that stands for all spellings of this one.
    #[inline]
    pub fn fold(&self, name: Symbol, symbols: &Symbols) -> Symbol {
        match &self.folded {
            None => name,
            Some(folded) => *folded.entry(name).or_insert_with(|| symbols.intern(&upper_case(symbols.text(name)))),
        }
    }
}

/// In upper case, letter by letter: what has no single upper-case letter (`ß`) stays, as on Windows.
fn upper_case(text: &str) -> String {
    let upper = |c: char| {
        let mut letters = c.to_uppercase();
        match (letters.next(), letters.next()) {
            (Some(single), None) => single,
            _ => c,
        }
    };
    text.chars().map(upper).collect()
}

/// Whether a text begins with the name of another machine: `\\machine\share`. Only Windows reads it so.
pub fn begins_with_machine(text: &str) -> bool {
    let separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    matches!(text.as_bytes(), [first, second, third, ..] if separator(first) && separator(second) && !separator(third))
}

/// Whether a text begins with a drive: `C:`, `c:\x`.
pub fn begins_with_drive(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes, [letter, b':', rest @ ..] if letter.is_ascii_alphabetic()
        && rest.first().is_none_or(|next| matches!(next, b'/' | b'\\')))
}
