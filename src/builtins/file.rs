//! The namespaces `File` and `Directory`: from paths to artifacts, and looks at the disk.

use std::path::Path;

use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Args, Eval, Machine, NativeFn, Raised, Value};
use crate::graph::FileArtifact;
use crate::source::system::reason;

/// Functions of the namespaces `File` and `Directory`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("File.fromPath", file_from_path),
    ("File.readAllText", read_all_text),
    ("File.exists", file_exists),
    ("Directory.fromPath", directory_from_path),
    ("Directory.exists", directory_exists),
];

fn file_from_path<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    if args.get(0).is_undefined() {
        return Ok(Value::Undefined);
    }
    let path = m.path_arg(args, 0)?;
    Ok(m.source_file(path))
}

fn directory_from_path<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    if args.get(0).is_undefined() {
        return Ok(Value::Undefined);
    }
    Ok(Value::Directory(m.path_arg(args, 0)?))
}

/// A source file as text of the file system; outputs of pips do not exist while specs are evaluated.
fn source_arg<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<String, Raised> {
    match args.get(0) {
        Value::File(FileArtifact { path, rewrite: 0 }) => Ok(m.paths().display(path)),
        Value::File(file) => {
            let path = m.show(file.path);
            let message = format!("`{}` needs a source file, but `{path}` is the output of a pip", args.name);
            let diagnostic = Diagnostic::error(Code::Dx(9349), message).at(args.site.argument(0), "");
            Err(m.fail(diagnostic.help("outputs do not exist before the build runs")))
        }
        _ => Err(m.wrong_type(args, 0, "a source file")),
    }
}

fn read_all_text<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let bytes = read_source(m, args)?;
    let text = decode(&bytes);
    Ok(m.string(&text))
}

/// The bytes of the source file that is the first argument; DX9349 when it cannot be read.
pub(super) fn read_source<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<Vec<u8>, Raised> {
    let path = source_arg(m, args)?;
    match m.host().file_system.read(Path::new(&path)) {
        Ok(bytes) => Ok(bytes),
        Err(error) => {
            let shown = args.get(0).as_path().map_or(path, |path| m.show(path));
            let message = format!("`{shown}` cannot be read: {}", reason(&error));
            Err(m.fail_at(args, 0, Code::Dx(9349), message))
        }
    }
}

/// UTF-8, or UTF-16 with a byte order mark. The mark itself is no part of the text.
pub(super) fn decode(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn file_exists<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let path = source_arg(m, args)?;
    Ok(Value::Bool(m.host().file_system.is_file(Path::new(&path))))
}

fn directory_exists<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let path = match args.get(0) {
        Value::Directory(path) => path,
        Value::StaticDirectory(directory) => directory.path,
        _ => return Err(m.wrong_type(args, 0, "a directory")),
    };
    Ok(Value::Bool(m.host().file_system.is_dir(Path::new(&m.paths().display(path)))))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn byte_order_marks() {
        assert_eq!(decode(b"a\xC3\xA9"), "aé");
        assert_eq!(decode(b"\xEF\xBB\xBFa"), "a");
        assert_eq!(decode(b"\xFF\xFEa\0b\0"), "ab");
        assert_eq!(decode(b"\xFE\xFF\0a"), "a");
    }
}
