//! The SDK that comes with the program: the prelude and modules, embedded in the binary.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::module_file::ModuleDescription;
use crate::paths::{PathId, Paths};
use crate::program::Semantics;
use crate::source::system::{DirEntry, EntryKind, FileSystem, MemoryFileSystem};

/// Path below `stdlib/` and text of each file.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// Where the embedded SDK seems to lie. No file system holds such a folder, and messages show where a place is from.
pub(super) const EMBEDDED_ROOT: &str = "/<sdk>";

/// Where the prelude lies in an SDK.
const PRELUDE_FOLDER: &str = "prelude";

/// The name of the module that is visible everywhere.
pub(super) const PRELUDE_MODULE: &str = "Sdk.Prelude";

/// A file system with the embedded SDK beside what was there before.
pub(super) struct WithSdk {
    outer: Arc<dyn FileSystem>,
    sdk: MemoryFileSystem,
}

impl WithSdk {
    /// Adds the embedded SDK to a file system.
    pub fn new(outer: Arc<dyn FileSystem>) -> Self {
        let files = FILES.iter().map(|(path, text)| (format!("{EMBEDDED_ROOT}/{path}"), *text));
        Self { outer, sdk: files.collect() }
    }

    fn of(&self, path: &Path) -> &dyn FileSystem {
        if path.starts_with(EMBEDDED_ROOT) { &self.sdk } else { &*self.outer }
    }
}

/// Path and text of each file of the embedded SDK, in order.
pub(super) fn embedded_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

/// The names of the modules of the embedded SDK.
pub(super) fn embedded_modules() -> impl Iterator<Item = &'static str> {
    let folders = FILES.iter().filter_map(|(path, _)| path.strip_suffix("/module.config.dsc"));
    folders.filter(|folder| *folder != PRELUDE_FOLDER)
}

/// What a module file of the embedded SDK says; none for all others. They all say the same, so that no file has to be
/// read before a spec imports the module.
pub(super) fn embedded_module(paths: &Paths, file: PathId) -> Option<ModuleDescription> {
    let folder = paths.parent(file)?;
    let root = paths.parse_absolute(EMBEDDED_ROOT).ok()?;
    if paths.parent(folder) != Some(root) {
        return None;
    }
    let name = paths.symbols().text(paths.name(folder)?);
    (name != PRELUDE_FOLDER).then(|| ModuleDescription {
        name: name.into(),
        semantics: Semantics::Implicit,
        projects: None,
        main: None,
        allowed_dependencies: None,
        cyclical_friends: Vec::new(),
        mounts: Vec::new(),
        allow_list: Vec::new(),
        location: None,
    })
}

impl FileSystem for WithSdk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.of(path).read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.of(path).read_dir(path)
    }

    fn read_dir_except(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        self.of(path).read_dir_except(path, except)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.of(path).kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.of(path).canonicalize(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`embedded_module`] relies on.
    #[test]
    fn module_files_say_nothing_but_the_name_of_their_folder() {
        for (path, text) in FILES {
            let Some(folder) = path.strip_suffix("/module.config.dsc").filter(|folder| *folder != PRELUDE_FOLDER)
            else {
                continue;
            };
            let code: String = text.lines().filter(|line| !line.starts_with("//")).collect();
            let code = code.split_whitespace().collect::<String>();
            let semantics = "nameResolutionSemantics:NameResolutionSemantics.implicitProjectReferences";
            assert_eq!(code, format!("module({{name:\"{folder}\",{semantics},}});"), "{path}");
        }
    }
}
