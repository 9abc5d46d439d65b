//! Reading directories that somebody else wrote, and who may mean harm.

use prost::Message;
use rustc_hash::FxHashMap;

use super::{MAX_DEPTH, TreeError, is_name};
use crate::cas::Digest;
use crate::cas::api::reapi;

/// The messages of a directory and of all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedTree {
    /// The topmost directory.
    pub root: Digest,
    /// Each different directory once, with its message: those that are below another come before it, the topmost last.
    pub directories: Vec<(Digest, Vec<u8>)>,
}

/// Reads the message of a directory. Every name in what it gives is that of a file in that directory and of nothing
/// else, names are sorted and different, and every digest makes sense.
///
/// # Errors
/// When one of these is not so.
pub fn decode_directory(bytes: &[u8]) -> Result<reapi::Directory, TreeError> {
    let directory = reapi::Directory::decode(bytes).map_err(not_a_directory)?;
    check(&directory)?;
    Ok(directory)
}

/// Reads a `Tree` message. Gives the directories that can be reached from the topmost one, each of which is as
/// [`decode_directory`] wants it.
///
/// # Errors
/// When one of them is not so, one is missing, or they are nested deeper than [`MAX_DEPTH`].
pub fn decode_tree(bytes: &[u8]) -> Result<DecodedTree, TreeError> {
    let RawTree { root, children } = RawTree::decode(bytes).map_err(not_a_directory)?;
    let mut unpacking = Unpacking {
        children: children.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect(),
        done: FxHashMap::default(),
        directories: Vec::new(),
        path: String::new(),
    };
    let digest = Digest::of(&root);
    unpacking.take(digest, root, 0)?;
    Ok(DecodedTree { root: digest, directories: unpacking.directories })
}

// A `Tree` whose directories are left as they were written: their digests are those of the bytes, not those of what
// this program would write for them.
#[derive(Clone, PartialEq, Message)]
struct RawTree {
    #[prost(bytes = "vec", tag = "1")]
    root: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    children: Vec<Vec<u8>>,
}

struct Unpacking {
    children: FxHashMap<Digest, Vec<u8>>,
    // The directories that were taken, and how many there are below one another.
    done: FxHashMap<Digest, usize>,
    directories: Vec<(Digest, Vec<u8>)>,
    path: String,
}

impl Unpacking {
    // A directory can only name what was there before it, so there are no circles. Each is looked at once, so that
    // a few that name one another many times cost no more than they are.
    fn take(&mut self, digest: Digest, bytes: Vec<u8>, depth: usize) -> Result<usize, TreeError> {
        let mut height = 0;
        for child in decode_directory(&bytes)?.directories {
            let length = self.path.len();
            if length > 0 {
                self.path.push('/');
            }
            self.path.push_str(&child.name);
            let named = digest_of(child.digest.as_ref(), &child.name)?;
            let below = match self.done.get(&named) {
                Some(height) => *height,
                None if depth == MAX_DEPTH => 0,
                None => match self.children.remove(&named) {
                    Some(bytes) => self.take(named, bytes, depth + 1)?,
                    // Some leave the empty directory out, as every store has it.
                    None if named == Digest::EMPTY => self.take(named, Vec::new(), depth + 1)?,
                    None => return Err(TreeError::MissingChild { digest: named.into(), path: self.path.clone() }),
                },
            };
            height = height.max(below + 1);
            if depth + height > MAX_DEPTH {
                return Err(TreeError::TooDeep { path: self.path.clone() });
            }
            self.path.truncate(length);
        }
        self.done.insert(digest, height);
        self.directories.push((digest, bytes));
        Ok(height)
    }
}

fn not_a_directory(error: prost::DecodeError) -> TreeError {
    TreeError::NotADirectory { reason: error.to_string() }
}

fn check(directory: &reapi::Directory) -> Result<(), TreeError> {
    sorted(directory.files.iter().map(|file| file.name.as_str()))?;
    sorted(directory.directories.iter().map(|below| below.name.as_str()))?;
    sorted(directory.symlinks.iter().map(|link| link.name.as_str()))?;
    let files = directory.files.iter().map(|file| (file.name.as_str(), file.digest.as_ref()));
    let below = directory.directories.iter().map(|below| (below.name.as_str(), below.digest.as_ref()));
    let mut names = Vec::with_capacity(directory.files.len() + directory.directories.len() + directory.symlinks.len());
    for (name, digest) in files.chain(below) {
        digest_of(digest, name)?;
        names.push(name);
    }
    for link in &directory.symlinks {
        if link.target.is_empty() || link.target.contains('\0') {
            return Err(TreeError::BadTarget { name: link.name.clone() });
        }
        names.push(&link.name);
    }
    // Each list has different names, but two of them may have the same.
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(TreeError::OutOfOrder { name: pair[0].to_owned() }),
        None => Ok(()),
    }
}

/// The digest of something in a directory, by its name there.
pub(in crate::cas) fn digest_of(digest: Option<&reapi::Digest>, name: &str) -> Result<Digest, TreeError> {
    let digest = digest.and_then(|digest| Digest::try_from(digest).ok());
    digest.ok_or_else(|| TreeError::BadDigest { name: name.to_owned() })
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), TreeError> {
    let mut last = "";
    for name in names {
        if !is_name(name) {
            return Err(TreeError::BadName { name: name.to_owned() });
        }
        // Strings compare by their bytes. No name is empty, so the first is always after that.
        if name <= last {
            return Err(TreeError::OutOfOrder { name: name.to_owned() });
        }
        last = name;
    }
    Ok(())
}
