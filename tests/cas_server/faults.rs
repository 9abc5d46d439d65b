//! Damage on the disk, kills, and a disk that is full: no blob is ever given out that is not what its name says.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dscript::cas::{Digest, Store};
use tonic::Code;

use super::scene::{Client, MIB, Scene, block, directory, noise, pieces};

// Changes a file in place, with or without a trace in its times.
fn damage(path: &Path, quietly: bool) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    if quietly {
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn damage_from_before_the_start_is_found() {
    let mut scene = Scene::new();
    let blobs = [noise(1000, 1), noise(1000, 2), noise(3 * MIB, 3), noise(3 * MIB, 4), noise(3 * MIB, 5)];
    let digests = block(async {
        let mut client = scene.client().await;
        let mut digests = Vec::new();
        for blob in &blobs {
            let digest = Digest::of(blob);
            client.upload(&format!("uploads/u/blobs/{digest}"), blob, 0, MIB).await.unwrap();
            digests.push(digest);
        }
        digests
    });
    scene.restart(|scene| {
        // The second time with the file's times as they were.
        for (digest, quietly) in digests[..4].iter().zip([false, true, false, true]) {
            damage(&scene.file(digest), quietly);
        }
    });
    block(async {
        let mut client = scene.client().await;
        assert_eq!(client.get(&digests[0]).await, Err(Code::NotFound));
        assert_eq!(client.read(&digests[1]).await, Err(Code::NotFound));
        for digest in &digests[2..4] {
            let part = client.read_part(&format!("blobs/{digest}"), 0, 10).await.unwrap_err();
            assert_eq!(part.code(), Code::NotFound);
        }
        assert_eq!(client.read(&digests[4]).await.unwrap(), blobs[4]);
        assert_eq!(client.missing(&digests).await, digests[..4]);
        // And all of it can be brought again.
        for (digest, blob) in digests.iter().zip(&blobs) {
            client.upload(&format!("uploads/u/blobs/{digest}"), blob, 0, MIB).await.unwrap();
            assert_eq!(client.read(digest).await.unwrap(), *blob);
        }
    });
}

#[test]
fn damage_while_it_runs_is_found_too() {
    let scene = Scene::new();
    block(async {
        let mut client = scene.client().await;
        let (small, large) = (noise(1000, 1), noise(3 * MIB, 2));
        for blob in [&small, &large] {
            let digest = Digest::of(blob);
            let name = format!("uploads/u/blobs/{digest}");
            client.upload(&name, blob, 0, MIB).await.unwrap();
            assert_eq!(client.read(&digest).await.unwrap(), *blob);
            damage(&scene.file(&digest), false);
            assert_eq!(client.read(&digest).await, Err(Code::NotFound));
            client.upload(&name, blob, 0, MIB).await.unwrap();
            assert_eq!(client.read(&digest).await.unwrap(), *blob);
            // Cut short, as after a power failure.
            let file = scene.file(&digest);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&file, b"").unwrap();
            assert_eq!(client.read(&digest).await, Err(Code::NotFound));
            client.upload(&name, blob, 0, MIB).await.unwrap();
            // Gone.
            fs::remove_file(&file).unwrap();
            assert_eq!(client.read(&digest).await, Err(Code::NotFound));
            assert!(!client.has(&digest).await);
            client.upload(&name, blob, 0, MIB).await.unwrap();
            assert_eq!(client.read(&digest).await.unwrap(), *blob);
        }
    });
}

/// `dscript cas serve` as a process.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(mut command: Command) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        match line.trim().strip_prefix("listening on ") {
            Some(url) => Some(Self { child, url: url.to_owned() }),
            None => {
                let _ = child.wait();
                None
            }
        }
    }

    fn serve(folder: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dscript"));
        command.args(["cas", "serve", "--dir"]).arg(folder).args(more);
        Self::start(command).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_kill_leaves_only_what_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    for round in 0..4_u64 {
        let mut process = Process::serve(&store, &[]);
        let kept = block(async {
            let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
            let mut tasks = Vec::new();
            for task in 0..4_u64 {
                let (url, told) = (process.url.clone(), told.clone());
                tasks.push(tokio::spawn(async move {
                    let mut client = Client::connect(&url).await;
                    for number in 0.. {
                        let seed = round * 1_000_000 + task * 10_000 + number;
                        let blob = noise(if number % 4 == 0 { 3 * MIB } else { 500 }, seed);
                        let digest = Digest::of(&blob);
                        let name = format!("uploads/{seed}/blobs/{digest}");
                        if client.upload(&name, &blob, 0, 200_000).await.is_err() {
                            return;
                        }
                        let made = directory(&[("f", digest)], &[]);
                        let bytes = prost::Message::encode_to_vec(&made);
                        if client.try_put(&bytes).await.is_err() {
                            return;
                        }
                        let _ = told.send(digest);
                    }
                }));
            }
            drop(told);
            // Not before something has been kept, however long that takes.
            let mut kept = vec![heard.recv().await.unwrap()];
            tokio::time::sleep(Duration::from_millis(70 * round)).await;
            process.child.kill().unwrap();
            for task in tasks {
                task.await.unwrap();
            }
            while let Some(digest) = heard.recv().await {
                kept.push(digest);
            }
            kept
        });
        process.child.wait().unwrap();
        // Everything that has a name is what its name says.
        let opened = Store::open(&store).unwrap();
        let verified = opened.verify(true).unwrap();
        assert!(verified.removed.is_empty(), "{verified:?}");
        let process = Process::serve(&store, &[]);
        block(async {
            let mut client = Client::connect(&process.url).await;
            // What was answered is there.
            assert_eq!(client.missing(&kept).await, []);
            for digest in kept.iter().take(10) {
                assert_eq!(Digest::of(&client.read(digest).await.unwrap()), *digest);
            }
        });
        // What had not been finished has gone.
        assert_eq!(fs::read_dir(store.join("tmp")).unwrap().count(), 0);
    }
}

#[test]
fn an_interrupted_server_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    for signal in [nix::sys::signal::Signal::SIGINT, nix::sys::signal::Signal::SIGTERM] {
        let mut process = Process::serve(&store, &[]);
        block(async {
            Client::connect(&process.url).await.put(b"text").await;
        });
        let id = nix::unistd::Pid::from_raw(process.child.id().try_into().unwrap());
        nix::sys::signal::kill(id, signal).unwrap();
        assert!(process.child.wait().unwrap().success());
        assert!(store.join("index").exists());
    }
}

#[test]
fn wrong_options_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for (more, expected) in [
        (&["--listen", "0.0.0.0:0"][..], "can be reached from other machines"),
        (&["--listen", "nonsense"], "cannot listen on `nonsense`"),
        (&["--token-file", "/nowhere/token"], "cannot read `/nowhere/token`"),
        (&["--max-size", "0"], "of no use"),
        (&["--max-size", "much"], "is no size"),
        (&["--tls-cert", "x"], "--tls-key"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_dscript"))
            .args(["cas", "serve", "--dir"])
            .arg(folder.path())
            .args(more)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(2), "{more:?}: {text}");
        assert!(text.contains(expected), "{more:?}: {text}");
        assert!(run.stdout.is_empty());
    }
}

// A small file system of its own, where this may be made.
fn small_disk(folder: &Path) -> Option<Process> {
    let script = "mount -t tmpfs -o size=8m none \"$1\" && exec \"$0\" cas serve --max-size 1GB --dir \"$1\"/store";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_dscript")]);
    command.arg(folder);
    Process::start(command)
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_full_disk_costs_what_was_used_least_lately() {
    let folder = tempfile::tempdir().unwrap();
    let Some(process) = small_disk(folder.path()) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    block(async {
        let mut client = Client::connect(&process.url).await;
        let mut last = Digest::EMPTY;
        for number in 0..40_u64 {
            // Small and large ones, four times as much as there is room for.
            let blob = noise(if number % 2 == 0 { 2 * MIB } else { 300_000 }, number);
            last = Digest::of(&blob);
            let name = format!("uploads/{number}/blobs/{last}");
            let size = client.upload(&name, &blob, 0, 500_000).await.unwrap();
            assert_eq!(size, blob.len() as i64);
            assert_eq!(client.read(&last).await.unwrap(), blob);
            if number % 2 == 1 {
                client.put(&noise(50_000, 1000 + number)).await;
            }
        }
        // What cannot fit is refused, and what is there stays sound.
        let blob = noise(12 * MIB, 99);
        let name = format!("uploads/u/blobs/{}", Digest::of(&blob));
        let refused = client.upload(&name, &blob, 0, 500_000).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        let blob = noise(MIB, 100);
        client.put(&blob).await;
        assert_eq!(client.get(&Digest::of(&blob)).await.unwrap(), blob);
        assert!(!client.has(&last).await, "it had to go");
    });
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_harms_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    // The shell's limit is in blocks of 512 or 1024 bytes.
    let script = "trap '' XFSZ; ulimit -f 2000 && exec \"$0\" cas serve --dir \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_dscript")]).arg(folder.path());
    let process = Process::start(command).unwrap();
    block(async {
        let mut client = Client::connect(&process.url).await;
        let small = client.put(b"small").await;
        let blob = noise(4 * MIB, 1);
        let name = format!("uploads/u/blobs/{}", Digest::of(&blob));
        let refused = client.upload(&name, &blob, 0, 300_000).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert_eq!(client.status(&name).await.unwrap(), (0, false));
        assert_eq!(client.get(&small).await.unwrap(), b"small");
        let mut messages = pieces(&name, &blob, 0, 300_000);
        messages.truncate(2);
        assert_eq!(client.write(messages).await.unwrap(), 600_000);
    });
    assert!(Store::open(folder.path()).unwrap().verify(true).unwrap().removed.is_empty());
}
