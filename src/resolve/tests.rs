//! Fixtures under `tests/cases/resolve`: several files in one, with a snapshot of the diagnostics beside them.
//!
//! A line `//// PATH` begins a file; the first folder of the path is its module. `prelude/` is the prelude, `sdk.*`
//! folders are library modules, `config/` holds configuration files (`config.dsc`, `module.config.dsc`, list files
//! `*.bl`). A line `//// module NAME WORD…` says more about a module: `explicit`, `main=PATH`, `allow=A,B`,
//! `friends=A,B`. `//// unsupported NAME KIND` names a module that cannot be provided, `//// probe PATH` is followed by
//! an expression, and `//// dump` asks for the lowered form in the snapshot. `UPDATE=1` writes the snapshots.

// Tests read their fixtures from the disk.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::dump::dump;
use super::{ImportMap, ImportTarget, Input, ModuleInput, Probe, SpecSource, resolve};
use crate::diagnostics::{Diagnostic, Severity};
use crate::paths::{PathId, Paths};
use crate::program::{ModuleId, Origin, Qualifiers, Semantics, SpecId, SpecKind};
use crate::source::{Files, Location, Span, Symbols};
use crate::syntax::parse;

/// The files of a program and what is said about its modules.
struct World {
    files: Files,
    input: Input,
    syntax: Vec<Diagnostic>,
}

impl World {
    fn new() -> Self {
        let symbols = Arc::new(Symbols::new());
        let paths = Arc::new(Paths::new(symbols.clone()));
        let input = Input {
            symbols,
            paths,
            qualifiers: Arc::new(Qualifiers::new()),
            modules: Vec::new(),
            specs: Vec::new(),
            imports: ImportMap::default(),
            files: FxHashMap::default(),
            prelude: None,
            probes: Vec::new(),
        };
        Self { files: Files::new(), input, syntax: Vec::new() }
    }

    fn module(&mut self, name: &str, folder: &str, origin: Origin) -> ModuleId {
        let known = self.input.modules.iter().position(|module| *module.name == *name);
        if let Some(at) = known {
            return ModuleId(at as u32);
        }
        let id = ModuleId(self.input.modules.len() as u32);
        self.input.modules.push(ModuleInput {
            name: name.into(),
            semantics: Semantics::Implicit,
            origin,
            folder: self.path(folder),
            location: None,
            main: None,
            allowed_dependencies: None,
            cyclical_friends: Vec::new(),
        });
        self.input.imports.names.insert(name.into(), ImportTarget::Module(id));
        if origin == Origin::Prelude {
            self.input.prelude = Some(id);
        }
        id
    }

    fn path(&self, text: &str) -> PathId {
        self.input.paths.walk(PathId::ROOT, text).unwrap()
    }

    fn spec(&mut self, module: ModuleId, path: &str, kind: SpecKind, text: &str) {
        let file = self.files.add(path, text);
        let (ast, diagnostics) = parse(file, self.files.get(file).text().clone());
        self.syntax.extend(diagnostics);
        let path = self.path(path);
        if kind == SpecKind::List {
            self.input.files.insert(path, module);
        }
        self.input.specs.push(SpecSource { module, path, kind, ast: std::sync::Arc::new(ast) });
    }

    /// All specs below a folder that belong to a module; with `own`, the others are a module of the folder's own.
    fn load(&mut self, root: &Path, own: bool) {
        let mut folders = vec![root.to_owned()];
        let mut specs: Vec<PathBuf> = Vec::new();
        let mut modules: Vec<(PathBuf, String)> = Vec::new();
        if own {
            modules.push((root.to_owned(), "(own)".to_owned()));
        }
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = entry.file_name().unwrap().to_string_lossy().into_owned();
                if entry.is_dir() {
                    if !name.starts_with('.') {
                        folders.push(entry);
                    }
                } else if matches!(&*name, "module.config.dsc" | "module.config.bm" | "package.config.dsc") {
                    let text = std::fs::read_to_string(&entry).unwrap();
                    let name = text.split("name:").nth(1).and_then(|rest| rest.split('"').nth(1));
                    // Which specs belong to the modules of such a file takes evaluation.
                    let simple = !text.contains("projects:") && text.matches("name:").count() == 1;
                    let name = if simple { name.unwrap_or("?") } else { "?" };
                    modules.push((folder.clone(), name.to_owned()));
                } else if (name.ends_with(".dsc") || name.ends_with(".bxt"))
                    && !matches!(&*name, "config.dsc")
                    && !name.contains("config.")
                {
                    specs.push(entry);
                }
            }
        }
        let owner = |spec: &PathBuf| {
            let modules = modules.iter().filter(|(folder, _)| spec.starts_with(folder));
            modules.max_by_key(|(folder, _)| folder.as_os_str().len()).cloned()
        };
        let mut owned: Vec<(PathBuf, PathBuf, String)> =
            specs.into_iter().filter_map(|spec| owner(&spec).map(|(folder, name)| (folder, spec, name))).collect();
        owned.sort();
        for (folder, spec, name) in owned {
            if name == "?" || spec.components().any(|part| part.as_os_str() == "UnitTests") {
                continue;
            }
            let origin = if name == "Sdk.Prelude" { Origin::Prelude } else { Origin::Library };
            let module = self.module(&name, folder.to_str().unwrap(), origin);
            let text = std::fs::read_to_string(&spec).unwrap();
            self.spec(module, spec.to_str().unwrap(), SpecKind::Spec, &text);
        }
    }

    fn find_spec(&self, path: &str) -> SpecId {
        let path = self.path(path);
        SpecId(self.input.specs.iter().position(|spec| spec.path == path).unwrap() as u32)
    }
}

fn read_fixture(text: &str) -> (World, bool) {
    let mut world = World::new();
    let (mut wants_dump, mut orders, mut probes) = (false, Vec::new(), Vec::new());
    for section in text.split("//// ").skip(1) {
        let (header, body) = section.split_once('\n').unwrap_or((section, ""));
        let words: Vec<&str> = header.split_whitespace().collect();
        match words.as_slice() {
            ["dump"] => wants_dump = true,
            ["module", name, rest @ ..] => orders.push((*name, rest.to_vec())),
            ["unsupported", name, kind] => {
                let target = ImportTarget::Unsupported((*kind).into());
                world.input.imports.names.insert((*name).into(), target);
            }
            ["probe", path] => probes.push((*path, body)),
            [path] => {
                let (folder, name) = path.split_once('/').unwrap();
                let (origin, kind) = match (folder, name) {
                    ("prelude", _) => (Origin::Prelude, SpecKind::Spec),
                    ("config", name) if name.ends_with(".bl") => (Origin::Configuration, SpecKind::List),
                    ("config", "config.dsc") => (Origin::Configuration, SpecKind::Config),
                    ("config", _) => (Origin::Configuration, SpecKind::Module),
                    _ if folder.starts_with("sdk.") => (Origin::Library, SpecKind::Spec),
                    _ => (Origin::Extent, SpecKind::Spec),
                };
                let module = if kind == SpecKind::List { path } else { folder };
                let module = world.module(module, folder, origin);
                world.spec(module, path, kind, body);
            }
            _ => panic!("unknown line: {header}"),
        }
    }
    for (name, words) in orders {
        let main = words.iter().find_map(|word| word.strip_prefix("main=")).map(|path| world.path(path));
        let location = world.input.specs.iter().find(|spec| *world.input.modules[spec.module.index()].name == *name);
        let location = location.map(|spec| Span::default().in_file(spec.ast.file));
        let module = world.input.modules.iter_mut().find(|module| *module.name == *name).unwrap();
        let list = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(Arc::from).collect();
        module.main = main;
        module.location = location;
        for word in words {
            match word.split_once('=') {
                None => module.semantics = Semantics::Explicit,
                Some(("allow", names)) => module.allowed_dependencies = Some(list(names)),
                Some(("friends", names)) => module.cyclical_friends = list(names),
                Some(_) => {}
            }
        }
    }
    for (path, body) in probes {
        let file = world.files.add("probe", body);
        let (ast, diagnostics) = parse(file, world.files.get(file).text().clone());
        world.syntax.extend(diagnostics);
        let spec = world.find_spec(path);
        world.input.probes.push(Probe { spec, ast: ast.into(), name: "".into() });
    }
    (world, wants_dump)
}

fn show_place(files: &Files, location: Location) -> String {
    let file = files.get(location.file);
    let at = file.line_column(location.span.start);
    format!("{}:{}:{}", file.path().display(), at.line, at.column)
}

fn show(files: &Files, diagnostic: &Diagnostic) -> String {
    let kind = if diagnostic.severity == Severity::Error { "error" } else { "warning" };
    let mut text = format!("{kind} {}: {}\n", diagnostic.code, diagnostic.message);
    for label in &diagnostic.labels {
        let mark = if label.primary { "at" } else { "and" };
        let _ = writeln!(text, "  {mark} {} {}", show_place(files, label.location), label.message);
    }
    for note in &diagnostic.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  help: {help}");
    }
    text
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/resolve");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "dsc")).collect();
    paths.sort();
    paths
}

#[test]
fn fixtures_match_their_snapshots() {
    let mut failures = Vec::new();
    for path in fixtures() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (mut world, wants_dump) = read_fixture(&text);
        let files = std::mem::take(&mut world.files);
        let syntax: Vec<String> = world.syntax.iter().map(|diagnostic| show(&files, diagnostic)).collect();
        let (resolved, diagnostics) = resolve(world.input);
        let mut actual: String = syntax.concat();
        actual.extend(diagnostics.iter().map(|diagnostic| show(&files, diagnostic)));
        if actual.is_empty() {
            actual.push_str("no diagnostics\n");
        }
        if wants_dump {
            actual.push_str(&dump(&resolved));
        }
        let snapshot = path.with_extension("expected");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&snapshot, &actual).unwrap();
        } else {
            let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
            if expected != actual {
                let diff = similar::TextDiff::from_lines(&expected, &actual);
                failures.push(format!("{}\n{}", path.display(), diff.unified_diff()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_chain_of_a_hundred_thousand_terms_is_lowered_without_recursion() {
    let mut world = World::new();
    let module = world.module("m", "m", Origin::Extent);
    let chain = vec!["1"; 100_000].join(" + ");
    world.spec(module, "m/a.dsc", SpecKind::Spec, &format!("const x = {chain};\n"));
    let (resolved, diagnostics) = resolve(world.input);
    assert!(diagnostics.is_empty(), "{:?}", diagnostics.first());
    assert_eq!(resolved.code[0].exprs.len(), 199_999);
}

/// The standard library and the examples resolve without a mistake.
#[test]
fn the_standard_library_and_the_examples_have_no_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for example in std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        if !example.is_dir() {
            continue;
        }
        let mut world = World::new();
        world.load(&root.join("stdlib"), false);
        world.load(&example, true);
        assert!(world.input.prelude.is_some());
        let files = std::mem::take(&mut world.files);
        let syntax = world.syntax;
        let (_, diagnostics) = resolve(world.input);
        let all: String = syntax.iter().chain(&diagnostics).map(|diagnostic| show(&files, diagnostic)).collect();
        assert!(all.is_empty(), "{}:\n{all}", example.display());
    }
}

/// Real specs have no mistakes: nothing may be reported but modules of packages that are not there.
/// Runs when `BUILDXL_SRC` names a checkout of microsoft/BuildXL.
#[test]
fn the_specs_of_buildxl_have_no_mistakes() {
    let Some(root) = std::env::var_os("BUILDXL_SRC").map(PathBuf::from) else {
        return;
    };
    let mut world = World::new();
    world.load(&root.join("Public"), false);
    let files = std::mem::take(&mut world.files);
    let count = world.input.specs.len();
    let started = std::time::Instant::now();
    let (_, diagnostics) = resolve(world.input);
    let elapsed = started.elapsed();
    let package = |diagnostic: &Diagnostic| diagnostic.message.starts_with("there is no module called");
    let left: Vec<String> = world
        .syntax
        .iter()
        .chain(&diagnostics)
        .filter(|diagnostic| diagnostic.is_error() && !package(diagnostic))
        .map(|diagnostic| show(&files, diagnostic))
        .collect();
    assert!(count > 0 && left.is_empty(), "{count} specs in {elapsed:?}\n{}", left.concat());
}
