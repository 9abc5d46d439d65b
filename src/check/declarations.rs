//! Rules for declarations: enums, interfaces, functions, variables, namespaces, and their names.

use super::FileKind;
use super::linter::Linter;
use super::qualifiers::{self, is_special};
use super::walk::{Level, Place, Role};
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOp, EnumMember, Expr, ExprId, FunctionId, Ident, List, Modifiers, Parameter, Pattern, Stmt, StmtId, Type,
    TypeId, TypeMember, TypeMemberKind, VariableKind,
};

pub(super) fn statement(linter: &mut Linter<'_>, id: StmtId, stmt: Stmt, place: Place) {
    match stmt {
        Stmt::Variable { modifiers, kind, declarators } => {
            no_foreign_modifiers(linter, modifiers);
            let declarators = linter.ast.list(declarators);
            if !declarators.iter().any(|one| is_special(linter.ast.text_of(Linter::pattern_span(one.pattern)))) {
                no_modifiers_inside(linter, modifiers, place);
            }
            for declarator in declarators {
                match declarator.pattern {
                    Pattern::Ident(name) => no_undefined(linter, name),
                    Pattern::Destructuring(span) => no_destructuring(linter, span),
                }
                let must_have_value = place.role != Role::ForBinding && modifiers.declare.is_none();
                let has_own_rules = is_special(linter.ast.text_of(Linter::pattern_span(declarator.pattern)));
                if must_have_value && declarator.init.is_none() && !has_own_rules {
                    value_is_missing(linter, kind, Linter::pattern_span(declarator.pattern), declarator.ty);
                }
                let is_mutable = declarator.ty.is_some_and(|ty| is_mutable(linter, ty))
                    || declarator.init.is_some_and(|init| makes_mutable(linter, init));
                if place.is_top() && is_mutable {
                    no_mutable_value(linter, Linter::pattern_span(declarator.pattern));
                }
            }
            if linter.kind == FileKind::Project && modifiers.export.is_some() && place.is_top() {
                for declarator in declarators {
                    no_lambda_in_project(linter, declarator.init, Linter::pattern_span(declarator.pattern));
                }
            }
        }
        Stmt::Function { modifiers, name, function } => {
            no_foreign_modifiers(linter, modifiers);
            names(linter, name);
            no_logic_in_project(linter, "function", name);
            if place.level == Level::Inner {
                no_local_function(linter, name, function);
            } else if modifiers.declare.is_some() && linter.kind != FileKind::Prelude {
                no_declared_function(linter, name);
            }
            if modifiers.export.is_some() && linter.kind != FileKind::Prelude {
                no_mutable_signature(linter, name, function);
            }
        }
        Stmt::Interface { modifiers, name, extends, implements, .. } => {
            no_foreign_modifiers(linter, modifiers);
            names(linter, name);
            only_at_top(linter, "an interface", name.span, place);
            no_logic_in_project(linter, "interface", name);
            if let Some(span) = implements {
                let message = format!("the interface `{}` cannot implement anything", linter.name(name));
                linter.report(linter.error(9004, span, message).help("write `extends` instead of `implements`"));
            }
            for ty in linter.ast.list(extends) {
                extends_a_name(linter, name, *ty);
            }
        }
        Stmt::TypeAlias { modifiers, name, .. } => {
            no_foreign_modifiers(linter, modifiers);
            names(linter, name);
            only_at_top(linter, "a type", name.span, place);
            no_logic_in_project(linter, "type", name);
        }
        Stmt::Enum { modifiers, is_const, name, members } => {
            no_foreign_modifiers(linter, modifiers);
            names(linter, name);
            only_at_top(linter, "an enum", name.span, place);
            no_logic_in_project(linter, "enum", name);
            if !is_const {
                let message = format!("the enum `{}` must be a `const enum`", linter.name(name));
                let help = format!("write `const enum {}`", linter.name(name));
                linter.report(linter.error(9006, name.span, message).help(help));
            }
            enum_members(linter, name, members);
        }
        Stmt::Namespace { modifiers, name, .. } => {
            no_foreign_modifiers(linter, modifiers);
            let parts = linter.ast.list(name);
            parts.iter().for_each(|part| names(linter, *part));
            if let Some(first) = parts.first() {
                only_at_top(linter, "a namespace", first.span, place);
            }
        }
        Stmt::Class { name } => {
            let span = name.map_or(linter.head(linter.ast.stmt_span(id)), |name| name.span);
            let subject = name.map_or("this class".to_owned(), |name| format!("the class `{}`", linter.name(name)));
            let message = format!("{subject} cannot be declared: DScript has no classes");
            let help = "write an interface for the data and functions that take it as a parameter";
            linter.report(linter.error(9014, span, message).help(help));
        }
        _ => {}
    }
}

pub(super) fn function(linter: &mut Linter<'_>, id: FunctionId) {
    let function = linter.ast.function(id);
    parameter_order(linter, linter.ast.list(function.parameters));
    for parameter in linter.ast.list(function.parameters) {
        match parameter.pattern {
            Pattern::Ident(name) => {
                no_undefined(linter, name);
                qualifiers::parameter(linter, name);
            }
            Pattern::Destructuring(span) => no_destructuring(linter, span),
        }
        let Some(default) = parameter.default else { continue };
        let name = linter.quote(Linter::pattern_span(parameter.pattern));
        let message = format!("the parameter `{name}` cannot have a default value");
        let value = linter.short_expr(default).unwrap_or_else(|| "…".to_owned());
        let help = format!("write `{name}?` and, in the body, `{name} === undefined ? {value} : {name}`");
        linter.report(linter.error(9007, linter.ast.expr_span(default), message).help(help));
    }
}

/// 1014 and 1016: `...rest` comes last, and after an optional parameter all are optional.
fn parameter_order(linter: &mut Linter<'_>, parameters: &[Parameter]) {
    let mut optional = None;
    for (index, parameter) in parameters.iter().enumerate() {
        let span = Linter::pattern_span(parameter.pattern);
        let name = linter.quote(span);
        if parameter.rest && index + 1 < parameters.len() {
            let message = format!("the parameter `{name}` takes all that is left, so none can follow");
            linter.report(linter.error(1014, span, message).help(format!("move `...{name}` to the end")));
        }
        if parameter.optional {
            optional = optional.or(Some(span));
        } else if let Some(first) = optional
            && !parameter.rest
            && parameter.default.is_none()
        {
            let message = format!("the parameter `{name}` is required, but stands after an optional one");
            let diagnostic =
                linter.error(1016, span, message).and_at(first.in_file(linter.ast.file), "this is optional");
            linter.report(diagnostic.help(format!("move it before the optional ones, or write `{name}?`")));
        }
    }
}

pub(super) fn ty(linter: &mut Linter<'_>, id: TypeId, ty: Type) {
    match ty {
        Type::Reference { .. } if linter.type_is(id, "symbol") => {
            let message = "the type `symbol` does not exist in DScript";
            let help = "use `string`, or a `const enum` for a closed set of names";
            linter.report(linter.error(9008, linter.ast.type_span(id), message).help(help));
        }
        Type::Constructor(_) => {
            let message = "a constructor type cannot be used: DScript has no classes";
            linter.report(linter.error(9030, linter.ast.type_span(id), message).help("use a function type: `() => T`"));
        }
        _ => {}
    }
}

pub(super) fn type_member(linter: &mut Linter<'_>, member: TypeMember) {
    if let Some(span) = member.readonly {
        let message = "`readonly` is not needed: every DScript value is immutable";
        linter.report(linter.error(9011, span, message).help("leave `readonly` out"));
    }
    if let TypeMemberKind::Construct(_) = member.kind {
        let message = "an interface cannot declare a constructor: DScript has no classes";
        linter.report(linter.error(9030, member.span, message).help("declare a method that returns the value"));
    }
}

/// `$` is the root namespace everywhere; `undefined` is a value.
fn names(linter: &mut Linter<'_>, name: Ident) {
    no_root_namespace(linter, name);
    no_undefined(linter, name);
}

/// 9071, also for imported and exported names.
pub(super) fn no_root_namespace(linter: &mut Linter<'_>, name: Ident) {
    if linter.name(name) == "$" {
        let message = "`$` is the root namespace of the module and cannot be declared";
        linter.report(linter.error(9071, name.span, message).help("choose another name"));
    }
}

fn no_undefined(linter: &mut Linter<'_>, name: Ident) {
    if linter.name(name) == "undefined" {
        let message = "`undefined` is a value of the language and cannot be declared";
        linter.report(linter.error(2397, name.span, message).help("choose another name"));
    }
}

fn no_foreign_modifiers(linter: &mut Linter<'_>, modifiers: Modifiers) {
    if let Some(span) = modifiers.other {
        let word = linter.ast.text_of(span);
        let message = format!("the modifier `{word}` does not exist in DScript");
        let help = match word {
            "public" => "write the decorator `@@public` before `export`".to_owned(),
            "private" | "protected" => "leave it out: what is not exported is private to its file".to_owned(),
            "default" => "leave it out and import the value by its name".to_owned(),
            _ => format!("leave `{word}` out"),
        };
        linter.report(linter.error(9030, span, message).help(help));
    }
}

fn no_modifiers_inside(linter: &mut Linter<'_>, modifiers: Modifiers, place: Place) {
    if place.level != Level::Inner {
        return;
    }
    for (span, word) in [(modifiers.export, "export"), (modifiers.declare, "declare")] {
        if let Some(span) = span {
            let message = format!("`{word}` cannot stand before a local variable");
            linter.report(linter.error(1184, span, message).help(format!("leave `{word}` out")));
        }
    }
}

fn only_at_top(linter: &mut Linter<'_>, what: &str, span: Span, place: Place) {
    if place.level == Level::Inner {
        let message = format!("{what} cannot be declared inside a function or block");
        let help = "move it to the file or a namespace; without `export` it stays private";
        linter.report(linter.error(9030, span, message).help(help));
    }
}

fn no_destructuring(linter: &mut Linter<'_>, span: Span) {
    let message = format!("the pattern `{}` cannot be bound: DScript does not take values apart", linter.quote(span));
    let help = "bind the whole value to a name and read its members";
    linter.report(linter.error(9417, span, message).help(help));
}

fn value_is_missing(linter: &mut Linter<'_>, kind: VariableKind, pattern: Span, ty: Option<TypeId>) {
    let name = linter.quote(pattern);
    let message = format!("`{name}` needs a value");
    let keyword = if kind == VariableKind::Var { "let" } else { Linter::variable_keyword(kind) };
    let ty = ty.and_then(|ty| linter.short(linter.ast.type_span(ty))).map_or(String::new(), |ty| format!(": {ty}"));
    let help = format!("write `{keyword} {name}{ty} = …;`, with `undefined` where there is no value yet");
    linter.report(linter.error(9020, pattern, message).help(help));
}

fn no_local_function(linter: &mut Linter<'_>, name: Ident, function: FunctionId) {
    let text = linter.name(name);
    let message = format!("the function `{text}` cannot be declared inside a function or block");
    let function = linter.ast.function(function);
    let parameters: Vec<&str> = linter
        .ast
        .list(function.parameters)
        .iter()
        .map(|parameter| linter.ast.text_of(Linter::pattern_span(parameter.pattern)))
        .collect();
    let help = format!(
        "move it to the file or a namespace, or write `const {text} = ({}) => {{ … }};`",
        parameters.join(", ")
    );
    linter.report(linter.error(9205, name.span, message).help(help));
}

fn no_declared_function(linter: &mut Linter<'_>, name: Ident) {
    let text = linter.name(name);
    let message = format!("the function `{text}` has no body: only the prelude may declare functions without one");
    linter.report(linter.error(9048, name.span, message).help("leave `declare` out and write a body"));
}

fn extends_a_name(linter: &mut Linter<'_>, name: Ident, ty: TypeId) {
    if matches!(linter.ast.ty(ty), Type::Reference { .. } | Type::Error) {
        return;
    }
    let span = linter.ast.type_span(ty);
    let message = format!("the interface `{}` can only extend named interfaces", linter.name(name));
    let help = "give the members to an interface of their own and extend that by its name";
    linter.report(linter.error(9005, span, message).help(help));
}

fn enum_members(linter: &mut Linter<'_>, name: Ident, members: List<EnumMember>) {
    for member in linter.ast.list(members) {
        let Some(value) = member.value else { continue };
        if let Some(wrong) = not_a_number(linter, value) {
            let span = linter.ast.expr_span(wrong);
            let message = format!(
                "`{}` is not a constant number, as a member of the enum `{}` must be",
                linter.quote(span),
                linter.name(name)
            );
            let help =
                "use whole numbers, other members and `|`, `&`, `<<`; for texts write a union type: `\"a\" | \"b\"`";
            linter.report(linter.error(9204, span, message).help(help));
        }
    }
}

/// The first part of an enum member's value that cannot be a constant number.
fn not_a_number(linter: &Linter<'_>, value: ExprId) -> Option<ExprId> {
    let mut open = vec![value];
    while let Some(id) = open.pop() {
        match linter.ast.expr(id) {
            Expr::Number | Expr::Name | Expr::Member { .. } | Expr::Index { .. } | Expr::Error => {}
            Expr::Paren(inner) | Expr::Unary { operand: inner, .. } | Expr::Cast { operand: inner, .. } => {
                open.push(inner);
            }
            Expr::Binary { op, left, right } if is_arithmetic(op) => {
                open.push(right);
                open.push(left);
            }
            _ => return Some(id),
        }
    }
    None
}

fn is_arithmetic(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::BitOr
            | BinaryOp::BitXor
            | BinaryOp::BitAnd
            | BinaryOp::ShiftLeft
            | BinaryOp::ShiftRight
            | BinaryOp::ShiftRightUnsigned
            | BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Remainder
            | BinaryOp::Power
    )
}

/// The type whose values can change.
const MUTABLE: &str = "MutableSet";

fn is_mutable(linter: &Linter<'_>, ty: TypeId) -> bool {
    match linter.ast.ty(ty) {
        Type::Reference { name, .. } => {
            let name = linter.ast.list(name);
            name.len() == 1 && linter.name(name[0]) == MUTABLE
        }
        Type::Paren(inner) => matches!(linter.ast.ty(inner), Type::Reference { .. }) && is_mutable(linter, inner),
        _ => false,
    }
}

/// Whether the value is plainly a new mutable set: `MutableSet.empty<T>()`, `MutableSet.create(…)`.
fn makes_mutable(linter: &Linter<'_>, init: ExprId) -> bool {
    let Expr::Call { callee, .. } = linter.ast.expr(linter.bare(init)) else { return false };
    let Expr::Member { object, name } = linter.ast.expr(callee) else { return false };
    linter.as_name(object) == Some(MUTABLE) && matches!(linter.name(name), "empty" | "create")
}

fn no_mutable_value(linter: &mut Linter<'_>, name: Span) {
    let name_text = linter.quote(name);
    let message =
        format!("the top-level value `{name_text}` cannot be a `MutableSet`: every user would see the changes");
    let help = "make the set inside a function and return `toArray()`, or use `Set`";
    linter.report(linter.error(9073, name, message).help(help));
}

fn no_mutable_signature(linter: &mut Linter<'_>, name: Ident, function: FunctionId) {
    let function = linter.ast.function(function);
    let parameters = linter.ast.list(function.parameters).iter().filter_map(|parameter| parameter.ty);
    let Some(ty) = function.return_type.into_iter().chain(parameters).find(|ty| is_mutable(linter, *ty)) else {
        return;
    };
    let message = format!("the exported function `{}` cannot take or return a `MutableSet`", linter.name(name));
    let help = "use `Set` or an array in the signature, or do not export the function";
    linter.report(linter.error(9074, linter.ast.type_span(ty), message).help(help));
}

fn no_logic_in_project(linter: &mut Linter<'_>, what: &str, name: Ident) {
    if linter.kind == FileKind::Project {
        let message = format!("the {what} `{}` cannot be declared in a project file", linter.name(name));
        let help = "`.bp` files hold values only; move it to a `.dsc` spec";
        linter.report(linter.error(9390, name.span, message).help(help));
    }
}

fn no_lambda_in_project(linter: &mut Linter<'_>, init: Option<ExprId>, name: Span) {
    let Some(init) = init else { return };
    if matches!(linter.ast.expr(linter.bare(init)), Expr::Arrow(_) | Expr::Function(_)) {
        let message = format!("a project file cannot export the function value `{}`", linter.quote(name));
        let help = "`.bp` files hold values only; move it to a `.dsc` spec";
        linter.report(linter.error(9391, name, message).help(help));
    }
}
