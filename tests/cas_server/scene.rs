//! A server in this process and raw clients for it.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use dscript::cas::Digest;
use dscript::cas::api::bytestream::byte_stream_client::ByteStreamClient;
use dscript::cas::api::bytestream::{QueryWriteStatusRequest, ReadRequest, WriteRequest};
use dscript::cas::api::reapi::action_cache_client::ActionCacheClient;
use dscript::cas::api::reapi::capabilities_client::CapabilitiesClient;
use dscript::cas::api::reapi::content_addressable_storage_client::ContentAddressableStorageClient;
use dscript::cas::api::reapi::{self, batch_update_blobs_request};
use dscript::cas::server::{Running, Server, ServerOptions};
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// One mebibyte.
pub const MIB: usize = 1024 * 1024;

/// A server on a folder of its own.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub running: Option<Running>,
    pub options: ServerOptions,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = ServerOptions::new(folder.path().join("store"));
        options.grace = Duration::from_secs(2);
        change(&mut options);
        let running = Server::bind(options.clone()).unwrap().start().unwrap();
        Self { folder, running: Some(running), options }
    }

    pub fn url(&self) -> String {
        self.running.as_ref().unwrap().url().to_owned()
    }

    pub fn store(&self) -> &Path {
        &self.options.folder
    }

    /// The file of a blob.
    pub fn file(&self, digest: &Digest) -> std::path::PathBuf {
        let hex = digest.hex();
        self.store().join("blobs").join(&hex[..2]).join(&hex[2..])
    }

    /// Ends the server, does something, and starts it again on the same folder.
    pub fn restart(&mut self, meanwhile: impl FnOnce(&Self)) {
        self.running.take().unwrap().stop().unwrap();
        meanwhile(self);
        self.running = Some(Server::bind(self.options.clone()).unwrap().start().unwrap());
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.url()).await
    }
}

/// Clients of all services on one connection.
#[derive(Clone)]
pub struct Client {
    pub cas: ContentAddressableStorageClient<Channel>,
    pub streams: ByteStreamClient<Channel>,
    pub actions: ActionCacheClient<Channel>,
    pub capabilities: CapabilitiesClient<Channel>,
}

impl Client {
    pub async fn connect(url: &str) -> Self {
        let endpoint = Endpoint::from_shared(url.replace("grpc://", "http://")).unwrap();
        Self::on(endpoint.connect().await.unwrap())
    }

    pub fn on(channel: Channel) -> Self {
        Self {
            cas: ContentAddressableStorageClient::new(channel.clone()),
            streams: ByteStreamClient::new(channel.clone()),
            actions: ActionCacheClient::new(channel.clone()),
            capabilities: CapabilitiesClient::new(channel),
        }
    }

    pub async fn missing(&mut self, digests: &[Digest]) -> Vec<Digest> {
        let request = reapi::FindMissingBlobsRequest {
            blob_digests: digests.iter().map(|digest| (*digest).into()).collect(),
            ..Default::default()
        };
        let answer = self.cas.find_missing_blobs(request).await.unwrap().into_inner();
        answer.missing_blob_digests.iter().map(|digest| digest.try_into().unwrap()).collect()
    }

    pub async fn has(&mut self, digest: &Digest) -> bool {
        self.missing(&[*digest]).await.is_empty()
    }

    pub async fn try_put(&mut self, bytes: &[u8]) -> Result<Digest, Code> {
        let digest = Digest::of(bytes);
        let one =
            batch_update_blobs_request::Request { digest: Some(digest.into()), data: bytes.to_vec(), compressor: 0 };
        let request = reapi::BatchUpdateBlobsRequest { requests: vec![one], ..Default::default() };
        let answer = self.cas.batch_update_blobs(request).await.map_err(|error| error.code())?.into_inner();
        let status = answer.responses[0].status.clone().unwrap();
        if status.code == 0 { Ok(digest) } else { Err(Code::from(status.code)) }
    }

    pub async fn put(&mut self, bytes: &[u8]) -> Digest {
        self.try_put(bytes).await.unwrap()
    }

    pub async fn put_message(&mut self, message: &impl Message) -> Digest {
        self.put(&message.encode_to_vec()).await
    }

    pub async fn get(&mut self, digest: &Digest) -> Result<Vec<u8>, Code> {
        let request = reapi::BatchReadBlobsRequest { digests: vec![(*digest).into()], ..Default::default() };
        let answer = self.cas.batch_read_blobs(request).await.map_err(|error| error.code())?.into_inner();
        let one = answer.responses[0].clone();
        let code = one.status.unwrap().code;
        if code == 0 { Ok(one.data) } else { Err(Code::from(code)) }
    }

    pub async fn read_part(&mut self, name: &str, offset: i64, limit: i64) -> Result<Vec<Vec<u8>>, Status> {
        let request = ReadRequest { resource_name: name.to_owned(), read_offset: offset, read_limit: limit };
        let mut stream = self.streams.read(request).await?.into_inner();
        let mut pieces = Vec::new();
        while let Some(message) = stream.message().await? {
            pieces.push(message.data);
        }
        Ok(pieces)
    }

    pub async fn read(&mut self, digest: &Digest) -> Result<Vec<u8>, Code> {
        self.read_part(&format!("blobs/{digest}"), 0, 0).await.map(|all| all.concat()).map_err(|error| error.code())
    }

    /// Writes messages as they are.
    pub async fn write(&mut self, messages: Vec<WriteRequest>) -> Result<i64, Status> {
        let answer = self.streams.write(tokio_stream::iter(messages)).await?;
        Ok(answer.into_inner().committed_size)
    }

    /// Writes bytes from an offset on, in pieces.
    pub async fn upload(&mut self, name: &str, bytes: &[u8], from: usize, piece: usize) -> Result<i64, Status> {
        self.write(pieces(name, bytes, from, piece)).await
    }

    pub async fn status(&mut self, name: &str) -> Result<(i64, bool), Status> {
        let request = QueryWriteStatusRequest { resource_name: name.to_owned() };
        let answer = self.streams.query_write_status(request).await?.into_inner();
        Ok((answer.committed_size, answer.complete))
    }

    pub async fn result(&mut self, action: &Digest) -> Result<reapi::ActionResult, Code> {
        let request = reapi::GetActionResultRequest { action_digest: Some((*action).into()), ..Default::default() };
        self.actions.get_action_result(request).await.map(tonic::Response::into_inner).map_err(|error| error.code())
    }

    pub async fn put_result(&mut self, action: &Digest, result: reapi::ActionResult) -> Result<(), Status> {
        let request = reapi::UpdateActionResultRequest {
            action_digest: Some((*action).into()),
            action_result: Some(result),
            ..Default::default()
        };
        self.actions.update_action_result(request).await.map(|_| ())
    }
}

/// The messages of an upload.
pub fn pieces(name: &str, bytes: &[u8], from: usize, piece: usize) -> Vec<WriteRequest> {
    let mut messages = Vec::new();
    let mut at = from;
    loop {
        let end = bytes.len().min(at + piece);
        messages.push(WriteRequest {
            resource_name: if at == from { name.to_owned() } else { String::new() },
            write_offset: at as i64,
            finish_write: end == bytes.len(),
            data: bytes[at..end].to_vec(),
        });
        at = end;
        if at == bytes.len() {
            return messages;
        }
    }
}

/// Runs a test's client side.
pub fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs") })
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A directory of files and directories.
pub fn directory(files: &[(&str, Digest)], directories: &[(&str, Digest)]) -> reapi::Directory {
    reapi::Directory {
        files: files
            .iter()
            .map(|(name, digest)| reapi::FileNode {
                name: (*name).to_owned(),
                digest: Some((*digest).into()),
                ..Default::default()
            })
            .collect(),
        directories: directories
            .iter()
            .map(|(name, digest)| reapi::DirectoryNode { name: (*name).to_owned(), digest: Some((*digest).into()) })
            .collect(),
        ..Default::default()
    }
}
