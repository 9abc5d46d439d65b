//! Running one process with every file access of it and its children observed, and forbidden writes denied.
//!
//! A build keeps a few *workers*: small processes of this program, each of which runs one [`Job`] at a time and answers
//! with a [`Report`]. Nothing here knows of pips.

mod decode;
mod descendants;
mod effects;
mod filter;
mod interpreters;
mod job;
mod launch;
mod ledger;
mod memory;
mod message;
mod observer;
mod path_bytes;
mod report;
mod resolve;
mod rules;
mod serve;
mod supervise;
mod sys;
mod trace;
mod worker;

pub use job::{Job, Rule, RuleKind, Stdin};
pub use report::{Access, Denied, Exit, Kind, Operation, ProcessInfo, Reads, Report};
pub use serve::serve_if_asked;
pub use worker::{Canceller, Launcher, Method, Worker, WorkerError};
