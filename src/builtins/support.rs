//! What many natives share: arguments of several types, and the errors that recur.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Raised, Value};
use crate::paths::{RelativeError, RelativePath};
use crate::source::Symbol;

/// `toString()` of every value.
pub(super) fn to_string<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.text_of(args.this, args.site.location())?;
    Ok(m.string(&text))
}

/// A boolean argument; DX9325 when it is something else.
pub(super) fn bool_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<bool, Raised> {
    match args.get(index) {
        Value::Bool(flag) => Ok(flag),
        _ => Err(m.wrong_type(args, index, "a boolean")),
    }
}

/// A string argument that may be left out.
pub(super) fn optional_string<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
) -> Result<Option<&'h str>, Raised> {
    if args.get(index).is_undefined() { Ok(None) } else { m.string_arg(args, index).map(Some) }
}

/// A number argument that may be left out.
pub(super) fn optional_number<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
) -> Result<Option<i32>, Raised> {
    if args.get(index).is_undefined() { Ok(None) } else { m.number_arg(args, index).map(Some) }
}

/// A boolean argument that may be left out; then it is false.
pub(super) fn optional_bool<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<bool, Raised> {
    if args.get(index).is_undefined() { Ok(false) } else { bool_arg(m, args, index) }
}

/// A function argument of any kind; DX9325 when it is something else, also where it would never be called.
pub(super) fn function_arg<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
) -> Result<Value<'h>, Raised> {
    match args.get(index) {
        function @ (Value::Closure(_) | Value::Function(..) | Value::Native(_) | Value::Method(_)) => Ok(function),
        _ => Err(m.wrong_type(args, index, "a function")),
    }
}

/// Stops because one item of an array (or of rest arguments) has the wrong type (DX9325).
pub(super) fn wrong_item<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    item: usize,
    found: Value<'h>,
    expected: &str,
) -> Raised {
    let found = m.describe(found);
    let nth = index + 1;
    let message = format!("item {item} of argument {nth} of `{}` must be {expected}, but it is {found}", args.name);
    m.fail_at(args, index, Code::Dx(9325), message)
}

/// Stops because what a callback gave has the wrong type (DX9325).
pub(super) fn wrong_result<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    found: Value<'h>,
    expected: &str,
) -> Raised {
    let found = m.describe(found);
    let message = format!("the function given to `{}` must return {expected}, but it returned {found}", args.name);
    m.fail_at(args, index, Code::Dx(9325), message)
}

/// Stops because a result does not fit 32 bits (DX9372).
pub(super) fn overflow<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Raised {
    let message = format!("the result of `{}` does not fit a 32-bit number", args.name);
    m.fail_at_call(args, Code::Dx(9372), message)
}

/// A number of items or characters as a value.
pub(super) fn count<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, count: usize) -> Eval<'h> {
    i32::try_from(count).map(Value::Number).map_err(|_| overflow(m, args))
}

/// The symbol of a text that must be an atom; DX9354 when it is none.
pub(super) fn atom_of<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    text: &str,
) -> Result<Symbol, Raised> {
    match RelativePath::check_atom(text).and_then(|()| m.paths().check_names(text)) {
        Ok(()) => Ok(m.symbols().intern(text)),
        Err(error) => Err(invalid_atom(m, args, index, text, &error)),
    }
}

fn invalid_atom<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    text: &str,
    error: &RelativeError,
) -> Raised {
    if let RelativeError::TooLong { .. } | RelativeError::NotOnWindows { .. } = error {
        return m.fail_at(args, index, Code::Dx(9354), error.to_string());
    }
    let shown = text.escape_debug();
    let diagnostic = Diagnostic::error(Code::Dx(9354), format!("`{shown}` is not a path atom"));
    let diagnostic = match error {
        RelativeError::IllegalCharacter { shown, .. } if shown != "not a name" => {
            diagnostic.at(args.site.argument(index), format!("`{shown}` cannot stand in a path atom"))
        }
        _ => diagnostic.at(args.site.argument(index), ""),
    };
    m.fail(diagnostic.help("a path atom is one file or folder name, without separators"))
}

/// An argument that is an atom or a string that can be one.
pub(super) fn atom_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<Symbol, Raised> {
    atom_from(m, args, index, args.get(index))
}

/// A value, given at an argument, that is an atom or a string that can be one.
pub(super) fn atom_from<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    value: Value<'h>,
) -> Result<Symbol, Raised> {
    match value {
        Value::Atom(atom) => Ok(atom),
        Value::String(text) => atom_of(m, args, index, text.text),
        _ => Err(expected_fragment(m, args, index, value, "a PathAtom or a string")),
    }
}

/// Appends the atoms of a fragment: an atom, a relative path, or a string that is one of them.
pub(super) fn push_fragment<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    value: Value<'h>,
    atoms: &mut Vec<Symbol>,
) -> Result<(), Raised> {
    match value {
        Value::Atom(atom) => atoms.push(atom),
        Value::Relative(relative) => atoms.extend_from_slice(relative.atoms),
        Value::String(text) => {
            match m.paths().check_names(text.text).and_then(|()| RelativePath::parse(text.text, m.symbols())) {
                Ok(relative) => atoms.extend_from_slice(relative.atoms()),
                Err(error) => return Err(relative_error(m, args, index, &error)),
            }
        }
        _ => return Err(expected_fragment(m, args, index, value, "a PathAtom, a RelativePath or a string")),
    }
    Ok(())
}

fn expected_fragment<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    value: Value<'h>,
    expected: &str,
) -> Raised {
    if args.get(index).same(value) {
        m.wrong_type(args, index, expected)
    } else {
        let found = m.describe(value);
        m.fail_at(args, index, Code::Dx(9325), format!("`{}` takes {expected}, but got {found}", args.name))
    }
}

/// Stops because a text is not the path it should be: DX9354 for what no path can hold, DX9406 for the rest.
pub(super) fn relative_error<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    error: &RelativeError,
) -> Raised {
    let code = match error {
        RelativeError::IllegalCharacter { .. } | RelativeError::NotOnWindows { .. } => Code::Dx(9354),
        _ => Code::Dx(9406),
    };
    m.fail_at(args, index, code, error.to_string())
}

/// The extension of a name with its dot; none where there is no dot.
pub(super) fn extension(name: &str) -> Option<&str> {
    name.rfind('.').map(|dot| &name[dot..])
}

/// The name without its extension. A name that begins with its only dot stays as it is.
pub(super) fn without_extension(name: &str) -> &str {
    match name.rfind('.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    }
}

/// The extension that `changeExtension` and `relocate` put in: an atom or a string, where the empty string means that
/// the extension is taken away (`None`).
pub(super) fn extension_arg<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
) -> Result<Option<&'h str>, Raised> {
    if args.get(index).as_str() == Some("") {
        return Ok(None);
    }
    let atom = atom_arg(m, args, index)?;
    Ok(Some(m.symbols().text(atom)))
}

/// The name with another extension, or with none.
pub(super) fn change_extension(name: &str, new: Option<&str>) -> String {
    match new {
        None => without_extension(name).to_owned(),
        Some(new) => {
            let stem = name.rfind('.').map_or(name, |dot| &name[..dot]);
            format!("{stem}{new}")
        }
    }
}
