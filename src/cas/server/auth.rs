//! Who may do what.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use tonic::codegen::http::HeaderMap;
use tonic::{Extensions, Status};

use super::ServerError;
use super::event::Event;
use super::index::lock;
use super::options::ServerOptions;
use crate::cas::Digest;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) write: bool,
}

impl Rights {
    /// Those that were found for a request.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self { write: false })
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
    // What has been told of it: once, and not each time that it is looked at.
    told: Mutex<Option<String>>,
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
            files.push(TokenFile { path: path.clone(), write, tokens: RwLock::new(tokens), told: Mutex::default() });
        }
        Ok(Arc::new(Self { files, read_only: options.read_only }))
    }

    /// Reads files that have changed. One that cannot be read or holds no token changes nothing: somebody may be
    /// writing it. The answer is what there is to tell: that this is so, once, and that it is no longer.
    pub(super) fn reload(&self) -> Vec<Event> {
        self.files.iter().filter_map(TokenFile::reload).collect()
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

impl TokenFile {
    fn reload(&self) -> Option<Event> {
        let trouble = self.read_again().err().map(|error| error.to_string());
        let mut told = lock(&self.told);
        if *told == trouble {
            return None;
        }
        let event = match &trouble {
            Some(message) => Event::Failed(format!("{message}; the tokens that it had still count")),
            None => Event::TokensAgain(self.path.clone()),
        };
        *told = trouble;
        Some(event)
    }

    fn read_again(&self) -> Result<(), ServerError> {
        let known = self.tokens.read().unwrap_or_else(PoisonError::into_inner).0;
        if modified(&self.path)? != known {
            let tokens = read(&self.path)?;
            *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        }
        Ok(())
    }
}

// In the same time wherever the difference is.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other))) == 0
}

fn read(path: &Path) -> Result<(Option<SystemTime>, Vec<[u8; 32]>), ServerError> {
    let time = modified(path)?;
    let text = fs::read(path).map_err(|source| ServerError::File { path: path.to_owned(), source })?;
    let tokens: Vec<_> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| Digest::of(line).hash)
        .collect();
    if tokens.is_empty() {
        return Err(ServerError::NoToken { path: path.to_owned() });
    }
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
        (options.tokens, options.read_tokens) = (Some(all.clone()), Some(some.clone()));
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
        assert_eq!(keys.reload(), []);
        assert_eq!(rights("Bearer third"), Some(true));
        assert_eq!(rights("Bearer first"), None);
        fs::write(&all, "").unwrap();
        assert!(matches!(Keys::load(&options), Err(ServerError::NoToken { .. })));
        // Trouble with a file is told once, and its end too; meanwhile the other one is read.
        let told = |what: &str| format!("`{}` {what}; the tokens that it had still count", all.display());
        for (bytes, what) in [(Some(&b""[..]), Some("holds no token")), (None, None)] {
            match bytes {
                Some(bytes) => fs::write(&all, bytes).unwrap(),
                None => fs::remove_file(&all).unwrap(),
            }
            let [Event::Failed(message)] = &keys.reload()[..] else { panic!("nothing was told") };
            match what {
                Some(what) => assert_eq!(*message, told(what)),
                None => assert!(message.starts_with("cannot read `"), "{message}"),
            }
            fs::write(&some, "looker").unwrap();
            fs::File::open(&some).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(keys.reload(), []);
            assert_eq!(rights("Bearer looker"), Some(false));
            assert_eq!(rights("Bearer third"), Some(true));
        }
        fs::write(&all, "fourth").unwrap();
        assert_eq!(keys.reload(), [Event::TokensAgain(all.clone())]);
        assert_eq!(keys.reload(), []);
        assert_eq!(rights("Bearer fourth"), Some(true));
        assert_eq!(rights("Bearer third"), None);
        options.tokens = Some(folder.path().join("absent"));
        assert!(matches!(Keys::load(&options), Err(ServerError::File { .. })));
    }
}
