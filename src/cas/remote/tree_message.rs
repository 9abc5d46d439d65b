//! A whole tree in one message, as actions have their output directories.

use prost::bytes::Buf as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use rustc_hash::FxHashMap;

use crate::cas::Digest;

/// The directories in a `Tree`, byte for byte as they are in there, and the digest of its root.
pub(super) fn directories(mut bytes: &[u8]) -> Result<(Digest, FxHashMap<Digest, Vec<u8>>), String> {
    let mut all = FxHashMap::default();
    let mut root = None;
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).map_err(|error| error.to_string())?;
        if !(matches!(tag, 1 | 2) && wire == WireType::LengthDelimited) {
            skip_field(wire, tag, &mut bytes, DecodeContext::default()).map_err(|error| error.to_string())?;
            continue;
        }
        let length = decode_varint(&mut bytes).map_err(|error| error.to_string())?;
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= bytes.remaining()) else {
            return Err("it ends too early".to_owned());
        };
        let (directory, rest) = bytes.split_at(length);
        bytes = rest;
        let digest = Digest::of(directory);
        if tag == 1 && root.replace(digest).is_some() {
            return Err("it has two roots".to_owned());
        }
        all.insert(digest, directory.to_vec());
    }
    Ok((root.ok_or("it has no root")?, all))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::cas::api::reapi;

    #[test]
    fn a_tree_comes_apart_into_its_directories() {
        let file = |name: &str| reapi::Directory {
            files: vec![reapi::FileNode { name: name.to_owned(), ..reapi::FileNode::default() }],
            ..reapi::Directory::default()
        };
        let tree = reapi::Tree { root: Some(file("root")), children: vec![file("one"), file("two")] };
        let bytes = tree.encode_to_vec();
        let (root, all) = directories(&bytes).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[&root], file("root").encode_to_vec());
        for end in 1..bytes.len() {
            // Whatever is missing, it is an answer.
            let _ = directories(&bytes[..end]);
        }
        assert!(directories(&bytes[..bytes.len() - 1]).is_err());
        assert!(directories(b"").is_err());
    }
}
