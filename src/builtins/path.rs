//! Absolute paths, and what all path-like values can be asked.

use crate::diagnostics::Code;
use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, Value};
use crate::paths::PathId;
use crate::source::Symbol;

use super::atom::{changed, extension_value};
use super::support::{self, atom_arg, extension, extension_arg, push_fragment, without_extension};

/// Functions of the namespace `Path`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("Path.interpolate", interpolate), ("Path.createFromAbsolutePathString", create_from_absolute)];

/// Members of paths, files, directories and sealed directories.
pub(super) const COMMON_MEMBERS: &[Member] = &[
    Member::property("extension", extension_of),
    Member::property("hasExtension", has_extension),
    Member::property("parent", parent),
    Member::property("hasParent", has_parent),
    Member::property("name", name),
    Member::property("nameWithoutExtension", name_without_extension),
    Member::method("isWithin", 1, 1, is_within),
    Member::method("getRelative", 1, 1, get_relative),
    Member::property("path", path),
    Member::property("pathRoot", path_root),
    Member::method("toDiagnosticString", 0, 0, to_diagnostic_string),
    Member::method("toString", 0, 0, support::to_string),
];

/// Members of paths only.
pub(super) const MEMBERS: &[Member] = &[
    Member::method("changeExtension", 1, 1, change_extension),
    Member::method("combine", 1, 1, combine_all),
    Member::variadic("combinePaths", 0, combine_all),
    Member::method("concat", 1, 1, concat),
    Member::method("extend", 1, 1, concat),
    Member::method("relocate", 2, 3, relocate),
];

/// Members of directories only.
pub(super) const DIRECTORY_MEMBERS: &[Member] =
    &[Member::method("combine", 1, 1, combine_all), Member::variadic("combinePaths", 0, combine_all)];

/// The path of the receiver.
pub(super) fn this(args: &Args<'_, '_>) -> PathId {
    args.this.as_path().unwrap_or(PathId::ROOT)
}

/// The name of the receiver; none for a root.
fn last<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>) -> Option<&'h str> {
    m.paths().name(this(args)).map(|name| m.symbols().text(name))
}

fn extension_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(last(m, args).map_or(Value::Undefined, |name| extension_value(m, name)))
}

fn has_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(last(m, args).and_then(extension).is_some()))
}

fn parent<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.paths().parent(this(args)).map_or(Value::Undefined, Value::Path))
}

fn has_parent<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(m.paths().parent(this(args)).is_some()))
}

fn name<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.paths().name(this(args)).map_or(Value::Undefined, Value::Atom))
}

fn name_without_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let stem = last(m, args).map(|name| m.symbols().intern(without_extension(name)));
    Ok(stem.map_or(Value::Undefined, Value::Atom))
}

fn is_within<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let container = container_arg(m, args, 0)?;
    Ok(Value::Bool(m.paths().is_within(this(args), container)))
}

/// The way from the receiver down to the argument; undefined when that does not lie below the receiver.
fn get_relative<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let target = m.path_arg(args, 0)?;
    let relative = m.paths().relative_to(target, this(args));
    Ok(relative.map_or(Value::Undefined, |relative| m.relative(relative.atoms())))
}

fn path<'h>(_: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Path(this(args)))
}

fn path_root<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Path(m.paths().root_of(this(args))))
}

fn to_diagnostic_string<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.string(&m.paths().native(this(args))))
}

/// A path, directory or sealed directory: what can contain others.
fn container_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<PathId, Raised> {
    match args.get(index) {
        Value::File(_) => Err(m.wrong_type(args, index, "a path or directory")),
        _ => m.path_arg(args, index),
    }
}

/// The receiver with another last atom; none for the root, which has no name to change.
fn with_name<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>, name: Symbol) -> Value<'h> {
    let parent = m.paths().parent(this(args)).unwrap_or(PathId::ROOT);
    Value::Path(m.paths().child(parent, name))
}

fn nameless<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Raised {
    m.fail_at_call(args, Code::Dx(9406), format!("`{}` needs a path with a name, but this is the root", args.name))
}

fn change_extension<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Some(name) = last(m, args) else { return Err(nameless(m, args)) };
    let name = changed(m, args, 0, name)?;
    Ok(with_name(m, args, name))
}

fn concat<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Some(name) = last(m, args) else { return Err(nameless(m, args)) };
    let more = atom_arg(m, args, 0)?;
    let name = m.symbols().intern(&format!("{name}{}", m.symbols().text(more)));
    Ok(with_name(m, args, name))
}

/// Follows the arguments from `index` on, each a fragment. A text may climb: `combine("../x")`.
fn followed<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, base: PathId, from: usize) -> Result<PathId, Raised> {
    let mut at = base;
    let mut atoms = Vec::new();
    for (index, value) in args.values.iter().enumerate().skip(from) {
        at = step(m, args, index, *value, at, &mut atoms)?;
    }
    Ok(at)
}

/// Follows one fragment that was given at argument `index`.
fn step<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    value: Value<'h>,
    at: PathId,
    atoms: &mut Vec<Symbol>,
) -> Result<PathId, Raised> {
    if let Value::Atom(atom) = value {
        return Ok(m.paths().child(at, atom));
    }
    atoms.clear();
    push_fragment(m, args, index, value, atoms)?;
    Ok(atoms.iter().fold(at, |at, atom| m.paths().child(at, *atom)))
}

/// The path of one fragment below `base`; a path stands for itself.
pub(super) fn resolved<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    value: Value<'h>,
    base: PathId,
) -> Result<PathId, Raised> {
    match value {
        Value::Path(path) => Ok(path),
        _ => step(m, args, index, value, base, &mut Vec::new()),
    }
}

fn combine_all<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    followed(m, args, this(args), 0).map(Value::Path)
}

fn interpolate<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let root = match args.get(0) {
        Value::String(text) => absolute(m, args, text.text)?,
        _ => m.path_arg(args, 0)?,
    };
    followed(m, args, root, 1).map(Value::Path)
}

fn absolute<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, text: &str) -> Result<PathId, Raised> {
    let parsed = m.paths().check_names(text).and_then(|()| m.paths().parse_absolute(text));
    // Whatever is wrong with the text, it is the whole path that is not valid.
    parsed.map_err(|error| m.fail_at(args, 0, Code::Dx(9406), error.to_string()))
}

fn create_from_absolute<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    absolute(m, args, text).map(Value::Path)
}

fn relocate<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let source = container_arg(m, args, 0)?;
    let target = container_arg(m, args, 1)?;
    let paths = m.paths();
    let Some(relative) = paths.relative_to(this(args), source) else {
        let message = format!(
            "`{}` cannot be relocated: it does not lie in `{}`",
            paths.display(this(args)),
            paths.display(source)
        );
        return Err(m.fail_at(args, 0, Code::Dx(9406), message));
    };
    let moved = paths.join(target, &relative);
    if args.get(2).is_undefined() {
        return Ok(Value::Path(moved));
    }
    let extension = extension_arg(m, args, 2)?;
    let Some(parent) = paths.parent(moved) else { return Err(nameless(m, args)) };
    let name = paths.name(moved).map_or("", |name| m.symbols().text(name));
    let name = support::atom_of(m, args, 2, &support::change_extension(name, extension))?;
    Ok(Value::Path(paths.child(parent, name)))
}
