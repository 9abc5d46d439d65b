//! Contents by what they are: digests, and a store of files that has each content once.
//!
//! Nothing here knows of pips.

mod digest;

pub use digest::Digest;
mod store; pub use store::*;
