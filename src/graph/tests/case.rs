//! A small language for cases, so that each reads as what it says.
//!
//! One pip a line, `value: verb words…`, where the value names the pip for later lines. A line that must be refused
//! ends in `! CODE other…`: the code, and the values whose places the further labels must show (`mount` for a place in
//! the configuration); `! silently` for a pip that needs what an earlier refusal took away. Lines without `!` must be accepted. The last lines may be `finish ! CODE value other…`: what
//! freezing must say, each once and nothing else.
//!
//! A first line `places: a b…` gives values their places in the spec, where that is not the order of the lines.
//!
//! Verbs: `process copy write ipc full partial sourceTop sourceAll composite part assert`. Words: `<file` reads,
//! `>file` writes, `@n` gives the version, `?` optional, `~` temporary; `<[value]` reads the directory of a value, or
//! the n-th with `<[value.n]`; `shared=` `exclusive=` output directories; `temp=` `tempEnv=` `env=NAME=text` `service`
//! `needs=value` `preserve` `list=path` `trust` `tag=` as in specs; `filter=Include:regex`.
//!
//! The workspace is `/w`: readable, not writable; `out` and `tmp` in it are writable, `hidden` is not readable;
//! `/outside` is in no mount.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic, Severity};
use crate::graph::*;
use crate::paths::{PathId, Paths};
use crate::source::{FileId, Location, Span, Symbols};

const MOUNT_PLACE: Location = Location { file: FileId(9), span: Span { start: 1, end: 2 } };

/// What a case left behind.
pub(super) struct Outcome {
    pub(super) graph: PipGraph,
    pub(super) pips: BTreeMap<String, PipId>,
    /// Refusals first, then what freezing said.
    pub(super) diagnostics: Vec<Diagnostic>,
}

struct Case {
    paths: Arc<Paths>,
    builder: GraphBuilder,
    places: BTreeMap<String, Location>,
    pips: BTreeMap<String, PipId>,
    directories: BTreeMap<String, Vec<DirectoryId>>,
    refused: Vec<Diagnostic>,
    workspace: String,
}

/// Runs a case; panics where something is not as the case says.
pub(super) fn run(text: &str) -> Outcome {
    run_with(text, |_| {})
}

pub(super) fn run_with(text: &str, change: impl FnOnce(&mut GraphOptions)) -> Outcome {
    run_in("/w", text, change)
}

/// Runs lines of which some may be refused; the diagnostics are those of freezing alone.
pub(super) fn attempt(text: &str) -> Outcome {
    let mut case = new_case("/w", |_| {});
    for line in text.lines() {
        let (value, rest) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}` has no value"));
        let (verb, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let words: Vec<&str> = words.split_whitespace().collect();
        drop(case.add(value, verb, &words));
    }
    let (graph, diagnostics) = case.builder.finish();
    Outcome { graph, pips: case.pips, diagnostics }
}

/// As [`run_with`], in another workspace folder.
pub(super) fn run_in(workspace: &str, text: &str, change: impl FnOnce(&mut GraphOptions)) -> Outcome {
    let mut case = new_case(workspace, change);
    let mut expected = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("finish !") {
            Some(rest) => expected.push(rest.trim().to_owned()),
            None => case.line(line),
        }
    }
    case.finish(expected)
}

fn new_case(workspace: &str, change: impl FnOnce(&mut GraphOptions)) -> Case {
    let paths = Arc::new(Paths::new(Arc::new(Symbols::new())));
    let path = |text: &str| paths.parse_absolute(&format!("{workspace}/{text}")).unwrap();
    let mount = |name: &str, at: &str, readable, writable, location| Mount {
        name: name.into(),
        path: path(at),
        readable,
        writable,
        scrubbable: writable,
        location,
    };
    let mounts = vec![
        mount("SourceRoot", "", true, false, None),
        mount("ObjectRoot", "out", true, true, None),
        mount("TempRoot", "tmp", true, true, None),
        mount("Hidden", "hidden", false, false, Some(MOUNT_PLACE)),
    ];
    let mut options = GraphOptions::new(path(""));
    change(&mut options);
    Case {
        builder: GraphBuilder::new(paths.clone(), mounts, options),
        paths,
        places: BTreeMap::new(),
        pips: BTreeMap::new(),
        directories: BTreeMap::new(),
        refused: Vec::new(),
        workspace: workspace.to_owned(),
    }
}

impl Case {
    fn line(&mut self, line: &str) {
        let (said, expected) = line.split_once(" ! ").map_or((line, None), |(said, expected)| (said, Some(expected)));
        let (value, rest) = said.split_once(": ").unwrap_or_else(|| panic!("`{line}` has no value"));
        if value == "places" {
            for name in rest.split_whitespace() {
                self.provenance(name);
            }
            return;
        }
        let (verb, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let words: Vec<&str> = words.split_whitespace().collect();
        let result = self.add(value, verb, &words);
        match (result, expected) {
            (Ok(()), None) => {}
            (Ok(()), Some(expected)) => panic!("`{line}`\nwas accepted, expected {expected}"),
            (Err(found), None) => panic!("`{line}`\nwas refused: {}", describe(&found)),
            (Err(found), Some(expected)) => {
                if expected == "silently" {
                    assert!(found.is_empty(), "`{line}`\nwas refused: {}", describe(&found));
                    return;
                }
                let [only] = found.as_slice() else { panic!("`{line}`\ngave several: {}", describe(&found)) };
                let mut words = expected.split_whitespace();
                let code = words.next().unwrap_or_default();
                self.assert_places(line, only, code, value, words);
                self.refused.extend(found);
            }
        }
    }

    fn assert_places<'a>(
        &self,
        line: &str,
        found: &Diagnostic,
        code: &str,
        value: &str,
        others: impl Iterator<Item = &'a str>,
    ) {
        let shown = describe(std::slice::from_ref(found));
        assert_eq!(found.code, code.parse::<Code>().unwrap(), "`{line}`\n{shown}");
        let primary = found.primary().unwrap_or_else(|| panic!("`{line}`\nno place: {shown}"));
        assert!(primary.primary && !primary.message.is_empty(), "`{line}`\n{shown}");
        assert_eq!(primary.location, self.places[value], "`{line}`\nprimary place of {shown}");
        let places: Vec<Location> = found.labels.iter().filter(|label| !label.primary).map(|l| l.location).collect();
        let wanted: Vec<Location> =
            others.map(|other| if other == "mount" { MOUNT_PLACE } else { self.places[other] }).collect();
        assert_eq!(places, wanted, "`{line}`\nfurther places of {shown}");
        assert!(found.help.is_some(), "`{line}`\nno help: {shown}");
        assert!(!shown.contains(&self.workspace), "`{line}`\nan absolute path: {shown}");
        for label in &found.labels {
            assert!(!label.message.is_empty() && !label.message.contains("{}"), "`{line}`\n{shown}");
        }
    }

    fn finish(self, expected: Vec<String>) -> Outcome {
        let Case { builder, places, pips, refused, paths, directories, workspace } = self;
        let (graph, found) = builder.finish();
        assert_eq!(found.len(), expected.len(), "expected {expected:?}, found {}", describe(&found));
        // Used again for its checks; its builder is gone.
        let case = Case {
            builder: GraphBuilder::new(paths.clone(), Vec::new(), GraphOptions::new(PathId::ROOT)),
            paths,
            places,
            pips,
            directories,
            refused,
            workspace,
        };
        for (found, expected) in found.iter().zip(&expected) {
            let mut words = expected.split_whitespace();
            let code = words.next().unwrap_or_default();
            let value = words.next().unwrap_or_default();
            case.assert_places(expected, found, code, value, words);
        }
        let diagnostics = case.refused.into_iter().chain(found).collect();
        Outcome { graph, pips: case.pips, diagnostics }
    }

    fn path(&self, text: &str) -> PathId {
        let absolute = if text.starts_with('/') { text.to_owned() } else { format!("{}/{text}", self.workspace) };
        self.paths.parse_absolute(&absolute).unwrap()
    }

    /// A file with its version: given with `@`, else the default.
    fn file(&self, text: &str, version: u32) -> FileArtifact {
        let (path, rewrite) = match text.split_once('@') {
            Some((path, version)) => (path, version.parse().unwrap()),
            None => (text, version),
        };
        FileArtifact { path: self.path(path), rewrite }
    }

    /// `[value]`, `[value.n]`; `[?]` is a directory that does not exist.
    fn directory(&self, text: &str) -> DirectoryId {
        let name = text.trim_start_matches('[').trim_end_matches(']');
        if name == "?" {
            return DirectoryId(9999);
        }
        let (name, index) = name.split_once('.').map_or((name, 0), |(name, index)| (name, index.parse().unwrap()));
        self.directories[name][index]
    }

    fn provenance(&mut self, value: &str) -> Provenance {
        let next = self.places.len() as u32 + 1;
        let location = Location { file: FileId(0), span: Span::new(next * 10, next * 10 + 5) };
        let location = *self.places.entry(value.to_owned()).or_insert(location);
        Provenance {
            module: "Test".into(),
            spec: self.path("test.dsc"),
            location,
            line: location.span.start / 10,
            column: 1,
            value: value.into(),
            qualifier: Arc::default(),
        }
    }

    fn add(&mut self, value: &str, verb: &str, words: &[&str]) -> Result<(), Vec<Diagnostic>> {
        let provenance = self.provenance(value);
        let symbols = self.paths.symbols().clone();
        let mut inputs = Vec::new();
        let mut directories = Vec::new();
        let mut outputs = Vec::new();
        let mut output_directories = Vec::new();
        let mut process = ProcessPip::new(FileArtifact::source(self.path("tool")), self.path(""));
        let mut environment = Vec::new();
        let mut tags = Vec::new();
        let mut needs = Vec::new();
        let mut filter = None;
        let mut root = None;
        for word in words {
            if let Some(directory) = word.strip_prefix("<[") {
                directories.push(self.directory(directory));
            } else if let Some(file) = word.strip_prefix('<') {
                inputs.push(self.file(file, 0));
            } else if let Some(file) = word.strip_prefix('>') {
                let existence = match file.as_bytes().last() {
                    Some(b'?') => Existence::Optional,
                    Some(b'~') => Existence::Temporary,
                    _ => Existence::Required,
                };
                outputs.push(FileOutput { artifact: self.file(file.trim_end_matches(['?', '~']), 1), existence });
            } else if let Some((key, text)) = word.split_once('=') {
                match key {
                    "shared" => {
                        output_directories
                            .push(OutputDirectory { path: self.path(text), kind: OutputDirectoryKind::Shared });
                    }
                    "exclusive" => output_directories
                        .push(OutputDirectory { path: self.path(text), kind: OutputDirectoryKind::Exclusive }),
                    "temp" => process.rare_mut().temp_directory = Some(self.path(text)),
                    "moreTemp" => process.rare_mut().additional_temp_directories = Box::new([self.path(text)]),
                    "tempEnv" => environment.push(EnvironmentVariable {
                        name: symbols.intern("TMP"),
                        value: EnvironmentValue::Data(PipData {
                            fragments: Box::new([Fragment::Path(self.path(text))]),
                            ..PipData::default()
                        }),
                    }),
                    "env" => {
                        let (name, text) = text.split_once('=').unwrap();
                        environment.push(EnvironmentVariable {
                            name: symbols.intern(name),
                            value: EnvironmentValue::Data(PipData::text(text, &symbols)),
                        });
                    }
                    "needs" => needs.push(self.pips.get(text).copied().unwrap_or(PipId(9999))),
                    "list" => process.rare_mut().preserve_output_allow_list = Box::new([self.path(text)]),
                    "tag" => tags.push(symbols.intern(text)),
                    "stdout" => process.rare_mut().streams.output = Some(self.file(text, 1)),
                    "stdin" => process.rare_mut().streams.input = StandardInput::File(self.file(text, 0)),
                    "filter" => {
                        let (kind, regex) = text.split_once(':').unwrap();
                        let kind = if kind == "Include" { FilterKind::Include } else { FilterKind::Exclude };
                        filter = Some(ContentFilter { kind, regex: symbols.intern(regex) });
                    }
                    _ => panic!("unknown word `{word}`"),
                }
            } else {
                match *word {
                    "service" => process.rare_mut().service.kind = ServiceKind::Service,
                    "preserve" => process.rare_mut().preserve_outputs = PreserveOutputs::Trusted(1),
                    "trust" => process.flags.trust_statically_declared_accesses = true,
                    other => root = Some(other),
                }
            }
        }
        let known = self.builder.len();
        let (inputs, directories) = (inputs.into_boxed_slice(), directories.into_boxed_slice());
        let tags = tags.into_boxed_slice();
        match verb {
            "process" => {
                if !needs.is_empty() {
                    process.rare_mut().service.dependencies = needs.into();
                }
                let process = ProcessPip {
                    inputs,
                    directory_inputs: directories,
                    outputs: outputs.into(),
                    output_directories: output_directories.into(),
                    environment: environment.into(),
                    tags,
                    ..process
                };
                let id = self.builder.add_process(process, provenance)?;
                let ids = self.builder.process_outputs(id).into_iter().map(|(_, id)| id).collect();
                self.directories.insert(value.to_owned(), ids);
            }
            "copy" => {
                let pip = CopyFilePip {
                    source: inputs[0],
                    destination: outputs[0].artifact,
                    keep_writable: false,
                    tags,
                    description: None,
                };
                self.builder.add_copy_file(pip, provenance)?;
            }
            "write" => {
                let pip = WriteFilePip {
                    destination: outputs[0].artifact,
                    contents: PipData::text("text", &symbols),
                    path_rendering: PathRendering::None,
                    tags,
                    description: None,
                };
                self.builder.add_write_file(pip, provenance)?;
            }
            "ipc" => {
                let pip = IpcPip {
                    moniker: symbols.intern("moniker"),
                    message: PipData::text("hello", &symbols),
                    output: outputs[0].artifact,
                    inputs,
                    directory_inputs: directories,
                    services: needs.into(),
                    lazily_materialized: Box::default(),
                    lazily_materialized_directories: Box::default(),
                    max_connect_retries: None,
                    connect_retry_delay: None,
                    is_service_finalization: false,
                    is_service_shutdown: false,
                    must_run_on_orchestrator: false,
                    tags,
                    description: None,
                };
                self.builder.add_ipc(pip, provenance)?;
            }
            "assert" => {
                let path = self.path(root.unwrap());
                self.builder.assert_existence(directories[0], path, provenance.location)?;
            }
            seal => {
                let kind = match seal {
                    "full" => SealKind::Full,
                    "partial" => SealKind::Partial,
                    "sourceTop" => SealKind::SourceTop,
                    "sourceAll" => SealKind::SourceAll,
                    "composite" => SealKind::Composite,
                    "part" => SealKind::SubDirectory,
                    _ => panic!("unknown verb `{verb}`"),
                };
                let root = self.path(root.unwrap());
                let request = SealRequest { files: inputs, directories, filter, tags, ..SealRequest::new(kind, root) };
                let id = self.builder.seal(request, provenance)?;
                self.directories.insert(value.to_owned(), vec![id]);
            }
        }
        if self.builder.len() > known {
            self.pips.insert(value.to_owned(), PipId(known as u32));
        }
        Ok(())
    }
}

/// Everything a diagnostic says, for failing tests.
pub(super) fn describe(found: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in found {
        let severity = if diagnostic.severity == Severity::Error { "error" } else { "warning" };
        text += &format!("\n  {severity} {}: {}", diagnostic.code, diagnostic.message);
        for label in &diagnostic.labels {
            let sort = if label.primary { "at" } else { "and" };
            text += &format!("\n    {sort} {}: {}", label.location.span.start, label.message);
        }
        for note in &diagnostic.notes {
            text += &format!("\n    note: {note}");
        }
        text += &format!("\n    help: {}", diagnostic.help.as_deref().unwrap_or("-"));
    }
    text
}
