//! Accesses that break a rule, and what people are told about them.

use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::graph::{Pip, PipGraph, PipId};
use crate::paths::PathId;

/// The rules that only a run can check, with BuildXL's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A source file was read that is no input.
    MissingSourceDependency,
    /// The output of another pip was read, and nothing says which comes first.
    ReadRace,
    /// The output of another pip was read that comes first, though not as an input.
    UndeclaredOrderedRead,
    /// What an earlier build left was read; no pip makes it now.
    ReadLeftover,
    /// Nothing was found where another pip makes something, and nothing says which comes first.
    AbsentProbeOfOutput,
    /// Nothing was found below an output directory of another pip.
    AbsentProbeInUndeclaredOpaque,
    /// Two pips made one file.
    DoubleWrite,
    /// A file was written that is no output.
    UndeclaredOutput,
    /// A source file was written that is an input.
    WriteInDeclaredSource,
    /// A file was written in a sealed source directory.
    WriteInSourceSealDirectory,
    /// A file was written that another pip read as a source.
    WriteInUndeclaredSourceRead,
    /// A file was written in an exclusive opaque directory of another pip.
    WriteInExclusiveOpaqueDirectory,
    /// A file was rewritten that was there before.
    WriteOnExistingFile,
    /// A file was written in a part of an output directory that was taken out of it.
    WriteInExclusion,
}

impl Rule {
    /// The number of the rule.
    pub fn code(self) -> Code {
        match self {
            Rule::MissingSourceDependency => Code::Dx(5006),
            Rule::ReadRace => Code::Dx(5003),
            Rule::UndeclaredOrderedRead => Code::Dx(5004),
            Rule::ReadLeftover => Code::Dx(5009),
            Rule::AbsentProbeOfOutput => Code::Dx(5026),
            Rule::AbsentProbeInUndeclaredOpaque => Code::Dx(5027),
            Rule::DoubleWrite => Code::Dx(5002),
            Rule::UndeclaredOutput => Code::Dx(5008),
            Rule::WriteInDeclaredSource => Code::Dx(5033),
            Rule::WriteInSourceSealDirectory => Code::Dx(5023),
            Rule::WriteInUndeclaredSourceRead => Code::Dx(5025),
            Rule::WriteInExclusiveOpaqueDirectory => Code::Dx(14533),
            Rule::WriteOnExistingFile => Code::Dx(5047),
            Rule::WriteInExclusion => Code::Ds(801),
        }
    }

    /// The name of the rule in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Rule::MissingSourceDependency => "missingSourceDependency",
            Rule::ReadRace => "readRace",
            Rule::UndeclaredOrderedRead => "undeclaredOrderedRead",
            Rule::ReadLeftover => "readLeftover",
            Rule::AbsentProbeOfOutput => "absentProbeOfOutput",
            Rule::AbsentProbeInUndeclaredOpaque => "absentProbeInUndeclaredOpaque",
            Rule::DoubleWrite => "doubleWrite",
            Rule::UndeclaredOutput => "undeclaredOutput",
            Rule::WriteInDeclaredSource => "writeInDeclaredSource",
            Rule::WriteInSourceSealDirectory => "writeInSourceSealDirectory",
            Rule::WriteInUndeclaredSourceRead => "writeInUndeclaredSourceRead",
            Rule::WriteInExclusiveOpaqueDirectory => "writeInExclusiveOpaqueDirectory",
            Rule::WriteOnExistingFile => "writeOnExistingFile",
            Rule::WriteInExclusion => "writeInExclusion",
        }
    }
}

/// An access that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The path.
    pub path: PathId,
    /// The pip that accessed it.
    pub pip: PipId,
    /// The pip that makes or read it, if there is one.
    pub other: Option<PipId>,
    /// The program that did it.
    pub program: String,
    /// A fact that helps: which seal nearly covers the path, what was there before.
    pub note: Option<String>,
}

/// How many paths of one kind of violation are listed.
const LISTED: usize = 8;

/// One diagnostic for each pip, rule and other pip: those that differ only in the path are listed together.
pub fn diagnostics(violations: &[Violation], graph: &PipGraph) -> Vec<Diagnostic> {
    let mut groups: indexmap::IndexMap<(PipId, Rule, Option<PipId>), Vec<&Violation>> = indexmap::IndexMap::new();
    for violation in violations {
        groups.entry((violation.pip, violation.rule, violation.other)).or_default().push(violation);
    }
    groups.values().filter_map(|group| Some(diagnostic(group.first()?, group, graph))).collect()
}

/// What a pip is called in messages: its description, or its kind and tool.
pub fn pip_name(graph: &PipGraph, id: PipId) -> String {
    let pip = graph.pip(id);
    match (pip.description(), pip) {
        (Some(text), _) => format!("`{}`", graph.text(text).lines().next().unwrap_or_default()),
        (None, Pip::Process(process)) => {
            let tool = process.tool_description.map(|text| graph.text(text).to_owned());
            let name = graph.paths().name(process.executable.path).map(|name| graph.text(name).to_owned());
            format!("`{}`", tool.or(name).unwrap_or_else(|| "process".to_owned()))
        }
        (None, pip) => match pip.output_files().next() {
            Some(file) => {
                let verb = if matches!(pip, Pip::CopyFile(_)) { "copy to" } else { "write" };
                format!("`{verb} {}`", graph.display(file.path))
            }
            None => format!("the {} pip of value `{}`", pip.kind_name(), graph.provenance(id).value),
        },
    }
}

fn diagnostic(first: &Violation, group: &[&Violation], graph: &PipGraph) -> Diagnostic {
    let path = graph.display(first.path);
    let name = pip_name(graph, first.pip);
    let other = first.other.map(|other| pip_name(graph, other));
    let other = other.as_deref().unwrap_or("another pip");
    let what = match group.len() {
        1 => format!("`{path}`"),
        2 => format!("`{path}` and another path"),
        count => format!("`{path}` and {} other paths", count - 1),
    };
    let message = match first.rule {
        Rule::MissingSourceDependency => format!("{name} read {what} without declaring it"),
        Rule::ReadRace => format!("{name} read {what}, which {other} makes, and does not depend on it"),
        Rule::UndeclaredOrderedRead => format!("{name} read {what}, which {other} makes, and does not declare it"),
        Rule::ReadLeftover => format!("{name} read {what}, which an earlier build left and no pip makes any more"),
        Rule::AbsentProbeOfOutput => {
            format!("{name} and {other} meet at {what}: one makes it, the other looked for it and found nothing")
        }
        Rule::AbsentProbeInUndeclaredOpaque => {
            format!("{name} looked for {what} below an output directory that it does not depend on")
        }
        Rule::DoubleWrite => format!("{name} wrote {what}, which {other} makes"),
        Rule::UndeclaredOutput => format!("{name} wrote {what} without declaring it"),
        Rule::WriteInDeclaredSource => format!("{name} wrote {what}, which is a source file and one of its inputs"),
        Rule::WriteInSourceSealDirectory => format!("{name} wrote {what} in a sealed source directory"),
        Rule::WriteInUndeclaredSourceRead => format!("{name} wrote {what}, which {other} read as a source file"),
        Rule::WriteInExclusiveOpaqueDirectory => {
            format!("{name} wrote {what} in an exclusive opaque directory of {other}")
        }
        Rule::WriteOnExistingFile => format!("{name} wrote {what}, which was there before and is no output"),
        Rule::WriteInExclusion => format!("{name} wrote {what}, which is excluded from its output directories"),
    };
    let provenance = graph.provenance(first.pip);
    let mut diagnostic = Diagnostic::error(first.rule.code(), message)
        .at(provenance.location, format!("{name} comes from here, by value `{}`", provenance.value));
    if let Some(other_pip) = first.other {
        let made = graph.provenance(other_pip);
        if made.location != provenance.location {
            diagnostic =
                diagnostic.and_at(made.location, format!("{other} comes from here, by value `{}`", made.value));
        } else if made.value != provenance.value || made.qualifier != provenance.qualifier {
            diagnostic = diagnostic.note(format!("one call made both: {other} is of value `{}`", made.value));
        }
    }
    // What is found out only when the run is over was done by whom nobody knows.
    if !first.program.is_empty() {
        diagnostic = diagnostic.note(format!("the access was made by `{}`", first.program));
    }
    for (index, violation) in group.iter().take(LISTED).enumerate() {
        // The message names the first one.
        if index > 0 {
            diagnostic = diagnostic.note(format!("`{}`", graph.display(violation.path)));
        }
        if let Some(note) = &violation.note {
            diagnostic = diagnostic.note(note.clone());
        }
    }
    if group.len() > LISTED {
        diagnostic = diagnostic.note(format!("and {} more", group.len() - LISTED));
    }
    diagnostic.help(help(first, graph))
}

fn help(violation: &Violation, graph: &PipGraph) -> String {
    let path = graph.display(violation.path);
    match violation.rule {
        Rule::MissingSourceDependency if path.starts_with('/') => {
            "set `dependsOnCurrentHostOSDirectories: true` on the tool where the path belongs to the system; else \
             declare it, or name it in `untrackedDirectoryScopes` of the tool where its content does not matter"
                .to_owned()
        }
        Rule::MissingSourceDependency => near_input(violation, graph).map_or_else(
            || {
                format!(
                    "add f`{path}` to `dependencies`, or its folder with `Transformer.sealSourceDirectory`; \
                     `allowUndeclaredSourceReads: true` lets the pip read any source"
                )
            },
            |near| format!("add f`{path}` to `dependencies`; did you mean it where you wrote `{near}`?"),
        ),
        Rule::ReadRace | Rule::UndeclaredOrderedRead => {
            "make what the other pip gives back an input: `getOutputFile`, or `getOutputDirectory` for an output \
             directory"
                .to_owned()
        }
        Rule::ReadLeftover => "declare who makes it, or delete it and the code that reads it".to_owned(),
        Rule::AbsentProbeOfOutput => {
            "let one depend on the other, or make the path different, so that the answer is the same in every build"
                .to_owned()
        }
        Rule::AbsentProbeInUndeclaredOpaque => {
            "depend on the directory, or set `absentPathProbeInUndeclaredOpaquesMode: \"relaxed\"`".to_owned()
        }
        Rule::DoubleWrite => "give one of them another path, or change the file with `Artifact.rewritten`; \
                              `doubleWritePolicy: \"allowSameContentDoubleWrites\"` accepts equal contents"
            .to_owned(),
        Rule::UndeclaredOutput => {
            format!(
                "declare it with `Artifact.output(p`{path}`)` or in `outputs`, a directory of unknown files as a \
                 shared opaque one; temporary files belong into `tempDirectory`"
            )
        }
        Rule::WriteOnExistingFile => {
            "write to a new path: sources stay as they are; delete it if an earlier build left it, whose records in \
             `.dscript` are gone; `sourceRewritePolicy: \"safeSourceRewritesAreAllowed\"` accepts writing the same \
             content"
                .to_owned()
        }
        Rule::WriteInDeclaredSource => {
            "write to a new path: sources stay as they are; `sourceRewritePolicy: \"safeSourceRewritesAreAllowed\"` accepts \
             writing the same content"
                .to_owned()
        }
        Rule::WriteInSourceSealDirectory => {
            "write to an output directory: what is sealed as source must not change".to_owned()
        }
        Rule::WriteInUndeclaredSourceRead => {
            "declare the file as an output, and let the reader depend on it".to_owned()
        }
        Rule::WriteInExclusiveOpaqueDirectory => {
            "let both pips declare the directory as shared, or write to another one".to_owned()
        }
        Rule::WriteInExclusion => "take it out of `outputDirectoryExclusions`, or write elsewhere".to_owned(),
    }
}

/// A declared input whose name is one slip away.
fn near_input(violation: &Violation, graph: &PipGraph) -> Option<String> {
    let Pip::Process(process) = graph.pip(violation.pip) else { return None };
    let wanted = graph.display(violation.path);
    let inputs: Vec<String> = process.inputs.iter().map(|input| graph.display(input.path)).collect();
    nearest(&wanted, inputs.iter().map(String::as_str)).map(str::to_owned)
}
