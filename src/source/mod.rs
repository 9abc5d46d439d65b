//! Where text comes from: files, spans, interned strings, and the file system and environment that evaluation may see.
//!
//! [`Files`] holds every text that was read; a [`Location`] is a [`Span`] of bytes in one of them, and lines and columns
//! are computed only when someone is shown a place. [`Symbols`] interns names. The traits in [`system`] are the only way
//! to the disk, to environment variables and to facts about the machine, so a host program can replace or record all of
//! them.
//!
//! Nothing here knows any language.

mod files;
mod span;
mod symbols;
pub mod system;

pub use files::{FileId, Files, LineColumn, SourceFile};
pub use span::{Location, Span};
pub use symbols::{Symbol, Symbols};
