//! What all requests have in common: the threads they run on, a bound on how many there are, attempts and deadlines.

use std::future::Future;
use std::time::Instant;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::{Response, Status};

use super::capabilities::Capabilities;
use super::connection::Connection;
use super::retry::{Backoff, is_unreachable, unreachable};
use super::{RemoteError, RemoteOptions};
use crate::cas::Digest;

// The connections' own threads: they take messages apart and put them together. Everything else is done by the callers'.
const THREADS: usize = 2;

/// A server, and how it is spoken to.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) options: RemoteOptions,
    pub(super) connection: Connection,
    pub(super) capabilities: Capabilities,
    slots: Semaphore,
    threads: Threads,
}

#[derive(Debug)]
struct Threads {
    handle: Handle,
    // Only absent while this is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for them is not allowed everywhere, and there is nothing to wait for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// Prepares the connections, and asks the server what it can do.
    pub(super) fn new(options: RemoteOptions) -> Result<Self, RemoteError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("remote")
            .enable_all()
            .build()
            .map_err(RemoteError::Threads)?;
        let handle = runtime.handle().clone();
        let connection = {
            let _entered = runtime.enter();
            Connection::new(&options)?
        };
        let slots = Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS));
        let threads = Threads { handle, runtime: Some(runtime) };
        let mut client = Self { options, connection, capabilities: Capabilities::default(), slots, threads };
        client.capabilities = client.block(Capabilities::ask(&client))?;
        Ok(client)
    }

    /// Does something on the caller's thread, which waits for it: to its end, or until nobody wants it any more.
    pub(super) fn block<T>(&self, work: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
        let wanted = self.options.cancellation.run_until_cancelled(work);
        self.block_to_end(async { wanted.await.unwrap_or(Err(RemoteError::Cancelled)) })
    }

    /// The same for what sees by itself when it has to end.
    pub(super) fn block_to_end<T>(&self, work: impl Future<Output = T>) -> T {
        self.threads.handle.block_on(work)
    }

    /// Waits until another request may be made.
    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed; without a permit there would only be no bound.
        self.slots.acquire().await.ok()
    }

    /// Makes a request, again if need be, and gives the last answer.
    pub(super) async fn ask<T, F>(&self, request: impl FnMut() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.ask_unless(request, |_| false).await
    }

    /// Like [`Client::ask`], but some failures are not worth another attempt.
    pub(super) async fn ask_unless<T, F>(
        &self,
        mut request: impl FnMut() -> F,
        is_final: impl Fn(&Status) -> bool,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut backoff = Backoff::new(self.options.retries);
        loop {
            let answer = {
                let _slot = self.slot().await;
                self.in_time(request()).await
            };
            match answer {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if is_final(&status) => return Err(status),
                Err(status) => {
                    if !backoff.again(&status).await {
                        return Err(status);
                    }
                }
            }
        }
    }

    /// Waits for something as long as the deadline allows.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        self.since(Instant::now(), work).await
    }

    /// Waits for something as long as the deadline allows that began to run at a time.
    pub(super) async fn since<T>(
        &self,
        begun: Instant,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let left = self.options.deadline.saturating_sub(begun.elapsed());
        let late = || Err(Status::deadline_exceeded(format!("no answer within {:?}", self.options.deadline)));
        // What is there at once would come even without any time.
        if left.is_zero() {
            return late();
        }
        tokio::time::timeout(left, work).await.unwrap_or_else(|_| late())
    }

    /// What a failure is to the user.
    pub(super) fn refused(&self, action: &'static str, status: &Status) -> RemoteError {
        let endpoint = self.options.endpoint.clone();
        if is_unreachable(status) {
            return RemoteError::Unreachable { endpoint, reason: unreachable(status) };
        }
        RemoteError::Refused { endpoint, action, code: status.code(), message: status.message().to_owned() }
    }

    /// What an answer that nobody may give is to the user.
    pub(super) fn protocol(&self, what: impl Into<String>) -> RemoteError {
        RemoteError::Protocol { endpoint: self.options.endpoint.clone(), what: what.into() }
    }

    /// What something else than was asked for is to the user.
    pub(super) fn wrong(&self, digest: &Digest, path: &str, size: u64) -> RemoteError {
        RemoteError::Wrong { endpoint: self.options.endpoint.clone(), digest: *digest, path: path.to_owned(), size }
    }

    /// The name of a blob for the services that move streams, below a prefix.
    pub(super) fn resource(&self, prefix: &str, digest: &Digest, compressed: bool) -> String {
        let instance = &self.options.instance;
        let slash = if instance.is_empty() { "" } else { "/" };
        let kind = if compressed { "compressed-blobs/zstd" } else { "blobs" };
        format!("{instance}{slash}{prefix}{kind}/{}/{}", digest.hex(), digest.size)
    }
}
