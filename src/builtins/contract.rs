//! The namespace `Contract`.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, NativeFn, Value};

use super::support::{bool_arg, optional_string};

/// Functions of the namespace `Contract`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("Contract.requires", requires),
    ("Contract.precondition", requires),
    ("Contract.assert", assert),
    ("Contract.fail", fail),
    ("Contract.warn", warn),
];

/// How much of the text of a failing condition is quoted, in characters.
const QUOTED: usize = 200;

fn requires<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    check(m, args, Code::Dx(7503), "requirement")
}

fn assert<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    check(m, args, Code::Dx(7504), "assertion")
}

fn check<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, code: Code, what: &str) -> Eval<'h> {
    let holds = bool_arg(m, args, 0)?;
    let message = optional_string(m, args, 1)?;
    if holds {
        return Ok(Value::Undefined);
    }
    let place = args.site.argument(0);
    let condition = quoted(m.source_text(place));
    let message = match message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{what} `{condition}` does not hold: {message}"),
        None => format!("{what} `{condition}` does not hold"),
    };
    Err(m.fail(Diagnostic::error(code, message).at(place, "")))
}

/// The text on one line.
fn quoted(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn fail<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let message = match m.string_arg(args, 0)? {
        "" => "`Contract.fail` was called",
        message => message,
    };
    Err(m.fail_at_call(args, Code::Dx(7501), message))
}

fn warn<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut message =
        if args.get(0).is_undefined() { String::new() } else { m.text_of(args.get(0), args.site.location())? };
    if message.is_empty() {
        message.push_str("`Contract.warn` was called");
    }
    m.report(Diagnostic::warning(Code::Dx(7502), message).at(args.site.location(), ""));
    Ok(Value::Undefined)
}
