//! A client of the Remote Execution API: contents, results of actions, and execution on another machine.
//!
//! [`Remote`] is what the rest of the program sees. Its methods block and may be called from many threads at once; the
//! connections live on threads of their own.

#![allow(clippy::disallowed_methods, reason = "a client talks to the world, and reads the files that its user names")]

mod actions;
mod batch;
mod capabilities;
mod client;
mod connection;
mod directory;
mod error;
mod execution;
mod fetch;
mod options;
mod parallel;
mod read;
mod retry;
mod unpack;
mod upload;
mod write;

pub use error::RemoteError;
pub use options::RemoteOptions;

use std::sync::Arc;

use client::Client;
use rustc_hash::FxHashMap;

use super::api::reapi;
use super::tree::decode_tree;
use super::{Digest, Store};

/// What a server says that a content has is read into memory up to this size.
pub const LARGEST_IN_MEMORY: u64 = 256 << 20;

/// A server that has been spoken to, with what was agreed on with it. Clones share the connections.
///
/// The methods wait, so they must not be called from asynchronous code; from any number of threads they may.
#[derive(Clone, Debug)]
pub struct Remote {
    client: Arc<Client>,
}

/// A blob that is wanted, and for what: errors name the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The content.
    pub digest: Digest,
    /// The path that it is wanted for, as far as known; may be empty.
    pub path: String,
    /// Whether it will be an executable file, so that the store gets it with that mode.
    pub executable: bool,
}

/// Something to be uploaded.
#[derive(Clone, Debug)]
pub enum Blob {
    /// A content of the local store.
    Stored(Digest),
    /// Bytes in memory.
    Bytes(Digest, Vec<u8>),
}

/// What was moved over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Blobs that were sent or received.
    pub blobs: u64,
    /// Their sizes, before compression.
    pub bytes: u64,
    /// Blobs that were there already.
    pub present: u64,
}

/// Who wants to know how a transfer goes. Calls come from several threads.
pub trait Progress: Sync {
    /// So many more blobs and bytes are known to be needed.
    fn expect(&self, blobs: u64, bytes: u64);
    /// So many more have arrived.
    fn moved(&self, blobs: u64, bytes: u64);
}

/// Nobody wants to know.
impl Progress for () {
    fn expect(&self, _: u64, _: u64) {}
    fn moved(&self, _: u64, _: u64) {}
}

impl Remote {
    /// Connects, and agrees on limits.
    ///
    /// # Errors
    /// When the options make no sense, the server cannot be reached, or says something other than "unimplemented".
    pub fn connect(options: RemoteOptions) -> Result<Self, RemoteError> {
        Ok(Self { client: Arc::new(Client::new(options)?) })
    }

    /// What it was connected with.
    pub fn options(&self) -> &RemoteOptions {
        &self.client.options
    }

    /// Which of these the server does not have, in their order, each once.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, RemoteError> {
        self.client.missing(digests)
    }

    /// Brings blobs into the store that it does not have.
    ///
    /// # Errors
    /// When the server does not have one of them (all the others have been brought then), gives something else, cannot be
    /// reached, or when the store cannot be written.
    pub fn fetch(&self, store: &Store, wanted: &[Wanted], progress: &dyn Progress) -> Result<Transfer, RemoteError> {
        self.client.fetch(store, wanted, progress)
    }

    /// Brings a directory and everything below it into the store, a directory only after all that is below it.
    ///
    /// # Errors
    /// As for [`Remote::fetch`], and when something in it is no proper directory.
    pub fn fetch_tree(&self, store: &Store, root: &Digest, progress: &dyn Progress) -> Result<Transfer, RemoteError> {
        self.client.fetch_tree(store, root, FxHashMap::default(), progress)
    }

    /// Brings the directories of a `Tree` message and everything below them into the store, as [`Remote::fetch_tree`]
    /// does, and says what the digest of its root is. The message itself is not kept.
    ///
    /// # Errors
    /// As for [`Remote::fetch_tree`].
    pub fn fetch_tree_message(
        &self,
        store: &Store,
        tree: &Digest,
        progress: &dyn Progress,
    ) -> Result<(Digest, Transfer), RemoteError> {
        let bytes = self.read(tree)?;
        let built = decode_tree(&bytes).map_err(|reason| RemoteError::Directory {
            digest: *tree,
            path: String::new(),
            reason,
        })?;
        let given = built.directories.into_iter().collect();
        Ok((built.root, self.client.fetch_tree(store, &built.root, given, progress)?))
    }

    /// The bytes of a blob, not kept in a store.
    ///
    /// # Errors
    /// As for [`Remote::fetch`], and [`RemoteError::HugeBlob`] for more than [`LARGEST_IN_MEMORY`].
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, RemoteError> {
        if digest.size > LARGEST_IN_MEMORY {
            return Err(RemoteError::HugeBlob { digest: *digest });
        }
        let missing = || RemoteError::Missing { missing: vec![(*digest, String::new())] };
        self.client.read_small(digest)?.ok_or_else(missing)
    }

    /// Sends those of these blobs that the server does not have.
    ///
    /// # Errors
    /// When the store does not have one of them, or the server cannot be reached or refuses.
    pub fn upload(&self, store: &Store, blobs: &[Blob], progress: &dyn Progress) -> Result<Transfer, RemoteError> {
        self.client.upload(store, blobs, progress)
    }

    /// The result that is known for an action, if one is.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn action_result(&self, action: &Digest) -> Result<Option<reapi::ActionResult>, RemoteError> {
        self.client.block(self.client.action_result(action))
    }

    /// Makes the result of an action known.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses; servers that take no results answer so too.
    pub fn update_action_result(&self, action: &Digest, result: reapi::ActionResult) -> Result<(), RemoteError> {
        self.client.block(self.client.update_action_result(action, result))
    }

    /// Whether the server says that it takes results of actions; absent where it does not say.
    pub fn takes_results(&self) -> Option<bool> {
        self.client.capabilities.takes_results
    }

    /// Whether the server says that it executes actions.
    pub fn executes(&self) -> bool {
        self.client.capabilities.executes
    }

    /// Has an action executed, whose blobs the server has.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, when it lacks inputs, when the action could not be executed, or when
    /// it was cancelled.
    pub fn execute(&self, action: &Digest, skip_cache_lookup: bool) -> Result<reapi::ExecuteResponse, RemoteError> {
        self.client.block_to_end(self.client.execute(action, skip_cache_lookup))
    }
}
