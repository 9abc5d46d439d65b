//! What the supervisor itself does to the file system before it lets a write go on: it notes what is made in shared
//! output directories, moves old contents aside, and gives a file that has several names a content of its own.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

/// The journal and the folder of backups of a job.
pub struct Effects {
    journal: Option<File>,
    noted: FxHashSet<Box<[u8]>>,
    backup: PathBuf,
    backups: usize,
    copies: usize,
}

impl Effects {
    /// Opens the journal.
    ///
    /// # Errors
    /// When that fails.
    pub fn new(journal: Option<&Path>, backup: &Path) -> io::Result<Self> {
        let journal = journal.map(|path| OpenOptions::new().append(true).create(true).open(path)).transpose()?;
        Ok(Self { journal, noted: FxHashSet::default(), backup: backup.to_owned(), backups: 0, copies: 0 })
    }

    /// Notes a path that is about to be made, once.
    ///
    /// # Errors
    /// When it cannot be written down: then it must not be made.
    pub fn note(&mut self, path: &[u8]) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if self.noted.contains(path) {
            return Ok(());
        }
        // In one call, so that a build that is killed leaves no half of a path.
        let mut line = Vec::with_capacity(path.len() + 1);
        line.extend_from_slice(path);
        line.push(0);
        journal.write_all(&line)?;
        self.noted.insert(path.into());
        Ok(())
    }

    /// Copies a file or link into the folder of backups and says where to. Folders and devices have no content to keep.
    ///
    /// # Errors
    /// When it cannot be copied: then it must not be overwritten.
    pub fn back_up(&mut self, path: &Path, metadata: &Metadata) -> io::Result<Option<PathBuf>> {
        let to = self.backup.join(self.backups.to_string());
        if metadata.is_symlink() {
            symlink(fs::read_link(path)?, &to)?;
        } else if metadata.is_file() {
            fs::copy(path, &to)?;
        } else {
            return Ok(None);
        }
        self.backups += 1;
        Ok(Some(to))
    }

    /// Gives a file with several names a content of its own under this name, and its owner the right to write it. The
    /// other names keep the old one. Without `keep` the new content is empty.
    ///
    /// # Errors
    /// When that fails: then the file must not be written.
    pub fn separate(&mut self, path: &Path, metadata: &Metadata, keep: bool) -> io::Result<()> {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        // The longest names leave no room for more.
        let name = std::ffi::OsStr::from_bytes(&name.as_bytes()[..name.len().min(200)]);
        let mut beside = name.to_owned();
        beside.push(format!(".{}-{}", std::process::id(), self.copies));
        self.copies += 1;
        let beside = path.with_file_name(beside);
        let done = Self::copy_over(path, &beside, metadata, keep);
        if done.is_err() {
            // It is the first error that counts; there may be nothing to remove.
            let _ = fs::remove_file(&beside);
        }
        done
    }

    fn copy_over(path: &Path, beside: &Path, metadata: &Metadata, keep: bool) -> io::Result<()> {
        if keep {
            fs::copy(path, beside)?;
        } else {
            OpenOptions::new().write(true).create_new(true).open(beside)?;
        }
        match std::os::unix::fs::lchown(beside, Some(metadata.uid()), Some(metadata.gid())) {
            // An ordinary user cannot give files away; then the file is theirs.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
        fs::set_permissions(beside, Permissions::from_mode(metadata.mode() & 0o7777 | 0o200))?;
        fs::rename(beside, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        fs::write(&journal, "earlier\0").unwrap();
        let mut effects = Effects::new(Some(&journal), folder.path()).unwrap();
        for path in ["/a", "/b\n", "/a"] {
            effects.note(path.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(&journal).unwrap(), b"earlier\0/a\0/b\n\0");
        Effects::new(None, folder.path()).unwrap().note(b"/x").unwrap();
    }

    #[test]
    fn a_file_of_several_names_gets_its_own_content() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, keep) in [("kept", true), ("emptied", false)] {
            let store = at(&format!("store-{name}"));
            fs::write(&store, "old").unwrap();
            fs::set_permissions(&store, Permissions::from_mode(0o444)).unwrap();
            fs::hard_link(&store, at(name)).unwrap();
            let metadata = fs::symlink_metadata(at(name)).unwrap();
            Effects::new(None, folder.path()).unwrap().separate(&at(name), &metadata, keep).unwrap();
            let now = fs::symlink_metadata(at(name)).unwrap();
            assert_eq!((now.nlink(), now.mode() & 0o777), (1, 0o644));
            assert_eq!(fs::read_to_string(at(name)).unwrap(), if keep { "old" } else { "" });
            fs::write(at(name), "new").unwrap();
            assert_eq!(fs::read_to_string(&store).unwrap(), "old");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn old_contents_and_links_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").unwrap();
        symlink("there", at("link")).unwrap();
        fs::create_dir(at("backup")).unwrap();
        let mut effects = Effects::new(None, &at("backup")).unwrap();
        let mut back_up = |name: &str| effects.back_up(&at(name), &fs::symlink_metadata(at(name)).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(back_up("file").unwrap()).unwrap(), "old");
        assert_eq!(fs::read_link(back_up("link").unwrap()).unwrap(), Path::new("there"));
        assert_eq!(back_up("backup"), None);
    }
}
