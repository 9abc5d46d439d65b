//! The one way from text to tree.

use std::sync::Arc;

use lalrpop_util::ParseError;

use super::ast::{Ast, List, Nodes, StmtId};
use super::brackets;
use super::builder::Builder;
use super::errors::SyntaxErrors;
use super::expected::Expected;
use super::grammar::FileParser;
use super::lexer;
use super::recover::{Recovery, Stop};
use super::relabel::{MAX_DEPTH, relabel};
use super::token::Token;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// Parses one file. The tree is there even when there are errors: what could not be parsed is an `Error` node in it.
pub fn parse(file: FileId, text: Arc<str>) -> (Ast, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut comments = Vec::new();
    let mut errors = SyntaxErrors::new(file, &mut diagnostics);
    if u32::try_from(text.len()).is_err() {
        errors.push(Diagnostic::error(Code::Ds(103), "this file is larger than 4 GB"));
        let ast = Ast { file, text: Arc::from(""), body: List::empty(), comments, nodes: Nodes::default() };
        return (ast, diagnostics);
    }
    let mut tokens = lexer::lex(&text, &mut comments, &mut errors);
    let partners = brackets::pair(&mut tokens, &text, &mut errors);
    let (mut body, mut nodes) = (List::empty(), Nodes::default());
    match relabel(&text, &tokens, &partners) {
        Err(deep) => errors.push(
            Diagnostic::error(Code::Ds(102), format!("this is nested more than {MAX_DEPTH} levels deep"))
                .at(Span::new(deep.0.start, deep.0.end).in_file(file), "the limit is passed here"),
        ),
        Ok(tokens) => (body, nodes) = parse_tokens(&text, tokens, &mut errors),
    }
    comments.shrink_to_fit();
    let ast = Ast { file, text, body, comments, nodes };
    // Phases report in their own order; people read from top to bottom.
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary().map(|label| label.location.span.start));
    (ast, diagnostics)
}

/// How many tokens may be read again, in files with many mistakes, before the rest is given up.
const MAX_WORK: usize = 20_000_000;

/// Runs the parser, again after each mistake, until it reaches the end.
fn parse_tokens(text: &str, mut tokens: Vec<Token>, errors: &mut SyntaxErrors<'_>) -> (List<StmtId>, Nodes) {
    let mut recovery: Option<Recovery<'_>> = None;
    let mut work = 0;
    loop {
        let mut builder = Builder::new(text, tokens.len());
        let stop = match run(&tokens, &mut builder) {
            Ok(body) => {
                for error in builder.errors.drain(..) {
                    errors.error(error.span, error.message, "").help = error.help;
                }
                builder.nodes.shrink_to_fit();
                return (body, builder.nodes);
            }
            Err(stop) => stop,
        };
        work += tokens.len();
        if work > MAX_WORK + tokens.len() || errors.is_full() {
            return (List::empty(), Nodes::default());
        }
        let recovery = recovery.get_or_insert_with(|| Recovery::new(text, errors.offsets()));
        recovery.handle(&mut tokens, &stop, errors);
    }
}

pub(super) fn run(tokens: &[Token], builder: &mut Builder<'_>) -> Result<List<StmtId>, Stop> {
    let mut read = 0;
    let input = tokens.iter().map(|token| {
        read += 1;
        Ok((token.start, token.tok, token.end))
    });
    let result = FileParser::new().parse(builder, input);
    result.map_err(|error| match error {
        // The token that cannot be used is always the last one that was read.
        ParseError::UnrecognizedToken { expected, .. } => Stop { index: read - 1, expected: Expected::new(&expected) },
        ParseError::UnrecognizedEof { expected, .. } => {
            Stop { index: tokens.len(), expected: Expected::new(&expected) }
        }
        // The grammar makes no such errors.
        ParseError::ExtraToken { .. } | ParseError::InvalidToken { .. } | ParseError::User { .. } => {
            Stop { index: read.saturating_sub(1), expected: Expected::new(&[]) }
        }
    })
}
