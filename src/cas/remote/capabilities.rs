//! What a server can do: it is asked once, and what it turns out not to do is remembered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tonic::Code;

use super::RemoteError;
use super::client::Client;
use crate::cas::Digest;
use crate::cas::api::reapi;
use crate::cas::api::reapi::compressor::Value as Compressor;
use crate::cas::api::reapi::digest_function::Value as DigestFunction;

// No server that is known takes messages of more than 4 MiB; this leaves room for what goes around contents.
const LARGEST_BATCH: u64 = 3 << 20;

/// A batch that is refused though it is no larger than this is not refused for its size.
pub(super) const SMALLEST_BATCH: u64 = 4 << 10;

// What a content needs in a message beside its bytes: its digest, a status, and where each begins.
const AROUND: u64 = 104;

/// What was agreed on.
#[derive(Debug)]
pub(super) struct Capabilities {
    /// Blobs that are read together.
    pub(super) reads: Batches,
    /// Blobs that are sent together.
    pub(super) updates: Batches,
    reads_zstd: AtomicBool,
    writes_zstd: AtomicBool,
    /// Whether contents may be compressed in batches that the client asks for.
    pub(super) batches_read_zstd: bool,
    /// Whether contents may be compressed in batches that the client sends.
    pub(super) batches_update_zstd: bool,
    /// The largest blob that the server takes, where it says so.
    pub(super) largest_blob: Option<u64>,
    /// Whether it executes actions.
    pub(super) executes: bool,
    /// Whether it says that it takes results of actions; absent where it says nothing.
    pub(super) takes_results: Option<bool>,
}

/// What is known of the batches of one kind.
#[derive(Debug)]
pub(super) struct Batches {
    known: AtomicBool,
    // Of serialised messages, not contents: what limits mean is disputed, so this is the safe side.
    limit: AtomicU64,
}

impl Batches {
    fn new(limit: u64) -> Self {
        Self { known: true.into(), limit: limit.into() }
    }

    /// Whether the server knows them.
    pub(super) fn are_known(&self) -> bool {
        self.known.load(Relaxed)
    }

    /// The server turned out not to know them.
    pub(super) fn are_unknown(&self) {
        self.known.store(false, Relaxed);
    }

    /// How large the message with the contents may be.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// One was refused for its size. Others are half as large from now on.
    pub(super) fn shrink(&self, refused: u64) {
        self.limit.fetch_min(half(refused), Relaxed);
    }
}

/// The size of the parts of a batch that was refused, maybe for its size.
pub(super) fn half(refused: u64) -> u64 {
    (refused / 2).max(SMALLEST_BATCH)
}

impl Default for Capabilities {
    /// What is assumed of a server that does not say.
    fn default() -> Self {
        Self {
            reads: Batches::new(LARGEST_BATCH),
            updates: Batches::new(LARGEST_BATCH),
            reads_zstd: false.into(),
            writes_zstd: false.into(),
            batches_read_zstd: false,
            batches_update_zstd: false,
            largest_blob: None,
            executes: false,
            takes_results: None,
        }
    }
}

impl Capabilities {
    /// Asks a server what it can do.
    pub(super) async fn ask(client: &Client) -> Result<Self, RemoteError> {
        let instance_name = client.options.instance.clone();
        let answer = client
            .ask(|| {
                let mut service = client.connection.capabilities();
                let request = reapi::GetCapabilitiesRequest { instance_name: instance_name.clone() };
                async move { service.get_capabilities(request).await }
            })
            .await;
        let capabilities = match answer {
            Ok(answer) => Self::new(client, &answer)?,
            Err(status) if status.code() == Code::Unimplemented => Self::default(),
            Err(status) => return Err(client.refused("say what it can do", &status)),
        };
        if !probe(client).await? {
            capabilities.reads.are_unknown();
        }
        Ok(capabilities)
    }

    fn new(client: &Client, answer: &reapi::ServerCapabilities) -> Result<Self, RemoteError> {
        let mut all = Self::default();
        if let Some(execution) = &answer.execution_capabilities {
            all.executes = execution.exec_enabled;
        }
        let Some(cache) = &answer.cache_capabilities else { return Ok(all) };
        if !cache.digest_functions.is_empty() && !cache.digest_functions.contains(&(DigestFunction::Sha256 as i32)) {
            return Err(RemoteError::Unsupported {
                endpoint: client.options.endpoint.clone(),
                what: "digests by SHA-256, the only ones known here",
            });
        }
        // Nothing, or something below, is what servers say that do not know.
        if let Some(limit) = positive(cache.max_batch_total_size_bytes) {
            all.reads = Batches::new(limit.min(LARGEST_BATCH));
            all.updates = Batches::new(limit.min(LARGEST_BATCH));
        }
        all.largest_blob = positive(cache.max_cas_blob_size_bytes);
        all.takes_results = cache.action_cache_update_capabilities.as_ref().map(|updates| updates.update_enabled);
        if client.options.compress {
            let zstd = Compressor::Zstd as i32;
            let streams = cache.supported_compressors.contains(&zstd);
            all.reads_zstd = streams.into();
            all.writes_zstd = streams.into();
            all.batches_read_zstd = streams;
            all.batches_update_zstd = cache.supported_batch_update_compressors.contains(&zstd);
        }
        Ok(all)
    }

    /// Whether streams from the server may be compressed.
    pub(super) fn reads_zstd(&self) -> bool {
        self.reads_zstd.load(Relaxed)
    }

    /// Whether streams to the server may be compressed.
    pub(super) fn writes_zstd(&self) -> bool {
        self.writes_zstd.load(Relaxed)
    }

    /// The server turned out not to know compressed streams.
    pub(super) fn reads_no_zstd(&self) {
        self.reads_zstd.store(false, Relaxed);
    }

    /// The server turned out not to take compressed streams.
    pub(super) fn writes_no_zstd(&self) {
        self.writes_zstd.store(false, Relaxed);
    }
}

/// How many bytes of a message a content of a size takes.
pub(super) fn in_message(digest: &Digest) -> u64 {
    digest.size.saturating_add(AROUND)
}

fn positive(size: i64) -> Option<u64> {
    u64::try_from(size).ok().filter(|size| *size > 0)
}

// Whether the server reads several blobs at once, found out by asking for none.
async fn probe(client: &Client) -> Result<bool, RemoteError> {
    let instance_name = client.options.instance.clone();
    let answer = client
        .ask(|| {
            let mut service = client.connection.contents();
            let request = reapi::BatchReadBlobsRequest {
                instance_name: instance_name.clone(),
                digest_function: DigestFunction::Sha256 as i32,
                ..reapi::BatchReadBlobsRequest::default()
            };
            async move { service.batch_read_blobs(request).await }
        })
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(status) => match status.code() {
            Code::Unimplemented => Ok(false),
            // It knows the request, and dislikes that there is nothing in it.
            Code::InvalidArgument => Ok(true),
            _ => Err(client.refused("say whether it reads blobs in batches", &status)),
        },
    }
}
