//! Names to slots and declarations: scopes, merged namespaces, imports, visibility; the lowered form.
//!
//! [`resolve`] takes all parsed files at once. First every declaration of every file is entered into the namespaces
//! of its module, one file after the other, so that ids and messages do not depend on timing. Then the imports and
//! re-exports are linked, enums are computed and qualifier spaces read. Last, the bodies are lowered, all files in
//! parallel: nothing they look up changes any more.

mod calls;
mod declare;
#[cfg(test)]
mod dump;
mod enums;
mod expressions;
mod fields;
mod imports;
pub mod ir;
mod link;
mod literals;
mod lower;
mod names;
mod spaces;
mod statements;
mod static_types;
mod tables;
mod templates;
#[cfg(test)]
mod tests;
mod types;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::diagnostics::Diagnostic;
use crate::paths::{PathId, Paths};
use crate::program::{DeclId, DeclKind, ModuleId, Origin, Program, Qualifiers, Semantics, SpecId, SpecKind};
use crate::source::{Location, Symbol, Symbols};
use crate::syntax::ast::Ast;

use ir::Code;

/// A module as the workspace describes it. Its id is its place in [`Input::modules`].
#[derive(Clone, Debug)]
pub struct ModuleInput {
    /// Its name, as in `importFrom("name")`.
    pub name: Arc<str>,
    /// How its specs see one another.
    pub semantics: Semantics,
    /// Where it comes from.
    pub origin: Origin,
    /// The folder it is rooted at.
    pub folder: PathId,
    /// Where it is defined, if a file says so.
    pub location: Option<Location>,
    /// The spec whose exports other modules see, for a module with explicit semantics.
    pub main: Option<PathId>,
    /// The modules it may import, each with the place of its name; none when it may import all.
    pub allowed_dependencies: Option<Vec<Arc<str>>>,
    /// Modules it may form import cycles with.
    pub cyclical_friends: Vec<Arc<str>>,
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct SpecSource {
    /// The module it belongs to.
    pub module: ModuleId,
    /// Where it lies.
    pub path: PathId,
    /// What kind of file it is.
    pub kind: SpecKind,
    /// Its tree.
    pub ast: Arc<Ast>,
}

/// What a module name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportTarget {
    /// A module of the input.
    Module(ModuleId),
    /// A module that a resolver of a kind that is not supported would provide; the kind, such as `Nuget`.
    Unsupported(Arc<str>),
}

/// What each module name means. Names that are not listed are unknown.
#[derive(Clone, Debug, Default)]
pub struct ImportMap {
    /// For every importing module.
    pub names: BTreeMap<Arc<str>, ImportTarget>,
    /// For one importing module: goes before `names`.
    pub special: BTreeMap<(ModuleId, Arc<str>), ImportTarget>,
    /// Modules of the SDK that comes with the program, where it is left out: unknown names with a known reason.
    pub left_out: BTreeSet<Arc<str>>,
}

impl ImportMap {
    /// What `name` means to `importer`.
    pub fn get(&self, importer: ModuleId, name: &str) -> Option<&ImportTarget> {
        if !self.special.is_empty()
            && let Some(found) = self.special.get(&(importer, Arc::from(name)))
        {
            return Some(found);
        }
        self.names.get(name)
    }
}

/// An expression to be evaluated as if it stood in a spec: `dscript eval --at SPEC EXPR`. It may stand beside
/// declarations, which only it and the probes that name it see.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The spec whose names it sees: an index into [`Input::specs`], or past its end that of an earlier probe, whose
    /// declarations and imports are seen as well.
    pub spec: SpecId,
    /// A file with expression statements and declarations.
    pub ast: Arc<Ast>,
    /// What the value of its first expression is called; empty for no name.
    pub name: Arc<str>,
}

/// Everything that was parsed.
#[derive(Clone, Debug)]
pub struct Input {
    /// The interned strings.
    pub symbols: Arc<Symbols>,
    /// The interned paths.
    pub paths: Arc<Paths>,
    /// Qualifier spaces; those of the declarations are added.
    pub qualifiers: Arc<Qualifiers>,
    /// Modules by [`ModuleId`].
    pub modules: Vec<ModuleInput>,
    /// Specs by [`SpecId`], ordered by module and path.
    pub specs: Vec<SpecSource>,
    /// What module names mean.
    pub imports: ImportMap,
    /// What `` importFile(f`…`) `` may name: list files, each a module of its own.
    pub files: FxHashMap<PathId, ModuleId>,
    /// The module whose exports are visible everywhere.
    pub prelude: Option<ModuleId>,
    /// Expressions to lower in the scope of a spec.
    pub probes: Vec<Probe>,
}

/// A `config({…})`, `module({…})` or similar call of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationCall {
    /// The file.
    pub spec: SpecId,
    /// `config`, `configure`, `module` or `package`.
    pub function: Arc<str>,
    /// An anonymous value: the argument of the call.
    pub decl: DeclId,
    /// The whole call.
    pub location: Location,
}

/// What evaluation needs.
#[derive(Debug)]
pub struct Resolved {
    /// The declarations. After the specs of the input, `program.specs` has one more for each probe; they are not
    /// listed in their module's `specs`.
    pub program: Program,
    /// The code of each spec, by [`SpecId`]; that of the probes follows.
    pub code: Vec<Code>,
    /// The value of the first expression of each probe; none where its text has no expression.
    pub probes: Vec<Option<DeclId>>,
    /// The names of values that the last probe sees, sorted.
    pub names: Vec<Symbol>,
    /// The calls of configuration files in order.
    pub configurations: Vec<ConfigurationCall>,
}

/// Resolves all files. The result can be evaluated as far as it goes even when there are errors: what could not be
/// resolved is [`ir::Expr::Error`]. Diagnostics come in the order of the files.
pub fn resolve(input: Input) -> (Resolved, Vec<Diagnostic>) {
    let input_has_probes = !input.probes.is_empty();
    let (mut tables, mut diagnostics) = declare::declare(&input);
    link::link(&mut tables, &mut diagnostics);
    enums::compute(&mut tables, &mut diagnostics);
    spaces::assign(&mut tables, &mut diagnostics);
    imports::check_cycles(&tables, &mut diagnostics);
    let tables = tables;
    let count = tables.program.specs.len();
    let lowered: Vec<lower::LoweredSpec> =
        (0..count).into_par_iter().map(|index| lower::lower_spec(&tables, SpecId(index as u32))).collect();
    let names = match input_has_probes {
        true => tables.visible_names(tables.file_blocks.last().copied()),
        false => Vec::new(),
    };
    let mut program = tables.program;
    let mut code = Vec::with_capacity(count);
    for spec in lowered {
        for (decl, index) in spec.functions {
            match &mut program.decls[decl.index()].kind {
                DeclKind::Value { function } | DeclKind::Function { function } => *function = index,
                DeclKind::Enum(_) | DeclKind::Native { .. } | DeclKind::Type => {}
            }
        }
        code.push(spec.code);
        diagnostics.extend(spec.diagnostics);
    }
    let (probes, configurations) = (tables.probes, tables.configurations);
    let resolved = Resolved { program, code, probes, names, configurations };
    (resolved, diagnostics)
}
