//! What the tests that run the built program share: workspaces written in one file, runs, snapshots.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use libtest_mimic::Failed;

/// The built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_dscript");

/// The folder of this project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program in a folder, with nothing of the developer's environment that changes its output.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).stdin(Stdio::null());
    // The last three choose the compilers of `Sdk.Cc`.
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "RUST_BACKTRACE", "COLUMNS", "CC", "CXX", "AR"] {
        command.env_remove(name);
    }
    command
}

/// What a run gave.
pub struct Ran {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// An error unless the run went well and had nothing to say.
    pub fn fine(self) -> Result<Self, Failed> {
        if self.code == 0 && self.stderr.is_empty() {
            return Ok(self);
        }
        Err(format!("exit code {}, and nothing was expected on standard error:\n{}", self.code, self.stderr).into())
    }
}

/// Runs the program in a folder. An absolute path of the folder in what it says is an error: nobody could compare it.
pub fn run<S: AsRef<std::ffi::OsStr>>(folder: &Path, args: &[S]) -> Result<Ran, Failed> {
    let output = program(folder).args(args).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| Failed::from(error.to_string()));
    let ran =
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout)?, stderr: text(output.stderr)? };
    for said in [&ran.stdout, &ran.stderr] {
        if said.contains(&*folder.to_string_lossy()) {
            return Err(format!("an absolute path is shown:\n{said}").into());
        }
    }
    Ok(ran)
}

/// Runs a command, sends it SIGINT when it is time for that, and gives how it ended. It must come to that and end soon.
#[cfg(target_os = "linux")]
pub fn interrupted(mut command: Command, is_time: &dyn Fn() -> bool) -> Result<Ran, Failed> {
    use std::time::{Duration, Instant};

    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    let within = Duration::from_secs(30);
    let mut begun = Instant::now();
    let mut sent = false;
    while child.try_wait()?.is_none() {
        if !sent && is_time() {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
            (sent, begun) = (true, Instant::now());
        }
        if begun.elapsed() > within {
            child.kill()?;
            let what = if sent { "it did not end when it was asked to" } else { "it was never time to end it" };
            return Err(what.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output()?;
    if !sent {
        return Err(format!("it ended by itself:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|error| Failed::from(error.to_string()));
    Ok(Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout)?, stderr: text(output.stderr)? })
}

/// The files of a workspace that stands in one text: each after a line `//// path`; what comes before the first such
/// line is `build.dsc`. Empty ones are left out.
pub fn files(text: &str) -> Vec<(&str, String)> {
    let mut files = vec![("build.dsc", String::new())];
    for line in text.split_inclusive('\n') {
        match (line.trim_end().strip_prefix("//// "), files.last_mut()) {
            (Some(path), _) => files.push((path, String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => {}
        }
    }
    files.retain(|(_, text)| !text.is_empty());
    files
}

/// Such a workspace in a temporary folder.
pub fn workspace(text: &str) -> io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (path, text) in files(text) {
        let path = folder.path().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(folder)
}

/// What is opened in such a folder: the folder where there is a configuration, else the one spec.
pub fn target(folder: &Path) -> &'static str {
    if folder.join("config.dsc").exists() { "." } else { "build.dsc" }
}

/// Compares with a snapshot; `UPDATE=1` writes it.
pub fn compare(snapshot: &Path, actual: &str) -> Result<(), Failed> {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(snapshot, actual)?;
    }
    let expected = fs::read_to_string(snapshot).map_err(|error| format!("{}: {error}", snapshot.display()))?;
    if expected == actual {
        return Ok(());
    }
    let difference = similar::TextDiff::from_lines(&*expected, actual);
    Err(format!("not as expected:\n{}", difference.unified_diff().header("expected", "actual")).into())
}

/// All files below a folder whose names end so, sorted.
pub fn files_below(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) if path.to_string_lossy().ends_with(suffix) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The folders of `examples/` that are workspaces, but for those whose sources must be fetched: these have `fetch.sh`.
pub fn examples() -> Vec<PathBuf> {
    let configs = files_below(&project().join("examples"), "config.dsc");
    let folders = configs.iter().filter(|path| path.ends_with("config.dsc")).filter_map(|path| path.parent());
    folders.filter(|folder| !folder.join("fetch.sh").exists()).map(Path::to_owned).collect()
}

/// The name of a file without its folder.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
