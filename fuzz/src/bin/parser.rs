//! Never panics; labels lie in the text; what parses cleanly survives printing.

use dscript::source::FileId;
use dscript::syntax::{ast_equal, parse, print, to_json};

fn main() {
    dscript_fuzz::run("parser", |text| {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let (ast, diagnostics) = parse(FileId(0), text.into());
        to_json(&ast);
        let printed = print(&ast);
        for diagnostic in &diagnostics {
            for label in &diagnostic.labels {
                let span = label.location.span;
                if text.get(span.start as usize..span.end as usize).is_none() {
                    return Err(format!("the label {span:?} of `{}` does not fit the text", diagnostic.message));
                }
            }
        }
        if diagnostics.is_empty() {
            let (again, found) = parse(FileId(0), printed.as_str().into());
            if let Some(first) = found.first() {
                return Err(format!("printed text does not parse: {}\n{printed}", first.message));
            }
            if !ast_equal(&ast, &again) {
                return Err(format!("printed text has another tree\n{printed}"));
            }
        }
        Ok(())
    });
}
