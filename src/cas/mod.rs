//! Contents by what they are: digests, and a store of files that has each content once.
//!
//! Nothing here knows of pips.

mod digest;
#[cfg(target_os = "linux")]
pub mod store;

pub use digest::Digest;
#[cfg(target_os = "linux")]
pub use store::{Keep, Materialize, Store, StoreError};
