//! The prelude declares exactly the natives that exist, with the shapes that they have, and documents each.
//!
//! `tests/cases/natives.txt` is the table of all of them, one a line: `Array.slice(0..2)` takes none to two arguments,
//! `Array.push(0..)` any number, `Array.length` is a property. `UPDATE=1 cargo test --test prelude` writes it anew; a
//! line that changes there is a change that specs notice.

#![expect(clippy::disallowed_methods, reason = "tests read the tree as it is")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dscript::builtins::natives;
use dscript::source::{Files, Span};
use dscript::syntax::ast::{Ast, FunctionId, List, PropertyName, Stmt, StmtId, TypeMemberKind};
use dscript::syntax::parse;

/// How something is called: fewest and most arguments; no most with a rest parameter. `None` for properties.
type Shape = Option<(usize, Option<usize>)>;

/// Functions that are only decorators: resolved, never called.
const DECORATORS: &[&str] = &["obsolete"];

#[derive(Default)]
struct Declared {
    functions: BTreeMap<String, Shape>,
    /// What has no documentation.
    undocumented: BTreeSet<String>,
    /// Per interface: what it extends, and its members.
    interfaces: BTreeMap<String, (Vec<String>, BTreeMap<String, Shape>)>,
}

#[test]
fn functions_agree() {
    let declared: BTreeSet<String> = declarations().functions.into_keys().collect();
    let existing: BTreeSet<String> = natives().functions.keys().map(|name| (*name).to_owned()).collect();
    let mut missing = difference(&declared, &existing);
    missing.retain(|name| !DECORATORS.contains(&name.as_str()));
    assert_eq!(missing, Vec::<&String>::new(), "declared, but there is no such native");
    assert_eq!(difference(&existing, &declared), Vec::<&String>::new(), "not declared in the prelude");
}

#[test]
fn members_agree() {
    let declared = declarations();
    let mut existing: BTreeMap<&str, BTreeMap<String, Shape>> = BTreeMap::new();
    for (receiver, members) in natives().members {
        let shapes = members
            .iter()
            .map(|member| (member.name.to_owned(), (!member.property).then_some((member.required, member.maximum))));
        existing.entry(receiver.interface()).or_default().extend(shapes);
    }
    let mut wrong = Vec::new();
    for (interface, members) in &existing {
        let wanted = declared.members(interface);
        let names: BTreeSet<&String> = members.keys().chain(wanted.keys()).collect();
        for name in names {
            match (wanted.get(name), members.get(name)) {
                (Some(declared), Some(native)) if declared == native => {}
                (declared, native) => wrong.push(format!("{interface}.{name}: declared {declared:?}, is {native:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_native_is_documented() {
    let undocumented = declarations().undocumented;
    assert!(undocumented.is_empty(), "without documentation: {undocumented:#?}");
}

#[test]
fn the_table_is_what_is_declared() {
    let declared = declarations();
    let mut table = String::new();
    let mut lines: BTreeSet<String> = declared.functions.iter().map(|(name, shape)| line(name, *shape)).collect();
    let receivers: BTreeSet<&str> = natives().members.iter().map(|(receiver, _)| receiver.interface()).collect();
    for interface in receivers {
        let members = declared.members(interface);
        lines.extend(members.iter().map(|(name, shape)| line(&format!("{interface}.{name}"), *shape)));
    }
    for text in lines {
        table.push_str(&text);
        table.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/natives.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, table).expect("the table can be written");
        return;
    }
    let known = std::fs::read_to_string(&path).expect("the table can be read");
    let difference = similar::TextDiff::from_lines(&known, &table);
    assert!(known == table, "{}", difference.unified_diff().header("table", "prelude"));
}

#[test]
fn no_native_is_attached_twice() {
    let mut known = BTreeSet::new();
    let mut twice = Vec::new();
    for (receiver, members) in natives().members {
        twice.extend(members.iter().map(|member| (receiver, member.name)).filter(|member| !known.insert(*member)));
    }
    assert!(twice.is_empty(), "{twice:?}");
}

/// One line of the table.
fn line(name: &str, shape: Shape) -> String {
    match shape {
        None => name.to_owned(),
        Some((required, Some(most))) if required == most => format!("{name}({required})"),
        Some((required, Some(most))) => format!("{name}({required}..{most})"),
        Some((required, None)) => format!("{name}({required}..)"),
    }
}

fn difference<'a>(left: &'a BTreeSet<String>, right: &'a BTreeSet<String>) -> Vec<&'a String> {
    left.difference(right).collect()
}

impl Declared {
    /// The members of an interface with those that it inherits.
    fn members(&self, interface: &str) -> BTreeMap<String, Shape> {
        let Some((extends, own)) = self.interfaces.get(interface) else {
            return BTreeMap::new();
        };
        let mut members: BTreeMap<String, Shape> = extends.iter().flat_map(|base| self.members(base)).collect();
        members.extend(own.iter().map(|(name, shape)| (name.clone(), *shape)));
        members
    }

    /// Notes what has no `/** … */` directly before it.
    fn document(&mut self, ast: &Ast, name: &str, start: u32) {
        let comment = ast.comments.iter().rev().find(|comment| comment.span.end <= start);
        let documented = comment.is_some_and(|comment| {
            let between = Span { start: comment.span.end, end: start };
            ast.text_of(comment.span).starts_with("/**") && ast.text_of(between).trim().is_empty()
        });
        if !documented {
            self.undocumented.insert(name.to_owned());
        }
    }

    fn block(&mut self, ast: &Ast, prefix: &str, body: List<StmtId>) {
        for &id in ast.list(body) {
            match ast.stmt(id) {
                Stmt::Function { modifiers, name, function } if modifiers.declare.is_some() => {
                    let name = format!("{prefix}{}", ast.name(name));
                    self.document(ast, &name, ast.stmt_span(id).start);
                    self.functions.insert(name, Some(arity(ast, function)));
                }
                Stmt::Namespace { name, body, .. } => {
                    let parts: Vec<_> = ast.list(name).iter().map(|part| ast.name(*part)).collect();
                    self.block(ast, &format!("{prefix}{}.", parts.join(".")), body);
                }
                Stmt::Interface { name, extends, members, .. } => {
                    let bases = ast.list(extends).iter().map(|base| ast.text_of(ast.type_span(*base)).to_owned());
                    let mut shapes = BTreeMap::new();
                    for member in ast.list(members) {
                        let shown = ast.text_of(member.span).lines().next().unwrap_or_default();
                        self.document(ast, &format!("{prefix}{}: {shown}", ast.name(name)), member.span.start);
                        match member.kind {
                            TypeMemberKind::Property { name, .. } => shapes.insert(key(ast, name), None),
                            TypeMemberKind::Method { name, function, .. } => {
                                shapes.insert(key(ast, name), Some(arity(ast, function)))
                            }
                            _ => None,
                        };
                    }
                    self.interfaces.insert(format!("{prefix}{}", ast.name(name)), (bases.collect(), shapes));
                }
                _ => {}
            }
        }
    }
}

fn key(ast: &Ast, name: PropertyName) -> String {
    let span = match name {
        PropertyName::Ident(ident) => ident.span,
        PropertyName::String(span) | PropertyName::Number(span) => span,
        PropertyName::Computed(_) => Span { start: 0, end: 0 },
    };
    ast.text_of(span).to_owned()
}

fn arity(ast: &Ast, function: FunctionId) -> (usize, Option<usize>) {
    let parameters = ast.list(ast.function(function).parameters);
    let required = parameters.iter().filter(|parameter| !parameter.optional && !parameter.rest).count();
    let rest = parameters.iter().any(|parameter| parameter.rest);
    (required, (!rest).then_some(parameters.len()))
}

fn declarations() -> Declared {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/prelude");
    let mut declared = Declared::default();
    for entry in std::fs::read_dir(folder).expect("the prelude can be read") {
        let path = entry.expect("the entry can be read").path();
        let text = std::fs::read_to_string(&path).expect("the spec can be read");
        let files = Files::new();
        let file = files.add(path.clone(), text);
        let (ast, diagnostics) = parse(file, files.get(file).text().clone());
        assert!(diagnostics.is_empty(), "{}: {diagnostics:?}", path.display());
        declared.block(&ast, "", ast.body);
    }
    declared
}
