//! Pips as calls: one statement for each, in the order in which they were made.

use super::node::Node;
use crate::graph::{
    DirectoryId, EnvironmentValue, EnvironmentVariable, Escaping, Existence, FileArtifact, FileOutput, Fragment,
    IpcPip, Pip, PipData, PipGraph, PreserveOutputs, ProcessPip, RareOptions, SealDirectoryPip, SealKind, ServiceKind,
    StandardInput,
};
use crate::paths::PathId;
use crate::source::Symbol;

/// Stands in texts for the absolute path of the folder of the test.
pub(super) const TEST_FOLDER: &str = "{testFolder}";

/// All pips of a graph. Paths are shown relative to its workspace folder, and to the folders of the machine that are
/// known by the name of a mount.
pub(super) fn statements(graph: &PipGraph, known: &[(PathId, &str)]) -> Vec<Node> {
    // What the host sets between the paths of a variable goes without saying.
    let list_separator = graph.paths().os().path_list_separator();
    let dump = Dump { graph, list_separator, known };
    graph.ids().map(|id| dump.pip(graph.pip(id))).collect()
}

struct Dump<'a> {
    graph: &'a PipGraph,
    list_separator: &'a str,
    known: &'a [(PathId, &'a str)],
}

impl Dump<'_> {
    fn pip(&self, pip: &Pip) -> Node {
        match pip {
            Pip::CopyFile(copy) => {
                let files = vec![self.file(copy.source), self.file(copy.destination)];
                call("copyFile", with_tags(files, self.tags(&copy.tags)))
            }
            Pip::WriteFile(write) => {
                let arguments = vec![self.file(write.destination), self.data(&write.contents)];
                call("writeFile", with_tags(arguments, self.tags(&write.tags)))
            }
            Pip::SealDirectory(seal) => self.seal(seal),
            Pip::Process(process) => self.process(process),
            Pip::Ipc(ipc) => self.ipc(ipc),
        }
    }

    fn seal(&self, seal: &SealDirectoryPip) -> Node {
        let (name, include) = match seal.kind {
            SealKind::Full => ("sealDirectory", None),
            SealKind::Partial => ("sealPartialDirectory", None),
            SealKind::SourceTop => ("sealSourceDirectory", Some("topDirectoryOnly")),
            SealKind::SourceAll => ("sealSourceDirectory", Some("allDirectories")),
            SealKind::ExclusiveOpaque => ("sealDynamicDirectory", None),
            SealKind::SharedOpaque => ("sealSharedDynamicDirectory", None),
            SealKind::Composite => ("composeSharedOpaqueDirectories", None),
            SealKind::SubDirectory => ("getSharedOpaqueSubDirectory", None),
        };
        let lists_files = matches!(seal.kind, SealKind::Full | SealKind::Partial);
        let fields = Node::object([
            ("root", Some(self.path('d', seal.root))),
            ("files", lists_files.then(|| array(seal.files.iter().map(|file| self.file(*file))))),
            ("include", include.map(Node::string)),
            ("directories", seal.kind.is_composed().then(|| self.directories(&seal.directories))),
            ("tags", self.tags(&seal.tags)),
            ("description", seal.description.map(|text| self.text(text))),
            ("scrub", seal.scrub.then(|| Node::bool(true))),
        ]);
        call(name, vec![fields])
    }

    fn process(&self, process: &ProcessPip) -> Node {
        let default = RareOptions::default();
        let rare = process.rare.as_deref().unwrap_or(&default);
        let (temporary, lasting): (Vec<&FileOutput>, Vec<&FileOutput>) =
            process.outputs.iter().partition(|output| output.existence == Existence::Temporary);
        let files = process.inputs.iter().map(|file| self.file(*file));
        let inputs = files.chain(process.directory_inputs.iter().map(|id| self.directory(*id)));
        let folders = process.output_directories.iter().map(|folder| self.path('d', folder.path));
        let outputs = lasting.iter().map(|output| self.file(output.artifact)).chain(folders);
        let input = match &rare.streams.input {
            StandardInput::None => None,
            StandardInput::File(file) => Some(self.file(*file)),
            StandardInput::Data(data) => Some(self.data(data)),
        };
        let stream = |file: Option<FileArtifact>| file.map(|file| self.path('p', file.path));
        let semaphores = rare.semaphores.iter().map(|semaphore| {
            Node::object([
                ("name", Some(self.text(semaphore.name))),
                ("incrementBy", Some(Node::number(semaphore.increment))),
                ("limit", Some(Node::number(semaphore.limit))),
            ])
        });
        let folders_of = |paths: &[PathId]| non_empty(paths.iter().map(|path| self.path('d', *path)));
        let flag = |set: bool| set.then(|| Node::bool(true));
        let atom = |name: &Symbol| Node::tagged('a', self.graph.text(*name));
        let fields = Node::object([
            ("tool", Some(Node::object([("exe", Some(self.file(process.executable)))]))),
            ("tags", self.tags(&process.tags)),
            ("arguments", Some(self.arguments(process, rare))),
            ("workingDirectory", Some(self.path('d', process.working_directory))),
            ("dependencies", non_empty(inputs)),
            ("implicitOutputs", non_empty(outputs)),
            ("optionalImplicitOutputs", non_empty(temporary.iter().map(|output| self.file(output.artifact)))),
            ("consoleInput", input),
            ("consoleOutput", stream(rare.streams.output)),
            ("consoleError", stream(rare.streams.error)),
            ("environmentVariables", self.environment(&process.environment)),
            ("warningRegex", rare.warning_regex.map(|regex| self.text(regex))),
            ("acquireSemaphores", non_empty(semaphores)),
            ("successExitCodes", non_empty(rare.success_exit_codes.iter().map(|code| Node::number(*code)))),
            ("tempDirectory", rare.temp_directory.map(|path| self.path('d', path))),
            ("additionalTempDirectories", folders_of(&rare.additional_temp_directories)),
            ("unsafe", self.unsafe_options(process, rare)),
            ("keepOutputsWritable", flag(process.flags.keep_outputs_writable)),
            ("allowUndeclaredSourceReads", flag(process.flags.allow_undeclared_source_reads)),
            ("allowedSurvivingChildProcessNames", non_empty(rare.allowed_surviving_children.iter().map(atom))),
            ("nestedProcessTerminationTimeoutMs", rare.nested_process_termination_timeout.map(Node::number)),
        ]);
        let service = rare.service.kind == ServiceKind::Service;
        call(if service { "createService" } else { "execute" }, vec![fields])
    }

    /// The whole command line: what goes to a response file only when the line gets too long counts to it.
    fn arguments(&self, process: &ProcessPip, rare: &RareOptions) -> Node {
        match &rare.response_file {
            Some(response) if response.path.is_none() && !response.force => {
                let mut line = process.arguments.clone();
                line.fragments = line.fragments.iter().chain(&response.contents.fragments).cloned().collect();
                self.data(&line)
            }
            _ => self.data(&process.arguments),
        }
    }

    /// Variables in the order of their names.
    fn environment(&self, variables: &[EnvironmentVariable]) -> Option<Node> {
        let mut variables: Vec<_> = variables.iter().map(|one| (self.graph.text(one.name), &one.value)).collect();
        variables.sort_by_key(|(name, _)| *name);
        non_empty(variables.into_iter().map(|(name, value)| self.variable(name, value)))
    }

    fn variable(&self, name: &str, value: &EnvironmentValue) -> Node {
        let (mut value_node, mut separator) = (None, None);
        if let EnvironmentValue::Data(data) = value {
            let text = data.separator.map_or("", |separator| self.graph.text(separator));
            let several = || array(data.fragments.iter().map(|fragment| self.fragment(fragment)));
            match (text, &*data.fragments) {
                ("", [single]) => value_node = Some(self.fragment(single)),
                (text, fragments) if text == self.list_separator && fragments.len() > 1 => value_node = Some(several()),
                _ => {
                    value_node = Some(several());
                    separator = Some(Node::string(text));
                }
            }
        }
        Node::object([
            ("name", Some(Node::string(name))),
            ("value", value_node),
            ("separator", separator),
            ("isPassThrough", Some(Node::bool(matches!(value, EnvironmentValue::PassThrough)))),
        ])
    }

    fn unsafe_options(&self, process: &ProcessPip, rare: &RareOptions) -> Option<Node> {
        let flags = &process.flags;
        let paths = |paths: &[PathId]| non_empty(paths.iter().map(|path| self.path('p', *path)));
        let preserved = rare.preserve_outputs != PreserveOutputs::Disabled;
        let fields = Node::object([
            ("untrackedPaths", paths(&process.untracked_paths)),
            ("untrackedScopes", paths(&process.untracked_scopes)),
            ("hasUntrackedChildProcesses", flags.has_untracked_child_processes.then(|| Node::bool(true))),
            ("allowPreservedOutputs", preserved.then(|| Node::bool(true))),
            ("requireGlobalDependencies", flags.no_global_dependencies.then(|| Node::bool(false))),
        ]);
        match fields {
            Node::Object(fields) if fields.is_empty() => None,
            fields => Some(fields),
        }
    }

    fn ipc(&self, ipc: &IpcPip) -> Node {
        let files = |files: &[FileArtifact]| files.iter().map(|file| self.file(*file)).collect::<Vec<_>>();
        let mut lazy = files(&ipc.lazily_materialized);
        lazy.extend(ipc.lazily_materialized_directories.iter().map(|id| self.directory(*id)));
        let fields = Node::object([
            ("connectRetryDelayMillis", ipc.connect_retry_delay.map(Node::number)),
            ("maxConnectRetries", ipc.max_connect_retries.map(Node::number)),
            ("fileDependencies", Some(Node::Array(files(&ipc.inputs)))),
            ("lazilyMaterializedDependencies", Some(Node::Array(lazy))),
            ("messageBody", Some(self.data(&ipc.message))),
            ("outputFile", Some(self.file(ipc.output))),
            ("isServiceFinalization", Some(Node::bool(ipc.is_service_finalization))),
            ("mustRunOnOrchestrator", Some(Node::bool(ipc.must_run_on_orchestrator))),
        ]);
        call("ipcSend", vec![fields])
    }

    fn data(&self, data: &PipData) -> Node {
        let escaping = match data.escaping {
            Escaping::None => "NoEscaping",
            Escaping::CRuntimeArgumentRules => "CRuntimeArgumentRules",
        };
        Node::object([
            ("escaping", Some(Node::string(escaping))),
            ("separator", Some(data.separator.map_or_else(|| Node::string(""), |text| self.text(text)))),
            ("items", Some(array(data.fragments.iter().map(|fragment| self.fragment(fragment))))),
        ])
    }

    /// Text, a path or nested data; what only a run can tell is named by what it belongs to.
    fn fragment(&self, fragment: &Fragment) -> Node {
        match fragment {
            Fragment::Text(text) => self.text(*text),
            Fragment::Raw(text) => {
                self.data(&PipData { fragments: Box::new([Fragment::Text(*text)]), ..PipData::default() })
            }
            Fragment::Path(path) => self.path('p', *path),
            Fragment::Nested(data) => self.data(data),
            Fragment::VsoHash(file) => Node::object([("vsoHash", Some(self.file(*file)))]),
            Fragment::FileId(file) => Node::object([("fileId", Some(self.file(*file)))]),
            Fragment::DirectoryId(id) => Node::object([("directoryId", Some(self.directory(*id)))]),
            Fragment::IpcMoniker(name) => Node::object([("ipcMoniker", Some(self.text(*name)))]),
        }
    }

    fn tags(&self, tags: &[Symbol]) -> Option<Node> {
        non_empty(tags.iter().map(|tag| self.text(*tag)))
    }

    /// A text. The absolute path of the folder of the test in it would be another one on every machine.
    fn text(&self, text: Symbol) -> Node {
        let (text, paths, root) = (self.graph.text(text), self.graph.paths(), self.graph.workspace_root());
        if root == PathId::ROOT {
            // Any slash would be taken for it.
            return Node::string(text);
        }
        let text = text.replace(&paths.display(root), TEST_FOLDER);
        Node::string(&text.replace(&paths.native(root), TEST_FOLDER))
    }

    fn file(&self, file: FileArtifact) -> Node {
        self.path('f', file.path)
    }

    fn directories(&self, ids: &[DirectoryId]) -> Node {
        array(ids.iter().map(|id| self.directory(*id)))
    }

    fn directory(&self, id: DirectoryId) -> Node {
        match self.graph.directories().get(id.0 as usize) {
            Some(directory) => self.path('d', directory.root),
            None => Node::Plain("undefined".to_owned()),
        }
    }

    fn path(&self, tag: char, path: PathId) -> Node {
        let (paths, root) = (self.graph.paths(), self.graph.workspace_root());
        let text = match paths.relative_to(path, root) {
            Some(_) if path == root => ".".to_owned(),
            Some(below) => format!("./{}", below.display(paths.symbols())),
            None => {
                let around = self.known.iter().filter(|(folder, _)| paths.is_within(path, *folder));
                let Some((folder, name)) = around.max_by_key(|(folder, _)| paths.depth(*folder)) else {
                    return Node::tagged(tag, &paths.display(path));
                };
                let mut text = format!("${{Context.getMount('{name}').path}}");
                if let Some(below) = paths.relative_to(path, *folder).filter(|_| path != *folder) {
                    text.push('/');
                    text.push_str(&below.display(paths.symbols()));
                }
                text
            }
        };
        Node::tagged(tag, &text)
    }
}

fn call(name: &str, arguments: Vec<Node>) -> Node {
    Node::Call(format!("Transformer.{name}"), arguments)
}

fn with_tags(mut arguments: Vec<Node>, tags: Option<Node>) -> Vec<Node> {
    arguments.extend(tags);
    arguments
}

fn array(items: impl Iterator<Item = Node>) -> Node {
    Node::Array(items.collect())
}

fn non_empty(items: impl Iterator<Item = Node>) -> Option<Node> {
    let items: Vec<Node> = items.collect();
    (!items.is_empty()).then_some(Node::Array(items))
}
