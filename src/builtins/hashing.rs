//! The hidden namespace behind module `Sdk.Hashing`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, NativeFn, Raised, Value};

/// `sha256`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("_PreludeAmbientHack_Hashing.sha256", sha256)];

/// The error of anything but text (DX9327, in the words of BuildXL too).
fn not_text<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Raised {
    let value = args.get(0);
    let (name, found, kind) = (args.name, m.describe(value), value.type_of());
    let message = format!("argument 1 of `{name}` must be a string, but it is {found}");
    let shown = m.display(value);
    let note = format!("Expecting type(s) `string` for argument 1, but got `{shown}` of type `{kind}`.");
    m.fail(Diagnostic::error(Code::Dx(9327), message).at(args.site.argument(0), "").note(note))
}

/// The digest of the UTF-8 bytes, as 64 upper-case hexadecimal digits.
fn sha256<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::String(text) = args.get(0) else { return Err(not_text(m, args)) };
    let text = text.text;
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02X}");
    }
    Ok(m.string(&digits))
}
