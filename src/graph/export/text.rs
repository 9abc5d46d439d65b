//! A tree for people: modules, their specs, the values in them, and what each makes.

use std::io::{self, Write};

use super::render::{arguments, path_text, render};
use crate::graph::{
    DirectoryId, Existence, FilterKind, PathRendering, Pip, PipGraph, PipId, PipSet, ProcessPip, Provenance,
    SealDirectoryPip, SealKind, ServiceKind, ServiceOptions, Summary,
};

/// How the tree looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Arrows and dots beyond ASCII.
    pub unicode: bool,
    /// How many characters a command line or a list may take before it is cut.
    pub width: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { unicode: true, width: 110 }
    }
}

/// Writes the graph as a tree.
///
/// # Errors
/// When `out` cannot be written to.
pub fn text(graph: &PipGraph, options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    tree(graph, graph.order(), options, out)?;
    writeln!(out, "{}", sentence(&graph.summary()))
}

/// Writes some pips of the graph as a tree.
///
/// # Errors
/// When `out` cannot be written to.
pub fn text_of(graph: &PipGraph, pips: &PipSet, options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    tree(graph, &graph.in_order(pips), options, out)?;
    writeln!(out, "{} of {}", pips.len(), count(graph.len(), "pip", "pips"))
}

fn tree(graph: &PipGraph, pips: &[PipId], options: TextOptions, out: &mut dyn Write) -> io::Result<()> {
    let mut last: Option<&Provenance> = None;
    for id in pips {
        let (pip, at) = (graph.pip(*id), graph.provenance(*id));
        // An output directory is shown with its process.
        if matches!(pip, Pip::SealDirectory(seal) if seal.kind.is_output()) {
            continue;
        }
        let new_module = last.is_none_or(|last| last.module != at.module);
        let new_spec = new_module || last.is_none_or(|last| last.spec != at.spec);
        let new_value = new_spec || last.is_none_or(|last| last.value != at.value || last.qualifier != at.qualifier);
        if new_module {
            if last.is_some() {
                writeln!(out)?;
            }
            writeln!(out, "module {}", plain(&at.module))?;
        }
        if new_spec {
            writeln!(out, "  {}", plain(&graph.display(at.spec)))?;
        }
        if new_value {
            let pairs: Vec<String> = at.qualifier.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let qualifier = if pairs.is_empty() { String::new() } else { format!("  {{{}}}", pairs.join(", ")) };
            writeln!(out, "    {}{}", plain(&at.value), plain(&qualifier))?;
        }
        last = Some(at);
        Lines { graph, options, out: &mut *out }.pip(*id, pip)?;
    }
    if last.is_some() { writeln!(out) } else { Ok(()) }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What a tool is called: its description, else the name of its program.
pub(super) fn tool_name(graph: &PipGraph, process: &ProcessPip) -> String {
    if let Some(tool) = process.tool_description {
        return graph.text(tool).to_owned();
    }
    let name = graph.paths().name(process.executable.path);
    name.map_or_else(|| "/".to_owned(), |name| graph.text(name).to_owned())
}

/// One sentence of counts.
fn sentence(summary: &Summary) -> String {
    let kind = |kind: &str| summary.kinds.get(kind).copied().unwrap_or(0);
    let seals = kind("sealDirectory") - summary.output_directories.min(kind("sealDirectory"));
    let mut parts = Vec::new();
    for (number, one, many) in [
        (kind("process"), "process", "processes"),
        (kind("copyFile"), "copy", "copies"),
        (kind("writeFile"), "write", "writes"),
        (seals, "sealed directory", "sealed directories"),
        (kind("ipc"), "message", "messages"),
    ] {
        if number > 0 {
            parts.push(count(number, one, many));
        }
    }
    if parts.is_empty() {
        return "no pips".to_owned();
    }
    format!(
        "{}; {}, {}, {}",
        parts.join(", "),
        count(summary.source_files, "source file", "source files"),
        count(summary.output_files, "output file", "output files"),
        count(summary.output_directories, "output directory", "output directories")
    )
}

/// Text on one line: control characters would break the tree.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '\u{240A}',
            '\r' => '\u{240D}',
            '\t' => ' ',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// A word of a command line, in quotes where a shell would need them.
fn quoted(word: String) -> String {
    if !word.is_empty() && !word.contains(char::is_whitespace) {
        return word;
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

struct Lines<'a> {
    graph: &'a PipGraph,
    options: TextOptions,
    out: &'a mut dyn Write,
}

impl Lines<'_> {
    fn arrow(&self) -> &'static str {
        if self.options.unicode { "→" } else { "->" }
    }

    fn cut(&self, text: &str) -> String {
        let text = plain(text);
        let text = if self.options.unicode { text } else { text.replace('\u{240A}', "\\n") };
        if text.chars().count() <= self.options.width {
            return text;
        }
        let dots = if self.options.unicode { "…" } else { "..." };
        let kept: String = text.chars().take(self.options.width.saturating_sub(dots.len())).collect();
        format!("{kept}{dots}")
    }

    fn head(&mut self, kind: &str, what: &str) -> io::Result<()> {
        writeln!(self.out, "      {kind:<8} {what}")
    }

    fn detail(&mut self, key: &str, what: &str) -> io::Result<()> {
        writeln!(self.out, "               {key:<4} {what}")
    }

    /// A list that says how many items it leaves out.
    fn list(&self, items: &[String]) -> String {
        let mut line = String::new();
        for (index, item) in items.iter().enumerate() {
            let item = plain(item);
            if index > 0 && line.chars().count() + item.chars().count() + 2 > self.options.width {
                return format!("{line} and {} more", items.len() - index);
            }
            if index > 0 {
                line.push_str(", ");
            }
            line.push_str(&item);
        }
        line
    }

    fn directory(&self, id: DirectoryId) -> String {
        let directory = self.graph.directory(id);
        let kind = match directory.kind {
            SealKind::Full => "full",
            SealKind::Partial => "partial",
            SealKind::SourceTop => "sources directly in it",
            SealKind::SourceAll => "all sources below it",
            SealKind::SharedOpaque => "shared opaque",
            SealKind::ExclusiveOpaque => "exclusive opaque",
            SealKind::Composite => "composite",
            SealKind::SubDirectory => "part of a shared opaque",
        };
        format!("{} ({kind})", self.folder(directory.root))
    }

    fn folder(&self, path: crate::paths::PathId) -> String {
        let mut shown = self.graph.display(path);
        if !shown.ends_with('/') {
            shown.push('/');
        }
        shown
    }

    fn pip(&mut self, id: PipId, pip: &Pip) -> io::Result<()> {
        let graph = self.graph;
        match pip {
            Pip::Process(process) => self.process(process),
            Pip::CopyFile(copy) => {
                let (from, to) = (graph.display(copy.source.path), graph.display(copy.destination.path));
                let line = format!("{} {} {}", plain(&from), self.arrow(), plain(&to));
                self.head("copy", &line)?;
                self.description(pip)
            }
            Pip::WriteFile(write) => {
                self.head("write", &plain(&graph.display(write.destination.path)))?;
                self.description(pip)?;
                let contents = render(graph, &write.contents, write.path_rendering);
                let shown = self.cut(&contents);
                self.detail("text", &format!("\"{shown}\""))
            }
            Pip::SealDirectory(seal) => self.seal(id, seal),
            Pip::Ipc(ipc) => {
                let moniker = graph.text(ipc.moniker).to_owned();
                self.head("ipc", &plain(&moniker))?;
                self.description(pip)?;
                if !ipc.services.is_empty() {
                    let line = self.values(&ipc.services);
                    self.detail("to", &line)?;
                }
                if ipc.is_service_finalization {
                    self.detail("role", "sent before a service ends")?;
                } else if ipc.is_service_shutdown {
                    self.detail("role", "ends a service")?;
                }
                let mut inputs: Vec<String> = ipc.inputs.iter().map(|input| graph.display(input.path)).collect();
                inputs.extend(ipc.directory_inputs.iter().map(|id| self.directory(*id)));
                if !inputs.is_empty() {
                    let line = self.list(&inputs);
                    self.detail("in", &line)?;
                }
                let message = render(graph, &ipc.message, PathRendering::None);
                let message = self.cut(&message);
                self.detail("text", &format!("\"{message}\""))?;
                self.detail("out", &plain(&graph.display(ipc.output.path)))
            }
        }
    }

    fn description(&mut self, pip: &Pip) -> io::Result<()> {
        let Some(description) = pip.description() else { return Ok(()) };
        let description = self.cut(self.graph.text(description));
        self.detail("is", &description)
    }

    /// Pips by the values that made them.
    fn values(&self, pips: &[PipId]) -> String {
        let values: Vec<String> = pips.iter().map(|pip| format!("`{}`", self.graph.provenance(*pip).value)).collect();
        self.list(&values)
    }

    /// The part of a process in services, if it has one.
    fn service(&mut self, service: &ServiceOptions) -> io::Result<()> {
        match service.kind {
            ServiceKind::None => {}
            ServiceKind::Service => {
                let moniker = service.moniker.map_or("", |moniker| self.graph.text(moniker));
                let line = format!("service on {}", plain(moniker));
                self.detail("role", &line)?;
            }
            ServiceKind::Shutdown => self.detail("role", "ends a service")?,
            ServiceKind::Finalization => self.detail("role", "runs before a service ends")?,
        }
        if !service.dependencies.is_empty() {
            let line = self.values(&service.dependencies);
            self.detail("uses", &line)?;
        }
        Ok(())
    }

    fn process(&mut self, process: &ProcessPip) -> io::Result<()> {
        let graph = self.graph;
        let tool = tool_name(graph, process);
        let head = match process.description {
            Some(description) => format!("{tool}: {}", graph.text(description)),
            None => tool,
        };
        let head = self.cut(&head);
        self.head("process", &head)?;
        if let Some(rare) = &process.rare {
            self.service(&rare.service)?;
        }
        let mut command = vec![path_text(graph, process.executable.path, PathRendering::None)];
        command.extend(arguments(graph, &process.arguments));
        command.extend(self.response(process));
        let command: Vec<String> = command.into_iter().map(quoted).collect();
        let command = self.cut(&command.join(" "));
        self.detail("run", &command)?;
        let files = process.inputs.iter().filter(|input| **input != process.executable);
        let mut inputs: Vec<String> = files.map(|input| graph.display(input.path)).collect();
        inputs.extend(process.directory_inputs.iter().map(|id| self.directory(*id)));
        if !inputs.is_empty() {
            let line = self.list(&inputs);
            self.detail("in", &line)?;
        }
        let mut outputs: Vec<String> = Vec::new();
        for output in &process.outputs {
            let mut shown = graph.display(output.artifact.path);
            match output.existence {
                Existence::Required => {}
                Existence::Optional => shown.push_str(" (optional)"),
                Existence::Temporary => shown.push_str(" (temporary)"),
            }
            if output.artifact.rewrite > 1 {
                shown.push_str(" (rewritten)");
            }
            outputs.push(shown);
        }
        for id in process.output_directory_ids() {
            let mut shown = self.directory(id);
            if let Pip::SealDirectory(seal) = graph.pip(graph.directory(id).pip)
                && !seal.files.is_empty()
            {
                let files: Vec<String> = seal.files.iter().map(|file| graph.display(file.path)).collect();
                shown = format!("{shown} with {}", files.join(" and "));
            }
            outputs.push(shown);
        }
        let line = self.list(&outputs);
        self.detail("out", &line)?;
        match process.rare.as_ref().and_then(|rare| rare.temp_directory) {
            Some(temp) => self.detail("temp", &plain(&self.folder(temp))),
            None => Ok(()),
        }
    }

    /// What a response file holds. It is part of the command line unless it would be too long.
    fn response(&self, process: &ProcessPip) -> Vec<String> {
        match process.rare.as_ref().and_then(|rare| rare.response_file.as_ref()) {
            None => Vec::new(),
            Some(file) if file.force => {
                vec![format!("{}(response file)", file.prefix.map_or("@", |prefix| self.graph.text(prefix)))]
            }
            Some(file) => arguments(self.graph, &file.contents),
        }
    }

    fn seal(&mut self, id: PipId, seal: &SealDirectoryPip) -> io::Result<()> {
        let graph = self.graph;
        let shown = self.directory(seal.directory);
        self.head("seal", &plain(&shown))?;
        self.description(graph.pip(id))?;
        let mut contents: Vec<String> = seal.files.iter().map(|file| graph.display(file.path)).collect();
        contents.extend(seal.directories.iter().map(|id| {
            let directory = graph.directory(*id);
            let maker = &graph.provenance(directory.pip).value;
            format!("{} of `{maker}`", self.directory(*id))
        }));
        if !contents.is_empty() {
            let line = self.list(&contents);
            self.detail(if seal.kind.is_composed() { "from" } else { "with" }, &line)?;
        }
        if !seal.patterns.is_empty() {
            let patterns: Vec<String> = seal.patterns.iter().map(|pattern| graph.text(*pattern).to_owned()).collect();
            let line = self.list(&patterns);
            self.detail("only", &line)?;
        }
        if let Some(filter) = seal.filter {
            let regex = self.cut(graph.text(filter.regex));
            self.detail(if filter.kind == FilterKind::Include { "keep" } else { "drop" }, &format!("/{regex}/"))?;
        }
        Ok(())
    }
}
