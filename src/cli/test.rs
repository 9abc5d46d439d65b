//! `dscript test`: runs unit tests and tells what became of each.

use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde_json::json;

use super::options::{ColorWhen, HostSystem};
use super::output::Output;
use super::{Failure, Outcome};
use crate::diagnostics::render::{Charset, Format, Renderer};
use crate::source::system::{DiskFileSystem, FileSystem};
use crate::testing::{self, Repair, Status, TestError, TestOptions, TestReport, TestResult};

/// Arguments of `test`.
#[derive(Args, Debug)]
pub(super) struct TestArgs {
    /// Where the tests are: workspaces, single specs, or folders of specs
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(super) paths: Vec<PathBuf>,
    /// Run only the tests whose id, `spec::name`, holds this text
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// Write golden files that are missing or differ, and delete those of tests that make no pips
    #[arg(long)]
    pub(super) update: bool,
    /// Use the SDK modules in this folder instead of the built-in ones; several folders are searched in order
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) sdk: Vec<PathBuf>,
    /// Evaluate for a machine with this operating system [default: that of this machine]
    #[arg(long, value_name = "OS")]
    pub(super) host: Option<HostSystem>,
    /// How many tests run at a time; the result is always the same [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// How results are written to standard output, and what is wrong with the workspace to standard error
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(super) message_format: TestFormat,
    /// When to use colour; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorWhen,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(super) ascii: bool,
}

/// How results of tests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TestFormat {
    /// A line a test, then what is wrong with those that failed
    Human,
    /// One JSON object a test, then one that counts them
    Json,
}

pub(super) fn run(args: TestArgs) -> Result<Outcome, Failure> {
    for sdk in &args.sdk {
        DiskFileSystem.read_dir(sdk).map_err(|error| Failure::file("read", sdk, error))?;
    }
    let base = std::env::current_dir().unwrap_or_default();
    let paths: Vec<PathBuf> = args.paths.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
    let options = TestOptions {
        sdk: args.sdk.clone(),
        filter: args.filter.clone(),
        threads: args.threads,
        base: base.clone(),
        host: args.host.map(HostSystem::os),
        ..TestOptions::default()
    };
    let report = testing::run(&paths, &options).map_err(failure)?;
    let printer = Printer { args: &args, base };
    let repaired = if args.update { printer.repair(&report)? } else { 0 };
    printer.broken(&report)?;
    Output::standard().write_with(|out| match args.message_format {
        TestFormat::Human => printer.human(&report, repaired, out),
        TestFormat::Json => printer.json(&report, repaired, out),
    })?;
    let failed = report.results.iter().any(|result| printer.status(result) == Status::Fail);
    let broken = report.suites.iter().any(testing::Suite::is_broken);
    Ok(if failed || broken { Outcome::Errors } else { Outcome::Fine })
}

/// The absolute form of a path that must be there.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failure = |error| Failure::file("read", path, error);
    std::fs::metadata(path).map_err(failure)?;
    let absolute = std::path::absolute(path).map_err(failure)?;
    // `.` at the end of a path would stay in the names of the specs below it.
    Ok(absolute.components().collect())
}

fn failure(error: TestError) -> Failure {
    match error {
        TestError::Unreadable(path, error) => Failure::file("read", &path, error),
        error => Failure::Usage(error.to_string()),
    }
}

struct Printer<'a> {
    args: &'a TestArgs,
    base: PathBuf,
}

impl Printer<'_> {
    fn renderer(&self, color: bool) -> Renderer {
        Renderer {
            format: Format::Human,
            color,
            charset: if self.args.ascii { Charset::Ascii } else { Charset::Unicode },
            base: self.base.clone(),
        }
    }

    fn has_color(&self, stream_is_terminal: bool) -> bool {
        match self.args.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                stream_is_terminal && anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
            }
        }
    }

    /// With `--update` a test whose only fault is its golden file passes.
    fn status(&self, result: &TestResult) -> Status {
        if self.args.update && result.repair.is_some() { Status::Pass } else { result.status }
    }

    /// Writes and deletes golden files; gives how many.
    fn repair(&self, report: &TestReport) -> Result<usize, Failure> {
        let mut count = 0;
        for repair in report.results.iter().filter_map(|result| result.repair.as_ref()) {
            count += 1;
            match repair {
                Repair::Write(path, text) => {
                    if let Some(folder) = path.parent() {
                        std::fs::create_dir_all(folder).map_err(|error| Failure::file("create", folder, error))?;
                    }
                    Output::open(Some(path))?.write_all(text.as_bytes())?;
                }
                Repair::Delete(path) => {
                    std::fs::remove_file(path).map_err(|error| Failure::file("delete", path, error))?;
                }
            }
        }
        Ok(count)
    }

    /// Tells on standard error what is wrong with the workspaces themselves.
    fn broken(&self, report: &TestReport) -> Result<(), Failure> {
        let renderer = match self.args.message_format {
            TestFormat::Human => self.renderer(self.has_color(io::stderr().is_terminal())),
            TestFormat::Json => Renderer { format: Format::Json, ..self.renderer(false) },
        };
        let mut out = io::stderr().lock();
        for suite in &report.suites {
            // Nobody is left to tell when standard error cannot be written; the exit code still says it.
            let _ = renderer.render(&suite.diagnostics, suite.files(), &mut out);
        }
        Ok(())
    }

    fn human(&self, report: &TestReport, repaired: usize, out: &mut dyn Write) -> io::Result<()> {
        let color = self.has_color(io::stdout().is_terminal());
        let paint = |text: &str, code: &str| match color {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        };
        let run: Vec<&TestResult> = report.results.iter().filter(|result| result.status != Status::Skip).collect();
        writeln!(out, "running {} test{}", run.len(), if run.len() == 1 { "" } else { "s" })?;
        for result in &run {
            let said = match (self.status(result), &result.repair) {
                (Status::Pass, Some(Repair::Write(..))) => paint("ok (golden file written)", "32"),
                (Status::Pass, Some(Repair::Delete(_))) => paint("ok (golden file deleted)", "32"),
                (Status::Pass, None) => paint("ok", "32"),
                _ => paint("FAILED", "31"),
            };
            writeln!(out, "test {} ... {said}", result.id)?;
        }
        let failed: Vec<&TestResult> =
            run.iter().filter(|result| self.status(result) == Status::Fail).copied().collect();
        if !failed.is_empty() {
            writeln!(out, "\nfailures:")?;
            for result in &failed {
                writeln!(out, "\n---- {} ----", result.id)?;
                writeln!(out, "{}", self.detail(report, result, color)?)?;
            }
            writeln!(out, "\nfailures:")?;
            for result in &failed {
                writeln!(out, "    {}", result.id)?;
            }
        }
        let broken = report.suites.iter().filter(|suite| suite.is_broken()).count();
        let verdict = if failed.is_empty() && broken == 0 { paint("ok", "32") } else { paint("FAILED", "31") };
        write!(out, "\ntest result: {verdict}. {} passed; {} failed", run.len() - failed.len(), failed.len())?;
        write!(out, "; {} filtered out", report.count(Status::Skip))?;
        if broken > 0 {
            write!(out, "; {broken} workspace{} with errors", if broken == 1 { "" } else { "s" })?;
        }
        if repaired > 0 {
            write!(out, "; {repaired} golden file{} updated", if repaired == 1 { "" } else { "s" })?;
        }
        writeln!(out)?;
        if failed.iter().any(|result| result.repair.is_some()) {
            writeln!(out, "\nto accept the pips as they are: dscript test --update")?;
        }
        Ok(())
    }

    fn json(&self, report: &TestReport, repaired: usize, out: &mut dyn Write) -> io::Result<()> {
        let shown = |path: &Path| path.strip_prefix(&self.base).unwrap_or(path).to_string_lossy().into_owned();
        for result in &report.results {
            let status = match self.status(result) {
                Status::Pass => "pass",
                Status::Fail => "fail",
                Status::Skip => "skip",
            };
            let golden = match result.repair.as_ref().filter(|_| self.args.update) {
                Some(Repair::Write(path, _)) => Some(path),
                Some(Repair::Delete(_)) => None,
                None => result.golden.as_ref(),
            };
            let detail = match status {
                "fail" => Some(self.detail(report, result, false)?),
                _ => None,
            };
            let object = json!({
                "test": result.test,
                "file": shown(&result.file),
                "status": status,
                "golden": golden.map(|path| shown(path)),
                "detail": detail,
            });
            writeln!(out, "{object}")?;
        }
        let count = |status: Status| report.results.iter().filter(|result| self.status(result) == status).count();
        let summary = json!({
            "summary": {
                "passed": count(Status::Pass),
                "failed": count(Status::Fail),
                "skipped": count(Status::Skip),
                "broken": report.suites.iter().filter(|suite| suite.is_broken()).count(),
                "updated": repaired,
            }
        });
        writeln!(out, "{summary}")
    }

    /// Why a test failed.
    fn detail(&self, report: &TestReport, result: &TestResult, color: bool) -> io::Result<String> {
        let mut text = Vec::new();
        self.renderer(color).render(&result.diagnostics, report.suites[result.suite].files(), &mut text)?;
        let mut text = String::from_utf8_lossy(&text).into_owned();
        text.extend(result.mismatch.as_deref());
        Ok(text.trim_end().to_owned())
    }
}
