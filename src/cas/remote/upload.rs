//! Blobs to the server: those that it does not have, small ones together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use tonic::Code;

use super::batch::{Outcome, divide, fitting};
use super::capabilities::in_message;
use super::client::Client;
use super::parallel::{each, lock};
use super::retry::is_transient;
use super::write::Source;
use super::{Blob, Progress, RemoteError, Transfer};
use crate::cas::api::reapi;
use crate::cas::api::reapi::digest_function::Value as DigestFunction;
use crate::cas::{Digest, Store};

// So many digests make a message of about 750 KiB.
const DIGESTS: usize = 10_000;

impl Client {
    /// Which of these the server does not have, in their order, each once.
    pub(super) fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, RemoteError> {
        let mut asked: IndexSet<Digest, FxBuildHasher> = digests.iter().copied().collect();
        // Every server has that one, and some do not know.
        asked.shift_remove(&Digest::EMPTY);
        let asked: Vec<Digest> = asked.into_iter().collect();
        let missing = Mutex::new(FxHashSet::default());
        each(asked.chunks(DIGESTS), self.options.concurrency, |digests| {
            lock(&missing).extend(self.block(self.missing_of(digests))?);
            Ok::<_, RemoteError>(Vec::new())
        })?;
        let missing = lock(&missing);
        Ok(asked.into_iter().filter(|digest| missing.contains(digest)).collect())
    }

    async fn missing_of(&self, digests: &[Digest]) -> Result<Vec<Digest>, RemoteError> {
        let request = reapi::FindMissingBlobsRequest {
            instance_name: self.options.instance.clone(),
            blob_digests: digests.iter().map(|digest| (*digest).into()).collect(),
            digest_function: DigestFunction::Sha256 as i32,
        };
        let answer = self
            .ask(|| {
                let mut service = self.connection.contents();
                let request = request.clone();
                async move { service.find_missing_blobs(request).await }
            })
            .await
            .map_err(|status| self.refused("say which blobs it has", &status))?;
        let asked: FxHashSet<&Digest> = digests.iter().collect();
        let known = |digest: &reapi::Digest| {
            let digest = Digest::try_from(digest).ok().filter(|digest| asked.contains(digest));
            digest.ok_or_else(|| self.protocol("it says that it lacks a blob that it was not asked about"))
        };
        answer.missing_blob_digests.iter().map(known).collect()
    }

    /// Sends those of these blobs that the server does not have.
    pub(super) fn upload(
        &self,
        store: &Store,
        blobs: &[Blob],
        progress: &dyn Progress,
    ) -> Result<Transfer, RemoteError> {
        let digests: Vec<Digest> = blobs.iter().map(Blob::digest).collect();
        let in_memory: FxHashMap<&Digest, &[u8]> = blobs
            .iter()
            .filter_map(|blob| match blob {
                Blob::Bytes(digest, bytes) => Some((digest, &bytes[..])),
                Blob::Stored(_) => None,
            })
            .collect();
        let missing = self.missing(&digests)?;
        let bytes = missing.iter().map(|digest| digest.size).sum();
        progress.expect(missing.len() as u64, bytes);
        if let Some(limit) = self.capabilities.largest_blob
            && let Some(digest) = missing.iter().find(|digest| digest.size > limit)
        {
            return Err(RemoteError::TooLarge { endpoint: self.options.endpoint.clone(), digest: *digest, limit });
        }
        let sender = Sender { client: self, store, in_memory, progress };
        let count = missing.len() as u64;
        let jobs = sender.jobs(missing);
        each(jobs, self.options.concurrency, |job| sender.run(job))?;
        let different: FxHashSet<&Digest> = digests.iter().collect();
        Ok(Transfer { blobs: count, bytes, present: different.len() as u64 - count })
    }
}

impl Blob {
    fn digest(&self) -> Digest {
        match self {
            Self::Stored(digest) | Self::Bytes(digest, _) => *digest,
        }
    }
}

enum Job {
    Batch(Vec<Digest>),
    // A part of a batch that was refused, and the size of that.
    Part(Vec<Digest>, u64),
    Stream(Digest),
}

struct Sender<'a> {
    client: &'a Client,
    store: &'a Store,
    in_memory: FxHashMap<&'a Digest, &'a [u8]>,
    progress: &'a dyn Progress,
}

impl Sender<'_> {
    // Large blobs first: they take longest.
    fn jobs(&self, digests: Vec<Digest>) -> Vec<Job> {
        let batches = &self.client.capabilities.updates;
        let limit = batches.limit();
        let (small, large): (Vec<Digest>, Vec<Digest>) =
            digests.into_iter().partition(|digest| batches.are_known() && in_message(digest) <= limit);
        let mut jobs: Vec<Job> = large.into_iter().map(Job::Stream).collect();
        let mut rest = &small[..];
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(fitting(rest, limit).min(rest.len()));
            jobs.push(Job::Batch(batch.to_vec()));
            rest = others;
        }
        jobs
    }

    fn run(&self, job: Job) -> Result<Vec<Job>, RemoteError> {
        match job {
            Job::Stream(digest) => self.stream(&digest).map(|()| Vec::new()),
            Job::Batch(digests) => self.batch(digests, None),
            Job::Part(digests, whole) => self.batch(digests, Some(whole)),
        }
    }

    fn batch(&self, digests: Vec<Digest>, part_of: Option<u64>) -> Result<Vec<Job>, RemoteError> {
        let size: u64 = digests.iter().map(in_message).sum();
        let batches = &self.client.capabilities.updates;
        if !batches.are_known() || size > batches.limit() {
            // It was put together before that was known.
            return Ok(self.jobs(digests));
        }
        let blobs = digests.iter().map(|digest| {
            let bytes = match self.in_memory.get(digest) {
                Some(bytes) => bytes.to_vec(),
                None => self.store.read(digest)?,
            };
            Ok((*digest, bytes))
        });
        let blobs = blobs.collect::<Result<Vec<_>, RemoteError>>()?;
        let answers = match self.client.block(self.client.update_batch(blobs, part_of))? {
            Outcome::Answers(answers) => answers,
            Outcome::Smaller => return Ok(self.jobs(digests)),
            Outcome::Parts => {
                let parts = divide(digests, |digest| digest);
                return Ok(parts.into_iter().map(|(part, whole)| Job::Part(part, whole)).collect());
            }
            Outcome::OneByOne => return Ok(digests.into_iter().map(Job::Stream).collect()),
        };
        let mut more = Vec::new();
        for (digest, answer) in digests.into_iter().zip(answers) {
            match answer {
                Ok(()) => self.progress.moved(1, digest.size),
                // Alone it is tried again, and is no longer one among others that are too much together.
                Err(status) if is_transient(&status) || matches!(status.code(), Code::OutOfRange | Code::Internal) => {
                    more.push(Job::Stream(digest));
                }
                Err(status) => return Err(self.client.refused("take a blob", &status)),
            }
        }
        Ok(more)
    }

    fn stream(&self, digest: &Digest) -> Result<(), RemoteError> {
        let source = match self.in_memory.get(digest) {
            Some(bytes) => Source::Bytes(bytes),
            None => Source::File(self.store.path_of(digest)?),
        };
        let reported = AtomicU64::new(0);
        let moved = |sent: u64| {
            let before = reported.fetch_max(sent, Relaxed);
            self.progress.moved(0, sent.saturating_sub(before));
        };
        self.client.block(self.client.stream_from(digest, &source, &moved))?;
        self.progress.moved(1, digest.size.saturating_sub(reported.into_inner()));
        Ok(())
    }
}
