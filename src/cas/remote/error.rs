//! What can go wrong with a server.

use thiserror::Error;

use super::RemoteOptions;
use crate::cas::{Digest, StoreError};

/// Why something could not be had from a server, or given to it.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The server cannot be reached.
    #[error("cannot reach `{endpoint}`: {reason}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What the system or the library says.
        reason: String,
    },
    /// The server does not have contents that are needed.
    #[error("the server does not have {}", .missing.first().map_or_else(String::new, describe))]
    Missing {
        /// What, and the path that it was wanted for; at least one.
        missing: Vec<(Digest, String)>,
    },
    /// The local store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RemoteError {
    pub(super) fn todo(options: &RemoteOptions) -> Self {
        Self::Unreachable { endpoint: options.endpoint.clone(), reason: "not written yet".to_owned() }
    }
}

fn describe((digest, path): &(Digest, String)) -> String {
    if path.is_empty() { digest.to_string() } else { format!("{digest}, which is `{path}`") }
}
