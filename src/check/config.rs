//! Rules for configuration files: their shape, and what they may use.

use super::FileKind;
use super::linter::Linter;
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprId, Ident, List, Member, MemberKind, PropertyName, Stmt, StmtId};

/// Checks the statements of a configuration file as a whole.
pub(super) fn file(linter: &mut Linter<'_>) {
    match linter.kind {
        FileKind::Config => workspace(linter),
        FileKind::Module => modules(linter),
        _ => {}
    }
}

/// 9086: what is unknown before the workspace is.
pub(super) fn expression(linter: &mut Linter<'_>, _: ExprId, expr: Expr) {
    let Expr::Member { object, name } = expr else { return };
    if linter.kind != FileKind::Config {
        return;
    }
    let Some(ambient) = linter.as_name(object) else { return };
    let member = linter.name(name);
    let is_blocked = match ambient {
        "File" | "Directory" | "Transformer" | "Contract" => true,
        "Context" => matches!(
            member,
            "getNewOutputDirectory" | "getTempDirectory" | "getTemplate" | "getLastActiveUseModuleName"
        ),
        _ => false,
    };
    if is_blocked {
        let message = format!("`{ambient}.{member}` cannot be used in the configuration of a workspace");
        let help = match ambient {
            "File" | "Directory" => "write the path as a literal; `glob` and `globR` list files",
            "Contract" => "choose a value instead: a configuration is read before anything can be checked",
            _ => "use it in a spec: no module is loaded while the configuration is read",
        };
        linter.report(linter.error(9086, linter.ast.expr_span(object).to(name.span), message).help(help));
    }
}

/// The statements that count: all but empty and unreadable ones.
fn statements(linter: &Linter<'_>) -> Vec<StmtId> {
    let all = linter.ast.list(linter.ast.body).iter().copied();
    all.filter(|id| !matches!(linter.ast.stmt(*id), Stmt::Empty | Stmt::Error)).collect()
}

fn has_unreadable(linter: &Linter<'_>) -> bool {
    linter.ast.list(linter.ast.body).iter().any(|id| matches!(linter.ast.stmt(*id), Stmt::Error))
}

/// The call of one of `names` that a statement consists of: callee and arguments.
fn call_of(linter: &Linter<'_>, id: StmtId, names: &[&str]) -> Option<(ExprId, List<ExprId>)> {
    let Stmt::Expr(expr) = linter.ast.stmt(id) else { return None };
    let Expr::Call { callee, arguments, .. } = linter.ast.expr(expr) else { return None };
    names.contains(&linter.as_name(callee)?).then_some((callee, arguments))
}

fn beginning() -> Span {
    Span::new(0, 0)
}

fn workspace(linter: &mut Linter<'_>) {
    let statements = statements(linter);
    if statements.is_empty() && !has_unreadable(linter) {
        let message = "the configuration file is empty";
        linter.report(linter.error(9212, beginning(), message).help("write `config({});`"));
        return;
    }
    let mut first: Option<Span> = None;
    for id in statements {
        let Some((callee, arguments)) = call_of(linter, id, &["config"]) else {
            foreign_statement(linter, 9213, id, "config({…})");
            continue;
        };
        let span = linter.ast.expr_span(callee);
        if let Some(first) = first {
            let message = "a configuration file holds exactly one call of `config`";
            let diagnostic =
                linter.error(9212, span, message).and_at(first.in_file(linter.ast.file), "the first is here");
            linter.report(diagnostic.help("join the two objects"));
            continue;
        }
        first = Some(span);
        if let Some(object) = one_object(linter, 9214, span, "config", arguments) {
            qualifier_space(linter, object);
        }
    }
}

fn modules(linter: &mut Linter<'_>) {
    let statements = statements(linter);
    if statements.is_empty() && !has_unreadable(linter) {
        let message = "the module configuration file is empty";
        linter.report(linter.error(9225, beginning(), message).help("write `module({name: \"My.Module\"});`"));
        return;
    }
    for id in statements {
        let Some((callee, arguments)) = call_of(linter, id, &["module", "package"]) else {
            foreign_statement(linter, 9224, id, "module({…})");
            continue;
        };
        let name = linter.as_name(callee).unwrap_or("module");
        one_object(linter, 9223, linter.ast.expr_span(callee), name, arguments);
    }
}

fn foreign_statement(linter: &mut Linter<'_>, number: u32, id: StmtId, wanted: &str) {
    let span = linter.line(linter.ast.stmt_span(id));
    let message = format!("only `{wanted}` can stand in this file");
    let help = "move it to a file beside this one and import that with importFile(f`name.dsc`)";
    linter.report(linter.error(number, span, message).help(help));
}

/// The object that a configuration function gets; a violation where it gets something else.
fn one_object(
    linter: &mut Linter<'_>,
    number: u32,
    callee: Span,
    name: &str,
    arguments: List<ExprId>,
) -> Option<List<Member>> {
    let (at, message) = match linter.ast.list(arguments) {
        [] => (callee, format!("`{name}` needs an object")),
        [one] => match linter.ast.expr(linter.bare(*one)) {
            Expr::Object { members } => return Some(members),
            Expr::Error => return None,
            // The workspace may compute its configuration; modules must be readable without evaluation.
            _ if number == 9214 => return None,
            _ => {
                let span = linter.ast.expr_span(*one);
                (span, format!("`{}` is not an object literal, as `{name}` needs it", linter.quote(span)))
            }
        },
        [_, second, ..] => {
            (linter.ast.expr_span(*second), format!("`{name}` takes one object, but more arguments are given"))
        }
    };
    linter.report(linter.error(number, at, message).help(format!("write `{name}({{…}})`")));
    None
}

/// The value of a key, and whether it is written in shorthand.
fn member(linter: &Linter<'_>, members: List<Member>, wanted: &str) -> Option<ExprId> {
    linter.ast.list(members).iter().find_map(|member| match member.kind {
        MemberKind::Property { key: PropertyName::Ident(name), value } if linter.name(name) == wanted => Some(value),
        _ => None,
    })
}

fn inner_object(linter: &Linter<'_>, value: ExprId) -> Option<List<Member>> {
    match linter.ast.expr(linter.bare(value)) {
        Expr::Object { members } => Some(members),
        _ => None,
    }
}

/// 9024 to 9026: `qualifiers.qualifierSpace` lists the values of each key.
fn qualifier_space(linter: &mut Linter<'_>, config: List<Member>) {
    let space = member(linter, config, "qualifiers")
        .and_then(|value| inner_object(linter, value))
        .and_then(|members| member(linter, members, "qualifierSpace"))
        .and_then(|value| inner_object(linter, value));
    let Some(space) = space else { return };
    for entry in linter.ast.list(space) {
        match entry.kind {
            MemberKind::Property { value, .. } => qualifier_values(linter, entry.span, value),
            MemberKind::Shorthand { name, .. } => no_shorthand(linter, name),
            MemberKind::Method { .. } | MemberKind::Spread(_) => {}
        }
    }
}

fn no_shorthand(linter: &mut Linter<'_>, name: Ident) {
    let text = linter.name(name);
    let message = format!("the qualifier key `{text}` must list its values in place");
    linter.report(linter.error(9025, name.span, message).help(format!("write `{text}: [\"value1\", \"value2\"]`")));
}

fn qualifier_values(linter: &mut Linter<'_>, entry: Span, value: ExprId) {
    let items = match linter.ast.expr(linter.bare(value)) {
        Expr::Array { items } => linter.ast.list(items),
        Expr::Error => return,
        _ => &[],
    };
    if items.is_empty() {
        let span = linter.ast.expr_span(value);
        let message = format!("`{}` is not a list of the values of a qualifier key", linter.quote(entry));
        linter.report(linter.error(9026, span, message).help("write a list with at least one text: `[\"value\"]`"));
        return;
    }
    for item in items {
        if !matches!(linter.ast.expr(*item), Expr::String | Expr::Error) {
            let span = linter.ast.expr_span(*item);
            let message =
                format!("`{}` is not a string literal, as the values of a qualifier key must be", linter.quote(span));
            linter.report(linter.error(9024, span, message).help("write the value in quotes"));
        }
    }
}
