//! What a build gives does not depend on where the workspace lies, nor on how many processes run at a time: the same
//! bytes in every output, and the same fingerprints of every process, so that a cache can be shared.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// The examples, with the qualifiers under which they are built.
const EXAMPLES: [(&str, &[&str]); 6] = [
    ("hello", &[]),
    ("monorepo", &[]),
    ("codegen", &[]),
    ("shared-opaque", &[]),
    // With debug information, in which compilers write down where they ran.
    ("c-program", &["-q", "debug"]),
    ("c-program", &["-q", "release"]),
];

fn main() -> ExitCode {
    let trials = EXAMPLES.into_iter().map(|(example, qualifiers)| {
        let name = [&[example], qualifiers].concat().join(" ");
        let has_compiler = Path::new("/usr/bin/cc").exists() && Path::new("/usr/bin/ar").exists();
        let ignored = example == "c-program" && !has_compiler;
        Trial::test(name, move || same_everywhere(example, qualifiers)).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// What a build gave: of each pip its fingerprints and outputs, and of each file its hash.
type Given = BTreeMap<String, String>;

fn same_everywhere(example: &str, qualifiers: &[&str]) -> Result<(), Failed> {
    let elsewhere = tempfile::tempdir()?;
    let mut first: Option<Given> = None;
    for place in ["a", "some where/quite \"else\"/deeper"] {
        for jobs in ["-j1", "-j2"] {
            let folder = elsewhere.path().join(place).join(jobs);
            copy_workspace(&support::project().join("examples").join(example), &folder)?;
            let given = build(&folder, jobs, qualifiers, "executed")?;
            let first = first.get_or_insert_with(|| given.clone());
            same(first, &given, &format!("{jobs} in `{place}`"))?;
            same(
                first,
                &build(&folder, jobs, qualifiers, "hit")?,
                &format!("the second build with {jobs} in `{place}`"),
            )?;
        }
    }
    Ok(())
}

/// Copies a workspace without what builds left in it.
fn copy_workspace(from: &Path, to: &Path) -> Result<(), Failed> {
    support::copy_folder(from, to)?;
    for folder in ["Out", ".dscript"] {
        let folder = to.join(folder);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

/// Builds, and reads from the log what came out. All processes must have ended as they should.
fn build(folder: &Path, jobs: &str, qualifiers: &[&str], result: &str) -> Result<Given, Failed> {
    let log = folder.with_extension("log");
    let mut command = support::program(folder);
    command.args(["build", jobs, "--log"]).arg(&log).args(qualifiers);
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let mut given = Given::new();
    let mut processes = 0;
    for line in fs::read_to_string(&log)?.lines() {
        let event: Value = serde_json::from_str(line)?;
        if event["event"] != "pip" {
            continue;
        }
        let name = format!("{} {} {}", event["id"], event["value"], event["description"]);
        if event["kind"] == "process" {
            processes += 1;
            if event["result"] != result {
                return Err(format!("{name} is not `{result}` but {}", event["result"]).into());
            }
            for fingerprint in ["weak", "strong"] {
                let text = event[fingerprint].as_str().filter(|text| text.len() >= 32);
                let text = text.ok_or_else(|| format!("{name} has no {fingerprint} fingerprint: {event}"))?;
                given.insert(format!("{fingerprint} of {name}"), text.to_owned());
            }
        }
        given.insert(format!("outputs of {name}"), event["outputs"].to_string());
    }
    if processes == 0 {
        return Err("the log has no process".into());
    }
    let objects = folder.join("Out");
    for file in support::files_below(&objects, "") {
        let below = file.strip_prefix(&objects)?.to_string_lossy().into_owned();
        if !below.starts_with("Temp/") && !file.is_symlink() {
            let hash = <sha2::Sha256 as sha2::Digest>::digest(fs::read(&file)?);
            given.insert(format!("file {below}"), format!("{hash:?}"));
        }
    }
    Ok(given)
}

fn same(first: &Given, other: &Given, what: &str) -> Result<(), Failed> {
    let mut differences: Vec<String> = Vec::new();
    for (key, value) in first {
        if other.get(key) != Some(value) {
            differences.push(format!("{key}: {value} first, then {:?}", other.get(key)));
        }
    }
    differences.extend(other.keys().filter(|key| !first.contains_key(*key)).map(|key| format!("{key} is new")));
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("{what} gives something else:\n{}", differences.join("\n")).into())
}
