//! What an evaluation has read, so that it need not be done again while that is all as it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::open::absolute;
use super::sdk::embedded_files;
use super::state_folder::WithoutStateFolder;
use super::{OpenOptions, Workspace};
use crate::source::system::{
    Changed, Environment, FileSystem, Inputs, RecordingEnvironment, RecordingFileSystem, Signature,
};

/// Everything that the result of an evaluation depends on but the qualifiers that were asked for. It is plain data, to be
/// kept beside the graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationInputs {
    /// The program, what was opened, and how, each by its name.
    pub settings: BTreeMap<String, String>,
    /// What was read.
    pub read: Inputs,
}

impl EvaluationInputs {
    /// Whether opening a path with these options and evaluating it again would see the same. Nothing is opened. Files
    /// that were only touched count as unchanged; their signatures are renewed, so it is worth keeping `self` again where
    /// it differs afterwards.
    ///
    /// # Errors
    /// The first input that is not as it was.
    pub fn unchanged(&mut self, path: impl AsRef<Path>, options: &OpenOptions) -> Result<(), Changed> {
        let path = absolute(path.as_ref()).map_err(|_| Changed::Setting("path".to_owned()))?;
        let now = settings(&path, options);
        for name in self.settings.keys().chain(now.keys()) {
            if self.settings.get(name) != now.get(name) {
                return Err(Changed::Setting(name.clone()));
            }
        }
        let file_system = WithoutStateFolder::new(options.file_system.clone(), &path);
        self.read.unchanged(&file_system, &*options.environment)
    }
}

/// Records what one workspace reads.
pub(super) struct Recorder {
    pub file_system: Arc<RecordingFileSystem<Arc<dyn FileSystem>>>,
    pub environment: Arc<RecordingEnvironment<Arc<dyn Environment>>>,
    settings: BTreeMap<String, String>,
}

impl Recorder {
    /// Nothing read yet of what `options` say; `file_system` is theirs, without the state folder.
    pub fn new(path: &Path, options: &OpenOptions, file_system: Arc<dyn FileSystem>) -> Self {
        Self {
            file_system: Arc::new(RecordingFileSystem::new(file_system)),
            environment: Arc::new(RecordingEnvironment::new(options.environment.clone())),
            settings: settings(path, options),
        }
    }
}

impl Workspace {
    /// What was read so far, where the workspace was opened with [`OpenOptions::recording`]; to be asked for after
    /// evaluation. Functions that the host program registered are not known here: what they read is its own affair.
    pub fn inputs(&self) -> Option<EvaluationInputs> {
        let recorder = self.recorder.as_ref()?;
        let mut inputs = EvaluationInputs { settings: recorder.settings.clone(), read: Inputs::default() };
        recorder.file_system.add_to(&mut inputs.read);
        recorder.environment.add_to(&mut inputs.read);
        Some(inputs)
    }
}

/// Everything that decides about an evaluation and is not read by it. How many threads there are is no part of it.
fn settings(path: &Path, options: &OpenOptions) -> BTreeMap<String, String> {
    let OpenOptions { sdk, host, levels, engine_folder, allow_missing_config, .. } = options;
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        settings.insert(name.to_owned(), value);
    };
    set("version of the program", env!("CARGO_PKG_VERSION").to_owned());
    // A program under development changes while its version stays; a host program changes its functions.
    set("program", format!("{:?}", std::env::current_exe().ok().and_then(|program| Signature::of(&program))));
    set("embedded SDK", EMBEDDED.clone());
    set("path", path.display().to_string());
    let folder = |folder: &std::path::PathBuf| absolute(folder).unwrap_or_else(|_| folder.clone());
    set("SDK folders", format!("{:?}", sdk.iter().map(folder).collect::<Vec<_>>()));
    set("host", host.map_or("this one", crate::source::system::OperatingSystem::name).to_owned());
    set("levels of diagnostics", format!("{levels:?}"));
    set("engine folder", format!("{engine_folder:?}"));
    set("handling of a missing configuration", allow_missing_config.to_string());
    settings
}

/// The SHA-256 of the embedded SDK.
static EMBEDDED: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    for (path, text) in embedded_files() {
        for part in [path, text] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
});
