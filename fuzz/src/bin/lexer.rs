//! Tokens and comments lie in order, do not overlap, and begin and end at characters.

use dscript::syntax::tokens;

fn main() {
    dscript_fuzz::run("lexer", |text| {
        let (tokens, comments) = tokens(text);
        let mut spans: Vec<(u32, u32)> = tokens.iter().map(|token| (token.start, token.end)).collect();
        spans.extend(comments.iter().map(|comment| (comment.span.start, comment.span.end)));
        spans.sort_unstable();
        let mut last = 0;
        for (start, end) in spans {
            if start < last || end < start {
                return Err(format!("{start}..{end} begins before {last}"));
            }
            if text.get(start as usize..end as usize).is_none() {
                return Err(format!("{start}..{end} cuts a character or leaves the text"));
            }
            last = end;
        }
        Ok(())
    });
}
