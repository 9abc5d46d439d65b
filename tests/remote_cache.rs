//! Builds that share a remote cache: a second machine finds everything that the first one built, whatever is asked for its
//! outputs, and whatever the server is like. Single rules have their stories in `tests/cases/build/remote-*`.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests look at files, and say what they skip")]

#[path = "support/executor.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod executor;
#[path = "support/peer.rs"]
mod peer;
#[path = "remote/server.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod server;
#[path = "remote/services.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod services;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dscript::cas::Digest;
use dscript::cas::remote::{Remote, RemoteOptions};
use dscript::engine::cache::Fingerprint;
use dscript::engine::remote::{RemoteCache, RemoteCacheOptions, Upload};
use dscript::engine::{SharedCache as _, WantedBlob};
use peer::Peer;
use serde_json::Value;
use server::Server;
use tempfile::TempDir;
use tonic::Code;

/// The examples, with the qualifiers under which they are built, and whether they need a compiler.
const EXAMPLES: [(&str, &[&str], bool); 6] = [
    ("hello", &[], false),
    ("monorepo", &[], false),
    ("codegen", &[], false),
    ("shared-opaque", &[], false),
    ("c-program", &["-q", "debug"], true),
    ("c-program", &["-q", "release"], true),
];

/// A machine: a folder of its own with a copy of an example, and an empty cache.
struct Machine {
    folder: PathBuf,
    _place: TempDir,
}

/// A build that has ended.
struct Built {
    code: i32,
    said: String,
    summary: Value,
    /// Of each process how it ended, and where its result came from.
    processes: BTreeMap<String, (String, Value)>,
}

impl Machine {
    fn new(example: &str, place: &str) -> Self {
        Self::with(place, |folder| {
            support::copy_folder(&support::project().join("examples").join(example), folder).unwrap()
        })
    }

    fn with(place: &str, fill: impl FnOnce(&Path)) -> Self {
        // Not among the folders of the system, which pips may read.
        let temporary = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = temporary.path().join(place);
        fs::create_dir_all(&folder).unwrap();
        fill(&folder);
        for left in ["Out", ".dscript"] {
            let _ = fs::remove_dir_all(folder.join(left));
        }
        Self { folder, _place: temporary }
    }

    fn build(&self, endpoint: &str, arguments: &[&str]) -> Built {
        let log = self.folder.with_extension("log");
        let mut command = support::program(&self.folder);
        command.args(["build", "--format", "json", "--remote-cache", endpoint, "--log"]).arg(&log).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut processes = BTreeMap::new();
        for line in fs::read_to_string(&log).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["kind"] == "process" {
                let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
                processes.insert(text("id"), (text("result"), event["origin"].clone()));
            }
        }
        let summary = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Built { code: output.status.code().unwrap_or(-1), said, summary, processes }
    }

    fn fine(&self, endpoint: &str, arguments: &[&str]) -> Built {
        let built = self.build(endpoint, arguments);
        assert_eq!(built.code, 0, "{}", built.said);
        built
    }

    /// Every file and link below the outputs, with what is in it.
    fn outputs(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let root = self.folder.join("Out");
        let mut outputs = BTreeMap::new();
        for file in support::files_below(&root, "") {
            let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            // Temporary folders have nothing that anybody was promised.
            if name.starts_with("Temp/") {
                continue;
            }
            let found = match fs::read_link(&file) {
                Ok(target) => (0, target.to_string_lossy().into_owned().into_bytes()),
                Err(_) => (fs::metadata(&file).unwrap().permissions().mode() & 0o111, fs::read(&file).unwrap()),
            };
            outputs.insert(name, found);
        }
        outputs
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "`{from}` stands in {file}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
}

impl Built {
    /// That every process came from the server.
    fn assert_all_remote(&self, what: &str) {
        assert!(!self.processes.is_empty(), "{what}");
        for (id, (result, origin)) in &self.processes {
            assert_eq!((result.as_str(), origin.as_str()), ("hit", Some("remote")), "{what}: {id}");
        }
        assert_eq!(self.summary["remote"]["hits"], self.processes.len(), "{what}");
    }
}

fn has_compiler() -> bool {
    Path::new("/usr/bin/cc").exists() && Path::new("/usr/bin/ar").exists()
}

/// Builds every example on one machine and then on others.
fn second_machines(endpoint: &str) {
    for (example, qualifiers, compiles) in EXAMPLES {
        if compiles && !has_compiler() {
            eprintln!("skipped: {example} needs a compiler");
            continue;
        }
        let what = format!("{example} {qualifiers:?}");
        let first = Machine::new(example, "first");
        let built = first.fine(endpoint, qualifiers);
        assert_eq!(built.summary["remote"]["resultsUp"], built.processes.len(), "{what}: {}", built.said);
        let wanted = first.outputs();
        assert!(!wanted.is_empty(), "{what}");

        let second = Machine::new(example, "another place/quite \"else\"/deeper");
        second.fine(endpoint, qualifiers).assert_all_remote(&what);
        assert_eq!(second.outputs(), wanted, "{what}");

        // What stays away at first comes when it is wanted.
        let third = Machine::new(example, "third");
        let built = third.fine(endpoint, &[qualifiers, &["--outputs", "none"]].concat());
        built.assert_all_remote(&format!("{what} without outputs"));
        assert!(third.outputs().len() < wanted.len(), "{what}: {:?}", third.outputs().keys());
        let built = third.fine(endpoint, qualifiers);
        assert!(built.processes.values().all(|(result, _)| result == "hit"), "{what}: {:?}", built.processes);
        assert_eq!(third.outputs(), wanted, "{what} afterwards");

        let verified = Machine::new(example, "fourth");
        verified.fine(endpoint, &[qualifiers, &["--verify"]].concat()).assert_all_remote(&format!("{what}, verified"));
        assert_eq!(verified.outputs(), wanted, "{what}, verified");
    }
}

#[test]
fn a_second_machine_finds_everything() {
    let server = Server::start();
    second_machines(&server.endpoint());
    // The names of results are whole messages, and all that results need is there.
    let results = server.state.results.lock().unwrap().clone();
    #[allow(clippy::iter_over_hash_type, reason = "each is looked at by itself")]
    for (name, result) in results {
        assert!(server.has(&name), "the action of a result is missing");
        for file in result.output_files {
            let digest = dscript::cas::Digest::try_from(file.digest.as_ref().unwrap()).unwrap();
            assert!(digest.size == 0 || server.has(&digest), "{} is missing", file.path);
        }
    }
}

#[test]
fn a_second_machine_finds_everything_on_our_own_server() {
    let folder = tempfile::tempdir().unwrap();
    let bound = dscript::cas::server::Server::bind(dscript::cas::server::ServerOptions::new(folder.path())).unwrap();
    let endpoint = bound.url();
    let running = bound.start().unwrap();
    second_machines(&endpoint);
    running.stop().unwrap();
}

#[test]
fn an_edit_is_built_from_what_stays_away() {
    let server = Server::start();
    let endpoint = server.endpoint();
    Machine::new("shared-opaque", "first").fine(&endpoint, &[]);
    let edit = |machine: &Machine| {
        let script = machine.folder.join("scripts/gather.sh");
        let text = fs::read_to_string(&script).unwrap() + "\n# Another comment.\n";
        fs::write(&script, text).unwrap();
    };
    let local = Machine::new("shared-opaque", "local");
    edit(&local);
    local.fine(&endpoint, &["--no-cache"]);

    for outputs in ["none", "toplevel", "all"] {
        let second = Machine::new("shared-opaque", "second");
        second.fine(&endpoint, &["--outputs", outputs]).assert_all_remote(outputs);
        edit(&second);
        let built = second.fine(&endpoint, &["--outputs", outputs, "--remote-upload", "no"]);
        // Whoever gathers runs, over directories, filters and composites; whoever emits does not.
        let executed = built.processes.values().filter(|(result, _)| result == "executed").count();
        assert!(executed > 0 && executed < built.processes.len(), "{outputs}: {:?}", built.processes);
        let all = local.outputs();
        for (name, found) in second.outputs() {
            assert_eq!(all.get(&name), Some(&found), "{outputs}: {name}");
        }
        second.fine(&endpoint, &["--remote-upload", "no"]);
        assert_eq!(second.outputs(), all, "{outputs}, and then all");
    }
}

#[test]
fn what_runs_on_the_server_finds_its_inputs_there() {
    let server = executor::Executor::start();
    let endpoint = server.url();
    let remote = ["--remote-executor", endpoint.as_str(), "--outputs", "none"];
    let first = Machine::new("shared-opaque", "first");
    first.fine(&endpoint, &remote[..2]);
    let second = Machine::new("shared-opaque", "second");
    second.fine(&endpoint, &remote).assert_all_remote("with an executor");
    let edit = |machine: &Machine| {
        let script = machine.folder.join("scripts/gather.sh");
        fs::write(&script, fs::read_to_string(&script).unwrap() + "\n# Another comment.\n").unwrap();
    };
    edit(&first);
    edit(&second);
    let built = second.fine(&endpoint, &remote);
    let executed = built.processes.values().filter(|(result, _)| result == "executed").count();
    assert!(executed > 0, "{:?}", built.processes);
    assert_eq!(built.summary["executedRemotely"], executed, "{}", built.said);
    // What the processes there read never came here.
    assert_eq!(built.summary["remote"]["blobsDown"], 0, "{}", built.summary);
    first.fine(&endpoint, &["--no-cache"]);
    let all = first.outputs();
    for (name, found) in second.outputs() {
        assert_eq!(all.get(&name), Some(&found), "{name}");
    }
    assert!(second.outputs().len() < all.len());
    second.fine(&endpoint, &[]);
    assert_eq!(second.outputs(), all);
}

#[test]
fn what_another_server_has_goes_to_the_one_that_runs_processes() {
    let (cache, server) = (Server::start(), executor::Executor::start());
    let endpoint = cache.endpoint();
    Machine::new("shared-opaque", "first").fine(&endpoint, &[]);
    let second = Machine::new("shared-opaque", "second");
    second.fine(&endpoint, &["--outputs", "none"]).assert_all_remote("two servers");
    second.edit("scripts/gather.sh", "\n", "\n# changed\n");
    let server = server.url();
    let built = second.fine(&endpoint, &["--outputs", "none", "--remote-executor", &server]);
    assert!(built.summary["executedRemotely"].as_u64().is_some_and(|count| count > 0), "{}", built.summary);
    assert!(built.summary["remote"]["blobsDown"].as_u64().is_some_and(|count| count > 0), "{}", built.summary);
    let third = Machine::new("shared-opaque", "third");
    third.edit("scripts/gather.sh", "\n", "\n# changed\n");
    third.fine(&endpoint, &["--no-cache"]);
    second.fine(&endpoint, &[]);
    assert_eq!(second.outputs(), third.outputs());
}

#[test]
fn the_cache_of_the_second_machine_does_without_the_server_later() {
    let server = Server::start();
    let endpoint = server.endpoint();
    let first = Machine::new("codegen", "first");
    first.fine(&endpoint, &[]);
    let second = Machine::new("codegen", "second");
    second.fine(&endpoint, &[]);
    drop(server);
    fs::remove_dir_all(second.folder.join("Out")).unwrap();
    let built = second.fine(&endpoint, &[]);
    assert!(
        built.processes.values().all(|(result, origin)| result == "hit" && origin == "local"),
        "{:?}",
        built.processes
    );
    assert_eq!(built.said.matches("warning").count(), 1, "{}", built.said);
    assert_eq!(second.outputs(), first.outputs());
}

/// A workspace with so many processes that depend on nothing.
fn many(folder: &Path, count: usize) {
    fs::write(
        folder.join("config.dsc"),
        "config({ mounts: [{ name: a`SourceRoot`, path: p`.`, isReadable: true, isWritable: true }] });\n",
    )
    .unwrap();
    fs::write(folder.join("module.config.dsc"), "module({ name: \"Many\" });\n").unwrap();
    let mut spec = "import * as Shell from \"Sdk.Shell\";\nimport {Artifact} from \"Sdk.Transformers\";\n".to_owned();
    for number in 0..count {
        spec.push_str(&format!(
            "const n{number} = Shell.run({{ command: [\"echo {number} > \", Artifact.output(p`Out/{number}`)] }});\n"
        ));
    }
    fs::write(folder.join("build.dsc"), spec).unwrap();
}

#[test]
fn lookups_wait_beside_one_another() {
    let server = Server::start();
    let endpoint = server.endpoint();
    Machine::with("first", |folder| many(folder, 40)).fine(&endpoint, &[]);
    let slow = |server: &Server| {
        server.faults().slow.insert("GetActionResult", (Duration::from_millis(200), usize::MAX));
        server.forget_calls();
        *server.state.waiting.lock().unwrap() = (0, 0);
    };
    slow(&server);
    let second = Machine::with("second", |folder| many(folder, 40));
    second.fine(&endpoint, &["-j1", "--outputs", "none"]).assert_all_remote("one job");
    let (_, most) = *server.state.waiting.lock().unwrap();
    assert!(most >= 8, "{most} questions at a time");

    // Where nothing is found, each pip is asked for once and run once.
    server.state.results.lock().unwrap().clear();
    slow(&server);
    let third = Machine::with("third", |folder| many(folder, 40));
    let built = third.fine(&endpoint, &["-j1", "--remote-upload", "no"]);
    assert_eq!((&built.summary["executed"], &built.summary["hits"]), (&Value::from(40), &Value::from(0)));
    assert_eq!(server.calls("GetActionResult").len(), 40);
    let (_, most) = *server.state.waiting.lock().unwrap();
    assert!(most >= 8, "{most} questions at a time");
}

#[test]
fn a_server_that_hangs_is_not_waited_for_by_every_pip() {
    for method in ["GetActionResult", "BatchReadBlobs"] {
        let server = Server::start();
        let folder = tempfile::tempdir().unwrap();
        let options = RemoteOptions { deadline: Duration::from_secs(1), retries: 0, ..server.options() };
        let remote = Remote::connect(options).unwrap();
        server.faults().slow.insert(method, (Duration::from_secs(3600), usize::MAX));
        server.forget_calls();
        let options = RemoteCacheOptions { store: folder.path().to_owned(), upload: Upload::Nothing, threads: 1 };
        let cache = RemoteCache::new(remote, &options).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..2_u8 {
                let cache = &cache;
                scope.spawn(move || {
                    for pip in 0..25 {
                        let number = [thread * 25 + pip; 32];
                        if method == "GetActionResult" {
                            assert_eq!(cache.result(Fingerprint(number)), None);
                            continue;
                        }
                        let digest = Digest::of(&number);
                        let wanted = WantedBlob { digest, path: String::new(), executable: false };
                        assert_eq!(cache.fetch(&[wanted]), [digest]);
                    }
                });
            }
        });
        // One of each thread. On a machine that is busy somebody may have looked again.
        let calls = server.calls(method).len();
        assert!((1..=6).contains(&calls), "{method}: {calls}");
        assert!(cache.trouble().is_some_and(|text| text.contains("no answer within 1s")));
        assert_eq!(cache.trouble(), None);
    }
}

#[test]
fn the_end_of_the_build_does_not_wait_for_a_server_that_hangs() {
    let server = Server::start();
    let endpoint = server.endpoint();
    let machine = |name| Machine::with(name, |folder| many(folder, 5));
    machine("first").fine(&endpoint, &[]);
    // What it does not know it gets by the other way.
    server.faults().unimplemented.insert("BatchReadBlobs");
    let results = server.state.results.lock().unwrap().clone();
    for method in ["GetCapabilities", "GetActionResult", "Read", "FindMissingBlobs", "UpdateActionResult"] {
        let uploads = ["FindMissingBlobs", "UpdateActionResult"].contains(&method);
        *server.state.results.lock().unwrap() = if uploads { Default::default() } else { results.clone() };
        server.faults().slow.clear();
        server.faults().slow.insert(method, (Duration::from_secs(3600), usize::MAX));
        server.forget_calls();
        let second = machine("second");
        let mut command = support::program(&second.folder);
        command.args(["build", "--format", "json", "--remote-cache", &endpoint]);
        let ran = support::interrupted(command, &|| !server.calls(method).is_empty()).unwrap();
        let summary: Value = serde_json::from_str(&ran.stdout).unwrap();
        // All pips may be done by then, so that nothing but the uploads is given up.
        let is_done = uploads && ran.code == 0 && summary["executed"] == 5;
        let is_cancelled = ran.code == 1 && summary["cancelled"] == true;
        assert!(is_done || is_cancelled, "{method}: {} {}", ran.code, ran.stderr);
        assert!(!ran.stderr.contains("warning"), "{method}: {}", ran.stderr);
    }
}

#[test]
fn a_server_that_fails_is_not_asked_for_every_pip() {
    let server = Server::start();
    server.faults().failing.insert("GetActionResult", (Code::Unavailable, usize::MAX));
    server.faults().failing.insert("UpdateActionResult", (Code::PermissionDenied, usize::MAX));
    let machine = Machine::with("many", |folder| many(folder, 150));
    let begun = Instant::now();
    let built = machine.fine(&server.endpoint(), &[]);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(built.summary["executed"], 150);
    for method in ["GetActionResult", "UpdateActionResult"] {
        let calls = server.calls(method).len();
        // Those that were under way, each twice.
        assert!((1..=40).contains(&calls), "{method}: {calls}");
    }
    // Once about reading, once about writing.
    assert_eq!(built.said.matches("dscript: warning").count(), 2, "{}", built.said);
}

#[test]
fn a_server_that_dies_in_the_middle_ends_no_build() {
    let server = Server::start();
    let endpoint = server.endpoint();
    let first = Machine::new("shared-opaque", "first");
    first.fine(&endpoint, &[]);
    let second = Machine::new("shared-opaque", "second");
    second.fine(&endpoint, &["--outputs", "none"]);
    second.edit("scripts/gather.sh", "\n", "\n# changed\n");
    first.edit("scripts/gather.sh", "\n", "\n# changed\n");
    // It says that all is well, and then knows nothing any more.
    server.state.blobs.lock().unwrap().clear();
    let built = second.fine(&endpoint, &["--outputs", "none", "-j", "4", "--remote-upload", "no"]);
    assert!(built.processes.values().any(|(result, _)| result == "executed"));
    drop(server);
    second.fine(&endpoint, &[]);
    first.fine(&endpoint, &[]);
    assert_eq!(second.outputs(), first.outputs());
}

#[test]
fn contents_that_are_not_what_they_should_be_are_not_used() {
    let server = Server::start();
    let endpoint = server.endpoint();
    let first = Machine::new("hello", "first");
    first.fine(&endpoint, &[]);
    let wrong: Vec<_> = {
        let results = server.state.results.lock().unwrap();
        let files = results.values().flat_map(|result| &result.output_files);
        files.filter_map(|file| dscript::cas::Digest::try_from(file.digest.as_ref()?).ok()).collect()
    };
    assert!(!wrong.is_empty());
    for digest in wrong {
        server.faults().altered.insert(digest, vec![b'?'; usize::try_from(digest.size).unwrap()]);
    }
    let second = Machine::new("hello", "second");
    let built = second.fine(&endpoint, &["--remote-cache-read-only"]);
    assert!(built.processes.values().all(|(result, _)| result == "executed"), "{:?}", built.processes);
    assert_eq!(second.outputs(), first.outputs());
}

#[test]
fn a_second_machine_finds_everything_on_a_peer() {
    let Some(peer) = Peer::start() else { return };
    second_machines(&peer.url);
}

#[test]
fn what_casd_has_expired_is_made_again() {
    let Some(peer) = Peer::alone() else { return };
    let first = Machine::new("shared-opaque", "first");
    first.fine(&peer.url, &[]);
    let second = Machine::new("shared-opaque", "second");
    second.fine(&peer.url, &["--outputs", "none"]).assert_all_remote("a peer");
    for machine in [&first, &second] {
        machine.edit("scripts/gather.sh", "\n", "\n# changed\n");
    }
    for file in support::files_below(&peer.objects(), "") {
        fs::remove_file(file).unwrap();
    }
    let built = second.fine(&peer.url, &["--outputs", "none"]);
    assert!(built.processes.values().any(|(result, _)| result == "executed"));
    second.fine(&peer.url, &[]);
    first.fine(&peer.url, &[]);
    assert_eq!(second.outputs(), first.outputs());
}
