//! `ByteStream.Write` and `QueryWriteStatus`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tonic::codegen::Bytes;
use tonic::{Code, Status};

use super::messages::{Part, Parts};
use super::names::{self, Name};
use super::requests::{self, blocking};
use super::storage::Storage;
use super::uploads::{Uploads, Writer};
use crate::cas::api::bytestream::{QueryWriteStatusResponse, WriteResponse};

// Pieces are written together from this many bytes on, if more are on their way.
const GATHERED: usize = 512 * 1024;

// What is at most in memory of one upload, beside what is being written.
const WAITING: usize = 2 * 1024 * 1024;

// What a client has to send in a second, taken over as long as there is patience with it.
const SLOWEST: u64 = 1024;

// How fast a client sends: what has come since this was last looked at, and how long that was waited for. What the server
// needs itself does not count.
#[derive(Default)]
struct Pace {
    bytes: u64,
    waited: Duration,
}

/// What a write needs.
#[derive(Clone)]
pub(super) struct Writing {
    pub(super) storage: Arc<Storage>,
    pub(super) uploads: Arc<Uploads>,
    // How long a client may be silent.
    pub(super) patience: Duration,
}

impl Writing {
    /// Takes a blob in.
    ///
    /// # Errors
    /// When the client breaks off or sends something else than it said, and when there is no room.
    pub(super) async fn write(&self, mut stream: Parts) -> Result<WriteResponse, Status> {
        let first = self
            .next(&mut stream, &mut Pace::default())
            .await?
            .ok_or_else(|| Status::invalid_argument("nothing was sent"))?;
        let resource = first.resource_name.clone();
        let name = names::to_write(&resource)?;
        let offset = offset(&first)?;
        let there = {
            let storage = Arc::clone(&self.storage);
            blocking(move || storage.mark(&name.digest)).await?
        };
        if there.map_err(|error| requests::store_error(&self.storage, &error))? {
            return Ok(already(&name));
        }
        if super::index::room_of(name.digest.size) > self.storage.most {
            return Err(Status::resource_exhausted("the blob is larger than all that this server may keep"));
        }
        if offset == 0 && first.finish_write && !name.zstd {
            // The usual case of a small blob: nothing of it needs to be kept between messages.
            let (uploads, data) = (Arc::clone(&self.uploads), first.data);
            let size = name.digest.size.cast_signed();
            let added = blocking(move || uploads.add(&name.digest, &data));
            return added.await?.map(|()| WriteResponse { committed_size: size });
        }
        let writer = {
            let (uploads, resource) = (Arc::clone(&self.uploads), resource.clone());
            blocking(move || uploads.open(&resource, &name, offset)).await??
        };
        let writer = Arc::new(writer);
        let done = self.receive(&mut stream, first, &resource, &name, &writer).await;
        match &done {
            // The connection went, or the client is slow: it may come back.
            Err(error) if matches!(error.code(), Code::Aborted | Code::Cancelled | Code::DeadlineExceeded) => {}
            Ok(None) => {}
            _ => self.uploads.forget(&resource, &writer),
        }
        match done? {
            Some(response) => Ok(response),
            // The client has not said that this is all.
            None => {
                let received = self.received(&resource).await?;
                Ok(WriteResponse { committed_size: received })
            }
        }
    }

    async fn receive(
        &self,
        stream: &mut Parts,
        first: Part,
        resource: &str,
        name: &Name,
        writer: &Arc<Writer>,
    ) -> Result<Option<WriteResponse>, Status> {
        let mut expected = offset(&first)?;
        let mut again = writer.again;
        let mut message = Some(first);
        let mut gathered: Vec<Bytes> = Vec::new();
        let mut size = 0;
        let mut pace = Pace::default();
        let mut at_work: Option<JoinHandle<Result<(), Status>>> = None;
        loop {
            let mut finished = false;
            match message.take() {
                Some(part) => {
                    if !part.resource_name.is_empty() && part.resource_name != resource {
                        return Err(Status::invalid_argument("the resource name changed"));
                    }
                    if offset(&part)? != expected {
                        return Err(Status::invalid_argument(format!("the next offset is {expected}")));
                    }
                    expected += part.data.len() as u64;
                    if !name.zstd && expected > name.digest.size {
                        return Err(Status::invalid_argument("more was sent than the blob has"));
                    }
                    finished = part.finish_write;
                    let known = again.min(part.data.len() as u64);
                    again -= known;
                    let fresh = part.data.slice(usize::try_from(known).unwrap_or(usize::MAX)..);
                    if !fresh.is_empty() {
                        size += fresh.len();
                        gathered.push(fresh);
                    }
                }
                None => {
                    // The next message, or the end of the writing so that more can be written.
                    tokio::select! {
                        biased;
                        next = self.next(stream, &mut pace), if size < WAITING => {
                            match next {
                                Ok(Some(next)) => {
                                    message = Some(next);
                                    continue;
                                }
                                // What has arrived is kept, whatever the reason is that no more comes.
                                ended => {
                                    settle(&mut at_work).await?;
                                    self.feed(writer, &mut gathered).await?;
                                    return ended.map(|_| None);
                                }
                            }
                        }
                        done = settle(&mut at_work), if at_work.is_some() => done?,
                    }
                }
            }
            if finished {
                settle(&mut at_work).await?;
                let (uploads, writer) = (Arc::clone(&self.uploads), Arc::clone(writer));
                let pieces = together(std::mem::take(&mut gathered));
                let received = blocking(move || {
                    writer.feed(&uploads, &pieces)?;
                    writer.finish()
                });
                let received = received.await??;
                let size = if name.zstd { received } else { name.digest.size };
                return Ok(Some(WriteResponse { committed_size: size.cast_signed() }));
            }
            if at_work.as_ref().is_some_and(JoinHandle::is_finished) {
                settle(&mut at_work).await?;
            }
            if at_work.is_none() && size >= GATHERED {
                // Another client may have brought it meanwhile.
                if self.storage.index().get(&name.digest).is_some() {
                    return Ok(Some(already(name)));
                }
                at_work = Some(self.start(writer, &mut gathered));
                size = 0;
            }
        }
    }

    fn start(&self, writer: &Arc<Writer>, gathered: &mut Vec<Bytes>) -> JoinHandle<Result<(), Status>> {
        let (uploads, writer) = (Arc::clone(&self.uploads), Arc::clone(writer));
        let pieces = together(std::mem::take(gathered));
        tokio::task::spawn_blocking(move || writer.feed(&uploads, &pieces))
    }

    async fn feed(&self, writer: &Arc<Writer>, gathered: &mut Vec<Bytes>) -> Result<(), Status> {
        let mut work = Some(self.start(writer, gathered));
        settle(&mut work).await
    }

    async fn next(&self, stream: &mut Parts, pace: &mut Pace) -> Result<Option<Part>, Status> {
        let begun = Instant::now();
        let part = tokio::time::timeout(self.patience, stream.next());
        let part = part.await.map_err(|_| Status::deadline_exceeded("nothing has arrived for too long"))??;
        pace.waited += begun.elapsed();
        pace.bytes += part.as_ref().map_or(0, |part| part.data.len() as u64);
        if pace.waited >= self.patience {
            let least = self.patience.as_millis().saturating_mul(SLOWEST.into()) / 1000;
            // The last part is as good as any.
            if u128::from(pace.bytes) < least && part.as_ref().is_some_and(|part| !part.finish_write) {
                return Err(Status::deadline_exceeded("too little has arrived for too long"));
            }
            *pace = Pace::default();
        }
        Ok(part)
    }

    /// How much of a blob has arrived.
    ///
    /// # Errors
    /// When the name makes no sense.
    pub(super) async fn status(&self, resource: &str) -> Result<QueryWriteStatusResponse, Status> {
        let name = names::to_write(resource)?;
        if name.digest == crate::cas::Digest::EMPTY || self.storage.index().get(&name.digest).is_some() {
            // How long the compressed stream would have been nobody knows.
            let committed_size = if name.zstd { 0 } else { name.digest.size.cast_signed() };
            return Ok(QueryWriteStatusResponse { committed_size, complete: true });
        }
        // Not `NOT_FOUND` where nothing has arrived: clients take that for the end of the upload.
        Ok(QueryWriteStatusResponse { committed_size: self.received(resource).await?, complete: false })
    }

    // Waits while something is being written, so this is not done where connections are served.
    async fn received(&self, resource: &str) -> Result<i64, Status> {
        let (uploads, resource) = (Arc::clone(&self.uploads), resource.to_owned());
        let received = blocking(move || uploads.received(&resource)).await?;
        Ok(received.unwrap_or(0).cast_signed())
    }
}

// Many small pieces cost more than a copy of them.
fn together(pieces: Vec<Bytes>) -> Vec<Bytes> {
    let size: usize = pieces.iter().map(Bytes::len).sum();
    if pieces.len() < 2 || size / pieces.len() >= 128 * 1024 { pieces } else { vec![pieces.concat().into()] }
}

fn offset(message: &Part) -> Result<u64, Status> {
    u64::try_from(message.write_offset).map_err(|_| Status::invalid_argument("the offset is negative"))
}

// The answer when a blob is there already: its size, or for a compressed stream, whose size is unknown, -1.
fn already(name: &Name) -> WriteResponse {
    WriteResponse { committed_size: if name.zstd { -1 } else { name.digest.size.cast_signed() } }
}

// Waits for what is being written. When this is not waited for, the work stays where it is.
async fn settle(at_work: &mut Option<JoinHandle<Result<(), Status>>>) -> Result<(), Status> {
    let Some(work) = at_work.as_mut() else { return Ok(()) };
    let done = work.await;
    *at_work = None;
    done.map_err(|_| Status::internal("this server has a bug, or is ending"))?
}
