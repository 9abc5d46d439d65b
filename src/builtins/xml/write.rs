//! Nodes to text. The form is that of the writer that BuildXL uses, to the last blank, so that files keep their digests:
//! elements are indented by two blanks until text stands beside them, and a namespace is declared where it is first used.

use rustc_hash::FxHashSet;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Object, Raised, RequestKind, Value};
use crate::graph::{FileArtifact, PathRendering, WriteFilePip};
use crate::paths::{PathId, RelativePath};
use crate::source::Symbol;

use super::super::pieces::Pieces;
use super::super::transformer::write::{emit, labels};
use super::names::{Scopes, XML, XMLNS, is_character, is_name};
use super::{STACK_ADDED, STACK_NEEDED, kinds};

/// `write(destination, document, options?, tags?, description?)`
pub(super) fn write<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let destination = FileArtifact::output(m.path_arg(args, 0)?);
    let Value::Object(document) = args.get(1) else { return Err(m.wrong_type(args, 1, "a node of XML")) };
    // There are no options yet.
    if !matches!(args.get(2), Value::Object(_) | Value::Undefined) {
        return Err(m.wrong_type(args, 2, "an object"));
    }
    let (tags, description) = labels(m, args, 3, 4)?;
    let mut writer = Writer {
        args,
        pieces: Pieces::default(),
        scopes: Scopes::new(),
        open: Vec::new(),
        in_tag: false,
        empty: false,
        mixed: false,
        root: false,
        new_line: m.paths().os().new_line(),
    };
    writer.text().push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    writer.node(m, document, true)?;
    if !writer.root {
        return Err(writer.wrong(m, "the document has no root element"));
    }
    let contents = writer.pieces.finish(m);
    let path_rendering = PathRendering::None;
    emit(m, args, RequestKind::WriteFile(WriteFilePip { destination, contents, path_rendering, tags, description }));
    Ok(Value::File(destination))
}

struct Writer<'a, 'h> {
    args: &'a Args<'a, 'h>,
    pieces: Pieces,
    scopes: Scopes,
    open: Vec<Open>,
    /// Whether the start tag of the innermost element is not closed yet.
    in_tag: bool,
    /// Whether nothing follows the start tag of the innermost element yet.
    empty: bool,
    /// Whether text stands beside the nodes that come next, so that blanks would change it.
    mixed: bool,
    /// Whether there is a root element.
    root: bool,
    new_line: &'static str,
}

/// An element whose end is still to come.
struct Open {
    name: String,
    /// `mixed` of what stands around it.
    mixed: bool,
}

/// Where text goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between tags: markup is escaped.
    Content,
    /// In an attribute: quotes and line ends are escaped too.
    Attribute,
    /// In a CDATA section.
    Cdata,
    /// In a comment that is made of parts.
    Comment,
}

type Done = Result<(), Raised>;

impl<'h> Writer<'_, 'h> {
    fn text(&mut self) -> &mut String {
        self.pieces.text()
    }

    /// Stops because the tree is not that of a document (DX9410).
    fn wrong(&self, m: &mut Machine<'_, 'h>, problem: impl Into<String>) -> Raised {
        let error = Diagnostic::error(Code::Dx(9410), problem).at(self.args.site.argument(1), "");
        m.fail(error.help("build documents with `Xml.doc`, `Xml.elem` and `Xml.attr`"))
    }

    fn node(&mut self, m: &mut Machine<'_, 'h>, node: &'h Object<'h>, outermost: bool) -> Done {
        m.count_step(self.args.site.location())?;
        m.room(self.pieces.len(), self.args.site.location())?;
        let kind = match field(m, node, "kind") {
            Value::String(kind) => kind.text,
            found => {
                let found = m.describe(found);
                return Err(self.wrong(m, format!("`kind` of a node must be a string, but it is {found}")));
            }
        };
        match kind {
            kinds::DOCUMENT if outermost => self.nodes(m, node),
            kinds::DOCUMENT => Err(self.wrong(m, "a document stands inside of another node")),
            kinds::ELEMENT => stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || self.element(m, node)),
            kinds::COMMENT => self.comment(m, node),
            kinds::INSTRUCTION => self.instruction(m, node),
            kinds::TEXT | kinds::CDATA if self.open.is_empty() => {
                Err(self.wrong(m, format!("a node of kind `{kind}` stands outside of the root element")))
            }
            kinds::TEXT => self.value(m, field(m, node, "text"), Place::Content),
            kinds::CDATA => self.cdata(m, node),
            kinds::ATTRIBUTE => Err(self.wrong(m, "an attribute stands among the nodes of an element")),
            _ => {
                let kind = kind.escape_debug();
                Err(self.wrong(m, format!("there is no kind `{kind}` of nodes")))
            }
        }
    }

    /// The `nodes` of a document or an element; those that are undefined are left out.
    fn nodes(&mut self, m: &mut Machine<'_, 'h>, parent: &'h Object<'h>) -> Done {
        for item in self.list(m, parent, "nodes")? {
            match item {
                Value::Undefined => {}
                Value::Object(node) => self.node(m, node, false)?,
                other => {
                    let found = m.describe(*other);
                    return Err(self.wrong(m, format!("`nodes` must hold nodes, but it holds {found}")));
                }
            }
        }
        Ok(())
    }

    fn list(&self, m: &mut Machine<'_, 'h>, owner: &'h Object<'h>, name: &str) -> Result<&'h [Value<'h>], Raised> {
        match field(m, owner, name) {
            Value::Undefined => Ok(&[]),
            Value::Array(array) => Ok(array.items),
            found => {
                let found = m.describe(found);
                Err(self.wrong(m, format!("`{name}` of a node must be an array, but it is {found}")))
            }
        }
    }

    /// Prefix, local name and namespace.
    fn name(&self, m: &mut Machine<'_, 'h>, node: &'h Object<'h>) -> Result<Name<'h>, Raised> {
        let Value::Object(name) = field(m, node, "name") else {
            let found = m.describe(field(m, node, "name"));
            return Err(self.wrong(m, format!("`name` of a node must be an object, but it is {found}")));
        };
        let mut part = |field_name: &str| match field(m, name, field_name) {
            Value::Undefined => Ok(None),
            Value::String(text) => Ok(Some(text.text)),
            found => {
                let found = m.describe(found);
                Err(self.wrong(m, format!("`{field_name}` of a name must be a string, but it is {found}")))
            }
        };
        let (prefix, local, uri) = (part("prefix")?, part("local")?, part("namespace")?);
        let Some(local) = local else { return Err(self.wrong(m, "a name has no `local`")) };
        if let Some(bad) = prefix.into_iter().filter(|prefix| !prefix.is_empty()).chain([local]).find(|it| !is_name(it))
        {
            let bad = bad.escape_debug();
            return Err(self.wrong(m, format!("`{bad}` is not a name in XML")));
        }
        Ok(Name { prefix, local, uri })
    }

    /// A line of its own for what comes next, unless text stands beside it.
    fn indent(&mut self) {
        if self.mixed {
            return;
        }
        let (depth, new_line) = (self.open.len(), self.new_line);
        let out = self.text();
        out.push_str(new_line);
        for _ in 0..depth {
            out.push_str("  ");
        }
    }

    /// Ends the start tag of the innermost element, with the namespaces that it must declare.
    fn end_tag(&mut self) {
        if !self.in_tag {
            return;
        }
        self.in_tag = false;
        for binding in self.scopes.pending() {
            let out = self.pieces.text();
            out.push_str(if binding.prefix.is_empty() { " xmlns" } else { " xmlns:" });
            out.push_str(&binding.prefix);
            out.push_str("=\"");
            escape(&binding.uri, Place::Attribute, self.new_line, out);
            out.push('"');
        }
        self.text().push('>');
        self.empty = true;
        self.mixed = self.open.len() > 1 && self.open.last().is_some_and(|element| element.mixed);
    }

    /// Something follows the start tag.
    fn content(&mut self) {
        self.end_tag();
        self.empty = false;
    }

    fn element(&mut self, m: &mut Machine<'_, 'h>, node: &'h Object<'h>) -> Done {
        let name = self.name(m, node)?;
        if self.open.is_empty() {
            if self.root {
                let second = name.local;
                return Err(self.wrong(m, format!("the document has a second root element, `{second}`")));
            }
            self.root = true;
        }
        self.content();
        let (prefix, uri) = self.element_space(m, &name)?;
        self.indent();
        let written = if prefix.is_empty() { name.local.to_owned() } else { format!("{prefix}:{}", name.local) };
        self.text().push('<');
        self.text().push_str(&written);
        self.open.push(Open { name: written, mixed: self.mixed });
        self.scopes.enter();
        self.bind(m, &prefix, &uri)?;
        self.in_tag = true;
        self.attributes(m, node)?;
        self.nodes(m, node)?;
        self.end_tag();
        let Some(open) = self.open.pop() else { return Ok(()) };
        if self.empty {
            let out = self.text();
            if out.ends_with('>') {
                out.pop();
            }
            out.push_str(" />");
        } else {
            self.indent();
            let out = self.text();
            out.push_str("</");
            out.push_str(&open.name);
            out.push('>');
        }
        self.empty = false;
        self.mixed = open.mixed;
        self.scopes.leave();
        Ok(())
    }

    /// The prefix and the namespace of an element: each may follow from the other.
    fn element_space(&self, m: &mut Machine<'_, 'h>, name: &Name<'h>) -> Result<(String, String), Raised> {
        let prefix = match (name.prefix, name.uri) {
            (Some(prefix), _) => prefix.to_owned(),
            (None, Some(uri)) => self.scopes.prefix(uri).unwrap_or_default().to_owned(),
            (None, None) => String::new(),
        };
        let uri = match name.uri {
            Some(uri) => uri.to_owned(),
            None => self.scopes.uri(&prefix).unwrap_or_default().to_owned(),
        };
        if !prefix.is_empty() && uri.is_empty() {
            let whole = format!("{prefix}:{}", name.local);
            return Err(self.wrong(m, format!("the name `{whole}` has a prefix, but no namespace")));
        }
        Ok((prefix, uri))
    }

    /// Makes sure that the prefix stands for the namespace in the innermost element.
    fn bind(&mut self, m: &mut Machine<'_, 'h>, prefix: &str, uri: &str) -> Done {
        self.check_binding(m, prefix, uri)?;
        match self.scopes.own(prefix).map(|own| own.uri == uri) {
            Some(true) => return Ok(()),
            Some(false) => return Err(self.redefined(m, prefix)),
            None => {}
        }
        let known = self.scopes.uri(prefix) == Some(uri);
        self.scopes.bind(prefix, uri, !known);
        Ok(())
    }

    /// The prefixes `xml` and `xmlns` and their namespaces belong together.
    fn check_binding(&self, m: &mut Machine<'_, 'h>, prefix: &str, uri: &str) -> Done {
        if (prefix == "xml") == (uri == XML) && prefix != "xmlns" && uri != XMLNS {
            return Ok(());
        }
        Err(self.wrong(m, format!("the prefix `{prefix}` cannot stand for the namespace `{}`", uri.escape_debug())))
    }

    fn redefined(&self, m: &mut Machine<'_, 'h>, prefix: &str) -> Raised {
        self.wrong(m, format!("the prefix `{prefix}` stands for two namespaces in one element"))
    }

    fn attributes(&mut self, m: &mut Machine<'_, 'h>, element: &'h Object<'h>) -> Done {
        let mut known: FxHashSet<(String, &str)> = FxHashSet::default();
        for item in self.list(m, element, "attributes")? {
            let attribute = match item {
                Value::Undefined => continue,
                Value::Object(attribute) => *attribute,
                other => {
                    let found = m.describe(*other);
                    return Err(self.wrong(m, format!("`attributes` must hold attributes, but it holds {found}")));
                }
            };
            m.count_step(self.args.site.location())?;
            let name = self.name(m, attribute)?;
            let prefix = name.prefix.unwrap_or_default();
            if prefix == "xmlns" || prefix.is_empty() && name.local == "xmlns" {
                self.declaration(m, attribute, &name)?;
                continue;
            }
            let (prefix, uri) = self.attribute_space(m, &name)?;
            if !known.insert((uri, name.local)) {
                let local = name.local;
                return Err(self.wrong(m, format!("an element has the attribute `{local}` twice")));
            }
            let out = self.text();
            out.push(' ');
            if !prefix.is_empty() {
                out.push_str(&prefix);
                out.push(':');
            }
            out.push_str(name.local);
            out.push_str("=\"");
            self.value(m, field(m, attribute, "value"), Place::Attribute)?;
            self.text().push('"');
        }
        Ok(())
    }

    /// The prefix and the namespace of an attribute. The default namespace is not for attributes, so one that has a
    /// namespace gets a prefix.
    fn attribute_space(&mut self, m: &mut Machine<'_, 'h>, name: &Name<'h>) -> Result<(String, String), Raised> {
        let mut prefix = match (name.prefix, name.uri) {
            (Some(prefix), _) => prefix.to_owned(),
            (None, Some(uri)) => self.scopes.prefix(uri).unwrap_or_default().to_owned(),
            (None, None) => String::new(),
        };
        let uri = match name.uri {
            Some(uri) => uri.to_owned(),
            None if prefix.is_empty() => String::new(),
            None => self.scopes.uri(&prefix).unwrap_or_default().to_owned(),
        };
        if prefix == "xml" {
            let uri = if uri.is_empty() { XML.to_owned() } else { uri };
            self.check_binding(m, &prefix, &uri)?;
            return Ok((prefix, uri));
        }
        if uri.is_empty() {
            return Ok((String::new(), uri));
        }
        if prefix.is_empty() {
            prefix = self.scopes.prefix(&uri).unwrap_or_default().to_owned();
        }
        let taken = self.scopes.own(&prefix).is_some_and(|own| own.uri != uri);
        if prefix.is_empty() || taken {
            prefix = self.scopes.new_prefix();
        }
        self.bind(m, &prefix, &uri)?;
        Ok((prefix, uri))
    }

    /// An attribute that declares a namespace.
    fn declaration(&mut self, m: &mut Machine<'_, 'h>, attribute: &'h Object<'h>, name: &Name<'h>) -> Done {
        let prefix = if name.prefix == Some("xmlns") { name.local } else { "" };
        let uri = match field(m, attribute, "value") {
            Value::Undefined => "",
            Value::String(text) => text.text,
            found => {
                let found = m.describe(found);
                return Err(self.wrong(m, format!("a namespace must be a string, but it is {found}")));
            }
        };
        self.check_binding(m, prefix, uri)?;
        self.check_characters(m, uri)?;
        match self.scopes.own(prefix).map(|own| (own.uri == uri, own)) {
            Some((true, own)) => own.pending = false,
            Some((false, _)) => return Err(self.redefined(m, prefix)),
            None => self.scopes.bind(prefix, uri, false),
        }
        let new_line = self.new_line;
        let out = self.text();
        out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        out.push_str(prefix);
        out.push_str("=\"");
        escape(uri, Place::Attribute, new_line, out);
        out.push('"');
        Ok(())
    }

    fn cdata(&mut self, m: &mut Machine<'_, 'h>, node: &'h Object<'h>) -> Done {
        self.content();
        self.mixed = true;
        self.text().push_str("<![CDATA[");
        self.value(m, field(m, node, "text"), Place::Cdata)?;
        self.text().push_str("]]>");
        Ok(())
    }

    fn comment(&mut self, m: &mut Machine<'_, 'h>, node: &'h Object<'h>) -> Done {
        self.content();
        self.indent();
        self.text().push_str("<!--");
        match field(m, node, "value") {
            Value::String(text) => {
                self.check_characters(m, text.text)?;
                let new_line = self.new_line;
                let out = self.text();
                // Two hyphens would end the comment.
                let mut hyphen = false;
                for c in lines(text.text, new_line).chars() {
                    if c == '-' && hyphen {
                        out.push(' ');
                    }
                    hyphen = c == '-';
                    out.push(c);
                }
                if hyphen {
                    out.push(' ');
                }
            }
            parts => {
                self.value(m, parts, Place::Comment)?;
                self.mixed = true;
            }
        }
        self.text().push_str("-->");
        Ok(())
    }

    fn instruction(&mut self, m: &mut Machine<'_, 'h>, node: &'h Object<'h>) -> Done {
        let (name, value) = match (field(m, node, "name"), field(m, node, "value")) {
            (Value::String(name), Value::String(value)) => (name.text, value.text),
            _ => return Err(self.wrong(m, "`name` and `value` of a processing instruction must be strings")),
        };
        if !is_name(name) || name.eq_ignore_ascii_case("xml") {
            let name = name.escape_debug();
            return Err(self.wrong(m, format!("`{name}` cannot be the name of a processing instruction")));
        }
        self.check_characters(m, value)?;
        self.content();
        self.indent();
        let new_line = self.new_line;
        let out = self.text();
        out.push_str("<?");
        out.push_str(name);
        if !value.is_empty() {
            out.push(' ');
            // What would end the instruction is taken apart.
            out.push_str(&lines(value, new_line).replace("?>", "? >"));
        }
        out.push_str("?>");
        Ok(())
    }

    /// Text, numbers, paths, or an array of them.
    fn value(&mut self, m: &mut Machine<'_, 'h>, value: Value<'h>, place: Place) -> Done {
        m.count_step(self.args.site.location())?;
        m.room(self.pieces.len(), self.args.site.location())?;
        let text = match value {
            Value::Undefined => return Ok(()),
            Value::String(text) => text.text.to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Atom(atom) => m.symbols().text(atom).to_owned(),
            Value::Relative(relative) => {
                let atoms: Vec<Symbol> = relative.atoms.to_vec();
                RelativePath::from_atoms(atoms).native(m.paths())
            }
            Value::Path(path) | Value::Directory(path) => {
                self.path(m, path, place);
                return Ok(());
            }
            Value::File(file) => {
                self.path(m, file.path, place);
                return Ok(());
            }
            Value::Array(items) => {
                for item in items.items {
                    stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || self.value(m, *item, place))?;
                }
                return Ok(());
            }
            other => {
                let found = m.describe(other);
                let error = Diagnostic::error(Code::Dx(9412), format!("XML has no form for {found}"));
                let error = error.at(self.args.site.argument(1), "");
                return Err(m.fail(error.help("write strings, numbers, booleans, paths, or arrays of them")));
            }
        };
        self.check_characters(m, &text)?;
        if place == Place::Content {
            self.end_tag();
            self.mixed = true;
            self.empty &= text.is_empty();
        }
        let new_line = self.new_line;
        escape(&text, place, new_line, self.text());
        Ok(())
    }

    /// A path goes where the text has come to. As the first content of an element that is still in its start tag: the
    /// form that BuildXL writes, on which the digests of files depend.
    fn path(&mut self, m: &mut Machine<'_, 'h>, path: PathId, place: Place) {
        if let Some(open) = self.open.last().filter(|_| self.in_tag && place == Place::Content) {
            let message =
                format!("the element `{}` begins with a path, which is written into its start tag", open.name);
            // Nearly always a module stands between the native and the spec that gave the tree.
            let place = m.call_in_spec(self.args.site.location());
            let warning = Diagnostic::warning(Code::Ds(405), message).at(place, "");
            m.report(warning.help("put an empty string before the path: `[\"\", path]`"));
        }
        self.empty &= self.in_tag;
        self.pieces.path(m, path);
    }

    fn check_characters(&self, m: &mut Machine<'_, 'h>, text: &str) -> Done {
        match text.chars().find(|c| !is_character(*c)) {
            None => Ok(()),
            Some(c) => Err(self.wrong(m, format!("`{}` cannot stand in XML", c.escape_default()))),
        }
    }
}

/// A name as a node has it.
struct Name<'h> {
    prefix: Option<&'h str>,
    local: &'h str,
    uri: Option<&'h str>,
}

fn field<'h>(m: &Machine<'_, 'h>, node: &'h Object<'h>, name: &str) -> Value<'h> {
    node.get(m.symbols().intern(name)).unwrap_or(Value::Undefined)
}

/// The text with the line ends of the host.
fn lines(text: &str, new_line: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' => out.push_str(new_line),
            '\r' => {
                characters.next_if_eq(&'\n');
                out.push_str(new_line);
            }
            c => out.push(c),
        }
    }
    out
}

fn escape(text: &str, place: Place, new_line: &str, out: &mut String) {
    match place {
        // What would end a CDATA section is taken apart.
        Place::Cdata => out.push_str(&lines(text, new_line).replace("]]>", "]]]]><![CDATA[>")),
        // Two hyphens would end the comment.
        Place::Comment => out.push_str(&lines(text, new_line).replace("--", "- -")),
        Place::Content => {
            for c in lines(text, new_line).chars() {
                match c {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    c => out.push(c),
                }
            }
        }
        Place::Attribute => {
            for c in text.chars() {
                match c {
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '"' => out.push_str("&quot;"),
                    '\t' => out.push_str("&#x9;"),
                    '\n' => out.push_str("&#xA;"),
                    '\r' => out.push_str("&#xD;"),
                    c => out.push(c),
                }
            }
        }
    }
}
