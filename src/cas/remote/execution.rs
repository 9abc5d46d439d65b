//! Having an action executed.

use std::time::{Duration, Instant};

use prost::Message;
use tonic::{Code, Status, Streaming};

use super::RemoteError;
use super::client::Client;
use super::retry::{Backoff, is_transient};
use crate::cas::Digest;
use crate::cas::api::longrunning::{CancelOperationRequest, Operation, operation};
use crate::cas::api::reapi;
use crate::cas::api::reapi::digest_function::Value as DigestFunction;
use crate::cas::api::rpc;

// A stream that has lasted so long was none of several failures in a row: a proxy cuts it from time to time.
const LASTED: Duration = Duration::from_secs(10);

// How long the server gets to learn that nobody wants it any more.
const CANCEL_WITHIN: Duration = Duration::from_secs(2);

// What a server says is missing, as far as it says that.
#[derive(Clone, PartialEq, Message)]
struct PreconditionFailure {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<Violation>,
}

#[derive(Clone, PartialEq, Message)]
struct Violation {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(string, tag = "2")]
    subject: String,
    #[prost(string, tag = "3")]
    description: String,
}

// How watching an operation ended.
enum Watched {
    Done(Box<Result<reapi::ExecuteResponse, rpc::Status>>),
    Broken(Status),
}

impl Client {
    pub(super) async fn execute(
        &self,
        action: &Digest,
        skip_cache_lookup: bool,
    ) -> Result<reapi::ExecuteResponse, RemoteError> {
        let mut operation = String::new();
        let work = self.execute_to_end(action, skip_cache_lookup, &mut operation);
        tokio::select! {
            biased;
            answer = work => return answer,
            () = self.options.cancellation.cancelled() => {}
        }
        if !operation.is_empty() {
            let mut service = self.connection.operations();
            // Many servers cannot do that; it is a courtesy.
            let request = CancelOperationRequest { name: operation };
            let _ = tokio::time::timeout(CANCEL_WITHIN, service.cancel_operation(request)).await;
        }
        Err(RemoteError::Cancelled)
    }

    // Its result, however often the connection breaks. `operation` is the name of what is being done.
    async fn execute_to_end(
        &self,
        action: &Digest,
        skip_cache_lookup: bool,
        operation: &mut String,
    ) -> Result<reapi::ExecuteResponse, RemoteError> {
        let mut backoff = Backoff::new(self.options.retries);
        loop {
            let begun = Instant::now();
            let stream = self.operations(action, skip_cache_lookup, operation).await;
            let was_known = !operation.is_empty();
            let watched = match stream {
                Ok(stream) => self.watch(stream, operation).await?,
                Err(status) => Watched::Broken(status),
            };
            let status = match watched {
                Watched::Done(done) => {
                    let status = match *done {
                        Ok(response) => match response.status.clone().filter(|status| status.code != 0) {
                            None => return Ok(response),
                            Some(status) if may_go_better(&status) => status,
                            Some(status) => return Err(self.failed(status, response)),
                        },
                        Err(status) if may_go_better(&status) => status,
                        Err(status) => return Err(self.failed(status, reapi::ExecuteResponse::default())),
                    };
                    // It is over, so it has to be begun anew.
                    operation.clear();
                    if !backoff.again(&Status::new(status.code.into(), status.message.clone())).await {
                        return Err(self.failed(status, reapi::ExecuteResponse::default()));
                    }
                    continue;
                }
                Watched::Broken(status) => {
                    if begun.elapsed() >= LASTED {
                        backoff.reset();
                    }
                    status
                }
            };
            if was_known && matches!(status.code(), Code::NotFound | Code::Unimplemented) {
                // The server does not know of it any more, or cannot tell how it goes.
                operation.clear();
                if backoff.again(&Status::unavailable(status.message())).await {
                    continue;
                }
            } else if backoff.again(&status).await {
                continue;
            }
            return Err(self.not_executed(&status));
        }
    }

    async fn operations(
        &self,
        action: &Digest,
        skip_cache_lookup: bool,
        operation: &str,
    ) -> Result<Streaming<Operation>, Status> {
        let mut service = self.connection.execution();
        let answer = if operation.is_empty() {
            let request = reapi::ExecuteRequest {
                instance_name: self.options.instance.clone(),
                skip_cache_lookup,
                action_digest: Some((*action).into()),
                digest_function: DigestFunction::Sha256 as i32,
                ..reapi::ExecuteRequest::default()
            };
            self.in_time(service.execute(request)).await
        } else {
            let request = reapi::WaitExecutionRequest { name: operation.to_owned() };
            self.in_time(service.wait_execution(request)).await
        };
        Ok(answer?.into_inner())
    }

    // Until it is done, which may be hours during which nothing is said: that the server is still there is seen by the
    // pings of the connection.
    async fn watch(&self, mut stream: Streaming<Operation>, operation: &mut String) -> Result<Watched, RemoteError> {
        loop {
            let now = match stream.message().await {
                Ok(Some(now)) => now,
                Ok(None) => return Ok(Watched::Broken(Status::unavailable("it stopped saying how the action goes"))),
                Err(status) => return Ok(Watched::Broken(status)),
            };
            operation.clone_from(&now.name);
            if !now.done {
                continue;
            }
            let done = match now.result {
                Some(operation::Result::Response(any)) => Ok(reapi::ExecuteResponse::decode(&any.value[..])
                    .map_err(|error| self.protocol(format!("it answered with no result of an action: {error}")))?),
                Some(operation::Result::Error(status)) => Err(status),
                None => return Err(self.protocol("it says that an action is done, but not how")),
            };
            return Ok(Watched::Done(Box::new(done)));
        }
    }

    fn not_executed(&self, status: &Status) -> RemoteError {
        match status.code() {
            Code::Unimplemented => {
                RemoteError::Unsupported { endpoint: self.options.endpoint.clone(), what: "to execute actions" }
            }
            Code::FailedPrecondition => {
                let details = rpc::Status::decode(status.details()).unwrap_or_default();
                self.inputs_missing(&details).unwrap_or_else(|| self.refused("execute an action", status))
            }
            _ => self.refused("execute an action", status),
        }
    }

    fn failed(&self, status: rpc::Status, response: reapi::ExecuteResponse) -> RemoteError {
        let code = Code::from(status.code);
        if code == Code::FailedPrecondition
            && let Some(error) = self.inputs_missing(&status)
        {
            return error;
        }
        RemoteError::Execution {
            endpoint: self.options.endpoint.clone(),
            code,
            message: status.message,
            response: Box::new(response),
        }
    }

    // Which blobs a server says that it lacks, if it is that what it says.
    fn inputs_missing(&self, status: &rpc::Status) -> Option<RemoteError> {
        let failures =
            status.details.iter().filter(|detail| detail.type_url.ends_with("/google.rpc.PreconditionFailure"));
        let violations: Vec<Violation> = failures
            .filter_map(|detail| PreconditionFailure::decode(&detail.value[..]).ok())
            .flat_map(|failure| failure.violations)
            .collect();
        if violations.is_empty() || violations.iter().any(|violation| violation.r#type != "MISSING") {
            return None;
        }
        let missing = violations.iter().filter_map(|violation| blob(&violation.subject)).collect();
        Some(RemoteError::InputsMissing { endpoint: self.options.endpoint.clone(), missing })
    }
}

// The digest in `[instance/]blobs/hash/size`.
fn blob(subject: &str) -> Option<Digest> {
    let start = if subject.starts_with("blobs/") { 0 } else { subject.rfind("/blobs/")? + 1 };
    subject[start + "blobs/".len()..].parse().ok()
}

// Of the execution, not of the connection. An action that took too long will take too long again.
fn may_go_better(status: &rpc::Status) -> bool {
    let code = Code::from(status.code);
    code != Code::DeadlineExceeded && is_transient(&Status::new(code, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_an_instance_or_without() {
        let digest = Digest::of(b"x");
        assert_eq!(blob(&format!("blobs/{digest}")), Some(digest));
        assert_eq!(blob(&format!("some/blobs/instance/blobs/{digest}")), Some(digest));
        assert_eq!(blob("blobs/x"), None);
        assert_eq!(blob(""), None);
    }
}
