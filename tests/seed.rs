//! The snippets that the project started from: what is wrong in them is named precisely, all of it in one run, and with
//! exactly the named changes they evaluate. See `tests/cases/seed/README.md`.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// What the diagnostics of a case must contain, whatever else they say.
const MUST_SAY: &[(&str, &[&str])] = &[
    (
        "02-on-the-command-line",
        &[
            "did you mean `Transformer`?",
            "this is a typographic quote, write \"",
            "`;` is missing",
            "not bound to a name",
        ],
    ),
    ("03-in-outputs", &["did you mean `Transformer`?", "not bound to a name"]),
    ("05-nested", &["did you mean `Transformer`?", "not bound to a name"]),
    ("06-filter", &["warning[DS0601]", "filterSharedOpaqueDirectory(producedSharedOpaque, {"]),
    ("07-composite", &["warning[DS0601]", "composeSharedOpaqueDirectories(sharedOpaque, ["]),
];

fn main() -> ExitCode {
    let folder = support::project().join("tests/cases/seed");
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".dsc") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let fixes = path.with_extension("fixes");
        if fixes.exists() {
            let path = path.clone();
            trials.push(Trial::test(format!("{name}, fixed"), move || fixed(&path, &fixes)));
        }
        trials.push(Trial::test(format!("{name}, as printed"), move || as_printed(&path, &name)));
    }
    assert!(trials.len() >= 12, "the snippets are there");
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn as_printed(path: &Path, name: &str) -> Result<(), Failed> {
    let workspace = support::workspace(&std::fs::read_to_string(path)?)?;
    let ran = support::run(workspace.path(), &["graph", "build.dsc"])?;
    for text in MUST_SAY.iter().filter(|(case, _)| *case == name).flat_map(|(_, texts)| *texts) {
        if !ran.stderr.contains(text) {
            return Err(format!("`{text}` is not said:\n{}", ran.stderr).into());
        }
    }
    // Warnings do not stop it.
    if ran.code != i32::from(ran.stderr.contains("error[")) {
        return Err(format!("exit code {}:\n{}", ran.code, ran.stderr).into());
    }
    support::compare(&path.with_extension("expected"), &ran.stderr)?;
    if ran.code == 0 { support::compare(&path.with_extension("graph"), &ran.stdout) } else { Ok(()) }
}

fn fixed(path: &Path, fixes: &Path) -> Result<(), Failed> {
    let mut text = std::fs::read_to_string(path)?;
    let mut old = None;
    for line in std::fs::read_to_string(fixes)?.lines() {
        match (line.strip_prefix("- "), line.strip_prefix("+ "), old.take()) {
            (Some(before), None, None) => old = Some(before.to_owned()),
            (None, Some(after), Some(before)) if text.contains(&before) => text = text.replacen(&before, after, 1),
            _ => return Err(format!("`{line}` does not apply").into()),
        }
    }
    let workspace = support::workspace(&text)?;
    let ran = support::run(workspace.path(), &["graph", "build.dsc"])?.fine()?;
    support::compare(&path.with_extension("fixed.graph"), &ran.stdout)
}
