//! Results of actions.

use dscript::cas::Digest;
use dscript::cas::api::reapi;
use dscript::cas::remote::RemoteError;
use tonic::Code;

use super::server::Server;

#[test]
fn results_come_back_as_they_were_given() {
    let server = Server::start();
    let remote = server.connect();
    let action = Digest::of(b"an action");
    assert_eq!(remote.action_result(&action).unwrap(), None);
    let result = reapi::ActionResult { exit_code: 7, stdout_raw: b"out".to_vec(), ..reapi::ActionResult::default() };
    remote.update_action_result(&action, result.clone()).unwrap();
    assert_eq!(remote.action_result(&action).unwrap(), Some(result));
}

#[test]
fn servers_that_have_or_take_no_results_are_told_apart() {
    let server = Server::start();
    server.faults().read_only = true;
    let remote = server.connect();
    assert_eq!(remote.takes_results(), Some(false));
    let action = Digest::of(b"an action");
    let error = remote.update_action_result(&action, reapi::ActionResult::default()).unwrap_err();
    assert!(matches!(error, RemoteError::Unsupported { .. }), "{error}");
    assert_eq!(server.calls("UpdateActionResult").len(), 0);

    let server = Server::start();
    server.faults().unimplemented.extend(["UpdateActionResult", "GetActionResult"]);
    let remote = server.connect();
    let error = remote.update_action_result(&action, reapi::ActionResult::default()).unwrap_err();
    assert!(matches!(error, RemoteError::Unsupported { .. }), "{error}");
    let error = remote.action_result(&action).unwrap_err();
    assert!(matches!(error, RemoteError::Unsupported { .. }), "{error}");

    let server = Server::start();
    let remote = server.connect();
    server.faults().failing.insert("UpdateActionResult", (Code::PermissionDenied, 1));
    let error = remote.update_action_result(&action, reapi::ActionResult::default()).unwrap_err();
    assert!(error.to_string().contains("does not allow that"), "{error}");
}
