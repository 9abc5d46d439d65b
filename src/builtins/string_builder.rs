//! String builders: texts that grow in place.

use crate::eval::{Args, Eval, Machine, Member, NativeFn, Raised, StringBuilder, Value};

use super::string::{replaced, searched_arg};
use super::support::{self, optional_string};

/// Functions of the namespace `StringBuilder`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("StringBuilder.create", create)];

/// Members of string builders. The four that change the text give the builder itself.
pub(super) const MEMBERS: &[Member] = &[
    Member::method("append", 1, 1, append),
    Member::method("appendLine", 0, 1, append_line),
    Member::method("appendRepeat", 2, 2, append_repeat),
    Member::method("replace", 2, 2, replace),
    Member::method("toString", 0, 0, support::to_string),
];

fn create<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::StringBuilder(m.heap().alloc(StringBuilder::default())))
}

fn add<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, text: &str) -> Result<(), Raised> {
    if let Value::StringBuilder(builder) = args.this {
        m.room(builder.len().saturating_add(text.len()), args.site.location())?;
        builder.append(m.heap(), text);
    }
    Ok(())
}

fn append<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    add(m, args, text)?;
    Ok(args.this)
}

fn append_line<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = optional_string(m, args, 0)?.unwrap_or("");
    add(m, args, text)?;
    add(m, args, "\n")?;
    Ok(args.this)
}

fn append_repeat<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    let times = usize::try_from(m.number_arg(args, 1)?).unwrap_or(0);
    m.room(text.len().saturating_mul(times), args.site.location())?;
    add(m, args, &text.repeat(times))?;
    Ok(args.this)
}

fn replace<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let old = searched_arg(m, args, 0)?;
    let new = m.string_arg(args, 1)?;
    if let Value::StringBuilder(builder) = args.this {
        let text = replaced(m, args, &builder.text(), old, new)?;
        builder.set(m.heap(), &text);
    }
    Ok(args.this)
}
