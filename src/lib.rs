//! An embeddable interpreter for DScript build specs.

pub mod check;
pub mod diagnostics;
pub mod paths;
pub mod source;
pub mod syntax;
