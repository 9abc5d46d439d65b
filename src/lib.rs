//! An embeddable interpreter for DScript build specs.

pub mod builtins;
pub mod check;
pub mod cli;
pub mod diagnostics;
pub mod eval;
pub mod graph;
pub mod paths;
pub mod program;
pub mod resolve;
pub mod source;
pub mod syntax;
pub mod workspace;
