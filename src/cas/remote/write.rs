//! One blob to the server as a stream, from where it broke off if it does.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::RemoteError;
use super::client::Client;
use super::retry::{Backoff, random};
use crate::cas::api::bytestream::{QueryWriteStatusRequest, WriteRequest};
use crate::cas::{Digest, StoreError};

// What a message may hold: all servers take four times as much.
const PAYLOAD: u64 = 1 << 20;

// Messages that wait for the connection.
const AHEAD: usize = 2;

/// Where the bytes of a blob are.
#[derive(Debug)]
pub(super) enum Source<'a> {
    File(PathBuf),
    Bytes(&'a [u8]),
}

impl Source<'_> {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Bytes(bytes) => Box::new(*bytes),
        })
    }

    fn failed(&self, source: io::Error) -> RemoteError {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Bytes(_) => PathBuf::new(),
        };
        RemoteError::Store(StoreError::Io { action: "read", path, source })
    }
}

// How an attempt went wrong.
enum Broken {
    Status(Status),
    Error(RemoteError),
}

impl Client {
    /// Sends a blob. The server verifies it. `moved` is told how much of it has been sent, as far as that is known.
    pub(super) async fn stream_from(
        &self,
        digest: &Digest,
        source: &Source<'_>,
        moved: &(dyn Fn(u64) + Sync),
    ) -> Result<(), RemoteError> {
        let mut backoff = Backoff::new(self.options.retries);
        let mut compressed = self.capabilities.writes_zstd();
        let mut name = self.upload_name(digest, compressed);
        let mut offset = 0;
        loop {
            let answer = {
                let _slot = self.slot().await;
                self.send(digest, source, &name, compressed, offset, moved).await
            };
            let status = match answer {
                Ok(()) => return Ok(()),
                Err(Broken::Error(error)) => return Err(error),
                Err(Broken::Status(status)) => status,
            };
            match status.code() {
                Code::AlreadyExists => return Ok(()),
                Code::Unimplemented | Code::InvalidArgument if compressed => {
                    self.capabilities.writes_no_zstd();
                    compressed = false;
                    name = self.upload_name(digest, compressed);
                    offset = 0;
                    continue;
                }
                _ => {}
            }
            if !backoff.again(&status).await {
                return Err(self.refused("take a blob", &status));
            }
            match self.committed(&name).await {
                Some((_, true)) => return Ok(()),
                Some((committed, false)) => {
                    if committed >= offset + PAYLOAD {
                        backoff.reset();
                    }
                    offset = committed;
                }
                None => {
                    name = self.upload_name(digest, compressed);
                    offset = 0;
                }
            }
        }
    }

    fn upload_name(&self, digest: &Digest, compressed: bool) -> String {
        // A random UUID of version 4.
        let (high, low) = (random() & !0xf000 | 0x4000, random() & !(0b11 << 62) | 0b10 << 62);
        let uuid = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
        self.resource(&format!("uploads/{uuid}/"), digest, compressed)
    }

    // How much of an upload has arrived, and whether that is all. Nothing where the server does not know.
    async fn committed(&self, name: &str) -> Option<(u64, bool)> {
        let mut service = self.connection.streams();
        let request = QueryWriteStatusRequest { resource_name: name.to_owned() };
        let answer = self.in_time(service.query_write_status(request)).await.ok()?.into_inner();
        Some((u64::try_from(answer.committed_size).ok()?, answer.complete))
    }

    async fn send(
        &self,
        digest: &Digest,
        source: &Source<'_>,
        name: &str,
        compressed: bool,
        offset: u64,
        moved: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Broken> {
        let failed = |error| Broken::Error(source.failed(error));
        let plain = source.open().map_err(failed)?;
        // The same bytes and the same settings give the same stream each time, so it can be resumed, too.
        let mut reader: Box<dyn Read + '_> = match compressed {
            true => Box::new(zstd::stream::read::Encoder::new(plain, 0).map_err(failed)?),
            false => plain,
        };
        let skipped = io::copy(&mut (&mut reader).take(offset), &mut io::sink()).map_err(failed)?;
        if skipped < offset {
            return Err(Broken::Error(self.protocol(format!("it has more bytes of {digest} than were sent"))));
        }

        let (sender, receiver) = mpsc::channel(AHEAD);
        let mut service = self.connection.streams();
        let answer = service.write(ReceiverStream::new(receiver));
        tokio::pin!(answer);
        let mut sent = offset;
        let mut next = Some(read_part(&mut reader).map_err(failed)?);
        // Ends early when the server answers early: it has the blob then, or wants none of it.
        let early = loop {
            let Some(data) = next.take() else { break None };
            let following = read_part(&mut reader).map_err(failed)?;
            let size = data.len() as u64;
            let request = WriteRequest {
                resource_name: if sent == offset { name.to_owned() } else { String::new() },
                write_offset: sent.cast_signed(),
                finish_write: following.is_empty(),
                data,
            };
            let sending = self.in_time(async {
                tokio::select! {
                    biased;
                    answer = &mut answer => Ok(Some(answer)),
                    // Where the other side is gone, the answer says why.
                    _ = sender.send(request) => Ok(None),
                }
            });
            if let Some(answer) = sending.await.map_err(Broken::Status)? {
                break Some(answer);
            }
            sent += size;
            if !compressed {
                moved(sent);
            }
            if !following.is_empty() {
                next = Some(following);
            }
        };
        drop(sender);
        let answer = match early {
            Some(answer) => answer,
            None => self.in_time(answer).await,
        };
        let committed = answer.map_err(Broken::Status)?.into_inner().committed_size;
        let all = if compressed { sent.cast_signed() } else { digest.size.cast_signed() };
        // A compressed blob that was there already is answered by -1, or by its size.
        if committed == all || (compressed && (committed == -1 || committed == digest.size.cast_signed())) {
            return Ok(());
        }
        if (0..all).contains(&committed) {
            let message = format!("it took only {committed} of {all} bytes");
            return Err(Broken::Status(Status::aborted(message)));
        }
        Err(Broken::Error(self.protocol(format!("it says that it took {committed} bytes of the {all} of {digest}"))))
    }
}

fn read_part(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    reader.take(PAYLOAD).read_to_end(&mut data)?;
    Ok(data)
}
