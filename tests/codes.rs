//! Every number that evaluation, configuration and modules report: a workspace that meets it, and a near miss that does
//! not.
//!
//! `tests/cases/codes/CODE-words.dsc` is such a workspace in memory, under `/w`: several files, each after a line
//! `//// path`; what comes before the first one is `build.dsc`. What a user sees stands in `CODE-words.expected`;
//! `CODE-words.ok.dsc` must give no diagnostics. `UPDATE=1 cargo test --test codes` writes the snapshots anew. Comments
//! at the top of a case choose its circumstances:
//! - `// qualifier: key=value`, `// env: NAME=VALUE`, `// open: path`, `// sdk: path`,
//! - `// also: CODE`: the near miss may report this one,
//! - `// deny: path`: what lies there is seen but may not be read,
//! - `// gone: path`: a file that was listed, and is not there any more when it is read.
//!
//! `tests/cases/nasty` has specs in the same form that try to hurt: whatever they meet, it is said at its place, and
//! neither time nor memory nor the stack runs out. `NAME.expected` has what a user sees.
//!
//! Three more tests hold the whole together: no number of the ranges above is without a case, no code that the sources
//! can report is without a snapshot anywhere, and `docs/error-numbers.md` lists all of BuildXL's numbers that are left.

#![allow(clippy::disallowed_methods, reason = "tests read their data and the sources of the crate themselves")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use dscript::diagnostics::render::{Format, Renderer};
use dscript::diagnostics::{Code, catalogue};
use dscript::source::system::{DirEntry, EntryKind, FileSystem, MapEnvironment, MemoryFileSystem};
use dscript::workspace::{OpenOptions, QualifierRequest, Workspace};
use libtest_mimic::{Arguments, Failed, Trial};

/// BuildXL's numbers of evaluation, configuration, modules and qualifiers: its front ends `Sdk`, `Script` and `Core`.
const NUMBERS: &[(u32, u32)] = &[
    (950, 952),
    (7500, 7506),
    (9300, 9302),
    (9304, 9305),
    (9309, 9311),
    (9313, 9330),
    (9332, 9333),
    (9336, 9336),
    (9338, 9338),
    (9340, 9369),
    (9371, 9374),
    (9377, 9380),
    (9382, 9382),
    (9384, 9388),
    (9390, 9420),
    (11200, 11289),
    (11291, 11298),
];

fn main() -> ExitCode {
    let folder = support::project().join("tests/cases/codes");
    let mut trials = Vec::new();
    for path in support::files_below(&folder, ".dsc") {
        trials.push(Trial::test(support::name_of(&path), move || case(&path)));
    }
    for path in support::files_below(&support::project().join("tests/cases/nasty"), ".dsc") {
        trials.push(Trial::test(format!("nasty/{}", support::name_of(&path)), move || nasty(&path)));
    }
    trials.push(Trial::test("every number has a case", move || every_number_has_a_case(&folder)));
    trials.push(Trial::test("every reported code has a snapshot", every_reported_code_has_a_snapshot));
    trials.push(Trial::test("the list of other numbers is right", the_list_of_other_numbers_is_right));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn case(path: &Path) -> Result<(), Failed> {
    let name = support::name_of(path);
    let text = std::fs::read_to_string(path)?;
    let shown = run(&text, 1)?;
    if shown != run(&text, 4)? {
        return Err("one thread and four threads differ".into());
    }
    if name.ends_with(".ok.dsc") {
        let also: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("// also: ")).collect();
        let said = shown.lines().filter(|line| line.contains("]: ") && !also.iter().any(|code| line.contains(code)));
        return if said.count() == 0 { Ok(()) } else { Err(format!("nothing was expected:\n{shown}").into()) };
    }
    let code = name.split('-').next().unwrap_or_default();
    if !shown.contains(&format!("[{code}]")) {
        return Err(format!("{code} is not reported:\n{shown}").into());
    }
    support::compare(&path.with_extension("expected"), &shown)
}

fn nasty(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let shown = run(&text, 1)?;
    if shown != run(&text, 4)? {
        return Err("one thread and four threads differ".into());
    }
    support::compare(&path.with_extension("expected"), if shown.is_empty() { "fine\n" } else { &shown })
}

/// Opens and evaluates a case; gives what a user sees of the diagnostics.
fn run(text: &str, threads: usize) -> Result<String, Failed> {
    let root = Path::new("/w");
    let mut disk = Disk::default();
    let mut environment = MapEnvironment::new();
    let mut qualifiers: Vec<QualifierRequest> = Vec::new();
    let (mut open, mut sdk) = (None, None);
    for (key, value) in text.lines().map_while(|line| line.strip_prefix("// ")?.split_once(": ")) {
        match key {
            "qualifier" => qualifiers.push(value.into()),
            "env" => {
                let (name, value) = value.split_once('=').ok_or("`// env: NAME=VALUE`")?;
                environment = environment.with(name, value);
            }
            "open" => open = Some(root.join(value)),
            "sdk" => sdk = Some(root.join(value)),
            "also" => {}
            "deny" => drop(disk.troubles.insert(root.join(value), io::ErrorKind::PermissionDenied)),
            "gone" => drop(disk.troubles.insert(root.join(value), io::ErrorKind::NotFound)),
            _ => return Err(format!("`// {key}:` is not known").into()),
        }
    }
    let files = support::files(text);
    let named: BTreeSet<&str> = files.iter().map(|(path, _)| *path).collect();
    for (path, text) in &files {
        // Comments before the first `////` are no spec.
        if *path != "build.dsc" || named.len() == 1 || text.lines().any(|line| !line.starts_with("// ")) {
            disk.files.insert(root.join(path), text.as_str());
        }
    }
    let target = open.unwrap_or_else(|| root.join(if named.contains("config.dsc") { "." } else { "build.dsc" }));
    let options = OpenOptions {
        threads: threads.try_into().ok(),
        sdk: sdk.into_iter().collect(),
        file_system: Arc::new(disk),
        environment: Arc::new(environment),
        ..OpenOptions::default()
    };
    let workspace = match Workspace::open(&target, options) {
        Ok(workspace) => workspace,
        Err(error) => return Ok(format!("{error}\n")),
    };
    let evaluation = workspace.evaluate(&qualifiers);
    let mut out = Vec::new();
    let renderer = Renderer { format: Format::Human, base: root.into(), ..Renderer::default() };
    renderer.render(&evaluation.diagnostics, workspace.files(), &mut out)?;
    Ok(String::from_utf8(out)?)
}

/// Files in memory, some of which cannot be read although they are seen.
#[derive(Default)]
struct Disk {
    files: MemoryFileSystem,
    troubles: BTreeMap<PathBuf, io::ErrorKind>,
}

impl Disk {
    fn check(&self, path: &Path) -> io::Result<()> {
        self.troubles.get(path).map_or(Ok(()), |kind| Err((*kind).into()))
    }
}

impl FileSystem for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(path)?;
        self.files.read(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.check(path)?;
        self.files.read_dir(path)
    }

    fn kind(&self, path: &Path) -> Option<EntryKind> {
        self.files.kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.canonicalize(path)
    }
}

fn is_in_scope(number: u32) -> bool {
    NUMBERS.iter().any(|(first, last)| (*first..=*last).contains(&number))
}

/// The codes that the sources can report: numbers in them, outside of comments and tests, for which there is a page.
/// That finds numbers that are chosen among several, too; `tests/catalogue.rs` sees to the pages.
fn reported() -> BTreeSet<Code> {
    let mut numbers: BTreeSet<u32> = BTreeSet::new();
    let mut ours = BTreeSet::new();
    for path in support::files_below(&support::project().join("src"), ".rs") {
        if path.ends_with("tests.rs") || path.parent().is_some_and(|parent| parent.ends_with("tests")) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap_or_default();
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for piece in line.split("::Ds(").skip(1) {
                ours.extend(piece.split(')').next().and_then(|number| number.parse::<u32>().ok()));
            }
            numbers.extend(
                line.split(|c: char| !c.is_alphanumeric() && c != '_').filter_map(|word| word.parse::<u32>().ok()),
            );
        }
    }
    let is_reported = |code: &Code| match code {
        Code::Dx(number) => numbers.contains(number),
        Code::Ds(number) => ours.contains(number),
    };
    catalogue::all().iter().map(|page| page.code).filter(is_reported).collect()
}

/// The codes in the first column of tables in the READMEs of the cases: those that no case can show, with the reason.
fn excused() -> Result<BTreeSet<Code>, Failed> {
    let mut codes = BTreeSet::new();
    for path in support::files_below(&support::project().join("tests/cases"), "README.md") {
        let text = std::fs::read_to_string(path)?;
        codes.extend(text.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<Code>().ok()));
    }
    Ok(codes)
}

fn every_number_has_a_case(folder: &Path) -> Result<(), Failed> {
    let specs: BTreeSet<PathBuf> = support::files_below(folder, ".dsc").into_iter().collect();
    let mut shown = BTreeSet::new();
    for spec in specs.iter().filter(|spec| !spec.to_string_lossy().ends_with(".ok.dsc")) {
        if !specs.contains(&spec.with_extension("ok.dsc")) {
            return Err(format!("{} has no near miss beside it", spec.display()).into());
        }
        shown.extend(support::name_of(spec).split('-').next().and_then(|code| code.parse::<Code>().ok()));
    }
    let excused = excused()?;
    let without: Vec<String> = reported()
        .into_iter()
        .filter(|code| matches!(code, Code::Dx(number) if is_in_scope(*number)))
        .filter(|code| !shown.contains(code) && !excused.contains(code))
        .map(|code| code.to_string())
        .collect();
    if without.is_empty() { Ok(()) } else { Err(format!("without a case and without a reason: {without:?}").into()) }
}

fn every_reported_code_has_a_snapshot() -> Result<(), Failed> {
    let cases = support::project().join("tests/cases");
    let mut shown = BTreeSet::new();
    for suffix in [".expected", ".txt"] {
        for path in support::files_below(&cases, suffix) {
            // What the matrix of natives says is no text that a user sees.
            if path.parent().is_some_and(|parent| parent.ends_with("matrix")) {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            shown.extend(words.filter(|word| word.len() >= 6).filter_map(|word| word.parse::<Code>().ok()));
        }
    }
    let (reported, excused) = (reported(), excused()?);
    if reported.len() < 200 {
        return Err(format!("only {} codes found: has the way to write them changed?", reported.len()).into());
    }
    let without: Vec<String> = reported
        .iter()
        .filter(|code| !shown.contains(code) && !excused.contains(code))
        .map(ToString::to_string)
        .collect();
    if !without.is_empty() {
        return Err(format!("reported, but no snapshot shows them and no README says why: {without:?}").into());
    }
    let both: Vec<String> = excused.iter().filter(|code| !reported.contains(code)).map(ToString::to_string).collect();
    if !both.is_empty() {
        return Err(format!("a README excuses {both:?}, but nothing reports them").into());
    }
    Ok(())
}

/// Every number of BuildXL's is reported here or stands in `docs/error-numbers.md` with the reason why not; never both.
fn the_list_of_other_numbers_is_right() -> Result<(), Failed> {
    let text = std::fs::read_to_string(support::project().join("docs/error-numbers.md"))?;
    let mut listed = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("| DX")) {
        let cells: Vec<&str> = line.trim_end_matches('|').split('|').map(str::trim).collect();
        let [numbers, name, reason] = cells[..] else {
            return Err(format!("`DX{line}` has not three cells").into());
        };
        if name.is_empty() || reason.len() < 10 {
            wrong.push(format!("DX{numbers} has no name or no reason"));
        }
        let (first, last) = numbers.split_once(" to DX").unwrap_or((numbers, numbers));
        for number in first.parse::<u32>()?..=last.parse::<u32>()? {
            if !listed.insert(number) {
                wrong.push(format!("DX{number:04} is listed twice"));
            }
            if !is_in_scope(number) {
                wrong.push(format!("DX{number:04} is no number of these front ends"));
            }
        }
    }
    let reported = reported();
    for (first, last) in NUMBERS {
        for number in *first..=*last {
            match (reported.contains(&Code::Dx(number)), listed.contains(&number)) {
                (true, true) => wrong.push(format!("DX{number:04} is listed, but it is reported")),
                (false, false) => wrong.push(format!("DX{number:04} is neither reported nor listed")),
                _ => {}
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
