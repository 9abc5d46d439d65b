//! Fields that a type does not have: `{dependancies: […]}` would be ignored without a word.
//!
//! As in TypeScript, only object literals are held against a type, and only where they stand directly for a value that
//! is declared to have one: an argument, or the value of a variable. Elsewhere objects may have more than is asked for.
//! A type that is not known to its last field is not held against anything (see [`super::static_types`]).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lower::Lowerer;
use super::static_types::TypeRef;
use super::tables::{BlockId, Node, Tables};
use super::types::find_type;
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{DeclId, SpecKind};
use crate::source::Span;
use crate::syntax::ast::{self, Expr, MemberKind, PropertyName, Type, TypeMember, TypeMemberKind};

/// How far types are followed through aliases, bases and alternatives. Only circles are longer.
const DEEP: u32 = 100;

/// All fields of a type, and what is known of their types.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// What it is called in messages.
    owner: String,
    types: FxHashMap<Box<str>, Option<TypeRef>>,
}

/// The types of the parameters of a function; none where nothing is to be held against one.
pub(super) type Parameters = Arc<[Option<TypeRef>]>;

impl Tables<'_> {
    /// The fields of a type; none where they are not all known, or where it has none, which any object will do for.
    fn fields(&self, TypeRef { block, ty }: TypeRef, far: u32) -> Option<Arc<Fields>> {
        let ast = self.ast_of(block);
        let far = far.checked_sub(1)?;
        match ast.ty(ty) {
            Type::Paren(inner) => self.fields(TypeRef { block, ty: inner }, far),
            Type::Object(members) => {
                let mut fields = Fields { owner: UNNAMED.to_owned(), ..Fields::default() };
                self.add_members(&mut fields, block, members)?;
                (!fields.types.is_empty()).then(|| Arc::new(fields))
            }
            Type::Union(items) => {
                let items = ast.list(items).iter().filter(|item| !is_without_fields(ast, **item));
                self.all_of(items.map(|&ty| TypeRef { block, ty }), far)
            }
            Type::Intersection(items) => self.all_of(ast.list(items).iter().map(|&ty| TypeRef { block, ty }), far),
            Type::Reference { name, .. } => self.fields_of(find_type(self, block, name).ok()?, far),
            _ => None,
        }
    }

    /// The fields of all of these types, each of which must be known.
    fn all_of(&self, types: impl Iterator<Item = TypeRef>, far: u32) -> Option<Arc<Fields>> {
        let mut all: Vec<Arc<Fields>> = types.map(|ty| self.fields(ty, far)).collect::<Option<_>>()?;
        if all.len() < 2 {
            return all.pop();
        }
        let mut fields = Fields { owner: UNNAMED.to_owned(), ..Fields::default() };
        for one in all {
            #[allow(clippy::iter_over_hash_type, reason = "it goes into another one")]
            for (name, ty) in &one.types {
                // What two of them have may be one thing or the other.
                let known = if fields.types.contains_key(name) { None } else { *ty };
                fields.types.insert(name.clone(), known);
            }
        }
        Some(Arc::new(fields))
    }

    /// The fields of a declared type.
    fn fields_of(&self, decl: DeclId, far: u32) -> Option<Arc<Fields>> {
        if let Some(known) = self.fields.get(&decl) {
            return Some(Arc::clone(&known));
        }
        let item = self.items[decl.index()];
        let found = match item.node {
            Node::Interface { parameters, extends, members } if parameters.is_empty() => {
                self.interface(decl, item.block, extends, members, far)
            }
            Node::TypeAlias { parameters, ty } if parameters.is_empty() => {
                let found = self.fields(TypeRef { block: item.block, ty }, far)?;
                if found.owner != UNNAMED {
                    return Some(found);
                }
                let owner = format!("`{}`", self.text(self.program.decls[decl.index()].name));
                Some(Arc::new(Fields { owner, types: found.types.clone() }))
            }
            _ => None,
        };
        // Nothing may also mean that it was too far from where somebody asked.
        if let Some(fields) = &found {
            self.fields.insert(decl, Arc::clone(fields));
        }
        found
    }

    fn interface(
        &self,
        decl: DeclId,
        block: BlockId,
        extends: ast::List<ast::TypeId>,
        members: ast::List<TypeMember>,
        far: u32,
    ) -> Option<Arc<Fields>> {
        let name = self.text(self.program.decls[decl.index()].name);
        if name == "Object" && Some(self.program.module_of(decl)) == self.program.prelude {
            // Every object is one, whatever its fields are.
            return None;
        }
        let owner = format!("`{name}`");
        let mut fields = Fields { owner, ..Fields::default() };
        for &base in self.ast_of(block).list(extends) {
            let base = self.fields(TypeRef { block, ty: base }, far)?;
            fields.types.extend(base.types.iter().map(|(name, ty)| (name.clone(), *ty)));
        }
        self.add_members(&mut fields, block, members)?;
        (!fields.types.is_empty()).then(|| Arc::new(fields))
    }

    /// Adds the members of a type; nothing where they are not all names.
    fn add_members(&self, fields: &mut Fields, block: BlockId, members: ast::List<TypeMember>) -> Option<()> {
        let ast = self.ast_of(block);
        for member in ast.list(members) {
            let (name, ty) = match member.kind {
                TypeMemberKind::Property { name, ty, .. } => (name, ty.map(|ty| TypeRef { block, ty })),
                TypeMemberKind::Method { name, .. } => (name, None),
                TypeMemberKind::Index { .. } | TypeMemberKind::Call(_) | TypeMemberKind::Construct(_) => return None,
            };
            fields.types.insert(key(ast, name)?.0.into(), ty);
        }
        Some(())
    }

    /// What a function takes.
    fn parameters(&self, decl: DeclId) -> Parameters {
        if let Some(known) = self.parameters.get(&decl) {
            return Arc::clone(&known);
        }
        let item = self.items[decl.index()];
        let ast = self.ast_of(item.block);
        let function = match item.node {
            Node::Function(function) => Some(function),
            Node::Variable(declarator) => declarator.ty.and_then(|ty| match ast.ty(ty) {
                Type::Function(function) => Some(function),
                _ => None,
            }),
            _ => None,
        };
        // Types of generic functions depend on the call.
        let function = function.map(|id| ast.function(id)).filter(|function| function.type_parameters.is_empty());
        let parameters = function.map_or(&[][..], |function| ast.list(function.parameters));
        let types = parameters.iter().take_while(|parameter| !parameter.rest);
        let types = types.map(|parameter| parameter.ty.map(|ty| TypeRef { block: item.block, ty }));
        let types: Parameters = types.collect();
        self.parameters.insert(decl, Arc::clone(&types));
        types
    }
}

impl Lowerer<'_, '_> {
    /// Holds the object literals among the arguments of a call against what the function takes.
    pub(super) fn known_fields_in_call(&mut self, decl: DeclId, arguments: ast::List<ast::ExprId>) {
        let ast = self.ast;
        if !self.is_held() || !ast.list(arguments).iter().any(|&argument| may_hold_fields(ast, argument)) {
            return;
        }
        let parameters = self.t.parameters(decl);
        for (&argument, ty) in ast.list(arguments).iter().zip(parameters.iter()) {
            if let Some(ty) = ty {
                self.known_fields(*ty, argument);
            }
        }
    }

    /// Holds the object literal that is the value of a variable against the type of that.
    pub(super) fn known_fields_in_value(&mut self, declarator: ast::Declarator) {
        if let (Some(ty), Some(init)) = (declarator.ty, declarator.init)
            && self.is_held()
            && may_hold_fields(self.ast, init)
            // Those have no declaration that could be found, or that of something else.
            && self.type_parameters.is_empty()
        {
            self.known_fields(TypeRef { block: self.block, ty }, init);
        }
    }

    /// Configurations have fields of their own, with a rule of their own.
    fn is_held(&self) -> bool {
        self.t.program.specs[self.spec.index()].kind == SpecKind::Spec
    }

    fn known_fields(&mut self, ty: TypeRef, value: ast::ExprId) {
        let ast = self.ast;
        match ast.expr(value) {
            Expr::Paren(inner) => self.known_fields(ty, inner),
            Expr::Conditional { then, otherwise, .. } => {
                self.known_fields(ty, then);
                self.known_fields(ty, otherwise);
            }
            Expr::Array { items } => {
                if let Some(item_type) = self.t.item_type(ty) {
                    for &item in ast.list(items) {
                        self.known_fields(item_type, item);
                    }
                }
            }
            Expr::Object { members } => {
                let Some(fields) = self.t.fields(ty, DEEP) else { return };
                for member in ast.list(members) {
                    let (name, span, value) = match member.kind {
                        MemberKind::Property { key: name, value } => match key(ast, name) {
                            Some((name, span)) => (name, span, value),
                            None => continue,
                        },
                        MemberKind::Shorthand { name, value } => (ast.name(name), name.span, value),
                        MemberKind::Method { .. } | MemberKind::Spread(_) => continue,
                    };
                    match fields.types.get(name) {
                        Some(Some(ty)) => self.known_fields(*ty, value),
                        Some(None) => {}
                        None => self.unknown_field(&fields, name, span),
                    }
                }
            }
            _ => {}
        }
    }

    fn unknown_field(&mut self, fields: &Fields, name: &str, span: Span) {
        let message = format!("{} has no field `{name}`", fields.owner);
        let mut known: Vec<&str> = fields.types.keys().map(|name| &**name).collect();
        known.sort_unstable();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.len() <= FEW => {
                let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
                format!("remove it, for it is ignored; the fields are {}", known.join(", "))
            }
            None => "remove it, for it is ignored".to_owned(),
        };
        let diagnostic = Diagnostic::warning(Code::Dx(11231), message).at(self.place(span), "unknown field");
        self.diagnostics.push(diagnostic.help(help));
    }
}

/// What types without a name are called.
const UNNAMED: &str = "this type";

/// So many fields are listed.
const FEW: usize = 8;

impl Tables<'_> {
    /// The type of the items where a type is that of an array.
    fn item_type(&self, TypeRef { block, ty }: TypeRef) -> Option<TypeRef> {
        let ast = self.ast_of(block);
        match ast.ty(ty) {
            Type::Array(ty) => Some(TypeRef { block, ty }),
            Type::Paren(ty) => self.item_type(TypeRef { block, ty }),
            _ => None,
        }
    }
}

/// Whether a value is written as an object or an array, so that there may be fields in it.
fn may_hold_fields(ast: &ast::Ast, value: ast::ExprId) -> bool {
    match ast.expr(value) {
        Expr::Object { .. } | Expr::Array { .. } | Expr::Conditional { .. } => true,
        Expr::Paren(inner) => may_hold_fields(ast, inner),
        _ => false,
    }
}

/// Whether no value of a type is an object with fields.
fn is_without_fields(ast: &ast::Ast, ty: ast::TypeId) -> bool {
    const PLAIN: [&str; 7] = ["boolean", "never", "number", "string", "symbol", "undefined", "void"];
    match ast.ty(ty) {
        Type::StringLiteral | Type::NumberLiteral | Type::KeywordLiteral | Type::Array(_) | Type::Tuple(_) => true,
        Type::Function(_) => true,
        Type::Reference { name, .. } => matches!(ast.list(name), [only] if PLAIN.contains(&ast.name(*only))),
        Type::Paren(inner) => is_without_fields(ast, inner),
        _ => false,
    }
}

/// A key as text, and where it stands; none where it is a number or computed.
fn key(ast: &ast::Ast, name: PropertyName) -> Option<(&str, Span)> {
    match name {
        PropertyName::Ident(name) => Some((ast.name(name), name.span)),
        PropertyName::String(span) => {
            let text = ast.text_of(span);
            Some((text.get(1..text.len().checked_sub(1)?)?, span))
        }
        PropertyName::Number(_) | PropertyName::Computed(_) => None,
    }
}
