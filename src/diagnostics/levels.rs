//! Turning diagnostics up and down: `--deny CODE`, `--warn CODE`, `--allow CODE`.

use indexmap::IndexMap;
use thiserror::Error;

use super::{Code, Diagnostic, Severity, catalogue};

/// What to do with a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Leave it out.
    Allow,
    /// Show it as a warning.
    Warn,
    /// Show it as an error.
    Deny,
}

/// Why a level cannot be set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LevelError {
    /// The text is not a code.
    #[error("{0}")]
    NotACode(String),
    /// The condition makes the result unusable, so it stays an error.
    #[error("{0} is always an error; only warnings, and the graph and lint rules of dscript's own, can be turned down")]
    Fixed(Code),
}

/// The chosen levels. What is set last wins.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    codes: IndexMap<Code, Level>,
    warnings: Option<Level>,
}

/// The first of our own numbers that are rules, which a workspace may choose to break. What lies below (syntax, names,
/// workspace, evaluation) leaves nothing that could be used.
const FIRST_RULE: u32 = 500;

impl Levels {
    /// Everything as it comes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the level of a code, or of all warnings when `name` is `warnings`. `severity_of` tells how grave a
    /// condition is when nothing is set, none if it is unknown.
    ///
    /// # Errors
    /// When `name` is no code, or names a condition that is always an error and the level would turn it down.
    pub fn set(
        &mut self,
        name: &str,
        level: Level,
        severity_of: impl Fn(Code) -> Option<Severity>,
    ) -> Result<(), LevelError> {
        if name == "warnings" {
            self.warnings = Some(level);
            return Ok(());
        }
        let code: Code = name.parse().map_err(LevelError::NotACode)?;
        if level != Level::Deny && severity_of(code) == Some(Severity::Error) && !can_be_turned(code) {
            return Err(LevelError::Fixed(code));
        }
        self.codes.insert(code, level);
        Ok(())
    }

    /// These levels on top of others: the command line over the configuration.
    #[must_use]
    pub fn over(self, lower: Levels) -> Levels {
        let mut all = lower;
        // `--allow warnings` on top means those that the lower levels made errors, too.
        if self.warnings.is_some() {
            all = Levels { warnings: self.warnings, ..Levels::default() };
        }
        all.codes.extend(self.codes);
        all
    }

    /// Applies the levels: drops what is allowed, changes the severity of the rest.
    pub fn apply(&self, diagnostics: &mut Vec<Diagnostic>) {
        if self.codes.is_empty() && self.warnings.is_none() {
            return;
        }
        diagnostics.retain_mut(|one| {
            // What is grave by nature stays, even where its code was not known when the level was set. A warning that
            // other levels have made an error may be turned down again.
            let by_nature = catalogue::explain(one.code).map_or(one.severity, |page| page.severity);
            let fixed = one.is_error() && by_nature == Severity::Error && !can_be_turned(one.code);
            let for_all = if one.severity == Severity::Warning { self.warnings } else { None };
            match self.codes.get(&one.code).copied().or(for_all) {
                Some(Level::Deny) => one.severity = Severity::Error,
                Some(Level::Warn) if !fixed => one.severity = Severity::Warning,
                Some(Level::Allow) if !fixed => return false,
                _ => {}
            }
            true
        });
    }
}

fn can_be_turned(code: Code) -> bool {
    match code {
        Code::Ds(number) => number >= FIRST_RULE,
        Code::Dx(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(_: Code) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn warning(_: Code) -> Option<Severity> {
        Some(Severity::Warning)
    }

    #[test]
    fn warnings_can_be_denied_and_single_ones_allowed() {
        let mut levels = Levels::new();
        levels.set("warnings", Level::Deny, warning).unwrap();
        levels.set("ds0601", Level::Allow, warning).unwrap();
        let mut all = vec![
            Diagnostic::warning(Code::Ds(601), "a"),
            Diagnostic::warning(Code::Dx(14103), "b"),
            Diagnostic::error(Code::Dx(14), "c"),
        ];
        levels.apply(&mut all);
        assert_eq!(
            all.iter().map(|one| (one.code, one.severity)).collect::<Vec<_>>(),
            [(Code::Dx(14103), Severity::Error), (Code::Dx(14), Severity::Error)]
        );
    }

    #[test]
    fn the_command_line_counts_before_the_configuration() {
        let mut config = Levels::new();
        config.set("DS0601", Level::Deny, warning).unwrap();
        config.set("DS0602", Level::Deny, warning).unwrap();
        let mut line = Levels::new();
        line.set("DS0601", Level::Allow, warning).unwrap();
        let both = line.over(config);
        let mut all = vec![Diagnostic::warning(Code::Ds(601), "a"), Diagnostic::warning(Code::Ds(602), "b")];
        both.apply(&mut all);
        assert_eq!(
            all.iter().map(|one| (one.code, one.severity)).collect::<Vec<_>>(),
            [(Code::Ds(602), Severity::Error)]
        );
    }

    #[test]
    fn errors_with_a_number_of_buildxl_stay_errors() {
        let mut levels = Levels::new();
        assert_eq!(levels.set("DX0014", Level::Allow, error), Err(LevelError::Fixed(Code::Dx(14))));
        assert_eq!(levels.set("DS0101", Level::Warn, error), Err(LevelError::Fixed(Code::Ds(101))));
        assert!(levels.set("DS0501", Level::Warn, error).is_ok());
        assert!(matches!(levels.set("frob", Level::Warn, error), Err(LevelError::NotACode(_))));
        let mut all = vec![Diagnostic::error(Code::Ds(501), "overlap")];
        levels.apply(&mut all);
        assert_eq!(all[0].severity, Severity::Warning);
    }
}
