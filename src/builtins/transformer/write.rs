//! Copies and writes.

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Event, Machine, Raised, Request, RequestKind, Value};
use crate::graph::{CopyFilePip, FileArtifact, Fragment, PathRendering, PipData, WriteFilePip};
use crate::source::{Location, Symbol};

use super::super::support::{optional_bool, optional_string};
use super::data::{joined_data, pip_data};
use super::fields::Fields;

/// `copyFile(source, destination, tags?, description?, keepOutputsWritable?)`
pub(super) fn copy_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let Value::File(source) = args.get(0) else { return Err(m.wrong_type(args, 0, "a file")) };
    let destination = FileArtifact::output(m.path_arg(args, 1)?);
    let (tags, description) = labels(m, args, 2, 3)?;
    let keep_writable = optional_bool(m, args, 4)?;
    let copy = CopyFilePip { source, destination, keep_writable, tags, description };
    emit(m, args, RequestKind::CopyFile(copy));
    Ok(Value::File(destination))
}

/// `writeFile(destination, content, tags?, separator?, description?)`
pub(super) fn write_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let destination = destination(m, args)?;
    let place = args.site.argument(1);
    let separator = optional_string(m, args, 3)?.unwrap_or(m.paths().os().new_line());
    let contents = match args.get(1) {
        Value::Array(values) => joined_data(m, values.items, separator, place)?,
        Value::Undefined => PipData::default(),
        single => pip_data(m, single, place)?,
    };
    let (tags, description) = labels(m, args, 2, 4)?;
    Ok(write(m, args, destination, contents, PathRendering::None, tags, description))
}

/// What a write makes: the first version of a path. Given a file that a pip made it would make the next version, which
/// the graph refuses (DX0221).
fn destination<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<FileArtifact, Raised> {
    match args.get(0) {
        Value::File(file) => Ok(file.rewritten()),
        _ => Ok(FileArtifact::output(m.path_arg(args, 0)?)),
    }
}

/// What the text of a write is made of.
#[derive(Clone, Copy)]
enum Content {
    Data,
    Lines,
    Text,
}

/// `writeData(destinationOrArguments, content?, tags?, description?)`
pub(super) fn write_data<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    write_content(m, args, Content::Data, "contents")
}

/// `writeAllLines(destinationOrArguments, lines?, tags?, description?)`
pub(super) fn write_all_lines<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    write_content(m, args, Content::Lines, "lines")
}

/// `writeAllText(destinationOrArguments, text?, tags?, description?)`
pub(super) fn write_all_text<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    write_content(m, args, Content::Text, "text")
}

const RENDERINGS: [(&str, PathRendering); 4] = [
    ("none", PathRendering::None),
    ("backSlashes", PathRendering::BackSlashes),
    ("escapedBackSlashes", PathRendering::EscapedBackSlashes),
    ("forwardSlashes", PathRendering::ForwardSlashes),
];

fn write_content<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, kind: Content, field: &'static str) -> Eval<'h> {
    if !matches!(args.get(0), Value::Object(_)) {
        let destination = destination(m, args)?;
        let contents = content(m, args.get(1), kind, field, args.site.argument(1))?;
        let (tags, description) = labels(m, args, 2, 3)?;
        return Ok(write(m, args, destination, contents, PathRendering::None, tags, description));
    }
    let fields = Fields::of_argument(m, args, 0, "the arguments of a write")?;
    let destination = match (fields.get("outputPath"), fields.path(m, "outputPath")?) {
        (Value::File(file), _) => file.rewritten(),
        (_, Some(path)) => FileArtifact::output(path),
        (_, None) => return Err(fields.wrong(m, "outputPath", "a path", Value::Undefined)),
    };
    let value = fields.get(field);
    let contents = content(m, value, kind, field, fields.place)?;
    let rendering = fields.choice(m, "pathRenderingOption", &RENDERINGS)?.unwrap_or_default();
    let (tags, description) = (fields.symbols(m, "tags")?, fields.symbol(m, "description")?);
    Ok(write(m, args, destination, contents, rendering, tags, description))
}

fn content<'h>(
    m: &mut Machine<'_, 'h>,
    value: Value<'h>,
    kind: Content,
    field: &str,
    place: Location,
) -> Result<PipData, Raised> {
    let expected = match (kind, value) {
        (_, Value::Undefined) => return Ok(PipData::default()),
        (Content::Data, data) => return pip_data(m, data, place),
        (Content::Lines, Value::Array(lines)) => {
            let lines = joined_data(m, lines.items, m.paths().os().new_line(), place)?;
            return Ok(PipData { fragments: Box::new([Fragment::Nested(Box::new(lines))]), ..PipData::default() });
        }
        (Content::Text, Value::String(_)) => return pip_data(m, value, place),
        (Content::Lines, _) => "an array of lines",
        (Content::Text, _) => "a string",
    };
    let message = format!("`{field}` of a write must be {expected}, but it is {}", m.describe(value));
    Err(m.fail(Diagnostic::error(Code::Dx(9327), message).at(place, "")))
}

fn write<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    destination: FileArtifact,
    contents: PipData,
    path_rendering: PathRendering,
    tags: Box<[Symbol]>,
    description: Option<Symbol>,
) -> Value<'h> {
    let write = WriteFilePip { destination, contents, path_rendering, tags, description };
    emit(m, args, RequestKind::WriteFile(write));
    Value::File(destination)
}

/// The `pathRenderingOption` of an object given as an argument.
pub(in crate::builtins) fn rendering_option<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    index: usize,
    owner: &str,
) -> Result<PathRendering, Raised> {
    let fields = Fields::of_argument(m, args, index, owner)?;
    Ok(fields.choice(m, "pathRenderingOption", &RENDERINGS)?.unwrap_or_default())
}

/// Tags and description given as positional arguments.
pub(in crate::builtins) fn labels<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    tags: usize,
    description: usize,
) -> Result<(Box<[Symbol]>, Option<Symbol>), Raised> {
    let mut names = Vec::new();
    if !args.get(tags).is_undefined() {
        for tag in m.array_arg(args, tags)? {
            match tag {
                Value::String(text) => names.push(m.symbols().intern(text.text)),
                _ => return Err(m.wrong_type(args, tags, "an array of strings")),
            }
        }
    }
    let description = match args.get(description) {
        Value::Undefined => None,
        _ => Some(m.string_arg(args, description)?).filter(|text| !text.is_empty()),
    };
    Ok((names.into(), description.map(|text| m.symbols().intern(text))))
}

/// Records a request at the user's call.
pub(in crate::builtins) fn emit<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>, kind: RequestKind) {
    let location = m.call_in_spec(args.site.location());
    m.emit(Event::Made(Box::new(Request { location, kind })));
}
