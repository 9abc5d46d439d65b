//! Back-tick literals: strings with holes, paths, atoms.

use super::ir::{Expr, ExprId, Part, PathKind};
use super::lower::Lowerer;
use crate::paths::{PathId, RelativePath, begins_with_drive, begins_with_machine};
use crate::source::Span;
use crate::syntax::ast::{self, TemplatePart};
use crate::syntax::literals::template_text;

impl Lowerer<'_, '_> {
    pub(super) fn template(&mut self, span: Span, tag: Option<ast::Ident>, parts: ast::List<TemplatePart>) -> ExprId {
        let ast = self.ast;
        let parts = ast.list(parts);
        let Some(tag) = tag else { return self.interpolated(span, parts) };
        let kind = match ast.name(tag) {
            "p" => PathKind::Path,
            "d" => PathKind::Directory,
            "f" => PathKind::File,
            "r" => PathKind::Relative,
            "a" => PathKind::Atom,
            _ => {
                // A rule refuses the tag; mistakes in the holes are reported all the same.
                self.holes(parts);
                return self.push(span, Expr::Error);
            }
        };
        match parts {
            [] => self.path_text(span, kind, ""),
            [TemplatePart::Text(text)] => {
                let text = template_text(ast.text_of(*text), true);
                self.path_text(span, kind, &text)
            }
            _ => self.path_with_holes(span, kind, parts),
        }
    }

    fn holes(&mut self, parts: &[TemplatePart]) {
        for part in parts {
            if let TemplatePart::Hole(hole) = part {
                self.expr(*hole);
            }
        }
    }

    fn interpolated(&mut self, span: Span, parts: &[TemplatePart]) -> ExprId {
        let ast = self.ast;
        let mut lowered = Vec::with_capacity(parts.len());
        let mut only_text = Some(String::new());
        for part in parts {
            match part {
                TemplatePart::Text(text) => {
                    let text = template_text(ast.text_of(*text), false);
                    if let Some(only) = &mut only_text {
                        only.push_str(&text);
                    }
                    lowered.push(Part::Text(self.string(&text)));
                }
                TemplatePart::Hole(hole) => {
                    only_text = None;
                    lowered.push(Part::Hole(self.expr(*hole)));
                }
            }
        }
        let expr = match only_text {
            Some(text) => Expr::String(self.string(&text)),
            None => Expr::Interpolate(self.part_list(&lowered)),
        };
        self.push(span, expr)
    }

    /// The folder that relative literals of this spec start from.
    fn folder(&self) -> PathId {
        let path = self.t.program.specs[self.spec.index()].path;
        self.t.program.paths.parent(path).unwrap_or(path)
    }

    /// Whether a literal begins with a drive, or with the name of another machine where that is how paths begin.
    fn has_drive(&self, text: &str) -> bool {
        begins_with_drive(text) || begins_with_machine(text) && self.t.program.paths.os().has_drives()
    }

    /// Where a literal starts that begins with a separator: at the root of the file system, and where there are drives
    /// at the folder of the module.
    fn root(&self) -> PathId {
        let program = &self.t.program;
        if !program.paths.os().has_drives() {
            return PathId::ROOT;
        }
        program.modules[program.specs[self.spec.index()].module.index()].folder
    }

    /// A literal without holes.
    fn path_text(&mut self, span: Span, kind: PathKind, text: &str) -> ExprId {
        let paths = &self.t.program.paths;
        if let Err(error) = paths.check_names(text) {
            let number = match kind {
                PathKind::Atom => 9211,
                PathKind::Relative => 9210,
                PathKind::Path | PathKind::Directory | PathKind::File => 9209,
            };
            return self.error(number, span, error.to_string(), "", None);
        }
        let expr = match kind {
            // Rules report atoms and relative paths that are none: their text alone decides.
            PathKind::Atom => match RelativePath::check_atom(text) {
                Ok(()) => Expr::Atom(self.t.intern(text)),
                Err(_) => Expr::Error,
            },
            PathKind::Relative => match RelativePath::parse(text, &self.t.program.symbols) {
                Ok(relative) => {
                    self.code.relatives.push(relative);
                    Expr::Relative(self.code.relatives.len() as u32 - 1)
                }
                Err(_) => Expr::Error,
            },
            PathKind::Path | PathKind::Directory | PathKind::File => {
                if text.is_empty() {
                    return self.push(span, Expr::Error);
                }
                if self.has_drive(text) {
                    // Only refused where it is evaluated: specs for several systems name paths of each.
                    let text = self.string(text);
                    let parts = self.part_list(&[Part::Text(text)]);
                    return self.push(span, Expr::PathTemplate { kind, base: None, parts });
                }
                let base = if text.starts_with(['/', '\\']) { self.root() } else { self.folder() };
                match paths.walk(base, text) {
                    Ok(path) => match kind {
                        PathKind::Directory => Expr::Directory(path),
                        PathKind::File => Expr::File(path),
                        _ => Expr::Path(path),
                    },
                    Err(error) => return self.error(9209, span, error.to_string(), "not a path", None),
                }
            }
        };
        self.push(span, expr)
    }

    fn path_with_holes(&mut self, span: Span, kind: PathKind, parts: &[TemplatePart]) -> ExprId {
        let ast = self.ast;
        let mut lowered = Vec::with_capacity(parts.len());
        let mut first_text = None;
        let mut fine = true;
        let separator = |c: char| matches!(c, '/' | '\\');
        for (index, part) in parts.iter().enumerate() {
            match part {
                TemplatePart::Hole(hole) => {
                    lowered.push(Part::Hole(self.expr(*hole)));
                    fine &= kind == PathKind::Atom || !matches!(parts.get(index + 1), Some(TemplatePart::Hole(_)));
                }
                TemplatePart::Text(at) => {
                    let text = template_text(ast.text_of(*at), true);
                    if kind == PathKind::Atom {
                        fine &= !text.contains(['/', '\\', '\0', '\n', '\r']);
                    } else {
                        let last = index + 1 == parts.len();
                        let touches = index > 0 && !text.starts_with(separator) || !last && !text.ends_with(separator);
                        fine &= !touches;
                        if index == 0 {
                            first_text = Some(text.clone());
                        }
                    }
                    // A leading separator of a relative path says nothing.
                    let relative = kind == PathKind::Relative && index == 0;
                    let text = if relative { text.trim_start_matches(separator) } else { &text };
                    lowered.push(Part::Text(self.string(text)));
                }
            }
        }
        // A hole that is no whole part of a path, or a separator in an atom: a rule reports them.
        if !fine {
            return self.push(span, Expr::Error);
        }
        let base = match (&first_text, kind) {
            (_, PathKind::Atom | PathKind::Relative) => None,
            (None, _) => None,
            (Some(text), _) if self.has_drive(text) => None,
            (Some(text), _) if text.starts_with(separator) => Some(self.root()),
            (Some(_), _) => Some(self.folder()),
        };
        let parts = self.part_list(&lowered);
        self.push(span, Expr::PathTemplate { kind, base, parts })
    }
}
