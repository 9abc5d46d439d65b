//! A server of the Remote Execution API: contents, streams, results of actions, and what it can do. It executes nothing.
//!
//! ```no_run
//! use dscript::cas::server::{Server, ServerOptions};
//!
//! let bound = Server::bind(ServerOptions::new("/var/cache/dscript"))?;
//! println!("{}", bound.url());
//! let running = bound.start()?;
//! // … and when it is no longer needed:
//! running.stop()?;
//! # Ok::<(), dscript::cas::server::ServerError>(())
//! ```
//!
//! What it promises: a blob is given out only if it has been hashed since the server started, and its file has not been
//! written to since; it appears whole or not at all, whenever the server is killed; what is removed for
//! want of room is what was used least lately, and never something that a directory, a tree or a result needs that stays
//! (`walk.rs`). Nothing that a client sends makes it panic or keeps it from serving others.

#![allow(clippy::disallowed_methods, reason = "a server lives by the clock, and its storage is made of files")]

mod actions;
mod auth;
mod byte_stream;
mod capabilities;
mod contents;
mod error;
mod event;
mod expiry;
mod guard;
mod index;
mod kind;
mod listen;
mod messages;
mod names;
mod options;
mod peer;
mod read;
mod requests;
mod results;
mod run;
mod snapshot;
mod storage;
#[cfg(test)]
mod tests;
mod tree;
mod uploads;
mod walk;
mod write;

pub use error::ServerError;
pub use event::{Event, Listener};
pub use options::{ServerOptions, TlsFiles};
pub use run::{Bound, Running, Server};
