//! Opening a folder: configuration and modules found and decoded, and the phases run in order. The library's face.
//!
//! [`Workspace::open`] reads the configuration and the module files, evaluated by the same evaluator as specs, and
//! knows afterwards which modules there are. Specs are read when [`Workspace::check`] or [`Workspace::evaluate`] wants
//! them. What is wrong never stops early where something more can be reported.

mod allow_list;
mod completion;
mod config;
mod config_value;
mod configuration;
mod discovery;
mod engine_config;
mod host_functions;
mod inputs;
mod known_fields;
mod loaded;
mod loader;
mod module_file;
mod mounts;
mod open;
mod prelude;
mod probe;
mod prompt;
mod qualifier_config;
mod qualifiers;
mod restricted;
mod scene;
mod sdk;
mod session;
mod state_folder;
mod system_folders;
mod tree;
mod unit_tests;
mod value_json;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use crate::builtins;
use crate::check::{Policies, unknown_policies};
use crate::diagnostics::{Diagnostic, Levels, sort_and_cap};
use crate::eval;
use crate::graph::{GraphBuilder, GraphOptions, PipGraph};
use crate::program::Qualifiers;
use crate::resolve::{Resolved, resolve};
use crate::source::Files;
use crate::source::system::{Environment, MemoryFileSystem};

use discovery::Catalogue;
use loaded::{LoadOptions, Loaded};
use prelude::Prelude;
use session::Session;

pub use allow_list::{AllowLists, Allowed, AllowedAccess, AllowedWho, UndeclaredAccess};
pub use completion::Completions;
pub use config::{Config, FrontEndConfig, GraphConfig, LayoutConfig};
pub use engine_config::{
    CacheConfig, EngineConfig, PreserveOutputsMode, SandboxConfig, ScheduleConfig, WritesOnAbsentProbes,
};
pub use host_functions::{HostFunctionError, HostValue};
pub use inputs::EvaluationInputs;
pub use module_file::{is_config_file, is_spec};
pub use mounts::{FoundMount, Layout, Mount, Mounts};
pub use open::OpenOptions;
pub use probe::{Probed, ProbedValue};
pub use prompt::{Entered, Prompt};
pub use qualifiers::QualifierRequest;
pub use state_folder::STATE_FOLDER;
pub use unit_tests::{UnitTest, UnitTestRun, UnitTests};

/// A workspace that was opened.
pub struct Workspace {
    session: Session,
    environment: Arc<dyn Environment>,
    folder: crate::paths::PathId,
    config: Config,
    layout: Layout,
    mounts: Mounts,
    catalogue: Catalogue,
    prelude: Prelude,
    natives: eval::NativeTable,
    host_functions: host_functions::HostFunctions,
    /// What was found while opening.
    diagnostics: Vec<Diagnostic>,
    /// Whether the configuration could not be read: nothing else is worth looking at then.
    broken: bool,
    /// What records the inputs, where that is wanted.
    recorder: Option<inputs::Recorder>,
    resolved: OnceLock<(Loaded, Resolved, Vec<Diagnostic>)>,
}

/// What evaluation gives.
#[derive(Debug)]
pub struct Evaluation {
    /// The graph; none where errors before evaluation leave nothing to evaluate. With errors in `diagnostics` it holds
    /// what could be made.
    pub graph: Option<PipGraph>,
    /// Everything that was found, from opening the workspace to freezing the graph, in order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Evaluation {
    /// Whether there is an error among the diagnostics.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Why nothing can be opened at a path.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Nothing lies there.
    #[error("there is no file or folder `{}`", .0.display())]
    Missing(PathBuf),
    /// The path cannot be made absolute, or is not UTF-8.
    #[error("`{}` is not a path that can be opened: {}", .0.display(), .1)]
    Unusable(PathBuf, String),
}

impl Workspace {
    /// Opens the workspace at a path: a folder with a `config.dsc`, that file, or a single spec, which then gets a
    /// default configuration. What is wrong inside becomes diagnostics of [`Workspace::check`].
    ///
    /// # Errors
    /// When nothing lies at the path.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, OpenError> {
        open::open(path.as_ref(), options, false)
    }

    /// Opens a workspace that exists only in memory, made of `(path, text)` pairs. Relative paths lie in the folder
    /// `/workspace`, which is opened. Without a `config.dsc` there the configuration is the default one.
    ///
    /// ```
    /// use dscript::workspace::Workspace;
    ///
    /// let workspace = Workspace::from_memory([("build.dsc", "export const x = 1 + 1;")]);
    /// assert!(workspace.evaluate(&[]).diagnostics.is_empty());
    /// ```
    pub fn from_memory<P: AsRef<Path>, C: Into<Vec<u8>>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        Self::from_memory_with(files, OpenOptions::default())
    }

    /// [`Workspace::from_memory`] with options; their file system is not used.
    pub fn from_memory_with<P: AsRef<Path>, C: Into<Vec<u8>>>(
        files: impl IntoIterator<Item = (P, C)>,
        options: OpenOptions,
    ) -> Self {
        let root = Path::new("/workspace");
        let mut system = MemoryFileSystem::new();
        system.insert_dir(root);
        for (path, content) in files {
            system.insert(root.join(path), content);
        }
        let options = OpenOptions { file_system: Arc::new(system), ..options };
        open::opened(root, options, true)
    }

    /// The texts of all files that were read, for rendering diagnostics.
    pub fn files(&self) -> &Files {
        &self.session.files
    }

    /// The folder of the configuration, as an absolute path.
    pub fn folder(&self) -> PathBuf {
        self.session.paths.display(self.folder).into()
    }

    /// The folder in which a build of this workspace keeps its own state. Specs do not see it.
    pub fn state_folder(&self) -> PathBuf {
        self.folder().join(STATE_FOLDER)
    }

    /// The text of a path that the configuration names.
    pub fn path_text(&self, path: crate::paths::PathId) -> String {
        self.session.paths.display(path)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The mounts.
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// Runs something on the threads of this workspace. Exporters render with as many threads as they find themselves
    /// on, so `workspace.install(|| export::json(&graph, out))` uses these instead of starting others.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.session.run(work)
    }

    /// How many specs are loaded. Loads them.
    pub fn spec_count(&self) -> usize {
        if self.broken { 0 } else { self.resolved().0.files.len() }
    }

    /// Everything that can be found without evaluating specs, in the order of the files.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics.clone();
        if !self.broken {
            diagnostics.extend(self.policies().1);
            let (loaded, _, found) = self.resolved();
            diagnostics.extend(loaded.diagnostics.iter().chain(found).cloned());
        }
        self.finish(diagnostics)
    }

    /// Evaluates every value of the build extent under each requested qualifier; without a request under the default
    /// one. Nothing is evaluated where [`Workspace::check`] finds errors.
    pub fn evaluate(&self, requests: &[QualifierRequest]) -> Evaluation {
        let mut diagnostics = self.check();
        let (maps, wrong) = qualifiers::requested_qualifiers(requests, &self.config.qualifiers);
        diagnostics.extend(wrong);
        if self.broken || diagnostics.iter().any(Diagnostic::is_error) {
            return Evaluation { graph: None, diagnostics: self.finish(diagnostics) };
        }
        let (_, resolved, _) = self.resolved();
        let interned: &Qualifiers = &resolved.program.qualifiers;
        let ids: Vec<_> = maps.iter().map(|map| interned.qualifier(map.clone())).collect();
        let shown = maps
            .iter()
            .map(|map| Arc::new(map.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()));
        let options = GraphOptions { qualifiers: shown.collect(), ..self.graph_options(self.folder) };
        let builder = GraphBuilder::new(self.session.paths.clone(), self.graph_mounts(), options);
        let host = self.host();
        let (graph, found) = self.session.run(|| self.evaluation(resolved, &host).graph(&ids, builder));
        diagnostics.extend(found);
        Evaluation { graph: Some(graph), diagnostics: self.finish(diagnostics) }
    }

    /// The loaded and resolved specs.
    fn resolved(&self) -> &(Loaded, Resolved, Vec<Diagnostic>) {
        self.resolved.get_or_init(|| {
            let mut loaded = Loaded::load(&self.load_options(), true, &[]);
            let input = loaded.input(&self.session, &self.catalogue, &self.prelude);
            let (resolved, mut diagnostics) = self.session.run(|| resolve(input));
            diagnostics.retain(|one| !loaded.follows_from_syntax(one));
            (loaded, resolved, diagnostics)
        })
    }

    fn load_options(&self) -> LoadOptions<'_> {
        LoadOptions {
            session: &self.session,
            catalogue: &self.catalogue,
            policies: self.policies().0,
            allow_missing: self.config.front_end.allow_missing_specs,
            skipped: vec![self.layout.output, self.layout.object],
        }
    }

    /// The policies of the configuration, and a warning about unknown ones.
    fn policies(&self) -> (Policies, Option<Diagnostic>) {
        let front_end = &self.config.front_end;
        let names = front_end.enabled_policy_rules.iter();
        let (policies, unknown) = Policies::from_names(names.clone().map(|name| &*name.value));
        let location = names.filter(|name| unknown.first().is_some_and(|first| **first == *name.value));
        let location = location.filter_map(|name| name.location).next();
        let warning = unknown_policies(&unknown).map(|warning| config_value::place(warning, location));
        if front_end.disable_language_policy_analysis { (Policies::default(), warning) } else { (policies, warning) }
    }

    fn evaluation<'h>(&'h self, resolved: &'h Resolved, host: &'h eval::Host) -> eval::Evaluation<'h> {
        let (natives, files) = (&self.natives, &self.session.files);
        eval::Evaluation { resolved, host, natives, files, threads: self.session.threads }
    }

    /// The rules of the configuration for a graph whose paths are shown relative to `root`.
    fn graph_options(&self, root: crate::paths::PathId) -> GraphOptions {
        let (graph, front_end) = (&self.config.graph, &self.config.front_end);
        GraphOptions {
            unsafe_allow_out_of_mount_writes: graph.unsafe_allow_out_of_mount_writes,
            credential_scan: front_end.credential_scan,
            credential_scan_allowed: front_end.cred_scan_allowed_variables.clone(),
            allow_duplicate_temporary_directory: graph.allow_duplicate_temporary_directory.unwrap_or(true),
            unsafe_disable_graph_post_validation: self.config.engine.schedule.unsafe_disable_graph_post_validation,
            ..GraphOptions::new(root)
        }
    }

    /// The world that specs see.
    fn host(&self) -> eval::Host {
        self.host_of(&self.layout, &self.mounts, self.environment.clone())
    }

    /// The world that specs see with other folders, mounts and variables.
    fn host_of(&self, layout: &Layout, mounts: &Mounts, environment: Arc<dyn Environment>) -> eval::Host {
        let mut host = open::host(&self.session, layout, mounts, environment);
        if let Some(limit) = self.config.front_end.max_loop_iterations {
            host.limits.loop_iterations = limit;
        }
        host.allow_unsafe_ambient = self.config.front_end.allow_unsafe_ambient;
        host.functions = self.host_functions.table();
        host
    }

    fn graph_mounts(&self) -> Vec<crate::graph::Mount> {
        open::graph_mounts(&self.mounts)
    }

    /// Applies the levels of the configuration and the options, and sorts.
    fn finish(&self, mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let levels: &Levels = &self.config.levels;
        levels.apply(&mut diagnostics);
        sort_and_cap(&mut diagnostics, &self.session.files, usize::MAX);
        // A file that a configuration imports may be a spec too: what is wrong in it is found twice.
        let place = |one: &Diagnostic| {
            let at = one.primary()?.location;
            Some((self.session.files.get(at.file), at.span))
        };
        diagnostics.dedup_by(|later, first| {
            let same = (later.code, later.severity, &later.message) == (first.code, first.severity, &first.message);
            match (place(later), place(first)) {
                (Some((file, span)), Some((other, at))) => same && span == at && file.path() == other.path(),
                _ => false,
            }
        });
        diagnostics
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("folder", &self.folder()).finish_non_exhaustive()
    }
}

/// All natives that the prelude declares.
fn natives() -> eval::NativeTable {
    builtins::natives()
}

#[cfg(test)]
mod tests;
