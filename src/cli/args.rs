//! The arguments of every command, with the help that people read.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};

use super::Failure;
use super::remote_args::ConnectionArgs;
use crate::diagnostics::{DEFAULT_LIMIT, Level};
use crate::source::system::OperatingSystem;

/// What a command line asks for.
pub(super) enum Parsed {
    /// A command to run.
    Command(Box<Command>),
    /// Help or the version, to be printed.
    Text(String),
}

/// Interprets DScript build specs: specs in, a validated pip graph out, and a build.
#[derive(Debug, Parser)]
#[command(
    name = "dscript",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    long_about = "Interprets DScript build specs (.dsc files): specs in, a validated pip graph out.\n\n\
        A workspace is a folder with a config.dsc. Its specs declare what to build; evaluating them gives the pip \
        graph: a DAG of processes, file copies, file writes and sealed directories. `dscript build` runs it.",
    after_help = "Examples:\n  \
        dscript build                      build the workspace in this folder\n  \
        dscript graph                      its graph, as a tree\n  \
        dscript graph app --format json    the graph of another workspace, for programs\n  \
        dscript graph one.dsc              the graph of a single spec, without a workspace\n  \
        dscript check                      what is wrong in the specs, without evaluating them\n  \
        dscript explain DX9041             what a diagnostic means and what to do about it\n\n\
        Exit codes: 0 fine, 1 diagnostics with an error, 2 wrong usage or unusable files, 101 a bug in dscript.\n\
        Results go to standard output; diagnostics and statistics go to standard error."
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Evaluate a workspace and print its validated pip graph
    #[command(after_help = "Examples:\n  \
        dscript graph                                        this folder's workspace, as a tree\n  \
        dscript graph app/config.dsc --format json           for programs\n  \
        dscript graph --format dot -o graph.dot              for Graphviz: dot -Tsvg graph.dot\n  \
        dscript graph -q release                             under a qualifier named in config.dsc\n  \
        dscript graph -q 'configuration=debug;platform=x64'  under a qualifier given by its keys\n  \
        dscript graph -q debug -q release                    one graph over both\n  \
        dscript graph --filter \"~(tag='test')\"               some of its pips\n  \
        dscript graph one.dsc                                a single spec, without a workspace\n\n\
        When a diagnostic is an error, no graph is printed and the exit code is 1.")]
    Graph(GraphArgs),
    /// Build: run the pips of a workspace whose inputs have changed
    #[cfg(target_os = "linux")]
    #[command(after_help = "Examples:\n  \
        dscript build                              everything in this folder's workspace\n  \
        dscript build -j4 --keep-going             four processes at a time, past failures\n  \
        dscript build --filter \"tag='test'\"        some pips, with what they depend on\n  \
        dscript build --explain                    say for each pip that runs why it does\n  \
        dscript build --format json                a summary for programs, on standard output\n\n\
        Every file access of a process is observed: what is read without being declared, or written without\n\
        being an output, fails its pip. Results are kept in .dscript, in the workspace, and taken from there\n\
        when nothing that a pip read has changed.")]
    Build(Box<BuildArgs>),
    /// Look after the cache of builds
    #[cfg(target_os = "linux")]
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Cache(CacheArgs),
    /// Contents and directories by their digests: put in, get, look at
    #[cfg(target_os = "linux")]
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Cas(super::cas::args::CasArgs),
    /// Report the mistakes in a workspace that show without evaluating it
    #[command(after_help = "Examples:\n  \
        dscript check                              this folder's workspace\n  \
        dscript check --message-format json        one JSON object a line, on standard error\n  \
        dscript check --deny warnings              warnings fail the run\n  \
        dscript check --message-format sarif 2> check.sarif\n\n\
        Nothing is printed when all is well. `dscript graph` finds the same, and what shows only when values\n\
        are computed and pips are put together.")]
    Check(CheckArgs),
    /// Evaluate expressions as if they were written in a spec; without one, at a prompt
    #[command(after_help = "Examples:\n  \
        dscript eval                                     a prompt; :help there says more\n  \
        dscript eval --at src/app.dsc                    a prompt that sees what the spec sees\n  \
        dscript eval '[1, 2, 3].map(x => x * 2)'\n  \
        dscript eval --at src/app.dsc 'exe.getOutputFile(p`out/app`)'\n  \
        dscript eval my-workspace --at my-workspace/src/app.dsc --format json name version\n\n\
        Results come in the order of the expressions, with `--format json` one a line. An expression that\n\
        fails does not stop the others; the exit code is then 1. No workspace is needed without `--at`.\n\
        An expression that starts with `-` goes after `--`.\n\n\
        Without an expression, inputs are read from standard input, on a terminal with a prompt. Each sees\n\
        the declarations and imports before it.")]
    Eval(EvalArgs),
    /// Run the unit tests that are written in DScript
    #[command(after_help = "Examples:\n  \
        dscript test                         the tests of this folder's workspace\n  \
        dscript test --filter Parsing        those whose id, `spec::name`, holds this text\n  \
        dscript test --update                write the golden files that are missing or differ\n  \
        dscript test tests/flatten.dsc       a single spec, without a workspace\n  \
        dscript test --message-format json   one JSON object a test, and one that counts them\n\n\
        A test is a function with the decorator @@Testing.unitTest(). The pips that it makes are\n\
        compared with its golden file, NAME.lkg in a folder beside the spec that is called as the spec.\n\
        A folder without a config.dsc is searched for specs with tests.")]
    Test(TestArgs),
    /// Check the syntax of files, or print their syntax trees
    #[command(after_help = "Examples:\n  \
        dscript parse a.dsc b.dsc             syntax errors only; prints nothing when all is well\n  \
        dscript parse --format json a.dsc     the syntax tree\n  \
        dscript parse --stats src             every spec below a folder, and how fast that went\n  \
        dscript parse -                       standard input")]
    Parse(ParseArgs),
    /// Explain a diagnostic code, list all codes, or say why a pip of a build would run
    #[command(after_help = "Examples:\n  \
        dscript explain DX9041          the page of one code; the letters may be left out\n  \
        dscript explain                 all codes with their titles\n  \
        dscript explain out/bin/app     why the pip that makes this file would run, or would not\n  \
        dscript explain app             the same for the pips of a value, or of an id that `dscript graph` shows\n\n\
        Nothing is run. What would come of pips behind one that would run is not known before it has.")]
    Explain(ExplainArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  \
        dscript completions bash > ~/.local/share/bash-completion/completions/dscript\n  \
        dscript completions zsh  > ~/.zfunc/_dscript\n  \
        dscript completions fish > ~/.config/fish/completions/dscript.fish")]
    Completions(CompletionsArgs),
}

/// Arguments of `graph`.
#[derive(Args, Debug)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    pub(super) workspace: WorkspaceArg,
    /// Show only the pips that a filter selects: `tag='test'`, `output='out/*'`, a path, a tag …
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// How the graph is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: GraphFormat,
    /// Write the graph to this file, whole or not at all, instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// Arguments of `build`.
#[cfg(target_os = "linux")]
#[derive(Args, Debug)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    pub(super) workspace: WorkspaceArg,
    /// Run this many processes at a time [default: one for each processor]
    #[arg(short, long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Go on with what does not depend on a pip that failed
    #[arg(short, long)]
    pub(super) keep_going: bool,
    /// Build only the pips that this filter selects, with what they depend on
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Option<String>,
    /// How processes are watched
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(super) sandbox: Sandbox,
    /// Keep the cache in this folder, for example to share it between workspaces [default: .dscript/cache]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) cache_dir: Option<PathBuf>,
    /// Run every pip, and keep no results
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Read and hash every input, output and blob of the cache, whatever their times say
    #[arg(long)]
    pub(super) verify: bool,
    /// Run processes on a server that speaks the Remote Execution API: grpc://HOST:PORT, or grpcs:// with TLS
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) remote_executor: Option<String>,
    /// Run this many processes there at a time [default: four times those that run here, at least 16]
    #[arg(long, value_name = "N", requires = "remote_executor")]
    pub(super) remote_jobs: Option<NonZeroUsize>,
    /// What the machines there must offer, where the tool does not say otherwise, such as OSFamily=Linux
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value, requires = "remote_executor")]
    pub(super) remote_platform: Vec<(String, String)>,
    /// Say for each pip that runs why it does
    #[arg(long)]
    pub(super) explain: bool,
    #[command(flatten)]
    pub(super) remote: BuildRemoteArgs,
    /// Write a JSON object a pip to this file: times, result, fingerprints, what was read and made
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log: Option<PathBuf>,
    /// Write a trace of the build to this file, for chrome://tracing or Perfetto
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) trace: Option<PathBuf>,
    /// How the summary is written: a line on standard error, or JSON on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: SummaryFormat,
    /// Show everything that processes print, and each pip as it is done
    #[arg(short, long)]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// Which servers a build uses, and for what.
#[cfg(target_os = "linux")]
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Remote")]
pub(super) struct BuildRemoteArgs {
    /// Share results with others by a server that speaks the Remote Execution API: grpc://HOST:PORT, or grpcs:// with TLS
    /// [default: $DSCRIPT_REMOTE_CACHE]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(super) remote_cache: Option<String>,
    /// Use no remote cache, whatever the environment says
    #[arg(long, conflicts_with = "remote_cache")]
    pub(super) no_remote_cache: bool,
    /// Which results are uploaded
    #[arg(long, value_name = "WHICH", default_value = "new")]
    pub(super) remote_upload: RemoteUpload,
    /// Only read from the remote cache: --remote-upload no
    #[arg(long, conflicts_with = "remote_upload")]
    pub(super) remote_cache_read_only: bool,
    /// Which outputs are downloaded though no process of this build reads them
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub(super) outputs: OutputsWanted,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

/// Which results are uploaded.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RemoteUpload {
    /// None
    No,
    /// Those of processes that this build runs
    New,
    /// Also those that the cache of this machine has and this build uses
    All,
}

/// Which outputs are downloaded.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputsWanted {
    /// All
    All,
    /// Those of the pips that the filter names; without a filter of those that no other pip needs
    Toplevel,
    /// None
    None,
}

/// Arguments of `cache`.
#[cfg(target_os = "linux")]
#[derive(Args, Debug)]
pub(super) struct CacheArgs {
    #[command(subcommand)]
    pub(super) command: CacheCommand,
}

/// What is done with a cache.
#[cfg(target_os = "linux")]
#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// Say what the cache has
    Stats(CachePlace),
    /// Read everything in the cache, and remove what is damaged; the exit code is 1 if anything was
    Verify(CachePlace),
    /// Remove results that are no longer wanted, and the blobs that no other result needs
    #[command(after_help = "Examples:\n  \
        dscript cache gc --unused-days 30     results that no build used for a month\n  \
        dscript cache gc --max-size 10GB      the latest used results stay, as far as they fit\n\n\
        Without an option only blobs go that no result needs.")]
    Gc(CacheGc),
}

#[cfg(target_os = "linux")]
impl CacheCommand {
    /// Which cache.
    pub(super) fn place(&self) -> &CachePlace {
        match self {
            Self::Stats(place) | Self::Verify(place) => place,
            Self::Gc(gc) => &gc.place,
        }
    }
}

/// Which cache.
#[cfg(target_os = "linux")]
#[derive(Args, Debug)]
pub(super) struct CachePlace {
    /// The workspace: a folder, its config.dsc, or a single spec
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(super) path: PathBuf,
    /// The cache in this folder instead of that of the workspace
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) cache_dir: Option<PathBuf>,
    /// How the result is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: SummaryFormat,
}

/// Arguments of `cache gc`.
#[cfg(target_os = "linux")]
#[derive(Args, Debug)]
pub(super) struct CacheGc {
    #[command(flatten)]
    pub(super) place: CachePlace,
    /// Keep the latest used results whose blobs fit into this size, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = super::cache::parse_size)]
    pub(super) max_size: Option<u64>,
    /// Keep only results that were used within this many days
    #[arg(long, value_name = "DAYS")]
    pub(super) unused_days: Option<u32>,
}

/// How processes are watched.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Sandbox {
    /// The best way that this machine allows
    Auto,
    /// By notifications of seccomp
    Notify,
    /// By ptrace
    Trace,
    /// Not at all, but for processes with output directories
    None,
}

/// How the summary of a build is written.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SummaryFormat {
    /// One line for people
    Text,
    /// One JSON object
    Json,
}

/// How a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// A tree for people
    Text,
    /// One JSON document
    Json,
    /// A Graphviz graph
    Dot,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) workspace: WorkspaceArg,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// Arguments of `eval`. Which of the operands is PATH is decided in `eval.rs`.
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

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ValueFormat {
    /// As DScript
    Text,
    /// As JSON, one line a value
    Json,
}

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

/// Arguments of `parse`.
#[derive(Args, Debug)]
pub(super) struct ParseArgs {
    /// Spec files; a folder means every .dsc and .bm file below it, `-` means standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Print the syntax trees
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<TreeFormat>,
    /// Print bytes, time and speed to standard error
    #[arg(long)]
    pub(super) stats: bool,
    /// How many threads parse [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// How syntax trees are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TreeFormat {
    /// One line a file: {"file":…,"ast":…}
    Json,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A code as diagnostics show it, such as DX9041 or DS0101; else a pip: its id, a path that it makes, or the value
    /// that made it. Without one, all codes are listed
    #[arg(value_name = "CODE|PIP")]
    pub(super) what: Option<String>,
    /// The workspace of the pip: a folder, its config.dsc, or a single spec
    #[arg(long, value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(super) workspace: PathBuf,
    /// The cache in this folder instead of that of the workspace
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) cache_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) qualifiers: QualifierArgs,
    #[command(flatten)]
    pub(super) options: EvaluationArgs,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

/// Which workspace.
#[derive(Args, Debug)]
pub(super) struct WorkspaceArg {
    /// The workspace: a folder, its config.dsc, or a single spec
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    pub(super) path: PathBuf,
}

/// Under which qualifiers a workspace is evaluated.
#[derive(Args, Debug)]
#[command(next_help_heading = "Evaluation")]
pub(super) struct QualifierArgs {
    /// Evaluate under this qualifier: a name from config.dsc, or `key=value;key=value` on top of the default one;
    /// an empty value removes a key. Given several times, all of them are evaluated
    #[arg(short, long = "qualifier", value_name = "QUALIFIER")]
    pub(super) qualifiers: Vec<String>,
}

/// How a workspace is evaluated.
#[derive(Args, Debug)]
#[command(next_help_heading = "Evaluation")]
pub(super) struct EvaluationArgs {
    /// Set an environment variable that specs read with `Environment`
    #[arg(short = 'D', long = "env", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) environment: Vec<(String, String)>,
    /// Evaluate for a machine with this operating system [default: that of this machine]
    #[arg(long, value_name = "OS")]
    pub(super) host: Option<HostSystem>,
    /// Use the SDK modules in this folder instead of the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) sdk: Option<PathBuf>,
    /// How many threads evaluate; the result is always the same [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Print what was done and how long it took to standard error
    #[arg(long)]
    pub(super) stats: bool,
}

/// An operating system, named as specs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HostSystem {
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
    pub(super) fn os(self) -> OperatingSystem {
        match self {
            Self::Win => OperatingSystem::Windows,
            Self::MacOs => OperatingSystem::MacOs,
            Self::Unix => OperatingSystem::Unix,
        }
    }
}

/// How diagnostics are shown.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Diagnostics")]
pub(super) struct MessageArgs {
    /// How diagnostics are written to standard error
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(super) message_format: MessageFormat,
    /// When to use colour; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorWhen,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub(super) ascii: bool,
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
    pub(super) max_errors: usize,
    /// Show errors only: no warnings, no closing line
    #[arg(long)]
    pub(super) quiet: bool,
    /// `--deny`, `--warn` and `--allow` in the order of the command line.
    #[arg(skip)]
    pub(super) levels: Vec<(Level, String)>,
}

/// How diagnostics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MessageFormat {
    /// With excerpts of the source
    Human,
    /// One JSON object a line
    Json,
    /// One SARIF 2.1.0 document
    Sarif,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The command line as clap knows it, for completions.
pub(super) fn command() -> clap::Command {
    CommandLine::command()
}

/// Parses a command line, program name first.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match command().try_get_matches_from(&args) {
        Ok(matches) => matches,
        Err(error) => return text_or_failure(&error, &args),
    };
    let mut command = match CommandLine::from_arg_matches(&matches) {
        Ok(line) => line.command,
        Err(error) => return text_or_failure(&error, &args),
    };
    if let Some((_, matches)) = matches.subcommand() {
        command.add_order(matches);
    }
    Ok(Parsed::Command(Box::new(command)))
}

impl Command {
    /// Adds what clap's derive does not keep: the order of different options.
    fn add_order(&mut self, matches: &ArgMatches) {
        match self {
            Command::Graph(args) => args.messages.add_order(matches),
            #[cfg(target_os = "linux")]
            Command::Build(args) => args.messages.add_order(matches),
            Command::Check(args) => args.messages.add_order(matches),
            Command::Parse(args) => args.messages.add_order(matches),
            Command::Eval(args) => {
                args.messages.add_order(matches);
                if let Some(at) = matches.index_of("at") {
                    args.before_at = matches.indices_of("operands").map_or(0, |all| all.filter(|i| *i < at).count());
                }
            }
            #[cfg(target_os = "linux")]
            Command::Cache(_) | Command::Cas(_) => {}
            Command::Explain(args) => args.messages.add_order(matches),
            Command::Test(_) | Command::Completions(_) => {}
        }
    }
}

impl MessageArgs {
    fn add_order(&mut self, matches: &ArgMatches) {
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

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it does not look like NAME=VALUE".to_owned()),
    }
}

/// Help and version are results; everything else is an error in one line.
fn text_or_failure(error: &clap::Error, args: &[OsString]) -> Result<Parsed, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Parsed::Text(error.render().to_string())),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Failure::Usage("no command was given; `dscript --help` lists the commands".to_owned()))
        }
        _ => Err(Failure::Usage(one_line(&error.render().to_string(), args))),
    }
}

/// clap's message without its heading and usage: the problem, its tips, and where to read more.
fn one_line(rendered: &str, args: &[OsString]) -> String {
    let mut parts = Vec::new();
    for paragraph in rendered.split("\n\n") {
        let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(problem) = text.strip_prefix("error: ") {
            parts.push(problem.to_owned());
        } else if text.starts_with("tip: ") {
            parts.push(text);
        }
    }
    // Options that stand before the command are rare, and then the front page will do.
    let command = command();
    let named = args.get(1).and_then(|word| command.get_subcommands().find(|one| word == one.get_name()));
    let help = named.map_or("dscript --help".to_owned(), |one| format!("dscript {} --help", one.get_name()));
    format!("{}; see `{help}`", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Parsed, Failure> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn levels_keep_their_order() {
        let words = ["dscript", "check", "--allow", "DS0601", "--deny", "warnings", "--warn", "DS0501", "--allow=DS2"];
        let Ok(Parsed::Command(command)) = parse_words(&words) else { panic!("refused") };
        let Command::Check(args) = *command else { panic!("not a check") };
        let levels: Vec<_> = args.messages.levels.iter().map(|(level, code)| (*level, code.as_str())).collect();
        assert_eq!(
            levels,
            [(Level::Allow, "DS0601"), (Level::Deny, "warnings"), (Level::Warn, "DS0501"), (Level::Allow, "DS2")]
        );
    }

    #[test]
    fn operands_before_at_are_counted() {
        for (words, count) in [
            (vec!["dscript", "eval", "w", "--at", "s", "e"], 1),
            (vec!["dscript", "eval", "--at", "s", "e", "f"], 0),
            (vec!["dscript", "eval", "e"], 0),
        ] {
            let Ok(Parsed::Command(command)) = parse_words(&words) else { panic!("refused") };
            let Command::Eval(args) = *command else { panic!("not an eval") };
            assert_eq!(args.before_at, count, "{words:?}");
        }
    }

    #[test]
    fn errors_are_one_line_with_the_tip() {
        let Err(Failure::Usage(text)) = parse_words(&["dscript", "graph", "--fromat", "json"]) else {
            panic!("accepted")
        };
        assert_eq!(
            text,
            "unexpected argument '--fromat' found; tip: a similar argument exists: '--format'; see `dscript graph --help`"
        );
    }
}
