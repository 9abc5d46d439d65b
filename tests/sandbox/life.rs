//! How jobs and workers begin and end.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use dscript::engine::sandbox::{Exit, Method, Rule, RuleKind, Worker, WorkerError};

use crate::place::{Place, eventually, launcher, lives, methods};

const OUT: &[(&str, RuleKind)] = &[("", RuleKind::ExclusiveDirectory)];

/// A shell script whose children ignore what asks them to end, and leave their parents twice.
const STUBBORN: &str = "trap '' TERM INT HUP; (setsid sh -c 'trap \"\" TERM; (sleep 1000 & echo $! >>pids; \
                        while :; do sleep 0.01; done) & echo $! >>pids; wait' & echo $! >>pids); \
                        (sleep 1000 & echo $! >>pids) & ";

fn pids(place: &Place) -> Vec<i32> {
    place.read("pids").lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn exit_codes_and_signals() {
    Place::each(|place| {
        let job = place.shell("exit 7", &[]);
        assert_eq!(place.run(&job).exit, Exit::Code(7));
        let job = place.shell("kill -KILL $$", &[]);
        assert_eq!(place.run(&job).exit, Exit::Signal(9));
        let job = place.shell("kill -PIPE $$", &[]);
        assert_eq!(place.run(&job).exit, Exit::Signal(13));
    });
}

#[test]
fn what_cannot_be_started_says_why() {
    Place::each(|place| {
        for observe in [true, false] {
            let mut job = place.program("/no/such/program", &["x"], &[]);
            job.observe = observe;
            assert_eq!(place.run(&job).exit, Exit::NotStarted("No such file or directory".to_owned()));
            let mut job = place.shell("true", &[]);
            job.observe = observe;
            job.working_directory = place.at("none");
            assert_eq!(place.run(&job).exit, Exit::NotStarted("No such file or directory".to_owned()));
            job.working_directory = place.at("");
            job.stdout = place.at("none/stdout");
            assert!(matches!(place.run(&job).exit, Exit::NotStarted(why) if why.contains("none/stdout")));
        }
        place.write("text", "x");
        let job = place.program("./text", &["x"], &[]);
        assert_eq!(place.run(&job).exit, Exit::NotStarted("Permission denied".to_owned()));
        let job = place.shell("true", &[]);
        assert_eq!(place.run(&job).exit, Exit::Code(0));
    });
}

#[test]
fn what_takes_too_long_is_ended() {
    Place::each(|place| {
        for observe in [true, false] {
            let _ = fs::remove_file(place.at("pids"));
            let mut job = place.shell(&format!("{STUBBORN} while :; do sleep 0.02; done"), OUT);
            job.timeout = Some(Duration::from_millis(700));
            job.observe = observe;
            let report = place.run(&job);
            assert_eq!(report.exit, Exit::TimedOut);
            let pids = pids(place);
            assert_eq!(pids.len(), 4);
            assert!(!pids.iter().any(|pid| lives(*pid)));
        }
    });
}

#[test]
fn a_job_can_be_cancelled_from_another_thread() {
    Place::each(|place| {
        let canceller = place.worker().canceller();
        // Nothing runs: this is for nobody, and not for the next one.
        canceller.cancel();
        let job = place.shell(&format!("{STUBBORN} while :; do sleep 0.02; done"), OUT);
        let began = Instant::now();
        let (report, waited) = std::thread::scope(|scope| {
            let file = place.at("pids");
            let waited = scope.spawn(move || {
                let all = || fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 4);
                let held = eventually(all);
                canceller.cancel();
                held
            });
            (place.run(&job), waited.join().unwrap())
        });
        assert!(waited);
        assert_eq!(report.exit, Exit::Cancelled);
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(!pids(place).iter().any(|pid| lives(*pid)));
        // The worker goes on.
        place.sh("true", &[]);
    });
}

#[test]
fn survivors_are_named_and_ended() {
    Place::each(|place| {
        let mut job = place.shell("sleep 1000 & echo $! >pids; (setsid sleep 1000 &) ; exit 4", OUT);
        job.grace = Duration::from_millis(200);
        let report = place.run(&job);
        assert_eq!(report.exit, Exit::Code(4));
        assert_eq!(report.survivors, ["sleep"]);
        assert!(!pids(place).iter().any(|pid| lives(*pid)));
        assert!(report.wall >= Duration::from_millis(200));
        // Those that end in time are none.
        let mut job = place.shell("(sleep 0.3; echo late >late) & exit 0", OUT);
        job.grace = Duration::from_secs(20);
        let report = place.works(&job);
        assert_eq!(report.survivors, Vec::<String>::new());
        assert_eq!(place.of(&report, "late"), "none->file");
    });
}

#[test]
fn a_worker_that_is_killed_is_an_error_and_takes_its_job_along() {
    Place::each(|place| {
        let pid = place.worker().pid();
        let job = place.shell("sleep 1000 & echo $! >pids; while :; do sleep 0.02; done", OUT);
        let error = std::thread::scope(|scope| {
            let file = place.at("pids");
            scope.spawn(move || {
                eventually(|| fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
                nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid.cast_signed()),
                    nix::sys::signal::Signal::SIGKILL,
                )
                .unwrap();
            });
            place.worker().run(&job).unwrap_err()
        });
        assert!(matches!(&error, WorkerError::Died(how) if how.contains("9")), "{error}");
        assert!(eventually(|| !pids(place).iter().any(|pid| lives(*pid))));
        assert!(matches!(place.worker().run(&job), Err(WorkerError::Died(_))));
    });
}

#[test]
fn jobs_leave_no_descriptors() {
    for method in methods() {
        let mut place = Place::new(method);
        let open = |place: &mut Place| fs::read_dir(format!("/proc/{}/fd", place.worker().pid())).unwrap().count();
        let job = place.shell("ls -l /proc/self/fd | cat", &[]);
        place.works(&job);
        // The three streams and what `ls` itself opened.
        assert_eq!(place.stdout().lines().filter(|line| line.contains("->")).count(), 4, "{}", place.stdout());
        let before = open(&mut place);
        for number in 0..100 {
            let mut job = place.shell(&format!("exit {number}"), &[]);
            job.observe = number % 3 != 0;
            assert_eq!(place.run(&job).exit, Exit::Code(number));
        }
        let job = place.program("/no/such/program", &["x"], &[]);
        place.run(&job);
        assert_eq!(open(&mut place), before);
    }
}

#[test]
fn times_and_sizes_are_told() {
    Place::each(|place| {
        let report = place.sh("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.1", &[]);
        assert!(report.user > Duration::from_millis(5), "{:?}", report.user);
        assert!(report.wall >= report.user && report.wall >= Duration::from_millis(100));
        assert!(report.peak_memory > 100_000);
    });
}

#[test]
fn programs_that_are_no_workers_are_refused() {
    let launcher = dscript::engine::sandbox::Launcher::new("/bin/true".into(), methods()[0]);
    assert!(Worker::start(&launcher).unwrap_err().to_string().contains("worker"));
    let none = dscript::engine::sandbox::Launcher::new("/no/such/program".into(), methods()[0]);
    assert!(Worker::start(&none).is_err());
    // And one that is dropped ends.
    let worker = Worker::start(&crate::life::launcher(methods()[0])).unwrap();
    let pid = worker.pid().cast_signed();
    assert!(lives(pid));
    drop(worker);
    assert!(!lives(pid));
}

/// Not a test: the build that the test below kills. It has to be a process of its own.
#[test]
fn a_build_for_another_test() {
    let Some(folder) = std::env::var_os("SANDBOX_TEST_BUILD") else { return };
    let method = if std::env::var_os("SANDBOX_TEST_TRACE").is_some() { Method::Trace } else { Method::Notify };
    let mut place = Place::new(method);
    let mut job = place.shell(&format!("cd {}; {STUBBORN} while :; do sleep 0.02; done", folder.display()), &[]);
    job.rules.push(Rule { path: folder.into(), kind: RuleKind::Temporary });
    place.run(&job);
}

#[test]
fn a_build_that_is_killed_leaves_nothing() {
    for method in methods() {
        let folder = tempfile::tempdir().unwrap();
        let mut build = Command::new(std::env::current_exe().unwrap());
        build.args(["--exact", "life::a_build_for_another_test"]).env("SANDBOX_TEST_BUILD", folder.path());
        if method == Method::Trace {
            build.env("SANDBOX_TEST_TRACE", "1");
        }
        let mut build = build.stdout(std::process::Stdio::null()).spawn().unwrap();
        let file = folder.path().join("pids");
        assert!(eventually(|| fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 4)));
        build.kill().unwrap();
        build.wait().unwrap();
        let pids: Vec<i32> = fs::read_to_string(&file).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert!(eventually(|| !pids.iter().any(|pid| lives(*pid))));
    }
}

/// Not a test: what the test below runs inside a job.
#[test]
fn a_look_from_inside_for_another_test() {
    if std::env::var_os("SANDBOX_TEST_DETECT").is_some() {
        println!("found {:?}", Method::detect());
    }
}

#[test]
fn a_sandbox_in_a_sandbox_does_not_pretend_to_see() {
    Place::each(|place| {
        let program = std::env::current_exe().unwrap();
        let arguments = ["test", "--exact", "life::a_look_from_inside_for_another_test", "--nocapture"];
        let mut job = place.program(program.to_str().unwrap(), &arguments, &[]);
        job.environment.push(("SANDBOX_TEST_DETECT".into(), "1".into()));
        place.works(&job);
        assert!(place.stdout().contains("found None"), "{}", place.stdout());
        job.observe = false;
        place.works(&job);
        assert!(place.stdout().contains(&format!("found {:?}", Method::detect())), "{}", place.stdout());
    });
}
