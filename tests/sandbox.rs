//! Real processes, observed and held back.
//!
//! Each test runs with every method of observation that works on this machine.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests look at files and say what they skip"
)]

#[path = "sandbox/accesses.rs"]
mod accesses;
#[path = "sandbox/life.rs"]
mod life;
#[path = "sandbox/place.rs"]
mod place;
#[path = "sandbox/programs.rs"]
mod programs;
#[path = "sandbox/writes.rs"]
mod writes;
