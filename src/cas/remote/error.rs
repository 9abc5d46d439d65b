//! What can go wrong with a server, and what people can do about it.

use std::path::PathBuf;

use thiserror::Error;
use tonic::Code;

use super::LARGEST_IN_MEMORY;
use crate::cas::api::reapi;
use crate::cas::tree::TreeError;
use crate::cas::{Digest, StoreError};

/// Why something could not be had from a server, or given to it.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The endpoint cannot be understood.
    #[error(
        "`{endpoint}` is not the address of a server: {reason}; write `grpc://host:port`, or `grpcs://host:port` for TLS"
    )]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file with a certificate, a key, a token or headers is of no use.
    #[error("the {what} in `{}` cannot be used: {reason}", path.display())]
    Credentials {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("cannot reach `{endpoint}`: {reason}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What the system or the library says.
        reason: String,
    },
    /// The server answered with an error, for the last time that it was asked.
    #[error("`{endpoint}` could not {action}: {} ({}){}", plain(.message), name(*.code), advice(*.code))]
    Refused {
        /// The server.
        endpoint: String,
        /// What it was asked for, as a verb.
        action: &'static str,
        /// The kind of error.
        code: Code,
        /// What the server says.
        message: String,
    },
    /// The server lacks something that cannot be done without.
    #[error("`{endpoint}` does not offer {what}")]
    Unsupported {
        /// The server.
        endpoint: String,
        /// What it lacks.
        what: &'static str,
    },
    /// The server gave an answer that makes no sense.
    #[error("`{endpoint}` does not keep to the protocol: {what}")]
    Protocol {
        /// The server.
        endpoint: String,
        /// What it did.
        what: String,
    },
    /// The server does not have contents that are needed.
    #[error("the server does not have {}{}", .missing.first().map_or_else(String::new, describe), more(.missing.len()))]
    Missing {
        /// What, and the path that it was wanted for; at least one, sorted by path.
        missing: Vec<(Digest, String)>,
    },
    /// The server gave bytes that do not have the digest they were asked for by. None of them were kept.
    #[error("`{endpoint}` gave something else for {}: {size} bytes with another hash or size", describe(&(*.digest, .path.clone())))]
    Wrong {
        /// The server.
        endpoint: String,
        /// What was asked for.
        digest: Digest,
        /// What for; may be empty.
        path: String,
        /// How many bytes came.
        size: u64,
    },
    /// Something that should be a directory is none, or one that no file system can hold.
    #[error("{} is no proper directory: {reason}", describe(&(*.digest, .path.clone())))]
    Directory {
        /// Its digest.
        digest: Digest,
        /// Where it stands below the root; empty for the root.
        path: String,
        /// What is wrong with it.
        reason: TreeError,
    },
    /// A directory is larger than any that is meant well.
    #[error("{} is too large for a directory", describe(&(*.digest, .path.clone())))]
    HugeDirectory {
        /// Its digest.
        digest: Digest,
        /// Where it stands below the root; empty for the root.
        path: String,
    },
    /// A blob is larger than the server takes.
    #[error("`{endpoint}` takes blobs of up to {limit} bytes; {digest} is larger")]
    TooLarge {
        /// The server.
        endpoint: String,
        /// What was to be uploaded.
        digest: Digest,
        /// The server's limit.
        limit: u64,
    },
    /// An action was to be executed whose inputs the server does not have, or no longer has.
    #[error("`{endpoint}` lacks {} of the inputs of the action{}", .missing.len().max(1), .missing.first().map_or_else(String::new, |digest| format!(", {digest} for one")))]
    InputsMissing {
        /// The server.
        endpoint: String,
        /// What it says that it lacks; may be empty, as servers need not say.
        missing: Vec<Digest>,
    },
    /// The server could not execute an action to its end.
    #[error("`{endpoint}` could not execute the action: {} ({})", plain(.message), name(*.code))]
    Execution {
        /// The server.
        endpoint: String,
        /// The kind of error; [`Code::DeadlineExceeded`] when the action took too long.
        code: Code,
        /// What the server says.
        message: String,
        /// All that the server answered, with what the action wrote so far where it says that.
        response: Box<reapi::ExecuteResponse>,
    },
    /// The caller no longer wants it.
    #[error("cancelled")]
    Cancelled,
    /// A directory was left undone: a fault of this program, told before anything relies on it.
    #[error("the directory {digest} was left unfinished, which is a fault of dscript")]
    Unfinished {
        /// The directory.
        digest: Digest,
    },
    /// A content is too large for memory.
    #[error("{digest} is larger than what is read into memory, {} MiB", LARGEST_IN_MEMORY >> 20)]
    HugeBlob {
        /// The content.
        digest: Digest,
    },
    /// The threads that do the talking could not be started.
    #[error("cannot start threads for connections: {0}")]
    Threads(std::io::Error),
    /// The local store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn describe((digest, path): &(Digest, String)) -> String {
    if path.is_empty() { digest.to_string() } else { format!("{digest}, which is `{path}`") }
}

fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => ", nor 1 other blob".to_owned(),
        _ => format!(", nor {} other blobs", count - 1),
    }
}

// What servers write comes to a terminal: no control characters, and not pages of it.
fn plain(message: &str) -> String {
    let mut text: String = message.chars().take(500).map(|char| if char.is_control() { ' ' } else { char }).collect();
    if text.trim().is_empty() {
        "it does not say why".clone_into(&mut text);
    }
    text
}

fn advice(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "; it wants a token, a header or a client certificate",
        Code::PermissionDenied => "; the token or certificate does not allow that",
        Code::DeadlineExceeded => "; a longer deadline may help",
        _ => "",
    }
}

/// The name of a kind of error, as the protocol has it.
pub(super) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
