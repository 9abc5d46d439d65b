//! JSON as text. Reading is as lenient as what specs are used to: names and strings may stand in single quotes, names
//! may have no quotes, a comma may stand before a closing bracket, and what follows the value is ignored.

use indexmap::IndexMap;

/// A JSON value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number of 32 bits.
    Number(i32),
    /// A string; also a number with a fraction or exponent, as it is written.
    String(String),
    Array(Vec<Json>),
    /// Of a repeated name the last value counts.
    Object(IndexMap<String, Json>),
}

/// How deeply values may be nested.
const DEPTH: u32 = 256;

/// Reads one value.
///
/// # Errors
/// A message that names the line.
pub(super) fn parse(text: &str) -> Result<Json, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.value().map_err(|problem| {
        let line = text[..reader.at.min(text.len())].matches('\n').count() + 1;
        format!("{problem} (line {line})")
    })
}

/// Appends a text with the escapes that it needs between such quotes.
pub(super) fn escape(text: &str, quote: char, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            // The last three end a line in JavaScript.
            c if c < ' ' || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

/// A number as .NET spells it: the fewest digits that tell it from all others, with an exponent from 1E+15 upwards and
/// below 0.0001.
fn number_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..15).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}E{sign}{:02}", exponent.abs())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        self.blanks();
        match self.peek() {
            None => Err("a value is missing".to_owned()),
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::array),
            Some(quote @ ('"' | '\'')) => self.string(quote).map(Json::String),
            Some('/') => Err("comments are not supported".to_owned()),
            Some(_) => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, String>) -> Result<Json, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("values are nested more than {DEPTH} deep"));
        }
        self.next();
        let value = read(self);
        self.depth -= 1;
        value
    }

    /// Goes over the comma between two items; true at the end of the list.
    fn at_end(&mut self, close: char, first: bool) -> Result<bool, String> {
        self.blanks();
        match self.peek() {
            Some(c) if c == close => {
                self.next();
                return Ok(true);
            }
            Some(',') if !first => {
                self.next();
                self.blanks();
            }
            Some(_) if first => {}
            Some(c) => return Err(format!("`,` or `{close}` is missing before `{}`", c.escape_debug())),
            None => return Err(format!("`{close}` is missing")),
        }
        // A comma may stand before the end.
        if !first && self.peek() == Some(close) {
            self.next();
            return Ok(true);
        }
        Ok(false)
    }

    fn array(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        while !self.at_end(']', items.is_empty())? {
            items.push(self.value()?);
        }
        Ok(Json::Array(items))
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut fields = IndexMap::new();
        let mut first = true;
        while !self.at_end('}', first)? {
            first = false;
            let name = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.string(quote)?,
                Some(c) if c == '_' || c == '$' || c.is_alphanumeric() => self.bare().to_owned(),
                Some(c) => return Err(format!("a name is missing before `{}`", c.escape_debug())),
                None => return Err("a name is missing".to_owned()),
            };
            self.blanks();
            if self.next() != Some(':') {
                return Err(format!("`:` is missing after `{}`", name.escape_debug()));
            }
            let value = self.value()?;
            fields.insert(name, value);
        }
        Ok(Json::Object(fields))
    }

    /// A run of characters that are no blanks, brackets or separators.
    fn bare(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let end = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '{' | '}' | '[' | ']' | '"' | '\'' | '/');
        let length = rest.find(end).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn word(&mut self) -> Result<Json, String> {
        let word = self.bare();
        match word {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            "NaN" | "Infinity" | "-Infinity" => Ok(Json::String(word.to_owned())),
            // JSON does not know the sign.
            _ if word.starts_with('+') => Err(format!("`{}` is not a value", word.escape_debug())),
            _ => match word.parse::<i32>() {
                Ok(number) => Ok(Json::Number(number)),
                Err(_) if word.bytes().all(|c| c == b'-' || c.is_ascii_digit()) && !word.is_empty() => {
                    Err(format!("`{word}` does not fit a 32-bit number"))
                }
                Err(_) => match word.parse::<f64>() {
                    // Rust knows more spellings of numbers.
                    Ok(number) if word.starts_with(['-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
                        Ok(Json::String(number_text(number)))
                    }
                    Ok(_) => Err(format!("`{word}` is not a value")),
                    Err(_) if word.is_empty() => {
                        Err(format!("a value is missing before `{}`", self.peek().unwrap_or(' ').escape_debug()))
                    }
                    Err(_) => Err(format!("`{}` is not a value", word.escape_debug())),
                },
            },
        }
    }

    fn string(&mut self, quote: char) -> Result<String, String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err("a string has no end".to_owned()),
                Some(c) if c == quote => return Ok(text),
                Some('\\') => {
                    let c = self.escaped()?;
                    text.push(c);
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some(c @ ('\\' | '/' | '"' | '\'')) => Ok(c),
            Some('u') => {
                let first = self.unit()?;
                let units = if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    vec![first, self.unit()?]
                } else {
                    vec![first]
                };
                Ok(char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            Some(c) => Err(format!("`\\{}` is not an escape", c.escape_debug())),
            None => Err("a string has no end".to_owned()),
        }
    }

    fn unit(&mut self) -> Result<u16, String> {
        let digits = self.text.get(self.at..self.at + 4);
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        self.at += if unit.is_some() { 4 } else { 0 };
        unit.ok_or_else(|| "`\\u` needs four hexadecimal digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Json {
        Json::String(text.to_owned())
    }

    #[test]
    fn lenient_reading() {
        let json = parse("{'a': 1, b: [true, null, 'x',], \"c\": 1.50, }  rest").unwrap();
        let Json::Object(fields) = json else { panic!("an object") };
        assert_eq!(fields["a"], Json::Number(1));
        assert_eq!(fields["b"], Json::Array(vec![Json::Bool(true), Json::Null, string("x")]));
        assert_eq!(fields["c"], string("1.5"));
        assert_eq!(parse(r#""\u00e9\ud83d\ude00\n""#), Ok(string("é😀\n")));
    }

    #[test]
    fn numbers_that_are_not_whole() {
        for (text, read) in [
            ("1.50", "1.5"),
            ("-0.5", "-0.5"),
            (".25", "0.25"),
            ("1e2", "100"),
            ("123456789012345.5", "123456789012345.5"),
            ("1e15", "1E+15"),
            ("1.5E300", "1.5E+300"),
            ("0.0001", "0.0001"),
            ("0.000012", "1.2E-05"),
            ("1e999", "Infinity"),
            ("-Infinity", "-Infinity"),
            ("NaN", "NaN"),
        ] {
            assert_eq!(parse(text), Ok(string(read)), "{text}");
        }
    }

    #[test]
    fn what_is_not_json() {
        for text in [
            "",
            "{",
            "[1 2]",
            "{a}",
            "{\"a\" 1}",
            "99999999999",
            "'x",
            "[1",
            "// x\n1",
            "nope",
            "undefined",
            "inf",
            "nan",
            "+1",
            "+1.5",
            "1x",
            "[,]",
            "\"\\q\"",
            "\"\\u12\"",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert_eq!(parse("[\n\n?]").unwrap_err(), "`?` is not a value (line 3)");
    }

    #[test]
    fn escapes() {
        let mut out = String::new();
        escape("a'b\"c\\\n\u{1}\u{2028}", '\'', &mut out);
        assert_eq!(out, r#"a\'b"c\\\n\u0001\u2028"#);
    }
}
