//! The hidden namespace behind module `Sdk.KeyForm`: the key of an assembly identity, which a library of Windows
//! computes. This program does not load foreign libraries, so it checks what it can and then refuses.

use std::path::Path;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, NativeFn, Value};

use super::support::optional_string;

/// `getKeyForm`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[("_PreludeAmbientHack_KeyForm.getKeyForm", get_key_form)];

/// The only name that the library may have.
const LIBRARY: &str = "keyform.dll";

/// `getKeyForm(library, arch, name, version, publicKeyToken, versionScope?, culture?, buildType?)`
fn get_key_form<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::File(library) = args.get(0) else { return Err(m.wrong_type(args, 0, "a file")) };
    for index in 1..5 {
        m.string_arg(args, index)?;
    }
    for index in 5..8 {
        optional_string(m, args, index)?;
    }
    let shown = m.show(library.path);
    let place = args.site.argument(0);
    let name = m.paths().name(library.path).map_or("", |name| m.symbols().text(name));
    if !name.eq_ignore_ascii_case(LIBRARY) {
        let message = format!("the key form library must be named `{LIBRARY}`, but it is `{shown}`");
        let error = Diagnostic::error(Code::Dx(9385), message).at(place, "");
        return Err(m.fail(error.help(format!("name the file `{LIBRARY}`"))));
    }
    if !m.host().file_system.is_file(Path::new(&m.paths().display(library.path))) {
        let error = Diagnostic::error(Code::Dx(9384), format!("there is no key form library `{shown}`")).at(place, "");
        return Err(m.fail(error.help("correct the path; outputs of pips do not exist before the build runs")));
    }
    let message = format!("the key form library `{shown}` cannot be loaded: dscript loads no libraries");
    let error = Diagnostic::error(Code::Dx(9386), message).at(place, "");
    let help = "compute the key form before the evaluation and give it to the specs, as a file or a variable";
    Err(m.fail(error.help(help)))
}
