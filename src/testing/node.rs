//! Calls with literals as arguments: what a golden file is made of, and how it is laid out.

use std::fmt::Write;

/// A literal of DScript, or a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A string, number, boolean, name or path literal, as it is written.
    Plain(String),
    /// `[…]`
    Array(Vec<Node>),
    /// `{…}`
    Object(Vec<(String, Node)>),
    /// `name(…)`
    Call(String, Vec<Node>),
}

/// The most items that an array has on one line.
const ITEMS: usize = 3;
/// The most members that an object has on one line.
const MEMBERS: usize = 2;

impl Node {
    /// A string literal.
    pub fn string(text: &str) -> Self {
        let mut literal = String::with_capacity(text.len() + 2);
        literal.push('"');
        for c in text.chars() {
            match c {
                '"' => literal.push_str("\\\""),
                '\\' => literal.push_str("\\\\"),
                '\n' => literal.push_str("\\n"),
                '\r' => literal.push_str("\\r"),
                '\t' => literal.push_str("\\t"),
                c if c.is_control() => {
                    let _ = write!(literal, "\\u{:04x}", u32::from(c));
                }
                c => literal.push(c),
            }
        }
        literal.push('"');
        Node::Plain(literal)
    }

    /// `true` or `false`.
    pub fn bool(value: bool) -> Self {
        Node::Plain(value.to_string())
    }

    /// A number.
    pub fn number(value: impl Into<i64>) -> Self {
        Node::Plain(value.into().to_string())
    }

    /// A literal with a tag, such as `` p`./out` ``.
    pub fn tagged(tag: char, text: &str) -> Self {
        let mut literal = String::with_capacity(text.len() + 3);
        literal.push(tag);
        literal.push('`');
        for c in text.chars() {
            if matches!(c, '`' | '$') {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('`');
        Node::Plain(literal)
    }

    /// An object; fields without a value are left out.
    pub fn object<const N: usize>(fields: [(&str, Option<Node>); N]) -> Self {
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Node::Object(fields.collect())
    }

    /// Whether it stands on one line.
    fn is_short(&self) -> bool {
        match self {
            Node::Plain(_) => true,
            Node::Array(items) => items.len() <= ITEMS && items.iter().all(Node::is_short),
            Node::Object(members) => members.len() <= MEMBERS && members.iter().all(|(_, value)| value.is_short()),
            Node::Call(_, arguments) => arguments.iter().all(Node::is_short),
        }
    }

    fn write(&self, indent: usize, out: &mut String) {
        match self {
            Node::Plain(text) => out.push_str(text),
            Node::Array(items) => {
                let items = items.iter().map(|item| ("", item)).collect();
                Self::write_list(('[', ']'), items, self.is_short(), indent, true, out);
            }
            Node::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
                Self::write_list(('{', '}'), members, self.is_short(), indent, true, out);
            }
            Node::Call(name, arguments) => {
                out.push_str(name);
                let short = self.is_short() || arguments.len() == 1;
                let arguments = arguments.iter().map(|argument| ("", argument)).collect();
                Self::write_list(('(', ')'), arguments, short, indent, false, out);
            }
        }
    }

    /// Items on one line or each on its own, there with a comma after the last where that is usual.
    fn write_list(
        (open, close): (char, char),
        items: Vec<(&str, &Node)>,
        short: bool,
        indent: usize,
        last_comma: bool,
        out: &mut String,
    ) {
        let inner = if short { indent } else { indent + 1 };
        let count = items.len();
        out.push(open);
        for (index, (name, item)) in items.into_iter().enumerate() {
            if !short {
                out.push('\n');
                out.push_str(&"    ".repeat(inner));
            } else if index > 0 {
                out.push(' ');
            }
            if !name.is_empty() {
                out.push_str(name);
                out.push_str(": ");
            }
            item.write(inner, out);
            if index + 1 < count || (!short && last_comma) {
                out.push(',');
            }
        }
        if !short {
            out.push('\n');
            out.push_str(&"    ".repeat(indent));
        }
        out.push(close);
    }
}

/// Statements, each on lines of its own.
pub(super) fn print(statements: &[Node]) -> String {
    let mut text = String::new();
    for statement in statements {
        statement.write(0, &mut text);
        text.push_str(";\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_things_stand_on_one_line() {
        let paths = |count: usize| Node::Array((0..count).map(|n| Node::tagged('p', &format!("./{n}"))).collect());
        let short = Node::Call("f".to_owned(), vec![Node::object([("a", Some(paths(3))), ("b", None)])]);
        let long = Node::Call("g".to_owned(), vec![Node::string("x\n"), Node::object([("a", Some(paths(4)))])]);
        assert_eq!(
            print(&[short, long]),
            "\
f({a: [p`./0`, p`./1`, p`./2`]});
g(
    \"x\\n\",
    {
        a: [
            p`./0`,
            p`./1`,
            p`./2`,
            p`./3`,
        ],
    }
);
"
        );
    }
}
