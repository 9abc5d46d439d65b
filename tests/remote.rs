//! The client of the Remote Execution API, against a server in the same process that can be told to misbehave, and
//! against one that others wrote.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests look at files and clocks, and say what they skip"
)]

#[path = "remote/actions.rs"]
mod actions;
#[path = "remote/batches.rs"]
mod batches;
#[path = "remote/capabilities.rs"]
mod capabilities;
#[path = "remote/execution.rs"]
mod execution;
#[path = "remote/failures.rs"]
mod failures;
#[path = "remote/passing.rs"]
mod passing;
#[path = "remote/peer.rs"]
mod peer;
#[path = "remote/proxy.rs"]
mod proxy;
#[path = "remote/security.rs"]
mod security;
#[path = "remote/server.rs"]
mod server;
#[path = "remote/services.rs"]
mod services;
#[path = "remote/streams.rs"]
mod streams;
#[path = "support/peer.rs"]
mod support_peer;
#[path = "remote/table.rs"]
mod table;
#[path = "remote/trees.rs"]
mod trees;
#[path = "remote/uploads.rs"]
mod uploads;
