//! Opening: from a path to the modules there are.

use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::config::{Config, decode_config};
use super::config_value::{Decoder, Located};
use super::configuration::evaluate_files;
use super::discovery::{Catalogue, Discovery, Extent, FoundModule, ModuleGroup, ModuleSource, own_module};
use super::host_functions::HostFunctions;
use super::loader::Wanted;
use super::module_file::{CONFIG_FILES, ModuleFile, decode_module_file, is_config_file};
use super::mounts::{Layout, Mounts};
use super::prelude::Prelude;
use super::restricted::RestrictedEnvironment;
use super::sdk::{EMBEDDED_ROOT, WithSdk};
use super::session::Session;
use super::tree::Tree;
use super::{OpenError, Workspace};
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Host, Limits};
use crate::paths::PathId;
use crate::program::{Origin, Semantics, SpecKind};
use crate::source::system::{DiskFileSystem, Environment, FileSystem, ProcessEnvironment};

/// How a workspace is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// How many threads parse and evaluate; none: one for each processor. Results never depend on it.
    pub threads: Option<NonZeroUsize>,
    /// A folder that stands for the SDK embedded in the program.
    pub sdk: Option<PathBuf>,
    /// Where files are read from.
    pub file_system: Arc<dyn FileSystem>,
    /// Environment variables and facts about the machine.
    pub environment: Arc<dyn Environment>,
    /// What `Context.getBuildEngineDirectory` gives; none: a folder in the build's own output folder.
    pub engine_folder: Option<PathBuf>,
}

impl Default for OpenOptions {
    /// The disk and the environment of this process.
    fn default() -> Self {
        Self {
            threads: None,
            sdk: None,
            file_system: Arc::new(DiskFileSystem),
            environment: Arc::new(ProcessEnvironment::new()),
            engine_folder: None,
        }
    }
}

/// What a path turned out to be.
struct Opened {
    folder: PathId,
    config: Option<PathId>,
    /// The spec, where only one was named.
    single: Option<PathId>,
}

pub(super) fn open(path: &Path, options: OpenOptions, config_optional: bool) -> Result<Workspace, OpenError> {
    let unusable = |reason: &dyn ToString| OpenError::Unusable(path.to_owned(), reason.to_string());
    let absolute = normal(&std::path::absolute(path).map_err(|error| unusable(&error))?);
    if absolute.to_str().is_none() {
        return Err(unusable(&"it is not UTF-8"));
    }
    if options.file_system.kind(&absolute).is_none() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    Ok(opened(&absolute, options, config_optional))
}

/// Opens an absolute path at which something lies.
pub(super) fn opened(path: &Path, options: OpenOptions, config_optional: bool) -> Workspace {
    let mut workspace = start(path, options, config_optional);
    if !workspace.broken {
        find_modules(&mut workspace);
    }
    workspace
}

/// Everything up to the configuration.
fn start(path: &Path, options: OpenOptions, config_optional: bool) -> Workspace {
    let mut diagnostics = Vec::new();
    let file_system: Arc<dyn FileSystem> = Arc::new(WithSdk::new(options.file_system));
    let session = Session::new(file_system, options.environment, options.threads);
    let paths = session.paths.clone();
    let opened = locate(&session, path, config_optional, &mut diagnostics);
    let sdk = options.sdk.as_deref().and_then(|sdk| sdk_folder(&session, sdk, &mut diagnostics));
    let (prelude, found) = Prelude::load(&session, sdk);
    diagnostics.extend(found);
    let engine = options.engine_folder.as_deref().and_then(|folder| paths.parse_absolute(folder.to_str()?).ok());
    let layout_of = |config: &Config| {
        let layout = Layout::new(opened.folder, PathId::ROOT, &config.layout, &paths);
        Layout { engine: engine.unwrap_or_else(|| paths.child_named(layout.output, "Engine")), ..layout }
    };
    let natives = super::natives();
    let mut config = Config::default();
    let mut broken = diagnostics.iter().any(Diagnostic::is_error);
    if let Some(file) = opened.config.filter(|_| !broken) {
        let layout = layout_of(&config);
        let mounts = Mounts::predefined(&layout, &*session.environment, &paths);
        let host = host(&session, &layout, &mounts, session.environment.clone());
        let wanted = [Wanted::new(file, SpecKind::Config)];
        let (values, found) = evaluate_files(&session, &prelude, &wanted, &host, &natives);
        diagnostics.extend(found);
        match values.get(&file).and_then(|values| values.first()) {
            Some(value) => {
                let mut decoder = Decoder::new();
                config = decode_config(value, &session.symbols, &mut decoder);
                diagnostics.extend(decoder.diagnostics);
            }
            None => broken = true,
        }
    }
    let layout = layout_of(&config);
    let mut mounts = Mounts::predefined(&layout, &*session.environment, &paths);
    diagnostics.extend(mounts.add_all(&config.mounts, &paths));
    let environment: Arc<dyn Environment> = match &config.allowed_environment_variables {
        Some(names) => Arc::new(RestrictedEnvironment::new(session.environment.clone(), names)),
        None => session.environment.clone(),
    };
    let mut workspace = Workspace {
        folder: opened.folder,
        environment,
        config,
        layout,
        mounts,
        catalogue: Catalogue::default(),
        prelude,
        natives,
        host_functions: HostFunctions::default(),
        diagnostics,
        broken,
        resolved: OnceLock::new(),
        session,
    };
    if let Some(spec) = opened.single {
        let projects = vec![Located { value: spec, location: None }];
        let description = own_module(Semantics::Implicit, projects);
        let module = FoundModule { description, origin: Origin::Extent, folder: opened.folder };
        workspace.catalogue.modules.push(module);
    }
    workspace.sdk_group(sdk, opened.single.is_some());
    workspace
}

impl Workspace {
    fn sdk_group(&mut self, _sdk: Option<PathId>, _single: bool) {}
}

fn find_modules(_workspace: &mut Workspace) {}
