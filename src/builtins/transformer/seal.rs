//! Sealed directories: full, partial and source seals; filtered, composed and partial views of shared opaques.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, Raised, RequestKind, SealKind, StaticDirectory, Step, Trail, Value};
use crate::graph::{self, ContentFilter, DirectoryId, FileArtifact, FilterKind, SealRequest};
use crate::paths::PathId;
use crate::source::Location;

use super::super::support::optional_bool;
use super::fields::{Fields, check_regex};
use super::write::{emit, labels};

/// `sealDirectory(rootOrArguments, files?, tags?, description?, scrub?)`
pub(super) fn seal_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    seal_files(m, args, SealKind::Full, graph::SealKind::Full)
}

/// `sealPartialDirectory(rootOrArguments, files?, tags?, description?)`
pub(super) fn seal_partial_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    seal_files(m, args, SealKind::Partial, graph::SealKind::Partial)
}

fn seal_files<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, kind: SealKind, of_graph: graph::SealKind) -> Eval<'h> {
    let mut request = SealRequest::new(of_graph, PathId::ROOT);
    let files;
    if let Value::Object(_) = args.get(0) {
        let fields = Fields::of_argument(m, args, 0, "the arguments of a seal")?;
        request.root = fields.directory(m, "root")?;
        files = fields.array(m, "files")?;
        request.tags = fields.symbols(m, "tags")?;
        request.description = fields.symbol(m, "description")?;
        request.scrub = fields.flag(m, "scrub")?;
        let mut members = Vec::new();
        for member in fields.array(m, "outputDirectories")? {
            match member {
                Value::StaticDirectory(directory) => members.push(DirectoryId(directory.seal.0)),
                other => return Err(fields.wrong(m, "outputDirectories", "an array of opaque directories", *other)),
            }
        }
        request.directories = members.into();
    } else {
        request.root = directory_arg(m, args, 0)?;
        files = if args.get(1).is_undefined() { &[] } else { m.array_arg(args, 1)? };
        (request.tags, request.description) = labels(m, args, 2, 3)?;
        request.scrub = optional_bool(m, args, 4)?;
    }
    let mut contents: Vec<FileArtifact> = Vec::with_capacity(files.len());
    for file in files.iter().filter(|file| !file.is_undefined()) {
        match file {
            Value::File(file) => contents.push(*file),
            other => {
                let message = format!("a seal lists files, but this is {}", m.describe(*other));
                return Err(m.fail(Diagnostic::error(Code::Dx(9327), message).at(args.site.location(), "")));
            }
        }
    }
    contents.sort_by(|a, b| m.paths().compare(a.path, b.path).then(a.rewrite.cmp(&b.rewrite)));
    contents.dedup();
    request.files = contents.as_slice().into();
    let contents = m.heap().alloc_slice_copy(&contents);
    Ok(seal(m, args, request, kind, contents, false))
}

/// `sealSourceDirectory(rootOrArguments, option?, tags?, description?, patterns?)`
pub(super) fn seal_source_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut request = SealRequest::new(graph::SealKind::SourceTop, PathId::ROOT);
    let all;
    if let Value::Object(_) = args.get(0) {
        let fields = Fields::of_argument(m, args, 0, "the arguments of a seal")?;
        request.root = fields.directory(m, "root")?;
        all = match fields.get("include") {
            Value::Enum(_, option) => option == 1,
            _ => {
                fields.choice(m, "include", &[("topDirectoryOnly", false), ("allDirectories", true)])?.unwrap_or(false)
            }
        };
        request.tags = fields.symbols(m, "tags")?;
        request.description = fields.symbol(m, "description")?;
        request.patterns = fields.symbols(m, "patterns")?;
    } else {
        request.root = directory_arg(m, args, 0)?;
        all = match args.get(1) {
            Value::Undefined => false,
            Value::Enum(_, option) | Value::Number(option) => option == 1,
            _ => return Err(m.wrong_type(args, 1, "a `SealSourceDirectoryOption`")),
        };
        (request.tags, request.description) = labels(m, args, 2, 3)?;
        if !args.get(4).is_undefined() {
            let mut patterns = Vec::new();
            for pattern in m.array_arg(args, 4)? {
                match pattern {
                    Value::String(text) => patterns.push(m.symbols().intern(text.text)),
                    _ => return Err(m.wrong_type(args, 4, "an array of strings")),
                }
            }
            request.patterns = patterns.into();
        }
    }
    let kind = if all { SealKind::SourceAll } else { SealKind::SourceTop };
    request.kind = if all { graph::SealKind::SourceAll } else { graph::SealKind::SourceTop };
    Ok(seal(m, args, request, kind, &[], false))
}

/// `composeSharedOpaqueDirectories(rootOrArguments, directories?, contentFilter?)`
pub(super) fn compose<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut request = SealRequest::new(graph::SealKind::Composite, PathId::ROOT);
    let (directories, filter, place, trail) = if let Value::Object(_) = args.get(0) {
        let fields = Fields::of_argument(m, args, 0, "the arguments of a composite")?;
        request.root = fields.directory(m, "root")?;
        let trail = Trail::argument(0).then(Step::Field("contentFilter"));
        (fields.array(m, "directories")?, fields.get("contentFilter"), fields.place, trail)
    } else {
        request.root = directory_arg(m, args, 0)?;
        (m.array_arg(args, 1)?, args.get(2), args.site.argument(2), Trail::argument(2))
    };
    let mut members = Vec::with_capacity(directories.len());
    for directory in directories.iter().filter(|directory| !directory.is_undefined()) {
        members.push(member(m, args, *directory)?);
    }
    request.directories = members.into();
    request.filter = content_filter(m, args, filter, place, trail)?;
    Ok(seal(m, args, request, SealKind::SharedOpaque, &[], true))
}

/// `getSharedOpaqueSubDirectory(directory, subDirectory, contentFilter?)`
pub(super) fn sub_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut request = SealRequest::new(graph::SealKind::SubDirectory, PathId::ROOT);
    request.directories = Box::new([member(m, args, args.get(0))?]);
    request.root = directory_arg(m, args, 1)?;
    request.filter = content_filter(m, args, args.get(2), args.site.argument(2), Trail::argument(2))?;
    Ok(seal(m, args, request, SealKind::SharedOpaque, &[], true))
}

/// `directory.assertExistence(path)`: in an opaque directory its producer promises the file.
pub(super) fn assert_existence<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::StaticDirectory(directory) = args.this else { return Err(m.wrong_type(args, 0, "a path")) };
    let path = match args.get(0) {
        Value::Relative(relative) => relative.atoms.iter().fold(directory.path, |at, atom| m.paths().child(at, *atom)),
        Value::Atom(atom) => m.paths().child(directory.path, atom),
        Value::String(text) => match m.paths().walk(directory.path, text.text) {
            Ok(path) => path,
            Err(error) => return Err(m.fail_at(args, 0, Code::Dx(9406), error.to_string())),
        },
        other => match other.as_path() {
            Some(path) => path,
            None => return Err(m.wrong_type(args, 0, "a path, relative path or atom")),
        },
    };
    let (shown, root) = (m.show(path), m.show(directory.path));
    if path == directory.path || !m.paths().is_within(path, directory.path) {
        let message = format!("`{shown}` does not lie beneath the directory `{root}`");
        let error = Diagnostic::error(Code::Dx(9377), message).at(args.site.argument(0), "");
        return Err(m.fail(error.help(format!("assert a path below `{root}`; a relative path starts there"))));
    }
    match directory.kind {
        SealKind::SharedOpaque | SealKind::ExclusiveOpaque => {
            emit(m, args, RequestKind::Assert(directory.seal, path));
            Ok(Value::File(FileArtifact::output(path)))
        }
        SealKind::SourceTop | SealKind::SourceAll => Ok(Value::File(FileArtifact::source(path))),
        SealKind::Full | SealKind::Partial => match directory.contents.iter().find(|file| file.path == path) {
            Some(file) => Ok(Value::File(*file)),
            None => {
                let message = format!("the sealed directory `{root}` does not list `{shown}`");
                Err(m.fail_at(args, 0, Code::Dx(9377), message))
            }
        },
    }
}

/// `directory.ensureContents({subFolder})`: the part of a full or partial seal below one of its folders, as a partial
/// seal of that folder.
pub(super) fn ensure_contents<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::StaticDirectory(directory) = args.this else { return Err(m.wrong_type(args, 0, "an object")) };
    if !matches!(directory.kind, SealKind::Full | SealKind::Partial) {
        let root = m.show(directory.path);
        let message = format!("`ensureContents` needs a full or partial seal: `{root}` does not list its files");
        return Err(m.fail_at_call(args, Code::Dx(9414), message));
    }
    let fields = Fields::of_argument(m, args, 0, "the arguments of `ensureContents`")?;
    let Value::Relative(folder) = fields.get("subFolder") else {
        let found = fields.get("subFolder");
        return Err(fields.wrong(m, "subFolder", "a relative path", found));
    };
    let root = folder.atoms.iter().fold(directory.path, |at, atom| m.paths().child(at, *atom));
    let files: Vec<_> =
        directory.contents.iter().filter(|file| m.paths().is_within(file.path, root)).copied().collect();
    let mut request = SealRequest::new(graph::SealKind::Partial, root);
    request.files = files.as_slice().into();
    let contents = m.heap().alloc_slice_copy(&files);
    Ok(seal(m, args, request, SealKind::Partial, contents, false))
}

/// `{kind: "Include" | "Exclude", regex: "…"}`; none for `undefined`.
fn content_filter<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    value: Value<'h>,
    place: Location,
    trail: Trail,
) -> Result<Option<ContentFilter>, Raised> {
    if value.is_undefined() {
        return Ok(None);
    }
    let fields = Fields::of_value(m, value, "`contentFilter`", place, args.site, trail)?;
    let kinds = [("Include", FilterKind::Include), ("Exclude", FilterKind::Exclude)];
    let Some(kind) = fields.choice(m, "kind", &kinds)? else {
        return Err(fields.wrong(m, "kind", "\"Include\" or \"Exclude\"", Value::Undefined));
    };
    let Some(regex) = fields.string(m, "regex")? else {
        return Err(fields.wrong(m, "regex", "a regular expression as a string", Value::Undefined));
    };
    check_regex(m, "regex", regex, fields.get("regex"), fields.place)?;
    Ok(Some(ContentFilter { kind, regex: m.symbols().intern(regex) }))
}

/// A member of a composite: the graph refuses what is no shared opaque.
fn member<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, value: Value<'h>) -> Result<DirectoryId, Raised> {
    match value {
        Value::StaticDirectory(directory) => Ok(DirectoryId(directory.seal.0)),
        other => {
            let message = format!("a shared opaque directory is needed here, but this is {}", m.describe(other));
            let error = Diagnostic::error(Code::Dx(9325), message).at(args.site.location(), "");
            Err(m.fail(error.help("`getOutputDirectory(…)` of the result of `Transformer.execute` gives one")))
        }
    }
}

fn directory_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, index: usize) -> Result<PathId, Raised> {
    match args.get(index) {
        Value::Directory(path) => Ok(path),
        Value::StaticDirectory(directory) => Ok(directory.path),
        _ => Err(m.wrong_type(args, index, "a directory")),
    }
}

fn seal<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    request: SealRequest,
    kind: SealKind,
    contents: &'h [FileArtifact],
    composite: bool,
) -> Value<'h> {
    let handle = m.new_seal();
    let directory = StaticDirectory { path: request.root, kind, seal: handle, contents, composite };
    emit(m, args, RequestKind::Seal(request, handle));
    Value::StaticDirectory(m.heap().alloc(directory))
}
