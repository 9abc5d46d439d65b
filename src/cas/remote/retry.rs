//! What is tried again, and when.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::time::Duration;

use tonic::{Code, Status};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Whether the same request may succeed later.
pub(super) fn is_transient(status: &Status) -> bool {
    match status.code() {
        // A connection that TLS does not allow now it will not allow later.
        Code::Unavailable => !is_refused_by_tls(status),
        Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => true,
        Code::Internal | Code::Unknown | Code::Cancelled => is_lost(status),
        _ => false,
    }
}

// Whether the connection broke, rather than the server answering so.
fn is_lost(status: &Status) -> bool {
    use std::error::Error as _;
    // What the server says has no source; proxies on the way say it in words.
    status.source().is_some()
        || ["RST_STREAM", "stream terminated", "Connection reset", "Broken pipe", "transport error"]
            .iter()
            .any(|words| status.message().contains(words))
}

fn is_refused_by_tls(status: &Status) -> bool {
    causes(status)
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData))
}

/// Whether no connection could be made.
pub(super) fn is_unreachable(status: &Status) -> bool {
    status.code() == Code::Unavailable && causes(status).next().is_some()
}

/// Why no connection could be made: what was tried, and what came of it.
pub(super) fn unreachable(status: &Status) -> String {
    let root = causes(status).last().map(ToString::to_string).filter(|root| !status.message().contains(root));
    match (status.message(), root) {
        ("" | "transport error", Some(root)) => root,
        (message, Some(root)) => format!("{message}: {root}"),
        (message, None) => message.to_owned(),
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(status), |error| error.source())
}

/// Waits between attempts: each time about twice as long, with a random part so that clients that failed together do not
/// come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    left: u32,
    retries: u32,
}

impl Backoff {
    pub(super) fn new(retries: u32) -> Self {
        Self { left: retries, retries }
    }

    /// Something succeeded, so the next failure is the first again.
    pub(super) fn reset(&mut self) {
        self.left = self.retries;
    }

    /// Waits, when another attempt may be made after this failure.
    pub(super) async fn again(&mut self, status: &Status) -> bool {
        if self.left == 0 || !is_transient(status) {
            return false;
        }
        let done = self.retries - self.left;
        self.left -= 1;
        let full = FIRST.saturating_mul(1 << done.min(16)).min(LONGEST);
        tokio::time::sleep(full / 2 + full.mul_f64(f64::from(random() as u32) / f64::from(u32::MAX) / 2.0)).await;
        true
    }
}

/// A number that nobody else has: the standard library seeds its hash maps from the system.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (code, again) in [
            (Code::Unavailable, true),
            (Code::ResourceExhausted, true),
            (Code::Aborted, true),
            (Code::DeadlineExceeded, true),
            (Code::Internal, false),
            (Code::Unknown, false),
            (Code::Cancelled, false),
            (Code::InvalidArgument, false),
            (Code::NotFound, false),
            (Code::PermissionDenied, false),
            (Code::Unauthenticated, false),
            (Code::Unimplemented, false),
            (Code::DataLoss, false),
            (Code::FailedPrecondition, false),
            (Code::OutOfRange, false),
        ] {
            assert_eq!(is_transient(&Status::new(code, "as the server says")), again, "{code:?}");
        }
        assert!(is_transient(&Status::internal("stream terminated by RST_STREAM with error code: 2")));
        assert!(is_transient(&Status::from(io::Error::from(io::ErrorKind::ConnectionReset))));
        assert!(random() != random());
    }
}
