//! Actions that are executed elsewhere.

use std::time::{Duration, Instant};

use dscript::cas::Digest;
use dscript::cas::api::longrunning::{Operation, operation};
use dscript::cas::api::{protobuf, reapi, rpc};
use dscript::cas::remote::{Remote, RemoteError};
use prost::Message;
use tonic::Code;

use super::server::Server;

fn going(name: &str) -> Option<Operation> {
    Some(Operation { name: name.to_owned(), ..Operation::default() })
}

fn done(name: &str, response: &reapi::ExecuteResponse) -> Option<Operation> {
    let any = protobuf::Any {
        type_url: "type.googleapis.com/build.bazel.remote.execution.v2.ExecuteResponse".to_owned(),
        value: response.encode_to_vec(),
    };
    Some(Operation {
        name: name.to_owned(),
        done: true,
        result: Some(operation::Result::Response(any)),
        ..Operation::default()
    })
}

fn success() -> reapi::ExecuteResponse {
    let result = reapi::ActionResult { exit_code: 3, ..reapi::ActionResult::default() };
    reapi::ExecuteResponse { result: Some(result), ..reapi::ExecuteResponse::default() }
}

fn failure(code: Code, details: Vec<protobuf::Any>) -> reapi::ExecuteResponse {
    let status = rpc::Status { code: code as i32, message: "no".to_owned(), details };
    reapi::ExecuteResponse { status: Some(status), ..reapi::ExecuteResponse::default() }
}

fn say(server: &Server, streams: Vec<Vec<Option<Operation>>>) {
    *server.state.operations.lock().unwrap() = streams.into();
}

#[test]
fn an_action_is_followed_to_its_end() {
    let server = Server::start();
    let remote = server.connect();
    say(&server, vec![vec![going("op"), going("op"), done("op", &success())]]);
    let response = remote.execute(&Digest::of(b"action"), false).unwrap();
    assert_eq!(response, success());
}

#[test]
fn a_stream_that_ends_is_taken_up_again_by_the_name_of_the_operation() {
    let server = Server::start();
    let remote = server.connect();
    say(&server, vec![vec![going("op/1")], vec![going("op/1")], vec![done("op/1", &success())]]);
    assert_eq!(remote.execute(&Digest::of(b"action"), false).unwrap(), success());
    assert_eq!(server.calls("Execute").len(), 1);
    let names: Vec<String> = server.calls("WaitExecution").into_iter().map(|call| call.name).collect();
    assert_eq!(names, ["op/1", "op/1"]);
}

#[test]
fn what_the_server_no_longer_knows_is_begun_again() {
    for code in [Code::NotFound, Code::Unimplemented] {
        let server = Server::start();
        let remote = server.connect();
        server.faults().failing.insert("WaitExecution", (code, 1));
        say(&server, vec![vec![going("op")], vec![done("other", &success())]]);
        assert_eq!(remote.execute(&Digest::of(b"action"), false).unwrap(), success());
        assert_eq!(server.calls("Execute").len(), 2);
    }
}

#[test]
fn a_server_that_has_too_much_to_do_is_asked_again() {
    let server = Server::start();
    let remote = server.connect();
    server.faults().failing.insert("Execute", (Code::ResourceExhausted, 1));
    say(&server, vec![vec![done("op", &failure(Code::Unavailable, Vec::new()))], vec![done("op", &success())]]);
    assert_eq!(remote.execute(&Digest::of(b"action"), false).unwrap(), success());
    assert_eq!(server.calls("Execute").len(), 3);
}

#[test]
fn missing_inputs_are_named() {
    #[derive(Clone, PartialEq, Message)]
    struct Failure {
        #[prost(message, repeated, tag = "1")]
        violations: Vec<Violation>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Violation {
        #[prost(string, tag = "1")]
        kind: String,
        #[prost(string, tag = "2")]
        subject: String,
    }
    let server = Server::start();
    let remote = server.connect();
    let lost = Digest::of(b"lost");
    let violation = Violation { kind: "MISSING".to_owned(), subject: format!("blobs/{lost}") };
    let details = vec![protobuf::Any {
        type_url: "type.googleapis.com/google.rpc.PreconditionFailure".to_owned(),
        value: Failure { violations: vec![violation] }.encode_to_vec(),
    }];
    say(&server, vec![vec![done("op", &failure(Code::FailedPrecondition, details))]]);
    let error = remote.execute(&Digest::of(b"action"), false).unwrap_err();
    assert!(matches!(&error, RemoteError::InputsMissing { missing, .. } if *missing == [lost]), "{error}");
    assert_eq!(server.calls("Execute").len(), 1);
}

#[test]
fn an_action_that_cannot_be_executed_is_not_tried_again() {
    let server = Server::start();
    let remote = server.connect();
    for code in [Code::DeadlineExceeded, Code::InvalidArgument, Code::FailedPrecondition, Code::Internal] {
        server.forget_calls();
        say(&server, vec![vec![done("op", &failure(code, Vec::new()))]]);
        let error = remote.execute(&Digest::of(b"action"), false).unwrap_err();
        assert!(matches!(&error, RemoteError::Execution { code: found, .. } if *found == code), "{error}");
        assert_eq!(server.calls("Execute").len(), 1);
    }
    server.faults().unimplemented.insert("Execute");
    let error = remote.execute(&Digest::of(b"action"), false).unwrap_err();
    assert!(matches!(error, RemoteError::Unsupported { .. }), "{error}");
}

#[test]
fn an_answer_that_makes_no_sense_is_reported() {
    let server = Server::start();
    let remote = server.connect();
    let nothing = Operation { name: "op".to_owned(), done: true, ..Operation::default() };
    say(&server, vec![vec![Some(nothing)]]);
    let error = remote.execute(&Digest::of(b"action"), false).unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error}");
}

#[test]
fn a_server_that_only_ever_hangs_up_is_given_up() {
    let server = Server::start();
    let remote = server.connect();
    let error = remote.execute(&Digest::of(b"action"), false).unwrap_err();
    assert!(matches!(error, RemoteError::Refused { code: Code::Unavailable, .. }), "{error}");
    assert_eq!(server.calls("Execute").len(), 4);
}

#[test]
fn what_nobody_wants_any_more_is_cancelled_there_too() {
    let server = Server::start();
    let options = server.options();
    let cancellation = options.cancellation.clone();
    let remote = Remote::connect(options).unwrap();
    say(&server, vec![vec![going("op/7"), None]]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while server.calls("Execute").is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(200));
            cancellation.cancel();
        });
        let begin = Instant::now();
        let error = remote.execute(&Digest::of(b"action"), false).unwrap_err();
        assert!(matches!(error, RemoteError::Cancelled), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(10));
    });
    assert_eq!(*server.state.cancelled.lock().unwrap(), ["op/7"]);
}
