//! One directory in memory. One of the store is read when it is first looked into, one that was put together is encoded
//! when its digest is first asked for. Nodes are shared between virtual directories, and copied when one of them changes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use prost::Message as _;
use rustc_hash::FxHashSet;

use super::VirtualError;
use crate::cas::api::reapi;
use crate::cas::tree::decode::digest_of;
use crate::cas::tree::walk::{self, join};
use crate::cas::tree::{EntryKind, MAX_DEPTH, TreeError, WalkError, encode};
use crate::cas::{Digest, Store};

/// What is in a directory. The order of the names is that of their bytes, which is the canonical one.
pub(super) type Entries = BTreeMap<String, Entry>;

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// As the store has it. What is in it is known once it has been read.
    Stored { digest: Digest, entries: OnceLock<Entries> },
    /// Put together here. Its digest is known once somebody has asked for it.
    Made { entries: Entries, digest: OnceLock<Digest> },
}

#[derive(Clone, Debug)]
pub(super) enum Entry {
    File { digest: Digest, executable: bool },
    Link { target: String },
    Directory(Arc<Node>),
}

impl Node {
    /// A directory of the store, not read yet.
    pub(super) fn stored(digest: Digest) -> Arc<Self> {
        Arc::new(Self::Stored { digest, entries: OnceLock::new() })
    }

    /// A directory with these entries.
    pub(super) fn of(entries: Entries) -> Arc<Self> {
        Arc::new(Self::Made { entries, digest: OnceLock::new() })
    }

    /// What is in it. `path` is for errors.
    pub(super) fn entries(&self, store: &Store, path: &str) -> Result<&Entries, VirtualError> {
        match self {
            Self::Made { entries, .. } => Ok(entries),
            Self::Stored { digest, entries } => match entries.get() {
                Some(entries) => Ok(entries),
                None => {
                    let read = read(store, digest, path)?;
                    Ok(entries.get_or_init(|| read))
                }
            },
        }
    }

    /// What is in it, to be changed. Others that share the node keep what they have.
    pub(super) fn entries_mut(self: &mut Arc<Self>, store: &Store, path: &str) -> Result<&mut Entries, VirtualError> {
        let node = Arc::make_mut(self);
        loop {
            match node {
                Self::Made { entries, digest } => {
                    digest.take();
                    return Ok(entries);
                }
                Self::Stored { digest, entries } => {
                    let entries = match entries.take() {
                        Some(entries) => entries,
                        None => read(store, digest, path)?,
                    };
                    *node = Self::Made { entries, digest: OnceLock::new() };
                }
            }
        }
    }

    /// Whether two are known to be the same without looking into them.
    pub(super) fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || self.known().is_some_and(|digest| other.known() == Some(digest))
    }

    fn known(&self) -> Option<&Digest> {
        match self {
            Self::Stored { digest, .. } => Some(digest),
            Self::Made { digest, .. } => digest.get(),
        }
    }

    // What is in it, as far as it is in memory.
    fn in_memory(&self) -> Option<&Entries> {
        match self {
            Self::Stored { entries, .. } => entries.get(),
            Self::Made { entries, .. } => Some(entries),
        }
    }

    /// Its digest. Nothing is read or written.
    pub(super) fn digest(&self, depth: usize) -> Result<Digest, TreeError> {
        match self {
            Self::Stored { digest, .. } => Ok(*digest),
            Self::Made { entries, digest } => match digest.get() {
                Some(digest) => Ok(*digest),
                None => {
                    let made = Digest::of(&message(entries, depth)?);
                    Ok(*digest.get_or_init(|| made))
                }
            },
        }
    }

    /// Adds its message to `all` if it was put together here, after those of which this is true below it; none of a
    /// digest that has been `seen`.
    pub(super) fn messages(
        &self,
        depth: usize,
        seen: &mut FxHashSet<Digest>,
        all: &mut Vec<(Digest, Vec<u8>)>,
    ) -> Result<(), TreeError> {
        let Self::Made { entries, digest } = self else { return Ok(()) };
        if digest.get().is_some_and(|digest| seen.contains(digest)) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep { path: String::new() });
        }
        for entry in entries.values() {
            if let Entry::Directory(below) = entry {
                below.messages(depth + 1, seen, all)?;
            }
        }
        let bytes = message(entries, depth)?;
        let digest = *digest.get_or_init(|| Digest::of(&bytes));
        if seen.insert(digest) {
            all.push((digest, bytes));
        }
        Ok(())
    }

    /// Adds it to the store, after everything below it, and gives its digest.
    pub(super) fn write(&self, store: &Store, path: &str, depth: usize) -> Result<Digest, VirtualError> {
        let digest = self.digest(depth)?;
        // Where a directory is, all that is below it is too.
        let Some(entries) = self.in_memory() else { return Ok(digest) };
        if store.contains(&digest)? {
            return Ok(digest);
        }
        for (name, entry) in entries {
            match entry {
                Entry::Directory(below) => drop(below.write(store, &join(path, name), depth + 1)?),
                Entry::File { digest, .. } if *digest != Digest::EMPTY && !store.contains(digest)? => {
                    return Err(VirtualError::Missing { digest: *digest, path: join(path, name) });
                }
                Entry::File { .. } | Entry::Link { .. } => {}
            }
        }
        Ok(store.add_bytes(&message(entries, depth)?)?)
    }
}

impl Entry {
    /// Whether two are the same. Directories never are, for that takes more than a look.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { digest, executable }, Self::File { digest: other, executable: runs }) => {
                (digest, executable) == (other, runs)
            }
            (Self::Link { target }, Self::Link { target: other }) => target == other,
            _ => false,
        }
    }

    pub(super) fn kind(&self, depth: usize) -> Result<EntryKind, TreeError> {
        Ok(match self {
            Self::File { digest, executable } => EntryKind::File { digest: *digest, executable: *executable },
            Self::Link { target } => EntryKind::Link { target: target.clone() },
            Self::Directory(below) => EntryKind::Directory { digest: below.digest(depth)? },
        })
    }
}

// The message of a directory.
fn message(entries: &Entries, depth: usize) -> Result<Vec<u8>, TreeError> {
    if depth > MAX_DEPTH {
        return Err(TreeError::TooDeep { path: String::new() });
    }
    let mut message = reapi::Directory::default();
    for (name, entry) in entries {
        let name = name.clone();
        match entry {
            Entry::File { digest, executable } => message.files.push(encode::file(name, *digest, *executable)),
            Entry::Link { target } => message.symlinks.push(encode::link(name, target.clone())),
            Entry::Directory(below) => {
                message.directories.push(encode::directory(name, below.digest(depth + 1)?));
            }
        }
    }
    Ok(message.encode_to_vec())
}

fn read(store: &Store, digest: &Digest, path: &str) -> Result<Entries, VirtualError> {
    let message = walk::read(store, digest, path, 0)?;
    let unfit = |error| WalkError::NotADirectory { digest: *digest, path: path.to_owned(), error };
    let mut entries = Entries::new();
    for file in message.files {
        let digest = digest_of(file.digest.as_ref(), &file.name).map_err(unfit)?;
        entries.insert(file.name, Entry::File { digest, executable: file.is_executable });
    }
    for link in message.symlinks {
        entries.insert(link.name, Entry::Link { target: link.target });
    }
    for below in message.directories {
        let digest = digest_of(below.digest.as_ref(), &below.name).map_err(unfit)?;
        entries.insert(below.name, Entry::Directory(Node::stored(digest)));
    }
    Ok(entries)
}
