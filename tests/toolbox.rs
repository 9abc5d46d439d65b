//! The modules `Sdk.Cc` and `Sdk.Shell`: what each function adds to the graph, and what each misuse is told.
//!
//! `tests/cases/toolbox/NAME.dsc` is a workspace (see `support::files`), evaluated in memory. Lines `//@ env NAME=VALUE`
//! set a variable, `//@ host macOS` chooses a host. What is said about it and the graph stand in `NAME.expected`; a case
//! whose name begins with `bad-` must give errors and others must not. `UPDATE=1 cargo test --test toolbox` writes the
//! snapshots anew.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use dscript::diagnostics::Diagnostic;
use dscript::diagnostics::render::Renderer;
use dscript::graph::export::{self, TextOptions};
use dscript::source::system::{Host, MapEnvironment, MemoryFileSystem, OperatingSystem};
use dscript::workspace::{OpenOptions, Workspace};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let folder = support::project().join("tests/cases/toolbox");
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".dsc") {
        trials.push(Trial::test(support::name_of(&path), move || case(&path)));
    }
    for module in ["Cc", "Shell"] {
        let folder = folder.clone();
        let name = format!("every function of Sdk.{module} has a case");
        trials.push(Trial::test(name, move || every_function_has_a_case(module, &folder)));
    }
    trials.push(Trial::test("Sdk.Cc knows its options", knows_its_options));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn case(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let root = Path::new("/w");
    let files = support::files(&text);
    let target = if files.iter().any(|(path, _)| *path == "config.dsc") { "." } else { "build.dsc" };
    let mut environment = MapEnvironment::new();
    for setting in text.lines().filter_map(|line| line.strip_prefix("//@ ")) {
        environment = match setting.split_once(' ') {
            Some(("env", pair)) => {
                let (name, value) = pair.split_once('=').ok_or("`//@ env NAME=VALUE`")?;
                environment.with(name, value)
            }
            Some(("host", "macOS")) => environment.with_host(Host { os: OperatingSystem::MacOs, ..Host::default() }),
            Some(("host", "win")) => environment.with_host(Host { os: OperatingSystem::Windows, ..Host::default() }),
            _ => return Err(format!("`{setting}` is no setting").into()),
        };
    }
    let place = |path: &str| if path.starts_with('/') { path.into() } else { root.join(path) };
    let options = OpenOptions {
        file_system: Arc::new(
            files.iter().map(|(path, text)| (place(path), text.as_str())).collect::<MemoryFileSystem>(),
        ),
        environment: Arc::new(environment),
        ..OpenOptions::default()
    };
    let workspace = Workspace::open(root.join(target), options)?;
    let evaluation = workspace.evaluate(&[]);
    let mut shown = Vec::new();
    let renderer = Renderer { base: root.into(), ..Renderer::default() };
    renderer.render(&evaluation.diagnostics, workspace.files(), &mut shown)?;
    let failed = evaluation.diagnostics.iter().any(Diagnostic::is_error);
    if let Some(graph) = evaluation.graph.as_ref().filter(|_| !failed) {
        export::text(graph, TextOptions { width: 10_000, ..TextOptions::default() }, &mut shown)?;
    }
    let shown = String::from_utf8(shown)?;
    if failed != support::name_of(path).starts_with("bad-") {
        return Err(format!("only cases that begin with `bad-` have errors:\n{shown}").into());
    }
    support::compare(&path.with_extension("expected"), &shown)
}

/// Every function that the module exports is called by some case.
fn every_function_has_a_case(module: &str, folder: &Path) -> Result<(), Failed> {
    let mut missing = BTreeSet::new();
    for spec in support::files_below(&support::project().join("stdlib").join(format!("Sdk.{module}")), ".dsc") {
        let text = std::fs::read_to_string(&spec)?;
        let public = text.split("\n@@public\nexport function ").skip(1).filter_map(|rest| rest.split('(').next());
        missing.extend(public.map(|name| format!("{module}.{name}(")));
    }
    if missing.is_empty() {
        return Err(format!("Sdk.{module} exports no function").into());
    }
    for case in support::files_below(folder, ".dsc") {
        let text = std::fs::read_to_string(case)?;
        missing.retain(|call| !text.contains(call));
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("no case calls {missing:?}").into()) }
}

/// The fields of the interface `Options` are those that a caller may give.
fn knows_its_options() -> Result<(), Failed> {
    let folder = support::project().join("stdlib/Sdk.Cc");
    let part = |file: &str, from: &str, to: &str| -> Result<String, Failed> {
        let text = std::fs::read_to_string(folder.join(file))?;
        let (_, text) = text.split_once(from).ok_or_else(|| format!("`{from}` is not in {file}"))?;
        Ok(text.split_once(to).ok_or_else(|| format!("`{to}` is not in {file}"))?.0.to_owned())
    };
    let declared = part("options.dsc", "interface Options {", "\n}")?;
    let declared: Vec<&str> = declared.lines().filter_map(|line| Some(line.trim().split_once("?: ")?.0)).collect();
    let listed = part("checks.dsc", "const optionFields: string[] = [", "];")?;
    let listed: Vec<&str> = listed.lines().map(|line| line.trim().trim_matches(['"', ','])).collect();
    let listed: Vec<&str> = listed.into_iter().filter(|name| !name.is_empty()).collect();
    if declared.len() > 10 && declared == listed {
        return Ok(());
    }
    Err(format!("the interface has {declared:?}, the list {listed:?}").into())
}
