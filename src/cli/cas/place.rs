//! Which store a command works on.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::failed;
use super::passing::Passing;
use crate::cas::Store;
use crate::cas::remote::Remote;
use crate::cli::options::RemoteArgs;
use crate::cli::{Failure, cache};

/// Which store.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct StoreArgs {
    /// The store in this folder [default: the cache of the workspace in the current folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) dir: Option<PathBuf>,
}

/// A store, which may be there only for as long as one command runs.
pub(super) struct Place {
    pub(super) store: Store,
    passing: Option<Passing>,
}

impl Place {
    /// Whether the store stays.
    pub(super) fn stays(&self) -> bool {
        self.passing.is_none()
    }

    /// A store that is there.
    pub(super) fn existing(args: &StoreArgs) -> Result<Self, Failure> {
        Self::open(&existing(args)?)
    }

    /// The store of a command that adds to it: it is made where there is none.
    pub(super) fn to_add(args: &StoreArgs) -> Result<Self, Failure> {
        Self::open(&folder(args)?)
    }

    /// The store of a command that uses a server too: where none is named and none is there, what is moved is kept
    /// for a moment in a folder of `beside`.
    pub(super) fn with_server(args: &StoreArgs, beside: &Path) -> Result<Self, Failure> {
        match (&args.dir, existing(args)) {
            (Some(folder), _) => Self::open(folder),
            (None, Ok(folder)) => Self::open(&folder),
            (None, Err(_)) => Self::passing(beside),
        }
    }

    fn open(folder: &Path) -> Result<Self, Failure> {
        Ok(Self { store: Store::open(folder).map_err(failed)?, passing: None })
    }

    /// A store that goes with the answer.
    pub(super) fn passing(beside: &Path) -> Result<Self, Failure> {
        let (store, passing) = Passing::new(beside)?;
        Ok(Self { store, passing: Some(passing) })
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
    if let Some(folder) = &args.dir {
        return Ok(folder.clone());
    }
    // Everything can be taken for a workspace, but a store should not appear just anywhere.
    if !Path::new("config.dsc").exists() {
        return Err(Failure::Usage("this folder is no workspace; name a store with `--dir`".to_owned()));
    }
    cache::cache_of(Path::new("."))
}

/// The server, if one is named.
pub(super) fn connect(args: &RemoteArgs) -> Result<Option<Remote>, Failure> {
    args.options()?.map(|options| Remote::connect(options).map_err(failed)).transpose()
}
