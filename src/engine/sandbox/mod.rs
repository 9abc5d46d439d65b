//! Running one process with every file access of it and its children observed, and forbidden writes denied.
//!
//! A build keeps a few *workers*: small processes of this program, each of which runs one [`Job`] at a time and answers
//! with a [`Report`]. Nothing here knows of pips.

mod job;
mod report;

pub use job::{Job, Rule, RuleKind, Stdin};
pub use report::{Access, Denied, Exit, Kind, Operation, ProcessInfo, Reads, Report};
