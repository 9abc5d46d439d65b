//! The store, from outside.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

// A store and a folder for files beside it.
fn scene() -> (tempfile::TempDir, Store, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    (folder, store, out)
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

// Writes through every permission, as root can.
fn overwrite(path: &Path, text: &str) {
    let before = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    fs::set_permissions(path, before).unwrap();
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

const PLAIN: Materialize = Materialize { executable: false, writable: false };
const PROGRAM: Materialize = Materialize { executable: true, writable: false };
const WRITABLE: Materialize = Materialize { executable: false, writable: true };

#[test]
fn a_linked_file_shares_its_inode_and_is_read_only() {
    let (_folder, store, out) = scene();
    write(&out.join("a"), "text", 0o664);
    let made = fs::metadata(out.join("a")).unwrap();
    let digest = store.add_file(&out.join("a"), Keep::Link).unwrap();
    assert_eq!(digest, Digest::of(b"text"));
    let stored = store.path_of(&digest).unwrap();
    assert_eq!((inode(&stored), mode(&stored)), (made.ino(), 0o444));
    // The time at which it was made is still known to the millisecond.
    let now = stamp::modified(&fs::metadata(&stored).unwrap());
    assert_eq!(now / 1_000_000, stamp::modified(&made) / 1_000_000);
    assert!(is_stamped(&digest, now));

    store.materialize(&digest, &out.join("b"), PLAIN).unwrap();
    assert_eq!(inode(&out.join("b")), made.ino());
    assert_eq!(store.stats().unwrap(), Stats { blobs: 1, bytes: 4, shared_blobs: 1, shared_bytes: 4 });
    assert!(is_empty(&store.folder().join("tmp")));
}

#[test]
fn an_equal_file_is_replaced_by_a_link() {
    let (_folder, store, out) = scene();
    write(&out.join("a"), "text", 0o644);
    write(&out.join("b"), "text", 0o644);
    let digest = store.add_file(&out.join("a"), Keep::Link).unwrap();
    assert_eq!(store.add_file(&out.join("b"), Keep::Link).unwrap(), digest);
    assert_eq!(inode(&out.join("a")), inode(&out.join("b")));
    // What came out of the store can go in again.
    assert_eq!(store.add_file(&out.join("b"), Keep::Link).unwrap(), digest);
    store.add_file_as(&out.join("b"), &digest, Keep::Link).unwrap();
    assert_eq!(store.stats().unwrap().blobs, 1);
}

#[test]
fn copies_leave_the_file_alone() {
    let (_folder, store, out) = scene();
    write(&out.join("a"), "text", 0o755);
    let before = fs::metadata(out.join("a")).unwrap();
    let digest = store.add_file(&out.join("a"), Keep::Copy).unwrap();
    let after = fs::metadata(out.join("a")).unwrap();
    assert_eq!((before.ctime_nsec(), before.mode()), (after.ctime_nsec(), after.mode()));
    assert_ne!(inode(&store.path_of(&digest).unwrap()), before.ino());
    assert_eq!(mode(&store.path_of(&digest).unwrap()), 0o555);
    store.add_file_as(&out.join("a"), &digest, Keep::Copy).unwrap();
    let wrong = store.add_file_as(&out.join("a"), &Digest::of(b"else"), Keep::Copy);
    assert!(matches!(wrong, Err(StoreError::Changed { .. })), "{wrong:?}");
    let wrong = store.add_file_as(&out.join("a"), &Digest::of(b"longer"), Keep::Link);
    assert!(matches!(wrong, Err(StoreError::Changed { .. })), "{wrong:?}");
    assert!(is_empty(&store.folder().join("tmp")));
}

#[test]
fn a_content_can_have_both_modes() {
    let (_folder, store, out) = scene();
    let digest = store.add_bytes(b"#!/bin/sh\n").unwrap();
    store.materialize(&digest, &out.join("text"), PLAIN).unwrap();
    store.materialize(&digest, &out.join("program"), PROGRAM).unwrap();
    store.materialize(&digest, &out.join("again"), PROGRAM).unwrap();
    assert_eq!((mode(&out.join("text")), mode(&out.join("program"))), (0o444, 0o555));
    assert_eq!(inode(&out.join("program")), inode(&out.join("again")));
    assert_ne!(inode(&out.join("program")), inode(&out.join("text")));
    // The other way round: a program comes first.
    write(&out.join("first"), "program", 0o755);
    let digest = store.add_file(&out.join("first"), Keep::Link).unwrap();
    store.materialize(&digest, &out.join("second"), PLAIN).unwrap();
    assert_eq!((mode(&out.join("first")), mode(&out.join("second"))), (0o555, 0o444));
    assert_eq!(store.stats().unwrap().blobs, 4);
}

#[test]
fn writable_files_are_copies() {
    let (_folder, store, out) = scene();
    let digest = store.add_bytes(b"text").unwrap();
    store.materialize(&digest, &out.join("a"), WRITABLE).unwrap();
    fs::write(out.join("a"), "changed").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"text");
    assert_eq!(mode(&out.join("a")) & 0o111, 0);
    store.materialize(&digest, &out.join("b"), Materialize { executable: true, writable: true }).unwrap();
    assert_eq!(mode(&out.join("b")) & 0o700, 0o700);
    assert!(is_empty(&store.folder().join("tmp")));
}

#[test]
fn files_and_links_are_replaced_and_folders_are_not() {
    let (_folder, store, out) = scene();
    let digest = store.add_bytes(b"text").unwrap();
    for how in [PLAIN, PROGRAM, WRITABLE] {
        write(&out.join("file"), "old", 0o644);
        fs::write(out.join("kept"), "kept").unwrap();
        std::os::unix::fs::symlink(out.join("kept"), out.join("link")).unwrap();
        fs::create_dir(out.join("folder")).unwrap();
        store.materialize(&digest, &out.join("file"), how).unwrap();
        store.materialize(&digest, &out.join("link"), how).unwrap();
        assert_eq!(fs::read(out.join("file")).unwrap(), b"text");
        assert!(fs::symlink_metadata(out.join("link")).unwrap().is_file());
        assert_eq!(fs::read(out.join("kept")).unwrap(), b"kept");
        let refused = store.materialize(&digest, &out.join("folder"), how);
        assert!(matches!(refused, Err(StoreError::IsDirectory { .. })), "{refused:?}");
        let refused = store.materialize(&digest, &out.join("absent/file"), how);
        assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
        let missing = store.materialize(&Digest::of(b"never"), &out.join("file"), how);
        assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
        assert!(is_empty(&store.folder().join("tmp")));
        assert_eq!(fs::read_dir(&out).unwrap().count(), 4, "nothing else is left");
        fs::remove_dir_all(&out).unwrap();
        fs::create_dir(&out).unwrap();
    }
}

#[test]
fn only_regular_files_are_added() {
    let (_folder, store, out) = scene();
    write(&out.join("file"), "text", 0o644);
    std::os::unix::fs::symlink("file", out.join("link")).unwrap();
    nix::unistd::mkfifo(&out.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(out.join("socket")).unwrap();
    for name in ["link", "pipe", "socket", "."] {
        for how in [Keep::Link, Keep::Copy] {
            let refused = store.add_file(&out.join(name), how);
            assert!(matches!(refused, Err(StoreError::NotAFile { .. })), "{name}: {refused:?}");
        }
    }
    let absent = store.add_file(&out.join("absent"), Keep::Link).unwrap_err();
    assert!(absent.to_string().starts_with("cannot open `"), "{absent}");
}

#[test]
fn a_write_through_a_link_is_noticed_and_is_a_miss() {
    // The same size, another size, and nothing at all.
    for text in ["beta!", "longer than that", ""] {
        let (_folder, store, out) = scene();
        write(&out.join("a"), "alpha", 0o644);
        let digest = store.add_file(&out.join("a"), Keep::Link).unwrap();
        fs::set_permissions(out.join("a"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(out.join("a"), text).unwrap();
        let found = store.materialize(&digest, &out.join("b"), PLAIN).unwrap_err();
        assert!(matches!(found, StoreError::Corrupt { .. }) && found.is_miss(), "{found}");
        let gone = store.materialize(&digest, &out.join("b"), PLAIN).unwrap_err();
        assert!(matches!(gone, StoreError::Missing { .. }), "{gone}");
        assert!(!out.join("b").exists());
        // It can be added again.
        write(&out.join("c"), "alpha", 0o644);
        assert_eq!(store.add_file(&out.join("c"), Keep::Link).unwrap(), digest);
        assert_eq!(store.read(&digest).unwrap(), b"alpha");
        assert_eq!(fs::read(out.join("a")).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_write_in_the_clock_tick_of_the_addition_is_noticed() {
    let (_folder, store, out) = scene();
    for round in 0..300 {
        let path = out.join(round.to_string());
        write(&path, &format!("{round:04}"), 0o644);
        let digest = store.add_file(&path, Keep::Link).unwrap();
        overwrite(&path, "****");
        assert!(!store.contains(&digest).unwrap(), "{round}");
    }
}

#[test]
fn a_file_that_was_only_touched_is_kept() {
    let (_folder, store, out) = scene();
    write(&out.join("a"), "alpha", 0o644);
    let digest = store.add_file(&out.join("a"), Keep::Link).unwrap();
    overwrite(&out.join("a"), "alpha");
    fs::set_permissions(out.join("a"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(store.contains(&digest).unwrap());
    let metadata = fs::metadata(out.join("a")).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o444);
    assert!(is_stamped(&digest, stamp::modified(&metadata)));
}

#[test]
fn an_asked_for_size_that_is_wrong_harms_nothing() {
    let (_folder, store, _out) = scene();
    let digest = store.add_bytes(b"text").unwrap();
    assert!(!store.contains(&Digest { size: 5, ..digest }).unwrap());
    assert!(store.contains(&digest).unwrap());
}

#[test]
fn verification_finds_what_restored_its_time() {
    let (_folder, store, out) = scene();
    let good = store.add_bytes(b"good").unwrap();
    let mut bad = Vec::new();
    for (name, text) in [("a", "alpha"), ("b", "beta!")] {
        write(&out.join(name), text, 0o644);
        let digest = store.add_file(&out.join(name), Keep::Link).unwrap();
        let path = store.path_of(&digest).unwrap();
        let time = stamp::modified(&fs::metadata(&path).unwrap());
        overwrite(&path, "wrong");
        stamp::set_modified(&fs::File::open(&path).unwrap(), time).unwrap();
        assert!(store.contains(&digest).unwrap(), "nothing to see");
        bad.push(path);
    }
    bad.sort();
    let quick = store.verify(false).unwrap();
    assert_eq!(quick, Verified { blobs: 3, bytes: 14, hashed: 0, removed: Vec::new() });
    // A store that verifies sees it at the first use.
    let store = Store::open(store.folder()).unwrap().verifying();
    assert!(!store.contains(&Digest::of(b"beta!")).unwrap());
    bad.retain(|path| path.exists());
    let thorough = store.verify(true).unwrap();
    assert_eq!(thorough, Verified { blobs: 2, bytes: 9, hashed: 2, removed: bad });
    assert!(store.contains(&good).unwrap());
}

#[test]
fn versions_are_respected() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Store::open(folder.path()).unwrap().add_bytes(b"text").unwrap();
    assert!(Store::open(folder.path()).unwrap().contains(&digest).unwrap());
    fs::write(folder.path().join("version"), "2\n").unwrap();
    let newer = Store::open(folder.path()).unwrap_err();
    assert!(newer.to_string().ends_with("has format 2; this program knows formats up to 1"), "{newer}");
    for garbage in [&b"x"[..], b"", b"\xff"] {
        fs::write(folder.path().join("version"), garbage).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::NotAStore { .. })));
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Store::open(&file).unwrap_err();
    assert!(refused.to_string().starts_with("cannot create `"), "{refused}");
}

#[test]
fn unfinished_files_of_the_dead_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let namespace = store.temporary.unused().path().file_name().unwrap().to_str().unwrap().to_owned();
    let namespace = namespace.split('-').next().unwrap();
    let dead = folder.path().join(format!("tmp/{namespace}-{}-7", child.id()));
    let alive = folder.path().join(format!("tmp/{namespace}-{}-7", std::process::id()));
    let elsewhere = folder.path().join(format!("tmp/1-{}-7", child.id()));
    let odd = folder.path().join("tmp/odd");
    for path in [&dead, &alive, &elsewhere, &odd] {
        fs::write(path, "half").unwrap();
    }
    child.wait().unwrap();
    Store::open(folder.path()).unwrap();
    assert!(!dead.exists() && alive.exists() && elsewhere.exists() && odd.exists());
    let tomorrow = SystemTime::now() + Duration::from_secs(2 * 24 * 60 * 60);
    store.temporary.clean(tomorrow).unwrap();
    assert!(is_empty(&folder.path().join("tmp")));
}

#[test]
fn nobody_waits_for_a_server_to_let_go_of_a_store() {
    let (_folder, store, _) = scene();
    let other = Store::open(store.folder()).unwrap();
    let serving = store.hold_to_serve().unwrap();
    let refused = other.hold().unwrap_err();
    assert!(refused.to_string().contains("a server has the store"), "{refused}");
    assert!(matches!(other.hold_alone(), Err(StoreError::InUse { .. })));
    drop(serving);
    // What it has left says nothing any more, whoever comes next.
    drop(other.hold().unwrap());
    let alone = store.hold_alone().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| other.hold().map(drop));
        std::thread::sleep(Duration::from_millis(50));
        drop(alone);
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn what_nobody_wants_is_removed_unless_it_is_young_or_a_build_runs() {
    let (_folder, store, out) = scene();
    let wanted = store.add_bytes(b"wanted").unwrap();
    let other = store.add_bytes(b"other").unwrap();
    store.materialize(&other, &out.join("program"), PROGRAM).unwrap();
    let is_live = |digest: &Digest| *digest == wanted;

    let build = Store::open(store.folder()).unwrap();
    let first = build.hold().unwrap();
    let second = build.try_hold().unwrap();
    drop(first);
    let refused = store.gc(&is_live, Duration::ZERO).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    assert!(store.contains(&other).unwrap());
    drop(second);
    let alone = store.hold_alone().unwrap();
    assert!(matches!(build.try_hold(), Err(StoreError::InUse { .. })));
    drop(alone);

    let kept = store.gc(&is_live, Duration::from_secs(600)).unwrap();
    assert_eq!(kept, Collected { removed: 0, removed_bytes: 0, kept: 3, kept_bytes: 16, young: 2 });
    let swept = store.gc(&is_live, Duration::ZERO).unwrap();
    assert_eq!(swept, Collected { removed: 2, removed_bytes: 10, kept: 1, kept_bytes: 6, young: 0 });
    assert!(store.contains(&wanted).unwrap() && !store.contains(&other).unwrap());
    assert_eq!(fs::read(out.join("program")).unwrap(), b"other");
}

#[test]
fn many_may_add_the_same_contents_at_once() {
    let (_folder, store, out) = scene();
    let stores = [&store, &Store::open(store.folder()).unwrap()];
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (store, out) = (stores[thread % 2], &out);
            scope.spawn(move || {
                for number in 0..60 {
                    let text = format!("content {number}");
                    let path = out.join(format!("{thread}-{number}"));
                    write(&path, &text, if number % 3 == 0 { 0o755 } else { 0o644 });
                    let digest = match thread % 4 {
                        0 => store.add_bytes(text.as_bytes()),
                        1 => store.add_file(&path, Keep::Copy),
                        _ => store.add_file(&path, Keep::Link),
                    };
                    assert_eq!(digest.unwrap(), Digest::of(text.as_bytes()));
                    let how = Materialize { executable: thread % 2 == 0, writable: thread == 5 };
                    let target = out.join(format!("shared-{number}"));
                    store.materialize(&Digest::of(text.as_bytes()), &target, how).unwrap();
                    assert_eq!(fs::read(&target).unwrap(), text.as_bytes());
                }
            });
        }
    });
    let verified = store.verify(true).unwrap();
    assert!(verified.removed.is_empty(), "{verified:?}");
    assert!((60..=120).contains(&verified.blobs), "{verified:?}");
    assert!(is_empty(&store.folder().join("tmp")));
}

#[test]
fn another_file_system_gets_copies() {
    let shared = Path::new("/dev/shm");
    let (folder, store, out) = scene();
    let Ok(elsewhere) = tempfile::tempdir_in(shared) else { return };
    if fs::metadata(shared).unwrap().dev() == fs::metadata(folder.path()).unwrap().dev() {
        return;
    }
    let path = elsewhere.path().join("a");
    write(&path, "text", 0o755);
    let digest = store.add_file(&path, Keep::Link).unwrap();
    assert_eq!((mode(&path), mode(&store.path_of(&digest).unwrap())), (0o555, 0o555));
    for how in [PLAIN, PROGRAM, WRITABLE] {
        store.materialize(&digest, &path, how).unwrap();
        assert_eq!(mode(&path) & 0o100, if how.executable { 0o100 } else { 0 });
        assert_eq!(mode(&path) & 0o200, if how.writable { 0o200 } else { 0 });
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    assert!(is_empty(&store.folder().join("tmp")) && is_empty(&out));
}

#[test]
fn a_folder_or_link_in_the_place_of_a_content_is_no_content() {
    let (_folder, store, out) = scene();
    let digest = Digest::of(b"text");
    let place = store.place(&digest, false);
    fs::create_dir_all(place.join("inner")).unwrap();
    assert!(!store.contains(&digest).unwrap());
    store.add_bytes(b"text").unwrap();
    fs::remove_file(&place).unwrap();
    fs::write(out.join("text"), "text").unwrap();
    std::os::unix::fs::symlink(out.join("text"), &place).unwrap();
    assert!(!store.contains(&digest).unwrap());
    store.add_bytes(b"text").unwrap();
    assert_eq!(store.read(&digest).unwrap(), b"text");
}
