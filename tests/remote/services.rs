//! The services of the server that does what it is told.

use std::pin::Pin;
use std::time::Duration;

use dscript::cas::Digest;
use dscript::cas::api::bytestream::byte_stream_server::ByteStream;
use dscript::cas::api::bytestream::{
    QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, ReadResponse, WriteRequest, WriteResponse,
};
use dscript::cas::api::longrunning::operations_server::Operations;
use dscript::cas::api::reapi::action_cache_server::ActionCache;
use dscript::cas::api::reapi::capabilities_server::Capabilities;
use dscript::cas::api::reapi::compressor::Value as Compressor;
use dscript::cas::api::reapi::content_addressable_storage_server::ContentAddressableStorage;
use dscript::cas::api::reapi::execution_server::Execution;
use dscript::cas::api::{longrunning, protobuf, reapi, rpc};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};

use super::server::{Call, State};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn call(method: &'static str, blobs: usize, size: usize) -> Call {
    Call { method, blobs, offset: 0, size, name: String::new() }
}

fn digest(digest: Option<&reapi::Digest>) -> Digest {
    Digest::try_from(digest.unwrap()).unwrap()
}

fn status(code: Code) -> Option<rpc::Status> {
    Some(rpc::Status { code: code as i32, message: "told to fail".to_owned(), ..rpc::Status::default() })
}

impl State {
    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        if let Some(altered) = self.faults.lock().unwrap().altered.get(digest) {
            return Some(altered.clone());
        }
        self.blobs.lock().unwrap().get(digest).cloned()
    }

    fn too_large(&self, message: &impl Message) -> Result<(), Status> {
        let faults = self.faults.lock().unwrap();
        let says = faults.says.unwrap_or("told to find it too large");
        match faults.true_limit {
            Some((limit, code)) if message.encoded_len() > limit => Err(Status::new(code, says)),
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Capabilities for State {
    async fn get_capabilities(
        &self,
        request: Request<reapi::GetCapabilitiesRequest>,
    ) -> Result<Response<reapi::ServerCapabilities>, Status> {
        self.enter("GetCapabilities", request.metadata(), call("GetCapabilities", 0, 0)).await?;
        let faults = self.faults.lock().unwrap();
        let mut functions = faults.functions.clone();
        if functions.is_empty() {
            functions.push(reapi::digest_function::Value::Sha256 as i32);
        }
        let compressors = if faults.zstd || faults.zstd_lies { vec![Compressor::Zstd as i32] } else { Vec::new() };
        Ok(Response::new(reapi::ServerCapabilities {
            cache_capabilities: Some(reapi::CacheCapabilities {
                digest_functions: functions,
                max_batch_total_size_bytes: faults.limit,
                max_cas_blob_size_bytes: faults.largest,
                supported_compressors: compressors.clone(),
                supported_batch_update_compressors: compressors,
                action_cache_update_capabilities: Some(reapi::ActionCacheUpdateCapabilities {
                    update_enabled: !faults.read_only,
                }),
                ..reapi::CacheCapabilities::default()
            }),
            execution_capabilities: Some(reapi::ExecutionCapabilities {
                exec_enabled: true,
                ..reapi::ExecutionCapabilities::default()
            }),
            ..reapi::ServerCapabilities::default()
        }))
    }
}

#[tonic::async_trait]
impl ContentAddressableStorage for State {
    async fn find_missing_blobs(
        &self,
        request: Request<reapi::FindMissingBlobsRequest>,
    ) -> Result<Response<reapi::FindMissingBlobsResponse>, Status> {
        let asked = request.get_ref();
        let entered = call("FindMissingBlobs", asked.blob_digests.len(), asked.encoded_len());
        self.enter("FindMissingBlobs", request.metadata(), entered).await?;
        let blobs = self.blobs.lock().unwrap();
        let mut missing: Vec<reapi::Digest> = request.into_inner().blob_digests;
        missing.retain(|asked| !blobs.contains_key(&digest(Some(asked))));
        if self.faults.lock().unwrap().extra.contains("FindMissingBlobs") {
            missing.push(Digest::of(b"nobody asked for this").into());
        }
        Ok(Response::new(reapi::FindMissingBlobsResponse { missing_blob_digests: missing }))
    }

    async fn batch_update_blobs(
        &self,
        request: Request<reapi::BatchUpdateBlobsRequest>,
    ) -> Result<Response<reapi::BatchUpdateBlobsResponse>, Status> {
        use reapi::batch_update_blobs_response::Response as One;
        let asked = request.get_ref();
        let entered = call("BatchUpdateBlobs", asked.requests.len(), asked.encoded_len());
        self.enter("BatchUpdateBlobs", request.metadata(), entered).await?;
        self.too_large(asked)?;
        let mut responses = Vec::new();
        for part in request.into_inner().requests {
            let digest = digest(part.digest.as_ref());
            let failing = self.faults.lock().unwrap().failing_blobs.get_mut(&digest).and_then(|(code, times)| {
                *times = times.checked_sub(1)?;
                Some(*code)
            });
            if let Some(code) = failing {
                responses.push(One { digest: part.digest, status: status(code) });
                continue;
            }
            let data = match part.compressor {
                1 => zstd::bulk::decompress(&part.data, usize::try_from(digest.size).unwrap()).unwrap(),
                _ => part.data,
            };
            assert_eq!(Digest::of(&data), digest);
            self.blobs.lock().unwrap().insert(digest, data);
            responses.push(One { digest: part.digest, status: None });
        }
        let faults = self.faults.lock().unwrap();
        if faults.extra.contains("BatchUpdateBlobs") {
            responses.push(One { digest: Some(Digest::of(b"nobody asked for this").into()), status: None });
        }
        if faults.unanswered && !responses.is_empty() {
            responses.remove(0);
        }
        Ok(Response::new(reapi::BatchUpdateBlobsResponse { responses }))
    }

    async fn batch_read_blobs(
        &self,
        request: Request<reapi::BatchReadBlobsRequest>,
    ) -> Result<Response<reapi::BatchReadBlobsResponse>, Status> {
        use reapi::batch_read_blobs_response::Response as One;
        let asked = request.get_ref();
        let zstd = asked.acceptable_compressors.contains(&(Compressor::Zstd as i32));
        let mut entered = call("BatchReadBlobs", asked.digests.len(), 0);
        let mut responses = Vec::new();
        for asked in &asked.digests {
            let digest = digest(Some(asked));
            let failing = self.faults.lock().unwrap().failing_blobs.get_mut(&digest).and_then(|(code, times)| {
                *times = times.checked_sub(1)?;
                Some(*code)
            });
            let (data, code) = match (failing, self.blob(&digest)) {
                (Some(code), _) => (Vec::new(), code),
                (None, Some(data)) => (data, Code::Ok),
                (None, None) => (Vec::new(), Code::NotFound),
            };
            let (data, compressor) = match zstd && code == Code::Ok {
                true => (zstd::bulk::compress(&data, 0).unwrap(), Compressor::Zstd as i32),
                false => (data, 0),
            };
            let status = if code == Code::Ok { None } else { status(code) };
            responses.push(One { digest: Some(asked.clone()), data, compressor, status });
        }
        {
            let faults = self.faults.lock().unwrap();
            if faults.extra.contains("BatchReadBlobs") {
                let data = b"nobody asked for this".to_vec();
                responses.push(One { digest: Some(Digest::of(&data).into()), data, ..One::default() });
            }
            if faults.twice {
                responses.extend(responses.first().cloned());
            }
            if faults.unanswered && !responses.is_empty() {
                responses.remove(0);
            }
        }
        let answer = reapi::BatchReadBlobsResponse { responses };
        entered.size = answer.encoded_len();
        self.enter("BatchReadBlobs", request.metadata(), entered).await?;
        self.too_large(&answer)?;
        Ok(Response::new(answer))
    }

    type GetTreeStream = Answers<reapi::GetTreeResponse>;

    async fn get_tree(&self, _: Request<reapi::GetTreeRequest>) -> Result<Response<Self::GetTreeStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn split_blob(
        &self,
        _: Request<reapi::SplitBlobRequest>,
    ) -> Result<Response<reapi::SplitBlobResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type GetChunkMappingStream = Answers<reapi::GetChunkMappingResponse>;

    async fn get_chunk_mapping(
        &self,
        _: Request<reapi::GetChunkMappingRequest>,
    ) -> Result<Response<Self::GetChunkMappingStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn splice_blob(
        &self,
        _: Request<reapi::SpliceBlobRequest>,
    ) -> Result<Response<reapi::SpliceBlobResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<Streaming<reapi::RegisterChunkMappingRequest>>,
    ) -> Result<Response<reapi::RegisterChunkMappingResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

// The digest at the end of the name of a resource, and whether it is to be compressed.
fn named(name: &str) -> (Digest, bool) {
    let parts: Vec<&str> = name.rsplitn(3, '/').collect();
    (format!("{}/{}", parts[1], parts[0]).parse().unwrap(), name.contains("compressed-blobs/zstd/"))
}

#[tonic::async_trait]
impl ByteStream for State {
    type ReadStream = Answers<ReadResponse>;

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let asked = request.get_ref().clone();
        let (digest, compressed) = named(&asked.resource_name);
        let offset = usize::try_from(asked.read_offset).unwrap();
        let entered = Call { offset: offset as u64, name: asked.resource_name.clone(), ..call("Read", 1, 0) };
        self.enter("Read", request.metadata(), entered).await?;
        let Some(data) = self.blob(&digest) else { return Err(Status::not_found("no such blob")) };
        if self.faults.lock().unwrap().empty {
            let parts = tokio_stream::iter(std::iter::repeat_with(ReadResponse::default));
            return Ok(Response::new(Box::pin(parts.then(|part| async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(part)
            }))));
        }
        let (rest, broken, ending) = {
            let mut faults = self.faults.lock().unwrap();
            if compressed && faults.zstd_lies {
                return Err(Status::invalid_argument("what a strange name"));
            }
            let Some(rest) = data.get(offset..) else { return Err(Status::out_of_range("there is no more")) };
            let rest = if compressed { zstd::bulk::compress(rest, 0).unwrap() } else { rest.to_vec() };
            let (bytes, times) = &mut faults.breaking;
            let broken = (*times > 0).then(|| {
                *times -= 1;
                *bytes
            });
            (rest, broken, faults.ending)
        };
        let sent = broken.map_or(rest.len(), |bytes| bytes.min(rest.len()));
        let mut parts: Vec<Result<ReadResponse, Status>> =
            rest[..sent].chunks(1 << 16).map(|part| Ok(ReadResponse { data: part.to_vec() })).collect();
        if broken.is_some() && !ending {
            parts.push(Err(Status::unavailable("told to break")));
        }
        let pause = self.faults.lock().unwrap().slow.get("a part of Read").map(|(wait, _)| *wait);
        Ok(Response::new(match pause {
            None => Box::pin(tokio_stream::iter(parts)),
            Some(wait) => Box::pin(tokio_stream::iter(parts).then(move |part| async move {
                tokio::time::sleep(wait).await;
                part
            })),
        }))
    }

    async fn write(&self, request: Request<Streaming<WriteRequest>>) -> Result<Response<WriteResponse>, Status> {
        let metadata = request.metadata().clone();
        let mut stream = request.into_inner();
        let Some(first) = stream.message().await? else { return Err(Status::invalid_argument("nothing")) };
        let name = first.resource_name.clone();
        let (digest, compressed) = named(&name);
        let offset = usize::try_from(first.write_offset).unwrap();
        let entered = Call { offset: offset as u64, name: name.clone(), ..call("Write", 1, 0) };
        self.enter("Write", &metadata, entered).await?;
        let (early, breaks_after) = {
            let mut faults = self.faults.lock().unwrap();
            if compressed && faults.zstd_lies {
                return Err(Status::invalid_argument("what a strange name"));
            }
            let (bytes, times) = &mut faults.breaking;
            let breaks = (*times > 0).then(|| {
                *times -= 1;
                *bytes
            });
            (faults.answers_early, breaks)
        };
        if early {
            return Ok(Response::new(WriteResponse { committed_size: digest.size.cast_signed() }));
        }
        let mut largest = 0;
        let mut next = Some(first);
        let mut arrived = offset;
        while let Some(part) = next {
            largest = largest.max(part.data.len());
            assert_eq!(part.write_offset, i64::try_from(arrived).unwrap());
            assert!(part.resource_name.is_empty() || part.resource_name == name);
            {
                let mut uploads = self.uploads.lock().unwrap();
                let (bytes, complete) = uploads.entry(name.clone()).or_default();
                assert!(!*complete && bytes.len() >= arrived);
                bytes.truncate(arrived);
                bytes.extend_from_slice(&part.data);
                arrived = bytes.len();
                *complete = part.finish_write;
            }
            if breaks_after.is_some_and(|bytes| arrived >= offset + bytes) {
                return Err(Status::unavailable("told to break"));
            }
            next = stream.message().await?;
        }
        self.calls.lock().unwrap().push(call("a part of Write", 1, largest));
        let (bytes, complete) = self.uploads.lock().unwrap()[&name].clone();
        assert!(complete);
        let data = if compressed { zstd::stream::decode_all(&bytes[..]).unwrap() } else { bytes };
        if Digest::of(&data) != digest {
            return Err(Status::invalid_argument("that is something else"));
        }
        self.blobs.lock().unwrap().insert(digest, data);
        let committed = self.faults.lock().unwrap().committed.unwrap_or(arrived.try_into().unwrap());
        Ok(Response::new(WriteResponse { committed_size: committed }))
    }

    async fn query_write_status(
        &self,
        request: Request<QueryWriteStatusRequest>,
    ) -> Result<Response<QueryWriteStatusResponse>, Status> {
        self.enter("QueryWriteStatus", request.metadata(), call("QueryWriteStatus", 1, 0)).await?;
        if self.faults.lock().unwrap().forgetful {
            return Err(Status::not_found("no such upload"));
        }
        let uploads = self.uploads.lock().unwrap();
        let Some((bytes, complete)) = uploads.get(&request.get_ref().resource_name) else {
            return Err(Status::not_found("no such upload"));
        };
        let committed_size = bytes.len().try_into().unwrap();
        Ok(Response::new(QueryWriteStatusResponse { committed_size, complete: *complete }))
    }
}

#[tonic::async_trait]
impl ActionCache for State {
    async fn get_action_result(
        &self,
        request: Request<reapi::GetActionResultRequest>,
    ) -> Result<Response<reapi::ActionResult>, Status> {
        self.enter("GetActionResult", request.metadata(), call("GetActionResult", 0, 0)).await?;
        let digest = digest(request.get_ref().action_digest.as_ref());
        let results = self.results.lock().unwrap();
        results.get(&digest).cloned().map(Response::new).ok_or_else(|| Status::not_found("not done yet"))
    }

    async fn update_action_result(
        &self,
        request: Request<reapi::UpdateActionResultRequest>,
    ) -> Result<Response<reapi::ActionResult>, Status> {
        self.enter("UpdateActionResult", request.metadata(), call("UpdateActionResult", 0, 0)).await?;
        let digest = digest(request.get_ref().action_digest.as_ref());
        let result = request.into_inner().action_result.unwrap();
        self.results.lock().unwrap().insert(digest, result.clone());
        Ok(Response::new(result))
    }
}

impl State {
    // What the next stream of operations is told to say.
    fn said(&self) -> Answers<longrunning::Operation> {
        let said = self.operations.lock().unwrap().pop_front().unwrap_or_default();
        let (sender, receiver) = mpsc::channel(said.len() + 1);
        tokio::spawn(async move {
            for operation in said {
                match operation {
                    Some(operation) => drop(sender.send(Ok(operation)).await),
                    // Until the client goes.
                    None => sender.closed().await,
                }
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

#[tonic::async_trait]
impl Execution for State {
    type ExecuteStream = Answers<longrunning::Operation>;
    type WaitExecutionStream = Answers<longrunning::Operation>;

    async fn execute(&self, request: Request<reapi::ExecuteRequest>) -> Result<Response<Self::ExecuteStream>, Status> {
        self.enter("Execute", request.metadata(), call("Execute", 0, 0)).await?;
        Ok(Response::new(self.said()))
    }

    async fn wait_execution(
        &self,
        request: Request<reapi::WaitExecutionRequest>,
    ) -> Result<Response<Self::WaitExecutionStream>, Status> {
        let entered = Call { name: request.get_ref().name.clone(), ..call("WaitExecution", 0, 0) };
        self.enter("WaitExecution", request.metadata(), entered).await?;
        Ok(Response::new(self.said()))
    }
}

#[tonic::async_trait]
impl Operations for State {
    async fn list_operations(
        &self,
        _: Request<longrunning::ListOperationsRequest>,
    ) -> Result<Response<longrunning::ListOperationsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_operation(
        &self,
        _: Request<longrunning::GetOperationRequest>,
    ) -> Result<Response<longrunning::Operation>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_operation(
        &self,
        _: Request<longrunning::DeleteOperationRequest>,
    ) -> Result<Response<protobuf::Empty>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn cancel_operation(
        &self,
        request: Request<longrunning::CancelOperationRequest>,
    ) -> Result<Response<protobuf::Empty>, Status> {
        self.cancelled.lock().unwrap().push(request.into_inner().name);
        Ok(Response::new(protobuf::Empty {}))
    }

    async fn wait_operation(
        &self,
        _: Request<longrunning::WaitOperationRequest>,
    ) -> Result<Response<longrunning::Operation>, Status> {
        Err(Status::unimplemented(""))
    }
}
