//! The SDK that comes with the program: the prelude and `Sdk.Transformers`, embedded in the binary.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::system::{DirEntry, EntryKind, FileSystem, MemoryFileSystem};

/// Path below `stdlib/` and text of each file.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// Where the embedded SDK seems to lie. No file system holds such a folder, and messages show where a place is from.
pub(super) const EMBEDDED_ROOT: &str = "/<sdk>";

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

impl FileSystem for WithSdk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.of(path).read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.of(path).read_dir(path)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.of(path).kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.of(path).canonicalize(path)
    }
}
