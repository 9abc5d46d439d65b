//! Text to tree: tokens, the relabelling pass, the grammar's tree, and the printer. Nothing here does I/O.

pub mod ast;
