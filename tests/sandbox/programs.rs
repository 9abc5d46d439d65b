//! Programs of many kinds: what is seen of them, beside what `strace` sees.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dscript::engine::sandbox::{Exit, Job, Operation, RuleKind};

use crate::place::Place;

const OUT: &[(&str, RuleKind)] = &[("out", RuleKind::ExclusiveDirectory)];

/// Compiles and runs a C program in a place with an output directory.
fn run_c(place: &mut Place, source: &str, flags: &[&str]) -> Option<dscript::engine::sandbox::Report> {
    fs::create_dir_all(place.at("out")).unwrap();
    if !place.compile("program", source, flags) {
        return None;
    }
    let program = place.at("program");
    let job = place.program(program.to_str().unwrap(), &["program"], OUT);
    Some(place.works(&job))
}

#[test]
fn static_programs_threads_and_vfork() {
    let source = r#"
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <pthread.h>
        #include <stdio.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void *work(void *name) { close(open(name, O_CREAT | O_WRONLY, 0644)); return 0; }
        int main(void) {
            pthread_t threads[8];
            static char names[8][20];
            for (int i = 0; i < 8; i++) {
                sprintf(names[i], "out/thread%d", i);
                if (pthread_create(&threads[i], 0, work, names[i])) return 1;
            }
            for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
            pid_t child = vfork();
            if (child == 0) { execl("/bin/cat", "cat", "input", (char *)0); _exit(9); }
            int status;
            waitpid(child, &status, 0);
            return status;
        }"#;
    Place::each(|place| {
        place.write("input", "x");
        for flags in [&["-static", "-pthread"], &["-O1", "-pthread"]] {
            let _ = fs::remove_dir_all(place.at("out"));
            let Some(report) = run_c(place, source, flags) else { return };
            let told = place.told(&report);
            for index in 0..8 {
                assert_eq!(told[&format!("out/thread{index}")], "none->file");
            }
            assert_eq!(told["input"], "content");
            assert_eq!(report.processes.len(), 2, "{:?}", report.processes);
            assert_eq!(report.processes[0].program, place.at("program"));
            assert_eq!(report.processes[1].program.file_name().unwrap(), "cat");
        }
    });
}

#[test]
fn descriptors_folders_and_odd_calls() {
    let source = r#"
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <linux/stat.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <sys/syscall.h>
        #include <sys/un.h>
        #include <unistd.h>
        #define CHECK(what) if (!(what)) { perror(#what); return __LINE__ % 250; }
        int main(void) {
            int folder = open("sub", O_RDONLY | O_DIRECTORY), file, unnamed, other;
            CHECK(folder >= 0);
            CHECK((file = openat(folder, "at", O_RDONLY)) >= 0);
            CHECK(mkdirat(folder, "../out/made", 0755) == 0);
            /* A file without a name gets one. */
            CHECK((unnamed = open("out", O_TMPFILE | O_RDWR, 0644)) >= 0);
            char link[64];
            sprintf(link, "/proc/self/fd/%d", unnamed);
            CHECK(linkat(AT_FDCWD, link, AT_FDCWD, "out/named", AT_SYMLINK_FOLLOW) == 0);
            /* Two names change places. */
            CHECK(syscall(SYS_renameat2, AT_FDCWD, "out/a", AT_FDCWD, "out/b", RENAME_EXCHANGE) == 0);
            /* Working directories of threads and processes. */
            CHECK(fchdir(folder) == 0);
            CHECK((other = open("relative", O_RDONLY)) >= 0);
            CHECK(access("missing", F_OK) == -1 && errno == ENOENT);
            CHECK(chdir("..") == 0);
            /* Sockets have names. */
            struct sockaddr_un address = { .sun_family = AF_UNIX };
            strcpy(address.sun_path, "out/socket");
            int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
            CHECK(bind(socket_, (struct sockaddr *)&address, sizeof address) == 0);
            strcpy(address.sun_path, "forbidden");
            socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
            CHECK(bind(socket_, (struct sockaddr *)&address, sizeof address) == -1 && errno == EPERM);
            /* Bad arguments fail as ever. */
            CHECK(open((char *)8, O_RDONLY) == -1 && errno == EFAULT);
            CHECK(open("", O_RDONLY) == -1 && errno == ENOENT);
            CHECK(openat(999, "x", O_RDONLY) == -1 && errno == EBADF);
            char *longest = malloc(10000);
            memset(longest, 'x', 9999);
            longest[9999] = 0;
            CHECK(open(longest, O_RDONLY) == -1 && errno == ENAMETOOLONG);
            /* What is refused to everyone. */
            CHECK(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, 0) == -1 && errno == EPERM);
            CHECK(syscall(425, 1, 0) == -1 && errno == ENOSYS);
            CHECK(chroot("/") == -1 && errno == EPERM);
            /* No second supervisor. */
            struct { unsigned short count; void *code; } none = { 0, 0 };
            CHECK(syscall(SYS_seccomp, 1, 8, &none) == -1 && errno == EBUSY);
            struct stat status;
            CHECK(fstatat(file, "", &status, AT_EMPTY_PATH) == 0 && status.st_size == 1);
            return 0;
        }"#;
    Place::each(|place| {
        place.write("sub/at", "x");
        place.write("sub/relative", "x");
        place.write("out/a", "a");
        place.write("out/b", "b");
        let Some(report) = run_c(place, source, &["-w"]) else { return };
        let told = place.told(&report);
        for (name, words) in [
            ("sub/at", "content"),
            ("sub/relative", "content"),
            ("sub/missing", "absent"),
            ("out/made", "none->directory"),
            ("out/named", "none->file"),
            ("out/a", "content file->file"),
            ("out/b", "content file->file"),
            ("out/socket", "none->other"),
        ] {
            assert_eq!(told.get(name).map_or("", String::as_str), words, "{name}");
        }
        assert_eq!(place.denied(&report), [("forbidden".to_owned(), Operation::Write)]);
        assert_eq!(place.read("out/a"), "b");
    });
}

#[test]
fn a_process_that_hides_its_memory_is_not_complete() {
    let source = r#"
        #include <fcntl.h>
        #include <sys/prctl.h>
        int main(void) { prctl(PR_SET_DUMPABLE, 0); return open("secret", O_RDONLY) < 0; }"#;
    Place::each(|place| {
        place.write("secret", "x");
        if !place.compile("program", source, &[]) {
            return;
        }
        let program = place.at("program");
        let job = place.program(program.to_str().unwrap(), &["program"], &[]);
        let report = place.run(&job);
        assert_eq!(report.exit, Exit::Code(0));
        // Root reads everything.
        if nix::unistd::geteuid().is_root() {
            assert_eq!((report.incomplete.clone(), place.of(&report, "secret").as_str()), (None, "content"));
        } else {
            assert!(report.incomplete.is_some());
        }
    });
}

/// The files below the working directory or the system's that a job opens, as strace sees them: those that were there,
/// and those that were not.
fn by_strace(place: &Place, job: &Job) -> Option<(BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
    let log = place.beside("strace");
    let done = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-y",
            "-s",
            "4096",
            "-e",
            "trace=open,openat,execve,creat,access,stat,lstat,newfstatat",
            "-o",
        ])
        .arg(&log)
        .arg(&job.program)
        .args(&job.arguments[1..])
        .env_clear()
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&job.working_directory)
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (mut there, mut absent) = (BTreeSet::new(), BTreeSet::new());
    for line in fs::read_to_string(&log).unwrap().lines() {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim_start());
        let Some(name) = call.split('"').nth(1) else { continue };
        let whole = job.working_directory.join(name);
        let opens = ["open", "creat", "execve"].iter().any(|start| call.starts_with(start));
        if call.contains("ENOENT") {
            if let Some(folder) = whole.parent().and_then(|folder| fs::canonicalize(folder).ok())
                && whole.file_name().is_some()
            {
                absent.insert(folder.join(whole.file_name().unwrap()));
            }
        } else if opens && let Ok(real) = fs::canonicalize(&whole) {
            there.insert(real);
        }
    }
    Some((there, absent))
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
        && !path.starts_with("/proc")
        && !path.starts_with("/dev")
}

fn compare(script: &str, prepare: impl Fn(&Place)) {
    Place::each(|place| {
        prepare(place);
        fs::create_dir_all(place.at("out")).unwrap();
        let mut rules = OUT.to_vec();
        rules.push(("tmp", RuleKind::ExclusiveDirectory));
        fs::create_dir_all(place.at("tmp")).unwrap();
        let mut job = place.shell(script, &rules);
        job.environment.push(("TMPDIR".into(), place.at("tmp").into()));
        let Some((there, absent)) = by_strace(place, &job) else {
            eprintln!("skipped: there is no strace");
            return;
        };
        let _ = fs::remove_dir_all(place.at("out"));
        fs::create_dir_all(place.at("out")).unwrap();
        let report = place.works(&job);
        assert!(there.len() > 5, "{there:?}");
        let content: BTreeSet<_> = report
            .accesses
            .iter()
            .filter(|access| access.reads.content || access.written)
            .map(|access| access.path.clone())
            .collect();
        let missed: Vec<_> = there.iter().filter(|path| is_file(path) && !content.contains(*path)).collect();
        assert_eq!(missed, Vec::<&PathBuf>::new());
        // Random names of temporary files differ from run to run.
        let told: BTreeSet<_> = report.accesses.iter().map(|access| access.path.clone()).collect();
        let missed: Vec<_> = absent
            .iter()
            .filter(|path| !told.contains(*path) && !path.starts_with(place.at("tmp")) && !path.exists())
            .collect();
        assert_eq!(missed, Vec::<&PathBuf>::new());
    });
}

#[test]
fn a_compilation_is_seen_as_by_strace() {
    if Command::new("gcc").arg("--version").output().is_err() {
        eprintln!("skipped: there is no gcc");
        return;
    }
    compare("gcc -O1 -Iinclude -c main.c -o out/main.o && gcc out/main.o -o out/main -lm", |place| {
        place.write("main.c", "#include <stdio.h>\n#include \"own.h\"\nint main(void) { return ZERO; }\n");
        place.write("include/own.h", "#define ZERO 0\n");
    });
}

#[test]
fn a_pipeline_is_seen_as_by_strace() {
    compare("cat in | sort | uniq -c >out/sorted; grep -r x in folder | wc -l; cp -r folder out/copy", |place| {
        place.write("in", "b\na\nb\nx\n");
        place.write("folder/deep/x", "x");
    });
}
