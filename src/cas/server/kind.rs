//! What a blob needs: directories and trees are recognised by their bytes.
//!
//! Nobody says of a blob what it is. But a server that lets a file go while a directory that lists it stays would give
//! out directories that cannot be completed. A message of either kind holds digests in places where no other content
//! has 64 hexadecimal digits, so a wrong guess is next to impossible, and would only keep some blobs a little longer.

use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::cas::Digest;
use crate::cas::api::reapi;

/// What kind of blob it is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It needs nothing.
    Leaf,
    /// A `Directory`.
    Directory,
    /// A `Tree`.
    Tree,
}

impl Kind {
    /// As a byte, for the snapshot.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Leaf => 0,
            Self::Directory => 1,
            Self::Tree => 2,
        }
    }

    /// The other way round.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Self::Leaf, Self::Directory, Self::Tree].into_iter().find(|kind| kind.code() == code)
    }
}

/// What a directory or a tree is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) files: Vec<Digest>,
    pub(super) directories: Vec<Digest>,
}

/// Larger blobs are not looked at.
pub(super) const LARGEST: u64 = 64 << 20;

// A tree names each directory once, but some who write them do not know.
const EMPTY_DIRECTORIES: usize = 100_000;

/// Whether a blob that begins with this byte could be a directory or a tree with something in it.
pub(super) fn may_need(first: u8) -> bool {
    // The tags of the first fields: files or the root, directories or children, symbolic links, properties.
    matches!(first, 0x0a | 0x12 | 0x1a | 0x2a)
}

/// What a blob is and needs.
pub(super) fn recognise(bytes: &[u8]) -> (Kind, Needs) {
    if bytes.first().is_some_and(|first| may_need(*first)) && bytes.len() as u64 <= LARGEST {
        if let Some(needs) = directory(bytes).filter(|needs| !needs.is_empty()) {
            return (Kind::Directory, needs);
        }
        if let Some(needs) = tree(bytes).filter(|needs| !needs.is_empty()) {
            return (Kind::Tree, needs);
        }
    }
    (Kind::Leaf, Needs::default())
}

impl Needs {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty()
    }

    // Notes what a directory lists, if all of that makes sense.
    fn add(&mut self, directory: &reapi::Directory) -> Option<()> {
        for file in &directory.files {
            self.files.push(node(&file.name, file.digest.as_ref())?);
        }
        for child in &directory.directories {
            self.directories.push(node(&child.name, child.digest.as_ref())?);
        }
        Some(())
    }
}

/// Whether bytes can be a directory, without decoding them: a message of a few bytes for each of its nodes would take
/// sixty times as much in memory. Each node that makes sense has a digest, and each link a name and a target.
pub(super) fn may_be_directory(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some((tag, field)) = field(&mut bytes) else { return false };
        let least = match tag {
            1 | 2 => 64,
            3 => 4,
            _ => 0,
        };
        if field.len() < least {
            return false;
        }
    }
    true
}

/// The same of a tree. Empty directories take next to no bytes, so there is a limit to them.
fn may_be_tree(mut bytes: &[u8]) -> bool {
    let mut empty = 0;
    while !bytes.is_empty() {
        let Some((tag, field)) = field(&mut bytes) else { return false };
        if matches!(tag, 1 | 2) {
            empty += usize::from(field.is_empty());
            if empty > EMPTY_DIRECTORIES || !may_be_directory(field) {
                return false;
            }
        }
    }
    true
}

/// The next field of a message and its bytes; all fields of these messages have some.
fn field<'b>(bytes: &mut &'b [u8]) -> Option<(u32, &'b [u8])> {
    let (tag, wire_type) = decode_key(bytes).ok()?;
    if wire_type != WireType::LengthDelimited {
        return None;
    }
    let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag, field))
}

/// What a blob needs, if it is a directory.
pub(super) fn directory(bytes: &[u8]) -> Option<Needs> {
    if !may_be_directory(bytes) {
        return None;
    }
    let mut needs = Needs::default();
    needs.add(&reapi::Directory::decode(bytes).ok()?)?;
    Some(needs)
}

/// The files that a blob needs, if it is a tree. Its directories are part of it.
pub(super) fn tree(bytes: &[u8]) -> Option<Needs> {
    if !may_be_tree(bytes) {
        return None;
    }
    let tree = reapi::Tree::decode(bytes).ok()?;
    let mut needs = Needs::default();
    for directory in tree.root.iter().chain(&tree.children) {
        needs.add(directory)?;
    }
    needs.directories.clear();
    Some(needs)
}

fn node(name: &str, digest: Option<&reapi::Digest>) -> Option<Digest> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    Digest::try_from(digest?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> reapi::Directory {
        let file = |name: &str, text: &[u8]| reapi::FileNode {
            name: name.to_owned(),
            digest: Some(Digest::of(text).into()),
            ..Default::default()
        };
        reapi::Directory {
            files: vec![file("a", b"a"), file("empty", b"")],
            directories: vec![reapi::DirectoryNode { name: "d".to_owned(), digest: Some(Digest::of(b"d").into()) }],
            ..Default::default()
        }
    }

    #[test]
    fn directories_and_trees_are_told_apart() {
        let directory = sample().encode_to_vec();
        let (kind, needs) = recognise(&directory);
        assert_eq!(kind, Kind::Directory);
        assert_eq!(needs.files, [Digest::of(b"a"), Digest::EMPTY]);
        assert_eq!(needs.directories, [Digest::of(b"d")]);
        let only_files = reapi::Directory { directories: Vec::new(), ..sample() };
        for root in [sample(), only_files.clone()] {
            let whole = reapi::Tree { root: Some(root), children: vec![only_files.clone()] };
            let (kind, needs) = recognise(&whole.encode_to_vec());
            assert_eq!(kind, Kind::Tree);
            assert_eq!((needs.files.len(), needs.directories.len()), (4, 0));
        }
        assert_eq!(recognise(&only_files.encode_to_vec()).0, Kind::Directory);
    }

    #[test]
    fn other_contents_need_nothing() {
        let action = reapi::Action {
            command_digest: Some(Digest::of(b"command").into()),
            input_root_digest: Some(Digest::of(b"root").into()),
            ..Default::default()
        };
        let nameless = reapi::Directory {
            directories: vec![reapi::DirectoryNode { name: String::new(), digest: Some(Digest::of(b"d").into()) }],
            ..Default::default()
        };
        let empty = reapi::Directory::default();
        let others = [action.encode_to_vec(), nameless.encode_to_vec(), empty.encode_to_vec(), b"\n\ntext\n".to_vec()];
        for bytes in others {
            assert_eq!(recognise(&bytes), (Kind::Leaf, Needs::default()), "{bytes:?}");
        }
        // Two bytes for each of its nodes: many times as much in memory, if it were decoded.
        let bombs = [[0x0a, 0].repeat(1 << 20), [0x12, 2, 0x0a, 0].repeat(1 << 19), [0x12, 0].repeat(1 << 20)];
        assert!(bombs.iter().all(|bytes| !may_be_directory(bytes) && !may_be_tree(bytes)));
        // Whatever the bytes are, looking at them does no harm.
        let whole = sample().encode_to_vec();
        for cut in 0..whole.len() {
            let _ = recognise(&whole[..cut]);
        }
    }
}
