//! A storm: servers that are killed, clients that are killed, connections that are cut, blobs that are damaged, a disk
//! that is full. Run by hand: `SOAK_SECONDS=600 cargo test --release --test cas_soak -- --ignored --nocapture`.
//!
//! It holds when every blob that was given out was what its name says, nothing hung, every stored blob is sound in the
//! end, and no result and no fetched directory lacks anything.

#![cfg(target_os = "linux")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a soak test lives by the clock, and tells what it did"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dscript::cas::api::bytestream::byte_stream_client::ByteStreamClient;
use dscript::cas::api::bytestream::{QueryWriteStatusRequest, ReadRequest, WriteRequest};
use dscript::cas::api::reapi::action_cache_client::ActionCacheClient;
use dscript::cas::api::reapi::content_addressable_storage_client::ContentAddressableStorageClient;
use dscript::cas::api::reapi::{self, batch_update_blobs_request};
use dscript::cas::remote::{Blob, Remote, RemoteOptions};
use dscript::cas::{Digest, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

const MIB: usize = 1024 * 1024;

// Longer than this nothing may take, whatever happens around it.
const HANG: Duration = Duration::from_secs(90);

const INSIDE: &str = "DSCRIPT_SOAK_FOLDER";
const CLIENT: &str = "DSCRIPT_SOAK_CLIENT";

#[test]
#[ignore = "takes ten minutes"]
fn soak() {
    if let Ok(url) = std::env::var(CLIENT) {
        // One of the clients that are killed.
        let seed = u64::from(std::process::id());
        runtime().block_on(client(Arc::new(World::new(vec![url], Duration::from_secs(3600))), seed));
        return;
    }
    if let Ok(folder) = std::env::var(INSIDE) {
        storm(Path::new(&folder), true);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A small disk of its own, where one may be made; this test again, with that disk.
    let script =
        "mount -t tmpfs -o size=160m none \"$DSCRIPT_SOAK_FOLDER\" && exec \"$0\" soak --exact --ignored --nocapture";
    let inside = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none \"$1\"", "sh"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .status();
    if inside.is_ok_and(|status| status.success()) {
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, folder.path())
            .status()
            .unwrap();
        assert!(status.success());
    } else {
        println!("no file system can be mounted here: the disk will not be full");
        storm(folder.path(), false);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()
}

/// What everybody knows.
struct World {
    urls: Vec<String>,
    until: Instant,
    // Digests that have been put in, with what makes their bytes again.
    known: Mutex<Vec<(Digest, usize, u64)>>,
    results: Mutex<Vec<Digest>>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl World {
    fn new(urls: Vec<String>, time: Duration) -> Self {
        Self {
            urls,
            until: Instant::now() + time,
            known: Mutex::default(),
            results: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    fn over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn count(&self, what: impl Into<String>) {
        *self.counts.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    fn know(&self, digest: Digest, size: usize, seed: u64) {
        let mut known = self.known.lock().unwrap();
        known.push((digest, size, seed));
        if known.len() > 20_000 {
            known.drain(..10_000);
        }
    }

    fn any_known(&self, random: &mut Random) -> Option<(Digest, usize, u64)> {
        let known = self.known.lock().unwrap();
        // Mostly those that came lately.
        let span = if random.below(3) == 0 { known.len() } else { known.len().min(200) };
        (span > 0).then(|| known[known.len() - 1 - random.below(span as u64) as usize])
    }
}

fn storm(folder: &Path, small_disk: bool) {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let runtime = runtime();
    let (proxy, cuts) = runtime.block_on(proxy(port));
    let urls = vec![format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{proxy}")];
    let world = Arc::new(World::new(urls.clone(), Duration::from_secs(seconds)));
    let store = folder.join("store");
    let damaged = Arc::new(Mutex::new(BTreeSet::new()));

    let servers = {
        let (world, store, damaged) = (Arc::clone(&world), store.clone(), Arc::clone(&damaged));
        std::thread::spawn(move || servers(&world, &store, port, small_disk, &damaged))
    };
    let doomed = {
        let (world, urls) = (Arc::clone(&world), urls.clone());
        std::thread::spawn(move || doomed_clients(&world, &urls))
    };
    let tasks: Vec<_> = (0..8).map(|seed| runtime.spawn(client(Arc::clone(&world), seed))).collect();
    // The local stores of the client lie elsewhere: it is the server's disk that is full.
    let local = tempfile::tempdir_in("/var/tmp").unwrap();
    let libraries: Vec<_> = (0..2)
        .map(|seed| {
            let (world, folder) = (Arc::clone(&world), local.path().join(seed.to_string()));
            let url = urls[seed as usize % 2].replace("http:", "grpc:");
            std::thread::spawn(move || library(&world, &url, &folder, seed))
        })
        .collect();
    while !world.over() {
        std::thread::sleep(Duration::from_millis(500));
    }
    let begun = Instant::now();
    runtime.block_on(async {
        for task in tasks {
            tokio::time::timeout(HANG * 2, task).await.expect("a client hangs").expect("a client failed");
        }
    });
    for library in libraries {
        library.join().expect("a client failed");
    }
    doomed.join().expect("no panic");
    servers.join().expect("the servers failed");
    println!("the storm ended after {:?}", begun.elapsed());

    // Nothing but what was damaged on purpose is damaged.
    let opened = Store::open(&store).unwrap();
    let verified = opened.verify(true).unwrap();
    let damaged = damaged.lock().unwrap();
    for path in &verified.removed {
        assert!(damaged.contains(path), "{} is not what its name says", path.display());
    }
    drop(opened);
    let mut server = start(&store, port, &["--max-size", "1GB"]).expect("it starts");
    let whole = runtime.block_on(results_are_whole(&world, &urls[0]));
    let ending = Instant::now();
    kill(pid(&server), Signal::SIGTERM).unwrap();
    assert!(server.wait().unwrap().success());
    assert!(ending.elapsed() < Duration::from_secs(20), "it ended only after {:?}", ending.elapsed());

    for (what, count) in world.counts.lock().unwrap().iter() {
        println!("{count:>9} {what}");
    }
    println!("{:>9} connections cut", cuts.load(Ordering::Relaxed));
    println!("{:>9} blobs damaged on purpose, {} of them found only in the end", damaged.len(), verified.removed.len());
    println!("{:>9} blobs in the end, all hashed, {} MB", verified.blobs, verified.bytes / 1_000_000);
    println!("{whole:>9} results in the end, with all that they need");
    let counts = world.counts.lock().unwrap();
    let count = |what: &str| counts.get(what).copied().unwrap_or(0);
    assert!(count("servers killed") > 0 && count("clients killed") > 0 && cuts.load(Ordering::Relaxed) > 0);
    assert!(count("blobs read, right") > 100 && count("results read") > 0, "hardly anything was done");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

fn start(store: &Path, port: u16, more: &[&str]) -> Option<Child> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dscript"))
        .args([
            "cas",
            "serve",
            "--patience",
            "5",
            "--keep-uploads",
            "5",
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--dir",
        ])
        .arg(store)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.starts_with("listening on ") {
        return Some(child);
    }
    child.wait().unwrap();
    None
}

// Servers on one folder, one after the other, each until it is killed.
fn servers(world: &World, store: &Path, port: u16, small_disk: bool, damaged: &Mutex<BTreeSet<PathBuf>>) {
    let mut random = Random(77);
    while !world.over() {
        // Either little is allowed, or more than there is room for.
        let most = match random.below(3) {
            0 => "20MB",
            1 => "80MB",
            _ if small_disk => "1GB",
            _ => "120MB",
        };
        let Some(mut server) = start(store, port, &["--max-size", most]) else {
            // The disk may be so full that not even a probe can be written.
            world.count("servers that did not start");
            make_room(store);
            continue;
        };
        world.count(format!("servers with {most}"));
        let end = Instant::now() + Duration::from_millis(1000 + random.below(7000));
        while Instant::now() < end && !world.over() {
            std::thread::sleep(Duration::from_millis(200));
            if random.below(30) == 0 {
                kill(pid(&server), Signal::SIGSTOP).unwrap();
                std::thread::sleep(Duration::from_millis(random.below(1500)));
                kill(pid(&server), Signal::SIGCONT).unwrap();
                world.count("servers stopped for a while");
            }
            assert!(server.try_wait().unwrap().is_none(), "a server ended by itself");
        }
        if random.below(4) == 0 {
            kill(pid(&server), Signal::SIGTERM).unwrap();
            world.count("servers told to end");
        } else {
            server.kill().unwrap();
            world.count("servers killed");
        }
        let ending = Instant::now();
        server.wait().unwrap();
        assert!(ending.elapsed() < Duration::from_secs(30), "it ended only after {:?}", ending.elapsed());
        if random.below(2) == 0 {
            damage(store, &mut random, damaged);
        }
    }
}

// What an operator does when nothing works any more.
fn make_room(store: &Path) {
    for folder in fs::read_dir(store.join("blobs")).into_iter().flatten().flatten().take(20) {
        let _ = fs::remove_dir_all(folder.path());
    }
}

// Changes a byte of some blobs, with or without a trace in their times.
fn damage(store: &Path, random: &mut Random, damaged: &Mutex<BTreeSet<PathBuf>>) {
    let folders: Vec<_> = fs::read_dir(store.join("blobs")).into_iter().flatten().flatten().collect();
    for _ in 0..3 {
        let Some(folder) = folders.get(random.below(folders.len().max(1) as u64) as usize) else { return };
        let Some(file) = fs::read_dir(folder.path()).into_iter().flatten().flatten().next() else { continue };
        let path = file.path();
        let Ok(time) = file.metadata().and_then(|metadata| metadata.modified()) else { continue };
        let Ok(mut bytes) = fs::read(&path) else { continue };
        if bytes.is_empty() {
            continue;
        }
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        // In place: with a full disk there is room for that.
        if fs::write(&path, bytes).is_ok() && random.below(2) == 0 {
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        damaged.lock().unwrap().insert(path);
    }
}

// Client processes, each until it is killed.
fn doomed_clients(world: &World, urls: &[String]) {
    let mut random = Random(99);
    while !world.over() {
        let mut client = Command::new(std::env::current_exe().unwrap())
            .args(["soak", "--exact", "--ignored"])
            .env(CLIENT, &urls[random.below(2) as usize])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300 + random.below(2000)));
        assert!(client.try_wait().unwrap().is_none(), "a client ended by itself: what it read was wrong");
        client.kill().unwrap();
        client.wait().unwrap();
        world.count("clients killed");
    }
}

// Hands connections on to the server, and cuts most of them at some point.
async fn proxy(port: u16) -> (u16, Arc<AtomicU64>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let cuts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&cuts);
    tokio::spawn(async move {
        let mut random = Random(55);
        while let Ok((mut near, _)) = listener.accept().await {
            let (bytes, seed) = (random.below(20 * MIB as u64), random.next());
            let cuts = Arc::clone(&counted);
            tokio::spawn(async move {
                let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { return };
                let mut random = Random(seed);
                let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
                let mut left = bytes as i64;
                loop {
                    let count = tokio::select! {
                        count = near.read(&mut up) => match count {
                            Ok(count) if count > 0 && far.write_all(&up[..count]).await.is_ok() => count,
                            _ => return,
                        },
                        count = far.read(&mut down) => match count {
                            Ok(count) if count > 0 && near.write_all(&down[..count]).await.is_ok() => count,
                            _ => return,
                        },
                    };
                    left -= count as i64;
                    if left < 0 {
                        cuts.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    if random.below(2000) == 0 {
                        tokio::time::sleep(Duration::from_millis(random.below(3000))).await;
                    }
                }
            });
        }
    });
    (own, cuts)
}

#[derive(Clone)]
struct Services {
    cas: ContentAddressableStorageClient<Channel>,
    streams: ByteStreamClient<Channel>,
    actions: ActionCacheClient<Channel>,
}

impl Services {
    fn connect(url: &str) -> Self {
        let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
        let channel = endpoint
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .connect_lazy();
        Self {
            cas: ContentAddressableStorageClient::new(channel.clone()),
            streams: ByteStreamClient::new(channel.clone()),
            actions: ActionCacheClient::new(channel),
        }
    }
}

// Does this and that, over and over.
async fn client(world: Arc<World>, seed: u64) {
    let mut random = Random(seed.wrapping_mul(7919) + 1);
    let mut services = Services::connect(&world.urls[random.below(world.urls.len() as u64) as usize]);
    let mut number = 0;
    while !world.over() {
        if random.below(50) == 0 {
            services = Services::connect(&world.urls[random.below(world.urls.len() as u64) as usize]);
        }
        number += 1;
        let seed = random.next();
        let work = one(&world, &mut services, &mut random, seed);
        let done = tokio::time::timeout(HANG, work).await.unwrap_or_else(|_| panic!("round {number} hangs"));
        if let Err(code) = done {
            assert!(
                matches!(
                    code,
                    Code::Unavailable
                        | Code::Unknown
                        | Code::Internal
                        | Code::Cancelled
                        | Code::Aborted
                        | Code::DeadlineExceeded
                        | Code::ResourceExhausted
                        | Code::NotFound
                        | Code::FailedPrecondition
                        | Code::DataLoss
                ),
                "{code:?} was answered to a right request"
            );
            world.count(format!("answers: {code:?}"));
            tokio::time::sleep(Duration::from_millis(20 + random.below(100))).await;
        }
    }
}

async fn one(world: &World, services: &mut Services, random: &mut Random, seed: u64) -> Result<(), Code> {
    match random.below(10) {
        0..3 => {
            // A batch of small ones, and a directory of them.
            let mut digests = Vec::new();
            let mut requests = Vec::new();
            for number in 0..1 + random.below(10) {
                let size = random.below(20_000) as usize;
                let bytes = noise(size, seed + number);
                let digest = Digest::of(&bytes);
                digests.push(digest);
                world.know(digest, size, seed + number);
                requests.push((digest, bytes));
            }
            update(services, requests).await?;
            let directory = reapi::Directory {
                files: digests
                    .iter()
                    .enumerate()
                    .map(|(at, digest)| reapi::FileNode {
                        name: at.to_string(),
                        digest: Some((*digest).into()),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            };
            let bytes = directory.encode_to_vec();
            let root = Digest::of(&bytes);
            update(services, vec![(root, bytes)]).await?;
            world.count("directories put in");
            let action = Digest::of(&seed.to_le_bytes());
            let result = reapi::ActionResult {
                output_directories: vec![reapi::OutputDirectory {
                    path: "out".to_owned(),
                    root_directory_digest: Some(root.into()),
                    ..Default::default()
                }],
                ..Default::default()
            };
            let request = reapi::UpdateActionResultRequest {
                action_digest: Some(action.into()),
                action_result: Some(result),
                ..Default::default()
            };
            services.actions.update_action_result(request).await.map_err(|error| error.code())?;
            world.results.lock().unwrap().push(action);
            world.count("results put in");
        }
        3 | 4 => {
            let size = random.below(6 * MIB as u64) as usize + 1;
            let bytes = noise(size, seed);
            let digest = Digest::of(&bytes);
            upload(world, services, random, &digest, bytes).await?;
            world.know(digest, size, seed);
            world.count("large blobs put in");
        }
        5..9 => {
            let Some((digest, size, seed)) = world.any_known(random) else { return Ok(()) };
            let whole = noise(size, seed);
            if size < 500_000 && random.below(2) == 0 {
                let request = reapi::BatchReadBlobsRequest { digests: vec![digest.into()], ..Default::default() };
                let answer = services.cas.batch_read_blobs(request).await.map_err(|error| error.code())?.into_inner();
                let one = &answer.responses[0];
                let code = one.status.as_ref().map_or(0, |status| status.code);
                if code != 0 {
                    return Err(Code::from(code));
                }
                assert!(one.data == whole, "{digest} was given out wrong");
            } else {
                let offset = if random.below(3) == 0 { random.below(size as u64 + 1) as usize } else { 0 };
                let request = ReadRequest {
                    resource_name: format!("blobs/{digest}"),
                    read_offset: offset as i64,
                    ..Default::default()
                };
                let mut stream = services.streams.read(request).await.map_err(|error| error.code())?.into_inner();
                let mut at = offset;
                while let Some(message) = stream.message().await.map_err(|error| error.code())? {
                    let end = at + message.data.len();
                    assert!(whole.get(at..end) == Some(&message.data[..]), "{digest} was given out wrong");
                    at = end;
                    if random.below(200) == 0 {
                        // It has seen enough.
                        return Ok(());
                    }
                }
                assert_eq!(at, size, "{digest} was cut short");
            }
            world.count("blobs read, right");
        }
        _ => {
            let action = {
                let results = world.results.lock().unwrap();
                let Some(last) = results.len().checked_sub(1) else { return Ok(()) };
                results[last - random.below(results.len().min(300) as u64) as usize]
            };
            let request = reapi::GetActionResultRequest { action_digest: Some(action.into()), ..Default::default() };
            services.actions.get_action_result(request).await.map_err(|error| error.code())?;
            world.count("results read");
        }
    }
    Ok(())
}

async fn update(services: &mut Services, blobs: Vec<(Digest, Vec<u8>)>) -> Result<(), Code> {
    let requests = blobs
        .into_iter()
        .map(|(digest, data)| batch_update_blobs_request::Request { digest: Some(digest.into()), data, compressor: 0 })
        .collect();
    let request = reapi::BatchUpdateBlobsRequest { requests, ..Default::default() };
    let answer = services.cas.batch_update_blobs(request).await.map_err(|error| error.code())?.into_inner();
    match answer.responses.iter().filter_map(|one| one.status.as_ref()).find(|status| status.code != 0) {
        Some(status) => Err(Code::from(status.code)),
        None => Ok(()),
    }
}

// An upload that goes on where it was when it is broken off.
async fn upload(
    world: &World,
    services: &mut Services,
    random: &mut Random,
    digest: &Digest,
    bytes: Vec<u8>,
) -> Result<(), Code> {
    let name = format!("uploads/{}/blobs/{digest}", random.next());
    let bytes = Arc::new(bytes);
    let mut from = 0;
    let mut last = Code::Unknown;
    for _ in 0..4 {
        let piece = 1 + random.below(MIB as u64) as usize;
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        let (source, name_then) = (Arc::clone(&bytes), name.clone());
        // Some stop in the middle, without a word.
        let stop = if random.below(6) == 0 { random.below(bytes.len() as u64) as usize } else { usize::MAX };
        tokio::spawn(async move {
            let mut at = from;
            loop {
                let end = source.len().min(at + piece);
                let message = WriteRequest {
                    resource_name: name_then.clone(),
                    write_offset: at as i64,
                    finish_write: end == source.len(),
                    data: source[at..end].to_vec(),
                };
                at = end;
                if sender.send(message).await.is_err() || at == source.len() || at > stop {
                    return;
                }
            }
        });
        match services.streams.write(tokio_stream::wrappers::ReceiverStream::new(receiver)).await {
            Ok(answer) if answer.get_ref().committed_size == bytes.len() as i64 => return Ok(()),
            Ok(_) => {}
            Err(error) if error.code() == Code::InvalidArgument => {
                // What it asked for was true when it asked; a kill in between makes it wrong.
                assert!(from > 0, "{error}");
                last = Code::Unavailable;
            }
            Err(error) => last = error.code(),
        }
        tokio::time::sleep(Duration::from_millis(50 + random.below(300))).await;
        let request = QueryWriteStatusRequest { resource_name: name.clone() };
        let status = services.streams.query_write_status(request).await.map_err(|error| error.code())?.into_inner();
        if status.complete {
            return Ok(());
        }
        from = usize::try_from(status.committed_size).unwrap();
        if from > 0 {
            world.count("uploads that went on where they were");
        }
    }
    Err(last)
}

// The client of the library: trees up, and down into an empty store. Whatever happens, that store lacks nothing.
fn library(world: &World, url: &str, folder: &Path, seed: u64) {
    let mut random = Random(seed + 1000);
    let mut options = RemoteOptions::new(url);
    options.deadline = Duration::from_secs(20);
    let source = Store::open(&folder.join("source")).unwrap();
    let mut round = 0;
    while !world.over() {
        round += 1;
        let begun = Instant::now();
        let Ok(remote) = Remote::connect(options.clone()) else {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        };
        let mut blobs = Vec::new();
        let mut directories = Vec::new();
        for _ in 0..20 {
            let mut files = Vec::new();
            for name in 0..10 {
                let digest = source.add_bytes(&noise(random.below(5000) as usize, random.next())).unwrap();
                blobs.push(digest);
                files.push(reapi::FileNode {
                    name: name.to_string(),
                    digest: Some(digest.into()),
                    ..Default::default()
                });
            }
            let directory = reapi::Directory { files, ..Default::default() };
            directories.push(source.add_bytes(&directory.encode_to_vec()).unwrap());
        }
        let root = reapi::Directory {
            directories: directories
                .iter()
                .enumerate()
                .map(|(at, digest)| reapi::DirectoryNode { name: format!("{at:02}"), digest: Some((*digest).into()) })
                .collect(),
            ..Default::default()
        };
        let root = source.add_bytes(&root.encode_to_vec()).unwrap();
        blobs.extend(&directories);
        blobs.push(root);
        let all: Vec<Blob> = blobs.iter().map(|digest| Blob::Stored(*digest)).collect();
        let uploaded = remote.upload(&source, &all, &());
        let target_folder = folder.join(format!("target{round}"));
        let target = Store::open(&target_folder).unwrap();
        let fetched = uploaded.and_then(|_| remote.fetch_tree(&target, &root, &()));
        match fetched {
            Ok(_) => {
                world.count("trees brought up and down");
                assert!(blobs.iter().all(|digest| target.contains(digest).unwrap()), "something lacks");
            }
            Err(_) => world.count("trees that did not arrive"),
        }
        // A directory is there only with all that is below it.
        for (at, digest) in directories.iter().enumerate() {
            if target.contains(digest).unwrap() {
                assert!(blobs[at * 10..(at + 1) * 10].iter().all(|file| target.contains(file).unwrap()), "it dangles");
            }
        }
        assert!(!target.contains(&root).unwrap() || directories.iter().all(|one| target.contains(one).unwrap()));
        assert!(target.verify(true).unwrap().removed.is_empty());
        assert!(begun.elapsed() < HANG * 2, "a tree took {:?}", begun.elapsed());
        fs::remove_dir_all(&target_folder).unwrap();
    }
}

// How many results are known; each with all that it needs.
async fn results_are_whole(world: &World, url: &str) -> u64 {
    let mut services = Services::connect(url);
    let actions = world.results.lock().unwrap().clone();
    let mut whole = 0;
    for action in actions {
        let request = reapi::GetActionResultRequest { action_digest: Some(action.into()), ..Default::default() };
        let result = match services.actions.get_action_result(request).await {
            Ok(result) => result.into_inner(),
            Err(error) => {
                assert_eq!(error.code(), Code::NotFound, "{error}");
                continue;
            }
        };
        for directory in &result.output_directories {
            let root: Digest = directory.root_directory_digest.as_ref().unwrap().try_into().unwrap();
            let bytes = read(&mut services, &root).await;
            let content = reapi::Directory::decode(&bytes[..]).unwrap();
            for file in &content.files {
                read(&mut services, &file.digest.as_ref().unwrap().try_into().unwrap()).await;
            }
        }
        whole += 1;
    }
    whole
}

async fn read(services: &mut Services, digest: &Digest) -> Vec<u8> {
    let request = reapi::BatchReadBlobsRequest { digests: vec![(*digest).into()], ..Default::default() };
    let answer = services.cas.batch_read_blobs(request).await.unwrap().into_inner();
    let data = answer.responses[0].data.clone();
    assert_eq!(Digest::of(&data), *digest, "a result needs {digest}, which is not there");
    data
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) >> 8
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
