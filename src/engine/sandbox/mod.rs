//! Running one process with every file access of it and its children observed, and forbidden writes denied.
//!
//! A build keeps a few *workers*: small processes of this program, each of which runs one [`Job`] at a time and answers
//! with a [`Report`]. Nothing here knows of pips.
//!
//! A worker has one thread and little memory, so making a copy of it is quick and safe. It adopts the orphans among its
//! descendants, so whatever a job starts can be found and ended. A filter stops the processes of a job at the system
//! calls that name a file (`filter`); the worker reads the path from their memory, walks it as the kernel will
//! (`resolve`), judges it by the rules (`rules`), remembers it (`ledger`), and lets the call go on or fail
//! (`observer`). What a process does with an open descriptor is not watched: how it was opened says what it may do.
//!
//! This sees what honest tools do. It is no border against hostile ones: between the look at a path and the call itself
//! another thread may change it.
//!
//! What is never told: anything below `/proc`, which is the state of processes and no file, devices, pipes and sockets
//! that are opened, and the files that receive the job's own output. A write that the kernel refuses anyway, for want
//! of rights, is told as a read and is not among the denied ones.

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
