//! The server of the Remote Execution API, as clients see it: each promise, and what happens to those who do not keep to
//! the rules.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "tests look at files and clocks")]

mod access;
mod contents;
mod faults;
mod limits;
mod results;
mod scene;
mod streams;
