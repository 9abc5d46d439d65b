//! Remembering what was looked at.
//!
//! Evaluation asks from many threads at once, so files stand in sharded maps, and each is hashed only when it is read
//! for the first time.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use super::inputs::{FileState, FolderState, Inputs, Listing, VariableInput};
use super::{DirEntry, EntryKind, Environment, FileSystem, Host, Signature, reason};

type Paths<T> = DashMap<PathBuf, T, FxBuildHasher>;

/// A file system that remembers every access with its answer; any thread may use it.
#[derive(Debug, Default)]
pub struct RecordingFileSystem<F> {
    inner: F,
    files: Paths<FileState>,
    folders: Paths<FolderState>,
    probes: Paths<Option<EntryKind>>,
    links: Paths<Option<String>>,
}

impl<F: FileSystem> RecordingFileSystem<F> {
    /// Nothing looked at yet.
    pub fn new(inner: F) -> Self {
        Self {
            inner,
            files: Paths::default(),
            folders: Paths::default(),
            probes: Paths::default(),
            links: Paths::default(),
        }
    }

    /// Adds what was looked at so far.
    pub fn add_to(&self, inputs: &mut Inputs) {
        inputs.files = ordered(&self.files);
        inputs.folders = ordered(&self.folders);
        inputs.probes = ordered(&self.probes);
        inputs.links = ordered(&self.links);
        // What was read was there.
        let Inputs { files, folders, probes, .. } = inputs;
        probes.retain(|path, kind| match kind {
            Some(EntryKind::File) => !matches!(files.get(path), Some(FileState::Read { .. })),
            Some(EntryKind::Directory) => !matches!(folders.get(path), Some(FolderState::Listed(_))),
            _ => true,
        });
    }

    /// What is known about a path, made on the first access. A file that is found different later on was changed while
    /// evaluation ran: then nothing that was computed from it is of one piece.
    fn note_file(&self, path: &Path, signature: Option<Signature>, result: &io::Result<Vec<u8>>) {
        if let Some(known) = self.files.get(path)
            && signature.is_some()
            && matches!(&*known, FileState::Read { signature: before, .. } if *before == signature)
        {
            return;
        }
        let state = match result {
            Ok(content) => FileState::read(content, signature),
            Err(error) => FileState::Unreadable(reason(error)),
        };
        let mut known = self.files.entry(path.to_owned()).or_insert_with(|| state.clone());
        if !known.is_same(&state) {
            *known = FileState::Unsteady;
        }
    }

    fn note_folder(&self, path: &Path, state: FolderState) {
        let mut known = self.folders.entry(path.to_owned()).or_insert_with(|| state.clone());
        match (&*known, &state) {
            (FolderState::Listed(before), FolderState::Listed(now)) => match before.joined(now) {
                Some(joined) => *known = FolderState::Listed(joined),
                None => *known = FolderState::Unsteady,
            },
            (before, now) if before == now => {}
            _ => *known = FolderState::Unsteady,
        }
    }

    fn list(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        let signature = self.inner.signature(path);
        let result = self.inner.read_dir_except(path, except);
        let state = match &result {
            Ok(entries) => FolderState::Listed(Listing {
                entries: entries.clone(),
                except: except.iter().map(|name| (*name).to_owned()).collect(),
                signature,
            }),
            Err(error) => FolderState::Unlisted(reason(error)),
        };
        self.note_folder(path, state);
        result
    }
}

fn ordered<T: Clone>(paths: &Paths<T>) -> BTreeMap<PathBuf, T> {
    paths.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect()
}

impl<F: FileSystem> FileSystem for RecordingFileSystem<F> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Taken before the content: what is written in between makes it differ, and then the content is compared.
        let signature = self.inner.signature(path);
        let result = self.inner.read(path);
        self.note_file(path, signature, &result);
        result
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.list(path, &[])
    }

    fn read_dir_except(&self, path: &Path, except: &[&str]) -> io::Result<Vec<DirEntry>> {
        self.list(path, except)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        let kind = self.inner.kind(path);
        if self.probes.get(path).is_none_or(|known| *known != kind) {
            self.probes.insert(path.to_owned(), kind);
        }
        kind
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let result = self.inner.canonicalize(path);
        let target = result.as_ref().ok().map(|target| target.to_string_lossy().into_owned());
        self.links.insert(path.to_owned(), target);
        result
    }

    fn signature(&self, path: &Path) -> Option<Signature> {
        self.inner.signature(path)
    }
}

/// An environment that remembers what was asked for; any thread may use it.
#[derive(Debug, Default)]
pub struct RecordingEnvironment<E> {
    inner: E,
    /// By name, and whether letter case did not matter.
    used: Mutex<BTreeMap<(String, bool), Option<String>>>,
}

impl<E: Environment> RecordingEnvironment<E> {
    /// Nothing asked for yet.
    pub fn new(inner: E) -> Self {
        Self { inner, used: Mutex::default() }
    }

    /// Adds what was asked for so far, and the facts that every evaluation knows.
    pub fn add_to(&self, inputs: &mut Inputs) {
        // A thread that panicked left the map whole: each change is one insertion.
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let variable = |((name, any_case), value): (&(String, bool), &Option<String>)| VariableInput {
            name: name.clone(),
            any_case: *any_case,
            value: value.clone(),
        };
        inputs.variables = used.iter().map(variable).collect();
        inputs.user_home = self.inner.user_home();
        inputs.host = self.inner.host();
    }

    fn note(&self, name: &str, any_case: bool, value: Option<String>) -> Option<String> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert((name.to_owned(), any_case), value.clone());
        value
    }
}

impl<E: Environment> Environment for RecordingEnvironment<E> {
    fn variable(&self, name: &str) -> Option<String> {
        self.note(name, false, self.inner.variable(name))
    }

    fn variable_in_any_case(&self, name: &str) -> Option<String> {
        self.note(name, true, self.inner.variable_in_any_case(name))
    }

    fn user_home(&self) -> Option<PathBuf> {
        self.inner.user_home()
    }

    fn host(&self) -> Host {
        self.inner.host()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MapEnvironment, MemoryFileSystem};
    use super::*;

    fn inputs(system: &RecordingFileSystem<impl FileSystem>) -> Inputs {
        let mut inputs = Inputs::default();
        system.add_to(&mut inputs);
        inputs
    }

    #[test]
    fn accesses_are_kept_in_order() {
        let system = RecordingFileSystem::new(MemoryFileSystem::from([("/w/b", "b"), ("/w/a", "a")]));
        std::thread::scope(|scope| {
            for path in ["/w/b", "/w/a", "/w/c"] {
                let system = &system;
                scope.spawn(move || system.read(Path::new(path)).is_ok());
            }
        });
        assert!(system.is_dir(Path::new("/w")) && system.is_file(Path::new("/w/a")));
        assert_eq!(system.kind(Path::new("/nope")), None);
        assert_eq!(system.read_dir(Path::new("/w")).unwrap().len(), 2);
        assert!(system.read_dir(Path::new("/w/a")).is_err() && system.canonicalize(Path::new("/w/./a")).is_ok());
        let inputs = inputs(&system);
        let read: Vec<_> = inputs.files.keys().collect();
        assert_eq!(read, [Path::new("/w/a"), Path::new("/w/b"), Path::new("/w/c")]);
        assert!(matches!(inputs.files[Path::new("/w/c")], FileState::Unreadable(_)));
        assert!(matches!(inputs.folders[Path::new("/w/a")], FolderState::Unlisted(_)));
        // The other probes follow from what was read.
        assert_eq!(inputs.probes.into_iter().collect::<Vec<_>>(), [("/nope".into(), None)]);
        assert_eq!(inputs.links[Path::new("/w/./a")].as_deref(), Some("/w/a"));
    }

    #[test]
    fn a_whole_listing_counts_more_than_one_with_gaps() {
        let system = RecordingFileSystem::new(MemoryFileSystem::from([("/w/a", "a"), ("/w/Out/x", "x")]));
        let names = |entries: &[DirEntry]| entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&system.read_dir_except(Path::new("/w"), &["Out"]).unwrap()), ["a"]);
        let listed = |system: &RecordingFileSystem<_>| match &inputs(system).folders[Path::new("/w")] {
            FolderState::Listed(listing) => (names(&listing.entries), listing.except.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(listed(&system), (vec!["a".to_owned()], vec!["Out".to_owned()]));
        system.read_dir(Path::new("/w")).unwrap();
        system.read_dir_except(Path::new("/w"), &["Out"]).unwrap();
        assert_eq!(listed(&system), (vec!["Out".to_owned(), "a".to_owned()], vec![]));
    }

    #[test]
    fn variables_are_known_in_order() {
        let environment = RecordingEnvironment::new(MapEnvironment::new().with("B", "1").with_home("/home/me"));
        environment.variable("B");
        environment.variable_in_any_case("b");
        environment.variable("A");
        let mut inputs = Inputs::default();
        environment.add_to(&mut inputs);
        let used: Vec<_> =
            inputs.variables.iter().map(|one| (&*one.name, one.any_case, one.value.as_deref())).collect();
        assert_eq!(used, [("A", false, None), ("B", false, Some("1")), ("b", true, Some("1"))]);
        assert_eq!(inputs.user_home.as_deref(), Some(Path::new("/home/me")));
    }
}
