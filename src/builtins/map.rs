//! Maps.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::Map;
use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, Value};

use super::support::{self, count, function_arg};

/// Functions of the namespace `Map`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("Map.empty", empty), ("Map.emptyCaseInsensitive", empty_case_insensitive)];

/// Members of maps.
pub(super) const MEMBERS: &[Member] = &[
    Member::method("add", 2, 2, add),
    Member::variadic("addRange", 0, add_range),
    Member::method("containsKey", 1, 1, contains_key),
    Member::method("get", 1, 1, get),
    Member::method("remove", 1, 1, remove_range),
    Member::variadic("removeRange", 0, remove_range),
    Member::method("toArray", 0, 0, to_array),
    Member::method("forEach", 1, 1, for_each),
    Member::method("keys", 0, 0, keys),
    Member::method("values", 0, 0, values),
    Member::method("count", 0, 0, count_entries),
    Member::method("toString", 0, 0, support::to_string),
];

type Entry<'h> = (Value<'h>, Value<'h>);

fn made<'h>(m: &Machine<'_, 'h>, entries: &[Entry<'h>], ignore_case: bool) -> Value<'h> {
    Value::Map(m.heap().alloc(Map::new(m.heap(), entries, ignore_case)))
}

/// The entries of the receiver, and whether it ignores the case of letters.
fn this<'h>(args: &Args<'_, 'h>) -> (Vec<Entry<'h>>, bool) {
    match args.this {
        Value::Map(map) => (map.entries().collect(), map.ignore_case),
        _ => (Vec::new(), false),
    }
}

fn key_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<Value<'h>, Raised> {
    match args.get(index) {
        Value::Undefined => Err(undefined_key(m, args, index)),
        key => Ok(key),
    }
}

fn undefined_key<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Raised {
    m.fail_at(args, index, Code::Dx(9358), format!("the key given to `{}` is undefined", args.name))
}

fn empty<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(made(m, &[], false))
}

fn empty_case_insensitive<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(made(m, &[], true))
}

fn add<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let key = key_arg(m, args, 0)?;
    let (mut entries, ignore_case) = this(args);
    entries.push((key, args.get(1)));
    Ok(made(m, &entries, ignore_case))
}

fn add_range<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (mut entries, ignore_case) = this(args);
    for index in 0..args.len() {
        match m.array_arg(args, index)? {
            [Value::Undefined, _] => return Err(undefined_key(m, args, index)),
            [key, value] => entries.push((*key, *value)),
            other => {
                let count = other.len();
                let items = if count == 1 { "item" } else { "items" };
                let message = format!("`{}` takes pairs `[key, value]`, but got {count} {items}", args.name);
                return Err(m.fail(Diagnostic::error(Code::Dx(9359), message).at(args.site.argument(index), "")));
            }
        }
    }
    Ok(made(m, &entries, ignore_case))
}

fn contains_key<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let key = key_arg(m, args, 0)?;
    Ok(Value::Bool(matches!(args.this, Value::Map(map) if map.get(key).is_some())))
}

fn get<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let key = key_arg(m, args, 0)?;
    match args.this {
        Value::Map(map) => Ok(map.get(key).unwrap_or(Value::Undefined)),
        _ => Ok(Value::Undefined),
    }
}

fn remove_range<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (entries, ignore_case) = this(args);
    let mut removed = Vec::with_capacity(args.len());
    for index in 0..args.len() {
        removed.push((key_arg(m, args, index)?, Value::Unit));
    }
    let removed = Map::new(m.heap(), &removed, ignore_case);
    let kept: Vec<_> = entries.iter().filter(|(key, _)| removed.get(*key).is_none()).copied().collect();
    if kept.len() == entries.len() { Ok(args.this) } else { Ok(made(m, &kept, ignore_case)) }
}

fn to_array<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let pairs: Vec<_> = this(args).0.iter().map(|(key, value)| m.array(&[*key, *value])).collect();
    Ok(m.array(&pairs))
}

fn for_each<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let entries = this(args).0;
    let mut results = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let pair = m.array(&[key, value]);
        results.push(m.call(function, &[pair], args.site)?);
    }
    Ok(m.array(&results))
}

fn keys<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let keys: Vec<_> = this(args).0.iter().map(|(key, _)| *key).collect();
    Ok(m.array(&keys))
}

fn values<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let values: Vec<_> = this(args).0.iter().map(|(_, value)| *value).collect();
    Ok(m.array(&values))
}

fn count_entries<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    match args.this {
        Value::Map(map) => count(m, args, map.len()),
        _ => Ok(Value::Number(0)),
    }
}
