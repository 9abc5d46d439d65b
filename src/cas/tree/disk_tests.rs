//! From the disk into a store and back.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use prost::Message as _;

use super::*;
use crate::cas::api::reapi;
use crate::cas::virtual_directory::VirtualDirectory;
use crate::cas::{Digest, Keep, Store};

struct Case {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("store")).unwrap());
        fs::create_dir(folder.path().join("from")).unwrap();
        Self { folder, store }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str, executable: bool) {
        let path = self.at("from").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(if executable { 0o755 } else { 0o644 })).unwrap();
    }

    fn filled() -> Self {
        let case = Self::new();
        case.write("a", "same", false);
        case.write("b/a", "same", true);
        case.write("b/c/d", "other", false);
        case.write("b/none", "", false);
        case.write("b/run", "", true);
        fs::create_dir_all(case.at("from/empty/inside")).unwrap();
        symlink("../a", case.at("from/b/link")).unwrap();
        symlink("/nowhere", case.at("from/out")).unwrap();
        case
    }

    fn capture(&self, keep: Keep) -> Captured {
        capture(&self.store, &self.at("from"), keep).unwrap()
    }
}

// What a directory looks like: paths with what is there.
fn look(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let said = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                open.push(path.clone());
                "directory".to_owned()
            } else {
                let executable = if metadata.mode() & 0o111 != 0 { "executable " } else { "" };
                format!("{executable}{:?}", fs::read_to_string(&path).unwrap())
            };
            all.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(), said);
        }
    }
    all
}

#[test]
fn what_is_captured_comes_out_again() {
    let case = Case::filled();
    let before = look(&case.at("from"));
    let captured = case.capture(Keep::Copy);
    assert_eq!((captured.files, captured.directories, captured.bytes), (5, 5, 13));
    for (name, writable) in [("to", false), ("copy", true)] {
        let to = case.at(name);
        let done = checkout(&case.store, &captured.root, &to, writable).unwrap();
        assert_eq!((done.files, done.directories, done.bytes), (5, 5, 13));
        assert_eq!(look(&to), before);
        for file in ["a", "b/a", "b/none", "b/run"] {
            let mode = fs::metadata(to.join(file)).unwrap().mode();
            assert_eq!(mode & 0o222 != 0, writable, "{file} {mode:o}");
        }
        let shared = fs::metadata(case.store.path_of(&Digest::of(b"other")).unwrap()).unwrap().ino();
        assert_eq!(fs::metadata(to.join("b/c/d")).unwrap().ino() == shared, !writable);
        // The copy has the same digest.
        assert_eq!(capture(&case.store, &to, Keep::Copy).unwrap().root, captured.root);
    }
    fs::create_dir(case.at("there")).unwrap();
    checkout(&case.store, &captured.root, &case.at("there"), false).unwrap();
    assert_eq!(look(&case.at("there")), before);
    assert_eq!(case.capture(Keep::Link).root, captured.root);
    assert_eq!(look(&case.at("from")), before);
    assert_eq!(fs::metadata(case.at("from/a")).unwrap().mode() & 0o222, 0);
}

#[test]
fn a_captured_tree_is_the_one_that_is_put_together() {
    let case = Case::filled();
    let mut built = VirtualDirectory::empty(&case.store);
    built.insert_file("a", Digest::of(b"same"), false).unwrap();
    built.insert_file("b/a", Digest::of(b"same"), true).unwrap();
    built.insert_file("b/c/d", Digest::of(b"other"), false).unwrap();
    built.insert_file("b/none", Digest::EMPTY, false).unwrap();
    built.insert_file("b/run", Digest::EMPTY, true).unwrap();
    built.insert_directory("empty/inside").unwrap();
    built.insert_link("b/link", "../a").unwrap();
    built.insert_link("out", "/nowhere").unwrap();
    let root = case.capture(Keep::Copy).root;
    assert_eq!(root, built.digest().unwrap());
    let messages = built.messages().unwrap();
    for (digest, bytes) in &messages {
        assert!(*digest == Digest::EMPTY || case.store.read(digest).unwrap() == *bytes);
    }
    let mut reachable = Reachable::new(&case.store);
    assert_eq!(reachable.add_tree(&root).unwrap(), []);
    // Directories, of which the empty one is also the empty file, and two contents.
    assert_eq!(reachable.digests().count(), messages.len() + 2);
    assert!(messages.iter().all(|(digest, _)| reachable.contains(digest)));

    let mut told = Vec::new();
    list(&case.store, &root, &mut |entry| told.push(entry.path)).unwrap();
    assert_eq!(told, ["a", "b", "b/a", "b/c", "b/c/d", "b/link", "b/none", "b/run", "empty", "empty/inside", "out"]);
}

#[test]
fn what_has_no_content_is_named() {
    let case = Case::new();
    case.write("b/file", "x", false);
    let _socket = UnixListener::bind(case.at("from/b/socket")).unwrap();
    let refused = capture(&case.store, &case.at("from"), Keep::Copy).unwrap_err();
    assert!(matches!(&refused, CaptureError::Special { path } if path.ends_with("b/socket")), "{refused}");
    fs::remove_file(case.at("from/b/socket")).unwrap();
    nix::unistd::mkfifo(&case.at("from/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let refused = capture(&case.store, &case.at("from"), Keep::Link).unwrap_err();
    assert!(matches!(&refused, CaptureError::Special { path } if path.ends_with("pipe")), "{refused}");
    fs::remove_file(case.at("from/pipe")).unwrap();

    use std::os::unix::ffi::OsStrExt as _;
    let odd = case.at("from").join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::write(&odd, "x").unwrap();
    let refused = capture(&case.store, &case.at("from"), Keep::Copy).unwrap_err();
    assert!(matches!(&refused, CaptureError::NotUnicode { path } if *path == odd), "{refused}");
    fs::remove_file(odd).unwrap();

    let refused = capture(&case.store, case.folder.path(), Keep::Copy).unwrap_err();
    assert!(matches!(&refused, CaptureError::HoldsStore { path } if path.ends_with("store")), "{refused}");
    assert!(matches!(capture(&case.store, &case.at("no"), Keep::Copy), Err(CaptureError::Io { .. })));
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(case.at("from/b/file"), Permissions::from_mode(0o000)).unwrap();
        let refused = capture(&case.store, &case.at("from"), Keep::Copy).unwrap_err();
        assert!(matches!(&refused, CaptureError::Io { path, .. } if path.ends_with("b/file")), "{refused}");
    }
}

#[test]
fn a_file_that_is_written_to_meanwhile_is_no_success() {
    let case = Case::new();
    case.write("growing", &"x".repeat(400_000), false);
    let path = case.at("from/growing");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let changed = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::io::Write::write_all(&mut file, b"y").unwrap();
            }
        });
        // The writer may be asleep during any of them.
        let mut tries = (0..2000).map(|_| capture(&case.store, &case.at("from"), Keep::Copy));
        let changed = tries.find_map(Result::err);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        changed
    });
    let error = changed.unwrap();
    assert!(matches!(&error, CaptureError::Changed { path } if path.ends_with("growing")), "{error}");
    assert!(case.capture(Keep::Copy).bytes > 400_000);
}

#[test]
fn nothing_is_replaced_and_what_is_lacking_is_named() {
    let case = Case::filled();
    let root = case.capture(Keep::Copy).root;
    let to = case.at("to");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("mine"), "mine").unwrap();
    let refused = checkout(&case.store, &root, &to, false).unwrap_err();
    assert!(matches!(refused, CheckoutError::Occupied { .. }), "{refused}");
    assert_eq!(look(&to).len(), 1);
    symlink(case.at("from/empty/inside"), case.at("link")).unwrap();
    for there in ["to/mine", "link"] {
        assert!(matches!(checkout(&case.store, &root, &case.at(there), false), Err(CheckoutError::Occupied { .. })));
    }
    assert_eq!(fs::read_dir(case.at("from/empty/inside")).unwrap().count(), 0);

    fs::remove_file(case.store.path_of(&Digest::of(b"other")).unwrap()).unwrap();
    let refused = checkout(&case.store, &root, &case.at("new"), false).unwrap_err();
    let named = matches!(&refused, CheckoutError::Missing { digest, path } if path == "b/c/d" && *digest == Digest::of(b"other"));
    assert!(named, "{refused}");
    assert!(!case.at("new").exists());
    let mut directory = reapi::Directory::default();
    directory.files.push(reapi::FileNode {
        name: "d".to_owned(),
        digest: Some(Digest::of(b"other").into()),
        ..Default::default()
    });
    let lost = Digest::of(&directory.encode_to_vec());
    fs::remove_file(case.store.path_of(&lost).unwrap()).unwrap();
    let refused = checkout(&case.store, &root, &case.at("new"), false).unwrap_err();
    let named = matches!(&refused, CheckoutError::Walk(WalkError::Missing { digest, path }) if path == "b/c" && *digest == lost);
    assert!(named, "{refused}");
    let mut reachable = Reachable::new(&case.store);
    assert_eq!(reachable.add_tree(&root).unwrap(), [(lost, "b/c".to_owned())]);
    assert!(reachable.contains(&Digest::of(b"same")) && reachable.contains(&lost));
    assert!(!reachable.contains(&Digest::of(b"other")));
}

#[test]
fn trees_that_mean_harm_come_to_nothing() {
    let case = Case::new();
    let put = |directory: &reapi::Directory| case.store.add_bytes(&directory.encode_to_vec()).unwrap();
    let content = case.store.add_bytes(b"x").unwrap();
    let file =
        |name: &str| reapi::FileNode { name: name.to_owned(), digest: Some(content.into()), ..Default::default() };
    for name in ["..", "../escaped", "a/b"] {
        let bad = put(&reapi::Directory { files: vec![file(name)], ..Default::default() });
        let refused = checkout(&case.store, &bad, &case.at("to"), false).unwrap_err();
        assert!(matches!(refused, CheckoutError::Walk(WalkError::NotADirectory { .. })), "{refused}");
    }
    // A link and a directory of one name: what is in the directory would be written where the link leads.
    let below = put(&reapi::Directory { files: vec![file("escaped")], ..Default::default() });
    let both = put(&reapi::Directory {
        directories: vec![reapi::DirectoryNode { name: "d".to_owned(), digest: Some(below.into()) }],
        symlinks: vec![reapi::SymlinkNode { name: "d".to_owned(), target: "..".to_owned(), ..Default::default() }],
        ..Default::default()
    });
    assert!(checkout(&case.store, &both, &case.at("to"), false).is_err());
    assert!(!case.at("escaped").exists() && !case.at("to").exists());

    let node = |name: &str, digest: Digest| reapi::DirectoryNode { name: name.to_owned(), digest: Some(digest.into()) };
    let mut bomb = below;
    for _ in 0..64 {
        let directories = vec![node("a", bomb), node("b", bomb)];
        bomb = put(&reapi::Directory { directories, ..Default::default() });
    }
    let refused = checkout(&case.store, &bomb, &case.at("to"), false).unwrap_err();
    assert!(matches!(refused, CheckoutError::Walk(WalkError::TooLarge { .. })), "{refused}");
    assert!(matches!(list(&case.store, &bomb, &mut |_| ()), Err(WalkError::TooLarge { .. })));
    let mut reachable = Reachable::new(&case.store);
    assert_eq!(reachable.add_tree(&bomb).unwrap(), []);
    assert_eq!(reachable.digests().count(), 66);
    let mut deep = below;
    for _ in 0..=MAX_DEPTH {
        deep = put(&reapi::Directory { directories: vec![node("d", deep)], ..Default::default() });
    }
    let refused = checkout(&case.store, &deep, &case.at("to"), false).unwrap_err();
    assert!(matches!(refused, CheckoutError::Walk(WalkError::TooDeep { .. })), "{refused}");
    assert!(!case.at("to").exists());
}

/// How long it takes beside `cp`: `cargo test --release --lib measured_beside_cp -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr, reason = "a measurement is for reading")]
fn measured_beside_cp() {
    let case = Case::new();
    for folder in 0..5000 {
        for file in 0..10 {
            case.write(
                &format!("{}/{}/{file}.txt", folder / 100, folder % 100),
                &format!("{folder} {file} ").repeat(60),
                false,
            );
        }
    }
    let time = |what: &str, act: &mut dyn FnMut()| {
        let began = std::time::Instant::now();
        act();
        eprintln!("{what}: {:?}", began.elapsed());
    };
    let cp = |option: &str, to: &str| {
        let done = std::process::Command::new("cp").arg(option).arg(case.at("from")).arg(case.at(to)).status().unwrap();
        assert!(done.success());
    };
    let mut root = Digest::EMPTY;
    for round in 0..3 {
        time("cp -r", &mut || cp("-r", &format!("cp{round}")));
        let store = Store::open(&case.at(&format!("store{round}"))).unwrap();
        time("capture", &mut || root = capture(&store, &case.at("from"), Keep::Copy).unwrap().root);
        time("capture again", &mut || assert_eq!(capture(&store, &case.at("from"), Keep::Copy).unwrap().root, root));
        time("cp -rl", &mut || cp("-rl", &format!("cpl{round}")));
        time("checkout", &mut || {
            assert_eq!(checkout(&store, &root, &case.at(&format!("to{round}")), false).unwrap().files, 50_000)
        });
        time("checkout writable", &mut || {
            assert_eq!(checkout(&store, &root, &case.at(&format!("w{round}")), true).unwrap().files, 50_000)
        });
    }
}
