//! How fast the server of the Remote Execution API is: `cargo bench --bench cas_server`.
//!
//! Small blobs a second, in batches of 50 and one by one, and large blobs beside a plain copy over TCP. With `BUILDBOX`
//! set to the folder of buildbox-casd, that server is measured in turn with ours, by the same clients, so that both see
//! the same state of the machine. `GIB` is the size of the large blob, 1 unless set. Medians.
//!
//! What is uploaded must be hashed, so the processor time of hashing alone is told too: together with that of the plain
//! copy, shared by all cores, it is the least that an upload can take.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the server is there on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::fs::{self, File};
    use std::future::Future;
    use std::io::{BufRead as _, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::path::{Path, PathBuf};
    use std::pin::Pin;
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use dscript::cas::Digest;
    use dscript::cas::api::bytestream::byte_stream_client::ByteStreamClient;
    use dscript::cas::api::bytestream::{ReadRequest, WriteRequest};
    use dscript::cas::api::reapi::content_addressable_storage_client::ContentAddressableStorageClient;
    use dscript::cas::api::reapi::{self, batch_update_blobs_request};
    use prost::Message as _;
    use prost::encoding::{decode_key, decode_varint};
    use tonic::body::Body;
    use tonic::codegen::{Body as _, Bytes, Context, Poll, Service as _, http};
    use tonic::transport::{Channel, Endpoint};

    const MIB: usize = 1024 * 1024;
    const SMALL: usize = 20_000;
    const CONNECTIONS: usize = 4;
    const AT_ONCE: usize = 16;

    type Cas = ContentAddressableStorageClient<Channel>;

    pub fn main() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let mut table: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        let rounds = number("ROUNDS", 5);
        for round in 0..rounds {
            for server in ["ours", "casd"] {
                let place = folder.path().join(format!("{server}{round}"));
                let Some(running) = Running::start(server, &place) else { continue };
                for (what, value) in runtime.block_on(small(&running, round as u64)) {
                    table.entry((what, server)).or_default().push(value);
                }
                drop(running);
                let _ = fs::remove_dir_all(&place);
            }
        }
        println!("{:<34} {:>12} {:>12} {:>8}", "small blobs a second", "ours", "casd", "ratio");
        print(&mut table, "casd", 0);

        let mut table: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        let mut processor: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        let size = number("GIB", 1) << 30;
        if size > 0 {
            let source = folder.path().join("source");
            let digest = make(&source, size);
            let target = folder.path().join("target");
            for round in 0..number("LARGE_ROUNDS", 5) {
                for server in ["ours", "casd"] {
                    let place = folder.path().join(format!("large-{server}{round}"));
                    let Some(running) = Running::start(server, &place) else { continue };
                    let mut note = |what, server, seconds: f64| {
                        table.entry((what, server)).or_default().push(size as f64 / seconds / MIB as f64);
                    };
                    let mut spend = |what, who, seconds: f64| processor.entry((what, who)).or_default().push(seconds);
                    for what in ["up", "down"] {
                        warm(folder.path(), size);
                        let before = (spent("self"), spent(&running.child.id().to_string()));
                        note(
                            what,
                            server,
                            match what {
                                "up" => runtime.block_on(upload(&running, &source, &digest)),
                                _ => runtime.block_on(download(&running, &target, &digest)),
                            },
                        );
                        spend(
                            what,
                            if server == "ours" { "client of ours" } else { "client of casd" },
                            spent("self") - before.0,
                        );
                        spend(what, server, spent(&running.child.id().to_string()) - before.1);
                    }
                    assert_eq!(hash(&target), digest);
                    drop(running);
                    let _ = fs::remove_dir_all(&place);
                    fs::remove_file(&target).expect("there");
                    if server == "ours" {
                        warm(folder.path(), size);
                        let before = spent("self");
                        let seconds = copy(&source, &target);
                        let processor = spent("self") - before;
                        for what in ["up", "down"] {
                            note(what, "tcp", seconds);
                            spend(what, "tcp copy", processor);
                        }
                        fs::remove_file(&target).expect("there");
                        let before = spent("self");
                        assert_eq!(hash(&source), digest);
                        spend("up", "hash alone", spent("self") - before);
                    }
                }
            }
            println!("\n{:<34} {:>12} {:>12} {:>8}", "one large blob, MiB a second", "ours", "tcp copy", "ratio");
            print(&mut table, "tcp", 1);
            println!("\n{:<34} {:>12} {:>12} {:>8}", "", "ours", "casd", "ratio");
            print(&mut table, "casd", 1);
            println!("\nprocessor time of that, seconds");
            for ((what, who), values) in &mut processor {
                values.sort_by(f64::total_cmp);
                println!("{what:<8} {who:<24} {:>12.2}", values[values.len() / 2]);
            }
            let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
            let [hash, copy] = ["hash alone", "tcp copy"]
                .map(|who| processor.get(&("up", who)).map(|values| values[values.len() / 2]));
            if let (Some(hash), Some(copy)) = (hash, copy) {
                let least = (hash + copy) / cores;
                let rate = size as f64 / least / MIB as f64;
                println!(
                    "no upload takes less than ({hash:.2} + {copy:.2}) / {cores} = {least:.2} s: {rate:.0} MiB a second"
                );
            }
        }
    }

    fn print(table: &mut BTreeMap<(&str, &str), Vec<f64>>, other: &str, digits: usize) {
        let whats: Vec<String> = table.keys().filter(|key| key.1 == "ours").map(|key| key.0.to_owned()).collect();
        for what in &whats {
            let mut value = |server: &str| {
                let values = table.iter_mut().find(|(key, _)| key.0 == what && key.1 == server)?.1;
                values.sort_by(f64::total_cmp);
                Some(values[values.len() / 2])
            };
            let (ours, theirs) = (value("ours").unwrap_or(0.0), value(other));
            match theirs {
                Some(theirs) => println!("{what:<34} {ours:>12.digits$} {theirs:>12.digits$} {:>8.2}", ours / theirs),
                None => println!("{what:<34} {ours:>12.digits$} {:>12} {:>8}", "-", "-"),
            }
        }
    }

    fn number(name: &str, default: usize) -> usize {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// A server as a process.
    struct Running {
        child: Child,
        url: String,
    }

    impl Running {
        fn start(server: &str, folder: &Path) -> Option<Self> {
            if server == "ours" {
                let binary = std::env::var("DSCRIPT").unwrap_or_else(|_| env!("CARGO_BIN_EXE_dscript").to_owned());
                let mut command = Command::new(binary);
                command.args(["cas", "serve", "--max-size", "100GB", "--dir"]).arg(folder).stdout(Stdio::piped());
                let mut running = Self { child: command.spawn().expect("our server starts"), url: String::new() };
                let mut line = String::new();
                let output = running.child.stdout.take().expect("a pipe");
                BufReader::new(output).read_line(&mut line).expect("it says where");
                let url = line.trim().strip_prefix("listening on grpc://").expect("it says where");
                running.url = format!("http://{url}");
                return Some(running);
            }
            let casd = PathBuf::from(std::env::var_os("BUILDBOX")?).join("buildbox-casd");
            let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
            let bind = format!("--bind=127.0.0.1:{port}");
            let mut command = Command::new(casd);
            command.args([&bind, "--log-level=error"]).arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().expect("buildbox-casd starts");
            let end = Instant::now() + Duration::from_secs(10);
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(Instant::now() < end, "buildbox-casd does not listen");
                std::thread::sleep(Duration::from_millis(20));
            }
            Some(Self { child, url: format!("http://127.0.0.1:{port}") })
        }

        async fn channel(&self) -> Channel {
            Endpoint::from_shared(self.url.clone())
                .expect("a URL")
                .initial_stream_window_size(4 * MIB as u32)
                .initial_connection_window_size(8 * MIB as u32)
                .max_frame_size(MIB as u32)
                .connect()
                .await
                .expect("it answers")
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    // Something for each of many numbers, some at a time, over some connections; how many a second.
    async fn rate<F: Future<Output = ()> + Send>(
        channels: &[Channel],
        count: usize,
        each: usize,
        work: impl Fn(Channel, usize) -> F + Clone + Send + 'static,
    ) -> f64 {
        let next = Arc::new(AtomicUsize::new(0));
        let begun = Instant::now();
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|task| {
                let (next, work, channel) = (Arc::clone(&next), work.clone(), channels[task % channels.len()].clone());
                tokio::spawn(async move {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at * each >= count {
                            return;
                        }
                        work(channel.clone(), at).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        count as f64 / begun.elapsed().as_secs_f64()
    }

    async fn small(running: &Running, round: u64) -> Vec<(&'static str, f64)> {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(running.channel().await);
        }
        let blobs: Arc<Vec<(Digest, Vec<u8>)>> = Arc::new(
            (0..2 * SMALL as u64)
                .map(|number| {
                    let bytes = noise(200 + (number as usize * 37) % 3000, round * 1_000_000 + number);
                    (Digest::of(&bytes), bytes)
                })
                .collect(),
        );
        let mut rates = Vec::new();
        for (what, each, from) in [("written, 50 a batch", 50, 0), ("written, one by one", 1, SMALL)] {
            let blobs = Arc::clone(&blobs);
            let count = if each == 1 { SMALL / 4 } else { SMALL };
            let done = rate(&channels, count, each, move |channel, at| {
                let requests = blobs[from + at * each..from + (at + 1) * each]
                    .iter()
                    .map(|(digest, data)| batch_update_blobs_request::Request {
                        digest: Some((*digest).into()),
                        data: data.clone(),
                        compressor: 0,
                    })
                    .collect();
                async move {
                    let request = reapi::BatchUpdateBlobsRequest { requests, ..Default::default() };
                    let answer = Cas::new(channel).batch_update_blobs(request).await.expect("taken").into_inner();
                    assert!(
                        answer.responses.iter().all(|one| one.status.as_ref().is_none_or(|status| status.code == 0))
                    );
                }
            });
            rates.push((what, done.await));
        }
        for (what, each) in [("read, 50 a batch", 50), ("read, one by one", 1)] {
            let blobs = Arc::clone(&blobs);
            let count = if each == 1 { SMALL / 2 } else { SMALL };
            let done = rate(&channels, count, each, move |channel, at| {
                let digests: Vec<reapi::Digest> =
                    blobs[at * each..(at + 1) * each].iter().map(|(digest, _)| (*digest).into()).collect();
                async move {
                    let request = reapi::BatchReadBlobsRequest { digests, ..Default::default() };
                    let answer = Cas::new(channel).batch_read_blobs(request).await.expect("read").into_inner();
                    assert!(answer.responses.iter().all(|one| {
                        one.digest.as_ref().is_some_and(|digest| digest.size_bytes == one.data.len() as i64)
                    }));
                    assert_eq!(answer.responses.len(), each);
                }
            });
            rates.push((what, done.await));
        }
        let blobs2 = Arc::clone(&blobs);
        let done = rate(&channels, SMALL / 2, 1, move |channel, at| {
            let name = format!("blobs/{}", blobs2[at].0);
            async move {
                let request = ReadRequest { resource_name: name, ..Default::default() };
                let mut stream = ByteStreamClient::new(channel).read(request).await.expect("read").into_inner();
                let mut size = 0;
                while let Some(message) = stream.message().await.expect("read") {
                    size += message.data.len();
                }
                assert!(size > 0);
            }
        });
        rates.push(("read as streams", done.await));
        let done = rate(&channels, 10 * SMALL, 500, move |channel, at| {
            let digests: Vec<reapi::Digest> =
                (0..500).map(|number| blobs[(at * 500 + number) % blobs.len()].0.into()).collect();
            async move {
                let request = reapi::FindMissingBlobsRequest { blob_digests: digests, ..Default::default() };
                Cas::new(channel).find_missing_blobs(request).await.expect("answered");
            }
        });
        rates.push(("looked for, 500 a request", done.await));
        rates
    }

    async fn upload(running: &Running, source: &Path, digest: &Digest) -> f64 {
        let channel = running.channel().await;
        let begun = Instant::now();
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        let name = format!("uploads/bench/blobs/{digest}");
        let (size, mut file) = (digest.size, File::open(source).expect("there"));
        let reading = tokio::task::spawn_blocking(move || {
            let mut at = 0;
            while at < size {
                let mut data = vec![0; MIB.min((size - at) as usize)];
                file.read_exact(&mut data).expect("read");
                let end = at + data.len() as u64;
                let message = WriteRequest {
                    resource_name: if at == 0 { name.clone() } else { String::new() },
                    write_offset: at as i64,
                    finish_write: end == size,
                    data,
                };
                at = end;
                sender.blocking_send(message).expect("taken");
            }
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let answer = ByteStreamClient::new(channel).write(stream).await.expect("written").into_inner();
        let seconds = begun.elapsed().as_secs_f64();
        reading.await.expect("no panic");
        assert_eq!(answer.committed_size as u64, size);
        seconds
    }

    async fn download(running: &Running, target: &Path, digest: &Digest) -> f64 {
        let channel = running.channel().await;
        let begun = Instant::now();
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(32);
        let mut file = File::create(target).expect("made");
        let writing = tokio::task::spawn_blocking(move || {
            let mut size = 0;
            while let Some(bytes) = receiver.blocking_recv() {
                file.write_all(&bytes).expect("written");
                size += bytes.len() as u64;
            }
            size
        });
        payloads(channel, &format!("blobs/{digest}"), sender).await;
        assert_eq!(writing.await.expect("no panic"), digest.size);
        begun.elapsed().as_secs_f64()
    }

    // What the messages of a blob carry, as it comes. The usual way copies each message twice, and then it is the client
    // that is measured.
    async fn payloads(mut channel: Channel, name: &str, sender: tokio::sync::mpsc::Sender<Bytes>) {
        let message = ReadRequest { resource_name: name.to_owned(), ..Default::default() }.encode_to_vec();
        let mut body = vec![0];
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
        let request = http::Request::post("/google.bytestream.ByteStream/Read")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(Whole(Some(body.into()))))
            .expect("a request");
        std::future::poll_fn(|context| channel.poll_ready(context)).await.expect("connected");
        let mut answer = channel.call(request).await.expect("answered").into_body();
        // The beginning of a message up to its payload, and how much of that is still to come.
        let (mut head, mut left) = (Vec::new(), 0);
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut answer).poll_frame(context)).await {
            let Ok(mut data) = frame.expect("read").into_data() else { continue };
            while !data.is_empty() {
                if left > 0 {
                    let piece = data.split_to(data.len().min(left));
                    left -= piece.len();
                    sender.send(piece).await.expect("taken");
                    continue;
                }
                head.extend(data.split_to(1));
                if let Some(size) = payload(&head) {
                    left = size;
                    head.clear();
                }
            }
        }
    }

    // The size of the payload after this beginning of a message, if it is complete.
    fn payload(head: &[u8]) -> Option<usize> {
        let (header, mut field) = head.split_at_checked(5)?;
        if header[1..] == [0; 4] {
            return Some(0);
        }
        decode_key(&mut field).ok()?;
        decode_varint(&mut field).ok().map(|size| size as usize)
    }

    // A request of one message.
    struct Whole(Option<Bytes>);

    impl http_body::Body for Whole {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
        }
    }

    // From a file over a socket to a file.
    fn copy(source: &Path, target: &Path) -> f64 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut file = File::create(target).expect("made");
                pump(&mut stream, &mut file);
            });
            let mut stream = TcpStream::connect(address).expect("it listens");
            pump(&mut File::open(source).expect("there"), &mut stream);
        });
        begun.elapsed().as_secs_f64()
    }

    fn pump(from: &mut impl Read, to: &mut impl Write) {
        let mut buffer = vec![0; MIB];
        loop {
            match from.read(&mut buffer).expect("read") {
                0 => return,
                count => to.write_all(&buffer[..count]).expect("written"),
            }
        }
    }

    // Memory that a virtual machine has not used for a second or two may have to come from its host first, which takes
    // longer than everything that is measured here. So each finds as much as it needs that was used just now.
    fn warm(folder: &Path, size: usize) {
        let path = folder.join("spare");
        let mut file = File::create(&path).expect("made");
        let bytes = vec![1; MIB];
        for _ in 0..size / MIB {
            file.write_all(&bytes).expect("written");
        }
        drop(file);
        fs::remove_file(&path).expect("there");
    }

    // The processor time of a process so far.
    fn spent(process: &str) -> f64 {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks: f64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok()).sum();
        ticks / 100.0
    }

    fn make(path: &Path, size: usize) -> Digest {
        let mut file = File::create(path).expect("made");
        for number in 0..size / MIB {
            file.write_all(&noise(MIB, number as u64)).expect("written");
        }
        hash(path)
    }

    fn hash(path: &Path) -> Digest {
        Digest::of_reader(File::open(path).expect("there")).expect("read")
    }

    fn noise(size: usize, seed: u64) -> Vec<u8> {
        let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
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
}
