//! Reading and parsing: bytes to trees, many files at once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::config_value::{Located, place};
use super::session::Session;
use crate::check::{FileKind, Policies, lint};
use crate::diagnostics::{Code, Diagnostic, decode};
use crate::paths::{PathId, begins_with_drive};
use crate::program::{Semantics, SpecKind};
use crate::source::system::reason;
use crate::source::{FileId, Location};
use crate::syntax::ast::{Ast, Expr, Stmt, TemplatePart};
use crate::syntax::parse;

/// A file to load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub path: PathId,
    /// Who names it; none when it was found by a walk.
    pub location: Option<Location>,
    pub kind: SpecKind,
    /// Of the module it belongs to.
    pub semantics: Semantics,
    /// Whether it is part of the prelude.
    pub prelude: bool,
    /// Whether it wraps the prelude's own `Transformer`, which a policy forbids to all others.
    pub wraps_transformer: bool,
}

impl Wanted {
    /// A file of a module with implicit semantics.
    pub fn new(path: PathId, kind: SpecKind) -> Self {
        Self { path, location: None, kind, semantics: Semantics::Implicit, prelude: false, wraps_transformer: false }
    }
}

/// A loaded file.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub path: PathId,
    pub kind: SpecKind,
    pub ast: Arc<Ast>,
    /// What the parser found.
    pub syntax: Vec<Diagnostic>,
    /// What the rules found.
    pub lint: Vec<Diagnostic>,
    /// The module names it imports, sorted.
    pub imports: Vec<Arc<str>>,
    /// The files it names in `importFile`, each with the place.
    pub files: Vec<Located<PathId>>,
}

/// Loads files in parallel, in the order given. A file that cannot be read is left out and reported.
pub(super) fn load(
    session: &Session,
    wanted: &[Wanted],
    policies: &Policies,
    allow_missing: bool,
) -> (Vec<Parsed>, Vec<Diagnostic>) {
    let read = |one: &Wanted| session.file_system.read(Path::new(&session.paths.display(one.path)));
    let contents: Vec<io::Result<Vec<u8>>> = session.run(|| wanted.par_iter().map(read).collect());
    let mut diagnostics = Vec::new();
    let mut texts = Vec::with_capacity(wanted.len());
    // Files get their ids one after the other, so that ids do not depend on timing.
    for (one, content) in wanted.iter().zip(contents) {
        let shown = session.paths.display(one.path);
        match content {
            Err(error) => diagnostics.extend(unreadable(&session.show(one.path), &error, one.location, allow_missing)),
            Ok(bytes) => {
                let (file, wrong) = decode(Path::new(&shown), bytes, &session.files);
                diagnostics.extend(wrong);
                texts.push((*one, file));
            }
        }
    }
    let parse_one = |(one, file): &(Wanted, FileId)| parsed(session, one, *file, policies);
    let parsed = session.run(|| texts.par_iter().map(parse_one).collect());
    (parsed, diagnostics)
}

fn unreadable(shown: &str, error: &io::Error, location: Option<Location>, allow_missing: bool) -> Option<Diagnostic> {
    let missing = error.kind() == io::ErrorKind::NotFound;
    if missing && allow_missing {
        return None;
    }
    let diagnostic = if missing && location.is_some() {
        let help = "correct the path, or set `frontEnd: {allowMissingSpecs: true}` in the configuration";
        Diagnostic::error(Code::Dx(9419), format!("there is no file `{shown}`")).help(help)
    } else {
        Diagnostic::error(Code::Dx(9002), format!("cannot read `{shown}`: {}", reason(error)))
    };
    Some(place(diagnostic, location))
}

/// Parses a text that no file holds.
pub(super) fn parse_text(session: &Session, wanted: &Wanted, text: String) -> Parsed {
    let file = session.files.add(session.paths.display(wanted.path), text);
    parsed(session, wanted, file, &Policies::default())
}

fn parsed(session: &Session, wanted: &Wanted, file: FileId, policies: &Policies) -> Parsed {
    let (ast, syntax) = parse(file, session.files.get(file).text().clone());
    let name = session.paths.name(wanted.path).map_or("", |name| session.symbols.text(name));
    let kind = match wanted.kind {
        SpecKind::Config => FileKind::Config,
        SpecKind::Module => FileKind::Module,
        SpecKind::List => FileKind::List,
        SpecKind::Spec if wanted.prelude => FileKind::Prelude,
        SpecKind::Spec if name.ends_with(".bp") => FileKind::Project,
        SpecKind::Spec if wanted.semantics == Semantics::Explicit => FileKind::ExplicitSpec,
        SpecKind::Spec => FileKind::Spec,
    };
    let policies = Policies { no_transformers: policies.no_transformers && !wanted.wraps_transformer, ..*policies };
    let lint = lint(&ast, kind, &policies);
    let mut parsed = Parsed {
        path: wanted.path,
        kind: wanted.kind,
        ast: Arc::new(ast),
        syntax,
        lint,
        imports: Vec::new(),
        files: Vec::new(),
    };
    collect_imports(session, &mut parsed);
    parsed
}

/// Finds `importFrom("M")`, `import … from "M"`, `export … from "M"` and `` importFile(f`x`) ``.
fn collect_imports(session: &Session, parsed: &mut Parsed) {
    let ast = parsed.ast.clone();
    let folder = session.paths.parent(parsed.path).unwrap_or(PathId::ROOT);
    let mut names: Vec<&str> = Vec::new();
    let mut name_of = |id| {
        if let Expr::String = ast.expr(id) {
            names.push(ast.text_of(ast.expr_span(id)).trim_matches(['"', '\'']));
        }
    };
    for (_, expr) in ast.all_exprs() {
        let Expr::Call { callee, arguments, .. } = expr else { continue };
        let (Expr::Name, Some(first)) = (ast.expr(callee), ast.list(arguments).first()) else { continue };
        match ast.text_of(ast.expr_span(callee)) {
            "importFrom" => name_of(*first),
            "importFile" => {
                let Expr::Template { tag: Some(tag), parts } = ast.expr(*first) else { continue };
                let ("f", [TemplatePart::Text(text)]) = (ast.name(tag), ast.list(parts)) else { continue };
                let text = ast.text_of(*text);
                // With a leading slash a path is absolute; where there are drives it starts at the folder of the module,
                // which is that of this file.
                let absolute = text.starts_with('/') && !session.paths.os().has_drives();
                let found = match begins_with_drive(text) {
                    true => session.paths.parse_absolute(text),
                    false => session.paths.walk(if absolute { PathId::ROOT } else { folder }, text),
                };
                if let Ok(value) = found {
                    let location = Some(ast.expr_span(*first).in_file(ast.file));
                    parsed.files.push(Located { value, location });
                }
            }
            _ => {}
        }
    }
    for (_, stmt) in ast.all_stmts() {
        match stmt {
            Stmt::Import { from, .. } | Stmt::Export { from: Some(from), .. } => name_of(from),
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    parsed.imports = names.into_iter().map(Arc::from).collect();
}
