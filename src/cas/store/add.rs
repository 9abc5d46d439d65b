//! How contents come into the store.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::error::{During as _, StoreError};
use super::inspect::{hash, is_executable, is_untouched, mode};
use super::temporary::Unfinished;
use super::{Store, stamp};
use crate::cas::Digest;

/// What the store does with a file that is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The file and the store share one inode: the file becomes read-only, and the last digits of its modification time
    /// change. Where the store has the content already, the file is replaced by a link to it. Where
    /// linking is not possible, the store gets a copy and the file becomes read-only all the same.
    Link,
    /// The store gets a copy, which shares the blocks of the file where the file system can do that.
    Copy,
}

// A mark that is no content's: on a file that is being hashed.
const UNFINISHED: Digest = Digest { hash: [0xd5; 32], size: 0 };

impl Store {
    /// Adds bytes.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn add_bytes(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.contains(&digest)? {
            return Ok(digest);
        }
        let unfinished = self.temporary.unused();
        let mut file = create(&unfinished)?;
        file.write_all(bytes).during("write", unfinished.path())?;
        self.publish(unfinished, &file, &digest, Permissions::from_mode(0o444))?;
        Ok(digest)
    }

    /// Adds a file, and says what it holds. Symbolic links are not followed.
    ///
    /// # Errors
    /// When it is not a regular file, when it changed meanwhile, or when the file system refuses.
    pub fn add_file(&self, path: &Path, how: Keep) -> Result<Digest, StoreError> {
        match how {
            Keep::Link => self.link(path, None),
            Keep::Copy => self.copy(path, None),
        }
    }

    /// Adds a file whose digest is known. For [`Keep::Link`] it is the caller who makes sure that the file still has
    /// that content (only the size is compared); copies are compared.
    ///
    /// # Errors
    /// When it is not a regular file, when it changed meanwhile, or when the file system refuses.
    pub fn add_file_as(&self, path: &Path, digest: &Digest, how: Keep) -> Result<(), StoreError> {
        match how {
            Keep::Link => self.link(path, Some(*digest))?,
            Keep::Copy => self.copy(path, Some(*digest))?,
        };
        Ok(())
    }

    fn link(&self, path: &Path, known: Option<Digest>) -> Result<Digest, StoreError> {
        let changed = || StoreError::Changed { path: path.to_owned() };
        let (file, before) = open(path)?;
        // A program that runs as another user must keep the bits that say so. And what this user may not mark, it may
        // not make read-only either.
        let special = before.mode() & 0o7000 != 0;
        let marked = if special { None } else { self.digest_marked(path, &file, &before, known)? };
        let Some(digest) = marked else { return self.copy(path, known) };
        let executable = is_executable(&before);
        match self.good(&digest, executable) {
            Ok(stored) if (stored.metadata.dev(), stored.metadata.ino()) == (before.dev(), before.ino()) => {
                return Ok(digest);
            }
            Ok(stored) => match self.replace(path, &before, &stored.path)? {
                true => return Ok(digest),
                // The inode has as many links as it can have. The file stays what it is.
                false => return self.seal(path, &file, &digest, executable).map(|_| digest),
            },
            Err(error) if error.is_miss() => {}
            Err(error) => return Err(error),
        }
        if !self.seal(path, &file, &digest, executable)? {
            return self.copy(path, Some(digest));
        }
        let target = self.place(&digest, executable);
        match self.in_folder(&target, || fs::hard_link(path, &target)) {
            Ok(()) => {}
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(digest),
            Err(error) if cannot_link(&error) => {
                self.copy(path, Some(digest))?;
                return Ok(digest);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(changed()),
            Err(error) => return Err(error).during("link", &target),
        }
        // What has been linked must be what was hashed: the path may lead to another file by now, or the file may have
        // been written to. A good file that someone else has put there meanwhile is as good.
        let linked = fs::symlink_metadata(&target).during("look at", &target)?;
        let same = (linked.dev(), linked.ino()) == (before.dev(), before.ino());
        if is_untouched(&linked, &digest) || (self.verify && same) {
            return Ok(digest);
        }
        self.discard(&target, linked.ino())?;
        Err(changed())
    }

    // The digest of a file about to be linked, hashed in a way that notices every write from before the first byte was
    // read. `None` where the file belongs to someone else.
    fn digest_marked(
        &self,
        path: &Path,
        file: &File,
        before: &Metadata,
        known: Option<Digest>,
    ) -> Result<Option<Digest>, StoreError> {
        let changed = || StoreError::Changed { path: path.to_owned() };
        if let Some(digest) = known {
            return if digest.size == before.len() { Ok(Some(digest)) } else { Err(changed()) };
        }
        let mut time = stamp::modified(before);
        // A file with a second link may be in the store already, where it must not lose its stamp.
        if before.nlink() == 1 {
            time = stamp::stamped(&UNFINISHED, time);
            match stamp::set_modified(file, time) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
                answer => answer.during("set the time of", path)?,
            }
            if self.verify {
                // The file system may have rounded it.
                time = stamp::modified(&file.metadata().during("look at", path)?);
            }
        }
        let digest = hash(file, before.len()).during("read", path)?;
        let after = file.metadata().during("look at", path)?;
        let unchanged = after.len() == digest.size && stamp::modified(&after) == time;
        if unchanged { Ok(Some(digest)) } else { Err(changed()) }
    }

    // Makes a file read-only and stamps it; false where the file belongs to someone else.
    fn seal(&self, path: &Path, file: &File, digest: &Digest, executable: bool) -> Result<bool, StoreError> {
        let metadata = file.metadata().during("look at", path)?;
        let permissions = mode(&metadata, executable);
        if metadata.mode() & 0o7777 != permissions.mode() & 0o7777 {
            match file.set_permissions(permissions) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
                answer => answer.during("change the mode of", path)?,
            }
        }
        let time = stamp::stamped(digest, stamp::modified(&metadata));
        if time != stamp::modified(&metadata) {
            stamp::set_modified(file, time).during("set the time of", path)?;
        }
        Ok(true)
    }

    // Puts a link to what is stored in the place of an equal file; false where that is not possible.
    fn replace(&self, path: &Path, before: &Metadata, stored: &Path) -> Result<bool, StoreError> {
        let unfinished = self.temporary.unused();
        match fs::hard_link(stored, unfinished.path()) {
            Ok(()) => {}
            Err(error) if cannot_link(&error) => return Ok(false),
            Err(error) => return Err(error).during("link", stored),
        }
        let now = fs::symlink_metadata(path).during("look at", path)?;
        if (now.dev(), now.ino(), now.len()) != (before.dev(), before.ino(), before.len()) {
            return Err(StoreError::Changed { path: path.to_owned() });
        }
        match unfinished.rename_link(path) {
            Ok(()) => Ok(true),
            Err(error) if cannot_link(&error) => Ok(false),
            Err(error) => Err(error).during("replace", path),
        }
    }

    fn copy(&self, path: &Path, known: Option<Digest>) -> Result<Digest, StoreError> {
        let (file, before) = open(path)?;
        if let Some(digest) = known
            && !self.verify
            && self.good(&digest, is_executable(&before)).is_ok()
        {
            return Ok(digest);
        }
        self.copy_open(&file, &before, path, known)
    }

    /// Adds a copy of a file that has been opened, from where it stands.
    pub(in crate::cas) fn copy_open(
        &self,
        file: &File,
        before: &Metadata,
        path: &Path,
        known: Option<Digest>,
    ) -> Result<Digest, StoreError> {
        // So large a file is not taken into memory.
        const LARGE: u64 = 1 << 20;
        let executable = is_executable(before);
        let mode = mode(before, executable);
        // It is the copy that is hashed: whatever happens to the file, the store has what the digest says.
        let as_known = |digest: Digest| match known {
            Some(known) if known != digest => Err(StoreError::Changed { path: path.to_owned() }),
            _ => Ok(digest),
        };
        if before.len() > LARGE {
            let unfinished = self.temporary.unused();
            let mut copy = create_as(&unfinished, 0o600)?;
            io::copy(&mut &*file, &mut copy).during("write", unfinished.path())?;
            let written = File::open(unfinished.path()).during("open", unfinished.path())?;
            let size = written.metadata().during("look at", unfinished.path())?.len();
            let digest = as_known(hash(&written, size).during("read", unfinished.path())?)?;
            if !self.has(&digest, executable)? {
                self.publish_at(unfinished, &copy, &digest, mode, Some(stamp::modified(before)))?;
            }
            return Ok(digest);
        }
        // One byte more, so that the end is seen without growing.
        let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0) + 1);
        io::Read::read_to_end(&mut &*file, &mut bytes).during("read", path)?;
        let digest = as_known(Digest::of(&bytes))?;
        if !self.has(&digest, executable)? {
            let unfinished = self.temporary.unused();
            let mut copy = create_as(&unfinished, mode.mode())?;
            copy.write_all(&bytes).during("write", unfinished.path())?;
            self.publish_at(unfinished, &copy, &digest, mode, Some(stamp::modified(before)))?;
        }
        Ok(digest)
    }

    /// Whether there is a good file for a content and this mode.
    pub(super) fn has(&self, digest: &Digest, executable: bool) -> Result<bool, StoreError> {
        match self.good(digest, executable) {
            Ok(_) => Ok(true),
            Err(error) if error.is_miss() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a finished file its mode, its stamp and its name.
    pub(super) fn publish(
        &self,
        unfinished: Unfinished,
        file: &File,
        digest: &Digest,
        mode: Permissions,
    ) -> Result<(), StoreError> {
        self.publish_at(unfinished, file, digest, mode, None)
    }

    // The same with a modification time, of which the last digits give way to the stamp; that of the file for none.
    fn publish_at(
        &self,
        unfinished: Unfinished,
        file: &File,
        digest: &Digest,
        mode: Permissions,
        modified: Option<i64>,
    ) -> Result<(), StoreError> {
        let path = unfinished.path();
        let executable = mode.mode() & 0o111 != 0;
        let metadata = file.metadata().during("look at", path)?;
        if metadata.mode() & 0o7777 != mode.mode() {
            file.set_permissions(mode).during("change the mode of", path)?;
        }
        let time = modified.unwrap_or_else(|| stamp::modified(&metadata));
        stamp::set_modified(file, stamp::stamped(digest, time)).during("set the time of", path)?;
        let target = self.place(digest, executable);
        match self.in_folder(&target, || rename_new(path, &target)) {
            Ok(()) => {
                unfinished.was_moved();
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            // Some file systems cannot do that.
            Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EINVAL | nix::libc::ENOSYS)) => {}
            Err(error) => return Err(error).during("create", &target),
        }
        match self.in_folder(&target, || fs::hard_link(path, &target)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) if cannot_link(&error) => unfinished.rename(&target).during("create", &target),
            Err(error) => Err(error).during("create", &target),
        }
    }

    // Does something that needs the folder of a file, and makes that folder if it was missing.
    pub(super) fn in_folder(&self, target: &Path, act: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = target.parent() {
                    fs::create_dir_all(folder)?;
                }
                act()
            }
            answer => answer,
        }
    }
}

/// A new file, to be written.
pub(super) fn create(unfinished: &Unfinished) -> Result<File, StoreError> {
    create_as(unfinished, 0o600)
}

/// With the mode that it is to have in the end, as far as the umask lets it: then it need not be changed.
pub(super) fn create_as(unfinished: &Unfinished, mode: u32) -> Result<File, StoreError> {
    let path = unfinished.path();
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path).during("create", path)
}

// Renames a file unless something has that name: a file that someone else has put there meanwhile stays, for others may
// have links to it.
#[cfg(target_env = "gnu")]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    Ok(renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE)?)
}

// Not every C library has it.
#[cfg(not(target_env = "gnu"))]
fn rename_new(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(nix::libc::ENOSYS))
}

fn open(path: &Path) -> Result<(File, Metadata), StoreError> {
    let not_a_file = || StoreError::NotAFile { path: path.to_owned() };
    // Not blocking, for it may be a pipe.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.raw_os_error(), Some(nix::libc::ELOOP | nix::libc::ENXIO)) => {
            return Err(not_a_file());
        }
        Err(error) => return Err(error).during("open", path),
    };
    let metadata = file.metadata().during("look at", path)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_a_file()) }
}

/// Whether a link is not possible here, though a copy may be.
pub(super) fn cannot_link(error: &io::Error) -> bool {
    use nix::libc::{EMLINK, ENOSYS, EOPNOTSUPP, EPERM, EXDEV};
    matches!(error.raw_os_error(), Some(EXDEV | EMLINK | EPERM | EOPNOTSUPP | ENOSYS))
}
