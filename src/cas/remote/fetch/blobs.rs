//! What is asked of the server: blobs in batches, and large ones as streams.

use super::super::RemoteError;
use super::super::batch::{Answer, Outcome, divide};
use super::super::capabilities::in_message;
use super::super::parallel::lock;
use super::Fetch;
use super::state::{Kind, Node, Want};
use crate::cas::{Digest, StoreError};

impl Fetch<'_> {
    pub(super) fn batch(&self, wants: Vec<Want>, part_of: Option<u64>) -> Result<(), RemoteError> {
        let batches = &self.client.capabilities.reads;
        let size: u64 = wants.iter().map(|want| in_message(&want.digest)).sum();
        let outcome = if batches.are_known() && (wants.len() > 1 || size <= batches.limit()) {
            let digests: Vec<Digest> = wants.iter().map(|want| want.digest).collect();
            self.client.block(self.client.read_batch(&digests, part_of))?
        } else {
            Outcome::OneByOne
        };
        let answers = match outcome {
            Outcome::Answers(answers) => answers,
            Outcome::Smaller => {
                let mut state = lock(&self.state);
                for want in wants {
                    self.queue(&mut state, want);
                }
                return Ok(());
            }
            Outcome::Parts => {
                lock(&self.state).parts.extend(divide(wants, |want| &want.digest));
                return Ok(());
            }
            Outcome::OneByOne => {
                lock(&self.state).streams.extend(wants);
                return Ok(());
            }
        };
        let mut here = Vec::with_capacity(wants.len());
        let mut alone = Vec::new();
        let mut missing = Vec::new();
        let mut failed = None;
        for (want, answer) in wants.into_iter().zip(answers) {
            match answer {
                Answer::Bytes(bytes) => match self.received(&want, bytes) {
                    Ok(bytes) => here.push((want, bytes)),
                    Err(error) => failed = failed.or(Some((want, error))),
                },
                Answer::Missing => missing.push(want),
                Answer::Alone => alone.push(want),
                Answer::Wrong(size) => {
                    let error = self.client.wrong(&want.digest, "", size);
                    failed = failed.or(Some((want, error)));
                }
                Answer::Error(error) => failed = failed.or(Some((want, error))),
            }
        }
        {
            let mut state = lock(&self.state);
            state.streams.extend(alone);
            for want in missing {
                let path = state.path(want.above, &want.name);
                state.missing.push((want.digest, path));
            }
        }
        // What is good is kept all the same.
        self.arrived(here)?;
        match failed {
            Some((want, error)) => Err(self.unlike(error, want.above, &want.name)),
            None => Ok(()),
        }
    }

    // Verifies a blob, and puts it into the store if it is a file. Directories have to wait.
    fn received(&self, want: &Want, bytes: Vec<u8>) -> Result<Vec<u8>, RemoteError> {
        match want.kind {
            Kind::File { executable } => {
                self.add(&want.digest, &bytes, executable)?;
                self.progress.moved(1, want.digest.size);
                Ok(Vec::new())
            }
            Kind::Directory(_) if Digest::of(&bytes) == want.digest => {
                self.progress.moved(1, want.digest.size);
                Ok(bytes)
            }
            Kind::Directory(_) => Err(self.client.wrong(&want.digest, "", bytes.len() as u64)),
        }
    }

    fn arrived(&self, blobs: Vec<(Want, Vec<u8>)>) -> Result<(), RemoteError> {
        let mut complete = Vec::new();
        {
            let mut state = lock(&self.state);
            for (want, bytes) in blobs {
                state.transfer.blobs += 1;
                state.transfer.bytes += want.digest.size;
                if let Kind::Directory(node) = want.kind {
                    state.arrived(node, bytes, false);
                    continue;
                }
                for waiter in state.coming.remove(&want.digest).unwrap_or_default() {
                    if state.came(waiter) {
                        complete.push(waiter);
                    }
                }
            }
            if state.idle > 0 {
                self.changed.notify_all();
            }
        }
        self.complete(complete)
    }

    pub(super) fn stream(&self, want: Want) -> Result<(), RemoteError> {
        let path = if want.above.is_none() { want.name.to_string() } else { String::new() };
        let answer = match want.kind {
            Kind::File { executable } => self.stream_file(&want.digest, &path, executable),
            Kind::Directory(_) => {
                self.client.read(&want.digest, &path).inspect(|_| self.progress.moved(0, want.digest.size))
            }
        };
        match answer.map_err(|error| self.unlike(error, want.above, &want.name))? {
            Some(bytes) => {
                self.progress.moved(1, 0);
                self.arrived(vec![(want, bytes)])
            }
            None => {
                let mut state = lock(&self.state);
                let path = state.path(want.above, &want.name);
                state.missing.push((want.digest, path));
                Ok(())
            }
        }
    }

    fn stream_file(&self, digest: &Digest, path: &str, executable: bool) -> Result<Option<Vec<u8>>, RemoteError> {
        let mut incoming = self.store.receive(digest)?;
        let moved = |bytes| self.progress.moved(0, bytes);
        if !self.client.block(self.client.stream_to(digest, path, &mut incoming, &moved))? {
            return Ok(None);
        }
        let size = incoming.arrived();
        match incoming.finish(self.store, executable) {
            Err(StoreError::Unlike { .. }) => Err(self.client.wrong(digest, path, size)),
            answer => answer.map(|()| Some(Vec::new())).map_err(RemoteError::from),
        }
    }

    pub(super) fn add(&self, digest: &Digest, bytes: &[u8], executable: bool) -> Result<(), RemoteError> {
        match self.store.add_claimed(digest, bytes, executable) {
            Err(StoreError::Unlike { size, .. }) => Err(self.client.wrong(digest, "", size)),
            answer => Ok(answer?),
        }
    }

    // Says where it was wanted.
    pub(super) fn unlike(&self, mut error: RemoteError, above: Option<Node>, name: &str) -> RemoteError {
        if let RemoteError::Wrong { path, .. } = &mut error {
            *path = lock(&self.state).path(above, name);
        }
        error
    }
}
