//! The rules of the pip graph as users meet them: each with a workspace that it refuses and a near miss that it allows.
//!
//! `tests/cases/graph/CODE-words.dsc` is a workspace (see `support::workspace`). What `dscript graph` says about it
//! stands in `CODE-words.expected`; `CODE-words.ok.dsc` must give no diagnostics, and its graph as text stands in
//! `CODE-words.ok.expected`. `UPDATE=1 cargo test --test graph` writes the snapshots anew.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// Every rule: what BuildXL checks when a pip is added, when the graph is finished, and in front of the graph, by
/// its number, and ours.
const RULES: &[&str] = &[
    // Inputs.
    "DX2001", "DX0213", "DX0310", "DX0215", "DX0217", "DX13102", // Output files.
    "DX0206", "DX14415", "DX2000", "DX0246", "DX0210", "DX0211", "DX0209", "DX0208", "DX0207", "DX0248", "DX2005",
    // Processes.
    "DX0216", "DX0218", "DX0212", "DX13101", "DX13100", "DX2004", "DX2003", "DX0296", "DX0303", "DX0302", "DX0304",
    "DX14411", "DX14112", "DX14420", "DX14421", // Copies, writes, messages.
    "DX0220", "DX0221", // Seals.
    "DX0284", "DX0285", "DX0247", "DX14412", "DX14413", "DX14403", "DX14402", "DX14416",
    // Files asserted in opaque directories.
    "DX9377", "DX14417", "DX14414", // The whole graph.
    "DX14100", "DX14101", "DX14102", "DX14103", "DX14104", "DX14105", "DX14107", "DX14108", "DX14109", "DX14110",
    "DX14111", "DX14113", "DX14114", // Before the graph.
    "DX9357", "DX9327", "DX14418", // Ours.
    "DS0501", "DS0503",
];

/// Rules that only remark or warn.
const NO_ERROR: [&str; 3] = ["DX2005", "DX14112", "DX14421"];

fn main() -> ExitCode {
    let folder = support::project().join("tests/cases/graph");
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".dsc") {
        trials.push(Trial::test(support::name_of(&path), move || case(&path)));
    }
    trials.push(Trial::test("every rule has a case", move || every_rule_has_a_case(&folder)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn case(path: &Path) -> Result<(), Failed> {
    let name = support::name_of(path);
    let code = name.split('-').next().unwrap_or_default();
    let workspace = support::workspace(&std::fs::read_to_string(path)?)?;
    let folder = workspace.path();
    let ran = support::run(folder, &["graph", support::target(folder)])?;
    let snapshot = path.with_extension("expected");
    if name.ends_with(".ok.dsc") {
        return support::compare(&snapshot, &ran.fine()?.stdout);
    }
    let exit = i32::from(!NO_ERROR.contains(&code));
    if ran.code != exit {
        return Err(format!("exit code {}, expected {exit}:\n{}", ran.code, ran.stderr).into());
    }
    if !ran.stderr.contains(&format!("[{code}]")) {
        return Err(format!("{code} is not reported:\n{}", ran.stderr).into());
    }
    support::compare(&snapshot, &ran.stderr)
}

/// Every rule has a refused case with its near miss.
fn every_rule_has_a_case(folder: &Path) -> Result<(), Failed> {
    let specs: BTreeSet<PathBuf> = support::files_below(folder, ".dsc").into_iter().collect();
    let mut shown = BTreeSet::new();
    for spec in specs.iter().filter(|spec| !spec.to_string_lossy().ends_with(".ok.dsc")) {
        if !specs.contains(&spec.with_extension("ok.dsc")) {
            return Err(format!("{} has no near miss beside it", spec.display()).into());
        }
        shown.extend(support::name_of(spec).split('-').next().map(str::to_owned));
    }
    let without: Vec<_> = RULES.iter().filter(|rule| !shown.contains(**rule)).collect();
    if without.is_empty() { Ok(()) } else { Err(format!("rules without a case: {without:?}").into()) }
}
