//! A build and servers that speak the Remote Execution API.
//!
//! [`RemoteCache`] shares the two-phase lookup of results. `keys.rs` says under which names results stand on a server,
//! `records.rs` how they are written, `breaker.rs` when a server is no longer asked, `uploads.rs` how results go there while
//! the build goes on. `execute/` runs processes on a server.

mod breaker;
mod cache;
mod execute;
mod keys;
mod records;
mod uploads;

pub use cache::{RemoteCache, RemoteCacheError, RemoteCacheOptions, Upload};
pub use execute::ExecutorOptions;
pub(super) use execute::{Answer, Errand, Executor, cancelled, stays};
