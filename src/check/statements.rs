//! Rules for statements: what may stand at the top of a file, loops, and the statements that DScript leaves out.

use super::FileKind;
use super::linter::Linter;
use super::walk::{Level, Place};
use crate::source::Span;
use crate::syntax::ast::{
    BinaryOp, Expr, ExprId, Ident, List, Modifiers, Pattern, Stmt, StmtId, SwitchClause, VariableKind,
};

pub(super) fn statement(linter: &mut Linter<'_>, id: StmtId, stmt: Stmt, place: Place) {
    let span = linter.ast.stmt_span(id);
    top_level(linter, stmt, span, place);
    match stmt {
        Stmt::Variable { modifiers, kind: VariableKind::Var, .. } => no_var(linter, modifiers, span, place),
        // The prelude declares what changes from spec to spec: the qualifier.
        Stmt::Variable { kind: VariableKind::Let, modifiers, declarators }
            if place.is_top() && linter.kind != FileKind::Prelude =>
        {
            let names = linter.ast.list(declarators);
            let name = names.first().map_or(String::new(), |one| linter.quote(Linter::pattern_span(one.pattern)));
            let message = format!("`{name}` is declared with `let`, but values of a file or namespace cannot change");
            let at = keyword(linter, modifiers, span, "let");
            linter.report(linter.error(9038, at, message).help(format!("write `const {name}`")));
        }
        Stmt::ForIn { binding, object, .. } => no_for_in(linter, span, binding, object),
        Stmt::For { init, step, .. } => simple_for(linter, span, init, step),
        Stmt::ForOf { binding, .. } => one_name_in_for_of(linter, binding),
        Stmt::Labeled { label, .. } => {
            let message = format!("the label `{}` cannot be used: DScript has no labels", linter.name(label));
            let help = "put the loops into a function and leave them with `return`";
            linter.report(linter.error(9035, label.span, message).help(help));
        }
        Stmt::Throw(_) => {
            let message = "`throw` cannot be used: DScript has no exceptions";
            let help = "write `Contract.fail(\"…\")` to stop with a message";
            linter.report(linter.error(9369, linter.head(span), message).help(help));
        }
        Stmt::Try { .. } => {
            let message = "`try` cannot be used: DScript has no exceptions";
            let help = "test before: compare with `undefined`, or ask `File.exists` or `Environment.hasVariable`";
            linter.report(linter.error(9030, linter.head(span), message).help(help));
        }
        Stmt::DoWhile { .. } => {
            let message = "`do … while` cannot be used in DScript";
            let help = "write a `while` loop, with the body once before it or with a variable that starts as `true`";
            linter.report(linter.error(9030, linter.head(span), message).help(help));
        }
        Stmt::Switch { clauses, .. } => one_default(linter, clauses),
        Stmt::Break(label) => {
            no_label(linter, label);
            if !place.in_loop && !place.in_switch {
                let message = "`break` stands outside a loop and outside a `switch`";
                linter.report(linter.error(1105, linter.head(span), message).help("leave it out"));
            }
        }
        Stmt::Continue(label) => {
            no_label(linter, label);
            if !place.in_loop {
                let message = "`continue` stands outside a loop";
                linter.report(linter.error(1104, linter.head(span), message).help("leave it out"));
            }
        }
        Stmt::Return(_) if !place.in_function => {
            let message = "`return` stands outside a function";
            let help = "give the value a name: `export const result = …;`";
            linter.report(linter.error(1108, linter.head(span), message).help(help));
        }
        _ => {}
    }
}

/// 9036 and 9037: a file holds declarations only.
fn top_level(linter: &mut Linter<'_>, stmt: Stmt, span: Span, place: Place) {
    // Configuration files have a rule of their own for everything that is not their call.
    if !place.is_top() || matches!(linter.kind, FileKind::Config | FileKind::Module) {
        return;
    }
    let what = match stmt {
        Stmt::Expr(id) => return no_bare_expression(linter, id, place),
        Stmt::If { .. } => "if",
        Stmt::Switch { .. } => "switch",
        Stmt::For { .. } | Stmt::ForOf { .. } | Stmt::ForIn { .. } => "for",
        Stmt::While { .. } => "while",
        Stmt::DoWhile { .. } => "do",
        Stmt::Try { .. } => "try",
        Stmt::Block(_) => {
            let message = "a block cannot stand directly in a file or namespace";
            let at = Span::new(span.start, span.start + 1);
            let help = "leave the braces out, or write `namespace Name { … }`";
            return linter.report(linter.error(9036, at, message).help(help));
        }
        _ => return,
    };
    let message = format!("`{what}` cannot stand directly in a file or namespace");
    let help = match stmt {
        Stmt::If { .. } => "choose the value: `const x = condition ? a : b;`, or put the `if` into a function",
        _ => "put it into a function that returns the value, and write `const x = compute();`",
    };
    linter.report(linter.error(9036, linter.head(span), message).help(help));
}

/// Calls by which files once said for which qualifiers they are.
const OLD_CALLS: [&str; 3] = ["project", "qualifierSpace", "declareQualifierSpace"];

fn no_bare_expression(linter: &mut Linter<'_>, id: ExprId, place: Place) {
    let span = linter.ast.expr_span(id);
    let diagnostic = match linter.ast.expr(id) {
        Expr::Error => return,
        Expr::Call { callee, .. } => {
            let function = linter.quote(linter.ast.expr_span(callee));
            if place.level == Level::File
                && let Some(message) = misplaced_configuration(&function)
            {
                let (number, message) = message;
                let help = match number {
                    9202 => "move it to the `config.dsc` of the workspace",
                    _ => "move it to a `module.config.dsc` beside the specs of the module",
                };
                linter.error(number, linter.ast.expr_span(callee), message).help(help)
            } else if OLD_CALLS.contains(&&*function) {
                let message = format!("`{function}(…)` is a call of old versions of the language");
                let help = "declare the qualifiers: `export declare const qualifier: {key: \"value1\" | \"value2\"};`";
                linter.error(9037, linter.line(span), message).help(help)
            } else {
                let message = format!("the result of `{function}(…)` is not bound to a name");
                let help = match linter.short(span) {
                    Some(call) => format!("write `const result = {call};`"),
                    None => format!("write `const result = {function}(…);`"),
                };
                linter.error(9037, linter.line(span), message).help(help)
            }
        }
        _ => {
            let message = "an expression alone cannot stand directly in a file or namespace";
            let help = match linter.short(span) {
                Some(value) if !matches!(linter.ast.expr(id), Expr::Assign { .. } | Expr::Update { .. }) => {
                    format!("write `const result = {value};`")
                }
                _ => "values of a file never change; bind a new one with `const`".to_owned(),
            };
            linter.error(9037, linter.line(span), message).help(help)
        }
    };
    linter.report(diagnostic);
}

/// 9202 and 9203: `config` and `module` have files of their own.
fn misplaced_configuration(function: &str) -> Option<(u32, String)> {
    match function {
        "config" => Some((9202, "`config(…)` can only stand in the configuration file of the workspace".to_owned())),
        "module" | "package" => Some((9203, format!("`{function}(…)` can only stand in a module configuration file"))),
        _ => None,
    }
}

/// Where `const`, `let` or `var` of a statement stands, after decorators and other modifiers.
fn keyword(linter: &Linter<'_>, modifiers: Modifiers, span: Span, word: &str) -> Span {
    let decorators = linter.ast.list(modifiers.decorators).iter().map(|id| linter.ast.expr_span(*id).end);
    let words = [modifiers.export, modifiers.declare, modifiers.other].into_iter().flatten().map(|span| span.end);
    let from = decorators.chain(words).max().unwrap_or(span.start).max(span.start);
    let rest = linter.ast.text_of(Span::new(from, span.end));
    match rest.find(word) {
        Some(at) => Span::new(from + at as u32, from + (at + word.len()) as u32),
        None => linter.line(span),
    }
}

fn no_var(linter: &mut Linter<'_>, modifiers: Modifiers, span: Span, place: Place) {
    let at = keyword(linter, modifiers, span, "var");
    let instead = if place.is_top() { "`const`" } else { "`let`, or `const` where the value never changes" };
    linter.report(linter.error(9034, at, "`var` cannot be used in DScript").help(format!("write {instead}")));
}

fn no_for_in(linter: &mut Linter<'_>, span: Span, binding: StmtId, object: ExprId) {
    let name = match linter.ast.stmt(binding) {
        Stmt::Variable { declarators, .. } => linter.ast.list(declarators).first().and_then(|one| match one.pattern {
            Pattern::Ident(name) => Some(linter.name(name)),
            Pattern::Destructuring(_) => None,
        }),
        _ => None,
    };
    let object = linter.short_expr(object).unwrap_or_else(|| "object".to_owned());
    let help = format!(
        "go through the items of an array with `for (const {0} of {object})`, or through keys with \
         `for (const {0} of {object}.keys())`",
        name.unwrap_or("x")
    );
    let message = "`for … in` cannot be used in DScript";
    linter.report(linter.error(9012, linter.head(span), message).help(help));
}

fn simple_for(linter: &mut Linter<'_>, span: Span, init: Option<StmtId>, step: Option<ExprId>) {
    let wrong = match init.map(|id| linter.ast.stmt(id)) {
        Some(Stmt::Variable { kind, declarators, .. }) => kind == VariableKind::Const || declarators.len() != 1,
        Some(Stmt::Error) => false,
        _ => true,
    };
    if wrong {
        let at = init.map_or(linter.head(span), |id| linter.line(linter.ast.stmt_span(id)));
        let message = "a `for` loop must begin with exactly one `let` variable and its value";
        let help = "write `for (let i = 0; i < n; i++)`; declare further variables before the loop";
        linter.report(linter.error(9022, at, message).help(help));
    }
    let step_is_simple = step.is_some_and(|id| match linter.ast.expr(linter.bare(id)) {
        Expr::Assign { op, .. } => matches!(op, None | Some(BinaryOp::Add | BinaryOp::Subtract)),
        Expr::Update { prefix, .. } => !prefix,
        Expr::Error => true,
        _ => false,
    });
    if !step_is_simple {
        let at = step.map_or(linter.head(span), |id| linter.ast.expr_span(id));
        let message = "the third part of a `for` loop must be `x = …`, `x += …`, `x -= …`, `x++` or `x--`";
        let help = match step.map(|id| linter.ast.expr(linter.bare(id))) {
            None => "write a third part, or use `while`".to_owned(),
            Some(Expr::Assign { op: Some(_), target, value }) => {
                let operator =
                    linter.ast.text_of(Span::new(linter.ast.expr_span(target).end, linter.ast.expr_span(value).start));
                let operator = operator.trim().trim_end_matches('=');
                match (linter.short_expr(target), linter.short_expr(value)) {
                    (Some(a), Some(b)) if !operator.contains(char::is_whitespace) => {
                        format!("write `{a} = {a} {operator} {b}`")
                    }
                    _ => "write `x = …`".to_owned(),
                }
            }
            Some(Expr::Update { increment, target, .. }) => {
                let target = linter.short_expr(target).unwrap_or_else(|| "x".to_owned());
                format!("write `{target}{}`", if increment { "++" } else { "--" })
            }
            Some(_) => "write one of these; do everything else in the body".to_owned(),
        };
        linter.report(linter.error(9018, at, message).help(help));
    }
}

fn one_name_in_for_of(linter: &mut Linter<'_>, binding: StmtId) {
    let at = linter.line(linter.ast.stmt_span(binding));
    let wrong = match linter.ast.stmt(binding) {
        Stmt::Error => false,
        Stmt::Variable { declarators, .. } => match linter.ast.list(declarators) {
            [one] => one.init.is_some(),
            _ => true,
        },
        _ => true,
    };
    if wrong {
        let message = "a `for … of` loop must declare exactly one name without a value";
        linter.report(linter.error(9021, at, message).help("write `for (const x of items)`"));
    }
}

fn no_label(linter: &mut Linter<'_>, label: Option<Ident>) {
    if let Some(label) = label {
        let message = format!("the label `{}` cannot be used: DScript has no labels", linter.name(label));
        let help = "put the loops into a function and leave them with `return`";
        linter.report(linter.error(9035, label.span, message).help(help));
    }
}

fn one_default(linter: &mut Linter<'_>, clauses: List<SwitchClause>) {
    let mut defaults = linter.ast.list(clauses).iter().filter(|clause| clause.test.is_none());
    let Some(first) = defaults.next() else { return };
    let first = linter.head(first.span);
    let others: Vec<Span> = defaults.map(|clause| linter.head(clause.span)).collect();
    for at in others {
        let message = "a `switch` can have only one `default`";
        let diagnostic = linter.error(1113, at, message).and_at(first.in_file(linter.ast.file), "the first is here");
        linter.report(diagnostic.help("join the two, or give one of them a `case`"));
    }
}
