//! Text to tree: tokens, the relabelling pass, the grammar's tree, and the printer. Nothing here does I/O.

pub mod ast;
mod brackets;
mod builder;
mod equality;
mod errors;
mod expected;
pub mod json;
mod left_out;
mod lexer;
pub mod literals;
mod lookahead;
mod parse;
pub mod printer;
mod recover;
mod relabel;
pub mod shape;
pub mod token;
mod tree;
mod unfinished;

#[allow(missing_docs, unused, clippy::all, clippy::pedantic)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/grammar.rs"));
}

pub use equality::ast_equal;
pub use json::to_json;
pub use lexer::tokens;
pub use parse::parse;
pub use printer::print;
pub use unfinished::is_unfinished;
