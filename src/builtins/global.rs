//! Global functions that need no namespace, and digests.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::eval::{Args, Eval, Machine, NativeFn};

use super::support::{bool_arg, function_arg};

/// `addIf`, `addIfLazy` and the hidden namespace behind module `Sdk.Hashing`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("addIf", add_if), ("addIfLazy", add_if_lazy), ("_PreludeAmbientHack_Hashing.sha256", sha256)];

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

/// The digest of the text in UTF-8, in upper-case hexadecimal digits.
fn sha256<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(digest, "{byte:02X}");
    }
    Ok(m.string(&digest))
}
