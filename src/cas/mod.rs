//! Contents by what they are: digests, and a store of files that has each content once.
//!
//! Nothing here knows of pips.

#[cfg(feature = "remote")]
pub mod api;
#[cfg(all(feature = "remote", target_os = "linux"))]
mod chain;
mod digest;
#[cfg(all(feature = "remote", target_os = "linux"))]
pub mod remote;
#[cfg(all(feature = "remote", target_os = "linux"))]
pub mod server;
#[cfg(target_os = "linux")]
pub mod store;
#[cfg(all(feature = "remote", target_os = "linux"))]
pub mod tree;
#[cfg(all(feature = "remote", target_os = "linux"))]
pub mod virtual_directory;

pub use digest::{Digest, NotADigest};
#[cfg(target_os = "linux")]
pub use store::{Keep, Materialize, Store, StoreError};
