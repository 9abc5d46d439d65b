//! What happens when the parser stops: the mistake is reported, the tokens are repaired around it as little as
//! possible, and the parser starts again.
//!
//! The repair replaces the innermost thing that holds the mistake (an argument, a member, a statement) by one token
//! that the grammar takes in its place. If that does not help, the thing around it is replaced, silently. So every
//! mistake is told once, and mistakes in other places are still found.

use super::errors::SyntaxErrors;
use super::expected::{Expected, found};
use super::left_out::{Repair, left_out};
use super::token::{Tok, Token};
use crate::source::Span;

/// Where the parser stopped.
pub struct Stop {
    /// The token it could not use; the number of tokens at the end of the file.
    pub index: usize,
    /// What it could have used.
    pub expected: Expected,
}

/// Reports and repairs, one stop after the other.
pub struct Recovery<'t> {
    text: &'t str,
    /// Offsets of brackets that were added or dropped: what goes wrong near them is no mistake of its own.
    suspects: Vec<u32>,
    /// Offset of the last mistake reported.
    last: Option<u32>,
}

impl<'t> Recovery<'t> {
    /// For one file; `suspects` are the offsets of errors found before parsing, in any order.
    pub fn new(text: &'t str, suspects: Vec<u32>) -> Self {
        Self { text, suspects, last: None }
    }

    /// Reports the stop, unless it only follows from another mistake, and repairs the tokens.
    pub fn handle(&mut self, tokens: &mut Vec<Token>, stop: &Stop, errors: &mut SyntaxErrors<'_>) {
        let nesting = Nesting::new(tokens, stop.index);
        let level = nesting.level(tokens);
        let place = tokens.get(stop.index).map_or(self.text.len() as u32, |token| token.start);
        let region = level.region(tokens, self.text, stop.index);
        let again = self.last == Some(place);
        let is_broken =
            |at: usize| tokens.get(at).is_some_and(|t| matches!(t.tok, Tok::ErrorItem | Tok::ErrorStatement));
        let broken = is_broken(stop.index) || stop.index.checked_sub(1).is_some_and(is_broken);
        if again || broken || self.is_suspect(tokens, &nesting, stop.index) {
            self.last = Some(place);
            self.replace(tokens, &nesting, region, stop.index);
            return;
        }
        self.last = Some(place);
        if let Some(found) = left_out(self.text, tokens, stop.index, &stop.expected) {
            match found.repair {
                Repair::Item => self.replace(tokens, &nesting, region, stop.index),
                Repair::Word => drop(tokens.remove(stop.index - 1)),
                Repair::Import => {
                    let semicolon = tokens[stop.index..].iter().position(|token| token.tok == Tok::Semi);
                    let end = semicolon.map_or(tokens.len(), |after| stop.index + after + 1);
                    let start = tokens[..stop.index].iter().rposition(|token| token.tok == Tok::Import);
                    let region = Region { start: start.unwrap_or(stop.index), end, tok: Tok::ErrorStatement };
                    self.replace(tokens, &nesting, region, stop.index);
                }
            }
            errors.left_out(found);
            return;
        }
        let before = errors.count();
        if self.insert_missing(tokens, stop, &nesting, errors) {
            if errors.count() == before {
                // What is missing may be missing: nothing was said about this place yet.
                self.last = None;
            }
        } else {
            self.report(tokens, stop, &nesting, errors);
            self.replace(tokens, &nesting, region, stop.index);
        }
    }

    /// Whether an earlier error lies in the statement around the stop, before it.
    fn is_suspect(&self, tokens: &[Token], nesting: &Nesting, index: usize) -> bool {
        if self.suspects.is_empty() {
            return false;
        }
        let (mut start, mut end) = nesting.statement_around(tokens, self.text, index);
        end = end.min(tokens.len());
        start = start.min(end.saturating_sub(1));
        let from = tokens.get(start).map_or(0, |token| token.start);
        let to = tokens.get(end.saturating_sub(1)).map_or(self.text.len() as u32, |token| token.end);
        let to = to.max(tokens.get(index).map_or(self.text.len() as u32, |token| token.end));
        self.suspects.iter().any(|at| (from..=to).contains(at))
    }

    /// Adds a `;`, `,`, `=` or `:` where it is all that is missing.
    fn insert_missing(
        &self,
        tokens: &mut Vec<Token>,
        stop: &Stop,
        nesting: &Nesting,
        errors: &mut SyntaxErrors<'_>,
    ) -> bool {
        let index = stop.index;
        let level = nesting.level(tokens);
        let Some(prev) = index.checked_sub(1).and_then(|at| tokens.get(at)).copied() else { return false };
        let next = tokens.get(index).copied();
        let tok = next.map(|token| token.tok);
        let new_line = next.is_none_or(|token| has_line_break(self.text, prev.end, token.start));
        let at_end = Span::new(prev.end.saturating_sub(1).max(prev.start), prev.end);
        let at_end =
            if self.text.is_char_boundary(at_end.start as usize) { at_end } else { Span::new(prev.start, prev.end) };
        let found = found(self.text, next);
        let insert = |tokens: &mut Vec<Token>, tok| tokens.insert(index, Token { tok, start: prev.end, end: prev.end });
        let expected = &stop.expected;
        if matches!(tok, Some(Tok::QuestionDot | Tok::QuestionQuestion | Tok::Bang | Tok::FatArrow)) {
            return false;
        }
        let begins = tok.is_some_and(begins_item);
        let in_parens = matches!(level.opener_tok(tokens), Some(Tok::ParenOpen | Tok::ArrowParen));
        if expected.has("=") && begins && !new_line && !in_parens && !expected.operator() {
            let in_type =
                statement_word(tokens, nesting.statement_around(tokens, self.text, index).0) == Some(Tok::TypeWord);
            let message =
                if in_type { "`=` is missing after the name of the type" } else { "`=` is missing before the value" };
            errors.error(at_end, message, format!("`=` is expected after this, found {found}"));
            insert(tokens, Tok::Assign);
            return true;
        }
        if expected.has(";") && !expected.statement() && !level.is_items(tokens) {
            let statement = tok.is_none_or(|tok| tok == Tok::BraceClose || starts_statement(tok));
            if new_line || statement {
                // A function without a body may end at its line, as in ambient declarations of the prelude.
                let bodiless = expected.has("body {") && !expected.operator() && !expected.has("=");
                if bodiless && !self.declares(tokens, nesting, index) {
                    return false;
                }
                if !bodiless {
                    errors.error(at_end, "`;` is missing", "a statement ends here").help =
                        Some("write `;` at the end of the statement".to_owned());
                }
                insert(tokens, Tok::Semi);
                return true;
            }
            return false;
        }
        if tok == Some(Tok::Semi) && expected.has(",") && level.opener_tok(tokens) == Some(Tok::BraceOpen) {
            let token = tokens[index];
            errors.error(
                Span::new(token.start, token.end),
                "the members of an object literal are separated by `,`, not `;`",
                "",
            );
            tokens[index].tok = Tok::Comma;
            return true;
        }
        if tok == Some(Tok::Assign) && level.opener_tok(tokens) == Some(Tok::BraceOpen) && expected.has(":") {
            let token = tokens[index];
            errors.error(
                Span::new(token.start, token.end),
                "a member of an object literal is written `name: value`",
                "write `:`",
            );
            tokens[index].tok = Tok::Colon;
            return true;
        }
        if level.kind == Kind::Switch
            && expected.has(":")
            && !expected.statement()
            && tok != Some(Tok::Colon)
            && new_line
        {
            errors.error(at_end, "`:` is missing after the `case`", format!("expected `:` after this, found {found}"));
            insert(tokens, Tok::Colon);
            return true;
        }
        let before = index.checked_sub(2).and_then(|at| tokens.get(at)).map(|token| token.tok);
        if level.opener_tok(tokens) == Some(Tok::BraceOpen)
            && expected.has(":")
            && matches!(before, Some(Tok::BraceOpen | Tok::Comma))
            && begins
            && !new_line
        {
            errors.error(at_end, format!("`:` is missing before {found}"), "this names a member");
            insert(tokens, Tok::Colon);
            return true;
        }
        if expected.has(",") && level.is_items(tokens) && begins {
            let closer = match level.opener_tok(tokens) {
                Some(Tok::SquareOpen) => "`]`",
                Some(Tok::BraceOpen | Tok::BodyOpen) => "`}`",
                _ => "`)`",
            };
            errors.error(
                at_end,
                format!("`,` is missing before {found}"),
                format!("expected `,` or {closer} after this"),
            );
            insert(tokens, Tok::Comma);
            return true;
        }
        false
    }

    /// Whether the statement around a token begins with `declare`.
    fn declares(&self, tokens: &[Token], nesting: &Nesting, index: usize) -> bool {
        let (start, _) = nesting.statement_around(tokens, self.text, index);
        tokens[start.min(tokens.len())..index.min(tokens.len())].iter().take(8).any(|token| token.tok == Tok::Declare)
    }

    fn report(&self, tokens: &[Token], stop: &Stop, nesting: &Nesting, errors: &mut SyntaxErrors<'_>) {
        let token = tokens.get(stop.index).copied();
        let prev = stop.index.checked_sub(1).and_then(|at| tokens.get(at)).copied();
        let span = match (token, prev) {
            (Some(token), _) if token.start < token.end => Span::new(token.start, token.end),
            (_, Some(prev)) => Span::new(prev.start, prev.end),
            _ => Span::new(0, 0),
        };
        let found = found(self.text, token);
        let expected = &stop.expected;
        let tok = token.map(|token| token.tok);
        let prev_tok = prev.map(|token| token.tok);
        let (message, label, help): (String, String, Option<&str>) = match (prev_tok, tok) {
            (_, Some(Tok::QuestionDot)) => (
                "DScript has no `?.`".to_owned(),
                String::new(),
                Some("test first: `a !== undefined ? a.b : undefined`"),
            ),
            (_, Some(Tok::QuestionQuestion)) => {
                ("DScript has no `??`".to_owned(), String::new(), Some("write `a !== undefined ? a : b`, or `a || b`"))
            }
            (Some(prev), Some(Tok::Bang)) if prev.ends_operand() => {
                ("DScript has no `!` after an expression".to_owned(), String::new(), Some("leave it out"))
            }
            (Some(Tok::Minus), Some(Tok::Greater)) => {
                ("functions are written with `=>`, not with `->`".to_owned(), String::new(), None)
            }
            (Some(Tok::Assign), Some(Tok::Greater)) => {
                ("`=>` is written without a space".to_owned(), String::new(), None)
            }
            (_, Some(Tok::Assign)) if expected.operator() => (
                "only a variable can stand to the left of `=`".to_owned(),
                String::new(),
                Some("to compare, write `===`"),
            ),
            (_, Some(Tok::Ident)) if expected.operator() && matches!(found.as_str(), "`and`" | "`or`" | "`not`") => (
                format!("expected an operator, found {found}"),
                String::new(),
                Some("the operators are written `&&`, `||` and `!`"),
            ),
            (Some(Tok::From), _) if expected.expression() => (
                format!("expected the name of a module, found {found}"),
                "after this".to_owned(),
                Some("write the name in quotes: `from \"Module.Name\";`"),
            ),
            (_, Some(Tok::Else)) => ("this `else` has no `if`".to_owned(), String::new(), None),
            (_, Some(Tok::Catch | Tok::Finally)) => (format!("this {found} has no `try`"), String::new(), None),
            (_, Some(Tok::Case | Tok::Default)) if expected.statement() => {
                (format!("{found} stands outside of a `switch`"), String::new(), None)
            }
            (
                Some(
                    Tok::Const
                    | Tok::Let
                    | Tok::Var
                    | Tok::Function
                    | Tok::Interface
                    | Tok::Namespace
                    | Tok::TypeWord
                    | Tok::Enum,
                ),
                Some(tok),
            ) if tok.is_reserved() => (format!("{found} is a keyword and cannot be a name"), String::new(), None),
            (Some(Tok::Function), Some(Tok::ParenOpen | Tok::ArrowParen)) => {
                ("this function has no name".to_owned(), "a name is expected before this".to_owned(), None)
            }
            (_, Some(Tok::FatArrow)) if expected.operator() || expected.has(";") => (
                "`=>` cannot stand here".to_owned(),
                "only the parameters of a function can stand before it".to_owned(),
                Some("parameters with types or more than one need parentheses: `(a, b) => a`"),
            ),
            (Some(Tok::Comma), Some(Tok::Comma)) => {
                ("there is nothing between these commas".to_owned(), String::new(), None)
            }
            (Some(prev), _)
                if starts_word(prev) && expected.has("identifier") && !expected.expression() && !expected.a_type() =>
            {
                (format!("expected a name, found {found}"), String::new(), None)
            }
            (_, None) => {
                (format!("expected {}, found the end of the file", expected.words()), "after this".to_owned(), None)
            }
            _ if expected.has(";") && expected.operator() => {
                (format!("expected an operator or `;`, found {found}"), String::new(), None)
            }
            _ if self.after_decorator(tokens, nesting, stop.index)
                && expected.has("function")
                && expected.has("interface") =>
            {
                (
                    format!("expected a declaration, found {found}"),
                    String::new(),
                    Some(
                        "`export` and decorators stand before `const`, `function`, `interface`, `type`, `namespace` or `enum`",
                    ),
                )
            }
            _ => (format!("expected {}, found {found}", expected.words()), String::new(), None),
        };
        errors.error(span, message, label).help = help.map(str::to_owned);
    }

    fn after_decorator(&self, tokens: &[Token], nesting: &Nesting, index: usize) -> bool {
        let (start, _) = nesting.statement_around(tokens, self.text, index);
        tokens
            .get(start)
            .is_some_and(|token| matches!(token.tok, Tok::At | Tok::Export | Tok::Declare | Tok::OtherModifier))
    }

    /// Replaces a region by one error token. When it is one already, what is around it goes.
    fn replace(&self, tokens: &mut Vec<Token>, nesting: &Nesting, mut region: Region, index: usize) {
        let mut index = index;
        let mut depth = nesting.openers.len();
        loop {
            let useless = region.len() == 1
                && matches!(tokens.get(region.start).map(|t| t.tok), Some(Tok::ErrorItem | Tok::ErrorStatement));
            if !useless {
                break;
            }
            if depth == 0 {
                // Nothing is around it: the statement before it must be incomplete.
                region.start = region.start.saturating_sub(1);
                break;
            }
            depth -= 1;
            index = nesting.openers[depth].min(index);
            region = nesting.level_at(tokens, depth).region(tokens, self.text, index);
        }
        let start = tokens.get(region.start).map_or(self.text.len() as u32, |token| token.start);
        let end = region.end.checked_sub(1).and_then(|at| tokens.get(at)).map_or(start, |token| token.end).max(start);
        tokens.splice(region.start..region.end, [Token { tok: region.tok, start, end }]);
    }
}

/// The brackets around the token where the parser stopped.
struct Nesting {
    /// The partner of every bracket.
    partners: Vec<u32>,
    /// The brackets that are open at the token, from the outermost.
    openers: Vec<usize>,
}

impl Nesting {
    fn new(tokens: &[Token], index: usize) -> Self {
        let mut partners = vec![u32::MAX; tokens.len()];
        let mut open: Vec<usize> = Vec::new();
        let mut openers = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if at == index {
                openers.clone_from(&open);
            }
            if token.tok.opens() {
                open.push(at);
            } else if token.tok.closes()
                && let Some(partner) = open.pop()
            {
                partners[partner] = at as u32;
                partners[at] = partner as u32;
            }
        }
        Self { partners, openers }
    }

    /// The innermost level.
    fn level(&self, tokens: &[Token]) -> Level<'_> {
        self.level_at(tokens, self.openers.len())
    }

    /// The level inside the first `depth` brackets.
    fn level_at(&self, tokens: &[Token], depth: usize) -> Level<'_> {
        let opener = depth.checked_sub(1).map(|last| self.openers[last]);
        let closer = opener.map_or(tokens.len(), |opener| (self.partners[opener] as usize).min(tokens.len()));
        let kind = match opener {
            None => Kind::Statements,
            Some(at) if tokens[at].tok == Tok::BodyOpen => body_kind(tokens, &self.partners, at),
            Some(_) => Kind::Items,
        };
        Level { opener, closer, kind, partners: &self.partners }
    }

    /// The statement that holds a token, whatever brackets are around the token in it: indices of its first token and
    /// of the one after its last.
    fn statement_around(&self, tokens: &[Token], text: &str, index: usize) -> (usize, usize) {
        let mut index = index;
        for depth in (0..=self.openers.len()).rev() {
            let level = self.level_at(tokens, depth);
            if level.kind == Kind::Statements {
                let region = level.statement(tokens, text, index);
                return (region.start, region.end);
            }
            index = level.opener.unwrap_or(index);
        }
        (index, index)
    }
}

/// The content of a bracket, and how it is divided.
struct Level<'a> {
    opener: Option<usize>,
    closer: usize,
    kind: Kind,
    /// The partner of every bracket.
    partners: &'a [u32],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Statements,
    Switch,
    /// Members of a type, divided by `;`, `,` or line breaks.
    Members,
    /// Divided by commas.
    Items,
}

/// Tokens that are replaced by one.
struct Region {
    start: usize,
    end: usize,
    tok: Tok,
}

impl Region {
    fn len(&self) -> usize {
        self.end - self.start
    }
}

impl Level<'_> {
    fn opener_tok(&self, tokens: &[Token]) -> Option<Tok> {
        self.opener.and_then(|at| tokens.get(at)).map(|token| token.tok)
    }

    /// Whether commas divide what is inside.
    fn is_items(&self, tokens: &[Token]) -> bool {
        match self.kind {
            Kind::Items => self.opener.is_none_or(|at| at == 0 || tokens[at - 1].tok != Tok::For),
            Kind::Members => true,
            _ => false,
        }
    }

    fn region(&self, tokens: &[Token], text: &str, index: usize) -> Region {
        match self.kind {
            Kind::Statements | Kind::Switch => self.statement(tokens, text, index),
            Kind::Members | Kind::Items => self.item(tokens, text, index),
        }
    }

    /// Where the token after this one on the same level is.
    fn next(&self, tokens: &[Token], at: usize) -> usize {
        if tokens[at].tok.opens() && (self.partners[at] as usize) < tokens.len() {
            self.partners[at] as usize + 1
        } else {
            at + 1
        }
    }

    fn item(&self, tokens: &[Token], text: &str, index: usize) -> Region {
        let from = self.opener.map_or(0, |opener| opener + 1);
        let (mut start, mut at) = (from, from);
        while at < self.closer {
            let token = tokens[at];
            let line_start = self.kind == Kind::Members
                && at > start
                && (token.tok.is_word() || matches!(token.tok, Tok::At | Tok::String | Tok::SquareOpen))
                && has_line_break(text, tokens[at - 1].end, token.start)
                && tokens[start].tok != Tok::At;
            if matches!(token.tok, Tok::Comma | Tok::Semi) {
                if at >= index {
                    break;
                }
                start = at + 1;
            } else if line_start {
                if at > index {
                    break;
                }
                start = at;
            }
            at = self.next(tokens, at);
        }
        Region { start: start.min(at), end: at.min(self.closer), tok: Tok::ErrorItem }
    }

    fn statement(&self, tokens: &[Token], text: &str, index: usize) -> Region {
        let from = self.opener.map_or(0, |opener| opener + 1);
        let (mut start, mut at) = (from, from);
        let mut case = None;
        while at < self.closer {
            let token = tokens[at];
            if self.kind == Kind::Switch && matches!(token.tok, Tok::Case | Tok::Default) {
                if at > index {
                    break;
                }
                case = Some(at);
                start = at;
            } else if token.tok == Tok::Colon
                && let Some(head) = case.take()
            {
                if index <= at && head < index {
                    return Region { start: (head + 1).min(at), end: at, tok: Tok::ErrorItem };
                }
                start = at + 1;
            } else if token.tok == Tok::Semi {
                if at >= index {
                    at += 1;
                    break;
                }
                start = at + 1;
            } else if at > start
                && begins_line(tokens, text, at)
                && starts_statement(token.tok)
                && !is_prefix(tokens, start, at)
            {
                if at > index || (at == index && start < at) {
                    break;
                }
                start = at;
            }
            let next = self.next(tokens, at);
            if token.tok == Tok::BodyOpen && ends_statement(tokens, next) {
                if next > index {
                    at = next;
                    break;
                }
                start = next;
            } else if token.tok == Tok::ErrorStatement && at < index {
                start = next;
            }
            at = next;
        }
        Region { start: start.min(at), end: at.min(self.closer), tok: Tok::ErrorStatement }
    }
}

/// What the body that opens at `at` holds, judged by the words before it.
fn body_kind(tokens: &[Token], partners: &[u32], at: usize) -> Kind {
    let mut back = at;
    for _ in 0..64 {
        let Some(before) = back.checked_sub(1) else { break };
        back = if tokens[before].tok.closes() && partners[before] != u32::MAX {
            partners[before] as usize
        } else {
            before
        };
        match tokens[back].tok {
            Tok::Interface => return Kind::Members,
            Tok::Enum => return Kind::Members,
            Tok::Switch => return Kind::Switch,
            Tok::Semi
            | Tok::BodyOpen
            | Tok::BraceOpen
            | Tok::FatArrow
            | Tok::Function
            | Tok::Namespace
            | Tok::If
            | Tok::For => break,
            _ => {}
        }
    }
    Kind::Statements
}

/// The first keyword of the statement that begins at `start`, after its modifiers.
fn statement_word(tokens: &[Token], start: usize) -> Option<Tok> {
    tokens[start.min(tokens.len())..]
        .iter()
        .map(|token| token.tok)
        .find(|tok| !matches!(tok, Tok::Export | Tok::Declare | Tok::At | Tok::Ident | Tok::OtherModifier | Tok::Dot))
}

fn has_line_break(text: &str, from: u32, to: u32) -> bool {
    text.get(from as usize..to as usize).is_some_and(|gap| gap.contains(['\n', '\r']))
}

fn begins_line(tokens: &[Token], text: &str, at: usize) -> bool {
    at == 0 || has_line_break(text, tokens[at - 1].end, tokens[at].start)
}

/// Whether everything from `start` to `at` only prepares the statement that goes on at `at`.
fn is_prefix(tokens: &[Token], start: usize, at: usize) -> bool {
    matches!(tokens[start].tok, Tok::At | Tok::Export | Tok::Declare | Tok::OtherModifier)
        && !tokens[start..at].iter().any(|token| {
            matches!(
                token.tok,
                Tok::Const
                    | Tok::Let
                    | Tok::Function
                    | Tok::Interface
                    | Tok::TypeWord
                    | Tok::Namespace
                    | Tok::Enum
                    | Tok::Assign
            )
        })
        || matches!(tokens[at - 1].tok, Tok::Else | Tok::ParenClose | Tok::Do) && tokens[at].tok != Tok::Export
}

/// Whether a statement whose body closed just before `next` is over.
fn ends_statement(tokens: &[Token], next: usize) -> bool {
    tokens.get(next).is_none_or(|token| {
        token.tok.closes()
            || matches!(token.tok, Tok::At | Tok::BodyOpen)
            || (token.tok.is_word()
                && !matches!(
                    token.tok,
                    Tok::Else | Tok::Catch | Tok::Finally | Tok::While | Tok::As | Tok::In | Tok::InstanceOf
                ))
    })
}

/// Whether a statement, and nothing else, begins with the token.
fn starts_statement(tok: Tok) -> bool {
    use Tok::*;
    matches!(
        tok,
        Const
            | Let
            | Var
            | Function
            | Export
            | Import
            | Interface
            | TypeWord
            | Namespace
            | Declare
            | Return
            | If
            | For
            | While
            | Switch
            | Break
            | Continue
            | Throw
            | Try
            | At
            | Class
            | Enum
            | Do
    )
}

/// Whether the token is a word after which a name comes.
fn starts_word(tok: Tok) -> bool {
    use Tok::*;
    matches!(tok, Const | Let | Var | Function | Interface | TypeWord | Namespace | Enum | Dot | As)
}

/// Whether an item of a list can begin with the token.
fn begins_item(tok: Tok) -> bool {
    use Tok::*;
    tok.is_word()
        && !matches!(tok, As | Else | Catch | Finally | In | InstanceOf | Is | Of | From | Extends | Implements)
        || matches!(
            tok,
            Number
                | String
                | Template
                | TemplateStart
                | BraceOpen
                | BodyOpen
                | SquareOpen
                | Ellipsis
                | ArrowParen
                | CastOpen
                | GenericOpen
                | At
        )
}
