//! The hidden namespace behind module `Sdk.Json`: text to values, and values to a file that a pip writes.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, NativeFn, Object, Raised, RequestKind, Value};
use crate::graph::{FileArtifact, PathRendering, WriteFilePip};
use crate::paths::RelativePath;
use crate::source::Symbol;

use super::json_text::{self, Json};
use super::pieces::Pieces;
use super::support::optional_string;
use super::transformer::write::{emit, labels, rendering_option};

/// `read` and `write`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("_PreludeAmbientHack_Json.read", read), ("_PreludeAmbientHack_Json.write", write)];

/// The field whose value is a list of `{name, value}`: fields with names that are computed.
const DYNAMIC_FIELDS: &str = "__dynamicFields";

/// How much stack one level of nested data may need, and how much is added when that is not there.
const STACK_NEEDED: usize = 64 * 1024;
const STACK_ADDED: usize = 1024 * 1024;

fn read<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    match json_text::parse(text) {
        Ok(json) => Ok(value_of(m, &json)),
        Err(error) => {
            let message = format!("the text is not JSON: {error}");
            Err(m.fail_at(args, 0, Code::Dx(9420), message))
        }
    }
}

/// `null` is undefined; a number with a fraction or exponent stays text, so that nothing is lost.
fn value_of<'h>(m: &Machine<'_, 'h>, json: &Json) -> Value<'h> {
    match json {
        Json::Null => Value::Undefined,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Number(*number),
        Json::String(text) => m.string(text),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| value_of(m, item)).collect();
            m.array(&items)
        }
        Json::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (m.symbols().intern(name), value_of(m, value))).collect();
            m.object(&fields)
        }
    }
}

/// `write(destination, data, quoteChar?, tags?, description?, additionalOptions?)`
fn write<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let destination = FileArtifact::output(m.path_arg(args, 0)?);
    let Value::Object(data) = args.get(1) else { return Err(m.wrong_type(args, 1, "an object")) };
    let quote = match optional_string(m, args, 2)? {
        None | Some("'") => '\'',
        Some("\"") => '"',
        Some(other) => {
            let message = format!("`{other}` is not a quote: it must be `'` or `\"`");
            return Err(m.fail_at(args, 2, Code::Dx(9357), message));
        }
    };
    let (tags, description) = labels(m, args, 3, 4)?;
    let path_rendering = match args.get(5) {
        Value::Undefined => PathRendering::None,
        _ => rendering_option(m, args, 5, "the options of `Json.write`")?,
    };
    let mut writer = Writer { pieces: Pieces::default(), indent: 0, quote, new_line: m.paths().os().new_line() };
    writer.object(m, args, data)?;
    let contents = writer.pieces.finish(m);
    let write = WriteFilePip { destination, contents, path_rendering, tags, description };
    emit(m, args, RequestKind::WriteFile(write));
    Ok(Value::File(destination))
}

/// Indented JSON in which paths stay paths.
struct Writer {
    pieces: Pieces,
    indent: usize,
    quote: char,
    new_line: &'static str,
}

impl Writer {
    fn quoted(&mut self, text: &str) {
        let quote = self.quote;
        let out = self.pieces.text();
        out.push(quote);
        json_text::escape(text, quote, out);
        out.push(quote);
    }

    fn line(&mut self) {
        let out = self.pieces.text();
        out.push_str(self.new_line);
        for _ in 0..self.indent {
            out.push_str("  ");
        }
    }

    /// Begins one more item of a list of which `count` were written.
    fn item(&mut self, count: &mut usize) {
        if *count > 0 {
            self.pieces.text().push(',');
        }
        *count += 1;
        self.line();
    }

    fn open(&mut self, bracket: char) {
        self.pieces.text().push(bracket);
        self.indent += 1;
    }

    fn close(&mut self, bracket: char, count: usize) {
        self.indent -= 1;
        if count > 0 {
            self.line();
        }
        self.pieces.text().push(bracket);
    }

    fn field<'h>(
        &mut self,
        m: &mut Machine<'_, 'h>,
        args: &Args<'_, 'h>,
        name: &str,
        value: Value<'h>,
        count: &mut usize,
    ) -> Result<(), Raised> {
        self.item(count);
        self.quoted(name);
        self.pieces.text().push_str(": ");
        self.value(m, args, value)
    }

    fn object<'h>(
        &mut self,
        m: &mut Machine<'_, 'h>,
        args: &Args<'_, 'h>,
        object: &'h Object<'h>,
    ) -> Result<(), Raised> {
        self.open('{');
        let mut count = 0;
        for (key, value) in object.entries() {
            let name = m.symbols().text(key);
            if name == DYNAMIC_FIELDS {
                self.dynamic_fields(m, args, value, &mut count)?;
            } else {
                self.field(m, args, name, value, &mut count)?;
            }
        }
        self.close('}', count);
        Ok(())
    }

    fn dynamic_fields<'h>(
        &mut self,
        m: &mut Machine<'_, 'h>,
        args: &Args<'_, 'h>,
        fields: Value<'h>,
        count: &mut usize,
    ) -> Result<(), Raised> {
        if fields.is_undefined() {
            return Ok(());
        }
        let Some(items) = fields.as_array() else {
            return Err(wrong_shape(m, args, fields, "an array of `{name, value}`"));
        };
        let (name_key, value_key) = (m.symbols().intern("name"), m.symbols().intern("value"));
        for item in items {
            let Value::Object(field) = item else {
                return Err(wrong_shape(m, args, *item, "an object `{name, value}` in each place"));
            };
            let name = field.get(name_key).unwrap_or(Value::Undefined);
            let Some(name) = name.as_str().filter(|name| !name.is_empty()) else {
                return Err(wrong_shape(m, args, name, "a `name` that is a string and not empty"));
            };
            self.field(m, args, name, field.get(value_key).unwrap_or(Value::Undefined), count)?;
        }
        Ok(())
    }

    fn array<'h>(&mut self, m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, items: &[Value<'h>]) -> Result<(), Raised> {
        self.open('[');
        let mut count = 0;
        for item in items {
            self.item(&mut count);
            self.value(m, args, *item)?;
        }
        self.close(']', count);
        Ok(())
    }

    /// A map is a list of its entries: their keys may be anything.
    fn map<'h>(
        &mut self,
        m: &mut Machine<'_, 'h>,
        args: &Args<'_, 'h>,
        entries: &[(Value<'h>, Value<'h>)],
    ) -> Result<(), Raised> {
        self.open('[');
        let mut count = 0;
        for (key, value) in entries {
            self.item(&mut count);
            self.open('{');
            let mut fields = 0;
            self.field(m, args, "key", *key, &mut fields)?;
            self.field(m, args, "value", *value, &mut fields)?;
            self.close('}', fields);
        }
        self.close(']', count);
        Ok(())
    }

    fn value<'h>(&mut self, m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, value: Value<'h>) -> Result<(), Raised> {
        // Parts may be shared, so a small value can have an endless text.
        m.count_step(args.site.location())?;
        m.room(self.pieces.len(), args.site.location())?;
        match value {
            Value::Undefined => self.pieces.text().push_str("null"),
            Value::Bool(flag) => self.pieces.text().push_str(if flag { "true" } else { "false" }),
            Value::Number(number) => self.pieces.text().push_str(&number.to_string()),
            Value::String(text) => self.quoted(text.text),
            Value::Atom(atom) => self.quoted(m.symbols().text(atom)),
            Value::Relative(relative) => {
                let atoms: Vec<Symbol> = relative.atoms.to_vec();
                self.quoted(&RelativePath::from_atoms(atoms).native(m.paths()));
            }
            Value::Path(path) | Value::Directory(path) => self.path(m, path),
            Value::File(file) => self.path(m, file.path),
            Value::Object(object) => {
                return stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || self.object(m, args, object));
            }
            Value::Array(array) => {
                return stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || self.array(m, args, array.items));
            }
            Value::Set(set) => {
                return stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || self.array(m, args, set.items()));
            }
            Value::Map(map) => {
                let entries: Vec<_> = map.entries().collect();
                return stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || self.map(m, args, &entries));
            }
            other => {
                let (found, kind) = (m.describe(other), other.type_of());
                let error = Diagnostic::error(Code::Dx(9408), format!("JSON has no form for {found}"));
                // The words of BuildXL, which tests of specs expect.
                let note =
                    format!("Encountered value of type `{kind}`. This type is not supported to be serialized to Json.");
                let error = error.at(args.site.argument(1), "").note(note);
                let help = "write plain data: objects, arrays, strings, numbers, booleans and paths";
                return Err(m.fail(error.help(help)));
            }
        }
        Ok(())
    }

    fn path(&mut self, m: &Machine<'_, '_>, path: crate::paths::PathId) {
        self.pieces.text().push(self.quote);
        self.pieces.path(m, path);
        self.pieces.text().push(self.quote);
    }
}

fn wrong_shape<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, found: Value<'h>, expected: &str) -> Raised {
    let found = m.describe(found);
    let message = format!("`{DYNAMIC_FIELDS}` needs {expected}, but got {found}");
    m.fail(Diagnostic::error(Code::Dx(9409), message).at(args.site.argument(1), ""))
}
