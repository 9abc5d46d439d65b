//! What the storage promises, without a network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;

use super::event::Listener;
use super::names::Name;
use super::results::{self, Unfit};
use super::storage::{Storage, Touched};
use super::uploads::Uploads;
use super::walk::FRESH;
use crate::cas::Digest;
use crate::cas::api::reapi;

const ROOM: u64 = 1 << 30;

fn open(folder: &Path) -> Storage {
    Storage::open(folder, ROOM, Listener(Arc::new(|_| {}))).unwrap()
}

fn add(storage: &Storage, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    storage.add(&digest, bytes).unwrap();
    digest
}

fn add_directory(storage: &Storage, files: &[Digest], directories: &[Digest]) -> Digest {
    let directory = reapi::Directory {
        files: files
            .iter()
            .enumerate()
            .map(|(at, file)| reapi::FileNode {
                name: format!("f{at}"),
                digest: Some((*file).into()),
                ..Default::default()
            })
            .collect(),
        directories: directories
            .iter()
            .enumerate()
            .map(|(at, child)| reapi::DirectoryNode { name: format!("d{at}"), digest: Some((*child).into()) })
            .collect(),
        ..Default::default()
    };
    add(storage, &directory.encode_to_vec())
}

// The result of an action with one output, a directory.
fn result_with(directory: &Digest) -> reapi::ActionResult {
    let directory = reapi::OutputDirectory {
        path: "d".to_owned(),
        root_directory_digest: Some((*directory).into()),
        ..Default::default()
    };
    reapi::ActionResult { output_directories: vec![directory], ..Default::default() }
}

fn used(storage: &Storage, digest: &Digest) -> u64 {
    storage.index().get(digest).unwrap().used
}

// As if nothing had happened for so long.
fn age(storage: &Storage, digests: &[&Digest], by: u64) {
    for digest in digests {
        storage.index().change(digest, |entry| entry.used -= by);
    }
}

#[test]
fn directories_are_used_before_what_they_need() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let file = add(&storage, b"file");
    let inner = add_directory(&storage, &[file], &[]);
    let outer = add_directory(&storage, &[file], &[inner, Digest::EMPTY]);
    assert!(used(&storage, &outer) < used(&storage, &inner) && used(&storage, &inner) < used(&storage, &file));
    // A file that holds a directory brings what that needs along.
    let holder = add_directory(&storage, &[outer], &[]);
    assert!(used(&storage, &holder) < used(&storage, &outer));
    age(&storage, &[&file, &inner, &outer, &holder], 10 * FRESH);
    assert_eq!(storage.touch(&holder), Touched::Stale);
    let before = used(&storage, &file);
    assert!(storage.mark(&holder).unwrap());
    assert!(used(&storage, &file) > before + 9 * FRESH);
    assert!(used(&storage, &holder) < used(&storage, &outer));
    assert!(used(&storage, &outer) < used(&storage, &inner) && used(&storage, &inner) < used(&storage, &file));
    assert_eq!(storage.touch(&holder), Touched::Marked);
}

#[test]
fn what_comes_after_its_directory_stays_longer() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let file = add(&storage, b"file");
    let inner = reapi::Directory {
        files: vec![reapi::FileNode { name: "f".to_owned(), digest: Some(file.into()), ..Default::default() }],
        ..Default::default()
    };
    let inner_digest = Digest::of(&inner.encode_to_vec());
    let outer = add_directory(&storage, &[Digest::of(b"late")], &[inner_digest]);
    add(&storage, &inner.encode_to_vec());
    add(&storage, b"late");
    assert!(used(&storage, &outer) < used(&storage, &inner_digest));
    assert!(used(&storage, &outer) < used(&storage, &Digest::of(b"late")));
}

#[test]
fn a_kill_loses_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let old = add(&storage, b"old");
    let file = add(&storage, b"file");
    let known = add_directory(&storage, &[old], &[]);
    age(&storage, &[&old, &file, &known], 5 * FRESH);
    storage.save().unwrap();
    let written = used(&storage, &old);
    // After the picture was taken: a directory that needs an old file, and a result.
    let late = add_directory(&storage, &[file], &[known]);
    let key = results::key("", &Digest::of(b"action"));
    let result = result_with(&late);
    storage.put_result(&key, &result).unwrap();
    drop(storage);

    let storage = open(folder.path());
    assert!(used(&storage, &late) < used(&storage, &file) && used(&storage, &late) < used(&storage, &known));
    assert!(used(&storage, &known) < used(&storage, &old));
    assert!(used(&storage, &old) > written, "it is needed by what came later");
    assert!(storage.results.uses()[0].1 < used(&storage, &late));
    assert_eq!(storage.result(&key).unwrap(), Some(result));
    // All goes in that order.
    let mut gone = Vec::new();
    while storage.index().room() > 0 {
        storage.expire(storage.index().room() - 1).unwrap();
        gone.push([&late, &known, &old].map(|digest| storage.index().get(digest).is_some()));
        let results = storage.results.uses().len();
        assert!(results == 0 || gone.last() == Some(&[true; 3]), "the result goes first");
    }
    for [late, known, old] in gone {
        assert!((!late || known) && (!known || old));
    }
}

#[test]
fn a_damaged_picture_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let file = add(&storage, b"file");
    let root = add_directory(&storage, &[file], &[]);
    storage.save().unwrap();
    let path = storage.snapshot_path();
    drop(storage);
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 5, 40, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let storage = open(folder.path());
        assert!(used(&storage, &root) < used(&storage, &file));
        assert_eq!(storage.index().room(), 2 * 4096);
    }
    // Blobs that are not there any more are not there, whatever it says.
    std::fs::write(&path, &whole).unwrap();
    crate::cas::Store::open(folder.path()).unwrap().withdraw(&file).map(drop).unwrap();
    let storage = open(folder.path());
    assert_eq!(storage.touch(&file), Touched::Missing);
    assert_eq!(storage.index().room(), 4096);
}

#[test]
fn a_result_lacks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let file = add(&storage, b"file");
    let root = add_directory(&storage, &[file, Digest::of(b"absent")], &[]);
    let key = results::key("", &Digest::of(b"action"));
    let result = result_with(&root);
    match storage.put_result(&key, &result) {
        Err(Unfit::Missing(missing)) => assert_eq!(missing, [Digest::of(b"absent")]),
        other => panic!("{other:?}"),
    }
    add(&storage, b"absent");
    storage.put_result(&key, &result).unwrap();
    assert_ne!(results::key("other", &Digest::of(b"action")), key);
}

#[test]
fn what_another_program_put_there_is_served_too() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, program) = (Digest::of(b"plain"), Digest::of(b"#!"));
    // A folder that is a server's.
    drop(open(folder.path()));
    {
        let store = crate::cas::Store::open(folder.path()).unwrap();
        store.add_bytes(b"plain").unwrap();
        store.add_claimed(&program, b"#!", true).unwrap();
        store.add_bytes(b"#!").unwrap();
    }
    let storage = open(folder.path());
    assert_eq!(storage.read(&plain).unwrap(), b"plain");
    assert_eq!(storage.read(&program).unwrap(), b"#!");
    storage.open_blob(&program).unwrap();
    assert_eq!(storage.index().room(), 2 * 4096);
    storage.expire(0).unwrap();
    assert_eq!(storage.store.list().unwrap(), []);
}

#[test]
fn uploads_without_a_client_are_few_and_compressed_ones_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(open(folder.path()));
    let uploads = Uploads::new(Arc::clone(&storage), Duration::from_secs(600));
    for zstd in [true, false] {
        let resource = |number: u64| format!("{zstd}/{number}");
        for number in 0..400 {
            let name = Name { digest: Digest { size: 1000, ..Digest::EMPTY }, zstd };
            let writer = uploads.open(&resource(number), &name, 0).unwrap();
            writer.feed(&uploads, &[zstd::bulk::compress(&[7; 100], 1).unwrap().into()]).unwrap();
        }
        let kept: Vec<u64> = (0..400).filter(|number| uploads.received(&resource(*number)).is_some()).collect();
        // The last one came when the others were counted.
        let most = if zstd { 9 } else { 257 };
        assert_eq!(kept, (400 - most..400).collect::<Vec<u64>>());
    }
}

#[test]
fn a_clock_that_was_set_back_changes_no_order() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let file = add(&storage, b"file");
    let root = add_directory(&storage, &[file], &[]);
    let others: Vec<Digest> = (0..20_u8).map(|number| add(&storage, &[number])).collect();
    // Noted by a clock that went ten hours before.
    let all: Vec<&Digest> = [&root, &file].into_iter().chain(&others).collect();
    for (at, digest) in all.iter().enumerate() {
        storage.index().change(digest, |entry| entry.used += 36_000_000_000 + at as u64);
    }
    storage.save().unwrap();
    drop(storage);
    let storage = open(folder.path());
    let now = storage.now();
    let uses: Vec<u64> = all.iter().map(|digest| used(&storage, digest)).collect();
    assert!(uses.is_sorted_by(|one, next| one < next), "{uses:?}");
    assert!(*uses.last().unwrap() <= now);
    assert!(*uses.first().unwrap() > now - FRESH, "it was all used a short while ago");
}

// Expires down to so much, and does something after each slice.
fn expire_with(storage: &Storage, target: u64, between: impl FnMut()) -> u64 {
    let _one = super::index::lock(&storage.expiring);
    storage.expire_alone(target, between).unwrap()
}

#[test]
fn others_come_in_while_much_expires() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(open(folder.path()));
    for number in 0..1000_u64 {
        add(&storage, &number.to_le_bytes());
    }
    let (mut came, mut rooms) = (Vec::new(), Vec::new());
    let gone = expire_with(&storage, 4096, || {
        rooms.push(storage.index().room());
        // From another thread: whoever removes must not be the only one who can.
        let writer = Arc::clone(&storage);
        let writing = std::thread::spawn(move || {
            let file = add(&writer, b"file");
            [file, add_directory(&writer, &[file], &[])]
        });
        came = writing.join().unwrap().to_vec();
    });
    assert!(rooms.len() > 2 && rooms.is_sorted_by(|one, next| one > next), "{rooms:?}");
    // What came was used last, and the directory before its file.
    assert_eq!(gone, 1001);
    assert_eq!([Touched::Marked, Touched::Missing], [storage.touch(&came[0]), storage.touch(&came[1])]);
}

#[test]
fn what_comes_while_much_expires_goes_before_what_it_needs() {
    let key = results::key("", &Digest::of(b"action"));
    for with_result in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(folder.path());
        for number in 0..600_u64 {
            add(&storage, &number.to_le_bytes());
        }
        let file = add(&storage, b"file");
        let inner = add_directory(&storage, &[file], &[]);
        let late: Vec<Digest> = (600..900_u64).map(|number| add(&storage, &number.to_le_bytes())).collect();
        let mut outer = None;
        expire_with(&storage, 4096, || {
            if outer.is_none() {
                // What it needs was used a moment ago and so is not marked again: it counts as used before that.
                let added = add_directory(&storage, &[], &[inner]);
                outer = Some(added);
                if with_result {
                    storage.put_result(&key, &result_with(&added)).unwrap();
                }
            }
            let there = |digest: &Digest| storage.index().get(digest).is_some();
            let outer = outer.is_some_and(|outer| there(&outer));
            assert!((!outer || there(&inner)) && (!there(&inner) || there(&file)));
            assert!(outer || storage.results.uses().is_empty());
        });
        assert_eq!(storage.results.uses(), []);
        assert_eq!(storage.touch(&outer.unwrap()), Touched::Missing);
        // One is left, which was used last: with the result its file was used too.
        let last = if with_result { &file } else { &late[299] };
        assert_eq!(storage.touch(last), Touched::Marked);
    }
}
