//! Several blobs in one request.

use rustc_hash::FxHashMap;
use tonic::{Code, Status};

use super::RemoteError;
use super::capabilities::{Batches, SMALLEST_BATCH, half, in_message};
use super::client::Client;
use crate::cas::Digest;
use crate::cas::api::reapi;
use crate::cas::api::reapi::compressor::Value as Compressor;
use crate::cas::api::reapi::digest_function::Value as DigestFunction;

// So many blobs are asked for at once, however small they are: others are to have something to do, too.
const MOST: usize = 2000;

// What is shorter does not get shorter.
const WORTH_COMPRESSING: usize = 512;

/// What became of one blob of a batch.
#[derive(Debug)]
pub(super) enum Answer {
    /// So many bytes as it has. They are not hashed yet.
    Bytes(Vec<u8>),
    /// The server does not have it.
    Missing,
    /// It may come when it is asked for alone.
    Alone,
    /// Another number of bytes.
    Wrong(u64),
    /// The server could not, or should not have.
    Error(RemoteError),
}

/// What became of a batch.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// Something for each of the blobs, in their order.
    Answers(Vec<T>),
    /// It was too large. Batches are smaller from now on.
    Smaller,
    /// It may have been too large: parts of it may be taken.
    Parts,
    /// The blobs have to be asked for, or sent, one by one.
    OneByOne,
}

/// How many of these blobs make a batch within a limit; at least one, if there are any.
pub(super) fn fitting<'a>(digests: impl IntoIterator<Item = &'a Digest>, limit: u64) -> usize {
    let mut size = 0_u64;
    let count = digests
        .into_iter()
        .take(MOST)
        .take_while(|digest| {
            size = size.saturating_add(in_message(digest));
            size <= limit
        })
        .count();
    count.max(1)
}

/// Divides a batch that may have been too large. Gives the parts with the size of the whole.
pub(super) fn divide<T>(mut batch: Vec<T>, digest: impl Fn(&T) -> &Digest) -> Vec<(Vec<T>, u64)> {
    let whole: u64 = batch.iter().map(|one| in_message(digest(one))).sum();
    let mut parts = Vec::new();
    while !batch.is_empty() {
        let count = fitting(batch.iter().map(&digest), half(whole)).min(batch.len());
        let rest = batch.split_off(count);
        parts.push((std::mem::replace(&mut batch, rest), whole));
    }
    parts
}

impl Client {
    /// Reads blobs that differ from each other. They may be part of a batch that was refused; then its size is given.
    pub(super) async fn read_batch(
        &self,
        wanted: &[Digest],
        part_of: Option<u64>,
    ) -> Result<Outcome<Answer>, RemoteError> {
        let zstd = self.capabilities.batches_read_zstd;
        let request = reapi::BatchReadBlobsRequest {
            instance_name: self.options.instance.clone(),
            digests: wanted.iter().map(|digest| (*digest).into()).collect(),
            acceptable_compressors: if zstd { vec![Compressor::Zstd as i32] } else { Vec::new() },
            digest_function: DigestFunction::Sha256 as i32,
        };
        let batch = Extent::of(wanted, part_of, &self.capabilities.reads);
        let answer = self
            .ask_unless(
                || {
                    let mut service = self.connection.contents();
                    let request = request.clone();
                    async move { service.batch_read_blobs(request).await }
                },
                |status| batch.is_better_divided(status),
            )
            .await;
        match answer {
            Ok(answer) => {
                batch.taken(&self.capabilities.reads);
                self.answers(wanted, answer).map(Outcome::Answers)
            }
            Err(status) => self.without_batch(&batch, &self.capabilities.reads, "read blobs", &status),
        }
    }

    // How to go on when a batch was refused.
    fn without_batch<T>(
        &self,
        batch: &Extent,
        batches: &Batches,
        action: &'static str,
        status: &Status,
    ) -> Result<Outcome<T>, RemoteError> {
        match status.code() {
            Code::Unimplemented => {
                batches.are_unknown();
                Ok(Outcome::OneByOne)
            }
            code if may_be_too_large(code) && batch.count == 1 => Ok(Outcome::OneByOne),
            code if may_be_too_large(code) && batch.is_divisible() => {
                if !says_too_large(status) {
                    return Ok(Outcome::Parts);
                }
                batches.shrink(batch.size);
                Ok(Outcome::Smaller)
            }
            _ => Err(self.refused(action, status)),
        }
    }

    fn answers(&self, wanted: &[Digest], answer: reapi::BatchReadBlobsResponse) -> Result<Vec<Answer>, RemoteError> {
        let places: FxHashMap<&Digest, usize> = wanted.iter().zip(0..).collect();
        let mut answers: Vec<Option<Answer>> = Vec::new();
        answers.resize_with(wanted.len(), || None);
        for response in answer.responses {
            let (at, digest) = self.place(response.digest.as_ref(), &places)?;
            let slot = &mut answers[at];
            if slot.is_some() {
                return Err(self.protocol(format!("it answered twice for {digest}")));
            }
            *slot = Some(match response.status.as_ref().map_or(Code::Ok, |status| Code::from(status.code)) {
                Code::Ok => self.unpacked(&digest, response.data, response.compressor),
                Code::NotFound => Answer::Missing,
                // Asking for it alone is also what is done about answers that may be others next time.
                Code::ResourceExhausted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::Aborted
                | Code::DeadlineExceeded
                | Code::Internal => Answer::Alone,
                code => {
                    let message = response.status.map(|status| status.message).unwrap_or_default();
                    Answer::Error(self.refused("read a blob", &Status::new(code, message)))
                }
            });
        }
        let unanswered = |at: usize| Answer::Error(self.protocol(format!("it did not answer for {}", wanted[at])));
        Ok(answers.into_iter().zip(0..).map(|(answer, at)| answer.unwrap_or_else(|| unanswered(at))).collect())
    }

    fn unpacked(&self, digest: &Digest, data: Vec<u8>, compressor: i32) -> Answer {
        let data = if compressor == Compressor::Identity as i32 {
            data
        } else if compressor == Compressor::Zstd as i32 && self.capabilities.batches_read_zstd {
            // Never more than there should be, whatever it would be unpacked to.
            let room = usize::try_from(digest.size).unwrap_or(usize::MAX);
            match zstd::bulk::decompress(&data, room) {
                Ok(data) => data,
                Err(_) => return Answer::Wrong(data.len() as u64),
            }
        } else {
            return Answer::Error(self.protocol(format!("it compressed {digest} in a way it was not asked for")));
        };
        if data.len() as u64 == digest.size { Answer::Bytes(data) } else { Answer::Wrong(data.len() as u64) }
    }

    fn place(
        &self,
        digest: Option<&reapi::Digest>,
        places: &FxHashMap<&Digest, usize>,
    ) -> Result<(usize, Digest), RemoteError> {
        let Some(digest) = digest else { return Err(self.protocol("it answered for no blob")) };
        let known = Digest::try_from(digest).ok().and_then(|digest| Some((*places.get(&digest)?, digest)));
        known.ok_or_else(|| self.protocol(format!("it answered for {:.64}, which was not asked for", digest.hash)))
    }

    /// Sends blobs that differ from each other. The answers say which have to be sent alone. They may be part of a batch
    /// that was refused; then its size is given.
    pub(super) async fn update_batch(
        &self,
        blobs: Vec<(Digest, Vec<u8>)>,
        part_of: Option<u64>,
    ) -> Result<Outcome<Result<(), Status>>, RemoteError> {
        let digests: Vec<Digest> = blobs.iter().map(|(digest, _)| *digest).collect();
        let batch = Extent::of(&digests, part_of, &self.capabilities.updates);
        let request = reapi::BatchUpdateBlobsRequest {
            instance_name: self.options.instance.clone(),
            requests: blobs.into_iter().map(|(digest, data)| self.packed(&digest, data)).collect(),
            digest_function: DigestFunction::Sha256 as i32,
        };
        let answer = self
            .ask_unless(
                || {
                    let mut service = self.connection.contents();
                    let request = request.clone();
                    async move { service.batch_update_blobs(request).await }
                },
                |status| batch.is_better_divided(status),
            )
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => {
                return self.without_batch(&batch, &self.capabilities.updates, "take blobs", &status);
            }
        };
        batch.taken(&self.capabilities.updates);
        let places: FxHashMap<&Digest, usize> = digests.iter().zip(0..).collect();
        let mut answers: Vec<Option<Result<(), Status>>> = vec![None; digests.len()];
        for response in answer.responses {
            let (at, digest) = self.place(response.digest.as_ref(), &places)?;
            if answers[at].is_some() {
                return Err(self.protocol(format!("it answered twice for {digest}")));
            }
            let status = response.status.unwrap_or_default();
            answers[at] = Some(match Code::from(status.code) {
                Code::Ok | Code::AlreadyExists => Ok(()),
                code => Err(Status::new(code, status.message)),
            });
        }
        let answers = answers
            .into_iter()
            .zip(&digests)
            .map(|(answer, digest)| answer.ok_or_else(|| self.protocol(format!("it did not answer for {digest}"))));
        Ok(Outcome::Answers(answers.collect::<Result<_, _>>()?))
    }

    fn packed(&self, digest: &Digest, data: Vec<u8>) -> reapi::batch_update_blobs_request::Request {
        let mut packed = None;
        if self.capabilities.batches_update_zstd && data.len() > WORTH_COMPRESSING {
            packed = zstd::bulk::compress(&data, 0).ok().filter(|packed| packed.len() < data.len());
        }
        let compressor = if packed.is_some() { Compressor::Zstd } else { Compressor::Identity };
        reapi::batch_update_blobs_request::Request {
            digest: Some((*digest).into()),
            data: packed.unwrap_or(data),
            compressor: compressor as i32,
        }
    }
}

// How large a batch is.
struct Extent {
    count: usize,
    size: u64,
    part_of: Option<u64>,
}

impl Extent {
    fn of(digests: &[Digest], part_of: Option<u64>, batches: &Batches) -> Self {
        // Once one part was taken, the others are batches like any.
        let part_of = part_of.filter(|whole| half(*whole) < batches.limit());
        Self { count: digests.len(), size: digests.iter().map(in_message).sum(), part_of }
    }

    fn is_divisible(&self) -> bool {
        self.count > 1 && self.size > SMALLEST_BATCH
    }

    // A server that has too much to do gives the same code as one that finds a message too large. So a batch is tried
    // again until patience ends, unless it is said that it is too large, or it is only here to find that out.
    fn is_better_divided(&self, status: &Status) -> bool {
        self.is_divisible() && may_be_too_large(status.code()) && (self.part_of.is_some() || says_too_large(status))
    }

    // When a part is taken, the whole was too large.
    fn taken(&self, batches: &Batches) {
        if let Some(whole) = self.part_of {
            batches.shrink(whole);
        }
    }
}

// Servers do not agree on the code for a message that is too large for them.
fn may_be_too_large(code: Code) -> bool {
    matches!(code, Code::ResourceExhausted | Code::OutOfRange | Code::InvalidArgument)
}

// Whether a refusal is about the size of a message. That there is a limit says nothing: there are limits on rates, too.
fn says_too_large(status: &Status) -> bool {
    let words =
        ["larger than", "too large", "too big", "bytes", "batch size", "message size", "max size", "maximum size"];
    let message = status.message().to_ascii_lowercase();
    may_be_too_large(status.code()) && words.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_from_loads() {
        for (message, is_size) in [
            ("grpc: received message larger than max (5000000 vs. 4194304)", true),
            ("gRPC message exceeds maximum size 4194304: 5000000", true),
            ("Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes", true),
            ("Too many requests, the limit is 100 a second", false),
            ("quota exceeded", false),
            ("the server is overloaded", false),
            ("", false),
        ] {
            assert_eq!(says_too_large(&Status::resource_exhausted(message)), is_size, "{message}");
        }
        assert!(!says_too_large(&Status::internal("larger than max")));
    }
}
