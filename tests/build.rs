//! `dscript build` as users meet it: what pips may do when they run, what the cache keeps, what shared output directories
//! hold.
//!
//! Each file under `tests/cases/build/` is a story in one folder, told in sections that start with `===` and are gone
//! through in order; words about it stand before the first one:
//!
//! - `spec`: `build.dsc`, with [`IMPORTS`] before it; `config`: fields of the configuration beyond [`MOUNTS`];
//!   `file NAME`: any other file, or a change of it.
//! - `do`: lines for `/bin/sh -eu`, in the folder; `$DSCRIPT` is the program.
//! - `build ARGUMENTS`: `dscript build --quiet --format json ARGUMENTS`. The lines in it say what must come of it, see
//!   [`Expectation`]; whatever is not said about violations, failures and the exit code must not happen.
//! - `stderr`: everything that the build before it says, as users see it.
//! - `check`: expectations about files alone.
//! - `machine NAME`: from here on another folder, as on another machine: the first time it has what `spec`, `config` and
//!   `file` sections wrote so far and nothing else. The first one has no name: `machine` alone goes back to it.
//! - `server …`: what happens to the server that `$REMOTE` in the arguments of a build stands for, see [`server`].
//!
//! `UPDATE=1 cargo test --test build` writes the `stderr` sections anew, and only these.
//!
//! One more test holds `docs/seed-rules.md` to what there is: every case that it names exists, and every case of this
//! folder has its expectations.

#![allow(clippy::disallowed_methods, reason = "tests read their own cases")]

#[cfg(target_os = "linux")]
#[path = "remote/server.rs"]
#[allow(dead_code, reason = "stories need a part of it")]
mod server;
#[cfg(target_os = "linux")]
#[path = "remote/services.rs"]
#[allow(dead_code, reason = "stories need a part of it")]
mod services;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use regex::Regex;
use serde_json::Value;

/// What stands before every `spec`.
const IMPORTS: &str =
    "import * as Shell from \"Sdk.Shell\";\nimport {Artifact, Cmd, Transformer} from \"Sdk.Transformers\";\n";

/// What every `config.dsc` has: the whole folder may be written, so that outputs have short names.
const MOUNTS: &str = "    mounts: [{ name: a`SourceRoot`, path: p`.`, isReadable: true, isWritable: true }],\n";

fn main() -> ExitCode {
    if cfg!(not(target_os = "linux")) {
        return ExitCode::SUCCESS;
    }
    let folder = support::project().join("tests/cases/build");
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".txt") {
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
        trials.push(Trial::test(name.to_string_lossy().into_owned(), move || case(&path)));
    }
    assert!(trials.len() > 50, "the cases are there");
    trials.push(Trial::test("the table of the seed's rules names cases that exist", the_table_names_cases));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A section: what stands after `=== `, and the lines below.
struct Section<'t> {
    title: &'t str,
    body: &'t str,
}

/// The words before the first section, and the sections.
fn sections(text: &str) -> (&str, Vec<Section<'_>>) {
    let mut starts: Vec<usize> = text.match_indices("\n=== ").map(|(at, _)| at + 1).collect();
    if text.starts_with("=== ") {
        starts.insert(0, 0);
    }
    let words = &text[..starts.first().copied().unwrap_or(text.len())];
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let section = |(start, end): (&usize, usize)| {
        let (title, body) = text[*start..end].split_once('\n').unwrap_or((&text[*start..end], ""));
        Section { title: title.trim_start_matches("=== ").trim_end(), body }
    };
    (words, starts.iter().zip(ends).map(section).collect())
}

/// A temporary folder that no pip may use by being a folder of the system.
fn place() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).or_else(|_| tempfile::tempdir())
}

fn case(path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let (words, sections) = sections(&text);
    if words.trim().is_empty() || sections.is_empty() {
        return Err("a case begins with words about it and has sections".into());
    }
    let mut machines = Machines::new()?;
    let config = |fields: &str| format!("config({{\n{MOUNTS}{fields}}});\n");
    machines.write("config.dsc", config(""))?;
    machines.write("module.config.dsc", "module({ name: \"Case\" });\n".to_owned())?;
    let mut remote = Remote::default();
    let mut kept = words.to_owned();
    let mut said = String::new();
    let mut troubles = Vec::new();
    for (number, section) in sections.iter().enumerate() {
        if section.title == "stderr" {
            continue;
        }
        kept.push_str(&format!("=== {}\n{}", section.title, section.body));
        let trouble = |text: String| format!("section {} (`{}`): {text}", number + 1, section.title);
        let (verb, rest) = section.title.split_once(' ').unwrap_or((section.title, ""));
        match verb {
            "spec" => machines.write("build.dsc", format!("{IMPORTS}{}", section.body))?,
            "config" => machines.write("config.dsc", config(section.body))?,
            "file" => machines.write(rest, section.body.to_owned())?,
            "do" => shell(machines.folder(), section.body).map_err(trouble)?,
            "check" => check(machines.folder(), None, section.body, &mut |text| troubles.push(trouble(text)))?,
            "machine" => machines.go(rest)?,
            "server" => remote.meet(rest).map_err(trouble)?,
            "build" => {
                let folder = machines.folder();
                let ran = Ran::of(folder, rest, &mut remote)?;
                check(folder, Some(&ran), section.body, &mut |text| troubles.push(trouble(text)))?;
                if !ran.stderr.is_empty() {
                    kept.push_str(&format!("=== stderr\n{}", ran.stderr));
                }
                said.push_str(&ran.stderr);
            }
            _ => return Err(trouble("there is no such section".to_owned()).into()),
        }
    }
    if !troubles.is_empty() {
        return Err(format!("{}\n--- everything that was said:\n{said}", troubles.join("\n")).into());
    }
    support::compare(path, &kept)
}

/// The folders of a story.
struct Machines {
    places: Vec<(String, tempfile::TempDir, PathBuf)>,
    at: usize,
    /// What was written so far.
    files: Vec<(String, String)>,
}

impl Machines {
    fn new() -> Result<Self, Failed> {
        let mut machines = Self { places: Vec::new(), at: 0, files: Vec::new() };
        machines.go("")?;
        Ok(machines)
    }

    fn folder(&self) -> &Path {
        &self.places[self.at].2
    }

    fn write(&mut self, name: &str, text: String) -> Result<(), Failed> {
        let file = self.folder().join(name);
        fs::create_dir_all(file.parent().ok_or("a file needs a name")?)?;
        fs::write(file, &text)?;
        self.files.push((name.to_owned(), text));
        Ok(())
    }

    fn go(&mut self, name: &str) -> Result<(), Failed> {
        if let Some(at) = self.places.iter().position(|(known, ..)| known == name) {
            self.at = at;
            return Ok(());
        }
        let place = place()?;
        let folder = place.path().canonicalize()?;
        self.at = self.places.len();
        self.places.push((name.to_owned(), place, folder));
        for (name, text) in std::mem::take(&mut self.files) {
            self.write(&name, text)?;
        }
        Ok(())
    }
}

/// The server of a story, which begins when it is first needed.
#[derive(Default)]
#[cfg(target_os = "linux")]
struct Remote {
    server: Option<server::Server>,
    endpoint: String,
}

#[cfg(target_os = "linux")]
impl Remote {
    fn endpoint(&mut self) -> &str {
        if self.endpoint.is_empty() {
            let server = self.server.insert(server::Server::start());
            self.endpoint = server.endpoint();
        }
        &self.endpoint
    }

    /// What happens to the server: it `stops`; it `loses TEXT`, the content of this line, or `everything`; it `forgets` all results, or
    /// `damages` them; in all results it `writes NEW for OLD`, of the same length, as somebody with bad intentions would;
    /// it `refuses METHOD`, or `takes METHOD` again.
    fn meet(&mut self, what: &str) -> Result<(), String> {
        use dscript::cas::Digest;

        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        if verb == "stops" {
            self.server = None;
            return Ok(());
        }
        let server = self.server.as_ref().ok_or("there is no server yet, or none any more")?;
        let mut results = server.state.results.lock().map_err(|error| error.to_string())?;
        // The order does not matter: the same happens to all.
        #[allow(clippy::iter_over_hash_type, reason = "the same happens to all")]
        match verb {
            "loses" if rest == "everything" => {
                server.state.blobs.lock().map_err(|error| error.to_string())?.clear();
            }
            "loses" => {
                let digest = Digest::of(format!("{rest}\n").as_bytes());
                let lost = server.state.blobs.lock().map_err(|error| error.to_string())?.remove(&digest);
                lost.map(drop).ok_or("it does not have that")?;
            }
            "forgets" => results.clear(),
            "damages" => {
                for result in results.values_mut() {
                    let middle = result.stdout_raw.len() / 2;
                    result.stdout_raw[middle] ^= 1;
                }
            }
            "writes" => {
                let (new, old) = rest.split_once(" for ").ok_or("`writes NEW for OLD`")?;
                let mut count = 0;
                for result in results.values_mut() {
                    let record = &mut result.stdout_raw;
                    while let Some(at) = record.windows(old.len()).position(|part| part == old.as_bytes()) {
                        record[at..at + new.len()].copy_from_slice(new.as_bytes());
                        count += 1;
                    }
                    let end = record.len() - 32;
                    let hash = Digest::of(&record[..end]).hash;
                    record[end..].copy_from_slice(&hash);
                }
                if count == 0 || new.len() != old.len() {
                    return Err("it does not stand there, or is of another length".to_owned());
                }
            }
            "refuses" | "takes" => {
                let method = ["GetActionResult", "UpdateActionResult", "BatchReadBlobs", "BatchUpdateBlobs"];
                let method = method.into_iter().find(|method| *method == rest).ok_or("there is no such method")?;
                let mut faults = server.faults();
                match verb {
                    "refuses" => drop(faults.failing.insert(method, (tonic::Code::Unavailable, usize::MAX))),
                    _ => drop(faults.failing.remove(method)),
                }
            }
            _ => return Err(format!("`{verb}` does not happen to servers")),
        }
        Ok(())
    }
}

/// Runs lines in a shell.
fn shell(folder: &Path, lines: &str) -> Result<(), String> {
    let output = Command::new("/bin/sh")
        .args(["-euc", lines])
        .current_dir(folder)
        .env("DSCRIPT", support::PROGRAM)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{}:\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
}

/// A build that has ended.
struct Ran {
    code: i32,
    /// The summary; null when there is none.
    summary: Value,
    /// What was said, without what differs between machines.
    stderr: String,
}

/// What differs between machines: which program `sh` is, and where it lies.
static PROGRAMS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("the access was made by `[^`]*/([^`/]*)`").expect("it is written here"));

/// How long something took.
static TIMES: LazyLock<Regex> = LazyLock::new(|| Regex::new(" took [0-9.]+ m?s, longer").expect("it is written here"));

impl Ran {
    fn of(folder: &Path, arguments: &str, remote: &mut Remote) -> Result<Self, Failed> {
        let mut command = support::program(folder);
        command.args(["build", "--quiet", "--format", "json"]);
        for argument in arguments.split_whitespace() {
            match argument {
                "$REMOTE" => command.args(["--remote-cache", remote.endpoint()]),
                _ => command.arg(argument),
            };
        }
        let output = command.output()?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| Failed::from(error.to_string()));
        let (stdout, stderr) = (text(output.stdout)?, text(output.stderr)?);
        let code = output.status.code().unwrap_or(-1);
        let summary = match stdout.trim() {
            "" => Value::Null,
            text => serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?,
        };
        let mut stderr = stderr.replace(&*folder.to_string_lossy(), "$DIR");
        if !remote.endpoint.is_empty() {
            stderr =
                stderr.replace(&remote.endpoint, "$SERVER").replace(&remote.endpoint["grpc://".len()..], "$SERVER");
        }
        let stderr = PROGRAMS.replace_all(&stderr, |found: &regex::Captures<'_>| {
            let name = if matches!(&found[1], "dash" | "bash" | "busybox") { "sh" } else { &found[1] };
            format!("the access was made by `{name}`")
        });
        let stderr = TIMES.replace_all(&stderr, " took $$TIME, longer");
        let lines: Vec<&str> = stderr.lines().map(str::trim_end).collect();
        let stderr = if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" };
        Ok(Self { code, summary, stderr })
    }

    fn violations(&self) -> BTreeSet<String> {
        let list = self.summary["violations"].as_array();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        list.into_iter().flatten().map(|one| format!("{} {}", text(&one["rule"]), text(&one["path"]))).collect()
    }
}

/// A line of a `build` or `check` section.
enum Expectation<'t> {
    /// `exit 1`; 0 unless it stands there.
    Exit(i32),
    /// `executed 2 hits 3 failed 1 skipped 1`: the counts of the summary; those that are not named are 0.
    Counts(&'t str),
    /// `remote hits 2 resultsUp 1`: what the summary says about the remote cache; what is not named does not matter.
    Remote(&'t str),
    /// `violation RULE PATH`: one for each that is reported.
    Violation(&'t str),
    /// `says TEXT`: it stands in what is said.
    Says(&'t str),
    /// `absent PATH`: nothing is there, not even a link that leads nowhere.
    Absent(&'t str),
    /// `folder PATH`: a folder is there.
    Folder(&'t str),
    /// `present PATH`: a file is there.
    Present(&'t str),
    /// `executable PATH`: a file is there that its owner may run.
    Executable(&'t str),
    /// `link PATH: TARGET`: a symbolic link is there.
    Link(&'t str, &'t str),
    /// `content PATH: TEXT`: a file with this line, or with these lines, separated by ` / `.
    Content(&'t str, &'t str),
    /// `files PATH: NAME NAME`: the files and links below a folder, by paths relative to it, separated by `, `.
    Files(&'t str, &'t str),
}

impl<'t> Expectation<'t> {
    fn of(line: &'t str) -> Result<Self, Failed> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let pair = || rest.split_once(':').map(|(path, text)| (path, text.trim())).ok_or("`PATH: TEXT` is expected");
        Ok(match word {
            "exit" => Self::Exit(rest.parse()?),
            "executed" | "hits" | "failed" | "skipped" => Self::Counts(line),
            "remote" => Self::Remote(rest),
            "violation" => Self::Violation(rest),
            "says" => Self::Says(rest),
            "absent" => Self::Absent(rest),
            "folder" => Self::Folder(rest),
            "present" => Self::Present(rest),
            "executable" => Self::Executable(rest),
            "link" => pair().map(|(path, target)| Self::Link(path, target))?,
            "content" => pair().map(|(path, text)| Self::Content(path, text))?,
            "files" => pair().map(|(path, names)| Self::Files(path, names))?,
            _ => return Err(format!("`{word}` is no expectation").into()),
        })
    }
}

/// Holds a build and the folder to what a section says.
fn check(folder: &Path, ran: Option<&Ran>, lines: &str, trouble: &mut dyn FnMut(String)) -> Result<(), Failed> {
    let mut code = 0;
    let mut expected = BTreeSet::new();
    let mut count = 0;
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        count += 1;
        match Expectation::of(line)? {
            Expectation::Exit(number) => code = number,
            Expectation::Violation(text) => drop(expected.insert(text.to_owned())),
            Expectation::Counts(text) => {
                let ran = ran.ok_or("only a build has counts")?;
                let words: Vec<&str> = text.split_whitespace().collect();
                for name in ["executed", "hits", "failed", "skipped"] {
                    let wanted = words.iter().position(|word| *word == name).map_or("0", |at| words[at + 1]);
                    let found = ran.summary[name].to_string();
                    if found != wanted {
                        trouble(format!("{name}: {found}, expected {wanted}"));
                    }
                }
            }
            Expectation::Remote(text) => {
                let ran = ran.ok_or("only a build has a remote cache")?;
                let words: Vec<&str> = text.split_whitespace().collect();
                for pair in words.chunks(2) {
                    let found = ran.summary["remote"][pair[0]].to_string();
                    if pair.get(1) != Some(&&*found) {
                        trouble(format!("{} of the remote cache: {found}, expected {:?}", pair[0], pair.get(1)));
                    }
                }
            }
            Expectation::Says(text) => {
                if !ran.ok_or("only a build says something")?.stderr.contains(text) {
                    trouble(format!("`{text}` is not said"));
                }
            }
            on_disk => {
                if let Some(text) = file_trouble(folder, &on_disk) {
                    trouble(format!("{line}: {text}"));
                }
            }
        }
    }
    if count == 0 {
        return Err("a build without expectations tests nothing".into());
    }
    let Some(ran) = ran else { return Ok(()) };
    if ran.code != code {
        trouble(format!("exit code {}, expected {code}", ran.code));
    }
    let found = ran.violations();
    if found != expected {
        trouble(format!("violations: {found:?}, expected: {expected:?}"));
    }
    Ok(())
}

/// What is wrong with a file; none when all is as expected.
fn file_trouble(folder: &Path, expectation: &Expectation<'_>) -> Option<String> {
    let metadata = |path: &str| fs::symlink_metadata(folder.join(path)).ok();
    match expectation {
        Expectation::Absent(path) => metadata(path).map(|_| "something is there".to_owned()),
        Expectation::Folder(path) => (!metadata(path).is_some_and(|it| it.is_dir())).then(|| "no folder".to_owned()),
        Expectation::Present(path) => (!metadata(path).is_some_and(|it| it.is_file())).then(|| "no file".to_owned()),
        Expectation::Executable(path) => {
            let fits = metadata(path).is_some_and(|it| it.is_file() && is_executable(&it));
            (!fits).then(|| "no file that can be run".to_owned())
        }
        Expectation::Link(path, target) => match fs::read_link(folder.join(path)) {
            Ok(found) if found == Path::new(target) => None,
            other => Some(format!("{other:?}")),
        },
        Expectation::Content(path, text) => match fs::read_to_string(folder.join(path)) {
            Ok(found) if found.trim_end_matches('\n').replace('\n', " / ") == *text => None,
            other => Some(format!("{other:?}")),
        },
        Expectation::Files(path, names) => {
            let root = folder.join(path);
            let found: Vec<PathBuf> = support::files_below(&root, "");
            let found: Vec<String> =
                found.iter().map(|it| it.strip_prefix(&root).unwrap_or(it).to_string_lossy().into_owned()).collect();
            (found.join(", ") != *names).then(|| format!("there are: {}", found.join(", ")))
        }
        _ => Some("this is not about files".to_owned()),
    }
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

/// `docs/seed-rules.md` says which case holds each rule of the page that the project started from.
fn the_table_names_cases() -> Result<(), Failed> {
    let text = fs::read_to_string(support::project().join("docs/seed-rules.md"))?;
    let cases = support::project().join("tests/cases");
    let mut named = 0;
    let mut missing = Vec::new();
    let mut bare = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")) {
        let Some(last) = row.trim_end_matches('|').rsplit('|').next() else { continue };
        // Every second piece stands between backquotes.
        let names: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            bare.push(row.to_owned());
        }
        for name in names {
            named += 1;
            let is_there =
                ["", ".txt", ".dsc", ".fixture"].iter().any(|suffix| cases.join(format!("{name}{suffix}")).exists());
            if !is_there {
                missing.push(name.to_owned());
            }
        }
    }
    if named < 40 || !missing.is_empty() || !bare.is_empty() {
        return Err(format!("{named} cases are named; missing: {missing:?}; rows without a case: {bare:?}").into());
    }
    Ok(())
}
