//! What `Transformer.execute` and `Transformer.createService` give: the outputs of the process, and its service id.

use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::eval::{Args, Eval, ExecuteResult, Machine, Value};

/// `getOutputFile(path)`
pub(super) fn get_output_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let result = this(args);
    let path = m.path_arg(args, 0)?;
    // Of several versions the last is what the process leaves.
    let found = result.and_then(|result| result.files.iter().rev().find(|(file, _)| file.path == path));
    if let Some((file, _)) = found {
        return Ok(Value::File(*file));
    }
    let known = result.map_or(Vec::new(), |result| result.files.iter().map(|(file, _)| m.show(file.path)).collect());
    let shown = m.show(path);
    Ok(missing(m, args, "file", &shown, &known))
}

/// `getOutputFiles()`
pub(super) fn get_output_files<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let files = this(args).map_or(&[][..], |result| result.files);
    let files: Vec<_> = files.iter().map(|(file, _)| Value::File(*file)).collect();
    Ok(m.array(&files))
}

/// `getRequiredOutputFiles()`
pub(super) fn get_required_output_files<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let files = this(args).map_or(&[][..], |result| result.files);
    let files: Vec<_> = files.iter().filter(|(_, required)| *required).map(|(file, _)| Value::File(*file)).collect();
    Ok(m.array(&files))
}

/// `getOutputDirectory(directory)`
pub(super) fn get_output_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let result = this(args);
    let path = m.path_arg(args, 0)?;
    let found = result.and_then(|result| result.directories.iter().find(|directory| directory.path == path));
    if let Some(directory) = found {
        return Ok(Value::StaticDirectory(directory));
    }
    let known =
        result.map_or(Vec::new(), |result| result.directories.iter().map(|directory| m.show(directory.path)).collect());
    let shown = m.show(path);
    Ok(missing(m, args, "directory", &shown, &known))
}

/// `getOutputDirectories()`
pub(super) fn get_output_directories<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let directories = this(args).map_or(&[][..], |result| result.directories);
    let directories: Vec<_> = directories.iter().map(|directory| Value::StaticDirectory(directory)).collect();
    Ok(m.array(&directories))
}

/// `serviceId`
pub(super) fn service_id<'h>(_: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(this(args).map_or(Value::Undefined, |result| Value::ServiceId(result.pip)))
}

fn this<'h>(args: &Args<'_, 'h>) -> Option<&'h ExecuteResult<'h>> {
    match args.this {
        Value::ExecuteResult(result) => Some(result),
        _ => None,
    }
}

/// Asking for an output that the process does not declare gives `undefined`, on which SDK modules rely. More often it is
/// a slip, so it is not done in silence (DS0406).
fn missing<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, what: &str, shown: &str, known: &[String]) -> Value<'h> {
    let message = format!("the process has no output {what} `{shown}`");
    let mut warning = Diagnostic::warning(Code::Ds(406), message).at(args.site.argument(0), "");
    if known.is_empty() {
        warning = warning.note(format!("it declares no output {what} at all"));
    } else {
        let mut list: Vec<&str> = known.iter().map(String::as_str).take(10).collect();
        if known.len() > list.len() {
            list.push("…");
        }
        warning = warning.note(format!("it declares: {}", list.join(", ")));
    }
    let near = nearest(shown, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
    m.report(warning.maybe_help(near));
    Value::Undefined
}
