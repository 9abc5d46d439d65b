//! What a configuration, module or list file evaluates to, as a plain tree, and the way to read settings out of it.
//!
//! The evaluator makes these values; nothing here evaluates. Wrong settings become diagnostics at their place, and
//! decoding goes on with the rest.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::paths::{PathId, RelativePath};
use crate::source::{Location, Symbol};
use crate::syntax::ast::{self, Ast};

/// A value with the place that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigValue {
    /// What it is.
    pub kind: ConfigKind,
    /// The expression that wrote it, where that is known.
    pub location: Option<Location>,
    /// The key before it, where it is a field that an object literal wrote.
    pub key: Option<Location>,
}

/// The kinds of configuration values.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigKind {
    /// `undefined`
    Undefined,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(i32),
    /// A string.
    String(Arc<str>),
    /// A `Path`.
    Path(PathId),
    /// A `File`.
    File(PathId),
    /// A `Directory`.
    Directory(PathId),
    /// A `PathAtom`.
    Atom(Symbol),
    /// A `RelativePath`.
    Relative(RelativePath),
    /// An array.
    Array(Vec<ConfigValue>),
    /// An object with its keys in order.
    Object(ConfigObject),
    /// A member of a const enum.
    Enum {
        /// The name of the member.
        name: Arc<str>,
        /// Its number.
        value: i32,
    },
    /// Something that no setting is read from: a function, a `Map`. The text says what, with its article.
    Other(&'static str),
}

/// The fields of an object.
pub type ConfigObject = IndexMap<Arc<str>, ConfigValue>;

impl ConfigValue {
    /// A value without a place.
    pub fn new(kind: ConfigKind) -> Self {
        Self { kind, location: None, key: None }
    }

    /// Whether it is `undefined`.
    pub fn is_undefined(&self) -> bool {
        matches!(self.kind, ConfigKind::Undefined)
    }

    /// What it is, with an article, for messages.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            ConfigKind::Undefined => "`undefined`",
            ConfigKind::Bool(_) => "a boolean",
            ConfigKind::Number(_) => "a number",
            ConfigKind::String(_) => "a string",
            ConfigKind::Path(_) => "a path",
            ConfigKind::File(_) => "a file",
            ConfigKind::Directory(_) => "a directory",
            ConfigKind::Atom(_) => "a path atom",
            ConfigKind::Relative(_) => "a relative path",
            ConfigKind::Array(_) => "an array",
            ConfigKind::Object(_) => "an object",
            ConfigKind::Enum { .. } => "an enum value",
            ConfigKind::Other(what) => what,
        }
    }

    /// Gives every part the place of the expression that wrote it. Where value and expression have not the same shape
    /// (a call, a spread), the whole part gets the place of the expression.
    pub fn locate(&mut self, ast: &Ast, expr: ast::ExprId) {
        let mut written = expr;
        while let ast::Expr::Paren(inner) | ast::Expr::Cast { operand: inner, .. } = ast.expr(written) {
            written = inner;
        }
        match (&mut self.kind, ast.expr(written)) {
            (ConfigKind::Object(fields), ast::Expr::Object { members }) => {
                for member in ast.list(members) {
                    let ast::MemberKind::Property { key, value } = member.kind else { continue };
                    let (name, span) = match key {
                        ast::PropertyName::Ident(name) => (ast.name(name), name.span),
                        ast::PropertyName::String(span) => (ast.text_of(span).trim_matches(['"', '\'']), span),
                        _ => continue,
                    };
                    if let Some(field) = fields.get_mut(name) {
                        field.key = Some(span.in_file(ast.file));
                        field.locate(ast, value);
                    }
                }
            }
            (ConfigKind::Array(items), ast::Expr::Array { items: exprs }) => {
                let exprs = ast.list(exprs);
                let spread = |id: &ast::ExprId| matches!(ast.expr(*id), ast::Expr::Spread(_));
                if exprs.len() == items.len() && !exprs.iter().any(spread) {
                    for (item, expr) in items.iter_mut().zip(exprs) {
                        item.locate(ast, *expr);
                    }
                }
            }
            _ => {}
        }
        self.spread_location(ast.expr_span(expr).in_file(ast.file));
    }

    /// Sets the place of this value and of all parts that have none.
    fn spread_location(&mut self, location: Location) {
        let mut work = vec![self];
        while let Some(value) = work.pop() {
            if value.location.is_some() {
                continue;
            }
            value.location = Some(location);
            match &mut value.kind {
                ConfigKind::Array(items) => work.extend(items),
                ConfigKind::Object(fields) => work.extend(fields.values_mut()),
                _ => {}
            }
        }
    }
}

/// A part of the configuration together with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The part.
    pub value: T,
    /// Where it is written.
    pub location: Option<Location>,
}

/// Reads settings; what is wrong collects in [`Decoder::diagnostics`].
#[derive(Debug, Default)]
pub struct Decoder {
    /// What was found so far.
    pub diagnostics: Vec<Diagnostic>,
}

/// The fields of one object of settings.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'v> {
    object: &'v ConfigObject,
    location: Option<Location>,
    what: &'static str,
}

impl Decoder {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a diagnostic at a place, where there is one.
    pub fn report(&mut self, diagnostic: Diagnostic, location: Option<Location>) {
        self.diagnostics.push(place(diagnostic, location));
    }

    /// Reports that a setting has the wrong type.
    pub fn wrong_type(&mut self, what: &str, wanted: &str, value: &ConfigValue) {
        let message = format!("{what} must be {wanted}, but it is {}", value.describe());
        let label = format!("{}, not {wanted}", value.describe());
        let mut diagnostic = Diagnostic::error(Code::Dx(9327), message);
        if let Some(location) = value.location {
            diagnostic = diagnostic.at(location, label);
        }
        self.diagnostics.push(diagnostic);
    }

    /// The fields of an object. `what` names it in messages (`a mount`); fields not in `known` are warned about.
    pub fn fields<'v>(&mut self, value: &'v ConfigValue, what: &'static str, known: &[&str]) -> Option<Fields<'v>> {
        let ConfigKind::Object(object) = &value.kind else {
            self.wrong_type(what, "an object", value);
            return None;
        };
        for (name, field) in object {
            if known.contains(&&**name) {
                continue;
            }
            let message = format!("`{name}` is no field of {what}, so it has no effect");
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove `{name}`"),
            };
            let diagnostic = Diagnostic::warning(Code::Ds(301), message).help(help);
            self.report(diagnostic, field.key.or(field.location).or(value.location));
        }
        Some(Fields { object, location: value.location, what })
    }

    /// The items of an array.
    pub fn items<'v>(&mut self, value: &'v ConfigValue, what: &str) -> &'v [ConfigValue] {
        match &value.kind {
            ConfigKind::Array(items) => items,
            _ => {
                self.wrong_type(what, "an array", value);
                &[]
            }
        }
    }

    /// A string.
    pub fn string(&mut self, value: &ConfigValue, what: &str) -> Option<Arc<str>> {
        match &value.kind {
            ConfigKind::String(text) => Some(text.clone()),
            _ => {
                self.wrong_type(what, "a string", value);
                None
            }
        }
    }

    /// A path, file or directory.
    pub fn path(&mut self, value: &ConfigValue, what: &str) -> Option<PathId> {
        match &value.kind {
            ConfigKind::Path(path) | ConfigKind::File(path) | ConfigKind::Directory(path) => Some(*path),
            _ => {
                self.wrong_type(what, "a path", value);
                None
            }
        }
    }
}

impl<'v> Fields<'v> {
    /// A field; none where it is absent or `undefined`.
    pub fn get(&self, name: &str) -> Option<&'v ConfigValue> {
        self.object.get(name).filter(|value| !value.is_undefined())
    }

    /// How messages name a field.
    pub fn label(&self, name: &str) -> String {
        format!("`{name}` of {}", self.what)
    }

    /// A string.
    pub fn string(&self, decoder: &mut Decoder, name: &str) -> Option<Arc<str>> {
        decoder.string(self.get(name)?, &self.label(name))
    }

    /// A path, file or directory.
    pub fn path(&self, decoder: &mut Decoder, name: &str) -> Option<PathId> {
        decoder.path(self.get(name)?, &self.label(name))
    }

    /// A boolean.
    pub fn bool(&self, decoder: &mut Decoder, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        match value.kind {
            ConfigKind::Bool(flag) => Some(flag),
            _ => {
                decoder.wrong_type(&self.label(name), "a boolean", value);
                None
            }
        }
    }

    /// A number that is not negative.
    pub fn count(&self, decoder: &mut Decoder, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        match value.kind {
            ConfigKind::Number(number) if number >= 0 => Some(number as u32),
            ConfigKind::Number(number) => {
                let message = format!("{} must not be negative, but it is {number}", self.label(name));
                decoder.report(Diagnostic::error(Code::Dx(9327), message), value.location);
                None
            }
            _ => {
                decoder.wrong_type(&self.label(name), "a number", value);
                None
            }
        }
    }

    /// The items of an array; none where the field is absent.
    pub fn items(&self, decoder: &mut Decoder, name: &str) -> Option<&'v [ConfigValue]> {
        Some(decoder.items(self.get(name)?, &self.label(name)))
    }

    /// An array of strings.
    pub fn strings(&self, decoder: &mut Decoder, name: &str) -> Option<Vec<Located<Arc<str>>>> {
        let label = format!("each item of {}", self.label(name));
        let items = self.items(decoder, name)?;
        let read = |item: &ConfigValue| Some(Located { value: decoder.string(item, &label)?, location: item.location });
        Some(items.iter().filter_map(read).collect())
    }

    /// An array of paths, files or directories.
    pub fn paths(&self, decoder: &mut Decoder, name: &str) -> Option<Vec<Located<PathId>>> {
        let label = format!("each item of {}", self.label(name));
        let items = self.items(decoder, name)?;
        let read = |item: &ConfigValue| Some(Located { value: decoder.path(item, &label)?, location: item.location });
        Some(items.iter().filter_map(read).collect())
    }

    /// Reports a missing field that must be there.
    pub fn missing(&self, decoder: &mut Decoder, name: &str) {
        let message = format!("{} has no `{name}`", self.what);
        let help = format!("add the field `{name}`");
        decoder.report(Diagnostic::error(Code::Dx(9318), message).help(help), self.location);
    }
}

/// Points a diagnostic at a place, where there is one.
pub(super) fn place(diagnostic: Diagnostic, location: Option<Location>) -> Diagnostic {
    match location {
        Some(location) => diagnostic.at(location, ""),
        None => diagnostic,
    }
}

/// Short ways to make values in tests.
#[cfg(test)]
pub(super) mod make {
    use super::*;

    pub fn object(fields: &[(&str, ConfigValue)]) -> ConfigValue {
        let fields = fields.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
        ConfigValue::new(ConfigKind::Object(fields))
    }

    pub fn array(items: &[ConfigValue]) -> ConfigValue {
        ConfigValue::new(ConfigKind::Array(items.to_vec()))
    }

    pub fn string(text: &str) -> ConfigValue {
        ConfigValue::new(ConfigKind::String(text.into()))
    }

    pub fn bool(flag: bool) -> ConfigValue {
        ConfigValue::new(ConfigKind::Bool(flag))
    }

    pub fn file(path: PathId) -> ConfigValue {
        ConfigValue::new(ConfigKind::File(path))
    }
}

#[cfg(test)]
mod tests {
    use super::make::*;
    use super::*;

    #[test]
    fn unknown_fields_are_warned_about_and_wrong_types_are_errors() {
        let value = object(&[("nmae", string("x")), ("flag", string("yes"))]);
        let mut decoder = Decoder::new();
        let fields = decoder.fields(&value, "a mount", &["name", "flag"]).unwrap();
        assert_eq!(fields.bool(&mut decoder, "flag"), None);
        let [unknown, wrong] = &decoder.diagnostics[..] else { panic!("{:?}", decoder.diagnostics) };
        assert_eq!((unknown.code, unknown.help.as_deref()), (Code::Ds(301), Some("did you mean `name`?")));
        assert_eq!(wrong.code, Code::Dx(9327));
        assert_eq!(wrong.message, "`flag` of a mount must be a boolean, but it is a string");
    }
}
