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
fn a_directory_is_the_same_in_whatever_order_it_was_put_together() {
    let mut one = TreeBuilder::new();
    one.file("b/z", Digest::of(b"z"), true).unwrap();
    one.file("b/Z", Digest::of(b"Z"), false).unwrap();
    one.link("b/é", "../a").unwrap();
    one.directory("c/empty").unwrap();
    one.directory("").unwrap();
    one.file("a", Digest::of(b"a"), false).unwrap();
    let mut other = TreeBuilder::new();
    other.file("a", Digest::of(b"a"), false).unwrap();
    other.directory("c/empty").unwrap();
    other.directory("b").unwrap();
    other.link("b/é", "../a").unwrap();
    other.file("b/Z", Digest::of(b"Z"), false).unwrap();
    other.file("b/z", Digest::of(b"z"), true).unwrap();
    other.file("b/z", Digest::of(b"z"), true).unwrap();
    let tree = one.to_tree_message();
    let built = one.build();
    assert_eq!(built, other.build());
    assert_eq!(built.directories.last().unwrap().0, built.root);
    assert_eq!(decode_tree(&tree.encode_to_vec()).unwrap(), built);
    let root = decode_directory(&built.directories.last().unwrap().1).unwrap();
    let names: Vec<_> = root.directories.iter().map(|directory| directory.name.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(root.files.len(), 1);
    let b = Digest::try_from(root.directories[0].digest.as_ref().unwrap()).unwrap();
    let b = built.directories.iter().find(|(digest, _)| *digest == b).unwrap();
    let b = decode_directory(&b.1).unwrap();
    assert_eq!([&b.files[0].name, &b.files[1].name], ["Z", "z"]);
    assert!(b.files[1].is_executable && !b.files[0].is_executable);
    assert_eq!(b.symlinks[0].target, "../a");
}

#[test]
fn equal_directories_are_there_once_and_the_empty_one_is_the_empty_content() {
    let mut builder = TreeBuilder::new();
    for name in ["one", "two", "three"] {
        builder.file(&format!("{name}/same/file"), Digest::of(b"x"), false).unwrap();
        builder.directory(&format!("{name}/none")).unwrap();
    }
    let built = builder.build();
    // The empty one, `same`, its folder, and the topmost.
    assert_eq!(built.directories.len(), 4);
    assert!(built.directories.contains(&(Digest::EMPTY, Vec::new())));
    assert_eq!(TreeBuilder::new().build().root, Digest::EMPTY);
}

#[test]
fn one_path_is_one_thing() {
    let mut builder = TreeBuilder::new();
    builder.file("a/b", Digest::of(b"1"), false).unwrap();
    let conflict = |path: &str| Err(TreeError::Conflict { path: path.to_owned() });
    assert_eq!(builder.file("a/b", Digest::of(b"2"), false), conflict("a/b"));
    assert_eq!(builder.file("a/b", Digest::of(b"1"), true), conflict("a/b"));
    assert_eq!(builder.file("a", Digest::of(b"1"), false), conflict("a"));
    assert_eq!(builder.file("a/b/c", Digest::of(b"1"), false), conflict("a/b/c"));
    assert_eq!(builder.directory("a/b"), conflict("a/b"));
    assert_eq!(builder.link("a/b", "c"), conflict("a/b"));
    for wrong in ["", "/a", "a/", "a//b", ".", "a/../b", "../a", "a/./b", "a\0"] {
        let answer = builder.file(wrong, Digest::EMPTY, false);
        assert_eq!(answer, Err(TreeError::NotAPath { path: wrong.to_owned() }));
    }
    assert!(builder.link("l", "").is_err() && builder.link("l", "a\0b").is_err());
    let deep = "d/".repeat(MAX_DEPTH);
    builder.file(&format!("{deep}file"), Digest::EMPTY, false).unwrap();
    assert!(matches!(builder.directory(&format!("{deep}d")), Err(TreeError::TooDeep { .. })));
    assert!(decode_tree(&builder.to_tree_message().encode_to_vec()).is_ok());
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
