//! The command line, environment and file contents of a pip as a run needs them.
//!
//! Paths below the workspace are written relative to the working directory of the process, so that commands, their
//! outputs and their fingerprints are the same wherever the workspace lies, and so that a command can run below another
//! root. Paths elsewhere are absolute. Contents of files that pips write have absolute paths: nobody knows from which
//! folder they will be read.

use std::ffi::OsString;
use std::path::PathBuf;

use super::world::World;
use crate::graph::export::{Names, arguments_with, render_with};
use crate::graph::{
    DirectoryId, EnvironmentValue, FileArtifact, PathRendering, ProcessPip, StandardInput, WriteFilePip,
};
use crate::paths::{PathId, Paths};
use crate::source::Symbol;
use crate::source::system::Environment;

/// The longest command line, in bytes, before what may go to a response file goes there.
const LONGEST_COMMAND_LINE: usize = 100_000;

/// How parts of text are written for a run.
struct RunNames<'w, 'g> {
    world: &'w World<'g>,
    /// The working directory; none where paths are absolute.
    base: Option<PathId>,
}

impl Names for RunNames<'_, '_> {
    fn path(&self, path: PathId) -> String {
        let graph = self.world.graph;
        match self.base {
            Some(base) => relative(graph.paths(), graph.workspace_root(), base, path),
            None => graph.paths().display(path),
        }
    }

    fn vso_hash(&self, file: FileArtifact) -> String {
        // Whoever names the hash of a file depends on the file, so it is there.
        let content = self.world.artifact(file).ok();
        content.and_then(|content| content.digest()).map_or_else(String::new, |digest| digest.hex().to_uppercase())
    }

    fn file_id(&self, file: FileArtifact) -> String {
        format!("{}:{}", self.world.graph.display(file.path), file.rewrite)
    }

    fn directory_id(&self, directory: DirectoryId) -> String {
        let of = self.world.graph.directory(directory);
        format!("{}:{}", self.world.graph.display(of.root), self.world.graph.stable_id(of.pip))
    }

    fn ipc_moniker(&self, moniker: Symbol) -> String {
        self.world.graph.text(moniker).to_owned()
    }
}

/// The way from one folder to a path: relative where both lie below the workspace, else absolute.
fn relative(paths: &Paths, workspace: PathId, base: PathId, path: PathId) -> String {
    if workspace == PathId::ROOT || !paths.is_within(path, workspace) || !paths.is_within(base, workspace) {
        return paths.display(path);
    }
    let mut text = String::new();
    let mut common = base;
    while !paths.is_within(path, common) {
        text.push_str("../");
        common = paths.parent(common).unwrap_or(PathId::ROOT);
    }
    let names: Vec<&str> = paths
        .ancestors(path)
        .take_while(|at| *at != common)
        .filter_map(|at| paths.name(at))
        .map(|name| paths.symbols().text(name))
        .collect();
    for (index, name) in names.iter().rev().enumerate() {
        if index > 0 {
            text.push('/');
        }
        text.push_str(name);
    }
    if names.is_empty() {
        text.pop();
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

/// What a process is started with.
pub(super) struct Command {
    /// The program, relative to the working directory or absolute; never a bare name.
    pub(super) program: String,
    /// The command line after the program.
    pub(super) arguments: Vec<String>,
    /// What goes to the response file, if there is one.
    pub(super) response: Option<Response>,
    /// Variables with values from specs.
    pub(super) environment: Vec<(String, String)>,
    /// Variables of the build that it sees, where they are set.
    pub(super) pass_through: Vec<String>,
    /// Text on standard input.
    pub(super) input: Option<String>,
}

/// A response file.
pub(super) struct Response {
    /// What stands before its name on the command line.
    pub(super) prefix: String,
    /// Its text.
    pub(super) text: String,
}

impl Command {
    /// The command of a process.
    pub(super) fn of(world: &World<'_>, process: &ProcessPip) -> Self {
        let graph = world.graph;
        let names = RunNames { world, base: Some(process.working_directory) };
        let mut program = names.path(process.executable.path);
        if !program.contains('/') {
            program.insert_str(0, "./");
        }
        let mut arguments = arguments_with(graph, &names, &process.arguments);
        let mut response = None;
        if let Some(file) = process.rare.as_ref().and_then(|rare| rare.response_file.as_ref()) {
            let more = arguments_with(graph, &names, &file.contents);
            let length: usize = arguments.iter().chain(&more).map(|argument| argument.len() + 1).sum();
            if file.force || length > LONGEST_COMMAND_LINE {
                let text = more.iter().map(|argument| quoted(argument) + "\n").collect();
                let prefix = file.prefix.map_or("@", |prefix| graph.text(prefix));
                response = Some(Response { prefix: prefix.to_owned(), text });
            } else {
                arguments.extend(more);
            }
        }
        let mut environment = Vec::new();
        let mut pass_through = Vec::new();
        for variable in &process.environment {
            let name = graph.text(variable.name).to_owned();
            match &variable.value {
                EnvironmentValue::Data(data) => {
                    environment.push((name, render_with(graph, &names, data, PathRendering::None)));
                }
                EnvironmentValue::PassThrough => pass_through.push(name),
            }
        }
        let input = match process.rare.as_ref().map(|rare| &rare.streams.input) {
            Some(StandardInput::Data(data)) => Some(render_with(graph, &names, data, PathRendering::None)),
            _ => None,
        };
        Self { program, arguments, response, environment, pass_through, input }
    }

    /// The command as a person would type it.
    pub(super) fn shown(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        let mut line = words.map(|word| shell_word(word)).collect::<Vec<_>>().join(" ");
        if let Some(response) = &self.response {
            line.push_str(&format!(" {}FILE with {}", response.prefix, response.text.trim_end().replace('\n', " ")));
        }
        line
    }

    /// The environment of a run: what specs say, what passes through, and the temporary folder.
    pub(super) fn full_environment(
        &self,
        outer: &dyn Environment,
        everywhere: &[std::sync::Arc<str>],
        temporary: Option<&PathBuf>,
    ) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> = Vec::new();
        for name in everywhere.iter().map(|name| &**name).chain(self.pass_through.iter().map(String::as_str)) {
            all.extend(outer.variable(name).map(|value| (name.into(), value.into())));
        }
        all.extend(self.environment.iter().map(|(name, value)| (name.into(), value.into())));
        if let Some(folder) = temporary {
            for name in ["TMPDIR", "TMP", "TEMP"] {
                all.retain(|(known, _)| known != name);
                all.push((name.into(), folder.into()));
            }
        }
        all
    }
}

/// The bytes that a pip writes.
pub(super) fn file_text(world: &World<'_>, pip: &WriteFilePip) -> String {
    render_with(world.graph, &RunNames { world, base: None }, &pip.contents, pip.path_rendering)
}

/// An argument in a response file, as compilers and linkers read it: in double quotes where it has characters that
/// separate or quote.
fn quoted(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\')) {
        return argument.to_owned();
    }
    let mut text = String::from("\"");
    for c in argument.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// A word as a shell reads it.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Symbols;
    use std::sync::Arc;

    #[test]
    fn paths_of_the_workspace_are_relative_to_the_working_directory() {
        let paths = Paths::new(Arc::new(Symbols::new()));
        let path = |text: &str| paths.parse_absolute(text).unwrap();
        let from = |base: &str, to: &str| relative(&paths, path("/w"), path(base), path(to));
        assert_eq!(from("/w/a", "/w/a/b/c"), "b/c");
        assert_eq!(from("/w/a/x", "/w/b"), "../../b");
        assert_eq!(from("/w/a/x", "/w/a"), "..");
        assert_eq!(from("/w/a", "/w/a"), ".");
        assert_eq!(from("/w/a", "/usr/bin/cc"), "/usr/bin/cc");
        assert_eq!(from("/", "/w/a"), "/w/a");
    }

    #[test]
    fn words_are_quoted_where_needed() {
        assert_eq!(shell_word("a-b.c"), "a-b.c");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(quoted("a b\"c"), r#""a b\"c""#);
        assert_eq!(quoted("a/b"), "a/b");
    }
}
