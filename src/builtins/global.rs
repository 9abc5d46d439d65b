//! Global functions that need no namespace.

use crate::eval::{Args, Eval, Machine, NativeFn, Value};

use super::support::{bool_arg, function_arg};

/// `addIf`, `addIfLazy`, `sign`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("addIf", add_if), ("addIfLazy", add_if_lazy), ("sign", sign)];

fn add_if<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let wanted = bool_arg(m, args, 0)?;
    Ok(m.array(if wanted { &args.values[1..] } else { &[] }))
}

fn add_if_lazy<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    if !bool_arg(m, args, 0)? {
        return Ok(m.array(&[]));
    }
    let function = function_arg(m, args, 1)?;
    m.call(function, &[], args.site)
}

fn sign<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    if args.get(0).is_undefined() {
        return Ok(Value::Undefined);
    }
    let plus = bool_arg(m, args, 0)?;
    Ok(m.string(if plus { "+" } else { "-" }))
}
