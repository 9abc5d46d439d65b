//! What TypeScript has and the grammar does not read: told by its name instead of by the token where the parser
//! stopped. What the grammar does read is refused by the rules of `check`, with the same numbers.

use super::expected::Expected;
use super::token::{Tok, Token};
use crate::source::Span;

/// Something of TypeScript that DScript leaves out.
pub struct LeftOut {
    /// BuildXL's number.
    pub number: u32,
    /// Where it stands.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: &'static str,
    /// How the parser goes on.
    pub repair: Repair,
}

/// What is taken out so that the parser can go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// The innermost thing around the stop.
    Item,
    /// The word before the stop.
    Word,
    /// The whole import, to its `;`.
    Import,
}

/// A construct that DScript leaves out.
const CONSTRUCT: u32 = 9030;
/// A default import or export.
const DEFAULT: u32 = 9047;
/// `new`
const NEW: u32 = 9016;

/// What stands where the parser stopped, if it is something that DScript leaves out on purpose.
pub fn left_out(text: &str, tokens: &[Token], index: usize, expected: &Expected) -> Option<LeftOut> {
    let here = tokens.get(index).copied();
    let before = |back: usize| index.checked_sub(back).and_then(|at| tokens.get(at)).copied();
    let prev = before(1)?;
    let tok = |token: Option<Token>| token.map(|token| token.tok);
    let raw = |token: Token| text.get(token.start as usize..token.end as usize).unwrap_or_default();
    let find = |number: u32, token: Token, message: String, help: &'static str| {
        Some(LeftOut { number, span: Span::new(token.start, token.end), message, help, repair: Repair::Item })
    };
    let word = |message: String, help: &'static str| {
        find(CONSTRUCT, prev, message, help).map(|found| LeftOut { repair: Repair::Word, ..found })
    };
    let construct = |token: Token, message: &str, help: &'static str| find(CONSTRUCT, token, message.to_owned(), help);
    let type_import = |token: Token| {
        construct(token, "DScript has no `import type`", "leave out `type`: an import brings values and types")
            .map(|found| LeftOut { repair: Repair::Import, ..found })
    };
    // Where a type is complete the parser may know only what ends it.
    let in_type = !expected.operator() && !expected.expression() && !expected.a_type();
    match (tok(before(2)), prev.tok, tok(here)) {
        (Some(Tok::Import), Tok::Ident, Some(Tok::Comma)) => {
            let name = raw(prev);
            let message = format!("`{name}` cannot be imported as a default: modules have no default export");
            find(DEFAULT, prev, message, "write `import {a, b} from \"Module.Name\";`")
        }
        (_, Tok::Export, Some(Tok::Assign)) => {
            let message = "a file has no default export".to_owned();
            find(DEFAULT, prev, message, "give the value a name: `export const name = …;`")
        }
        (Some(Tok::Export), Tok::Star, Some(Tok::As | Tok::Ident)) => construct(
            prev,
            "an export list cannot make a namespace",
            "write `export * from \"Module.Name\";`, or export the names that are needed",
        ),
        (Some(Tok::Import), Tok::Ident, Some(Tok::BraceOpen | Tok::BodyOpen | Tok::Star)) if raw(prev) == "type" => {
            type_import(prev)
        }
        (_, Tok::Import, Some(Tok::TypeWord)) => type_import(here?),
        (_, Tok::Declare, Some(Tok::Ident)) if here.is_some_and(|here| raw(here) == "module") => construct(
            prev,
            "a module cannot be declared in a spec",
            "modules are defined by `module({name: \"…\"})` in a file `module.config.dsc`",
        ),
        (_, Tok::Function, Some(Tok::Star)) => {
            construct(prev, "DScript has no generators", "write a function that returns an array")
        }
        (_, Tok::Ident, Some(found))
            if matches!(raw(prev), "await" | "yield") && !found.closes() && expected.operator() =>
        {
            let message = format!("DScript has no `{}`", raw(prev));
            word(message, "leave it out: a value is there when it is used")
        }
        (_, Tok::Ident, Some(Tok::Ident))
            if here.is_some_and(|here| raw(here) == "satisfies") && expected.operator() =>
        {
            construct(here?, "DScript has no `satisfies`", "leave it out, or give the declaration the type")
        }
        (_, Tok::Ident | Tok::ReadOnly, Some(_))
            if in_type && matches!(raw(prev), "keyof" | "unique" | "infer" | "readonly") =>
        {
            let message = format!("DScript has no `{}` types", raw(prev));
            word(message, "write the type itself")
        }
        (_, _, Some(Tok::Extends)) if in_type && expected.has(";") => {
            construct(here?, "DScript has no conditional types", "write the type itself")
        }
        (_, Tok::SquareOpen, Some(_)) if expected.has("]") && !expected.expression() && !expected.a_type() => {
            construct(here?, "DScript has no types by index", "give the member's type a name and write that")
        }
        (Some(Tok::SquareOpen), Tok::Ident, Some(Tok::In)) => {
            construct(here?, "DScript has no mapped types", "write an index signature: `[key: string]: T`")
        }
        (_, _, Some(Tok::Template | Tok::TemplateStart)) if expected.a_type() => construct(
            prev,
            "a back-tick literal cannot be a type",
            "list the texts: `\"a\" | \"b\"`, or write `string`",
        ),
        (_, _, Some(Tok::Ellipsis)) if expected.a_type() => {
            construct(here?, "a tuple type has no rest", "write an array type: `T[]`")
        }
        (_, _, Some(Tok::Colon | Tok::Question)) if in_type && expected.has("]") && expected.has(",") => {
            construct(here?, "the items of a tuple type have no names and are not optional", "list the types alone")
        }
        (Some(Tok::TypeWord | Tok::Interface), Tok::Ident, Some(Tok::Less)) => construct(
            here?,
            "these are not type parameters",
            "write `<T>` or `<T extends U>`: a type parameter has no default",
        ),
        (_, _, Some(Tok::Comma)) if prev.tok.ends_operand() && expected.has(")") && !expected.has(",") => {
            construct(here?, "DScript has no comma operator", "write one expression, the others before it")
        }
        (_, Tok::ParenOpen | Tok::ArrowParen, Some(Tok::This))
            if expected.has("identifier") && !expected.expression() =>
        {
            construct(here?, "`this` cannot be a parameter: DScript has no classes", "choose another name")
        }
        (_, Tok::Ident, Some(Tok::Ident))
            if matches!(raw(prev), "public" | "private" | "protected") && expected.has(",") && !expected.operator() =>
        {
            let message = format!("a parameter has no modifier `{}`", raw(prev));
            word(message, "leave it out")
        }
        (_, Tok::AmpAmp | Tok::BarBar | Tok::StarStar, Some(Tok::Assign)) if here?.start == prev.end => {
            let message = format!("DScript has no `{}=`", raw(prev));
            find(CONSTRUCT, prev, message, "write the operation out: `a = a && b`")
        }
        (_, _, Some(Tok::Import)) if expected.expression() && !expected.statement() => {
            construct(here?, "`import` cannot be part of an expression", "write `importFrom(\"Module.Name\")`")
        }
        (_, Tok::Ident, Some(Tok::Ident))
            if matches!(raw(prev), "get" | "set") && expected.has(";") && expected.has(",") =>
        {
            construct(prev, "a type has no accessors", "write a property: `name: T`")
        }
        _ if expected.has("(") => {
            // `new A`: back over the dotted name.
            let mut at = index;
            while at > 0 && matches!(tokens[at - 1].tok, Tok::Ident | Tok::Dot) {
                at -= 1;
            }
            let new = at.checked_sub(1).and_then(|at| tokens.get(at)).filter(|token| token.tok == Tok::New)?;
            if at == index {
                return None;
            }
            let name = Span::new(tokens[at].start, prev.end);
            let name = text.get(name.start as usize..name.end as usize).unwrap_or_default();
            let message = format!("`new {name}` cannot be used: DScript has no classes");
            find(NEW, *new, message, "write an object literal, or call a function that makes the value")
        }
        _ => None,
    }
}
