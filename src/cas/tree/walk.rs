//! What is below a directory of a store.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{MAX_DEPTH, MAX_ENTRIES, WalkError, decode, decode_directory};
use crate::cas::api::reapi;
use crate::cas::{Digest, Store, StoreError};

/// Something in a tree, as [`list`] tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, with `/` between names.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What can be in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File {
        /// What it holds.
        digest: Digest,
        /// Whether it can be executed.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: String,
    },
    /// A directory; what is in it follows.
    Directory {
        /// Its message.
        digest: Digest,
    },
}

/// Tells of everything in a tree: what is in a directory after the directory, sorted by the bytes of names.
///
/// # Errors
/// When the store does not have one of the directories, one of them is none, or there are too many; and when the store
/// cannot be read.
pub fn list(store: &Store, root: &Digest, each: &mut dyn FnMut(Entry)) -> Result<(), WalkError> {
    let directories = load(store, root)?;
    check_size(&directories, root)?;
    let mut path = String::new();
    // What is left to be told in each directory on the way to where we are, last first.
    let mut open: Vec<(usize, Vec<Child<'_>>)> = vec![(0, children(&directories, root))];
    while let Some((length, rest)) = open.last_mut() {
        path.truncate(*length);
        let Some(child) = rest.pop() else {
            open.pop();
            continue;
        };
        if *length > 0 {
            path.push('/');
        }
        path.push_str(child.name());
        let kind = child.kind(&path)?;
        let below = if let EntryKind::Directory { digest } = &kind { Some(*digest) } else { None };
        each(Entry { path: path.clone(), kind });
        if let Some(digest) = below {
            open.push((path.len(), children(&directories, &digest)));
        }
    }
    Ok(())
}

/// Collects all that some trees need.
#[derive(Debug)]
pub struct Reachable<'s> {
    store: &'s Store,
    seen: FxHashSet<Digest>,
    // Those of `seen` that were gone through as directories: one content may be a file somewhere and a directory
    // somewhere else.
    directories: FxHashSet<Digest>,
}

impl<'s> Reachable<'s> {
    /// Nothing, so far.
    pub fn new(store: &'s Store) -> Self {
        Self { store, seen: FxHashSet::default(), directories: FxHashSet::default() }
    }

    /// Adds a content that is no directory.
    pub fn add_blob(&mut self, digest: Digest) {
        self.seen.insert(digest);
    }

    /// Adds a tree as far as it can be followed. Gives the directories that could not be read, with where they are.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn add_tree(&mut self, root: &Digest) -> Result<Vec<(Digest, String)>, StoreError> {
        let Self { store, seen, directories } = self;
        let mut lacking = Vec::new();
        seen.insert(*root);
        levels(store, root, directories, &mut |_, read| match read {
            Ok(message) => {
                let files = message.files.iter().filter_map(|file| file.digest.as_ref());
                let below = message.directories.iter().filter_map(|below| below.digest.as_ref());
                seen.extend(files.chain(below).filter_map(|digest| Digest::try_from(digest).ok()));
                Ok(())
            }
            Err((_, _, WalkError::Store(error))) => Err(error),
            Err((digest, path, _)) => {
                lacking.push((digest, path));
                Ok(())
            }
        })?;
        Ok(lacking)
    }

    /// Whether something that was added needs a content.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.seen.contains(digest)
    }

    /// All of them, in no order.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.seen.iter()
    }

    /// All of them, sorted.
    pub fn sorted(&self) -> Vec<Digest> {
        let mut all: Vec<Digest> = self.digests().copied().collect();
        all.sort_unstable();
        all
    }
}

/// The directories of a tree by their digests. Each is as [`decode_directory`] wants it.
pub(super) type Directories = FxHashMap<Digest, reapi::Directory>;

/// Reads all directories of a tree.
pub(super) fn load(store: &Store, root: &Digest) -> Result<Directories, WalkError> {
    let mut directories = Directories::default();
    levels(store, root, &mut FxHashSet::default(), &mut |digest, read| match read {
        Ok(message) => {
            directories.insert(digest, message);
            Ok(())
        }
        Err((_, _, error)) => Err(error),
    })?;
    Ok(directories)
}

type Read = Result<reapi::Directory, (Digest, String, WalkError)>;

// Reads directories by the level, in parallel, each once, and tells of them in a fixed order.
fn levels<E>(
    store: &Store,
    root: &Digest,
    done: &mut FxHashSet<Digest>,
    each: &mut dyn FnMut(Digest, Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut level: Vec<(Digest, String)> = Vec::new();
    if done.insert(*root) {
        level.push((*root, String::new()));
    }
    let mut depth = 0;
    while !level.is_empty() {
        let read: Vec<_> = level.par_iter().map(|(digest, path)| read(store, digest, path, depth)).collect();
        let mut next = Vec::new();
        for ((digest, path), read) in level.into_iter().zip(read) {
            match read {
                Ok(message) => {
                    for below in &message.directories {
                        // They have been looked at: each has a digest that makes sense.
                        let digest = below.digest.as_ref().and_then(|digest| Digest::try_from(digest).ok());
                        if let Some(digest) = digest
                            && done.insert(digest)
                        {
                            next.push((digest, join(&path, &below.name)));
                        }
                    }
                    each(digest, Ok(message))?;
                }
                Err(error) => each(digest, Err((digest, path, error)))?,
            }
        }
        level = next;
        depth += 1;
    }
    Ok(())
}

pub(in crate::cas) fn read(
    store: &Store,
    digest: &Digest,
    path: &str,
    depth: usize,
) -> Result<reapi::Directory, WalkError> {
    if depth > MAX_DEPTH {
        return Err(WalkError::TooDeep { path: path.to_owned() });
    }
    // Every store has that, whether it was put there or not.
    if *digest == Digest::EMPTY {
        return Ok(reapi::Directory::default());
    }
    let bytes = match store.read(digest) {
        Ok(bytes) => bytes,
        Err(error) if error.is_miss() => return Err(WalkError::Missing { digest: *digest, path: path.to_owned() }),
        Err(error) => return Err(error.into()),
    };
    decode_directory(&bytes).map_err(|error| WalkError::NotADirectory { digest: *digest, path: path.to_owned(), error })
}

/// A path in a tree.
pub(in crate::cas) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

enum Child<'d> {
    File(&'d reapi::FileNode),
    Link(&'d reapi::SymlinkNode),
    Directory(&'d reapi::DirectoryNode),
}

impl Child<'_> {
    fn name(&self) -> &str {
        match self {
            Self::File(file) => &file.name,
            Self::Link(link) => &link.name,
            Self::Directory(below) => &below.name,
        }
    }

    fn kind(&self, path: &str) -> Result<EntryKind, WalkError> {
        Ok(match self {
            Self::File(file) => {
                EntryKind::File { digest: digest_of(file.digest.as_ref(), path)?, executable: file.is_executable }
            }
            Self::Link(link) => EntryKind::Link { target: link.target.clone() },
            Self::Directory(below) => EntryKind::Directory { digest: digest_of(below.digest.as_ref(), path)? },
        })
    }
}

/// The digest of something in a directory that was looked at, so that there is one.
pub(super) fn digest_of(digest: Option<&reapi::Digest>, path: &str) -> Result<Digest, WalkError> {
    let unfit = |error| WalkError::NotADirectory { digest: Digest::EMPTY, path: path.to_owned(), error };
    decode::digest_of(digest, path).map_err(unfit)
}

// What is in a directory, the last first.
fn children<'d>(directories: &'d Directories, digest: &Digest) -> Vec<Child<'d>> {
    // They have all been read.
    let Some(directory) = directories.get(digest) else { return Vec::new() };
    let mut all: Vec<Child<'_>> = directory.files.iter().map(Child::File).collect();
    all.extend(directory.symlinks.iter().map(Child::Link));
    all.extend(directory.directories.iter().map(Child::Directory));
    all.sort_unstable_by(|a, b| b.name().cmp(a.name()));
    all
}

/// Refuses a tree that is too deep, or has too many entries when each directory counts at each of its places.
pub(super) fn check_size(directories: &Directories, root: &Digest) -> Result<(), WalkError> {
    let mut measured = FxHashMap::default();
    let (entries, _) = measure(directories, root, "", 0, &mut measured)?;
    if entries > MAX_ENTRIES {
        return Err(WalkError::TooLarge { root: *root, most: MAX_ENTRIES });
    }
    Ok(())
}

// The entries below a directory, and how deep they go. Each directory is gone through once.
fn measure(
    directories: &Directories,
    digest: &Digest,
    name: &str,
    depth: usize,
    measured: &mut FxHashMap<Digest, (usize, usize)>,
) -> Result<(usize, usize), WalkError> {
    let too_deep = || WalkError::TooDeep { path: name.to_owned() };
    if let Some(known) = measured.get(digest) {
        return if depth + known.1 > MAX_DEPTH { Err(too_deep()) } else { Ok(*known) };
    }
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let Some(directory) = directories.get(digest) else { return Ok((0, 0)) };
    let mut entries = directory.files.len() + directory.symlinks.len();
    let mut height = 0;
    for below in &directory.directories {
        let digest = digest_of(below.digest.as_ref(), &below.name)?;
        let (more, lower) = measure(directories, &digest, &below.name, depth + 1, measured)?;
        entries = entries.saturating_add(more).saturating_add(1);
        height = height.max(lower + 1);
    }
    measured.insert(*digest, (entries, height));
    Ok((entries, height))
}
