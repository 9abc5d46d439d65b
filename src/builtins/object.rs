//! Objects, and how values merge.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::eval::{Args, Eval, Machine, Member, MergeRule, NativeFn, Object, Raised, Site, Value};
use crate::source::Symbol;

use super::support::{self, function_arg};

/// Functions of the namespace `Object`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("Object.merge", static_merge)];

/// Members of objects.
pub(super) const MEMBERS: &[Member] = &[
    Member::method("override", 1, 1, override_with),
    Member::method("overrideKey", 2, 2, override_key),
    Member::method("merge", 1, 1, merge_with),
    Member::method("keys", 0, 0, keys),
    Member::method("get", 1, 1, get),
    Member::method("withCustomMerge", 1, 1, with_custom_merge),
    Member::method("toString", 0, 0, support::to_string),
];

/// The field that holds the function an object merges with.
const CUSTOM_MERGE: &str = "customMerge";

/// How much stack one level of a deep merge may need, and how much is added when that is not there.
const STACK_NEEDED: usize = 64 * 1024;
const STACK_ADDED: usize = 1024 * 1024;

fn override_with<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::Object(left) = args.this else { return Ok(args.get(0)) };
    combine(m, left, args.get(0), &mut |_, _, right| Ok(right))
}

fn override_key<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::Object(left) = args.this else { return Ok(args.this) };
    let key = m.string_arg(args, 0)?;
    let key = m.symbols().intern(key);
    let right = m.object(&[(key, args.get(1))]);
    combine(m, left, right, &mut |_, _, right| Ok(right))
}

fn merge_with<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    merge(m, args.this, args.get(0), args.site)
}

fn keys<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::Object(object) = args.this else { return Ok(m.array(&[])) };
    let names: Vec<_> = object.keys.iter().map(|key| m.string(m.symbols().text(*key))).collect();
    Ok(m.array(&names))
}

fn get<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let key = m.string_arg(args, 0)?;
    let Value::Object(object) = args.this else { return Ok(Value::Undefined) };
    Ok(m.symbols().lookup(key).and_then(|key| object.get(key)).unwrap_or(Value::Undefined))
}

fn with_custom_merge<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let Value::Object(left) = args.this else { return Ok(args.this) };
    let right = m.object_of(&[(CUSTOM_MERGE, function)]);
    combine(m, left, right, &mut |_, _, right| Ok(right))
}

fn static_merge<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut result = None;
    for (index, value) in args.values.iter().enumerate() {
        match value {
            Value::Undefined => {}
            Value::Object(_) | Value::Array(_) => {
                result = Some(match result {
                    None => *value,
                    Some(left) => merge(m, left, *value, args.site)?,
                });
            }
            _ => return Err(m.wrong_type(args, index, "an object")),
        }
    }
    Ok(result.unwrap_or(Value::Undefined))
}

/// Merges two values. A rule of the left side wins over one of the right side. Without rules, objects merge key by
/// key, arrays append, and of everything else the right side is taken.
///
/// # Errors
/// When a custom rule fails.
pub(super) fn merge<'h>(m: &mut Machine<'_, 'h>, left: Value<'h>, right: Value<'h>, site: Site<'h>) -> Eval<'h> {
    stacker::maybe_grow(STACK_NEEDED, STACK_ADDED, || {
        if !matches!(left, Value::Object(_) | Value::Array(_)) {
            return Ok(right);
        }
        // Parts may be shared, so a small value can take endless work.
        m.count_step(site.location())?;
        match rule_of(m, left).or_else(|| rule_of(m, right)) {
            Some(MergeRule::Replace) => Ok(right),
            Some(MergeRule::Custom(function)) => m.call(function, &[left, right], site),
            Some(MergeRule::Prepend) => match right.as_array() {
                Some(_) => append(m, right, left, site),
                None => Ok(right),
            },
            Some(MergeRule::Append) => append(m, left, right, site),
            None => match left {
                Value::Object(object) => combine(m, object, right, &mut |m, left, right| merge(m, left, right, site)),
                _ => append(m, left, right, site),
            },
        }
    })
}

/// The rule that a value brings along.
fn rule_of<'h>(m: &Machine<'_, 'h>, value: Value<'h>) -> Option<MergeRule<'h>> {
    match value {
        Value::Array(array) => array.merge.copied(),
        Value::Object(object) => object.merge.copied().or_else(|| {
            let custom = m.symbols().lookup(CUSTOM_MERGE).and_then(|key| object.get(key));
            custom.filter(|function| !function.is_undefined()).map(MergeRule::Custom)
        }),
        _ => None,
    }
}

/// The items of both arrays; the right value when one of them is no array.
fn append<'h>(m: &mut Machine<'_, 'h>, left: Value<'h>, right: Value<'h>, site: Site<'h>) -> Eval<'h> {
    match (left.as_array(), right.as_array()) {
        (Some(a), Some(b)) => {
            m.room_for_items(a.len() + b.len(), site.location())?;
            let items: Vec<_> = a.iter().chain(b).copied().collect();
            Ok(m.array(&items))
        }
        _ => Ok(right),
    }
}

/// Lays the keys of the right object over those of the left one. Where both have a key, `join` decides. An undefined
/// right side changes nothing; one that is no object is the result itself.
fn combine<'s, 'h>(
    m: &mut Machine<'s, 'h>,
    left: &'h Object<'h>,
    right: Value<'h>,
    join: &mut dyn FnMut(&mut Machine<'s, 'h>, Value<'h>, Value<'h>) -> Result<Value<'h>, Raised>,
) -> Eval<'h> {
    let right = match right {
        Value::Undefined => return Ok(Value::Object(left)),
        Value::Object(right) => right,
        other => return Ok(other),
    };
    let mut entries: IndexMap<Symbol, Value<'h>, FxBuildHasher> = left.entries().collect();
    for (key, value) in right.entries() {
        let joined = match entries.get(&key) {
            Some(known) => join(m, *known, value)?,
            None => value,
        };
        entries.insert(key, joined);
    }
    let entries: Vec<_> = entries.into_iter().collect();
    Ok(m.object(&entries))
}
