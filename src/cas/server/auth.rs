//! Who may do what.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tonic::codegen::http::HeaderMap;
use tonic::{Request, Status};

use super::ServerError;
use super::options::ServerOptions;
use crate::cas::Digest;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) write: bool,
}

impl Rights {
    /// Those that were found for a request.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().copied().unwrap_or(Self { write: false })
    }

    /// Refuses clients that may only read.
    pub(super) fn check_write(self) -> Result<(), Status> {
        if self.write { Ok(()) } else { Err(Status::permission_denied("you may only read from this server")) }
    }
}

/// The tokens that are accepted.
#[derive(Debug)]
pub(super) struct Keys {
    files: Vec<TokenFile>,
    read_only: bool,
}

// The tokens of one file, hashed: hashes can be compared in a time that says nothing of the tokens.
#[derive(Debug)]
struct TokenFile {
    path: PathBuf,
    write: bool,
    tokens: RwLock<(Option<SystemTime>, Vec<[u8; 32]>)>,
}

impl Keys {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or holds no token.
    pub(super) fn load(options: &ServerOptions) -> Result<Arc<Self>, ServerError> {
        let mut files = Vec::new();
        for (path, write) in [(&options.tokens, true), (&options.read_tokens, false)] {
            let Some(path) = path else { continue };
            let tokens = read(path)?;
            if tokens.1.is_empty() {
                return Err(ServerError::NoToken { path: path.clone() });
            }
            files.push(TokenFile { path: path.clone(), write, tokens: RwLock::new(tokens) });
        }
        Ok(Arc::new(Self { files, read_only: options.read_only }))
    }

    /// Reads files that have changed. One that cannot be read or is empty changes nothing: somebody may be writing it.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn reload(&self) -> Result<(), ServerError> {
        for file in &self.files {
            let known = file.tokens.read().unwrap_or_else(PoisonError::into_inner).0;
            if modified(&file.path)? != known {
                let tokens = read(&file.path)?;
                if !tokens.1.is_empty() {
                    *file.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
                }
            }
        }
        Ok(())
    }

    /// What the sender of a request may do.
    ///
    /// # Errors
    /// When it has to say who it is and does not.
    pub(super) fn rights(&self, headers: &HeaderMap) -> Result<Rights, Status> {
        let full = Rights { write: !self.read_only };
        if self.files.is_empty() {
            return Ok(full);
        }
        let mut rights = None;
        for value in headers.get_all("authorization") {
            let bytes = value.as_bytes();
            let Some((scheme, token)) = bytes.split_at_checked(7) else { continue };
            if !scheme.eq_ignore_ascii_case(b"bearer ") {
                continue;
            }
            let hash = Digest::of(token.trim_ascii()).hash;
            for file in &self.files {
                let tokens = file.tokens.read().unwrap_or_else(PoisonError::into_inner);
                // All are compared, whichever it is.
                let found = tokens.1.iter().fold(false, |found, known| same(known, &hash) | found);
                if found && (file.write || rights.is_none()) {
                    rights = Some(Rights { write: file.write && full.write });
                }
            }
        }
        rights.ok_or_else(|| Status::unauthenticated("this server wants a token: `authorization: Bearer TOKEN`"))
    }
}

// In the same time wherever the difference is.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other))) == 0
}

fn read(path: &Path) -> Result<(Option<SystemTime>, Vec<[u8; 32]>), ServerError> {
    let time = modified(path)?;
    let text = fs::read(path).map_err(|source| ServerError::File { path: path.to_owned(), source })?;
    let tokens = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| Digest::of(line).hash)
        .collect();
    Ok((time, tokens))
}

fn modified(path: &Path) -> Result<Option<SystemTime>, ServerError> {
    let metadata = fs::metadata(path).map_err(|source| ServerError::File { path: path.to_owned(), source })?;
    Ok(metadata.modified().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(tonic::codegen::http::header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn tokens_give_rights_and_files_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = ServerOptions::new(folder.path());
        let (all, some) = (folder.path().join("all"), folder.path().join("some"));
        fs::write(&all, "# who builds\nfirst\n\n second \n").unwrap();
        fs::write(&some, "reader").unwrap();
        (options.tokens, options.read_tokens) = (Some(all.clone()), Some(some));
        let keys = Keys::load(&options).unwrap();
        let rights = |value: &str| keys.rights(&headers(value)).map(|rights| rights.write).ok();
        assert_eq!(rights("Bearer first"), Some(true));
        assert_eq!(rights("bearer  second"), Some(true));
        assert_eq!(rights("Bearer reader"), Some(false));
        for wrong in ["Bearer", "Bearer ", "Bearer firs", "Bearer # who builds", "Basic first", "first", ""] {
            assert_eq!(rights(wrong), None, "{wrong}");
        }
        assert!(keys.rights(&HeaderMap::new()).is_err());
        fs::write(&all, "third").unwrap();
        fs::File::open(&all).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        keys.reload().unwrap();
        assert_eq!(rights("Bearer third"), Some(true));
        assert_eq!(rights("Bearer first"), None);
        fs::write(&all, "").unwrap();
        assert!(matches!(Keys::load(&options), Err(ServerError::NoToken { .. })));
        keys.reload().unwrap();
        assert_eq!(rights("Bearer third"), Some(true));
        options.tokens = Some(folder.path().join("absent"));
        assert!(matches!(Keys::load(&options), Err(ServerError::File { .. })));
    }
}
