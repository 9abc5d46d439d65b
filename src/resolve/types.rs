//! Names in types: types are not checked, but every name in one must mean a type, so that a slip in an annotation or a
//! cast is seen before anything runs.

use super::link::not_public;
use super::lower::Lowerer;
use super::tables::{BlockId, Entry, Tables, Target};
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{DeclId, NamespaceId};
use crate::source::{Location, Span, Symbol};
use crate::syntax::ast::{self, Type, TypeMember, TypeMemberKind};

/// The types that no file declares.
const KEYWORDS: [&str; 9] = ["any", "boolean", "never", "number", "object", "string", "symbol", "undefined", "void"];

impl Lowerer<'_, '_> {
    /// Looks up all names of a type.
    pub(super) fn ty(&mut self, id: ast::TypeId) {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || self.ty_inner(id));
    }

    fn ty_inner(&mut self, id: ast::TypeId) {
        let ast = self.ast;
        match ast.ty(id) {
            Type::Reference { name, arguments } => {
                self.type_name(name);
                self.types(arguments);
            }
            Type::Array(item) | Type::Paren(item) | Type::Predicate { ty: item, .. } => self.ty(item),
            Type::Tuple(items) | Type::Union(items) | Type::Intersection(items) => self.types(items),
            Type::Function(function) | Type::Constructor(function) => self.signature_types(function),
            Type::Object(members) => self.type_members(members),
            Type::Query(name) => self.queried(name),
            Type::StringLiteral | Type::NumberLiteral | Type::KeywordLiteral | Type::Error => {}
        }
    }

    pub(super) fn types(&mut self, ids: ast::List<ast::TypeId>) {
        let ast = self.ast;
        for &id in ast.list(ids) {
            self.ty(id);
        }
    }

    /// The members of an interface or object type.
    pub(super) fn type_members(&mut self, members: ast::List<TypeMember>) {
        let ast = self.ast;
        for member in ast.list(members) {
            match member.kind {
                TypeMemberKind::Property { ty, .. } => self.maybe_ty(ty),
                TypeMemberKind::Method { function, .. }
                | TypeMemberKind::Call(function)
                | TypeMemberKind::Construct(function) => self.signature_types(function),
                TypeMemberKind::Index { parameter, ty } => {
                    self.maybe_ty(parameter.ty);
                    self.maybe_ty(ty);
                }
            }
        }
    }

    pub(super) fn maybe_ty(&mut self, ty: Option<ast::TypeId>) {
        if let Some(ty) = ty {
            self.ty(ty);
        }
    }

    /// Makes type parameters known, and looks up what they extend. Gives how many were known before, for
    /// [`Self::close_types`].
    pub(super) fn open_types(&mut self, parameters: ast::List<ast::TypeParameter>) -> usize {
        let ast = self.ast;
        let known = self.type_parameters.len();
        for parameter in ast.list(parameters) {
            self.type_parameters.push(ast.name(parameter.name));
        }
        for parameter in ast.list(parameters) {
            self.maybe_ty(parameter.constraint);
        }
        known
    }

    pub(super) fn close_types(&mut self, known: usize) {
        self.type_parameters.truncate(known);
    }

    /// The types of a signature without a body.
    pub(super) fn signature_types(&mut self, id: ast::FunctionId) {
        let function = self.ast.function(id);
        let known = self.open_types(function.type_parameters);
        self.parameter_types(&function);
        self.close_types(known);
    }

    /// The types of the parameters and of the result.
    pub(super) fn parameter_types(&mut self, function: &ast::Function) {
        let ast = self.ast;
        for parameter in ast.list(function.parameters) {
            self.maybe_ty(parameter.ty);
        }
        self.maybe_ty(function.return_type);
    }

    /// The expression without the parentheses and casts around it.
    pub(super) fn bare(&mut self, id: ast::ExprId) -> ast::ExprId {
        let ast = self.ast;
        let mut at = id;
        loop {
            at = match ast.expr(at) {
                ast::Expr::Paren(inner) => inner,
                ast::Expr::Cast { ty, operand, .. } => {
                    self.ty(ty);
                    operand
                }
                _ => return at,
            }
        }
    }

    fn type_name(&mut self, name: ast::List<ast::Ident>) {
        if let [only] = self.ast.list(name) {
            let text = self.ast.name(*only);
            if KEYWORDS.contains(&text) || self.type_parameters.contains(&text) {
                return;
            }
        }
        if let Err(Some(diagnostic)) = find_type(self.t, self.block, name) {
            self.diagnostics.push(*diagnostic);
        }
    }

    /// `typeof a.b`: the name of a value, of which the first part must be in scope.
    fn queried(&mut self, name: ast::List<ast::Ident>) {
        let Some(first) = self.ast.list(name).first() else { return };
        let symbol = self.t.intern(self.ast.name(*first));
        let known = &self.t.known;
        if [known.undefined, known.qualifier, known.template, known.root].contains(&symbol)
            || self.find_local(symbol).is_some()
            || self.t.lookup(self.block, symbol, |entry| entry.value.is_some() || entry.is_broken()).is_some()
        {
            return;
        }
        self.missing(symbol, first.span);
    }
}

/// The declaration that the dotted name of a type means, seen from a block. An error without a diagnostic was reported
/// where its cause is.
pub(super) fn find_type(
    t: &Tables<'_>,
    block: BlockId,
    name: ast::List<ast::Ident>,
) -> Result<DeclId, Option<Box<Diagnostic>>> {
    let spec = t.block(block).spec;
    let ast = t.asts[spec.index()];
    let Some((last, path)) = ast.list(name).split_last() else { return Err(None) };
    let seeker = Seeker { t, block };
    let mut namespace = None;
    for part in path {
        namespace = Some(seeker.namespace(namespace, ast, *part)?);
    }
    let symbol = t.intern(ast.name(*last));
    let entry = match namespace {
        None => t.lookup(block, symbol, |entry| entry.ty.is_some() || entry.is_broken()),
        Some(namespace) => t.members[namespace.index()].get(&symbol),
    };
    match entry {
        Some(Entry { ty: Some(ty), .. }) => {
            if let Some(namespace) = namespace
                && !t.visible(ty, namespace, t.module_of_spec(spec))
            {
                let module = t.module_name(namespace);
                let diagnostic = not_public(t.text(symbol), &module, t.location(spec, last.span), ty.place);
                return Err(Some(Box::new(diagnostic)));
            }
            Ok(ty.target)
        }
        Some(entry) if entry.is_broken() => Err(None),
        _ => Err(seeker.unknown(symbol, last.span, namespace, Wanted::Type)),
    }
}

/// What a name in a type should mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Type,
    Namespace,
}

struct Seeker<'t, 'i> {
    t: &'t Tables<'i>,
    block: BlockId,
}

impl Seeker<'_, '_> {
    /// One step of the path before the name of a type.
    fn namespace(
        &self,
        namespace: Option<NamespaceId>,
        ast: &ast::Ast,
        part: ast::Ident,
    ) -> Result<NamespaceId, Option<Box<Diagnostic>>> {
        let symbol = self.t.intern(ast.name(part));
        let entry = match namespace {
            None if symbol == self.t.known.root => {
                return Ok(self.t.spec_roots[self.t.block(self.block).spec.index()]);
            }
            None => self.t.lookup(self.block, symbol, |entry| is_namespace(entry) || entry.is_broken()),
            Some(namespace) => self.t.members[namespace.index()].get(&symbol),
        };
        match entry.and_then(|entry| entry.value).map(|value| value.target) {
            Some(Target::Namespace(inner)) => Ok(inner),
            _ if entry.is_some_and(Entry::is_broken) => Err(None),
            _ => Err(self.unknown(symbol, part.span, namespace, Wanted::Namespace)),
        }
    }

    fn unknown(
        &self,
        name: Symbol,
        span: Span,
        namespace: Option<NamespaceId>,
        wanted: Wanted,
    ) -> Option<Box<Diagnostic>> {
        let t = self.t;
        let spec = t.block(self.block).spec;
        let from = namespace.unwrap_or(t.spec_roots[spec.index()]);
        let owner = t.program.namespaces[from.index()].module;
        let text = t.text(name);
        if t.incomplete.contains(&from) || t.is_lost(owner, text) {
            return None;
        }
        let what = if wanted == Wanted::Type { "type" } else { "namespace" };
        let place = t.location(spec, span);
        let error = |message: String| Diagnostic::error(Code::Dx(9226), message);
        if let Some(value) = self.value(name, namespace) {
            let diagnostic = error(format!("`{text}` is a value, not a {what}")).at(place, format!("used as a {what}"));
            return Some(Box::new(diagnostic.and_at(value, "declared here")));
        }
        let message = match namespace {
            None => format!("there is no {what} `{text}` in scope"),
            Some(id) if t.program.namespaces[id.index()].parent.is_none() && id != t.spec_roots[spec.index()] => {
                format!("{} has no {what} `{text}`", t.root_name(id))
            }
            Some(id) if t.program.namespaces[id.index()].parent.is_none() => {
                format!("the root namespace of this module has no {what} `{text}`")
            }
            Some(id) => format!("namespace `{}` has no {what} `{text}`", t.program.namespace_name(id)),
        };
        let diagnostic = error(message).at(place, "not found");
        let place_of = |entry: &Entry| match wanted {
            Wanted::Type => entry.ty.map(|ty| (ty.place, ty.public)),
            Wanted::Namespace => entry.value.filter(|_| is_namespace(entry)).map(|value| (value.place, value.public)),
        };
        if namespace.is_none()
            && let Some((location, help)) = t.elsewhere(spec, name, place_of)
        {
            let diagnostic = match location {
                Some(location) => diagnostic.and_at(location, "declared here, but not visible"),
                None => diagnostic,
            };
            return Some(Box::new(diagnostic.help(help)));
        }
        let fits = |entry: &Entry| if wanted == Wanted::Type { entry.ty.is_some() } else { is_namespace(entry) };
        let names: Vec<&str> = match namespace {
            Some(namespace) => {
                let members = t.members[namespace.index()].iter().filter(|(_, entry)| fits(entry));
                members.map(|(name, _)| t.text(*name)).collect()
            }
            None => {
                let mut names = t.names_where(self.block, fits);
                if wanted == Wanted::Type {
                    names.extend(KEYWORDS);
                }
                names
            }
        };
        let help = nearest(text, names).map(|known| format!("did you mean `{known}`?"));
        Some(Box::new(diagnostic.maybe_help(help)))
    }

    /// Where a value of this name is declared.
    fn value(&self, name: Symbol, namespace: Option<NamespaceId>) -> Option<Location> {
        let entry = match namespace {
            None => self.t.lookup(self.block, name, |entry| entry.value.is_some()),
            Some(namespace) => self.t.members[namespace.index()].get(&name),
        };
        Some(entry?.value?.place)
    }
}

fn is_namespace(entry: &Entry) -> bool {
    matches!(entry.value.map(|value| value.target), Some(Target::Namespace(_)))
}
