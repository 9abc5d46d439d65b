//! Relative paths. Most members of the empty one are undefined.

use crate::eval::{Args, Eval, Machine, Member, NativeFn, Value};
use crate::paths::RelativePath;
use crate::source::Symbol;

use super::atom::{changed, extension_value, same_name};
use super::support::{
    self, atom_arg, atom_from, extension, optional_bool, push_fragment, relative_error, without_extension,
};

/// Functions of the namespace `RelativePath`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("RelativePath.create", create),
    ("RelativePath.fromPathAtoms", from_path_atoms),
    ("RelativePath.interpolate", combine_all),
];

/// Members of relative paths.
pub(super) const MEMBERS: &[Member] = &[
    Member::property("extension", extension_of),
    Member::property("hasExtension", has_extension),
    Member::property("parent", parent),
    Member::property("hasParent", has_parent),
    Member::property("name", name),
    Member::property("nameWithoutExtension", name_without_extension),
    Member::method("changeExtension", 1, 1, change_extension),
    Member::method("combine", 1, 1, combine_all),
    Member::variadic("combinePaths", 0, combine_all),
    Member::method("concat", 1, 1, concat),
    Member::method("equals", 1, 2, equals),
    Member::method("toPathAtoms", 0, 0, to_path_atoms),
    Member::method("toProperString", 0, 0, proper_string),
    Member::method("toString", 0, 0, support::to_string),
];

/// The atoms of the receiver; none when there is no receiver.
/// The path as the host writes it, without the marks of a literal.
fn proper_string<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::Relative(relative) = args.this else { return support::to_string(m, args) };
    Ok(m.string(&RelativePath::from_atoms(relative.atoms.to_vec()).native(m.paths())))
}

fn this<'h>(args: &Args<'_, 'h>) -> &'h [Symbol] {
    match args.this {
        Value::Relative(relative) => relative.atoms,
        _ => &[],
    }
}

fn last<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>) -> Option<&'h str> {
    this(args).last().map(|atom| m.symbols().text(*atom))
}

fn create<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    match m.paths().check_names(text).and_then(|()| RelativePath::parse(text, m.symbols())) {
        Ok(relative) => Ok(m.relative(relative.atoms())),
        Err(error) => Err(relative_error(m, args, 0, &error)),
    }
}

fn from_path_atoms<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut atoms = Vec::with_capacity(args.len());
    for (index, value) in args.values.iter().enumerate() {
        atoms.push(atom_from(m, args, index, *value)?);
    }
    Ok(m.relative(&atoms))
}

/// The receiver, if there is one, followed by all arguments.
fn combine_all<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut atoms = this(args).to_vec();
    for (index, value) in args.values.iter().enumerate() {
        push_fragment(m, args, index, *value, &mut atoms)?;
    }
    Ok(m.relative(&atoms))
}

fn extension_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(last(m, args).map_or(Value::Undefined, |name| extension_value(m, name)))
}

fn has_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(last(m, args).map_or(Value::Undefined, |name| Value::Bool(extension(name).is_some())))
}

fn parent<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(this(args).split_last().map_or(Value::Undefined, |(_, rest)| m.relative(rest)))
}

fn has_parent<'h>(_: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(!this(args).is_empty()))
}

fn name<'h>(_: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(this(args).last().map_or(Value::Undefined, |atom| Value::Atom(*atom)))
}

fn name_without_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let stem = last(m, args).map(|name| m.symbols().intern(without_extension(name)));
    Ok(stem.map_or(Value::Undefined, Value::Atom))
}

/// The receiver with another last atom.
fn with_last<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>, name: Symbol) -> Value<'h> {
    let mut atoms = this(args).to_vec();
    atoms.pop();
    atoms.push(name);
    m.relative(&atoms)
}

fn change_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Some(name) = last(m, args) else { return Ok(Value::Undefined) };
    let name = changed(m, args, 0, name)?;
    Ok(with_last(m, args, name))
}

fn concat<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Some(name) = last(m, args) else { return Ok(Value::Undefined) };
    let more = atom_arg(m, args, 0)?;
    let name = m.symbols().intern(&format!("{name}{}", m.symbols().text(more)));
    Ok(with_last(m, args, name))
}

fn equals<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut other = Vec::new();
    push_fragment(m, args, 0, args.get(0), &mut other)?;
    let ignore_case = optional_bool(m, args, 1)?;
    let symbols = m.symbols();
    let same = this(args).len() == other.len()
        && this(args).iter().zip(&other).all(|(a, b)| same_name(symbols.text(*a), symbols.text(*b), ignore_case));
    Ok(Value::Bool(same))
}

fn to_path_atoms<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let atoms: Vec<_> = this(args).iter().map(|atom| Value::Atom(*atom)).collect();
    Ok(m.array(&atoms))
}
