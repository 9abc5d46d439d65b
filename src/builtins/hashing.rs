//! The hidden namespace behind module `Sdk.Hashing`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::eval::{Args, Eval, Machine, NativeFn};

/// `sha256`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("_PreludeAmbientHack_Hashing.sha256", sha256)];

/// The digest of the UTF-8 bytes, as 64 upper-case hexadecimal digits.
fn sha256<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let text = m.string_arg(args, 0)?;
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02X}");
    }
    Ok(m.string(&digits))
}
