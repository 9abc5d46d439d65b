//! What is tried again, how often, and what is not.

use std::time::{Duration, Instant};

use dscript::cas::Digest;
use dscript::cas::remote::{Blob, Remote, RemoteError, RemoteOptions, Wanted};
use tonic::Code;

use super::proxy::Proxy;
use super::server::{Server, assert_tidy, noise, options, store};

const METHODS: [&str; 4] = ["BatchReadBlobs", "FindMissingBlobs", "BatchUpdateBlobs", "GetActionResult"];

fn call(remote: &Remote, method: &str, digest: &Digest) -> Result<(), RemoteError> {
    let (_folder, store) = store();
    match method {
        "BatchReadBlobs" => {
            remote.fetch(&store, &[Wanted { digest: *digest, path: String::new(), executable: false }], &()).map(drop)
        }
        "FindMissingBlobs" => remote.missing(&[*digest]).map(drop),
        "BatchUpdateBlobs" => {
            let bytes = noise(100, 1);
            remote.upload(&store, &[Blob::Bytes(Digest::of(&bytes), bytes)], &()).map(drop)
        }
        _ => remote.action_result(digest).map(drop),
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    let server = Server::start();
    let remote = server.connect();
    let digest = server.put(b"content");
    for method in METHODS {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Aborted, Code::DeadlineExceeded] {
            server.forget_calls();
            server.state.blobs.lock().unwrap().retain(|known, _| *known == digest);
            server.faults().failing.insert(method, (code, 1));
            call(&remote, method, &digest).unwrap();
            assert_eq!(server.calls(method).len(), 2, "{method} {code:?}");
        }
    }
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    let server = Server::start();
    let remote = server.connect();
    let digest = server.put(b"content");
    for method in METHODS {
        for code in [Code::PermissionDenied, Code::Internal, Code::FailedPrecondition, Code::DataLoss] {
            server.forget_calls();
            server.state.blobs.lock().unwrap().retain(|known, _| *known == digest);
            server.faults().failing.insert(method, (code, 1));
            let error = call(&remote, method, &digest).unwrap_err();
            assert!(matches!(&error, RemoteError::Refused { code: found, .. } if *found == code), "{error}");
            assert_eq!(server.calls(method).len(), 1, "{method} {code:?}");
        }
    }
}

#[test]
fn a_server_that_never_gets_better_is_given_up_with_its_last_word() {
    let server = Server::start();
    let remote = server.connect();
    let digest = server.put(b"content");
    for method in METHODS {
        server.forget_calls();
        server.state.blobs.lock().unwrap().retain(|known, _| *known == digest);
        server.faults().failing = [(method, (Code::Unavailable, usize::MAX))].into();
        let error = call(&remote, method, &digest).unwrap_err();
        assert!(error.to_string().contains("told to fail (UNAVAILABLE)"), "{error}");
        assert_eq!(server.calls(method).len(), 4, "{method}");
    }
}

#[test]
fn resources_that_stay_exhausted_end_in_an_error_not_in_a_hang() {
    let server = Server::start();
    let remote = Remote::connect(RemoteOptions { retries: 1, ..server.options() }).unwrap();
    let (_folder, store) = store();
    let wanted: Vec<Wanted> = (0..200)
        .map(|number| Wanted { digest: server.put(&noise(100, number)), path: String::new(), executable: false })
        .collect();
    server.faults().failing.insert("BatchReadBlobs", (Code::ResourceExhausted, usize::MAX));
    server.faults().failing.insert("Read", (Code::ResourceExhausted, usize::MAX));
    let error = remote.fetch(&store, &wanted, &()).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::ResourceExhausted, .. }), "{error}");
    assert!(server.calls("BatchReadBlobs").len() < 100);
}

#[test]
fn an_answer_that_does_not_come_in_time_is_asked_for_again() {
    let server = Server::start();
    let remote =
        Remote::connect(RemoteOptions { deadline: Duration::from_millis(500), ..options(&server.endpoint()) }).unwrap();
    let digest = server.put(b"content");
    server.faults().slow.insert("FindMissingBlobs", (Duration::from_secs(30), 1));
    assert_eq!(remote.missing(&[digest]).unwrap(), []);
    assert_eq!(server.calls("FindMissingBlobs").len(), 2);
    server.faults().slow.insert("FindMissingBlobs", (Duration::from_secs(30), usize::MAX));
    let begin = Instant::now();
    let error = remote.missing(&[digest]).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::DeadlineExceeded, .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(15));
}

#[test]
fn connections_that_are_cut_are_made_again_and_what_was_under_way_goes_on() {
    let server = Server::start();
    let bytes = noise(6 << 20, 1);
    let large = server.put(&bytes);
    let files: Vec<(String, Vec<u8>)> =
        (0..300).map(|number| (format!("d{}/file{number}", number % 17), noise(3000, number))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    let root = server.put_tree(&files);
    let proxy = Proxy::start(server.address, 1_500_000, 2);
    let options = RemoteOptions { concurrency: 1, ..options(&format!("grpc://{}", proxy.address)) };
    let remote = Remote::connect(options).unwrap();
    let (_folder, store) = store();
    remote.fetch(&store, &[Wanted { digest: large, path: String::new(), executable: false }], &()).unwrap();
    assert_eq!(store.read(&large).unwrap(), bytes);
    remote.fetch_tree(&store, &root, &()).unwrap();
    assert_eq!(proxy.cuts.load(std::sync::atomic::Ordering::SeqCst), 2);
    // Not from the beginning.
    let offsets: Vec<u64> = server.calls("Read").iter().map(|call| call.offset).collect();
    assert!(offsets.len() >= 2 && offsets[1] > 0, "{offsets:?}");
    assert_tidy(&store);
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("grpc://{free}");
    let error = Remote::connect(RemoteOptions { retries: 1, ..options(&endpoint) }).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("cannot reach `{endpoint}`: ")), "{error}");
}

#[test]
fn something_that_is_no_server_of_this_kind_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let options =
        RemoteOptions { retries: 1, deadline: Duration::from_secs(5), ..options(&format!("grpc://{address}")) };
    let error = Remote::connect(options).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. } | RemoteError::Unreachable { .. }), "{error}");
}
