//! The arguments of `dscript explain`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::options::{EvaluationArgs, MessageArgs, QualifierArgs};

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExplainArgs {
    /// A code as diagnostics show it, such as DX9041 or DS0101; else a pip: its id, a path that it makes, or the value
    /// that made it. Without one, all codes are listed
    #[arg(value_name = "CODE|PIP")]
    pub(in crate::cli) what: Option<String>,
    /// The workspace of the pip: a folder, its config.dsc, or a single spec
    #[arg(long, value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) workspace: PathBuf,
    /// The cache in this folder instead of that of the workspace
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) cache_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(in crate::cli) options: EvaluationArgs,
    #[command(flatten)]
    pub(in crate::cli) messages: MessageArgs,
}
