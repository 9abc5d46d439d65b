//! `ByteStream.Read`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;
use tonic::codegen::Bytes;
use zstd::stream::raw::{Encoder, InBuffer, Operation as _, OutBuffer};

use super::messages::{self, Answers, Sender, answer};
use super::names;
use super::requests::{self, PAYLOAD, blocking};
use super::storage::Storage;
use crate::cas::Digest;
use crate::cas::api::bytestream::ReadRequest;

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
    /// Sends a blob.
    ///
    /// # Errors
    /// When it is not there, and when the request makes no sense.
    pub(super) async fn read(&self, request: ReadRequest) -> Result<Answers, Status> {
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
        if at == end {
            self.open(digest, at).await?;
            if !name.zstd {
                return Ok(Answers::of(None));
            }
            let nothing = zstd::bulk::compress(b"", LEVEL).map_err(|_| Status::internal("zstd cannot be used"))?;
            return Ok(Answers::of(Some(around(&nothing))));
        }
        if digest.size <= PAYLOAD && !name.zstd {
            let storage = Arc::clone(&self.storage);
            let bytes = blocking(move || storage.read(&digest)).await?;
            let bytes = bytes.map_err(|error| requests::store_error(&self.storage, &error))?;
            let (from, to) = (count_of(at).min(bytes.len()), count_of(end).min(bytes.len()));
            return Ok(Answers::of(Some(around(&bytes[from..to]))));
        }
        let Some(file) = self.open(digest, at).await? else { return Ok(Answers::of(None)) };
        let part = Part { digest, file, at, end };
        let patience = self.patience;
        let (sender, answers) = messages::answers();
        tokio::spawn(async move {
            let sent = if name.zstd {
                send_packed(part, &sender, patience).await
            } else {
                send(part, &sender, patience).await
            };
            if let Err(status) = sent {
                sender.fail(status).await;
            }
        });
        Ok(answers)
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

async fn send(part: Part, sender: &Sender, patience: Duration) -> Result<(), Status> {
    let part = Arc::new(part);
    let mut at = part.at;
    while at < part.end {
        let from = Arc::clone(&part);
        let count = PAYLOAD.min(part.end - at);
        // The next piece is read while the last one is being sent.
        let piece = blocking(move || from.piece(answer(count_of(count)), count)).await??;
        at += count;
        sender.send(piece.into(), patience).await?;
    }
    Ok(())
}

async fn send_packed(part: Part, sender: &Sender, patience: Duration) -> Result<(), Status> {
    let mut packer = Packer::new(part)?;
    loop {
        let worked = blocking(move || {
            let piece = packer.next();
            (packer, piece)
        });
        let piece;
        (packer, piece) = worked.await?;
        let Some(piece) = piece? else { return Ok(()) };
        sender.send(around(&piece), patience).await?;
    }
}

impl Part {
    // After other bytes, from where the file stands: it is nobody else's.
    fn piece(&self, mut bytes: Vec<u8>, count: u64) -> Result<Vec<u8>, Status> {
        match (&self.file).take(count).read_to_end(&mut bytes) {
            Ok(read) if read as u64 == count => Ok(bytes),
            _ => Err(Status::data_loss(format!("{} can no longer be read", self.digest))),
        }
    }
}

// A message with this payload.
fn around(payload: &[u8]) -> Bytes {
    let mut bytes = answer(payload.len());
    bytes.extend_from_slice(payload);
    bytes.into()
}

fn count_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
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
            let bytes = self.part.piece(Vec::new(), count)?;
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
