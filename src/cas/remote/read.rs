//! One blob as a stream, from where it broke off if it does.

use std::time::Instant;

use tonic::{Code, Status};

use super::RemoteError;
use super::batch::{Answer, Outcome};
use super::capabilities::in_message;
use super::client::Client;
use super::retry::Backoff;
use super::unpack::Unpack;
use crate::cas::api::bytestream::ReadRequest;
use crate::cas::store::Incoming;
use crate::cas::{Digest, StoreError};

// When so much has arrived since the last failure, the next one counts as the first.
const PROGRESS: u64 = 1 << 20;

// Buffers in memory are not made larger than this before there is something to be put into them.
const RESERVE: u64 = 1 << 20;

/// Where the bytes of a blob go. It refuses more of them than the blob has.
pub(super) trait Sink {
    /// How many it has taken.
    fn arrived(&self) -> u64;
    /// Takes the next ones.
    fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
}

impl Sink for Incoming {
    fn arrived(&self) -> u64 {
        self.arrived()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(bytes)
    }
}

/// A blob in memory.
#[derive(Debug)]
pub(super) struct Memory {
    digest: Digest,
    bytes: Vec<u8>,
}

impl Memory {
    pub(super) fn new(digest: &Digest) -> Self {
        let reserve = usize::try_from(digest.size.min(RESERVE)).unwrap_or(0);
        Self { digest: *digest, bytes: Vec::with_capacity(reserve) }
    }

    /// The bytes, if they are what they should be.
    pub(super) fn finish(self) -> Result<Vec<u8>, StoreError> {
        if Digest::of(&self.bytes) == self.digest {
            Ok(self.bytes)
        } else {
            Err(StoreError::Unlike { digest: self.digest, size: self.bytes.len() as u64 })
        }
    }
}

impl Sink for Memory {
    fn arrived(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let size = self.arrived() + bytes.len() as u64;
        if size > self.digest.size {
            return Err(StoreError::Unlike { digest: self.digest, size });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

// Why an attempt ended early.
enum Broken {
    Status(Status),
    // Another attempt makes no sense.
    Error(RemoteError),
}

impl Client {
    /// Reads a blob to its end, or says that the server does not have it. The bytes are not verified but for their number.
    pub(super) async fn stream_to(
        &self,
        digest: &Digest,
        path: &str,
        sink: &mut impl Sink,
        moved: &(dyn Fn(u64) + Sync),
    ) -> Result<bool, RemoteError> {
        let mut backoff = Backoff::new(self.options.retries);
        let mut failed_at = 0;
        while sink.arrived() < digest.size {
            let compressed = self.capabilities.reads_zstd();
            let answer = {
                let _slot = self.slot().await;
                self.attempt(digest, path, compressed, sink, moved).await
            };
            let status = match answer {
                Ok(()) => break,
                Err(Broken::Error(error)) => return Err(error),
                Err(Broken::Status(status)) => status,
            };
            match status.code() {
                Code::NotFound => return Ok(false),
                Code::Unimplemented | Code::InvalidArgument if compressed => {
                    self.capabilities.reads_no_zstd();
                    continue;
                }
                _ => {}
            }
            if sink.arrived() >= failed_at + PROGRESS {
                backoff.reset();
            }
            failed_at = sink.arrived();
            if !backoff.again(&status).await {
                return Err(self.refused("read a blob", &status));
            }
        }
        Ok(true)
    }

    async fn attempt(
        &self,
        digest: &Digest,
        path: &str,
        compressed: bool,
        sink: &mut impl Sink,
        moved: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Broken> {
        let offset = sink.arrived();
        let request = ReadRequest {
            resource_name: self.resource("", digest, compressed),
            // Of the blob, not of what it is compressed to.
            read_offset: offset.cast_signed(),
            read_limit: 0,
        };
        let mut service = self.connection.streams();
        let mut stream = self.in_time(service.read(request)).await.map_err(Broken::Status)?.into_inner();
        let mut unpack = if compressed { Some(Unpack::new().map_err(broken)?) } else { None };
        // Messages with nothing in them must not go on for ever, so time runs from when something came.
        let mut came = Instant::now();
        while let Some(part) = self.since(came, stream.message()).await.map_err(Broken::Status)? {
            let before = sink.arrived();
            let taken = match &mut unpack {
                None => sink.take(&part.data),
                Some(unpack) => unpack.take(&part.data, |bytes| sink.take(bytes)).map_err(broken)?,
            };
            match taken {
                Ok(()) if sink.arrived() == before => {}
                Ok(()) => {
                    moved(sink.arrived() - before);
                    came = Instant::now();
                }
                Err(StoreError::Unlike { size, .. }) => return Err(Broken::Error(self.wrong(digest, path, size))),
                Err(error) => return Err(Broken::Error(error.into())),
            }
        }
        if sink.arrived() < digest.size {
            // It ended as if that was all. That may be a server that was shut down, or one that has a shorter blob.
            let arrived = sink.arrived();
            if arrived == offset {
                return Err(Broken::Error(self.wrong(digest, path, arrived)));
            }
            return Err(Broken::Status(Status::unavailable(format!("only {arrived} bytes of {} came", digest.size))));
        }
        Ok(())
    }
}

impl Client {
    /// A blob in memory, if the server has it.
    pub(super) fn read(&self, digest: &Digest, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        if *digest == Digest::EMPTY {
            return Ok(Some(Vec::new()));
        }
        let mut memory = Memory::new(digest);
        if !self.block(self.stream_to(digest, path, &mut memory, &|_| {}))? {
            return Ok(None);
        }
        let size = memory.arrived();
        memory.finish().map(Some).map_err(|_| self.wrong(digest, path, size))
    }

    /// The same, of a blob that is likely to be small.
    pub(super) fn read_small(&self, digest: &Digest) -> Result<Option<Vec<u8>>, RemoteError> {
        let batches = self.capabilities.reads.are_known() && in_message(digest) <= self.capabilities.reads.limit();
        if batches && *digest != Digest::EMPTY {
            let outcome = self.block(self.read_batch(&[*digest], None))?;
            if let Outcome::Answers(mut answers) = outcome {
                match answers.pop() {
                    Some(Answer::Bytes(bytes)) if Digest::of(&bytes) == *digest => return Ok(Some(bytes)),
                    Some(Answer::Bytes(bytes)) => return Err(self.wrong(digest, "", bytes.len() as u64)),
                    Some(Answer::Missing) => return Ok(None),
                    Some(Answer::Wrong(size)) => return Err(self.wrong(digest, "", size)),
                    Some(Answer::Error(error)) => return Err(error),
                    Some(Answer::Alone) | None => {}
                }
            }
        }
        self.read(digest, "")
    }
}

fn broken(error: std::io::Error) -> Broken {
    Broken::Status(Status::data_loss(format!("what came is not compressed as it should be: {error}")))
}
