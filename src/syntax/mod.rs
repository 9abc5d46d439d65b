//! Text to tree: tokens, the relabelling pass, the grammar's tree, and the printer. Nothing here does I/O.

pub mod ast;
mod brackets;
mod builder;
mod errors;
mod expected;
mod lexer;
pub mod literals;
mod parse;
mod recover;
mod relabel;
mod token;

#[allow(missing_docs, unused, clippy::all, clippy::pedantic)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/grammar.rs"));
}

pub use parse::parse;
