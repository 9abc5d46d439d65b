//! Several blobs at once, and what servers may do wrong with them.

use std::sync::atomic::{AtomicU64, Ordering};

use dscript::cas::Digest;
use dscript::cas::remote::{Blob, Progress, Remote, RemoteError, RemoteOptions, Wanted};
use tonic::Code;

use super::server::{Server, assert_tidy, count, noise, store};

fn wanted(digests: &[Digest]) -> Vec<Wanted> {
    let want = |(number, digest): (usize, &Digest)| Wanted {
        digest: *digest,
        path: format!("out/{number}"),
        executable: number == 0,
    };
    digests.iter().enumerate().map(want).collect()
}

#[derive(Default)]
struct Counted {
    expected: [AtomicU64; 2],
    moved: [AtomicU64; 2],
}

impl Progress for Counted {
    fn expect(&self, blobs: u64, bytes: u64) {
        self.expected[0].fetch_add(blobs, Ordering::SeqCst);
        self.expected[1].fetch_add(bytes, Ordering::SeqCst);
    }

    fn moved(&self, blobs: u64, bytes: u64) {
        self.moved[0].fetch_add(blobs, Ordering::SeqCst);
        self.moved[1].fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn small_blobs_come_together_and_what_is_here_is_not_asked_for() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let mut digests: Vec<Digest> = (0..100).map(|number| server.put(&noise(100, number))).collect();
    store.add_bytes(&noise(100, 7)).unwrap();
    let large = server.put(&noise(4 << 20, 1000));
    digests.extend([large, digests[3], Digest::EMPTY]);
    let progress = Counted::default();
    let transfer = remote.fetch(&store, &wanted(&digests), &progress).unwrap();
    // The one of no bytes costs no request either.
    assert_eq!((transfer.blobs, transfer.bytes, transfer.present), (100, 99 * 100 + (4 << 20), 2));
    assert!(digests.iter().all(|digest| store.contains(digest).unwrap()));
    assert_eq!(server.calls("BatchReadBlobs").iter().map(|call| call.blobs).collect::<Vec<_>>(), [0, 99]);
    assert_eq!(server.calls("Read").len(), 1);
    for counts in [progress.expected, progress.moved] {
        assert_eq!(counts.map(AtomicU64::into_inner), [transfer.blobs, transfer.bytes]);
    }
    assert!(store.folder().join(format!("blobs/{}/{}x", &digests[0].hex()[..2], &digests[0].hex()[2..])).exists());
    assert_tidy(&store);

    server.forget_calls();
    let transfer = remote.fetch(&store, &wanted(&digests), &()).unwrap();
    assert_eq!((transfer.blobs, transfer.present), (0, 103));
    assert!(server.state.calls.lock().unwrap().is_empty());
}

#[test]
fn a_missing_blob_is_named_with_its_path_and_the_others_come() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let mut digests: Vec<Digest> = (0..10).map(|number| server.put(&noise(100, number))).collect();
    digests.push(server.put(&noise(4 << 20, 5)));
    for gone in [2, 5, 10] {
        server.drop_blob(&digests[gone]);
    }
    let error = remote.fetch(&store, &wanted(&digests), &()).unwrap_err();
    let text = error.to_string();
    let RemoteError::Missing { missing } = error else { panic!("{text}") };
    let paths: Vec<&str> = missing.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(paths, ["out/10", "out/2", "out/5"]);
    assert!(text.contains(&format!("{}, which is `out/10`, nor 2 other blobs", digests[10])), "{text}");
    assert_eq!(count(&store), 8);
    assert!(matches!(remote.read(&digests[2]), Err(RemoteError::Missing { .. })));
}

#[test]
fn another_size_or_another_hash_is_refused_and_not_kept() {
    for (right, altered) in
        [(&b"right"[..], &b"rig"[..]), (b"right", b"right or not"), (b"right", b"wrong"), (b"right", b"")]
    {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        let good = server.put(b"good");
        let digest = server.put(right);
        server.faults().altered.insert(digest, altered.to_vec());
        let error = remote.fetch(&store, &wanted(&[good, digest]), &()).unwrap_err();
        let RemoteError::Wrong { path, size, .. } = &error else { panic!("{error}") };
        assert_eq!((path.as_str(), *size), ("out/1", altered.len() as u64));
        assert!(!store.contains(&digest).unwrap());
        assert!(store.contains(&good).unwrap());
        assert!(matches!(remote.read(&digest), Err(RemoteError::Wrong { .. })));
        assert_tidy(&store);
    }
}

#[test]
fn answers_that_nobody_asked_for_and_answers_that_do_not_come_are_reported() {
    for (what, expected) in
        [("extra", "which was not asked for"), ("twice", "answered twice for"), ("unanswered", "did not answer for")]
    {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        let digests = [server.put(b"one"), server.put(b"two")];
        {
            let mut faults = server.faults();
            faults.extra.extend((what == "extra").then_some("BatchReadBlobs"));
            faults.twice = what == "twice";
            faults.unanswered = what == "unanswered";
        }
        let error = remote.fetch(&store, &wanted(&digests), &()).unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(count(&store) <= 1);
    }
}

#[test]
fn one_blob_that_fails_in_a_batch_is_asked_for_alone() {
    for code in [Code::ResourceExhausted, Code::Unavailable, Code::Internal, Code::OutOfRange] {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        let digests = [server.put(b"one"), server.put(b"two")];
        server.faults().failing_blobs.insert(digests[1], (code, usize::MAX));
        let transfer = remote.fetch(&store, &wanted(&digests), &()).unwrap();
        assert_eq!(transfer.blobs, 2);
        assert_eq!(server.calls("Read").len(), 1);
    }
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let digests = [server.put(b"one"), server.put(b"two")];
    server.faults().failing_blobs.insert(digests[1], (Code::PermissionDenied, usize::MAX));
    let error = remote.fetch(&store, &wanted(&digests), &()).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::PermissionDenied, .. }), "{error}");
    assert!(store.contains(&digests[0]).unwrap());
}

#[test]
fn a_limit_that_is_larger_than_true_is_found_out_and_remembered() {
    let codes = [Code::ResourceExhausted, Code::OutOfRange, Code::InvalidArgument];
    // Where it is not said that it is the size, it shows by what is taken.
    for (code, says) in codes.into_iter().flat_map(|code| [(code, None), (code, Some("no"))]) {
        let server = Server::start();
        {
            let mut faults = server.faults();
            faults.limit = 4 << 20;
            faults.true_limit = Some((300_000, code));
            faults.says = says;
        }
        let remote = Remote::connect(RemoteOptions { retries: 1, ..server.options() }).unwrap();
        let (_folder, store) = store();
        let digests: Vec<Digest> = (0..200).map(|number| server.put(&noise(10_000, number))).collect();
        let transfer = remote.fetch(&store, &wanted(&digests), &()).unwrap();
        assert_eq!(transfer.blobs, 200);
        server.forget_calls();
        let (_folder, other) = super::server::store();
        remote.fetch(&other, &wanted(&digests), &()).unwrap();
        let calls = server.calls("BatchReadBlobs");
        assert!(calls.iter().all(|call| call.size <= 300_000), "{code:?}: {calls:?}");
        // What is sent, too.
        let blobs: Vec<Blob> = (1000..1200)
            .map(|number| noise(10_000, number))
            .map(|bytes| Blob::Bytes(Digest::of(&bytes), bytes))
            .collect();
        assert_eq!(remote.upload(&store, &blobs[..100], &()).unwrap().blobs, 100);
        server.forget_calls();
        remote.upload(&store, &blobs[100..], &()).unwrap();
        let calls = server.calls("BatchUpdateBlobs");
        assert!(calls.iter().all(|call| call.size <= 300_000), "{code:?}: {calls:?}");
    }
}

#[test]
fn a_server_that_has_too_much_to_do_gets_the_same_batches_again() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let digests: Vec<Digest> = (0..200).map(|number| server.put(&noise(10_000, number))).collect();
    let blobs: Vec<Blob> =
        (1000..1200).map(|number| noise(10_000, number)).map(|bytes| Blob::Bytes(Digest::of(&bytes), bytes)).collect();
    for says in [None, Some("too many requests, the limit is 100 a second")] {
        server.forget_calls();
        server.faults().says = says;
        for method in ["BatchReadBlobs", "BatchUpdateBlobs"] {
            server.faults().failing.insert(method, (Code::ResourceExhausted, 3));
        }
        let (_folder, other) = super::server::store();
        remote.fetch(&other, &wanted(&digests), &()).unwrap();
        server.state.blobs.lock().unwrap().retain(|digest, _| digests.contains(digest));
        remote.upload(&store, &blobs, &()).unwrap();
        for method in ["BatchReadBlobs", "BatchUpdateBlobs"] {
            let sizes: Vec<usize> = server.calls(method).iter().map(|call| call.blobs).collect();
            assert_eq!(sizes, [200; 4], "{method} {says:?}");
        }
    }
}

#[test]
fn a_single_blob_that_is_too_large_for_a_batch_comes_as_a_stream() {
    let server = Server::start();
    server.faults().true_limit = Some((1_000, Code::ResourceExhausted));
    let remote = server.connect();
    let (_folder, store) = store();
    let digest = server.put(&noise(100_000, 1));
    let mut options = server.options();
    options.retries = 0;
    drop(remote);
    let remote = dscript::cas::remote::Remote::connect(options).unwrap();
    remote.fetch(&store, &wanted(&[digest]), &()).unwrap();
    assert_eq!(remote.read(&digest).unwrap(), noise(100_000, 1));
}

#[test]
fn compressed_batches_are_unpacked_and_verified() {
    let server = Server::start();
    server.faults().zstd = true;
    let remote = server.connect();
    let (_folder, store) = store();
    let digests = [server.put(&[7; 50_000]), server.put(b"small"), server.put(&noise(1000, 1))];
    remote.fetch(&store, &wanted(&digests), &()).unwrap();
    let calls = server.calls("BatchReadBlobs");
    assert!(calls[1].size < 2_000, "{calls:?}");
    assert_eq!(store.read(&digests[0]).unwrap(), [7; 50_000]);

    // What unpacks to more than it should is not unpacked to the end.
    let (_folder, store) = super::server::store();
    server.faults().altered.insert(digests[1], vec![7; 100_000_000]);
    let error = remote.fetch(&store, &wanted(&digests[1..2]), &()).unwrap_err();
    assert!(matches!(error, RemoteError::Wrong { .. }), "{error}");
    assert_tidy(&store);
}

#[test]
fn several_batches_are_under_way_at_a_time() {
    let server = Server::start();
    server.faults().limit = 64 << 10;
    let remote = server.connect();
    let (_folder, store) = store();
    let digests: Vec<Digest> = (0..80).map(|number| server.put(&noise(10_000, number))).collect();
    let wait = std::time::Duration::from_millis(300);
    server.faults().slow.insert("BatchReadBlobs", (wait, usize::MAX));
    let begin = std::time::Instant::now();
    remote.fetch(&store, &wanted(&digests), &()).unwrap();
    let batches = u32::try_from(server.calls("BatchReadBlobs").len() - 1).unwrap();
    assert!(batches >= 13, "{batches}");
    assert!(begin.elapsed() < wait * batches / 2, "{:?} for {batches}", begin.elapsed());
}

#[test]
fn many_threads_share_one_client() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let digests: Vec<Digest> = (0..200).map(|number| server.put(&noise(500, number))).collect();
    std::thread::scope(|scope| {
        for part in 0..20 {
            let (remote, store, digests) = (remote.clone(), &store, &digests);
            scope.spawn(move || {
                let part = &digests[part * 10 / 2..part * 10 / 2 + 20];
                remote.fetch(store, &wanted(part), &()).unwrap();
                assert!(part.iter().all(|digest| store.contains(digest).unwrap()));
            });
        }
    });
    assert_tidy(&store);
}
