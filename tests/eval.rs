//! Runs every `.dsc` file below `tests/cases/eval` as one test: a module of that one spec under the prelude.
//!
//! What a file expects stands in its comments:
//! - `//= text` at the end of a value: the value as a literal on one line,
//! - `//! DX9325 part of the message` on a line of its own or at the end of a line: an error at the first line of code
//!   that is not such a comment itself,
//! - `//? DX7502 part of the message`: likewise a message that is no error,
//! - `//@ file PATH text`, `//@ folder PATH`, `//@ env NAME=value`, `//@ allowUnsafe true` and `//@ unitTest true`: what
//!   the spec finds,
//! - `//@ host win`: the operating system that it is evaluated for.
//!
//! Every value with `//=` must be computed, and every error and message must be expected. What a user sees of them stands
//! beside the file in `NAME.expected`; `UPDATE=1 cargo test --test eval` writes these snapshots anew.
//!
//! Two more tests hold the cases complete: `matrix.rs` tries every native with every kind of value, and `coverage.rs`
//! demands that a case calls it, and one more that it refuses something where it can.

#![allow(clippy::disallowed_methods)] // The data of the tests is no input of an evaluation.

#[path = "eval/coverage.rs"]
mod coverage;
#[path = "eval/matrix.rs"]
mod matrix;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dscript::builtins::natives;
use dscript::diagnostics::render::{Format, Renderer};
use dscript::diagnostics::{Code, Diagnostic, Severity, sort_and_cap};
use dscript::eval::{Evaluation, Host, Limits, NativeTable, Receiver, SystemFolders, TestWorld, to_inline};
use dscript::graph::Mount;
use dscript::paths::Paths;
use dscript::program::{DeclKind, ModuleId, Origin, QualifierId, Qualifiers, Semantics, SpecKind};
use dscript::resolve::{ImportMap, ImportTarget, Input, ModuleInput, Resolved, SpecSource, resolve};
use dscript::source::system::{
    AnyCaseFileSystem, Environment, Host as SystemHost, HostEnvironment, MapEnvironment, MemoryFileSystem,
    OperatingSystem,
};
use dscript::source::{Files, Symbols};
use dscript::syntax::ast::{Ast, PropertyName, Stmt, TypeMember, TypeMemberKind};
use dscript::syntax::parse;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/eval");
    let mut trials: Vec<Trial> = specs_below(&root)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
            Trial::test(name.replace('\\', "/"), move || run_case(&path))
        })
        .collect();
    trials.push(Trial::test("prelude and natives agree", prelude_and_natives_agree));
    trials.push(Trial::test("every native is shown and refused", move || {
        let refusing = matrix::check(&root.join("matrix"))?;
        coverage::check(&specs_below(&root), &refusing)
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn specs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(specs_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "dsc") {
            found.push(path);
        }
    }
    found
}

/// A program of the prelude and one more spec.
struct Loaded {
    files: Files,
    resolved: Resolved,
    diagnostics: Vec<Diagnostic>,
    /// The trees of the prelude.
    prelude: Vec<Ast>,
}

const SPEC: &str = "/w/src/case.dsc";

fn load(text: &str) -> Loaded {
    load_on(text, OperatingSystem::Unix)
}

fn load_on(text: &str, os: OperatingSystem) -> Loaded {
    let files = Files::new();
    let symbols = Arc::new(Symbols::new());
    let paths = Arc::new(Paths::on(symbols.clone(), os));
    let mut specs = Vec::new();
    let mut diagnostics = Vec::new();
    let mut prelude = Vec::new();
    let sources = specs_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/prelude"));
    for source in sources.iter().filter(|path| !path.ends_with("module.config.dsc")) {
        let place = format!("/sdk/prelude/{}", source.file_name().unwrap().to_string_lossy());
        let text = fs::read_to_string(source).unwrap();
        let file = files.add(&place, text.as_str());
        let (ast, found) = parse(file, files.get(file).text().clone());
        diagnostics.extend(found);
        prelude.push(parse(file, files.get(file).text().clone()).0);
        let path = paths.parse_absolute(&place).unwrap();
        specs.push(SpecSource { module: ModuleId(0), path, kind: SpecKind::Spec, ast: ast.into() });
    }
    let file = files.add(SPEC, text);
    let (ast, found) = parse(file, files.get(file).text().clone());
    diagnostics.extend(found);
    let path = paths.parse_absolute(SPEC).unwrap();
    specs.push(SpecSource { module: ModuleId(1), path, kind: SpecKind::Spec, ast: ast.into() });
    let module = |name: &str, origin, folder: &str| ModuleInput {
        name: name.into(),
        semantics: Semantics::Implicit,
        origin,
        folder: paths.parse_absolute(folder).unwrap(),
        location: None,
        main: None,
        allowed_dependencies: None,
        cyclical_friends: Vec::new(),
    };
    let modules =
        vec![module("Sdk.Prelude", Origin::Prelude, "/sdk/prelude"), module("Test", Origin::Extent, "/w/src")];
    let names = BTreeMap::from([(Arc::from("Test"), ImportTarget::Module(ModuleId(1)))]);
    let (resolved, found) = resolve(Input {
        symbols,
        paths,
        qualifiers: Arc::new(Qualifiers::new()),
        modules,
        specs,
        imports: ImportMap { names, ..ImportMap::default() },
        files: Default::default(),
        prelude: Some(ModuleId(0)),
        probes: Vec::new(),
    });
    // Cases read members of natives that are declared as `any`, to show what is refused when they run.
    diagnostics.extend(found.into_iter().filter(|one| one.code != Code::Dx(9404)));
    Loaded { files, resolved, diagnostics, prelude }
}

/// What a file expects.
#[derive(Default)]
struct Expected {
    /// The text of the value declared last before or on this line.
    values: Vec<(u32, String)>,
    /// Line, whether it is an error, code, part of the message.
    messages: Vec<(u32, bool, String, String)>,
    files: MemoryFileSystem,
    environment: MapEnvironment,
    allow_unsafe: bool,
    os: Option<OperatingSystem>,
    unit_test: bool,
}

fn expected(text: &str) -> Expected {
    let mut expected = Expected::default();
    expected.files.insert_dir("/w/src");
    // Comments on lines of their own wait for the next line of code.
    let mut waiting = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index as u32 + 1;
        if let Some(setting) = line.strip_prefix("//@ ") {
            let (kind, rest) = setting.split_once(' ').expect("`//@ kind rest`");
            match kind {
                "file" => {
                    let (path, content) = rest.split_once(' ').unwrap_or((rest, ""));
                    expected.files.insert(path, content);
                }
                "folder" => expected.files.insert_dir(rest),
                "host" => expected.os = Some(rest.parse().expect("`//@ host win`, `macOS` or `unix`")),
                "allowUnsafe" => expected.allow_unsafe = rest == "true",
                "unitTest" => expected.unit_test = rest == "true",
                "env" => {
                    let (name, value) = rest.split_once('=').expect("`//@ env NAME=value`");
                    expected.environment = std::mem::take(&mut expected.environment).with(name, value);
                }
                _ => panic!("`//@ {kind}` is not known"),
            }
            continue;
        }
        if let Some((_, value)) = line.split_once("//= ") {
            expected.values.push((line_number, value.trim_end().to_owned()));
        }
        for (mark, error) in [("//! ", true), ("//? ", false)] {
            if let Some((_, message)) = line.split_once(mark) {
                let (code, part) = message.split_once(' ').unwrap_or((message, ""));
                waiting.push((error, code.to_owned(), part.trim_end().to_owned()));
            }
        }
        if !line.trim_start().starts_with("//") && !line.trim().is_empty() {
            let here = waiting.drain(..).map(|(error, code, part)| (line_number, error, code, part));
            expected.messages.extend(here);
        }
    }
    expected
}

/// What a spec gave.
struct Evaluated {
    files: Files,
    expected: Expected,
    /// The lines on which its top-level values are declared, and each value as a literal unless it failed.
    lines: Vec<u32>,
    values: Vec<Option<String>>,
    diagnostics: Vec<Diagnostic>,
}

fn evaluate(text: &str, table: &NativeTable) -> Evaluated {
    let mut expected = expected(text);
    let os = expected.os.unwrap_or(OperatingSystem::Unix);
    let Loaded { files, resolved, mut diagnostics, .. } = load_on(text, os);
    let program = &resolved.program;
    let at = |text: &str| program.paths.parse_absolute(text).unwrap();
    let mount = |name: &str, path: &str, writable| Mount {
        name: name.into(),
        path: at(path),
        readable: true,
        writable,
        scrubbable: writable,
        location: None,
    };
    let environment = Arc::new(std::mem::take(&mut expected.environment));
    let environment: Arc<dyn Environment> = Arc::new(HostEnvironment::new(environment, SystemHost::usual(os)));
    let test = expected.unit_test.then(|| Arc::new(TestWorld::new(environment.clone())));
    let host = Host {
        file_system: match (os.has_case_blind_paths(), std::mem::take(&mut expected.files)) {
            (true, files) => Arc::new(AnyCaseFileSystem::new(Arc::new(files))),
            (false, files) => Arc::new(files),
        },
        environment: test.clone().map_or(environment, |test| test),
        mounts: vec![mount("SourceRoot", "/w/src", false), mount("ObjectRoot", "/w/out", true)],
        source_root: at("/w/src"),
        object_root: at("/w/out"),
        temp_root: at("/w/temp"),
        engine_directory: at("/engine"),
        home: at("/home/user"),
        limits: Limits::default(),
        system: SystemFolders::of(os, &program.paths, |_| None),
        allow_unsafe_ambient: expected.allow_unsafe,
        interrupted: None,
        functions: Default::default(),
        test,
    };
    let spec = program.specs.iter().find(|spec| spec.path == at(SPEC)).unwrap();
    let roots: Vec<_> = spec
        .decls
        .iter()
        .filter(|decl| matches!(program.decls[decl.index()].kind, DeclKind::Value { .. }))
        .map(|decl| (*decl, QualifierId::EMPTY))
        .collect();
    let evaluation = Evaluation { resolved: &resolved, host: &host, natives: table, files: &files, threads: 1 };
    let (values, found) = evaluation.values(&roots, |m, value| value.map(|value| to_inline(m.program(), value)));
    diagnostics.extend(found);
    let lines = roots.iter().map(|root| files.line(program.decl_location(root.0))).collect();
    Evaluated { files, expected, lines, values, diagnostics }
}

fn run_case(path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path).unwrap();
    let Evaluated { files, expected, lines, values, mut diagnostics } = evaluate(&text, &natives());
    let mut wrong = Vec::new();
    for (line, text) in &expected.values {
        let Some(index) = lines.iter().rposition(|declared| declared <= line) else {
            wrong.push(format!("line {line}: no value is declared here"));
            continue;
        };
        match &values[index] {
            Some(value) if value == text => {}
            Some(value) => wrong.push(format!("line {line}: expected {text}\n        but got  {value}")),
            None => wrong.push(format!("line {line}: expected {text}, but it failed")),
        }
    }
    let mut open = expected.messages;
    for diagnostic in &diagnostics {
        let line = diagnostic.primary().map_or(0, |label| files.line(label.location));
        let error = diagnostic.severity == Severity::Error;
        let code = diagnostic.code.to_string();
        let known = open.iter().position(|(at, is_error, wanted, part)| {
            *at == line && *is_error == error && *wanted == code && diagnostic.message.contains(part.as_str())
        });
        match known {
            Some(index) => drop(open.swap_remove(index)),
            None => wrong.push(format!("line {line}: unexpected {code} {}", diagnostic.message)),
        }
    }
    wrong.extend(open.iter().map(|(line, _, code, part)| format!("line {line}: {code} {part} did not come")));
    if expected.values.is_empty() && diagnostics.is_empty() {
        wrong.push("the file expects nothing".to_owned());
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    shown(&path.with_extension("expected"), &files, &mut diagnostics)
}

/// Compares what a user sees with the snapshot; where nothing is said there must be none.
fn shown(snapshot: &Path, files: &Files, diagnostics: &mut Vec<Diagnostic>) -> Result<(), Failed> {
    if diagnostics.is_empty() {
        return if snapshot.exists() { Err("there is a snapshot, but nothing is said".into()) } else { Ok(()) };
    }
    sort_and_cap(diagnostics, files, usize::MAX);
    let mut text = Vec::new();
    let renderer = Renderer { format: Format::Human, base: "/w/src".into(), ..Renderer::default() };
    renderer.render(diagnostics, files, &mut text)?;
    support::compare(snapshot, &String::from_utf8(text)?)
}

trait Line {
    fn line(&self, location: dscript::source::Location) -> u32;
}

impl Line for Files {
    fn line(&self, location: dscript::source::Location) -> u32 {
        self.get(location.file).line_column(location.span.start).line
    }
}

/// Namespaces whose natives are not in the table yet, or only where the test runner adds them.
const ELSEWHERE: &[&str] = &[
    "_PreludeAmbientHack_Assert.",
    "_PreludeAmbientHack_Testing.",
    "_PreludeAmbientHack_Transformer.",
    "Transformer.",
];

fn prelude_and_natives_agree() -> Result<(), Failed> {
    let loaded = load("");
    let mut wrong: Vec<String> = loaded.diagnostics.iter().map(|found| found.message.clone()).collect();
    let table = natives();
    let program = &loaded.resolved.program;
    let mut declared = Vec::new();
    for (index, decl) in program.decls.iter().enumerate() {
        if matches!(decl.kind, DeclKind::Native { .. }) {
            declared.push(program.decl_name(dscript::program::DeclId(index as u32)));
        }
    }
    let elsewhere = |name: &str| ELSEWHERE.iter().any(|prefix| name.starts_with(prefix)) || name == "obsolete";
    for name in declared.iter().filter(|name| !elsewhere(name)) {
        if !table.functions.contains_key(name.as_str()) {
            wrong.push(format!("`{name}` is declared, but there is no such native"));
        }
    }
    let mut functions: Vec<_> = table.functions.keys().collect();
    functions.sort();
    for name in functions.into_iter().filter(|name| !elsewhere(name) && !declared.iter().any(|known| known == *name)) {
        wrong.push(format!("the native `{name}` is not declared"));
    }
    compare_members(&loaded, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// A member as the prelude declares it: its name, whether it is a property, fewest and most arguments.
type Shape = (String, bool, usize, Option<usize>);

fn compare_members(loaded: &Loaded, wrong: &mut Vec<String>) {
    let mut interfaces: BTreeMap<String, Vec<Shape>> = BTreeMap::new();
    for ast in &loaded.prelude {
        for (_, stmt) in ast.all_stmts() {
            if let Stmt::Interface { name, members, .. } = stmt {
                let shapes = ast.list(members).iter().filter_map(|member| shape(ast, member));
                interfaces.entry(ast.name(name).to_owned()).or_default().extend(shapes);
            }
        }
    }
    // Path-like values share the members of one interface.
    let common = interfaces.get("PathQueries").cloned().unwrap_or_default();
    let table = natives();
    let mut receivers: BTreeMap<Receiver, Vec<Shape>> = BTreeMap::new();
    for (receiver, members) in &table.members {
        let shapes =
            members.iter().map(|member| (member.name.to_owned(), member.property, member.required, member.maximum));
        receivers.entry(*receiver).or_default().extend(shapes);
    }
    for (receiver, members) in receivers {
        let interface = receiver.interface();
        let mut declared = interfaces.get(interface).cloned().unwrap_or_default();
        if matches!(receiver, Receiver::Path | Receiver::Directory | Receiver::File | Receiver::StaticDirectory) {
            declared.extend(common.clone());
        }
        if receiver == Receiver::TransformerCreateServiceResult {
            declared.extend(interfaces.get("TransformerExecuteResult").cloned().unwrap_or_default());
        }
        for (name, property, required, maximum) in &members {
            match declared.iter().find(|(known, ..)| known == name) {
                None => wrong.push(format!("the native member `{interface}.{name}` is not declared")),
                Some((_, true, ..)) if *property => {}
                Some((_, false, least, most)) if !property && (least, most) == (required, maximum) => {}
                Some(found) => wrong.push(format!(
                    "`{interface}.{name}` is declared as {found:?}, but takes {required} to {maximum:?}"
                )),
            }
        }
        for (name, ..) in &declared {
            if !members.iter().any(|(known, ..)| known == name) {
                wrong.push(format!("`{interface}.{name}` is declared, but there is no such native"));
            }
        }
    }
}

fn shape(ast: &Ast, member: &TypeMember) -> Option<Shape> {
    let name = |name: PropertyName| match name {
        PropertyName::Ident(ident) => Some(ast.name(ident).to_owned()),
        _ => None,
    };
    match member.kind {
        TypeMemberKind::Property { name: property, .. } => Some((name(property)?, true, 0, Some(0))),
        TypeMemberKind::Method { name: method, function, .. } => {
            let parameters = ast.list(ast.function(function).parameters);
            let required = parameters.iter().filter(|parameter| !parameter.optional && !parameter.rest).count();
            let most = if parameters.iter().any(|parameter| parameter.rest) { None } else { Some(parameters.len()) };
            Some((name(method)?, false, required, most))
        }
        _ => None,
    }
}
