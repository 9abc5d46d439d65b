//! A client of the Remote Execution API: contents, results of actions, and execution on another machine.
//!
//! [`Remote`] is what the rest of the program sees. Its methods block and may be called from many threads at once; the
//! connections live on threads of their own.

mod error;
mod options;

pub use error::RemoteError;
pub use options::RemoteOptions;

use super::api::reapi;
use super::{Digest, Store};

/// A server that has been spoken to, with what was agreed on with it. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Remote {
    options: RemoteOptions,
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
        Ok(Self { options })
    }

    /// Which of these the server does not have, in their order, each once.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn missing(&self, _digests: &[Digest]) -> Result<Vec<Digest>, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// Brings blobs into the store that it does not have.
    ///
    /// # Errors
    /// When the server does not have one of them (all the others have been brought then), gives something else, cannot be
    /// reached, or when the store cannot be written.
    pub fn fetch(&self, _store: &Store, _wanted: &[Wanted], _progress: &dyn Progress) -> Result<Transfer, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// Brings a directory and everything below it into the store, a directory only after all that is below it.
    ///
    /// # Errors
    /// As for [`Remote::fetch`].
    pub fn fetch_tree(
        &self,
        _store: &Store,
        _root: &Digest,
        _progress: &dyn Progress,
    ) -> Result<Transfer, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// The bytes of a blob, not kept in a store.
    ///
    /// # Errors
    /// As for [`Remote::fetch`].
    pub fn read(&self, _digest: &Digest) -> Result<Vec<u8>, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// Sends those of these blobs that the server does not have.
    ///
    /// # Errors
    /// When the store does not have one of them, or the server cannot be reached or refuses.
    pub fn upload(&self, _store: &Store, _blobs: &[Blob], _progress: &dyn Progress) -> Result<Transfer, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// The result that is known for an action, if one is.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub fn action_result(&self, _action: &Digest) -> Result<Option<reapi::ActionResult>, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// Makes the result of an action known.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses; servers that take no results answer so too.
    pub fn update_action_result(&self, _action: &Digest, _result: reapi::ActionResult) -> Result<(), RemoteError> {
        Err(RemoteError::todo(&self.options))
    }

    /// Whether the server says that it executes actions.
    pub fn executes(&self) -> bool {
        false
    }

    /// Has an action executed, whose blobs the server has. `is_cancelled` is asked several times a second.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, or when it was cancelled.
    pub fn execute(
        &self,
        _action: &Digest,
        _skip_cache_lookup: bool,
        _is_cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<reapi::ExecuteResponse, RemoteError> {
        Err(RemoteError::todo(&self.options))
    }
}
