//! Relative paths: lists of atoms.

use thiserror::Error;

use super::Paths;
use crate::source::{Symbol, Symbols};

/// Why a text is not a path.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum RelativeError {
    /// More `..` than folders to leave.
    #[error("`{text}` climbs above its root")]
    AboveRoot {
        /// The whole text.
        text: String,
    },
    /// An atom with a character that no path may hold.
    #[error("`{atom}` holds a character that no path can hold ({shown})")]
    IllegalCharacter {
        /// The atom.
        atom: String,
        /// The character, escaped.
        shown: String,
    },
    /// An atom with a character that no name on Windows may hold.
    #[error("`{atom}` holds `{character}`, which no name on Windows can hold")]
    NotOnWindows {
        /// The atom.
        atom: String,
        /// The character.
        character: char,
    },
    /// An atom that is longer than any file system takes.
    #[error("the name `{start}…` is longer than {MAX_ATOM} bytes")]
    TooLong {
        /// How it begins.
        start: String,
    },
    /// An absolute path was wanted.
    #[error("`{text}` is not an absolute path")]
    NotAbsolute {
        /// The whole text.
        text: String,
    },
    /// A relative path was wanted.
    #[error("`{text}` is not a relative path")]
    NotRelative {
        /// The whole text.
        text: String,
    },
}

/// The longest atom in bytes: far above what file systems take, and far below what would hurt.
const MAX_ATOM: usize = 4096;

/// A path without a root: `a/b/c`. Never holds `.` or `..`; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelativePath {
    atoms: Vec<Symbol>,
}

/// The atoms of a text: both `/` and `\` separate, empty atoms are dropped.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(['/', '\\']).filter(|atom| !atom.is_empty())
}

impl RelativePath {
    /// From atoms as they are.
    pub fn from_atoms(atoms: Vec<Symbol>) -> Self {
        Self { atoms }
    }

    /// From text; `.` is dropped, `..` takes back the atom before it.
    ///
    /// # Errors
    /// When the text is absolute, climbs above its start, or holds an illegal character.
    pub fn parse(text: &str, symbols: &Symbols) -> Result<Self, RelativeError> {
        if text.starts_with(['/', '\\']) {
            return Err(RelativeError::NotRelative { text: text.to_owned() });
        }
        let mut atoms = Vec::new();
        for atom in split(text) {
            match atom {
                "." => {}
                ".." => {
                    atoms.pop().ok_or_else(|| RelativeError::AboveRoot { text: text.to_owned() })?;
                }
                _ => {
                    Self::check_atom(atom)?;
                    atoms.push(symbols.intern(atom));
                }
            }
        }
        Ok(Self { atoms })
    }

    /// Whether a text may be an atom: not empty, no separator, no NUL, not `..`. The atom `.` stands for the folder itself.
    ///
    /// # Errors
    /// When it may not.
    pub fn check_atom(atom: &str) -> Result<(), RelativeError> {
        if atom.len() > MAX_ATOM {
            return Err(RelativeError::TooLong { start: atom.chars().take(40).collect() });
        }
        let illegal = atom.chars().find(|c| matches!(c, '/' | '\\' | '\0' | '\n' | '\r'));
        if let Some(found) = illegal {
            let shown = found.escape_default().to_string();
            return Err(RelativeError::IllegalCharacter { atom: atom.escape_debug().to_string(), shown });
        }
        if atom.is_empty() || atom == ".." {
            return Err(RelativeError::IllegalCharacter { atom: atom.to_owned(), shown: "not a name".to_owned() });
        }
        Ok(())
    }

    /// The atoms in order.
    pub fn atoms(&self) -> &[Symbol] {
        &self.atoms
    }

    /// `self/other`.
    pub fn join(&self, other: &RelativePath) -> RelativePath {
        Self { atoms: [self.atoms.as_slice(), other.atoms.as_slice()].concat() }
    }

    /// Without its last atom; none when it is empty.
    pub fn parent(&self) -> Option<RelativePath> {
        let (_, rest) = self.atoms.split_last()?;
        Some(Self { atoms: rest.to_vec() })
    }

    /// The last atom.
    pub fn name(&self) -> Option<Symbol> {
        self.atoms.last().copied()
    }

    /// The text as programs of the operating system of `paths` write it: with `\` on Windows.
    pub fn native(&self, paths: &Paths) -> String {
        let text = self.display(paths.symbols());
        if paths.os().has_drives() { text.replace('/', "\\") } else { text }
    }

    /// The text, with `/` between the atoms.
    pub fn display(&self, symbols: &Symbols) -> String {
        let atoms: Vec<&str> = self.atoms.iter().map(|atom| symbols.text(*atom)).collect();
        atoms.join("/")
    }
}
