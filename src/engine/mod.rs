//! Running a pip graph: scheduling, watched execution, fingerprints and the cache.
//!
//! Nothing here knows the language.

#![allow(clippy::disallowed_methods, reason = "running pips is about files and time")]

pub mod cache;
pub mod sandbox;
