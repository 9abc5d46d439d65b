//! A directory that is virtual as long as that will do.
//!
//! Who only wants to know what is in it gets a [`View`], which costs nothing. Who needs files gets the path of the real
//! directory, which is made then. From that moment on anybody may write there, without this program being told. So views
//! from before are refused from then on, and each new one is captured from the disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{VirtualDirectory, VirtualError};
use crate::cas::tree::{EntryKind, capture};
use crate::cas::{Digest, Keep, Store};

/// A directory of which either the content is known, or the real one is somebody else's to change.
#[derive(Debug)]
pub struct Staging {
    store: Arc<Store>,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    // What is in it, or was when it was last captured.
    content: VirtualDirectory,
    // Whether the path was handed out. There is no way back: who has the path may write at any time.
    real: bool,
    // Counts the contents. A view of another one is stale.
    generation: u64,
}

/// What is in a [`Staging`] directory, for as long as nobody gets the real one.
#[derive(Clone, Debug)]
pub struct View<'s> {
    staging: &'s Staging,
    generation: u64,
    directory: VirtualDirectory,
}

impl Staging {
    /// A directory with a content. Nothing must be at the path of the folder, or an empty directory, and nothing is made
    /// there before somebody needs it.
    pub fn new(store: &Arc<Store>, folder: impl Into<PathBuf>, content: VirtualDirectory) -> Self {
        let state = State { content, real: false, generation: 0 };
        Self { store: Arc::clone(store), folder: folder.into(), state: Mutex::new(state) }
    }

    /// What is in it now. As long as the real directory was not handed out, that is known; afterwards it is captured
    /// each time.
    ///
    /// # Errors
    /// When the real directory cannot be captured, or changes meanwhile.
    pub fn view(&self) -> Result<View<'_>, VirtualError> {
        let mut state = self.state();
        if state.real {
            let captured = capture(&self.store, &self.folder, Keep::Copy)?.root;
            // Views of what is still the same are not stale.
            if state.content.digest()? != captured {
                state.content = VirtualDirectory::stored(&self.store, captured);
                state.generation += 1;
            }
        }
        Ok(View { staging: self, generation: state.generation, directory: state.content.clone() })
    }

    /// The real directory, which is made if it was not there, of copies that can be written to. All views are stale from
    /// now on.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn real_path(&self) -> Result<&Path, VirtualError> {
        let mut state = self.state();
        if !state.real {
            state.content.export(&self.folder, true)?;
            state.real = true;
        }
        state.generation += 1;
        Ok(&self.folder)
    }

    /// Whether the real directory was handed out.
    pub fn is_real(&self) -> bool {
        self.state().real
    }

    /// Changes what is in it. All views are stale then, unless it fails: then nothing has changed.
    ///
    /// # Errors
    /// [`VirtualError::Real`] when the real directory was handed out, and what `act` gives.
    pub fn update<R>(
        &self,
        act: impl FnOnce(&mut VirtualDirectory) -> Result<R, VirtualError>,
    ) -> Result<R, VirtualError> {
        let mut state = self.state();
        if state.real {
            return Err(VirtualError::Real { folder: self.folder.clone() });
        }
        let mut content = state.content.clone();
        let answer = act(&mut content)?;
        state.content = content;
        state.generation += 1;
        Ok(answer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made at once, so that one that was not finished shows nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View<'_> {
    /// Whether this still is what is in the directory, as far as anybody knows.
    pub fn is_current(&self) -> bool {
        self.staging.state().generation == self.generation
    }

    /// What is in it, as a directory of its own that stays what it is.
    ///
    /// # Errors
    /// [`VirtualError::Stale`] when the real directory was handed out since, or the content was changed.
    pub fn snapshot(&self) -> Result<VirtualDirectory, VirtualError> {
        Ok(self.current()?.clone())
    }

    /// The digest of the directory.
    ///
    /// # Errors
    /// As for [`View::snapshot`], and [`VirtualDirectory::digest`].
    pub fn digest(&self) -> Result<Digest, VirtualError> {
        self.current()?.digest()
    }

    /// What is at a path; nothing if nothing is there.
    ///
    /// # Errors
    /// As for [`View::snapshot`], and [`VirtualDirectory::entry`].
    pub fn entry(&self, path: &str) -> Result<Option<EntryKind>, VirtualError> {
        self.current()?.entry(path)
    }

    /// The names in a directory with what they are, sorted by their bytes.
    ///
    /// # Errors
    /// As for [`View::snapshot`], and [`VirtualDirectory::list`].
    pub fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, VirtualError> {
        self.current()?.list(path)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// As for [`View::snapshot`], and [`VirtualDirectory::read`].
    pub fn read(&self, path: &str) -> Result<Vec<u8>, VirtualError> {
        self.current()?.read(path)
    }

    /// The view of a directory below. It becomes stale with this one.
    ///
    /// # Errors
    /// As for [`View::snapshot`], and [`VirtualDirectory::descend`].
    pub fn descend(&self, path: &str) -> Result<Self, VirtualError> {
        Ok(Self { directory: self.current()?.descend(path)?, ..*self })
    }

    fn current(&self) -> Result<&VirtualDirectory, VirtualError> {
        if self.is_current() {
            Ok(&self.directory)
        } else {
            Err(VirtualError::Stale { folder: self.staging.folder.clone() })
        }
    }
}
