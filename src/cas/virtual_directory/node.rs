//! One directory in memory. It is read from the store when it is first looked into, and encoded when its digest is first
//! asked for. Nodes are shared between virtual directories, and copied when one of them changes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use prost::Message as _;

use super::VirtualError;
use crate::cas::api::reapi;
use crate::cas::tree::walk::{self, join};
use crate::cas::tree::{EntryKind, MAX_DEPTH, TreeError, WalkError};
use crate::cas::{Digest, Store};

/// What is in a directory. The order of the names is that of their bytes, which is the canonical one.
pub(super) type Entries = BTreeMap<String, Entry>;

/// At least one of the two is set.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    digest: OnceLock<Digest>,
    entries: OnceLock<Entries>,
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
        Arc::new(Self { digest: digest.into(), entries: OnceLock::new() })
    }

    /// A directory with these entries.
    pub(super) fn of(entries: Entries) -> Arc<Self> {
        Arc::new(Self { digest: OnceLock::new(), entries: entries.into() })
    }

    /// What is in it. `path` is for errors.
    pub(super) fn entries(&self, store: &Store, path: &str) -> Result<&Entries, VirtualError> {
        if let Some(entries) = self.entries.get() {
            return Ok(entries);
        }
        let read = match self.digest.get() {
            Some(digest) => read(store, digest, path)?,
            None => Entries::new(),
        };
        Ok(self.entries.get_or_init(|| read))
    }

    /// Changes what is in it. Others that share the node keep what they have.
    pub(super) fn edit<R>(
        self: &mut Arc<Self>,
        store: &Store,
        path: &str,
        act: impl FnOnce(&mut Entries) -> Result<R, VirtualError>,
    ) -> Result<R, VirtualError> {
        self.entries(store, path)?;
        let node = Arc::make_mut(self);
        // They have just been read.
        let mut entries = node.entries.take().unwrap_or_default();
        let answer = act(&mut entries);
        *node = Self { digest: OnceLock::new(), entries: entries.into() };
        answer
    }

    /// Whether two are known to be the same without looking into them.
    pub(super) fn is(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || self.digest.get().is_some_and(|digest| other.digest.get() == Some(digest))
    }

    /// Its digest. Nothing is read or written.
    pub(super) fn digest(&self, depth: usize) -> Result<Digest, TreeError> {
        if let Some(digest) = self.digest.get() {
            return Ok(*digest);
        }
        let digest = Digest::of(&self.message(depth)?.encode_to_vec());
        Ok(*self.digest.get_or_init(|| digest))
    }

    /// Its message.
    fn message(&self, depth: usize) -> Result<reapi::Directory, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep { path: String::new() });
        }
        let mut message = reapi::Directory::default();
        for (name, entry) in self.entries.get().into_iter().flatten() {
            let name = name.clone();
            match entry {
                Entry::File { digest, executable } => message.files.push(reapi::FileNode {
                    name,
                    digest: Some((*digest).into()),
                    is_executable: *executable,
                    node_properties: None,
                }),
                Entry::Link { target } => {
                    message.symlinks.push(reapi::SymlinkNode { name, target: target.clone(), node_properties: None });
                }
                Entry::Directory(below) => {
                    let digest = below.digest(depth + 1)?;
                    message.directories.push(reapi::DirectoryNode { name, digest: Some(digest.into()) });
                }
            }
        }
        Ok(message)
    }

    /// Adds it to the store, after everything below it, and gives its digest.
    pub(super) fn write(&self, store: &Store, path: &str, depth: usize) -> Result<Digest, VirtualError> {
        let digest = self.digest(depth)?;
        // Where a directory is, all that is below it is too.
        let Some(entries) = self.entries.get() else { return Ok(digest) };
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
        Ok(store.add_bytes(&self.message(depth)?.encode_to_vec())?)
    }
}

impl Entry {
    pub(super) fn kind(&self, depth: usize) -> Result<EntryKind, TreeError> {
        Ok(match self {
            Self::File { digest, executable } => EntryKind::File { digest: *digest, executable: *executable },
            Self::Link { target } => EntryKind::Link { target: target.clone() },
            Self::Directory(below) => EntryKind::Directory { digest: below.digest(depth)? },
        })
    }
}

fn read(store: &Store, digest: &Digest, path: &str) -> Result<Entries, VirtualError> {
    let message = walk::read(store, digest, path, 0)?;
    let unfit = |error| WalkError::NotADirectory { digest: *digest, path: path.to_owned(), error };
    let mut entries = Entries::new();
    let digest_of = |digest: Option<&reapi::Digest>, name: &str| {
        let digest = digest.and_then(|digest| Digest::try_from(digest).ok());
        digest.ok_or_else(|| unfit(TreeError::BadDigest { name: name.to_owned() }))
    };
    for file in message.files {
        let digest = digest_of(file.digest.as_ref(), &file.name)?;
        entries.insert(file.name, Entry::File { digest, executable: file.is_executable });
    }
    for link in message.symlinks {
        entries.insert(link.name, Entry::Link { target: link.target });
    }
    for below in message.directories {
        let digest = digest_of(below.digest.as_ref(), &below.name)?;
        entries.insert(below.name, Entry::Directory(Node::stored(digest)));
    }
    Ok(entries)
}
