//! Every native with every kind of value in every place: what it takes, and what it says to the rest.
//!
//! `tests/cases/eval/matrix/NAMESPACE.txt` holds the answers. Nothing is written by hand: names and numbers of
//! arguments come from the declarations, and the values for the other places of a call are found by trying.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use dscript::builtins::natives;
use dscript::diagnostics::{Diagnostic, Severity, catalogue};
use dscript::eval::Receiver;
use dscript::program::{DeclId, DeclKind};
use libtest_mimic::Failed;

use super::{Evaluated, evaluate, load};

/// What the values below need.
const PREAMBLE: &str = "\
//@ file /w/src/f text
//@ allowUnsafe true
const enum E { a = 1, b = 2 }
const seal = Transformer.sealDirectory(d`s`, [f`s/x`]);
const ran = Transformer.execute({
    tool: {exe: f`t`},
    arguments: [],
    workingDirectory: d`.`,
    implicitOutputs: [p`/w/out/q`, {directory: d`/w/out/g`, kind: \"shared\"}],
});
const service = Transformer.createService({
    tool: {exe: f`t`},
    arguments: [],
    workingDirectory: d`.`,
    moniker: Transformer.getNewIpcMoniker(),
    serviceShutdownCmd: {tool: {exe: f`t`}, arguments: [], workingDirectory: d`.`},
});
const opaque = ran.getOutputDirectory(d`/w/out/g`);
";

/// One value of each kind.
const KINDS: &[(&str, &str)] = &[
    ("function", "(x => x)"),
    ("function to an array", "(() => [])"),
    ("function to a state", "(() => ({elem: 1, elems: [1], state: 1}))"),
    ("number", "1"),
    ("negative", "-1"),
    ("text", "\"s\""),
    ("empty text", "\"\""),
    ("texts", "[\"s\"]"),
    ("numbers", "[1, 2]"),
    ("files", "[f`s/x`]"),
    ("directories", "[opaque]"),
    ("object", "{k: 1}"),
    ("boolean", "true"),
    ("enum", "E.a"),
    ("Path", "p`/w/out/q`"),
    ("Directory", "d`/w/out/g`"),
    ("File", "f`f`"),
    ("PathAtom", "a`n`"),
    ("RelativePath", "r`u/v`"),
    ("Map", "Map.empty<any, any>()"),
    ("Set", "Set.empty<any>()"),
    ("MutableSet", "MutableSet.empty<any>()"),
    ("sealed directory", "seal"),
    ("opaque directory", "opaque"),
    ("execute result", "ran"),
    ("service result", "service"),
    ("service", "service.serviceId"),
    ("moniker", "Transformer.getNewIpcMoniker()"),
    ("unit", "Unit.unit()"),
    ("undefined", "undefined"),
];

/// More places than this are not tried: natives with so many take optional ones of the same kinds.
const MOST_PLACES: usize = 6;

/// An expression for a receiver of each type.
fn receiver(receiver: Receiver) -> &'static str {
    match receiver {
        Receiver::Object => "({k: 1})",
        Receiver::Array => "[1, 2]",
        Receiver::String => "\"text\"",
        Receiver::Number => "(12)",
        Receiver::Boolean => "true",
        Receiver::Enum => "E.a",
        Receiver::Function => "(x => x)",
        Receiver::Unit => "Unit.unit()",
        Receiver::Map => "Map.empty<any, any>()",
        Receiver::Set => "Set.create<any>(1)",
        Receiver::MutableSet => "MutableSet.empty<any>()",
        Receiver::StringBuilder => "StringBuilder.create()",
        Receiver::Path => "p`a/b.c`",
        Receiver::Directory => "d`a/b.c`",
        Receiver::File => "f`a/b.c`",
        Receiver::PathAtom => "a`b.c`",
        Receiver::RelativePath => "r`a/b.c`",
        Receiver::StaticDirectory => "seal",
        Receiver::TransformerExecuteResult => "ran",
        Receiver::TransformerCreateServiceResult => "service",
        Receiver::ServiceId => "service.serviceId",
        Receiver::IpcMoniker => "Transformer.getNewIpcMoniker()",
    }
}

/// A native that can be called.
struct Native {
    /// Its name in messages.
    name: String,
    /// What stands before the parenthesis.
    callee: String,
    required: usize,
    maximum: Option<usize>,
}

impl Native {
    /// The number of places that are tried.
    fn places(&self) -> usize {
        self.maximum.unwrap_or(self.required + 1).min(MOST_PLACES)
    }

    fn call(&self, arguments: &[&str]) -> String {
        format!("{}({})", self.callee, arguments.join(", "))
    }
}

/// All functions and methods. Properties take nothing, so they have nothing to refuse but their receiver.
fn callable() -> Vec<Native> {
    let loaded = load("");
    let program = &loaded.resolved.program;
    let table = natives();
    let mut found = Vec::new();
    for (index, decl) in program.decls.iter().enumerate() {
        let DeclKind::Native { required, maximum } = decl.kind else { continue };
        let name = program.decl_name(DeclId(index as u32));
        if table.functions.contains_key(name.as_str()) {
            let maximum = maximum.map(|most| most as usize);
            let shown = super::coverage::shown(&name).to_owned();
            // Old specs name some natives directly that new ones reach through an SDK module.
            if !found.iter().any(|native: &Native| native.name == shown) {
                found.push(Native { callee: name, name: shown, required: required as usize, maximum });
            }
        }
    }
    for (kind, members) in &table.members {
        for member in members.iter().filter(|member| !member.property) {
            found.push(Native {
                name: format!("{}.{}", kind.interface(), member.name),
                callee: format!("{}.{}", receiver(*kind), member.name),
                required: member.required,
                maximum: member.maximum,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// What became of one call.
#[derive(Clone)]
enum Outcome {
    Taken,
    Refused { code: String, message: String },
}

/// Evaluates calls, one a line, and gives the outcome of each.
fn outcomes(calls: &[String], wrong: &mut Vec<String>) -> Vec<Outcome> {
    let mut text = PREAMBLE.to_owned();
    let first = PREAMBLE.lines().count() as u32 + 1;
    for (index, call) in calls.iter().enumerate() {
        let _ = writeln!(text, "const v{index} = {call};");
    }
    let Evaluated { lines, values, diagnostics, files, .. } = evaluate(&text, &natives());
    let mut by_line: BTreeMap<u32, &Diagnostic> = BTreeMap::new();
    for diagnostic in diagnostics.iter().filter(|one| one.severity == Severity::Error) {
        let place = diagnostic.primary().map(|label| label.location);
        let in_case = place.filter(|place| files.get(place.file).path() == Path::new(super::SPEC));
        match in_case.map(|place| files.get(place.file).line_column(place.span.start).line) {
            Some(line) if line >= first => drop(by_line.insert(line, diagnostic)),
            _ => wrong.push(format!("{} `{}` has no place in the spec", diagnostic.code, diagnostic.message)),
        }
        if catalogue::explain(diagnostic.code).is_none() {
            wrong.push(format!("{} has no page", diagnostic.code));
        }
    }
    let mut found = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let line = first + index as u32;
        let value = lines.iter().position(|declared| *declared == line).and_then(|at| values[at].as_ref());
        found.push(match (value, by_line.get(&line)) {
            (Some(_), None) => Outcome::Taken,
            (None, Some(one)) => Outcome::Refused { code: one.code.to_string(), message: one.message.clone() },
            (value, _) => {
                wrong.push(format!("`{call}` gives a value: {}, and no matching error", value.is_some()));
                Outcome::Taken
            }
        });
    }
    found
}

/// The values with which the places of each native can be filled while another is tried.
fn fillers(all: &[Native], wrong: &mut Vec<String>) -> Vec<Vec<&'static str>> {
    let mut chosen: Vec<Vec<&str>> = all.iter().map(|_| Vec::new()).collect();
    for place in 0..MOST_PLACES {
        let trying: Vec<usize> = (0..all.len()).filter(|&index| place < all[index].places()).collect();
        let mut calls = Vec::new();
        for &index in &trying {
            for (_, value) in KINDS {
                let mut arguments = chosen[index].clone();
                arguments.push(value);
                arguments.resize(arguments.len().max(all[index].required), "undefined");
                calls.push(all[index].call(&arguments));
            }
        }
        let outcomes = outcomes(&calls, wrong);
        for (&index, found) in trying.iter().zip(outcomes.chunks(KINDS.len())) {
            // The best is what gives a value, then what at least this place is not blamed for.
            let blamed = format!("argument {} of", place + 1);
            let taken = found.iter().position(|outcome| matches!(outcome, Outcome::Taken));
            let fits = |outcome: &Outcome| {
                matches!(outcome, Outcome::Refused { code, message }
                    if !message.contains(&blamed) && code == "DX9325" && message.contains("argument "))
            };
            let best = taken.or_else(|| found.iter().position(fits)).unwrap_or(KINDS.len() - 1);
            chosen[index].push(KINDS[best].1);
        }
    }
    chosen
}

/// Compares all answers with the snapshots; gives the natives that refuse something when they run.
pub fn check(folder: &Path) -> Result<Vec<String>, Failed> {
    let mut wrong = Vec::new();
    let all = callable();
    let chosen = fillers(&all, &mut wrong);
    // One call for each number of arguments that is not allowed, then one for each place and kind.
    let mut calls = Vec::new();
    for (native, chosen) in all.iter().zip(&chosen) {
        for count in wrong_counts(native) {
            calls.push(native.call(&vec!["undefined"; count]));
        }
        for place in 0..native.places() {
            for (_, value) in KINDS {
                let mut arguments = chosen[..native.required.max(place + 1).min(chosen.len())].to_vec();
                arguments[place] = value;
                calls.push(native.call(&arguments));
            }
        }
    }
    let mut outcomes = outcomes(&calls, &mut wrong).into_iter();
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    let mut refusing = BTreeSet::new();
    for native in &all {
        let namespace = native.name.split_once('.').map_or("global", |(namespace, _)| namespace);
        let page = pages.entry(namespace.to_owned()).or_default();
        let _ = writeln!(page, "{}", native.name);
        for count in wrong_counts(native) {
            match outcomes.next() {
                Some(Outcome::Refused { code, message }) if code == "DX9324" => {
                    let _ = writeln!(page, "  with {count}: {code} {message}");
                }
                _ => wrong.push(format!("`{}` takes {count} arguments", native.name)),
            }
        }
        for place in 0..native.places() {
            let _ = writeln!(page, "  argument {}", place + 1);
            let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
            for (kind, outcome) in KINDS.iter().map(|(kind, _)| *kind).zip(outcomes.by_ref()) {
                let answer = match outcome {
                    Outcome::Taken => "taken".to_owned(),
                    Outcome::Refused { code, message } => {
                        refusing.insert(native.name.clone());
                        format!("{code} {}", without_found(&message))
                    }
                };
                match groups.iter_mut().find(|(known, _)| *known == answer) {
                    Some((_, kinds)) => kinds.push(kind),
                    None => groups.push((answer, vec![kind])),
                }
            }
            // What most kinds have in common comes last.
            groups.sort_by_key(|(_, kinds)| kinds.len());
            let last = groups.len() - 1;
            for (index, (answer, kinds)) in groups.into_iter().enumerate() {
                let rest = if index == 0 { "everything" } else { "the rest" };
                let kinds = if index == last && kinds.len() > 3 { rest.to_owned() } else { kinds.join(", ") };
                let _ = writeln!(page, "    {answer}: {kinds}");
            }
        }
    }
    for (name, page) in &pages {
        if let Err(error) = super::support::compare(&folder.join(format!("{name}.txt")), page) {
            wrong.push(format!("{name}: {}", error.message().unwrap_or_default()));
        }
    }
    for path in super::support::files_below(folder, ".txt") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if !pages.contains_key(&*name) {
            wrong.push(format!("{} is about nothing that exists", path.display()));
        }
    }
    if wrong.is_empty() { Ok(refusing.into_iter().collect()) } else { Err(wrong.join("\n").into()) }
}

/// One argument too few and one too many, where there is such a number.
fn wrong_counts(native: &Native) -> impl Iterator<Item = usize> + use<> {
    let few = native.required.checked_sub(1);
    let many = native.maximum.map(|most| most + 1);
    few.into_iter().chain(many)
}

/// A message without the words about what was found instead: they are different for each kind.
fn without_found(message: &str) -> String {
    let end = ["but it is ", "but got ", "but it returned ", "but this is "]
        .iter()
        .filter_map(|words| message.find(words).map(|at| at + words.len()))
        .min();
    end.map_or_else(|| message.to_owned(), |end| format!("{}…", &message[..end]))
}
