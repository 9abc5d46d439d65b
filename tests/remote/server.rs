//! A small server that does what it is told, also what no server should do.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dscript::cas::api::bytestream::byte_stream_server::ByteStreamServer;
use dscript::cas::api::longrunning::Operation;
use dscript::cas::api::longrunning::operations_server::OperationsServer;
use dscript::cas::api::reapi;
use dscript::cas::api::reapi::action_cache_server::ActionCacheServer;
use dscript::cas::api::reapi::capabilities_server::CapabilitiesServer;
use dscript::cas::api::reapi::content_addressable_storage_server::ContentAddressableStorageServer;
use dscript::cas::api::reapi::execution_server::ExecutionServer;
use dscript::cas::remote::{Remote, RemoteOptions};
use dscript::cas::{Digest, Store};
use prost::Message as _;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::ServerTlsConfig;
use tonic::{Code, Status};

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: &'static str,
    /// How many blobs it is about.
    pub blobs: usize,
    /// Where in a stream it begins.
    pub offset: u64,
    /// The size of its message, or of the largest of its messages.
    pub size: usize,
    /// The resource of a stream.
    pub name: String,
}

/// How the server misbehaves.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Methods that it does not know.
    pub unimplemented: HashSet<&'static str>,
    /// Methods that fail so many times more.
    pub failing: HashMap<&'static str, (Code, usize)>,
    /// What it says when a method fails or a message is too large, instead of its own words.
    pub says: Option<&'static str>,
    /// Streams have no end, and nothing in their messages.
    pub empty: bool,
    /// Methods that take long so many times more.
    pub slow: HashMap<&'static str, (Duration, usize)>,
    /// What it says its limit is.
    pub limit: i64,
    /// What its limit really is, and what it says about larger messages.
    pub true_limit: Option<(usize, Code)>,
    /// Blobs that it answers other bytes for.
    pub altered: HashMap<Digest, Vec<u8>>,
    /// Blobs that fail in batches, so many times more.
    pub failing_blobs: HashMap<Digest, (Code, usize)>,
    /// Methods whose answers have a blob that nobody asked about.
    pub extra: HashSet<&'static str>,
    /// The first blob of a batch is answered twice.
    pub twice: bool,
    /// The first blob of a batch is not answered.
    pub unanswered: bool,
    /// Streams break after so many bytes, so many times more.
    pub breaking: (usize, usize),
    /// Streams end without an error instead.
    pub ending: bool,
    /// It does not know how much of an upload has arrived.
    pub forgetful: bool,
    /// It answers uploads as soon as they begin, as if it had the blob.
    pub answers_early: bool,
    /// What it says it took of an upload, instead of what it did.
    pub committed: Option<i64>,
    /// It offers zstd.
    pub zstd: bool,
    /// It offers zstd and does not know it.
    pub zstd_lies: bool,
    /// Digest functions that it offers; SHA-256 where there are none.
    pub functions: Vec<i32>,
    /// Results of actions are not taken, and it says so.
    pub read_only: bool,
    /// The largest blob it takes.
    pub largest: i64,
    /// A header without which it refuses everything.
    pub header: Option<(String, String)>,
}

#[derive(Debug, Default)]
pub struct State {
    pub blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    pub uploads: Mutex<HashMap<String, (Vec<u8>, bool)>>,
    pub results: Mutex<HashMap<Digest, reapi::ActionResult>>,
    pub faults: Mutex<Faults>,
    pub calls: Mutex<Vec<Call>>,
    /// What comes on the next streams of operations: each ends with its list, or stays open where that ends with none.
    pub operations: Mutex<VecDeque<Vec<Option<Operation>>>>,
    pub cancelled: Mutex<Vec<String>>,
    pub tools: Mutex<HashSet<String>>,
    /// Requests that are told to take long and have not been answered: now, and how many there ever were.
    pub waiting: Mutex<(usize, usize)>,
}

impl State {
    /// What each method does first.
    pub async fn enter(&self, method: &'static str, metadata: &MetadataMap, call: Call) -> Result<(), Status> {
        self.calls.lock().unwrap().push(call);
        let key = "build.bazel.remote.execution.v2.requestmetadata-bin";
        if let Some(value) = metadata.get_bin(key) {
            let tool = reapi::RequestMetadata::decode(&value.to_bytes().unwrap()[..]).unwrap().tool_details.unwrap();
            self.tools.lock().unwrap().insert(tool.tool_name);
        }
        let wait = {
            let mut faults = self.faults.lock().unwrap();
            if let Some((name, value)) = &faults.header
                && metadata.get(name).and_then(|value| value.to_str().ok()) != Some(value)
            {
                return Err(Status::unauthenticated("who are you?"));
            }
            if faults.unimplemented.contains(method) {
                return Err(Status::unimplemented("never heard of it"));
            }
            let says = faults.says.unwrap_or("told to fail");
            if let Some((code, times)) = faults.failing.get_mut(method)
                && *times > 0
            {
                *times -= 1;
                return Err(Status::new(*code, says));
            }
            match faults.slow.get_mut(method) {
                Some((wait, times)) if *times > 0 => {
                    *times -= 1;
                    *wait
                }
                _ => Duration::ZERO,
            }
        };
        if wait > Duration::ZERO {
            let _waiting = Waiting::of(&self.waiting);
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

/// One request that waits, also where its client goes away meanwhile.
struct Waiting<'s>(&'s Mutex<(usize, usize)>);

impl<'s> Waiting<'s> {
    fn of(counts: &'s Mutex<(usize, usize)>) -> Self {
        let mut locked = counts.lock().unwrap();
        locked.0 += 1;
        locked.1 = locked.1.max(locked.0);
        drop(locked);
        Self(counts)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().0 -= 1;
    }
}

/// A server that runs until this is dropped.
pub struct Server {
    pub state: Arc<State>,
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    pub fn start_with(tls: Option<ServerTlsConfig>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let state = Arc::new(State::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let mut builder = tonic::transport::Server::builder();
        if let Some(tls) = tls {
            builder = builder.tls_config(tls).unwrap();
        }
        let router = builder
            .add_service(CapabilitiesServer::from_arc(state.clone()))
            .add_service(ContentAddressableStorageServer::from_arc(state.clone()))
            .add_service(ByteStreamServer::from_arc(state.clone()))
            .add_service(ActionCacheServer::from_arc(state.clone()))
            .add_service(ExecutionServer::from_arc(state.clone()))
            .add_service(OperationsServer::from_arc(state.clone()));
        runtime.spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { state, address, runtime: Some(runtime) }
    }

    pub fn endpoint(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// Options with which tests do not take long, nor fail on a machine that is busy.
    pub fn options(&self) -> RemoteOptions {
        options(&self.endpoint())
    }

    pub fn connect(&self) -> Remote {
        Remote::connect(self.options()).unwrap()
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.state.faults.lock().unwrap()
    }

    pub fn put(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.state.blobs.lock().unwrap().insert(digest, bytes.to_vec());
        digest
    }

    pub fn has(&self, digest: &Digest) -> bool {
        self.state.blobs.lock().unwrap().contains_key(digest)
    }

    pub fn drop_blob(&self, digest: &Digest) {
        self.state.blobs.lock().unwrap().remove(digest).unwrap();
    }

    /// The requests of a kind that have come so far.
    pub fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.state.calls.lock().unwrap();
        calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    pub fn forget_calls(&self) {
        self.state.calls.lock().unwrap().clear();
    }

    /// Puts a tree there: paths, and what is in the files; a path that ends in a slash is an empty directory.
    pub fn put_tree(&self, files: &[(&str, &[u8])]) -> Digest {
        let mut root = Folder::default();
        for (path, bytes) in files {
            let mut folder = &mut root;
            let mut names = path.split('/').peekable();
            while let Some(name) = names.next() {
                if names.peek().is_some() {
                    folder = folder.folders.entry(name.to_owned()).or_default();
                } else if !name.is_empty() {
                    folder.files.insert(name.to_owned(), bytes.to_vec());
                }
            }
        }
        self.put_folder(&root)
    }

    fn put_folder(&self, folder: &Folder) -> Digest {
        let files = folder.files.iter().map(|(name, bytes)| reapi::FileNode {
            name: name.clone(),
            digest: Some(self.put(bytes).into()),
            is_executable: name.ends_with(".sh"),
            ..reapi::FileNode::default()
        });
        let directories = folder.folders.iter().map(|(name, folder)| reapi::DirectoryNode {
            name: name.clone(),
            digest: Some(self.put_folder(folder).into()),
        });
        let directory = reapi::Directory {
            files: files.collect(),
            directories: directories.collect(),
            ..reapi::Directory::default()
        };
        self.put(&directory.encode_to_vec())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Default)]
struct Folder {
    files: std::collections::BTreeMap<String, Vec<u8>>,
    folders: std::collections::BTreeMap<String, Folder>,
}

pub fn options(endpoint: &str) -> RemoteOptions {
    RemoteOptions { deadline: Duration::from_secs(20), retries: 3, ..RemoteOptions::new(endpoint) }
}

/// An empty store.
pub fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

/// How many contents there are in a store.
pub fn count(store: &Store) -> u64 {
    store.stats().unwrap().blobs
}

/// That nothing is left of what did not become a content.
pub fn assert_tidy(store: &Store) {
    let pending: Vec<_> = std::fs::read_dir(store.folder().join("tmp")).unwrap().collect();
    assert!(pending.is_empty(), "{pending:?}");
    assert_eq!(store.verify(true).unwrap().removed, Vec::<std::path::PathBuf>::new());
}

/// That every directory in a store has all that it refers to, wherever it was interrupted.
pub fn assert_nothing_dangles(store: &Store, directories: &[Digest]) {
    for digest in directories {
        if !store.contains(digest).unwrap() {
            continue;
        }
        let directory = reapi::Directory::decode(&store.read(digest).unwrap()[..]).unwrap();
        let files = directory.files.iter().map(|node| node.digest.as_ref());
        for child in files.chain(directory.directories.iter().map(|node| node.digest.as_ref())) {
            let child = Digest::try_from(child.unwrap()).unwrap();
            assert!(store.contains(&child).unwrap(), "{digest} is there without {child}");
        }
    }
}

/// All directories that a server has below one.
pub fn directories(server: &Server, root: &Digest) -> Vec<Digest> {
    let mut all = vec![*root];
    let mut at = 0;
    while at < all.len() {
        let bytes = server.state.blobs.lock().unwrap()[&all[at]].clone();
        let directory = reapi::Directory::decode(&bytes[..]).unwrap();
        all.extend(directory.directories.iter().map(|node| Digest::try_from(node.digest.as_ref().unwrap()).unwrap()));
        at += 1;
    }
    all
}

/// Bytes that do not repeat and cannot be compressed much.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
