//! Sealed and output directories: what can be asked of them.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Member, Raised, SealKind, StaticDirectory, Value};
use crate::graph::FileArtifact;
use crate::paths::PathId;

use super::path::resolved;

/// Members of sealed and output directories besides those of all path-like values.
pub(super) const MEMBERS: &[Member] = &[
    Member::property("kind", kind),
    Member::property("root", root),
    Member::property("contents", contents),
    Member::method("getContent", 0, 0, contents),
    Member::method("getSealedDirectory", 0, 0, root),
    Member::method("getFile", 1, 1, get_file),
    Member::method("getFiles", 1, 1, get_files),
    Member::method("hasFile", 1, 1, has_file),
];

/// The receiver.
fn this<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<&'h StaticDirectory<'h>, Raised> {
    match args.this {
        Value::StaticDirectory(directory) => Ok(directory),
        _ => Err(m.fail_at_call(args, Code::Dx(9325), format!("`{}` needs a sealed directory", args.name))),
    }
}

/// The text that `kind` gives.
pub(super) fn kind_text(kind: SealKind) -> &'static str {
    match kind {
        SealKind::Full => "full",
        SealKind::Partial => "partial",
        SealKind::SourceTop => "sourceTopDirectories",
        SealKind::SourceAll => "sourceAllDirectories",
        SealKind::SharedOpaque => "shared",
        SealKind::ExclusiveOpaque => "exclusive",
    }
}

fn kind<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let kind = this(m, args)?.kind;
    Ok(m.string(kind_text(kind)))
}

fn root<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Directory(this(m, args)?.path))
}

/// The listed files; none where the files are not known before the build runs.
fn contents<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let files: Vec<_> = this(m, args)?.contents.iter().map(|file| Value::File(*file)).collect();
    Ok(m.array(&files))
}

/// The listed file at a path.
pub(super) fn find<'h>(m: &Machine<'_, 'h>, directory: &StaticDirectory<'h>, path: PathId) -> Option<FileArtifact> {
    let found = directory.contents.binary_search_by(|file| m.paths().compare(file.path, path)).ok()?;
    Some(directory.contents[found])
}

/// The listed file that an argument, or an item of it, means.
///
/// # Errors
/// DX9377 when the directory does not list it.
fn listed<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, value: Value<'h>) -> Eval<'h> {
    let directory = this(m, args)?;
    let path = resolved(m, args, 0, value, directory.path)?;
    if let Some(file) = find(m, directory, path) {
        return Ok(Value::File(file));
    }
    let (file, folder) = (m.show(path), m.show(directory.path));
    let message = format!("`{file}` is not a file of the sealed directory `{folder}`");
    let diagnostic = Diagnostic::error(Code::Dx(9377), message).at(args.site.argument(0), "");
    let diagnostic = match directory.kind {
        SealKind::Full | SealKind::Partial => diagnostic,
        SealKind::SourceTop | SealKind::SourceAll => {
            diagnostic.note("a source seal lists no files: what it holds is only seen when a pip runs")
        }
        SealKind::SharedOpaque | SealKind::ExclusiveOpaque => {
            diagnostic.help("use `assertExistence` to name a file that the producing pip will leave there")
        }
    };
    Err(m.fail(diagnostic))
}

fn get_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    listed(m, args, args.get(0))
}

fn get_files<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let wanted = m.array_arg(args, 0)?;
    let mut files = Vec::with_capacity(wanted.len());
    for value in wanted {
        files.push(listed(m, args, *value)?);
    }
    Ok(m.array(&files))
}

fn has_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let directory = this(m, args)?;
    let path = resolved(m, args, 0, args.get(0), directory.path)?;
    Ok(Value::Bool(find(m, directory, path).is_some()))
}
