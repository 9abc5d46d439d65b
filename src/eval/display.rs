//! Values as text: what `toString()` and interpolation give, and the one-line form for messages and tools.
//!
//! Printing keeps its own stack, so that values of any depth can be shown.

use crate::program::{EnumId, Program};
use crate::source::Symbol;

use super::limits::LARGEST;
use super::machine::Machine;
use super::value::{Value, read_cell};

/// What `toString()` and `${…}` give: strings and atoms bare, everything in them as a literal. Arrays, objects, sets
/// and maps of two and more items take one line for each item.
pub fn to_display(m: &Machine<'_, '_>, value: Value<'_>) -> String {
    write_display(m, value, LARGEST).0
}

/// Like `to_display`; none when the text gets longer than `limit` bytes.
pub(super) fn to_display_within(m: &Machine<'_, '_>, value: Value<'_>, limit: usize) -> Option<String> {
    let (text, whole) = write_display(m, value, limit);
    whole.then_some(text)
}

/// The text and whether it is whole.
fn write_display(m: &Machine<'_, '_>, value: Value<'_>, limit: usize) -> (String, bool) {
    match value {
        Value::String(text) => (text.text.to_owned(), true),
        Value::Atom(atom) => (m.symbols().text(atom).to_owned(), true),
        Value::StringBuilder(builder) => (builder.text(), true),
        _ => Writer::new(m.program(), Layout::Lines).write(value, limit),
    }
}

/// The value as a literal on one line: `[1, "a"]`, `{a: 1}`.
pub fn to_inline(program: &Program, value: Value<'_>) -> String {
    Writer::new(program, Layout::Inline).write(value, LARGEST).0
}

/// The name of an enum value: a member, or members joined by ` | `; the number where no members make it up.
pub fn enum_name(program: &Program, id: EnumId, number: i32) -> String {
    let members = &program.enums[id.index()].members;
    if let Some((name, _)) = members.iter().find(|(_, value)| **value == number) {
        return program.symbols.text(*name).to_owned();
    }
    let mut rest = number;
    let mut names = Vec::new();
    for (name, value) in members {
        if *value != 0 && rest & *value == *value {
            rest &= !*value;
            names.push(program.symbols.text(*name));
        }
    }
    if rest == 0 && !names.is_empty() { names.join(" | ") } else { number.to_string() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Two and more items stand on lines of their own.
    Lines,
    /// Everything on one line.
    Inline,
}

enum Step<'h> {
    Value(Value<'h>),
    Token(&'static str),
    Key(Symbol),
    Break,
    Deeper,
    Shallower,
}

struct Writer<'p> {
    program: &'p Program,
    layout: Layout,
    out: String,
    indent: usize,
}

const INDENT: &str = "    ";

impl<'p> Writer<'p> {
    fn new(program: &'p Program, layout: Layout) -> Self {
        Self { program, layout, out: String::new(), indent: 0 }
    }

    /// The text, and whether it is whole: a value may be small and its text endless, because parts are shared.
    fn write(mut self, value: Value<'_>, limit: usize) -> (String, bool) {
        let mut steps = vec![Step::Value(value)];
        while let Some(step) = steps.pop() {
            if self.out.len() > limit {
                self.out.push('…');
                return (self.out, false);
            }
            match step {
                Step::Token(token) => self.out.push_str(token),
                Step::Key(key) => {
                    self.out.push_str(self.program.symbols.text(key));
                    self.out.push_str(": ");
                }
                Step::Break => {
                    self.out.push('\n');
                    for _ in 0..self.indent {
                        self.out.push_str(INDENT);
                    }
                }
                Step::Deeper => self.indent += 1,
                Step::Shallower => self.indent -= 1,
                Step::Value(value) => self.value(value, &mut steps),
            }
        }
        (self.out, true)
    }

    fn value<'h>(&mut self, value: Value<'h>, steps: &mut Vec<Step<'h>>) {
        match value {
            Value::Undefined => self.out.push_str("undefined"),
            Value::Bool(flag) => self.out.push_str(if flag { "true" } else { "false" }),
            Value::Number(number) => self.out.push_str(&number.to_string()),
            Value::String(text) => self.quoted(text.text, '"'),
            Value::Enum(id, number) => self.out.push_str(&enum_name(self.program, id, number)),
            Value::Path(path) => self.path('p', &self.program.paths.display(path)),
            Value::Directory(path) => self.path('d', &self.program.paths.display(path)),
            Value::File(file) => self.path('f', &self.program.paths.display(file.path)),
            Value::StaticDirectory(directory) => self.path('d', &self.program.paths.display(directory.path)),
            Value::Relative(relative) => {
                let atoms: Vec<_> = relative.atoms.iter().map(|atom| self.program.symbols.text(*atom)).collect();
                self.path('r', &atoms.join("/"));
            }
            Value::Atom(atom) => {
                self.out.push('a');
                self.quoted(self.program.symbols.text(atom), '`');
            }
            Value::Array(array) => self.items(array.items.len(), "[", "]", steps, |at, steps| {
                steps.push(Step::Value(array.items[at]));
            }),
            Value::Object(object) => self.items(object.keys.len(), "{", "}", steps, |at, steps| {
                steps.push(Step::Value(object.values[at]));
                steps.push(Step::Key(object.keys[at]));
            }),
            Value::Set(set) => self.list(set.items(), "<Set>[", steps),
            Value::MutableSet(set) => self.list(&set.items(), "<MutableSet>[", steps),
            Value::Map(map) => {
                let entries: Vec<_> = map.entries().collect();
                self.items(entries.len(), "<Map>[", "]", steps, |at, steps| {
                    steps.push(Step::Token("}"));
                    steps.push(Step::Value(entries[at].1));
                    steps.push(Step::Token(", value: "));
                    steps.push(Step::Value(entries[at].0));
                    steps.push(Step::Token("{ key: "));
                });
            }
            Value::StringBuilder(builder) => self.quoted(&builder.text(), '"'),
            Value::Closure(closure) => self.function(closure.function.name, &closure.function.parameters),
            Value::Function(decl, _) => self.function(Some(self.program.decls[decl.index()].name), &[]),
            Value::Native(_) | Value::Method(_) => self.out.push_str("<ambient>"),
            Value::Namespace(id, _) => {
                let name = self.program.namespace_name(id);
                self.out.push_str(if name.is_empty() { "$" } else { &name });
            }
            Value::ExecuteResult(result) if result.is_service => {
                self.out.push_str("<TransformerCreateServiceResult>");
            }
            Value::ExecuteResult(_) => self.out.push_str("<TransformerExecuteResult>"),
            // Handles depend on timing, so they are not shown.
            Value::ServiceId(_) => self.out.push_str("<ServiceId>"),
            Value::IpcMoniker(name) => {
                self.out.push_str("<IpcMoniker ");
                self.out.push_str(self.program.symbols.text(name));
                self.out.push('>');
            }
            Value::Unit => self.out.push_str("<unit>"),
            Value::Cell(cell) => steps.push(Step::Value(read_cell(cell))),
            // No expression yields it.
            Value::Growing => {}
        }
    }

    fn list<'h>(&mut self, items: &[Value<'h>], open: &'static str, steps: &mut Vec<Step<'h>>) {
        self.items(items.len(), open, "]", steps, |at, steps| steps.push(Step::Value(items[at])));
    }

    /// Plans the items, last step first.
    fn items<'h>(
        &mut self,
        count: usize,
        open: &'static str,
        close: &'static str,
        steps: &mut Vec<Step<'h>>,
        push: impl Fn(usize, &mut Vec<Step<'h>>),
    ) {
        self.out.push_str(open);
        steps.push(Step::Token(close));
        let lines = count > 1 && self.layout == Layout::Lines;
        if lines {
            steps.push(Step::Break);
            steps.push(Step::Shallower);
        }
        for at in (0..count).rev() {
            push(at, steps);
            if lines {
                steps.push(Step::Break);
            }
            if at > 0 {
                steps.push(Step::Token(if lines { "," } else { ", " }));
            }
        }
        if lines {
            steps.push(Step::Deeper);
        }
    }

    fn function(&mut self, name: Option<Symbol>, parameters: &[Symbol]) {
        let symbols = &self.program.symbols;
        let parameters: Vec<_> = parameters.iter().map(|name| symbols.text(*name)).collect();
        let text = match name {
            Some(name) => format!("<function:{}({})>", symbols.text(name), parameters.join(", ")),
            None => format!("<function:({}) => ...>", parameters.join(", ")),
        };
        self.out.push_str(&text);
    }

    /// A path-like literal: only the quote is special in it.
    fn path(&mut self, tag: char, text: &str) {
        self.out.push(tag);
        self.out.push('`');
        self.out.push_str(&text.replace('`', "``"));
        self.out.push('`');
    }

    fn quoted(&mut self, text: &str, quote: char) {
        self.out.push(quote);
        for c in text.chars() {
            let escaped = match c {
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\u{c}' => "\\f",
                '\u{8}' => "\\b",
                '\u{b}' => "\\v",
                '"' if quote == '"' => "\\\"",
                '`' if quote == '`' => "\\`",
                '$' if quote == '`' => "\\$",
                _ => {
                    self.out.push(c);
                    continue;
                }
            };
            self.out.push_str(escaped);
        }
        self.out.push(quote);
    }
}
