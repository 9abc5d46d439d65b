//! The evaluator against the prelude and the SDK, without a workspace around it.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

use std::path::Path;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::graph::{GraphBuilder, GraphOptions, Mount};
use crate::paths::Paths;
use crate::program::{ModuleId, Origin, QualifierId, Qualifiers, Semantics, SpecKind};
use crate::resolve::{ImportMap, ImportTarget, Input, ModuleInput, SpecSource, resolve};
use crate::source::system::{MapEnvironment, MemoryFileSystem, OperatingSystem};
use crate::source::{Files, Symbols};
use crate::syntax::parse;

use super::{Args, Eval, Evaluation, Host, Limits, Machine, NativeTable, SystemFolders};

/// Evaluates one spec with the prelude and `Sdk.Transformers`; gives the graph as JSON and the messages.
fn evaluate(text: &str, threads: usize) -> (String, Vec<String>) {
    evaluate_with(text, threads, &crate::builtins::natives())
}

/// `evaluate` with natives of the test's own.
fn evaluate_with(text: &str, threads: usize, natives: &NativeTable) -> (String, Vec<String>) {
    let symbols = Arc::new(Symbols::new());
    let paths = Arc::new(Paths::new(symbols.clone()));
    let files = Files::new();
    let stdlib = Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib");
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let mut specs = Vec::new();
    let mut add = |module: u32, path: &str, text: String| {
        let (ast, found) = parse(files.add(path, text.clone()), text.into());
        diagnostics.extend(found);
        let path = paths.parse_absolute(path).unwrap();
        specs.push(SpecSource { module: ModuleId(module), path, kind: SpecKind::Spec, ast: std::sync::Arc::new(ast) });
    };
    for (module, folder) in [(0, "prelude"), (1, "Sdk.Transformers")] {
        let mut names: Vec<_> =
            std::fs::read_dir(stdlib.join(folder)).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let name = name.to_str().unwrap();
            if !name.starts_with("module.config") {
                let text = std::fs::read_to_string(stdlib.join(folder).join(name)).unwrap();
                add(module, &format!("/stdlib/{folder}/{name}"), text);
            }
        }
    }
    add(2, "/w/main.dsc", text.to_owned());
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
    let mut imports = ImportMap::default();
    imports.names.insert("Sdk.Transformers".into(), ImportTarget::Module(ModuleId(1)));
    let input = Input {
        symbols: symbols.clone(),
        paths: paths.clone(),
        qualifiers: Arc::new(Qualifiers::new()),
        modules: vec![
            module("Sdk.Prelude", Origin::Prelude, "/stdlib/prelude"),
            module("Sdk.Transformers", Origin::Library, "/stdlib/Sdk.Transformers"),
            module("Test", Origin::Extent, "/w"),
        ],
        specs,
        imports,
        files: Default::default(),
        prelude: Some(ModuleId(0)),
        probes: Vec::new(),
    };
    let (resolved, found) = resolve(input);
    diagnostics.extend(found);
    let path = |text: &str| paths.parse_absolute(text).unwrap();
    let mount = |name: &str, at: &str, writable| Mount {
        name: name.into(),
        path: path(at),
        readable: true,
        writable,
        scrubbable: writable,
        location: None,
    };
    let mounts = vec![mount("SourceRoot", "/w", false), mount("ObjectRoot", "/w/Out/Objects", true)];
    let host = Host {
        file_system: Arc::new(MemoryFileSystem::default()),
        environment: Arc::new(MapEnvironment::default()),
        mounts: mounts.clone(),
        source_root: path("/w"),
        object_root: path("/w/Out/Objects"),
        temp_root: path("/w/Out/Temp"),
        engine_directory: path("/engine"),
        home: path("/home"),
        limits: Limits::default(),
        allow_unsafe_ambient: false,
        system: SystemFolders::of(OperatingSystem::Unix, &paths, |_| None),
        interrupted: None,
        functions: Default::default(),
        test: None,
    };
    let evaluation = Evaluation { resolved: &resolved, host: &host, natives, files: &files, threads };
    let builder = GraphBuilder::new(paths.clone(), mounts, GraphOptions::new(path("/w")));
    let (graph, found) = evaluation.graph(&[QualifierId::EMPTY], builder);
    diagnostics.extend(found);
    let mut json = Vec::new();
    crate::graph::export::json(&graph, &mut json).unwrap();
    let show = |diagnostic: &Diagnostic| {
        let place = diagnostic.primary().map_or(String::new(), |label| {
            let file = files.get(label.location.file);
            let at = file.line_column(label.location.span.start);
            format!("{}:{}:{}: ", file.path().display(), at.line, at.column)
        });
        format!("{place}{}: {}", diagnostic.code, diagnostic.message)
    };
    (String::from_utf8(json).unwrap(), diagnostics.iter().map(show).collect())
}

const STORY: &str = r#"
import {Artifact, Cmd, Transformer} from "Sdk.Transformers";

const shared = d`Out/Objects/shared`;

function produce(name: string): Transformer.ExecuteResult {
    return Transformer.execute({
        tool: {exe: f`/bin/sh`, dependsOnCurrentHostOSDirectories: true},
        workingDirectory: d`.`,
        arguments: [
            Cmd.option("--out ", Artifact.sharedOpaqueOutput(shared)),
            Cmd.argument(name),
        ],
    });
}

const a = produce("a").getOutputDirectory(shared);
const b = produce("b").getOutputDirectory(shared);
const both = Transformer.composeSharedOpaqueDirectories(shared, [a, b]);
const copied = Transformer.copyFile(f`x.txt`, p`Out/Objects/copy.txt`);
"#;

#[test]
fn the_graph_does_not_depend_on_threads() {
    let (one, messages) = evaluate(STORY, 1);
    assert_eq!(messages, Vec::<String>::new());
    assert_eq!(one.matches("\"kind\":\"process\"").count(), 2, "{one}");
    assert_eq!(evaluate(STORY, 4).0, one);
}

#[test]
fn a_cycle_is_told_once_and_whole_whoever_finds_it() {
    let text =
        "function f() { return b; }\nexport const a = f();\nexport const b = c + 1;\nexport const c = (() => a)();\n";
    for threads in [1, 2, 4] {
        let (_, messages) = evaluate(text, threads);
        let cycles: Vec<_> = messages.iter().filter(|message| message.contains("DX9378")).collect();
        assert_eq!(cycles.len(), 1, "{messages:?}");
        assert!(cycles[0].contains("`a` → `b` → `c` → `a`"), "{messages:?}");
    }
}

#[test]
fn endless_recursion_and_endless_loops_end() {
    let (_, messages) = evaluate("function f(n: number) { return f(n + 1) + 1; }\nconst a = f(0);", 1);
    assert!(messages.iter().any(|message| message.contains("DX9353")), "{messages:?}");
}

/// Calls its argument on a stack of its own, as natives do that work through deep values.
fn call_elsewhere<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    stacker::grow(16 << 20, || m.call(args.get(0), &[], args.site))
}

#[test]
fn a_native_may_call_back_from_another_stack() {
    let text = r#"
function down(n: number): number { return n === 0 ? 0 : 1 + down(n - 1); }
function both() {
    const before = Debug.writeLine(() => 1);
    return down(3500);
}
const a = both();
"#;
    let mut natives = crate::builtins::natives();
    natives.functions.insert("Debug.writeLine", call_elsewhere);
    assert_eq!(evaluate_with(text, 1, &natives).1, Vec::<String>::new());
}
