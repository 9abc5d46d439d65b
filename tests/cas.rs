//! `dscript cas` as users meet it.
//!
//! Each file under `tests/cases/cas/` is a session of a shell in one empty folder: words about it, then lines that start
//! with `$ `, each followed by what the command says on both of its streams, and `[exit N]` where it fails. In the
//! sessions of `remote/`, `$SERVER` is a server of the Remote Execution API, one for each: buildbox-casd from the folder
//! that the variable `BUILDBOX` names; without it they are skipped. `UPDATE=1 cargo test --test cas` writes what the
//! commands say anew.

#![allow(clippy::disallowed_methods, reason = "tests read their own cases")]

mod support;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if cfg!(not(target_os = "linux")) {
        return ExitCode::SUCCESS;
    }
    let folder = support::project().join("tests/cases/cas");
    let buildbox = std::env::var_os("BUILDBOX").map(PathBuf::from);
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".txt") {
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        let is_remote = name.starts_with("remote/");
        let trial = match &buildbox {
            None if is_remote => {
                let name = format!("{name} (skipped: BUILDBOX names no folder with buildbox-casd)");
                Trial::test(name, || Ok(())).with_ignored_flag(true)
            }
            Some(buildbox) if is_remote => {
                let program = buildbox.join("buildbox-casd");
                Trial::test(name, move || {
                    let server = Server::start(&program)?;
                    session(&path, Some(&server.url))
                })
            }
            _ => Trial::test(name, move || session(&path, None)),
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

/// A server in a folder of its own, ended with this.
struct Server {
    url: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(program: &Path) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        // Free a moment ago, which is as good as it gets.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut process = Command::new(program)
            .arg(format!("--bind={address}"))
            .arg(folder.path().join("cas"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > patience || process.try_wait()?.is_some() {
                let _ = process.kill();
                return Err("the server does not come up".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { url: format!("grpc://{address}"), process, _folder: folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
