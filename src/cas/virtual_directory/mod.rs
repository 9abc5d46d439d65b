//! Directories that need no disk: trees of digests in memory, on a store.
//!
//! A [`VirtualDirectory`] is looked into, changed, put together from others and filtered without a file being made.
//! Parts of it are read from the store when somebody looks, and copies share what they have in common. Only
//! [`VirtualDirectory::export`] makes a real directory.
//!
//! [`Staging`] is a directory that is virtual until somebody needs the real one, and then watches that nobody takes what
//! it was for what it is.

mod error;
mod node;
mod staging;
#[cfg(test)]
mod tests;

pub use error::VirtualError;
pub use staging::{Staging, View};

use std::collections::btree_map::Entry as Slot;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::tree::walk::join;
use super::tree::{CheckedOut, EntryKind, MAX_DEPTH, TreeError, capture, capture_file, checkout, is_name};
use super::{Digest, Keep, Store};
use node::{Entries, Entry, Node};

/// A directory in memory. Copies are cheap. Paths are relative, with `/` between names; the empty path is the directory
/// itself. Symbolic links are never followed.
#[derive(Clone, Debug)]
pub struct VirtualDirectory {
    store: Arc<Store>,
    root: Arc<Node>,
}

impl VirtualDirectory {
    /// An empty directory.
    pub fn empty(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store), root: Node::of(Entries::new()) }
    }

    /// A directory of a store. It is not looked into before somebody asks what is in it.
    pub fn stored(store: &Arc<Store>, digest: Digest) -> Self {
        Self { store: Arc::clone(store), root: Node::stored(digest) }
    }

    /// The digest. Nothing is written.
    ///
    /// # Errors
    /// When directories are nested too deep.
    pub fn digest(&self) -> Result<Digest, VirtualError> {
        Ok(self.root.digest(0)?)
    }

    /// The messages of this directory and of those below it that were put together in memory: each different one once,
    /// those that are below another before it, this one last. Directories that are still as they were taken from the
    /// store are left out with all that is below them, whether somebody looked into them or not: the store has those.
    ///
    /// # Errors
    /// When directories are nested too deep.
    pub fn messages(&self) -> Result<Vec<(Digest, Vec<u8>)>, VirtualError> {
        let mut all = Vec::new();
        self.root.messages(0, &mut FxHashSet::default(), &mut all)?;
        Ok(all)
    }

    /// Adds the directories to the store, each after what is below it, and gives the digest.
    ///
    /// # Errors
    /// [`VirtualError::Missing`] when the store lacks a file that was inserted, and when it cannot be written.
    pub fn write(&self) -> Result<Digest, VirtualError> {
        self.root.write(&self.store, "", 0)
    }

    /// Makes a real directory of it, see [`checkout`].
    ///
    /// # Errors
    /// As for [`VirtualDirectory::write`] and [`checkout`].
    pub fn export(&self, target: &Path, writable: bool) -> Result<CheckedOut, VirtualError> {
        Ok(checkout(&self.store, &self.write()?, target, writable)?)
    }

    /// What is at a path; nothing if nothing is there.
    ///
    /// # Errors
    /// When the path makes no sense, or the store lacks a directory on the way.
    pub fn entry(&self, path: &str) -> Result<Option<EntryKind>, VirtualError> {
        if path.is_empty() {
            return Ok(Some(EntryKind::Directory { digest: self.digest()? }));
        }
        Ok(self.look_up(path)?.map(|entry| entry.kind(1)).transpose()?)
    }

    /// The names in a directory with what they are, sorted by their bytes.
    ///
    /// # Errors
    /// When there is no directory at the path, or the store lacks it.
    pub fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, VirtualError> {
        let node = self.find(path)?;
        let entries = node.entries(&self.store, path)?;
        entries.iter().map(|(name, entry)| Ok((name.clone(), entry.kind(1)?))).collect()
    }

    /// The directory at a path, as one of its own: changes of the one are none of the other.
    ///
    /// # Errors
    /// As for [`VirtualDirectory::list`].
    pub fn descend(&self, path: &str) -> Result<Self, VirtualError> {
        Ok(Self { store: Arc::clone(&self.store), root: Arc::clone(self.find(path)?) })
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When there is no file at the path, or the store does not have it.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, VirtualError> {
        match self.entry(path)? {
            None => Err(VirtualError::NotFound { path: path.to_owned() }),
            Some(EntryKind::File { digest: Digest::EMPTY, .. }) => Ok(Vec::new()),
            Some(EntryKind::File { digest, .. }) => self.store.read(&digest).map_err(|error| {
                if error.is_miss() { VirtualError::Missing { digest, path: path.to_owned() } } else { error.into() }
            }),
            Some(_) => Err(VirtualError::Unfit { path: path.to_owned(), wanted: "file" }),
        }
    }

    /// Puts a file at a path that is in the store, or will be before this is written.
    ///
    /// # Errors
    /// [`VirtualError::Conflict`] when something else is there: it has to be removed first. The same is fine.
    pub fn insert_file(&mut self, path: &str, digest: Digest, executable: bool) -> Result<(), VirtualError> {
        self.insert(path, Entry::File { digest, executable })
    }

    /// Adds bytes to the store, and puts them at a path as a file.
    ///
    /// # Errors
    /// As for [`VirtualDirectory::insert_file`], and when the store cannot be written.
    pub fn insert_bytes(&mut self, path: &str, bytes: &[u8], executable: bool) -> Result<(), VirtualError> {
        let digest = self.store.add_bytes(bytes)?;
        self.insert_file(path, digest, executable)
    }

    /// Puts a symbolic link at a path.
    ///
    /// # Errors
    /// As for [`VirtualDirectory::insert_file`], and when the target is none.
    pub fn insert_link(&mut self, path: &str, target: &str) -> Result<(), VirtualError> {
        if target.is_empty() || target.contains('\0') {
            return Err(TreeError::BadTarget { name: path.to_owned() }.into());
        }
        self.insert(path, Entry::Link { target: target.to_owned() })
    }

    /// Makes sure that there is a directory at a path.
    ///
    /// # Errors
    /// As for [`VirtualDirectory::insert_file`].
    pub fn insert_directory(&mut self, path: &str) -> Result<(), VirtualError> {
        match self.find(path) {
            Err(VirtualError::NotFound { .. }) => at(&mut self.root, &self.store, path).map(|_| ()),
            found => found.map(|_| ()),
        }
    }

    /// Copies a file of the disk into the store, and puts it at a path.
    ///
    /// # Errors
    /// As for [`VirtualDirectory::insert_file`] and [`capture_file`].
    pub fn import_file(&mut self, path: &str, real: &Path, keep: Keep) -> Result<(), VirtualError> {
        let (digest, executable) = capture_file(&self.store, real, keep)?;
        self.insert_file(path, digest, executable)
    }

    /// Captures a directory of the disk, and adds what is in it to the directory at a path.
    ///
    /// # Errors
    /// As for [`VirtualDirectory::insert_all`] and [`capture`].
    pub fn import_directory(&mut self, path: &str, real: &Path, keep: Keep) -> Result<(), VirtualError> {
        let captured = capture(&self.store, real, keep)?;
        self.insert_all(path, &Self::stored(&self.store, captured.root))
    }

    /// Adds everything in another directory to the directory at a path, which is made if it is not there.
    ///
    /// # Errors
    /// [`VirtualError::Conflict`] with all paths at which both have something that is not the same; nothing is changed
    /// then.
    pub fn insert_all(&mut self, path: &str, other: &Self) -> Result<(), VirtualError> {
        // What cannot be read shows before anything is changed.
        other.root.entries(&self.store, path)?;
        let mut conflicts = Vec::new();
        match self.find(path) {
            Ok(node) => compare(node, &other.root, &self.store, path, 0, &mut conflicts)?,
            Err(VirtualError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        if !conflicts.is_empty() {
            return Err(VirtualError::Conflict { paths: conflicts });
        }
        merge(at(&mut self.root, &self.store, path)?, &other.root, &self.store, path)
    }

    /// Removes what is at a path, with all that is below it.
    ///
    /// # Errors
    /// [`VirtualError::NotFound`] when nothing is there.
    pub fn remove(&mut self, path: &str) -> Result<(), VirtualError> {
        let Some((folder, name)) = parent(path)? else {
            self.root = Node::of(Entries::new());
            return Ok(());
        };
        if self.look_up(path)?.is_none() {
            return Err(VirtualError::NotFound { path: path.to_owned() });
        }
        at(&mut self.root, &self.store, folder)?.entries_mut(&self.store, folder)?.remove(name);
        Ok(())
    }

    /// Those files, symbolic links and empty directories for which the answer is yes, in their directories. Directories
    /// in which nothing is left are left out.
    ///
    /// # Errors
    /// When the store lacks a directory.
    pub fn filter(&self, keep: &mut dyn FnMut(&str, &EntryKind) -> bool) -> Result<Self, VirtualError> {
        let root = filter(&self.root, &self.store, "", 0, keep)?;
        Ok(Self { store: Arc::clone(&self.store), root: root.unwrap_or_else(|| Node::of(Entries::new())) })
    }

    fn find(&self, path: &str) -> Result<&Arc<Node>, VirtualError> {
        check(path, path)?;
        let mut node = &self.root;
        let mut rest = path;
        while let Some(Step { folder, name, path, rest: further }) = step(path, rest) {
            node = match node.entries(&self.store, folder)?.get(name) {
                Some(Entry::Directory(below)) => below,
                Some(_) => return Err(VirtualError::Unfit { path: path.to_owned(), wanted: "directory" }),
                None => return Err(VirtualError::NotFound { path: path.to_owned() }),
            };
            rest = further;
        }
        Ok(node)
    }

    // What is at a path that is not empty.
    fn look_up(&self, path: &str) -> Result<Option<&Entry>, VirtualError> {
        let Some((folder, name)) = parent(path)? else { return Ok(None) };
        match self.find(folder) {
            Ok(node) => Ok(node.entries(&self.store, folder)?.get(name)),
            Err(VirtualError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), VirtualError> {
        let conflict = || VirtualError::Conflict { paths: vec![path.to_owned()] };
        let (folder, name) = parent(path)?.ok_or_else(conflict)?;
        match at(&mut self.root, &self.store, folder)?.entries_mut(&self.store, folder)?.entry(name.to_owned()) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(there) if there.get().is(&entry) => Ok(()),
            Slot::Occupied(_) => Err(conflict()),
        }
    }
}

// Whether a path, which is that of `whole` or of the directory that it is in, may be that of a directory.
fn check(path: &str, whole: &str) -> Result<(), TreeError> {
    if path.is_empty() {
        return Ok(());
    }
    if path.bytes().filter(|byte| *byte == b'/').count() >= MAX_DEPTH {
        return Err(TreeError::TooDeep { path: whole.to_owned() });
    }
    if path.split('/').all(is_name) { Ok(()) } else { Err(TreeError::NotAPath { path: whole.to_owned() }) }
}

// A path as its folder and its name; none for the empty one.
fn parent(path: &str) -> Result<Option<(&str, &str)>, TreeError> {
    if path.is_empty() {
        return Ok(None);
    }
    let (folder, name) = match path.rsplit_once('/') {
        Some(("", _)) => return Err(TreeError::NotAPath { path: path.to_owned() }),
        Some(split) => split,
        None => ("", path),
    };
    check(folder, path)?;
    if is_name(name) { Ok(Some((folder, name))) } else { Err(TreeError::NotAPath { path: path.to_owned() }) }
}

// The next directory on the way along a path.
struct Step<'p> {
    // The way so far, and with the directory.
    folder: &'p str,
    path: &'p str,
    name: &'p str,
    // What is left of the way after it.
    rest: &'p str,
}

// Goes on along a path of which there is a `rest`. Nothing is copied for it.
fn step<'p>(path: &'p str, rest: &'p str) -> Option<Step<'p>> {
    if rest.is_empty() {
        return None;
    }
    let start = path.len() - rest.len();
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some(Step { folder: &path[..start.saturating_sub(1)], path: &path[..start + name.len()], name, rest })
}

// The directory at a path, to be changed. It is made where it is not there.
fn at<'n>(mut node: &'n mut Arc<Node>, store: &Store, path: &str) -> Result<&'n mut Arc<Node>, VirtualError> {
    let mut rest = path;
    while let Some(step) = step(path, rest) {
        let entries = node.entries_mut(store, step.folder)?;
        // Most of the way is there already, so no name is copied for it.
        if !entries.contains_key(step.name) {
            entries.insert(step.name.to_owned(), Entry::Directory(Node::of(Entries::new())));
        }
        node = match entries.get_mut(step.name) {
            Some(Entry::Directory(below)) => below,
            _ => return Err(VirtualError::Unfit { path: step.path.to_owned(), wanted: "directory" }),
        };
        rest = step.rest;
    }
    Ok(node)
}

// Finds the paths at which two directories have different things. All of both is read that merging them will need.
fn compare(
    node: &Arc<Node>,
    other: &Arc<Node>,
    store: &Store,
    path: &str,
    depth: usize,
    conflicts: &mut Vec<String>,
) -> Result<(), VirtualError> {
    if depth > MAX_DEPTH {
        return Err(TreeError::TooDeep { path: path.to_owned() }.into());
    }
    if node.is(other) {
        return Ok(());
    }
    let there = node.entries(store, path)?;
    for (name, entry) in other.entries(store, path)? {
        match (there.get(name), entry) {
            (Some(Entry::Directory(below)), Entry::Directory(more)) => {
                compare(below, more, store, &join(path, name), depth + 1, conflicts)?;
            }
            (Some(there), _) if !there.is(entry) => conflicts.push(join(path, name)),
            _ => {}
        }
    }
    Ok(())
}

// Adds what is in one directory to another that has nothing else at the same paths.
fn merge(node: &mut Arc<Node>, other: &Arc<Node>, store: &Store, path: &str) -> Result<(), VirtualError> {
    if node.is(other) {
        return Ok(());
    }
    let added = other.entries(store, path)?;
    if node.entries(store, path)?.is_empty() {
        *node = Arc::clone(other);
        return Ok(());
    }
    if added.is_empty() {
        return Ok(());
    }
    let entries = node.entries_mut(store, path)?;
    for (name, entry) in added {
        match (entries.get_mut(name), entry) {
            (Some(Entry::Directory(below)), Entry::Directory(more)) => merge(below, more, store, &join(path, name))?,
            (Some(_), _) => {}
            (None, _) => drop(entries.insert(name.clone(), entry.clone())),
        }
    }
    Ok(())
}

fn filter(
    node: &Arc<Node>,
    store: &Store,
    path: &str,
    depth: usize,
    keep: &mut dyn FnMut(&str, &EntryKind) -> bool,
) -> Result<Option<Arc<Node>>, VirtualError> {
    if depth > MAX_DEPTH {
        return Err(TreeError::TooDeep { path: path.to_owned() }.into());
    }
    let mut left = Entries::new();
    for (name, entry) in node.entries(store, path)? {
        let here = join(path, name);
        match entry {
            Entry::Directory(below) if !below.entries(store, &here)?.is_empty() => {
                if let Some(below) = filter(below, store, &here, depth + 1, keep)? {
                    left.insert(name.clone(), Entry::Directory(below));
                }
            }
            _ => {
                if keep(&here, &entry.kind(depth + 1)?) {
                    left.insert(name.clone(), entry.clone());
                }
            }
        }
    }
    Ok(if left.is_empty() { None } else { Some(Node::of(left)) })
}
