//! Builds told by hand: what is shown of them, and what is written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::super::screen::Plain;
use super::super::summary;
use super::*;
use crate::Workspace;
use crate::cas::Digest;
use crate::cli::command_line::{self, Command, Parsed};
use crate::diagnostics::Code;
use crate::engine::sandbox::Reads;
use crate::engine::{BuildOutcome, Content, Rule, Violation};

const SPEC: &str = r#"
import {Artifact, Cmd, Transformer} from "Sdk.Transformers";

const out = d`Out/Objects`;
function compile(name: string) {
    return Transformer.execute({
        tool: { exe: f`/usr/bin/cc` },
        description: `Compile ${name}`,
        arguments: [Cmd.option("-o ", Artifact.output(p`${out}/${a`${name}.o`}`))],
        workingDirectory: d`.`,
    });
}

export const a = compile("a.c");
export const b = compile("b.c");
export const note = Transformer.writeAllText(p`${out}/note.txt`, "hello");
"#;

/// A file in memory that two can hold.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A graph of three pips.
struct Fixture {
    workspace: Workspace,
    graph: PipGraph,
}

impl Fixture {
    fn new() -> Self {
        let workspace = Workspace::from_memory([("build.dsc", SPEC)]);
        let evaluation = workspace.evaluate(&[]);
        assert!(evaluation.diagnostics.is_empty(), "{:?}", evaluation.diagnostics);
        Self { workspace, graph: evaluation.graph.unwrap() }
    }

    fn pip(&self, value: &str) -> PipId {
        self.graph.ids().find(|id| &*self.graph.provenance(*id).value == value).unwrap()
    }
}

fn reporter(words: &[&str]) -> Reporter {
    let words = [&["dscript", "build", "--color=never", "--ascii"], words].concat();
    let Ok(Parsed::Command(command)) = command_line::parse(words.iter().map(Into::into)) else { panic!("refused") };
    let Command::Build(args) = *command else { panic!("no build") };
    Reporter::new(&args.messages).unwrap()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn result(done: Done) -> PipResult {
    PipResult::new(done)
}

/// Tells a build to a listener and gives what was shown.
fn told(words: &[&str], wishes: Wishes, tell: impl FnOnce(&Fixture, &Progress<'_>)) -> (String, Outcome) {
    let fixture = Fixture::new();
    let reporter = reporter(words);
    let out = Memory::default();
    let screen = Plain::new(out.clone());
    let clock = || Duration::ZERO;
    let mut progress = Progress::new(&fixture.graph, fixture.workspace.files(), &reporter, &screen, &clock, 2);
    progress.wishes = wishes;
    progress.begun(3);
    tell(&fixture, &progress);
    let outcome = progress.close(None).unwrap();
    (out.text(), outcome)
}

/// One of each: an executed pip with a warning, a failed one, a hit.
fn three(fixture: &Fixture, progress: &Progress<'_>) {
    let (a, b, note) = (fixture.pip("a"), fixture.pip("b"), fixture.pip("note"));
    progress.running(a, 0);
    progress.finished(note, 1, &result(Done::Hit), seconds(0.0), seconds(0.0));
    let executed = PipResult {
        reason: Some("input a.c changed: 1 -> 2".to_owned()),
        uncached: Some("it broke rules".to_owned()),
        output: "compiling\n\x1b[1ma.c:1: warning: old\x1b[0m\n".to_owned(),
        warnings: vec!["\x1b[1ma.c:1: warning: old\x1b[0m".to_owned()],
        ..result(Done::Executed)
    };
    progress.finished(a, 0, &executed, seconds(0.0), seconds(2.34));
    let made = fixture.graph.provenance(b);
    let diagnostic = Diagnostic::error(Code::Dx(64), "`Compile b.c` failed with exit code 1")
        .at(made.location, "made here")
        .note("output:\nb.c:1: error: no");
    let failed = PipResult {
        diagnostics: vec![diagnostic],
        reason: Some("it has no earlier result".to_owned()),
        warnings: vec!["b.c:1: warning: shown with the rest of the output".to_owned()],
        ..result(Done::Failed)
    };
    progress.finished(b, 0, &failed, seconds(2.4), seconds(2.5));
}

const FAILURE: &str = "\
error[DX0064]: `Compile b.c` failed with exit code 1
   ,-[ /workspace/build.dsc:6:12 ]
   |
 6 |     return Transformer.execute({
   |            |^^^^^^^^^^^^^^^^^^^^
   |            `---------------------- made here
---'
   note: output:
         b.c:1: error: no

";

#[test]
fn lines_tell_what_was_run_and_failed_at_once() {
    let (text, outcome) = told(&[], Wishes { each: true, ..Wishes::default() }, three);
    let lines = "[2/3] Compile a.c (2.3 s)\nwarning: Compile a.c\n   a.c:1: warning: old\n";
    assert_eq!(text, format!("{lines}{FAILURE}"));
    assert_eq!(outcome, Outcome::Errors);
}

#[test]
fn a_live_status_leaves_only_what_matters() {
    let (text, _) = told(&[], Wishes::default(), three);
    assert_eq!(text, format!("warning: Compile a.c\n   a.c:1: warning: old\n{FAILURE}"));
    let (text, _) = told(&["--quiet"], Wishes { verbose: true, explain: true, each: true }, three);
    assert_eq!(text, FAILURE);
}

#[test]
fn everything_is_told_to_those_who_ask() {
    let (text, _) = told(&[], Wishes { verbose: true, explain: true, each: true }, three);
    let lines = "\
[1/3] note (up to date)
[2/3] Compile a.c (2.3 s)
   because: input a.c changed: 1 -> 2
   not cached: it broke rules
   compiling
   a.c:1: warning: old
[3/3] Compile b.c
   because: it has no earlier result
";
    let lines = lines.replace("note (", "write Out/Objects/note.txt (");
    assert_eq!(text, format!("{lines}{FAILURE}"));
}

#[test]
fn programs_get_objects_only() {
    let (text, outcome) = told(&["--message-format=json"], Wishes { verbose: true, explain: true, each: true }, three);
    let object: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!((&object["code"], &object["line"]), (&json!("DX0064"), &json!(6)));
    assert_eq!(outcome, Outcome::Errors);
    let (text, outcome) = told(&["--message-format=sarif"], Wishes::default(), three);
    assert_eq!((text.as_str(), outcome), ("", Outcome::Errors));
}

#[test]
fn the_limit_counts_over_the_whole_build() {
    let many = |fixture: &Fixture, progress: &Progress<'_>| {
        for number in 0..5 {
            let diagnostic = Diagnostic::error(Code::Dx(64), format!("failure {number}"));
            let failed = PipResult { diagnostics: vec![diagnostic], ..result(Done::Failed) };
            progress.finished(fixture.pip("a"), 0, &failed, seconds(0.0), seconds(0.1));
        }
    };
    let (text, _) = told(&["--max-errors=2"], Wishes::default(), many);
    assert_eq!(text, "error[DX0064]: failure 0\n\nerror[DX0064]: failure 1\n\n");
}

#[test]
fn a_snapshot_names_the_longest_running_first() {
    let fixture = Fixture::new();
    let reporter = reporter(&[]);
    let screen = Plain::new(Memory::default());
    let time = AtomicU64::new(0);
    let clock = || Duration::from_secs(time.load(Ordering::Relaxed));
    let progress = Progress::new(&fixture.graph, fixture.workspace.files(), &reporter, &screen, &clock, 2);
    progress.begun(3);
    progress.running(fixture.pip("b"), 1);
    time.store(2, Ordering::Relaxed);
    progress.running(fixture.pip("a"), 0);
    progress.finished(fixture.pip("note"), 1, &result(Done::Hit), seconds(0.0), seconds(0.0));
    time.store(3, Ordering::Relaxed);
    let snapshot = progress.snapshot(&mut Estimate::default(), false);
    assert_eq!((snapshot.total, snapshot.executed, snapshot.hits, snapshot.failed), (3, 0, 1, 0));
    assert_eq!(snapshot.running, [("Compile b.c".into(), seconds(3.0)), ("Compile a.c".into(), seconds(1.0))]);
    progress.finished(fixture.pip("b"), 1, &result(Done::Executed), seconds(0.0), seconds(3.0));
    let snapshot = progress.snapshot(&mut Estimate::default(), true);
    assert_eq!((snapshot.executed, snapshot.running.len(), snapshot.stopping), (1, 1, true));
}

/// A build with a log and a trace, and both.
fn written() -> (Vec<Value>, Value, Fixture) {
    let fixture = Fixture::new();
    let reporter = reporter(&["--quiet"]);
    let (log, trace) = (Memory::default(), Memory::default());
    let screen = Plain::new(Memory::default());
    let time = AtomicU64::new(1000);
    let clock = || Duration::from_millis(time.load(Ordering::Relaxed));
    let graph = &fixture.graph;
    let mut progress = Progress::new(graph, fixture.workspace.files(), &reporter, &screen, &clock, 2);
    progress.log = Some(Log::new("log".as_ref(), Box::new(log.clone())));
    progress.trace = Some(Trace::new("trace".as_ref(), Box::new(trace.clone()), 2));
    if let Some(log) = &progress.log {
        log.write(&log::beginning(graph, 2, Some("tag='x'")), true);
    }
    progress.begun(3);
    let (a, b, note) = (fixture.pip("a"), fixture.pip("b"), fixture.pip("note"));
    let output = graph.pip(a).output_files().next().unwrap().path;
    time.store(1250, Ordering::Relaxed);
    progress.running(a, 1);
    let violation = Violation {
        rule: Rule::DoubleWrite,
        path: output,
        pip: a,
        other: Some(b),
        program: "/usr/bin/cc".to_owned(),
        note: None,
    };
    let executed = PipResult {
        violations: vec![violation.clone()],
        reads: vec![(output, Reads { content: true, file: true, link: true, ..Reads::default() })],
        outputs: vec![
            (output, Content::File { digest: Digest::of(b""), executable: true }),
            (output, Content::Link("to".into())),
        ],
        command: Some("cc".to_owned()),
        reason: Some("it has no earlier result".to_owned()),
        exit_code: Some(0),
        user: seconds(0.5),
        peak_memory: 1024,
        retries: 1,
        warnings: vec!["w".to_owned()],
        ..result(Done::Executed)
    };
    progress.finished(a, 1, &executed, seconds(0.2), seconds(1.2));
    progress.finished(note, 0, &result(Done::Hit), seconds(0.0), seconds(0.001));
    progress.skipped(b);
    let outcome = BuildOutcome {
        pips: 3,
        executed: 1,
        hits: 1,
        skipped: 1,
        violations: vec![violation],
        ..BuildOutcome::default()
    };
    let violations = outcome.violations.iter().map(|one| summary::violation(one, graph)).collect();
    let summary = log::ending(&summary::object(&outcome, progress.warnings(), violations, 1.5));
    progress.close(Some(&summary)).unwrap();
    let lines = log.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, serde_json::from_str(&trace.text()).unwrap(), fixture)
}

#[test]
fn the_log_has_an_object_for_everything() {
    let (lines, _, fixture) = written();
    let id = |value: &str| fixture.graph.stable_id(fixture.pip(value)).to_string();
    let [build, a, note, b, summary] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        build,
        &json!({
            "event": "build", "version": 1, "program": concat!("dscript ", env!("CARGO_PKG_VERSION")),
            "workspace": ".", "jobs": 2, "qualifiers": [{}], "filter": "tag='x'",
        })
    );
    let violation = json!({
        "rule": "doubleWrite", "code": "DX5002", "path": "Out/Objects/a.c.o", "pip": id("a"), "other": id("b"),
        "program": "/usr/bin/cc",
        "places": [
            { "file": "build.dsc", "line": 6, "column": 12 },
            { "file": "build.dsc", "line": 6, "column": 12 },
        ],
    });
    assert_eq!(
        a,
        &json!({
            "event": "pip", "id": id("a"), "kind": "process", "value": "a", "spec": "build.dsc", "line": 6,
            "description": "Compile a.c", "result": "executed", "start": 0.2, "end": 1.2, "user": 0.5, "system": 0.0,
            "peakMemory": 1024, "exitCode": 0, "command": "cc", "weak": null, "strong": null,
            "reason": "it has no earlier result", "uncached": null, "origin": null, "remote": false, "local": null, "retries": 1,
            "reads": [{ "path": "Out/Objects/a.c.o", "how": ["content", "probe", "link"] }],
            "outputs": [
                { "path": "Out/Objects/a.c.o", "hash": Digest::of(b"").hex(), "size": 0, "executable": true },
                { "path": "Out/Objects/a.c.o", "link": "to" },
            ],
            "violations": [violation], "warnings": ["w"],
        })
    );
    assert_eq!((&note["kind"], &note["result"], &note["user"]), (&json!("writeFile"), &json!("hit"), &Value::Null));
    assert_eq!((&b["id"], &b["result"], b.get("start")), (&json!(id("b")), &json!("skipped"), None));
    assert_eq!(
        summary,
        &json!({
            "event": "summary", "pips": 3, "executed": 1, "hits": 1, "executedRemotely": 0,
            "remoteHits": 0, "skipped": 1, "failed": 0, "cancelled": false,
            "scrubbed": 0, "warnings": 1, "remote": null, "seconds": 1.5, "violations": [violation],
        })
    );
}

#[test]
fn the_trace_has_pips_on_slots_and_a_counter() {
    let (_, trace, _) = written();
    let events = trace.as_array().unwrap();
    let pips: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(pips.len(), 2);
    let place = |event: &Value| (event["tid"].clone(), event["ts"].clone(), event["dur"].clone());
    assert_eq!(pips[0]["name"], "Compile a.c");
    assert_eq!(place(pips[0]), (json!(2), json!(200_000), json!(1_000_000)));
    assert_eq!(pips[0]["args"]["because"], "it has no earlier result");
    assert_eq!(place(pips[1]), (json!(1), json!(0), json!(1_000)));
    let counts: Vec<_> = events
        .iter()
        .filter(|event| event["ph"] == "C")
        .map(|event| (event["ts"].as_u64().unwrap(), event["args"]["processes"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [(250_000, 1), (1_200_000, 0)]);
    assert_eq!(events.iter().filter(|event| event["name"] == "thread_name").count(), 2);
}

#[test]
fn a_full_disk_is_told_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::new("build.log".as_ref(), Full);
    log.write(&json!({}), true);
    log.write(&json!({}), true);
    assert!(log.close().unwrap_err().to_string().starts_with("cannot write `build.log`: "));
    let trace = Trace::new("build.trace".as_ref(), Full, 1);
    assert!(trace.close().unwrap_err().to_string().starts_with("cannot write `build.trace`: "));
}
