//! A directory that is put together from digests, in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use prost::Message as _;
use rustc_hash::FxHashSet;

use super::{MAX_DEPTH, TreeError, is_name};
use crate::cas::Digest;
use crate::cas::api::reapi;

/// Collects what a directory is to hold, in any order. Paths are relative, with `/` between names; the directories on
/// the way come by themselves.
#[derive(Clone, Debug, Default)]
pub struct TreeBuilder {
    root: Node,
}

/// The messages of a directory and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The topmost directory.
    pub root: Digest,
    /// Each different directory once, with its message: those that are below another come before it, the topmost last.
    pub directories: Vec<(Digest, Vec<u8>)>,
}

// Maps keep the children in the order of their names' bytes, which is the canonical one.
type Node = BTreeMap<String, Entry>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    File { digest: Digest, executable: bool },
    Link { target: String },
    Directory(Node),
}

impl TreeBuilder {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at a path. The same file twice is fine.
    ///
    /// # Errors
    /// When the path is none, or something else is there, or on the way.
    pub fn file(&mut self, path: &str, digest: Digest, executable: bool) -> Result<(), TreeError> {
        self.put(path, Entry::File { digest, executable })
    }

    /// Puts a symbolic link at a path. The same link twice is fine.
    ///
    /// # Errors
    /// As for [`TreeBuilder::file`], and when the target is empty or holds a zero byte.
    pub fn link(&mut self, path: &str, target: &str) -> Result<(), TreeError> {
        if target.is_empty() || target.contains('\0') {
            return Err(TreeError::BadTarget { name: path.to_owned() });
        }
        self.put(path, Entry::Link { target: target.to_owned() })
    }

    /// Makes sure that there is a directory at a path, which may be empty to mean the topmost one.
    ///
    /// # Errors
    /// When the path is none, or a file or a link is there, or on the way.
    pub fn directory(&mut self, path: &str) -> Result<(), TreeError> {
        if path.is_empty() { Ok(()) } else { self.folder(path, path).map(|_| ()) }
    }

    /// Whether nothing was put in.
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// The messages.
    pub fn build(self) -> Built {
        let mut directories = Vec::new();
        let mut seen = FxHashSet::default();
        let root = encode(&self.root, &mut |digest, bytes, _| {
            if seen.insert(digest) {
                directories.push((digest, bytes));
            }
        });
        Built { root, directories }
    }

    /// The whole as one `Tree` message.
    pub fn to_tree_message(&self) -> reapi::Tree {
        let mut children = Vec::new();
        let mut seen = FxHashSet::default();
        encode(&self.root, &mut |digest, _, message| {
            if seen.insert(digest) {
                children.push(message);
            }
        });
        // The topmost one comes last, and no directory holds itself.
        let root = children.pop();
        reapi::Tree { root, children }
    }

    fn put(&mut self, path: &str, entry: Entry) -> Result<(), TreeError> {
        let (folder, name) = match path.rsplit_once('/') {
            Some((folder, name)) => (self.folder(folder, path)?, name),
            None => (&mut self.root, path),
        };
        if !is_name(name) {
            return Err(TreeError::NotAPath { path: path.to_owned() });
        }
        match folder.entry(name.to_owned()) {
            Slot::Vacant(slot) => {
                slot.insert(entry);
                Ok(())
            }
            Slot::Occupied(there) if *there.get() == entry => Ok(()),
            Slot::Occupied(_) => Err(TreeError::Conflict { path: path.to_owned() }),
        }
    }

    // The directory at a path that is not empty. Errors name the whole path.
    fn folder(&mut self, path: &str, whole: &str) -> Result<&mut Node, TreeError> {
        if path.bytes().filter(|byte| *byte == b'/').count() + 1 > MAX_DEPTH {
            return Err(TreeError::TooDeep { path: whole.to_owned() });
        }
        if !path.split('/').all(is_name) {
            return Err(TreeError::NotAPath { path: whole.to_owned() });
        }
        let mut node = &mut self.root;
        for name in path.split('/') {
            // Most of the way is there already, so no name is copied for it.
            if !node.contains_key(name) {
                node.insert(name.to_owned(), Entry::Directory(Node::new()));
            }
            node = match node.get_mut(name) {
                Some(Entry::Directory(below)) => below,
                _ => return Err(TreeError::Conflict { path: whole.to_owned() }),
            };
        }
        Ok(node)
    }
}

// Tells of each directory after those below it.
fn encode(node: &Node, tell: &mut dyn FnMut(Digest, Vec<u8>, reapi::Directory)) -> Digest {
    let mut message = reapi::Directory::default();
    for (name, entry) in node {
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
                let digest = encode(below, tell);
                message.directories.push(reapi::DirectoryNode { name, digest: Some(digest.into()) });
            }
        }
    }
    let bytes = message.encode_to_vec();
    let digest = Digest::of(&bytes);
    tell(digest, bytes, message);
    digest
}
