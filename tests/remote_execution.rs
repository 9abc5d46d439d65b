//! `dscript build --remote-executor`: what a server runs gives what a run here gives.
//!
//! Every story of `tests/cases/build/` is told twice, in two folders: here, and by way of a server in this process
//! (`support/executor.rs`) that really runs actions. What comes out must be the same: violations, exit codes, messages,
//! files. The examples are built with that server, and with one that others wrote (`support/peer.rs`). The rest is about
//! servers that do not keep to the rules.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "tests read their data")]

#[path = "support/executor.rs"]
mod executor;
#[path = "support/peer.rs"]
mod peer;
#[path = "remote/server.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod server;
#[path = "remote/services.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod services;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dscript::cas::remote::RemoteOptions;
use dscript::engine::sandbox::{Launcher, Method};
use dscript::engine::{self, BuildOptions, BuildOutcome, Cancellation, ExecutorOptions, Listener, Outputs, PipResult};
use dscript::graph::PipId;
use dscript::source::system::ProcessEnvironment;
use dscript::workspace::{OpenOptions, Workspace};
use executor::{Executor, Fault};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::Peer;
use regex::Regex;
use serde_json::Value;
use tonic::Code;

/// As in `tests/build.rs`.
const IMPORTS: &str =
    "import * as Shell from \"Sdk.Shell\";\nimport {Artifact, Cmd, Transformer} from \"Sdk.Transformers\";\n";
const MOUNTS: &str = "    mounts: [{ name: a`SourceRoot`, path: p`.`, isReadable: true, isWritable: true }],\n";

fn main() -> ExitCode {
    let mut trials = Vec::new();
    let folder = support::project().join("tests/cases/build");
    for path in support::files_below(&folder, ".txt") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // These have a server of their own, and machines of their own.
        if name.starts_with("remote-") {
            continue;
        }
        let different = DIFFERENT.iter().find(|(known, ..)| *known == name).map(|(_, how, _)| *how);
        trials.push(Trial::test(format!("case {name}"), move || told_twice(&path, different)));
    }
    for example in EXAMPLES {
        trials.push(Trial::test(format!("example {example}"), move || {
            let server = Executor::start();
            example_everywhere(example, &server.url())
        }));
        let name = format!("example {example} with a peer ({})", peer::NEEDS);
        let with_a_peer = move || Peer::start().map_or(Ok(()), |peer| example_everywhere(example, &peer.url));
        trials.push(Trial::test(name, with_a_peer).with_ignored_flag(!peer::is_here()));
    }
    for (name, test) in TESTS {
        trials.push(Trial::test(*name, test));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// How a case may come out differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Different {
    /// What is not declared is not there: the process fails by itself, or finds nothing where it only looks.
    Reads,
    /// What was written and not declared does not come back.
    Writes,
    /// It ends in the same way, and other words are said about it.
    Words,
    /// One runs here and the other one there, and which comes first depends on time.
    Timing,
    /// It is about processes that outlive the one that started them, which only this machine knows of.
    Children,
}

use Different::{Children, Reads, Timing, Words, Writes};

/// Cases that come out differently, how, and why.
const DIFFERENT: &[(&str, Different, &str)] = &[
    ("allowlist", Reads, "the build without the list"),
    ("children-that-end", Children, "servers need not wait for what a process leaves behind"),
    ("exclusive-opaque-undeclared", Reads, ""),
    ("exit-signal", Words, "servers tell a signal by the exit code that shells have for it"),
    ("filter-hides-violation", Reads, ""),
    ("locked", Words, "a process number is said"),
    ("not-started", Words, "the server says why, on standard error"),
    ("probe-after-made", Reads, ""),
    ("probe-before-made", Reads, ""),
    ("probe-strict", Reads, ""),
    ("read-allowed-undeclared-output", Timing, "the rule that is broken says who came first"),
    ("read-ordered-undeclared", Reads, ""),
    ("read-race", Reads, ""),
    ("read-race-absent", Reads, ""),
    ("read-undeclared", Reads, ""),
    ("read-undeclared-typo", Reads, ""),
    ("seal-full", Reads, ""),
    ("seal-partial", Reads, ""),
    ("seal-source-patterns", Reads, ""),
    ("seal-source-top", Reads, ""),
    ("shared-composite", Reads, ""),
    ("shared-filter-exclude", Reads, ""),
    ("shared-filter-include", Reads, ""),
    ("shared-nested-inner", Reads, ""),
    ("shared-nested-outer", Reads, ""),
    ("shared-other-part", Reads, ""),
    ("shared-subdirectory", Reads, ""),
    ("shared-undeclared", Reads, ""),
    ("surviving-children", Children, "servers end what a process leaves behind and say nothing"),
    ("temp-directory-of-another", Writes, ""),
    ("violations-behind-linked-folder", Reads, ""),
    ("temp-output", Writes, "temporary outputs are nobody's business, so they stay where they are"),
    ("timeout-warning", Words, "a time is said"),
    ("warnings", Words, "a time is said"),
    ("write-beside-output", Writes, ""),
    ("write-beside-output-in-seal", Writes, ""),
    ("write-folder", Writes, ""),
    ("write-in-exclusive", Writes, ""),
    ("write-in-source-seal", Writes, ""),
    ("write-input", Writes, ""),
    ("write-input-delete", Writes, ""),
    ("write-input-metadata", Writes, ""),
    ("write-other-output", Writes, ""),
    ("write-source", Writes, ""),
    ("write-undeclared", Writes, ""),
    ("write-undeclared-source-read", Writes, ""),
];

const EXAMPLES: [&str; 5] = ["hello", "monorepo", "codegen", "shared-opaque", "c-program"];

type Test = fn() -> Result<(), Failed>;

const TESTS: &[(&str, Test)] = &[
    ("outputs that do not come back are missing", dropped_outputs),
    ("paths that lead elsewhere are not believed", evil_paths),
    ("nobody writes through a link that a pip made", links_of_others),
    ("what nobody asked for does not come back", outputs_too_many),
    ("an exit code is told as for a run here", exit_codes),
    ("what the server cannot run is run here", statuses),
    ("a server that goes away is not waited for", gone),
    ("a server that is not there is not waited for", nobody_listens),
    ("what the server lost is sent again", forgotten_inputs),
    ("an operation that is lost is begun anew", lost_operations),
    ("a failure that the server remembers is not believed", remembered_failures),
    ("contents that are gone make no result", lost_blobs),
    ("what takes too long is ended", timeouts),
    ("the end of the build is the end of its operations", cancelled),
    ("the end of the build does not wait for contents", interrupted_transfers),
    ("a server that fails is given up for a while", given_up),
    ("a server that hangs is not waited for by every process", hangs),
    ("processes that cannot leave stay, and it is told why", stays),
    ("machines are chosen by what they offer", platforms),
    ("actions do not depend on the folder", same_actions),
    ("what a process needs comes along", what_comes_along),
    ("more runs there than here", more_at_a_time),
    ("results of other machines go to the cache of this one", kept_here),
    ("options that make no sense are refused", options),
];

// ---- stories ----

struct Section<'t> {
    title: &'t str,
    body: &'t str,
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut starts: Vec<usize> = text.match_indices("\n=== ").map(|(at, _)| at + 1).collect();
    if text.starts_with("=== ") {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let section = |(start, end): (&usize, usize)| {
        let (title, body) = text[*start..end].split_once('\n').unwrap_or((&text[*start..end], ""));
        Section { title: title.trim_start_matches("=== ").trim_end(), body }
    };
    starts.iter().zip(ends).map(section).collect()
}

/// A temporary folder that no pip may use by being a folder of the system.
fn place() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))
}

/// Which of two pips that run at once comes first is chance, here and there: where that shows, one more telling decides.
fn told_twice(path: &Path, different: Option<Different>) -> Result<(), Failed> {
    told_here_and_there(path, different).or_else(|_| told_here_and_there(path, different))
}

fn told_here_and_there(path: &Path, different: Option<Different>) -> Result<(), Failed> {
    let server = Executor::start();
    let text = fs::read_to_string(path)?;
    let here = tell(&text, &[])?;
    // One at a time, in the same order: who is second is told about it.
    let there = tell(&text, &["--remote-executor", &server.url(), "--remote-jobs", "1"])?;
    let mut troubles = Vec::new();
    let mut same = true;
    for (here, there) in here.iter().zip(&there) {
        same &= here == there;
        let fits = match different {
            None => here == there,
            // Whoever only looks goes on with the answer that nothing is there.
            Some(Reads) => there.code <= here.code && there.violations.is_subset(&here.violations),
            Some(Writes) => there.code <= here.code && there.violations.is_empty(),
            Some(Words) => {
                (here.code, &here.failed, &here.violations) == (there.code, &there.failed, &there.violations)
            }
            Some(Timing) => there.code == here.code && there.violations.is_empty() == here.violations.is_empty(),
            Some(Children) => true,
        };
        if !fits {
            let (here, there) = (format!("{here:#?}\n"), format!("{there:#?}\n"));
            troubles
                .push(similar::TextDiff::from_lines(&here, &there).unified_diff().header("here", "there").to_string());
        }
    }
    // Two times may be the same by chance, and so may be who came first.
    if different.is_some_and(|how| !matches!(how, Timing | Words)) && same {
        return Err("it comes out the same by now: take it from the list".into());
    }
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n").into()) }
}

/// What came of one build: all that must not depend on where pips run.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    section: usize,
    code: i32,
    failed: String,
    violations: BTreeSet<String>,
    said: Vec<String>,
    files: BTreeMap<String, String>,
}

/// What differs between machines: which program made an access.
static PROGRAMS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("the access was made by `[^`]*`").expect("it is written here"));
static TIMES: LazyLock<Regex> = LazyLock::new(|| Regex::new(" took [0-9.]+ m?s, longer").expect("it is written here"));

fn tell(text: &str, options: &[&str]) -> Result<Vec<Came>, Failed> {
    let place = place()?;
    let folder = place.path().canonicalize()?;
    let write_config =
        |fields: &str| fs::write(folder.join("config.dsc"), format!("config({{\n{MOUNTS}{fields}}});\n"));
    write_config("")?;
    fs::write(folder.join("module.config.dsc"), "module({ name: \"Case\" });\n")?;
    let mut all = Vec::new();
    for (number, section) in sections(text).iter().enumerate() {
        let (verb, rest) = section.title.split_once(' ').unwrap_or((section.title, ""));
        match verb {
            "spec" => fs::write(folder.join("build.dsc"), format!("{IMPORTS}{}", section.body))?,
            "config" => write_config(section.body)?,
            "file" => {
                let file = folder.join(rest);
                fs::create_dir_all(file.parent().ok_or("a file needs a name")?)?;
                fs::write(file, section.body)?;
            }
            "do" => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-euc", section.body]).current_dir(&folder).env("DSCRIPT", support::PROGRAM);
                let output = shell.stdin(Stdio::null()).output()?;
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
                }
            }
            "build" => {
                let mut command = support::program(&folder);
                command.args(["build", "--quiet", "--format", "json"]).args(rest.split_whitespace()).args(options);
                all.push(came(number, &folder, command.output()?)?);
            }
            _ => {}
        }
    }
    Ok(all)
}

fn came(section: usize, folder: &Path, output: Output) -> Result<Came, Failed> {
    let stdout = String::from_utf8(output.stdout)?;
    let summary: Value = if stdout.trim().is_empty() { Value::Null } else { serde_json::from_str(&stdout)? };
    let stderr = String::from_utf8(output.stderr)?.replace(&*folder.to_string_lossy(), "$DIR");
    let stderr = PROGRAMS.replace_all(&stderr, "the access was made by $$PROGRAM");
    let stderr = TIMES.replace_all(&stderr, " took $$TIME, longer");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let violations = summary["violations"].as_array().into_iter().flatten();
    let violations = violations.map(|one| format!("{} {}", text(&one["rule"]), text(&one["path"]))).collect();
    Ok(Came {
        section,
        code: output.status.code().unwrap_or(-1),
        failed: summary["failed"].to_string(),
        violations,
        said: stderr.lines().map(|line| line.trim_end().to_owned()).filter(|line| !is_about_place(line)).collect(),
        files: files(folder)?,
    })
}

/// Lines that only one of the two has.
fn is_about_place(line: &str) -> bool {
    line.contains("it ran on another machine")
        || line.contains("other files are not there")
        || line.contains("the access was made by $PROGRAM")
}

/// Everything in a folder but the build's own, by content.
fn files(folder: &Path) -> Result<BTreeMap<String, String>, Failed> {
    let mut found = BTreeMap::new();
    for path in support::files_below(folder, "") {
        let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
        if name.contains(".dscript/") || name.ends_with("entries.closed") || name.starts_with("Out/Temp/") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path)?;
        // Caches of the stories know of times.
        if metadata.is_file() && (path.extension().is_some_and(|it| it == "redb") || fs::read(&path)?.contains(&0)) {
            continue;
        }
        let content = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&path)?.display())
        } else if metadata.is_file() {
            let mode = metadata.permissions().mode() & 0o111;
            format!("{mode:o} {}", String::from_utf8_lossy(&fs::read(&path)?))
        } else {
            "other".to_owned()
        };
        found.insert(name, content);
    }
    Ok(found)
}

// ---- examples ----

/// Builds an example here, with a server, and in another folder, where everything must be there already.
fn example_everywhere(example: &str, url: &str) -> Result<(), Failed> {
    if example == "c-program" && !(Path::new("/usr/bin/cc").exists() && Path::new("/usr/bin/ar").exists()) {
        return Ok(());
    }
    let place = place()?;
    let source = support::project().join("examples").join(example);
    type Given = (Value, BTreeMap<String, String>, Vec<Value>);
    let build = |name: &str, options: &[&str]| -> Result<Given, Failed> {
        let folder = place.path().join(name);
        support::copy_folder(&source, &folder)?;
        for left in ["Out", ".dscript"] {
            if folder.join(left).exists() {
                fs::remove_dir_all(folder.join(left))?;
            }
        }
        let log = place.path().join(format!("{}.log", name.replace('/', "-")));
        let mut command = support::program(&folder);
        let output = command.args(["build", "--format", "json", "--log"]).arg(&log).args(options).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let events: Vec<Value> =
            fs::read_to_string(&log)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let processes = events.into_iter().filter(|event| event["kind"] == "process").collect();
        Ok((serde_json::from_slice(&output.stdout)?, files(&folder)?, processes))
    };
    let (_, here, _) = build("here", &[])?;
    let (summary, there, processes) = build("there", &["--remote-executor", url])?;
    if here != there {
        let (here, there) = (format!("{here:#?}"), format!("{there:#?}"));
        return Err(similar::TextDiff::from_lines(&here, &there).unified_diff().to_string().into());
    }
    let stayed: Vec<&Value> = processes.iter().filter(|process| process["remote"] != true).collect();
    if !stayed.is_empty() || summary["executedRemotely"] != processes.len() {
        return Err(format!("not everything ran remotely: {stayed:#?}").into());
    }
    let (summary, again, processes) = build("another place/deeper", &["--remote-executor", url, "-j1"])?;
    let missed: Vec<&Value> = processes.iter().filter(|process| process["result"] != "hit").collect();
    if !missed.is_empty() || summary["remoteHits"] != processes.len() {
        return Err(format!("not everything was known: {missed:#?}").into());
    }
    if there != again { Err("the results of the server are not the same".into()) } else { Ok(()) }
}

// ---- single builds ----

/// A workspace of one spec.
struct Folder {
    place: tempfile::TempDir,
}

/// How a build of it ended.
struct Built {
    code: i32,
    stderr: String,
    /// The processes in the log, by description.
    processes: BTreeMap<String, Value>,
    summary: Value,
}

impl Folder {
    fn new(spec: &str) -> Result<Self, Failed> {
        let folder = Self { place: place()? };
        folder.write("config.dsc", &format!("config({{\n{MOUNTS}}});\n"))?;
        folder.write("module.config.dsc", "module({ name: \"Case\" });\n")?;
        folder.write("build.dsc", &format!("{IMPORTS}{spec}"))?;
        Ok(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join("w").join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failed> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().ok_or("a file needs a name")?)?;
        Ok(fs::write(path, text)?)
    }

    fn read(&self, name: &str) -> Result<String, Failed> {
        fs::read_to_string(self.path(name)).map_err(|error| format!("{name}: {error}").into())
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = support::program(&self.path(""));
        command.args(["build", "-j1", "--format", "json", "--log"]).arg(self.place.path().join("log")).args(options);
        command
    }

    fn build(&self, options: &[&str]) -> Result<Built, Failed> {
        let output = self.command(options).output()?;
        let stderr = String::from_utf8(output.stderr)?;
        let mut processes = BTreeMap::new();
        for line in fs::read_to_string(self.place.path().join("log"))?.lines() {
            let event: Value = serde_json::from_str(line)?;
            if event["kind"] == "process" {
                processes.insert(event["description"].as_str().unwrap_or_default().to_owned(), event);
            }
        }
        let stdout = String::from_utf8(output.stdout)?;
        let summary = serde_json::from_str(&stdout).unwrap_or(Value::Null);
        Ok(Built { code: output.status.code().unwrap_or(-1), stderr, processes, summary })
    }

    fn build_with(&self, server: &Executor, options: &[&str]) -> Result<Built, Failed> {
        self.build(&[&["--remote-executor", &server.url()], options].concat())
    }
}

impl Built {
    fn ends_with(self, code: i32) -> Result<Self, Failed> {
        if self.code == code { Ok(self) } else { Err(format!("exit code {}:\n{}", self.code, self.stderr).into()) }
    }

    fn says(&self, text: &str) -> Result<(), Failed> {
        if self.stderr.contains(text) { Ok(()) } else { Err(format!("`{text}` is not said:\n{}", self.stderr).into()) }
    }

    /// Whether a process ran there, or came from there.
    fn remote(&self, process: &str) -> bool {
        self.processes[process]["remote"] == true
    }

    /// Why a process stayed here.
    fn why(&self, process: &str) -> String {
        self.processes[process]["local"].as_str().unwrap_or_default().to_owned()
    }

    fn all_remote(&self) -> Result<(), Failed> {
        match self.processes.iter().find(|(name, _)| !self.remote(name)) {
            None => Ok(()),
            Some((name, event)) => Err(format!("`{name}` did not run there: {event}\n{}", self.stderr).into()),
        }
    }
}

/// Fails with a text unless something holds.
fn must(holds: bool, text: impl Into<String>) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(text.into().into()) }
}

const ONE_FILE: &str = "const one = Shell.run({ description: \"one\", \
                        command: [\"tr a-z A-Z < \", Artifact.input(f`src.txt`), \" > \", Artifact.output(p`out/one.txt`)] });\n";

const MANY_FILES: &str = "const many = Shell.run({ description: \"many\", command: [\"cd \", \
                          Artifact.sharedOpaqueOutput(d`gen`), \" && mkdir sub empty && echo 1 > a.txt && \
                          echo 2 > sub/b.sh && chmod +x sub/b.sh && ln -s a.txt link\"] });\n";

fn workspace() -> Result<Folder, Failed> {
    let folder = Folder::new(&format!("{ONE_FILE}{MANY_FILES}"))?;
    folder.write("src.txt", "text\n")?;
    Ok(folder)
}

fn is_complete(folder: &Folder) -> Result<(), Failed> {
    must(folder.read("out/one.txt")? == "TEXT\n", "out/one.txt")?;
    must(folder.read("gen/a.txt")? == "1\n" && folder.read("gen/sub/b.sh")? == "2\n", "gen")?;
    must(fs::metadata(folder.path("gen/sub/b.sh"))?.permissions().mode() & 0o111 != 0, "it can be run")?;
    must(fs::metadata(folder.path("gen/a.txt"))?.permissions().mode() & 0o111 == 0, "it cannot be run")?;
    must(fs::read_link(folder.path("gen/link"))? == Path::new("a.txt"), "the link")?;
    must(fs::read_dir(folder.path("gen/empty"))?.next().is_none(), "the empty folder")
}

fn dropped_outputs() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::DropsOutputs);
    let built = workspace()?.build_with(&server, &["-k"])?.ends_with(1)?;
    built.says("error[DX0044]: `one` succeeded but did not make `out/one.txt`")?;
    built.says("it ran on another machine")?;
    must(built.summary["failed"] == 1 && built.remote("many"), "the other one is fine")
}

fn evil_paths() -> Result<(), Failed> {
    for name in ["../../../evil", "..", "a/b", "", "back\\slash"] {
        let server = Executor::start();
        server.misbehave(Fault::NamesFile(name.to_owned()));
        let folder = workspace()?;
        let built = folder.build_with(&server, &[])?.ends_with(0)?;
        built.says("`many` could not be run remotely")?;
        must(built.remote("one") && !built.remote("many"), format!("`{name}` is not believed"))?;
        is_complete(&folder)?;
        for place in ["evil", "../evil", "../../evil", "a/b", "gen/a/b"] {
            must(!folder.path(place).exists(), format!("`{name}` made {place}"))?;
        }
    }
    let server = Executor::start();
    server.misbehave(Fault::ScramblesTrees);
    let folder = workspace()?;
    let built = folder.build_with(&server, &[])?.ends_with(0)?;
    must(!built.remote("many"), "a tree that is none is not believed")?;
    is_complete(&folder)?;
    // A link is what a process here could make as well.
    let server = Executor::start();
    server.misbehave(Fault::AddsLink("to".to_owned(), "/etc/passwd".to_owned()));
    let folder = workspace()?;
    folder.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
    must(fs::read_link(folder.path("gen/to"))? == Path::new("/etc/passwd"), "the link is kept")
}

fn links_of_others() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = Folder::new(
        "const first = Shell.run({ description: \"first\", command: [\"ln -s ../precious \", \
         Artifact.sharedOpaqueOutput(d`gen`), \"/x\"] });\n\
         const second = Shell.run({ description: \"second\", command: [\"mkdir \", Artifact.sharedOpaqueOutput(d`gen`), \
         \"/x && echo evil > gen/x/file.txt\"] });\n",
    )?;
    folder.write("precious/file.txt", "mine\n")?;
    let built = folder.build_with(&server, &["-k", "--remote-jobs", "1"])?.ends_with(1)?;
    built.says("error[DX5002]: `second` wrote `gen/x`")?;
    must(folder.read("precious/file.txt")? == "mine\n", "it is as it was")
}

fn outputs_too_many() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::AddsOutputs);
    let folder = workspace()?;
    let before = files(&folder.path(""))?.len();
    folder.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
    is_complete(&folder)?;
    // One file, three files and a link; nothing else.
    must(files(&folder.path(""))?.len() == before + 4, "nothing else has come")?;
    must(!Path::new("/tmp/evil-absolute").exists() && !folder.path("../../../evil").exists(), "nothing elsewhere")
}

fn exit_codes() -> Result<(), Failed> {
    let server = Executor::start();
    let spec = |more: &str| {
        format!(
            "const pip = Shell.run({{ description: \"pip\", command: [\"echo out; echo err >&2; echo 1 > \", \
             Artifact.output(p`out/a.txt`), \"; exit 3\"]{more} }});\n"
        )
    };
    let failed = Folder::new(&spec(""))?.build_with(&server, &[])?.ends_with(1)?;
    failed.says("error[DX0064]: `pip` failed with exit code 3")?;
    failed.says("output:\n         out\n         err")?;
    failed.says("it ran on another machine")?;
    must(server.results().is_empty(), "failures are not kept")?;
    let fine = Folder::new(&spec(", successExitCodes: [3]"))?;
    fine.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
    must(fine.read("out/a.txt")? == "1\n", "its output has come")
}

fn statuses() -> Result<(), Failed> {
    for code in [Code::Internal, Code::InvalidArgument, Code::PermissionDenied, Code::Unimplemented] {
        let server = Executor::start();
        server.misbehave(Fault::Status(code));
        let folder = workspace()?;
        let built = folder.build_with(&server, &[])?.ends_with(0)?;
        is_complete(&folder)?;
        must(built.stderr.matches("warning: ").count() == 1, format!("{code:?} is told once: {}", built.stderr))?;
        must(built.why("one").contains("it is told to") || built.why("many").contains("it is told to"), "the reason")?;
    }
    Ok(())
}

fn gone() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = workspace()?;
    server.misbehave(Fault::Unavailable);
    let built = folder.build_with(&server, &[])?.ends_with(0)?;
    is_complete(&folder)?;
    must(built.stderr.matches("warning: ").count() == 1, format!("it is told once: {}", built.stderr))?;
    must(!built.remote("one") && !built.remote("many"), "both ran here")
}

fn nobody_listens() -> Result<(), Failed> {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let folder = workspace()?;
    let built = folder.build(&["--remote-executor", &format!("grpc://127.0.0.1:{port}")])?.ends_with(0)?;
    is_complete(&folder)?;
    built.says("warning: processes run on this machine: cannot reach")
}

fn forgotten_inputs() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::ForgetsInputs);
    let folder = workspace()?;
    folder.build_with(&server, &["--remote-jobs", "1"])?.ends_with(0)?.all_remote()?;
    is_complete(&folder)
}

fn lost_operations() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::LosesOperation);
    let folder = workspace()?;
    folder.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
    is_complete(&folder)
}

fn remembered_failures() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::RemembersFailure(1));
    let folder = workspace()?;
    let built = folder.build_with(&server, &[])?.ends_with(0)?;
    built.all_remote()?;
    must(server.state.executed.load(Ordering::SeqCst) == 2, "both were executed")?;
    is_complete(&folder)
}

fn lost_blobs() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::LosesBlobs);
    let folder = workspace()?;
    let built = folder.build_with(&server, &[])?.ends_with(0)?;
    is_complete(&folder)?;
    must(!built.remote("one") && built.why("one").contains("the server does not have"), built.why("one"))?;
    // It is known, and what it names is not there: it is run again, and now all is well.
    server.misbehave(Fault::None);
    let again = workspace()?;
    again.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
    is_complete(&again)
}

fn timeouts() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = Folder::new(
        "const pip = Shell.run({ description: \"pip\", shell: { exe: f`/bin/sh`, dependsOnCurrentHostOSDirectories: true, \
         timeoutInMilliseconds: 300 }, command: [\"sleep 30; echo 1 > \", Artifact.output(p`out/a.txt`)] });\n",
    )?;
    let begun = Instant::now();
    let here = folder.build(&[])?.ends_with(1)?;
    let there = folder.build_with(&server, &[])?.ends_with(1)?;
    must(begun.elapsed() < Duration::from_secs(20), "nobody waited")?;
    here.says("error[DX0016]: `pip` took longer than 300 ms and was ended")?;
    there.says("error[DX0016]: `pip` took longer than 300 ms and was ended")
}

fn cancelled() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::Hangs);
    let folder = workspace()?;
    let both = || {
        let asked = server.state.asked.load(Ordering::SeqCst) == 2;
        // The program has to learn what the operations are called.
        std::thread::sleep(Duration::from_millis(if asked { 1500 } else { 0 }));
        asked
    };
    interrupted(&folder, &server, &both)?;
    must(server.state.cancelled.load(Ordering::SeqCst) == 2, "both operations were cancelled")
}

/// Interrupts a build, which then ends as cancelled ones do and says nothing about the server.
fn interrupted(folder: &Folder, server: &Executor, is_time: &dyn Fn() -> bool) -> Result<(), Failed> {
    let ran = support::interrupted(folder.command(&["--remote-executor", &server.url()]), is_time)?;
    let summary: Value = serde_json::from_str(&ran.stdout)?;
    must(ran.code == 1 && summary["cancelled"] == true, format!("exit code {}: {summary}", ran.code))?;
    must(ran.stderr.is_empty(), ran.stderr)
}

fn interrupted_transfers() -> Result<(), Failed> {
    for fault in [Fault::HangsUploads, Fault::HangsReads] {
        let server = Executor::start();
        let folder = workspace()?;
        server.misbehave(fault.clone());
        interrupted(&folder, &server, &|| server.state.hanging.load(Ordering::SeqCst) > 0)?;
        // Nothing is wrong with what is there.
        server.misbehave(Fault::None);
        folder.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
        is_complete(&folder)?;
    }
    Ok(())
}

/// A workspace of so many processes that do not need one another.
fn many(count: usize) -> Result<Folder, Failed> {
    let pips = (0..count).map(|number| {
        format!(
            "const n{number} = Shell.run({{ description: \"n{number}\", \
             command: [\"echo {number} > \", Artifact.output(p`out/{number}`)] }});\n"
        )
    });
    Folder::new(&pips.collect::<String>())
}

fn given_up() -> Result<(), Failed> {
    let server = Executor::start();
    server.misbehave(Fault::Status(Code::Internal));
    let folder = many(30)?;
    let built = folder.build_with(&server, &["--remote-jobs", "2"])?.ends_with(0)?;
    must(built.summary["executed"] == 30 && built.summary["executedRemotely"] == 0, format!("{}", built.summary))?;
    must(built.stderr.matches("warning: ").count() == 1, format!("it is told once: {}", built.stderr))?;
    // Three in a row, and one that was under way. On a machine that is busy somebody may have looked again.
    let asked = server.state.asked.load(Ordering::SeqCst);
    must((3..=10).contains(&asked), format!("it was asked {asked} times"))?;
    let waits = built.processes.keys().filter(|name| built.why(name).contains("is not asked for a while")).count();
    must(waits >= 20, format!("{waits} processes did not ask"))
}

fn hangs() -> Result<(), Failed> {
    for method in ["GetActionResult", "FindMissingBlobs", "BatchUpdateBlobs", "Execute"] {
        let server = server::Server::start();
        server.faults().slow.insert(method, (Duration::from_secs(3600), usize::MAX));
        let folder = many(50)?;
        let (outcome, told) = build_in_process(&folder, &server)?;
        must(outcome.executed == 50 && outcome.elsewhere == 0 && outcome.is_success(), format!("{outcome:?}"))?;
        must(told.len() == 1 && told[0].starts_with("processes cannot be run remotely: "), format!("{told:?}"))?;
        // Those that were under way. On a machine that is busy somebody may have looked again.
        let calls = server.calls(method).len();
        must((1..=8).contains(&calls), format!("{method}: {calls}"))?;
    }
    Ok(())
}

/// Who hears warnings.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Listener for Heard {
    fn begun(&self, _: usize) {}
    fn started(&self, _: PipId, _: usize) {}
    fn running(&self, _: PipId, _: usize) {}
    fn warn(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }
    fn finished(&self, _: PipId, _: usize, _: &PipResult, _: Duration, _: Duration) {}
    fn skipped(&self, _: PipId) {}
}

/// Builds in this process, with a server that gets a second for each answer and is asked for four processes at a time.
fn build_in_process(folder: &Folder, server: &server::Server) -> Result<(BuildOutcome, Vec<String>), Failed> {
    let workspace = Workspace::open(folder.path("").canonicalize()?, OpenOptions::default())?;
    let graph = workspace.evaluate(&[]).graph.ok_or("there is a mistake in the spec")?;
    let method = Method::detect().ok_or("nothing can be observed here")?;
    let environment = ProcessEnvironment::new();
    let options = BuildOptions {
        workspace: workspace.folder(),
        cache: folder.path(".dscript/cache"),
        jobs: 2,
        keep_going: false,
        selection: None,
        launcher: Launcher::new(support::PROGRAM.into(), method),
        observe: true,
        use_cache: true,
        verify: false,
        environment: &environment,
        config: workspace.config().engine.clone(),
        allow_lists: workspace.allow_lists(),
        keep_observations: false,
        shared: None,
        outputs: Outputs::All,
        asked: None,
        patience: Duration::ZERO,
        executor: Some(ExecutorOptions {
            remote: RemoteOptions { deadline: Duration::from_secs(1), retries: 0, ..server.options() },
            jobs: 4,
            platform: Vec::new(),
        }),
    };
    let heard = Heard::default();
    let outcome = engine::build(&graph, &options, &Cancellation::new(), &heard)?;
    Ok((outcome, heard.0.into_inner()?))
}

fn stays() -> Result<(), Failed> {
    let server = Executor::start();
    let run = |name: &str, command: &str, more: &str| {
        format!(
            "const {name} = Shell.run({{ description: \"{name}\", command: [{command} \" > \", \
             Artifact.output(p`out/{name}.txt`)]{more} }});\n"
        )
    };
    let cases = [
        (run("tagged", "\"echo 1\",", ", tags: [\"no-remote\"]"), "it has the tag `no-remote`"),
        (run("free", "\"cat other.txt\",", ", allowUndeclaredSourceReads: true"), "sources that are not declared"),
        (run("scoped", "\"cat other.txt\",", ", unsafe: { untrackedScopes: [d`.`] }"), "is not watched"),
        (
            format!(
                "const text = Transformer.writeData(p`out/list`, {{ separator: \"\", contents: [p`src.txt`] }});\n{}",
                run("told", "\"cat \", Artifact.input(text),", "")
            ),
            "has absolute paths of the workspace",
        ),
        (
            format!(
                "{}const changed = Shell.run({{ description: \"changed\", command: [\"echo 2 >> \", \
                     Artifact.rewritten(Shell.onlyFile(first))] }});\n",
                run("first", "\"echo 1\",", "")
            ),
            "in place",
        ),
        (
            run("passed", "\"echo $CASE_HOME\",", ", unsafe: { passThroughEnvironmentVariables: [\"CASE_HOME\"] }"),
            "its variable `CASE_HOME` has an absolute path of the workspace",
        ),
    ];
    for (spec, reason) in cases {
        let folder = Folder::new(&spec)?;
        folder.write("other.txt", "other\n")?;
        folder.write("src.txt", "text\n")?;
        let mut command = folder.command(&["--remote-executor", &server.url(), "--explain"]);
        let output = command.env("CASE_HOME", folder.path("").join("home")).output()?;
        let said = String::from_utf8(output.stderr)?;
        must(output.status.success() && said.contains("not remote: "), format!("{spec}\n{said}"))?;
        must(said.contains(reason), format!("`{reason}` is not said:\n{said}"))?;
    }
    Ok(())
}

fn platforms() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = Folder::new(&format!(
        "{ONE_FILE}const two = Shell.run({{ description: \"two\", shell: {{ exe: f`/bin/sh`, \
         dependsOnCurrentHostOSDirectories: true, remotePlatform: [\"OSFamily=Plan9\", \"cpu=few\"] }}, \
         command: [\"echo 2 > \", Artifact.output(p`out/two.txt`)] }});\n"
    ))?;
    folder.write("src.txt", "text\n")?;
    let platform = ["--remote-platform", "OSFamily=Linux", "--remote-platform", "container=debian"];
    folder.build_with(&server, &platform)?.ends_with(0)?.all_remote()?;
    let mut offered: Vec<Vec<String>> = Vec::new();
    for action in server.actions() {
        let properties = action.platform.ok_or("an action has no platform")?.properties;
        offered.push(properties.iter().map(|one| format!("{}={}", one.name, one.value)).collect());
    }
    offered.sort();
    let expected = [vec!["OSFamily=Linux", "container=debian"], vec!["OSFamily=Plan9", "container=debian", "cpu=few"]];
    must(offered == expected, format!("{offered:?}"))?;
    let wrong = Folder::new(
        "const a = Transformer.execute({ tool: { exe: f`/bin/sh`, remotePlatform: [\"Linux\"] }, \
                             arguments: [], workingDirectory: d`.`, outputs: [p`out/a`] });\n",
    )?;
    let output = wrong.command(&[]).output()?;
    let said = String::from_utf8(output.stderr)?;
    must(!output.status.success() && said.contains("OSFamily=Linux"), said)
}

fn same_actions() -> Result<(), Failed> {
    let (one, two) = (Executor::start(), Executor::start());
    let first = workspace()?;
    let second = workspace()?;
    first.build_with(&one, &[])?.ends_with(0)?.all_remote()?;
    second.build_with(&two, &[])?.ends_with(0)?.all_remote()?;
    must(one.results().len() == 2 && one.results() == two.results(), "they are called the same")
}

fn what_comes_along() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = Folder::new(
        "const inner = d`work`;\n\
         const pip = Transformer.execute({ description: \"pip\", tool: { exe: f`work/tool.sh`, \
         dependsOnCurrentHostOSDirectories: true }, workingDirectory: inner, tempDirectory: d`tmp/of-pip`, \
         arguments: [Cmd.startUsingResponseFile(true), Cmd.argument(\"one two\"), Cmd.option(\"-o\", Artifact.output(p`out/a.txt`))], \
         consoleInput: \"from input\", consoleOutput: p`out/stdout.txt`, consoleError: p`out/stderr.txt`, \
         environmentVariables: [{ name: \"PATH\", value: \"/usr/bin:/bin\" }, { name: \"PWD\", value: \"/fixed\" }], \
         dependencies: [Transformer.sealSourceDirectory({ root: d`data`, include: \"allDirectories\", patterns: [\"*.txt\"] })] });\n",
    )?;
    // Everything that it sees goes to its outputs.
    folder.write(
        "work/tool.sh",
        "#!/bin/sh\nset -e\n{ cat; echo; cat \"${1#@}\"; env | sed '/^_=/d; /^OLDPWD=/d; /^PWD=/d' | sort; ls -R ../data; \
         echo scratch > $TMPDIR/x; } > ../out/a.txt\necho printed\necho wrong >&2\n",
    )?;
    fs::set_permissions(folder.path("work/tool.sh"), fs::Permissions::from_mode(0o755))?;
    folder.write("data/one.txt", "1")?;
    folder.write("data/two.bin", "2")?;
    folder.write("data/deep/er/three.txt", "3")?;
    let built = folder.build_with(&server, &[])?.ends_with(0)?;
    built.all_remote()?;
    let seen = folder.read("out/a.txt")?;
    let expected = "from input\n\"one two\"\n-o../out/a.txt\nPATH=/usr/bin:/bin\nTEMP=../tmp/of-pip\n\
                    TMP=../tmp/of-pip\nTMPDIR=../tmp/of-pip\n../data:\ndeep\none.txt\n\n../data/deep:\ner\n\n../data/deep/er:\n\
                    three.txt\n";
    if seen != expected {
        return Err(similar::TextDiff::from_lines(expected, &seen).unified_diff().to_string().into());
    }
    must(folder.read("out/stdout.txt")? == "printed\n" && folder.read("out/stderr.txt")? == "wrong\n", "the streams")?;
    let command = server.commands().pop().ok_or("nothing was executed")?;
    // Sandboxes set this variable themselves.
    must(command.arguments.windows(2).any(|pair| pair == ["/usr/bin/env", "PWD=/fixed"]), "`PWD` is as the spec says")?;
    must(command.working_directory == "workspace/work", command.working_directory.clone())?;
    must(command.output_paths == ["../out/a.txt"], format!("{:?}", command.output_paths))?;
    #[allow(deprecated, reason = "older servers know only these")]
    let (files, folders) = (command.output_files, command.output_directories);
    must(files == ["../out/a.txt"] && folders.is_empty(), "older servers are told the same")
}

fn more_at_a_time() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = Folder::new(
        "const all = [\"a\", \"b\", \"c\", \"d\"].map(name => Shell.run({ description: name, \
         command: [\"sleep 0.5; echo 1 > \", Artifact.output(p`out/${name}`)] }));\n",
    )?;
    folder.build_with(&server, &["--remote-jobs", "3"])?.ends_with(0)?.all_remote()?;
    let most = server.state.most_running.load(Ordering::SeqCst);
    must((2..=3).contains(&most), format!("{most} at a time"))
}

fn kept_here() -> Result<(), Failed> {
    let server = Executor::start();
    let folder = workspace()?;
    folder.build_with(&server, &[])?.ends_with(0)?.all_remote()?;
    must(server.state.executed.load(Ordering::SeqCst) == 2, "both were executed")?;
    // Without the server, and without the outputs.
    for name in ["out", "gen"] {
        fs::remove_dir_all(folder.path(name))?;
    }
    let built = folder.build(&[])?.ends_with(0)?;
    must(built.summary["hits"] == 2 && built.summary["remoteHits"] == 0, format!("{}", built.summary))?;
    is_complete(&folder)?;
    // And without any cache it is done again there.
    let built = folder.build_with(&server, &["--no-cache"])?.ends_with(0)?;
    must(built.summary["executedRemotely"] == 2, format!("{}", built.summary))?;
    must(server.state.executed.load(Ordering::SeqCst) == 4, "both were executed again")?;
    is_complete(&folder)
}

fn options() -> Result<(), Failed> {
    let folder = workspace()?;
    for (options, text) in [
        (vec!["--remote-jobs", "3"], "--remote-executor"),
        (vec!["--remote-platform", "OSFamily=Linux"], "--remote-executor"),
        (vec!["--remote-executor", "grpc://127.0.0.1:1", "--remote-platform", "Linux"], "NAME=VALUE"),
        (vec!["--tls-ca", "nothing.pem"], "--remote-executor"),
    ] {
        let output = folder.command(&options).output()?;
        let said = String::from_utf8(output.stderr)?;
        must(output.status.code() == Some(2) && said.contains(text), format!("{options:?}: {said}"))?;
    }
    Ok(())
}
