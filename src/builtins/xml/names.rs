//! What may stand in XML and in its names, and which namespace a prefix stands for.

/// The namespace of `xml:` attributes.
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of namespace declarations.
pub(super) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Whether XML 1.0 can hold the character at all.
pub(super) fn is_character(c: char) -> bool {
    c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\t' | '\n' | '\r')
}

/// Whether the text is a name without a colon.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(begins_name) && characters.all(continues_name)
}

fn begins_name(c: char) -> bool {
    matches!(c,
        'A'..='Z' | 'a'..='z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn continues_name(c: char) -> bool {
    begins_name(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Which namespaces prefixes stand for, scope in scope.
pub(super) struct Scopes {
    bindings: Vec<Binding>,
    /// Where the bindings of each open element begin.
    open: Vec<usize>,
}

/// A prefix and its namespace.
pub(super) struct Binding {
    pub prefix: String,
    pub uri: String,
    /// Whether the start tag still has to declare it.
    pub pending: bool,
}

impl Scopes {
    /// What holds everywhere.
    pub fn new() -> Self {
        let known =
            |prefix: &str, uri: &str| Binding { prefix: prefix.to_owned(), uri: uri.to_owned(), pending: false };
        Self { bindings: vec![known("xmlns", XMLNS), known("xml", XML), known("", "")], open: Vec::new() }
    }

    /// Enters an element.
    pub fn enter(&mut self) {
        self.open.push(self.bindings.len());
    }

    /// Leaves the element that was entered last.
    pub fn leave(&mut self) {
        if let Some(start) = self.open.pop() {
            self.bindings.truncate(start);
        }
    }

    /// The namespace of a prefix.
    pub fn uri(&self, prefix: &str) -> Option<&str> {
        self.bindings.iter().rev().find(|binding| binding.prefix == prefix).map(|binding| binding.uri.as_str())
    }

    /// The binding of a prefix that the innermost element itself makes.
    pub fn own(&mut self, prefix: &str) -> Option<&mut Binding> {
        let start = self.open.last().copied().unwrap_or(0);
        self.bindings[start..].iter_mut().rev().find(|binding| binding.prefix == prefix)
    }

    /// A prefix of the namespace that no inner element takes for another one.
    pub fn prefix(&self, uri: &str) -> Option<&str> {
        let found = self.bindings.iter().rposition(|binding| binding.uri == uri)?;
        let prefix = self.bindings[found].prefix.as_str();
        let hidden = self.bindings[found + 1..].iter().any(|later| later.prefix == prefix);
        (!hidden).then_some(prefix)
    }

    /// A prefix that stands for nothing yet.
    pub fn new_prefix(&self) -> String {
        let base = format!("p{}", self.bindings.len() - 3);
        let mut prefix = base.clone();
        let mut number = 0;
        while self.uri(&prefix).is_some() {
            prefix = format!("{base}{number}");
            number += 1;
        }
        prefix
    }

    /// Binds a prefix in the innermost element.
    pub fn bind(&mut self, prefix: &str, uri: &str, pending: bool) {
        self.bindings.push(Binding { prefix: prefix.to_owned(), uri: uri.to_owned(), pending });
    }

    /// What the innermost element still has to declare, the last binding first.
    pub fn pending(&self) -> impl Iterator<Item = &Binding> {
        let start = self.open.last().copied().unwrap_or(0);
        self.bindings[start..].iter().rev().filter(|binding| binding.pending)
    }
}
