//! Rules about what a pip writes (moment A3), and the pips that write one file (A5).

use super::GraphBuilder;
use super::report::{kind_words, refuse};
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{
    CopyFilePip, Directory, DirectoryId, FileArtifact, IpcPip, PipId, Provenance, SealKind, WriteFilePip,
};
use crate::paths::PathId;

fn result(found: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if found.is_empty() { Ok(()) } else { Err(found) }
}

impl GraphBuilder {
    /// Checks one output file. `input` is the version of the same path that the pip reads, if it reads one.
    pub(super) fn check_output(
        &self,
        output: FileArtifact,
        input: Option<FileArtifact>,
        at: &Provenance,
        found: &mut Vec<Diagnostic>,
    ) {
        let shown = self.show(output.path);
        let label = format!("`{shown}` is written here");
        if output.is_source() {
            let message = format!("`{shown}` is a source file and cannot be written");
            found.push(
                refuse(Code::Dx(206), message, at, label).help(
                    "write to another path, below an output directory; a copy of the source can be rewritten there",
                ),
            );
            return;
        }
        if !self.check_writable(output.path, Code::Dx(2000), at, "`{}` is written here", found) {
            return;
        }
        if let Some(diagnostic) = self.check_not_closed(output.path, None, at, &label) {
            found.push(diagnostic);
            return;
        }
        let state = self.files.get(output.path);
        if input.is_some_and(FileArtifact::is_source) {
            let message = format!("`{shown}` is a source file that this pip reads, so it cannot write it");
            found.push(
                refuse(Code::Dx(206), message, at, label)
                    .help("write to another path; to rewrite a file, copy it first and rewrite the copy"),
            );
            return;
        }
        let newest = state.and_then(|state| state.producer().map(|producer| (state, producer)));
        let Some((state, producer)) = newest else {
            if let Some(user) = state.and_then(|state| state.user()) {
                let message = format!("`{shown}` is written here but was already read as a source file");
                let diagnostic = refuse(Code::Dx(206), message, at, label);
                found.push(
                    self.with_pip(diagnostic, at, user, "it is read as a source file here")
                        .help("make the reader depend on the file that this call returns, or write to another path"),
                );
            } else if output.before().is_some_and(|before| !self.lost.contains(&before)) {
                found.push(self.version_jump(output, 0, at, None));
            }
            return;
        };
        let wrong_input = input.filter(|input| input.rewrite + 1 != output.rewrite);
        if let Some(input) = wrong_input.filter(|_| output.rewrite > 1) {
            let message = format!(
                "`{shown}` is rewritten from version {}, but the same process reads version {} of it",
                output.rewrite - 1,
                input.rewrite
            );
            let diagnostic = refuse(Code::Dx(210), message, at, label);
            found.push(
                self.with_pip(diagnostic, at, producer, &format!("version {} is written here", state.version))
                    .help("read and rewrite the same version: `Artifact.rewritten(file)`"),
            );
        } else if state.version == 1 && output.rewrite == 1 {
            found.push(self.double_write(output, at, producer));
        } else if state.version >= output.rewrite {
            let message = format!(
                "version {} of `{shown}` is rewritten, but version {} is there already",
                output.rewrite - 1,
                state.version
            );
            let diagnostic = refuse(Code::Dx(209), message, at, format!("`{shown}` is rewritten here"));
            found.push(
                self.with_pip(diagnostic, at, producer, &format!("version {} is written here", state.version))
                    .help("rewrite the newest version: each rewrite must start from the one before it"),
            );
        } else if output.rewrite - state.version > 1 && !output.before().is_some_and(|it| self.lost.contains(&it)) {
            found.push(self.version_jump(output, state.version, at, Some(producer)));
        } else if let Some(user) = state.user() {
            let (code, what) = if state.used_by_seal {
                (Code::Dx(248), "the version before is content of a directory sealed here")
            } else {
                (Code::Dx(207), "the version before is read here")
            };
            let message = format!("`{shown}` is rewritten although another pip uses the version before");
            let diagnostic = refuse(code, message, at, format!("`{shown}` is rewritten here"));
            found.push(
                self.with_pip(diagnostic, at, user, what)
                    .help("let the other use the rewritten file, or write the result to another path"),
            );
        }
    }

    fn double_write(&self, output: FileArtifact, at: &Provenance, producer: PipId) -> Diagnostic {
        let shown = self.show(output.path);
        let what = format!("`{shown}` is written here");
        let diagnostic = refuse(Code::Dx(211), format!("`{shown}` is written by two pips"), at, what.clone());
        self.with_pip(diagnostic, at, producer, &what).help(
            "give one of them another path; to change a file that another pip made, declare it with \
             `Artifact.rewritten`",
        )
    }

    fn version_jump(&self, output: FileArtifact, newest: u32, at: &Provenance, producer: Option<PipId>) -> Diagnostic {
        let shown = self.show(output.path);
        let message = if newest == 0 {
            format!("`{shown}` is rewritten to version {}, but no pip writes it first", output.rewrite)
        } else {
            format!("`{shown}` is rewritten to version {}, but the newest is version {newest}", output.rewrite)
        };
        let diagnostic = refuse(Code::Dx(208), message, at, format!("`{shown}` is written here"));
        let diagnostic = match producer {
            Some(producer) => self.with_pip(diagnostic, at, producer, &format!("version {newest} is written here")),
            None => diagnostic,
        };
        diagnostic.help("rewrite the newest version, which its producing call returned")
    }

    /// Nothing may be written into a directory whose contents are settled: fully sealed, sealed source, exclusive.
    /// `owner` may write into its own.
    pub(super) fn check_not_closed(
        &self,
        path: PathId,
        owner: Option<PipId>,
        at: &Provenance,
        label: &str,
    ) -> Option<Diagnostic> {
        let closed = self.roots.nearest_closed(path, &self.paths)?;
        let directory = self.directory(closed)?;
        if owner.is_some() && owner == directory.producer {
            return None;
        }
        Some(self.inside_closed(path, closed, at, label))
    }

    /// The message of DX0246.
    pub(super) fn inside_closed(&self, path: PathId, closed: DirectoryId, at: &Provenance, label: &str) -> Diagnostic {
        let shown = self.show(path);
        let Some(&Directory { root, kind, .. }) = self.directory(closed) else {
            return refuse(Code::Dx(246), format!("`{shown}` lies in a sealed directory"), at, label.to_owned());
        };
        let (root, words) = (self.show(root), kind_words(kind));
        let message = if shown == root {
            format!("`{shown}` is to be written but is already {words}")
        } else {
            format!("`{shown}` lies inside `{root}`, {words}, into which nothing more may be written")
        };
        let help = match kind {
            SealKind::ExclusiveOpaque => {
                format!("write outside `{root}`, or make it a shared opaque directory for all that write there")
            }
            SealKind::Full => {
                format!("seal `{root}` after everything in it is made, with all of it among the contents")
            }
            _ => format!("write outside `{root}`: it holds source files only"),
        };
        let diagnostic = refuse(Code::Dx(246), message, at, label.to_owned());
        self.with_directory(diagnostic, at, closed).help(help)
    }

    pub(super) fn check_copy_file(&self, copy: &CopyFilePip, at: &Provenance) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        if copy.source.path == copy.destination.path {
            let shown = self.show(copy.source.path);
            let message = format!("`{shown}` is copied onto itself");
            found.push(
                refuse(Code::Dx(220), message, at, "copied here".to_owned())
                    .help("copy to another path, or use the file as it is"),
            );
            return result(found);
        }
        self.check_input(copy.source, at, &mut found);
        self.check_output(copy.destination, None, at, &mut found);
        result(found)
    }

    pub(super) fn check_write_file(&self, write: &WriteFilePip, at: &Provenance) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        if write.destination.rewrite > 1 {
            let shown = self.show(write.destination.path);
            let message = format!("`{shown}` is an output already, and a write cannot change it");
            let diagnostic = refuse(Code::Dx(221), message, at, format!("`{shown}` is written again here"));
            let diagnostic = match self.files.get(write.destination.path).and_then(|state| state.producer()) {
                Some(producer) => self.with_pip(diagnostic, at, producer, &format!("`{shown}` is made here")),
                None => diagnostic,
            };
            found.push(diagnostic.help("write to a path of its own, or let a process rewrite the file"));
            return result(found);
        }
        self.check_output(write.destination, None, at, &mut found);
        result(found)
    }

    pub(super) fn check_ipc(&self, ipc: &IpcPip, at: &Provenance) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        self.check_inputs(&ipc.inputs, at, &mut found);
        self.check_input_directories(&ipc.directory_inputs, at, &mut found);
        self.check_input_directories(&ipc.lazily_materialized_directories, at, &mut found);
        self.check_services(&ipc.services, at, &mut found);
        // Where the answer lies is up to the service; only that nobody else writes it is checked.
        if let Some(producer) = self.files.get(ipc.output.path).and_then(|state| state.producer()) {
            found.push(self.double_write(ipc.output, at, producer));
        }
        result(found)
    }
}
