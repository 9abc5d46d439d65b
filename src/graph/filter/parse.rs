//! Reading filters.
//!
//! ```text
//! filter   = ["+"] any
//! any      = all { "or" all }
//! all      = one { "and" one }
//! one      = kind "=" "'" text "'"  |  "(" any ")"  |  "~" "(" any ")"  |  function "(" any ")"
//! ```

use std::ops::Range;

use super::error::FilterError;
use super::pattern::Pattern;
use super::tree::{FUNCTIONS, Function, KINDS, Kind, NameKind, Node, PlaceKind, Word};
use crate::diagnostics::nearest;

/// How deep parentheses may be nested.
const DEEPEST: usize = 200;

/// Reads an expression.
pub(super) fn expression(filter: &str) -> Result<Node, FilterError> {
    let mut parser = Parser { filter, at: 0, depth: 0 };
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(Node::Everything);
    }
    let plus = parser.take('+');
    let node = parser.any()?;
    if !parser.rest().is_empty() {
        return Err(parser.no_end());
    }
    Ok(if plus { Node::Along(Function::Dependents, Box::new(node)) } else { node })
}

/// Reads words that stand for what they may be the name of.
pub(super) fn short(words: &[&str]) -> Result<(Node, String), FilterError> {
    let filter = words.join(" ");
    let mut start = 0;
    let mut nodes = Vec::new();
    for word in words {
        let span = start..start + word.len();
        start = span.end + 1;
        nodes.push(one_word(&filter, word.trim(), span)?);
    }
    let node = match nodes.len() {
        0 => Node::Everything,
        1 => nodes.swap_remove(0),
        _ => Node::Or(nodes),
    };
    Ok((node, filter))
}

fn one_word(filter: &str, text: &str, span: Range<usize>) -> Result<Node, FilterError> {
    let error = |message: String, help: Option<String>| FilterError {
        message,
        help,
        span: span.clone(),
        filter: filter.to_owned(),
    };
    if text.is_empty() {
        return Err(error("an empty word selects nothing".to_owned(), None));
    }
    if text.contains('\'') {
        let help = "write a whole filter: `output='path'`".to_owned();
        return Err(error("there is a `'` in a word".to_owned(), Some(help)));
    }
    let path = text.replace('\\', "/");
    let absolute = path.starts_with('/') || crate::paths::begins_with_drive(&path);
    let mount = path.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("mount["));
    // What completion of a shell leaves: `./out/`.
    let path = path.strip_prefix("./").unwrap_or(&path);
    let mut path = if path.is_empty() { "*".to_owned() } else { path.to_owned() };
    if path.len() > 1 && path.ends_with('/') {
        path.push('*');
    }
    let wild = path.starts_with('*');
    if !wild && !absolute && !mount && path != "." {
        path = format!("*/{path}");
    }
    let pattern = Pattern::parse(&path).map_err(|(message, help, _)| error(message, help))?;
    let word = Word { text: text.to_owned(), span: span.clone() };
    let mut nodes = vec![
        Node::Place(PlaceKind::Output, pattern.clone(), span.clone()),
        Node::Place(PlaceKind::Spec, pattern, span.clone()),
    ];
    if !wild && !absolute && !mount {
        nodes.push(Node::Names(NameKind::Tag, vec![word.clone()]));
    }
    if let Some(id) = id(text) {
        nodes.push(Node::Names(NameKind::Id, vec![Word { text: id, span: span.clone() }]));
    }
    Ok(Node::Short(word, nodes))
}

/// An id as exports show it: 16 digits in lower case, and which of several equal ones it is; none for other texts.
fn id(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.get(..3).filter(|start| start.eq_ignore_ascii_case("pip")).map_or(text, |_| &text[3..]);
    let (digits, turn) = text.split_once('-').map_or((text, None), |(digits, turn)| (digits, Some(turn)));
    let number = u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    match turn {
        None => Some(format!("{number:016x}")),
        Some(turn) => {
            let turn: u32 = turn.parse().ok()?;
            Some(format!("{number:016x}-{turn}"))
        }
    }
}

struct Parser<'f> {
    filter: &'f str,
    at: usize,
    depth: usize,
}

impl<'f> Parser<'f> {
    fn rest(&self) -> &'f str {
        self.filter.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.at = self.filter.len() - self.rest().trim_start().len();
    }

    /// Takes one character and the space after it, if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
            self.skip_space();
        }
        found
    }

    /// The word that comes next; nothing is taken.
    fn word(&self) -> &'f str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>, help: Option<String>) -> FilterError {
        FilterError { message: message.into(), help, span, filter: self.filter.to_owned() }
    }

    /// An error about what comes next: one word, or one character.
    fn wrong(&self, message: impl Into<String>, help: impl Into<String>) -> FilterError {
        let length = match self.word().len() {
            0 => self.rest().chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        self.error(self.at..self.at + length, message, Some(help.into()))
    }

    fn any(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all()?];
        while self.operator("or") {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 { nodes.swap_remove(0) } else { Node::any(nodes) })
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.one()?];
        while self.operator("and") {
            nodes.push(self.one()?);
        }
        Ok(Node::every(nodes))
    }

    fn operator(&mut self, name: &str) -> bool {
        let found = self.word().eq_ignore_ascii_case(name);
        if found {
            self.at += name.len();
            self.skip_space();
        }
        found
    }

    fn one(&mut self) -> Result<Node, FilterError> {
        let start = self.at;
        if self.rest().starts_with('(') {
            return self.group();
        }
        if self.take('~') {
            if !self.rest().starts_with('(') {
                let help = "what is left out stands in parentheses: `~(tag='test')`".to_owned();
                return Err(self.error(start..start + 1, "`~` needs a `(` after it", Some(help)));
            }
            return Ok(match self.group()? {
                // Twice is not at all.
                Node::Not(inner) => *inner,
                inner => Node::Not(Box::new(inner)),
            });
        }
        let word = self.word();
        let after = self.rest()[word.len()..].trim_start();
        let function = FUNCTIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        match function {
            Some((name, function)) if !after.starts_with('=') => {
                self.at += word.len();
                self.skip_space();
                if !self.rest().starts_with('(') {
                    let help = format!("what it is about stands in parentheses: `{name}(tag='test')`");
                    let span = start..start + word.len();
                    return Err(self.error(span, format!("`{name}` needs a `(` after it"), Some(help)));
                }
                Ok(Node::Along(*function, Box::new(self.group()?)))
            }
            _ => self.tuple(word, after),
        }
    }

    /// `(any)`
    fn group(&mut self) -> Result<Node, FilterError> {
        let open = self.at;
        if self.depth == DEEPEST {
            let message = format!("parentheses are nested deeper than {DEEPEST} levels");
            return Err(self.error(open..open + 1, message, None));
        }
        self.depth += 1;
        self.take('(');
        let node = self.any()?;
        if !self.take(')') {
            if self.rest().is_empty() {
                return Err(self.error(open..open + 1, "there is no `)` for this `(`", None));
            }
            return Err(self.no_end());
        }
        self.depth -= 1;
        Ok(node)
    }

    /// `kind='text'`
    fn tuple(&mut self, word: &str, after: &str) -> Result<Node, FilterError> {
        let start = self.at;
        let known = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        if word.is_empty() || (known.is_none() && !after.starts_with('=')) {
            return Err(self.no_filter(word, after));
        }
        let Some((name, kind)) = known else {
            let near = nearest(&word.to_lowercase(), KINDS.iter().map(|(name, _)| *name));
            let all: Vec<_> = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect();
            let help =
                near.map_or_else(|| format!("there are {}", all.join(", ")), |name| format!("did you mean `{name}`?"));
            return Err(self.wrong(format!("there is no filter `{word}`"), help));
        };
        self.at += word.len();
        self.skip_space();
        if !self.take('=') {
            return Err(self.wrong(format!("`{name}` needs a `=` after it"), format!("write `{name}='…'`")));
        }
        if !self.rest().starts_with('\'') {
            let help = format!(
                "write `{name}='…'`, and put the whole filter between double quotes, so that the shell leaves the single \
                 ones alone"
            );
            return Err(self.wrong(format!("what `{name}` is about must stand between single quotes"), help));
        }
        let inside = self.at + 1;
        let Some(length) = self.filter[inside..].find('\'') else {
            return Err(self.error(self.at..self.at + 1, "there is no second `'`", None));
        };
        let text = &self.filter[inside..inside + length];
        let span = inside..inside + length;
        self.at = span.end + 1;
        self.skip_space();
        if text.trim().is_empty() {
            return Err(self.error(start..span.end + 1, format!("`{name}` says nothing between its quotes"), None));
        }
        match kind {
            Kind::Name(kind) => self.name(*kind, text, span),
            Kind::Place(kind) => {
                let pattern = Pattern::parse(text).map_err(|(message, help, at)| {
                    // Separators are one byte in any spelling, so the offsets are those of the text.
                    self.error(span.start + at.start..span.start + at.end, message, help)
                })?;
                Ok(Node::Place(*kind, pattern, span))
            }
        }
    }

    fn name(&self, kind: NameKind, text: &str, span: Range<usize>) -> Result<Node, FilterError> {
        let text = match kind {
            NameKind::Id => id(text).ok_or_else(|| {
                let help = "`dscript graph --format json` shows the `id` of each pip: 16 hexadecimal digits";
                self.error(span.clone(), format!("`{text}` is no id of a pip"), Some(help.to_owned()))
            })?,
            NameKind::Value | NameKind::ValueTransitive => {
                let wrong =
                    |part: &str| part.is_empty() || part.contains(|c: char| c.is_whitespace() || c.is_control());
                if text.split('.').any(wrong) {
                    let help = "write it with its namespaces: `value='Tools.compiler'`";
                    let message = format!("`{text}` is no name of a value");
                    return Err(self.error(span, message, Some(help.to_owned())));
                }
                text.to_owned()
            }
            NameKind::Tag | NameKind::Module => text.to_owned(),
        };
        Ok(Node::Names(kind, vec![Word { text, span }]))
    }

    /// A filter should begin here, and does not.
    fn no_filter(&self, word: &str, after: &str) -> FilterError {
        const EXAMPLE: &str = "a filter looks like `tag='test'` or `output='out/*'`";
        match self.rest().chars().next() {
            None => self.error(self.at..self.at, "the filter ends too soon", Some(EXAMPLE.to_owned())),
            Some('+') => self.wrong("`+` may stand only before the whole filter", "inside one, `dpt(…)` does the same"),
            Some('-') => self.wrong(
                "`-` is no part of filters any more",
                "a filter selects pips; what they depend on is always built",
            ),
            Some('!') => self.wrong("`!` is no part of filters", "write `~(tag='test')`"),
            _ if word.eq_ignore_ascii_case("not") => self.wrong("`not` is no part of filters", "write `~(tag='test')`"),
            _ if after.starts_with('(') && !word.is_empty() => {
                let near = nearest(word, FUNCTIONS.iter().map(|(name, _)| *name));
                let help = near.map_or("there are `dpt`, `dpc`, `copydpt`, `requiredfor` and `~`".to_owned(), |name| {
                    format!("did you mean `{name}`?")
                });
                self.wrong(format!("there is no function `{word}`"), help)
            }
            _ => self.wrong("a filter should begin here", EXAMPLE),
        }
    }

    /// A filter is over, and something follows that is no operator.
    fn no_end(&self) -> FilterError {
        let rest = self.rest();
        if rest.starts_with(')') {
            return self.error(self.at..self.at + 1, "there is no `(` for this `)`", None);
        }
        let help = if rest.starts_with('&') {
            "write `and`"
        } else if rest.starts_with(['|', ',']) {
            "write `or`"
        } else {
            "between two filters stands `and` or `or`"
        };
        self.wrong("`and`, `or` or the end of the filter should come here", help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_texts_are_stable() {
        for (filter, canonical) in [
            ("", ""),
            ("tag='b' or tag='a' OR tag = 'b'", "tag='a' or tag='b'"),
            ("tag='a' and tag='b' or tag='c'", "tag='a' and tag='b' or tag='c'"),
            ("tag='c' or tag='b' and tag='a'", "tag='a' and tag='b' or tag='c'"),
            ("tag='a' and (tag='b' or module='C')", "(module='C' or tag='b') and tag='a'"),
            (" ( ( Tag='a' ) ) ", "tag='a'"),
            (r"~( ~ (output='out\a.txt'))", "output='out/a.txt'"),
            (r"+ spec='*\a.dsc'", "dpt(spec='*/a.dsc')"),
            ("requiredfor(copydpt (dpc((id='PIPab'))))", "requiredfor(copydpt(dpc(id='00000000000000ab')))"),
            ("valuetransitive='A.b'", "valueTransitive='A.b'"),
            ("SPEC_VALUETRANSITIVE='a.dsc'", "spec_valueTransitive='a.dsc'"),
            ("~(tag='a' and tag='b')", "~(tag='a' and tag='b')"),
        ] {
            let once = expression(filter).unwrap_or_else(|error| panic!("{filter}: {error}")).canonical();
            assert_eq!(once, canonical, "{filter}");
            let twice = expression(&once).unwrap_or_else(|error| panic!("{once}: {error}")).canonical();
            assert_eq!(twice, once);
        }
    }

    #[test]
    fn words_are_what_they_may_name() {
        for (words, canonical) in [
            (vec!["a.dsc"], "output='*/a.dsc' or spec='*/a.dsc' or tag='a.dsc'"),
            (vec![r"src\*"], "output='*/src/*' or spec='*/src/*' or tag='src\\*'"),
            (vec!["./out/"], "output='*/out/*' or spec='*/out/*' or tag='./out/'"),
            (vec!["*.o"], "output='*.o' or spec='*.o'"),
            (vec!["/w/a"], "output='/w/a' or spec='/w/a'"),
            (vec!["Mount[A]"], "output='Mount[A]/*' or spec='Mount[A]/*'"),
            (
                vec!["PipDE1E34813DC85BE8"],
                "id='de1e34813dc85be8' or output='*/PipDE1E34813DC85BE8' or spec='*/PipDE1E34813DC85BE8' or \
                 tag='PipDE1E34813DC85BE8'",
            ),
            (vec!["*a", "*b"], "output='*a' or output='*b' or spec='*a' or spec='*b'"),
            (vec![], ""),
        ] {
            let (node, _) = short(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
            assert_eq!(node.canonical(), canonical, "{words:?}");
        }
        assert!(short(&["it's"]).is_err() && short(&[" "]).is_err() && short(&["a*b"]).is_err());
    }

    #[test]
    fn depth_has_a_limit_and_length_has_none() {
        let nested = |levels: usize| format!("{}tag='a'{}", "~(dpt(".repeat(levels), "))".repeat(levels));
        assert!(expression(&nested(100)).is_ok());
        let error = expression(&nested(101)).expect_err("one level too many");
        assert!(error.message.contains("200 levels"), "{error}");
        assert!(expression(&"(".repeat(1_000_000)).is_err());
        let long = vec!["tag='a' and output='b' or ~(module='c')"; 20_000].join(" or ");
        assert!(expression(&long).is_ok());
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces =
            ["tag", "'", "=", "(", ")", "~", "dpt", " ", "or", "and", "*", "Mount[", "]", "/", "\\", ".", "ö", "+"];
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                text.push_str(pieces[(seed % pieces.len() as u64) as usize]);
            }
            let shown = match expression(&text) {
                Ok(node) => node.canonical(),
                Err(error) => error.excerpt(),
            };
            assert!(!shown.is_empty() || text.trim().is_empty(), "{text}");
            let _ = short(&[&text]).map_err(|error| error.excerpt());
        }
    }
}
