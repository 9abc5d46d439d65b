use super::*;
use crate::diagnostics::render::{Format, Renderer};
use crate::source::system::MapEnvironment;

fn options() -> OpenOptions {
    OpenOptions { environment: Arc::new(MapEnvironment::new()), ..OpenOptions::default() }
}

fn open(files: &[(&str, &str)]) -> Workspace {
    Workspace::from_memory_with(files.iter().copied(), options())
}

fn shown(workspace: &Workspace, diagnostics: &[Diagnostic]) -> String {
    let mut out = Vec::new();
    let renderer = Renderer { format: Format::Json, base: workspace.folder(), ..Renderer::default() };
    renderer.render(diagnostics, workspace.files(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_spec_without_configuration_is_evaluated() {
    let workspace = open(&[("a.dsc", "export const x = 1 + 1;")]);
    let evaluation = workspace.evaluate(&[]);
    assert_eq!(shown(&workspace, &evaluation.diagnostics), "");
    assert!(evaluation.graph.is_some());
}

#[test]
fn a_small_workspace_gives_a_graph() {
    let workspace = open(&[
        ("config.dsc", "config({resolvers: [{kind: \"DScript\", modules: glob(d`lib`, \"*/module.config.dsc\")}]});"),
        ("lib/a/module.config.dsc", "module({name: \"A\"});"),
        ("lib/a/a.dsc", "@@public export const text = \"hello\";"),
        (
            "b.dsc",
            "import {text} from \"A\"; import {Transformer} from \"Sdk.Transformers\";
             export const out = Transformer.writeAllText({
                 outputPath: Context.getNewOutputDirectory(\"o\").combine(\"x.txt\"), text: text});",
        ),
    ]);
    let evaluation = workspace.evaluate(&[]);
    assert_eq!(shown(&workspace, &evaluation.diagnostics), "");
    let graph = evaluation.graph.unwrap();
    let mut json = Vec::new();
    crate::graph::export::json(&graph, &mut json).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(json.contains("hello"), "{json}");
}

#[test]
fn a_prompt_completes_names_and_members() {
    let files = [
        ("config.dsc", "config({});"),
        ("a.dsc", "import {Cmd, Transformer} from \"Sdk.Transformers\";\nconst hidden = {size: 1, name: \"n\"};"),
    ];
    let workspace = open(&files);
    let mut prompt = workspace.prompt(Some(Path::new("a.dsc")), None);
    assert!(prompt.enter("const himself = [1, 2];").diagnostics.is_empty());
    let names = |prompt: &mut Prompt<'_>, text: &str| prompt.complete(text).names;
    assert_eq!(names(&mut prompt, "hi"), ["hidden", "himself"]);
    assert_eq!(names(&mut prompt, "Context.getM"), ["getMount"]);
    assert_eq!(names(&mut prompt, "1 + hidden.s"), ["size"]);
    assert_eq!(names(&mut prompt, "himself.map(x => x + 1).zi"), ["zipWith"]);
    assert_eq!(names(&mut prompt, "Cmd.opt"), ["option", "optionalBooleanFlag", "options"]);
    assert_eq!(names(&mut prompt, "hidden.name.ends"), ["endsWith"]);
    assert_eq!(names(&mut prompt, "importFrom(\"Sdk.Transformers\").Trans"), ["Transformer"]);
    assert_eq!(names(&mut prompt, "_Pre"), [""; 0]);
    // What cannot be computed, soon or at all, has no members.
    assert_eq!(names(&mut prompt, "nope.x"), [""; 0]);
    assert_eq!(names(&mut prompt, "Array.range(1, 1000000).map(x => x * 2).ma"), [""; 0]);
    assert_eq!(prompt.complete("Context.getM").start, 8);
    // What was typed is not what was entered.
    assert_eq!(prompt.enter("hidden.size").values.len(), 1);
}

#[test]
fn a_prompt_can_be_interrupted() {
    let workspace = open(&[("config.dsc", "config({});")]);
    let mut prompt = workspace.prompt(None, None);
    let interrupted = prompt.interrupter();
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                interrupted.store(true, std::sync::atomic::Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let spin = "(() => { let n = 0; for (let i = 0; i < 9000000; i += 1) { n += 1; } return n; })()";
        let entered = prompt.enter(spin);
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(entered.interrupted && entered.values.is_empty() && entered.diagnostics.is_empty());
    });
    // The next input runs as if nothing had been.
    assert_eq!(prompt.enter("1 + 1").values.len(), 1);
}

/// The files of the embedded SDK that were read, without the prelude.
fn read_of_sdk(workspace: &Workspace) -> Vec<String> {
    let below = |file: &crate::source::SourceFile| {
        let path = file.path().strip_prefix(sdk::EMBEDDED_ROOT).ok()?;
        (!path.starts_with("prelude")).then(|| path.display().to_string())
    };
    let mut read: Vec<String> = workspace.files().iter().filter_map(below).collect();
    read.sort();
    read
}

#[test]
fn only_modules_that_are_imported_are_read() {
    let workspace = open(&[("config.dsc", "config({});"), ("a.dsc", "export const x = 1;")]);
    assert!(!workspace.evaluate(&[]).has_errors());
    assert_eq!(read_of_sdk(&workspace), Vec::<String>::new());

    let spec = "import {Hashing} from \"Sdk.Hashing\"; export const x = Hashing.sha256(\"\");";
    let workspace = open(&[("config.dsc", "config({});"), ("a.dsc", spec)]);
    assert!(!workspace.evaluate(&[]).has_errors());
    assert_eq!(read_of_sdk(&workspace), ["Sdk.Hashing/hashing.dsc"]);
}

#[test]
fn allowed_accesses_of_modules_are_for_their_pips() {
    let workspace = open(&[
        (
            "config.dsc",
            "config({fileAccessAllowList: [{pathFragment: \"/all/\"}], engine: {defaultFilter: \"tag='x'\"}});",
        ),
        ("m/module.config.dsc", "module({name: \"M\", cacheableFileAccessWhitelist: [{pathFragment: \"/mine/\"}]});"),
        ("n/module.config.dsc", "module({name: \"N\"});"),
    ]);
    assert_eq!(shown(&workspace, &workspace.check()), "");
    let lists = workspace.allow_lists();
    let judge = |module, path| {
        let access = UndeclaredAccess { module, value: "x", program: "/bin/sh", path };
        lists.judge(access, &workspace.session.paths).0
    };
    assert_eq!((judge("M", "/all/mine/x"), judge("M", "/all/x")), (Allowed::Cacheable, Allowed::Uncacheable));
    assert_eq!((judge("N", "/mine/x"), judge("N", "/all/mine/x")), (Allowed::No, Allowed::Uncacheable));
    assert!(!lists.is_empty() && !lists.modules.contains_key("N"));
    let filter = workspace.config().engine.default_filter.as_ref();
    assert_eq!(filter.map(|filter| &*filter.value), Some("tag='x'"));
}

#[test]
fn the_rules_of_the_whole_graph_can_be_turned_off() {
    let spec = "import {Transformer} from \"Sdk.Transformers\";
        const out = d`Out/Objects/o`;
        const tool = {exe: f`/bin/tool`};
        const made = Transformer.execute({tool: tool, workingDirectory: out, arguments: [],
            outputs: [{directory: out, kind: \"shared\"}]});
        export const sealed = Transformer.sealSourceDirectory(out, Transformer.SealSourceDirectoryOption.allDirectories);";
    let errors = |config: &str| {
        let workspace = open(&[("config.dsc", config), ("a.dsc", spec)]);
        let diagnostics = workspace.evaluate(&[]).diagnostics;
        diagnostics.iter().filter(|one| one.is_error()).map(|one| one.code.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(errors("config({});").len(), 1);
    assert_eq!(errors("config({schedule: {unsafeDisableGraphPostValidation: true}});"), [""; 0]);
}
