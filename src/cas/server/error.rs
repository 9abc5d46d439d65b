//! Why a server does not start, or ends.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::cas::StoreError;

/// Why a server cannot run.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Anyone could use it.
    #[error(
        "{address} can be reached from other machines: clients have to be asked for a token (`--token-file`) or a \
         certificate (`--tls-client-ca`)"
    )]
    Anonymous {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// A limit is zero.
    #[error("a server that may keep or serve nothing is of no use")]
    NoLimit,
    /// The folder is somebody else's.
    #[error(
        "`{}` holds contents that builds or `dscript cas put` keep, and a server would let them expire: give it a folder \
         of its own",
        folder.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of tokens or certificates cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of tokens has none.
    #[error("`{}` holds no token", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Certificates or keys are no good.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The connections cannot be served.
    #[error("cannot serve: {0}")]
    Serve(String),
}
