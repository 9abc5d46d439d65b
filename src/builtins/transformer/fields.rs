//! Reading the fields of the objects that transformers are given, with an error that names the field (DX9327).

use regex::Regex;
use smallvec::SmallVec;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Machine, Object, Raised, Site, Step, Trail, Value};
use crate::graph::FileArtifact;
use crate::paths::PathId;
use crate::source::{Location, Symbol};

/// A field of an object, or an item of the array in it.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    field: &'static str,
    item: Option<usize>,
}

impl Spot {
    /// A field.
    pub fn field(field: &'static str) -> Self {
        Self { field, item: None }
    }

    /// An item of the array in a field.
    pub fn item(field: &'static str, item: usize) -> Self {
        Self { field, item: Some(item) }
    }

    fn after(self, trail: Trail) -> Trail {
        let trail = trail.then(Step::Field(self.field));
        self.item.map_or(trail, |item| trail.then(Step::Item(item)))
    }
}

/// The object that is read: its fields, what it is called in messages, and where the call stands.
///
/// Fields are compared as text. An object has few of them and a transformer asks for many, most of which are missing:
/// looking each name up among the interned strings would cost more, and all workers would meet there.
pub(super) struct Fields<'a, 'h> {
    entries: SmallVec<[(&'h str, Value<'h>); 16]>,
    /// Such as `Transformer.execute` or `tool`.
    owner: &'a str,
    /// Where the call stands that users would name.
    pub place: Location,
    /// The call of the native, and the way from its first argument to this object: where fields were written is found
    /// out when one is wrong.
    site: Site<'h>,
    trail: Trail,
}

impl<'a, 'h> Fields<'a, 'h> {
    fn new(
        m: &Machine<'_, 'h>,
        object: &'h Object<'h>,
        owner: &'a str,
        place: Location,
        site: Site<'h>,
        trail: Trail,
    ) -> Self {
        let symbols = m.symbols();
        let entries = object.entries().map(|(key, value)| (symbols.text(key), value)).collect();
        Self { entries, owner, place, site, trail }
    }

    /// The object given as an argument of a native.
    pub fn of_argument(
        m: &mut Machine<'_, 'h>,
        args: &Args<'_, 'h>,
        index: usize,
        owner: &'a str,
    ) -> Result<Self, Raised> {
        match args.get(index) {
            Value::Object(object) => {
                let place = args.site.argument(index);
                Ok(Self::new(m, object, owner, place, args.site, Trail::argument(index)))
            }
            _ => Err(m.wrong_type(args, index, "an object")),
        }
    }

    /// An argument that may be missing, given by itself or as the field of another one.
    pub fn of_value(
        m: &mut Machine<'_, 'h>,
        value: Value<'h>,
        owner: &'a str,
        place: Location,
        site: Site<'h>,
        trail: Trail,
    ) -> Result<Self, Raised> {
        match value {
            Value::Object(object) => Ok(Self::new(m, object, owner, place, site, trail)),
            other => {
                let message = format!("{owner} must be an object, but it is {}", m.describe(other));
                let place = m.written_at(site, trail).unwrap_or(place);
                Err(m.fail(Diagnostic::error(Code::Dx(9327), message).at(place, "")))
            }
        }
    }

    /// An object inside this one: the value of a field, or an item of it.
    pub fn inner<'b>(
        &self,
        m: &mut Machine<'_, 'h>,
        spot: Spot,
        value: Value<'h>,
        owner: &'b str,
    ) -> Result<Fields<'b, 'h>, Raised> {
        Fields::of_value(m, value, owner, self.place, self.site, spot.after(self.trail))
    }

    /// Where to point when `value`, which stands in a field of this object or is missing there, is wrong.
    pub fn spot(&self, m: &Machine<'_, 'h>, spot: Spot, value: Value<'h>) -> Location {
        origin(value).or_else(|| m.written_at(self.site, spot.after(self.trail))).unwrap_or(self.place)
    }

    /// Where to point when the object as a whole is wrong.
    pub fn whole(&self, m: &Machine<'_, 'h>) -> Location {
        m.written_at(self.site, self.trail).unwrap_or(self.place)
    }

    /// The same fields, with errors at another place.
    pub fn placed(self, place: Location) -> Self {
        Self { place, ..self }
    }

    /// The value of a field; `undefined` when it is missing.
    pub fn get(&self, name: &'static str) -> Value<'h> {
        self.entries.iter().find(|(key, _)| *key == name).map_or(Value::Undefined, |(_, value)| *value)
    }

    /// Whether the field is there and not `undefined`.
    pub fn has(&self, name: &'static str) -> bool {
        !self.get(name).is_undefined()
    }

    /// The error of a field with the wrong type.
    pub fn wrong(&self, m: &mut Machine<'_, 'h>, name: &'static str, expected: &str, found: Value<'h>) -> Raised {
        self.wrong_at(m, Spot::field(name), expected, found)
    }

    /// The error of a field, or of an item of it, with the wrong type; `expected` says what the field must be.
    pub fn wrong_at(&self, m: &mut Machine<'_, 'h>, spot: Spot, expected: &str, found: Value<'h>) -> Raised {
        let (owner, name) = (self.owner, spot.field);
        let found_text = m.describe(found);
        let message = if found.is_undefined() {
            format!("the field `{name}` of {owner} is missing: it must be {expected}")
        } else {
            let it = if spot.item.is_some() { "one is" } else { "it is" };
            format!("the field `{name}` of {owner} must be {expected}, but {it} {found_text}")
        };
        let place = self.spot(m, spot, found);
        m.fail(Diagnostic::error(Code::Dx(9327), message).at(place, ""))
    }

    /// An optional string.
    pub fn string(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Option<&'h str>, Raised> {
        match self.get(name) {
            Value::Undefined => Ok(None),
            Value::String(text) => Ok(Some(text.text)),
            other => Err(self.wrong(m, name, "a string", other)),
        }
    }

    /// An optional string, interned; empty text counts as none.
    pub fn symbol(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Option<Symbol>, Raised> {
        let text = self.string(m, name)?;
        Ok(text.filter(|text| !text.is_empty()).map(|text| m.symbols().intern(text)))
    }

    /// An optional boolean; false when it is missing.
    pub fn flag(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<bool, Raised> {
        Ok(self.boolean(m, name)?.unwrap_or(false))
    }

    /// An optional boolean.
    pub fn boolean(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Option<bool>, Raised> {
        match self.get(name) {
            Value::Undefined => Ok(None),
            Value::Bool(flag) => Ok(Some(flag)),
            other => Err(self.wrong(m, name, "true or false", other)),
        }
    }

    /// An optional number.
    pub fn number(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Option<i32>, Raised> {
        match self.get(name) {
            Value::Undefined => Ok(None),
            Value::Number(number) => Ok(Some(number)),
            other => Err(self.wrong(m, name, "a number", other)),
        }
    }

    /// An optional number that is not negative.
    pub fn count(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Option<u32>, Raised> {
        match self.number(m, name)? {
            None => Ok(None),
            Some(number) => match u32::try_from(number) {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(self.wrong(m, name, "a number that is not negative", Value::Number(number))),
            },
        }
    }

    /// An optional array; empty when it is missing.
    pub fn array(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<&'h [Value<'h>], Raised> {
        match self.get(name) {
            Value::Undefined => Ok(&[]),
            Value::Array(array) => Ok(array.items),
            other => Err(self.wrong(m, name, "an array", other)),
        }
    }

    /// An optional path, also given as a file or directory.
    pub fn path(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Option<PathId>, Raised> {
        match self.get(name) {
            Value::Undefined => Ok(None),
            other => match other.as_path() {
                Some(path) => Ok(Some(path)),
                None => Err(self.wrong(m, name, "a path", other)),
            },
        }
    }

    /// A directory that must be given.
    pub fn directory(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<PathId, Raised> {
        match self.get(name) {
            Value::Directory(path) => Ok(path),
            Value::StaticDirectory(directory) => Ok(directory.path),
            other => Err(self.wrong(m, name, "a directory", other)),
        }
    }

    /// A file that must be given.
    pub fn file(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<FileArtifact, Raised> {
        match self.get(name) {
            Value::File(file) => Ok(file),
            other => Err(self.wrong(m, name, "a file", other)),
        }
    }

    /// An optional array of strings, interned.
    pub fn symbols(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Box<[Symbol]>, Raised> {
        let items = self.array(m, name)?;
        let mut symbols = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => symbols.push(m.symbols().intern(text.text)),
                Value::Atom(atom) => symbols.push(*atom),
                Value::Undefined => {}
                other => return Err(self.wrong_at(m, Spot::item(name, index), "an array of strings", *other)),
            }
        }
        Ok(symbols.into())
    }

    /// An optional array of numbers.
    pub fn numbers(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Box<[i32]>, Raised> {
        let items = self.array(m, name)?;
        let mut numbers = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::Number(number) => numbers.push(*number),
                other => return Err(self.wrong_at(m, Spot::item(name, index), "an array of numbers", *other)),
            }
        }
        Ok(numbers.into())
    }

    /// An optional array of paths, files or directories.
    pub fn paths(&self, m: &mut Machine<'_, 'h>, name: &'static str) -> Result<Vec<PathId>, Raised> {
        let items = self.array(m, name)?;
        let mut paths = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_undefined()) {
            match item.as_path() {
                Some(path) => paths.push(path),
                None => return Err(self.wrong_at(m, Spot::item(name, index), "an array of paths", *item)),
            }
        }
        Ok(paths)
    }

    /// One of several texts, by its place among them.
    pub fn choice<T: Copy>(
        &self,
        m: &mut Machine<'_, 'h>,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Raised> {
        let Some(text) = self.string(m, name)? else { return Ok(None) };
        if let Some((_, chosen)) = choices.iter().find(|(choice, _)| *choice == text) {
            return Ok(Some(*chosen));
        }
        let names: Vec<String> = choices.iter().map(|(choice, _)| format!("\"{choice}\"")).collect();
        Err(self.wrong(m, name, &names.join(" or "), self.get(name)))
    }
}

/// One field of an object that has only a few; `undefined` when it is missing.
pub(super) fn field<'h>(m: &Machine<'_, 'h>, object: &'h Object<'h>, name: &'static str) -> Value<'h> {
    let symbols = m.symbols();
    object.entries().find(|(key, _)| symbols.text(*key) == name).map_or(Value::Undefined, |(_, value)| value)
}

/// Where a value was written, if it is a string literal.
pub(super) fn origin(value: Value<'_>) -> Option<Location> {
    match value {
        Value::String(text) => text.origin,
        _ => None,
    }
}

/// Checks a regular expression where it is written (DX9357).
pub(super) fn check_regex<'h>(
    m: &mut Machine<'_, 'h>,
    field: &str,
    text: &str,
    value: Value<'h>,
    place: Location,
) -> Result<(), Raised> {
    let Err(error) = Regex::new(text) else { return Ok(()) };
    let diagnostic = Diagnostic::error(Code::Dx(9357), format!("`{field}` is not a valid regular expression"))
        .at(origin(value).unwrap_or(place), "")
        .note(error.to_string().trim_end().to_owned());
    Err(m.fail(diagnostic))
}
