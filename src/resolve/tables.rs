//! What the first pass finds and the second looks up: blocks, members, imports.

use std::sync::Arc;

use dashmap::DashMap;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::fields::{Fields, Parameters};
use super::{ConfigurationCall, Input};
use crate::program::{DeclId, DeclKind, ModuleId, NamespaceId, Origin, Program, Semantics, SpecId};
use crate::source::{Location, Span, Symbol};
use crate::syntax::ast::{self, Ast};

/// A file, or a namespace block in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlockId(pub u32);

/// Names that are seen only in one block of one file, and where that block lies.
#[derive(Debug)]
pub(super) struct Block {
    pub spec: SpecId,
    pub namespace: NamespaceId,
    pub parent: Option<BlockId>,
    /// Private declarations and imports.
    pub locals: FxHashMap<Symbol, Entry>,
    /// Where each value or type (`true`) of this block is declared, exported or not.
    pub own: FxHashMap<(Symbol, bool), Location>,
}

/// What a value name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Decl(DeclId),
    Namespace(NamespaceId),
}

/// A meaning of a name, with who may see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting<T> {
    pub target: T,
    pub public: bool,
    pub place: Location,
}

/// The meanings of a name. A name may mean a value and a type at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub value: Option<Sighting<Target>>,
    pub ty: Option<Sighting<DeclId>>,
    /// An import or re-export that fills the two fields above once it is linked.
    pub alias: Option<AliasId>,
}

impl Entry {
    /// Whether it comes from an import that failed, which was reported there.
    pub fn is_broken(&self) -> bool {
        self.value.is_none() && self.ty.is_none()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AliasId(pub u32);

/// An imported or re-exported name.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    pub source: AliasSource,
    pub place: Location,
    pub public: bool,
    pub state: AliasState,
}

/// Where an alias finds its meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum AliasSource {
    /// A member of another module's root, or of another file's.
    Member { namespace: NamespaceId, viewer: ModuleId, name: Symbol },
    /// A name seen from a block, but not the alias itself.
    Scope { block: BlockId, name: Symbol },
    /// Nothing: the module is unknown, which was reported.
    Broken,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum AliasState {
    Pending,
    Running,
    Done(Option<Target>, Option<DeclId>),
}

/// `export * from "M"`
#[derive(Clone, Copy, Debug)]
pub(super) struct Star {
    pub from: NamespaceId,
    pub public: bool,
    pub place: Location,
}

/// The syntax behind a declaration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Variable(ast::Declarator),
    Function(ast::FunctionId),
    Enum(ast::List<ast::EnumMember>),
    Interface {
        parameters: ast::List<ast::TypeParameter>,
        extends: ast::List<ast::TypeId>,
        members: ast::List<ast::TypeMember>,
    },
    TypeAlias {
        parameters: ast::List<ast::TypeParameter>,
        ty: ast::TypeId,
    },
    /// The expression of a probe or the argument of a configuration call.
    Expression(ast::ExprId),
    /// A configuration call without argument.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub block: BlockId,
    pub node: Node,
}

/// The parameters of a function, for named arguments.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    pub parameters: Vec<Symbol>,
}

/// `export declare const qualifier: T;`
#[derive(Clone, Copy, Debug)]
pub(super) struct QualifierDecl {
    pub block: BlockId,
    pub ty: Option<ast::TypeId>,
    pub place: Location,
}

/// Names with a meaning of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct WellKnown {
    pub empty: Symbol,
    pub undefined: Symbol,
    pub qualifier: Symbol,
    pub template: Symbol,
    pub merge: Symbol,
    pub root: Symbol,
    pub import_from: Symbol,
    pub import_file: Symbol,
    pub with_qualifier: Symbol,
    pub qualifier_type: Symbol,
}

pub(super) type Members = IndexMap<Symbol, Entry, FxBuildHasher>;

/// Everything that was declared.
pub(super) struct Tables<'i> {
    pub input: &'i Input,
    pub program: Program,
    /// By [`SpecId`], probes last.
    pub asts: Vec<&'i Ast>,
    pub blocks: Vec<Block>,
    /// The file block of each spec, by [`SpecId`].
    pub file_blocks: Vec<BlockId>,
    /// By [`NamespaceId`].
    pub members: Vec<Members>,
    /// By [`NamespaceId`].
    pub stars: Vec<Vec<Star>>,
    /// Namespaces whose `export *` failed: what is missing in them was reported there.
    pub incomplete: FxHashSet<NamespaceId>,
    /// Specs with syntax errors: what they declare may be missing here.
    pub broken_specs: Vec<SpecId>,
    /// By [`DeclId`].
    pub items: Vec<Item>,
    /// The decorators of each spec, by [`SpecId`], with the block they stand in.
    pub decorators: Vec<Vec<(BlockId, ast::ExprId)>>,
    /// The expressions of each spec that stand where only declarations may, by [`SpecId`], with their blocks. They
    /// are never evaluated (lint DX9036, DX9037), but what is wrong in them is said in the same run.
    pub strays: Vec<Vec<(BlockId, ast::ExprId)>>,
    pub aliases: Vec<Alias>,
    pub signatures: FxHashMap<DeclId, Signature>,
    /// The fields of declared types, and what functions take, as far as somebody has asked: files are lowered in parallel.
    pub fields: DashMap<DeclId, Arc<Fields>, FxBuildHasher>,
    pub parameters: DashMap<DeclId, Parameters, FxBuildHasher>,
    /// By [`NamespaceId`].
    pub qualifier_decls: Vec<Option<QualifierDecl>>,
    pub configurations: Vec<ConfigurationCall>,
    pub probes: Vec<Option<DeclId>>,
    pub known: WellKnown,
    /// Specs by path, for imports of files.
    pub specs_by_path: FxHashMap<crate::paths::PathId, SpecId>,
    /// The root namespace of each spec: its module's, or its own in modules with explicit semantics.
    pub spec_roots: Vec<NamespaceId>,
}

impl Tables<'_> {
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.0 as usize]
    }

    pub fn text(&self, symbol: Symbol) -> &str {
        self.program.symbols.text(symbol)
    }

    pub fn intern(&self, text: &str) -> Symbol {
        self.program.symbols.intern(text)
    }

    pub fn module_of_spec(&self, spec: SpecId) -> ModuleId {
        self.program.specs[spec.index()].module
    }

    pub fn location(&self, spec: SpecId, span: Span) -> Location {
        span.in_file(self.program.specs[spec.index()].file)
    }

    pub fn prelude_root(&self) -> Option<NamespaceId> {
        self.program.prelude.map(|module| self.program.modules[module.index()].root)
    }

    /// The entry that a name means in a block: private names and imports first, then the members of the namespace,
    /// block by block outward, then the prelude. `wanted` says whether an entry has the meaning that is looked for.
    pub fn lookup(&self, block: BlockId, name: Symbol, wanted: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let mut at = Some(block);
        while let Some(id) = at {
            let block = self.block(id);
            if let Some(entry) = block.locals.get(&name)
                && wanted(entry)
            {
                return Some(entry);
            }
            if let Some(entry) = self.members[block.namespace.index()].get(&name)
                && wanted(entry)
            {
                return Some(entry);
            }
            at = block.parent;
        }
        let entry = self.members[self.prelude_root()?.index()].get(&name)?;
        wanted(entry).then_some(entry)
    }

    /// All names of values that a block sees, for "did you mean".
    pub fn names_in_scope(&self, block: BlockId) -> Vec<&str> {
        self.names_where(block, |entry| entry.value.is_some())
    }

    /// The names with a wanted meaning that a block sees.
    pub fn names_where(&self, block: BlockId, wanted: impl Fn(&Entry) -> bool) -> Vec<&str> {
        let name = |(name, entry): (&Symbol, &Entry)| wanted(entry).then(|| self.text(*name));
        let mut names = Vec::new();
        let mut at = Some(block);
        while let Some(id) = at {
            let block = self.block(id);
            names.extend(block.locals.iter().filter_map(name));
            names.extend(self.members[block.namespace.index()].iter().filter_map(name));
            at = block.parent;
        }
        if let Some(prelude) = self.prelude_root() {
            names.extend(self.members[prelude.index()].iter().filter_map(name));
        }
        names
    }

    /// [`Tables::names_in_scope`] for completion: each once, sorted by text, without the names of natives that only the
    /// SDK is meant to call.
    pub fn visible_names(&self, block: Option<BlockId>) -> Vec<Symbol> {
        let mut names: Vec<&str> = block.map(|block| self.names_in_scope(block)).unwrap_or_default();
        names.retain(|name| !name.is_empty() && !name.starts_with('_'));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| self.intern(name)).collect()
    }

    /// Where a name that a spec does not see is declared after all: in another file of its module (then with the
    /// place), or in an SDK module; and what to do. `meaning` gives the place of the wanted meaning of an entry, and
    /// whether other modules see it.
    pub fn elsewhere(
        &self,
        spec: SpecId,
        name: Symbol,
        meaning: impl Fn(&Entry) -> Option<(Location, bool)>,
    ) -> Option<(Option<Location>, String)> {
        let text = self.text(name);
        let viewer = self.module_of_spec(spec);
        let hidden = self.blocks.iter().find_map(|block| {
            let same_module = self.program.namespaces[block.namespace.index()].module == viewer;
            let entry = if same_module { block.locals.get(&name)? } else { return None };
            if entry.alias.is_some() { None } else { meaning(entry) }
        });
        if let Some((place, _)) = hidden {
            let help = if place.file == self.program.specs[spec.index()].file {
                format!("`{text}` is private to another block; add `export` and use it through its namespace")
            } else {
                "add `export` before its declaration".to_owned()
            };
            return Some((Some(place), help));
        }
        let mut modules = self.program.modules.iter().filter(|module| module.origin == Origin::Library);
        let module = modules.find(|module| {
            let entry = self.members[module.root.index()].get(&name);
            entry.and_then(&meaning).is_some_and(|(_, public)| public)
        })?;
        Some((None, format!("add `import {{{text}}} from \"{}\";`", module.name)))
    }

    /// Whether a meaning of a member of `namespace` may be seen from `viewer`.
    pub fn visible<T>(&self, sighting: &Sighting<T>, namespace: NamespaceId, viewer: ModuleId) -> bool {
        let module = self.program.namespaces[namespace.index()].module;
        module == viewer
            || sighting.public
            || Some(module) == self.program.prelude
            || self.program.modules[module.index()].semantics == Semantics::Explicit
    }

    /// Whether a spec of `module` with syntax errors seems to declare `name`: then its absence is no mistake of its own.
    pub fn is_lost(&self, module: ModuleId, name: &str) -> bool {
        let of_module = self.broken_specs.iter().filter(|spec| self.module_of_spec(**spec) == module);
        of_module.into_iter().any(|spec| declares(&self.asts[spec.index()].text, name))
    }

    /// Whether a declaration is a value whose definition is evaluated in order (not a function, enum or type).
    pub fn is_variable(&self, decl: DeclId) -> bool {
        matches!(self.program.decls[decl.index()].kind, DeclKind::Value { .. })
    }

    /// How messages call a root namespace: `` module `M` ``, or the file in a module with explicit semantics, whose files
    /// are imported one by one.
    pub fn root_name(&self, namespace: NamespaceId) -> String {
        let module = self.module_name(namespace);
        let of_module = self.program.modules.iter().any(|module| module.root == namespace);
        let spec = self.spec_roots.iter().position(|root| *root == namespace).filter(|_| !of_module);
        match spec {
            Some(spec) => {
                let path = self.program.specs[spec].path;
                let name = self.program.paths.name(path).map_or("", |name| self.text(name));
                format!("file `{name}` of module `{module}`")
            }
            None => format!("module `{module}`"),
        }
    }

    /// How messages call the module of a namespace.
    pub fn module_name(&self, namespace: NamespaceId) -> Arc<str> {
        let module = self.program.namespaces[namespace.index()].module;
        self.program.modules[module.index()].name.clone()
    }
}

/// Whether a text has a word such as `const` directly before `name`.
fn declares(text: &str, name: &str) -> bool {
    const WORDS: [&str; 8] = ["const", "function", "namespace", "enum", "interface", "type", "import", "as"];
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        if before.ends_with(part) || after.starts_with(part) {
            return false;
        }
        // Names in the braces of an import or the parts of a dotted namespace.
        let before = before.trim_end();
        before.ends_with(['{', ',', '.']) || WORDS.iter().any(|word| before.ends_with(word))
    })
}
