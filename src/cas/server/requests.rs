//! What is the same in all requests: digests are checked, and errors become answers.

use tonic::Status;

use super::results::Unfit;
use super::storage::{Refused, Storage};
use crate::cas::api::reapi;
use crate::cas::{Digest, StoreError};

/// The most bytes of blobs in one batch, and in one message of a stream.
pub(super) const PAYLOAD: u64 = 1024 * 1024;

/// The most bytes of one message.
pub(super) const MESSAGE: usize = 4 * 1024 * 1024;

/// Checks that a request means SHA-256.
pub(super) fn function(value: i32) -> Result<(), Status> {
    use reapi::digest_function::Value::{Sha256, Unknown};
    if value == Sha256 as i32 || value == Unknown as i32 {
        return Ok(());
    }
    Err(Status::invalid_argument("this server knows SHA-256 digests only"))
}

/// Checks a digest.
pub(super) fn digest(digest: Option<&reapi::Digest>) -> Result<Digest, Status> {
    let digest = digest.ok_or_else(|| Status::invalid_argument("a digest is missing"))?;
    let checked = Digest::try_from(digest);
    // The hash is a part of names of files, and of the answer.
    match checked {
        Ok(checked) if digest.hash.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Err(Status::invalid_argument(format!("the hash of {checked} has capital letters")))
        }
        Ok(checked) => Ok(checked),
        Err(_) => Err(Status::invalid_argument(
            "a digest is 64 hexadecimal digits of SHA-256, and a size in bytes that is not negative",
        )),
    }
}

/// Checks the digests of a batch, and that it is not too large.
pub(super) fn batch<'a>(digests: impl Iterator<Item = Option<&'a reapi::Digest>>) -> Result<Vec<Digest>, Status> {
    let mut sum: u64 = 0;
    let mut all = Vec::new();
    for one in digests {
        let one = digest(one)?;
        sum = sum.saturating_add(one.size);
        if sum > PAYLOAD {
            return Err(Status::invalid_argument(format!("a batch may have {PAYLOAD} bytes of blobs; use ByteStream")));
        }
        all.push(one);
    }
    Ok(all)
}

/// What is answered to an error of the store. Paths on the server are nobody else's business.
pub(super) fn store_error(storage: &Storage, error: &StoreError) -> Status {
    match error {
        StoreError::Missing { digest } | StoreError::Corrupt { digest, .. } => {
            Status::not_found(format!("this server does not have {digest}"))
        }
        StoreError::Unlike { .. } => Status::invalid_argument(error.to_string()),
        error if error.is_too_large() => {
            Status::resource_exhausted("the disk of this server takes no file of that size")
        }
        error if error.is_full() => Status::resource_exhausted("the disk of this server is full"),
        error => {
            storage.tell(&super::Event::Failed(error.to_string()));
            Status::internal("the disk of this server fails")
        }
    }
}

/// What is answered when a content is not taken in.
pub(super) fn refused(storage: &Storage, error: &Refused) -> Status {
    match error {
        Refused::Store(error) => store_error(storage, error),
        Refused::TooLarge | Refused::NoRoom => Status::resource_exhausted(error.to_string()),
    }
}

/// What is answered when a result is not taken in.
pub(super) fn unfit(storage: &Storage, error: &Unfit) -> Status {
    match error {
        Unfit::Missing(digests) => {
            let shown: Vec<String> = digests.iter().take(10).map(Digest::to_string).collect();
            let more = if digests.len() > shown.len() { ", and more" } else { "" };
            Status::failed_precondition(format!("the result needs {}{more}, which is not here", shown.join(", ")))
        }
        Unfit::Wrong(message) => Status::invalid_argument(message.clone()),
        Unfit::Refused(error) => refused(storage, error),
    }
}

/// Does something with files, off the threads that serve connections.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("this server has a bug, or is ending"))
}
