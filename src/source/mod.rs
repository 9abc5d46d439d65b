//! Where text comes from: files, spans, interned strings, and the file system and environment that evaluation may see.
//!
//! Nothing here knows any language.

mod files;
mod span;
mod symbols;
pub mod system;

pub use files::{FileId, Files, LineColumn, SourceFile};
pub use span::{Location, Span};
pub use symbols::{Symbol, Symbols};
