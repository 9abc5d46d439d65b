use prost::Message as _;

use super::*;
use crate::cas::Digest;
use crate::cas::api::reapi;

fn file(name: &str) -> reapi::FileNode {
    reapi::FileNode { name: name.to_owned(), digest: Some(Digest::of(b"x").into()), ..Default::default() }
}

fn link(name: &str, target: &str) -> reapi::SymlinkNode {
    reapi::SymlinkNode { name: name.to_owned(), target: target.to_owned(), node_properties: None }
}

fn below(name: &str, digest: Digest) -> reapi::DirectoryNode {
    reapi::DirectoryNode { name: name.to_owned(), digest: Some(digest.into()) }
}

#[test]
fn nothing_passes_that_leads_out_of_a_directory() {
    for name in ["", ".", "..", "a/b", "/", "a\0"] {
        let bad = Err(TreeError::BadName { name: name.to_owned() });
        let directory = reapi::Directory { files: vec![file(name)], ..Default::default() };
        assert_eq!(decode_directory(&directory.encode_to_vec()), bad);
        let directory = reapi::Directory { symlinks: vec![link(name, "x")], ..Default::default() };
        assert_eq!(decode_directory(&directory.encode_to_vec()), bad);
        let directory = reapi::Directory { directories: vec![below(name, Digest::EMPTY)], ..Default::default() };
        assert_eq!(decode_directory(&directory.encode_to_vec()), bad);
    }
}

#[test]
fn names_are_sorted_and_different_and_digests_make_sense() {
    let out = |directory: reapi::Directory| decode_directory(&directory.encode_to_vec()).unwrap_err();
    let order = |name: &str| TreeError::OutOfOrder { name: name.to_owned() };
    let files = |names: &[&str]| names.iter().map(|name| file(name)).collect::<Vec<_>>();
    assert_eq!(out(reapi::Directory { files: files(&["b", "a"]), ..Default::default() }), order("a"));
    assert_eq!(out(reapi::Directory { files: files(&["a", "a"]), ..Default::default() }), order("a"));
    let both = reapi::Directory { files: files(&["a", "b"]), symlinks: vec![link("b", "x")], ..Default::default() };
    assert_eq!(out(both), order("b"));
    let both = reapi::Directory {
        files: files(&["a", "b"]),
        directories: vec![below("a", Digest::EMPTY)],
        ..Default::default()
    };
    assert_eq!(out(both), order("a"));
    for digest in [
        None,
        Some(reapi::Digest { hash: "ab".to_owned(), size_bytes: 1 }),
        Some(reapi::Digest { hash: Digest::EMPTY.hex(), size_bytes: -1 }),
    ] {
        let bad = reapi::FileNode { name: "f".to_owned(), digest, ..Default::default() };
        let bad = out(reapi::Directory { files: vec![bad], ..Default::default() });
        assert_eq!(bad, TreeError::BadDigest { name: "f".to_owned() });
    }
    assert!(matches!(
        out(reapi::Directory { symlinks: vec![link("l", "")], ..Default::default() }),
        TreeError::BadTarget { .. }
    ));
    assert!(matches!(decode_directory(b"\xff\xff"), Err(TreeError::NotADirectory { .. })));
}

#[test]
fn a_tree_lacks_nothing_and_is_no_deeper_than_allowed() {
    let gone = Digest::of(b"gone");
    let lacking = reapi::Directory { directories: vec![below("gone", gone)], ..Default::default() };
    let middle = Digest::of(&lacking.encode_to_vec());
    let root = reapi::Directory { directories: vec![below("a", middle)], ..Default::default() };
    let tree = reapi::Tree { root: Some(root), children: vec![lacking] };
    let missing = TreeError::MissingChild { digest: gone.into(), path: "a/gone".to_owned() };
    assert_eq!(decode_tree(&tree.encode_to_vec()), Err(missing));

    // Each of many directories names the one below it twice: far more paths than there are atoms.
    let mut children = vec![reapi::Directory::default()];
    for _ in 0..MAX_DEPTH {
        let digest = Digest::of(&children[children.len() - 1].encode_to_vec());
        children
            .push(reapi::Directory { directories: vec![below("a", digest), below("b", digest)], ..Default::default() });
    }
    let top = children.pop();
    let tree = reapi::Tree { root: top.clone(), children: children.clone() };
    assert_eq!(decode_tree(&tree.encode_to_vec()).unwrap().directories.len(), MAX_DEPTH + 1);
    let digest = Digest::of(&top.as_ref().unwrap().encode_to_vec());
    children.extend(top);
    for names in [&["z"][..], &["y", "z"]] {
        let directories = names.iter().map(|name| below(name, digest)).collect();
        let root = reapi::Directory { directories, ..Default::default() };
        let tree = reapi::Tree { root: Some(root), children: children.clone() };
        assert!(matches!(decode_tree(&tree.encode_to_vec()), Err(TreeError::TooDeep { .. })));
    }
    assert_eq!(decode_tree(b"").unwrap().directories, [(Digest::EMPTY, Vec::new())]);
    // What a message holds besides is passed over.
    let spare =
        reapi::Tree { root: None, children: vec![reapi::Directory { files: vec![file("a")], ..Default::default() }] };
    assert_eq!(decode_tree(&spare.encode_to_vec()).unwrap().directories.len(), 1);
}
