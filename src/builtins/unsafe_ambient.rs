//! The namespace `Unsafe`: outputs without the pip that makes them. Only where the configuration allows it.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{
    Args, Eval, Event, Machine, NativeFn, Raised, Request, RequestKind, SealKind, StaticDirectory, Value,
};
use crate::graph::FileArtifact;

use super::support::optional_number;

/// Functions of the namespace `Unsafe`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] =
    &[("Unsafe.outputFile", output_file), ("Unsafe.exOutputDirectory", exclusive_directory)];

/// Stops where the configuration does not allow this namespace (DX9355).
fn check_allowed<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<(), Raised> {
    if m.host().allow_unsafe_ambient {
        return Ok(());
    }
    let diagnostic = Diagnostic::error(Code::Dx(9355), format!("`{}` is not allowed here", args.name))
        .at(args.site.location(), "")
        .help("the configuration allows it with `frontEnd: {allowUnsafeAmbient: true}`");
    Err(m.fail(diagnostic))
}

/// The file in the version that the rewrite count names; the first output when it is left out.
fn output_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    check_allowed(m, args)?;
    let path = m.path_arg(args, 0)?;
    let count = optional_number(m, args, 1)?.unwrap_or(1);
    match u32::try_from(count) {
        Ok(rewrite) => Ok(Value::File(FileArtifact { path, rewrite })),
        Err(_) => {
            let message = format!("the rewrite count must not be negative, but it is `{count}`");
            Err(m.fail_at(args, 1, Code::Dx(9357), message))
        }
    }
}

fn exclusive_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    check_allowed(m, args)?;
    let path = m.path_arg(args, 0)?;
    let kind = SealKind::ExclusiveOpaque;
    let seal = m.new_seal();
    let location = m.call_in_spec(args.site.location());
    m.emit(Event::Made(Box::new(Request { location, kind: RequestKind::Exclusive(seal, path) })));
    let directory = StaticDirectory { path, kind, seal, contents: &[], composite: false };
    Ok(Value::StaticDirectory(m.heap().alloc(directory)))
}
