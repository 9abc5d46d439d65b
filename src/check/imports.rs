//! Rules for imports and exports, as statements and inline.

use super::FileKind;
use super::declarations::no_root_namespace;
use super::linter::Linter;
use super::paths::is_drive;
use super::walk::{Level, Place};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprId, Ident, ImportClause, ImportName, List, Modifiers, Stmt, StmtId, TemplatePart};

/// Names of configuration files: they hold no values.
const CONFIGURATION_FILES: [&str; 5] =
    ["package.config.dsc", "module.config.dsc", "module.config.bm", "config.dsc", "config.bc"];

pub(super) fn statement(linter: &mut Linter<'_>, id: StmtId, stmt: Stmt, place: Place) {
    let span = linter.ast.stmt_span(id);
    if place.level == Level::Inner && matches!(stmt, Stmt::Import { .. } | Stmt::Export { .. } | Stmt::ExportDefault(_))
    {
        let what = if matches!(stmt, Stmt::Import { .. }) { "an import" } else { "an export list" };
        let message = format!("{what} cannot stand inside a function or block");
        return linter.report(linter.error(9030, linter.head(span), message).help("move it to the top of the file"));
    }
    match stmt {
        Stmt::Import { clause, from, modifiers } => {
            import_modifiers(linter, modifiers);
            match clause {
                ImportClause::Nothing => {
                    let message = "this import binds no name";
                    let help = match linter.short_expr(from) {
                        Some(from) => {
                            format!("write `import {{name}} from {from};`, or remove it: modules are loaded on demand")
                        }
                        None => "name what is imported, or remove it".to_owned(),
                    };
                    linter.report(linter.error(9030, linter.head(span), message).help(help));
                }
                ImportClause::All => {
                    let message = "`import *` without a name for the module is not DScript any more";
                    let from = linter.short_expr(from).unwrap_or_else(|| "\"Module.Name\"".to_owned());
                    let help = format!("write `import * as Name from {from};` or `import {{name}} from {from};`");
                    linter.report(linter.error(9061, linter.line(span), message).help(help));
                }
                ImportClause::Star(name) => no_root_namespace(linter, name),
                ImportClause::Names(names) => import_names(linter, names),
                ImportClause::Default(name) => no_default_import(linter, name, from),
                ImportClause::Equals(name) => {
                    let text = linter.name(name);
                    let message = format!("`import {text} = …` is not DScript any more");
                    let help = format!("write `import * as {text} from \"Module.Name\";`");
                    linter.report(linter.error(9061, name.span, message).help(help));
                    return;
                }
            }
            module_name(linter, from, "import");
        }
        Stmt::Export { names, from, .. } => {
            if let Some(names) = names {
                import_names(linter, names);
            }
            if let Some(from) = from {
                module_name(linter, from, "export");
            }
        }
        Stmt::ExportDefault(_) => {
            let message = "a file has no default export";
            let help = "give the value a name: `export const name = …;`";
            linter.report(linter.error(9047, linter.line(span), message).help(help));
        }
        _ => {}
    }
}

pub(super) fn expression(linter: &mut Linter<'_>, id: ExprId, expr: Expr) {
    let Expr::Call { callee, arguments, .. } = expr else { return };
    let function = linter.as_name(callee);
    let argument = linter.ast.list(arguments).first().copied();
    let at = argument.unwrap_or(id);
    match function {
        Some("importFrom") => import_from(linter, argument, linter.ast.expr_span(at)),
        Some("importFile") => import_file(linter, argument, linter.ast.expr_span(callee), linter.ast.expr_span(at)),
        _ => {}
    }
}

/// 9045: a namespace lists its exports at their declarations.
pub(super) fn no_exports_in_namespace(linter: &mut Linter<'_>, body: List<StmtId>) {
    for id in linter.ast.list(body) {
        let span = linter.head(linter.ast.stmt_span(*id));
        match linter.ast.stmt(*id) {
            Stmt::Export { .. } | Stmt::ExportDefault(_) => {
                let message = "an export list cannot stand inside a namespace";
                let help = "write `export` before each declaration, or move the list to the end of the file";
                linter.report(linter.error(9045, span, message).help(help));
            }
            Stmt::Import { .. } => {
                let message = "an import cannot stand inside a namespace";
                let help = "move it to the top of the file, or use `importFrom(\"Module.Name\")` in the value";
                linter.report(linter.error(1147, span, message).help(help));
            }
            _ => {}
        }
    }
}

fn import_modifiers(linter: &mut Linter<'_>, modifiers: Modifiers) {
    if let Some(span) = modifiers.export {
        let message = "`export import` is obsolete";
        let help = "import the names, and list those to pass on in `export {…};`";
        linter.report(linter.warning(9043, span, message).help(help));
    }
    let decorators =
        linter.ast.list(modifiers.decorators).iter().map(|id| ("the decorator ", linter.ast.expr_span(*id)));
    let words = modifiers.declare.into_iter().chain(modifiers.other).map(|span| ("", span));
    let wrong: Vec<(&str, Span)> = decorators.chain(words).collect();
    for (what, span) in wrong {
        let message = format!("{what}`{}` cannot stand before an import", linter.quote(span));
        linter.report(linter.error(9042, span, message).help("leave it out"));
    }
}

fn import_names(linter: &mut Linter<'_>, names: List<ImportName>) {
    for name in linter.ast.list(names) {
        let bound = name.alias.unwrap_or(name.name);
        no_root_namespace(linter, bound);
        if linter.name(name.name) == "default" {
            let message = "a module has no default export";
            let help = "import a value by its name";
            linter.report(linter.error(9047, name.name.span, message).help(help));
        }
    }
}

fn no_default_import(linter: &mut Linter<'_>, name: Ident, from: ExprId) {
    let text = linter.name(name);
    let from = linter.short_expr(from).unwrap_or_else(|| "\"Module.Name\"".to_owned());
    let message = format!("`{text}` cannot be imported as a default: modules have no default export");
    let help =
        format!("write `import {{{text}}} from {from};`, or `import * as {text} from {from};` for the whole module");
    linter.report(linter.error(9047, name.span, message).help(help));
}

/// 9081 and 9063: the text after `from`.
fn module_name(linter: &mut Linter<'_>, from: ExprId, what: &str) {
    let span = linter.ast.expr_span(from);
    let text = match linter.ast.expr(from) {
        Expr::Error => return,
        Expr::String => linter.as_string(from).unwrap_or_default(),
        _ => {
            let message = format!("`{}` is not a string literal, as the module name must be", linter.quote(span));
            return linter
                .report(linter.error(9081, span, message).help("write the name in quotes: `from \"Module.Name\"`"));
        }
    };
    if text.is_empty() {
        let message = "the module name is empty";
        return linter
            .report(linter.error(9081, span, message).help("write the name of a module: `from \"Module.Name\"`"));
    }
    if linter.kind == FileKind::List && !text.starts_with(['.', '/']) {
        return no_module_yet(linter, span, text);
    }
    let is_implicit = matches!(linter.kind, FileKind::Spec | FileKind::Project);
    if is_implicit && text.starts_with(['.', '/']) {
        let message = format!("`{text}` is a file: files of one module need no {what}");
        let help = "remove it; exported names of the other files of this module are visible here";
        linter.report(linter.error(9063, span, message).help(help));
    } else {
        legal_characters(linter, span, text);
    }
}

fn import_from(linter: &mut Linter<'_>, argument: Option<ExprId>, at: Span) {
    let Some(text) = argument.and_then(|id| linter.as_string(id)) else {
        if argument.is_some_and(|id| matches!(linter.ast.expr(id), Expr::Error)) {
            return;
        }
        let message = match argument {
            None => "`importFrom` needs the name of a module".to_owned(),
            Some(_) => format!("`{}` is not a string literal, as the module name must be", linter.quote(at)),
        };
        let help = "write the name itself: `importFrom(\"Module.Name\")`";
        return linter.report(linter.error(9082, at, message).help(help));
    };
    let is_path = text.starts_with(['.', '/', '\\']) || is_drive(text);
    match linter.kind {
        FileKind::Config | FileKind::Module | FileKind::List => {
            if is_configuration_file(text) {
                no_configuration_file(linter, at, text);
            } else if !is_path && !text.is_empty() {
                no_module_yet(linter, at, text);
            }
        }
        FileKind::Spec | FileKind::Project if is_path => {
            let message = format!("`{text}` is a file, but `importFrom` takes the name of a module");
            let help = "files of one module need no import: use the exported name directly";
            linter.report(linter.error(9078, at, message).help(help));
        }
        FileKind::Spec | FileKind::Project if text.contains(['/', '\\']) => {
            let message = format!("`{text}` looks like a file, but `importFrom` takes the name of a module");
            let help = "write the name as the module's configuration has it: `importFrom(\"Module.Name\")`";
            linter.report(linter.error(9085, at, message).help(help));
        }
        _ => legal_characters(linter, at, text),
    }
}

/// 9075: configuration files are read before there are modules.
fn no_module_yet(linter: &mut Linter<'_>, at: Span, name: &str) {
    let message = format!("the module `{name}` cannot be imported here: modules are not known yet");
    let help = "put the values into a file beside this one and write `importFile(f`name.dsc`)`";
    linter.report(linter.error(9075, at, message).help(help));
}

fn import_file(linter: &mut Linter<'_>, argument: Option<ExprId>, callee: Span, at: Span) {
    if linter.is_spec() {
        let message = "`importFile` can only be used in configuration files";
        let help = "exported names of the other files of this module are visible here without an import";
        return linter.report(linter.error(9077, callee, message).help(help));
    }
    let text = argument.and_then(|id| match linter.ast.expr(id) {
        Expr::Template { tag: Some(tag), parts } if linter.name(tag) == "f" => match linter.ast.list(parts) {
            [TemplatePart::Text(text)] => Some(linter.ast.text_of(*text)),
            _ => None,
        },
        _ => None,
    });
    match text {
        Some(text) if is_configuration_file(text) => no_configuration_file(linter, at, text),
        Some(text) => legal_characters(linter, at, text),
        None => {
            let message = match argument {
                None => "`importFile` needs a file".to_owned(),
                Some(_) => format!("`{}` is not a file literal without holes", linter.quote(at)),
            };
            let help = match argument.and_then(|id| linter.as_string(id)) {
                Some(text) => format!("write importFile(f`{text}`)"),
                None => "write importFile(f`name.dsc`)".to_owned(),
            };
            linter.report(linter.error(9083, at, message).help(help));
        }
    }
}

fn is_configuration_file(text: &str) -> bool {
    let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
    CONFIGURATION_FILES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn no_configuration_file(linter: &mut Linter<'_>, at: Span, text: &str) {
    let message = format!("`{text}` is a configuration file and exports nothing");
    let help = "put the shared values into a file of their own and import that";
    linter.report(linter.error(9076, at, message).help(help));
}

/// 9236 and 9217: characters that no module or file name holds.
fn legal_characters(linter: &mut Linter<'_>, at: Span, text: &str) {
    if let Some(found) = text.chars().find(|c| c.is_control() || matches!(c, '<' | '>' | '|' | '"')) {
        let shown = found.escape_default();
        let is_file = text.starts_with(['.', '/']) || linter.ast.text_of(at).starts_with('f');
        let (number, owner) = if is_file { (9217, "file") } else { (9236, "module") };
        let message = format!("`{}` holds the character `{shown}`, which no {owner} name has", linter.quote(at));
        linter.report(linter.error(number, at, message).help("correct the name"));
    }
}
