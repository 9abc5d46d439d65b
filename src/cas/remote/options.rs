//! What a client is told about a server.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Where a server is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// `grpc://host:port`, or `grpcs://host:port` with TLS.
    pub endpoint: String,
    /// The instance of the server; usually empty.
    pub instance: String,
    /// Certificates that the server's is checked against, as PEM; the system's where none is given.
    pub authority: Option<PathBuf>,
    /// The client's certificate and its key, as PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// A file whose content is sent as a bearer token.
    pub token: Option<PathBuf>,
    /// A file with a header in each line, as `name: value`, sent with each request.
    pub headers: Option<PathBuf>,
    /// Whether blobs are compressed where the server can do that too.
    pub compress: bool,
    /// How long an answer may take; for streams, how long nothing may arrive.
    pub deadline: Duration,
    /// How often something is tried again that may succeed then.
    pub retries: u32,
    /// How many requests are under way at a time.
    pub concurrency: usize,
    /// Ends all waiting for the server: whatever is asked, or was, fails with [`super::RemoteError::Cancelled`].
    pub cancellation: CancellationToken,
}

impl RemoteOptions {
    /// The usual options for an endpoint.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            instance: String::new(),
            authority: None,
            identity: None,
            token: None,
            headers: None,
            compress: true,
            deadline: Duration::from_secs(60),
            retries: 5,
            concurrency: 16,
            cancellation: CancellationToken::new(),
        }
    }
}
