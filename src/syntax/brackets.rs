//! Which bracket closes which: every later step relies on brackets that match.

use super::errors::SyntaxErrors;
use super::token::{Tok, Token};
use crate::source::Span;

/// The partner of each bracket, by the index of the token; other tokens have `u32::MAX`.
pub type Partners = Vec<u32>;

/// Pairs the brackets up. Where they do not match, an error says so and the tokens are changed until they do.
pub fn pair(tokens: &mut Vec<Token>, text: &str, errors: &mut SyntaxErrors<'_>) -> Partners {
    match try_pair(tokens) {
        Some(partners) => partners,
        None => {
            repair(tokens, text, errors);
            try_pair(tokens).unwrap_or_else(|| vec![u32::MAX; tokens.len()])
        }
    }
}

/// What closes a bracket.
pub fn closer(open: Tok) -> Tok {
    match open {
        Tok::ParenOpen => Tok::ParenClose,
        Tok::SquareOpen => Tok::SquareClose,
        Tok::HoleOpen => Tok::HoleClose,
        _ => Tok::BraceClose,
    }
}

fn try_pair(tokens: &[Token]) -> Option<Partners> {
    let mut partners = vec![u32::MAX; tokens.len()];
    let mut open: Vec<u32> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.tok.opens() {
            open.push(index as u32);
        } else if token.tok.closes() {
            let partner = open.pop()?;
            if closer(tokens[partner as usize].tok) != token.tok {
                return None;
            }
            partners[partner as usize] = index as u32;
            partners[index] = partner;
        }
    }
    open.is_empty().then_some(partners)
}

fn bracket_text(tok: Tok) -> &'static str {
    match tok {
        Tok::ParenOpen => "(",
        Tok::ParenClose => ")",
        Tok::SquareOpen => "[",
        Tok::SquareClose => "]",
        Tok::HoleOpen => "${",
        Tok::BraceOpen => "{",
        _ => "}",
    }
}

/// Adds the closing brackets that are missing and drops those that close nothing.
fn repair(tokens: &mut Vec<Token>, text: &str, errors: &mut SyntaxErrors<'_>) {
    let mut fixed: Vec<Token> = Vec::with_capacity(tokens.len() + 8);
    let mut open: Vec<Token> = Vec::new();
    let close_top = |open: &mut Vec<Token>, fixed: &mut Vec<Token>, errors: &mut SyntaxErrors<'_>| {
        if let Some(top) = open.pop() {
            let at = fixed.last().map_or(0, |last| last.end);
            let (a, b) = (bracket_text(top.tok), bracket_text(closer(top.tok)));
            errors.error(
                Span::new(top.start, top.end),
                format!("this `{a}` is not closed"),
                format!("no `{b}` for it"),
            );
            let missing = Token { tok: closer(top.tok), start: at, end: at };
            // What stands in parentheses does not end in a semicolon: the bracket belongs before it.
            match fixed.last().copied() {
                Some(last) if last.tok == Tok::Semi && matches!(top.tok, Tok::ParenOpen | Tok::SquareOpen) => {
                    fixed.pop();
                    fixed.extend([Token { start: last.start, end: last.start, ..missing }, last]);
                }
                _ => fixed.push(missing),
            }
        }
    };
    for (index, &token) in tokens.iter().enumerate() {
        if token.tok.closes() {
            match open.iter().rposition(|open| closer(open.tok) == token.tok) {
                Some(place) => {
                    while open.len() > place + 1 {
                        close_top(&mut open, &mut fixed, errors);
                    }
                    open.pop();
                }
                None => {
                    let message = format!("this `{}` closes nothing", bracket_text(token.tok));
                    errors.error(Span::new(token.start, token.end), message, "no bracket is open here");
                    continue;
                }
            }
        } else {
            while let Some(top) = open.last() {
                if !starts_over(text, tokens, index, *top) {
                    break;
                }
                close_top(&mut open, &mut fixed, errors);
            }
            if token.tok.opens() {
                open.push(token);
            }
        }
        fixed.push(token);
    }
    while !open.is_empty() {
        close_top(&mut open, &mut fixed, errors);
    }
    *tokens = fixed;
}

/// Whether the token begins a declaration that cannot stand inside the open bracket, judged by its keyword and by how
/// far its line is indented. Only asked in files whose brackets do not match.
fn starts_over(text: &str, tokens: &[Token], index: usize, open: Token) -> bool {
    let token = tokens[index];
    let declares = match token.tok {
        Tok::Export | Tok::Const | Tok::Let | Tok::Function | Tok::At | Tok::Return | Tok::If => true,
        Tok::Import => tokens.get(index + 1).is_some_and(|next| next.tok != Tok::ParenOpen),
        Tok::Ident => {
            let name = Span::new(token.start, token.end).of(text);
            matches!(name, "namespace" | "interface" | "type" | "declare")
                && tokens.get(index + 1).is_some_and(|next| next.tok.is_word())
        }
        _ => false,
    };
    // Words are allowed as keys of objects and members.
    if !declares || tokens.get(index + 1).is_some_and(|next| matches!(next.tok, Tok::Colon | Tok::Question)) {
        return false;
    }
    let Some(indent) = indent_if_first(text, token.start) else { return false };
    match open.tok {
        Tok::ParenOpen | Tok::SquareOpen => token.tok != Tok::Function && token.tok != Tok::At,
        Tok::BraceOpen => indent <= line_indent(text, open.start),
        _ => false,
    }
}

/// How far the line is indented, if `at` is the first thing on it.
fn indent_if_first(text: &str, at: u32) -> Option<usize> {
    let before = &text.as_bytes()[..at as usize];
    let indent = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line_start = before.len() - indent;
    (line_start == 0 || matches!(before[line_start - 1], b'\n' | b'\r')).then_some(indent)
}

fn line_indent(text: &str, at: u32) -> usize {
    // Lines longer than this are not written by people; looking further would make hostile text slow.
    let window = &text.as_bytes()[(at as usize).saturating_sub(2000)..at as usize];
    let line_start = window.iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1);
    window[line_start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
