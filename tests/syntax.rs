//! Runs every file of `tests/cases/syntax`: its diagnostics are those of the `.expected` file beside it (`UPDATE=1`
//! writes them), and a file without diagnostics survives printing.
#![allow(clippy::disallowed_methods, reason = "tests read their data")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dscript::source::{FileId, Files};
use dscript::syntax::{ast_equal, parse, print, to_json};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut trials: Vec<Trial> = Vec::new();
    let mut cases = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/syntax")), &mut cases);
    cases.sort();
    for case in cases {
        let name = case.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        trials.push(Trial::test(name, move || check_case(&case)));
    }
    trials.push(Trial::test("there are cases", {
        let count = trials.len();
        move || if count > 30 { Ok(()) } else { Err(format!("only {count} cases were found").into()) }
    }));
    trials.push(Trial::test("deep nesting", check_depth));
    trials.push(Trial::test("long chains", check_chains));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "dsc") {
            files.push(path);
        }
    }
}

fn render(files: &Files, id: FileId) -> (String, Result<(), Failed>) {
    let file = files.get(id);
    let (ast, diagnostics) = parse(id, file.text().clone());
    let mut out = String::new();
    for diagnostic in &diagnostics {
        if let Some(label) = diagnostic.primary() {
            let start = file.line_column(label.location.span.start);
            let end = file.line_column(label.location.span.end);
            let _ = write!(out, "{}:{}-{}:{} ", start.line, start.column, end.line, end.column);
        }
        let _ = writeln!(out, "{} {}", diagnostic.code, diagnostic.message);
        for label in diagnostic.labels.iter().filter(|label| !label.message.is_empty()) {
            let _ = writeln!(out, "  label: {}", label.message);
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
    to_json(&ast);
    let survives = if diagnostics.is_empty() { round_trip(files, &ast) } else { Ok(()) };
    (out, survives)
}

fn round_trip(files: &Files, ast: &dscript::syntax::ast::Ast) -> Result<(), Failed> {
    let printed = print(ast);
    let id = files.add("printed.dsc", printed.clone());
    let (again, diagnostics) = parse(id, files.get(id).text().clone());
    if let Some(first) = diagnostics.first() {
        let line = first.primary().map_or(0, |label| files.get(id).line_column(label.location.span.start).line);
        let text = printed.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
        return Err(format!("printed text does not parse: {} at line {line}: {text}", first.message).into());
    }
    if !ast_equal(ast, &again) {
        return Err(format!("printed text has another tree:\n{printed}").into());
    }
    if print(&again) != printed {
        return Err("printing is not stable".into());
    }
    Ok(())
}

fn check_case(path: &Path) -> Result<(), Failed> {
    let files = Files::new();
    let id = files.add(path.file_name().unwrap_or_default(), fs::read_to_string(path)?);
    let (found, survives) = render(&files, id);
    let expected = path.with_extension("expected");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &found)?;
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    if wanted != found {
        let diff = similar::TextDiff::from_lines(&wanted, &found);
        return Err(format!("{}", diff.unified_diff().header("expected", "found")).into());
    }
    survives
}

/// Nothing that is nested without end may overflow the stack.
fn check_depth() -> Result<(), Failed> {
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{a:", "1", "}"),
        ("!", "1", ""),
        ("- ", "1", ""),
        ("x => ", "1", ""),
        ("a ? b : ", "1", ""),
        ("a = ", "1", ""),
        ("<T>", "1", ""),
        ("`${", "1", "}`"),
        ("f(", "1", ")"),
        ("(a) => { return ", "1", "; }"),
    ] {
        let text = format!("const a = {}{middle}{};", open.repeat(100_000), close.repeat(100_000));
        let files = Files::new();
        let id = files.add("deep.dsc", text);
        let (_, diagnostics) = parse(id, files.get(id).text().clone());
        if diagnostics.first().is_none_or(|first| first.code.to_string() != "DS0102") {
            return Err(format!("`{open}`: expected DS0102, found {:?}", diagnostics.first()).into());
        }
        let text = format!("const a = {}{middle}{};", open.repeat(300), close.repeat(300));
        let id = files.add("less.dsc", text);
        let (found, survives) = render(&files, id);
        if !found.is_empty() {
            return Err(format!("`{open}` 300 times: {found}").into());
        }
        survives?;
    }
    let files = Files::new();
    for text in ["{".repeat(50_000), "if (a) ".repeat(50_000), "if (a) b(); else ".repeat(50_000), ")".repeat(50_000)] {
        let id = files.add("deep.dsc", text);
        let (_, diagnostics) = parse(id, files.get(id).text().clone());
        if diagnostics.is_empty() || diagnostics.len() > 100 {
            return Err(format!("{} diagnostics", diagnostics.len()).into());
        }
    }
    Ok(())
}

/// Chains that are long but not nested have no limit.
fn check_chains() -> Result<(), Failed> {
    for (first, more) in [("a", " + a"), ("a", ".b"), ("f", "(1)"), ("a", "[0]"), ("a", " && b"), ("a", " as T")] {
        let files = Files::new();
        let id = files.add("chain.dsc", format!("const x = {first}{};", more.repeat(100_000)));
        let (found, survives) = render(&files, id);
        if !found.is_empty() {
            return Err(format!("`{more}`: {found}").into());
        }
        survives?;
    }
    Ok(())
}
