//! `ByteStream.Read`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codegen::Bytes;
use zstd::stream::raw::{Encoder, InBuffer, Operation as _, OutBuffer};

use super::messages::ReadResponse;
use super::names;
use super::requests::{self, PAYLOAD, blocking};
use super::storage::Storage;
use crate::cas::Digest;
use crate::cas::api::bytestream::ReadRequest;

/// What is sent.
pub(super) type ReadStream = ReceiverStream<Result<ReadResponse, Status>>;

// Fast, and still less than half of most texts.
const LEVEL: i32 = 1;

/// What a read needs.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) storage: Arc<Storage>,
    // How long a client may take nothing.
    pub(super) patience: Duration,
}

// A part of an open blob that is still to be sent.
struct Part {
    digest: Digest,
    file: File,
    at: u64,
    end: u64,
}

impl Reading {
    /// Sends a blob. The permit goes when all is sent.
    ///
    /// # Errors
    /// When it is not there, and when the request makes no sense.
    pub(super) async fn read(&self, request: ReadRequest, permit: OwnedSemaphorePermit) -> Result<ReadStream, Status> {
        let name = names::to_read(&request.resource_name)?;
        let digest = name.digest;
        let offset = u64::try_from(request.read_offset).ok().filter(|offset| *offset <= digest.size);
        let limit =
            u64::try_from(request.read_limit).map_err(|_| Status::invalid_argument("a limit cannot be negative"))?;
        if name.zstd && limit != 0 {
            return Err(Status::invalid_argument("a compressed stream cannot have a limit"));
        }
        let Some(at) = offset else {
            // An offset makes sense only in what is there.
            self.open(digest, 0).await?;
            return Err(Status::out_of_range(format!("the blob has {} bytes", digest.size)));
        };
        let end = if limit == 0 { digest.size } else { digest.size.min(at.saturating_add(limit)) };
        let (sender, receiver) = mpsc::channel(1);
        let stream = ReceiverStream::new(receiver);
        if at == end {
            self.open(digest, at).await?;
            if name.zstd {
                let nothing = zstd::bulk::compress(b"", LEVEL).map_err(|_| Status::internal("zstd cannot be used"))?;
                // There is a place for one.
                let _ = sender.try_send(Ok(ReadResponse { data: nothing.into() }));
            }
            return Ok(stream);
        }
        if digest.size <= PAYLOAD && !name.zstd {
            let storage = Arc::clone(&self.storage);
            let bytes = blocking(move || storage.read(&digest)).await?;
            let mut bytes = Bytes::from(bytes.map_err(|error| requests::store_error(&self.storage, &error))?);
            let (from, to) = (usize::try_from(at).unwrap_or(0), usize::try_from(end).unwrap_or(usize::MAX));
            bytes = bytes.slice(from.min(bytes.len())..to.min(bytes.len()));
            // There is a place for one.
            let _ = sender.try_send(Ok(ReadResponse { data: bytes }));
            return Ok(stream);
        }
        let Some(file) = self.open(digest, at).await? else { return Ok(stream) };
        let part = Part { digest, file, at, end };
        let patience = self.patience;
        tokio::spawn(async move {
            let _permit = permit;
            if name.zstd { send_packed(part, &sender, patience).await } else { send(part, &sender, patience).await }
        });
        Ok(stream)
    }

    // A file at an offset; `None` for the blob that has no file.
    async fn open(&self, digest: Digest, at: u64) -> Result<Option<File>, Status> {
        if digest == Digest::EMPTY {
            return Ok(None);
        }
        let storage = Arc::clone(&self.storage);
        let opened = blocking(move || {
            let mut file = storage.open_blob(&digest).map_err(|error| requests::store_error(&storage, &error))?;
            let lost = |_| Status::data_loss(format!("{digest} can no longer be read"));
            file.seek(SeekFrom::Start(at)).map_err(lost)?;
            Ok(Some(file))
        });
        opened.await?
    }
}

type Sender = mpsc::Sender<Result<ReadResponse, Status>>;

async fn send(part: Part, sender: &Sender, patience: Duration) {
    let part = Arc::new(part);
    let mut at = part.at;
    while at < part.end {
        let from = Arc::clone(&part);
        let count = PAYLOAD.min(part.end - at);
        // The next piece is read while the last one is being sent.
        let piece = match blocking(move || from.piece(count)).await {
            Ok(piece) => piece,
            Err(error) => Err(error),
        };
        at += count;
        let failed = piece.is_err();
        let piece = piece.map(|data| ReadResponse { data: data.into() });
        if !pass(sender, piece, patience).await || failed {
            return;
        }
    }
}

async fn send_packed(part: Part, sender: &Sender, patience: Duration) {
    let mut packer = match Packer::new(part) {
        Ok(packer) => packer,
        Err(error) => {
            pass(sender, Err(error), patience).await;
            return;
        }
    };
    loop {
        let worked = blocking(move || {
            let piece = packer.next();
            (packer, piece)
        });
        let piece;
        (packer, piece) = match worked.await {
            Ok(worked) => worked,
            Err(error) => {
                pass(sender, Err(error), patience).await;
                return;
            }
        };
        let piece = match piece {
            Ok(None) => return,
            Ok(Some(piece)) => Ok(ReadResponse { data: piece.into() }),
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        if !pass(sender, piece, patience).await || failed {
            return;
        }
    }
}

// Whether the client still wants more.
async fn pass(sender: &Sender, piece: Result<ReadResponse, Status>, patience: Duration) -> bool {
    match tokio::time::timeout(patience, sender.reserve()).await {
        Ok(Ok(place)) => {
            place.send(piece);
            true
        }
        // It has gone, or takes nothing.
        Ok(Err(_)) | Err(_) => false,
    }
}

impl Part {
    // From where the file stands: it is nobody else's.
    fn piece(&self, count: u64) -> Result<Vec<u8>, Status> {
        // With room for one more read that finds nothing.
        let mut bytes = Vec::with_capacity(usize::try_from(count).unwrap_or(0) + 1);
        match (&self.file).take(count).read_to_end(&mut bytes) {
            Ok(read) if read as u64 == count => Ok(bytes),
            _ => Err(Status::data_loss(format!("{} can no longer be read", self.digest))),
        }
    }
}

// Compresses a part piece by piece.
struct Packer {
    part: Part,
    encoder: Encoder<'static>,
    ended: bool,
}

impl Packer {
    fn new(part: Part) -> Result<Self, Status> {
        let encoder = Encoder::new(LEVEL).map_err(|_| Status::internal("zstd cannot be used"))?;
        Ok(Self { part, encoder, ended: false })
    }

    // The next piece of the compressed stream.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        let wrong = |_| Status::internal("zstd cannot be used");
        let mut packed = Vec::with_capacity(PAYLOAD as usize);
        let mut buffer = vec![0; zstd::zstd_safe::CCtx::out_size()];
        while !self.ended && packed.len() + buffer.len() <= PAYLOAD as usize {
            let count = PAYLOAD.min(self.part.end - self.part.at).min(128 * 1024);
            if count == 0 {
                let mut to = OutBuffer::around(&mut buffer[..]);
                let rest = self.encoder.finish(&mut to, true).map_err(wrong)?;
                let filled = to.pos();
                packed.extend_from_slice(&buffer[..filled]);
                self.ended = rest == 0;
                continue;
            }
            let bytes = self.part.piece(count)?;
            let mut from = InBuffer::around(&bytes);
            let mut to = OutBuffer::around(&mut buffer[..]);
            self.encoder.run(&mut from, &mut to).map_err(wrong)?;
            self.part.at += from.pos() as u64;
            let filled = to.pos();
            packed.extend_from_slice(&buffer[..filled]);
        }
        Ok((!packed.is_empty()).then_some(packed))
    }
}
