//! Blobs to the server.

use dscript::cas::Digest;
use dscript::cas::remote::{Blob, RemoteError};
use tonic::Code;

use super::server::{Server, noise, store};

fn blobs(count: u64, size: usize) -> Vec<Blob> {
    let blob = |number| {
        let bytes = noise(size, number);
        Blob::Bytes(Digest::of(&bytes), bytes)
    };
    (0..count).map(blob).collect()
}

fn digests(blobs: &[Blob]) -> Vec<Digest> {
    let digest = |blob: &Blob| match blob {
        Blob::Bytes(digest, _) | Blob::Stored(digest) => *digest,
    };
    blobs.iter().map(digest).collect()
}

#[test]
fn only_what_the_server_lacks_is_sent_small_ones_together() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let mut all = blobs(50, 1000);
    server.put(&noise(1000, 4));
    all.push(Blob::Stored(store.add_bytes(b"in the store").unwrap()));
    all.push(Blob::Stored(store.add_bytes(&noise(5 << 20, 100)).unwrap()));
    all.push(all[0].clone());
    all.push(Blob::Bytes(Digest::EMPTY, Vec::new()));
    let transfer = remote.upload(&store, &all, &()).unwrap();
    assert_eq!((transfer.blobs, transfer.bytes, transfer.present), (51, 49_000 + 12 + (5 << 20), 2));
    assert!(digests(&all).iter().filter(|digest| **digest != Digest::EMPTY).all(|digest| server.has(digest)));
    assert_eq!(server.calls("FindMissingBlobs").len(), 1);
    assert_eq!(server.calls("BatchUpdateBlobs").iter().map(|call| call.blobs).collect::<Vec<_>>(), [50]);
    assert_eq!(server.calls("Write").len(), 1);
    assert_eq!(remote.missing(&digests(&all)).unwrap(), []);
}

#[test]
fn missing_digests_are_asked_about_in_parts_and_told_in_order() {
    let server = Server::start();
    let remote = server.connect();
    let all: Vec<Digest> = (0..25_000_u32).map(|number| Digest::of(&number.to_le_bytes())).collect();
    server.put(&7_u32.to_le_bytes());
    let twice = [&all[..], &all[..10]].concat();
    let missing = remote.missing(&twice).unwrap();
    let expected: Vec<Digest> = all.iter().copied().filter(|digest| *digest != all[7]).collect();
    assert!(missing == expected);
    let calls = server.calls("FindMissingBlobs");
    assert_eq!(calls.iter().map(|call| call.blobs).sum::<usize>(), 25_000);
    assert!(calls.len() == 3 && calls.iter().all(|call| call.size < 1 << 20), "{calls:?}");

    server.faults().extra.insert("FindMissingBlobs");
    let error = remote.missing(&all[..1]).unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
}

#[test]
fn batches_that_are_sent_keep_to_the_limit() {
    for (limit, most) in [(0, 3 << 20), (64 << 10, 64 << 10)] {
        let server = Server::start();
        server.faults().limit = limit;
        let remote = server.connect();
        let (_folder, store) = store();
        let all = blobs(400, 12_000);
        remote.upload(&store, &all, &()).unwrap();
        let largest = server.calls("BatchUpdateBlobs").iter().map(|call| call.size).max().unwrap();
        assert!(largest <= most && largest > most * 3 / 4, "{largest}");
        assert!(digests(&all).iter().all(|digest| server.has(digest)));
    }
}

#[test]
fn a_limit_that_is_larger_than_true_is_found_out_when_sending_too() {
    for code in [Code::ResourceExhausted, Code::OutOfRange, Code::InvalidArgument] {
        let server = Server::start();
        server.faults().true_limit = Some((200_000, code));
        let remote = server.connect();
        let (_folder, store) = store();
        let all = blobs(100, 10_000);
        remote.upload(&store, &all, &()).unwrap();
        assert!(digests(&all).iter().all(|digest| server.has(digest)));
        let before = server.calls("BatchUpdateBlobs").len();
        let others: Vec<Blob> = blobs(200, 10_000).split_off(100);
        remote.upload(&store, &others, &()).unwrap();
        let calls = server.calls("BatchUpdateBlobs").split_off(before);
        assert!(calls.iter().all(|call| call.size <= 200_000), "{calls:?}");
    }
}

#[test]
fn a_server_that_takes_no_batches_gets_streams() {
    let server = Server::start();
    server.faults().unimplemented.insert("BatchUpdateBlobs");
    let remote = server.connect();
    let (_folder, store) = store();
    let all = blobs(5, 100);
    remote.upload(&store, &all, &()).unwrap();
    assert_eq!(server.calls("Write").len(), 5);
    remote.upload(&store, &blobs(8, 90), &()).unwrap();
    assert_eq!(server.calls("BatchUpdateBlobs").len(), 1);
}

#[test]
fn one_blob_that_fails_in_a_batch_is_sent_alone() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let all = blobs(5, 100);
    server.faults().failing_blobs.insert(digests(&all)[2], (Code::ResourceExhausted, 1));
    remote.upload(&store, &all, &()).unwrap();
    assert_eq!(server.calls("Write").len(), 1);
    assert!(server.has(&digests(&all)[2]));

    let others = blobs(3, 99);
    server.faults().failing_blobs.insert(digests(&others)[0], (Code::InvalidArgument, 1));
    let error = remote.upload(&store, &others, &()).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::InvalidArgument, .. }), "{error}");
}

#[test]
fn answers_about_blobs_that_were_not_sent_and_missing_ones_are_reported() {
    for (extra, expected) in [(true, "which was not asked for"), (false, "did not answer for")] {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        server.faults().unanswered = !extra;
        server.faults().extra.extend(extra.then_some("BatchUpdateBlobs"));
        let error = remote.upload(&store, &blobs(3, 100), &()).unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn compressed_batches_are_smaller() {
    let server = Server::start();
    server.faults().zstd = true;
    let remote = server.connect();
    let (_folder, store) = store();
    let bytes = vec![5; 100_000];
    let all = [Blob::Bytes(Digest::of(&bytes), bytes), Blob::Bytes(Digest::of(b"short"), b"short".to_vec())];
    remote.upload(&store, &all, &()).unwrap();
    assert!(server.calls("BatchUpdateBlobs")[0].size < 2_000);
    assert!(digests(&all).iter().all(|digest| server.has(digest)));
}

#[test]
fn what_the_store_does_not_have_and_what_the_server_does_not_take_is_an_error() {
    let server = Server::start();
    server.faults().largest = 1000;
    let remote = server.connect();
    let (_folder, store) = store();
    let error = remote.upload(&store, &[Blob::Stored(Digest::of(b"nowhere"))], &()).unwrap_err();
    assert!(matches!(error, RemoteError::Store(_)), "{error}");
    let error = remote.upload(&store, &blobs(1, 1001), &()).unwrap_err();
    assert!(matches!(error, RemoteError::TooLarge { limit: 1000, .. }), "{error}");
    remote.upload(&store, &blobs(1, 1000), &()).unwrap();
}
