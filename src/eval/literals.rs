//! Literals with holes: strings and paths.

use crate::diagnostics::{Code, Diagnostic};
use crate::graph::FileArtifact;
use crate::paths::{PathId, RelativePath, begins_with_drive};
use crate::resolve::ir::{ExprId, List, Part, PathKind};
use crate::source::Location;

use super::calls::Frame;
use super::machine::Machine;
use super::native::{Eval, Raised};
use super::value::Value;

/// The longest text of a path: no system takes longer ones.
const LONGEST_PATH: usize = 32 << 10;

/// What a path literal has come to so far: a base, and text that is still to be split into atoms.
struct Assembly {
    base: Option<PathId>,
    text: String,
}

impl<'h> Machine<'_, 'h> {
    pub(super) fn eval_interpolation(&mut self, frame: &Frame<'h>, parts: List<Part>) -> Eval<'h> {
        let mut text = String::new();
        for part in frame.code.parts_of(parts) {
            match part {
                Part::Text(index) => text.push_str(&frame.code.strings[*index as usize]),
                Part::Hole(hole) => {
                    let value = self.eval(frame, *hole)?;
                    match value {
                        Value::String(part) => {
                            self.room(text.len() + part.text.len(), frame.location(*hole))?;
                            text.push_str(part.text);
                        }
                        Value::Number(number) => text.push_str(itoa::Buffer::new().format(number)),
                        _ => text.push_str(&self.text_of(value, frame.location(*hole))?),
                    }
                }
            }
        }
        Ok(self.string(&text))
    }

    pub(super) fn eval_path_template(
        &mut self,
        frame: &Frame<'h>,
        id: ExprId,
        kind: PathKind,
        base: Option<PathId>,
        parts: List<Part>,
    ) -> Eval<'h> {
        let mut assembly = Assembly { base, text: String::new() };
        for (index, part) in frame.code.parts_of(parts).iter().enumerate() {
            match part {
                Part::Text(text) => assembly.text.push_str(&frame.code.strings[*text as usize]),
                Part::Hole(hole) => {
                    let value = self.eval(frame, *hole)?;
                    let starts = index == 0 && base.is_none();
                    self.add_hole(&mut assembly, value, starts, frame.location(*hole))?;
                }
            }
        }
        self.finish_path(kind, assembly, frame.location(id))
    }

    fn add_hole(
        &mut self,
        assembly: &mut Assembly,
        value: Value<'h>,
        starts: bool,
        place: Location,
    ) -> Result<(), Raised> {
        if starts && let Some(path) = value.as_path() {
            assembly.base = Some(path);
            return Ok(());
        }
        match value {
            Value::String(text) => assembly.text.push_str(text.text),
            Value::Atom(atom) => assembly.text.push_str(self.symbols().text(atom)),
            Value::Relative(relative) => {
                let relative = RelativePath::from_atoms(relative.atoms.to_vec());
                assembly.text.push_str(&relative.display(self.symbols()));
            }
            Value::Number(number) => assembly.text.push_str(&number.to_string()),
            Value::Enum(..) => assembly.text.push_str(&self.display(value)),
            other => {
                let wanted = if starts {
                    "a path, directory, file, string, atom or relative path"
                } else {
                    "a string, atom or relative path"
                };
                let message = format!("a hole of a path literal takes {wanted}, but this is {}", self.describe(other));
                let error = Diagnostic::error(Code::Dx(9325), message).at(place, "");
                let error = match other.as_path() {
                    Some(_) => error.help(
                        "only the first hole of a path literal can be a whole path; use `.name` or `getRelative` here",
                    ),
                    None => error,
                };
                return Err(self.fail(error));
            }
        }
        Ok(())
    }

    fn finish_path(&mut self, kind: PathKind, assembly: Assembly, place: Location) -> Eval<'h> {
        let Assembly { base, text } = assembly;
        if text.len() > LONGEST_PATH {
            let message = format!("this path would be longer than {LONGEST_PATH} bytes");
            return Err(self.fail(Diagnostic::error(Code::Dx(9207), message).at(place, "")));
        }
        if let Err(error) = self.paths().check_names(&text) {
            let code = if kind == PathKind::Atom { Code::Dx(9354) } else { Code::Dx(9207) };
            return Err(self.fail(Diagnostic::error(code, error.to_string()).at(place, "")));
        }
        match kind {
            PathKind::Atom => {
                if let Err(error) = RelativePath::check_atom(&text) {
                    let error = match text.contains(['/', '\\']) {
                        true => Diagnostic::error(Code::Dx(9354), format!("the path atom `{text}` holds a separator"))
                            .help("write a relative path: r`…`"),
                        false => Diagnostic::error(Code::Dx(9354), error.to_string()),
                    };
                    return Err(self.fail(error.at(place, "")));
                }
                Ok(Value::Atom(self.symbols().intern(&text)))
            }
            PathKind::Relative => match RelativePath::parse(&text, self.symbols()) {
                Ok(relative) => Ok(self.relative(relative.atoms())),
                Err(error) => Err(self.fail(Diagnostic::error(Code::Dx(9406), error.to_string()).at(place, ""))),
            },
            PathKind::Path | PathKind::Directory | PathKind::File => {
                let path = match base {
                    Some(base) => self.paths().walk(base, &text),
                    None => self.paths().parse_absolute(&text),
                };
                match path {
                    Ok(path) => Ok(match kind {
                        PathKind::Directory => Value::Directory(path),
                        PathKind::File => Value::File(FileArtifact { path, rewrite: 0 }),
                        _ => Value::Path(path),
                    }),
                    Err(error) => {
                        let drive = begins_with_drive(&text) && !self.paths().os().has_drives();
                        let help = drive.then(|| "only Windows has drives: `--host win` evaluates for it".to_owned());
                        let error = Diagnostic::error(Code::Dx(9207), error.to_string()).at(place, "");
                        Err(self.fail(error.maybe_help(help)))
                    }
                }
            }
        }
    }
}
