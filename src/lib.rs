//! An embeddable interpreter for DScript build specs.

pub mod diagnostics;
pub mod paths;
pub mod program;
pub mod resolve;
pub mod source;
pub mod syntax;
pub mod workspace;
