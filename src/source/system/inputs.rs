//! Everything that an evaluation has read, and whether it is all as it was.
//!
//! This stands beside the traits that evaluation reads through, because it knows nothing else: it is what their recording
//! implementations saw. Content is told apart by SHA-256, but hashed only where the cheap [`Signature`] differs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{DirEntry, EntryKind, Environment, FileSystem, Host, Signature, reason};

/// What was read, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Facts about the machine.
    pub host: Host,
    /// The home folder of the user.
    pub user_home: Option<PathBuf>,
    /// Environment variables, by name.
    pub variables: Vec<VariableInput>,
    /// Files that were read, or could not be read.
    pub files: BTreeMap<PathBuf, FileState>,
    /// Folders that were listed, or could not be listed.
    pub folders: BTreeMap<PathBuf, FolderState>,
    /// Paths of which only the kind was asked, links followed; none where nothing is there. What follows from `files`
    /// and `folders` is left out.
    pub probes: BTreeMap<PathBuf, Option<EntryKind>>,
    /// Paths that were asked where they lead to; none where that is nowhere.
    pub links: BTreeMap<PathBuf, Option<String>>,
}

/// An environment variable that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariableInput {
    /// Its name, as asked for.
    pub name: String,
    /// Whether names that differ in letter case counted too.
    pub any_case: bool,
    /// Its value; none where it was not set.
    pub value: Option<String>,
}

/// What reading a file gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// A content.
    Read {
        /// Its SHA-256.
        hash: [u8; 32],
        /// What the system kept about the file before it was read; none where that says nothing.
        signature: Option<Signature>,
    },
    /// It could not be read, for this reason.
    Unreadable(String),
    /// It changed while evaluation ran.
    Unsteady,
}

impl FileState {
    /// A content that was read.
    pub(super) fn read(content: &[u8], signature: Option<Signature>) -> Self {
        Self::Read { hash: Sha256::digest(content).into(), signature }
    }

    fn now(file_system: &dyn FileSystem, path: &Path) -> Self {
        let signature = file_system.signature(path);
        match file_system.read(path) {
            Ok(content) => Self::read(&content, signature),
            Err(error) => Self::Unreadable(reason(&error)),
        }
    }

    /// Whether both say the same about the content.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Read { hash, .. }, Self::Read { hash: other, .. }) => hash == other,
            (Self::Unreadable(reason), Self::Unreadable(other)) => reason == other,
            _ => false,
        }
    }
}

/// What listing a folder gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FolderState {
    /// Names.
    Listed(Listing),
    /// It could not be listed, for this reason.
    Unlisted(String),
    /// It changed while evaluation ran.
    Unsteady,
}

/// The names in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The entries, by name.
    pub entries: Vec<DirEntry>,
    /// Names that do not matter, and are not among the entries.
    pub except: Vec<String>,
    /// What the system kept about the folder before it was listed; none where that says nothing.
    pub signature: Option<Signature>,
}

impl Listing {
    /// What two listings of one folder say together: the one in which fewer names do not matter. None where they
    /// contradict each other.
    pub(super) fn joined(&self, other: &Self) -> Option<Self> {
        let visible = |entries: &[DirEntry]| -> Vec<DirEntry> {
            let matters = |entry: &&DirEntry| !self.except.contains(&entry.name) && !other.except.contains(&entry.name);
            entries.iter().filter(matters).cloned().collect()
        };
        let fewer = if self.except.len() <= other.except.len() { self } else { other };
        (visible(&self.entries) == visible(&other.entries)).then(|| fewer.clone())
    }

    fn list(&self, file_system: &dyn FileSystem, path: &Path) -> io::Result<Self> {
        let except: Vec<&str> = self.except.iter().map(String::as_str).collect();
        let signature = file_system.signature(path);
        let entries = file_system.read_dir_except(path, &except)?;
        Ok(Self { entries, except: self.except.clone(), signature })
    }

    /// The first difference of names or kinds.
    fn difference(&self, now: &Self, folder: &Path) -> Option<Changed> {
        let by_name = |listing: &Self| -> BTreeMap<String, EntryKind> {
            listing.entries.iter().map(|entry| (entry.name.clone(), entry.kind)).collect()
        };
        let (before, now) = (by_name(self), by_name(now));
        let names = before.keys().chain(now.keys()).collect::<std::collections::BTreeSet<_>>();
        names.into_iter().find_map(|name| {
            let path = folder.join(name);
            match (before.get(name), now.get(name)) {
                (Some(was), Some(is)) if was == is => None,
                (Some(_), Some(_)) => Some(Changed::Kind(path)),
                (None, _) => Some(Changed::Appeared(path)),
                (_, None) => Some(Changed::Gone(path)),
            }
        })
    }
}

/// Why an evaluation has to be done again: the first input that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Changed {
    /// The program or what it was asked for.
    #[error("the {0} changed")]
    Setting(String),
    /// Facts about the machine.
    #[error("the machine is another one")]
    Host,
    /// The home folder of the user.
    #[error("the home folder of the user is another one")]
    UserHome,
    /// The value of a variable.
    #[error("the environment variable `{0}` changed")]
    Variable(String),
    /// The content of a file, or whether it can be read.
    #[error("`{}` changed", .0.display())]
    Content(PathBuf),
    /// The file or folder could not be read before, or cannot now.
    #[error("whether `{}` can be read changed", .0.display())]
    Readable(PathBuf),
    /// It was not there.
    #[error("`{}` is new", .0.display())]
    Appeared(PathBuf),
    /// It is not there any more.
    #[error("`{}` is gone", .0.display())]
    Gone(PathBuf),
    /// It was a file and is a folder, or the like.
    #[error("`{}` is of another kind", .0.display())]
    Kind(PathBuf),
    /// A link leads elsewhere.
    #[error("`{}` leads elsewhere", .0.display())]
    Link(PathBuf),
    /// It changed while it was read, so what was made of it is not worth keeping.
    #[error("`{}` changed while the specs were evaluated", .0.display())]
    Unsteady(PathBuf),
}

impl Inputs {
    /// Whether everything is as it was. What was only touched counts as unchanged, and its signature is renewed, so that
    /// it is not hashed the next time.
    ///
    /// # Errors
    /// The first input that is not as it was.
    pub fn unchanged(&mut self, file_system: &dyn FileSystem, environment: &dyn Environment) -> Result<(), Changed> {
        if self.host != environment.host() {
            return Err(Changed::Host);
        }
        if self.user_home != environment.user_home() {
            return Err(Changed::UserHome);
        }
        for VariableInput { name, any_case, value } in &self.variables {
            let now = if *any_case { environment.variable_in_any_case(name) } else { environment.variable(name) };
            if now != *value {
                return Err(Changed::Variable(name.clone()));
            }
        }
        for (path, state) in &mut self.files {
            check_file(path, state, file_system)?;
        }
        for (path, state) in &mut self.folders {
            check_folder(path, state, file_system)?;
        }
        for (path, was) in &self.probes {
            match (was, file_system.kind(path)) {
                (was, is) if *was == is => {}
                (None, _) => return Err(Changed::Appeared(path.clone())),
                (_, None) => return Err(Changed::Gone(path.clone())),
                _ => return Err(Changed::Kind(path.clone())),
            }
        }
        for (path, target) in &self.links {
            let now = file_system.canonicalize(path).ok().map(|target| target.to_string_lossy().into_owned());
            if now != *target {
                return Err(Changed::Link(path.clone()));
            }
        }
        Ok(())
    }
}

fn check_file(path: &Path, state: &mut FileState, file_system: &dyn FileSystem) -> Result<(), Changed> {
    if let FileState::Read { signature: Some(before), .. } = state
        && file_system.signature(path).as_ref() == Some(before)
    {
        return Ok(());
    }
    let now = FileState::now(file_system, path);
    if state.is_same(&now) {
        *state = now;
        return Ok(());
    }
    let path = path.to_owned();
    Err(match (&*state, &now) {
        (FileState::Unsteady, _) => Changed::Unsteady(path),
        (FileState::Read { .. }, FileState::Read { .. }) => Changed::Content(path),
        (FileState::Read { .. }, _) if file_system.kind(&path).is_none() => Changed::Gone(path),
        _ => Changed::Readable(path),
    })
}

fn check_folder(path: &Path, state: &mut FolderState, file_system: &dyn FileSystem) -> Result<(), Changed> {
    let listing = match state {
        FolderState::Listed(listing) => listing,
        FolderState::Unsteady => return Err(Changed::Unsteady(path.to_owned())),
        FolderState::Unlisted(before) => {
            let now = file_system.read_dir(path);
            let same = now.is_err_and(|error| reason(&error) == *before);
            return if same { Ok(()) } else { Err(Changed::Readable(path.to_owned())) };
        }
    };
    if listing.signature.is_some() && file_system.signature(path) == listing.signature {
        return Ok(());
    }
    match listing.list(file_system, path) {
        Ok(now) => match listing.difference(&now, path) {
            Some(changed) => Err(changed),
            None => {
                *listing = now;
                Ok(())
            }
        },
        Err(_) if file_system.kind(path).is_none() => Err(Changed::Gone(path.to_owned())),
        Err(_) => Err(Changed::Readable(path.to_owned())),
    }
}
