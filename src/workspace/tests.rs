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
