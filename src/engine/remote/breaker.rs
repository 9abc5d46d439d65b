//! When a server is no longer asked: a build of ten thousand pips must not wait for as many timeouts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonic::Code;

use crate::cas::remote::{RemoteError, Transfer};

/// How many requests in a row may fail.
const FAILURES: u32 = 3;

/// An answer that takes longer is slow, and how many of these in a row are too many.
const SLOW: Duration = Duration::from_secs(3);
const SLOW_ANSWERS: u32 = 8;

/// Who moves so many bytes may take long.
const LARGE: u64 = 1 << 20;

/// How long nobody asks. Then one request finds out whether the server is back.
const PAUSE: Duration = Duration::from_secs(30);

/// What is known of how a server behaves, for one kind of requests.
#[derive(Debug)]
pub(super) struct Breaker {
    /// What the requests are for, for messages.
    what: &'static str,
    failures: AtomicU32,
    slow: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Until when nobody asks.
    closed_until: Option<Instant>,
    told: bool,
    trouble: Option<String>,
}

impl Breaker {
    /// All is well so far.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, failures: AtomicU32::new(0), slow: AtomicU32::new(0), state: Mutex::default() }
    }

    /// Whether the server may be asked. Whoever asks tells how it went, by [`Breaker::went_well`] or [`Breaker::failed`].
    pub(super) fn allows(&self) -> bool {
        let mut state = self.lock();
        match state.closed_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                // Whoever comes next waits for the answer to this one.
                state.closed_until = Some(Instant::now() + PAUSE);
                true
            }
        }
    }

    /// Whether requests are being made at all.
    pub(super) fn is_open(&self) -> bool {
        self.lock().closed_until.is_none()
    }

    /// Makes a request, unless the server is not asked at the moment, and notes how it went.
    pub(super) fn ask<T>(&self, request: impl FnOnce() -> Result<T, RemoteError>) -> Option<T> {
        self.ask_for(|_| 0, request)
    }

    /// Makes a request that moves contents. Large ones take their time, which says nothing about the server.
    pub(super) fn transfer(&self, request: impl FnOnce() -> Result<Transfer, RemoteError>) -> Option<Transfer> {
        self.ask_for(|transfer| transfer.bytes, request)
    }

    fn ask_for<T>(&self, bytes: impl FnOnce(&T) -> u64, request: impl FnOnce() -> Result<T, RemoteError>) -> Option<T> {
        if !self.allows() {
            return None;
        }
        let begun = Instant::now();
        match request() {
            Ok(answer) => {
                self.went_well(if bytes(&answer) < LARGE { begun.elapsed() } else { Duration::ZERO });
                Some(answer)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    /// A request was answered after so long.
    pub(super) fn went_well(&self, after: Duration) {
        self.failures.store(0, Ordering::Relaxed);
        if after < SLOW {
            self.slow.store(0, Ordering::Relaxed);
            self.lock().closed_until = None;
        } else if self.slow.fetch_add(1, Ordering::Relaxed) + 1 >= SLOW_ANSWERS {
            self.close("it answers too slowly");
        }
    }

    /// A request failed.
    pub(super) fn failed(&self, error: &RemoteError) {
        match error {
            RemoteError::Cancelled => return,
            // The server answered; what it answered is for the caller to see. Or it is not its fault. Nobody knows how much
            // was moved meanwhile.
            RemoteError::Missing { .. } | RemoteError::Store(_) | RemoteError::TooLarge { .. } => {
                return self.went_well(Duration::ZERO);
            }
            _ => {}
        }
        // A client that cannot reach a server has tried again by itself.
        let hopeless = match error {
            RemoteError::Unreachable { .. } | RemoteError::Unsupported { .. } => true,
            RemoteError::Refused { code, .. } => matches!(
                code,
                Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::Unimplemented
            ),
            _ => false,
        };
        self.failed_because(&error.to_string(), hopeless);
    }

    /// A request failed, for a reason that people can read. Where it is hopeless, one failure is enough.
    pub(super) fn failed_because(&self, reason: &str, hopeless: bool) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let closed = self.lock().closed_until.is_some();
        if closed || failures >= FAILURES || hopeless {
            self.close(reason);
        }
    }

    fn close(&self, reason: &str) {
        let mut state = self.lock();
        state.closed_until = Some(Instant::now() + PAUSE);
        if !state.told {
            state.told = true;
            state.trouble = Some(format!("{}: {reason}; the build goes on without it", self.what));
        }
    }

    /// What went wrong, once.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().trouble.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable<T>() -> Result<T, RemoteError> {
        Err(RemoteError::Unreachable { endpoint: "grpc://host:1".to_owned(), reason: "refused".to_owned() })
    }

    #[test]
    fn a_server_that_is_gone_is_asked_once_and_told_once() {
        let breaker = Breaker::new("the remote cache");
        let mut asked = 0;
        for _ in 0..1000 {
            breaker.ask(|| {
                asked += 1;
                unreachable::<()>()
            });
        }
        assert_eq!(asked, 1);
        assert!(!breaker.is_open());
        assert!(breaker.trouble().is_some_and(|text| text.contains("refused")));
        assert_eq!(breaker.trouble(), None);
    }

    #[test]
    fn a_few_failures_in_a_row_end_it_and_a_good_answer_forgets_them() {
        let breaker = Breaker::new("the remote cache");
        for _ in 0..5 {
            for _ in 1..FAILURES {
                breaker.failed_because("no", false);
            }
            assert!(breaker.allows());
            breaker.went_well(Duration::ZERO);
        }
        for _ in 0..FAILURES {
            assert!(breaker.allows());
            breaker.failed_because("no", false);
        }
        assert!(!breaker.allows());
        assert_eq!(breaker.trouble().as_deref(), Some("the remote cache: no; the build goes on without it"));
    }

    #[test]
    fn one_request_at_a_time_finds_out_whether_the_server_is_back() {
        let breaker = Breaker::new("the remote cache");
        breaker.failed_because("no", true);
        let pause_is_over = || breaker.lock().closed_until = Some(Instant::now());
        assert!(!breaker.allows());
        pause_is_over();
        assert_eq!([breaker.allows(), breaker.allows()], [true, false]);
        breaker.failed_because("still no", false);
        assert!(!breaker.allows());
        pause_is_over();
        assert_eq!([breaker.allows(), breaker.allows()], [true, false]);
        breaker.went_well(Duration::ZERO);
        assert_eq!([breaker.allows(), breaker.allows()], [true, true]);
    }

    #[test]
    fn slow_answers_end_it_too_and_a_good_one_forgets_the_bad() {
        let breaker = Breaker::new("the remote cache");
        for _ in 0..SLOW_ANSWERS - 1 {
            breaker.went_well(SLOW);
        }
        assert!(breaker.allows());
        breaker.went_well(Duration::ZERO);
        for _ in 0..SLOW_ANSWERS {
            assert!(breaker.allows());
            breaker.went_well(SLOW);
        }
        assert!(!breaker.allows());
        // A request that was under way comes back quickly.
        breaker.went_well(Duration::ZERO);
        assert!(breaker.allows());
    }
}
