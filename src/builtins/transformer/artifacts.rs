//! What a process reads and makes, as its arguments, lists and tool mention it.

use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Machine, Raised, SealKind, Value};
use crate::graph::{DirectoryId, FileArtifact, FileOutput};
use crate::paths::PathId;

use super::fields::{Fields, Spot};

/// What a process reads and makes, gathered from its arguments, lists and tool.
#[derive(Default)]
pub(super) struct Artifacts {
    pub inputs: Vec<FileArtifact>,
    pub directory_inputs: Vec<DirectoryId>,
    pub outputs: Vec<FileOutput>,
    pub directories: Vec<(PathId, SealKind)>,
}

impl Artifacts {
    /// A file or sealed directory that is read. A plain directory cannot be (DX13102).
    /// `spot` of `fields` is where it was found.
    pub fn add_input<'h>(
        &mut self,
        m: &mut Machine<'_, 'h>,
        value: Value<'h>,
        fields: &Fields<'_, 'h>,
        spot: Spot,
    ) -> Result<(), Raised> {
        match value {
            Value::File(file) => self.inputs.push(file),
            Value::StaticDirectory(directory) => self.directory_inputs.push(DirectoryId(directory.seal.0)),
            Value::Directory(path) => {
                let shown = m.show(path);
                let message = format!("`{shown}` is a plain folder, not a sealed directory, so it cannot be an input");
                let error = Diagnostic::error(Code::Dx(13102), message).at(fields.spot(m, spot, value), "");
                return Err(m.fail(error.help(
                    "seal it first, for example with `Transformer.sealSourceDirectory`, or use the directory that \
                     `getOutputDirectory` of its producer gives",
                )));
            }
            other => {
                let message = format!("an input is a file or a sealed directory, but this is {}", m.describe(other));
                return Err(m.fail(Diagnostic::error(Code::Dx(9327), message).at(fields.spot(m, spot, value), "")));
            }
        }
        Ok(())
    }

    pub fn add_output(&mut self, file: FileArtifact) {
        self.outputs.push(FileOutput::required(file));
    }

    /// A file that is changed in place: its next version.
    pub fn add_rewritten(&mut self, file: FileArtifact) {
        self.inputs.push(file);
        self.add_output(file.rewritten());
    }

    /// A file that is copied to `path` and changed there.
    pub fn add_copied(&mut self, original: FileArtifact, path: PathId) {
        self.inputs.push(original);
        self.add_output(FileArtifact::output(path));
    }

    pub fn add_directory(&mut self, path: PathId, kind: SealKind) {
        if !self.directories.contains(&(path, kind)) {
            self.directories.push((path, kind));
        }
    }
}

/// Adds paths to a list that most processes share as it is.
pub(super) fn extend_paths(paths: &mut Arc<[PathId]>, more: &Arc<[PathId]>) {
    if paths.is_empty() {
        *paths = more.clone();
    } else if !more.is_empty() {
        let added = more.iter().filter(|path| !paths.contains(path));
        *paths = paths.iter().chain(added).copied().collect();
    }
}
