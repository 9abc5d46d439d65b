//! Evaluating configuration and module files, with the same evaluator as specs.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::config_value::{ConfigKind, ConfigValue};
use super::loader::{Parsed, Wanted, load};
use super::prelude::Prelude;
use super::session::Session;
use crate::check::Policies;
use crate::diagnostics::Diagnostic;
use crate::eval::{Evaluation, Host, Machine, NativeTable, Value, enum_name};
use crate::paths::{PathId, RelativePath};
use crate::program::{ModuleId, Origin, QualifierId, Qualifiers, Semantics, SpecKind};
use crate::resolve::{ImportMap, Input, ModuleInput, SpecSource, resolve};
use crate::syntax::ast::{Ast, Expr, ExprId, Stmt};

/// The arguments of the calls in each file; a file that could not be read or evaluated is left out. A list file, which
/// holds no calls, has none.
pub(super) type FileValues = FxHashMap<PathId, Vec<ConfigValue>>;

/// Reads files of one kind (`config.dsc` or module files) with the list files that they import, and evaluates the
/// arguments of their `config({…})` or `module({…})` calls.
pub(super) fn evaluate_files(
    session: &Session,
    prelude: &Prelude,
    wanted: &[Wanted],
    host: &Host,
    natives: &NativeTable,
) -> (FileValues, Vec<Diagnostic>) {
    let (mut parsed, mut diagnostics) = load_all(session, wanted);
    let mut broken = Vec::new();
    for file in &mut parsed {
        // What a broken file says further on is not to be trusted.
        if file.syntax.iter().any(Diagnostic::is_error) {
            broken.push(file.path);
        } else {
            diagnostics.append(&mut file.lint);
        }
        diagnostics.append(&mut file.syntax);
    }
    let (modules, specs) = sources(session, prelude, &parsed);
    let files = parsed.iter().enumerate();
    let input = Input {
        symbols: session.symbols.clone(),
        paths: session.paths.clone(),
        qualifiers: Arc::new(Qualifiers::new()),
        modules,
        specs,
        imports: ImportMap::default(),
        files: files.map(|(index, file)| (file.path, ModuleId(index as u32 + 1))).collect(),
        prelude: Some(ModuleId(0)),
        probes: Vec::new(),
    };
    let (resolved, found) = session.run(|| resolve(input));
    let of_broken = |one: &Diagnostic| {
        let file = one.primary().map(|label| label.location.file);
        parsed.iter().any(|parsed| Some(parsed.ast.file) == file && broken.contains(&parsed.path))
    };
    diagnostics.extend(found.into_iter().filter(|one| !of_broken(one)));
    let calls: Vec<_> = resolved
        .configurations
        .iter()
        .filter(|call| !broken.contains(&resolved.program.specs[call.spec.index()].path))
        .collect();
    let roots: Vec<_> = calls.iter().map(|call| (call.decl, QualifierId::EMPTY)).collect();
    let evaluation = Evaluation { resolved: &resolved, host, natives, files: &session.files, threads: 1 };
    let (values, said) = evaluation.values(&roots, |machine, value| value.map(|value| convert(machine, value, 0)));
    diagnostics.extend(said);
    let trees: FxHashMap<PathId, &Ast> = parsed.iter().map(|file| (file.path, &*file.ast)).collect();
    let mut result = FileValues::default();
    for (call, value) in calls.into_iter().zip(values) {
        let path = resolved.program.specs[call.spec.index()].path;
        // A call without arguments was refused by a rule.
        let Some(mut value) = value.filter(|value| !value.is_undefined()) else { continue };
        if let Some((ast, argument)) =
            trees.get(&path).and_then(|ast| Some((ast, argument_of(ast, call.location.span)?)))
        {
            value.locate(ast, argument);
        }
        result.entry(path).or_default().push(value);
    }
    for list in parsed.iter().filter(|file| file.kind == SpecKind::List) {
        result.entry(list.path).or_default();
    }
    (result, diagnostics)
}

/// The files and everything that they import.
fn load_all(session: &Session, wanted: &[Wanted]) -> (Vec<Parsed>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut all: Vec<Parsed> = Vec::new();
    let mut next = wanted.to_vec();
    while !next.is_empty() {
        let (parsed, wrong) = load(session, &next, &Policies::default(), false);
        diagnostics.extend(wrong);
        let mut asked: Vec<PathId> = all.iter().map(|file| file.path).chain(next.iter().map(|one| one.path)).collect();
        next.clear();
        for file in parsed.iter().flat_map(|file| &file.files) {
            if !asked.contains(&file.value) {
                asked.push(file.value);
                next.push(Wanted { location: file.location, ..Wanted::new(file.value, SpecKind::List) });
            }
        }
        all.extend(parsed);
    }
    (all, diagnostics)
}

/// The prelude as the first module, then one module for each file.
fn sources(session: &Session, prelude: &Prelude, parsed: &[Parsed]) -> (Vec<ModuleInput>, Vec<SpecSource>) {
    let mut modules = vec![prelude.module()];
    let mut specs = prelude.specs(ModuleId(0));
    for file in parsed {
        let module = ModuleId(modules.len() as u32);
        specs.push(SpecSource { module, path: file.path, kind: file.kind, ast: file.ast.clone() });
        modules.push(ModuleInput {
            name: session.paths.display(file.path).into(),
            semantics: Semantics::Implicit,
            origin: Origin::Configuration,
            folder: session.paths.parent(file.path).unwrap_or(PathId::ROOT),
            location: None,
            main: None,
            allowed_dependencies: None,
            cyclical_friends: Vec::new(),
        });
    }
    (modules, specs)
}

/// The first argument of the call at a place.
fn argument_of(ast: &Ast, span: crate::source::Span) -> Option<ExprId> {
    ast.list(ast.body).iter().find_map(|id| {
        let Stmt::Expr(call) = ast.stmt(*id) else { return None };
        let Expr::Call { arguments, .. } = ast.expr(call) else { return None };
        (ast.expr_span(call) == span).then(|| ast.list(arguments).first().copied())?
    })
}

/// Deeper values than any setting has are cut off.
const MAX_DEPTH: u32 = 100;

fn convert(machine: &Machine<'_, '_>, value: Value<'_>, depth: u32) -> ConfigValue {
    if depth > MAX_DEPTH {
        return ConfigValue::new(ConfigKind::Other("a value nested too deeply"));
    }
    let text = |symbol| Arc::<str>::from(machine.symbols().text(symbol));
    ConfigValue::new(match value {
        Value::Undefined => ConfigKind::Undefined,
        Value::Bool(flag) => ConfigKind::Bool(flag),
        Value::Number(number) => ConfigKind::Number(number),
        Value::String(string) => ConfigKind::String(string.text.into()),
        Value::Path(path) => ConfigKind::Path(path),
        Value::Directory(path) => ConfigKind::Directory(path),
        Value::File(file) => ConfigKind::File(file.path),
        Value::Atom(atom) => ConfigKind::Atom(atom),
        Value::Relative(path) => ConfigKind::Relative(RelativePath::from_atoms(path.atoms.to_vec())),
        Value::Enum(id, number) => {
            ConfigKind::Enum { name: enum_name(machine.program(), id, number).into(), value: number }
        }
        Value::Array(array) => {
            ConfigKind::Array(array.items.iter().map(|item| convert(machine, *item, depth + 1)).collect())
        }
        Value::Object(object) => {
            let field = |(key, value)| (text(key), convert(machine, value, depth + 1));
            ConfigKind::Object(object.entries().map(field).collect())
        }
        Value::Map(_) => ConfigKind::Other("a map"),
        Value::Set(_) | Value::MutableSet(_) => ConfigKind::Other("a set"),
        Value::Closure(_) | Value::Function(..) | Value::Native(_) | Value::Method(_) => {
            ConfigKind::Other("a function")
        }
        Value::Namespace(..) => ConfigKind::Other("a namespace"),
        _ => ConfigKind::Other("a value of another type"),
    })
}
