//! `dscript build --remote-executor`: what a server runs gives what a run here gives.
//!
//! Every story of `tests/cases/build/` is told twice, in two folders: here, and by way of a server in this process
//! (`support/executor.rs`) that really runs actions. What comes out must be the same: violations, exit codes, messages,
//! files. The examples are built with that server, and with buildbox-casd where the environment variable `BUILDBOX` names
//! the folder that has it. The rest is about servers that do not keep to the rules.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "tests read their data")]

#[path = "support/executor.rs"]
mod executor;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use executor::{Executor, Fault};
use libtest_mimic::{Arguments, Failed, Trial};
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
        let different = DIFFERENT.iter().find(|(known, ..)| *known == name).map(|(_, how, _)| *how);
        trials.push(Trial::test(format!("case {name}"), move || told_twice(&path, different)));
    }
    for example in EXAMPLES {
        trials.push(Trial::test(format!("example {example}"), move || {
            let server = Executor::start();
            example_everywhere(example, &server.url())
        }));
        let has_casd = std::env::var_os("BUILDBOX").is_some();
        let name = format!("example {example} with buildbox-casd (needs BUILDBOX)");
        trials.push(Trial::test(name, move || with_casd(example)).with_ignored_flag(!has_casd));
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
    /// It is about processes that outlive the one that started them, which only this machine knows of.
    Children,
}

use Different::{Children, Reads, Words, Writes};

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

const TESTS: &[(&str, Test)] = &[];

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

fn told_twice(path: &Path, different: Option<Different>) -> Result<(), Failed> {
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
            Some(Words) => (here.code, &here.failed, &here.violations) == (there.code, &there.failed, &there.violations),
            Some(Children) => true,
        };
        if !fits {
            let (here, there) = (format!("{here:#?}\n"), format!("{there:#?}\n"));
            troubles.push(similar::TextDiff::from_lines(&here, &there).unified_diff().header("here", "there").to_string());
        }
    }
    if different.is_some() && same {
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
    line.contains("it ran on another machine") || line.contains("other files are not there")
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
    let build = |name: &str, options: &[&str]| -> Result<(Value, BTreeMap<String, String>, Vec<Value>), Failed> {
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

/// A process that is ended when it is not needed any more.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_casd(example: &str) -> Result<(), Failed> {
    let place = place()?;
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let script = support::project().join("tests/tools/casd.sh");
    let log = fs::File::create(place.path().join("casd.log"))?;
    let mut command = Command::new(script);
    command.arg(port.to_string()).arg(place.path().join("casd")).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let _daemon = Daemon(command.spawn()?);
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > Duration::from_secs(20) {
            let said = fs::read_to_string(place.path().join("casd.log"))?;
            return Err(format!("buildbox-casd does not listen: {said}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    example_everywhere(example, &format!("grpc://127.0.0.1:{port}"))
}
