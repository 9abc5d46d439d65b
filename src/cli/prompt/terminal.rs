//! The prompt of a terminal: line editing, history, completion, and Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::{Completer, Pair};
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};

use super::{COMMANDS, Next, Session, is_command, say};
use crate::cli::{Failure, Outcome};
use crate::source::system::{Environment, ProcessEnvironment};

const PROMPT: &str = "> ";
/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Asks until the user leaves. Mistakes were told as they came, so the outcome is always fine.
pub(super) fn run(session: &Session<'_>) -> Result<Outcome, Failure> {
    interrupt_with_ctrl_c(session.prompt.borrow().interrupter())?;
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<Assistant<'_, '_>, FileHistory> = Editor::with_config(config).map_err(failure)?;
    editor.set_helper(Some(Assistant { session }));
    let mut history = History::open(&mut editor)?;
    say(&format!("version {}; `:help` says what can be typed, Ctrl-D leaves", env!("CARGO_PKG_VERSION")))?;
    loop {
        let text = match editor.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(Outcome::Fine),
            Err(error) => return Err(failure(error)),
        };
        history.add(&mut editor)?;
        if let Next::Leave = session.input(&text)? {
            return Ok(Outcome::Fine);
        }
    }
}

fn failure(error: ReadlineError) -> Failure {
    match error {
        ReadlineError::Io(error) => Failure::output(error),
        other => Failure::Usage(format!("the terminal cannot be used: {other}")),
    }
}

/// Makes Ctrl-C stop an evaluation. One that does not listen, because it waits for the disk, ends with the program at
/// the second time.
fn interrupt_with_ctrl_c(interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    let handler = move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    };
    ctrlc::set_handler(handler).map_err(|error| Failure::Usage(format!("Ctrl-C cannot be listened to: {error}")))
}

/// What was typed in this and earlier conversations.
struct History {
    /// None where it cannot be kept.
    file: Option<PathBuf>,
}

impl History {
    /// Reads what is there. History that cannot be read or kept is told once, and then done without.
    fn open(editor: &mut Editor<Assistant<'_, '_>, FileHistory>) -> Result<Self, Failure> {
        let Some(file) = state_folder(&ProcessEnvironment::new()).map(|folder| folder.join("dscript/history")) else {
            return Ok(Self { file: None });
        };
        let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let read = made.map_err(ReadlineError::from).and_then(|()| match file.exists() {
            true => editor.load_history(&file),
            false => Ok(()),
        });
        match read {
            Ok(()) => Ok(Self { file: Some(file) }),
            Err(error) => Self::without(&file, &error),
        }
    }

    /// Keeps what was typed last.
    fn add(&mut self, editor: &mut Editor<Assistant<'_, '_>, FileHistory>) -> Result<(), Failure> {
        if let Some(file) = &self.file
            && let Err(error) = editor.append_history(file)
        {
            *self = Self::without(file, &error)?;
        }
        Ok(())
    }

    fn without(file: &Path, error: &ReadlineError) -> Result<Self, Failure> {
        say(&format!("what you type is not kept: `{}`: {error}", file.display()))?;
        Ok(Self { file: None })
    }
}

/// Where programs keep what they remember for the user.
fn state_folder(environment: &dyn Environment) -> Option<PathBuf> {
    let absolute = |name| environment.variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    if cfg!(windows) {
        return absolute("LOCALAPPDATA");
    }
    absolute("XDG_STATE_HOME").or_else(|| environment.user_home().map(|home| home.join(".local/state")))
}

/// Helps while a line is typed.
struct Assistant<'a, 's> {
    session: &'a Session<'s>,
}

impl Helper for Assistant<'_, '_> {}
impl Highlighter for Assistant<'_, '_> {}

impl Hinter for Assistant<'_, '_> {
    type Hint = String;
}

impl Validator for Assistant<'_, '_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match Session::is_unfinished(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Completer for Assistant<'_, '_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let text = line.get(..at).unwrap_or(line);
        let pair = |name: &str| Pair { display: name.to_owned(), replacement: name.to_owned() };
        if is_command(text) {
            let start = text.len() - text.trim_start().len();
            let fits = COMMANDS.iter().filter(|(name, _)| name.starts_with(&text[start..]));
            return Ok((start, fits.map(|(name, _)| pair(name)).collect()));
        }
        let found = self.session.prompt.borrow_mut().complete(text);
        Ok((found.start, found.names.iter().map(|name| pair(name)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::system::MapEnvironment;

    #[cfg(unix)]
    #[test]
    fn what_is_typed_is_kept_where_the_user_says() {
        let home = MapEnvironment::new().with_home("/home/me");
        assert_eq!(state_folder(&home), Some(PathBuf::from("/home/me/.local/state")));
        assert_eq!(state_folder(&home.clone().with("XDG_STATE_HOME", "/state")), Some(PathBuf::from("/state")));
        // The rules of that variable say that a relative path is as good as none.
        assert_eq!(state_folder(&home.with("XDG_STATE_HOME", "x")), Some(PathBuf::from("/home/me/.local/state")));
        assert_eq!(state_folder(&MapEnvironment::new()), None);
    }
}
