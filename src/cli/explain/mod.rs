//! `dscript explain`: the page of a diagnostic code, or why a pip would run.

mod args;
#[cfg(target_os = "linux")]
mod pip;

use std::fmt::Write;

use super::output::Output;
use super::{Failure, Outcome, library};
use crate::diagnostics::catalogue::{self, Page};
use crate::diagnostics::{Code, Severity};
pub(super) use args::ExplainArgs;

pub(super) fn run(args: ExplainArgs) -> Result<Outcome, Failure> {
    let text = match args.what.as_deref() {
        Some(name) if is_code(name) => page(find(name)?),
        #[cfg(target_os = "linux")]
        Some(name) => return pip::run(name, &args),
        #[cfg(not(target_os = "linux"))]
        Some(name) => page(find(name)?),
        None => list(),
    };
    Output::standard().write_all(text.as_bytes())?;
    Ok(Outcome::Fine)
}

fn is_code(name: &str) -> bool {
    name.parse::<u32>().is_ok() || name.parse::<Code>().is_ok()
}

/// The page of a code; `9041` alone means BuildXL's code, else ours.
fn find(name: &str) -> Result<&'static Page, Failure> {
    let code = match name.parse::<u32>() {
        Ok(number) if catalogue::explain(Code::Dx(number)).is_none() => match catalogue::explain(Code::Ds(number)) {
            Some(page) => return Ok(page),
            None => Code::Dx(number),
        },
        Ok(number) => Code::Dx(number),
        Err(_) => name.parse().map_err(Failure::Usage)?,
    };
    catalogue::explain(code).ok_or_else(|| Failure::Usage(library::unknown_code(code)))
}

fn page(page: &Page) -> String {
    format!("{} ({}): {}\n\n{}\n", page.code, severity(page.severity), page.title, page.body.trim())
}

fn list() -> String {
    let mut text = String::new();
    for page in catalogue::all() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<8} {:<8} {}", page.code.to_string(), severity(page.severity), page.title);
    }
    text
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
