//! A folder to run jobs in, and what reports say about it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dscript::engine::sandbox::{
    Access, Exit, Job, Kind, Launcher, Method, Operation, Report, Rule, RuleKind, Stdin, Worker,
};

/// The methods that work here. At least one must.
pub fn methods() -> Vec<Method> {
    let methods: Vec<_> = [Method::Notify, Method::Trace].into_iter().filter(|method| method.works()).collect();
    assert_eq!(methods.first().copied(), Method::detect());
    assert!(!methods.is_empty(), "no method of observation works on this machine");
    methods
}

pub fn launcher(method: Method) -> Launcher {
    Launcher::new(env!("CARGO_BIN_EXE_dscript").into(), method)
}

pub struct Place {
    folder: tempfile::TempDir,
    root: PathBuf,
    worker: Worker,
}

impl Place {
    /// Runs a test in a fresh place with each method.
    pub fn each(test: impl Fn(&mut Self)) {
        for method in methods() {
            eprintln!("with {method:?}");
            test(&mut Self::new(method));
        }
    }

    pub fn new(method: Method) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        for name in ["work", "backup"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        Self { folder, root, worker: Worker::start(&launcher(method)).unwrap() }
    }

    /// A path below the working directory of jobs.
    pub fn at(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.join("work") } else { self.root.join("work").join(name) }
    }

    /// A path beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// A job that runs a shell script.
    pub fn shell(&self, script: &str, rules: &[(&str, RuleKind)]) -> Job {
        self.program("/bin/sh", &["sh", "-ec", script], rules)
    }

    pub fn program(&self, program: &str, arguments: &[&str], rules: &[(&str, RuleKind)]) -> Job {
        Job {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into()), ("LC_ALL".into(), "C".into())],
            working_directory: self.at(""),
            stdin: Stdin::Null,
            stdout: self.root.join("stdout"),
            stderr: self.root.join("stderr"),
            timeout: Some(Duration::from_secs(60)),
            grace: Duration::from_secs(5),
            observe: true,
            rules: rules.iter().map(|(name, kind)| Rule { path: self.at(name), kind: *kind }).collect(),
            journal: Some(self.root.join("journal")),
            lenient: false,
            backup: self.root.join("backup"),
        }
    }

    pub fn run(&mut self, job: &Job) -> Report {
        self.worker.run(job).unwrap()
    }

    /// Runs a job that ends well.
    pub fn works(&mut self, job: &Job) -> Report {
        let report = self.run(job);
        assert_eq!(report.exit, Exit::Code(0), "{}\n{report:?}", self.stderr());
        assert_eq!(report.incomplete, None);
        report
    }

    pub fn sh(&mut self, script: &str, rules: &[(&str, RuleKind)]) -> Report {
        let job = self.shell(script, rules);
        self.works(&job)
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(self.root.join("stdout")).unwrap()
    }

    pub fn stderr(&self) -> String {
        fs::read_to_string(self.root.join("stderr")).unwrap_or_default()
    }

    /// The accesses below the working directory, each as a line of words.
    pub fn told(&self, report: &Report) -> BTreeMap<String, String> {
        let base = self.at("");
        let name = |path: &Path| path.strip_prefix(&base).ok().map(|name| name.display().to_string());
        report.accesses.iter().filter_map(|access| Some((name(&access.path)?, words(access)))).collect()
    }

    /// What is told of one path.
    pub fn of(&self, report: &Report, name: &str) -> String {
        self.told(report).get(name).cloned().unwrap_or_default()
    }

    pub fn denied(&self, report: &Report) -> Vec<(String, Operation)> {
        let base = self.root.clone();
        let name = |path: &Path| path.strip_prefix(base.join("work")).unwrap_or(path).display().to_string();
        report.denied.iter().map(|denied| (name(&denied.path), denied.operation)).collect()
    }

    pub fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root.join("journal")).unwrap_or_default();
        let base = format!("{}/", self.at("").display());
        text.split_terminator('\0').map(|line| line.strip_prefix(&base).unwrap_or(line).to_owned()).collect()
    }

    /// Compiles a C program to a file in the working directory. Says so and gives false where there is no compiler.
    pub fn compile(&self, name: &str, source: &str, flags: &[&str]) -> bool {
        let file = self.folder.path().join(format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let done = Command::new("gcc").args(flags).arg(&file).arg("-o").arg(self.at(name)).status();
        match done {
            Ok(status) => {
                assert!(status.success(), "{name}");
                true
            }
            Err(_) => {
                eprintln!("skipped: there is no gcc");
                false
            }
        }
    }
}

fn words(access: &Access) -> String {
    let reads = access.reads;
    let mut words: Vec<String> = [
        (reads.content, "content"),
        (reads.file, "file"),
        (reads.directory, "directory"),
        (reads.absent, "absent"),
        (reads.link, "link"),
        (reads.listing, "listing"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, word)| word.to_owned())
    .collect();
    if access.written {
        let word = |kind| match kind {
            None => "none",
            Some(Kind::File) => "file",
            Some(Kind::Directory) => "directory",
            Some(Kind::Symlink) => "link",
            Some(Kind::Other) => "other",
        };
        words.push(format!("{}->{}", word(access.before), word(access.after)));
    }
    words.join(" ")
}

/// Whether there is a process of this number that has not ended.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| !text[text.rfind(')').unwrap()..].starts_with(") Z"))
}

/// Waits until something holds; after ten seconds it does not.
pub fn eventually(holds: impl Fn() -> bool) -> bool {
    (0..1000).any(|_| {
        let held = holds();
        if !held {
            std::thread::sleep(Duration::from_millis(10));
        }
        held
    })
}
