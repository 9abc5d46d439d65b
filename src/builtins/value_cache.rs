//! The hidden namespace behind module `Sdk.ValueCache`: values that are computed once for each key.
//!
//! Every caller gets a copy, so that no one can tell by `===` who came first.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::diagnostics::Code;
use crate::eval::{Args, Eval, Machine, Maker, Map, NativeFn, Raised, Set, Value};
use crate::program::DeclId;

use super::support::function_arg;

/// `getOrAdd` and `getOrAddWithState`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("_PreludeAmbientHack_ValueCache.getOrAdd", get_or_add),
    ("_PreludeAmbientHack_ValueCache.getOrAddWithState", get_or_add_with_state),
];

/// How much stack one level of a nested value may need, and how much is added when that is not there.
const STACK_NEEDED: usize = 64 * 1024;
const STACK_ADDED: usize = 1024 * 1024;

fn get_or_add<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 1)?;
    cached(m, args, function, &[])
}

fn get_or_add_with_state<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 2)?;
    cached(m, args, function, &[args.get(1)])
}

fn cached<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, function: Value<'h>, arguments: &[Value<'h>]) -> Eval<'h> {
    let mut hasher = Sha256::new();
    hash(m, args, args.get(0), Part::Key, &mut hasher)?;
    let mut key = String::with_capacity(64);
    for byte in hasher.finalize() {
        let _ = write!(key, "{byte:02x}");
    }
    let key: Arc<str> = key.into();
    let Some((current, qualifier)) = m.current_value() else { return m.call(function, arguments, args.site) };
    let decl = home(m, function).unwrap_or(current);
    // Nearly always the module that wraps this native stands in between.
    let place = m.call_in_spec(args.site.location());
    let maker = maker(m, args, function, arguments)?;
    let value = m.cached(&key, decl, qualifier, place, maker, &mut |m| m.call(function, arguments, args.site))?;
    copy(m, args, value)
}

/// What the value would be made from here: the same for the same code with equal captures and state.
fn maker<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    function: Value<'h>,
    arguments: &[Value<'h>],
) -> Result<Maker, Raised> {
    let mut hasher = Sha256::new();
    for value in std::iter::once(&function).chain(arguments) {
        hash(m, args, *value, Part::Maker, &mut hasher)?;
    }
    Ok(Maker(hasher.finalize().into()))
}

/// What a hash is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A key is plain data.
    Key,
    /// Functions count by their code and captures, and what has no content by its kind.
    Maker,
}

/// The declaration that the function is written in: it does not depend on who calls.
fn home<'h>(m: &Machine<'_, 'h>, function: Value<'h>) -> Option<DeclId> {
    match function {
        Value::Function(decl, _) => Some(decl),
        Value::Closure(closure) => {
            let program = m.program();
            let decls = &program.specs[closure.code.spec.index()].decls;
            let start = closure.function.span.start;
            let before = decls.iter().filter(|decl| program.decls[decl.index()].name_span.start <= start);
            before.max_by_key(|decl| program.decls[decl.index()].name_span.start).or(decls.first()).copied()
        }
        _ => None,
    }
}

/// Adds what a key consists of, so that equal content gives equal keys and different content different ones.
fn hash<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    value: Value<'h>,
    part: Part,
    hasher: &mut Sha256,
) -> Result<(), Raised> {
    let mut add = |tag: &str, text: &str| {
        hasher.update(tag.as_bytes());
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    // Folders of cached values are named by their keys, which must not depend on where the workspace lies.
    let path = |path| m.show(path);
    let items: Vec<Value<'h>> = match value {
        Value::Undefined => {
            add("undefined", "");
            Vec::new()
        }
        Value::Unit => {
            add("unit", "");
            Vec::new()
        }
        Value::Bool(flag) => {
            add("boolean", if flag { "1" } else { "0" });
            Vec::new()
        }
        Value::Number(number) => {
            add("number", &number.to_string());
            Vec::new()
        }
        Value::String(text) => {
            add("string", text.text);
            Vec::new()
        }
        Value::Atom(atom) => {
            add("atom", m.symbols().text(atom));
            Vec::new()
        }
        Value::Enum(ty, number) => {
            let name = m.program().decl_name(m.program().enums[ty.index()].decl);
            add(&format!("enum{number}"), &name);
            Vec::new()
        }
        Value::Path(at) => {
            add("path", &path(at));
            Vec::new()
        }
        Value::Directory(at) => {
            add("directory", &path(at));
            Vec::new()
        }
        Value::File(file) => {
            add(&format!("file{}", file.rewrite), &path(file.path));
            Vec::new()
        }
        Value::Relative(relative) => {
            add("relative", &relative.atoms.len().to_string());
            relative.atoms.iter().map(|atom| Value::Atom(*atom)).collect()
        }
        Value::StaticDirectory(directory) => {
            add(&format!("sealed{:?}{}", directory.kind, directory.contents.len()), &path(directory.path));
            // Two seals of the same content are two directories.
            add("seal", &m.seal_name(directory.seal));
            directory.contents.iter().map(|file| Value::File(*file)).collect()
        }
        Value::Array(array) => {
            add("array", &array.items.len().to_string());
            array.items.to_vec()
        }
        Value::Object(object) => {
            add("object", &object.keys.len().to_string());
            for key in object.keys {
                add("key", m.symbols().text(*key));
            }
            object.values.to_vec()
        }
        Value::Set(set) => {
            add("set", &set.items().len().to_string());
            set.items().to_vec()
        }
        Value::Map(map) => {
            add("map", &map.len().to_string());
            map.entries().flat_map(|(key, value)| [key, value]).collect()
        }
        Value::Function(decl, _) if part == Part::Maker => {
            add("function", &decl.0.to_string());
            Vec::new()
        }
        Value::Closure(closure) if part == Part::Maker => {
            add("closure", &format!("{}:{}", closure.code.spec.0, closure.function.span.start));
            closure.captures.to_vec()
        }
        other if part == Part::Maker => {
            add("other", other.type_of());
            Vec::new()
        }
        other => return Err(unsupported(m, args, other, "key")),
    };
    for item in items {
        // Parts may be shared, so a small value can take endless work.
        m.count_step(args.site.location())?;
        stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || hash(m, args, item, part, hasher))?;
    }
    Ok(())
}

fn unsupported<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, found: Value<'h>, what: &str) -> Raised {
    let found = m.describe(found);
    let message = format!("the {what} of a cached value must be plain data, but it holds {found}");
    m.fail_at(args, 0, Code::Dx(9413), message)
}

/// A value that is equal part by part, with an identity of its own.
fn copy<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, value: Value<'h>) -> Eval<'h> {
    stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || match value {
        Value::Array(array) => {
            let items = copies(m, args, array.items)?;
            Ok(m.array(&items))
        }
        Value::Object(object) => {
            let values = copies(m, args, object.values)?;
            let entries: Vec<_> = object.keys.iter().copied().zip(values).collect();
            Ok(m.object(&entries))
        }
        Value::Set(set) => {
            let items = copies(m, args, set.items())?;
            Ok(Value::Set(m.heap().alloc(Set::new(m.heap(), &items))))
        }
        Value::Map(map) => {
            let mut entries = Vec::with_capacity(map.len());
            for (key, value) in map.entries() {
                entries.push((copy(m, args, key)?, copy(m, args, value)?));
            }
            Ok(Value::Map(m.heap().alloc(Map::new(m.heap(), &entries, map.ignore_case))))
        }
        Value::Closure(_) | Value::Function(..) | Value::Native(_) | Value::Method(_) => {
            Err(unsupported(m, args, value, "value"))
        }
        plain => Ok(plain),
    })
}

fn copies<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, values: &[Value<'h>]) -> Result<Vec<Value<'h>>, Raised> {
    let mut copied = Vec::with_capacity(values.len());
    for value in values {
        m.count_step(args.site.location())?;
        copied.push(copy(m, args, *value)?);
    }
    Ok(copied)
}
