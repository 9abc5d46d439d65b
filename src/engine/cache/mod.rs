//! What a build remembers: which result belongs to which inputs, and what files held when they were last read.
//!
//! A lookup has two phases. The *weak* fingerprint of a pip is known before it runs: its command line, its environment,
//! its declared inputs. Under it stand the *path sets* that earlier runs looked at. With the contents of those paths
//! added it becomes the *strong* fingerprint, under which the result stands. See [`Entries`]. [`FileTable`] spares
//! reading files that did not change.
//!
//! Everything here may be lost without harm but for time: damaged files are put aside, and the caller is told.

mod closed;
mod entries;
mod files;
mod fingerprint;
#[cfg(test)]
mod kill_tests;
mod pending;
mod repair;
mod signature;
mod tables;
#[cfg(test)]
mod tests;

pub use entries::{Entries, EntriesError, EntryStats, Found, Retained};
pub use files::{FileTable, Known, LookupCounts};
pub use fingerprint::{Fingerprint, Hasher, NotAFingerprint};
pub use repair::Repair;
pub use signature::Signature;
