//! What the storage promises, without a network.

use std::path::Path;
use std::sync::Arc;

use prost::Message as _;

use super::event::Listener;
use super::results::{self, Unfit};
use super::storage::{Storage, Touched};
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
    let result = reapi::ActionResult {
        output_directories: vec![reapi::OutputDirectory {
            path: "d".to_owned(),
            root_directory_digest: Some(late.into()),
            ..Default::default()
        }],
        ..Default::default()
    };
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
    let result = reapi::ActionResult {
        output_directories: vec![reapi::OutputDirectory {
            path: "d".to_owned(),
            root_directory_digest: Some(root.into()),
            ..Default::default()
        }],
        ..Default::default()
    };
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
