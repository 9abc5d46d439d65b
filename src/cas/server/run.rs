//! A server from its start to its end.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot, watch};
use tonic::service::Routes;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::ServerError;
use super::actions::Actions;
use super::auth::Keys;
use super::byte_stream::ByteStream;
use super::capabilities::Offer;
use super::contents::Contents;
use super::event::Event;
use super::guard::Guarded;
use super::listen;
use super::options::{ServerOptions, TlsFiles};
use super::read::Reading;
use super::requests::MESSAGE;
use super::storage::Storage;
use super::uploads::Uploads;
use super::write::Writing;
use crate::cas::api::reapi::action_cache_server::ActionCacheServer;
use crate::cas::api::reapi::capabilities_server::CapabilitiesServer;
use crate::cas::api::reapi::content_addressable_storage_server::ContentAddressableStorageServer;
use crate::cas::chain::chain;

// How much may be on its way from a client, and so may wait here until it is looked at: in one stream, in all streams of a
// connection, and in one frame, which is not counted by the others until it is whole. For the first connections, which
// may be far away and fast, and for the others, of which there may be thousands.
const ROOMY: [u32; 3] = [2 << 20, 4 << 20, 1 << 20];
const TIGHT: [u32; 3] = [128 << 10, 256 << 10, 64 << 10];

// Requests of one connection at a time.
const STREAMS: u32 = 256;

// Threads for work with files.
const FILE_THREADS: usize = 64;

// How often the last uses are written down, uploads that broke off are looked at, and files of tokens.
const SAVE: Duration = Duration::from_secs(300);
const CLEAN: Duration = Duration::from_secs(10);
const RELOAD: Duration = Duration::from_secs(5);

/// A server.
#[derive(Debug)]
pub struct Server;

/// A server that has its address and its folder, and serves when it is told to. Clients that connect before wait.
#[derive(Debug)]
pub struct Bound {
    options: ServerOptions,
    listener: TcpListener,
    address: SocketAddr,
    storage: Arc<Storage>,
    keys: Arc<Keys>,
    tls: Option<ServerTlsConfig>,
}

/// A server that runs on threads of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Server {
    /// Opens the folder and begins to listen.
    ///
    /// # Errors
    /// When the options make no sense, another process uses the folder, or the address cannot be listened on.
    pub fn bind(options: ServerOptions) -> Result<Bound, ServerError> {
        options.check()?;
        more_files();
        let keys = Keys::load(&options)?;
        let tls = options.tls.as_ref().map(tls).transpose()?;
        let failed = |source| ServerError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let storage = Arc::new(Storage::open(&options.folder, options.max_size, options.listener.clone())?);
        Ok(Bound { listener, address, storage, keys, tls, options })
    }
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as clients are told: `grpc://127.0.0.1:1234`, or `grpcs://…` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "grpcs" } else { "grpc" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `shutdown` is done, then for at most [`ServerOptions::grace`] what has begun. Blocks.
    ///
    /// # Errors
    /// When the system refuses threads or sockets, or last uses cannot be written down at the end.
    pub fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let cores = thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.max(2))
            .max_blocking_threads(FILE_THREADS)
            .thread_name("cas-server")
            .enable_all()
            .build()
            .map_err(|error| ServerError::Serve(error.to_string()))?;
        let storage = Arc::clone(&self.storage);
        let served = runtime.block_on(self.serve(shutdown));
        end(runtime);
        storage.save()?;
        served
    }

    /// Serves on other threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(self) -> Result<Running, ServerError> {
        let (address, url) = (self.address, self.url());
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("cas-server".to_owned()).spawn(move || {
            self.run(async move {
                // It is also the end when nobody is left who could say so.
                let _ = stopped.await;
            })
        });
        let thread = thread.map_err(|error| ServerError::Serve(error.to_string()))?;
        Ok(Running { address, url, stop: Some(stop), thread: Some(thread) })
    }

    async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServerError> {
        let Self { options, listener, storage, keys, tls, .. } = self;
        let ServerOptions { patience, max_requests, grace, .. } = options;
        let failed = |error: &dyn std::fmt::Display| ServerError::Serve(error.to_string());
        let uploads = Arc::new(Uploads::new(Arc::clone(&storage), options.keep_uploads));
        let streams = Arc::new(Semaphore::new(max_requests));
        let requests = Some((Arc::new(Semaphore::new(max_requests)), patience));

        let contents = Contents {
            storage: Arc::clone(&storage),
            uploads: Arc::clone(&uploads),
            streams: Arc::clone(&streams),
            patience,
        };
        let actions = Actions { storage: Arc::clone(&storage), uploads: Arc::clone(&uploads) };
        let byte_stream = ByteStream {
            reading: Reading { storage: Arc::clone(&storage), patience },
            writing: Writing { storage: Arc::clone(&storage), uploads: Arc::clone(&uploads), patience },
            streams,
        };
        let guard = |limit| (Arc::clone(&keys), limit);
        let routes = Routes::new(guarded(
            ContentAddressableStorageServer::new(contents).max_decoding_message_size(MESSAGE),
            guard(requests.clone()),
        ))
        .add_service(guarded(byte_stream, guard(None)))
        .add_service(guarded(
            ActionCacheServer::new(actions).max_decoding_message_size(MESSAGE),
            guard(requests.clone()),
        ))
        .add_service(guarded(CapabilitiesServer::new(Offer { max_size: options.max_size }), guard(requests)));

        let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| failed(&error))?;
        let [roomy, tight] = listen::accept(listener, options.max_connections, patience);
        let upkeep = tokio::spawn(upkeep(Arc::clone(&storage), uploads, options.keep_uploads, keys));
        let (told, heard) = watch::channel(false);
        let on = |incoming: listen::Incoming, windows| {
            let (server, mut heard) = (server(windows, tls.clone()), heard.clone());
            let routes = routes.clone();
            async move {
                let stopped = async move {
                    let _ = heard.wait_for(|told| *told).await;
                };
                let served = server?.add_routes(routes).serve_with_incoming_shutdown(incoming, stopped).await;
                served.map_err(|error| failed(&error))
            }
        };
        let both = async { tokio::try_join!(on(roomy, ROOMY), on(tight, TIGHT)).map(|_| ()) };
        let served = tokio::select! {
            served = both => served,
            // Clients that do not come to an end are cut off.
            () = async { shutdown.await; let _ = told.send(true); tokio::time::sleep(grace).await } => Ok(()),
        };
        upkeep.abort();
        served
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as clients are told.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server, and waits for that.
    ///
    /// # Errors
    /// Those of [`Bound::run`].
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServerError> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(ServerError::Serve("a thread of it panicked".to_owned())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.end();
    }
}

fn server(
    [stream, connection, frame]: [u32; 3],
    tls: Option<ServerTlsConfig>,
) -> Result<tonic::transport::Server, ServerError> {
    let server = tonic::transport::Server::builder()
        .initial_stream_window_size(stream)
        .initial_connection_window_size(connection)
        .max_frame_size(frame)
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)));
    match tls {
        Some(tls) => server.tls_config(tls).map_err(|error| ServerError::Tls(chain(&error))),
        None => Ok(server),
    }
}

fn guarded<S>(inner: S, (keys, limit): (Arc<Keys>, Option<(Arc<Semaphore>, Duration)>)) -> Guarded<S> {
    Guarded { inner, keys, limit }
}

// What is at work with files comes to its end; what waits for a disk that does not answer is not waited for.
fn end(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(5));
}

// What has to be done from time to time.
async fn upkeep(storage: Arc<Storage>, uploads: Arc<Uploads>, keep: Duration, keys: Arc<Keys>) {
    let mut save = tokio::time::interval(SAVE);
    let mut clean = tokio::time::interval(keep.clamp(Duration::from_secs(1), CLEAN));
    let mut reload = tokio::time::interval(RELOAD);
    save.tick().await;
    loop {
        let work: Box<dyn FnOnce() -> Vec<Event> + Send> = tokio::select! {
            _ = save.tick() => {
                let storage = Arc::clone(&storage);
                Box::new(move || storage.save().err().map(|error| Event::Failed(error.to_string())).into_iter().collect())
            }
            _ = clean.tick() => {
                let uploads = Arc::clone(&uploads);
                Box::new(move || { uploads.clean(); Vec::new() })
            }
            _ = reload.tick() => {
                let keys = Arc::clone(&keys);
                Box::new(move || keys.reload())
            }
        };
        // What panicked has been told.
        for event in tokio::task::spawn_blocking(work).await.unwrap_or_default() {
            storage.tell(&event);
        }
    }
}

fn tls(files: &TlsFiles) -> Result<ServerTlsConfig, ServerError> {
    let read = |path: &Path| fs::read(path).map_err(|source| ServerError::File { path: path.to_owned(), source });
    let identity = Identity::from_pem(read(&files.certificate)?, read(&files.key)?);
    let mut config = ServerTlsConfig::new().identity(identity).timeout(Duration::from_secs(20));
    if let Some(authority) = &files.client_ca {
        config = config.client_ca_root(Certificate::from_pem(read(authority)?));
    }
    // Bad files are found now, and not when the first client comes.
    let checked = tonic::transport::Server::builder().tls_config(config.clone());
    checked.map_err(|error| ServerError::Tls(chain(&error)))?;
    Ok(config)
}

// Each connection and each upload has a file descriptor: as many as the system lets this process have.
fn more_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // It goes on with fewer.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
