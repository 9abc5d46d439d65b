//! Lint rules: every `.dsc` under `tests/cases/lint` is checked, and what a user would see is compared with the
//! `.expected` file beside it. Files named `.ok.dsc` must give nothing. `UPDATE=1` writes the snapshots anew.
//!
//! Comments at the top of a case choose its circumstances: `// kind: config`, `// policies: NoGlob`.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "tests read their data and say what they skip")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dscript::check::{FileKind, Policies, RULES, lint};
use dscript::diagnostics::{Diagnostic, Severity};
use dscript::source::Files;
use dscript::syntax::parse;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/lint");
    let mut trials = Vec::new();
    for path in specs_below(&folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        trials.push(Trial::test(name, move || case(&path)));
    }
    trials.push(Trial::test("every rule has a case", move || every_rule_has_a_case(&folder)));
    trials.push(Trial::test("every number is shown or explained", every_number));
    trials.push(Trial::test("own specs are clean", own_specs));
    trials.push(Trial::test("real specs are clean", real_specs));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// All `.dsc` files below a folder, sorted.
fn specs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) if path.extension().is_some_and(|extension| extension == "dsc") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn case(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let shown = check(path, &text, kind_of(&text), policies_of(&text))?;
    if path.to_string_lossy().ends_with(".ok.dsc") {
        return if shown.is_empty() { Ok(()) } else { Err(format!("nothing was expected:\n{shown}").into()) };
    }
    let expected = path.with_extension("expected");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&expected, &shown)?;
    }
    let wanted = std::fs::read_to_string(&expected)?;
    if shown.is_empty() {
        return Err("a case without `.ok.dsc` must report something".into());
    }
    if shown != wanted {
        let difference = similar::TextDiff::from_lines(&wanted, &shown);
        return Err(difference.unified_diff().header("expected", "reported").to_string().into());
    }
    Ok(())
}

fn header<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().take(3).find_map(|line| line.strip_prefix("// ")?.strip_prefix(key)?.strip_prefix(": "))
}

fn kind_of(text: &str) -> FileKind {
    match header(text, "kind").unwrap_or("spec") {
        "explicit" => FileKind::ExplicitSpec,
        "prelude" => FileKind::Prelude,
        "project" => FileKind::Project,
        "config" => FileKind::Config,
        "module" => FileKind::Module,
        "list" => FileKind::List,
        _ => FileKind::Spec,
    }
}

fn policies_of(text: &str) -> Policies {
    Policies::from_names(header(text, "policies").into_iter().flat_map(|names| names.split(", "))).0
}

/// What the rules say about a text; an error where the text does not parse.
fn check(path: &Path, text: &str, kind: FileKind, policies: Policies) -> Result<String, Failed> {
    let files = Files::new();
    let id = files.add(path, text);
    let (ast, errors) = parse(id, files.get(id).text().clone());
    if !errors.is_empty() {
        return Err(format!("the text does not parse:\n{}", show(&files, &errors)).into());
    }
    Ok(show(&files, &lint(&ast, kind, &policies)))
}

/// Diagnostics in a plain form: one line each, then its other places, notes and help.
fn show(files: &Files, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    let place = |location: dscript::source::Location| {
        let at = files.get(location.file).line_column(location.span.start);
        format!("{}:{}", at.line, at.column)
    };
    for diagnostic in diagnostics {
        let at = diagnostic.primary().map_or("-".to_owned(), |label| place(label.location));
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let _ = writeln!(out, "{at}: {severity} {}: {}", diagnostic.code, diagnostic.message);
        for label in diagnostic.labels.iter().filter(|label| !label.primary) {
            let _ = writeln!(out, "  at {}: {}", place(label.location), label.message);
        }
        for note in &diagnostic.notes {
            let _ = writeln!(out, "  note: {note}");
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
    out
}

fn every_rule_has_a_case(folder: &Path) -> Result<(), Failed> {
    if std::env::var_os("UPDATE").is_some() {
        eprintln!("skipped: the snapshots are being written");
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    for path in specs_below(folder) {
        let Ok(expected) = std::fs::read_to_string(path.with_extension("expected")) else { continue };
        let number = path.file_name().unwrap_or_default().to_string_lossy().split('-').next().map(str::to_owned);
        let number = number.unwrap_or_default();
        if !expected.contains(&format!(" DX{number}: ")) {
            return Err(format!("{} does not report DX{number}", path.display()).into());
        }
        seen.extend(expected.split(" DX").skip(1).filter_map(|rest| rest.split(':').next()).map(str::to_owned));
    }
    let known: BTreeSet<String> = RULES.iter().map(|rule| rule.code.to_string()[2..].to_owned()).collect();
    let missing: Vec<&String> = known.difference(&seen).collect();
    if !missing.is_empty() {
        return Err(format!("rules without a case: {missing:?}").into());
    }
    let unknown: Vec<&String> = seen.difference(&known).collect();
    if !unknown.is_empty() {
        return Err(format!("reported, but not in the table of rules: {unknown:?}").into());
    }
    Ok(())
}

/// BuildXL's numbers for what is refused before evaluation: first and last of each run.
const NUMBERS: &[(u32, u32)] = &[
    (9000, 9018),
    (9020, 9022),
    (9024, 9026),
    (9030, 9038),
    (9041, 9045),
    (9047, 9061),
    (9063, 9078),
    (9081, 9083),
    (9085, 9087),
    (9090, 9090),
    (9100, 9105),
    (9201, 9205),
    (9207, 9214),
    (9217, 9217),
    (9219, 9219),
    (9223, 9237),
    (9239, 9239),
    (9369, 9369),
    (9371, 9371),
    (9390, 9391),
    (9404, 9404),
    (9417, 9417),
    (50001, 50001),
    (50101, 50120),
];

/// Numbers inside the runs that BuildXL does not have.
const GAPS: &[u32] = &[9039, 9040, 9046, 9062, 9079, 9080, 9084];

/// Each number has a case that reports it and a near miss that does not, or `docs/static-rules.md` says why it cannot
/// occur; never both.
fn every_number() -> Result<(), Failed> {
    if std::env::var_os("UPDATE").is_some() {
        eprintln!("skipped: the snapshots are being written");
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/static-rules.md"))?;
    let rows = page.lines().filter_map(|line| line.strip_prefix("| DX")?.strip_suffix(" |")?.split_once(" | "));
    let explained: BTreeSet<u32> = rows.filter_map(|(number, _)| number.parse().ok()).collect();
    // The number of each case by its name, with whether it is a near miss.
    let mut refused = BTreeSet::new();
    let mut allowed = BTreeSet::new();
    for (folder, prefix) in [("lint", ""), ("workspace", "rule-")] {
        for entry in std::fs::read_dir(root.join("tests/cases").join(folder))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(digits) = name.strip_prefix(prefix) else { continue };
            let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse::<u32>() else { continue };
            if name.contains(".ok.") {
                allowed.insert(number);
            } else if name.ends_with(".expected") {
                if !std::fs::read_to_string(&path)?.contains(&format!("DX{number}")) {
                    return Err(format!("{name} does not report DX{number}").into());
                }
                refused.insert(number);
            }
        }
    }
    let mut wrong = Vec::new();
    let all = NUMBERS.iter().flat_map(|(first, last)| *first..=*last).filter(|number| !GAPS.contains(number));
    let all: BTreeSet<u32> = all.collect();
    for number in &all {
        match (refused.contains(number), allowed.contains(number), explained.contains(number)) {
            (true, true, false) | (false, false, true) => {}
            (true, _, true) => wrong.push(format!("DX{number} occurs, but the page says that it cannot")),
            (_, _, true) => wrong.push(format!("DX{number} has a near miss, but the page says that it cannot occur")),
            (false, _, false) => wrong.push(format!("DX{number} has no case that reports it")),
            (true, false, false) => wrong.push(format!("DX{number} has no near miss")),
        }
    }
    wrong.extend(
        explained.difference(&all).map(|number| format!("DX{number} is explained, but is no number of a rule")),
    );
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// What kind of file a spec on disk is, from its name, its folder and its text.
fn kind_on_disk(path: &Path, text: &str) -> FileKind {
    let shown = path.to_string_lossy().replace('\\', "/");
    match path.file_name().unwrap_or_default().to_str() {
        Some("module.config.dsc" | "package.config.dsc") => FileKind::Module,
        _ if text.lines().any(|line| line.starts_with("config(")) => FileKind::Config,
        _ if shown.contains("/Public/Prelude/") || shown.contains("/stdlib/prelude/") => FileKind::Prelude,
        _ => FileKind::Spec,
    }
}

/// The interpreter's own modules and the examples follow the rules that it enforces.
fn own_specs() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut out = String::new();
    for path in ["stdlib", "examples"].iter().flat_map(|folder| specs_below(&root.join(folder))) {
        let text = std::fs::read_to_string(&path)?;
        let shown = check(&path, &text, kind_on_disk(&path, &text), Policies::default());
        let violations = shown.unwrap_or_else(|error| error.message().unwrap_or("it does not parse").to_owned());
        if !violations.is_empty() {
            let _ = writeln!(out, "{}\n{violations}", path.display());
        }
    }
    if out.is_empty() { Ok(()) } else { Err(out.into()) }
}

/// BuildXL builds its own specs, so no rule may refuse one of them.
fn real_specs() -> Result<(), Failed> {
    let Some(root) = std::env::var_os("BUILDXL_SRC") else {
        eprintln!("skipped: BUILDXL_SRC does not name a checkout of microsoft/BuildXL");
        return Ok(());
    };
    let specs = specs_below(Path::new(&root));
    if specs.len() < 500 {
        return Err(format!("only {} specs in BUILDXL_SRC", specs.len()).into());
    }
    let mut out = String::new();
    for path in specs {
        let shown = path.to_string_lossy().replace('\\', "/");
        // Data of an editor's tests, not specs that anyone builds.
        if shown.contains("/LanguageServer/testdata/") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        // The repository's own configuration turns these on for what it builds itself.
        let policies = match shown.contains("/Public/Src/") && !shown.contains("/DetoursTests/") {
            true => Policies::from_names(["NoTransformers", "EnforceSomeTypeSanity"]).0,
            false => Policies::default(),
        };
        // What lies beside the configuration is imported by it.
        let kind = match kind_on_disk(&path, &text) {
            FileKind::Spec if path.parent() == Some(Path::new(&root)) => FileKind::List,
            kind => kind,
        };
        match check(&path, &text, kind, policies) {
            Ok(violations) if violations.is_empty() => {}
            Ok(violations) => {
                let _ = writeln!(out, "{shown}\n{violations}");
            }
            // Whether all of them parse is for the parser's own tests.
            Err(_) => eprintln!("not checked, as it does not parse: {shown}"),
        }
    }
    if out.is_empty() { Ok(()) } else { Err(out.into()) }
}
