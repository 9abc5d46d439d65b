//! The cache and the store in processes that come to a bad end: killed at any moment, or out of room.
//!
//! The test program runs itself again for that, with one test and a folder in the environment.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::*;
use crate::cas::{Digest, Keep, Materialize, Store};

const FOLDER: &str = "DSCRIPT_TEST_FOLDER";

fn print(kind: &str, text: &str) -> Fingerprint {
    let mut hasher = Hasher::new(kind);
    hasher.text(text);
    hasher.finish()
}

// The folder to work in, in a process that was started for a test.
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn myself() -> PathBuf {
    std::env::current_exe().unwrap()
}

// The arguments that run one test of this file.
fn only(test: &str) -> [String; 4] {
    let module = module_path!().split_once("::").unwrap().1;
    [format!("{module}::{test}"), "--exact".to_owned(), "--nocapture".to_owned(), "--test-threads=1".to_owned()]
}

#[test]
fn whatever_is_killed_leaves_whole_things() {
    let scene = tempfile::tempdir().unwrap();
    // The first rounds end while things are being opened for the first time; the last ones are there for machines that
    // are busy with something else.
    let mut most = 0;
    for (round, delay) in
        [0, 1, 3, 9, 20, 40, 350, 80, 500, 120, 700, 33, 2000, 4000, 8000, 16000, 32000].into_iter().enumerate()
    {
        if delay > 1000 && most > 100 {
            return;
        }
        let mut child = Command::new(myself())
            .args(only("hammer"))
            .env(FOLDER, scene.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().expect("the child begins").unwrap().contains("begun") {}
        thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was killed, not done");
        most = most.max(check(scene.path(), round));
    }
    assert!(most > 100, "{most} records in the end");
}

// Everything that is there is as it should be.
fn check(folder: &Path, round: usize) -> u64 {
    let store = Store::open(&folder.join("store")).unwrap();
    assert_eq!(fs::read_dir(folder.join("store/tmp")).unwrap().count(), 0, "round {round}");
    let verified = store.verify(true).unwrap();
    assert!(verified.removed.is_empty(), "round {round}: {verified:?}");

    let (entries, repair) = Entries::open(&folder.join("cache")).unwrap();
    assert_eq!(repair, None, "round {round}");
    let mut results = 0;
    let mut weaks = Vec::new();
    entries
        .for_each(&mut |found| {
            // What a result speaks of was added before it was recorded.
            let digest: Digest = std::str::from_utf8(found.bytes).unwrap().parse().unwrap();
            assert!(store.contains(&digest).unwrap(), "round {round}: {digest}");
            results += 1;
            weaks.push((found.weak, digest));
        })
        .unwrap();
    for (weak, digest) in weaks {
        // Records are written whole: no result without the way to it.
        let sets = entries.path_sets(weak);
        assert!(sets.iter().any(|(_, set)| *set == format!("paths {digest}").as_bytes()), "round {round}: {digest}");
    }
    assert_eq!(entries.stats().unwrap().bad, 0);
    entries.close().unwrap();

    let (_, repair) = FileTable::open(&folder.join("cache"), folder).unwrap();
    assert_eq!(repair, None, "round {round}");
    results
}

#[test]
fn hammer() {
    let Some(folder) = folder() else { return };
    #[allow(clippy::print_stdout, reason = "the parent waits for it")]
    {
        println!("begun");
    }
    let store = Store::open(&folder.join("store")).unwrap();
    let _hold = store.hold().unwrap();
    let (entries, _) = Entries::open(&folder.join("cache")).unwrap();
    let (table, _) = FileTable::open(&folder.join("cache"), &folder).unwrap();
    let id = std::process::id();
    let out = folder.join(format!("out-{id}"));
    fs::create_dir_all(&out).unwrap();
    thread::scope(|scope| {
        for worker in 0..2 {
            let (store, entries, table, out) = (&store, &entries, &table, &out);
            scope.spawn(move || {
                for number in 0.. {
                    // Half of the contents are those of other workers and rounds.
                    let text = if number % 2 == 0 {
                        format!("{number}")
                    } else {
                        format!("{id} {worker} {number}").repeat(500)
                    };
                    let path = out.join(format!("{worker}-{number}"));
                    fs::write(&path, &text).unwrap();
                    let how = if number % 5 == 0 { Keep::Copy } else { Keep::Link };
                    let digest = store.add_file(&path, how).unwrap();
                    store.add_bytes(format!("log of {text}").as_bytes()).unwrap();
                    let how = Materialize { executable: number % 3 == 0, writable: number % 7 == 0 };
                    store.materialize(&digest, &out.join("latest"), how).unwrap();
                    table.remember(&path, &Signature::of(&fs::metadata(&path).unwrap()), &digest);
                    let set = format!("paths {digest}");
                    let strong = print("strong", &digest.to_string());
                    entries.record(print("weak", &text), set.as_bytes(), strong, digest.to_string().as_bytes());
                    if number % 20 == 0 {
                        table.save().unwrap();
                    }
                    if number % 50 == 0 {
                        entries.flush().unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_half_done() {
    let scene = tempfile::tempdir().unwrap();
    let folder = scene.path();
    fs::write(folder.join("large"), vec![b'x'; 4 << 20]).unwrap();
    let store = Store::open(&folder.join("store")).unwrap();
    store.add_file(&folder.join("large"), Keep::Copy).unwrap();
    fs::write(folder.join("larger"), vec![b'y'; 4 << 20]).unwrap();
    let (entries, _) = Entries::open(&folder.join("cache")).unwrap();
    entries.record(print("weak", ""), b"paths", print("strong", "kept"), b"kept");
    entries.close().unwrap();
    thread::sleep(Duration::from_millis(60));
    let (table, _) = FileTable::open(&folder.join("cache"), folder).unwrap();
    table.digest_of(Path::new("large")).unwrap();
    table.save().unwrap();

    // No file may become larger than a megabyte or two, depending on the shell; a signal would come with that.
    let status = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 2048; exec "$@""#, "sh"])
        .arg(myself())
        .args(only("with_little_room"))
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(folder.join("done").exists());

    assert!(store.verify(true).unwrap().removed.is_empty());
    let (entries, repair) = Entries::open(&folder.join("cache")).unwrap();
    assert_eq!(repair, None);
    assert_eq!(entries.result(print("strong", "kept")).unwrap(), b"kept");
    assert!(entries.result(print("strong", "lost")).is_none());
    let (table, repair) = FileTable::open(&folder.join("cache"), folder).unwrap();
    assert_eq!((repair, table.len()), (None, 1));
}

#[test]
fn with_little_room() {
    let Some(folder) = folder() else { return };
    let store = Store::open(&folder.join("store")).unwrap();
    let full = |error: crate::cas::StoreError| assert!(error.is_full(), "{error}");
    full(store.add_bytes(&vec![b'z'; 4 << 20]).unwrap_err());
    full(store.add_file(&folder.join("larger"), Keep::Copy).unwrap_err());
    let large = Digest::of(&vec![b'x'; 4 << 20]);
    fs::create_dir(folder.join("out")).unwrap();
    full(
        store
            .materialize(&large, &folder.join("out/a"), Materialize { executable: false, writable: true })
            .unwrap_err(),
    );
    full(
        store
            .materialize(&large, &folder.join("out/a"), Materialize { executable: true, writable: false })
            .unwrap_err(),
    );
    for empty in ["out", "store/tmp"] {
        assert_eq!(fs::read_dir(folder.join(empty)).unwrap().count(), 0, "{empty}");
    }
    // Links need no room.
    store.add_file(&folder.join("larger"), Keep::Link).unwrap();
    store.materialize(&large, &folder.join("out/a"), Materialize::default()).unwrap();

    let (entries, repair) = Entries::open(&folder.join("cache")).unwrap();
    assert_eq!(repair, None);
    for number in 0..8_u8 {
        let bytes = vec![number; 1 << 20];
        entries.record(print("weak", ""), &bytes, print("strong", "lost"), &bytes);
    }
    let error = entries.flush().unwrap_err();
    assert!(matches!(error, EntriesError::Database { .. }), "{error}");
    // This build goes on with what it knows.
    assert_eq!(entries.result(print("strong", "lost")).unwrap(), vec![7; 1 << 20]);
    assert_eq!(entries.path_sets(print("weak", "")).len(), 9);
    entries.record(print("weak", ""), b"later", print("strong", "later"), b"later");
    assert_eq!(entries.result(print("strong", "later")).unwrap(), b"later");
    entries.close().unwrap_err();

    let (table, _) = FileTable::open(&folder.join("cache"), &folder).unwrap();
    let Known::File { digest, signature } = table.digest_of(Path::new("large")).unwrap() else {
        panic!("it is a file")
    };
    for number in 0..40_000 {
        assert!(table.remember(Path::new(&number.to_string()), &signature, &digest));
    }
    let error = table.save().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    fs::write(folder.join("done"), "").unwrap();
}
