//! What the user is told: one type for every message, the catalogue of codes, and the renderers.
//!
//! Diagnostics are values. Phases return them; only `cli/` and `lsp/` print them.

pub mod catalogue;
mod code;
mod decode;
mod diagnostic;
mod levels;
mod order;
pub mod render;
mod suggest;

pub use code::Code;
pub use decode::decode;
pub use diagnostic::{Diagnostic, Label, Severity, TraceFrame};
pub use levels::{Level, LevelError, Levels};
pub use order::{DEFAULT_LIMIT, Hidden, sort_and_cap};
pub use suggest::nearest;
