//! Connections: as many as may be, and none that only sits there.
//!
//! What a client sends waits in memory until it is looked at, as much as its connection allows. So the first connections
//! allow much, which makes one that is far away fast, and all others little: see [`ROOMY`].

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::peer::{CROWDED, Peer};

// Connections of which nothing is known yet: so many, and at most half of all.
const STRANGERS: usize = 1024;

// Connections that may have much on its way at a time.
const ROOMY: usize = 128;

/// A connection that counts.
pub(super) struct Connection {
    stream: TcpStream,
    peer: Peer,
    // Looks from time to time whether the client may stay.
    look: Pin<Box<Sleep>>,
    patience: Duration,
    crowded: Arc<AtomicBool>,
    _permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

/// Connections as they come.
pub(super) type Incoming = ReceiverStream<io::Result<Connection>>;

/// All connections as they come: those that may have much on its way, and the others.
pub(super) fn accept(listener: TcpListener, most: usize, patience: Duration) -> [Incoming; 2] {
    let (roomy, roomy_receiver) = mpsc::channel(16);
    let (others, others_receiver) = mpsc::channel(16);
    let semaphore = |most| Arc::new(Semaphore::new(most));
    let (places, strangers, roomy_places) =
        (semaphore(most), semaphore(STRANGERS.min(most / 2).max(1)), semaphore(ROOMY));
    let crowded = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = others.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                // The client has gone already, or there are no more file descriptors: that passes.
                Err(_) => {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Without it answers only come a little later.
            let _ = stream.set_nodelay(true);
            // Strangers have less time while somebody waits here.
            crowded.store(true, Ordering::Relaxed);
            let place = Arc::clone(&places).acquire_owned().await;
            let stranger = Arc::clone(&strangers).acquire_owned().await;
            crowded.store(false, Ordering::Relaxed);
            let (Ok(place), Ok(stranger)) = (place, stranger) else { return };
            let roomy_place = Arc::clone(&roomy_places).try_acquire_owned().ok();
            let sender = if roomy_place.is_some() { &roomy } else { &others };
            let connection = Connection {
                stream,
                peer: Peer::new(stranger),
                look: Box::pin(sleep(pause(patience))),
                patience,
                crowded: Arc::clone(&crowded),
                _permits: (place, roomy_place),
            };
            if sender.send(Ok(connection)).await.is_err() {
                return;
            }
        }
    });
    [roomy_receiver, others_receiver].map(ReceiverStream::new)
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl Connection {
    // Whatever is waited for, the connection ends when it is time.
    fn look(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.look.as_mut().poll(context).is_ready() {
            if !self.peer.may_stay(self.patience, self.crowded.load(Ordering::Relaxed)) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.look.as_mut().reset(Instant::now() + pause(self.patience));
        }
        Ok(())
    }
}

// How long until the next look.
fn pause(patience: Duration) -> Duration {
    (patience / CROWDED).clamp(Duration::from_millis(10), Duration::from_secs(60))
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.look(context)?;
        pin!(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.look(context)?;
        pin!(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look(context)?;
        pin!(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.look(context)?;
        pin!(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_shutdown(context)
    }
}
