//! Opening: from a path to the modules there are.

use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::config::{Config, decode_config};
use super::config_value::{Decoder, Located};
use super::configuration::evaluate_files;
use super::discovery::{Catalogue, Discovery, Extent, FoundModule, ModuleGroup, ModuleSource, own_module};
use super::host_functions::HostFunctions;
use super::inputs::Recorder;
use super::loader::Wanted;
use super::module_file::{CONFIG_FILES, ModuleFile, decode_module_file, is_config_file, is_module_file};
use super::mounts::{Layout, Mounts};
use super::prelude::Prelude;
use super::restricted::RestrictedEnvironment;
use super::sdk::{EMBEDDED_ROOT, PRELUDE_MODULE, WithSdk, embedded_module, embedded_modules};
use super::session::Session;
use super::state_folder::WithoutStateFolder;
use super::tree::Tree;
use super::{OpenError, Workspace};
use crate::diagnostics::{Code, Diagnostic, Levels};
use crate::eval::{Host, Limits, SystemFolders};
use crate::paths::PathId;
use crate::program::{Origin, Semantics, SpecKind};
use crate::source::Location;
use crate::source::system::{
    AnyCaseFileSystem, DiskFileSystem, Environment, FileSystem, Host as SystemHost, HostEnvironment, OperatingSystem,
    ProcessEnvironment,
};

/// How a workspace is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// How many threads parse and evaluate; none: one for each processor. Results never depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Folders that stand for the SDK embedded in the program; a module of an earlier one wins. None: the embedded SDK.
    pub sdk: Vec<PathBuf>,
    /// Where files are read from.
    pub file_system: Arc<dyn FileSystem>,
    /// Environment variables and facts about the machine.
    pub environment: Arc<dyn Environment>,
    /// The operating system that is built for; none: that of `environment`. For another one, letter case in paths and
    /// names of variables, mounts, and all that specs can ask about the host are as on a usual machine with it.
    pub host: Option<OperatingSystem>,
    /// Levels of diagnostics, on top of those that the configuration sets.
    pub levels: Levels,
    /// What `Context.getBuildEngineDirectory` gives; none: a folder in the build's own output folder.
    pub engine_folder: Option<PathBuf>,
    /// Whether a folder without `config.dsc` is opened too: as a workspace without specs of its own. Otherwise that is
    /// an error.
    pub allow_missing_config: bool,
    /// Whether [`Workspace::inputs`] knows afterwards what was read.
    pub record_inputs: bool,
}

impl OpenOptions {
    /// The same options, and what is read is recorded for [`Workspace::inputs`].
    #[must_use]
    pub fn recording(self) -> Self {
        Self { record_inputs: true, ..self }
    }
}

impl Default for OpenOptions {
    /// The disk and the environment of this process.
    fn default() -> Self {
        Self {
            threads: None,
            sdk: Vec::new(),
            file_system: Arc::new(DiskFileSystem),
            environment: Arc::new(ProcessEnvironment::new()),
            host: None,
            levels: Levels::new(),
            engine_folder: None,
            allow_missing_config: false,
            record_inputs: false,
        }
    }
}

/// What a path turned out to be.
struct Opened {
    folder: PathId,
    config: Option<PathId>,
    own: Own,
}

/// Which specs belong to no module.
#[derive(Clone, Copy)]
enum Own {
    /// Those that lie outside of all modules.
    Found,
    /// Only the one that was named.
    Single(PathId),
    /// None, and there are no modules but those of the SDK.
    Nothing,
}

pub(super) fn open(path: &Path, options: OpenOptions, config_optional: bool) -> Result<Workspace, OpenError> {
    let absolute = absolute(path)?;
    if options.file_system.kind(&absolute).is_none() {
        return Err(OpenError::Missing(path.to_owned()));
    }
    Ok(opened(&absolute, options, config_optional))
}

/// A path from the root, as it is opened.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, OpenError> {
    let unusable = |reason: &dyn ToString| OpenError::Unusable(path.to_owned(), reason.to_string());
    let absolute = normal(&std::path::absolute(path).map_err(|error| unusable(&error))?);
    if absolute.to_str().is_none() {
        return Err(unusable(&"it is not UTF-8"));
    }
    Ok(absolute)
}

/// Opens an absolute path at which something lies.
pub(super) fn opened(path: &Path, options: OpenOptions, config_optional: bool) -> Workspace {
    let Started { mut workspace, sdk, own, lists } = start(path, options, config_optional);
    if !workspace.broken {
        find_modules(&mut workspace, &sdk, own, &lists);
    }
    workspace
}

/// A workspace whose modules are not known yet.
struct Started {
    workspace: Workspace,
    /// The folders of the SDK.
    sdk: Vec<PathId>,
    /// Which specs are the configuration's own.
    own: Own,
    /// The files that the configuration imports.
    lists: FxHashSet<PathId>,
}

/// Everything up to the configuration.
fn start(path: &Path, mut options: OpenOptions, config_optional: bool) -> Started {
    let mut diagnostics = Vec::new();
    options.file_system = Arc::new(WithoutStateFolder::new(options.file_system, path));
    let recorder = options.record_inputs.then(|| Recorder::new(path, &options, options.file_system.clone()));
    if let Some(recorder) = &recorder {
        // Below the embedded SDK, which is part of the program, and below what other machines see in a variable.
        options.file_system = recorder.file_system.clone();
        options.environment = recorder.environment.clone();
    }
    let environment = environment_of(options.environment, options.host);
    let mut file_system: Arc<dyn FileSystem> = Arc::new(WithSdk::new(options.file_system));
    if environment.host().os.has_case_blind_paths() {
        file_system = Arc::new(AnyCaseFileSystem::new(file_system));
    }
    let session = Session::new(file_system, environment, options.threads);
    let paths = session.paths.clone();
    let opened = locate(&session, path, config_optional, options.allow_missing_config, &mut diagnostics);
    // The session was made above, so nobody can have set it.
    let _ = session.folder.set(opened.folder);
    let sdk: Vec<PathId> = options.sdk.iter().filter_map(|sdk| sdk_folder(&session, sdk, &mut diagnostics)).collect();
    let (prelude, found) = Prelude::load(&session, &sdk);
    diagnostics.extend(found);
    let engine = options.engine_folder.as_deref().and_then(|folder| paths.parse_absolute(folder.to_str()?).ok());
    let layout_of = |config: &Config| {
        let layout = Layout::new(opened.folder, PathId::ROOT, &config.layout, &paths);
        Layout { engine: engine.unwrap_or_else(|| paths.child_named(layout.output, "Engine")), ..layout }
    };
    let natives = super::natives();
    let mut config = Config::default();
    let mut broken = diagnostics.iter().any(Diagnostic::is_error);
    let mut lists = FxHashSet::default();
    if let Some(file) = opened.config.filter(|_| !broken) {
        let layout = layout_of(&config);
        let mounts = Mounts::predefined(&layout, &*session.environment, &paths);
        let host = host(&session, &layout, &mounts, session.environment.clone());
        let wanted = [Wanted::new(file, SpecKind::Config)];
        let (values, found) = evaluate_files(&session, &prelude, &wanted, &host, &natives);
        diagnostics.extend(found);
        lists.extend(values.keys().copied().filter(|path| *path != file));
        match values.get(&file).and_then(|values| values.first()) {
            Some(value) => {
                let mut decoder = Decoder::new();
                config = decode_config(value, &session.symbols, &mut decoder);
                diagnostics.extend(decoder.diagnostics);
            }
            None => broken = true,
        }
    }
    config.levels = options.levels.over(std::mem::take(&mut config.levels));
    let layout = layout_of(&config);
    let mut mounts = Mounts::predefined(&layout, &*session.environment, &paths);
    diagnostics.extend(mounts.add_all(&config.mounts, &paths));
    let environment: Arc<dyn Environment> = match &config.allowed_environment_variables {
        Some(names) => Arc::new(RestrictedEnvironment::new(session.environment.clone(), names)),
        None => session.environment.clone(),
    };
    let workspace = Workspace {
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
        recorder,
        resolved: OnceLock::new(),
        session,
    };
    Started { workspace, sdk, own: opened.own, lists }
}

/// An environment as seen from the operating system that is built for.
fn environment_of(environment: Arc<dyn Environment>, os: Option<OperatingSystem>) -> Arc<dyn Environment> {
    let host = environment.host();
    match os.filter(|os| *os != host.os) {
        Some(os) => Arc::new(HostEnvironment::new(environment, SystemHost::usual(os))),
        None if host.os.has_case_blind_variables() => Arc::new(HostEnvironment::new(environment, host)),
        None => environment,
    }
}

/// Finds the modules, reads their files, and adds their mounts.
fn find_modules(workspace: &mut Workspace, sdk: &[PathId], own: Own, lists: &FxHashSet<PathId>) {
    let (session, config) = (&workspace.session, &workspace.config);
    let paths = &session.paths;
    let skipped = vec![workspace.layout.output, workspace.layout.object];
    let mut discovery = Discovery {
        config,
        folder: workspace.folder,
        paths,
        file_system: &*session.file_system,
        tree: Tree::new(&*session.file_system, paths, skipped)
            .seen_from(session.folder.get().copied().unwrap_or(PathId::ROOT)),
        diagnostics: Vec::new(),
    };
    let mut groups = if let Own::Found = own { discovery.groups() } else { Vec::new() };
    if !config.disable_in_box_sdk {
        let embedded = paths.parse_absolute(EMBEDDED_ROOT).ok().filter(|_| sdk.is_empty());
        for root in sdk.iter().copied().chain(embedded) {
            let sources = discovery.walk(root);
            groups.push(ModuleGroup { sources, extent: Extent::None });
        }
    }
    let own = match own {
        Own::Single(spec) => Some(FoundModule {
            description: own_module(Semantics::Implicit, vec![Located { value: spec, location: None }]),
            origin: Origin::Extent,
            folder: workspace.folder,
        }),
        // A file that the configuration imports is a spec only where it is listed as one.
        Own::Found => discovery.configuration_module().map(|mut module| {
            let listed = config.projects.is_some();
            let projects = module.description.projects.iter_mut();
            projects.for_each(|projects| projects.retain(|spec| listed || !lists.contains(&spec.value)));
            module
        }),
        Own::Nothing => None,
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut described = FxHashMap::default();
    for source in groups.iter().flat_map(|group| &group.sources) {
        let ModuleSource::File { path, location } = source else { continue };
        if let Some(module) = embedded_module(paths, *path) {
            described.insert(*path, vec![module]);
            continue;
        }
        let is_prelude = paths.parent(*path) == Some(workspace.prelude.folder);
        if !is_prelude && !wanted.iter().any(|known| known.path == *path) {
            wanted.push(Wanted { location: *location, ..Wanted::new(*path, SpecKind::Module) });
        }
    }
    let host = host(session, &workspace.layout, &workspace.mounts, workspace.environment.clone());
    let (values, found) = evaluate_files(session, &workspace.prelude, &wanted, &host, &workspace.natives);
    discovery.diagnostics.extend(found);
    let mut decoder = Decoder::new();
    for file in &wanted {
        let Some(values) = values.get(&file.path) else { continue };
        let cyclical_friends_enabled = config.front_end.enable_cyclical_friend_modules;
        let mut modules =
            decode_module_file(values, ModuleFile { path: file.path, paths, cyclical_friends_enabled }, &mut decoder);
        // The natives belong to one prelude, which was chosen already.
        modules.retain(|module| &*module.name != PRELUDE_MODULE);
        described.insert(file.path, modules);
    }
    let mut catalogue = discovery.catalogue(&groups, &described);
    catalogue.modules.extend(own);
    if config.disable_in_box_sdk || !sdk.is_empty() {
        catalogue.left_out = embedded_modules().map(Arc::from).collect();
    }
    let mut diagnostics = discovery.tree.diagnostics;
    diagnostics.append(&mut discovery.diagnostics);
    diagnostics.append(&mut decoder.diagnostics);
    for module in &catalogue.modules {
        let description = &module.description;
        if description.semantics == Semantics::Explicit && module.origin == Origin::Extent {
            diagnostics.extend(old_semantics(&description.name, description.location));
        }
        diagnostics.extend(workspace.mounts.add_all(&description.mounts, paths));
    }
    workspace.diagnostics.extend(diagnostics);
    workspace.catalogue = catalogue;
}

/// 9239: a module whose specs import one another by file.
fn old_semantics(name: &str, location: Option<Location>) -> Option<Diagnostic> {
    let location = location?;
    let message = format!("module `{name}` has explicit reference semantics, which are obsolete");
    let help = "rename its file to `module.config.dsc` and remove the imports between its specs";
    Some(Diagnostic::warning(Code::Dx(9239), message).at(location, "").help(help))
}

/// What a path means. Without a configuration a folder is searched for specs where that is `optional`, taken as empty
/// where it is `allowed`, and else refused.
fn locate(session: &Session, path: &Path, optional: bool, allowed: bool, diagnostics: &mut Vec<Diagnostic>) -> Opened {
    let paths = &session.paths;
    let id = paths.parse_absolute(&path.to_string_lossy()).unwrap_or(PathId::ROOT);
    if session.file_system.is_dir(path) {
        let config = CONFIG_FILES.iter().find(|name| session.file_system.is_file(&path.join(name)));
        let own = if config.is_some() || optional { Own::Found } else { Own::Nothing };
        if config.is_none() && !optional && !allowed {
            diagnostics.push(no_config(session, path));
        }
        return Opened { folder: id, config: config.map(|name| paths.child_named(id, name)), own };
    }
    let folder = paths.parent(id).unwrap_or(PathId::ROOT);
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if is_config_file(&name) {
        return Opened { folder, config: Some(id), own: Own::Found };
    }
    if is_module_file(&name) {
        let message = format!("`{}` is the file of a module, not a configuration", path.display());
        let help = "open the folder that holds `config.dsc`, or a single spec";
        diagnostics.push(Diagnostic::error(Code::Dx(11229), message).help(help));
    }
    Opened { folder, config: None, own: Own::Single(id) }
}

fn no_config(session: &Session, folder: &Path) -> Diagnostic {
    let message = format!("there is no `config.dsc` in `{}`", folder.display());
    let holds = |above: &&Path| CONFIG_FILES.iter().any(|name| session.file_system.is_file(&above.join(name)));
    let help = match folder.ancestors().skip(1).find(holds) {
        Some(above) => format!("the workspace begins further up: open `{}`", above.display()),
        None => "create one that says `config({});`, or open a single spec".to_owned(),
    };
    Diagnostic::error(Code::Dx(11229), message).help(help)
}

/// The folder given instead of the embedded SDK.
fn sdk_folder(session: &Session, sdk: &Path, diagnostics: &mut Vec<Diagnostic>) -> Option<PathId> {
    let absolute = normal(&std::path::absolute(sdk).unwrap_or_else(|_| sdk.to_owned()));
    if session.file_system.is_dir(&absolute) {
        return session.paths.parse_absolute(absolute.to_str()?).ok();
    }
    let message = format!("the SDK folder `{}` is not a folder", sdk.display());
    let help = "name a folder that holds SDK modules, or leave out `--sdk` for the one that comes with the program";
    diagnostics.push(Diagnostic::error(Code::Ds(306), message).help(help));
    None
}

/// Without `.` and `..`; a path that climbs above the root stays there, as systems have it.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The world that an evaluation sees.
pub(super) fn host(session: &Session, layout: &Layout, mounts: &Mounts, environment: Arc<dyn Environment>) -> Host {
    let home = environment.user_home().and_then(|home| session.paths.parse_absolute(home.to_str()?).ok());
    // The folders of the system stay what they are when a configuration gives their names to others, or hides variables.
    let known = Mounts::predefined(layout, &*session.environment, &session.paths);
    let folder = |name: &str| known.iter().find(|mount| *mount.name == *name).map(|mount| mount.path);
    let system = SystemFolders::of(session.environment.host().os, &session.paths, folder);
    Host {
        file_system: session.file_system.clone(),
        environment,
        mounts: graph_mounts(mounts),
        source_root: layout.source,
        object_root: layout.object,
        temp_root: layout.temp,
        engine_directory: layout.engine,
        home: home.unwrap_or(layout.source),
        limits: Limits::default(),
        allow_unsafe_ambient: false,
        system,
        interrupted: None,
        functions: FxHashMap::default(),
        test: None,
    }
}

/// The mounts as the graph wants them.
pub(super) fn graph_mounts(mounts: &Mounts) -> Vec<crate::graph::Mount> {
    let mount = |mount: &super::Mount| crate::graph::Mount {
        name: mount.name.clone(),
        path: mount.path,
        readable: mount.readable,
        writable: mount.writable,
        scrubbable: mount.scrubbable,
        location: mount.location,
    };
    mounts.iter().map(mount).collect()
}
