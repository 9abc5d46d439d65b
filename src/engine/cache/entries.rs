//! The table of results: from weak fingerprints to path sets, and from strong fingerprints to results.
//!
//! Records go to memory first, where they are found at once. A thread of its own writes them down a few times a second,
//! each time in one transaction. So recording costs a lookup in a map, a process that is killed loses its last
//! moment, and what the file has is whole.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError};
use thiserror::Error;

use super::closed::Closed;
use super::fingerprint::Fingerprint;
use super::pending::{Pending, append};
use super::repair::{Repair, put_aside, remove_unfinished, unfinished};
use super::tables;
use crate::cas::Digest;

const NAME: &str = "entries.redb";

// How long a record waits to be written, and how many bytes wait at most.
const DELAY: Duration = Duration::from_millis(300);
const HEAVY: usize = 4 << 20;

// Pages kept in memory.
const PAGES: usize = 64 << 20;

/// Why entries could not be opened or written.
#[derive(Debug, Error)]
pub enum EntriesError {
    /// Another process has them open. Only one at a time can.
    #[error("`{}` is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The database could not be written. What was recorded since is lost when the process ends.
    #[error("cannot write `{}`: {reason}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
}

/// How many entries there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryStats {
    /// Weak fingerprints.
    pub weak: u64,
    /// Path sets.
    pub path_sets: u64,
    /// Results.
    pub results: u64,
    /// The size of the file.
    pub bytes: u64,
    /// Values that could not be read since the table was opened.
    pub bad: u64,
}

/// A result that is being gone through.
#[derive(Clone, Copy, Debug)]
pub struct Found<'v> {
    /// Its strong fingerprint.
    pub strong: Fingerprint,
    /// The weak fingerprint that it was recorded with.
    pub weak: Fingerprint,
    /// When it was recorded or last used, in seconds since 1970, to the hour.
    pub used: u64,
    /// What was recorded.
    pub bytes: &'v [u8],
}

/// What [`Entries::retain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Results that remain.
    pub kept: u64,
    /// Results that were removed.
    pub removed: u64,
    /// Path sets that were removed because nothing led to them any longer.
    pub path_sets_removed: u64,
}

/// The entries of a cache folder. Threads may share them.
#[derive(Debug)]
pub struct Entries {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    database: Database,
    // Goes after the database, as the order of the fields has it.
    closed: Closed,
    state: Mutex<State>,
    wake: Condvar,
    // Held by whoever writes.
    turn: Mutex<()>,
    bad: AtomicU64,
    // Why the file is no good, if that turned out after it was opened.
    damage: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct State {
    fresh: Pending,
    // What is just being written, or could not be: it is still found.
    writing: Option<Arc<Pending>>,
    touched: BTreeSet<Fingerprint>,
    failed: Option<String>,
    closing: bool,
}

impl Entries {
    /// Whether a folder has a table of results.
    pub fn are_in(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }

    /// Opens the entries of a folder, making both where they are missing. A file that cannot be used is put aside and a
    /// new one begun.
    ///
    /// # Errors
    /// [`EntriesError::InUse`] while another process has them open, and when the file system refuses.
    pub fn open(folder: &Path) -> Result<(Self, Option<Repair>), EntriesError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| EntriesError::Io { action, path, source }
        };
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        let path = folder.join(NAME);
        remove_unfinished(&path).map_err(io("clean up beside", &path))?;
        let mut repair = None;
        let (database, closed) = match open_database(&path)? {
            Ok(opened) => opened,
            Err(reason) => {
                repair = Some(put_aside(&path, reason).map_err(io("move", &path))?);
                open_database(&path)?.map_err(|reason| EntriesError::Database { path: path.clone(), reason })?
            }
        };
        let shared = Arc::new(Shared {
            path: path.clone(),
            database,
            closed,
            state: Mutex::default(),
            wake: Condvar::new(),
            turn: Mutex::default(),
            bad: AtomicU64::new(0),
            damage: Mutex::default(),
        });
        let background = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("cache-entries".to_owned())
            .spawn(move || background.keep_writing())
            .map_err(io("start a thread for", &path))?;
        Ok((Self { shared, writer: Some(writer) }, repair))
    }

    /// The path sets that were recorded for a weak fingerprint, the most recent first, at most 64. Those that can no
    /// longer be read are left out.
    pub fn path_sets(&self, weak: Fingerprint) -> Vec<(Digest, Vec<u8>)> {
        let mut list = Vec::new();
        let mut here = Vec::new();
        {
            let state = self.shared.state();
            for pending in [Some(&state.fresh), state.writing.as_deref()].into_iter().flatten() {
                append(&mut list, pending.weak.get(&weak).into_iter().flatten().copied());
                here.extend(
                    list.iter()
                        .filter_map(|digest| pending.path_sets.get(digest).map(|bytes| (*digest, Arc::clone(bytes)))),
                );
            }
        }
        let in_memory = list.len();
        let stored = self.shared.read(|database| {
            let reading = database.begin_read()?;
            let stored = tables::get(&reading, tables::WEAK, &weak.0)?;
            let Some(stored) = stored else { return Ok(Vec::new()) };
            match tables::read_weak(&weak.0, &stored) {
                Some(stored) => append(&mut list, stored),
                None => self.shared.note_bad(),
            }
            let mut found = Vec::new();
            for digest in &list[in_memory..] {
                if let Some(bytes) = tables::get(&reading, tables::PATH_SETS, &tables::digest_bytes(digest))? {
                    found.push((*digest, bytes));
                } else {
                    self.shared.note_bad();
                }
            }
            Ok(found)
        });
        let memory = list[..in_memory].iter().filter_map(|digest| {
            here.iter().find(|(known, _)| known == digest).map(|(digest, bytes)| (*digest, bytes.to_vec()))
        });
        let stored = stored.unwrap_or_default().into_iter().filter(|(digest, bytes)| {
            let good = Digest::of(bytes) == *digest;
            if !good {
                self.shared.note_bad();
            }
            good
        });
        memory.chain(stored).collect()
    }

    /// The result that was recorded for a strong fingerprint.
    pub fn result(&self, strong: Fingerprint) -> Option<Vec<u8>> {
        {
            let state = self.shared.state();
            for pending in [Some(&state.fresh), state.writing.as_deref()].into_iter().flatten() {
                if let Some(recorded) = pending.results.get(&strong) {
                    return recorded.as_ref().map(|recorded| recorded.bytes.to_vec());
                }
            }
        }
        let bytes = self.shared.read(|database| tables::get(&database.begin_read()?, tables::RESULTS, &strong.0))??;
        match tables::read_result(&strong.0, &bytes) {
            Some((.., result)) => Some(result.to_vec()),
            None => {
                self.shared.note_bad();
                None
            }
        }
    }

    /// Records a result. The path set becomes the most recent one of the weak fingerprint.
    pub fn record(&self, weak: Fingerprint, path_set: &[u8], strong: Fingerprint, result: &[u8]) {
        let mut state = self.shared.state();
        let before = state.fresh.weight;
        state.fresh.record(weak, path_set, strong, result, now());
        self.shared.notify(before, &state);
    }

    /// Notes what the last result of a pip was made of, for telling why it runs again.
    pub fn remember_recipe(&self, pip: Fingerprint, recipe: &[u8]) {
        let mut state = self.shared.state();
        let before = state.fresh.weight;
        state.fresh.remember(pip, recipe);
        self.shared.notify(before, &state);
    }

    /// What the last result of a pip was made of.
    pub fn recipe(&self, pip: Fingerprint) -> Option<Vec<u8>> {
        {
            let state = self.shared.state();
            for pending in [Some(&state.fresh), state.writing.as_deref()].into_iter().flatten() {
                if let Some(recipe) = pending.recipes.get(&pip) {
                    return Some(recipe.to_vec());
                }
            }
        }
        let bytes = self.shared.read(|database| tables::get(&database.begin_read()?, tables::RECIPES, &pip.0))??;
        let recipe = tables::read_recipe(&pip.0, &bytes);
        if recipe.is_none() {
            self.shared.note_bad();
        }
        recipe.map(<[u8]>::to_vec)
    }

    /// Removes a result.
    pub fn remove(&self, strong: Fingerprint) {
        let mut state = self.shared.state();
        let before = state.fresh.weight;
        state.fresh.remove(strong);
        state.touched.remove(&strong);
        self.shared.notify(before, &state);
    }

    /// Notes that a result was used, so that [`Entries::retain`] can tell. Written at the end.
    pub fn touch(&self, strong: Fingerprint) {
        self.shared.state().touched.insert(strong);
    }

    /// Writes down what has been recorded so far.
    ///
    /// # Errors
    /// When the database cannot be written. What was recorded is still found by this process.
    pub fn flush(&self) -> Result<(), EntriesError> {
        self.shared.write_pending()
    }

    /// How many entries have been written down.
    ///
    /// # Errors
    /// When the database cannot be written or read.
    pub fn stats(&self) -> Result<EntryStats, EntriesError> {
        self.flush()?;
        let [weak, path_sets, results] = tables::lengths(&self.shared.database).map_err(|e| self.shared.error(e))?;
        let bytes = fs::metadata(&self.shared.path).map_or(0, |metadata| metadata.len());
        Ok(EntryStats { weak, path_sets, results, bytes, bad: self.shared.bad.load(Ordering::Relaxed) })
    }

    /// Goes through all results, in the order of their fingerprints.
    ///
    /// # Errors
    /// When the database cannot be written or read.
    pub fn for_each(&self, visit: &mut dyn FnMut(Found<'_>)) -> Result<(), EntriesError> {
        self.flush()?;
        let mut go = || -> Result<(), redb::Error> {
            let reading = self.shared.database.begin_read()?;
            let results = match reading.open_table(tables::RESULTS) {
                Ok(results) => results,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let times = reading.open_table(tables::USED)?;
            for row in results.iter()? {
                let (key, value) = row?;
                let used = times.get(key.value())?.map_or(0, |time| time.value());
                match found(key.value(), value.value(), used) {
                    Some((found, _)) => visit(found),
                    None => self.shared.note_bad(),
                }
            }
            Ok(())
        };
        go().map_err(|error| self.shared.error(error))
    }

    /// Removes the results for which `keep` says no, and then all that only led to them.
    ///
    /// # Errors
    /// When the database cannot be written or read. Nothing is removed then.
    pub fn retain(&self, keep: &mut dyn FnMut(Found<'_>) -> bool) -> Result<Retained, EntriesError> {
        self.flush()?;
        let _turn = lock(&self.shared.turn);
        self.shared.sweep(keep).map_err(|error| self.shared.error(error))
    }

    /// Writes everything down and closes the file. A file that turned out to be damaged is put aside, so that the next
    /// one to open it begins anew.
    ///
    /// # Errors
    /// When something that was recorded could not be written.
    pub fn close(mut self) -> Result<Option<Repair>, EntriesError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<Option<Repair>, EntriesError> {
        let Some(writer) = self.writer.take() else { return Ok(None) };
        self.shared.state().closing = true;
        self.shared.wake.notify_all();
        // The thread ends by itself; it does not panic.
        let _ = writer.join();
        self.shared.note_touched();
        let written = self.shared.write_pending();
        let damage = lock(&self.shared.damage).take();
        let Some(reason) = damage else { return written.map(|()| None) };
        // While it is still locked.
        self.shared.closed.forget();
        let path = &self.shared.path;
        let moved = put_aside(path, reason);
        moved.map(Some).map_err(|source| EntriesError::Io { action: "move", path: path.clone(), source })
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        // Whoever wants to know calls `close`.
        let _ = self.finish();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    // Wakes the thread when the first record comes, and when it is time to write without waiting.
    fn notify(&self, before: usize, state: &State) {
        if before == 0 || (before < HEAVY && state.fresh.weight >= HEAVY) {
            self.wake.notify_all();
        }
    }

    fn keep_writing(&self) {
        let mut state = self.state();
        while !state.closing {
            if state.fresh.is_empty() || state.failed.is_some() {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waits = |state: &mut State| !state.closing && state.fresh.weight < HEAVY;
            let waited = self.wake.wait_timeout_while(state, DELAY, waits);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            // The error stays in the state, and is told when the entries are closed.
            let _ = self.write_pending();
            state = self.state();
        }
    }

    // Hands on the last uses that are to be written down.
    fn note_touched(&self) {
        let now = now();
        let touched = std::mem::take(&mut self.state().touched);
        let stale = self.read(|database| tables::stale(database, touched, now)).unwrap_or_default();
        let mut state = self.state();
        for strong in stale {
            state.fresh.used.insert(strong, now);
        }
    }

    fn write_pending(&self) -> Result<(), EntriesError> {
        let _turn = lock(&self.turn);
        let pending = {
            let mut state = self.state();
            if let Some(reason) = &state.failed {
                return Err(EntriesError::Database { path: self.path.clone(), reason: reason.clone() });
            }
            if state.fresh.is_empty() && state.fresh.used.is_empty() {
                return Ok(());
            }
            let pending = Arc::new(std::mem::take(&mut state.fresh));
            state.writing = Some(Arc::clone(&pending));
            pending
        };
        let written = tables::write(&self.database, &pending);
        let mut state = self.state();
        match written {
            Ok(()) => {
                state.writing = None;
                Ok(())
            }
            Err(error) => {
                let error = self.error(error);
                // Only the first reason says anything.
                if let EntriesError::Database { reason, .. } = &error {
                    state.failed = Some(reason.clone());
                }
                Err(error)
            }
        }
    }

    fn sweep(&self, keep: &mut dyn FnMut(Found<'_>) -> bool) -> Result<Retained, redb::Error> {
        let mut retained = Retained::default();
        let writing = self.database.begin_write()?;
        {
            let mut results = writing.open_table(tables::RESULTS)?;
            let mut times = writing.open_table(tables::USED)?;
            let mut ways = BTreeSet::new();
            let mut unwanted = Vec::new();
            for row in results.iter()? {
                let (key, value) = row?;
                let used = times.get(key.value())?.map_or(0, |time| time.value());
                match found(key.value(), value.value(), used) {
                    Some((found, path_set)) if keep(found) => {
                        retained.kept += 1;
                        ways.insert((found.weak, path_set));
                    }
                    Some(_) => unwanted.push(*key.value()),
                    None => {
                        self.note_bad();
                        unwanted.push(*key.value());
                    }
                }
            }
            for key in &unwanted {
                results.remove(key)?;
                times.remove(key)?;
            }
            retained.removed = unwanted.len() as u64;

            let mut weak = writing.open_table(tables::WEAK)?;
            let mut live = BTreeSet::new();
            let mut shorter = Vec::new();
            for row in weak.iter()? {
                let (key, value) = row?;
                let old = tables::read_weak(key.value(), value.value()).unwrap_or_default();
                let new: Vec<Digest> = old
                    .iter()
                    .filter(|digest| ways.contains(&(Fingerprint(*key.value()), **digest)))
                    .copied()
                    .collect();
                live.extend(new.iter().map(tables::digest_bytes));
                if new.is_empty() || new.len() < old.len() {
                    shorter.push((*key.value(), new));
                }
            }
            for (key, list) in &shorter {
                if list.is_empty() {
                    weak.remove(key)?;
                } else {
                    weak.insert(key, &*tables::write_weak(key, list))?;
                }
            }
            let mut path_sets = writing.open_table(tables::PATH_SETS)?;
            path_sets.retain(|key, _| {
                let wanted = live.contains(key);
                retained.path_sets_removed += u64::from(!wanted);
                wanted
            })?;
        }
        writing.commit()?;
        Ok(retained)
    }

    // What cannot be read is not there.
    fn read<T>(&self, get: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Option<T> {
        match get(&self.database) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note_bad();
                self.error(error);
                None
            }
        }
    }

    fn note_bad(&self) {
        self.bad.fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self, error: redb::Error) -> EntriesError {
        let reason = error.to_string();
        if matches!(error, redb::Error::Corrupted(_)) {
            lock(&self.damage).get_or_insert_with(|| reason.clone());
        }
        EntriesError::Database { path: self.path.clone(), reason }
    }
}

// The inner error says why the file is no good.
fn open_database(path: &Path) -> Result<Result<(Database, Closed), String>, EntriesError> {
    use io::ErrorKind::{InvalidData, IsADirectory, UnexpectedEof};
    if !path.exists() {
        match create_database(path) {
            Ok(()) => {}
            Err(redb::Error::Io(source)) => {
                return Err(EntriesError::Io { action: "create", path: path.to_owned(), source });
            }
            Err(error) => return Err(EntriesError::Database { path: path.to_owned(), reason: error.to_string() }),
        }
    }
    let (closed, verify) = Closed::of(path);
    // Until it is open, there is nothing to note.
    let no_good = |reason: String| {
        closed.forget();
        Ok(Err(reason))
    };
    match Database::builder().set_cache_size(PAGES).set_check_integrity_on_open(verify).create(path) {
        Ok(database) => match tables::lengths(&database) {
            Ok(_) => Ok(Ok((database, closed))),
            Err(error) => no_good(error.to_string()),
        },
        Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => {
            closed.forget();
            Err(EntriesError::InUse { path: path.to_owned() })
        }
        Err(DatabaseError::Storage(StorageError::Io(source)))
            if !matches!(source.kind(), InvalidData | IsADirectory | UnexpectedEof) =>
        {
            closed.forget();
            Err(EntriesError::Io { action: "open", path: path.to_owned(), source })
        }
        Err(error) => no_good(error.to_string()),
    }
}

// A database that is killed while it is made cannot be opened, so it gets its name when it is complete. If another
// process is faster, its database is the one.
fn create_database(path: &Path) -> Result<(), redb::Error> {
    let unfinished = unfinished(path);
    let made = || -> Result<(), redb::Error> {
        Database::create(&unfinished)?.close()?;
        match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // No links here. What this would replace has just been made.
            Err(_) => Ok(fs::rename(&unfinished, path)?),
            Ok(()) => Ok(()),
        }
    };
    let made = made();
    // It may have been moved away. If it stays, it is removed some other time.
    let _ = fs::remove_file(&unfinished);
    made
}

fn found<'v>(key: &[u8; 32], bytes: &'v [u8], used: u64) -> Option<(Found<'v>, Digest)> {
    let (weak, path_set, bytes) = tables::read_result(key, bytes)?;
    Some((Found { strong: Fingerprint(*key), weak, used, bytes }, path_set))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
impl Entries {
    /// Whether something waits to be written.
    pub(super) fn is_pending(&self) -> bool {
        let state = self.shared.state();
        !state.fresh.is_empty() || state.writing.is_some()
    }

    /// Writes everything down, with another time of the last use.
    pub(super) fn set_used(&self, strongs: &[Fingerprint], time: u64) {
        let mut state = self.shared.state();
        for strong in strongs {
            state.fresh.used.insert(*strong, time);
        }
        drop(state);
        self.flush().unwrap();
    }
}
