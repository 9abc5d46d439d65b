//! What observing a process costs: `cargo bench --bench sandbox`.
//!
//! `processor` is the ratio of processor time. Prints medians, observed and bare runs in turn so that both see the same state of the machine. The compilations are
//! those of the C compiler of the machine; the tiny ones are the worst case, since they do little but look for files.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("processes are observed on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use dscript::engine::sandbox::{Exit, Job, Launcher, Method, Rule, RuleKind, Stdin, Worker};

    pub fn main() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = fs::canonicalize(folder.path()).expect("it is there");
        fs::write(root.join("tiny.c"), "#include <stdio.h>\nint main(void) { return puts(\"x\"); }\n")
            .expect("written");
        fs::write(root.join("large.c"), large()).expect("written");
        println!("{:<8} {:<28} {:>10} {:>10} {:>8} {:>10}", "method", "what", "bare", "observed", "ratio", "processor");
        for method in [Method::Notify, Method::Trace] {
            if !method.works() {
                println!("{method:?} does not work on this machine");
                continue;
            }
            let launcher = Launcher::new(env!("CARGO_BIN_EXE_dscript").into(), method);
            let mut worker = Worker::start(&launcher).expect("a worker");
            let tiny = "i=0; while [ $i -lt 40 ]; do gcc -O0 -c tiny.c -o tiny$i.o; i=$((i+1)); done";
            let shell = |script: &str| job(&root, "/bin/sh", &["sh", "-ec", script]);
            for (what, job, jobs, runs) in [
                ("40 tiny compilations", shell(tiny), 1, 7),
                ("one at -O2", shell("gcc -O2 -c large.c -o large.o"), 1, 5),
                ("a job of touch, of 500", job(&root, "/usr/bin/touch", &["touch", "touched"]), 500, 5),
            ] {
                let (mut bare, mut observed, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
                let mut spent = Vec::new();
                for _ in 0..runs {
                    let before = processor(&worker);
                    bare.push(seconds(&mut worker, &Job { observe: false, ..job.clone() }, jobs));
                    let between = processor(&worker);
                    observed.push(seconds(&mut worker, &job, jobs));
                    spent.push((processor(&worker) - between) / (between - before));
                    ratios.push(observed[observed.len() - 1] / bare[bare.len() - 1]);
                }
                let name = format!("{method:?}");
                let (bare, observed) = (median(&mut bare) * 1e3, median(&mut observed) * 1e3);
                println!(
                    "{name:<8} {what:<28} {bare:>7.2} ms {observed:>7.2} ms {:>8.2} {:>10.2}",
                    median(&mut ratios),
                    median(&mut spent)
                );
            }
        }
        let mut times: Vec<f64> = (0..5).map(|_| spawned(&root, 500)).collect();
        println!("\na process of touch without any worker: {:.2} ms", median(&mut times) * 1e3);
    }

    fn job(root: &Path, program: &str, arguments: &[&str]) -> Job {
        Job {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            working_directory: root.into(),
            stdin: Stdin::Null,
            stdout: root.join("stdout"),
            stderr: root.join("stderr"),
            timeout: None,
            grace: Duration::from_secs(1),
            observe: true,
            rules: vec![
                Rule { path: root.into(), kind: RuleKind::ExclusiveDirectory },
                Rule { path: std::env::temp_dir(), kind: RuleKind::Temporary },
            ],
            journal: None,
            lenient: false,
            backup: root.into(),
        }
    }

    /// Seconds of one job, the mean of several.
    fn seconds(worker: &mut Worker, job: &Job, jobs: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..jobs {
            let report = worker.run(job).expect("the worker works");
            assert_eq!((report.exit, report.denied.len()), (Exit::Code(0), 0));
        }
        start.elapsed().as_secs_f64() / f64::from(jobs)
    }

    /// Processor time of a worker and all that it has run, in ticks. On a busy machine it says more than the wall.
    fn processor(worker: &Worker) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", worker.pid())).expect("the worker lives");
        let (_, fields) = text.rsplit_once(')').expect("the name is in brackets");
        fields.split_ascii_whitespace().skip(11).take(4).map(|field| field.parse::<f64>().expect("a number")).sum()
    }

    fn spawned(root: &Path, jobs: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..jobs {
            let status = Command::new("/usr/bin/touch").arg("touched").current_dir(root).status();
            assert!(status.expect("it starts").success());
        }
        start.elapsed().as_secs_f64() / f64::from(jobs)
    }

    /// A file that keeps an optimiser busy for a while.
    fn large() -> String {
        let mut text =
            String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <math.h>\n");
        for number in 0..400 {
            writeln!(
                text,
                "int f{number}(int *a, int n) {{ int s = {number}; for (int i = 0; i < n; i++) {{ if (a[i] % \
                 {} == 0) s += a[i] * i; else s ^= a[i] >> (i % 7); }} if (s > {number}) printf(\"%d\", s); \
                 return s + (int)sqrt((double)s); }}",
                number % 9 + 2
            )
            .expect("writing to a string works");
        }
        text
    }

    fn median(times: &mut [f64]) -> f64 {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }
}
