//! What is told of writes, and which ones do not happen.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use dscript::engine::sandbox::{Operation, RuleKind};

use crate::place::Place;

const OUT: &[(&str, RuleKind)] = &[("out", RuleKind::ExclusiveDirectory)];
const SHARED: &[(&str, RuleKind)] = &[("out", RuleKind::SharedDirectory { existing: false })];
const OVER: &[(&str, RuleKind)] = &[("out", RuleKind::SharedDirectory { existing: true })];

#[test]
fn outputs_are_written_and_nothing_else() {
    Place::each(|place| {
        place.write("old", "x");
        let rules = [("made", RuleKind::Output)];
        let script = "echo y >made; ! echo y >old; ! echo y >new; ! mkdir folder; ! rm old; ! chmod 600 old; \
                      ! mv old older; ! ln -s x link; ! touch old; ! echo z >>old; ! truncate -s 0 old";
        let job = place.shell(&script.replace("!", "set +e;"), &rules);
        let report = place.run(&job);
        assert_eq!(place.of(&report, "made"), "none->file");
        assert_eq!((place.read("old"), place.read("made")), ("x".to_owned(), "y\n".to_owned()));
        let denied = place.denied(&report);
        for expected in [
            ("folder", Operation::MakeDirectory),
            ("link", Operation::Write),
            ("new", Operation::Write),
            ("old", Operation::Write),
            ("old", Operation::Delete),
            ("old", Operation::Metadata),
        ] {
            assert!(denied.contains(&(expected.0.to_owned(), expected.1)), "{expected:?} in {denied:?}");
        }
        assert!(!place.at("new").exists() && !place.at("folder").exists() && !place.at("older").exists());
        assert!(report.denied.is_sorted_by(|a, b| a.path.as_os_str() <= b.path.as_os_str()));
    });
}

#[test]
fn making_a_folder_that_is_there_is_no_write() {
    Place::each(|place| {
        place.write("folder/x", "x");
        let report = place.sh("mkdir -p folder; ! mkdir folder 2>/dev/null; ! rmdir folder 2>/dev/null", &[]);
        assert_eq!(place.denied(&report), []);
        assert_eq!(place.of(&report, "folder"), "directory");
    });
}

#[test]
fn temporary_files_cancel_out_and_the_last_name_counts() {
    Place::each(|place| {
        fs::create_dir(place.at("out")).unwrap();
        let script = "echo x >out/a; mv out/a out/b; echo y >out/t; rm out/t; cat out/b; mkdir out/d; rmdir out/d; \
                      echo z >out/n; mv out/n out/b";
        let report = place.sh(script, OUT);
        let told = place.told(&report);
        assert_eq!(told["out/b"], "none->file");
        for name in ["out/a", "out/t", "out/d", "out/n"] {
            assert!(told.get(name).is_none_or(|words| words == "absent"), "{name}: {told:?}");
        }
    });
}

#[test]
fn a_renamed_folder_takes_everything_along() {
    Place::each(|place| {
        place.write("out/old/deep/file", "x");
        let report = place.sh("mv out/old out/new; cat out/new/deep/file; echo y >out/new/own", OUT);
        let told = place.told(&report);
        assert_eq!(told["out/old/deep/file"], "content file->none");
        assert_eq!(told["out/old/deep"], "directory directory->none");
        assert_eq!(told["out/new/deep/file"], "none->file");
        assert_eq!(told["out/new"].split(' ').next_back(), Some("none->directory"));
        assert_eq!(told["out/new/own"], "none->file");
    });
}

#[test]
fn what_is_overwritten_deleted_or_only_opened() {
    Place::each(|place| {
        for name in ["over", "gone", "opened", "appended", "own"] {
            place.write(&format!("out/{name}"), "x");
        }
        let report = place.sh("echo y >out/over; rm out/gone; : <>out/opened; echo z >>out/appended", OUT);
        let told = place.told(&report);
        assert_eq!(told["out/over"], "file->file");
        assert!(told["out/gone"].ends_with("file->none"));
        assert_eq!(told["out/opened"], "content");
        assert_eq!(told["out/appended"], "content file->file");
    });
}

#[test]
fn shared_directories_have_a_journal_and_protect_what_was_there() {
    Place::each(|place| {
        place.write("out/old", "x");
        let script = "mkdir out/d; echo a >out/d/f; echo b >out/d/f; rm out/d/f; echo c >out/d/f; ln -s f out/d/l; \
                      ln out/d/f out/d/h; mv out/d/h out/d/r; chmod 600 out/d/f; set +e; echo z >out/old; rm -f out/old; \
                      chmod 600 out/old; true";
        let report = place.sh(script, SHARED);
        assert_eq!(place.journal(), ["out/d", "out/d/f", "out/d/l", "out/d/h", "out/d/r"]);
        assert_eq!(place.read("out/old"), "x");
        let old = |operation| ("out/old".to_owned(), operation);
        assert_eq!(place.denied(&report), [old(Operation::Write), old(Operation::Delete), old(Operation::Metadata)]);
    });
}

#[test]
fn old_contents_are_moved_aside() {
    Place::each(|place| {
        place.write("out/old", "old");
        place.write("out/gone", "gone");
        place.write("same", "before");
        let mut rules = OVER.to_vec();
        rules.push(("same", RuleKind::Rewritable));
        let report = place.sh("echo 1 >out/old; echo 2 >out/old; rm out/gone; echo 3 >>same", &rules);
        for (name, content) in [("out/old", "old"), ("out/gone", "gone"), ("same", "before")] {
            let access = report.accesses.iter().find(|access| access.path == place.at(name)).unwrap();
            assert!(access.written);
            assert_eq!(fs::read_to_string(access.backup.as_ref().unwrap()).unwrap(), content);
        }
        assert_eq!(fs::read_dir(place.beside("backup")).unwrap().count(), 3);
        assert_eq!(place.denied(&report), []);
    });
}

#[test]
fn the_other_names_of_a_file_keep_their_content() {
    Place::each(|place| {
        let mut rules = OVER.to_vec();
        rules.extend([("x", RuleKind::ExclusiveDirectory), ("one", RuleKind::Output), ("t", RuleKind::Temporary)]);
        fs::create_dir(place.at("x")).unwrap();
        let names = ["out/cut", "x/appended", "one", "x/mode", "x/times", "x/moved", "t/tmp"];
        for name in names {
            let store = place.beside(&format!("store-{}", name.replace('/', "-")));
            fs::write(&store, "old").unwrap();
            fs::set_permissions(&store, fs::Permissions::from_mode(0o444)).unwrap();
            fs::create_dir_all(place.at(name).parent().unwrap()).unwrap();
            fs::hard_link(&store, place.at(name)).unwrap();
        }
        let script = "echo a >out/cut; echo b >>x/appended; echo c >one; chmod 755 x/mode; touch -d @1 x/times; \
                      mv x/moved x/renamed; echo d >>x/renamed; echo e >t/tmp; \
                      echo own >x/own; ln x/own x/own2; echo more >>x/own2";
        let report = place.sh(script, &rules);
        assert_eq!(place.denied(&report), []);
        for name in names {
            let store = place.beside(&format!("store-{}", name.replace('/', "-")));
            let metadata = fs::metadata(&store).unwrap();
            assert_eq!(fs::read_to_string(&store).unwrap(), "old", "{name}");
            assert_eq!((metadata.mode() & 0o777, metadata.mtime() > 1), (0o444, true), "{name}");
        }
        assert_eq!(place.read("out/cut"), "a\n");
        assert_eq!(place.read("x/appended"), "oldb\n");
        assert_eq!(place.read("x/renamed"), "oldd\n");
        // The job's own second names stay names of the same file.
        assert_eq!(place.read("x/own"), "own\nmore\n");
        assert_eq!(fs::metadata(place.at("one")).unwrap().mode() & 0o200, 0o200);
        assert!(
            fs::read_dir(place.at("x"))
                .unwrap()
                .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with('.') })
        );
    });
}

#[test]
fn writing_through_a_link_writes_its_target() {
    Place::each(|place| {
        place.write("real", "x");
        fs::create_dir(place.at("out")).unwrap();
        symlink("../real", place.at("out/link")).unwrap();
        symlink("new", place.at("out/dangling")).unwrap();
        let job = place.shell("echo y >out/dangling; echo z >out/link", OUT);
        let report = place.run(&job);
        assert_eq!(place.denied(&report), [("real".to_owned(), Operation::Write)]);
        assert_eq!(place.of(&report, "out/new"), "none->file");
        assert_eq!(place.of(&report, "out/dangling"), "link");
    });
}

#[test]
fn excluded_parts_are_not_written() {
    Place::each(|place| {
        fs::create_dir_all(place.at("out/not")).unwrap();
        let rules = [OUT[0], ("out/not", RuleKind::Excluded), ("out/not/but", RuleKind::Output)];
        let job = place.shell("set +e; echo x >out/not/a; echo x >out/not/but", &rules);
        let report = place.run(&job);
        assert_eq!(place.denied(&report), [("out/not/a".to_owned(), Operation::Write)]);
        assert_eq!(place.of(&report, "out/not/but"), "none->file");
    });
}
