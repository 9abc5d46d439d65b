//! The remote cache of a build, as the command line and the environment ask for it.

use std::path::Path;
use std::time::Duration;

use super::args::{BuildRemoteArgs, OutputsWanted, RemoteUpload};
use crate::cas::remote::{Remote, RemoteError, RemoteOptions};
use crate::cli::Failure;
use crate::engine::remote::{RemoteCache, RemoteCacheOptions, Upload};
use crate::engine::{Cancellation, Outputs};
use crate::source::system::Environment;

/// The variable that names a server where the command line does not.
const VARIABLE: &str = "DSCRIPT_REMOTE_CACHE";

/// A build does not wait longer for an answer, as it can do without.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often a build asks again.
const RETRIES: u32 = 1;

/// The same for a server that runs processes. It may be busy, and what it has begun should not be lost for a moment's
/// trouble.
const EXECUTOR_DEADLINE: Duration = Duration::from_secs(20);
const EXECUTOR_RETRIES: u32 = 2;

/// How many threads upload.
const THREADS: usize = 2;

impl BuildRemoteArgs {
    /// The server, and how it is spoken to. `others` tells whether that is also said for another one.
    fn server(
        &self,
        environment: &dyn Environment,
        cancellation: &Cancellation,
        others: bool,
    ) -> Result<Option<RemoteOptions>, Failure> {
        let named = environment.variable(VARIABLE).filter(|url| !url.is_empty());
        let endpoint = self.remote_cache.clone().or(named.map(|url| url.to_string())).filter(|_| !self.no_remote_cache);
        let Some(endpoint) = endpoint else {
            return match self.connection.first_given() {
                Some(option) if !self.no_remote_cache && !others => Err(Failure::Usage(format!(
                    "`{option}` says how a server is spoken to; name it with `--remote-cache` or `--remote-executor`"
                ))),
                _ => Ok(None),
            };
        };
        Ok(Some(RemoteOptions {
            deadline: DEADLINE,
            retries: RETRIES,
            cancellation: cancellation.token(),
            ..self.connection.options(&endpoint)
        }))
    }

    /// How the server is spoken to that runs processes.
    pub(super) fn executor(&self, endpoint: &str) -> RemoteOptions {
        RemoteOptions { deadline: EXECUTOR_DEADLINE, retries: EXECUTOR_RETRIES, ..self.connection.options(endpoint) }
    }

    fn upload(&self) -> Upload {
        match self.remote_upload {
            _ if self.remote_cache_read_only => Upload::Nothing,
            RemoteUpload::No => Upload::Nothing,
            RemoteUpload::New => Upload::New,
            RemoteUpload::All => Upload::All,
        }
    }

    /// Whether every result of the cache is to be seen, so that nothing may be skipped at a glance.
    pub(super) fn wants_all(&self) -> bool {
        self.upload() == Upload::All
    }

    /// Which outputs are downloaded.
    pub(super) fn wanted(&self) -> Outputs {
        match self.outputs {
            OutputsWanted::All => Outputs::All,
            OutputsWanted::Toplevel => Outputs::Toplevel,
            OutputsWanted::None => Outputs::None,
        }
    }

    /// Connects to the remote cache, if there is to be one. A server that cannot be used is told to `warn`.
    pub(super) fn connect(
        &self,
        cache: &Path,
        environment: &dyn Environment,
        cancellation: &Cancellation,
        others: bool,
        warn: impl FnOnce(&str),
    ) -> Result<Option<RemoteCache>, Failure> {
        let Some(server) = self.server(environment, cancellation, others)? else { return Ok(None) };
        let remote = match Remote::connect(server) {
            Ok(remote) => remote,
            // These are mistakes of whoever asks.
            Err(error @ (RemoteError::Endpoint { .. } | RemoteError::Credentials { .. })) => {
                return Err(Failure::Usage(error.to_string()));
            }
            // The build sees by itself that it is over.
            Err(RemoteError::Cancelled) => return Ok(None),
            Err(error) => {
                warn(&format!("the remote cache cannot be used: {error}; the build goes on without it"));
                return Ok(None);
            }
        };
        let options = RemoteCacheOptions { store: cache.to_owned(), upload: self.upload(), threads: THREADS };
        RemoteCache::new(remote, &options).map(Some).map_err(|error| Failure::Usage(error.to_string()))
    }
}
