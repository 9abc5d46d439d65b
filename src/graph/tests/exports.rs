//! The frozen graph and its exporters.

use super::case::{Outcome, run, run_in};
use crate::graph::export::{TextOptions, dot, json, text};
use crate::graph::{Pip, PipGraph, SealKind};

const STORY: &str = "
    hello: write >out/hello.txt
    copy: copy <out/hello.txt@1 >out/copy.txt
    sources: sourceAll src
    first: process <[sources] <out/copy.txt@1 shared=out/s env=MODE=fast tag=slow
    second: process shared=out/s shared=out/s/inner >out/second.log? temp=tmp/t
    known: assert <[first] out/s/known.txt
    logs: composite out/s <[first] <[second] filter=Exclude:log$
    user: process <[logs] <[second.1] <out/s/known.txt@1 >out/user.txt";

fn to_text(graph: &PipGraph, write: impl Fn(&PipGraph, &mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(graph, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn parsed(outcome: &Outcome) -> serde_json::Value {
    serde_json::from_str(&to_text(&outcome.graph, json)).unwrap()
}

#[test]
fn consumers_depend_on_seals_and_seals_on_producers() {
    let outcome = run(STORY);
    let (graph, pips) = (&outcome.graph, &outcome.pips);
    let names = |ids: &[crate::graph::PipId]| -> Vec<String> {
        ids.iter()
            .map(|id| match graph.pip(*id) {
                Pip::SealDirectory(seal) => format!("{:?} {}", seal.kind, graph.display(seal.root)),
                _ => graph.provenance(*id).value.to_string(),
            })
            .collect()
    };
    assert_eq!(names(graph.dependencies(pips["first"])), ["copy", "SourceAll src"]);
    assert_eq!(names(graph.dependencies(pips["logs"])), ["SharedOpaque out/s", "SharedOpaque out/s"]);
    assert_eq!(
        names(graph.dependencies(pips["user"])),
        ["first", "SharedOpaque out/s/inner", "Composite out/s"],
        "an asserted file comes straight from its process"
    );
    assert_eq!(names(graph.dependents(pips["hello"])), ["copy"]);
    for id in graph.order() {
        assert!(graph.dependencies(*id).iter().all(|dependency| dependency < id), "what is needed was added before");
        for dependency in graph.dependencies(*id) {
            assert!(graph.dependents(*dependency).contains(id));
        }
    }
}

#[test]
fn a_file_belongs_to_the_closest_shared_root() {
    let outcome = run(STORY);
    let (graph, second) = (&outcome.graph, outcome.pips["second"]);
    let path = |text: &str| graph.paths().parse_absolute(text).unwrap();
    let root =
        |file: &str| graph.closest_shared_root(second, path(file)).map(|id| graph.display(graph.directory(id).root));
    assert_eq!(root("/w/out/s/fileA").as_deref(), Some("out/s"));
    assert_eq!(root("/w/out/s/inner/deep/fileB").as_deref(), Some("out/s/inner"));
    assert_eq!(root("/w/out/other"), None);
}

#[test]
fn the_json_has_the_documented_shape() {
    let outcome = run(STORY);
    let value = parsed(&outcome);
    assert_eq!(value["version"], 1);
    assert_eq!(value["qualifiers"], serde_json::json!([{}]));
    let pips = value["pips"].as_array().unwrap();
    let find = |name: &str, kind: &str| {
        pips.iter().find(|pip| pip["value"] == name && pip["kind"] == kind).unwrap_or_else(|| panic!("{name} {kind}"))
    };
    let hello = find("hello", "writeFile");
    assert_eq!(hello["contents"], "text");
    assert_eq!(hello["outputs"]["files"], serde_json::json!(["out/hello.txt"]));
    assert_eq!((&hello["module"], &hello["spec"]), (&"Test".into(), &"test.dsc".into()));
    assert!(hello["id"].as_str().unwrap().len() == 16 && hello["description"].is_null());

    let copy = find("copy", "copyFile");
    assert_eq!(copy["dependencies"], serde_json::json!([hello["id"]]));

    let first = find("first", "process");
    assert_eq!(first["executable"], "tool");
    assert_eq!(first["workingDirectory"], ".");
    assert_eq!(first["environment"], serde_json::json!({"MODE": "fast"}));
    assert_eq!(first["tags"], serde_json::json!(["slow"]));
    let opaque = &first["outputs"]["directories"][0];
    assert_eq!((&opaque["path"], &opaque["kind"]), (&"out/s".into(), &"sharedOpaque".into()));

    let sealed = find("first", "sealDirectory");
    assert_eq!(sealed["id"], opaque["id"]);
    assert_eq!(sealed["contents"], serde_json::json!(["out/s/known.txt"]));
    assert_eq!(sealed["tags"], serde_json::json!(["slow"]));

    assert_eq!(find("second", "process")["optionalOutputs"], serde_json::json!(["out/second.log"]));
    let logs = find("logs", "sealDirectory");
    assert_eq!(logs["sealKind"], "composite");
    assert_eq!(logs["filter"], serde_json::json!({"kind": "Exclude", "regex": "log$"}));
    assert_eq!(logs["members"].as_array().unwrap().len(), 2);
    assert_eq!(logs["root"], "out/s");

    let ids: std::collections::BTreeSet<&str> = pips.iter().map(|pip| pip["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), pips.len(), "identities differ");
    for pip in pips {
        for dependency in pip["dependencies"].as_array().unwrap() {
            assert!(ids.contains(dependency.as_str().unwrap()));
        }
    }
}

#[test]
fn every_form_is_the_same_in_another_folder() {
    let forms = |outcome: &Outcome| {
        let graph = &outcome.graph;
        [
            to_text(graph, json),
            to_text(graph, dot),
            to_text(graph, |graph, out| text(graph, TextOptions::default(), out)),
        ]
    };
    assert_eq!(forms(&run(STORY)), forms(&run_in("/elsewhere/deep", STORY, |_| {})));
}

#[test]
fn the_order_and_the_identities_do_not_depend_on_the_order_of_adding() {
    let one = run("places: a b c d
                   a: write >out/a
                   b: process shared=out/b
                   c: process <[b] <out/a@1 shared=out/c
                   d: composite out <[b] <[c]");
    let other = run("places: a b c d
                     b: process shared=out/b
                     a: write >out/a
                     c: process <[b] <out/a@1 shared=out/c
                     d: composite out <[b] <[c]");
    assert_ne!(one.pips["a"], other.pips["a"]);
    assert_eq!(to_text(&one.graph, json), to_text(&other.graph, json));
    assert_eq!(to_text(&one.graph, dot), to_text(&other.graph, dot));
}

#[test]
fn equal_pips_get_different_identities() {
    let outcome = run("a: partial src <src/x
                       a: partial src <src/x");
    let ids: Vec<String> = outcome.graph.order().iter().map(|id| outcome.graph.stable_id(*id).to_string()).collect();
    assert_eq!(ids[1], format!("{}-2", ids[0]));
}

#[test]
fn the_tree_shows_what_a_build_engineer_looks_for() {
    let outcome = run(STORY);
    let ascii = TextOptions { unicode: false, ..TextOptions::default() };
    let tree = to_text(&outcome.graph, |graph, out| text(graph, ascii, out));
    let expected = r#"module Test
  test.dsc
    hello
      write    out/hello.txt
               text "text"
    copy
      copy     out/hello.txt -> out/copy.txt
    sources
      seal     src/ (all sources below it)
    first
      process  tool
               run  tool
               in   out/copy.txt, src/ (all sources below it)
               out  out/s/ (shared opaque) with out/s/known.txt
    second
      process  tool
               run  tool
               out  out/second.log (optional), out/s/ (shared opaque), out/s/inner/ (shared opaque)
               temp tmp/t/
    logs
      seal     out/s/ (composite)
               from out/s/ (shared opaque) of `first`, out/s/ (shared opaque) of `second`
               drop /log$/
    user
      process  tool
               run  tool
               in   out/s/known.txt, out/s/ (composite), out/s/inner/ (shared opaque)
               out  out/user.txt

3 processes, 1 copy, 1 write, 2 sealed directories; 1 source file, 5 output files, 3 output directories
"#;
    assert_eq!(tree, expected, "\n{tree}");
    assert!(to_text(&outcome.graph, |graph, out| text(graph, TextOptions::default(), out)).contains('→'));
}

#[test]
fn graphviz_gets_a_cluster_for_each_module_and_an_arrow_for_each_edge() {
    let outcome = run(STORY);
    let drawn = to_text(&outcome.graph, dot);
    assert_eq!(drawn.matches("subgraph cluster_").count(), 1);
    assert_eq!(drawn.matches(" -> ").count(), outcome.graph.summary().edges);
    assert_eq!(drawn.matches("shape=").count(), outcome.graph.len());
    assert_eq!(drawn.matches('{').count(), drawn.matches('}').count());
}

#[test]
fn an_empty_graph_has_every_form() {
    let outcome = run("");
    assert_eq!(parsed(&outcome), serde_json::json!({"version": 1, "qualifiers": [], "pips": []}));
    assert_eq!(to_text(&outcome.graph, |graph, out| text(graph, TextOptions::default(), out)), "no pips\n");
    assert!(to_text(&outcome.graph, dot).ends_with("}\n"));
}

#[test]
fn the_summary_counts() {
    let summary = run(STORY).graph.summary();
    assert_eq!(summary.kinds["process"], 3);
    assert_eq!(summary.seals["sharedOpaque"], 3);
    assert_eq!(summary.seals["composite"], 1);
    assert_eq!((summary.modules, summary.specs), (1, 1));
    assert_eq!(summary.output_directories, 3);
    assert!(SealKind::Composite.is_shared() && !SealKind::ExclusiveOpaque.is_shared());
}
