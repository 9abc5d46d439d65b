//! Rules about sealing (moment A6) and about assertions of existence (A7).

use super::GraphBuilder;
use super::report::{kind_words, refuse};
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{DirectoryId, FileArtifact, Pip, PipId, Provenance, SealKind, SealRequest};
use crate::paths::PathId;
use crate::source::Location;

impl GraphBuilder {
    pub(super) fn check_seal(&self, request: &SealRequest, at: &Provenance) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        if request.kind.is_source() {
            self.check_source_seal(request.root, at, &mut found);
        }
        for file in &request.files {
            if !self.paths.is_within(file.path, request.root) || file.path == request.root {
                let (file, root) = (self.show(file.path), self.show(request.root));
                let message = format!("`{file}` does not lie below `{root}`, the directory that is sealed with it");
                found.push(
                    refuse(Code::Dx(247), message, at, format!("`{root}` is sealed here"))
                        .help("seal a folder that holds all the files, or leave the file out"),
                );
                continue;
            }
            self.check_input(*file, at, &mut found);
        }
        if request.kind.is_composed() {
            self.check_members(request, at, &mut found);
        } else {
            for directory in &request.directories {
                self.check_content_directory(*directory, request.root, at, &mut found);
            }
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    fn check_source_seal(&self, root: PathId, at: &Provenance, found: &mut Vec<Diagnostic>) {
        let shown = self.show(root);
        let label = format!("`{shown}` is sealed here");
        match self.mount_of(root) {
            None => {
                let message = format!("the source directory `{shown}` lies outside every mount");
                found.push(
                    refuse(Code::Dx(284), message, at, label)
                        .help("define a readable mount that holds it, in the configuration"),
                );
            }
            Some(mount) if !mount.readable => {
                let message =
                    format!("the source directory `{shown}` lies under mount `{}`, which is not readable", mount.name);
                let diagnostic = refuse(Code::Dx(285), message, at, label);
                let what = format!("at `{}` and not readable", self.show(mount.path));
                let help = format!("set `isReadable: true` on mount `{}`", mount.name);
                found.push(self.with_mount(diagnostic, mount, &what).help(help));
            }
            Some(_) => {}
        }
    }

    fn check_content_directory(&self, id: DirectoryId, root: PathId, at: &Provenance, found: &mut Vec<Diagnostic>) {
        let label = format!("`{}` is sealed here", self.show(root));
        let Some(directory) = self.directory(id) else {
            found.push(
                refuse(Code::Dx(13102), "a directory is sealed in that is not of this graph".to_owned(), at, label)
                    .help("use what `getOutputDirectory` returned"),
            );
            return;
        };
        let shown = self.show(directory.root);
        if !self.paths.is_within(directory.root, root) {
            let message =
                format!("`{shown}` does not lie below `{}`, the directory that is sealed with it", self.show(root));
            let diagnostic = refuse(Code::Dx(14412), message, at, label);
            found.push(
                self.with_directory(diagnostic, at, id)
                    .help("seal a folder that holds all the directories, or leave this one out"),
            );
        } else if !directory.kind.is_output() {
            let message = format!(
                "`{shown}` is {}, not an output directory of a process, so it cannot be content of another seal",
                kind_words(directory.kind)
            );
            let diagnostic = refuse(Code::Dx(14413), message, at, label);
            found.push(
                self.with_directory(diagnostic, at, id)
                    .help("list its files instead, or let consumers depend on both directories"),
            );
        }
    }

    fn check_members(&self, request: &SealRequest, at: &Provenance, found: &mut Vec<Diagnostic>) {
        let root = self.show(request.root);
        let composite = request.kind == SealKind::Composite;
        let label =
            if composite { format!("`{root}` is composed here") } else { format!("`{root}` is taken from it here") };
        for id in &request.directories {
            let known = self.directory(*id);
            let Some(member) = known.filter(|directory| directory.kind.is_shared()) else {
                let message = match known {
                    Some(directory) => format!(
                        "`{}` is {}, not a shared opaque directory",
                        self.show(directory.root),
                        kind_words(directory.kind)
                    ),
                    None => "a member is not a directory of this graph".to_owned(),
                };
                let diagnostic = refuse(Code::Dx(14403), message, at, label.clone());
                found.push(self.with_directory(diagnostic, at, *id).help(
                    "use shared opaque directories: those of `Artifact.sharedOpaqueOutput`, filtered or composed ones",
                ));
                continue;
            };
            let shown = self.show(member.root);
            if composite && !self.paths.is_within(member.root, request.root) {
                let message = format!("`{shown}` does not lie below `{root}`, the root of the composite");
                let diagnostic = refuse(Code::Dx(14402), message, at, label.clone());
                found.push(
                    self.with_directory(diagnostic, at, *id).help("choose a root that holds all the directories"),
                );
            } else if !composite && !self.paths.is_within(request.root, member.root) {
                let message = format!("`{root}` does not lie below `{shown}`, the directory that it is a part of");
                let diagnostic = refuse(Code::Dx(14416), message, at, label.clone());
                found.push(self.with_directory(diagnostic, at, *id).help(format!("name a folder below `{shown}`")));
            }
        }
    }

    /// Checks an assertion; gives the file and the process that makes it.
    pub(super) fn check_assertion(
        &self,
        id: DirectoryId,
        path: PathId,
        location: Location,
    ) -> Result<(FileArtifact, PipId), Vec<Diagnostic>> {
        let shown = self.show(path);
        let label = format!("`{shown}` is said to exist here");
        let known = self.directory(id);
        let at = known.and_then(|directory| self.origins.get(directory.pip));
        let (Some(directory), Some(at)) = (known, at) else {
            let message = format!("`{shown}` is said to exist in a directory that is not of this graph");
            return Err(vec![Diagnostic::error(Code::Dx(14417), message).at(location, label)]);
        };
        // The primary label is where the assertion stands, not where the directory was made.
        let here = Provenance { location, ..at.clone() };
        let root = self.show(directory.root);
        if directory.kind.is_composed() {
            let message = format!("`{shown}` cannot be asserted in `{root}`, which is composed of other directories");
            let diagnostic = refuse(Code::Dx(14414), message, &here, label);
            return Err(vec![
                self.with_directory(diagnostic, &here, id)
                    .help("assert it in the shared opaque directory of the process that writes the file"),
            ]);
        }
        let Some(producer) = directory.producer else {
            let message = format!("no process writes to `{root}`, {}", kind_words(directory.kind));
            let diagnostic = refuse(Code::Dx(14417), message, &here, label);
            return Err(vec![
                self.with_directory(diagnostic, &here, id)
                    .help("assert files in output directories only; `getFile` finds files of full and partial seals"),
            ]);
        };
        if path == directory.root || !self.paths.is_within(path, directory.root) {
            let message = format!("`{shown}` does not lie below `{root}`, so it cannot exist in it");
            let diagnostic = refuse(Code::Dx(9377), message, &here, label);
            return Err(vec![self.with_directory(diagnostic, &here, id).help(format!("assert a path below `{root}`"))]);
        }
        let artifact = FileArtifact::output(path);
        if self.is_asserted(id, artifact) {
            return Ok((artifact, producer));
        }
        let mut found = Vec::new();
        if let Some(diagnostic) = self.check_not_closed(path, Some(producer), &here, &label) {
            found.push(diagnostic);
        } else if let Some(user) =
            self.files.get(path).filter(|state| state.version == 0).and_then(|state| state.user())
        {
            let message = format!("`{shown}` is said to be an output but was already read as a source file");
            let diagnostic = refuse(Code::Dx(206), message, &here, label);
            found.push(
                self.with_pip(diagnostic, &here, user, "it is read as a source file here")
                    .help("let the reader depend on the file that the assertion returns"),
            );
        } else if let Some(other) = self.files.get(path).and_then(|state| state.producer()) {
            let message = format!("`{shown}` is written by two pips");
            let diagnostic = refuse(Code::Dx(211), message, &here, label);
            found.push(
                self.with_pip(diagnostic, &here, other, "and written here")
                    .help("use that file; only files that are not declared need to be asserted"),
            );
        } else {
            let label = "`{}` is said to exist here";
            self.check_writable(path, Code::Dx(2000), &here, label, &mut found);
        }
        if found.is_empty() { Ok((artifact, producer)) } else { Err(found) }
    }

    fn is_asserted(&self, id: DirectoryId, artifact: FileArtifact) -> bool {
        let seal = self.directory(id).and_then(|directory| self.pip(directory.pip));
        matches!(seal, Some(Pip::SealDirectory(seal)) if seal.files.contains(&artifact))
    }
}
