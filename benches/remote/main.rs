//! What a tree costs to fetch: `BUILDBOX=… cargo bench --bench remote`.
//!
//! A tree of 50,000 small files in 5,000 directories is put into buildbox-casd on the loopback interface, from where it
//! is fetched into an empty store by this client, by this client blob by blob, and by a second buildbox-casd, which is
//! how BuildStream fetches. `cp -r` copies the same files. Rounds in turn, so that all see the same state of the machine;
//! prints the times of each round and the medians. `BUILDBOX` is the folder of buildbox-casd; the folder for temporary
//! files should be on a disk.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("there are stores on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::net::TcpListener;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use dscript::cas::api::reapi;
    use dscript::cas::remote::{Blob, Remote, RemoteOptions, Wanted};
    use dscript::cas::{Digest, Store};
    use prost::Message as _;

    const DIRECTORIES: u64 = 5_000;
    const FILES: u64 = 50_000;

    pub fn main() {
        let Some(buildbox) = std::env::var_os("BUILDBOX").map(PathBuf::from) else {
            println!("`BUILDBOX` does not name the folder of buildbox-casd");
            return;
        };
        let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
        let slow = std::env::var_os("FAST").is_none();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path();
        let source = folder.join("source");
        let (root, blobs, bytes) = make(&source);
        println!("{FILES} files of {} bytes on average in {DIRECTORIES} directories", bytes / FILES);

        let casd = Casd::start(&buildbox, &folder.join("casd"), None);
        let remote = casd.connect();
        let local = Store::open(&folder.join("local")).expect("a store");
        let begin = Instant::now();
        let sent = remote.upload(&local, &blobs, &()).expect("uploaded");
        println!("upload {:.2} s, {} blobs", begin.elapsed().as_secs_f64(), sent.blobs);
        drop(blobs);

        let names = ["cp -r", "this client", "casd from casd", "blob by blob"];
        let mut times: [Vec<f64>; 4] = Default::default();
        for round in 0..rounds {
            let place = folder.join("place");
            times[0].push(timed(|| {
                let done = Command::new("cp").arg("-r").arg(&source).arg(&place).status().expect("cp");
                assert!(done.success());
            }));
            clear(&place);

            let store = Store::open(&place).expect("a store");
            times[1].push(timed(|| {
                let transfer = remote.fetch_tree(&store, &root, &()).expect("fetched");
                assert_eq!(transfer.blobs, sent.blobs);
            }));
            clear(&place);

            let proxy = Casd::start(&buildbox, &place, Some(&casd));
            proxy.connect();
            times[2].push(timed(|| proxy.fetch_tree(&root)));
            drop(proxy);
            clear(&place);

            // It takes long, and always equally long.
            if slow && round == 0 {
                let store = Store::open(&place).expect("a store");
                times[3].push(timed(|| one_by_one(&remote, &store, &root)));
                clear(&place);
            }
        }
        for (name, times) in names.iter().zip(&times) {
            let all: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
            println!("{name:<16} {:>8.2} s   ({})", median(times), all.join(", "));
        }
        println!("this client is {:.2} times `cp -r`", median(&times[1]) / median(&times[0]));
        println!("casd from casd takes {:.2} times as long", median(&times[2]) / median(&times[1]));
        println!("blob by blob takes {:.2} times as long", median(&times[3]) / median(&times[1]));
    }

    fn timed(work: impl FnOnce()) -> f64 {
        let begin = Instant::now();
        work();
        begin.elapsed().as_secs_f64()
    }

    fn median(times: &[f64]) -> f64 {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    }

    // What was written is on the disk before the next is timed.
    fn clear(place: &Path) {
        fs::remove_dir_all(place).expect("removed");
        let done = Command::new("sync").status().expect("sync");
        assert!(done.success());
    }

    // A tree on the disk, as blobs, and the sum of the sizes of its files. Directories have ten files or ten directories.
    fn make(source: &Path) -> (Digest, Vec<Blob>, u64) {
        let mut blobs = Vec::new();
        let mut sum = 0;
        let mut leaves = Vec::new();
        for directory in 0..DIRECTORIES {
            let path = place(directory);
            fs::create_dir_all(source.join(&path)).expect("a directory");
            let mut files = Vec::new();
            for file in 0..FILES / DIRECTORIES {
                let number = directory * (FILES / DIRECTORIES) + file;
                let bytes = content(number);
                let name = format!("file{file}");
                fs::write(source.join(&path).join(&name), &bytes).expect("a file");
                sum += bytes.len() as u64;
                let digest = Digest::of(&bytes);
                blobs.push(Blob::Bytes(digest, bytes));
                files.push(reapi::FileNode { name, digest: Some(digest.into()), ..reapi::FileNode::default() });
            }
            leaves.push((path, reapi::Directory { files, ..reapi::Directory::default() }));
        }
        let root = put(&leaves, Path::new(""), &mut blobs);
        (root, blobs, sum)
    }

    // Fifty directories with ten each, which have ten each.
    fn place(directory: u64) -> PathBuf {
        let (outer, inner) = (directory / 100, directory % 100);
        format!("d{outer:02}/d{:02}/d{:02}", inner / 10, inner % 10).into()
    }

    fn put(leaves: &[(PathBuf, reapi::Directory)], at: &Path, blobs: &mut Vec<Blob>) -> Digest {
        let mut directory = reapi::Directory::default();
        let mut done = std::collections::BTreeSet::new();
        if let Some((_, leaf)) = leaves.iter().find(|(path, _)| path == at) {
            directory = leaf.clone();
        } else {
            for (path, _) in leaves.iter().filter(|(path, _)| path.starts_with(at)) {
                let name = path.components().nth(at.components().count()).expect("it is below");
                let name = name.as_os_str().to_str().expect("a name").to_owned();
                if done.insert(name.clone()) {
                    let below: Vec<_> =
                        leaves.iter().filter(|(path, _)| path.starts_with(at.join(&name))).cloned().collect();
                    let digest = put(&below, &at.join(&name), blobs);
                    directory.directories.push(reapi::DirectoryNode { name, digest: Some(digest.into()) });
                }
            }
        }
        let bytes = directory.encode_to_vec();
        let digest = Digest::of(&bytes);
        blobs.push(Blob::Bytes(digest, bytes));
        digest
    }

    // Between a hundred bytes and three kilobytes, each file with others.
    fn content(number: u64) -> Vec<u8> {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let size = 100 + usize::try_from(number * 7919 % 2900).expect("small");
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

    // What a client does that knows no batches and does one thing at a time.
    fn one_by_one(remote: &Remote, store: &Store, digest: &Digest) {
        let bytes = remote.read(digest).expect("read");
        let directory = reapi::Directory::decode(&bytes[..]).expect("a directory");
        for node in &directory.directories {
            one_by_one(remote, store, &Digest::try_from(node.digest.as_ref().expect("a digest")).expect("valid"));
        }
        for node in &directory.files {
            let digest = Digest::try_from(node.digest.as_ref().expect("a digest")).expect("valid");
            let wanted = Wanted { digest, path: node.name.clone(), executable: false };
            remote.fetch(store, &[wanted], &()).expect("fetched");
        }
        store.add_claimed(digest, &bytes, false).expect("added");
    }

    struct Casd {
        child: Child,
        address: String,
    }

    impl Casd {
        fn start(buildbox: &Path, folder: &Path, from: Option<&Casd>) -> Self {
            let address =
                TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").to_string();
            let mut command = Command::new(buildbox.join("buildbox-casd"));
            if let Some(from) = from {
                command.arg(format!("--cas-remote=http://{}", from.address));
            }
            let child = command.arg(format!("--bind={address}")).arg(folder).spawn().expect("started");
            Self { child, address }
        }

        fn connect(&self) -> Remote {
            let end = Instant::now() + Duration::from_secs(20);
            loop {
                match Remote::connect(RemoteOptions::new(format!("grpc://{}", self.address))) {
                    Ok(remote) => return remote,
                    Err(error) => assert!(Instant::now() < end, "{error}"),
                }
            }
        }

        // What BuildStream asks its casd to do.
        fn fetch_tree(&self, root: &Digest) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.address));
                let channel = endpoint.expect("an address").connect().await.expect("connected");
                let mut service = tonic::client::Grpc::new(channel);
                service.ready().await.expect("ready");
                let request = FetchTreeRequest { root_digest: Some((*root).into()), fetch_file_blobs: true };
                let path = "/build.buildgrid.LocalContentAddressableStorage/FetchTree";
                let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
                let codec = tonic_prost::ProstCodec::<FetchTreeRequest, FetchTreeResponse>::default();
                service.unary(tonic::Request::new(request), path, codec).await.expect("fetched");
            });
        }
    }

    impl Drop for Casd {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    // Of a service that buildbox-casd has beside those of the API.
    #[derive(Clone, PartialEq, prost::Message)]
    struct FetchTreeRequest {
        #[prost(message, optional, tag = "2")]
        root_digest: Option<reapi::Digest>,
        #[prost(bool, tag = "3")]
        fetch_file_blobs: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct FetchTreeResponse {}
}
