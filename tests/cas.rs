//! `dscript cas` as users meet it.
//!
//! Each file under `tests/cases/cas/` is a session of a shell in one empty folder: words about it, then lines that start
//! with `$ `, each followed by what the command says on both of its streams, and `[exit N]` where it fails. In the
//! sessions of `remote/`, `$SERVER` is a server of the Remote Execution API, one for each (`support/peer.rs`).
//! `UPDATE=1 cargo test --test cas` writes what the commands say anew.

#![allow(clippy::disallowed_methods, reason = "tests read their own cases")]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use peer::Peer;

fn main() -> ExitCode {
    if cfg!(not(target_os = "linux")) {
        return ExitCode::SUCCESS;
    }
    let folder = support::project().join("tests/cases/cas");
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".txt") {
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        let is_remote = name.starts_with("remote/");
        let trial = if is_remote {
            Trial::test(format!("{name} ({})", peer::NEEDS), move || {
                Peer::alone().map_or(Ok(()), |server| session(&path, Some(&server.url)))
            })
            .with_ignored_flag(!peer::is_here())
        } else {
            Trial::test(name, move || session(&path, None))
        };
        trials.push(trial);
    }
    assert!(trials.len() > 5, "the cases are there");
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn session(path: &Path, server: Option<&str>) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let place = tempfile::tempdir()?;
    let folder = place.path().canonicalize()?;
    let mut actual = String::new();
    let mut commands = 0;
    for line in text.lines() {
        let Some(command) = line.strip_prefix("$ ") else {
            // The words at the beginning.
            if commands == 0 {
                actual.push_str(&format!("{line}\n"));
            }
            continue;
        };
        commands += 1;
        let output = Command::new("/bin/sh")
            .args(["-c", &format!("exec 2>&1\ndscript() {{ \"$DSCRIPT\" \"$@\"; }}\n{command}")])
            .current_dir(&folder)
            .env("DSCRIPT", support::PROGRAM)
            .env("LC_ALL", "C")
            .env("SERVER", server.unwrap_or_default())
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).replace(&*folder.to_string_lossy(), "$DIR");
        let said = server.map_or(said.clone(), |server| said.replace(server, "$SERVER"));
        actual.push_str(&format!("$ {command}\n{said}"));
        if !said.is_empty() && !said.ends_with('\n') {
            actual.push('\n');
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => actual.push_str(&format!("[exit {code}]\n")),
            None => return Err(format!("`{command}` was ended by a signal").into()),
        }
    }
    if commands == 0 {
        return Err("a session without commands tests nothing".into());
    }
    support::compare(path, &actual)
}
