//! Text to tokens: logos for the plain ones, hand-written loops for strings, templates, comments and regular
//! expressions, whose ends need context or whose errors need a precise place.

use logos::Logos;

use super::ast::Comment;
use super::errors::SyntaxErrors;
use super::token::{Tok, Token};
use crate::source::{FileId, Span};

/// The tokens and comments of a text, before any of them is relabelled; what is wrong with them is left out.
pub fn tokens(text: &str) -> (Vec<Token>, Vec<Comment>) {
    let (mut comments, mut diagnostics) = (Vec::new(), Vec::new());
    let tokens = lex(text, &mut comments, &mut SyntaxErrors::new(FileId(0), &mut diagnostics));
    (tokens, comments)
}

/// Cuts a text into tokens. Comments go into their own list. What cannot be read becomes an error and, where that
/// helps to go on, the token that was most likely meant.
pub fn lex(text: &str, comments: &mut Vec<Comment>, errors: &mut SyntaxErrors<'_>) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        inner: Tok::lexer(text),
        tokens: Vec::with_capacity(text.len() / 8),
        comments,
        errors,
        templates: Vec::new(),
        braces: 0,
        no_regexp_before: 0,
    };
    lexer.run();
    lexer.tokens
}

/// A literal that is interrupted by a hole.
struct OpenTemplate {
    path_like: bool,
    start: u32,
    /// Braces open inside the hole, of the enclosing level, to go back to.
    outer_braces: u32,
}

struct Lexer<'t, 'e, 'd> {
    text: &'t str,
    bytes: &'t [u8],
    inner: logos::Lexer<'t, Tok>,
    tokens: Vec<Token>,
    comments: &'e mut Vec<Comment>,
    errors: &'e mut SyntaxErrors<'d>,
    templates: Vec<OpenTemplate>,
    braces: u32,
    /// No regular expression ends before this offset: the search is not repeated.
    no_regexp_before: usize,
}

impl Lexer<'_, '_, '_> {
    fn run(&mut self) {
        while let Some(next) = self.inner.next() {
            let span = self.inner.span();
            let (start, end) = (span.start as u32, span.end as u32);
            match next {
                Ok(Tok::Ident) if self.bytes.get(span.end) == Some(&b'`') => {
                    let path_like = end - start == 1 && b"pdfra".contains(&self.bytes[span.start]);
                    self.template(start, span.end + 1, path_like, true);
                }
                Ok(Tok::Template) => self.template(start, span.end, false, true),
                Ok(Tok::String) => self.string(span.start),
                Ok(Tok::CurlyQuote) => self.curly_string(span.start, span.end),
                Ok(Tok::LineComment) => {
                    let rest = &self.bytes[span.end..];
                    let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    self.comments.push(Comment { span: Span::new(start, end + length as u32), block: false });
                    self.inner.bump(length);
                }
                Ok(Tok::BlockComment) => self.block_comment(span.start, span.end),
                Ok(Tok::Slash | Tok::DivideAssign)
                    if self.operand_expected() && span.start >= self.no_regexp_before =>
                {
                    self.regexp(span.start)
                }
                Ok(Tok::Number) => self.number(span.start, span.end),
                Ok(Tok::BraceOpen) => {
                    self.braces += 1;
                    self.push(Tok::BraceOpen, start, end);
                }
                Ok(Tok::BraceClose) => match self.templates.last() {
                    Some(open) if self.braces == 0 => {
                        let (path_like, begin) = (open.path_like, open.start);
                        self.braces = open.outer_braces;
                        self.templates.pop();
                        self.push(Tok::HoleClose, start, end);
                        self.template(begin, span.end, path_like, false);
                    }
                    _ => {
                        self.braces = self.braces.saturating_sub(1);
                        self.push(Tok::BraceClose, start, end);
                    }
                },
                Ok(tok) => self.push(tok, start, end),
                Err(()) => self.unknown(span.start),
            }
        }
    }

    fn push(&mut self, tok: Tok, start: u32, end: u32) {
        self.tokens.push(Token { tok, start, end });
    }

    fn operand_expected(&self) -> bool {
        self.tokens.last().is_none_or(|last| !last.tok.ends_operand() || last.tok == Tok::Void)
    }

    /// Goes on after `end`, an offset of the text.
    fn jump(&mut self, end: usize) {
        let at = self.inner.span().end;
        self.inner.bump(end.saturating_sub(at));
    }

    /// The text of a back-tick literal from `at` on: up to its end or its next hole. `start` is where the literal
    /// begins, tag included; `first` is false after a hole.
    fn template(&mut self, start: u32, at: usize, path_like: bool, first: bool) {
        let mut here = at;
        loop {
            let Some(found) = memchr::memchr3(b'`', b'$', b'\\', &self.bytes[here..]) else {
                let first_line = self.text[start as usize..].lines().next().map_or(1, str::len);
                let span = Span::new(start, start + first_line.max(1) as u32);
                // Inside a hole that is not closed this is what follows from it.
                if self.templates.is_empty() {
                    self.errors.unterminated(span, "back-tick literal", "close it with a back tick");
                }
                let end = self.bytes.len();
                if first {
                    self.push(Tok::Template, start, end as u32);
                } else {
                    self.template_text(at, end);
                    self.push(Tok::TemplateEnd, end as u32, end as u32);
                }
                self.jump(end);
                return;
            };
            here += found;
            match self.bytes[here] {
                b'`' if path_like && self.bytes.get(here + 1) == Some(&b'`') => here += 2,
                b'`' => {
                    let end = here + 1;
                    if first {
                        self.push(Tok::Template, start, end as u32);
                    } else {
                        self.template_text(at, here);
                        self.push(Tok::TemplateEnd, here as u32, end as u32);
                    }
                    self.jump(end);
                    return;
                }
                b'$' if self.bytes.get(here + 1) == Some(&b'{') => {
                    if first {
                        self.push(Tok::TemplateStart, start, at as u32);
                    }
                    self.template_text(at, here);
                    self.push(Tok::HoleOpen, here as u32, here as u32 + 2);
                    self.templates.push(OpenTemplate { path_like, start, outer_braces: self.braces });
                    self.braces = 0;
                    self.jump(here + 2);
                    return;
                }
                b'\\' if !path_like => here = self.escape(here),
                _ => here += 1,
            }
        }
    }

    fn template_text(&mut self, start: usize, end: usize) {
        if start < end {
            self.push(Tok::TemplateText, start as u32, end as u32);
        }
    }

    /// Checks the escape at a backslash and gives the offset after it.
    fn escape(&mut self, at: usize) -> usize {
        let hex = |from: usize, count: usize| {
            self.bytes.get(from..from + count).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        match self.bytes.get(at + 1) {
            None => at + 1,
            Some(b'x') if hex(at + 2, 2) => at + 4,
            Some(b'u') if hex(at + 2, 4) => at + 6,
            Some(b'u') if self.bytes.get(at + 2) == Some(&b'{') => {
                let digits = self.bytes[at + 3..].iter().take(7).take_while(|byte| byte.is_ascii_hexdigit()).count();
                let value = u32::from_str_radix(&self.text[at + 3..at + 3 + digits], 16).ok();
                let closed = self.bytes.get(at + 3 + digits) == Some(&b'}');
                if !closed || value.and_then(char::from_u32).is_none() {
                    self.errors.bad_escape(
                        Span::new(at as u32, at as u32 + 2),
                        "`\\u{…}` needs one to six hexadecimal digits of a character",
                    );
                }
                at + 3 + digits
            }
            Some(b'x') => {
                self.errors.bad_escape(Span::new(at as u32, at as u32 + 2), "`\\x` needs two hexadecimal digits");
                at + 2
            }
            Some(b'u') => {
                self.errors.bad_escape(Span::new(at as u32, at as u32 + 2), "`\\u` needs four hexadecimal digits");
                at + 2
            }
            Some(b'\r') if self.bytes.get(at + 2) == Some(&b'\n') => at + 3,
            Some(_) => at + 1 + self.text[at + 1..].chars().next().map_or(1, char::len_utf8),
        }
    }

    /// A string that begins with a straight quote at `start`.
    fn string(&mut self, start: usize) {
        let quote = self.bytes[start];
        let mut at = start + 1;
        loop {
            match self.bytes.get(at) {
                Some(&byte) if byte == quote => {
                    self.push(Tok::String, start as u32, at as u32 + 1);
                    self.jump(at + 1);
                    return;
                }
                Some(b'\\') => at = self.escape(at),
                None | Some(b'\n' | b'\r') => break,
                Some(_) => at += 1,
            }
        }
        // Not closed on its line. A typographic quote that was meant to close it is the likeliest reason.
        let line = &self.text[start + 1..at];
        let wanted: &[char] = if quote == b'"' { &['\u{201C}', '\u{201D}'] } else { &['\u{2018}', '\u{2019}'] };
        let end = if let Some(found) = line.find(wanted) {
            let curly = start + 1 + found;
            self.errors.curly_quote(Span::new(curly as u32, curly as u32 + 3), quote as char);
            curly + 3
        } else {
            let end = start + 1 + guess_end(line);
            let what = format!("close it with `{}` before the end of the line", quote as char);
            self.errors.unterminated(Span::new(start as u32, end as u32), "string", &what);
            end
        };
        self.push(Tok::String, start as u32, end as u32);
        self.jump(end);
    }

    /// A string that begins with a typographic quote.
    fn curly_string(&mut self, start: usize, after: usize) {
        let double = matches!(self.text[start..after].chars().next(), Some('\u{201C}' | '\u{201D}'));
        let straight = if double { '"' } else { '\'' };
        self.errors.curly_quote(Span::new(start as u32, after as u32), straight);
        // A window keeps a file of one endless line linear.
        let mut window = self.bytes.len().min(after + 4000);
        while !self.text.is_char_boundary(window) {
            window -= 1;
        }
        let line_end = memchr::memchr2(b'\n', b'\r', &self.bytes[after..window]).map_or(window, |n| after + n);
        let line = &self.text[after..line_end];
        let closing: &[char] = if double { &['\u{201C}', '\u{201D}', '"'] } else { &['\u{2018}', '\u{2019}', '\''] };
        // A later opening quote after a `,` or `:` belongs to the next string, not to this one.
        let end = match line.find(closing) {
            Some(found) if !line[..found].trim_end().ends_with([',', ':', '(', '[']) || found == 0 => {
                let at = after + found;
                let quote = line[found..].chars().next().unwrap_or(straight);
                if quote != straight {
                    self.errors.curly_quote(Span::new(at as u32, (at + quote.len_utf8()) as u32), straight);
                }
                at + quote.len_utf8()
            }
            _ => after + guess_end(line),
        };
        self.push(Tok::String, start as u32, end as u32);
        self.jump(end);
    }

    fn block_comment(&mut self, start: usize, after: usize) {
        let end = match memchr::memmem::find(&self.bytes[after..], b"*/") {
            Some(found) => after + found + 2,
            None => {
                let span = Span::new(start as u32, after as u32);
                self.errors.unterminated(span, "comment", "close it with `*/`");
                self.bytes.len()
            }
        };
        self.comments.push(Comment { span: Span::new(start as u32, end as u32), block: true });
        self.jump(end);
    }

    fn regexp(&mut self, start: usize) {
        let mut at = start + 1;
        let mut in_class = false;
        loop {
            match self.bytes.get(at) {
                None | Some(b'\n' | b'\r') => {
                    // Not a regular expression after all: a stray operator.
                    self.push(Tok::Slash, start as u32, start as u32 + 1);
                    self.no_regexp_before = at;
                    return;
                }
                Some(b'\\') => at += 1 + self.text[at + 1..].chars().next().map_or(0, char::len_utf8),
                Some(b'[') => (in_class, at) = (true, at + 1),
                Some(b']') => (in_class, at) = (false, at + 1),
                Some(b'/') if !in_class => break,
                Some(_) => at += 1,
            }
        }
        at += 1;
        at += self.bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        self.push(Tok::RegExp, start as u32, at as u32);
        self.jump(at);
    }

    fn number(&mut self, start: usize, mut end: usize) {
        let word =
            self.bytes[end..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$')).count();
        let digits = &self.bytes[start..end];
        if word > 0 {
            end += word;
            self.errors.bad_number(Span::new(start as u32, end as u32), &self.text[start..end]);
            self.jump(end);
        } else if digits.len() > 1 && digits[0] == b'0' && digits.iter().all(u8::is_ascii_digit) {
            self.errors.leading_zero(Span::new(start as u32, end as u32), &self.text[start..end]);
        }
        self.push(Tok::Number, start as u32, end as u32);
    }

    fn unknown(&mut self, start: usize) {
        let character = self.text[start..].chars().next().unwrap_or('\u{FFFD}');
        let mut end = start + character.len_utf8();
        if character == '#' && self.text[..start].trim_end_matches([' ', '\t']).ends_with(['\n', '\r']) {
            // Meant as a comment.
            end = memchr::memchr2(b'\n', b'\r', &self.bytes[end..]).map_or(self.bytes.len(), |length| end + length);
        }
        self.errors.unknown_character(Span::new(start as u32, (start + character.len_utf8()) as u32), character);
        self.jump(end);
    }
}

/// Where a string without closing quote most likely ends in the rest of its line: before the brackets, commas and
/// semicolons that close what it stands in.
fn guess_end(line: &str) -> usize {
    let trimmed = line.trim_end_matches([')', ']', '}', ',', ';', ' ', '\t', '>']);
    match line.find([',', ')', ';']) {
        // `“a, “b` are two strings.
        Some(comma) if line[comma..].contains(['\u{201C}', '\u{201D}', '\u{2018}', '\u{2019}']) => comma,
        _ => trimmed.len(),
    }
}
