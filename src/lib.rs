//! An embeddable interpreter for DScript build specs.

pub mod cli;
pub mod diagnostics;
pub mod graph;
pub mod paths;
pub mod program;
pub mod resolve;
pub mod source;
pub mod syntax;
