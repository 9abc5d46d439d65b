//! The service `ContentAddressableStorage`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::auth::Rights;
use super::requests::{self, MESSAGE, blocking};
use super::storage::{Storage, Touched};
use super::tree::{self, Pages};
use super::uploads::Uploads;
use crate::cas::Digest;
use crate::cas::api::reapi::content_addressable_storage_server::ContentAddressableStorage;
use crate::cas::api::reapi::{self, batch_read_blobs_response, batch_update_blobs_response, compressor};
use crate::cas::api::rpc;

/// The service.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) storage: Arc<Storage>,
    pub(super) uploads: Arc<Uploads>,
    pub(super) streams: Arc<Semaphore>,
    pub(super) patience: Duration,
}

// What a blob costs in an answer beside its bytes: its digest, its status, and their tags.
const OVERHEAD: usize = 96;

// Blobs are compressed only from this size on, and sent so only if that helps.
const WORTH_PACKING: usize = 512;

#[tonic::async_trait]
impl ContentAddressableStorage for Contents {
    async fn find_missing_blobs(
        &self,
        request: Request<reapi::FindMissingBlobsRequest>,
    ) -> Result<Response<reapi::FindMissingBlobsResponse>, Status> {
        let request = request.into_inner();
        requests::function(request.digest_function)?;
        let mut missing = Vec::new();
        let mut stale = Vec::new();
        for digest in &request.blob_digests {
            let digest = requests::digest(Some(digest))?;
            match self.storage.touch(&digest) {
                Touched::Missing => missing.push(digest.into()),
                Touched::Marked => {}
                Touched::Stale => stale.push(digest),
            }
        }
        if !stale.is_empty() {
            let storage = Arc::clone(&self.storage);
            let gone = blocking(move || {
                let mut gone = Vec::new();
                for digest in stale {
                    match storage.mark(&digest) {
                        Ok(true) => {}
                        Ok(false) => gone.push(digest.into()),
                        Err(error) => return Err(requests::store_error(&storage, &error)),
                    }
                }
                Ok(gone)
            });
            missing.extend(gone.await??);
        }
        Ok(Response::new(reapi::FindMissingBlobsResponse { missing_blob_digests: missing }))
    }

    async fn batch_update_blobs(
        &self,
        request: Request<reapi::BatchUpdateBlobsRequest>,
    ) -> Result<Response<reapi::BatchUpdateBlobsResponse>, Status> {
        Rights::of(request.extensions()).check_write()?;
        let request = request.into_inner();
        requests::function(request.digest_function)?;
        let digests = requests::batch(request.requests.iter().map(|one| one.digest.as_ref()))?;
        let uploads = Arc::clone(&self.uploads);
        let responses = blocking(move || {
            let one = |(digest, one): (Digest, reapi::batch_update_blobs_request::Request)| {
                let status = match update(&uploads, &digest, &one) {
                    Ok(()) => rpc::Status::default(),
                    Err(status) => failed(&status),
                };
                batch_update_blobs_response::Response { digest: Some(digest.into()), status: Some(status) }
            };
            digests.into_iter().zip(request.requests).map(one).collect()
        });
        Ok(Response::new(reapi::BatchUpdateBlobsResponse { responses: responses.await? }))
    }

    async fn batch_read_blobs(
        &self,
        request: Request<reapi::BatchReadBlobsRequest>,
    ) -> Result<Response<reapi::BatchReadBlobsResponse>, Status> {
        let request = request.into_inner();
        requests::function(request.digest_function)?;
        let digests = requests::batch(request.digests.iter().map(Some))?;
        let bytes: usize =
            digests.iter().map(|digest| OVERHEAD + usize::try_from(digest.size).unwrap_or(MESSAGE)).sum();
        if bytes > MESSAGE {
            return Err(Status::invalid_argument("the answer would be too large; ask for fewer blobs at a time"));
        }
        let packs = request.acceptable_compressors.contains(&(compressor::Value::Zstd as i32));
        let storage = Arc::clone(&self.storage);
        let responses = blocking(move || digests.iter().map(|digest| read(&storage, digest, packs)).collect());
        Ok(Response::new(reapi::BatchReadBlobsResponse { responses: responses.await? }))
    }

    type GetTreeStream = ReceiverStream<Result<reapi::GetTreeResponse, Status>>;

    async fn get_tree(&self, request: Request<reapi::GetTreeRequest>) -> Result<Response<Self::GetTreeStream>, Status> {
        let request = request.into_inner();
        requests::function(request.digest_function)?;
        let root = requests::digest(request.root_digest.as_ref())?;
        let size = usize::try_from(request.page_size)
            .map_err(|_| Status::invalid_argument("the size of a page cannot be negative"))?;
        let skip = tree::token(&request.page_token)?;
        let permit = Arc::clone(&self.streams).acquire_owned().await;
        let permit = permit.map_err(|_| Status::unavailable("this server is ending"))?;
        let (sender, receiver) = mpsc::channel(1);
        let storage = Arc::clone(&self.storage);
        let mut pages = blocking(move || Pages::new(storage, root, size, skip)).await??;
        let patience = self.patience;
        tokio::spawn(async move {
            let _permit = permit;
            loop {
                let worked = blocking(move || {
                    let page = pages.next();
                    (pages, page)
                });
                let page;
                (pages, page) = match worked.await {
                    Ok((pages, page)) => (pages, page.transpose()),
                    Err(status) => {
                        let _ = sender.send(Err(status)).await;
                        return;
                    }
                };
                let Some(page) = page else { return };
                let failed = page.is_err();
                match tokio::time::timeout(patience, sender.send(page)).await {
                    Ok(Ok(())) if !failed => {}
                    // That was the end, or the client has gone.
                    Ok(_) => return,
                    // Without an error this would look like the end. It waits there until the client takes something or
                    // its connection ends.
                    Err(_) => {
                        let late = Status::deadline_exceeded("nothing has been taken for too long");
                        let _ = sender.send(Err(late)).await;
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn split_blob(
        &self,
        _: Request<reapi::SplitBlobRequest>,
    ) -> Result<Response<reapi::SplitBlobResponse>, Status> {
        Err(whole())
    }

    type GetChunkMappingStream = ReceiverStream<Result<reapi::GetChunkMappingResponse, Status>>;

    async fn get_chunk_mapping(
        &self,
        _: Request<reapi::GetChunkMappingRequest>,
    ) -> Result<Response<Self::GetChunkMappingStream>, Status> {
        Err(whole())
    }

    async fn splice_blob(
        &self,
        _: Request<reapi::SpliceBlobRequest>,
    ) -> Result<Response<reapi::SpliceBlobResponse>, Status> {
        Err(whole())
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<Streaming<reapi::RegisterChunkMappingRequest>>,
    ) -> Result<Response<reapi::RegisterChunkMappingResponse>, Status> {
        Err(whole())
    }
}

// As the capabilities say.
fn whole() -> Status {
    Status::unimplemented("this server keeps blobs whole")
}

fn failed(status: &Status) -> rpc::Status {
    rpc::Status { code: status.code() as i32, message: status.message().to_owned(), details: Vec::new() }
}

fn update(
    uploads: &Uploads,
    digest: &Digest,
    request: &reapi::batch_update_blobs_request::Request,
) -> Result<(), Status> {
    let unpacked;
    let bytes = match compressor::Value::try_from(request.compressor) {
        Ok(compressor::Value::Identity) => &request.data,
        Ok(compressor::Value::Zstd) => {
            // One byte more than there should be, so that too much is not cut to be right.
            let most = usize::try_from(digest.size).unwrap_or(usize::MAX).saturating_add(1);
            let wrong = |_| Status::invalid_argument(format!("what arrived for {digest} is no zstd frame of its size"));
            unpacked = zstd::bulk::decompress(&request.data, most).map_err(wrong)?;
            &unpacked
        }
        _ => return Err(Status::invalid_argument("this server knows no such compressor")),
    };
    uploads.add(digest, bytes)
}

fn read(storage: &Storage, digest: &Digest, packs: bool) -> batch_read_blobs_response::Response {
    let answer = |data, compressor: compressor::Value, status| batch_read_blobs_response::Response {
        digest: Some((*digest).into()),
        data,
        compressor: compressor as i32,
        status: Some(status),
    };
    match storage.read(digest) {
        Ok(bytes) => {
            let packed = (packs && bytes.len() >= WORTH_PACKING)
                .then(|| zstd::bulk::compress(&bytes, 1).ok())
                .flatten()
                .filter(|packed| packed.len() < bytes.len());
            let fine = rpc::Status { code: Code::Ok as i32, ..Default::default() };
            match packed {
                Some(packed) => answer(packed, compressor::Value::Zstd, fine),
                None => answer(bytes, compressor::Value::Identity, fine),
            }
        }
        Err(error) => {
            let status = requests::store_error(storage, &error);
            answer(Vec::new(), compressor::Value::Identity, failed(&status))
        }
    }
}
