//! Names that may stand where somebody types.

use super::prompt::Prompt;
use crate::diagnostics::Diagnostic;
use crate::eval::Evaluation;
use crate::syntax::token::{Tok, Token};
use crate::syntax::tokens;

/// Names that may stand where something is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Where the word begins that they stand for: a byte of the text.
    pub start: usize,
    /// The names, sorted.
    pub names: Vec<String>,
}

/// How far values are computed to find out what may stand behind them.
const STEPS_OF_COMPLETION: u64 = 200_000;

impl Prompt<'_> {
    /// What may stand at the end of a text: the names in scope, behind a dot the members of the value before it. That
    /// value is computed for it, as far as that is soon done.
    pub fn complete(&mut self, text: &str) -> Completions {
        let Some(at) = word_at_end(text) else { return Completions::default() };
        let names = match at.receiver {
            Some(receiver) => self.members(receiver),
            None => self.names(),
        };
        let word = &text[at.start..];
        let fits = names.into_iter().filter(|name| name.starts_with(word));
        let mut names: Vec<String> = fits.collect();
        names.sort_unstable();
        names.dedup();
        Completions { start: at.start, names }
    }

    /// All names that an input sees.
    fn names(&mut self) -> Vec<String> {
        let parsed = self.parse("<completion>", "undefined");
        let Ok(scene) = self.scene(&[]) else { return Vec::new() };
        let (resolved, _) = self.resolved(&scene, parsed.ast);
        let symbols = &resolved.program.symbols;
        let names = resolved.names.iter().map(|name| symbols.text(*name).to_owned());
        names.chain(WORDS.iter().map(|word| (*word).to_owned())).collect()
    }

    /// The members of the value of an expression; none where it cannot be computed.
    fn members(&mut self, receiver: &str) -> Vec<String> {
        let parsed = self.parse("<completion>", receiver);
        let Ok(scene) = self.scene(&parsed.imports) else { return Vec::new() };
        if parsed.syntax.iter().any(Diagnostic::is_error) {
            return Vec::new();
        }
        let (resolved, _) = self.resolved(&scene, parsed.ast);
        let Some(decl) = resolved.probes.last().copied().flatten() else { return Vec::new() };
        let Ok(Some(instance)) = self.instance(&resolved, decl) else { return Vec::new() };
        let mut host = self.workspace.host();
        host.limits.steps = STEPS_OF_COMPLETION;
        let evaluation = Evaluation { threads: 1, ..self.workspace.evaluation(&resolved, &host) };
        let viewer = resolved.program.module_of(decl);
        let (names, _) = evaluation
            .values(&[(decl, instance)], |machine, value| value.map(|value| machine.member_names(value, viewer)));
        names.into_iter().flatten().flatten().collect()
    }
}

/// Words that begin or make up expressions and declarations.
const WORDS: [&str; 16] = [
    "const",
    "enum",
    "export",
    "false",
    "from",
    "function",
    "import",
    "importFrom",
    "interface",
    "namespace",
    "return",
    "true",
    "type",
    "typeof",
    "undefined",
    "as",
];

/// The word at the end of a text, and what stands before the dot before it.
struct WordAtEnd<'t> {
    /// Where the word begins.
    start: usize,
    receiver: Option<&'t str>,
}

/// None where no name can stand: in a comment or a literal, behind a number or a bracket that closes.
fn word_at_end(text: &str) -> Option<WordAtEnd<'_>> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let start = text.len() - text.chars().rev().take_while(|c| part(*c)).map(char::len_utf8).sum::<usize>();
    if text[start..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // With a name at its end the text says whether that is one: in a comment or a literal it is not.
    let whole = format!("{}x", &text[..start]);
    let (tokens, _) = tokens(&whole);
    let (last, before) = tokens.split_last()?;
    if last.tok != Tok::Ident || last.start as usize != start {
        return None;
    }
    match before.split_last() {
        Some((dot, before)) if dot.tok == Tok::Dot => {
            let begin = operand_start(before)?;
            let end = before.last()?.end;
            Some(WordAtEnd { start, receiver: Some(&text[begin as usize..end as usize]) })
        }
        Some((previous, _)) if previous.tok.ends_operand() => None,
        _ => Some(WordAtEnd { start, receiver: None }),
    }
}

/// Where the operand begins that these tokens end with: `a.b(c)[d]` and what it consists of.
fn operand_start(tokens: &[Token]) -> Option<u32> {
    let mut at = tokens.len();
    loop {
        let token = tokens.get(at.checked_sub(1)?)?;
        at -= 1;
        if token.tok.closes() || token.tok == Tok::TemplateEnd {
            at = opener(tokens, at)?;
        } else if !token.tok.ends_operand() && !token.tok.is_word() {
            return None;
        }
        let begin = tokens[at].start;
        let Some(previous) = at.checked_sub(1).and_then(|at| tokens.get(at)) else { return Some(begin) };
        let bracket = matches!(tokens[at].tok, Tok::ParenOpen | Tok::SquareOpen);
        if previous.tok == Tok::Dot {
            at -= 1;
        } else if !(bracket && previous.tok.ends_operand()) {
            return Some(begin);
        }
    }
}

/// The token that opens what the token at `close` closes.
fn opener(tokens: &[Token], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        let tok = tokens[at].tok;
        if tok.closes() || tok == Tok::TemplateEnd {
            depth += 1;
        } else if tok.opens() || tok == Tok::TemplateStart {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::word_at_end;

    #[test]
    fn what_stands_before_the_word() {
        let at = |text: &str| word_at_end(text).map(|at| (at.start, at.receiver.map(str::to_owned)));
        let member = |start, receiver: &str| Some((start, Some(receiver.to_owned())));
        assert_eq!(at(""), Some((0, None)));
        assert_eq!(at("Con"), Some((0, None)));
        assert_eq!(at("f(Con"), Some((2, None)));
        assert_eq!(at("Context."), member(8, "Context"));
        assert_eq!(at("1 + a.b.le"), member(8, "a.b"));
        assert_eq!(at("f(a.b(c, [d])[0].le"), member(17, "a.b(c, [d])[0]"));
        assert_eq!(at("[1, 2].ma"), member(7, "[1, 2]"));
        assert_eq!(at("x => p`a/${b}`.na"), member(15, "p`a/${b}`"));
        assert_eq!(at("importFrom(\"A\").x"), member(16, "importFrom(\"A\")"));
        assert_eq!(at("`${a.b"), member(5, "a"));
        for nothing in ["12", "\"a b", "// a", "`a b", "a b", "/* a", ")."] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }
}
