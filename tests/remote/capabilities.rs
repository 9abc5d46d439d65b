//! What a client and a server agree on.

use dscript::cas::api::reapi::digest_function::Value as DigestFunction;
use dscript::cas::remote::{Remote, RemoteError};
use tonic::Code;

use super::server::{Server, noise, store};

#[test]
fn capabilities_are_asked_for_once_and_batches_probed_with_nothing() {
    let server = Server::start();
    let remote = server.connect();
    let digest = server.put(b"content");
    for _ in 0..3 {
        assert_eq!(remote.clone().read(&digest).unwrap(), b"content");
    }
    assert_eq!(server.calls("GetCapabilities").len(), 1);
    let probes: Vec<usize> = server.calls("BatchReadBlobs").iter().map(|call| call.blobs).collect();
    assert_eq!(probes, [0, 1, 1, 1]);
    assert!(server.state.tools.lock().unwrap().contains("dscript"));
    assert!(remote.executes());
    assert_eq!(remote.takes_results(), Some(true));
}

#[test]
fn a_server_without_capabilities_gets_the_defaults() {
    let server = Server::start();
    server.faults().unimplemented.insert("GetCapabilities");
    let (_folder, store) = store();
    let remote = server.connect();
    assert!(!remote.executes());
    assert_eq!(remote.takes_results(), None);
    let root = server.put_tree(&[("a/b", b"one"), ("c", b"two")]);
    remote.fetch_tree(&store, &root, &()).unwrap();
    assert!(store.contains(&root).unwrap());
}

#[test]
fn any_other_error_about_capabilities_is_reported() {
    for code in [Code::PermissionDenied, Code::Internal, Code::InvalidArgument] {
        let server = Server::start();
        server.faults().failing.insert("GetCapabilities", (code, 1));
        let error = Remote::connect(server.options()).unwrap_err();
        assert!(matches!(&error, RemoteError::Refused { code: refused, .. } if *refused == code), "{error}");
        assert!(error.to_string().contains("could not say what it can do: told to fail"), "{error}");
    }
}

#[test]
fn a_server_that_does_not_read_batches_is_read_blob_by_blob() {
    let server = Server::start();
    server.faults().unimplemented.insert("BatchReadBlobs");
    let (_folder, store) = store();
    let remote = server.connect();
    let root = server.put_tree(&[("a/b", b"one"), ("c", b"two")]);
    let transfer = remote.fetch_tree(&store, &root, &()).unwrap();
    assert_eq!(transfer.blobs, 4);
    assert_eq!(server.calls("BatchReadBlobs").len(), 1);
    assert_eq!(server.calls("Read").len(), 4);
    assert_eq!(remote.read(&root).unwrap(), store.read(&root).unwrap());
}

#[test]
fn a_probe_that_is_refused_as_empty_means_that_batches_are_known() {
    let server = Server::start();
    server.faults().failing.insert("BatchReadBlobs", (Code::InvalidArgument, 1));
    let remote = server.connect();
    let digest = server.put(b"content");
    assert_eq!(remote.read(&digest).unwrap(), b"content");
    assert_eq!(server.calls("Read").len(), 0);
}

#[test]
fn any_other_error_of_the_probe_is_reported() {
    let server = Server::start();
    server.faults().failing.insert("BatchReadBlobs", (Code::PermissionDenied, 1));
    let error = Remote::connect(server.options()).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::PermissionDenied, .. }), "{error}");
}

#[test]
fn a_server_without_sha_256_is_refused() {
    let server = Server::start();
    server.faults().functions = vec![DigestFunction::Sha1 as i32, DigestFunction::Md5 as i32];
    let error = Remote::connect(server.options()).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    server.faults().functions.push(DigestFunction::Sha256 as i32);
    Remote::connect(server.options()).unwrap();
}

#[test]
fn the_limit_of_the_server_holds_if_it_is_smaller_and_none_means_ours() {
    // What the server says, and what a message of ours may have at most.
    for (limit, most) in [(0, 3 << 20), (-1, 3 << 20), (64 << 10, 64 << 10), (1 << 30, 3 << 20)] {
        let server = Server::start();
        server.faults().limit = limit;
        let (_folder, store) = store();
        let remote = server.connect();
        let files: Vec<(String, Vec<u8>)> =
            (0..400).map(|number| (format!("file{number}"), noise(12_000, number))).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        let root = server.put_tree(&files);
        remote.fetch_tree(&store, &root, &()).unwrap();
        let calls = server.calls("BatchReadBlobs");
        let largest = calls.iter().map(|call| call.size).max().unwrap();
        assert!(largest <= most, "{largest} for {limit}");
        // Nearly full ones: a limit is there to be used.
        assert!(largest > most * 3 / 4, "{largest} for {limit}");
        assert_eq!(server.calls("Read").len(), 0);
    }
}
