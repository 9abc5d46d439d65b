//! The compatibility tables are true: `docs/compatibility.md` and the shorter one in the README.
//!
//! A row says what works here, is refused, or is only warned about, and names cases: `NAME` is the workspace
//! `tests/cases/compat/NAME.dsc` (see `support::files`). A case is evaluated as `dscript graph` does it, or as a line
//! `//@ run ARGUMENTS` in it says; lines `//@ env NAME=VALUE` set variables. What works must check itself where there
//! is something to check. A row without a case fails, and so do a case without a row and a case that behaves otherwise.

#![allow(clippy::disallowed_methods, reason = "tests read their data")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// What a table says about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Neither errors nor warnings.
    Works,
    /// Errors, all with this code.
    Refused(String),
    /// No errors, and warnings, all with this code.
    Warned(String),
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    match tables() {
        Ok((book, readme)) => {
            for (name, outcome) in book.clone() {
                trials.push(Trial::test(name.clone(), move || case(&name, &outcome)));
            }
            let rows = book.clone();
            trials.push(Trial::test("every case has a row", move || every_case_has_a_row(&rows)));
            trials.push(Trial::test("the README says what the book says", move || agree(&readme, &book)));
        }
        Err(wrong) => trials.push(Trial::test("the tables can be read", move || Err(wrong))),
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Rows = BTreeMap<String, Outcome>;

/// The rows of the book and those of the README, by case.
fn tables() -> Result<(Rows, Rows), Failed> {
    let book = std::fs::read_to_string(support::project().join("docs/compatibility.md"))?;
    let readme = std::fs::read_to_string(support::project().join("README.md"))?;
    let readme = section(&readme, "compatibility")?;
    Ok((rows(&book)?, rows(readme)?))
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
fn section<'t>(page: &'t str, name: &str) -> Result<&'t str, Failed> {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let from = page.find(&open).ok_or_else(|| format!("there is no `{open}` in the README"))?;
    let to = page.find(&close).ok_or_else(|| format!("there is no `{close}` in the README"))?;
    page.get(from..to).ok_or_else(|| format!("`{close}` stands before `{open}`").into())
}

/// Rows whose last two columns are an outcome and cases.
fn rows(page: &str) -> Result<Rows, Failed> {
    let mut rows = Rows::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let columns: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [what, .., here, cases] = columns.as_slice() else {
            return Err(format!("a row has too few columns: {line}").into());
        };
        if *here == "here" {
            continue;
        }
        let outcome = outcome(here).ok_or_else(|| format!("`{here}` is no outcome, in: {line}"))?;
        let cases: Vec<&str> = cases.split('`').skip(1).step_by(2).collect();
        if cases.is_empty() {
            return Err(format!("no case shows: {what}").into());
        }
        for case in cases {
            if rows.insert(case.to_owned(), outcome.clone()).is_some() {
                return Err(format!("`{case}` stands in two rows").into());
            }
        }
    }
    if rows.is_empty() { Err("there are no rows".into()) } else { Ok(rows) }
}

fn outcome(text: &str) -> Option<Outcome> {
    if text == "works" {
        return Some(Outcome::Works);
    }
    let (how, code) = text.split_once(' ')?;
    match how {
        "refused" => Some(Outcome::Refused(code.to_owned())),
        "warning" => Some(Outcome::Warned(code.to_owned())),
        _ => None,
    }
}

fn case(name: &str, expected: &Outcome) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path(name)).map_err(|error| format!("{}: {error}", path(name).display()))?;
    let workspace = support::workspace(&text)?;
    let folder = workspace.path();
    let setting = |kind: &'static str| {
        text.lines().filter_map(move |line| line.strip_prefix("//@ ")?.strip_prefix(kind)?.strip_prefix(' '))
    };
    let mut command = support::program(folder);
    match setting("run").next() {
        Some(run) => command.args(run.split(' ')),
        None => command.args(["graph", support::target(folder)]),
    };
    for pair in setting("env") {
        let (name, value) = pair.split_once('=').ok_or("`//@ env NAME=VALUE`")?;
        command.env(name, value);
    }
    let output = command.args(["--message-format", "json"]).output()?;
    let said = String::from_utf8(output.stderr)?;
    let messages: Vec<Value> =
        said.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|error| format!("{error}: {said}"))?;
    let codes = |severity: &str| -> BTreeSet<String> {
        let those = messages.iter().filter(|message| message["severity"] == severity);
        those.filter_map(|message| message["code"].as_str()).map(str::to_owned).collect()
    };
    let (errors, warnings) = (codes("error"), codes("warning"));
    let only = |code: &String, found: &BTreeSet<String>| found.len() == 1 && found.contains(code);
    let (is_so, exit) = match expected {
        Outcome::Works => (errors.is_empty() && warnings.is_empty(), 0),
        Outcome::Refused(code) => (only(code, &errors), 1),
        Outcome::Warned(code) => (errors.is_empty() && only(code, &warnings), 0),
    };
    if is_so && output.status.code() == Some(exit) {
        return Ok(());
    }
    Err(format!("the table says {expected:?}, but the exit code is {:?} with:\n{said}", output.status.code()).into())
}

fn path(case: &str) -> PathBuf {
    support::project().join("tests/cases/compat").join(format!("{case}.dsc"))
}

fn every_case_has_a_row(rows: &Rows) -> Result<(), Failed> {
    let cases = support::files_below(&support::project().join("tests/cases/compat"), ".dsc");
    let names = cases.iter().map(|path| support::name_of(path).trim_end_matches(".dsc").to_owned());
    let missing: Vec<String> = names.filter(|name| !rows.contains_key(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("not in docs/compatibility.md: {missing:?}").into()) }
}

fn agree(readme: &Rows, book: &Rows) -> Result<(), Failed> {
    for (case, outcome) in readme {
        if book.get(case) != Some(outcome) {
            return Err(format!("the README says {outcome:?} of `{case}`, the book {:?}", book.get(case)).into());
        }
    }
    Ok(())
}
