//! Filters on graphs built by hand: identities, letter case, size. `tests/filter.rs` has the language.

use std::sync::Arc;

use super::case::{Outcome, run};
use crate::graph::*;
use crate::paths::Paths;
use crate::source::system::OperatingSystem;
use crate::source::{FileId, Location, Span, Symbols};

fn selected(outcome: &Outcome, filter: &str) -> Vec<String> {
    let filter = PipFilter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let selection = outcome.graph.select(&filter).unwrap();
    outcome.pips.iter().filter(|(_, pip)| selection.pips().contains(**pip)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn ids_select_what_has_them() {
    let outcome = run("a: process >out/a.txt shared=out/s
         b: process >out/b.txt <[a]
         c: copy <out/b.txt@1 >out/d/c.txt
         d: full out/d <out/d/c.txt@1");
    let graph = &outcome.graph;
    let id = |pip: &str| graph.stable_id(outcome.pips[pip]).to_string();
    for name in ["a", "b", "c", "d"] {
        assert_eq!(selected(&outcome, &format!("id='{}'", id(name))), [name]);
        assert_eq!(selected(&outcome, &format!("id=' PIP{} '", id(name).to_uppercase())), [name]);
    }
    // The seal of an output directory stands for its process.
    let Pip::Process(process) = graph.pip(outcome.pips["a"]) else { panic!("not a process") };
    let seal = graph.directory(process.output_directory_ids().next().unwrap()).pip;
    assert_eq!(selected(&outcome, &format!("id='{}'", graph.stable_id(seal))), ["a"]);
    // Without a pip, and without the seals that would bring it in.
    assert_eq!(selected(&outcome, &format!("~(id='{}' or id='{}')", id("a"), id("c"))), ["b"]);
    let twice = format!("id='{}' or id='{}'", id("a"), id("b"));
    assert_eq!(selected(&outcome, &twice), ["a", "b"]);
}

#[test]
fn everything_is_everything() {
    let outcome = run("a: process >out/a.txt exclusive=out/e
         b: sourceAll src
         c: write >out/c.txt");
    for filter in ["", "  ", "~(tag='nothing has it')", "output='*' or ~(output='*') or module='Test'"] {
        let filter = PipFilter::parse(filter).unwrap();
        let selection = outcome.graph.select(&filter).unwrap();
        assert_eq!(selection.pips(), &PipSet::all(outcome.graph.len()), "{}", filter.text());
        assert_eq!(&selection.closure(&outcome.graph), selection.pips());
    }
    assert!(PipFilter::parse("").unwrap().is_empty());
    assert!(selected(&outcome, "~(output='*')").is_empty());
}

/// A graph of copies, each of the one before, all in one spec of a workspace on this system.
fn chain(os: OperatingSystem, root: &str, length: usize) -> PipGraph {
    let paths = Arc::new(Paths::on(Arc::new(Symbols::new()), os));
    let root = paths.parse_absolute(root).unwrap();
    let out = paths.walk(root, "Out/Bin").unwrap();
    let mount =
        Mount { name: "Out".into(), path: root, readable: true, writable: true, scrubbable: true, location: None };
    let mut builder = GraphBuilder::new(paths.clone(), vec![mount], GraphOptions::new(root));
    let at = Location { file: FileId(0), span: Span::new(0, 1) };
    let provenance = Provenance {
        module: "Test".into(),
        spec: paths.walk(root, "Src/Build.dsc").unwrap(),
        location: at,
        line: 1,
        column: 1,
        value: "x".into(),
        qualifier: Arc::default(),
    };
    let tags = [paths.symbols().intern("copy"), paths.symbols().intern("last")];
    let mut last = FileArtifact::source(paths.walk(root, "Src/Start.txt").unwrap());
    for index in 0..length {
        let destination = FileArtifact::output(paths.child_named(out, &format!("File{index}.Txt")));
        let tags = if index + 1 == length { &tags[..] } else { &tags[..1] };
        let copy =
            CopyFilePip { source: last, destination, keep_writable: false, tags: tags.into(), description: None };
        builder.add_copy_file(copy, provenance.clone()).unwrap();
        last = destination;
    }
    builder.finish().0
}

fn count(graph: &PipGraph, filter: &str) -> usize {
    let filter = PipFilter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    graph.select(&filter).unwrap_or_else(|error| panic!("{error}")).pips().len()
}

#[test]
fn letter_case_is_as_the_system_has_it() {
    let filters = [
        "output='out/bin/file0.txt'",
        "output='OUT/BIN/FILE0*'",
        "output='*/BIN/file0.TXT'",
        "output='*BIN/FILE0*'",
        "spec='src/build.DSC' and output='Out/Bin/File0.Txt'",
    ];
    let windows = chain(OperatingSystem::Windows, r"C:\W", 3);
    let unix = chain(OperatingSystem::Unix, "/W", 3);
    for filter in filters {
        assert_eq!((count(&windows, filter), count(&unix, filter)), (1, 0), "{filter}");
    }
    for graph in [&windows, &unix] {
        assert_eq!(count(graph, "output='Out/Bin/File0.Txt'"), 1);
        assert_eq!(count(graph, r"output='Mount[out]\Out\*'"), 3);
        assert_eq!(count(graph, "tag='Copy'"), 0, "tags are told apart by case everywhere");
        assert_eq!(count(graph, "output='*/W/*'"), 0, "where the workspace lies does not matter");
    }
    assert_eq!(count(&windows, r"output='c:\w\out\.' or output='c:\w\out\bin\.'"), 3);
    assert_eq!(count(&unix, "output='/W/Out/Bin/.'"), 3);
    assert_eq!(windows.select(&PipFilter::parse(r"output='..\..\x'").unwrap()).unwrap_err().span, 8..15);
}

#[test]
fn long_graphs_need_no_deep_stack() {
    let graph = chain(OperatingSystem::Unix, "/w", 100_000);
    let all = graph.len();
    for (filter, expected) in [
        ("tag='last'", 1),
        ("dpc(tag='last')", all),
        ("dpt(output='*/File0.Txt')", all),
        ("~(dpt(output='*/File0.Txt'))", 0),
        ("copydpt(input='Src/Start.txt')", all),
        ("requiredfor(tag='last')", 1),
        ("specref='Src/Build.dsc'", all),
        ("valueTransitive='x' and ~(output='*/File7.Txt')", all - 1),
    ] {
        assert_eq!(count(&graph, filter), expected, "{filter}");
    }
    let last = graph.select(&PipFilter::parse("tag='last'").unwrap()).unwrap();
    assert_eq!(last.closure(&graph).len(), all);
}
