//! The command line as a whole: its commands, and how it is read. Each command has its arguments beside it.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::Failure;
#[cfg(target_os = "linux")]
use super::{build::BuildArgs, cache::CacheArgs, cas::CasArgs};
use super::{check::CheckArgs, completions::CompletionsArgs, eval::EvalArgs, explain::ExplainArgs};
use super::{graph::GraphArgs, parse::ParseArgs, test::TestArgs};

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
    Cas(CasArgs),
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
    use crate::diagnostics::Level;

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
