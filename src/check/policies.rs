//! Rules that a workspace turns on by name: `frontEnd.enabledPolicyRules`.

use super::linter::Linter;
use super::walk::Place;
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::syntax::ast::{
    Ast, Declarator, Expr, ExprId, FunctionId, Ident, ImportClause, Modifiers, Pattern, Stmt, StmtId, Type, TypeId,
    TypeMemberKind,
};

/// Which policy rules are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// `NoGlob`: specs list their files one by one.
    pub no_glob: bool,
    /// `NoTransformers`: the prelude's own `Transformer` namespace is not used. Turn it off for the specs of
    /// `Sdk.Transformers`, which wrap that namespace.
    pub no_transformers: bool,
    /// `RequireTypeAnnotationsOnDeclarations`: top-level values have a type other than `any`.
    pub require_type_annotations: bool,
    /// `EnforceSomeTypeSanity`: functions declare what they return, exported object literals have a type, and no
    /// exported type holds `any`.
    pub some_type_sanity: bool,
    /// `TypedTemplates`: templates have a type other than `any`.
    pub typed_templates: bool,
}

/// The names of all policy rules.
const NAMES: [&str; 5] =
    ["NoGlob", "NoTransformers", "RequireTypeAnnotationsOnDeclarations", "EnforceSomeTypeSanity", "TypedTemplates"];

impl Policies {
    /// The policies with these names, and the names that no policy has, in order.
    pub fn from_names<'n>(names: impl IntoIterator<Item = &'n str>) -> (Self, Vec<String>) {
        let mut policies = Self::default();
        let mut unknown = Vec::new();
        for name in names {
            match name {
                "NoGlob" => policies.no_glob = true,
                "NoTransformers" => policies.no_transformers = true,
                "RequireTypeAnnotationsOnDeclarations" => policies.require_type_annotations = true,
                "EnforceSomeTypeSanity" => policies.some_type_sanity = true,
                "TypedTemplates" => policies.typed_templates = true,
                _ => unknown.push(name.to_owned()),
            }
        }
        (policies, unknown)
    }
}

/// The warning for names that no policy has (DX9103), without a place; none where the list is empty.
pub fn unknown_policies(names: &[String]) -> Option<Diagnostic> {
    let first = names.first()?;
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let message = match names {
        [_] => format!("no policy rule is called {}", quoted.join(", ")),
        _ => format!("no policy rules are called {}", quoted.join(", ")),
    };
    let help = match nearest(first, NAMES) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("the policy rules are {}", NAMES.map(|name| format!("`{name}`")).join(", ")),
    };
    Some(Diagnostic::warning(Code::Dx(9103), message).help(help))
}

pub(super) fn statement(linter: &mut Linter<'_>, _: StmtId, stmt: Stmt, place: Place) {
    if !linter.is_spec() {
        return;
    }
    match stmt {
        Stmt::Variable { modifiers, declarators, .. } => {
            for declarator in linter.ast.list(declarators) {
                let Pattern::Ident(name) = declarator.pattern else { continue };
                variable(linter, modifiers, name, declarator, place);
            }
        }
        Stmt::Function { name, function, .. } if linter.policies.some_type_sanity => {
            let ty = linter.ast.function(function).return_type;
            if ty.is_none_or(|ty| linter.type_is(ty, "any")) {
                let span = ty.map_or(name.span, |ty| linter.ast.type_span(ty));
                let message = format!("the function `{}` must declare what it returns", linter.name(name));
                let diagnostic = linter.error(9104, span, message).note(enabled("EnforceSomeTypeSanity"));
                linter.report(diagnostic.help("write the type after the parameters: `(…): T {`; `any` does not count"));
            }
        }
        _ => {}
    }
}

fn enabled(policy: &str) -> String {
    format!("the workspace has turned on the policy `{policy}`")
}

fn variable(linter: &mut Linter<'_>, modifiers: Modifiers, name: Ident, declarator: &Declarator, place: Place) {
    let policies = *linter.policies;
    let is_any = declarator.ty.is_some_and(|ty| linter.type_is(ty, "any"));
    if policies.typed_templates && linter.name(name) == "template" {
        let rule = "TypedTemplates";
        let help = "write `export declare const template: Type = {…};`";
        if declarator.ty.is_none() {
            let message = "the template must have a type";
            linter.report(linter.error(9069, name.span, message).note(enabled(rule)).help(help));
        } else if is_any {
            let message = "the type of the template cannot be `any`";
            linter.report(linter.error(9070, name.span, message).note(enabled(rule)).help(help));
        }
    }
    if policies.require_type_annotations && place.is_top() {
        let rule = "RequireTypeAnnotationsOnDeclarations";
        match declarator.ty {
            None => type_is_missing(linter, name, rule),
            Some(ty) if is_any => no_any(linter, name, linter.ast.type_span(ty), rule),
            Some(_) => {}
        }
    }
    if policies.some_type_sanity && modifiers.export.is_some() {
        let rule = "EnforceSomeTypeSanity";
        let is_object =
            declarator.init.is_some_and(|init| matches!(linter.ast.expr(linter.bare(init)), Expr::Object { .. }));
        match declarator.ty {
            Some(ty) => {
                if let Some(any) = find_any(linter, ty) {
                    no_any(linter, name, linter.ast.type_span(any), rule);
                }
            }
            None if is_object => type_is_missing(linter, name, rule),
            None => {}
        }
    }
}

fn type_is_missing(linter: &mut Linter<'_>, name: Ident, rule: &str) {
    let text = linter.name(name);
    let message = format!("`{text}` must have a type");
    let diagnostic = linter.error(9101, name.span, message).note(enabled(rule));
    linter.report(diagnostic.help(format!("write `const {text}: Type = …;`")));
}

fn no_any(linter: &mut Linter<'_>, name: Ident, at: Span, rule: &str) {
    let message = format!("the type of `{}` cannot be or hold `any`", linter.name(name));
    let diagnostic = linter.error(9102, at, message).note(enabled(rule));
    linter.report(diagnostic.help("write the type itself, or an interface for it"));
}

/// The first `any` inside a type.
fn find_any(linter: &Linter<'_>, ty: TypeId) -> Option<TypeId> {
    let ast = linter.ast;
    let mut open = vec![ty];
    let function = |open: &mut Vec<TypeId>, id: FunctionId| {
        let function = ast.function(id);
        open.extend(function.return_type);
        open.extend(ast.list(function.parameters).iter().rev().filter_map(|parameter| parameter.ty));
    };
    while let Some(ty) = open.pop() {
        match ast.ty(ty) {
            Type::Reference { .. } if linter.type_is(ty, "any") => return Some(ty),
            Type::Reference { arguments: items, .. }
            | Type::Tuple(items)
            | Type::Union(items)
            | Type::Intersection(items) => open.extend(ast.list(items).iter().rev()),
            Type::Array(inner) | Type::Paren(inner) | Type::Predicate { ty: inner, .. } => open.push(inner),
            Type::Function(id) | Type::Constructor(id) => function(&mut open, id),
            Type::Object(members) => {
                for member in ast.list(members).iter().rev() {
                    match member.kind {
                        TypeMemberKind::Property { ty, .. } | TypeMemberKind::Index { ty, .. } => open.extend(ty),
                        TypeMemberKind::Method { function: id, .. }
                        | TypeMemberKind::Call(id)
                        | TypeMemberKind::Construct(id) => function(&mut open, id),
                    }
                }
            }
            Type::StringLiteral | Type::NumberLiteral | Type::KeywordLiteral | Type::Query(_) | Type::Error => {}
        }
    }
    None
}

pub(super) fn expression(linter: &mut Linter<'_>, id: ExprId, expr: Expr) {
    if !linter.is_spec() {
        return;
    }
    match expr {
        Expr::Call { callee, .. } if linter.policies.no_glob => {
            let Some(name @ ("glob" | "globR" | "globRecursively" | "globFolders")) = linter.as_name(callee) else {
                return;
            };
            let message = format!("`{name}` cannot be used: this workspace lists its files one by one");
            let diagnostic = linter.error(9100, linter.ast.expr_span(callee), message).note(enabled("NoGlob"));
            linter.report(diagnostic.help("write the files themselves: [f`a.txt`, f`b.txt`]"));
        }
        Expr::Member { object, .. }
            if linter.policies.no_transformers
                && !linter.own_transformer
                && linter.as_name(object) == Some("Transformer") =>
        {
            no_transformer(linter, linter.ast.expr_span(id));
        }
        _ => {}
    }
}

pub(super) fn ty(linter: &mut Linter<'_>, id: TypeId, ty: Type) {
    let Type::Reference { name, .. } = ty else { return };
    if !linter.policies.no_transformers || linter.own_transformer || !linter.is_spec() {
        return;
    }
    if let [first, _, ..] = linter.ast.list(name)
        && linter.name(*first) == "Transformer"
    {
        no_transformer(linter, linter.ast.type_span(id));
    }
}

fn no_transformer(linter: &mut Linter<'_>, at: Span) {
    let message = format!("`{}` uses the prelude's own `Transformer`", linter.quote(at));
    let diagnostic = linter.error(9105, at, message).note(enabled("NoTransformers"));
    linter.report(diagnostic.help("write `import {Transformer} from \"Sdk.Transformers\";` at the top of the file"));
}

/// Whether the file imports or declares `Transformer` itself.
pub(super) fn binds_transformer(ast: &Ast) -> bool {
    let is = |ident: Ident| ast.name(ident) == "Transformer";
    ast.list(ast.body).iter().any(|id| match ast.stmt(*id) {
        Stmt::Import { clause: ImportClause::Names(names), .. } => {
            ast.list(names).iter().any(|name| is(name.alias.unwrap_or(name.name)))
        }
        Stmt::Import { clause: ImportClause::Star(name) | ImportClause::Default(name), .. } => is(name),
        Stmt::Namespace { name, .. } => ast.list(name).first().is_some_and(|first| is(*first)),
        Stmt::Variable { declarators, .. } => ast.list(declarators).iter().any(|one| match one.pattern {
            Pattern::Ident(name) => is(name),
            Pattern::Destructuring(_) => false,
        }),
        _ => false,
    })
}
