//! Wording that all rules share: how paths and other pips are named, and how the second place is shown.

use super::{GraphBuilder, Mount};
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{DirectoryId, PipId, Provenance, SealKind};
use crate::paths::PathId;

/// A diagnostic about the pip that is being added.
pub(super) fn refuse(code: Code, message: String, at: &Provenance, label: String) -> Diagnostic {
    Diagnostic::error(code, message).at(at.location, label)
}

/// A kind of directory, with its article, as messages name it.
pub(super) fn kind_words(kind: SealKind) -> &'static str {
    match kind {
        SealKind::Full => "a fully sealed directory",
        SealKind::Partial => "a partially sealed directory",
        SealKind::SourceTop | SealKind::SourceAll => "a sealed source directory",
        SealKind::SharedOpaque => "a shared opaque directory",
        SealKind::ExclusiveOpaque => "an exclusive opaque directory",
        SealKind::Composite => "a composite shared opaque directory",
        SealKind::SubDirectory => "a part of a shared opaque directory",
    }
}

/// Adds the second place: where `other` was made. `first` is the pip of the primary label.
pub(super) fn and_other(diagnostic: Diagnostic, first: &Provenance, other: &Provenance, what: &str) -> Diagnostic {
    if other.location != first.location {
        return diagnostic.and_at(other.location, format!("{what} by value `{}`", other.value));
    }
    // One place in a spec made both, so two labels there would look the same: say how the two differ.
    let note = if first.value != other.value {
        format!("one call made both: once for value `{}` and once for value `{}`", other.value, first.value)
    } else if first.qualifier != other.qualifier {
        let show = |provenance: &Provenance| {
            let pairs: Vec<String> = provenance.qualifier.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if pairs.is_empty() { "no qualifier".to_owned() } else { format!("`{}`", pairs.join(";")) }
        };
        format!("one call made both: for {} and for {}", show(other), show(first))
    } else {
        format!("one call made both, while value `{}` was evaluated", first.value)
    };
    diagnostic.note(note)
}

impl GraphBuilder {
    /// A path as users see it: relative to the workspace where it lies below it.
    pub(super) fn show(&self, path: PathId) -> String {
        crate::graph::frozen::show(&self.paths, self.options.workspace_root, path)
    }

    /// Adds the place where another pip was made.
    pub(super) fn with_pip(&self, diagnostic: Diagnostic, first: &Provenance, other: PipId, what: &str) -> Diagnostic {
        match self.origins.get(other) {
            Some(other) => and_other(diagnostic, first, other, what),
            None => diagnostic,
        }
    }

    /// Adds the place where a directory was sealed or declared.
    pub(super) fn with_directory(
        &self,
        diagnostic: Diagnostic,
        first: &Provenance,
        directory: DirectoryId,
    ) -> Diagnostic {
        let Some(directory) = self.directory(directory) else { return diagnostic };
        let what = format!("`{}` is made {} here", self.show(directory.root), kind_words(directory.kind));
        self.with_pip(diagnostic, first, directory.pip, &what)
    }

    /// The nearest mount that holds a path.
    pub(super) fn mount_of(&self, path: PathId) -> Option<&Mount> {
        self.paths.ancestors(path).find_map(|at| self.mount_at.get(&at)).and_then(|at| self.mounts.get(*at as usize))
    }

    /// Adds where a mount is defined, when a spec or configuration defines it.
    pub(super) fn with_mount(&self, diagnostic: Diagnostic, mount: &Mount, what: &str) -> Diagnostic {
        match mount.location {
            Some(location) => diagnostic.and_at(location, format!("mount `{}` is {what}", mount.name)),
            None => diagnostic.note(format!("mount `{}` is {what}", mount.name)),
        }
    }

    /// Where outputs may go, as advice.
    pub(super) fn writable_help(&self) -> String {
        let writable: Vec<&Mount> = self.mounts.iter().filter(|mount| mount.writable).collect();
        let best = writable.iter().find(|mount| &*mount.name == "ObjectRoot").or(writable.first());
        match best {
            Some(mount) => format!(
                "write below a writable mount, such as `{}` (`{}`): `Context.getNewOutputDirectory(\"name\")` gives a \
                 folder there",
                mount.name,
                self.show(mount.path)
            ),
            None => "define a mount with `isWritable: true` in the configuration and write below it".to_owned(),
        }
    }

    /// The rules about where outputs may lie: in a mount, and one that is writable.
    pub(super) fn check_writable(
        &self,
        path: PathId,
        unwritable: Code,
        at: &Provenance,
        label: &str,
        found: &mut Vec<Diagnostic>,
    ) -> bool {
        let shown = self.show(path);
        match self.mount_of(path) {
            None if self.options.unsafe_allow_out_of_mount_writes => true,
            None => {
                let message = format!("`{shown}` lies outside every mount");
                found
                    .push(refuse(Code::Dx(14415), message, at, label.replace("{}", &shown)).help(self.writable_help()));
                false
            }
            Some(mount) if !mount.writable => {
                let message = format!("`{shown}` is under a non-writable mount: `{}`", mount.name);
                let diagnostic = refuse(unwritable, message, at, label.replace("{}", &shown));
                let what = format!("at `{}` and not writable", self.show(mount.path));
                found.push(self.with_mount(diagnostic, mount, &what).help(self.writable_help()));
                false
            }
            Some(_) => true,
        }
    }
}
