//! Large blobs as streams, in both directions, that break.

use std::time::Duration;

use dscript::cas::Digest;
use dscript::cas::remote::{Blob, RemoteError, RemoteOptions, Wanted};
use tonic::Code;

use super::server::{Server, assert_tidy, noise, options, store};

fn want(digest: Digest) -> [Wanted; 1] {
    [Wanted { digest, path: "large".to_owned(), executable: false }]
}

#[test]
fn a_broken_stream_goes_on_where_it_broke() {
    for ending in [false, true] {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        let bytes = noise(5 << 20, 1);
        let digest = server.put(&bytes);
        server.faults().breaking = (2 << 20, 2);
        server.faults().ending = ending;
        remote.fetch(&store, &want(digest), &()).unwrap();
        assert_eq!(store.read(&digest).unwrap(), bytes);
        let offsets: Vec<u64> = server.calls("Read").iter().map(|call| call.offset).collect();
        assert_eq!(offsets, [0, 2 << 20, 4 << 20]);
        assert_tidy(&store);
    }
}

#[test]
fn streams_that_break_too_often_without_getting_on_are_given_up() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    let digest = server.put(&noise(5 << 20, 1));
    server.faults().breaking = (1000, usize::MAX);
    let error = remote.fetch(&store, &want(digest), &()).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::Unavailable, .. }), "{error}");
    assert_eq!(server.calls("Read").len(), 4);
    assert_tidy(&store);
    // With a megabyte each time it gets on.
    server.faults().breaking = (1 << 20, usize::MAX);
    remote.fetch(&store, &want(digest), &()).unwrap();
}

#[test]
fn a_stream_of_something_else_is_refused() {
    let right = noise(4 << 20, 1);
    let mut other = right.clone();
    other[3 << 20] ^= 1;
    let longer = [&right[..], b"more"].concat();
    for altered in [&other[..], &longer, &right[..right.len() - 1], b""] {
        let server = Server::start();
        let remote = server.connect();
        let (_folder, store) = store();
        let digest = server.put(&right);
        server.faults().altered.insert(digest, altered.to_vec());
        let error = remote.fetch(&store, &want(digest), &()).unwrap_err();
        assert!(matches!(&error, RemoteError::Wrong { path, .. } if path == "large"), "{error}");
        assert!(!store.contains(&digest).unwrap());
        assert_tidy(&store);
        assert!(matches!(remote.read(&digest), Err(RemoteError::Wrong { .. })));
    }
}

#[test]
fn a_stream_that_stalls_is_broken_off_and_one_that_is_only_slow_is_not() {
    let server = Server::start();
    let options = RemoteOptions { deadline: Duration::from_millis(600), ..options(&server.endpoint()) };
    let remote = dscript::cas::remote::Remote::connect(options).unwrap();
    let (_folder, store) = store();
    let bytes = noise(3 << 20, 1);
    let digest = server.put(&bytes);
    // Each part in time, all together not.
    server.faults().slow.insert("a part of Read", (Duration::from_millis(20), 0));
    remote.fetch(&store, &want(digest), &()).unwrap();
    assert_eq!(server.calls("Read").len(), 1);

    let (_folder, store) = super::server::store();
    server.forget_calls();
    server.faults().slow.clear();
    server.faults().slow.insert("Read", (Duration::from_secs(30), 1));
    remote.fetch(&store, &want(digest), &()).unwrap();
    assert_eq!(server.calls("Read").len(), 2);

    let (_folder, store) = super::server::store();
    server.faults().slow.insert("a part of Read", (Duration::from_secs(30), 0));
    let error = remote.fetch(&store, &want(digest), &()).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::DeadlineExceeded, .. }), "{error}");
    assert!(error.to_string().contains("a longer deadline may help"), "{error}");
}

#[test]
fn messages_with_nothing_in_them_do_not_keep_a_stream_alive() {
    let server = Server::start();
    let options = RemoteOptions { deadline: Duration::from_millis(500), retries: 1, ..options(&server.endpoint()) };
    let remote = dscript::cas::remote::Remote::connect(options).unwrap();
    let digest = server.put(&noise(4 << 20, 1));
    server.faults().empty = true;
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (_folder, store) = store();
        tell.send(remote.fetch(&store, &want(digest), &())).unwrap();
    });
    let error = told.recv_timeout(Duration::from_secs(60)).expect("it goes on for ever").unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::DeadlineExceeded, .. }), "{error}");
    assert_eq!(server.calls("Read").len(), 2);
}

#[test]
fn compressed_streams_are_resumed_at_the_offset_of_what_they_unpack_to() {
    let server = Server::start();
    server.faults().zstd = true;
    let remote = server.connect();
    let (_folder, store) = store();
    let bytes = noise(5 << 20, 1);
    let digest = server.put(&bytes);
    server.faults().breaking = (2 << 20, 2);
    remote.fetch(&store, &want(digest), &()).unwrap();
    assert_eq!(store.read(&digest).unwrap(), bytes);
    let calls = server.calls("Read");
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.name == format!("compressed-blobs/zstd/{digest}")));
    assert!(calls[1].offset > 1 << 20 && calls[2].offset > calls[1].offset, "{calls:?}");
    assert_tidy(&store);
}

#[test]
fn a_server_that_offers_compression_and_does_not_know_it_is_spoken_to_without() {
    let server = Server::start();
    server.faults().zstd_lies = true;
    let remote = server.connect();
    let (_folder, store) = store();
    let digest = server.put(&noise(4 << 20, 1));
    remote.fetch(&store, &want(digest), &()).unwrap();
    assert_eq!(server.calls("Read").len(), 2);
    let bytes = noise(4 << 20, 2);
    let blob = Blob::Bytes(Digest::of(&bytes), bytes);
    remote.upload(&store, &[blob], &()).unwrap();
    let names: Vec<bool> = server.calls("Write").iter().map(|call| call.name.contains("compressed-blobs")).collect();
    assert_eq!(names, [true, false]);
}

#[test]
fn without_compression_nothing_is_compressed() {
    let server = Server::start();
    server.faults().zstd = true;
    let options =
        RemoteOptions { compress: false, instance: "some/instance".to_owned(), ..options(&server.endpoint()) };
    let remote = dscript::cas::remote::Remote::connect(options).unwrap();
    let (_folder, store) = store();
    let digest = server.put(&noise(4 << 20, 1));
    remote.fetch(&store, &want(digest), &()).unwrap();
    assert_eq!(server.calls("Read")[0].name, format!("some/instance/blobs/{digest}"));
}

#[test]
fn uploads_go_on_where_they_broke_in_messages_of_a_megabyte() {
    for zstd in [false, true] {
        let server = Server::start();
        server.faults().zstd = zstd;
        let remote = server.connect();
        let (_folder, store) = store();
        let bytes = noise(5 << 20, 1);
        let digest = store.add_bytes(&bytes).unwrap();
        server.faults().breaking = (2 << 20, 2);
        remote.upload(&store, &[Blob::Stored(digest)], &()).unwrap();
        assert_eq!(server.state.blobs.lock().unwrap()[&digest], bytes);
        let calls = server.calls("Write");
        let offsets: Vec<u64> = calls.iter().map(|call| call.offset).collect();
        assert_eq!(offsets, [0, 2 << 20, 4 << 20]);
        assert!(calls.iter().all(|call| call.name == calls[0].name));
        assert_eq!(server.calls("a part of Write")[0].size, 1 << 20);
        assert_eq!(server.calls("QueryWriteStatus").len(), 2);
    }
}

#[test]
fn uploads_begin_anew_where_the_server_does_not_know_how_far_they_were() {
    let server = Server::start();
    server.faults().breaking = (2 << 20, 1);
    server.faults().forgetful = true;
    let remote = server.connect();
    let (_folder, store) = store();
    let bytes = noise(5 << 20, 1);
    let digest = Digest::of(&bytes);
    remote.upload(&store, &[Blob::Bytes(digest, bytes)], &()).unwrap();
    let calls = server.calls("Write");
    assert_eq!(calls.iter().map(|call| call.offset).collect::<Vec<_>>(), [0, 0]);
    assert_ne!(calls[0].name, calls[1].name);
    assert!(server.has(&digest));
}

#[test]
fn an_upload_that_is_answered_early_is_done() {
    let server = Server::start();
    server.faults().answers_early = true;
    let remote = server.connect();
    let (_folder, store) = store();
    let bytes = noise(16 << 20, 1);
    let digest = store.add_bytes(&bytes).unwrap();
    let transfer = remote.upload(&store, &[Blob::Stored(digest)], &()).unwrap();
    assert_eq!(transfer.blobs, 1);
    assert_eq!(server.calls("Write").len(), 1);
}

#[test]
fn a_server_that_took_another_number_of_bytes_is_not_believed() {
    let server = Server::start();
    let remote = server.connect();
    let (_folder, store) = store();
    for committed in [-1_i64, 1 << 40] {
        let bytes = noise(4 << 20, committed.unsigned_abs());
        server.faults().committed = Some(committed);
        let error = remote.upload(&store, &[Blob::Bytes(Digest::of(&bytes), bytes)], &()).unwrap_err();
        assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
    }
}
