//! An embeddable interpreter for DScript build specs.

pub mod cli;
pub mod diagnostics;
pub mod paths;
pub mod source;
pub mod syntax;
