//! `dscript eval` without an expression: inputs one after the other, from a terminal with a prompt, else line by line.

mod terminal;

use std::cell::RefCell;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;

use super::output::Output;
use super::report::Reporter;
use super::{Failure, Outcome};
use crate::syntax::is_unfinished;
use crate::workspace::{ProbedValue, Prompt, QualifierRequest, Workspace};

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ValueFormat {
    /// As DScript
    Text,
    /// As JSON, one line a value
    Json,
}

impl ValueFormat {
    /// Adds the line of a value. One that could not be computed has a line too, so that results can be told apart.
    pub(super) fn line(self, value: &ProbedValue, lines: &mut String) {
        match self {
            Self::Text => lines.push_str(value.text.as_deref().unwrap_or("<error>")),
            Self::Json => lines.push_str(&value.json.to_string()),
        }
        lines.push('\n');
    }
}

/// Reads inputs until there are no more.
pub(super) fn run(
    workspace: &Workspace,
    at: Option<&Path>,
    qualifier: Option<&QualifierRequest>,
    format: ValueFormat,
    reporter: &Reporter,
) -> Result<Outcome, Failure> {
    let session = Session { workspace, prompt: RefCell::new(workspace.prompt(at, qualifier)), format, reporter };
    if io::stdin().is_terminal() { terminal::run(&session) } else { piped(&session) }
}

/// Every command, with what it does.
const COMMANDS: [(&str, &str); 3] =
    [(":forget", "forget all declarations and imports"), (":help", "show this"), (":quit", "leave, as Ctrl-D does")];

/// A conversation, and how it is shown.
struct Session<'s> {
    workspace: &'s Workspace,
    /// Shared with completion, which asks while a line is typed.
    prompt: RefCell<Prompt<'s>>,
    format: ValueFormat,
    reporter: &'s Reporter,
}

/// What comes after an input.
enum Next {
    /// The next one; whether this one had an error.
    Input(Outcome),
    /// Nothing.
    Leave,
}

impl Session<'_> {
    /// Whether a text needs more lines.
    fn is_unfinished(text: &str) -> bool {
        !is_command(text) && is_unfinished(text)
    }

    /// Runs a command or evaluates an input, and shows what comes of it.
    fn input(&self, text: &str) -> Result<Next, Failure> {
        if text.trim().is_empty() {
            return Ok(Next::Input(Outcome::Fine));
        }
        if is_command(text) {
            return self.command(text.trim());
        }
        let entered = self.prompt.borrow_mut().enter(text);
        let outcome = self.reporter.show(entered.diagnostics, self.workspace.files())?;
        let mut lines = String::new();
        for value in entered.values {
            self.format.line(&value, &mut lines);
        }
        Output::standard().write_all(lines.as_bytes())?;
        if entered.interrupted {
            // The terminal shows `^C` on the line where evaluation was.
            writeln!(io::stderr().lock()).map_err(Failure::output)?;
            say("interrupted")?;
            return Ok(Next::Input(Outcome::Errors));
        }
        Ok(Next::Input(outcome))
    }

    fn command(&self, text: &str) -> Result<Next, Failure> {
        match text {
            ":quit" => return Ok(Next::Leave),
            ":forget" => self.prompt.borrow_mut().forget(),
            ":help" => Output::standard().write_all(help().as_bytes())?,
            _ => {
                say(&format!("there is no command `{text}`; `:help` lists the commands"))?;
                return Ok(Next::Input(Outcome::Errors));
            }
        }
        Ok(Next::Input(Outcome::Fine))
    }
}

fn is_command(text: &str) -> bool {
    text.trim_start().starts_with(':')
}

fn help() -> String {
    let mut text = "Type an expression to see its value: [1, 2, 3].map(x => x * 2)\n\
        Declarations and imports hold for what comes after them: const size = 3;\n\
        An input that is not finished goes on in the next line.\n\n\
        Tab completes names and members; Ctrl-C drops a line or stops an evaluation.\n\n"
        .to_owned();
    for (name, does) in COMMANDS {
        text.push_str(&format!("{name:9} {does}\n"));
    }
    text
}

/// Says something about the conversation itself.
fn say(message: &str) -> Result<(), Failure> {
    writeln!(io::stderr().lock(), "dscript: {message}").map_err(Failure::output)
}

/// Reads standard input to its end, without prompts. The outcome is that of a spec that holds all inputs.
fn piped(session: &Session<'_>) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Fine;
    let mut text = String::new();
    let mut lines = io::stdin().lock().lines();
    loop {
        let line =
            lines.next().transpose().map_err(|error| Failure::file("read", Path::new("standard input"), error))?;
        let ended = line.is_none();
        if let Some(line) = line {
            text.push_str(&line);
            text.push('\n');
        }
        if !ended && Session::is_unfinished(&text) {
            continue;
        }
        match session.input(&text)? {
            Next::Input(Outcome::Errors) => outcome = Outcome::Errors,
            Next::Input(Outcome::Fine) => {}
            Next::Leave => return Ok(outcome),
        }
        text.clear();
        if ended {
            return Ok(outcome);
        }
    }
}
