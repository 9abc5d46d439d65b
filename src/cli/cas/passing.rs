//! A store that is there only for as long as one command runs.

#![allow(clippy::disallowed_methods, reason = "what killed processes left is looked for on the disk")]

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::failed;
use crate::cas::Store;
use crate::cas::store::Hold;
use crate::cli::Failure;
use crate::cli::interrupt::when_told_to_end;

// The folder's name; the number of the process follows, and another number.
const PREFIX: &str = ".dscript-cas-";

/// The folder of such a store, which goes with this, or when the process is told to end. What a process left that was
/// killed goes when the next one needs such a folder at the same place.
pub(super) struct Passing {
    folder: PathBuf,
    // By this others see that somebody needs it.
    _hold: Hold,
}

impl Passing {
    /// Makes a store in a folder of `beside`.
    pub(super) fn new(beside: &Path) -> Result<(Store, Self), Failure> {
        sweep(beside);
        let folder = make(beside)?;
        let opened = Store::open(&folder).and_then(|store| store.hold().map(|hold| (store, hold)));
        let (store, hold) = opened.map_err(|error| {
            remove(&folder);
            failed(error)
        })?;
        let passing = Self { folder: folder.clone(), _hold: hold };
        let ending = move |signal| {
            // Whoever misses the folder from now on shall not say so.
            let _silence = io::stderr().lock();
            // Meanwhile others may still put files there.
            while folder.exists() && fs::remove_dir_all(&folder).is_err_and(|error| is_passing(&error)) {}
            process::exit(128 + signal);
        };
        when_told_to_end(ending).map_err(failed)?;
        Ok((store, passing))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound)
}

// Makes a folder that nobody else has, or may look into: it may be in one that all may write to.
fn make(beside: &Path) -> Result<PathBuf, Failure> {
    let mut number = 0;
    loop {
        let folder = beside.join(format!("{PREFIX}{}-{number}", process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Failure::file("create", &folder, error)),
        }
    }
}

fn remove(folder: &Path) {
    // What cannot be removed is a folder that is in nobody's way.
    let _ = fs::remove_dir_all(folder);
}

// Removes what processes left that were killed. It is a courtesy, so what goes wrong is nobody's concern.
fn sweep(beside: &Path) {
    for entry in fs::read_dir(beside).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        let process = process.and_then(|process| process.parse().ok());
        if process.is_some_and(is_gone) && is_free(&entry.path()) {
            remove(&entry.path());
        }
    }
}

fn is_gone(process: i32) -> bool {
    // This process makes its folder only now.
    kill(Pid::from_raw(process), None) == Err(Errno::ESRCH) || process.cast_unsigned() == process::id()
}

// Processes of other containers and machines are not seen, but what they hold is.
fn is_free(folder: &Path) -> bool {
    File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
}
