//! The client at the other end of a connection: whether it has shown that it may be served, and what it has not taken.
//!
//! An answer that is ready lies in memory until the client takes it, and a client may take nothing for ever. What lies
//! there cannot be taken back from the library that sends it, other than by the end of the connection.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Bytes, Context, Poll};

use super::index::lock;

/// How much less patience there is with strangers when others wait for a place.
pub(super) const CROWDED: u32 = 8;

/// The client of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer(Arc<Known>);

#[derive(Debug)]
struct Known {
    since: Instant,
    // Its place among those of whom nothing is known. Gone when it has sent a request that it may send.
    stranger: Mutex<Option<OwnedSemaphorePermit>>,
    // Since when each answer that is ready waits to be taken.
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    since: HashMap<u64, Instant>,
}

/// An answer on its way, which counts as long as it is not with the client.
pub(super) struct Held {
    body: Body,
    answer: Option<(Peer, u64)>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Peer {
    pub(super) fn new(place: OwnedSemaphorePermit) -> Self {
        let stranger = Mutex::new(Some(place));
        Self(Arc::new(Known { since: Instant::now(), stranger, waiting: Mutex::default() }))
    }

    /// Notes that it has sent a request that it may send.
    pub(super) fn introduced(&self) {
        drop(lock(&self.0.stranger).take());
    }

    /// Whether its connection may go on, where others wait for a place or not.
    pub(super) fn may_stay(&self, patience: Duration, crowded: bool) -> bool {
        if lock(&self.0.stranger).is_some() {
            return self.0.since.elapsed() <= if crowded { patience / CROWDED } else { patience };
        }
        // Its own stream is told of it first, so that it ends well where the client still takes a little.
        let overdue = |since: &Instant| since.elapsed() > patience.saturating_mul(2);
        !lock(&self.0.waiting).since.values().any(overdue)
    }

    fn is_taken(&self, answer: u64) {
        lock(&self.0.waiting).since.remove(&answer);
    }

    fn waits(&self, answer: u64) {
        lock(&self.0.waiting).since.insert(answer, Instant::now());
    }
}

impl Held {
    /// Holds a place among those who are served until the answer has been taken.
    pub(super) fn around(body: Body, peer: Option<&Peer>, permit: Option<OwnedSemaphorePermit>) -> Body {
        let answer = peer.map(|peer| {
            let answer = {
                let mut waiting = lock(&peer.0.waiting);
                waiting.next += 1;
                waiting.next
            };
            peer.waits(answer);
            (peer.clone(), answer)
        });
        Body::new(Self { body, answer, _permit: permit })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((peer, answer)) = &self.answer {
            peer.is_taken(*answer);
        }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Some((peer, answer)) = &self.answer {
            match &polled {
                // The client waits for us.
                Poll::Pending => peer.is_taken(*answer),
                Poll::Ready(_) => peer.waits(*answer),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
