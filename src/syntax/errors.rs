//! The errors of one file: collected, capped, and worded for people.

use super::left_out::LeftOut;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// How many errors of one file are worth reading.
pub const MAX_ERRORS: usize = 100;

/// BuildXL shows every mistake of syntax under this number.
pub const SYNTAX: Code = Code::Dx(11233);

/// Where the lexer and the parser put what they find.
pub struct SyntaxErrors<'d> {
    file: FileId,
    diagnostics: &'d mut Vec<Diagnostic>,
    /// Where mistakes begin that could be read as what was meant, so that nothing after them follows from them.
    harmless: Vec<u32>,
}

impl<'d> SyntaxErrors<'d> {
    /// Errors of `file` go to `diagnostics`.
    pub fn new(file: FileId, diagnostics: &'d mut Vec<Diagnostic>) -> Self {
        Self { file, diagnostics, harmless: Vec::new() }
    }

    /// How many mistakes were reported.
    pub fn count(&self) -> usize {
        self.diagnostics.len()
    }

    /// Whether no further error will be kept.
    pub fn is_full(&self) -> bool {
        self.diagnostics.len() >= MAX_ERRORS
    }

    /// Adds any diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.is_full() {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Adds a syntax error with a label.
    pub fn error(&mut self, span: Span, message: impl Into<String>, label: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic::error(SYNTAX, message).at(span.in_file(self.file), label);
        if self.is_full() {
            // Callers may go on to decorate the last one; that is harmless.
            let last = self.diagnostics.len() - 1;
            return &mut self.diagnostics[last];
        }
        self.diagnostics.push(diagnostic);
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// Where the errors so far begin that others may follow from.
    pub fn offsets(&self) -> Vec<u32> {
        let places = self.diagnostics.iter().filter_map(|found| found.primary());
        places.map(|label| label.location.span.start).filter(|at| !self.harmless.contains(at)).collect()
    }

    /// Something of TypeScript that DScript leaves out.
    pub fn left_out(&mut self, found: LeftOut) {
        let diagnostic = Diagnostic::error(Code::Dx(found.number), found.message);
        self.push(diagnostic.at(found.span.in_file(self.file), "not DScript").help(found.help));
    }

    /// Something has no end.
    pub fn unterminated(&mut self, span: Span, what: &str, help: &str) {
        self.error(span, format!("this {what} is not closed"), "it begins here").help = Some(help.to_owned());
    }

    /// A quote that a word processor made.
    pub fn curly_quote(&mut self, span: Span, straight: char) {
        let location = span.in_file(self.file);
        if !self.is_full() {
            self.harmless.push(span.start);
        }
        self.push(
            Diagnostic::error(Code::Ds(101), format!("this is a typographic quote, write {straight}"))
                .at(location, "")
                .help("word processors and chat programs put such quotes in place of the straight ones"),
        );
    }

    /// The string of the last typographic quote has no end; `sure` tells whether the guess is a good one.
    pub fn missing_quote(&mut self, span: Span, straight: char, sure: bool) {
        if !sure {
            self.harmless.pop();
        }
        let location = span.in_file(self.file);
        self.amend(|quote| quote.and_at(location, format!("a closing {straight} is missing, probably here")));
    }

    /// The string of the last typographic quote begins with a dash that only word processors make.
    pub fn long_dash(&mut self) {
        self.amend(|quote| quote.note("the dash after it is a typographic one too: options begin with `-` or `--`"));
    }

    /// Says more about the last typographic quote.
    fn amend(&mut self, more: impl FnOnce(Diagnostic) -> Diagnostic) {
        // A full list did not take the quote.
        if let Some(last) = self.diagnostics.pop_if(|last| last.code == Code::Ds(101)) {
            self.diagnostics.push(more(last));
        }
    }

    /// A backslash with something that cannot follow it.
    pub fn bad_escape(&mut self, span: Span, message: &str) {
        self.error(span, message, "in this escape").help = Some("a backslash itself is written `\\\\`".to_owned());
    }

    /// `12abc`
    pub fn bad_number(&mut self, span: Span, text: &str) {
        self.error(span, format!("`{text}` is neither a number nor a name"), "names do not begin with a digit");
    }

    /// `017`
    pub fn leading_zero(&mut self, span: Span, text: &str) {
        let digits = text.trim_start_matches('0');
        self.error(span, format!("the number `{text}` begins with a zero"), "").help = Some(if digits.is_empty() {
            "write `0`".to_owned()
        } else {
            format!("write `{digits}`, or `0o{digits}` for an octal number")
        });
    }

    /// A character that no token begins with.
    pub fn unknown_character(&mut self, span: Span, character: char) {
        let message = match character {
            '\0' => "a NUL byte cannot stand in a spec".to_owned(),
            c if c.is_control() || c == '\u{200B}' => {
                format!("the invisible character U+{:04X} cannot stand here", c as u32)
            }
            c => format!("the character `{c}` cannot stand here"),
        };
        let help = match character {
            '\0' => Some("is this a text file in UTF-8?"),
            '#' => Some("comments begin with `//`"),
            _ => None,
        };
        self.error(span, message, "").help = help.map(str::to_owned);
    }
}
