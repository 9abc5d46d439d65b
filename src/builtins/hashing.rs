//! The hidden namespace behind module `Sdk.Hashing`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::diagnostics::Code;
use crate::eval::{Args, Eval, Machine, NativeFn, Value};

/// `sha256`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("_PreludeAmbientHack_Hashing.sha256", sha256)];

/// The digest of the UTF-8 bytes, as 64 upper-case hexadecimal digits.
fn sha256<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::String(content) = args.get(0) else {
        // Tests of specs expect this number and wording.
        let (found, kind) = (m.display(args.get(0)), args.get(0).type_of());
        let message = format!("Expecting type(s) `string` for argument 1, but got `{found}` of type `{kind}`.");
        return Err(m.fail_at(args, 0, Code::Dx(9327), message));
    };
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(content.text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02X}");
    }
    Ok(m.string(&digits))
}
