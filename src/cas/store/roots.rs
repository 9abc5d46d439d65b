//! What somebody put into a store on purpose, and so is kept though no result of a build needs it.
//!
//! ```text
//! roots/HASH-SIZE.tree   a directory, with all that is below it; the file holds what it was called
//! roots/HASH-SIZE.blob   a single content
//! ```
//!
//! The time of such a file is that of its last use.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::error::{During as _, StoreError};
use super::{Hold, Store};
use crate::cas::Digest;

/// Something that was put into a store on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// What it is.
    pub digest: Digest,
    /// Whether it is a directory, so that what is below it is kept with it.
    pub is_tree: bool,
    /// What it was called where it came from.
    pub name: String,
    /// When it was put in, or last asked for.
    pub used: SystemTime,
}

impl Store {
    /// Keeps a content, and all below it if it is a directory, until [`Store::remove_root`]. It should be there already.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn add_root(&self, digest: &Digest, is_tree: bool, name: &str) -> Result<(), StoreError> {
        let folder = self.folder.join("roots");
        fs::create_dir_all(&folder).during("create", &folder)?;
        let path = self.root_file(digest, is_tree);
        let unfinished = self.temporary.unused();
        fs::write(unfinished.path(), name).during("write", unfinished.path())?;
        unfinished.rename(&path).during("create", &path)
    }

    /// Notes that a root is used now. Nothing happens where there is none.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn touch_root(&self, digest: &Digest, is_tree: bool) -> Result<(), StoreError> {
        let path = self.root_file(digest, is_tree);
        match File::options().write(true).open(&path) {
            Ok(file) => file.set_modified(SystemTime::now()).during("set the time of", &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).during("open", &path),
        }
    }

    /// What is kept, the latest used first.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let folder = self.folder.join("roots");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).during("list", &folder),
        };
        let mut roots = Vec::new();
        for entry in entries {
            let path = entry.during("list", &folder)?.path();
            // Files of others are left alone.
            let Some((digest, is_tree)) = path.file_name().and_then(parse) else { continue };
            let name = match fs::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).during("read", &path),
            };
            let used = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
                Ok(time) => time,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error).during("look at", &path),
            };
            roots.push(Root { digest, is_tree, name, used });
        }
        roots.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| (a.digest, a.is_tree).cmp(&(b.digest, b.is_tree))));
        Ok(roots)
    }

    /// No longer keeps something. Whoever does that holds the store alone: nobody can be about to use it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove_root(&self, root: &Root, _alone: &Hold) -> Result<(), StoreError> {
        let path = self.root_file(&root.digest, root.is_tree);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).during("remove", &path),
            _ => Ok(()),
        }
    }

    fn root_file(&self, digest: &Digest, is_tree: bool) -> PathBuf {
        let kind = if is_tree { "tree" } else { "blob" };
        self.folder.join(format!("roots/{}-{}.{kind}", digest.hex(), digest.size))
    }
}

fn parse(name: &OsStr) -> Option<(Digest, bool)> {
    let (digest, kind) = name.to_str()?.rsplit_once('.')?;
    let is_tree = match kind {
        "tree" => true,
        "blob" => false,
        _ => return None,
    };
    Some((digest.replacen('-', "/", 1).parse().ok()?, is_tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_kept_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.roots().unwrap(), []);
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        store.add_root(&one, false, "/where it was").unwrap();
        store.add_root(&two, true, "two").unwrap();
        store.add_root(&two, true, "two again").unwrap();
        fs::write(folder.path().join("roots/of somebody else"), "").unwrap();
        store.touch_root(&one, false).unwrap();
        store.touch_root(&one, true).unwrap();
        let roots = store.roots().unwrap();
        let said: Vec<_> = roots.iter().map(|root| (root.digest, root.is_tree, root.name.as_str())).collect();
        assert_eq!(said, [(one, false, "/where it was"), (two, true, "two again")]);
        let alone = store.hold_alone().unwrap();
        store.remove_root(&roots[0], &alone).unwrap();
        store.remove_root(&roots[0], &alone).unwrap();
        assert_eq!(store.roots().unwrap(), roots[1..]);
    }
}
