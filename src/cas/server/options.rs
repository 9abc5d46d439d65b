//! What a server is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ServerError;
use super::event::Listener;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens. Port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// The folder with everything that it keeps. No other process may use it at the same time.
    pub folder: PathBuf,
    /// The most room, in bytes, that blobs, results and unfinished uploads take together. What was used least lately
    /// goes first.
    pub max_size: u64,
    /// A file with tokens, one a line; lines that begin with `#` are comments. Who sends one of them may do everything.
    /// The file is read again when it changes.
    pub tokens: Option<PathBuf>,
    /// A file with tokens for reading only.
    pub read_tokens: Option<PathBuf>,
    /// Certificate and key of the server.
    pub tls: Option<TlsFiles>,
    /// Whether no client may write.
    pub read_only: bool,
    /// How many connections there can be; others wait.
    pub max_connections: usize,
    /// How many requests and streams are served at a time; others wait.
    pub max_requests: usize,
    /// How long a client may neither send nor take anything in the middle of a transfer, or send no request that it may
    /// send after it has connected. Uploads of less than 1 KiB a second, taken over this time, end too.
    pub patience: Duration,
    /// How long an upload that broke off is kept, so that the client can go on with it.
    pub keep_uploads: Duration,
    /// How long requests may go on when the server is told to end.
    pub grace: Duration,
    /// Who is told of what happens.
    pub listener: Listener,
}

/// The files of a server with TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those that lead to its root.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Who signs the certificates of clients. When it is set, a client must have one.
    pub client_ca: Option<PathBuf>,
}

impl ServerOptions {
    /// A server on loopback that keeps up to 10 GB.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder: folder.into(),
            max_size: 10_000_000_000,
            tokens: None,
            read_tokens: None,
            tls: None,
            read_only: false,
            max_connections: 10_000,
            max_requests: 512,
            patience: Duration::from_secs(60),
            keep_uploads: Duration::from_secs(600),
            grace: Duration::from_secs(10),
            listener: Listener(Arc::new(|_| {})),
        }
    }

    // Whoever reaches the server from another machine must say who it is.
    pub(super) fn check(&self) -> Result<(), ServerError> {
        let known = self.tokens.is_some()
            || self.read_tokens.is_some()
            || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if !known && !self.listen.ip().to_canonical().is_loopback() {
            return Err(ServerError::Anonymous { address: self.listen });
        }
        if self.max_connections == 0 || self.max_requests == 0 || self.max_size == 0 {
            return Err(ServerError::NoLimit);
        }
        Ok(())
    }
}
