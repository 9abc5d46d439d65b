//! Workspaces in memory: every fixture under `tests/cases/workspace` holds several files, is opened and evaluated, and
//! what a user would see is compared with the `.expected` file beside it. `UPDATE=1` writes the snapshots anew.
//!
//! A fixture says on its first line what it shows. Then come options, one a line (`open: folder`, `qualifier: k=v`,
//! `env: NAME=VALUE`, `host: win`, `probe: SPEC: EXPRESSION`, `show: contents` for whole files, `crlf: yes` for files of
//! Windows), and after each `//// path` the text of that file. Fixtures named `.ok.fixture` must give no diagnostic and
//! have no snapshot.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use dscript::diagnostics::Diagnostic;
use dscript::diagnostics::render::{Format, Renderer};
use dscript::graph::PipGraph;
use dscript::graph::export::{self, TextOptions};
use dscript::source::system::{MapEnvironment, MemoryFileSystem};
use dscript::workspace::{OpenOptions, QualifierRequest, Workspace};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/workspace");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "fixture"))
        .collect();
    paths.sort();
    let trials = paths.into_iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(name, move || case(&path))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The files and options of one case.
struct Fixture<'t> {
    options: Vec<(&'t str, &'t str)>,
    files: Vec<(&'t str, &'t str)>,
}

fn read(text: &str) -> Fixture<'_> {
    let mut parts = text.split("\n//// ");
    let options = parts.next().unwrap_or_default().lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
    let files = parts.filter_map(|part| part.split_once('\n').or(Some((part, "")))).collect();
    Fixture { options, files }
}

fn case(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let fixture = read(&text);
    if fixture.files.is_empty() {
        return Err("the fixture has no files".into());
    }
    let shown = run(&fixture, 1)?;
    if shown != run(&fixture, 4)? {
        return Err("one thread and four threads differ".into());
    }
    if path.to_string_lossy().ends_with(".ok.fixture") {
        let is_message = |line: &str| line.starts_with("error[") || line.starts_with("warning[");
        return if shown.lines().any(is_message) {
            Err(format!("nothing was expected:\n{shown}").into())
        } else {
            Ok(())
        };
    }
    let expected = path.with_extension("expected");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &shown)?;
    }
    let wanted = std::fs::read_to_string(&expected)?;
    if shown != wanted {
        let difference = similar::TextDiff::from_lines(&wanted, &shown);
        return Err(difference.unified_diff().header("expected", "shown").to_string().into());
    }
    Ok(())
}

/// Every file that a pip writes, whole.
fn contents(graph: &PipGraph, out: &mut Vec<u8>) -> Result<(), Failed> {
    let mut json = Vec::new();
    export::json(graph, &mut json)?;
    let graph: serde_json::Value = serde_json::from_slice(&json)?;
    for pip in graph["pips"].as_array().into_iter().flatten().filter(|pip| pip["kind"] == "writeFile") {
        let file = pip["outputs"]["files"][0].as_str().unwrap_or_default();
        let text = pip["contents"].as_str().unwrap_or_default().replace('\r', "␍");
        writeln!(out, "\n---- {file}\n{text}")?;
    }
    Ok(())
}

fn run(fixture: &Fixture<'_>, threads: usize) -> Result<String, Failed> {
    let values = |key: &str| {
        let key = key.to_owned();
        fixture.options.iter().filter(move |(name, _)| *name == key).map(|(_, value)| *value)
    };
    let root = Path::new("/w");
    let crlf = values("crlf").next().is_some();
    let content = |text: &str| if crlf { format!("\u{feff}{}", text.replace('\n', "\r\n")) } else { text.to_owned() };
    let files: MemoryFileSystem = fixture.files.iter().map(|(path, text)| (root.join(path), content(text))).collect();
    let mut environment = MapEnvironment::new();
    for (name, value) in values("env").filter_map(|pair| pair.split_once('=')) {
        environment = environment.with(name, value);
    }
    let options = OpenOptions {
        threads: threads.try_into().ok(),
        file_system: Arc::new(files),
        environment: Arc::new(environment),
        host: values("host").next().map(str::parse).transpose()?,
        ..OpenOptions::default()
    };
    let path = root.join(values("open").next().unwrap_or("."));
    let workspace = match Workspace::open(&path, options) {
        Ok(workspace) => workspace,
        Err(error) => return Ok(format!("{error}\n")),
    };
    let mut out = Vec::new();
    let show = |diagnostics: &[Diagnostic], out: &mut Vec<u8>| {
        let renderer = Renderer { format: Format::Human, base: root.into(), ..Renderer::default() };
        renderer.render(diagnostics, workspace.files(), out)
    };
    let probes: Vec<&str> = values("probe").collect();
    for probe in &probes {
        let Some((spec, expression)) = probe.split_once(": ") else {
            return Err(format!("`{probe}` is no probe").into());
        };
        let spec = (spec != "-").then(|| Path::new(spec));
        let probed = workspace.eval_at(spec, &[expression.to_owned()], None);
        show(&probed.diagnostics, &mut out)?;
        for value in probed.values {
            show(&value.diagnostics, &mut out)?;
            out.extend(format!("{expression} = {}\n", value.json).into_bytes());
        }
    }
    if probes.is_empty() {
        let requests: Vec<QualifierRequest> = values("qualifier").map(QualifierRequest::from).collect();
        let evaluation = workspace.evaluate(&requests);
        show(&evaluation.diagnostics, &mut out)?;
        if let Some(graph) = evaluation.graph {
            export::text(&graph, TextOptions::default(), &mut out)?;
            if values("show").any(|what| what == "contents") {
                contents(&graph, &mut out)?;
            }
        }
    }
    Ok(String::from_utf8(out)?)
}
