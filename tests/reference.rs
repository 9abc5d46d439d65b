//! Holds `docs/reference.md` together with the declarations in `stdlib/`. `UPDATE=1` writes it anew.

#![expect(clippy::disallowed_methods, reason = "tests read the tree as it is")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use dscript::source::{Files, Span};
use dscript::syntax::ast::{
    Ast, EnumMember, FunctionBody, FunctionId, Ident, List, PropertyName, Stmt, StmtId, TypeMember, TypeMemberKind,
};
use dscript::syntax::parse;

/// The folders in the order of the book, each with its title and the specs in order.
const FOLDERS: &[(&str, &str, &[&str])] = &[
    (
        "The prelude",
        "prelude",
        &[
            "globals",
            "object",
            "string",
            "array",
            "collections",
            "atoms",
            "paths",
            "static_directories",
            "context",
            "contract",
            "arguments",
            "configuration",
            "resolvers",
        ],
    ),
    (
        "Sdk.Transformers",
        "Sdk.Transformers",
        &[
            "artifact",
            "cmd",
            "transformer",
            "transformer.execute",
            "transformer.tool",
            "transformer.write",
            "transformer.copy",
            "transformer.seal",
            "transformer.service",
            "transformer.ipc",
            "tool",
            "annotation",
        ],
    ),
    ("Sdk.Testing", "Sdk.Testing", &["assert", "testing"]),
    ("Sdk.Shell", "Sdk.Shell", &["shell", "command"]),
    ("Sdk.Cc", "Sdk.Cc", &["products", "options", "toolchain", "compile", "link"]),
    ("Sdk.Json", "Sdk.Json", &["json"]),
    ("Sdk.Xml", "Sdk.Xml", &["xml", "nodes"]),
    ("Sdk.Hashing", "Sdk.Hashing", &["hashing"]),
    ("Sdk.ValueCache", "Sdk.ValueCache", &["value_cache"]),
    ("Sdk.Graph", "Sdk.Graph", &["graph"]),
    ("Sdk.KeyForm", "Sdk.KeyForm", &["key_form"]),
];

/// Specs that users of the language do not meet.
const LEFT_OUT: &[&str] = &["hidden", "transformer", "module.config", "checks"];

const INTRODUCTION: &str = "# Reference

Every name of the prelude and of the modules of the SDK, from the declarations in `stdlib/`. This page is generated:
`UPDATE=1 cargo test --test reference`.
";

#[test]
fn reference_is_what_the_declarations_say() {
    let mut page = INTRODUCTION.to_owned();
    for (title, folder, specs) in FOLDERS {
        let _ = write!(page, "\n## {title}\n");
        for spec in *specs {
            Writer::new(folder, spec).file(&mut page);
        }
    }
    while page.contains("\n\n\n") {
        page = page.replace("\n\n\n", "\n\n");
    }
    let path = root().join("docs/reference.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page).expect("docs/reference.md can be written");
        return;
    }
    let found = std::fs::read_to_string(&path).expect("docs/reference.md can be read");
    assert!(found == page, "docs/reference.md is out of date: UPDATE=1 cargo test --test reference");
}

#[test]
fn every_spec_is_in_the_reference_or_left_out_on_purpose() {
    for (_, folder, specs) in FOLDERS {
        for entry in std::fs::read_dir(root().join("stdlib").join(folder)).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            let stem = path.file_stem().expect("a spec has a name").to_string_lossy().into_owned();
            assert!(
                specs.contains(&stem.as_str()) || LEFT_OUT.contains(&stem.as_str()),
                "{} is not in the reference",
                path.display()
            );
        }
    }
}

#[test]
fn every_declaration_is_documented() {
    let mut missing = Vec::new();
    for (_, folder, specs) in FOLDERS {
        for spec in specs.iter().chain(LEFT_OUT).filter(|spec| root().join(spec_path(folder, spec)).exists()) {
            let writer = Writer::new(folder, spec);
            writer.undocumented(writer.ast.body, &mut missing);
        }
    }
    assert!(missing.is_empty(), "without documentation: {missing:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn spec_path(folder: &str, spec: &str) -> PathBuf {
    Path::new("stdlib").join(folder).join(format!("{spec}.dsc"))
}

struct Writer {
    ast: Ast,
}

impl Writer {
    fn new(folder: &str, spec: &str) -> Self {
        let path = spec_path(folder, spec);
        let text = std::fs::read_to_string(root().join(&path)).expect("the spec can be read");
        let files = Files::new();
        let file = files.add(path.clone(), text);
        let (ast, diagnostics) = parse(file, files.get(file).text().clone());
        assert!(diagnostics.is_empty(), "{}: {diagnostics:?}", path.display());
        Self { ast }
    }

    fn file(&self, page: &mut String) {
        if let Some(first) = self.ast.comments.first().filter(|comment| !comment.block) {
            let text = self.ast.text_of(first.span).trim_start_matches('/').trim();
            let _ = write!(page, "\n*{text}*\n");
        }
        self.group("", self.ast.body, page);
    }

    /// The declarations of one block: functions first, as a list, then what has a heading of its own.
    fn group(&self, prefix: &str, body: List<StmtId>, page: &mut String) {
        let mut functions = String::new();
        let mut others = String::new();
        let is_public = |id: &StmtId| self.ast.text_of(self.ast.stmt_span(*id)).contains("@@public");
        // Where a module says what is for others, the rest is not.
        let all = !self.ast.list(body).iter().any(is_public);
        for &id in self.ast.list(body) {
            if !all && !is_public(&id) {
                continue;
            }
            match self.ast.stmt(id) {
                Stmt::Function { modifiers, name, function } if modifiers.export.is_some() => {
                    self.item(&mut functions, &self.signature(name, function), id);
                }
                Stmt::Variable { modifiers, declarators, .. } if modifiers.export.is_some() => {
                    for declarator in self.ast.list(declarators) {
                        let text = self.ast.text_of(declarator.span);
                        self.item(&mut functions, text.split(" =").next().unwrap_or(text), id);
                    }
                }
                Stmt::TypeAlias { modifiers, .. } if modifiers.export.is_some() => {
                    let text = self.ast.text_of(self.ast.stmt_span(id));
                    let start = text.find("type ").unwrap_or(0);
                    self.item(&mut functions, text[start..].trim_end_matches(';'), id);
                }
                Stmt::Interface { modifiers, name, members, .. } if modifiers.export.is_some() => {
                    let text = self.ast.text_of(self.ast.stmt_span(id));
                    let head = &text[text.find("interface ").unwrap_or(0) + "interface ".len()..];
                    let head = head.split('{').next().unwrap_or(head).trim();
                    let head = head.replacen(self.ast.name(name), &format!("{prefix}{}", self.ast.name(name)), 1);
                    self.heading(&mut others, &format!("interface {head}"), id);
                    for member in self.ast.list(members) {
                        self.member(&mut others, *member);
                    }
                }
                Stmt::Enum { modifiers, name, members, .. } if modifiers.export.is_some() => {
                    self.heading(&mut others, &format!("enum {prefix}{}", self.ast.name(name)), id);
                    for member in self.ast.list(members) {
                        self.enum_member(&mut others, *member);
                    }
                }
                Stmt::Namespace { name, body, .. } => {
                    let name: Vec<_> = self.ast.list(name).iter().map(|part| self.ast.name(*part)).collect();
                    let name = format!("{prefix}{}", name.join("."));
                    self.heading(&mut others, &name, id);
                    self.group(&format!("{name}."), body, &mut others);
                }
                _ => {}
            }
        }
        if !functions.is_empty() {
            let _ = write!(page, "\n{functions}");
        }
        page.push_str(&others);
    }

    fn signature(&self, name: Ident, function: FunctionId) -> String {
        let function = self.ast.function(function);
        let end = match function.body {
            FunctionBody::Block(body) => self.ast.stmt_span(body).start,
            FunctionBody::Expr(_) | FunctionBody::None => function.span.end,
        };
        let span = Span { start: name.span.start, end };
        self.ast.text_of(span).trim().trim_end_matches(';').to_owned()
    }

    fn member(&self, page: &mut String, member: TypeMember) {
        let start = match member.kind {
            TypeMemberKind::Property { name, .. } | TypeMemberKind::Method { name, .. } => match name {
                PropertyName::Ident(ident) => ident.span.start,
                PropertyName::String(span) | PropertyName::Number(span) => span.start,
                PropertyName::Computed(_) => member.span.start,
            },
            _ => member.span.start,
        };
        let signature = self.ast.text_of(Span { start, end: member.span.end }).trim_end_matches([';', ',']);
        list_item(page, signature, self.documentation(member.span.start));
    }

    fn enum_member(&self, page: &mut String, member: EnumMember) {
        list_item(page, self.ast.text_of(member.span), self.documentation(member.span.start));
    }

    fn item(&self, page: &mut String, signature: &str, id: StmtId) {
        list_item(page, signature, self.documentation(self.ast.stmt_span(id).start));
    }

    fn heading(&self, page: &mut String, title: &str, id: StmtId) {
        let _ = write!(page, "\n### `{}`\n\n", one_line(title));
        if let Some(text) = self.documentation(self.ast.stmt_span(id).start) {
            let _ = write!(page, "{text}\n\n");
        }
    }

    /// The text of the `/** … */` that ends directly before `start`, on one line.
    fn documentation(&self, start: u32) -> Option<String> {
        let comment = self.ast.comments.iter().rev().find(|comment| comment.span.end <= start)?;
        let between = Span { start: comment.span.end, end: start };
        let text = self.ast.text_of(comment.span);
        if !text.starts_with("/**") || !self.ast.text_of(between).trim().is_empty() {
            return None;
        }
        let text = text.trim_start_matches("/**").trim_end_matches("*/");
        let lines = text.lines().map(|line| line.trim().trim_start_matches('*').trim());
        let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        let mut parts = text.split("@param ");
        let first = parts.next().unwrap_or_default().to_owned();
        Some(
            parts
                .filter_map(|part| part.split_once(' '))
                .fold(first, |text, (name, says)| format!("{text}`{name}`: {says}")),
        )
    }

    fn undocumented(&self, body: List<StmtId>, missing: &mut Vec<String>) {
        let text = |span: Span| self.ast.text_of(span).lines().next().unwrap_or_default().to_owned();
        for &id in self.ast.list(body) {
            let span = self.ast.stmt_span(id);
            let (exported, members): (bool, Vec<Span>) = match self.ast.stmt(id) {
                Stmt::Namespace { body, .. } => {
                    self.undocumented(body, missing);
                    (false, Vec::new())
                }
                Stmt::Function { modifiers, .. }
                | Stmt::Variable { modifiers, .. }
                | Stmt::TypeAlias { modifiers, .. } => (modifiers.export.is_some(), Vec::new()),
                Stmt::Interface { modifiers, members, .. } => {
                    (modifiers.export.is_some(), self.ast.list(members).iter().map(|member| member.span).collect())
                }
                Stmt::Enum { modifiers, members, .. } => {
                    (modifiers.export.is_some(), self.ast.list(members).iter().map(|member| member.span).collect())
                }
                _ => (false, Vec::new()),
            };
            if exported {
                let spans = std::iter::once(span).chain(members);
                missing.extend(spans.filter(|span| self.documentation(span.start).is_none()).map(text));
            }
        }
    }
}

fn list_item(page: &mut String, signature: &str, documentation: Option<String>) {
    let _ = write!(page, "- `{}`", one_line(signature));
    if let Some(text) = documentation {
        let _ = write!(page, " — {text}");
    }
    page.push('\n');
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")")
}
