//! Rules about what a pip reads (moments A1 and A2).

use rustc_hash::{FxHashMap, FxHashSet};

use super::GraphBuilder;
use super::report::refuse;
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{DirectoryId, Existence, FileArtifact, Provenance};
use crate::paths::PathId;

impl GraphBuilder {
    /// Checks each input file, and that no path is read in two versions.
    pub(super) fn check_inputs(&self, inputs: &[FileArtifact], at: &Provenance, found: &mut Vec<Diagnostic>) {
        let mut seen: FxHashMap<PathId, u32> = FxHashMap::default();
        // Two versions are one mistake: that the older of them is out of date is not said as well.
        let mut in_two_versions = FxHashSet::default();
        for input in inputs {
            match seen.insert(input.path, input.rewrite) {
                Some(version) if version != input.rewrite && in_two_versions.insert(input.path) => {
                    let shown = self.show(input.path);
                    let message = format!("`{shown}` is read in two versions: {version} and {}", input.rewrite);
                    let mut diagnostic = refuse(Code::Dx(216), message, at, format!("`{shown}` is read here"))
                        .help("depend on the newest version only");
                    for version in [version, input.rewrite] {
                        let artifact = FileArtifact { path: input.path, rewrite: version };
                        if let Some(producer) = self.files.producer(artifact) {
                            let what = format!("version {version} is written here");
                            diagnostic = self.with_pip(diagnostic, at, producer, &what);
                        }
                    }
                    found.push(diagnostic);
                }
                _ => {}
            }
        }
        for input in inputs.iter().filter(|input| !in_two_versions.contains(&input.path)) {
            if seen.remove(&input.path).is_some() {
                self.check_input(*input, at, found);
            }
        }
    }

    /// Checks one input file.
    pub(super) fn check_input(&self, input: FileArtifact, at: &Provenance, found: &mut Vec<Diagnostic>) {
        let shown = self.show(input.path);
        let label = format!("`{shown}` is read here");
        if let Some(mount) = self.mount_of(input.path).filter(|mount| !mount.readable) {
            let message = format!("`{shown}` is under a non-readable mount: `{}`", mount.name);
            let diagnostic = refuse(Code::Dx(2001), message, at, label);
            let what = format!("at `{}` and not readable", self.show(mount.path));
            let help = format!("set `isReadable: true` on mount `{}`, or read from another place", mount.name);
            found.push(self.with_mount(diagnostic, mount, &what).help(help));
            return;
        }
        let state = self.files.get(input.path);
        let newest = state.and_then(|state| state.producer().map(|producer| (state, producer)));
        let Some((state, producer)) = newest else {
            if !input.is_source() && !self.lost.contains(&input) {
                let message = format!("`{shown}` is read as an output, but no pip writes it");
                found.push(
                    refuse(Code::Dx(217), message, at, label)
                        .help("use the file that the producing call returned, or name it as a source file: f`…`"),
                );
            }
            return;
        };
        if input.is_source() {
            let message = format!("`{shown}` is read as a source file, but a pip writes it");
            let diagnostic = refuse(Code::Dx(213), message, at, format!("`{shown}` is read as a source file here"));
            found.push(
                self.with_pip(diagnostic, at, producer, &format!("`{shown}` is written here"))
                    .help("depend on the file that the producing call returned instead of naming its path"),
            );
        } else if state.version != input.rewrite {
            let message = format!("`{shown}` is read before it is rewritten, but the rewrite was declared first");
            let diagnostic =
                refuse(Code::Dx(215), message, at, format!("version {} of `{shown}` is read here", input.rewrite));
            found.push(
                self.with_pip(diagnostic, at, producer, &format!("version {} is written here", state.version))
                    .help("depend on the newest version, which the rewriting call returned"),
            );
        } else if state.existence == Existence::Temporary {
            let message = format!("`{shown}` is a temporary output of another pip and cannot be read");
            let diagnostic = refuse(Code::Dx(310), message, at, label);
            found.push(
                self.with_pip(diagnostic, at, producer, &format!("`{shown}` is declared temporary here"))
                    .help("declare it there with `existence: \"required\"` or `\"optional\"`"),
            );
        }
    }

    /// Checks each input directory: it must have been sealed.
    pub(super) fn check_input_directories(&self, inputs: &[DirectoryId], at: &Provenance, found: &mut Vec<Diagnostic>) {
        for input in inputs {
            if self.directory(*input).is_none() {
                found.push(
                    refuse(
                        Code::Dx(13102),
                        "a directory is read that was never sealed".to_owned(),
                        at,
                        "read here".to_owned(),
                    )
                    .help("seal it first, for example with `Transformer.sealSourceDirectory`, and depend on the seal"),
                );
            }
        }
    }
}
