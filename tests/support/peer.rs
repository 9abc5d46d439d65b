//! A server of the Remote Execution API that others wrote, for the tests that speak with one.
//!
//! Each test has a buildbox-casd of its own (`tools/casd.sh`), from the folder that the variable `BUILDBOX` names. Where
//! `PEER` is the URL of a server, those that need not be alone with theirs use that one; `peers.sh` sets it for each
//! server that it finds. Without either they are skipped, and say so.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that runs for as long as this is there.
pub struct Peer {
    pub url: String,
    own: Option<Own>,
}

/// What is ours of it.
struct Own {
    process: Child,
    folder: tempfile::TempDir,
}

impl Peer {
    /// The server that `PEER` names, else one of its own.
    pub fn start() -> Option<Self> {
        given("PEER").map(|url| Self { url, own: None }).or_else(Self::alone)
    }

    /// One that nobody else uses; never the one that `PEER` names.
    pub fn alone() -> Option<Self> {
        if given("BUILDBOX").is_none() || given("PEER").is_some() {
            skipped();
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a new file");
        // A port that was free a moment ago, which is as good as it gets.
        let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has an address");
        let mut process = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/casd.sh"))
            .arg(address.port().to_string())
            .arg(folder.path().join("store"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("a shell");
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = process.try_wait().expect("it is ours");
            if ended.is_some() || Instant::now() > end {
                let _ = process.kill();
                let said = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                panic!("buildbox-casd does not listen: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { url: format!("grpc://{address}"), own: Some(Own { process, folder }) })
    }

    /// Where it keeps contents, a file each; only of one that is alone.
    pub fn objects(&self) -> PathBuf {
        let own = self.own.as_ref().expect("it is our own");
        own.folder.path().join("store/cas/objects")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether there is one.
pub fn is_here() -> bool {
    given("PEER").is_some() || given("BUILDBOX").is_some()
}

/// What stands beside the names of tests that are left out because there is none.
pub const NEEDS: &str = "needs BUILDBOX, the folder of buildbox-casd";

#[allow(clippy::print_stderr, reason = "whoever reads the tests' output should know what was not tested")]
fn skipped() {
    eprintln!("skipped: {NEEDS}");
}

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
