//! What files held when they were last read, so that they are read only when they changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use sha2::{Digest as _, Sha256};

use super::repair::{Repair, put_aside, remove_unfinished, unfinished};
use super::signature::Signature;
use crate::cas::{Digest, store};

const NAME: &str = "files.bin";
const MAGIC: &[u8; 8] = b"dsfiles1";
const HEAD: usize = 16;
const ROW: usize = 96;
const CHECKSUM: usize = 32;

// A file that was not asked for in so many builds is forgotten. When a row was last used is written down every few
// builds only, so that a build in which nothing changed has nothing to save.
const FORGOTTEN_AFTER: u32 = 200;
const NOTED_AFTER: u32 = 16;

// Parts of paths are not kept: 16 bytes of their hash find them again, and a hundred thousand files take ten megabytes.
type Key = [u8; 16];

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// A regular file.
    File {
        /// Its content.
        digest: Digest,
        /// What the file system says about it.
        signature: Signature,
    },
    /// A symbolic link. It is not followed.
    Link {
        /// What it says.
        target: PathBuf,
    },
    /// A folder.
    Directory,
    /// A device, a pipe or a socket.
    Other,
    /// Nothing.
    Absent,
}

/// How often files did not have to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCounts {
    /// Files that were known.
    pub known: u64,
    /// Files that were read.
    pub hashed: u64,
    /// Their sizes.
    pub hashed_bytes: u64,
}

/// The digests of files by path, valid as long as their [`Signature`] stays the same. Threads may share it.
#[derive(Debug)]
pub struct FileTable {
    file: PathBuf,
    root: PathBuf,
    rows: DashMap<Key, Row, FxBuildHasher>,
    generation: u32,
    dirty: AtomicBool,
    // Held by whoever saves.
    turn: Mutex<()>,
    known: AtomicU64,
    hashed: AtomicU64,
    hashed_bytes: AtomicU64,
}

// The size of the content is that of the file.
#[derive(Clone, Copy, Debug)]
struct Row {
    device: u64,
    inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
    hash: [u8; 32],
    mode: u32,
    seen: u32,
}

impl FileTable {
    /// Reads the table of a cache folder, making the folder where there is none. Paths are taken from `root`, and those
    /// below it are known by their place in it. A damaged table is put aside and an empty one begun.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(folder: &Path, root: &Path) -> io::Result<(Self, Option<Repair>)> {
        fs::create_dir_all(folder)?;
        let file = folder.join(NAME);
        remove_unfinished(&file)?;
        let (mut generation, mut repair) = (0, None);
        let rows = DashMap::with_hasher(FxBuildHasher);
        match fs::read(&file) {
            Ok(bytes) => match parse(&bytes, &rows) {
                Ok(last) => generation = last,
                Err(reason) => repair = Some(put_aside(&file, reason.to_owned())?),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                repair = Some(put_aside(&file, error.to_string())?);
            }
            Err(error) => return Err(error),
        }
        let table = Self {
            file,
            root: root.to_owned(),
            rows,
            generation: generation.saturating_add(1),
            dirty: AtomicBool::new(false),
            turn: Mutex::default(),
            known: AtomicU64::new(0),
            hashed: AtomicU64::new(0),
            hashed_bytes: AtomicU64::new(0),
        };
        Ok((table, repair))
    }

    /// What is at a path now. A regular file is read only if it is not known with its present signature.
    ///
    /// # Errors
    /// When the file system refuses to tell. That nothing is there is no error.
    pub fn digest_of(&self, path: &Path) -> io::Result<Known> {
        let path = &self.root.join(path);
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => return Ok(Known::Absent),
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            return Ok(Known::Directory);
        }
        if metadata.is_symlink() {
            return Ok(Known::Link { target: fs::read_link(path)? });
        }
        if !metadata.is_file() {
            return Ok(Known::Other);
        }
        let signature = Signature::of(&metadata);
        let key = self.key(path);
        if let Some(digest) = self.find(&key, &signature) {
            self.known.fetch_add(1, Ordering::Relaxed);
            return Ok(Known::File { digest, signature });
        }
        self.read(path, key)
    }

    /// What a file with this signature is known to hold.
    pub fn lookup(&self, path: &Path, signature: &Signature) -> Option<Digest> {
        self.find(&self.key(&self.root.join(path)), signature)
    }

    /// Remembers what a file holds. The signature must have been taken before the file was hashed, or after the store
    /// gave the file its stamp. Says whether that was possible: a file that changed a moment before cannot be
    /// recognised later, unless it carries the stamp.
    pub fn remember(&self, path: &Path, signature: &Signature, digest: &Digest) -> bool {
        self.insert(self.key(&self.root.join(path)), signature, digest)
    }

    /// Forgets a file.
    pub fn forget(&self, path: &Path) {
        if self.rows.remove(&self.key(&self.root.join(path))).is_some() {
            self.dirty.store(true, Ordering::Relaxed);
        }
    }

    /// How often files were known so far.
    pub fn counts(&self) -> LookupCounts {
        LookupCounts {
            known: self.known.load(Ordering::Relaxed),
            hashed: self.hashed.load(Ordering::Relaxed),
            hashed_bytes: self.hashed_bytes.load(Ordering::Relaxed),
        }
    }

    /// The number of files in the table.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table, in one step, if there is anything new in it.
    ///
    /// # Errors
    /// When the file system refuses. The table that was there is still there then.
    pub fn save(&self) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.dirty.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let saved = self.write();
        if saved.is_err() {
            self.dirty.store(true, Ordering::Relaxed);
        }
        saved
    }

    fn write(&self) -> io::Result<()> {
        let mut rows: Vec<(Key, Row)> = self.rows.iter().map(|row| (*row.key(), *row.value())).collect();
        rows.retain(|(_, row)| self.generation.saturating_sub(row.seen) < FORGOTTEN_AFTER);
        rows.sort_unstable_by_key(|(key, _)| *key);
        let mut bytes = Vec::with_capacity(HEAD + rows.len() * ROW + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(rows.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (key, row) in rows.iter().take(u32::MAX as usize) {
            row.write(key, &mut bytes);
        }
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        let unfinished = unfinished(&self.file);
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&unfinished, &self.file));
        if written.is_err() {
            // The reason for which it could not be written is what counts.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn read(&self, path: &Path, key: Key) -> io::Result<Known> {
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(Known::Absent),
            Err(error) => return Err(error),
        };
        let signature = Signature::of(&file.metadata()?);
        let digest = hash(&file, signature.size)?;
        self.hashed.fetch_add(1, Ordering::Relaxed);
        self.hashed_bytes.fetch_add(digest.size, Ordering::Relaxed);
        // A file that changes while it is read has no content to remember.
        if Signature::of(&file.metadata()?) == signature {
            self.insert(key, &signature, &digest);
        }
        Ok(Known::File { digest, signature })
    }

    fn insert(&self, key: Key, signature: &Signature, digest: &Digest) -> bool {
        if !signature.vouches_for(digest) {
            return false;
        }
        self.rows.insert(key, Row::new(signature, digest, self.generation));
        self.dirty.store(true, Ordering::Relaxed);
        true
    }

    fn find(&self, key: &Key, signature: &Signature) -> Option<Digest> {
        let row = *self.rows.get(key)?;
        let digest = row.matches(signature)?;
        if self.generation - row.seen >= NOTED_AFTER {
            if let Some(mut row) = self.rows.get_mut(key) {
                row.seen = self.generation;
            }
            self.dirty.store(true, Ordering::Relaxed);
        }
        Some(digest)
    }

    // The same for a file of the workspace wherever the workspace is.
    fn key(&self, path: &Path) -> Key {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        let hash = Sha256::digest(path.as_os_str().as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        key
    }
}

impl Row {
    fn new(signature: &Signature, digest: &Digest, seen: u32) -> Self {
        let Signature { device, inode, size, modified, changed, mode, .. } = *signature;
        Self { device, inode, size, modified, changed, hash: digest.hash, mode, seen }
    }

    // The content, if the file is still the same.
    fn matches(&self, signature: &Signature) -> Option<Digest> {
        let digest = Digest { hash: self.hash, size: self.size };
        let same = (self.device, self.inode, self.size, self.modified, self.mode)
            == (signature.device, signature.inode, signature.size, signature.modified, signature.mode);
        // An inode that is shared with the store changes whenever another output becomes a link to it; its stamp tells
        // that the content does not.
        let same = same && (self.changed == signature.changed || store::is_stamped(&digest, self.modified));
        same.then_some(digest)
    }

    fn write(&self, key: &Key, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(key);
        for number in [self.device, self.inode, self.size] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.modified, self.changed] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.mode.to_le_bytes());
        bytes.extend_from_slice(&self.seen.to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<(Key, Self)> {
        let key = take(bytes)?;
        let row = Self {
            device: u64::from_le_bytes(take(bytes)?),
            inode: u64::from_le_bytes(take(bytes)?),
            size: u64::from_le_bytes(take(bytes)?),
            modified: i64::from_le_bytes(take(bytes)?),
            changed: i64::from_le_bytes(take(bytes)?),
            hash: take(bytes)?,
            mode: u32::from_le_bytes(take(bytes)?),
            seen: u32::from_le_bytes(take(bytes)?),
        };
        Some((key, row))
    }
}

// Fills a table from a file, and gives the number of builds that it has seen.
fn parse(bytes: &[u8], rows: &DashMap<Key, Row, FxBuildHasher>) -> Result<u32, &'static str> {
    const SHORT: &str = "it is shorter than it says";
    let end = bytes.len().checked_sub(CHECKSUM).ok_or(SHORT)?;
    let (mut rest, checksum) = bytes.split_at(end);
    if Sha256::digest(rest)[..] != *checksum {
        return Err("its checksum is wrong");
    }
    if take(&mut rest) != Some(*MAGIC) {
        return Err("it is of another version");
    }
    let generation = take(&mut rest).map(u32::from_le_bytes).ok_or(SHORT)?;
    let count = take(&mut rest).map(u32::from_le_bytes).ok_or(SHORT)?;
    for _ in 0..count {
        let (key, mut row) = Row::read(&mut rest).ok_or(SHORT)?;
        row.seen = row.seen.min(generation);
        rows.insert(key, row);
    }
    Ok(generation)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn hash(file: &File, size: u64) -> io::Result<Digest> {
    const SMALL: u64 = 1 << 16;
    if size > SMALL {
        return Digest::of_reader(file);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    (&mut &*file).read_to_end(&mut bytes)?;
    Ok(Digest::of(&bytes))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
