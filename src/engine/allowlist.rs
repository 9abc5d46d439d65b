//! File accesses that the configuration accepts although no rule of the graph does.

use regex::Regex;

use crate::graph::{PipGraph, PipId};
use crate::paths::PathId;

/// One entry of `fileAccessAllowlist` or `cacheableFileAccessAllowlist`.
#[derive(Clone, Debug)]
pub struct AllowedAccess {
    /// What the entry is called in messages.
    pub name: String,
    /// The top-level value of the pip, dotted; none for all.
    pub value: Option<String>,
    /// The module whose pips it is for; none for all.
    pub module: Option<String>,
    /// The program, by its whole path or by its name alone; none for all.
    pub tool: Option<String>,
    /// Over the full path of the file.
    pub path: Regex,
    /// Whether a pip with such an access may be cached.
    pub cacheable: bool,
}

/// The accesses that the configuration accepts.
#[derive(Clone, Debug, Default)]
pub struct Allowlist {
    /// In the order of the configuration.
    pub entries: Vec<AllowedAccess>,
}

impl Allowlist {
    /// The entry that accepts an access of a program of a pip. Entries that allow caching come first.
    pub(super) fn find(&self, graph: &PipGraph, pip: PipId, program: &str, path: PathId) -> Option<&AllowedAccess> {
        if self.entries.is_empty() {
            return None;
        }
        let provenance = graph.provenance(pip);
        let text = graph.paths().display(path);
        let name = program.rsplit('/').next().unwrap_or(program);
        let fits = |entry: &&AllowedAccess| {
            entry.value.as_deref().is_none_or(|value| value == &*provenance.value)
                && entry.module.as_deref().is_none_or(|module| module == &*provenance.module)
                && entry.tool.as_deref().is_none_or(|tool| tool == program || tool == name)
                && entry.path.is_match(&text)
        };
        self.entries.iter().filter(fits).max_by_key(|entry| entry.cacheable)
    }

    /// The expressions over paths that a pip may write to although they are no outputs.
    pub(super) fn for_pip(&self, graph: &PipGraph, pip: PipId) -> Vec<String> {
        let provenance = graph.provenance(pip);
        let of_pip = self.entries.iter().filter(|entry| {
            entry.value.as_deref().is_none_or(|value| value == &*provenance.value)
                && entry.module.as_deref().is_none_or(|module| module == &*provenance.module)
        });
        of_pip.map(|entry| entry.path.as_str().to_owned()).collect()
    }
}
