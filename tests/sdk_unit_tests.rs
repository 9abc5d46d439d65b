//! The unit tests of the SDK of the public repository microsoft/BuildXL, unchanged, against its own SDK modules. Runs when
//! `BUILDXL_SRC` names a checkout, and says that it was skipped otherwise.
//!
//! `docs/sdk-unit-tests.md` lists the tests that do not pass, with the reason of each. This test fails when the list says
//! less or more than what happens.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use dscript::source::system::OperatingSystem;
use dscript::testing::{Status, TestOptions, run};

/// How many tests there are, and how many must pass.
const TESTS: usize = 124;
const PASSING: usize = 115;

#[test]
fn on_windows() {
    check("win", OperatingSystem::Windows);
}

#[test]
fn on_unix() {
    check("unix", OperatingSystem::Unix);
}

fn check(host: &str, os: OperatingSystem) {
    let Some(source) = std::env::var_os("BUILDXL_SRC").map(PathBuf::from) else {
        // The standard library captures what `println!` writes of a test that passes.
        let _ = writeln!(std::io::stderr(), "skipped: BUILDXL_SRC does not name a checkout of microsoft/BuildXL");
        return;
    };
    let tests = source.join("Public/Sdk/UnitTests");
    let options = TestOptions {
        sdk: vec![source.join("Public/Sdk/Public")],
        base: tests.clone(),
        host: Some(os),
        ..TestOptions::default()
    };
    let report = run(&[tests], &options).expect("the checkout can be read");
    for suite in &report.suites {
        assert!(!suite.is_broken(), "{:?}", suite.diagnostics);
    }
    let failed: BTreeSet<&str> =
        report.results.iter().filter(|result| result.status == Status::Fail).map(|result| &*result.id).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sdk-unit-tests.md");
    let page = std::fs::read_to_string(page).expect("the list of known failures can be read");
    let listed = listed(&page, host);
    let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    let news: Vec<_> = failed.difference(&listed).collect();
    let olds: Vec<_> = listed.difference(&failed).collect();
    assert!(news.is_empty(), "these fail with `--host {host}`, and are not listed: {news:#?}");
    assert!(olds.is_empty(), "these are listed as failing with `--host {host}`, but pass or are gone: {olds:#?}");
    assert_eq!(report.results.len(), TESTS);
    assert!(report.count(Status::Pass) >= PASSING, "only {} pass", report.count(Status::Pass));
}

/// The ids in the table below the heading of a host. Each must have a reason.
fn listed(page: &str, host: &str) -> Vec<String> {
    let heading = format!("\n## With `--host {host}`\n");
    let section = page.split(&heading).nth(1).unwrap_or_else(|| panic!("there is no heading for `--host {host}`"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [spec, test, reason] = cells.as_slice() else { panic!("a row has three cells: {row}") };
        assert!(reason.len() > 20, "the reason is missing: {row}");
        format!("{spec}::{test}")
    })
    .collect()
}
