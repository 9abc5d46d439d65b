//! Trees: what is asked for, in which order things get into the store, and what is refused.

use dscript::cas::Digest;
use dscript::cas::api::reapi;
use dscript::cas::remote::{Remote, RemoteError, RemoteOptions};
use prost::Message as _;
use tonic::Code;

use super::server::{Server, assert_nothing_dangles, assert_tidy, count, directories, noise, options, store};

// Levels with three directories each, and as many files.
fn deep(server: &Server, levels: u32) -> Digest {
    let mut files = Vec::new();
    for number in 0..3_u32.pow(levels) {
        let path: Vec<String> = (0..levels).map(|level| format!("d{}", number / 3_u32.pow(level) % 3)).collect();
        files.push((format!("{}/file{number}", path.join("/")), noise(200, u64::from(number))));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
    server.put_tree(&files)
}

#[test]
fn a_tree_comes_level_by_level_in_batches() {
    let server = Server::start();
    // With several requests at a time, which directories share a batch depends on which answers come first.
    let remote = Remote::connect(RemoteOptions { concurrency: 1, ..server.options() }).unwrap();
    let (_folder, store) = store();
    let root = deep(&server, 5);
    let transfer = remote.fetch_tree(&store, &root, &()).unwrap();
    let different = server.state.blobs.lock().unwrap().len() as u64;
    assert_eq!((transfer.blobs, count(&store)), (different, different));
    // One for each level of directories, one for the files, and the probe: not one for each of 600 blobs.
    let calls = server.calls("BatchReadBlobs");
    assert!(calls.len() <= 12, "{calls:?}");
    assert_eq!(calls.iter().map(|call| call.blobs as u64).sum::<u64>(), different);
    assert_eq!(server.calls("Read").len(), 0);
    assert_nothing_dangles(&store, &directories(&server, &root));
    assert_tidy(&store);
}

#[test]
fn what_is_here_is_skipped_and_what_has_gone_below_it_is_not() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let root = server.put_tree(&[("a/one", b"1"), ("a/two", b"2"), ("b/c/three.sh", b"3")]);
    remote.fetch_tree(&store, &root, &()).unwrap();
    server.forget_calls();
    let transfer = remote.fetch_tree(&store, &root, &()).unwrap();
    assert_eq!((transfer.blobs, transfer.present), (0, 7));
    assert!(server.state.calls.lock().unwrap().is_empty());

    // Somebody removes a file and a directory, while the directories above them stay.
    let gone = [Digest::of(b"2"), directories(&server, &root)[2]];
    let wanted: Vec<Digest> = gone.to_vec();
    store.gc(&|digest| !gone.contains(digest), std::time::Duration::ZERO).unwrap();
    assert_eq!(count(&store), 5);
    let transfer = remote.fetch_tree(&store, &root, &()).unwrap();
    assert_eq!(transfer.blobs, 2);
    assert!(wanted.iter().all(|digest| store.contains(digest).unwrap()));
    let path = store.folder().join(format!("blobs/{}/{}x", &Digest::of(b"3").hex()[..2], &Digest::of(b"3").hex()[2..]));
    assert!(path.exists());
}

#[test]
fn the_same_directory_in_many_places_is_asked_for_once() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    // Each directory has the one below it twice: as many paths as no machine has atoms of memory.
    let mut below = server.put_tree(&[("file", b"at the very end")]);
    for _ in 0..100 {
        let node = |name: &str| reapi::DirectoryNode { name: name.to_owned(), digest: Some(below.into()) };
        let directory = reapi::Directory { directories: vec![node("a"), node("b")], ..reapi::Directory::default() };
        below = server.put(&directory.encode_to_vec());
    }
    let transfer = remote.fetch_tree(&store, &below, &()).unwrap();
    assert_eq!(transfer.blobs, 102);
    assert_eq!(remote.fetch_tree(&store, &below, &()).unwrap().present, 102);
}

#[test]
fn missing_blobs_are_all_named_with_the_paths_that_want_them_and_nothing_dangles() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let root =
        server.put_tree(&[("a/one", b"1"), ("a/two", b"2"), ("b/c/three", b"3"), ("b/d/four", b"4"), ("five", b"5")]);
    let all = directories(&server, &root);
    let directory = server.put_tree(&[("four", b"4")]);
    server.drop_blob(&Digest::of(b"2"));
    server.drop_blob(&Digest::of(b"5"));
    server.drop_blob(&directory);
    let error = remote.fetch_tree(&store, &root, &()).unwrap_err();
    let RemoteError::Missing { missing } = &error else { panic!("{error}") };
    let expected = [(Digest::of(b"2"), "a/two"), (directory, "b/d"), (Digest::of(b"5"), "five")];
    assert_eq!(*missing, expected.map(|(digest, path)| (digest, path.to_owned())));
    // The directory of `three` is complete; those above missing things are not there.
    assert_eq!(count(&store), 3);
    assert!(!store.contains(&root).unwrap());
    assert_nothing_dangles(&store, &all);

    let error = remote.fetch_tree(&store, &Digest::of(b"no such root"), &()).unwrap_err();
    assert!(matches!(&error, RemoteError::Missing { missing } if missing[0].1.is_empty()), "{error}");
}

#[test]
fn a_fetch_that_is_broken_off_anywhere_leaves_nothing_dangling() {
    let server = Server::start();
    server.faults().limit = 2 << 10;
    let root = deep(&server, 3);
    let all = directories(&server, &root);
    let remote = Remote::connect(RemoteOptions { retries: 0, ..server.options() }).unwrap();
    let mut kept = 0;
    for after in (0..).step_by(3) {
        let (_folder, store) = store();
        server.faults().failing.clear();
        // It works until so much has arrived, and then never again.
        let stop = Stop { server: &server, after, seen: 0.into() };
        let answer = remote.fetch_tree(&store, &root, &stop);
        assert_nothing_dangles(&store, &all);
        assert_tidy(&store);
        kept = kept.max(all.iter().filter(|digest| store.contains(digest).unwrap()).count());
        if answer.is_ok() {
            break;
        }
        assert!(!store.contains(&root).unwrap());
        // And it can go on from there.
        server.faults().failing.clear();
        remote.fetch_tree(&store, &root, &()).unwrap();
        assert!(all.iter().all(|digest| store.contains(digest).unwrap()));
    }
    assert!(kept > 20, "{kept}");
}

#[test]
fn the_size_of_a_directory_is_part_of_what_it_is() {
    let server = Server::start();
    let file = reapi::FileNode { name: "f".into(), digest: Some(server.put(b"text").into()), ..Default::default() };
    let good = server.put(&reapi::Directory { files: vec![file], ..Default::default() }.encode_to_vec());
    let node = |name: &str, digest: Digest| reapi::DirectoryNode { name: name.into(), digest: Some(digest.into()) };
    let directory = |node| reapi::Directory { directories: vec![node], ..Default::default() }.encode_to_vec();
    let lying = server.put(&directory(node("a", Digest { size: good.size + 1, ..good })));
    let both = [node("a", good), node("b", lying)];
    let root = server.put(&reapi::Directory { directories: both.to_vec(), ..Default::default() }.encode_to_vec());
    let remote = Remote::connect(RemoteOptions { concurrency: 1, ..server.options() }).unwrap();
    let (_folder, store) = store();
    remote.fetch_tree(&store, &root, &()).unwrap_err();
    assert!(!store.contains(&lying).unwrap() && !store.contains(&root).unwrap());
    // Also where the right one is there already.
    remote.fetch_tree(&store, &good, &()).unwrap();
    remote.fetch_tree(&store, &root, &()).unwrap_err();
    assert!(!store.contains(&lying).unwrap() && !store.contains(&root).unwrap());
}

// Lets the server fail once enough has arrived.
struct Stop<'a> {
    server: &'a Server,
    after: u64,
    seen: std::sync::atomic::AtomicU64,
}

impl dscript::cas::remote::Progress for Stop<'_> {
    fn expect(&self, _: u64, _: u64) {}

    fn moved(&self, blobs: u64, _: u64) {
        let seen = self.seen.fetch_add(blobs, std::sync::atomic::Ordering::SeqCst) + blobs;
        if seen >= self.after {
            self.server.faults().failing.insert("BatchReadBlobs", (Code::PermissionDenied, usize::MAX));
        }
    }
}

#[test]
fn directories_that_mean_harm_are_refused() {
    let file = |name: &str| reapi::FileNode {
        name: name.to_owned(),
        digest: Some(Digest::of(b"x").into()),
        ..reapi::FileNode::default()
    };
    for names in [&["../evil"][..], &[".."], &["."], &[""], &["a/b"], &["/etc/passwd"], &["a\0"], &["a", "a"]] {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        server.put(b"x");
        let directory =
            reapi::Directory { files: names.iter().map(|name| file(name)).collect(), ..reapi::Directory::default() };
        let below = server.put(&directory.encode_to_vec());
        let node = reapi::DirectoryNode { name: "below".to_owned(), digest: Some(below.into()) };
        let above = reapi::Directory { directories: vec![node], ..reapi::Directory::default() };
        let root = server.put(&above.encode_to_vec());
        let error = remote.fetch_tree(&store, &root, &()).unwrap_err();
        assert!(matches!(&error, RemoteError::Directory { path, .. } if path == "below"), "{names:?}: {error}");
        assert_eq!(count(&store), 0);
    }
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    for bytes in [&b"\xff\xff\xff"[..], b"\x0a\x05ab"] {
        let root = server.put(bytes);
        let error = remote.fetch_tree(&store, &root, &()).unwrap_err();
        assert!(matches!(error, RemoteError::Directory { .. }), "{error}");
    }
    // A digest that says that it is as large as no directory is.
    let huge = Digest { size: 1 << 40, ..Digest::of(b"huge") };
    let error = remote.fetch_tree(&store, &huge, &()).unwrap_err();
    assert!(matches!(error, RemoteError::HugeDirectory { .. }), "{error}");
}

#[test]
fn directories_that_are_nested_too_deep_are_refused() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let mut below = server.put_tree(&[("file", b"x")]);
    for _ in 0..600 {
        let node = reapi::DirectoryNode { name: "d".to_owned(), digest: Some(below.into()) };
        let directory = reapi::Directory { directories: vec![node], ..reapi::Directory::default() };
        below = server.put(&directory.encode_to_vec());
    }
    let error = remote.fetch_tree(&store, &below, &()).unwrap_err();
    assert!(error.to_string().contains("nested too deep"), "{error}");
}

#[test]
fn a_directory_that_is_too_large_for_a_batch_comes_as_a_stream() {
    let server = Server::start();
    server.faults().limit = 4096;
    let remote = server.connect();
    let (_folder, store) = store();
    let files: Vec<String> = (0..300).map(|number| format!("file{number:03}")).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let root = server.put_tree(&files);
    remote.fetch_tree(&store, &root, &()).unwrap();
    assert_eq!(server.calls("Read").len(), 1);
    assert_eq!(count(&store), 301);
}

#[test]
fn another_directory_than_the_one_asked_for_is_refused() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let root = server.put_tree(&[("a/one", b"1")]);
    let inner = directories(&server, &root)[1];
    let mut altered = server.state.blobs.lock().unwrap()[&inner].clone();
    *altered.last_mut().unwrap() ^= 1;
    server.faults().altered.insert(inner, altered);
    let error = remote.fetch_tree(&store, &root, &()).unwrap_err();
    assert!(matches!(&error, RemoteError::Wrong { path, .. } if path == "a"), "{error}");
    assert_eq!(count(&store), 0);
}

#[test]
fn a_tree_in_one_message_needs_no_request_for_its_directories() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let root = server.put_tree(&[("a/one", b"1"), ("a/two", b"2"), ("b/c/three", b"3")]);
    let all = directories(&server, &root);
    let decode = |digest: &Digest| reapi::Directory::decode(&server.state.blobs.lock().unwrap()[digest][..]).unwrap();
    let tree = reapi::Tree { root: Some(decode(&root)), children: all[1..].iter().map(decode).collect() };
    let tree = server.put(&tree.encode_to_vec());
    for digest in &all {
        server.drop_blob(digest);
    }
    let (found, transfer) = remote.fetch_tree_message(&store, &tree, &()).unwrap();
    assert_eq!((found, transfer.blobs), (root, 3));
    assert_eq!(count(&store), 7);

    // Not before what is below them is there.
    server.drop_blob(&Digest::of(b"3"));
    let (_folder, store) = super::server::store();
    let error = remote.fetch_tree_message(&store, &tree, &()).unwrap_err();
    assert!(matches!(&error, RemoteError::Missing { missing } if missing[0].1 == "b/c/three"), "{error}");
    assert_nothing_dangles(&store, &all);
    assert_eq!(count(&store), 3);
}

#[test]
fn empty_files_and_empty_directories_cost_nothing() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let root = server.put_tree(&[("empty", b""), ("folder/", b""), ("other/deep/", b"")]);
    remote.fetch_tree(&store, &root, &()).unwrap();
    assert!(store.contains(&Digest::EMPTY).unwrap());
    assert!(store.contains(&root).unwrap());
    remote.fetch_tree(&store, &Digest::EMPTY, &()).unwrap();
}

#[test]
fn one_request_at_a_time_is_enough() {
    let server = Server::start();
    let root = deep(&server, 5);
    let remote = Remote::connect(RemoteOptions { concurrency: 1, ..options(&server.endpoint()) }).unwrap();
    let (_folder, store) = store();
    remote.fetch_tree(&store, &root, &()).unwrap();
    assert_nothing_dangles(&store, &directories(&server, &root));
    assert!(store.contains(&root).unwrap());
}
