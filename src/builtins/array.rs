//! Arrays.

use std::cmp::Ordering;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Array, Eval, Machine, Member, MergeRule, NativeFn, Raised, Value};
use crate::eval::{Map, unique};
use crate::source::Symbol;

use super::support::{self, count, function_arg, optional_number, wrong_item, wrong_result};

/// Functions of the namespace `Array`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("Array.range", range)];

/// Members of arrays.
pub(super) const MEMBERS: &[Member] = &[
    Member::property("length", length),
    Member::method("isEmpty", 0, 0, is_empty),
    Member::variadic("push", 0, push),
    Member::method("add", 1, 1, push),
    Member::variadic("concat", 0, concat),
    Member::method("addRange", 1, 1, concat),
    Member::method("map", 1, 1, map),
    Member::method("select", 1, 1, map),
    Member::method("mapMany", 1, 1, map_many),
    Member::method("mapDefined", 1, 1, map_defined),
    Member::method("mapWithState", 2, 2, map_with_state),
    Member::method("mapManyWithState", 2, 2, map_many_with_state),
    Member::method("groupBy", 1, 1, group_by),
    Member::method("filter", 1, 1, filter),
    Member::method("where", 1, 1, filter),
    Member::method("reduce", 2, 2, reduce),
    Member::method("indexOf", 1, 1, index_of),
    Member::method("find", 1, 1, find),
    Member::method("some", 1, 1, some),
    Member::method("all", 1, 1, all),
    Member::method("every", 1, 1, all),
    Member::method("toSet", 0, 0, distinct),
    Member::method("unique", 0, 0, distinct),
    Member::method("join", 0, 1, join),
    Member::method("reverse", 0, 0, reverse),
    Member::method("slice", 0, 2, slice),
    Member::method("sort", 0, 1, sort),
    Member::method("zipWith", 2, 2, zip_with),
    Member::method("withCustomMerge", 1, 1, with_custom_merge),
    Member::method("appendWhenMerged", 0, 0, append_when_merged),
    Member::method("prependWhenMerged", 0, 0, prepend_when_merged),
    Member::method("replaceWhenMerged", 0, 0, replace_when_merged),
    Member::method("toString", 0, 0, support::to_string),
];

/// The longest array that `Array.range` makes.
const LONGEST_RANGE: i64 = 8_000_000;

fn this<'h>(args: &Args<'_, 'h>) -> &'h [Value<'h>] {
    args.this.as_array().unwrap_or_default()
}

/// The arguments of a callback for one item: value, index, array.
fn per_item<'h>(args: &Args<'_, 'h>, index: usize, item: Value<'h>) -> [Value<'h>; 3] {
    [item, Value::Number(index as i32), args.this]
}

/// The arguments of a callback with a state or accumulator in front.
fn with_state<'h>(args: &Args<'_, 'h>, state: Value<'h>, index: usize, item: Value<'h>) -> [Value<'h>; 4] {
    [state, item, Value::Number(index as i32), args.this]
}

fn length<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    count(m, args, this(args).len())
}

fn is_empty<'h>(_: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(this(args).is_empty()))
}

fn push<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    if args.is_empty() {
        return Ok(args.this);
    }
    joined(m, args, &[this(args), args.values])
}

/// One array out of several slices, written to the arena at once.
fn joined<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, parts: &[&[Value<'h>]]) -> Eval<'h> {
    let len = parts.iter().map(|part| part.len()).sum();
    m.room_for_items(len, args.site.location())?;
    let items = m.heap().alloc_slice_fill_copy(len, Value::Undefined);
    let mut at = 0;
    for part in parts {
        items[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    Ok(Value::Array(m.heap().alloc(Array { items, merge: None })))
}

fn concat<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut parts = vec![this(args)];
    for index in 0..args.len() {
        parts.push(m.array_arg(args, index)?);
    }
    if parts[1..].iter().all(|part| part.is_empty()) {
        return Ok(args.this);
    }
    joined(m, args, &parts)
}

fn map<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let items = this(args);
    let results = m.heap().alloc_slice_fill_copy(items.len(), Value::Undefined);
    for (index, item) in items.iter().enumerate() {
        results[index] = m.call(function, &per_item(args, index, *item), args.site)?;
    }
    Ok(m.array_in_arena(results))
}

fn map_defined<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let mut results = Vec::new();
    for (index, item) in this(args).iter().enumerate() {
        let result = m.call(function, &per_item(args, index, *item), args.site)?;
        if !result.is_undefined() {
            results.push(result);
        }
    }
    Ok(m.array(&results))
}

fn map_many<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let mut results = Vec::new();
    for (index, item) in this(args).iter().enumerate() {
        let result = m.call(function, &per_item(args, index, *item), args.site)?;
        match result.as_array() {
            Some(items) => {
                m.room_for_items(results.len() + items.len(), args.site.location())?;
                results.extend_from_slice(items);
            }
            None => return Err(wrong_result(m, args, 0, result, "an array")),
        }
    }
    Ok(m.array(&results))
}

/// The fields that the callbacks of `mapWithState` and `mapManyWithState` return.
struct StateKeys {
    elem: Symbol,
    elems: Symbol,
    state: Symbol,
}

impl StateKeys {
    fn new(m: &Machine<'_, '_>) -> Self {
        let symbols = m.symbols();
        Self { elem: symbols.intern("elem"), elems: symbols.intern("elems"), state: symbols.intern("state") }
    }
}

fn map_with_state<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let keys = StateKeys::new(m);
    let mut state = args.get(1);
    let mut results = Vec::with_capacity(this(args).len());
    for (index, item) in this(args).iter().enumerate() {
        let result = m.call(function, &with_state(args, state, index, *item), args.site)?;
        let Value::Object(object) = result else {
            return Err(wrong_result(m, args, 0, result, "an object with `elem` and `state`"));
        };
        results.push(object.get(keys.elem).unwrap_or(Value::Undefined));
        state = object.get(keys.state).unwrap_or(Value::Undefined);
    }
    let elems = m.array(&results);
    Ok(m.object(&[(keys.elems, elems), (keys.state, state)]))
}

fn map_many_with_state<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let keys = StateKeys::new(m);
    let mut state = args.get(1);
    let mut results = Vec::new();
    for (index, item) in this(args).iter().enumerate() {
        let result = m.call(function, &with_state(args, state, index, *item), args.site)?;
        let Value::Object(object) = result else {
            return Err(wrong_result(m, args, 0, result, "an object with `elems` and `state`"));
        };
        let elems = object.get(keys.elems).unwrap_or(Value::Undefined);
        match elems.as_array() {
            Some(items) => {
                m.room_for_items(results.len() + items.len(), args.site.location())?;
                results.extend_from_slice(items);
            }
            None => return Err(wrong_result(m, args, 0, elems, "an object whose `elems` is an array")),
        }
        state = object.get(keys.state).unwrap_or(Value::Undefined);
    }
    let elems = m.array(&results);
    Ok(m.object(&[(keys.elems, elems), (keys.state, state)]))
}

fn group_by<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let items = this(args);
    let mut keys = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        keys.push(m.call(function, &per_item(args, index, *item), args.site)?);
    }
    let distinct = unique(&keys);
    let places: Vec<_> = distinct.iter().enumerate().map(|(at, key)| (*key, Value::Number(at as i32))).collect();
    let places = Map::new(m.heap(), &places, false);
    let mut groups: Vec<Vec<Value<'h>>> = vec![Vec::new(); distinct.len()];
    for (key, item) in keys.iter().zip(items) {
        if let Some(Value::Number(at)) = places.get(*key) {
            groups[at as usize].push(*item);
        }
    }
    let (key_name, values_name) = (m.symbols().intern("key"), m.symbols().intern("values"));
    let mut results = Vec::with_capacity(distinct.len());
    for (key, group) in distinct.iter().zip(&groups) {
        let values = m.array(group);
        results.push(m.object(&[(key_name, *key), (values_name, values)]));
    }
    Ok(m.array(&results))
}

fn filter<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let items = this(args);
    // Numbers of items take a quarter of the room of the items themselves.
    let mut kept: Vec<u32> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if m.call(function, &per_item(args, index, *item), args.site)?.is_truthy() {
            kept.push(index as u32);
        }
    }
    if kept.len() == items.len() {
        return Ok(args.this);
    }
    let results = m.heap().alloc_slice_fill_iter(kept.iter().map(|index| items[*index as usize]));
    Ok(m.array_in_arena(results))
}

fn reduce<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let mut accumulator = args.get(1);
    for (index, item) in this(args).iter().enumerate() {
        accumulator = m.call(function, &with_state(args, accumulator, index, *item), args.site)?;
    }
    Ok(accumulator)
}

fn index_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let wanted = args.get(0);
    m.count_work(this(args).len(), args.site.location())?;
    let found = this(args).iter().position(|item| item.same(wanted));
    Ok(Value::Number(found.map_or(-1, |index| index as i32)))
}

/// The index of the first item for which the callback's answer is `wanted`.
fn first<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, wanted: bool) -> Result<Option<usize>, Raised> {
    let function = function_arg(m, args, 0)?;
    for (index, item) in this(args).iter().enumerate() {
        if m.call(function, &per_item(args, index, *item), args.site)?.is_truthy() == wanted {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn find<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(first(m, args, true)?.map_or(Value::Undefined, |index| this(args)[index]))
}

fn some<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(first(m, args, true)?.is_some()))
}

fn all<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(first(m, args, false)?.is_none()))
}

fn distinct<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items = this(args);
    let kept = unique(items);
    if kept.len() == items.len() { Ok(args.this) } else { Ok(m.array(&kept)) }
}

fn join<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let separator = support::optional_string(m, args, 0)?.unwrap_or("");
    if let Some(index) = this(args).iter().position(|item| item.as_str().is_none()) {
        let found = m.describe(this(args)[index]);
        let message = format!("`join` joins strings, but item {index} is {found}");
        return Err(m.fail_at_call(args, Code::Dx(9325), message));
    }
    m.joined_text(this(args).iter().filter_map(|item| item.as_str()), separator, args.site.location())
}

fn reverse<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items: Vec<_> = this(args).iter().rev().copied().collect();
    Ok(m.array(&items))
}

/// A place in something of this length: negative numbers count from its end.
fn place(index: i32, length: usize) -> usize {
    if index < 0 { length.saturating_sub(index.unsigned_abs() as usize) } else { length.min(index as usize) }
}

fn slice<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items = this(args);
    let start = place(optional_number(m, args, 0)?.unwrap_or(0), items.len());
    let end = optional_number(m, args, 1)?.map_or(items.len(), |end| place(end, items.len()));
    Ok(m.array(&items[start..end.max(start)]))
}

fn sort<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut items = this(args).to_vec();
    if !args.get(0).is_undefined() {
        let function = function_arg(m, args, 0)?;
        if items.len() < 2 {
            return Ok(args.this);
        }
        let sorted = merge_sort(items, &mut |left, right| {
            let answer = m.call(function, &[left, right], args.site)?;
            match answer {
                Value::Number(number) => Ok(number > 0),
                _ => Err(wrong_result(m, args, 0, answer, "a number")),
            }
        })?;
        return Ok(m.array(&sorted));
    }
    if items.len() < 2 {
        return Ok(args.this);
    }
    // All items must be of the kind of the first one, so that there is an order.
    let expected = match items[0] {
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        other if other.as_path().is_some() => "a path, file or directory",
        other => {
            let found = m.describe(other);
            let message = format!("`sort` without a function sorts numbers, strings or paths, but item 0 is {found}");
            let diagnostic = Diagnostic::error(Code::Dx(9325), message).at(args.site.location(), "");
            return Err(m.fail(diagnostic.help("pass a function that compares two items: `(a, b) => …`")));
        }
    };
    let kind = |value: Value<'h>| (value.as_path().is_some(), std::mem::discriminant(&value));
    for (index, item) in items.iter().enumerate() {
        let same = if items[0].as_path().is_some() { kind(*item).0 } else { kind(*item) == kind(items[0]) };
        if !same {
            let found = m.describe(*item);
            let message = format!("`sort` needs items of one kind: item {index} must be {expected}, but it is {found}");
            return Err(m.fail_at_call(args, Code::Dx(9325), message));
        }
    }
    let paths = m.paths();
    items.sort_by(|left, right| match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.text.cmp(b.text),
        _ => match (left.as_path(), right.as_path()) {
            (Some(a), Some(b)) => paths.compare(a, b),
            _ => Ordering::Equal,
        },
    });
    Ok(m.array(&items))
}

/// Sorts stably with a comparison that may fail; `after` says whether the left item belongs behind the right one.
/// The standard sort cannot stop half-way, and may panic when a user's comparison contradicts itself.
fn merge_sort<'h>(
    mut items: Vec<Value<'h>>,
    after: &mut dyn FnMut(Value<'h>, Value<'h>) -> Result<bool, Raised>,
) -> Result<Vec<Value<'h>>, Raised> {
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for chunk in items.chunks(width * 2) {
            let (mut left, mut right) = chunk.split_at(width.min(chunk.len()));
            while let (Some(a), Some(b)) = (left.first(), right.first()) {
                if after(*a, *b)? {
                    merged.push(*b);
                    right = &right[1..];
                } else {
                    merged.push(*a);
                    left = &left[1..];
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

fn zip_with<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let other = m.array_arg(args, 0)?;
    let function = function_arg(m, args, 1)?;
    let mut results = Vec::with_capacity(this(args).len().min(other.len()));
    for (left, right) in this(args).iter().zip(other) {
        results.push(m.call(function, &[*left, *right], args.site)?);
    }
    Ok(m.array(&results))
}

fn ruled<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>, merge: MergeRule<'h>) -> Value<'h> {
    Value::Array(m.heap().alloc(Array { items: this(args), merge: Some(m.heap().alloc(merge)) }))
}

fn with_custom_merge<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    Ok(ruled(m, args, MergeRule::Custom(function)))
}

fn append_when_merged<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(ruled(m, args, MergeRule::Append))
}

fn prepend_when_merged<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(ruled(m, args, MergeRule::Prepend))
}

fn replace_when_merged<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(ruled(m, args, MergeRule::Replace))
}

fn range<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let start = m.number_arg(args, 0)?;
    let stop = m.number_arg(args, 1)?;
    let step = optional_number(m, args, 2)?.unwrap_or(1);
    if start > stop {
        return Ok(m.array(&[]));
    }
    if step <= 0 {
        return Err(wrong_step(m, args, step));
    }
    let (start, stop, step) = (i64::from(start), i64::from(stop), i64::from(step));
    if (stop - start) / step >= LONGEST_RANGE {
        let message = format!("`Array.range` would make more than {LONGEST_RANGE} items");
        return Err(m.fail_at_call(args, Code::Dx(9351), message));
    }
    // The stop is always the last item, also where the steps miss it.
    let steps = (stop - start + step - 1) / step;
    let item = |index: usize| Value::Number(stop.min(start + index as i64 * step) as i32);
    let items = m.heap().alloc_slice_fill_with(steps as usize + 1, item);
    Ok(m.array_in_arena(items))
}

fn wrong_step<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, step: i32) -> Raised {
    let message = format!("the step of `Array.range` must be positive, but it is `{step}`");
    m.fail_at(args, 2, Code::Dx(9325), message)
}

/// The strings of an array argument.
///
/// # Errors
/// DX9325 when it is no array or holds something else.
pub(super) fn strings_arg<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
) -> Result<Vec<&'h str>, Raised> {
    let items = m.array_arg(args, index)?;
    let mut texts = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(text) => texts.push(text),
            None => return Err(wrong_item(m, args, index, at, *item, "a string")),
        }
    }
    Ok(texts)
}
