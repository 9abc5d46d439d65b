//! What the user is told: one type for every message, the catalogue of codes, and the renderers.
//!
//! Diagnostics are values. Phases return them; only `cli/` and `lsp/` print them.

pub mod catalogue;
mod code;
mod diagnostic;
mod suggest;

pub use code::Code;
pub use diagnostic::{Diagnostic, Label, Severity, TraceFrame};
pub use suggest::nearest;
