//! What is known of the types of values without a type checker: what declarations say, followed through calls and
//! members. Enough for two rules: no member of a value of type `any` is read (DX9404), and no value that can change is
//! declared at the top or passes through an exported function (DX9073, DX9074).
//!
//! A value whose type is not plain is left alone: silence is right more often than a guess.

use super::lower::Lowerer;
use super::names::{Operand, plain};
use super::tables::{BlockId, Node, Tables, Target};
use super::types::find_type;
use super::{ImportTarget, literals};
use crate::diagnostics::{Code, Diagnostic};
use crate::program::{DeclId, NamespaceId, SpecKind};
use crate::source::Symbol;
use crate::syntax::ast::{self, Ast, Expr, PropertyName, Type, TypeMember, TypeMemberKind};

/// How far types are followed through aliases, bases and initial values.
const FAR: u32 = 8;

/// A type as it is written somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeRef {
    pub block: BlockId,
    pub ty: ast::TypeId,
}

/// What a type means, as far as the rules want to know.
enum Meaning {
    Any,
    /// `MutableSet`
    Mutable,
    Interface(DeclId),
    Object(BlockId, ast::List<TypeMember>),
    Other,
}

impl Tables<'_> {
    pub(super) fn ast_of(&self, block: BlockId) -> &Ast {
        self.asts[self.block(block).spec.index()]
    }

    fn meaning(&self, TypeRef { block, ty }: TypeRef, far: u32) -> Meaning {
        let ast = self.ast_of(block);
        let decl = match ast.ty(ty) {
            _ if far == 0 => return Meaning::Other,
            Type::Paren(inner) => return self.meaning(TypeRef { block, ty: inner }, far - 1),
            Type::Object(members) => return Meaning::Object(block, members),
            Type::Reference { name, .. } => match ast.list(name) {
                [only] if ast.name(*only) == "any" => return Meaning::Any,
                [only] => {
                    let symbol = self.intern(ast.name(*only));
                    self.lookup(block, symbol, |entry| entry.ty.is_some())
                        .and_then(|entry| entry.ty)
                        .map(|ty| ty.target)
                }
                _ => find_type(self, block, name).ok(),
            },
            _ => return Meaning::Other,
        };
        let Some(decl) = decl else { return Meaning::Other };
        if Some(self.program.module_of(decl)) == self.program.prelude
            && self.text(self.program.decls[decl.index()].name) == "MutableSet"
        {
            return Meaning::Mutable;
        }
        let item = self.items[decl.index()];
        match item.node {
            Node::Interface { parameters, .. } if parameters.is_empty() => Meaning::Interface(decl),
            Node::TypeAlias { parameters, ty } if parameters.is_empty() => {
                self.meaning(TypeRef { block: item.block, ty }, far - 1)
            }
            _ => Meaning::Other,
        }
    }

    /// Whether values of a type can change.
    fn is_mutable(&self, ty: TypeRef) -> bool {
        matches!(self.meaning(ty, FAR), Meaning::Mutable)
    }

    /// The type of a member; for `call`, that of what the member returns when it is called.
    fn member_type(&self, of: TypeRef, name: &str, call: bool, far: u32) -> Option<TypeRef> {
        let (block, members, bases) = match self.meaning(of, far) {
            Meaning::Object(block, members) => (block, members, None),
            Meaning::Interface(decl) => match self.items[decl.index()] {
                super::tables::Item { block, node: Node::Interface { extends, members, .. } } => {
                    (block, members, Some(extends))
                }
                _ => return None,
            },
            _ => return None,
        };
        let ast = self.ast_of(block);
        for member in ast.list(members) {
            match member.kind {
                TypeMemberKind::Property { name: PropertyName::Ident(known), ty, .. } if ast.name(known) == name => {
                    let ty = TypeRef { block, ty: ty? };
                    return if call { self.result_of(ty) } else { Some(ty) };
                }
                TypeMemberKind::Method { name: PropertyName::Ident(known), function, .. }
                    if ast.name(known) == name =>
                {
                    return if call { self.signature_result(block, function) } else { None };
                }
                _ => {}
            }
        }
        let mut bases = ast.list(bases?).iter();
        bases.find_map(|&ty| self.member_type(TypeRef { block, ty }, name, call, far.checked_sub(1)?))
    }

    /// What a value of a function type returns.
    fn result_of(&self, TypeRef { block, ty }: TypeRef) -> Option<TypeRef> {
        match self.ast_of(block).ty(ty) {
            Type::Function(function) => self.signature_result(block, function),
            _ => None,
        }
    }

    /// What a function that is not generic is declared to return.
    fn signature_result(&self, block: BlockId, function: ast::FunctionId) -> Option<TypeRef> {
        let function = self.ast_of(block).function(function);
        function.type_parameters.is_empty().then_some(function.return_type?).map(|ty| TypeRef { block, ty })
    }

    /// The type of a top-level value: what is written, else that of its initial value.
    pub(super) fn value_type(&self, decl: DeclId) -> Option<TypeRef> {
        self.declared_type(decl, FAR)
    }

    fn declared_type(&self, decl: DeclId, far: u32) -> Option<TypeRef> {
        let item = self.items[decl.index()];
        let Node::Variable(declarator) = item.node else { return None };
        match (declarator.ty, declarator.init) {
            (Some(ty), _) => Some(TypeRef { block: item.block, ty }),
            (None, Some(init)) => self.type_of(item.block, init, far.checked_sub(1)?),
            (None, None) => None,
        }
    }

    /// What a call of a top-level function or function value gives.
    pub(super) fn call_type(&self, decl: DeclId) -> Option<TypeRef> {
        let item = self.items[decl.index()];
        match item.node {
            Node::Function(function) => self.signature_result(item.block, function),
            Node::Variable(_) => self.result_of(self.value_type(decl)?),
            _ => None,
        }
    }

    /// The type of an expression that has no local names.
    fn type_of(&self, block: BlockId, expr: ast::ExprId, far: u32) -> Option<TypeRef> {
        let ast = self.ast_of(block);
        let far = far.checked_sub(1)?;
        match ast.expr(expr) {
            Expr::Paren(inner) => self.type_of(block, inner, far),
            Expr::Cast { ty, .. } => Some(TypeRef { block, ty }),
            Expr::Name => match self.target_of(block, expr, far)? {
                Target::Decl(decl) => self.declared_type(decl, far),
                Target::Namespace(_) => None,
            },
            Expr::Member { object, name } => match self.target_of(block, expr, far) {
                Some(Target::Decl(decl)) => self.declared_type(decl, far),
                Some(Target::Namespace(_)) => None,
                None => self.member_type(self.type_of(block, object, far)?, ast.name(name), false, far),
            },
            Expr::Call { callee, .. } => match self.target_of(block, callee, far) {
                Some(Target::Decl(decl)) => match self.items[decl.index()].node {
                    Node::Function(function) => self.signature_result(self.items[decl.index()].block, function),
                    _ => self.result_of(self.declared_type(decl, far)?),
                },
                Some(Target::Namespace(_)) => None,
                None => {
                    let Expr::Member { object, name } = ast.expr(callee) else { return None };
                    self.member_type(self.type_of(block, object, far)?, ast.name(name), true, far)
                }
            },
            _ => None,
        }
    }

    /// The declaration or namespace that a name, or a member of a namespace, means.
    fn target_of(&self, block: BlockId, expr: ast::ExprId, far: u32) -> Option<Target> {
        let ast = self.ast_of(block);
        let far = far.checked_sub(1)?;
        match ast.expr(expr) {
            Expr::Paren(inner) => self.target_of(block, inner, far),
            Expr::Name => {
                let symbol = self.intern(ast.text_of(ast.expr_span(expr)));
                if symbol == self.known.root {
                    return Some(Target::Namespace(self.spec_roots[self.block(block).spec.index()]));
                }
                Some(self.lookup(block, symbol, |entry| entry.value.is_some())?.value?.target)
            }
            Expr::Member { object, name } => match self.target_of(block, object, far)? {
                Target::Namespace(namespace) => self.namespace_value(namespace, self.intern(ast.name(name))),
                Target::Decl(_) => None,
            },
            Expr::Call { callee, arguments, .. } if ast.text_of(ast.expr_span(callee)) == "importFrom" => {
                let name = literals::text(ast, *ast.list(arguments).first()?)?;
                let importer = self.module_of_spec(self.block(block).spec);
                match self.input.imports.get(importer, &name)? {
                    ImportTarget::Module(module) => Some(Target::Namespace(self.program.modules[module.index()].root)),
                    ImportTarget::Unsupported(_) => None,
                }
            }
            _ => None,
        }
    }

    fn namespace_value(&self, namespace: NamespaceId, name: Symbol) -> Option<Target> {
        Some(self.members[namespace.index()].get(&name)?.value?.target)
    }
}

impl Lowerer<'_, '_> {
    /// An operand after a cast: its type is what the cast says. A rule looks at casts to `any`.
    pub(super) fn cast(&self, operand: Operand, ty: ast::TypeId) -> Operand {
        match operand {
            Operand::Value { expr, decl, .. } => {
                let ty = TypeRef { block: self.block, ty };
                match self.t.meaning(ty, FAR) {
                    Meaning::Any => plain(expr),
                    _ => Operand::Value { expr, decl, ty: Some(ty) },
                }
            }
            other => other,
        }
    }

    /// Whether an expression is a cast, perhaps in parentheses.
    pub(super) fn is_cast(&self, expr: ast::ExprId) -> bool {
        let mut at = expr;
        while let Expr::Paren(inner) = self.ast.expr(at) {
            at = inner;
        }
        matches!(self.ast.expr(at), Expr::Cast { .. })
    }

    /// The type of `object.name`, or of what it returns when it is called; says that nothing is known about members of
    /// `any`.
    pub(super) fn known_member(
        &mut self,
        object: ast::ExprId,
        ty: Option<TypeRef>,
        name: ast::Ident,
        call: bool,
    ) -> Option<TypeRef> {
        let ty = ty?;
        let text = self.ast.name(name);
        if !matches!(self.t.meaning(ty, FAR), Meaning::Any) {
            return self.t.member_type(ty, text, call, FAR);
        }
        let shown = self.ast.text_of(self.ast.expr_span(object));
        let is_spec = self.t.program.specs[self.spec.index()].kind == SpecKind::Spec;
        if text != "toString" && is_spec && !self.may_be_tested(shown) {
            let shown = if shown.len() > 60 || shown.contains('\n') { "this value" } else { &format!("`{shown}`") };
            let message = format!("the member `{text}` of {shown} is read, but the type of {shown} is `any`");
            let diagnostic = Diagnostic::error(Code::Dx(9404), message).at(self.place(name.span), "member of `any`");
            let help = format!("declare its type, or cast it: `(<Type>value).{text}`");
            self.diagnostics.push(diagnostic.help(help));
        }
        None
    }

    /// Whether the file may find out what a value is before it reads a member: with `typeof`, or with a function.
    fn may_be_tested(&self, value: &str) -> bool {
        let text = &self.ast.text;
        ["typeof ", "("].iter().any(|before| {
            text.match_indices(value).any(|(at, _)| {
                text[..at].ends_with(before)
                    && text[at + value.len()..]
                        .starts_with(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$' | '.' | '('))
            })
        })
    }

    /// 9073: the value of a file or namespace can change. A rule sees what is written there.
    pub(super) fn no_mutable_value(&mut self, id: DeclId, declarator: ast::Declarator) {
        let ast = self.ast;
        let written = declarator.ty.is_some_and(|ty| is_plain(ast, ty))
            || declarator.ty.is_none()
                && declarator.init.is_some_and(|init| ast.text_of(ast.expr_span(init)).starts_with("MutableSet."));
        if written || !self.t.value_type(id).is_some_and(|ty| self.t.is_mutable(ty)) {
            return;
        }
        let decl = &self.t.program.decls[id.index()];
        let (name, span) = (self.t.text(decl.name), decl.name_span);
        let message =
            format!("the top-level value `{name}` cannot be a `MutableSet`: every user would see the changes");
        let help = "make the set inside a function and return `toArray()`, or use `Set`".to_owned();
        self.error(9073, span, message, "can change", Some(help));
    }

    /// 9074: an exported function takes or returns what can change. A rule sees what is written there.
    pub(super) fn no_mutable_signature(&mut self, id: DeclId, function: ast::FunctionId) {
        let ast = self.ast;
        if !self.t.program.decls[id.index()].exported {
            return;
        }
        let function = ast.function(function);
        let parameters = ast.list(function.parameters).iter().filter_map(|parameter| parameter.ty);
        let mut types = function.return_type.into_iter().chain(parameters);
        let block = self.block;
        let Some(ty) = types.find(|&ty| !is_plain(ast, ty) && self.t.is_mutable(TypeRef { block, ty })) else { return };
        let name = self.t.program.decl_name(id);
        let message = format!("the exported function `{name}` cannot take or return a `MutableSet`");
        let help = "use `Set` or an array in the signature, or do not export the function".to_owned();
        self.error(9074, ast.type_span(ty), message, "can change", Some(help));
    }
}

/// Whether a type is the mutable one by its own name.
fn is_plain(ast: &Ast, ty: ast::TypeId) -> bool {
    match ast.ty(ty) {
        Type::Reference { name, .. } => matches!(ast.list(name), [only] if ast.name(*only) == "MutableSet"),
        Type::Paren(inner) => matches!(ast.ty(inner), Type::Reference { .. }) && is_plain(ast, inner),
        _ => false,
    }
}
