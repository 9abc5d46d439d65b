//! The prelude: the module that every spec sees without importing it.

use std::path::Path;

use super::loader::{Parsed, Wanted, load};
use super::sdk::{EMBEDDED_ROOT, PRELUDE_MODULE};
use super::session::Session;
use super::tree::Tree;
use crate::check::Policies;
use crate::diagnostics::Diagnostic;
use crate::paths::PathId;
use crate::program::{ModuleId, Origin, Semantics, SpecKind};
use crate::resolve::{ModuleInput, SpecSource};

/// The prelude, parsed.
#[derive(Debug)]
pub(super) struct Prelude {
    pub folder: PathId,
    parsed: Vec<Parsed>,
}

impl Prelude {
    /// Loads the prelude of the first SDK folder that has one; where none has, the embedded one.
    pub fn load(session: &Session, sdk: &[PathId]) -> (Self, Vec<Diagnostic>) {
        let paths = &session.paths;
        let embedded = paths.parse_absolute(EMBEDDED_ROOT).unwrap_or(PathId::ROOT);
        let folders = sdk.iter().copied().chain([embedded]).map(|root| paths.child_named(root, "prelude"));
        let exists = |folder: &PathId| session.file_system.is_dir(Path::new(&paths.display(*folder)));
        let folder = folders.into_iter().find(exists).unwrap_or(embedded);
        let mut tree = Tree::new(&*session.file_system, paths, Vec::new());
        let wanted: Vec<Wanted> = tree
            .implicit_specs(folder)
            .into_iter()
            .map(|path| Wanted { prelude: true, ..Wanted::new(path, SpecKind::Spec) })
            .collect();
        let (mut parsed, mut diagnostics) = load(session, &wanted, &Policies::default(), false);
        for file in &mut parsed {
            diagnostics.append(&mut file.syntax);
            diagnostics.append(&mut file.lint);
        }
        (Self { folder, parsed }, diagnostics)
    }

    /// Adds a spec.
    pub fn add(&mut self, parsed: Parsed) {
        self.parsed.retain(|known| known.path != parsed.path);
        self.parsed.push(parsed);
    }

    /// The module of the prelude.
    pub fn module(&self) -> ModuleInput {
        ModuleInput {
            name: PRELUDE_MODULE.into(),
            semantics: Semantics::Implicit,
            origin: Origin::Prelude,
            folder: self.folder,
            location: None,
            main: None,
            allowed_dependencies: None,
            cyclical_friends: Vec::new(),
        }
    }

    /// Its specs as specs of `module`.
    pub fn specs(&self, module: ModuleId) -> Vec<SpecSource> {
        let spec = |file: &Parsed| SpecSource { module, path: file.path, kind: file.kind, ast: file.ast.clone() };
        self.parsed.iter().map(spec).collect()
    }
}
