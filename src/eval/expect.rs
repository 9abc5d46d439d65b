//! What only unit tests have: a world that they may change, and failures that they expect.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::machine::Machine;
use super::native::{Eval, Site};
use super::shared::{Event, ThunkId};
use super::value::Value;
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::Mount;
use crate::source::Location;
use crate::source::system::{Environment, Host};

/// The world of one unit test: it begins without variables and mounts, and the test sets what it needs.
pub struct TestWorld {
    /// Where facts about the machine come from.
    machine: Arc<dyn Environment>,
    variables: RwLock<BTreeMap<String, String>>,
    mounts: RwLock<Vec<Mount>>,
    pips_are_free: AtomicBool,
}

impl TestWorld {
    /// A world without variables and mounts on a machine.
    pub fn new(machine: Arc<dyn Environment>) -> Self {
        Self { machine, variables: RwLock::default(), mounts: RwLock::default(), pips_are_free: AtomicBool::new(false) }
    }

    /// Sets an environment variable, or takes it away.
    pub fn set_variable(&self, name: &str, value: Option<&str>) {
        let os = self.machine.host().os;
        let mut variables = self.variables.write().unwrap_or_else(PoisonError::into_inner);
        variables.retain(|known, _| !os.is_same_variable(known, name));
        if let Some(value) = value {
            variables.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Adds a mount; one of the same name gives way.
    pub fn set_mount(&self, mount: Mount) {
        self.remove_mount(&mount.name);
        self.mounts.write().unwrap_or_else(PoisonError::into_inner).push(mount);
    }

    /// Takes a mount away. False when there was none of this name.
    pub fn remove_mount(&self, name: &str) -> bool {
        let mut mounts = self.mounts.write().unwrap_or_else(PoisonError::into_inner);
        let before = mounts.len();
        mounts.retain(|known| *known.name != *name);
        mounts.len() < before
    }

    /// The mounts in the order in which they were set.
    pub fn mounts(&self) -> Vec<Mount> {
        self.mounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pips of this test are not compared with a golden file.
    pub fn free_pips(&self) {
        self.pips_are_free.store(true, Ordering::Relaxed);
    }

    /// Whether the pips of this test are not compared with a golden file.
    pub fn pips_are_free(&self) -> bool {
        self.pips_are_free.load(Ordering::Relaxed)
    }
}

impl Environment for TestWorld {
    fn variable(&self, name: &str) -> Option<String> {
        let variables = self.variables.read().unwrap_or_else(PoisonError::into_inner);
        let os = self.machine.host().os;
        let same = || variables.iter().find(|(known, _)| os.is_same_variable(known, name)).map(|(_, value)| value);
        variables.get(name).or_else(same).cloned()
    }

    fn user_home(&self) -> Option<PathBuf> {
        self.machine.user_home()
    }

    fn host(&self) -> Host {
        self.machine.host()
    }
}

/// What one of the errors of an expected failure must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedMessage {
    /// Its number; none: any.
    pub code: Option<u32>,
    /// A part of its text.
    pub text: String,
}

/// A failure that a unit test expects. Whether it came is known only when the graph has seen all pips that were made
/// on the way: most rules are the graph's.
#[derive(Debug)]
pub struct ExpectedFailure {
    /// The call that expects it.
    pub location: Location,
    /// Why evaluation stopped, and what was said before.
    pub said: Vec<Diagnostic>,
    /// What the errors must say.
    pub messages: Vec<ExpectedMessage>,
}

impl ExpectedFailure {
    /// What remains to be told when the graph has said `said`: warnings, and that the failure did not come.
    pub(super) fn check(self, said: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let (errors, mut rest): (Vec<_>, Vec<_>) = said.into_iter().chain(self.said).partition(Diagnostic::is_error);
        if errors.is_empty() {
            let message = "a failure was expected, but the code ran without an error";
            let help = "call what fails in the function given to `Testing.expectFailure`";
            rest.push(Diagnostic::error(Code::Ds(702), message).at(self.location, "").help(help));
            return rest;
        }
        for expected in &self.messages {
            if errors.iter().any(|error| expected.matches(error)) {
                continue;
            }
            let number = expected.code.map(|code| format!(" with the number {code}")).unwrap_or_default();
            let message = format!("no error{number} says `{}`", expected.text);
            let mut diagnostic = Diagnostic::error(Code::Ds(703), message).at(self.location, "");
            for error in &errors {
                diagnostic = diagnostic.note(format!("the error was {}: {}", error.code, error.message));
            }
            rest.push(diagnostic);
        }
        rest
    }
}

impl ExpectedMessage {
    fn matches(&self, error: &Diagnostic) -> bool {
        let number = match error.code {
            Code::Dx(number) | Code::Ds(number) => number,
        };
        if self.code.is_some_and(|code| code != number) {
            return false;
        }
        let wanted = plain(&self.text);
        let labels = error.labels.iter().map(|label| &label.message);
        let texts = [&error.message].into_iter().chain(labels).chain(&error.notes).chain(&error.help);
        texts.into_iter().any(|text| plain(text).contains(&wanted))
    }
}

/// BuildXL sets names in straight quotes, this program in back ticks, and paths are written with the separators of the
/// host or with `/`: to a test all these are the same.
fn plain(text: &str) -> String {
    text.replace('`', "'").replace('\\', "/")
}

impl<'h> Machine<'_, 'h> {
    /// Calls a function that must fail: while it is evaluated, or when the graph sees the pips that it makes.
    ///
    /// # Errors
    /// Never: that it did not fail is told when the graph is built.
    pub fn expect_failure(&mut self, function: Value<'h>, messages: Vec<ExpectedMessage>, site: Site<'h>) -> Eval<'h> {
        let location = self.call_outside_sdk(site.location());
        let said_before = self.running.last().map_or(0, |running| running.diagnostics.len());
        self.emit(Event::FailureBegins);
        let (sites, stack, growths) = (self.sites.len(), self.stack.len(), self.growths.len());
        let result = self.call(function, &[], site);
        self.sites.truncate(sites);
        self.stack.truncate(stack);
        self.growths.truncate(growths);
        let mut said = match self.running.last_mut() {
            Some(running) => running.diagnostics.split_off(said_before.min(running.diagnostics.len())),
            None => Vec::new(),
        };
        if result.is_err() {
            match (self.error.take(), self.failed) {
                (Some(error), _) => said.push(*error),
                // The value may have failed, and told why, before.
                (None, Some(failed)) => said.extend(self.errors_of(failed)),
                (None, None) => {}
            }
        }
        self.emit(Event::FailureEnds(Box::new(ExpectedFailure { location, said, messages })));
        Ok(Value::Undefined)
    }

    /// Why a top-level value failed: what it said itself, or the value that it needed last.
    fn errors_of(&self, failed: ThunkId) -> Vec<Diagnostic> {
        let mut at = Some(failed);
        while let Some(record) = at.and_then(|id| self.shared.thunk(id).record.get()) {
            let errors = record.diagnostics.iter().filter(|one| one.is_error());
            let errors: Vec<Diagnostic> = errors.cloned().collect();
            if !errors.is_empty() {
                return errors;
            }
            at = record.because;
        }
        Vec::new()
    }
}
