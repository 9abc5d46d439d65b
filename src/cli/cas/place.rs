//! Which store a command works on.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::args::StoreArgs;
use super::failed;
use crate::cas::Store;
use crate::cas::remote::Remote;
use crate::cli::remote_args::RemoteArgs;
use crate::cli::{Failure, cache};

/// A store, which may be there only for as long as one command runs.
pub(super) struct Place {
    pub(super) store: Store,
    passing: Option<PathBuf>,
}

impl Place {
    /// Whether the store stays.
    pub(super) fn stays(&self) -> bool {
        self.passing.is_none()
    }

    /// The store of a command that adds to it: it is made where there is none. With a server, a workspace is not
    /// needed.
    pub(super) fn to_add(args: &StoreArgs, remote: Option<&Remote>) -> Result<Self, Failure> {
        match (folder(args), remote) {
            (Ok(folder), _) => Ok(Self { store: Store::open(&folder).map_err(failed)?, passing: None }),
            (Err(_), Some(_)) => Self::passing(&env::temp_dir()),
            (Err(failure), None) => Err(failure),
        }
    }

    /// The store of a command that takes from it. With a server, a workspace is not needed; what comes from there is
    /// then kept for a moment in a folder of `beside`.
    pub(super) fn to_take(args: &StoreArgs, remote: Option<&Remote>, beside: &Path) -> Result<Self, Failure> {
        match (existing(args), remote) {
            (Ok(folder), _) => Ok(Self { store: Store::open(&folder).map_err(failed)?, passing: None }),
            (Err(_), Some(_)) => match &args.dir {
                Some(folder) => Ok(Self { store: Store::open(folder).map_err(failed)?, passing: None }),
                None => Self::passing(beside),
            },
            (Err(failure), None) => Err(failure),
        }
    }

    /// A store that goes with the answer.
    pub(super) fn passing(beside: &Path) -> Result<Self, Failure> {
        let folder = beside.join(format!(".dscript-cas-{}", std::process::id()));
        let store = Store::open(&folder).map_err(failed)?;
        Ok(Self { store, passing: Some(folder) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = &self.passing {
            // What cannot be removed is a folder that is in nobody's way.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// The folder of a store that must be there.
pub(super) fn existing(args: &StoreArgs) -> Result<PathBuf, Failure> {
    let folder = folder(args)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let text = format!("there is no store in `{}`; `dscript cas put` or a build makes one", folder.display());
    Err(Failure::Usage(text))
}

fn folder(args: &StoreArgs) -> Result<PathBuf, Failure> {
    match &args.dir {
        Some(folder) => Ok(folder.clone()),
        None => cache::cache_of(Path::new(".")).map_err(|failure| {
            Failure::Usage(format!("this folder is no workspace with a store, so name one with `--dir`: {failure}"))
        }),
    }
}

/// The server, if one is named.
pub(super) fn connect(args: &RemoteArgs) -> Result<Option<Remote>, Failure> {
    args.options()?.map(|options| Remote::connect(options).map_err(failed)).transpose()
}
