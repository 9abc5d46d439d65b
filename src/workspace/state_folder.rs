//! The folder in which a build keeps its own state. Specs do not see it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::system::{DirEntry, EntryKind, FileSystem, Signature};

/// The name of the folder, directly below the folder of the configuration.
pub const STATE_FOLDER: &str = ".dscript";

/// Another file system in which the state folder of a workspace is not there: modules are not looked for in it, globs do
/// not find it, and evaluation does not depend on what a build leaves there.
pub(super) struct WithoutStateFolder {
    inner: Arc<dyn FileSystem>,
    workspace: PathBuf,
    hidden: PathBuf,
}

impl WithoutStateFolder {
    /// Hides the state folder of the workspace at a path: a folder, or a file in it.
    pub fn new(inner: Arc<dyn FileSystem>, opened: &Path) -> Self {
        let workspace = if inner.is_dir(opened) { opened } else { opened.parent().unwrap_or(opened) }.to_owned();
        let hidden = workspace.join(STATE_FOLDER);
        Self { inner, workspace, hidden }
    }

    fn visible(&self, path: &Path) -> io::Result<()> {
        // An error of the system, so that its words are those for any other path that is not there.
        if path.starts_with(&self.hidden) { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

impl FileSystem for WithoutStateFolder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.visible(path)?;
        self.inner.read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.read_dir_except(path, &[])
    }

    fn read_dir_except(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        self.visible(path)?;
        let mut entries = self.inner.read_dir_except(path, except)?;
        if path == self.workspace {
            entries.retain(|entry| entry.name != STATE_FOLDER);
        }
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.visible(path).ok()?;
        self.inner.kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.visible(path)?;
        self.inner.canonicalize(path)
    }

    fn signature(&self, path: &Path) -> Option<Signature> {
        self.visible(path).ok()?;
        self.inner.signature(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::system::MemoryFileSystem;

    #[test]
    fn only_the_folder_of_the_workspace_itself_is_hidden() {
        let files = [("/w/config.dsc", ""), ("/w/.dscript/a", ""), ("/w/b/.dscript/c", "")];
        let inner: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::from(files));
        for opened in ["/w", "/w/config.dsc"] {
            let system = WithoutStateFolder::new(inner.clone(), Path::new(opened));
            let names = |path: &str| -> Vec<String> {
                system.read_dir(Path::new(path)).unwrap().into_iter().map(|entry| entry.name).collect()
            };
            assert_eq!(names("/w"), ["b", "config.dsc"]);
            assert_eq!(names("/w/b"), [".dscript"]);
            for hidden in ["/w/.dscript", "/w/.dscript/a"].map(Path::new) {
                assert_eq!(system.kind(hidden), None);
                assert_eq!(system.read(hidden).unwrap_err().kind(), io::ErrorKind::NotFound);
                assert!(system.read_dir(hidden).is_err() && system.canonicalize(hidden).is_err());
            }
        }
    }
}
