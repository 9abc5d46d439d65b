//! What is told of reads.

use std::fs;
use std::os::unix::fs::symlink;

use dscript::engine::sandbox::{RuleKind, Stdin};

use crate::place::Place;

#[test]
fn contents_probes_and_absences() {
    Place::each(|place| {
        place.write("read", "x");
        place.write("probed", "x");
        fs::create_dir(place.at("folder")).unwrap();
        let report =
            place.sh("read x <read || :; test -e probed; test -d folder; test ! -e none/deep; [ ! -e no ]", &[]);
        assert_eq!(place.of(&report, "read"), "content");
        assert_eq!(place.of(&report, "probed"), "file");
        assert_eq!(place.of(&report, "folder"), "directory");
        assert_eq!(place.of(&report, "none/deep"), "absent");
        assert_eq!(place.of(&report, "no"), "absent");
        assert_eq!(place.denied(&report), []);
    });
}

#[test]
fn links_are_told_and_so_is_what_they_lead_to() {
    Place::each(|place| {
        place.write("real/file", "x");
        symlink("real", place.at("short")).unwrap();
        symlink("file", place.at("real/alias")).unwrap();
        symlink("nowhere", place.at("dangling")).unwrap();
        let report = place.sh("cat short/alias; readlink short; test ! -e dangling", &[]);
        let told = place.told(&report);
        assert_eq!(told["short"], "link");
        assert_eq!(told["real/alias"], "link");
        assert_eq!(told["real/file"], "content");
        assert_eq!(told["dangling"], "link");
        assert_eq!(told["nowhere"], "absent");
        assert!(!told.contains_key("short/alias"));
    });
}

#[test]
fn listings_are_told() {
    Place::each(|place| {
        place.write("folder/a", "x");
        let report = place.sh("ls folder", &[]);
        assert_eq!(place.of(&report, "folder"), "directory listing");
        assert_eq!(place.of(&report, "folder/a"), "");
    });
}

#[test]
fn programs_and_their_interpreters_are_read() {
    Place::each(|place| {
        place.write("script", "#!/bin/sh\nexec ./other\n");
        place.write("other", "#!./third -x\n");
        place.write("third", "#!/bin/sh\n:\n");
        for name in ["script", "other", "third"] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(place.at(name), mode).unwrap();
        }
        let program = place.at("script");
        let job = place.program(program.to_str().unwrap(), &["script"], &[]);
        let report = place.works(&job);
        for name in ["script", "other", "third"] {
            assert!(place.of(&report, name).contains("content"), "{name}");
        }
        let shell = fs::canonicalize("/bin/sh").unwrap();
        assert!(report.accesses.iter().any(|access| access.path == shell && access.reads.content));
        assert!(report.accesses.iter().any(|access| {
            access.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-"))
                && access.reads.content
        }));
        assert_eq!(report.processes.len(), 1);
        assert_eq!(report.processes[0].program, place.at("other"));
    });
}

#[test]
fn processes_are_told_in_order() {
    Place::each(|place| {
        place.write("a", "x");
        let report = place.sh("cat a; true | cat", &[]);
        let names: Vec<_> =
            report.processes.iter().filter_map(|process| process.program.file_name()?.to_str()).collect();
        assert_eq!(names[0], fs::canonicalize("/bin/sh").unwrap().file_name().unwrap());
        assert!(names[1..].contains(&"cat"), "{names:?}");
        let access = report.accesses.iter().find(|access| access.path == place.at("a")).unwrap();
        assert_eq!(report.processes[access.process as usize].program.file_name().unwrap(), "cat");
    });
}

#[test]
fn what_is_untracked_or_temporary_is_not_told() {
    Place::each(|place| {
        place.write("u/a", "x");
        place.write("t/a", "x");
        place.write("p", "x");
        let rules = [("u", RuleKind::UntrackedScope), ("t", RuleKind::Temporary), ("p", RuleKind::UntrackedPath)];
        let report = place.sh("cat u/a t/a p; echo y >u/b; echo y >t/b; echo y >p; rm u/a t/a; mkdir t/d", &rules);
        let told = place.told(&report);
        assert!(told.keys().all(|name| name.is_empty()), "{told:?}");
    });
}

#[test]
fn streams_and_devices_are_no_files() {
    Place::each(|place| {
        place.write("in", "hello\n");
        let mut job = place.shell(
            "cat; cat /dev/stdin; echo a >/dev/null; echo b >>/dev/stderr; echo c >>/proc/self/fd/1; : </dev/urandom; \
             echo x | cat /dev/fd/0 >/dev/null",
            &[],
        );
        job.stdin = Stdin::Bytes(b"hello\n".to_vec());
        let report = place.works(&job);
        assert_eq!((place.stdout(), place.stderr()), ("hello\nhello\nc\n".to_owned(), "b\n".to_owned()));
        assert_eq!(place.denied(&report), []);
        assert!(report.accesses.iter().all(|access| !access.written), "{:?}", report.accesses);
        let odd = |path: &std::path::Path| path.starts_with("/proc") || path.ends_with("urandom");
        assert!(!report.accesses.iter().any(|access| odd(&access.path)));
        job = place.shell("cat", &[]);
        job.stdin = Stdin::File(place.at("in"));
        place.works(&job);
        assert_eq!(place.stdout(), "hello\n");
    });
}

#[test]
fn without_observation_there_are_only_exits() {
    Place::each(|place| {
        let mut job = place.shell("echo hi; echo x >free; exit 3", &[]);
        job.observe = false;
        let report = place.run(&job);
        assert_eq!(report.exit, dscript::engine::sandbox::Exit::Code(3));
        assert_eq!((report.accesses.len(), report.denied.len(), report.processes.len()), (0, 0, 1));
        assert_eq!(place.read("free"), "x\n");
        assert_eq!(place.stdout(), "hi\n");
    });
}
