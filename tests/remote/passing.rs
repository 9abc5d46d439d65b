//! The store of a command that has none is gone when the command is, however that ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dscript::cas::{Digest, Store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::{Server, noise};

fn get(server: &Server, digest: &Digest, folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dscript"));
    command.args(["cas", "get", "--remote", &server.endpoint(), "--file", &digest.to_string(), "out"]);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn stores(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(".dscript-cas-")).collect()
}

// Sends a signal in the middle of a transfer. Gives how the command ended, in words.
fn interrupt(server: &Server, digest: &Digest, folder: &Path, signal: Signal) -> String {
    server.forget_calls();
    server.faults().slow.insert("Read", (Duration::from_secs(600), 1));
    let child = get(server, digest, folder);
    let begun = Instant::now();
    while server.calls("Read").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    let there = stores(folder);
    assert_eq!(there.len(), 1);
    assert_eq!(fs::metadata(&there[0]).unwrap().permissions().mode() & 0o777, 0o700);
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_command_that_is_interrupted_takes_its_store_with_it() {
    let server = Server::start();
    let digest = server.put(&noise(5 << 20, 1));
    let folder = tempfile::tempdir().unwrap();
    for (signal, status) in [(Signal::SIGINT, "exit status: 130: "), (Signal::SIGTERM, "exit status: 143: ")] {
        assert_eq!(interrupt(&server, &digest, folder.path(), signal), status);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_a_killed_command_left_goes_with_the_next_one_and_what_is_needed_stays() {
    let server = Server::start();
    let digest = server.put(&noise(5 << 20, 1));
    let folder = tempfile::tempdir().unwrap();
    interrupt(&server, &digest, folder.path(), Signal::SIGKILL);
    let left = stores(folder.path());
    assert_eq!(left.len(), 1);
    // One of a process that is not seen from here, but holds it.
    let held = folder.path().join(".dscript-cas-2147483647-0");
    let store = Store::open(&held).unwrap();
    let hold = store.hold().unwrap();
    let output = get(&server, &digest, folder.path()).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stores(folder.path()), std::slice::from_ref(&held));
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), noise(5 << 20, 1));
    drop(hold);
    fs::remove_file(folder.path().join("out")).unwrap();
    get(&server, &digest, folder.path()).wait_with_output().unwrap();
    assert_eq!(stores(folder.path()), Vec::<PathBuf>::new());
}
