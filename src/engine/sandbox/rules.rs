//! Which rule counts for a path, and what it lets a process do.

use std::os::unix::ffi::OsStrExt;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Rule, RuleKind};

/// The rules of a job.
pub struct Rules {
    /// Those that are about one path, and nothing below.
    exact: FxHashMap<Box<[u8]>, RuleKind>,
    /// Those that are about all that lies below, too.
    scopes: FxHashMap<Box<[u8]>, RuleKind>,
    /// Folders in which files may be made.
    beside: FxHashSet<Box<[u8]>>,
}

/// What a write may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It is not judged.
    Free,
    /// It may.
    Yes {
        /// Whether what is made is noted in the journal.
        journal: bool,
        /// Whether what was there is moved aside first.
        backup: bool,
    },
    /// It may not.
    No,
}

/// What is known of the path that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing is there.
    Absent,
    /// What is there was made by this job.
    Own,
    /// What is there was there before.
    Foreign,
}

impl Rules {
    /// From the rules of a job. Of two for the same path the later one counts.
    pub fn new(rules: &[Rule]) -> Self {
        let (mut exact, mut scopes) = (FxHashMap::default(), FxHashMap::default());
        let mut beside = FxHashSet::default();
        for rule in rules {
            let path = trim(rule.path.as_os_str().as_bytes());
            let map = match rule.kind {
                RuleKind::UntrackedPath | RuleKind::Output | RuleKind::Rewritable => &mut exact,
                RuleKind::UntrackedScope
                | RuleKind::ExclusiveDirectory
                | RuleKind::SharedDirectory { .. }
                | RuleKind::Excluded
                | RuleKind::Temporary => &mut scopes,
                RuleKind::Beside => {
                    beside.insert(path.into());
                    continue;
                }
            };
            map.insert(path.into(), rule.kind);
        }
        Self { exact, scopes, beside }
    }

    /// The rule that counts for a path: one about exactly this path, or the nearest scope at or above it. At one path a
    /// scope comes before a folder in which files may be made.
    pub fn of(&self, path: &[u8]) -> Option<RuleKind> {
        let path = trim(path);
        if let Some(kind) = self.exact.get(path) {
            return Some(*kind);
        }
        if self.scopes.is_empty() && self.beside.is_empty() {
            return None;
        }
        let mut at = path;
        let mut depth = 0;
        loop {
            if let Some(kind) = self.scopes.get(at) {
                return Some(*kind);
            }
            if depth == 1 && self.beside.contains(at) {
                return Some(RuleKind::Beside);
            }
            if at.is_empty() {
                return None;
            }
            at = &at[..memchr::memrchr(b'/', at).unwrap_or(0)];
            depth += 1;
        }
    }

    /// Whether accesses to a path are reported.
    pub fn reports(&self, path: &[u8]) -> bool {
        !matches!(self.of(path), Some(RuleKind::UntrackedPath | RuleKind::UntrackedScope | RuleKind::Temporary))
    }

    /// Whether a path may be written.
    pub fn permission(&self, path: &[u8], target: Target) -> Permission {
        let foreign = target == Target::Foreign;
        match self.of(path) {
            Some(RuleKind::UntrackedPath | RuleKind::UntrackedScope | RuleKind::Temporary) => Permission::Free,
            Some(RuleKind::Output | RuleKind::ExclusiveDirectory) => Permission::Yes { journal: false, backup: false },
            Some(RuleKind::Rewritable) => Permission::Yes { journal: false, backup: foreign },
            Some(RuleKind::SharedDirectory { existing }) if existing || !foreign => {
                Permission::Yes { journal: target == Target::Absent, backup: foreign }
            }
            Some(RuleKind::Beside) if !foreign => Permission::Yes { journal: target == Target::Absent, backup: false },
            Some(RuleKind::SharedDirectory { .. } | RuleKind::Beside | RuleKind::Excluded) | None => Permission::No,
        }
    }
}

/// Folders are written without a slash at the end; the root is the empty text.
fn trim(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(of: &[(&str, RuleKind)]) -> Rules {
        let rules: Vec<_> = of.iter().map(|(path, kind)| Rule { path: path.into(), kind: *kind }).collect();
        Rules::new(&rules)
    }

    #[test]
    fn the_nearest_rule_counts() {
        let rules = rules(&[
            ("/out", RuleKind::SharedDirectory { existing: false }),
            ("/out/not", RuleKind::Excluded),
            ("/out/not/but", RuleKind::Output),
            ("/usr", RuleKind::UntrackedScope),
            ("/etc", RuleKind::UntrackedPath),
        ]);
        assert_eq!(rules.of(b"/out/a/b"), Some(RuleKind::SharedDirectory { existing: false }));
        assert_eq!(rules.of(b"/outer"), None);
        assert_eq!(rules.of(b"/out/not/x"), Some(RuleKind::Excluded));
        assert_eq!(rules.of(b"/out/not/but"), Some(RuleKind::Output));
        // A rule about one path says nothing about those below it.
        assert_eq!(rules.of(b"/out/not/but/x"), Some(RuleKind::Excluded));
        assert_eq!(rules.of(b"/etc/passwd"), None);
        assert_eq!(rules.of(b"/"), None);
        assert!(!rules.reports(b"/usr/include/stdio.h"));
        assert!(rules.reports(b"/etc/passwd") && !rules.reports(b"/etc"));
    }

    #[test]
    fn a_rule_for_the_root_covers_everything() {
        let rules = rules(&[("/", RuleKind::Temporary), ("/a", RuleKind::Excluded)]);
        assert_eq!(rules.of(b"/b"), Some(RuleKind::Temporary));
        assert_eq!(rules.of(b"/"), Some(RuleKind::Temporary));
        assert_eq!(rules.of(b"/a/b"), Some(RuleKind::Excluded));
    }

    #[test]
    fn writes_are_judged_by_what_was_there() {
        let shared = |existing| rules(&[("/s", RuleKind::SharedDirectory { existing })]);
        let yes = |journal, backup| Permission::Yes { journal, backup };
        assert_eq!(shared(false).permission(b"/s/a", Target::Absent), yes(true, false));
        assert_eq!(shared(false).permission(b"/s/a", Target::Own), yes(false, false));
        assert_eq!(shared(false).permission(b"/s/a", Target::Foreign), Permission::No);
        assert_eq!(shared(true).permission(b"/s/a", Target::Foreign), yes(false, true));
        let rewritable = rules(&[("/r", RuleKind::Rewritable)]);
        assert_eq!(rewritable.permission(b"/r", Target::Foreign), yes(false, true));
        assert_eq!(rewritable.permission(b"/r/x", Target::Absent), Permission::No);
        assert_eq!(rules(&[]).permission(b"/x", Target::Absent), Permission::No);
        assert_eq!(rules(&[("/t", RuleKind::Temporary)]).permission(b"/t/x", Target::Foreign), Permission::Free);
    }
}
