//! The folder in which a workspace's builds keep what they know.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg};

use super::BuildError;

/// The name of the folder, directly below the workspace.
pub const FOLDER: &str = ".dscript";

/// The state of one workspace, held by one build at a time. The lock goes when this is dropped, or with the process.
pub(super) struct State {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl State {
    /// Opens the state below a workspace, for this process alone.
    pub(super) fn open(workspace: &Path) -> Result<Self, BuildError> {
        let folder = workspace.join(FOLDER);
        let failed = |path: &Path, error| BuildError::State { path: path.to_owned(), error };
        for folder in [folder.clone(), folder.join("tmp"), folder.join("journal")] {
            fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        }
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(|error| failed(&ignore, error))?;
        }
        let path = folder.join("lock");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(|error| failed(&path, error))?;
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(|error| failed(&path, error))?;
        let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            nix::errno::Errno::EWOULDBLOCK => {
                BuildError::Locked { workspace: workspace.to_owned(), holder: holder.trim().to_owned() }
            }
            error => failed(&path, error.into()),
        })?;
        let write = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut lock).map_err(|error| failed(&path, error))?;
        // What a build that was killed left there.
        let tmp = folder.join("tmp");
        remove_all(&tmp).and_then(|()| fs::create_dir(&tmp)).map_err(|error| failed(&tmp, error))?;
        Ok(Self { folder, _lock: lock })
    }

    /// A file or folder in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Puts a file in place that `make` writes elsewhere first: at its place it is whole or not there, whenever the build
    /// is killed.
    pub(super) fn place(&self, target: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join("tmp").join(format!("unfinished-{number}"));
        let placed = make(&temporary).and_then(|()| match fs::rename(&temporary, target) {
            // On another file system it has to be unfinished beside its place, which must not be written to: it may be
            // read-only, and the cache may have a link to it.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let beside = target.with_file_name(format!(".dscript-{}-{number}", std::process::id()));
                let moved = fs::copy(&temporary, &beside).and_then(|_| fs::rename(&beside, target));
                if moved.is_err() {
                    remove_leaf(&beside)?;
                }
                moved
            }
            renamed => renamed,
        });
        // Nothing is left of it where it was renamed.
        remove_leaf(&temporary)?;
        placed
    }

    /// A new empty folder for what a pip leaves behind while it runs, by a name that is its own.
    pub(super) fn scratch(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join("tmp").join(name);
        remove_all(&folder)?;
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Makes room for a file: what is there goes, but for a folder with something in it, which may be somebody's work.
pub(super) fn make_way(path: &Path) -> io::Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        return remove_all(path);
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            let text = format!("a folder with something in it is in the way: `{}`", path.display());
            Err(io::Error::new(error.kind(), text))
        }
        removed => removed,
    }
}

/// Removes a file or link, or a folder if it is empty.
pub(super) fn remove_leaf(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    let removed = if metadata.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        other => other,
    }
}

/// Removes a file, link or folder with all that is in it, if it is there.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file, link or folder was changed at a time or later, in its content or otherwise.
pub(super) fn touched_since(path: &Path, since: SystemTime) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| touched(&metadata, since))
}

/// The same, of what has been looked at.
pub(super) fn touched(metadata: &fs::Metadata, since: SystemTime) -> bool {
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos()));
    (metadata.mtime(), metadata.mtime_nsec()) >= since || (metadata.ctime(), metadata.ctime_nsec()) >= since
}

/// Writes a file of the build's own so that it is whole or not there. Only one build at a time does that.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_whole_onto_another_file_system() {
        let workspace = tempfile::tempdir().unwrap();
        let state = State::open(workspace.path()).unwrap();
        for folder in [tempfile::tempdir_in(workspace.path()), tempfile::tempdir_in("/dev/shm")] {
            let Ok(folder) = folder else { continue };
            let (target, link) = (folder.path().join("out"), folder.path().join("of-the-cache"));
            fs::write(&target, "old").unwrap();
            fs::hard_link(&target, &link).unwrap();
            fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
            state.place(&target, |unfinished| fs::write(unfinished, "new")).unwrap();
            assert_eq!((fs::read(&target).unwrap(), fs::read(&link).unwrap()), (b"new".to_vec(), b"old".to_vec()));
            let refused = state.place(&target, |unfinished| {
                fs::write(unfinished, "half")?;
                Err(io::Error::other("no"))
            });
            assert!(refused.is_err());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
            assert_eq!(fs::read_dir(state.path("tmp")).unwrap().count(), 0);
        }
    }
}
