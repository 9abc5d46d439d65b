//! The cache, from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::cas::{Digest, Keep, Store};

fn print(text: &str) -> Fingerprint {
    let mut hasher = Hasher::new("test");
    hasher.text(text);
    hasher.finish()
}

fn open(folder: &Path) -> Entries {
    let (entries, repair) = Entries::open(folder).unwrap();
    assert_eq!(repair, None);
    entries
}

fn texts(sets: Vec<(Digest, Vec<u8>)>) -> Vec<String> {
    sets.into_iter()
        .map(|(digest, bytes)| {
            assert_eq!(Digest::of(&bytes), digest);
            String::from_utf8(bytes).unwrap()
        })
        .collect()
}

fn record(entries: &Entries, weak: &str, set: &str, strong: &str, result: &str) {
    entries.record(print(weak), set.as_bytes(), print(strong), result.as_bytes());
}

#[test]
fn records_are_found_at_once_and_later() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    assert!(entries.path_sets(print("w")).is_empty() && entries.result(print("s1")).is_none());
    record(&entries, "w", "one", "s1", "r1");
    record(&entries, "w", "two", "s2", "r2");
    let expect = |entries: &Entries| {
        assert_eq!(texts(entries.path_sets(print("w"))), ["two", "one"]);
        assert_eq!(entries.result(print("s1")).unwrap(), b"r1");
        assert_eq!(entries.result(print("s2")).unwrap(), b"r2");
        assert!(entries.path_sets(print("other")).is_empty() && entries.result(print("other")).is_none());
    };
    expect(&entries);
    entries.flush().unwrap();
    expect(&entries);
    let stats = entries.stats().unwrap();
    assert_eq!((stats.weak, stats.path_sets, stats.results, stats.bad), (1, 2, 2, 0));
    entries.close().unwrap();

    let entries = open(folder.path());
    expect(&entries);
    // Partly in the file, partly in memory: the most recent first, none twice.
    record(&entries, "w", "one", "s3", "r3");
    record(&entries, "w", "three", "s4", "r4");
    assert_eq!(texts(entries.path_sets(print("w"))), ["three", "one", "two"]);
    entries.remove(print("s3"));
    assert!(entries.result(print("s3")).is_none());
    record(&entries, "w", "one", "s1", "better");
    assert_eq!(texts(entries.path_sets(print("w"))), ["one", "three", "two"]);
    entries.remove(print("s2"));
    drop(entries);
    let entries = open(folder.path());
    assert_eq!(texts(entries.path_sets(print("w"))), ["one", "three", "two"]);
    assert_eq!(entries.result(print("s1")).unwrap(), b"better");
    assert!(entries.result(print("s2")).is_none() && entries.result(print("s3")).is_none());
}

#[test]
fn the_thread_writes_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    record(&entries, "w", "set", "s", "r");
    let start = Instant::now();
    while entries.is_pending() {
        assert!(start.elapsed() < Duration::from_secs(60), "it was never written");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(entries.result(print("s")).unwrap(), b"r");
}

#[test]
fn sixty_four_path_sets_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    for number in 0..200 {
        record(&entries, "w", &number.to_string(), &number.to_string(), "");
        if number == 150 {
            entries.flush().unwrap();
        }
    }
    let expected: Vec<String> = (136..200).rev().map(|number| number.to_string()).collect();
    assert_eq!(texts(entries.path_sets(print("w"))), expected);
    entries.close().unwrap();
    assert_eq!(texts(open(folder.path()).path_sets(print("w"))), expected);
}

#[test]
fn only_one_can_have_the_entries_open() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let refused = Entries::open(folder.path()).unwrap_err();
    assert!(matches!(refused, EntriesError::InUse { .. }), "{refused}");
    first.close().unwrap();
    open(folder.path());
}

#[test]
fn what_is_not_kept_goes_with_all_that_led_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    for (weak, set, strong) in
        [("w1", "a", "1"), ("w1", "a", "2"), ("w1", "b", "3"), ("w2", "b", "4"), ("w3", "c", "5")]
    {
        record(&entries, weak, set, strong, strong);
    }
    let mut seen = Vec::new();
    entries.for_each(&mut |found| seen.push((found.strong, found.weak, found.bytes.to_vec(), found.used))).unwrap();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|(.., used)| *used > 1_700_000_000));
    assert!(
        seen.iter().any(|(strong, weak, bytes, _)| (*strong, *weak, &bytes[..]) == (print("4"), print("w2"), b"4"))
    );
    let retained = entries.retain(&mut |found| matches!(found.bytes, b"2" | b"4")).unwrap();
    assert_eq!(retained, Retained { kept: 2, removed: 3, path_sets_removed: 1 });
    assert_eq!(texts(entries.path_sets(print("w1"))), ["a"]);
    assert_eq!(texts(entries.path_sets(print("w2"))), ["b"]);
    assert!(entries.path_sets(print("w3")).is_empty() && entries.result(print("3")).is_none());
    let stats = entries.stats().unwrap();
    assert_eq!((stats.weak, stats.path_sets, stats.results), (2, 2, 2));
}

#[test]
fn uses_are_noted_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    record(&entries, "w", "set", "old", "r");
    record(&entries, "w", "set", "older", "r");
    entries.set_used(&[print("old"), print("older")], 1000);
    entries.touch(print("old"));
    entries.touch(print("never recorded"));
    entries.close().unwrap();
    let mut used = Vec::new();
    open(folder.path()).for_each(&mut |found| used.push((found.strong, found.used > 1000))).unwrap();
    used.sort();
    let mut expected = vec![(print("old"), true), (print("older"), false)];
    expected.sort();
    assert_eq!(used, expected);
}

#[test]
fn values_that_were_changed_are_absent_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    record(&entries, "w", "the set of paths", "s", "the result of the run");
    record(&entries, "w2", "another set of paths", "s2", "another result");
    entries.close().unwrap();
    let path = folder.path().join("entries.redb");
    let mut bytes = fs::read(&path).unwrap();
    let mut changed = 0;
    for part in [&b"the set of paths"[..], b"the result of the run"] {
        for at in 0..bytes.len() - part.len() {
            if bytes[at..].starts_with(part) {
                bytes[at] ^= 1;
                changed += 1;
            }
        }
    }
    assert!(changed >= 2);
    fs::write(&path, bytes).unwrap();
    // As if the disk had done it, of which nothing is noticed when the file is opened.
    drop(closed::Closed::of(&path));
    let entries = open(folder.path());
    assert!(entries.path_sets(print("w")).is_empty());
    assert!(entries.result(print("s")).is_none());
    assert_eq!(entries.result(print("s2")).unwrap(), b"another result");
    assert_eq!(texts(entries.path_sets(print("w2"))), ["another set of paths"]);
    assert_eq!(entries.stats().unwrap().bad, 2);
    // Recorded again, both are good again.
    record(&entries, "w", "the set of paths", "s", "the result of the run");
    entries.close().unwrap();
    let entries = open(folder.path());
    assert_eq!(texts(entries.path_sets(print("w"))), ["the set of paths"]);
    assert_eq!(entries.result(print("s")).unwrap(), b"the result of the run");
}

#[test]
fn a_file_that_is_no_database_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    for number in 0..500 {
        record(&entries, "w", &number.to_string(), &number.to_string(), &"long ".repeat(200));
    }
    entries.close().unwrap();
    let path = folder.path().join("entries.redb");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    let at = whole.windows(5).position(|part| part == b"long ").unwrap();
    flipped[at] = b'L';
    let damages: [Vec<u8>; 7] = [
        flipped,
        whole[..whole.len() / 2].to_vec(),
        whole[..5000].to_vec(),
        whole[..100].to_vec(),
        b"text".to_vec(),
        vec![0; whole.len()],
        [&vec![0; 4096], &whole[4096..]].concat(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        fs::write(&path, damage).unwrap();
        let (entries, repair) = Entries::open(folder.path()).unwrap();
        let repair = repair.unwrap_or_else(|| panic!("damage {number} was not noticed"));
        assert_eq!(repair.moved_to, folder.path().join(format!("entries.redb.broken-{}", number + 1)));
        assert_eq!(fs::read(&repair.moved_to).unwrap().len(), damage.len());
        assert!(repair.to_string().contains("was damaged ("), "{repair}");
        record(&entries, "w", "set", "s", "r");
        entries.close().unwrap();
        assert_eq!(open(folder.path()).result(print("s")).unwrap(), b"r");
    }
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["entries.closed", "entries.redb", "entries.redb.broken-6", "entries.redb.broken-7"]);
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Entries::open(&file).unwrap_err();
    assert!(error.to_string().starts_with("cannot create `"), "{error}");
    assert!(FileTable::open(&file, folder.path()).is_err());
}

#[test]
fn threads_share_the_entries() {
    let folder = tempfile::tempdir().unwrap();
    let entries = open(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let entries = &entries;
            scope.spawn(move || {
                for number in 0..200 {
                    let name = format!("{thread}-{number}");
                    record(entries, &name, &name, &name, &name);
                    assert_eq!(entries.result(print(&name)).unwrap(), name.as_bytes());
                    assert_eq!(texts(entries.path_sets(print(&name))), [&*name]);
                    if number % 50 == 0 {
                        entries.flush().unwrap();
                    }
                }
            });
        }
    });
    let stats = entries.stats().unwrap();
    assert_eq!((stats.weak, stats.path_sets, stats.results, stats.bad), (800, 800, 800, 0));
}

// A table, and a folder whose files have long been as they are.
fn files(folder: &Path) -> FileTable {
    let (table, repair) = FileTable::open(&folder.join("cache"), folder).unwrap();
    assert_eq!(repair, None);
    table
}

fn settle() {
    std::thread::sleep(Duration::from_millis(60));
}

fn digest(table: &FileTable, path: &str) -> Digest {
    match table.digest_of(Path::new(path)).unwrap() {
        Known::File { digest, .. } => digest,
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn files_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "text").unwrap();
    fs::write(folder.path().join("big"), vec![1; 100_000]).unwrap();
    settle();
    let table = files(folder.path());
    assert_eq!(digest(&table, "a"), Digest::of(b"text"));
    assert_eq!(digest(&table, "big"), Digest::of(&vec![1; 100_000]));
    assert_eq!(digest(&table, folder.path().join("a").to_str().unwrap()), Digest::of(b"text"));
    assert_eq!(table.counts(), LookupCounts { known: 1, hashed: 2, hashed_bytes: 100_004 });
    table.save().unwrap();
    let table = files(folder.path());
    assert_eq!((digest(&table, "a"), table.len()), (Digest::of(b"text"), 2));
    assert_eq!(table.counts(), LookupCounts { known: 1, hashed: 0, hashed_bytes: 0 });
    // Each kind of change is seen.
    fs::write(folder.path().join("a"), "next").unwrap();
    assert_eq!(digest(&table, "a"), Digest::of(b"next"));
    fs::set_permissions(folder.path().join("big"), fs::Permissions::from_mode(0o700)).unwrap();
    digest(&table, "big");
    table.forget(Path::new("big"));
    assert_eq!(table.len(), 1);
    assert_eq!(table.counts().hashed, 2);
}

#[test]
fn what_is_no_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let table = files(folder.path());
    fs::write(folder.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let known = |path: &str| table.digest_of(Path::new(path)).unwrap();
    assert_eq!(known("cache"), Known::Directory);
    assert_eq!(known("link"), Known::Link { target: "nowhere".into() });
    assert_eq!(known("pipe"), Known::Other);
    assert_eq!(known("absent"), Known::Absent);
    assert_eq!(known("file/below"), Known::Absent);
}

#[test]
fn a_change_in_the_same_tick_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let table = files(folder.path());
    let path = folder.path().join("a");
    for round in 0..300 {
        let text = format!("{round:04}");
        // In place, so that only times could tell.
        fs::write(&path, &text).unwrap();
        assert_eq!(digest(&table, "a"), Digest::of(text.as_bytes()));
    }
}

#[test]
fn outputs_that_share_an_inode_with_the_store_are_known_at_once_and_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let table = files(folder.path());
    let store = Store::open(&folder.path().join("store")).unwrap();
    let sign = |name: &str| Signature::of(&fs::metadata(folder.path().join(name)).unwrap());
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), "text").unwrap();
        let content = store.add_file(&folder.path().join(name), Keep::Link).unwrap();
        assert!(table.remember(Path::new(name), &sign(name), &content), "the stamp says enough");
    }
    // The second file has become a link to the first, whose inode changed by that.
    assert_eq!(table.lookup(Path::new("a"), &sign("a")), Some(Digest::of(b"text")));
    digest(&table, "a");
    digest(&table, "b");
    assert_eq!(table.counts().hashed, 0);
    // A write through the link is seen although the store has not looked yet.
    fs::set_permissions(folder.path().join("a"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.path().join("a"), "else").unwrap();
    fs::set_permissions(folder.path().join("a"), fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(digest(&table, "b"), Digest::of(b"else"));
    // Without a stamp, a file that has just been made cannot be recognised.
    fs::write(folder.path().join("c"), "text").unwrap();
    assert!(!table.remember(Path::new("c"), &sign("c"), &Digest::of(b"text")));
}

#[test]
fn damaged_tables_of_files_are_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..50 {
        fs::write(folder.path().join(number.to_string()), number.to_string()).unwrap();
    }
    settle();
    let table = files(folder.path());
    (0..50).for_each(|number| _ = digest(&table, &number.to_string()));
    table.save().unwrap();
    let file = folder.path().join("cache/files.bin");
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[1000] ^= 4;
    let longer = [&whole[..], b"x"].concat();
    for damage in [&whole[..whole.len() - 1], &whole[..40], &whole[..10], b"", &flipped, &longer] {
        fs::write(&file, damage).unwrap();
        let (table, repair) = FileTable::open(&folder.path().join("cache"), folder.path()).unwrap();
        assert!(table.is_empty() && repair.is_some());
        assert!(!file.exists());
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(files(folder.path()).len(), 50);
    let broken = fs::read_dir(folder.path().join("cache")).unwrap().count();
    assert_eq!(broken, 3, "the table and the last two damaged ones");
}

#[test]
fn threads_share_the_table_of_files() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100 {
        fs::write(folder.path().join(number.to_string()), number.to_string()).unwrap();
    }
    settle();
    let table = files(folder.path());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..100 {
                    let text = number.to_string();
                    assert_eq!(digest(&table, &text), Digest::of(text.as_bytes()));
                }
                table.save().unwrap();
            });
        }
    });
    assert_eq!(table.len(), 100);
    table.save().unwrap();
    assert_eq!(files(folder.path()).len(), 100);
}
