//! An environment of which only some variables are seen (`allowedEnvironmentVariables`).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::source::system::{Environment, Host};

/// Another environment's variables, as far as they are allowed. All others are not set.
pub(super) struct RestrictedEnvironment {
    inner: Arc<dyn Environment>,
    allowed: BTreeSet<Arc<str>>,
}

impl RestrictedEnvironment {
    pub fn new(inner: Arc<dyn Environment>, allowed: &[Arc<str>]) -> Self {
        Self { inner, allowed: allowed.iter().cloned().collect() }
    }
}

impl Environment for RestrictedEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        let any_case = self.inner.host().os.has_case_blind_variables();
        let allowed = self.allowed.contains(name)
            || any_case && self.allowed.iter().any(|known| known.eq_ignore_ascii_case(name));
        allowed.then(|| self.inner.variable(name))?
    }

    fn user_home(&self) -> Option<PathBuf> {
        self.inner.user_home()
    }

    fn host(&self) -> Host {
        self.inner.host()
    }
}
