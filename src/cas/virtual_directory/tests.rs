#![allow(clippy::disallowed_methods, reason = "tests look at what was made")]

use std::fs;
use std::sync::Arc;

use prost::Message as _;

use super::*;
use crate::cas::api::reapi;
use crate::cas::tree::{decode_directory, decode_tree};

struct Case {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store")).unwrap());
        Self { folder, store }
    }

    fn of(&self, files: &[(&str, &str)]) -> VirtualDirectory {
        let mut directory = VirtualDirectory::empty(&self.store);
        for (path, text) in files {
            directory.insert_bytes(path, text.as_bytes(), false).unwrap();
        }
        directory
    }
}

fn all(directory: &VirtualDirectory) -> Vec<String> {
    let mut paths = Vec::new();
    let root = directory.write().unwrap();
    crate::cas::tree::list(&directory.store, &root, &mut |entry| paths.push(entry.path)).unwrap();
    paths
}

#[test]
fn a_directory_in_memory_is_the_one_on_the_disk() {
    let case = Case::new();
    let mut directory = case.of(&[("a/b/c", "c"), ("a/d", "d"), ("e", "")]);
    directory.insert_link("a/l", "d").unwrap();
    directory.insert_directory("a/none/none").unwrap();
    let target = case.folder.path().join("real");
    directory.export(&target, false).unwrap();
    let mut again = VirtualDirectory::empty(&case.store);
    again.import_directory("", &target, Keep::Copy).unwrap();
    assert_eq!(again.digest().unwrap(), directory.digest().unwrap());
    let stored = VirtualDirectory::stored(&case.store, directory.digest().unwrap());
    assert_eq!(stored.read("a/b/c").unwrap(), b"c");
    assert_eq!(stored.descend("a").unwrap().read("d").unwrap(), b"d");
    assert_eq!(stored.read("e").unwrap(), b"");
    let names: Vec<String> = stored.list("a").unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "d", "l", "none"]);
    assert_eq!(stored.entry("a/l").unwrap(), Some(EntryKind::Link { target: "d".to_owned() }));
    assert_eq!(stored.entry("a/x/y").unwrap(), None);
    again.import_file("f", &target.join("a/d"), Keep::Copy).unwrap();
    assert_eq!(again.read("f").unwrap(), b"d");
}

#[test]
fn a_directory_is_the_same_in_whatever_order_it_was_put_together() {
    let case = Case::new();
    let mut one = VirtualDirectory::empty(&case.store);
    one.insert_file("b/z", Digest::of(b"z"), true).unwrap();
    one.insert_file("b/Z", Digest::of(b"Z"), false).unwrap();
    one.insert_link("b/é", "../a").unwrap();
    one.insert_directory("c/empty").unwrap();
    one.insert_directory("").unwrap();
    one.insert_file("a", Digest::of(b"a"), false).unwrap();
    let mut other = VirtualDirectory::empty(&case.store);
    other.insert_file("a", Digest::of(b"a"), false).unwrap();
    other.insert_directory("c/empty").unwrap();
    other.insert_directory("b").unwrap();
    other.insert_link("b/é", "../a").unwrap();
    other.insert_file("b/Z", Digest::of(b"Z"), false).unwrap();
    other.insert_file("b/z", Digest::of(b"z"), true).unwrap();
    other.insert_file("b/z", Digest::of(b"z"), true).unwrap();
    let messages = one.messages().unwrap();
    assert_eq!(messages, other.messages().unwrap());
    assert_eq!(messages.last().unwrap().0, one.digest().unwrap());
    // Whoever reads them as one message finds the same ones in the same order.
    let mut directories: Vec<reapi::Directory> =
        messages.iter().map(|(_, bytes)| decode_directory(bytes).unwrap()).collect();
    let tree = reapi::Tree { root: directories.pop(), children: directories };
    assert_eq!(decode_tree(&tree.encode_to_vec()).unwrap().directories, messages);
    let root = tree.root.unwrap();
    let names: Vec<_> = root.directories.iter().map(|directory| directory.name.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(root.files.len(), 1);
    let b = tree.children.iter().find(|directory| directory.files.len() == 2).unwrap();
    assert_eq!([&b.files[0].name, &b.files[1].name], ["Z", "z"]);
    assert!(b.files[1].is_executable && !b.files[0].is_executable);
    assert_eq!(b.symlinks[0].target, "../a");
}

#[test]
fn each_message_comes_once_and_what_the_store_has_does_not_come() {
    let case = Case::new();
    let mut directory = VirtualDirectory::empty(&case.store);
    assert_eq!(directory.messages().unwrap(), [(Digest::EMPTY, Vec::new())]);
    for name in ["one", "two", "three"] {
        directory.insert_file(&format!("{name}/same/file"), Digest::of(b"x"), false).unwrap();
        directory.insert_directory(&format!("{name}/none")).unwrap();
    }
    // The empty one, `same`, its folder, and the topmost.
    let messages = directory.messages().unwrap();
    assert_eq!(messages.len(), 4);
    assert!(messages.contains(&(Digest::EMPTY, Vec::new())));
    // The digests are known by now, which changes nothing.
    assert_eq!(directory.messages().unwrap(), messages);
    case.store.add_bytes(b"x").unwrap();
    let mut stored = VirtualDirectory::stored(&case.store, directory.write().unwrap());
    assert_eq!(stored.messages().unwrap(), []);
    assert_eq!(stored.list("one").unwrap().len(), 2);
    assert_eq!(stored.messages().unwrap(), []);
    // What is changed is no longer as it was in the store, and neither is what it is in.
    stored.insert_directory("two/new").unwrap();
    let messages = stored.messages().unwrap();
    let names = |at: usize| {
        let message = decode_directory(&messages[at].1).unwrap();
        message.directories.into_iter().map(|below| below.name).collect::<Vec<_>>()
    };
    assert_eq!(messages.len(), 3);
    assert_eq!((names(0), names(1)), (vec![], vec!["new".to_owned(), "none".to_owned(), "same".to_owned()]));
    assert_eq!(names(2), ["one", "three", "two"]);
    assert_eq!(messages[2].0, stored.digest().unwrap());
}

#[test]
fn directories_are_nested_as_deep_as_the_system_allows() {
    let case = Case::new();
    let mut directory = VirtualDirectory::empty(&case.store);
    let deep = "d/".repeat(MAX_DEPTH);
    let file = format!("{deep}file");
    directory.insert_file(&file, Digest::EMPTY, false).unwrap();
    assert!(matches!(directory.entry(&file).unwrap(), Some(EntryKind::File { .. })));
    let deeper = directory.insert_directory(&format!("{deep}d")).unwrap_err();
    assert!(matches!(deeper, VirtualError::Tree(TreeError::TooDeep { .. })), "{deeper}");
    assert_eq!(directory.messages().unwrap().len(), MAX_DEPTH + 1);
}

#[test]
fn what_is_not_shared_is_changed_where_it_is() {
    let case = Case::new();
    let mut directory = case.of(&[("a/b", "b"), ("a/c", "c")]);
    let place =
        |directory: &VirtualDirectory| directory.find("a").unwrap().entries(&case.store, "a").unwrap() as *const _;
    let before = place(&directory);
    directory.insert_file("a/d", Digest::EMPTY, false).unwrap();
    directory.insert_directory("a/e/f").unwrap();
    directory.insert_directory("a").unwrap();
    directory.insert_all("a/e", &case.of(&[("g", "g")])).unwrap();
    directory.remove("a/b").unwrap();
    assert_eq!(place(&directory), before);
    assert_eq!(all(&directory), ["a", "a/c", "a/d", "a/e", "a/e/f", "a/e/g"]);
    // A copy keeps what it has.
    let copy = directory.clone();
    directory.remove("a/c").unwrap();
    assert_ne!(place(&directory), before);
    assert_eq!(place(&copy), before);
}

#[test]
fn copies_are_independent() {
    let case = Case::new();
    let mut one = case.of(&[("a/b", "b"), ("a/c", "c")]);
    let before = one.digest().unwrap();
    let copy = one.clone();
    let mut below = one.descend("a").unwrap();
    one.remove("a/b").unwrap();
    below.insert_bytes("d", b"d", true).unwrap();
    assert_eq!(all(&one), ["a", "a/c"]);
    assert_eq!(all(&below), ["b", "c", "d"]);
    assert_eq!(all(&copy), ["a", "a/b", "a/c"]);
    assert_eq!(copy.digest().unwrap(), before);
    one.remove("a").unwrap();
    assert_eq!(one.digest().unwrap(), Digest::EMPTY);
    one.insert_all("", &copy).unwrap();
    assert_eq!(one.digest().unwrap(), before);
    one.remove("").unwrap();
    assert!(all(&one).is_empty());
}

#[test]
fn what_is_there_is_not_replaced_in_silence() {
    let case = Case::new();
    let mut one = case.of(&[("a/b", "b"), ("x", "x"), ("y/z", "z")]);
    let before = one.digest().unwrap();
    let conflict = |answer: Result<(), VirtualError>, paths: &[&str]| {
        assert!(matches!(&answer, Err(VirtualError::Conflict { paths: found }) if found == paths), "{answer:?}");
    };
    conflict(one.insert_bytes("a/b", b"other", false), &["a/b"]);
    conflict(one.insert_bytes("a/b", b"b", true), &["a/b"]);
    conflict(one.insert_link("a", "x"), &["a"]);
    conflict(one.insert_file("", Digest::EMPTY, false), &[""]);
    let twice = one.insert_bytes("a/b", b"other", false).unwrap_err();
    assert_eq!(twice.to_string(), "`a/b` cannot be two things in one directory");
    for target in ["", "a\0b"] {
        assert!(matches!(one.insert_link("l", target), Err(VirtualError::Tree(TreeError::BadTarget { .. }))));
    }
    one.insert_bytes("a/b", b"b", false).unwrap();
    assert!(matches!(one.insert_bytes("x/y", b"", false), Err(VirtualError::Unfit { path, .. }) if path == "x"));
    let mut other = case.of(&[("a/b", "other"), ("a/new", "new"), ("x/y", "y"), ("y/z", "z")]);
    conflict(one.insert_all("", &other), &["a/b", "x"]);
    assert_eq!(one.digest().unwrap(), before);
    assert_eq!(all(&one), ["a", "a/b", "x", "y", "y/z"]);
    other.remove("a/b").unwrap();
    other.remove("x").unwrap();
    one.insert_all("", &other).unwrap();
    one.insert_all("deep/down", &other).unwrap();
    let whole =
        ["a", "a/b", "a/new", "deep", "deep/down", "deep/down/a", "deep/down/a/new", "deep/down/y", "deep/down/y/z"];
    assert_eq!(all(&one)[..9], whole);
    for wrong in ["/", "/a", "a/", "../a", "a//b", ".", "a/../b", "a/./b", "a\0"] {
        assert!(matches!(one.insert_bytes(wrong, b"", false), Err(VirtualError::Tree(_))), "{wrong}");
        assert!(one.read(wrong).is_err() && one.entry(wrong).is_err() && one.descend(wrong).is_err());
    }
    assert!(matches!(one.remove("nothing/there"), Err(VirtualError::NotFound { .. })));
    assert!(matches!(one.read("nothing"), Err(VirtualError::NotFound { .. })));
    assert!(matches!(one.read("a"), Err(VirtualError::Unfit { .. })));
    assert!(matches!(one.list("x"), Err(VirtualError::Unfit { .. })));
}

#[test]
fn a_filter_leaves_no_empty_directories_that_were_not_there() {
    let case = Case::new();
    let mut directory = case.of(&[("a/b.c", ""), ("a/b.h", ""), ("a/sub/x.c", ""), ("b/y.c", "")]);
    directory.insert_directory("empty").unwrap();
    let headers = directory.filter(&mut |path, _| path.ends_with(".h") || path == "empty").unwrap();
    assert_eq!(all(&headers), ["a", "a/b.h", "empty"]);
    assert_eq!(all(&directory).len(), 8);
    assert_eq!(directory.filter(&mut |_, _| false).unwrap().digest().unwrap(), Digest::EMPTY);
    let same = directory.filter(&mut |_, _| true).unwrap();
    assert_eq!(same.digest().unwrap(), directory.digest().unwrap());
}

#[test]
fn no_directory_enters_the_store_before_its_files() {
    let case = Case::new();
    let mut directory = VirtualDirectory::empty(&case.store);
    let lacking = Digest::of(b"elsewhere");
    directory.insert_file("a/b", lacking, false).unwrap();
    let digest = directory.digest().unwrap();
    let refused = directory.write().unwrap_err();
    assert!(
        matches!(&refused, VirtualError::Missing { digest, path } if *digest == lacking && path == "a/b"),
        "{refused}"
    );
    assert!(matches!(directory.read("a/b"), Err(VirtualError::Missing { .. })));
    assert!(!case.store.contains(&digest).unwrap());
    case.store.add_bytes(b"elsewhere").unwrap();
    assert_eq!(directory.write().unwrap(), digest);
    let gone = VirtualDirectory::stored(&case.store, Digest::of(b"no directory"));
    assert!(matches!(gone.list(""), Err(VirtualError::Walk(_))));
    assert!(matches!(directory.insert_all("c/d", &gone), Err(VirtualError::Walk(_))));
    assert_eq!(directory.digest().unwrap(), digest);
}

#[test]
fn a_view_from_before_the_real_path_was_handed_out_is_refused() {
    let case = Case::new();
    let folder = case.folder.path().join("staged");
    let staging = Staging::new(&case.store, &folder, case.of(&[("in/file", "old")]));
    let before = staging.view().unwrap();
    let below = before.descend("in").unwrap();
    assert_eq!(before.read("in/file").unwrap(), b"old");
    // Views cost nothing until then, and no directory is made for them.
    assert!(staging.view().unwrap().is_current() && before.is_current() && !folder.exists());
    // What a cache that is never told would go on to hand out.
    let cached = before.snapshot().unwrap();

    let real = staging.real_path().unwrap();
    fs::write(real.join("in/file"), "new").unwrap();
    fs::write(real.join("in/more"), "more").unwrap();

    // This is the stale read: the file on the disk says something else.
    assert_eq!(cached.read("in/file").unwrap(), b"old");
    assert_eq!(cached.entry("in/more").unwrap(), None);
    // The views do not let it happen.
    for view in [&before, &below] {
        assert!(matches!(view.read("file"), Err(VirtualError::Stale { .. })));
        assert!(matches!(view.list(""), Err(VirtualError::Stale { .. })));
        assert!(matches!(view.digest(), Err(VirtualError::Stale { .. })));
        assert!(matches!(view.entry("in/more"), Err(VirtualError::Stale { .. })));
        assert!(matches!(view.descend("in"), Err(VirtualError::Stale { .. })));
        assert!(matches!(view.snapshot(), Err(VirtualError::Stale { .. })));
    }
    let after = staging.view().unwrap();
    assert_eq!(after.read("in/file").unwrap(), b"new");
    assert_eq!(after.read("in/more").unwrap(), b"more");

    // The path is still out there: the next view is captured too, without anybody asking for the path again.
    fs::write(real.join("in/file"), "newer").unwrap();
    let last = staging.view().unwrap();
    assert_eq!(last.read("in/file").unwrap(), b"newer");
    assert!(matches!(after.read("in/file"), Err(VirtualError::Stale { .. })));
    // One of the same content is the same.
    assert!(staging.view().unwrap().is_current() && last.is_current());
    // Asking for the path makes no other directory, and gives up the last view.
    assert_eq!(staging.real_path().unwrap(), real);
    assert!(!last.is_current());
    assert_eq!(fs::read(real.join("in/file")).unwrap(), b"newer");
}

#[test]
fn changes_make_views_stale_and_end_with_the_real_path() {
    let case = Case::new();
    let folder = case.folder.path().join("staged");
    let staging = Staging::new(&case.store, &folder, VirtualDirectory::empty(&case.store));
    let empty = staging.view().unwrap();
    staging.update(|directory| directory.insert_bytes("a", b"a", false)).unwrap();
    assert!(!empty.is_current());
    let one = staging.view().unwrap();
    assert!(staging.update(|directory| directory.insert_bytes("a", b"b", false)).is_err());
    assert!(one.is_current() && one.read("a").unwrap() == b"a");
    assert!(!staging.is_real());
    let path = staging.real_path().unwrap();
    assert_eq!(fs::read(path.join("a")).unwrap(), b"a");
    assert!(staging.is_real());
    let refused = staging.update(|directory| directory.remove("a"));
    assert!(matches!(refused, Err(VirtualError::Real { .. })));
}
