//! The pages of `GetTree`: all directories below a root, breadth first, each once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use prost::Message as _;
use tonic::Status;

use super::index::Hash;
use super::kind;
use super::requests::{self, PAYLOAD};
use super::storage::Storage;
use crate::cas::Digest;
use crate::cas::api::reapi::{Directory, GetTreeResponse};

/// The pages that are still to come.
pub(super) struct Pages {
    storage: Arc<Storage>,
    queue: VecDeque<Digest>,
    seen: HashSet<Hash>,
    // How many directories a page may have.
    size: usize,
    // How many directories the client has already.
    skip: usize,
    // How many have been read.
    read: usize,
}

impl Pages {
    /// Begins at a root, which must be there. All below it counts as used.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn new(storage: Arc<Storage>, root: Digest, size: usize, skip: usize) -> Result<Self, Status> {
        match storage.mark(&root) {
            Ok(true) => {}
            Ok(false) => return Err(Status::not_found(format!("this server does not have {root}"))),
            Err(error) => return Err(requests::store_error(&storage, &error)),
        }
        let size = if size == 0 { usize::MAX } else { size };
        Ok(Self { storage, queue: VecDeque::from([root]), seen: HashSet::from([root.hash]), size, skip, read: 0 })
    }

    /// The next page. What is missing is left out, as the interface says.
    ///
    /// # Errors
    /// When something that should be a directory is none.
    pub(super) fn next(&mut self) -> Result<Option<GetTreeResponse>, Status> {
        let mut page = GetTreeResponse::default();
        let mut bytes = 0;
        while let Some(digest) = self.queue.pop_front() {
            if digest.size > kind::LARGEST {
                return Err(Status::invalid_argument(format!("{digest} is no directory")));
            }
            let content = match self.storage.read_unmarked(&digest) {
                Ok(content) => content,
                Err(error) if error.is_miss() => continue,
                Err(error) => return Err(requests::store_error(&self.storage, &error)),
            };
            let wrong = || Status::invalid_argument(format!("{digest} is no directory"));
            if !kind::may_be_directory(&content) {
                return Err(wrong());
            }
            let directory = Directory::decode(&content[..]).map_err(|_| wrong())?;
            for child in &directory.directories {
                let child = child.digest.as_ref().and_then(|child| Digest::try_from(child).ok()).ok_or_else(wrong)?;
                if self.seen.insert(child.hash) {
                    self.queue.push_back(child);
                }
            }
            self.read += 1;
            if self.read <= self.skip {
                continue;
            }
            bytes += content.len() as u64;
            page.directories.push(directory);
            if page.directories.len() >= self.size || bytes >= PAYLOAD / 2 {
                break;
            }
        }
        if page.directories.is_empty() {
            return Ok(None);
        }
        if !self.queue.is_empty() {
            page.next_page_token = self.read.to_string();
        }
        Ok(Some(page))
    }
}

/// How many directories a client has already: that is what a token says.
pub(super) fn token(token: &str) -> Result<usize, Status> {
    match token {
        "" => Ok(0),
        token => token.parse().map_err(|_| Status::invalid_argument("this is no page token of this server")),
    }
}
