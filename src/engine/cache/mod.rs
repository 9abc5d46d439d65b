//! Temporary tables.
#![allow(missing_docs)]
use crate::cas::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use sha2::Digest as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);
impl Fingerprint {
    pub fn as_bytes(&self) -> &[u8; 32] { &self.0 }
}
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", Digest { hash: self.0, size: 0 }.hex()) }
}
pub struct Hasher(sha2::Sha256);
impl Hasher {
    pub fn new() -> Self { Self(sha2::Sha256::new()) }
    pub fn bytes(&mut self, b: &[u8]) { self.0.update((b.len() as u64).to_le_bytes()); self.0.update(b); }
    pub fn section(&mut self, t: &str) { self.bytes(t.as_bytes()) }
    pub fn text(&mut self, t: &str) { self.bytes(t.as_bytes()) }
    pub fn number(&mut self, n: u64) { self.bytes(&n.to_le_bytes()) }
    pub fn flag(&mut self, f: bool) { self.number(f.into()) }
    pub fn digest(&mut self, d: &Digest) { self.bytes(&d.hash); self.number(d.size) }
    pub fn finish(self) -> Fingerprint { Fingerprint(self.0.finalize().into()) }
}
#[derive(Debug, thiserror::Error)]
#[error("cache: {0}")]
pub struct CacheError(#[from] io::Error);
pub struct Repair;
impl fmt::Display for Repair {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result { Ok(()) }
}
#[derive(Default, Serialize, Deserialize)]
struct Tables {
    sets: BTreeMap<Fingerprint, Vec<Vec<u8>>>,
    results: BTreeMap<Fingerprint, Vec<u8>>,
    recipes: BTreeMap<(u64, u32), Vec<u8>>,
}
pub struct Entries { path: PathBuf, tables: Mutex<Tables> }
impl Entries {
    pub fn open(dir: &Path) -> Result<(Self, Option<Repair>), CacheError> {
        let path = dir.join("entries.tmp");
        let tables = fs::read(&path).ok().and_then(|b| postcard::from_bytes(&b).ok()).unwrap_or_default();
        Ok((Self { path, tables: Mutex::new(tables) }, None))
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> { self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner) }
    pub fn path_sets(&self, w: &Fingerprint) -> Vec<(Digest, Vec<u8>)> {
        self.lock().sets.get(w).into_iter().flatten().map(|b| (Digest::of(b), b.clone())).collect()
    }
    pub fn result(&self, s: &Fingerprint) -> Option<Vec<u8>> { self.lock().results.get(s).cloned() }
    pub fn record(&self, w: &Fingerprint, p: &[u8], s: &Fingerprint, r: &[u8]) -> Result<(), CacheError> {
        let mut t = self.lock();
        let sets = t.sets.entry(*w).or_default();
        sets.retain(|one| one != p);
        sets.insert(0, p.to_vec());
        t.results.insert(*s, r.to_vec());
        Ok(())
    }
    pub fn touch(&self, _: &Fingerprint) {}
    pub fn close(&self) -> Result<(), CacheError> {
        fs::write(&self.path, postcard::to_stdvec(&*self.lock()).map_err(io::Error::other)?)?;
        Ok(())
    }
    pub fn recipe(&self, k: (u64, u32)) -> Option<Vec<u8>> { self.lock().recipes.get(&k).cloned() }
    pub fn remember_recipe(&self, k: (u64, u32), b: &[u8]) -> Result<(), CacheError> {
        self.lock().recipes.insert(k, b.to_vec());
        Ok(())
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sig(u64, u64, i64, i64, i64, i64);
fn sig(m: &fs::Metadata) -> Sig { Sig(m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()) }
pub struct FileTable { path: PathBuf, known: Mutex<BTreeMap<PathBuf, (Sig, Digest)>> }
impl FileTable {
    pub fn open(path: &Path, _: &Path) -> (Self, Option<Repair>) {
        let known = fs::read(path).ok().and_then(|b| postcard::from_bytes(&b).ok()).unwrap_or_default();
        (Self { path: path.to_owned(), known: Mutex::new(known) }, None)
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, (Sig, Digest)>> { self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner) }
    pub fn digest_with(&self, p: &Path, m: &fs::Metadata) -> io::Result<Digest> {
        if let Some((s, d)) = self.lock().get(p) && *s == sig(m) { return Ok(*d); }
        let d = Digest::of_reader(fs::File::open(p)?)?;
        self.lock().insert(p.to_owned(), (sig(m), d));
        Ok(d)
    }
    pub fn learn(&self, p: &Path, d: Digest) -> io::Result<()> {
        let m = fs::symlink_metadata(p)?;
        self.lock().insert(p.to_owned(), (sig(&m), d));
        Ok(())
    }
    pub fn forget(&self, p: &Path) { self.lock().remove(p); }
    pub fn vouches(&self, p: &Path, m: &fs::Metadata) -> bool { self.lock().get(p).is_some_and(|(s, _)| *s == sig(m)) }
    pub fn save(&self) -> io::Result<()> { fs::write(&self.path, postcard::to_stdvec(&*self.lock()).map_err(io::Error::other)?) }
}
