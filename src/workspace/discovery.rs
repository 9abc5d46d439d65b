//! From the configuration to the modules there are: resolvers in order, the default source resolver, the SDK.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::config::{Config, DScriptResolver, InlineModule, ModuleEntry, ResolverKind};
use super::config_value::{Located, place};
use super::module_file::{CONFIGURATION_MODULE, ModuleDescription, is_module_file};
use super::tree::Tree;
use crate::diagnostics::{Code, Diagnostic};
use crate::paths::{PathId, Paths};
use crate::program::{Origin, Semantics};
use crate::source::Location;
use crate::source::system::FileSystem;

/// Where modules are defined.
#[derive(Clone, Debug)]
pub(super) enum ModuleSource {
    /// In a module file.
    File {
        /// The file.
        path: PathId,
        /// Who named it; none when it was found by a walk.
        location: Option<Location>,
    },
    /// In the configuration itself, as the n-th item of its list.
    Inline(InlineModule, usize),
}

/// The modules of one resolver, before their files are read.
#[derive(Clone, Debug)]
pub(super) struct ModuleGroup {
    pub sources: Vec<ModuleSource>,
    pub extent: Extent,
}

/// Which modules of a resolver belong to the build extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of them.
    All,
    /// None of them.
    None,
    /// Those that lie in the folder of the configuration.
    InFolder,
}

/// A module that can be loaded.
#[derive(Clone, Debug)]
pub(super) struct FoundModule {
    pub description: ModuleDescription,
    pub origin: Origin,
    /// What its implicit specs lie below.
    pub folder: PathId,
}

/// What a module name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// An index into [`Catalogue::modules`].
    Module(usize),
    /// A module of a resolver of this kind, which is not supported.
    Unsupported(Arc<str>),
}

/// All modules of a workspace by name.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub modules: Vec<FoundModule>,
    pub names: BTreeMap<Arc<str>, Known>,
    /// Modules of the embedded SDK, where that is left out.
    pub left_out: BTreeSet<Arc<str>>,
}

/// What discovery looks at.
pub(super) struct Discovery<'a> {
    pub config: &'a Config,
    /// The folder of the configuration.
    pub folder: PathId,
    pub paths: &'a Paths,
    pub file_system: &'a dyn FileSystem,
    pub tree: Tree<'a>,
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Discovery<'a> {
    /// The module files and inline modules of each resolver, in order; the default source resolver comes last.
    pub fn groups(&mut self) -> Vec<ModuleGroup> {
        let mut groups = Vec::new();
        let config = self.config;
        for resolver in &config.resolvers {
            match &resolver.kind {
                ResolverKind::DScript(resolver) => groups.push(self.resolver(resolver)),
                // An empty group keeps the places of the groups and of the resolvers the same.
                ResolverKind::Unsupported { .. } => {
                    groups.push(ModuleGroup { sources: Vec::new(), extent: Extent::None });
                }
            }
        }
        if !config.disable_default_source_resolver {
            let sources = match &config.modules {
                Some(entries) => self.entries(entries, true),
                None => self.walk(self.folder),
            };
            groups.push(ModuleGroup { sources, extent: Extent::All });
        }
        groups
    }

    fn resolver(&mut self, resolver: &DScriptResolver) -> ModuleGroup {
        let mut sources = match &resolver.modules {
            Some(entries) => self.entries(entries, false),
            None => Vec::new(),
        };
        if let Some(root) = &resolver.root {
            let shown = crate::graph::show(self.paths, self.folder, root.value);
            if self.file_system.is_dir(Path::new(&self.paths.display(root.value))) {
                sources.extend(self.walk(root.value));
            } else {
                let message = format!("the root `{shown}` of a resolver is not a folder");
                let help = "correct the path, or remove the resolver";
                self.diagnostics.push(place(Diagnostic::error(Code::Dx(9304), message).help(help), root.location));
            }
        }
        let extent = match resolver.defines_build_extent {
            Some(true) => Extent::All,
            Some(false) => Extent::None,
            None => Extent::InFolder,
        };
        ModuleGroup { sources, extent }
    }

    /// All module files below a folder.
    pub fn walk(&mut self, root: PathId) -> Vec<ModuleSource> {
        let files = self.tree.module_files(root);
        files.into_iter().map(|path| ModuleSource::File { path, location: None }).collect()
    }

    fn entries(&mut self, entries: &[ModuleEntry], must_be_within: bool) -> Vec<ModuleSource> {
        let mut sources = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match entry {
                ModuleEntry::Inline(module) => sources.push(ModuleSource::Inline(module.clone(), index)),
                ModuleEntry::File(entry) => {
                    if let Some(path) = self.entry(entry, must_be_within) {
                        sources.push(ModuleSource::File { path, location: entry.location });
                    }
                }
            }
        }
        sources
    }

    /// The module file that an entry of `modules` means: the file itself, or that of a folder.
    fn entry(&mut self, entry: &Located<PathId>, must_be_within: bool) -> Option<PathId> {
        let paths = self.paths;
        let path = entry.value;
        let shown = crate::graph::show(paths, self.folder, path);
        let name = paths.name(path).map_or("", |name| paths.symbols().text(name));
        let file = if is_module_file(name) {
            path
        } else if name.eq_ignore_ascii_case("package.dsc") {
            // Old lists name the main file of the module.
            paths.parent(path).map_or(path, |folder| paths.child_named(folder, "package.config.dsc"))
        } else {
            self.tree.module_file(path).unwrap_or(path)
        };
        let within = paths.is_within(file, self.folder) && file != self.folder;
        if must_be_within && !within {
            let message = format!("module file `{shown}` does not lie below the configuration's folder");
            let help = "list it under a resolver of kind `DScript` instead";
            self.diagnostics.push(place(Diagnostic::error(Code::Dx(9305), message).help(help), entry.location));
            return None;
        }
        let is_module = paths.name(file).is_some_and(|name| is_module_file(paths.symbols().text(name)));
        if is_module && self.file_system.is_file(Path::new(&paths.display(file))) {
            return Some(file);
        }
        if self.config.front_end.allow_missing_specs {
            return None;
        }
        let message = match self.file_system.kind(Path::new(&paths.display(path))) {
            Some(_) if !is_module => format!("`{shown}` is neither a module file nor a folder that has one"),
            _ => format!("there is no module file `{}`", crate::graph::show(paths, self.folder, file)),
        };
        let help = "list files named `module.config.dsc`, or remove this item";
        self.diagnostics.push(place(Diagnostic::error(Code::Dx(9302), message).help(help), entry.location));
        None
    }

    /// The specs that belong to no module, as the configuration's own module.
    pub fn configuration_module(&mut self) -> Option<FoundModule> {
        if self.config.disable_default_source_resolver {
            return None;
        }
        let inline = |entry: &ModuleEntry| matches!(entry, ModuleEntry::Inline(_));
        let of_resolvers = self.config.resolvers.iter().any(|resolver| match &resolver.kind {
            ResolverKind::DScript(one) => one.modules.iter().flatten().any(inline),
            ResolverKind::Unsupported { .. } => false,
        });
        let has_inline = of_resolvers || self.config.modules.iter().flatten().any(inline);
        let projects = match &self.config.projects {
            Some(projects) => projects.clone(),
            // Inline modules own the folder of the configuration, as a module file there would.
            None if has_inline => return None,
            None => {
                let specs = self.tree.orphan_specs(self.folder);
                specs.into_iter().map(|value| Located { value, location: None }).collect()
            }
        };
        if projects.is_empty() {
            return None;
        }
        let semantics = self.config.front_end.semantics.unwrap_or(Semantics::Implicit);
        Some(FoundModule { description: own_module(semantics, projects), origin: Origin::Extent, folder: self.folder })
    }

    /// Joins what the module files say into one catalogue. The first resolver that knows a name wins.
    pub fn catalogue(
        &mut self,
        groups: &[ModuleGroup],
        described: &FxHashMap<PathId, Vec<ModuleDescription>>,
    ) -> Catalogue {
        let mut catalogue = Catalogue::default();
        let mut seen: FxHashMap<PathId, Vec<usize>> = FxHashMap::default();
        for (index, group) in groups.iter().enumerate() {
            if let Some(ResolverKind::Unsupported { kind, modules }) =
                self.config.resolvers.get(index).map(|resolver| &resolver.kind)
            {
                for module in modules {
                    let known = Known::Unsupported(kind.clone());
                    catalogue.names.entry(module.value.clone()).or_insert(known);
                }
            }
            let mut here: BTreeMap<Arc<str>, Option<Location>> = BTreeMap::new();
            for source in &group.sources {
                let (file, descriptions) = match source {
                    ModuleSource::Inline(module, index) => (None, vec![inline_module(module, *index)]),
                    ModuleSource::File { path, .. } => {
                        if let Some(known) = seen.get(path) {
                            // Another resolver was first, but what the default one finds too is still built.
                            for module in known.iter().filter(|_| group.extent == Extent::All) {
                                catalogue.modules[*module].origin = Origin::Extent;
                            }
                            continue;
                        }
                        seen.insert(*path, Vec::new());
                        (Some(*path), described.get(path).cloned().unwrap_or_default())
                    }
                };
                let folder = file.and_then(|file| self.paths.parent(file)).unwrap_or(self.folder);
                for description in descriptions {
                    if let Some(first) = here.get(&description.name) {
                        self.defined_twice(&description, *first);
                        continue;
                    }
                    here.insert(description.name.clone(), description.location);
                    if catalogue.names.contains_key(&description.name) {
                        continue;
                    }
                    let extent = match group.extent {
                        Extent::All => true,
                        Extent::None => false,
                        Extent::InFolder => self.paths.is_within(folder, self.folder),
                    };
                    let origin = if extent { Origin::Extent } else { Origin::Library };
                    let index = catalogue.modules.len();
                    catalogue.names.insert(description.name.clone(), Known::Module(index));
                    if let Some(file) = file {
                        seen.entry(file).or_default().push(index);
                    }
                    catalogue.modules.push(FoundModule { description, origin, folder });
                }
            }
        }
        self.check_owners(&catalogue);
        catalogue
    }

    fn defined_twice(&mut self, module: &ModuleDescription, first: Option<Location>) {
        let message = format!("module `{}` is defined twice", module.name);
        let mut diagnostic = Diagnostic::error(Code::Dx(11230), message);
        if let Some(location) = module.location {
            diagnostic = diagnostic.at(location, "again here");
        }
        if let Some(first) = first {
            diagnostic = diagnostic.and_at(first, "first here");
        }
        self.diagnostics.push(diagnostic.help("give one of them another name, or remove it"));
    }

    /// Of several modules in one folder, none may own all specs below it.
    fn check_owners(&mut self, catalogue: &Catalogue) {
        let mut first: FxHashMap<PathId, &FoundModule> = FxHashMap::default();
        for module in &catalogue.modules {
            let Some(earlier) = first.get(&module.folder) else {
                first.insert(module.folder, module);
                continue;
            };
            let (name, other) = (&module.description.name, &earlier.description.name);
            let (code, message) = if earlier.description.projects.is_none() {
                (9313, format!("module `{name}` lies in the folder of `{other}`, which owns all specs there"))
            } else if module.description.projects.is_none() {
                (9314, format!("module `{name}` owns all specs of its folder, but `{other}` owns some of them"))
            } else {
                continue;
            };
            let mut diagnostic = Diagnostic::error(Code::Dx(code), message);
            if let Some(location) = module.description.location {
                diagnostic = diagnostic.at(location, "");
            }
            if let Some(location) = earlier.description.location {
                diagnostic = diagnostic.and_at(location, "the other module");
            }
            self.diagnostics.push(diagnostic.help("list the specs of both modules with `projects`"));
        }
    }
}

/// The configuration's own module with these specs.
pub(super) fn own_module(semantics: Semantics, projects: Vec<Located<PathId>>) -> ModuleDescription {
    ModuleDescription {
        name: CONFIGURATION_MODULE.into(),
        semantics,
        projects: Some(projects),
        main: None,
        allowed_dependencies: None,
        cyclical_friends: Vec::new(),
        mounts: Vec::new(),
        allow_list: Vec::new(),
        location: None,
    }
}

fn inline_module(module: &InlineModule, index: usize) -> ModuleDescription {
    let name = match &module.name {
        Some(name) => name.value.clone(),
        None => format!("AnonymousModule_{index}").into(),
    };
    let location = module.name.as_ref().and_then(|name| name.location).or(module.location);
    let projects = module.projects.clone();
    ModuleDescription { name, projects, location, ..own_module(Semantics::Implicit, Vec::new()) }
}

#[cfg(test)]
mod tests {
    use super::super::config::ResolverConfig;
    use super::*;
    use crate::source::Symbols;
    use crate::source::system::MemoryFileSystem;

    fn description(name: &str) -> ModuleDescription {
        ModuleDescription { name: name.into(), projects: None, ..own_module(Semantics::Implicit, Vec::new()) }
    }

    struct Fixture {
        paths: Paths,
        fs: MemoryFileSystem,
    }

    impl Fixture {
        fn new(files: &[&str]) -> Self {
            let fs = files.iter().map(|name| (name.to_string(), "")).collect();
            Self { paths: Paths::new(Arc::new(Symbols::new())), fs }
        }

        fn path(&self, text: &str) -> PathId {
            self.paths.parse_absolute(text).unwrap()
        }

        fn discover(&self, config: &Config, described: &[(&str, &[&str])]) -> (Vec<String>, Vec<String>) {
            let mut discovery = Discovery {
                config,
                folder: self.path("/w"),
                paths: &self.paths,
                file_system: &self.fs,
                tree: Tree::new(&self.fs, &self.paths, vec![]),
                diagnostics: vec![],
            };
            let groups = discovery.groups();
            let described = described
                .iter()
                .map(|(file, names)| (self.path(file), names.iter().map(|name| description(name)).collect()))
                .collect();
            let catalogue = discovery.catalogue(&groups, &described);
            let show = |module: &FoundModule| format!("{} {:?}", module.description.name, module.origin);
            let codes = discovery.diagnostics.iter().map(|one| one.code.to_string()).collect();
            (catalogue.modules.iter().map(show).collect(), codes)
        }
    }

    fn resolver(modules: Vec<PathId>) -> ResolverConfig {
        let file = |value| ModuleEntry::File(Located { value, location: None });
        let modules = Some(modules.into_iter().map(file).collect());
        let kind = ResolverKind::DScript(DScriptResolver { modules, ..Default::default() });
        ResolverConfig { kind, name: None, location: None }
    }

    #[test]
    fn resolvers_come_first_and_what_lies_in_the_folder_is_built() {
        let fixture = Fixture::new(&["/w/a/module.config.dsc", "/w/b/module.config.dsc", "/sdk/t/module.config.dsc"]);
        let modules = vec![fixture.path("/sdk/t"), fixture.path("/w/a/module.config.dsc")];
        let mut config = Config { resolvers: vec![resolver(modules)], ..Default::default() };
        let described: [(&str, &[&str]); 3] = [
            ("/sdk/t/module.config.dsc", &["T"]),
            ("/w/a/module.config.dsc", &["A"]),
            ("/w/b/module.config.dsc", &["B"]),
        ];
        let (modules, codes) = fixture.discover(&config, &described);
        assert_eq!((modules.join(", ").as_str(), codes.len()), ("T Library, A Extent, B Extent", 0));
        config.disable_default_source_resolver = true;
        assert_eq!(fixture.discover(&config, &described).0.join(", "), "T Library, A Extent");
    }

    #[test]
    fn clashes_have_their_numbers() {
        let fixture = Fixture::new(&["/w/a/module.config.dsc", "/w/b/module.config.dsc"]);
        let described: [(&str, &[&str]); 2] =
            [("/w/a/module.config.dsc", &["A", "C"]), ("/w/b/module.config.dsc", &["A"])];
        let (modules, codes) = fixture.discover(&Config::default(), &described);
        assert_eq!((modules.len(), codes), (2, vec!["DX11230".to_owned(), "DX9313".to_owned()]));
        let modules = vec![fixture.path("/w/nope"), fixture.path("/x/module.config.dsc")];
        let listed = modules.iter().map(|&value| ModuleEntry::File(Located { value, location: None })).collect();
        let config = Config { modules: Some(listed), resolvers: vec![resolver(modules)], ..Default::default() };
        let (_, codes) = fixture.discover(&config, &[]);
        assert_eq!(codes, ["DX9302", "DX9302", "DX9302", "DX9305"]);
    }
}
