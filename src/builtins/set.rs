//! Sets: the immutable ones, and the ones that change in place.

use crate::diagnostics::Code;
use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, Value};
use crate::eval::{MutableSet, Set};

use super::support::{self, count, function_arg};

/// Functions of the namespaces `Set` and `MutableSet`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("Set.empty", empty), ("Set.create", add), ("MutableSet.empty", mutable_empty)];

/// Members of sets.
pub(super) const MEMBERS: &[Member] = &[
    Member::variadic("add", 0, add),
    Member::method("contains", 1, 1, contains),
    Member::variadic("remove", 0, remove),
    Member::method("union", 1, 1, union),
    Member::method("intersect", 1, 1, intersect),
    Member::method("except", 1, 1, except),
    Member::method("isSubsetOf", 1, 1, is_subset_of),
    Member::method("isProperSubsetOf", 1, 1, is_proper_subset_of),
    Member::method("isSupersetOf", 1, 1, is_superset_of),
    Member::method("isProperSupersetOf", 1, 1, is_proper_superset_of),
    Member::method("toArray", 0, 0, to_array),
    Member::method("forEach", 1, 1, for_each),
    Member::method("count", 0, 0, count_items),
    Member::method("toString", 0, 0, support::to_string),
];

/// Members of sets that change in place. Those that change it give the set itself.
pub(super) const MUTABLE_MEMBERS: &[Member] = &[
    Member::variadic("add", 0, mutable_add),
    Member::variadic("remove", 0, mutable_remove),
    Member::method("contains", 1, 1, mutable_contains),
    Member::method("union", 1, 1, mutable_union),
    Member::method("toArray", 0, 0, mutable_to_array),
    Member::method("count", 0, 0, mutable_count),
    Member::method("toString", 0, 0, support::to_string),
];

fn made<'h>(m: &Machine<'_, 'h>, items: &[Value<'h>]) -> Value<'h> {
    Value::Set(m.heap().alloc(Set::new(m.heap(), items)))
}

/// The items of the receiver; none when it is no set, as for `Set.create`.
fn this<'h>(args: &Args<'_, 'h>) -> &'h [Value<'h>] {
    match args.this {
        Value::Set(set) => set.items(),
        _ => &[],
    }
}

fn set_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<&'h Set<'h>, Raised> {
    match args.get(0) {
        Value::Set(set) => Ok(set),
        _ => Err(m.wrong_type(args, 0, "a Set")),
    }
}

/// Refuses undefined among the arguments.
fn defined<'a, 'h>(m: &mut Machine<'_, 'h>, args: &Args<'a, 'h>) -> Result<&'a [Value<'h>], Raised> {
    match args.values.iter().position(|value| value.is_undefined()) {
        Some(index) => {
            let message = format!("an item given to `{}` is undefined", args.name);
            Err(m.fail_at(args, index, Code::Dx(9360), message))
        }
        None => Ok(args.values),
    }
}

fn empty<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(made(m, &[]))
}

fn add<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items = [this(args), defined(m, args)?].concat();
    Ok(made(m, &items))
}

fn contains<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let wanted = defined(m, args)?;
    Ok(Value::Bool(matches!(args.this, Value::Set(set) if wanted.iter().all(|item| set.contains(*item)))))
}

/// The items of the receiver that are, or are not, in the other set.
fn kept<'h>(m: &Machine<'_, 'h>, args: &Args<'_, 'h>, other: &Set<'h>, wanted: bool) -> Value<'h> {
    let items: Vec<_> = this(args).iter().filter(|item| other.contains(**item) == wanted).copied().collect();
    made(m, &items)
}

fn remove<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let removed = Set::new(m.heap(), defined(m, args)?);
    Ok(kept(m, args, &removed, false))
}

fn union<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items = [this(args), set_arg(m, args)?.items()].concat();
    Ok(made(m, &items))
}

fn intersect<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let other = set_arg(m, args)?;
    Ok(kept(m, args, other, true))
}

fn except<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let other = set_arg(m, args)?;
    Ok(kept(m, args, other, false))
}

/// Whether the receiver is within the argument, whether the argument is within the receiver.
fn containment<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<(bool, bool), Raised> {
    let other = set_arg(m, args)?;
    let Value::Set(set) = args.this else { return Ok((false, false)) };
    let subset = set.items().iter().all(|item| other.contains(*item));
    let superset = other.items().iter().all(|item| set.contains(*item));
    Ok((subset, superset))
}

fn is_subset_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(containment(m, args)?.0))
}

fn is_proper_subset_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(containment(m, args)? == (true, false)))
}

fn is_superset_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(containment(m, args)?.1))
}

fn is_proper_superset_of<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(containment(m, args)? == (false, true)))
}

fn to_array<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(m.array(this(args)))
}

fn for_each<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let function = function_arg(m, args, 0)?;
    let mut results = Vec::with_capacity(this(args).len());
    for item in this(args) {
        results.push(m.call(function, &[*item], args.site)?);
    }
    Ok(m.array(&results))
}

fn count_items<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    count(m, args, this(args).len())
}

fn mutable<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<&'h MutableSet<'h>, Raised> {
    match args.this {
        Value::MutableSet(set) => Ok(set),
        _ => Err(m.fail_at_call(args, Code::Dx(9325), format!("`{}` needs a MutableSet", args.name))),
    }
}

fn mutable_empty<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::MutableSet(m.heap().alloc(MutableSet::default())))
}

fn mutable_add<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let set = mutable(m, args)?;
    for item in defined(m, args)? {
        set.add(m.heap(), *item);
    }
    Ok(args.this)
}

fn mutable_remove<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let set = mutable(m, args)?;
    for item in defined(m, args)? {
        set.remove(*item);
    }
    Ok(args.this)
}

fn mutable_contains<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let set = mutable(m, args)?;
    let wanted = defined(m, args)?;
    Ok(Value::Bool(wanted.iter().all(|item| set.contains(*item))))
}

fn mutable_union<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let set = mutable(m, args)?;
    let items = match args.get(0) {
        Value::MutableSet(other) => other.items(),
        Value::Set(other) => other.items().to_vec(),
        _ => return Err(m.wrong_type(args, 0, "a MutableSet")),
    };
    for item in items {
        set.add(m.heap(), item);
    }
    Ok(args.this)
}

fn mutable_to_array<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items = mutable(m, args)?.items();
    Ok(m.array(&items))
}

fn mutable_count<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let items = mutable(m, args)?.items().len();
    count(m, args, items)
}
