//! Contents that arrive piece by piece, with a digest that somebody claims them to have.

use std::fs::{File, Permissions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};

use super::Store;
use super::add::{create, create_as};
use super::error::{During as _, StoreError};
use super::temporary::Unfinished;
use crate::cas::Digest;

const PIECE: usize = 128 * 1024;

/// A content on its way into the store. It is hashed as it arrives, and is in the store only if it turns out to be what
/// it was said to be. Dropping it removes what has arrived.
#[derive(Debug)]
pub struct Incoming {
    digest: Digest,
    unfinished: Unfinished,
    file: File,
    hasher: Sha256,
    arrived: u64,
}

impl Incoming {
    /// What it is to become.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// How many bytes have arrived.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`StoreError::Unlike`] when they are more than there should be, and when the file system refuses. Then some of
    /// them may have been taken: [`Incoming::arrived`] says how many. It may be tried again with the others.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.arrived + bytes.len() as u64 > self.digest.size {
            return Err(StoreError::Unlike { digest: self.digest, size: self.arrived + bytes.len() as u64 });
        }
        // In pieces that stay in the processor's cache between the two.
        bytes.chunks(PIECE).try_for_each(|piece| self.append(piece))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Err(error) = self.file.write_all(bytes) {
            // A part may have been written. It may be tried again, when there is room.
            let path = self.unfinished.path();
            self.file.set_len(self.arrived).during("cut", path)?;
            self.file.seek(SeekFrom::Start(self.arrived)).during("cut", path)?;
            return Err(error).during("write", path);
        }
        self.hasher.update(bytes);
        self.arrived += bytes.len() as u64;
        Ok(())
    }

    /// Puts the content into the store.
    ///
    /// # Errors
    /// [`StoreError::Unlike`] when it is not what it was said to be, and when the file system refuses.
    pub fn finish(self, store: &Store, executable: bool) -> Result<(), StoreError> {
        let (digest, unfinished, file) = self.verified()?;
        let mode = Permissions::from_mode(if executable { 0o555 } else { 0o444 });
        store.publish(unfinished, &file, &digest, mode)
    }

    /// The finished file, if it is what it was said to be.
    pub(super) fn verified(self) -> Result<(Digest, Unfinished, File), StoreError> {
        let hash: [u8; 32] = self.hasher.finalize().into();
        if (Digest { hash, size: self.arrived }) != self.digest {
            return Err(StoreError::Unlike { digest: self.digest, size: self.arrived });
        }
        Ok((self.digest, self.unfinished, self.file))
    }
}

// What is written is hashed on its way.
struct Hashed<'f> {
    file: &'f mut File,
    hasher: Sha256,
}

impl io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Store {
    /// Begins to take a content that arrives piece by piece.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn receive(&self, digest: &Digest) -> Result<Incoming, StoreError> {
        let unfinished = self.temporary.unused();
        let file = create(&unfinished)?;
        Ok(Incoming { digest: *digest, unfinished, file, hasher: Sha256::new(), arrived: 0 })
    }

    /// Adds everything that a reader gives.
    ///
    /// # Errors
    /// When reading fails, and when the file system refuses.
    pub fn add_reader(&self, mut reader: impl io::Read) -> Result<Digest, StoreError> {
        let unfinished = self.temporary.unused();
        let mut file = create(&unfinished)?;
        let mut hashed = Hashed { file: &mut file, hasher: Sha256::new() };
        let size = io::copy(&mut reader, &mut hashed).during("write", unfinished.path())?;
        let digest = Digest { hash: hashed.hasher.finalize().into(), size };
        self.publish(unfinished, &file, &digest, Permissions::from_mode(0o444))?;
        Ok(digest)
    }

    /// Adds bytes that somebody claims to have a digest, with the mode that they are wanted with.
    ///
    /// # Errors
    /// [`StoreError::Unlike`] when they do not have it, and when the file system refuses.
    pub fn add_claimed(&self, digest: &Digest, bytes: &[u8], executable: bool) -> Result<(), StoreError> {
        if Digest::of(bytes) != *digest {
            return Err(StoreError::Unlike { digest: *digest, size: bytes.len() as u64 });
        }
        let unfinished = self.temporary.unused();
        let mode = if executable { 0o555 } else { 0o444 };
        let mut file = create_as(&unfinished, mode)?;
        file.write_all(bytes).during("write", unfinished.path())?;
        self.publish(unfinished, &file, digest, Permissions::from_mode(mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_promised_comes_in() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"in two pieces");
        let mut incoming = store.receive(&digest).unwrap();
        incoming.write(b"in two ").unwrap();
        assert!(!store.contains(&digest).unwrap());
        let too_long = incoming.write(b"pieces and more").unwrap_err();
        assert!(matches!(too_long, StoreError::Unlike { size: 22, .. }), "{too_long}");
        incoming.write(b"pieces").unwrap();
        incoming.finish(&store, true).unwrap();
        assert_eq!(store.read(&digest).unwrap(), b"in two pieces");

        let long = vec![7; 300_000];
        assert_eq!(store.add_reader(&long[..]).unwrap(), Digest::of(&long));
        assert_eq!(store.read(&Digest::of(&long)).unwrap(), long);

        for wrong in [&b"short"[..], b"other"] {
            let digest = Digest::of(b"right");
            let digest = if wrong == b"short" { Digest { size: 9, ..digest } } else { digest };
            let mut incoming = store.receive(&digest).unwrap();
            incoming.write(wrong).unwrap();
            assert!(matches!(incoming.finish(&store, false), Err(StoreError::Unlike { .. })));
            assert!(matches!(store.add_claimed(&digest, wrong, false), Err(StoreError::Unlike { .. })));
            assert!(!store.contains(&digest).unwrap());
        }
        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }
}
