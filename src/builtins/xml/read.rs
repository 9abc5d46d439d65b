//! Text to nodes. The tokens come from a crate; which of them make a document is decided here.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use rustc_hash::FxHashSet;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Raised, Value};

use super::super::file;
use super::kinds;
use super::names::{Scopes, is_character, is_name};

/// How deeply elements may be nested.
const DEPTH: usize = 1_000;

/// `read(file)`: the document in a source file.
pub(super) fn read<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let bytes = file::read_source(m, args)?;
    let text = match std::str::from_utf8(&bytes) {
        Err(error) if !bytes.starts_with(&[0xFE, 0xFF]) && !bytes.starts_with(&[0xFF, 0xFE]) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            return Err(not_xml(m, args, &before, "the bytes are not UTF-8"));
        }
        _ => file::decode(&bytes),
    };
    let reader = NodeReader { text: &text, scopes: Scopes::new(), open: Vec::new(), nodes: Vec::new(), words: None };
    match reader.document(m, args) {
        Ok(document) => Ok(document),
        Err(Stop::Raised(raised)) => Err(raised),
        Err(Stop::Wrong { at, problem }) => {
            let end = (0..=at.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            Err(not_xml(m, args, &text[..end], &problem))
        }
    }
}

/// Stops because of what comes after `before` in the file (DX9411).
fn not_xml<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, before: &str, problem: &str) -> Raised {
    let path = args.get(0).as_path().map_or_else(String::new, |path| m.show(path));
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = format!("`{path}` is not XML: {problem} (line {line}, column {column})");
    m.fail(Diagnostic::error(Code::Dx(9411), message).at(args.site.argument(0), ""))
}

/// Why reading stopped.
enum Stop {
    /// The text is not what it should be from this byte on.
    Wrong { at: usize, problem: String },
    /// A limit was reached.
    Raised(Raised),
}

impl From<Raised> for Stop {
    fn from(raised: Raised) -> Self {
        Stop::Raised(raised)
    }
}

fn wrong<T>(at: usize, problem: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong { at, problem: problem.into() })
}

/// An element whose end tag is still to come.
struct Open<'h> {
    at: usize,
    written: String,
    name: Value<'h>,
    attributes: Value<'h>,
    /// The nodes of what stands around it.
    outer: Vec<Value<'h>>,
}

/// Text since the last tag.
struct Words {
    at: usize,
    text: String,
}

struct NodeReader<'t, 'h> {
    text: &'t str,
    scopes: Scopes,
    open: Vec<Open<'h>>,
    /// The nodes of the innermost open element so far.
    nodes: Vec<Value<'h>>,
    words: Option<Words>,
}

impl<'h> NodeReader<'_, 'h> {
    fn document(mut self, m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<Value<'h>, Stop> {
        if let Some((at, c)) = self.text.char_indices().find(|(_, c)| !is_character(*c)) {
            return wrong(at, format!("`{}` cannot stand in XML", c.escape_default()));
        }
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = true;
        let mut root = false;
        loop {
            let at = position(reader.buffer_position());
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => return wrong(position(reader.error_position()), told(&error)),
            };
            m.count_step(args.site.location())?;
            match &event {
                Event::Text(text) => {
                    self.words_at(at).text.push_str(&text.xml10_content());
                    continue;
                }
                Event::GeneralRef(entity) => {
                    let text = match entity.resolve_char_ref() {
                        Ok(Some(c)) if is_character(c) => c.to_string(),
                        Ok(None) => match quick_xml::escape::resolve_xml_entity(&entity.xml10_content()) {
                            Some(text) => text.to_owned(),
                            None => return wrong(at, format!("the entity `{}` is not known", entity.xml10_content())),
                        },
                        _ => return wrong(at, format!("`&{};` is no character of XML", entity.xml10_content())),
                    };
                    self.words_at(at).text.push_str(&text);
                    continue;
                }
                _ => self.end_words(m)?,
            }
            match event {
                Event::Start(start) | Event::Empty(start) if self.open.is_empty() && root => {
                    return wrong(at, format!("`{}` is a second root element", start.name().into_inner()));
                }
                Event::Start(start) => {
                    root = true;
                    if self.open.len() == DEPTH {
                        return wrong(at, format!("elements are nested more than {DEPTH} deep"));
                    }
                    self.start(m, &start, at)?;
                }
                Event::Empty(start) => {
                    root = true;
                    self.start(m, &start, at)?;
                    self.end(m);
                }
                // The reader has compared the names.
                Event::End(_) => self.end(m),
                Event::CData(_) if self.open.is_empty() => return wrong(at, "text stands outside of the root element"),
                Event::CData(text) => {
                    let text = m.string(&text.xml10_content());
                    self.nodes.push(node(m, kinds::CDATA, &[("text", text)]));
                }
                Event::Comment(text) => {
                    let text = m.string(&text.xml10_content());
                    self.nodes.push(node(m, kinds::COMMENT, &[("value", text)]));
                }
                Event::PI(instruction) => {
                    let target = instruction.target();
                    if !is_name(target) || target.eq_ignore_ascii_case("xml") {
                        return wrong(at, format!("`{target}` cannot be the name of a processing instruction"));
                    }
                    let value = instruction.content().trim_start().replace("\r\n", "\n").replace('\r', "\n");
                    let fields = [("name", m.string(target)), ("value", m.string(&value))];
                    self.nodes.push(node(m, kinds::INSTRUCTION, &fields));
                }
                Event::Decl(_) if at != 0 => return wrong(at, "the XML declaration does not stand at the beginning"),
                Event::Decl(declaration) => {
                    if let Some(Ok(encoding)) = declaration.encoding()
                        && !["utf-8", "utf-16", "us-ascii"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
                    {
                        return wrong(at, format!("the encoding `{encoding}` is not supported; save it as UTF-8"));
                    }
                }
                Event::DocType(_) if root => {
                    return wrong(at, "the document type does not stand before the root element");
                }
                Event::DocType(_) | Event::Text(_) | Event::GeneralRef(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            return wrong(open.at, format!("`<{}>` has no end tag", open.written));
        }
        if !root {
            return wrong(self.text.len(), "the root element is missing");
        }
        let nodes = m.array(&self.nodes);
        Ok(node(m, kinds::DOCUMENT, &[("nodes", nodes)]))
    }

    fn words_at(&mut self, at: usize) -> &mut Words {
        self.words.get_or_insert_with(|| Words { at, text: String::new() })
    }

    /// Text ends here. Blanks alone are no node.
    fn end_words(&mut self, m: &Machine<'_, 'h>) -> Result<(), Stop> {
        let Some(words) = self.words.take() else { return Ok(()) };
        if words.text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            return Ok(());
        }
        if self.open.is_empty() {
            return wrong(words.at, "text stands outside of the root element");
        }
        let text = m.string(&words.text);
        self.nodes.push(node(m, kinds::TEXT, &[("text", text)]));
        Ok(())
    }

    fn start(&mut self, m: &Machine<'_, 'h>, start: &BytesStart<'_>, at: usize) -> Result<(), Stop> {
        let mut written = Vec::new();
        // Names that repeat are found below, where their prefixes are known.
        for attribute in start.attributes().with_checks(false) {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => {
                    // The crate counts from the name of the tag and says so in front.
                    let text = error.to_string();
                    let placed = text.strip_prefix("position ").and_then(|rest| rest.split_once(": "));
                    let (offset, problem) = placed.unwrap_or(("0", &text));
                    return wrong(at + 1 + offset.parse::<usize>().unwrap_or(0), problem);
                }
            };
            let name = attribute.key.into_inner().to_owned();
            if attribute.value.contains('<') {
                return wrong(at, format!("`<` stands in the value of the attribute `{name}`"));
            }
            match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) if value.chars().all(is_character) => written.push((name, value.into_owned())),
                Ok(_) => return wrong(at, format!("the attribute `{name}` has a character that cannot stand in XML")),
                Err(error) => {
                    return wrong(at, format!("the attribute `{name}` has no value that can be read: {error}"));
                }
            }
        }
        self.scopes.enter();
        for (name, value) in &written {
            match split(name) {
                Some((None, "xmlns")) => self.scopes.bind("", value, false),
                Some((Some("xmlns"), prefix)) => self.scopes.bind(prefix, value, false),
                _ => {}
            }
        }
        let written_name = start.name().into_inner();
        let name = self.name(m, written_name, at, true)?;
        let mut attributes = Vec::with_capacity(written.len());
        let mut known: FxHashSet<(String, &str)> = FxHashSet::default();
        for (name, value) in &written {
            let expanded = (self.uri(name).unwrap_or_default(), split(name).map_or("", |(_, local)| local));
            if !known.insert(expanded) {
                return wrong(at, format!("the attribute `{name}` is there twice"));
            }
            let fields = [("name", self.name(m, name, at, false)?), ("value", m.string(value))];
            attributes.push(node(m, kinds::ATTRIBUTE, &fields));
        }
        let attributes = m.array(&attributes);
        let outer = std::mem::take(&mut self.nodes);
        self.open.push(Open { at, written: written_name.to_owned(), name, attributes, outer });
        Ok(())
    }

    fn end(&mut self, m: &Machine<'_, 'h>) {
        self.scopes.leave();
        let Some(open) = self.open.pop() else { return };
        let nodes = std::mem::replace(&mut self.nodes, open.outer);
        let nodes = m.array(&nodes);
        let fields = [("name", open.name), ("attributes", open.attributes), ("nodes", nodes)];
        self.nodes.push(node(m, kinds::ELEMENT, &fields));
    }

    /// The namespace of an attribute; none when its prefix stands for nothing.
    fn uri(&self, name: &str) -> Option<String> {
        match split(name)? {
            (None, "xmlns") => Some(super::names::XMLNS.to_owned()),
            (None, _) => Some(String::new()),
            (Some(prefix), _) => self.scopes.uri(prefix).map(str::to_owned),
        }
    }

    /// A name as an object. Only elements are in the default namespace.
    fn name(&self, m: &Machine<'_, 'h>, name: &str, at: usize, element: bool) -> Result<Value<'h>, Stop> {
        let Some((prefix, local)) = split(name) else {
            return wrong(at, format!("`{name}` is not a name"));
        };
        let uri = match prefix {
            None if element => self.scopes.uri("").map(str::to_owned),
            _ => self.uri(name),
        };
        let Some(uri) = uri else {
            return wrong(at, format!("the prefix of `{name}` is not declared"));
        };
        let fields = [("namespace", uri.as_str()), ("prefix", prefix.unwrap_or_default()), ("local", local)];
        Ok(m.object_of(&fields.map(|(field, text)| (field, m.string(text)))))
    }
}

/// What the crate says, without the kind of error in front.
fn told(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Syntax(error) => error.to_string(),
        quick_xml::Error::IllFormed(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Prefix and local name; none when they are not names.
fn split(name: &str) -> Option<(Option<&str>, &str)> {
    match name.split_once(':') {
        Some((prefix, local)) => (is_name(prefix) && is_name(local)).then_some((Some(prefix), local)),
        None => is_name(name).then_some((None, name)),
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn node<'h>(m: &Machine<'_, 'h>, kind: &str, fields: &[(&str, Value<'h>)]) -> Value<'h> {
    let mut all = vec![("kind", m.string(kind))];
    all.extend_from_slice(fields);
    m.object_of(&all)
}
