//! Which workspace is evaluated, and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::source::system::OperatingSystem;

/// Which workspace.
#[derive(Args, Debug)]
pub(in crate::cli) struct WorkspaceArg {
    /// The workspace: a folder, its config.dsc, or a single spec
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) path: PathBuf,
}

/// Under which qualifiers a workspace is evaluated.
#[derive(Args, Debug)]
#[command(next_help_heading = "Evaluation")]
pub(in crate::cli) struct QualifierArgs {
    /// Evaluate under this qualifier: a name from config.dsc, or `key=value;key=value` on top of the default one;
    /// an empty value removes a key. Given several times, all of them are evaluated
    #[arg(short, long = "qualifier", value_name = "QUALIFIER")]
    pub(in crate::cli) qualifiers: Vec<String>,
}

/// How a workspace is evaluated.
#[derive(Args, Debug)]
#[command(next_help_heading = "Evaluation")]
pub(in crate::cli) struct EvaluationArgs {
    /// Set an environment variable that specs read with `Environment`
    #[arg(short = 'D', long = "env", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) environment: Vec<(String, String)>,
    /// Evaluate for a machine with this operating system [default: that of this machine]
    #[arg(long, value_name = "OS")]
    pub(in crate::cli) host: Option<HostSystem>,
    /// Use the SDK modules in this folder instead of the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) sdk: Option<PathBuf>,
    /// How many threads evaluate; the result is always the same [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) threads: Option<NonZeroUsize>,
    /// Print what was done and how long it took to standard error
    #[arg(long)]
    pub(in crate::cli) stats: bool,
}

/// An operating system, named as specs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum HostSystem {
    /// Windows: drives, letter case in paths and names of variables does not matter
    Win,
    /// macOS: letter case in paths does not matter
    #[value(name = "macOS", alias = "macos")]
    MacOs,
    /// Linux
    Unix,
}

impl HostSystem {
    /// What the library calls it.
    pub(in crate::cli) fn os(self) -> OperatingSystem {
        match self {
            Self::Win => OperatingSystem::Windows,
            Self::MacOs => OperatingSystem::MacOs,
            Self::Unix => OperatingSystem::Unix,
        }
    }
}

/// Reads `NAME=VALUE`.
pub(in crate::cli) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it does not look like NAME=VALUE".to_owned()),
    }
}
