//! Blobs on their way in, piece by piece. What has arrived is kept when the connection goes, for a while and not too
//! much of it, so that the client can go on where it was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tonic::Status;
use tonic::codegen::Bytes;
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

use super::index::lock;
use super::names::Name;
use super::requests;
use super::storage::{Refused, Storage};
use crate::cas::Digest;
use crate::cas::store::Incoming;

// Unfinished uploads without a client: more than these, and the oldest go.
const MOST_IDLE: usize = 256;

// Those of compressed streams keep what their streams refer back to in memory, so there are fewer of them.
const MOST_IDLE_PACKED: usize = 8;

// The largest window of a compressed stream is 128 MiB of memory unless it is bounded. This is 8 MiB, which is what every
// decoder is asked to have, and as much as the levels up to 19 use.
const WINDOW_LOG: u32 = 23;

/// The uploads that have begun, by their resource names.
#[derive(Debug)]
pub(super) struct Uploads {
    storage: Arc<Storage>,
    table: Mutex<HashMap<String, Arc<Upload>>>,
    writers: AtomicU64,
    keep: Duration,
}

/// One of them.
pub(super) struct Upload {
    digest: Digest,
    zstd: bool,
    storage: Arc<Storage>,
    // Who writes to it: the latest client that said so. Zero while there is none.
    writer: AtomicU64,
    state: Mutex<State>,
}

struct State {
    // Gone when the upload is complete or has failed.
    sink: Option<Sink>,
    // How many bytes of the stream have arrived.
    received: u64,
    // How many of them count as arriving.
    charged: u64,
    touched: Instant,
}

struct Sink {
    incoming: Incoming,
    unpack: Option<Unpack>,
}

struct Unpack {
    decoder: Decoder<'static>,
    buffer: Vec<u8>,
}

// An upload that no client writes to.
struct Idle {
    resource: String,
    touched: Instant,
    zstd: bool,
}

/// The right to write to an upload, until another client takes it. What has arrived stays when it goes.
pub(super) struct Writer {
    upload: Arc<Upload>,
    id: u64,
    /// How many of the bytes that the client sends have arrived before.
    pub(super) again: u64,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({})", self.digest)
    }
}

impl Uploads {
    pub(super) fn new(storage: Arc<Storage>, keep: Duration) -> Self {
        Self { storage, table: Mutex::default(), writers: AtomicU64::new(0), keep }
    }

    /// How many bytes of an upload have arrived.
    pub(super) fn received(&self, resource: &str) -> Option<u64> {
        let upload = lock(&self.table).get(resource).cloned()?;
        let received = lock(&upload.state).received;
        Some(received)
    }

    /// Begins an upload or goes on with one. Whoever has been writing to it can no longer do so. This opens files.
    ///
    /// # Errors
    /// When it does not go on where it was, which changes nothing for whoever writes to it, and when the file system
    /// refuses.
    pub(super) fn open(&self, resource: &str, name: &Name, offset: u64) -> Result<Writer, Status> {
        let storage = &self.storage;
        let wrong = |received: u64| {
            let message = format!("{received} bytes have arrived; the next offset is not {offset}");
            Status::invalid_argument(message)
        };
        let upload = {
            let mut table = lock(&self.table);
            match table.get(resource) {
                Some(upload) => Arc::clone(upload),
                None if offset > 0 => return Err(wrong(0)),
                None => {
                    let upload = Arc::new(Upload::new(name, storage));
                    table.insert(resource.to_owned(), Arc::clone(&upload));
                    upload
                }
            }
        };
        // What the last connection brought may have been written after the client asked how much that was.
        let mut state = lock(&upload.state);
        if offset > state.received || (offset > 0 && state.sink.is_none()) {
            return Err(wrong(state.received));
        }
        let id = self.writers.fetch_add(1, Ordering::Relaxed) + 1;
        upload.writer.store(id, Ordering::SeqCst);
        let again = if offset == 0 { 0 } else { state.received - offset };
        let writer = Writer { upload: Arc::clone(&upload), id, again };
        state.touched = Instant::now();
        if offset == 0 {
            upload.reset(&mut state);
            let incoming = storage.with_room(0, || storage.store.receive(&name.digest));
            let incoming = incoming.map_err(|error| requests::store_error(storage, &error))?;
            let unpack = if name.zstd { Some(Unpack::new()?) } else { None };
            state.sink = Some(Sink { incoming, unpack });
        }
        drop(state);
        self.thin_out(Duration::MAX);
        Ok(writer)
    }

    /// Forgets an upload, and what has arrived of it. One that another client goes on with stays.
    pub(super) fn forget(&self, resource: &str, writer: &Writer) {
        let mut table = lock(&self.table);
        if table.get(resource).is_some_and(|upload| Arc::ptr_eq(upload, &writer.upload) && writer.owns()) {
            table.remove(resource);
        }
    }

    /// Removes uploads that no client has gone on with for long, and the oldest if they are too many.
    pub(super) fn clean(&self) {
        self.thin_out(self.keep);
    }

    fn thin_out(&self, keep: Duration) {
        let mut idle = self.idle();
        // The latest first.
        idle.sort_by_key(|idle| std::cmp::Reverse(idle.touched));
        let (mut all, mut packed) = (0, 0);
        let gone = idle.into_iter().filter(|idle| {
            all += 1;
            packed += usize::from(idle.zstd);
            all > MOST_IDLE || (idle.zstd && packed > MOST_IDLE_PACKED) || idle.touched.elapsed() > keep
        });
        self.remove(gone.map(|idle| idle.resource).collect());
    }

    /// Removes all uploads that have no client, to make room.
    pub(super) fn drop_idle(&self) {
        self.remove(self.idle().into_iter().map(|idle| idle.resource).collect());
    }

    // What nobody goes on with takes room too.
    fn make_room(&self, size: u64) -> Result<(), Status> {
        let storage = &self.storage;
        let made = storage.make_room(size).or_else(|_| {
            self.drop_idle();
            storage.make_room(size)
        });
        made.map_err(|error| requests::refused(storage, &error))
    }

    /// Takes a blob in, if need be in the place of uploads that nobody goes on with.
    ///
    /// # Errors
    /// When it is not what it is said to be, and when there is no room.
    pub(super) fn add(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Status> {
        let storage = &self.storage;
        let added = match storage.add(digest, bytes) {
            Err(Refused::NoRoom) => {
                self.drop_idle();
                storage.add(digest, bytes)
            }
            answer => answer,
        };
        added.map_err(|error| requests::refused(storage, &error))
    }

    fn idle(&self) -> Vec<Idle> {
        let table = lock(&self.table);
        let mut idle = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "the order of removal is seen by nobody")]
        for (resource, upload) in table.iter() {
            if upload.writer.load(Ordering::SeqCst) == 0 {
                // Whoever holds the state is at work.
                if let Ok(state) = upload.state.try_lock() {
                    idle.push(Idle { resource: resource.clone(), touched: state.touched, zstd: upload.zstd });
                }
            }
        }
        idle
    }

    fn remove(&self, resources: Vec<String>) {
        let mut table = lock(&self.table);
        let mut gone = Vec::new();
        for resource in resources {
            // A client may have come back meanwhile.
            if table.get(&resource).is_some_and(|upload| upload.writer.load(Ordering::SeqCst) == 0) {
                gone.extend(table.remove(&resource));
            }
        }
        drop(table);
        // Files are removed without the lock.
        drop(gone);
    }
}

impl Writer {
    fn owns(&self) -> bool {
        self.upload.writer.load(Ordering::SeqCst) == self.id
    }

    /// Takes the next bytes. This writes files.
    ///
    /// # Errors
    /// When they are too many or no compressed stream, when another client has taken over, and when there is no room.
    pub(super) fn feed(&self, uploads: &Uploads, pieces: &[Bytes]) -> Result<(), Status> {
        let upload = &self.upload;
        let mut state = lock(&upload.state);
        if !self.owns() {
            return Err(Status::aborted("another client goes on with this upload"));
        }
        let state = &mut *state;
        state.touched = Instant::now();
        let Some(sink) = &mut state.sink else {
            return Err(Status::failed_precondition("this upload has ended"));
        };
        let fed = pieces.iter().try_for_each(|piece| sink.feed(uploads, &mut state.charged, piece));
        state.received += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if fed.is_err() {
            // It is not known how much of it was taken.
            upload.reset(state);
        }
        fed
    }

    /// Puts the blob into the store. The answer is how many bytes of the stream arrived. This writes files.
    ///
    /// # Errors
    /// When it is not what its name says, when another client has taken over, and when there is no room.
    pub(super) fn finish(&self) -> Result<u64, Status> {
        let upload = &self.upload;
        let storage = &upload.storage;
        let mut state = lock(&upload.state);
        if !self.owns() {
            return Err(Status::aborted("another client goes on with this upload"));
        }
        let received = state.received;
        let Some(sink) = state.sink.take() else {
            return Err(Status::failed_precondition("this upload has ended"));
        };
        let done = storage.complete(sink.incoming);
        upload.reset(&mut state);
        done.map(|()| received).map_err(|error| requests::refused(storage, &error))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Nobody else's.
        let _ = self.upload.writer.compare_exchange(self.id, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

impl Upload {
    fn new(name: &Name, storage: &Arc<Storage>) -> Self {
        Self {
            digest: name.digest,
            zstd: name.zstd,
            storage: Arc::clone(storage),
            writer: AtomicU64::new(0),
            state: Mutex::new(State { sink: None, received: 0, charged: 0, touched: Instant::now() }),
        }
    }

    // Forgets what has arrived.
    fn reset(&self, state: &mut State) {
        state.sink = None;
        state.received = 0;
        self.storage.arriving.fetch_sub(std::mem::take(&mut state.charged), Ordering::Relaxed);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let charged = lock(&self.state).charged;
        self.storage.arriving.fetch_sub(charged, Ordering::Relaxed);
    }
}

impl Sink {
    // A few bytes may unpack to very many, so room is made for each piece that is written, and `charged` grows with it.
    fn feed(&mut self, uploads: &Uploads, charged: &mut u64, piece: &[u8]) -> Result<(), Status> {
        let storage = &uploads.storage;
        let Self { incoming, unpack } = self;
        let mut write = |bytes: &[u8]| -> Result<(), Status> {
            uploads.make_room(bytes.len() as u64)?;
            let before = incoming.arrived();
            let done = storage.with_room(bytes.len() as u64, || {
                // The first time a part of them may have been taken.
                let taken = usize::try_from(incoming.arrived() - before).unwrap_or(usize::MAX);
                incoming.write(bytes.get(taken..).unwrap_or_default())
            });
            let arrived = incoming.arrived() - before;
            storage.arriving.fetch_add(arrived, Ordering::Relaxed);
            *charged += arrived;
            done.map_err(|error| requests::store_error(storage, &error))
        };
        let Some(Unpack { decoder, buffer }) = unpack else { return write(piece) };
        let mut from = InBuffer::around(piece);
        loop {
            let mut to = OutBuffer::around(&mut buffer[..]);
            decoder.run(&mut from, &mut to).map_err(|_| {
                Status::invalid_argument("this is no zstd stream, or one with a window of more than 8 MiB")
            })?;
            let filled = to.pos();
            write(&buffer[..filled])?;
            // A full buffer may mean that there is more to come without further input.
            if from.pos() == piece.len() && filled < buffer.len() {
                return Ok(());
            }
        }
    }
}

impl Unpack {
    fn new() -> Result<Self, Status> {
        let wrong = |_| Status::internal("zstd cannot be used");
        let mut decoder = Decoder::new().map_err(wrong)?;
        decoder.set_parameter(zstd::stream::raw::DParameter::WindowLogMax(WINDOW_LOG)).map_err(wrong)?;
        Ok(Self { decoder, buffer: vec![0; 256 * 1024] })
    }
}
