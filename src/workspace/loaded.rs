//! From the catalogue of modules to everything that has to be parsed: the build extent and what it imports.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::config_value::Located;
use super::discovery::{Catalogue, FoundModule, Known};
use super::loader::{Parsed, Wanted, load};
use super::module_file::{is_config_file, is_module_file};
use super::prelude::Prelude;
use super::session::Session;
use super::tree::Tree;
use crate::check::Policies;
use crate::diagnostics::{Code, Diagnostic};
use crate::paths::PathId;
use crate::program::{ModuleId, Origin, Qualifiers, Semantics, SpecKind};
use crate::resolve::{ImportMap, ImportTarget, Input, ModuleInput, SpecSource};
use crate::source::FileId;
use crate::syntax::ast::Ast;

/// All parsed specs.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Specs with the place of their module in the catalogue, ordered by module and path; empty once the resolver has
    /// them: nobody else needs their trees.
    specs: Vec<(usize, Parsed)>,
    /// The files of all specs in order.
    pub files: Vec<(PathId, FileId)>,
    /// Syntax errors and broken rules, in the order of the specs.
    pub diagnostics: Vec<Diagnostic>,
    /// Files whose names cannot be trusted: those of modules with syntax errors, and of modules that import them.
    unreliable: FxHashSet<FileId>,
}

/// What decides how specs are loaded.
pub(super) struct LoadOptions<'a> {
    pub session: &'a Session,
    pub catalogue: &'a Catalogue,
    pub policies: Policies,
    pub allow_missing: bool,
    /// Folders that implicit specs are not looked for in.
    pub skipped: Vec<PathId>,
}

impl Loaded {
    /// Loads the build extent if `extent` says so, the modules of the names in `extra`, and what they import.
    pub fn load(options: &LoadOptions, extent: bool, extra: &[Arc<str>]) -> Self {
        let modules = &options.catalogue.modules;
        let session = options.session;
        let mut tree = Tree::new(&*session.file_system, &session.paths, options.skipped.clone())
            .seen_from(session.folder.get().copied().unwrap_or(PathId::ROOT));
        let mut diagnostics = Vec::new();
        let mut owners: FxHashMap<PathId, usize> = FxHashMap::default();
        let mut specs = Vec::new();
        let mut asked: BTreeSet<usize> = BTreeSet::new();
        let mut next: BTreeSet<usize> =
            (0..modules.len()).filter(|index| extent && modules[*index].origin == Origin::Extent).collect();
        next.extend(extra.iter().filter_map(|name| options.module(name)));
        while !next.is_empty() {
            asked.extend(&next);
            let mut wanted = Vec::new();
            for index in std::mem::take(&mut next) {
                for one in specs_of(session, &modules[index], &mut tree) {
                    match owners.insert(one.path, index) {
                        None => wanted.push((index, one)),
                        Some(first) if first == index => {}
                        Some(first) => {
                            owners.insert(one.path, first);
                            diagnostics.extend(claimed_twice(session, &one, &modules[index], &modules[first]));
                        }
                    }
                }
            }
            let files: Vec<Wanted> = wanted.iter().map(|(_, one)| *one).collect();
            let (parsed, wrong) = load(session, &files, &options.policies, options.allow_missing);
            diagnostics.extend(wrong);
            for file in parsed {
                let Some(owner) = owners.get(&file.path) else { continue };
                next.extend(file.imports.iter().filter_map(|name| options.module(name)));
                specs.push((*owner, file));
            }
            next.retain(|index| !asked.contains(index));
        }
        diagnostics.extend(tree.diagnostics);
        specs.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| session.paths.compare(left.path, right.path)));
        let unreliable = unreliable(&specs);
        for (_, file) in &mut specs {
            diagnostics.append(&mut file.syntax);
            diagnostics.append(&mut file.lint);
        }
        let files = specs.iter().map(|(_, file)| (file.path, file.ast.file)).collect();
        Self { specs, files, diagnostics, unreliable }
    }

    /// Whether a diagnostic of a later phase only follows from a syntax error.
    pub fn follows_from_syntax(&self, diagnostic: &Diagnostic) -> bool {
        diagnostic.primary().is_some_and(|label| self.unreliable.contains(&label.location.file))
    }

    /// The specs of the build extent with their trees, in order. Empty once the resolver has them.
    pub fn extent<'a>(&'a self, catalogue: &'a Catalogue) -> impl Iterator<Item = (PathId, &'a Ast)> {
        let built = |owner: &usize| catalogue.modules[*owner].origin == Origin::Extent;
        self.specs.iter().filter(move |(owner, _)| built(owner)).map(|(_, file)| (file.path, &*file.ast))
    }

    /// What the resolver gets. The prelude is module 0, module n of the catalogue is module n + 1.
    pub fn input(&mut self, session: &Session, catalogue: &Catalogue, prelude: &Prelude) -> Input {
        let mut modules = vec![prelude.module()];
        modules.extend(catalogue.modules.iter().map(module_input));
        let mut specs = prelude.specs(ModuleId(0));
        specs.extend(std::mem::take(&mut self.specs).into_iter().map(|(module, file)| SpecSource {
            module: ModuleId(module as u32 + 1),
            path: file.path,
            kind: file.kind,
            ast: file.ast,
        }));
        let mut imports = ImportMap::default();
        for (name, known) in &catalogue.names {
            let target = match known {
                Known::Module(index) => ImportTarget::Module(ModuleId(*index as u32 + 1)),
                Known::Unsupported(kind) => ImportTarget::Unsupported(kind.clone()),
            };
            imports.names.insert(name.clone(), target);
        }
        imports.left_out.clone_from(&catalogue.left_out);
        Input {
            symbols: session.symbols.clone(),
            paths: session.paths.clone(),
            qualifiers: Arc::new(Qualifiers::new()),
            modules,
            specs,
            imports,
            files: FxHashMap::default(),
            prelude: Some(ModuleId(0)),
            probes: Vec::new(),
        }
    }
}

impl LoadOptions<'_> {
    fn module(&self, name: &str) -> Option<usize> {
        match self.catalogue.names.get(name) {
            Some(Known::Module(index)) => Some(*index),
            _ => None,
        }
    }
}

fn module_input(module: &FoundModule) -> ModuleInput {
    let description = &module.description;
    ModuleInput {
        name: description.name.clone(),
        semantics: description.semantics,
        origin: module.origin,
        folder: module.folder,
        location: description.location,
        main: description.main,
        allowed_dependencies: description.allowed_dependencies.clone(),
        cyclical_friends: description.cyclical_friends.clone(),
    }
}

/// The specs of a module: those that it lists, else all that no nearer module owns.
fn specs_of(session: &Session, module: &FoundModule, tree: &mut Tree<'_>) -> Vec<Wanted> {
    let description = &module.description;
    let name_of = |path| session.paths.name(path).map_or("", |name| session.symbols.text(name));
    let listed = match &description.projects {
        Some(projects) => {
            let mut projects = projects.clone();
            if description.semantics == Semantics::Explicit
                && let Some(main) = description.main
            {
                projects.push(Located { value: main, location: description.location });
            }
            projects
        }
        None => {
            let specs = tree.implicit_specs(module.folder);
            specs.into_iter().map(|value| Located { value, location: None }).collect()
        }
    };
    let mut seen = FxHashSet::default();
    listed
        .into_iter()
        // A list made by a glob holds configuration files too.
        .filter(|one| !is_module_file(name_of(one.value)) && !is_config_file(name_of(one.value)))
        .filter(|one| seen.insert(one.value))
        .map(|one| Wanted {
            location: one.location,
            semantics: description.semantics,
            wraps_transformer: &*description.name == "Sdk.Transformers",
            ..Wanted::new(one.value, SpecKind::Spec)
        })
        .collect()
}

fn claimed_twice(session: &Session, spec: &Wanted, module: &FoundModule, first: &FoundModule) -> Option<Diagnostic> {
    let owns_all = module.description.projects.is_none() || first.description.projects.is_none();
    if module.folder == first.folder && owns_all {
        // Discovery said so already (DX9313, DX9314).
        return None;
    }
    let (name, other) = (&module.description.name, &first.description.name);
    let message = format!("spec `{}` belongs to module `{other}` and to module `{name}`", session.show(spec.path));
    let mut diagnostic = Diagnostic::error(Code::Dx(9315), message);
    if let Some(location) = spec.location.or(module.description.location) {
        diagnostic = diagnostic.at(location, format!("claimed by `{name}`"));
    }
    if let Some(location) = first.description.location {
        diagnostic = diagnostic.and_at(location, format!("`{other}` claims it first"));
    }
    Some(diagnostic.help("a spec belongs to one module: remove it from one of them"))
}

/// The files with syntax errors. What other files miss in them the resolver keeps quiet about itself. Mistakes that
/// could be read as what was meant, such as a missing `;`, hide nothing.
fn unreliable(specs: &[(usize, Parsed)]) -> FxHashSet<FileId> {
    let has_errors = |file: &Parsed| file.syntax.iter().any(Diagnostic::is_error);
    let broken = specs.iter().filter(|(_, file)| has_errors(file) && !file.ast.is_whole());
    broken.map(|(_, file)| file.ast.file).collect()
}
