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

use std::path::Path;
use std::sync::Arc;

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
        Self::stored(store, Digest::EMPTY)
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
        let Some((folder, name)) = parent(path)? else {
            return Ok(Some(EntryKind::Directory { digest: self.digest()? }));
        };
        match self.find(folder) {
            Ok(node) => {
                let entry = node.entries(&self.store, folder)?.get(name);
                Ok(entry.map(|entry| entry.kind(1)).transpose()?)
            }
            Err(VirtualError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
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
        Ok(Self { store: Arc::clone(&self.store), root: self.find(path)? })
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
        self.insert_all(path, &Self::empty(&self.store))
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
        let names = names(path)?;
        // What happens, happens to a copy first.
        let mut root = Arc::clone(&self.root);
        let mut conflicts = Vec::new();
        at(&mut root, &self.store, &names, "", &mut |node| {
            merge(node, &other.root, &self.store, path, 0, &mut conflicts)
        })?;
        if !conflicts.is_empty() {
            return Err(VirtualError::Conflict { paths: conflicts });
        }
        self.root = root;
        Ok(())
    }

    /// Removes what is at a path, with all that is below it.
    ///
    /// # Errors
    /// [`VirtualError::NotFound`] when nothing is there.
    pub fn remove(&mut self, path: &str) -> Result<(), VirtualError> {
        let not_found = || VirtualError::NotFound { path: path.to_owned() };
        let Some((folder, name)) = parent(path)? else {
            self.root = Node::stored(Digest::EMPTY);
            return Ok(());
        };
        if self.entry(path)?.is_none() {
            return Err(not_found());
        }
        let mut root = Arc::clone(&self.root);
        at(&mut root, &self.store, &names(folder)?, "", &mut |node| {
            node.edit(&self.store, folder, |entries| entries.remove(name).map(drop).ok_or_else(not_found))
        })?;
        self.root = root;
        Ok(())
    }

    /// Those files, symbolic links and empty directories for which the answer is yes, in their directories. Directories
    /// in which nothing is left are left out.
    ///
    /// # Errors
    /// When the store lacks a directory.
    pub fn filter(&self, keep: &mut dyn FnMut(&str, &EntryKind) -> bool) -> Result<Self, VirtualError> {
        let root = filter(&self.root, &self.store, "", 0, keep)?;
        Ok(Self { store: Arc::clone(&self.store), root: root.unwrap_or_else(|| Node::stored(Digest::EMPTY)) })
    }

    fn find(&self, path: &str) -> Result<Arc<Node>, VirtualError> {
        let mut node = Arc::clone(&self.root);
        let mut here = String::new();
        for name in names(path)? {
            let next = match node.entries(&self.store, &here)?.get(name) {
                Some(Entry::Directory(below)) => Arc::clone(below),
                Some(_) => return Err(VirtualError::Unfit { path: join(&here, name), wanted: "directory" }),
                None => return Err(VirtualError::NotFound { path: join(&here, name) }),
            };
            here = join(&here, name);
            node = next;
        }
        Ok(node)
    }

    fn insert(&mut self, path: &str, entry: Entry) -> Result<(), VirtualError> {
        let conflict = || VirtualError::Conflict { paths: vec![path.to_owned()] };
        let (folder, name) = parent(path)?.ok_or_else(conflict)?;
        let mut entry = Some(entry);
        at(&mut self.root, &self.store, &names(folder)?, "", &mut |node| {
            node.edit(&self.store, folder, |entries| match (entries.get(name), entry.take()) {
                (None, Some(entry)) => {
                    entries.insert(name.to_owned(), entry);
                    Ok(())
                }
                (Some(there), Some(entry)) if there.kind(1)? == entry.kind(1)? => Ok(()),
                _ => Err(conflict()),
            })
        })
    }
}

// The names of a path; none for the empty one.
fn names(path: &str) -> Result<Vec<&str>, TreeError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = path.split('/').collect();
    if names.len() > MAX_DEPTH {
        return Err(TreeError::TooDeep { path: path.to_owned() });
    }
    if names.iter().all(|name| is_name(name)) { Ok(names) } else { Err(TreeError::NotAPath { path: path.to_owned() }) }
}

// A path as its folder and its name; none for the empty one.
fn parent(path: &str) -> Result<Option<(&str, &str)>, TreeError> {
    names(path)?;
    Ok(if path.is_empty() { None } else { Some(path.rsplit_once('/').unwrap_or(("", path))) })
}

// Does something with the directory at a path, which is made where it is not there.
fn at(
    node: &mut Arc<Node>,
    store: &Store,
    names: &[&str],
    here: &str,
    act: &mut dyn FnMut(&mut Arc<Node>) -> Result<(), VirtualError>,
) -> Result<(), VirtualError> {
    let [first, rest @ ..] = names else { return act(node) };
    let path = join(here, first);
    node.edit(store, here, |entries| {
        let entry = entries.entry((*first).to_owned());
        match entry.or_insert_with(|| Entry::Directory(Node::of(Entries::new()))) {
            Entry::Directory(below) => at(below, store, rest, &path, act),
            _ => Err(VirtualError::Unfit { path: path.clone(), wanted: "directory" }),
        }
    })
}

// Adds what is in one directory to another.
fn merge(
    node: &mut Arc<Node>,
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
    let added = other.entries(store, path)?;
    if node.entries(store, path)?.is_empty() {
        *node = Arc::clone(other);
        return Ok(());
    }
    if added.is_empty() {
        return Ok(());
    }
    node.edit(store, path, |entries| {
        for (name, entry) in added {
            let here = join(path, name);
            match (entries.get_mut(name), entry) {
                (None, _) => drop(entries.insert(name.clone(), entry.clone())),
                (Some(Entry::Directory(below)), Entry::Directory(more)) => {
                    merge(below, more, store, &here, depth + 1, conflicts)?;
                }
                (Some(there), _) => {
                    if there.kind(depth + 1)? != entry.kind(depth + 1)? {
                        conflicts.push(here);
                    }
                }
            }
        }
        Ok(())
    })
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
