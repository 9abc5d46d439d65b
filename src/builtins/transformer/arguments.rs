//! The command line of a process: `Argument` objects into structured text, and the artifacts they mention.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Machine, Object, Raised, SealKind, Value};
use crate::graph::{Escaping, FileArtifact, Fragment, PipData, ResponseFileData};
use crate::paths::RelativePath;
use crate::source::Symbol;

use super::artifacts::Artifacts;
use super::data::check_nesting;
use super::fields::{Fields, Spot, field};

/// What an artifact in an argument is to the process; the numbers of the prelude's `ArtifactKind`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ArtifactKind {
    Input = 1,
    Output,
    Rewritten,
    None,
    VsoHash,
    FileId,
    SharedOpaque,
    DirectoryId,
}

impl ArtifactKind {
    fn from_number(number: i32) -> Option<Self> {
        [
            Self::Input,
            Self::Output,
            Self::Rewritten,
            Self::None,
            Self::VsoHash,
            Self::FileId,
            Self::SharedOpaque,
            Self::DirectoryId,
        ]
        .into_iter()
        .find(|kind| *kind as i32 == number)
    }
}

// The numbers of the prelude's `ArgumentKind`; 2 is an ordinary argument.
const RAW_TEXT: i32 = 1;
const FLAG: i32 = 3;
const START_RESPONSE_FILE: i32 = 4;

/// A command line being put together.
pub(super) struct CommandLine<'a, 'h> {
    artifacts: &'a mut Artifacts,
    /// The object that holds the arguments, and the argument that is being added.
    fields: &'a Fields<'a, 'h>,
    spot: Spot,
    /// The arguments before the response file, and those in it.
    before: Vec<Fragment>,
    within: Vec<Fragment>,
    response: Option<(Option<Symbol>, bool)>,
    space: Symbol,
}

impl<'a, 'h> CommandLine<'a, 'h> {
    /// The command line in a field, which must be an array.
    pub fn read(
        m: &mut Machine<'_, 'h>,
        artifacts: &'a mut Artifacts,
        fields: &'a Fields<'a, 'h>,
        field: &'static str,
    ) -> Result<Self, Raised> {
        let space = m.symbols().intern(" ");
        let spot = Spot::field(field);
        let mut line = Self { artifacts, fields, spot, before: Vec::new(), within: Vec::new(), response: None, space };
        for (index, argument) in fields.array(m, field)?.iter().enumerate() {
            line.spot = Spot::item(field, index);
            line.add(m, *argument)?;
        }
        Ok(line)
    }

    /// The command line, and what goes to the response file.
    pub fn finish(self, m: &Machine<'_, '_>) -> (PipData, Option<ResponseFileData>) {
        let line = |fragments: Vec<Fragment>, separator: Symbol| PipData {
            separator: Some(separator),
            escaping: Escaping::CRuntimeArgumentRules,
            fragments: fragments.into(),
        };
        let response = self.response.map(|(prefix, force)| ResponseFileData {
            path: None,
            prefix,
            contents: line(self.within, m.symbols().intern(m.paths().os().new_line())),
            force,
        });
        (line(self.before, self.space), response)
    }

    /// All of it as one text: of a message there is no part that goes to a file.
    pub fn finish_message(self, m: &Machine<'_, '_>) -> PipData {
        let (before, within) = (self.before, self.within);
        let fragments = before.into_iter().chain(within).collect();
        PipData { separator: Some(m.symbols().intern(" ")), escaping: Escaping::CRuntimeArgumentRules, fragments }
    }

    fn push(&mut self, fragment: Fragment) {
        if self.response.is_some() { self.within.push(fragment) } else { self.before.push(fragment) }
    }

    /// Adds one `Argument`; `undefined` ones are left out.
    fn add(&mut self, m: &mut Machine<'_, 'h>, argument: Value<'h>) -> Result<(), Raised> {
        let object = match argument {
            Value::Undefined => return Ok(()),
            Value::Object(object) => object,
            other => {
                let found = m.describe(other);
                let message = format!("an argument of a process must be made by `Cmd`, but it is {found}");
                let error = Diagnostic::error(Code::Dx(9327), message).at(self.fields.spot(m, self.spot, other), "");
                return Err(m.fail(error.help("write `Cmd.argument(…)` or `Cmd.option(\"--name\", …)`")));
            }
        };
        let name = match field(m, object, "name") {
            Value::Undefined => None,
            Value::String(name) => Some(name.text),
            other => return Err(self.wrong(m, "name", "a string", other)),
        };
        match field(m, object, "value") {
            Value::Undefined => {
                // A name alone is a switch.
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    self.push(Fragment::Text(m.symbols().intern(name)));
                }
                Ok(())
            }
            Value::Array(values) => {
                for value in values.items.iter().filter(|value| !value.is_undefined()) {
                    self.add_value(m, name, *value)?;
                }
                Ok(())
            }
            value => self.add_value(m, name, value),
        }
    }

    fn add_value(&mut self, m: &mut Machine<'_, 'h>, name: Option<&str>, value: Value<'h>) -> Result<(), Raised> {
        if let Value::Object(object) = value
            && let Value::Enum(_, kind) = field(m, object, "kind")
            && field(m, object, "path").is_undefined()
        {
            return self.add_primitive(m, name, object, kind);
        }
        self.add_plain(m, name, value)
    }

    fn add_plain(&mut self, m: &mut Machine<'_, 'h>, name: Option<&str>, value: Value<'h>) -> Result<(), Raised> {
        match self.value_fragment(m, value, 0)? {
            // Nothing is said about a value that is an empty text, not even its name.
            Fragment::Text(text) if m.symbols().text(text).is_empty() => {}
            fragment => self.push_named(m, name, fragment),
        }
        Ok(())
    }

    /// `-o` before a value glues the two together; with a space at its end they are two words. A value of several parts
    /// is not quoted, nor is a name that stands alone.
    fn push_named(&mut self, m: &Machine<'_, '_>, name: Option<&str>, value: Fragment) {
        let name = name.filter(|name| !name.is_empty());
        let word = name.and_then(|name| name.strip_suffix(' '));
        if let Some(word) = word {
            self.push(Fragment::Raw(m.symbols().intern(word.trim_end_matches(' '))));
        }
        let glued = name.filter(|_| word.is_none()).map(|name| Fragment::Text(m.symbols().intern(name)));
        match (glued, value) {
            (glued, parts @ Fragment::Nested(_)) => self.push(raw(glued.into_iter().chain([parts]).collect())),
            (None, value) => self.push(value),
            (Some(name), value) => {
                let (separator, escaping) = (None, Escaping::CRuntimeArgumentRules);
                let word = PipData { separator, escaping, fragments: Box::new([name, value]) };
                self.push(Fragment::Nested(Box::new(word)));
            }
        }
    }

    fn add_primitive(
        &mut self,
        m: &mut Machine<'_, 'h>,
        name: Option<&str>,
        object: &'h Object<'h>,
        kind: i32,
    ) -> Result<(), Raised> {
        let value = field(m, object, "value");
        match kind {
            FLAG => {
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    self.push(Fragment::Text(m.symbols().intern(name)));
                }
                Ok(())
            }
            START_RESPONSE_FILE => {
                let prefix = name.map(|prefix| m.symbols().intern(prefix));
                self.response = Some((prefix, value.as_str() == Some("true")));
                Ok(())
            }
            RAW_TEXT => {
                // Raw text has no name, and only text is raw.
                if let (Value::String(_) | Value::Number(_), Fragment::Text(text)) =
                    (value, self.value_fragment(m, value, 0)?)
                    && !m.symbols().text(text).is_empty()
                {
                    self.push(Fragment::Raw(text));
                }
                Ok(())
            }
            _ => self.add_plain(m, name, value),
        }
    }

    /// The fragment of one value; nested where the value has several parts.
    fn value_fragment(&mut self, m: &mut Machine<'_, 'h>, value: Value<'h>, depth: usize) -> Result<Fragment, Raised> {
        // Parts may be shared, so a small value can make an endless command line.
        m.count_step(self.fields.place)?;
        check_nesting(m, depth, self.fields.place)?;
        if let Some(fragment) = primitive(m, value) {
            return Ok(fragment);
        }
        let Value::Object(object) = value else {
            let found = m.describe(value);
            let message = format!("an argument takes text, numbers, paths and artifacts, but this is {found}");
            let error = Diagnostic::error(Code::Dx(9327), message).at(self.fields.spot(m, self.spot, value), "");
            let help = match value {
                Value::File(_) => {
                    Some("say what the file is to the process: `Artifact.input(f)` or `Artifact.none(f)`")
                }
                Value::Directory(_) => Some(
                    "say what the directory is: `Artifact.none(d)`, `Artifact.output(d)` or `Artifact.sharedOpaqueOutput(d)`",
                ),
                Value::StaticDirectory(_) => {
                    Some("say what the directory is: `Artifact.input(d)` or `Artifact.none(d)`")
                }
                _ => None,
            };
            return Err(m.fail(error.maybe_help(help.map(str::to_owned))));
        };
        if !field(m, object, "separator").is_undefined() || !field(m, object, "values").is_undefined() {
            return self.compound(m, object, depth);
        }
        if !field(m, object, "path").is_undefined() {
            return self.artifact(m, object);
        }
        Err(self.wrong(m, "value", "text, a number, a path or an artifact", value))
    }

    /// `{values, separator}`
    fn compound(&mut self, m: &mut Machine<'_, 'h>, object: &'h Object<'h>, depth: usize) -> Result<Fragment, Raised> {
        let separator = match field(m, object, "separator") {
            Value::String(text) => m.symbols().intern(text.text),
            other => return Err(self.wrong(m, "separator", "a string", other)),
        };
        let values = match field(m, object, "values") {
            Value::Array(values) => values.items,
            other => return Err(self.wrong(m, "values", "an array", other)),
        };
        let mut fragments = Vec::with_capacity(values.len());
        for value in values.iter().filter(|value| !value.is_undefined()) {
            fragments.push(self.value_fragment(m, *value, depth + 1)?);
        }
        let data = PipData { separator: Some(separator), escaping: Escaping::None, fragments: fragments.into() };
        Ok(Fragment::Nested(Box::new(data)))
    }

    /// `{path, kind, original}`: declares the input or output as well.
    fn artifact(&mut self, m: &mut Machine<'_, 'h>, object: &'h Object<'h>) -> Result<Fragment, Raised> {
        let value = field(m, object, "path");
        let Value::Enum(_, number) = field(m, object, "kind") else {
            let found = field(m, object, "kind");
            return Err(self.wrong(m, "kind", "an `ArtifactKind`", found));
        };
        let Some(path) = value.as_path() else {
            return Err(self.wrong(m, "path", "a path, file or directory", value));
        };
        let kind = ArtifactKind::from_number(number).unwrap_or(ArtifactKind::None);
        match (kind, value) {
            (ArtifactKind::None, _) => {}
            // A path that is read is a source file.
            (ArtifactKind::Input, Value::Path(path)) => self.artifacts.inputs.push(FileArtifact { path, rewrite: 0 }),
            (ArtifactKind::Input, _) => self.artifacts.add_input(m, value, self.fields, self.spot)?,
            (ArtifactKind::Output, Value::Path(path)) => self.artifacts.add_output(FileArtifact::output(path)),
            (ArtifactKind::Output, Value::Directory(path)) => {
                self.artifacts.add_directory(path, SealKind::ExclusiveOpaque)
            }
            (ArtifactKind::Output, Value::File(file)) => self.artifacts.add_rewritten(file),
            (ArtifactKind::Rewritten, Value::File(file)) => self.artifacts.add_rewritten(file),
            (ArtifactKind::Rewritten, Value::Path(path)) => match field(m, object, "original") {
                Value::File(original) => self.artifacts.add_copied(original, path),
                other => return Err(self.wrong(m, "original", "the file that is copied to the path", other)),
            },
            (ArtifactKind::SharedOpaque, Value::Directory(path)) => {
                self.artifacts.add_directory(path, SealKind::SharedOpaque);
            }
            (ArtifactKind::VsoHash, Value::File(file)) => {
                self.artifacts.add_input(m, value, self.fields, self.spot)?;
                return Ok(Fragment::VsoHash(file));
            }
            (ArtifactKind::FileId, Value::File(file)) => {
                self.artifacts.add_input(m, value, self.fields, self.spot)?;
                return Ok(Fragment::FileId(file));
            }
            (ArtifactKind::DirectoryId | ArtifactKind::VsoHash, Value::StaticDirectory(directory)) => {
                self.artifacts.add_input(m, value, self.fields, self.spot)?;
                return Ok(Fragment::DirectoryId(crate::graph::DirectoryId(directory.seal.0)));
            }
            (kind, value) => return Err(self.wrong_artifact(m, kind, value)),
        }
        Ok(Fragment::Path(path))
    }

    fn wrong_artifact(&mut self, m: &mut Machine<'_, 'h>, kind: ArtifactKind, value: Value<'h>) -> Raised {
        let (function, wanted) = match kind {
            ArtifactKind::Input | ArtifactKind::None => ("Artifact.input", "a file or a sealed directory"),
            ArtifactKind::Output => ("Artifact.output", "a path or a directory"),
            ArtifactKind::Rewritten => ("Artifact.rewritten", "a file, or a file and the path it is copied to"),
            ArtifactKind::VsoHash => ("Artifact.vsoHash", "a file or an opaque directory"),
            ArtifactKind::FileId => ("Artifact.fileId", "a file"),
            ArtifactKind::SharedOpaque => ("Artifact.sharedOpaqueOutput", "a directory"),
            ArtifactKind::DirectoryId => ("Artifact.directoryId", "a sealed directory"),
        };
        let message = format!("`{function}` takes {wanted}, but it has {}", m.describe(value));
        m.fail(Diagnostic::error(Code::Dx(9327), message).at(self.fields.spot(m, self.spot, value), ""))
    }

    fn wrong(&self, m: &mut Machine<'_, 'h>, name: &str, expected: &str, found: Value<'h>) -> Raised {
        let message = format!("the field `{name}` of an argument must be {expected}, but it is {}", m.describe(found));
        m.fail(Diagnostic::error(Code::Dx(9327), message).at(self.fields.spot(m, self.spot, found), ""))
    }
}

/// Text, numbers, paths and monikers; none for everything else.
pub(super) fn primitive<'h>(m: &mut Machine<'_, 'h>, value: Value<'h>) -> Option<Fragment> {
    Some(match value {
        Value::String(text) => Fragment::Text(m.intern(text)),
        Value::Number(number) => Fragment::Text(m.symbols().intern(&number.to_string())),
        Value::Atom(atom) => Fragment::Text(atom),
        Value::Relative(relative) => {
            let text = RelativePath::from_atoms(relative.atoms.to_vec()).native(m.paths());
            Fragment::Text(m.symbols().intern(&text))
        }
        Value::Path(path) => Fragment::Path(path),
        Value::IpcMoniker(name) => Fragment::IpcMoniker(name),
        _ => return None,
    })
}

/// Fragments that are not quoted, with nothing between them.
fn raw(fragments: Vec<Fragment>) -> Fragment {
    Fragment::Nested(Box::new(PipData { fragments: fragments.into(), ..PipData::default() }))
}
