//! Environment variables.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use super::Host;

/// What specs may see besides files.
pub trait Environment: Send + Sync {
    /// The value of an environment variable; none where it is not set. Values that are not UTF-8 have their wrong
    /// bytes replaced.
    fn variable(&self, name: &str) -> Option<String>;

    /// The value of an environment variable whose name may differ from `name` in the case of letters, as names do on
    /// Windows. The exact name comes first, then the first of the others by its characters.
    ///
    /// Environments that do not know the names of their variables look for the exact name only.
    fn variable_in_any_case(&self, name: &str) -> Option<String> {
        self.variable(name)
    }

    /// The home folder of the user.
    fn user_home(&self) -> Option<PathBuf>;

    /// Facts about the machine.
    fn host(&self) -> Host;
}

/// The value of a name that is equal in any letter case, the exact name first.
fn in_any_case<'a>(
    variables: impl Iterator<Item = (&'a String, &'a String)> + Clone,
    name: &str,
) -> Option<&'a String> {
    let folded = name.to_lowercase();
    let mut exact = variables.clone().filter(|(known, _)| *known == name);
    let mut others = variables.filter(|(known, _)| known.to_lowercase() == folded);
    exact.next().or_else(|| others.next()).map(|(_, value)| value)
}

/// The environment of this process, with some variables set differently.
#[derive(Clone, Debug, Default)]
pub struct ProcessEnvironment {
    overrides: BTreeMap<String, String>,
}

impl ProcessEnvironment {
    /// The environment as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable for specs, not for the process.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.overrides.insert(name.into(), value.into());
        self
    }
}

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        if let Some(value) = self.overrides.get(name) {
            return Some(value.clone());
        }
        // The standard library panics on names that no system can hold.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn variable_in_any_case(&self, name: &str) -> Option<String> {
        // What was set for specs comes before what the process has.
        if let Some(value) = in_any_case(self.overrides.iter(), name) {
            return Some(value.clone());
        }
        if let Some(value) = self.variable(name) {
            return Some(value);
        }
        let known: BTreeMap<String, String> = env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        in_any_case(known.iter(), name).cloned()
    }

    fn user_home(&self) -> Option<PathBuf> {
        let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.variable(variable).filter(|home| !home.is_empty()).map(PathBuf::from)
    }

    fn host(&self) -> Host {
        Host::current()
    }
}

/// An environment made of given variables: the same on every machine.
#[derive(Clone, Debug, Default)]
pub struct MapEnvironment {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
    host: Host,
}

impl MapEnvironment {
    /// No variables, no home folder, and [`Host::default`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets the home folder.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Sets the facts about the machine.
    #[must_use]
    pub fn with_host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }
}

impl Environment for MapEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn variable_in_any_case(&self, name: &str) -> Option<String> {
        in_any_case(self.variables.iter(), name).cloned()
    }

    fn user_home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn host(&self) -> Host {
        self.host.clone()
    }
}

/// Lets a shared environment stand wherever an environment is wanted.
impl<E: Environment + ?Sized> Environment for std::sync::Arc<E> {
    fn variable(&self, name: &str) -> Option<String> {
        (**self).variable(name)
    }

    fn variable_in_any_case(&self, name: &str) -> Option<String> {
        (**self).variable_in_any_case(name)
    }

    fn user_home(&self) -> Option<PathBuf> {
        (**self).user_home()
    }

    fn host(&self) -> Host {
        (**self).host()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_win_and_odd_names_are_not_set() {
        let environment = ProcessEnvironment::new().with("PATH", "mine");
        assert_eq!(environment.variable("PATH").as_deref(), Some("mine"));
        for name in ["", "A=B", "A\0B"] {
            assert_eq!(environment.variable(name), None);
        }
    }
}
