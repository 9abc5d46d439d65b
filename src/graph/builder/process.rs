//! Rules about processes (moment A4).

use rustc_hash::{FxHashMap, FxHashSet};

use super::report::refuse;
use super::{GraphBuilder, distinct, secrets};
use crate::diagnostics::{Code, Diagnostic, Severity};
use crate::graph::{
    DirectoryId, EnvironmentValue, Existence, FileArtifact, FileOutput, Fragment, OutputDirectory, OutputDirectoryKind,
    Pip, PipData, PreserveOutputs, ProcessPip, Provenance, RareOptions, StandardInput,
};
use crate::paths::PathId;

/// Makes the lists of a process complete and free of repetitions: the program and standard input are inputs, the
/// console files are outputs.
pub(super) fn normalize(process: &mut ProcessPip) {
    let streams = process.rare.as_ref().map(|rare| rare.streams.clone()).unwrap_or_default();
    let trace = process.rare.as_ref().and_then(|rare| rare.file_access_trace_file);

    let mut inputs = std::mem::take(&mut process.inputs).into_vec();
    inputs.push(process.executable);
    if let StandardInput::File(file) = streams.input {
        inputs.push(file);
    }
    process.inputs = distinct(inputs.into_boxed_slice());
    process.directory_inputs = distinct(std::mem::take(&mut process.directory_inputs));

    let mut outputs = std::mem::take(&mut process.outputs).into_vec();
    let console = [streams.output, streams.error, trace].into_iter().flatten();
    outputs.extend(console.map(FileOutput::required));
    let mut seen = FxHashSet::default();
    outputs.retain(|output| seen.insert(output.artifact));
    process.outputs = outputs.into_boxed_slice();
    // The same folder twice in one kind is one declaration said twice, on the command line and in a list.
    process.output_directories = distinct(std::mem::take(&mut process.output_directories));
}

impl GraphBuilder {
    /// Checks a whole process. Warnings are kept for the end when there is no error.
    pub(super) fn check_process(&mut self, process: &ProcessPip, at: &Provenance) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        self.check_inputs(&process.inputs, at, &mut found);
        self.check_input_directories(&process.directory_inputs, at, &mut found);
        self.check_outputs(process, at, &mut found);
        self.check_output_directories(process, at, &mut found);
        self.check_environment(process, at, &mut found);
        if let Some(rare) = &process.rare {
            self.check_temp_directories(rare, at, &mut found);
            self.check_services(&rare.service.dependencies, at, &mut found);
            self.check_preserved(process, rare, at, &mut found);
        }
        self.check_trust(process, at, &mut found);
        if found.iter().any(Diagnostic::is_error) {
            return Err(found);
        }
        self.warnings.append(&mut found);
        Ok(())
    }

    fn check_outputs(&self, process: &ProcessPip, at: &Provenance, found: &mut Vec<Diagnostic>) {
        let lasting = process.outputs.iter().any(|output| output.existence != Existence::Temporary);
        if !lasting && process.output_directories.is_empty() {
            let message = if process.outputs.is_empty() {
                "a process must leave something behind, but this one declares no output"
            } else {
                "a process must leave something behind, but all outputs of this one are temporary"
            };
            found.push(
                refuse(Code::Dx(218), message.to_owned(), at, "the process is declared here".to_owned())
                    .note("At least one output file or opaque directory is required.")
                    .help("declare a file in `outputs`, an output directory, or `consoleOutput`"),
            );
        }
        let inputs: FxHashMap<PathId, FileArtifact> = process.inputs.iter().map(|input| (input.path, *input)).collect();
        let mut seen: FxHashMap<PathId, u32> = FxHashMap::default();
        for output in &process.outputs {
            let artifact = output.artifact;
            if let Some(version) = seen.insert(artifact.path, artifact.rewrite) {
                let shown = self.show(artifact.path);
                let message = format!("`{shown}` is written in two versions: {version} and {}", artifact.rewrite);
                let mut diagnostic = refuse(Code::Dx(212), message, at, format!("`{shown}` is written here"));
                if let Some(producer) = self.files.get(artifact.path).and_then(|state| state.producer()) {
                    diagnostic = self.with_pip(diagnostic, at, producer, "it was first written here");
                }
                found.push(diagnostic.help("declare the file once: as an output, or as rewritten"));
                continue;
            }
            self.check_output(artifact, inputs.get(&artifact.path).copied(), at, found);
            self.check_preserved_rewrite(process, artifact, at, found);
        }
    }

    /// Only a remark: a preserved file that is rewritten is not the one that its first producer left.
    fn check_preserved_rewrite(
        &self,
        process: &ProcessPip,
        output: FileArtifact,
        at: &Provenance,
        found: &mut Vec<Diagnostic>,
    ) {
        let before = FileArtifact { path: output.path, rewrite: output.rewrite.saturating_sub(1) };
        let Some(producer) = self.files.producer(before) else { return };
        let preserves = |process: &ProcessPip| {
            process.rare.as_ref().is_some_and(|rare| rare.preserve_outputs != PreserveOutputs::Disabled)
        };
        let earlier = matches!(self.pip(producer), Some(Pip::Process(earlier)) if preserves(earlier));
        if !earlier && !preserves(process) {
            return;
        }
        let shown = self.show(output.path);
        let message = format!("`{shown}` is rewritten, so it cannot be preserved from run to run");
        let diagnostic = refuse(Code::Dx(2005), message, at, format!("`{shown}` is rewritten here"));
        let diagnostic = self
            .with_pip(diagnostic, at, producer, "the version before is written here")
            .help("write the result to another path, or do not preserve the outputs of these processes");
        found.push(Diagnostic { severity: Severity::Info, ..diagnostic });
    }

    fn check_output_directories(&self, process: &ProcessPip, at: &Provenance, found: &mut Vec<Diagnostic>) {
        if process.output_directories.is_empty() {
            return;
        }
        let files: FxHashSet<PathId> = process.outputs.iter().map(|output| output.artifact.path).collect();
        let mut own: FxHashMap<PathId, OutputDirectoryKind> = FxHashMap::default();
        for directory in &process.output_directories {
            let kind = own.entry(directory.path).or_insert(directory.kind);
            if directory.kind == OutputDirectoryKind::Exclusive {
                *kind = directory.kind;
            }
        }
        for directory in &process.output_directories {
            let shown = self.show(directory.path);
            if files.contains(&directory.path) {
                let message = format!("`{shown}` is declared both as an output file and as an output directory");
                found.push(
                    refuse(Code::Dx(13101), message, at, format!("`{shown}` is declared twice here"))
                        .help("declare it as one of the two"),
                );
                continue;
            }
            self.check_output_directory(*directory, &own, at, found);
        }
    }

    fn check_output_directory(
        &self,
        directory: OutputDirectory,
        own: &FxHashMap<PathId, OutputDirectoryKind>,
        at: &Provenance,
        found: &mut Vec<Diagnostic>,
    ) {
        let OutputDirectory { path, kind } = directory;
        let shown = self.show(path);
        let exclusive = kind == OutputDirectoryKind::Exclusive;
        if let Some(other) = self.roots.get(path).and_then(|state| state.exclusive).filter(|_| exclusive) {
            let message = format!("the exclusive opaque directory `{shown}` is filled by two processes");
            let diagnostic = refuse(Code::Dx(13100), message, at, format!("`{shown}` is declared here"));
            found.push(self.with_directory(diagnostic, at, other).help(
                "give each process a directory of its own, or declare both as shared: `Artifact.sharedOpaqueOutput`",
            ));
            return;
        }
        if !self.check_writable(path, Code::Dx(2000), at, "`{}` is declared as an output directory here", found) {
            return;
        }
        let label = format!("`{shown}` is declared as an output directory here");
        if let Some(diagnostic) = self.check_not_closed(path, None, at, &label) {
            found.push(diagnostic);
            return;
        }
        if let Some((outer, outer_kind)) = self.own_directory_above(directory, own) {
            let outer = self.show(outer);
            if outer_kind == OutputDirectoryKind::Exclusive {
                let message =
                    format!("`{shown}` lies inside `{outer}`, an exclusive opaque directory of the same process");
                found.push(
                    refuse(Code::Dx(246), message, at, label)
                        .help(format!("declare `{outer}` alone: it covers everything below it")),
                );
                return;
            }
            if exclusive {
                found.push(overlap(&shown, &outer, true, at).note("the same process declares both").help(OVERLAP_HELP));
                return;
            }
        }
        let shared_above = if exclusive { self.roots.shared_above(path, &self.paths) } else { None };
        if let Some(other) = shared_above {
            let outer = self.directory(other).map_or_else(String::new, |outer| self.show(outer.root));
            found.push(self.with_directory(overlap(&shown, &outer, true, at), at, other).help(OVERLAP_HELP));
        } else if let Some(other) = self.roots.exclusive_below(path).filter(|_| !exclusive) {
            let inner = self.directory(other).map_or_else(String::new, |inner| self.show(inner.root));
            found.push(self.with_directory(overlap(&inner, &shown, false, at), at, other).help(OVERLAP_HELP));
        }
    }

    /// The nearest other output directory of the same process that holds this one.
    fn own_directory_above(
        &self,
        directory: OutputDirectory,
        own: &FxHashMap<PathId, OutputDirectoryKind>,
    ) -> Option<(PathId, OutputDirectoryKind)> {
        let same = own.get(&directory.path).filter(|kind| **kind != directory.kind);
        if let Some(kind) = same {
            return Some((directory.path, *kind));
        }
        let above = self.paths.ancestors(directory.path).skip(1);
        above.filter_map(|at| own.get(&at).map(|kind| (at, *kind))).max_by_key(|(at, kind)| {
            // An exclusive one decides however far up it is.
            (*kind == OutputDirectoryKind::Exclusive, self.paths.depth(*at))
        })
    }

    fn check_environment(&self, process: &ProcessPip, at: &Provenance, found: &mut Vec<Diagnostic>) {
        let symbols = self.paths.symbols();
        for variable in &process.environment {
            let EnvironmentValue::Data(data) = &variable.value else { continue };
            let name = symbols.text(variable.name);
            if self.paths.os().temporary_folder_variables().iter().any(|temp| temp.eq_ignore_ascii_case(name)) {
                match self.single_path(data) {
                    // The folder itself is checked with the other temporary ones.
                    Some(path) if process.rare.as_ref().is_some_and(|rare| rare.temp_directory == Some(path)) => {}
                    Some(path) => self.check_temp(path, at, found),
                    None => found.push(
                        refuse(
                            Code::Dx(2004),
                            format!("the value of `{name}` is not an absolute path"),
                            at,
                            format!("`{name}` is set here"),
                        )
                        .help("use `tempDirectory`, which sets the variable"),
                    ),
                }
            }
            if self.options.credential_scan_allowed.iter().any(|allowed| **allowed == *name) {
                continue;
            }
            let severity = match self.options.credential_scan {
                super::CredentialScan::Off => continue,
                super::CredentialScan::Warn => Severity::Warning,
                super::CredentialScan::Refuse => Severity::Error,
            };
            let mut looks = None;
            data.visit(&mut |fragment| {
                if let Fragment::Text(text) | Fragment::Raw(text) = fragment {
                    looks = looks.or_else(|| secrets::looks_like(symbols.text(*text)));
                }
            });
            if let Some(what) = looks {
                let code = if severity == Severity::Error { Code::Dx(14420) } else { Code::Dx(14421) };
                let message = format!("the value of environment variable `{name}` looks like {what}");
                let diagnostic = refuse(code, message, at, format!("`{name}` is set here"))
                    .help("pass it through from the build's environment: `passThroughEnvironmentVariables`");
                found.push(Diagnostic { severity, ..diagnostic });
            }
        }
    }

    /// The absolute path that a value consists of.
    fn single_path(&self, data: &PipData) -> Option<PathId> {
        match &*data.fragments {
            [Fragment::Path(path)] => Some(*path),
            [Fragment::Text(text)] => self.paths.parse_absolute(self.paths.symbols().text(*text)).ok(),
            [Fragment::Nested(inner)] => self.single_path(inner),
            _ => None,
        }
    }

    fn check_temp(&self, path: PathId, at: &Provenance, found: &mut Vec<Diagnostic>) {
        self.check_writable(path, Code::Dx(2003), at, "`{}` is the temporary directory of this process", found);
    }

    fn check_temp_directories(&self, rare: &RareOptions, at: &Provenance, found: &mut Vec<Diagnostic>) {
        if let Some(temp) = rare.temp_directory {
            self.check_temp(temp, at, found);
        }
        if self.options.allow_duplicate_temporary_directory {
            return;
        }
        for temp in rare.temp_directory.iter().chain(&rare.additional_temp_directories) {
            if let Some(other) = self.temp_directories.get(temp) {
                let shown = self.show(*temp);
                let message = format!("`{shown}` is the temporary directory of two pips");
                let diagnostic = refuse(Code::Dx(14411), message, at, format!("`{shown}` is used here"));
                found.push(
                    self.with_pip(diagnostic, at, *other, &format!("`{shown}` is used here"))
                        .help("take one for each: `Context.getTempDirectory(\"name\")`"),
                );
            }
        }
    }

    fn check_preserved(&self, process: &ProcessPip, rare: &RareOptions, at: &Provenance, found: &mut Vec<Diagnostic>) {
        if rare.preserve_outputs == PreserveOutputs::Disabled {
            if let Some(first) = rare.preserve_output_allow_list.first() {
                let message =
                    format!("`{}` is listed as an output to preserve, but preserving is off", self.show(*first));
                found.push(
                    refuse(Code::Dx(303), message, at, "`preserveOutputAllowlist` is given here".to_owned())
                        .help("set `unsafe: {allowPreservedOutputs: true}`, or remove the list"),
                );
            }
            return;
        }
        for path in &rare.preserve_output_allow_list {
            let is_file = process.outputs.iter().any(|output| output.artifact.path == *path);
            if !is_file && !process.output_directories.iter().any(|output| output.path == *path) {
                let shown = self.show(*path);
                let message =
                    format!("`{shown}` is listed as an output to preserve, but is not an output of this process");
                found.push(
                    refuse(Code::Dx(302), message, at, "the process is declared here".to_owned())
                        .help("list only declared output files and output directories"),
                );
            }
        }
        let shared = process.output_directories.iter().find(|output| output.kind == OutputDirectoryKind::Shared);
        if let Some(shared) = shared {
            let shown = self.show(shared.path);
            let message = format!("outputs are preserved, but not those in the shared opaque directory `{shown}`");
            found.push(
                Diagnostic::warning(Code::Dx(14112), message)
                    .at(at.location, "this process preserves its outputs")
                    .help("declare an exclusive opaque directory or single files to have them preserved"),
            );
        }
    }

    fn check_trust(&self, process: &ProcessPip, at: &Provenance, found: &mut Vec<Diagnostic>) {
        if !process.flags.trust_statically_declared_accesses {
            return;
        }
        let help = "declare single files, or remove `trustStaticallyDeclaredAccesses`";
        let label = "accesses are believed as declared here";
        if let Some(output) = process.output_directories.first() {
            let message = format!(
                "accesses cannot be believed as declared: `{}` is an output directory, whose contents are only known \
                 by watching",
                self.show(output.path)
            );
            found.push(refuse(Code::Dx(304), message, at, label.to_owned()).help(help));
        }
        let source: Option<(DirectoryId, PathId)> = process.directory_inputs.iter().find_map(|id| {
            let directory = self.directory(*id)?;
            directory.kind.is_source().then_some((*id, directory.root))
        });
        if let Some((id, root)) = source {
            let message = format!(
                "accesses cannot be believed as declared: `{}` is a sealed source directory, of which only watching \
                 tells what is read",
                self.show(root)
            );
            found.push(self.with_directory(refuse(Code::Dx(304), message, at, label.to_owned()), at, id).help(help));
        }
    }
}

const OVERLAP_HELP: &str = "declare both as shared, or move one out of the other";

/// Shared and exclusive opaque directories may not overlap (the owner's rule; stricter than BuildXL's).
/// `inner_is_new` tells which of the two is being declared.
fn overlap(inner: &str, outer: &str, inner_is_new: bool, at: &Provenance) -> Diagnostic {
    let message = format!("the exclusive opaque directory `{inner}` lies inside the shared opaque directory `{outer}`");
    let (new, kind) = if inner_is_new { (inner, "an exclusive") } else { (outer, "a shared") };
    refuse(Code::Ds(501), message, at, format!("`{new}` is made {kind} opaque directory here"))
}
