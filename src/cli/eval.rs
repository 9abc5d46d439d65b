//! `dscript eval`: expressions, as if they were written in a spec.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::options::{EvaluationArgs, MessageArgs, MessageFormat, QualifierArgs};
use super::output::Output;
use super::prompt::ValueFormat;
use super::report::{Reporter, statistics};
use super::{Failure, Outcome, library, prompt};
use crate::source::system::{DiskFileSystem, FileSystem, Stopwatch};

/// Arguments of `eval`. [`operands`] decides which of the operands is PATH.
#[derive(Args, Debug)]
#[command(override_usage = "dscript eval [OPTIONS] [PATH] [--at SPEC] [EXPR]...")]
pub(super) struct EvalArgs {
    /// Expressions to evaluate. The workspace (a folder, its config.dsc, or a spec) may stand before them; otherwise it
    /// is the current folder. Without an expression there is a prompt
    #[arg(value_name = "EXPR", allow_negative_numbers = true)]
    pub(super) operands: Vec<String>,
    /// Evaluate as if written in this spec: its imports, its values, its private names
    #[arg(long, value_name = "SPEC", value_hint = ValueHint::FilePath)]
    pub(super) at: Option<PathBuf>,
    /// How the values are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ValueFormat,
    #[command(flatten)]
    pub(super) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
    /// How many operands stand before `--at`.
    #[arg(skip)]
    pub(super) before_at: usize,
}

pub(super) fn run(args: EvalArgs) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(&args.messages)?;
    let qualifier = match library::qualifiers(&args.qualifiers.qualifiers)?.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        _ => return Err(Failure::Usage("expressions are evaluated under one qualifier: give `-q` once".to_owned())),
    };
    let is_there = |path: &Path| DiskFileSystem.kind(path).is_some();
    let (path, expressions) = operands(&args.operands, args.before_at, is_there);
    let at = args.at.as_deref().map(|spec| locate(spec, &path, is_there)).transpose()?;

    if expressions.is_empty() {
        without_conversation(&args)?;
        let workspace = library::open(&path, &args.options, reporter.levels(), at.is_none())?;
        return prompt::run(&workspace, at.as_deref(), qualifier.as_ref(), args.format, &reporter);
    }
    let watch = Stopwatch::start();
    let workspace = library::open(&path, &args.options, reporter.levels(), at.is_none())?;
    let results = workspace.eval_at(at.as_deref(), expressions, qualifier.as_ref());
    let seconds = watch.seconds();

    let mut diagnostics = results.diagnostics;
    let mut lines = String::new();
    for result in results.values {
        args.format.line(&result, &mut lines);
        diagnostics.extend(result.diagnostics);
    }
    let outcome = reporter.report(diagnostics, workspace.files());
    if args.options.stats {
        statistics(&format!("{} expressions in {seconds:.3} s", expressions.len()));
    }
    Output::standard().write_all(lines.as_bytes())?;
    Ok(outcome)
}

/// Refuses the options that speak of a run as a whole where inputs come one after the other.
fn without_conversation(args: &EvalArgs) -> Result<(), Failure> {
    let wrong = match (args.messages.message_format, args.options.stats) {
        (MessageFormat::Sarif, _) => "`--message-format sarif` is one document",
        (_, true) => "`--stats` is about one run",
        _ => return Ok(()),
    };
    Err(Failure::Usage(format!(
        "{wrong}, but without an expression each input is answered by itself: give expressions"
    )))
}

/// Tells the workspace from the expressions. What stands before `--at` is the workspace. Without that hint, the first
/// operand is the workspace if there is such a file or folder: `.`, `config.dsc`.
fn operands(all: &[String], before_at: usize, is_there: impl Fn(&Path) -> bool) -> (PathBuf, &[String]) {
    match all {
        [first, rest @ ..] if before_at == 1 || is_there(Path::new(first)) => (PathBuf::from(first), rest),
        _ => (PathBuf::from("."), all),
    }
}

/// The spec of `--at`, as an absolute path: from the current folder, else from the workspace.
fn locate(spec: &Path, workspace: &Path, is_there: impl Fn(&Path) -> bool) -> Result<PathBuf, Failure> {
    let folder = if DiskFileSystem.is_dir(workspace) { Some(workspace) } else { workspace.parent() };
    let found = Some(spec.to_owned()).filter(|path| is_there(path));
    let found = found.or_else(|| folder.map(|folder| folder.join(spec)).filter(|path| is_there(path)));
    let found = found.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound));
    found.and_then(std::path::absolute).map_err(|error| Failure::file("read", spec, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_told_from_the_expressions() {
        let split = |all: &[&str], before_at| {
            let all: Vec<String> = all.iter().map(|one| (*one).to_owned()).collect();
            let there = |path: &Path| path == Path::new("app");
            let (path, rest) = operands(&all, before_at, there);
            (path.display().to_string(), rest.to_vec())
        };
        let expect =
            |path: &str, rest: &[&str]| (path.to_owned(), rest.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(split(&["1 + 1"], 0), expect(".", &["1 + 1"]));
        assert_eq!(split(&["app", "x"], 0), expect("app", &["x"]));
        assert_eq!(split(&["nope", "x"], 1), expect("nope", &["x"]));
        assert_eq!(split(&["a", "b"], 0), expect(".", &["a", "b"]));
        assert_eq!(split(&["app"], 0), expect("app", &[]));
        assert_eq!(split(&["nope"], 1), expect("nope", &[]));
        assert_eq!(split(&[], 0), expect(".", &[]));
    }
}
