//! A server of the Remote Execution API in this process, for tests: it has contents and results in memory, really runs
//! actions, each in a folder of its own, and can be told to misbehave.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dscript::cas::Digest;
use dscript::cas::api::longrunning::operations_server::{Operations, OperationsServer};
use dscript::cas::api::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest, ListOperationsResponse,
    Operation, WaitOperationRequest, operation,
};
use dscript::cas::api::reapi::action_cache_server::{ActionCache, ActionCacheServer};
use dscript::cas::api::reapi::capabilities_server::{Capabilities, CapabilitiesServer};
use dscript::cas::api::reapi::content_addressable_storage_server::{
    ContentAddressableStorage, ContentAddressableStorageServer,
};
use dscript::cas::api::reapi::execution_server::{Execution, ExecutionServer};
use dscript::cas::api::reapi::{self, batch_read_blobs_response, batch_update_blobs_response};
use dscript::cas::api::{protobuf, rpc};
use prost::Message;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, async_trait};

type Operations_ = Pin<Box<dyn Stream<Item = Result<Operation, Status>> + Send>>;

/// What the server does wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Declared output files do not come back.
    DropsOutputs,
    /// Output directories hold a file with this name.
    NamesFile(String),
    /// Output directories hold a link with this name and target.
    AddsLink(String, String),
    /// More comes back than was asked for, with paths that lead elsewhere.
    AddsOutputs,
    /// Trees of output directories are no messages.
    ScramblesTrees,
    /// Contents of outputs are not kept.
    LosesBlobs,
    /// Every execution ends with this status.
    Status(Code),
    /// The first execution says that inputs are missing, and those are thrown away.
    ForgetsInputs,
    /// The first stream ends early, and nobody knows of the operation afterwards.
    LosesOperation,
    /// Without being asked to skip the cache, every action has this exit code, from the cache.
    RemembersFailure(i32),
    /// Executions never end.
    Hangs,
    /// Contents are asked for, and nothing comes.
    HangsReads,
    /// Contents arrive, and nobody says so.
    HangsUploads,
    /// Every request is answered with UNAVAILABLE.
    Unavailable,
}

/// The server.
pub struct Executor {
    pub address: SocketAddr,
    pub state: Arc<State>,
    // Ends the server's threads when dropped.
    _runtime: tokio::runtime::Runtime,
}

/// What it has, and what it was asked for.
#[derive(Default)]
pub struct State {
    blobs: Mutex<HashMap<String, Vec<u8>>>,
    results: Mutex<BTreeMap<String, reapi::ActionResult>>,
    fault: Mutex<Fault>,
    /// Commands that were executed.
    commands: Mutex<Vec<reapi::Command>>,
    actions: Mutex<Vec<reapi::Action>>,
    pub executed: AtomicUsize,
    /// How many executions were asked for.
    pub asked: AtomicUsize,
    /// How many requests will never be answered.
    pub hanging: AtomicUsize,
    pub cancelled: AtomicUsize,
    faults: AtomicUsize,
    running: AtomicUsize,
    pub most_running: AtomicUsize,
}

impl Executor {
    /// Starts it on a free port of this machine.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let state = Arc::new(State::default());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service(state.clone());
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(ContentAddressableStorageServer::new(service.clone()))
                .add_service(ActionCacheServer::new(service.clone()))
                .add_service(CapabilitiesServer::new(service.clone()))
                .add_service(ExecutionServer::new(service.clone()))
                .add_service(OperationsServer::new(service))
                .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
        );
        Self { address, state, _runtime: runtime }
    }

    /// What `--remote-executor` is given.
    pub fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// Does something wrong from now on.
    pub fn misbehave(&self, fault: Fault) {
        *lock(&self.state.fault) = fault;
        self.state.faults.store(0, Ordering::SeqCst);
    }

    /// The commands that were executed.
    pub fn commands(&self) -> Vec<reapi::Command> {
        lock(&self.state.commands).clone()
    }

    /// The actions that were executed.
    pub fn actions(&self) -> Vec<reapi::Action> {
        lock(&self.state.actions).clone()
    }

    /// The keys of the results that are kept.
    pub fn results(&self) -> Vec<String> {
        lock(&self.state.results).keys().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Service(Arc<State>);

impl State {
    fn put(&self, bytes: Vec<u8>) -> reapi::Digest {
        let digest = Digest::of(&bytes);
        lock(&self.blobs).insert(digest.hex(), bytes);
        digest.into()
    }

    fn get(&self, digest: Option<&reapi::Digest>) -> Option<Vec<u8>> {
        let digest = digest?;
        match digest.size_bytes {
            0 => Some(Vec::new()),
            _ => lock(&self.blobs).get(&digest.hash).cloned(),
        }
    }

    fn fault(&self) -> Fault {
        lock(&self.fault).clone()
    }

    /// Does not answer, if this is the fault.
    async fn hang_if(&self, fault: Fault) {
        if self.fault() == fault {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
    }

    /// Whether this is the first time that a fault shows.
    fn first(&self) -> bool {
        self.faults.fetch_add(1, Ordering::SeqCst) == 0
    }

    fn reachable(&self) -> Result<(), Status> {
        match self.fault() {
            Fault::Unavailable => Err(Status::unavailable("it is told not to be there")),
            _ => Ok(()),
        }
    }

    /// Runs an action, or says which of its blobs is missing.
    fn run(&self, digest: &reapi::Digest) -> Result<reapi::ActionResult, String> {
        let missing = |digest: Option<&reapi::Digest>| digest.map_or(String::new(), |digest| digest.hash.clone());
        let read = |digest: Option<&reapi::Digest>| self.get(digest).ok_or_else(|| missing(digest));
        let action = reapi::Action::decode(&*read(Some(digest))?).map_err(|error| error.to_string())?;
        let command =
            reapi::Command::decode(&*read(action.command_digest.as_ref())?).map_err(|error| error.to_string())?;
        // Not below /tmp: who is there may use all of it.
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        self.materialize(action.input_root_digest.as_ref(), &root)?;
        let working = root.join(&command.working_directory);
        assert!(working.is_dir(), "the working directory is part of the input root");
        assert!(command.output_paths.is_sorted(), "output paths are sorted");
        for output in &command.output_paths {
            if let Some(parent) = working.join(output).parent() {
                fs::create_dir_all(parent).unwrap();
            }
        }
        self.executed.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let timeout = action.timeout.map_or(Duration::from_secs(60), |timeout| {
            Duration::new(timeout.seconds.cast_unsigned(), timeout.nanos.cast_unsigned())
        });
        lock(&self.commands).push(command.clone());
        lock(&self.actions).push(action);
        let ran = execute(&command, &working, place.path(), timeout);
        self.running.fetch_sub(1, Ordering::SeqCst);
        let Some((exit_code, stdout, stderr)) = ran else { return Err("DEADLINE".to_owned()) };
        let mut result = reapi::ActionResult { exit_code, ..reapi::ActionResult::default() };
        // Standard output is sent along when it is short, standard error always as a blob.
        match stdout.len() {
            0..100 => result.stdout_raw = stdout,
            _ => result.stdout_digest = Some(self.put(stdout)),
        }
        result.stderr_digest = Some(self.put(stderr));
        for output in &command.output_paths {
            self.collect(&working, output, &mut result);
        }
        Ok(result)
    }

    fn materialize(&self, digest: Option<&reapi::Digest>, folder: &Path) -> Result<(), String> {
        let missing = |digest: Option<&reapi::Digest>| digest.map_or(String::new(), |digest| digest.hash.clone());
        let bytes = self.get(digest).ok_or_else(|| missing(digest))?;
        let directory = reapi::Directory::decode(&*bytes).map_err(|error| error.to_string())?;
        for file in &directory.files {
            let bytes = self.get(file.digest.as_ref()).ok_or_else(|| missing(file.digest.as_ref()))?;
            let path = folder.join(&file.name);
            fs::write(&path, bytes).unwrap();
            let mode = if file.is_executable { 0o755 } else { 0o644 };
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for link in &directory.symlinks {
            std::os::unix::fs::symlink(&link.target, folder.join(&link.name)).unwrap();
        }
        for below in &directory.directories {
            let path = folder.join(&below.name);
            fs::create_dir(&path).unwrap();
            self.materialize(below.digest.as_ref(), &path)?;
        }
        Ok(())
    }

    fn collect(&self, working: &Path, output: &str, result: &mut reapi::ActionResult) {
        let path = working.join(output);
        let Ok(metadata) = fs::symlink_metadata(&path) else { return };
        let output = output.to_owned();
        if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
            result.output_symlinks.push(reapi::OutputSymlink { path: output, target, node_properties: None });
        } else if metadata.is_dir() {
            let mut children = Vec::new();
            let root = self.directory(&path, &mut children, true);
            let tree = reapi::Tree { root: Some(root), children };
            let mut bytes = tree.encode_to_vec();
            if self.fault() == Fault::ScramblesTrees {
                bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
                bytes.push(0xff);
            }
            result.output_directories.push(reapi::OutputDirectory {
                path: output,
                tree_digest: Some(self.put(bytes)),
                ..reapi::OutputDirectory::default()
            });
        } else {
            let digest = Some(self.put(fs::read(&path).unwrap()));
            let is_executable = metadata.permissions().mode() & 0o100 != 0;
            result.output_files.push(reapi::OutputFile {
                path: output,
                digest,
                is_executable,
                ..reapi::OutputFile::default()
            });
        }
    }

    fn directory(&self, folder: &Path, children: &mut Vec<reapi::Directory>, is_root: bool) -> reapi::Directory {
        let mut directory = reapi::Directory::default();
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
                directory.symlinks.push(reapi::SymlinkNode { name, target, node_properties: None });
            } else if metadata.is_dir() {
                let below = self.directory(&path, children, false);
                let digest = Some(Digest::of(&below.encode_to_vec()).into());
                children.push(below);
                directory.directories.push(reapi::DirectoryNode { name, digest });
            } else {
                let digest = Some(self.put(fs::read(&path).unwrap()));
                let is_executable = metadata.permissions().mode() & 0o100 != 0;
                directory.files.push(reapi::FileNode { name, digest, is_executable, node_properties: None });
            }
        }
        if is_root {
            match self.fault() {
                Fault::NamesFile(name) => {
                    let digest = Some(self.put(b"evil".to_vec()));
                    directory.files.push(reapi::FileNode { name, digest, ..reapi::FileNode::default() });
                    directory.files.sort_by(|left, right| left.name.cmp(&right.name));
                }
                Fault::AddsLink(name, target) => {
                    directory.symlinks.push(reapi::SymlinkNode { name, target, node_properties: None });
                    directory.symlinks.sort_by(|left, right| left.name.cmp(&right.name));
                }
                _ => {}
            }
        }
        directory
    }

    /// What the server makes of a good result when it is told to misbehave.
    fn spoil(&self, result: &mut reapi::ActionResult) {
        match self.fault() {
            Fault::DropsOutputs => result.output_files.clear(),
            Fault::AddsOutputs => {
                let digest = Some(self.put(b"evil".to_vec()));
                let known = result.output_files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
                for path in ["../../../../evil", "/tmp/evil-absolute", "unasked", "../unasked/too"] {
                    assert!(!known.contains(&path.to_owned()));
                    result.output_files.push(reapi::OutputFile {
                        path: path.to_owned(),
                        digest: digest.clone(),
                        ..reapi::OutputFile::default()
                    });
                }
            }
            Fault::LosesBlobs => {
                let mut blobs = lock(&self.blobs);
                for file in &result.output_files {
                    blobs.remove(&file.digest.as_ref().unwrap().hash);
                }
            }
            _ => {}
        }
    }
}

/// Runs a command. None when it took too long.
fn execute(
    command: &reapi::Command,
    working: &Path,
    scratch: &Path,
    timeout: Duration,
) -> Option<(i32, Vec<u8>, Vec<u8>)> {
    let program = &command.arguments[0];
    let program = if program.starts_with('/') { PathBuf::from(program) } else { working.join(program) };
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let mut builder = Command::new(program);
    builder.args(&command.arguments[1..]).current_dir(working).env_clear().stdin(Stdio::null());
    builder.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    for variable in &command.environment_variables {
        builder.env(&variable.name, &variable.value);
    }
    // As sandboxes do.
    builder.env("PWD", working);
    let mut child = match builder.spawn() {
        Ok(child) => child,
        Err(error) => return Some((127, Vec::new(), format!("{error}\n").into_bytes())),
    };
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > timeout => {
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let code = status.code().unwrap_or_else(|| 128 + std::os::unix::process::ExitStatusExt::signal(&status).unwrap());
    Some((code, fs::read(out).unwrap(), fs::read(err).unwrap()))
}

fn done(name: &str, response: &reapi::ExecuteResponse) -> Operation {
    let value = response.encode_to_vec();
    let type_url = "type.googleapis.com/build.bazel.remote.execution.v2.ExecuteResponse".to_owned();
    Operation {
        name: name.to_owned(),
        done: true,
        result: Some(operation::Result::Response(protobuf::Any { type_url, value })),
        ..Operation::default()
    }
}

fn stream(operations: Vec<Operation>) -> Operations_ {
    Box::pin(tokio_stream::iter(operations.into_iter().map(Ok)))
}

#[async_trait]
impl Execution for Service {
    type ExecuteStream = Operations_;
    type WaitExecutionStream = Operations_;

    async fn execute(&self, request: Request<reapi::ExecuteRequest>) -> Result<Response<Operations_>, Status> {
        self.0.reachable()?;
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let request = request.into_inner();
        let digest = request.action_digest.ok_or_else(|| Status::invalid_argument("no action"))?;
        let begun = Operation { name: "operations/1".to_owned(), ..Operation::default() };
        let mut response = reapi::ExecuteResponse::default();
        match self.0.fault() {
            Fault::Hangs => {
                let first = tokio_stream::once(Ok(begun));
                return Ok(Response::new(Box::pin(tokio_stream::StreamExt::chain(first, tokio_stream::pending()))));
            }
            Fault::LosesOperation if self.0.first() => return Ok(Response::new(stream(vec![begun]))),
            Fault::Status(code) => {
                let message = "it is told to".to_owned();
                response.status = Some(rpc::Status { code: code as i32, message, details: Vec::new() });
                return Ok(Response::new(stream(vec![begun, done("operations/1", &response)])));
            }
            Fault::ForgetsInputs if self.0.first() => {
                lock(&self.0.blobs).clear();
            }
            Fault::RemembersFailure(exit_code) if !request.skip_cache_lookup => {
                response.cached_result = true;
                response.result = Some(reapi::ActionResult { exit_code, ..reapi::ActionResult::default() });
                return Ok(Response::new(stream(vec![begun, done("operations/1", &response)])));
            }
            _ => {}
        }
        let known = lock(&self.0.results).get(&digest.hash).cloned().filter(|_| !request.skip_cache_lookup);
        if let Some(known) = known {
            response.cached_result = true;
            response.result = Some(known);
            return Ok(Response::new(stream(vec![done("operations/1", &response)])));
        }
        let state = self.0.clone();
        let hash = digest.hash.clone();
        let ran = tokio::task::spawn_blocking(move || state.run(&digest)).await.unwrap();
        match ran {
            Ok(mut result) => {
                if result.exit_code == 0 {
                    lock(&self.0.results).insert(hash, result.clone());
                }
                self.0.spoil(&mut result);
                response.result = Some(result);
            }
            Err(text) if text == "DEADLINE" => {
                let message = "it took too long".to_owned();
                response.status =
                    Some(rpc::Status { code: Code::DeadlineExceeded as i32, message, details: Vec::new() });
            }
            Err(missing) => {
                let violation = precondition(&missing);
                response.status = Some(rpc::Status {
                    code: Code::FailedPrecondition as i32,
                    message: "blobs are missing".to_owned(),
                    details: vec![violation],
                });
            }
        }
        Ok(Response::new(stream(vec![begun, done("operations/1", &response)])))
    }

    async fn wait_execution(&self, _: Request<reapi::WaitExecutionRequest>) -> Result<Response<Operations_>, Status> {
        Err(Status::not_found("nobody knows of it"))
    }
}

/// `google.rpc.PreconditionFailure` with one missing blob.
fn precondition(hash: &str) -> protobuf::Any {
    #[derive(Clone, PartialEq, Message)]
    struct Violation {
        #[prost(string, tag = "1")]
        kind: String,
        #[prost(string, tag = "2")]
        subject: String,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Failure {
        #[prost(message, repeated, tag = "1")]
        violations: Vec<Violation>,
    }
    let violation = Violation { kind: "MISSING".to_owned(), subject: format!("blobs/{hash}/1") };
    protobuf::Any {
        type_url: "type.googleapis.com/google.rpc.PreconditionFailure".to_owned(),
        value: Failure { violations: vec![violation] }.encode_to_vec(),
    }
}

#[async_trait]
impl Operations for Service {
    async fn list_operations(
        &self,
        _: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        Err(Status::unimplemented("no lists"))
    }

    async fn get_operation(&self, _: Request<GetOperationRequest>) -> Result<Response<Operation>, Status> {
        Err(Status::unimplemented("no questions"))
    }

    async fn delete_operation(&self, _: Request<DeleteOperationRequest>) -> Result<Response<protobuf::Empty>, Status> {
        Err(Status::unimplemented("nothing is deleted"))
    }

    async fn cancel_operation(&self, _: Request<CancelOperationRequest>) -> Result<Response<protobuf::Empty>, Status> {
        self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(protobuf::Empty::default()))
    }

    async fn wait_operation(&self, _: Request<WaitOperationRequest>) -> Result<Response<Operation>, Status> {
        Err(Status::unimplemented("no waiting"))
    }
}

#[async_trait]
impl Capabilities for Service {
    async fn get_capabilities(
        &self,
        _: Request<reapi::GetCapabilitiesRequest>,
    ) -> Result<Response<reapi::ServerCapabilities>, Status> {
        let sha = reapi::digest_function::Value::Sha256 as i32;
        Ok(Response::new(reapi::ServerCapabilities {
            cache_capabilities: Some(reapi::CacheCapabilities {
                digest_functions: vec![sha],
                ..reapi::CacheCapabilities::default()
            }),
            execution_capabilities: Some(reapi::ExecutionCapabilities {
                digest_function: sha,
                exec_enabled: true,
                ..reapi::ExecutionCapabilities::default()
            }),
            ..reapi::ServerCapabilities::default()
        }))
    }
}

#[async_trait]
impl ActionCache for Service {
    async fn get_action_result(
        &self,
        request: Request<reapi::GetActionResultRequest>,
    ) -> Result<Response<reapi::ActionResult>, Status> {
        self.0.reachable()?;
        let digest = request.into_inner().action_digest.unwrap_or_default();
        let known = lock(&self.0.results).get(&digest.hash).cloned();
        known.map(Response::new).ok_or_else(|| Status::not_found("no result"))
    }

    async fn update_action_result(
        &self,
        request: Request<reapi::UpdateActionResultRequest>,
    ) -> Result<Response<reapi::ActionResult>, Status> {
        self.0.reachable()?;
        let request = request.into_inner();
        let result = request.action_result.unwrap_or_default();
        lock(&self.0.results).insert(request.action_digest.unwrap_or_default().hash, result.clone());
        Ok(Response::new(result))
    }
}

#[async_trait]
impl ContentAddressableStorage for Service {
    type GetTreeStream = Pin<Box<dyn Stream<Item = Result<reapi::GetTreeResponse, Status>> + Send>>;

    async fn find_missing_blobs(
        &self,
        request: Request<reapi::FindMissingBlobsRequest>,
    ) -> Result<Response<reapi::FindMissingBlobsResponse>, Status> {
        self.0.reachable()?;
        let mut missing = request.into_inner().blob_digests;
        missing.retain(|digest| self.0.get(Some(digest)).is_none());
        Ok(Response::new(reapi::FindMissingBlobsResponse { missing_blob_digests: missing }))
    }

    async fn batch_update_blobs(
        &self,
        request: Request<reapi::BatchUpdateBlobsRequest>,
    ) -> Result<Response<reapi::BatchUpdateBlobsResponse>, Status> {
        self.0.reachable()?;
        self.0.hang_if(Fault::HangsUploads).await;
        let put = |one: reapi::batch_update_blobs_request::Request| {
            assert_eq!(Digest::of(&one.data).hex(), one.digest.clone().unwrap_or_default().hash);
            self.0.put(one.data);
            batch_update_blobs_response::Response { digest: one.digest, status: Some(rpc::Status::default()) }
        };
        let responses = request.into_inner().requests.into_iter().map(put).collect();
        Ok(Response::new(reapi::BatchUpdateBlobsResponse { responses }))
    }

    async fn batch_read_blobs(
        &self,
        request: Request<reapi::BatchReadBlobsRequest>,
    ) -> Result<Response<reapi::BatchReadBlobsResponse>, Status> {
        self.0.reachable()?;
        // Clients ask for nothing to find out whether they may ask.
        if request.get_ref().digests.iter().any(|digest| digest.size_bytes > 0) {
            self.0.hang_if(Fault::HangsReads).await;
        }
        let read = |digest: reapi::Digest| {
            let data = self.0.get(Some(&digest));
            let code = if data.is_some() { Code::Ok } else { Code::NotFound };
            batch_read_blobs_response::Response {
                digest: Some(digest),
                data: data.unwrap_or_default(),
                status: Some(rpc::Status { code: code as i32, ..rpc::Status::default() }),
                ..batch_read_blobs_response::Response::default()
            }
        };
        let responses = request.into_inner().digests.into_iter().map(read).collect();
        Ok(Response::new(reapi::BatchReadBlobsResponse { responses }))
    }

    async fn get_tree(&self, _: Request<reapi::GetTreeRequest>) -> Result<Response<Self::GetTreeStream>, Status> {
        Err(Status::unimplemented("no trees"))
    }

    type GetChunkMappingStream = Pin<Box<dyn Stream<Item = Result<reapi::GetChunkMappingResponse, Status>> + Send>>;

    async fn get_chunk_mapping(
        &self,
        _: Request<reapi::GetChunkMappingRequest>,
    ) -> Result<Response<Self::GetChunkMappingStream>, Status> {
        Err(Status::unimplemented("no chunks"))
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<tonic::Streaming<reapi::RegisterChunkMappingRequest>>,
    ) -> Result<Response<reapi::RegisterChunkMappingResponse>, Status> {
        Err(Status::unimplemented("no chunks"))
    }

    async fn split_blob(
        &self,
        _: Request<reapi::SplitBlobRequest>,
    ) -> Result<Response<reapi::SplitBlobResponse>, Status> {
        Err(Status::unimplemented("no splitting"))
    }

    async fn splice_blob(
        &self,
        _: Request<reapi::SpliceBlobRequest>,
    ) -> Result<Response<reapi::SpliceBlobResponse>, Status> {
        Err(Status::unimplemented("no splicing"))
    }
}
