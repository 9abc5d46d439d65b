//! Members of const enums, of functions and of the unit value.

use crate::eval::{Args, Eval, Machine, Member, NativeFn, Value};

use super::support;

/// Functions of the namespace `Unit`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("Unit.unit", unit)];

/// Members of enum values.
pub(super) const MEMBERS: &[Member] = &[
    Member::method("toString", 0, 0, support::to_string),
    Member::method("valueOf", 0, 0, value_of),
    Member::method("hasFlag", 1, 1, has_flag),
];

/// Members of functions and of the unit value.
pub(super) const PLAIN_MEMBERS: &[Member] = &[Member::method("toString", 0, 0, support::to_string)];

fn number(value: Value<'_>) -> i32 {
    match value {
        Value::Enum(_, number) => number,
        _ => 0,
    }
}

fn value_of<'h>(_: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Number(number(args.this)))
}

fn has_flag<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::Enum(_, flag) = args.get(0) else { return Err(m.wrong_type(args, 0, "an enum value")) };
    Ok(Value::Bool(number(args.this) & flag == flag))
}

fn unit<'h>(_: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Unit)
}
