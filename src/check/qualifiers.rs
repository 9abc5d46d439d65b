//! Rules for the qualifier and the template: how they are declared, and who else may not have their names.

use super::linter::Linter;
use super::walk::Place;
use crate::source::Span;
use crate::syntax::ast::{
    Declarator, Expr, ExprId, Ident, List, Pattern, PropertyName, Stmt, StmtId, Type, TypeId, TypeMember,
    TypeMemberKind, VariableKind,
};

/// One of the two values that a file or namespace declares under a name of the language.
struct Special {
    word: &'static str,
    /// Numbers for a declaration inside a function, together with others, and with other modifiers.
    inside: u32,
    together: u32,
    modifiers: u32,
    /// What to write.
    help: &'static str,
}

const QUALIFIER: Special = Special {
    word: "qualifier",
    inside: 9060,
    together: 9049,
    modifiers: 9050,
    help: "write `export declare const qualifier: {configuration: \"debug\" | \"release\"};`",
};

const TEMPLATE: Special = Special {
    word: "template",
    inside: 9067,
    together: 9065,
    modifiers: 9066,
    help: "write `export declare const template: Type = {…};`",
};

/// How a special value is declared.
struct Form {
    at_top: bool,
    alone: bool,
    /// `export declare const`
    is_constant: bool,
}

pub(super) fn statement(linter: &mut Linter<'_>, _: StmtId, stmt: Stmt, place: Place) {
    if !linter.is_user_spec() {
        return;
    }
    match stmt {
        Stmt::Variable { modifiers, kind, declarators } => {
            let declarators = linter.ast.list(declarators);
            let is_constant = modifiers.export.is_some() && modifiers.declare.is_some() && kind == VariableKind::Const;
            for special in [&QUALIFIER, &TEMPLATE] {
                if let Some((name, declarator)) = named(linter, declarators, special.word) {
                    let form = Form { at_top: place.is_top(), alone: declarators.len() == 1, is_constant };
                    declared(linter, special, form, name, declarator);
                }
            }
        }
        Stmt::Interface { name, .. } => {
            reserved_name(linter, name, "an interface");
            reserved_type(linter, name);
        }
        Stmt::TypeAlias { name, .. } => reserved_type(linter, name),
        Stmt::Enum { name, members, .. } => {
            reserved_name(linter, name, "an enum");
            for member in linter.ast.list(members) {
                if let PropertyName::Ident(name) = member.name {
                    reserved_name(linter, name, "an enum member");
                }
            }
        }
        Stmt::Function { name, .. } => reserved_name(linter, name, "a function"),
        Stmt::Namespace { name, .. } => {
            linter.ast.list(name).iter().for_each(|part| reserved_name(linter, *part, "a namespace"));
        }
        _ => {}
    }
}

/// 9058: the current qualifier has no other name.
pub(super) fn expression(linter: &mut Linter<'_>, _: ExprId, expr: Expr) {
    let Expr::Member { object, name } = expr else { return };
    if linter.is_user_spec() && linter.name(name) == "qualifier" {
        let object = linter.quote(linter.ast.expr_span(object));
        let message = format!("the qualifier of `{object}` cannot be read");
        let help = format!(
            "write `qualifier` alone for the current one, or `{object}.withQualifier({{…}})` to choose another"
        );
        linter.report(linter.error(9058, name.span, message).help(help));
    }
}

/// 9059 and 9064 for parameters.
pub(super) fn parameter(linter: &mut Linter<'_>, name: Ident) {
    if linter.is_user_spec() {
        reserved_name(linter, name, "a parameter");
    }
}

/// 9072: what a template says must be known before everything it applies to.
pub(super) fn template_is_first(linter: &mut Linter<'_>, body: List<StmtId>) {
    if !linter.is_user_spec() {
        return;
    }
    let statements = linter.ast.list(body).iter().map(|id| (linter.ast.stmt_span(*id), linter.ast.stmt(*id)));
    let others = statements.filter(|(_, stmt)| !matches!(stmt, Stmt::Import { .. } | Stmt::Empty | Stmt::Error));
    let mut first = None;
    let mut late = Vec::new();
    for (span, stmt) in others {
        if let (Some(first), Stmt::Variable { declarators, .. }) = (first, stmt)
            && let Some((name, _)) = named(linter, linter.ast.list(declarators), "template")
        {
            late.push((name, first));
        }
        first = first.or(Some(span));
    }
    for (name, first) in late {
        let message = "the template must be declared before all other statements of its file or namespace";
        let first = linter.line(first).in_file(linter.ast.file);
        let diagnostic = linter.error(9072, name.span, message).and_at(first, "this stands before it");
        linter.report(diagnostic.help("move it to the top, after the imports"));
    }
}

/// Whether a variable's rules are those of this file.
pub(super) fn is_special(name: &str) -> bool {
    matches!(name, "qualifier" | "template")
}

fn named<'d>(linter: &Linter<'_>, declarators: &'d [Declarator], wanted: &str) -> Option<(Ident, &'d Declarator)> {
    declarators.iter().find_map(|declarator| match declarator.pattern {
        Pattern::Ident(name) if linter.name(name) == wanted => Some((name, declarator)),
        _ => None,
    })
}

/// The rules for the declaration of the qualifier or the template, the first that is broken.
fn declared(linter: &mut Linter<'_>, special: &Special, form: Form, name: Ident, declarator: &Declarator) {
    let Special { word, help, .. } = special;
    let (number, message, help) = if !form.at_top {
        let help = "declare it in the file or a namespace, or choose another name for the variable";
        (special.inside, format!("the {word} cannot be declared inside a function or block"), help)
    } else if !form.alone {
        (special.together, format!("the {word} must be declared in a statement of its own"), *help)
    } else if !form.is_constant {
        (special.modifiers, format!("the {word} must be declared with `export declare const`"), *help)
    } else if special.word == TEMPLATE.word {
        match declarator.init {
            Some(_) => return,
            None => (9068, "the template needs a value".to_owned(), *help),
        }
    } else {
        match declarator.ty {
            Some(ty) => return qualifier_type(linter, ty),
            None => (9051, "the qualifier needs a type that lists its keys and their values".to_owned(), *help),
        }
    };
    linter.report(linter.error(number, name.span, message).help(help));
}

fn qualifier_type(linter: &mut Linter<'_>, ty: TypeId) {
    let span = linter.ast.type_span(ty);
    match linter.ast.ty(ty) {
        Type::Object(members) => qualifier_members(linter, members),
        Type::Error => {}
        Type::Paren(inner) if !matches!(linter.ast.ty(inner), Type::Paren(_)) => qualifier_type(linter, inner),
        Type::Reference { name, .. } => {
            // A dotted name, or one that this file does not declare, is for the resolver.
            let [name] = linter.ast.list(name) else { return };
            let text = linter.name(*name);
            match linter.declared_type(text) {
                Some(Stmt::Interface { extends, members, .. }) => {
                    let extends = linter.ast.list(extends);
                    if !extends.iter().any(|base| linter.type_is(*base, "Qualifier")) {
                        let message = format!("the interface `{text}` does not extend `Qualifier` directly");
                        let help = format!("write `interface {text} extends Qualifier {{ … }}`");
                        linter.report(linter.error(9055, span, message).help(help));
                    }
                    qualifier_members(linter, members);
                }
                Some(Stmt::TypeAlias { ty, .. }) => {
                    if let Type::Object(members) = linter.ast.ty(ty) {
                        qualifier_members(linter, members);
                    } else if !matches!(linter.ast.ty(ty), Type::Reference { .. } | Type::Error) {
                        not_a_qualifier_type(linter, span);
                    }
                }
                _ if is_keyword_type(text) => not_a_qualifier_type(linter, span),
                _ => {}
            }
        }
        _ => not_a_qualifier_type(linter, span),
    }
}

fn not_a_qualifier_type(linter: &mut Linter<'_>, span: Span) {
    let message = format!("`{}` is not an object type, as the type of the qualifier must be", linter.quote(span));
    let help = "write `{key: \"value1\" | \"value2\"}`, or an interface that extends `Qualifier`";
    linter.report(linter.error(9054, span, message).help(help));
}

fn qualifier_members(linter: &mut Linter<'_>, members: List<TypeMember>) {
    for member in linter.ast.list(members) {
        let TypeMemberKind::Property { name: PropertyName::Ident(name), optional, ty } = member.kind else {
            let message =
                format!("`{}` is not a plain key, as the members of a qualifier must be", linter.quote(member.span));
            let help = "write `key: \"value1\" | \"value2\"`, with a key that is an identifier";
            linter.report(linter.error(9052, member.span, message).help(help));
            continue;
        };
        let key = linter.name(name);
        if optional {
            let message = format!("the key `{key}` of the qualifier cannot be optional");
            let help = "leave the `?` out; add a value such as `\"none\"` for the case without one";
            linter.report(linter.error(9056, member.span, message).help(help));
            continue;
        }
        if ty.is_none_or(|ty| !may_be_strings(linter, ty)) {
            let span = ty.map_or(member.span, |ty| linter.ast.type_span(ty));
            let message = format!("the key `{key}` of the qualifier must list its values as string literals");
            let help = format!("write `{key}: \"value1\" | \"value2\"`");
            linter.report(linter.error(9053, span, message).help(help));
        }
    }
}

/// Whether the type is a string literal or a union of them, as far as this file tells.
fn may_be_strings(linter: &Linter<'_>, ty: TypeId) -> bool {
    let mut open = vec![ty];
    // Each alias is followed once, so that aliases of themselves end.
    let mut aliases = 0;
    while let Some(ty) = open.pop() {
        match linter.ast.ty(ty) {
            Type::StringLiteral | Type::Error => {}
            Type::Paren(inner) => open.push(inner),
            Type::Union(items) => open.extend(linter.ast.list(items)),
            Type::Reference { name, .. } => {
                let [name] = linter.ast.list(name) else { continue };
                let text = linter.name(*name);
                match linter.declared_type(text) {
                    Some(Stmt::TypeAlias { ty, .. }) if aliases < 100 => {
                        aliases += 1;
                        open.push(ty);
                    }
                    Some(Stmt::TypeAlias { .. }) => {}
                    Some(_) => return false,
                    None if is_keyword_type(text) => return false,
                    None => {}
                }
            }
            _ => return false,
        }
    }
    true
}

fn is_keyword_type(text: &str) -> bool {
    matches!(text, "any" | "boolean" | "number" | "object" | "string" | "symbol" | "undefined" | "void")
}

fn reserved_name(linter: &mut Linter<'_>, name: Ident, what: &str) {
    let text = linter.name(name);
    let number = match text {
        "qualifier" => 9059,
        "template" => 9064,
        _ => return,
    };
    let message = format!("`{text}` cannot be the name of {what}: it is kept for the {text} of a file or namespace");
    linter.report(linter.error(number, name.span, message).help("choose another name"));
}

fn reserved_type(linter: &mut Linter<'_>, name: Ident) {
    if linter.name(name) == "Qualifier" {
        let message = "the type name `Qualifier` is kept for the base of all qualifiers";
        let help = "choose another name; an interface of yours can extend `Qualifier`";
        linter.report(linter.error(9057, name.span, message).help(help));
    }
}
