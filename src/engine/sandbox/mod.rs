//! Running one process with every file access of it and its children observed, and forbidden writes denied.
//!
//! A build keeps a few *workers*: small processes of this program, each of which runs one [`Job`] at a time and answers
//! with a [`Report`]. Nothing here knows of pips.

mod job;
mod report;

pub use job::{Job, Rule, RuleKind, Stdin};
pub use report::{Access, Denied, Exit, Kind, Operation, ProcessInfo, Reads, Report};
#[allow(missing_docs, unused)]
mod stub { use super::*; use std::path::PathBuf; use std::io;
#[derive(Clone,Copy)] pub enum Method { Notify, Trace } impl Method { pub fn detect()->Option<Self>{todo!()} }
#[derive(Clone)] pub struct Launcher; impl Launcher { pub fn this_program(_:Method)->io::Result<Self>{todo!()} }
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct WorkerError;
pub struct Worker; impl Worker { pub fn start(_:&Launcher)->io::Result<Self>{todo!()} pub fn run(&mut self,_:&Job)->Result<Report,WorkerError>{todo!()} pub fn canceller(&self)->Canceller{todo!()} }
#[derive(Clone,Debug)] pub struct Canceller; impl Canceller { pub fn cancel(&self){} } }
pub use stub::*;
