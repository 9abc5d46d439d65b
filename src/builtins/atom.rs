//! Path atoms: single names of files and folders.

use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, Value};
use crate::source::Symbol;

use super::support::{self, atom_arg, atom_from, atom_of, change_extension, extension, extension_arg, optional_bool};

/// Functions of the namespace `PathAtom`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("PathAtom.create", create),
    ("PathAtom.createSanitized", create_sanitized),
    ("PathAtom.interpolate", interpolate),
];

/// Members of path atoms.
pub(super) const MEMBERS: &[Member] = &[
    Member::property("extension", extension_of),
    Member::property("hasExtension", has_extension),
    Member::method("changeExtension", 1, 1, with_extension),
    Member::method("concat", 1, 1, concat),
    Member::method("equals", 1, 2, equals),
    Member::method("toString", 0, 0, support::to_string),
];

fn this<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>) -> &'h str {
    match args.this {
        Value::Atom(atom) => m.symbols().text(atom),
        _ => "",
    }
}

/// Characters that some system does not allow in names, control characters among them.
fn sanitized(name: &str) -> String {
    let illegal = |c: char| c.is_control() || matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*');
    name.chars().map(|c| if illegal(c) { '_' } else { c }).collect()
}

fn create<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    atom_of(m, args, 0, text).map(Value::Atom)
}

fn create_sanitized<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = sanitized(m.string_arg(args, 0)?);
    atom_of(m, args, 0, &text).map(Value::Atom)
}

fn interpolate<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut name = String::new();
    for (index, value) in args.values.iter().enumerate() {
        let atom = atom_from(m, args, index, *value)?;
        name.push_str(m.symbols().text(atom));
    }
    atom_of(m, args, 0, &name).map(Value::Atom)
}

/// The extension of a name as a value: an atom, or undefined.
pub(super) fn extension_value<'h>(m: &Machine<'_, 'h>, name: &str) -> Value<'h> {
    extension(name).map_or(Value::Undefined, |extension| Value::Atom(m.symbols().intern(extension)))
}

fn extension_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(extension_value(m, this(m, args)))
}

fn has_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(extension(this(m, args)).is_some()))
}

/// The symbol of a name with another extension; what remains may be no atom.
pub(super) fn changed<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    name: &str,
) -> Result<Symbol, Raised> {
    let new = extension_arg(m, args, index)?;
    let name = change_extension(name, new);
    atom_of(m, args, index, &name)
}

fn with_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let name = this(m, args);
    changed(m, args, 0, name).map(Value::Atom)
}

fn concat<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let more = atom_arg(m, args, 0)?;
    let name = format!("{}{}", this(m, args), m.symbols().text(more));
    atom_of(m, args, 0, &name).map(Value::Atom)
}

fn equals<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let other = atom_arg(m, args, 0)?;
    let ignore_case = optional_bool(m, args, 1)?;
    Ok(Value::Bool(same_name(this(m, args), m.symbols().text(other), ignore_case)))
}

/// Whether two names are the same, if need be without regard to the case of letters.
pub(super) fn same_name(left: &str, right: &str, ignore_case: bool) -> bool {
    left == right || (ignore_case && left.to_lowercase() == right.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sanitized_alike_everywhere() {
        assert_eq!(sanitized(r#"a/b\c:d*e?"f"<g>|h"#), "a_b_c_d_e__f__g__h");
        assert_eq!(sanitized("plain.txt"), "plain.txt");
    }
}
