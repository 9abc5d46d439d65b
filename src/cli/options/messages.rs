//! How diagnostics are shown, and which.

use clap::{ArgMatches, Args, ValueEnum};

use crate::diagnostics::{DEFAULT_LIMIT, Level};

/// How diagnostics are shown.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Diagnostics")]
pub(in crate::cli) struct MessageArgs {
    /// How diagnostics are written to standard error
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(in crate::cli) message_format: MessageFormat,
    /// When to use colour; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(in crate::cli) color: ColorWhen,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(in crate::cli) ascii: bool,
    /// Make a code an error; `warnings` means all warnings
    #[arg(long, value_name = "CODE")]
    deny: Vec<String>,
    /// Make a code a warning: rules of dscript's own only
    #[arg(long, value_name = "CODE")]
    warn: Vec<String>,
    /// Leave a code out: warnings, and rules of dscript's own. Of several settings the last one counts, and a code
    /// counts before `warnings`
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
    /// Show at most this many errors, and as many warnings
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    pub(in crate::cli) max_errors: usize,
    /// Show errors only: no warnings, no closing line
    #[arg(long)]
    pub(in crate::cli) quiet: bool,
    /// `--deny`, `--warn` and `--allow` in the order of the command line.
    #[arg(skip)]
    pub(in crate::cli) levels: Vec<(Level, String)>,
}

impl MessageArgs {
    /// Adds what clap's derive does not keep: the order of different options.
    pub(in crate::cli) fn add_order(&mut self, matches: &ArgMatches) {
        let mut all: Vec<(usize, Level, String)> = Vec::new();
        let settings = [
            ("deny", Level::Deny, &self.deny),
            ("warn", Level::Warn, &self.warn),
            ("allow", Level::Allow, &self.allow),
        ];
        for (name, level, codes) in settings {
            let indices = matches.indices_of(name).into_iter().flatten();
            all.extend(indices.zip(codes).map(|(index, code)| (index, level, code.clone())));
        }
        all.sort_by_key(|(index, ..)| *index);
        self.levels = all.into_iter().map(|(_, level, code)| (level, code)).collect();
    }
}

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MessageFormat {
    /// With excerpts of the source
    Human,
    /// One JSON object a line
    Json,
    /// One SARIF 2.1.0 document
    Sarif,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
