//! The build extent as plain data: modules, specs, namespaces, declarations, qualifier spaces.
//!
//! Nothing here knows how a configuration file says so, or what a declaration evaluates to.

mod qualifiers;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::paths::{PathId, Paths};
use crate::source::{FileId, Location, Span, Symbol, Symbols};

pub use qualifiers::{CoercionError, QualifierId, QualifierSpace, Qualifiers, SpaceId};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// The place in the vector of its kind.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

ids! {
    /// A module of the [`Program`].
    ModuleId,
    /// A spec file of the [`Program`].
    SpecId,
    /// A namespace of a module; its root namespace too.
    NamespaceId,
    /// A declaration at the level of a file or namespace.
    DeclId,
    /// A const enum.
    EnumId,
}

/// How the specs of a module see one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Semantics {
    /// All specs share one merged namespace (V2).
    Implicit,
    /// Specs import one another by file (V1).
    Explicit,
}

/// Where a module comes from, which decides whether all its values are evaluated or only what is referenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The prelude: visible everywhere without an import.
    Prelude,
    /// An SDK module, ours or of a resolver that does not define the build extent: evaluated where referenced.
    Library,
    /// Part of the build extent: every value is evaluated.
    Extent,
    /// A configuration, module or list file.
    Configuration,
}

/// A module.
#[derive(Clone, Debug)]
pub struct Module {
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
    /// Its specs in the order of their paths.
    pub specs: Vec<SpecId>,
    /// Its root namespace, `$`.
    pub root: NamespaceId,
    /// The modules it may import; none when it may import all.
    pub allowed_dependencies: Option<Vec<Arc<str>>>,
    /// Modules it may form import cycles with.
    pub cyclical_friends: Vec<Arc<str>>,
}

/// What kind of file a spec is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecKind {
    /// An ordinary spec.
    Spec,
    /// The primary configuration: one `config({…})`.
    Config,
    /// A module file: one or several `module({…})`.
    Module,
    /// A list file: constants that configuration files import.
    List,
}

/// A spec file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The module it belongs to.
    pub module: ModuleId,
    /// Its text.
    pub file: FileId,
    /// Where it lies.
    pub path: PathId,
    /// What kind of file it is.
    pub kind: SpecKind,
    /// Its declarations in source order, those in its namespaces included.
    pub decls: Vec<DeclId>,
    /// The spec whose names it sees, when it holds an expression that is evaluated as if it stood there.
    pub probe_of: Option<SpecId>,
}

/// A namespace, merged over the specs of its module. Only exported names are its members.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The module it belongs to.
    pub module: ModuleId,
    /// Its own name; empty for the root.
    pub name: Symbol,
    /// The namespace it lies in; none for the root.
    pub parent: Option<NamespaceId>,
    /// Exported declarations and inner namespaces.
    pub members: IndexMap<Symbol, NamespaceMember, FxBuildHasher>,
    /// The qualifier space that holds for what lies in it.
    pub space: SpaceId,
    /// The template that holds for what lies in it.
    pub template: Option<DeclId>,
}

/// A member of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceMember {
    /// A value, function, enum or native function.
    Decl(DeclId),
    /// A namespace inside.
    Namespace(NamespaceId),
    /// An interface or type: a name without a value.
    Type(DeclId),
}

/// A declaration at the level of a file or namespace.
#[derive(Clone, Debug)]
pub struct Decl {
    /// Its name.
    pub name: Symbol,
    /// The namespace it lies in.
    pub namespace: NamespaceId,
    /// The file it stands in.
    pub spec: SpecId,
    /// Where its name stands.
    pub name_span: Span,
    /// Whether other specs of the module see it.
    pub exported: bool,
    /// Whether other modules see it.
    pub public: bool,
    /// The text of `@@obsolete`, if it has that.
    pub obsolete: Option<Arc<str>>,
    /// The qualifier space it is evaluated in.
    pub space: SpaceId,
    /// What it declares.
    pub kind: DeclKind,
}

/// What a declaration declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclKind {
    /// A lazily evaluated value. `function` is the index, in the code of its spec, of the parameterless function that
    /// computes it.
    Value {
        /// Index in the code of its spec.
        function: u32,
    },
    /// A function.
    Function {
        /// Index in the code of its spec.
        function: u32,
    },
    /// A const enum.
    Enum(EnumId),
    /// A function of the prelude, implemented natively; `required` to `maximum` arguments (none: any number).
    Native {
        /// Fewest arguments.
        required: u32,
        /// Most arguments; `None` with a rest parameter.
        maximum: Option<u32>,
    },
    /// An interface or type alias: nothing at run time.
    Type,
}

/// A const enum.
#[derive(Clone, Debug)]
pub struct Enum {
    /// Its declaration.
    pub decl: DeclId,
    /// Its members in source order with their numbers.
    pub members: IndexMap<Symbol, i32, FxBuildHasher>,
}

/// Everything that was declared, before anything is evaluated.
#[derive(Debug)]
pub struct Program {
    /// The interned strings.
    pub symbols: Arc<Symbols>,
    /// The interned paths.
    pub paths: Arc<Paths>,
    /// Modules by [`ModuleId`].
    pub modules: Vec<Module>,
    /// Specs by [`SpecId`].
    pub specs: Vec<Spec>,
    /// Namespaces by [`NamespaceId`].
    pub namespaces: Vec<Namespace>,
    /// Declarations by [`DeclId`].
    pub decls: Vec<Decl>,
    /// Enums by [`EnumId`].
    pub enums: Vec<Enum>,
    /// Qualifier spaces and the qualifiers met so far.
    pub qualifiers: Arc<Qualifiers>,
    /// The prelude, if one was loaded.
    pub prelude: Option<ModuleId>,
}

impl Program {
    /// The dotted name of a namespace inside its module; empty for the root.
    pub fn namespace_name(&self, namespace: NamespaceId) -> String {
        let mut parts = Vec::new();
        let mut at = Some(namespace);
        while let Some(id) = at {
            let node = &self.namespaces[id.index()];
            if node.parent.is_some() {
                parts.push(self.symbols.text(node.name));
            }
            at = node.parent;
        }
        parts.reverse();
        parts.join(".")
    }

    /// The dotted name of a declaration inside its module.
    pub fn decl_name(&self, decl: DeclId) -> String {
        let decl = &self.decls[decl.index()];
        let namespace = self.namespace_name(decl.namespace);
        let name = self.symbols.text(decl.name);
        if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
    }

    /// Where the name of a declaration stands.
    pub fn decl_location(&self, decl: DeclId) -> Location {
        let decl = &self.decls[decl.index()];
        decl.name_span.in_file(self.specs[decl.spec.index()].file)
    }

    /// The module of a declaration.
    pub fn module_of(&self, decl: DeclId) -> ModuleId {
        self.specs[self.decls[decl.index()].spec.index()].module
    }
}

/// Keys and values of a qualifier in the order of their keys.
pub type QualifierMap = BTreeMap<Arc<str>, Arc<str>>;
