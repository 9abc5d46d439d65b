//! The one way from text to tree.

use std::sync::Arc;

use lalrpop_util::ParseError;

use super::ast::{Ast, List, Nodes};
use super::brackets;
use super::builder::Builder;
use super::errors::SyntaxErrors;
use super::grammar::FileParser;
use super::lexer;
use super::relabel::{MAX_DEPTH, relabel};
use super::token::{Tok, Token};
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
    let mut body = List::empty();
    let mut nodes = Nodes::default();
    match relabel(&text, &tokens, &partners) {
        Err(deep) => errors.push(
            Diagnostic::error(Code::Ds(102), format!("this is nested more than {MAX_DEPTH} levels deep"))
                .at(Span::new(deep.0.start, deep.0.end).in_file(file), "the limit is passed here"),
        ),
        Ok(tokens) => {
            let mut builder = Builder::new(&text);
            match run(&tokens, &mut builder) {
                Ok(list) => body = list,
                Err(error) => {
                    let (span, message) = describe(error);
                    errors.error(span, message, "");
                }
            }
            for error in builder.errors.drain(..) {
                errors.error(error.span, error.message, "").help = error.help;
            }
            nodes = builder.nodes;
        }
    }
    (Ast { file, text, body, comments, nodes }, diagnostics)
}

type Failure = ParseError<u32, Tok, ()>;

fn run(tokens: &[Token], builder: &mut Builder<'_>) -> Result<List<super::ast::StmtId>, Failure> {
    let input = tokens.iter().map(|token| Ok((token.start, token.tok, token.end)));
    FileParser::new().parse(builder, input)
}

fn describe(error: Failure) -> (Span, String) {
    match error {
        ParseError::UnrecognizedToken { token, expected } => {
            (Span::new(token.0, token.2), format!("unexpected {:?}; expected {}", token.1, expected.join(" ")))
        }
        ParseError::UnrecognizedEof { location, expected } => {
            (Span::new(location, location), format!("unexpected end; expected {}", expected.join(" ")))
        }
        ParseError::ExtraToken { token } => (Span::new(token.0, token.2), format!("unexpected {:?}", token.1)),
        ParseError::InvalidToken { location } => (Span::new(location, location), "unexpected".to_owned()),
        ParseError::User { .. } => (Span::new(0, 0), "unexpected".to_owned()),
    }
}
