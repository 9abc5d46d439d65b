//! Unit tests written in DScript: which functions they are, and each evaluated in a world of its own.

use std::path::PathBuf;
use std::sync::Arc;

use super::Workspace;
use super::loaded::Loaded;
use super::loader::{Wanted, parse_text};
use super::mounts::{Layout, Mounts};
use super::qualifiers::requested_qualifiers;
use super::system_folders::system_folders;
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Evaluation, TestWorld};
use crate::graph::{GraphBuilder, Mount, PipGraph};
use crate::paths::PathId;
use crate::program::{DeclId, QualifierMap, SpecId, SpecKind};
use crate::resolve::{Probe, Resolved, resolve};
use crate::source::system::OperatingSystem;
use crate::source::{FileId, Location, Span};
use crate::syntax::ast::{Ast, Expr, ExprId, List, Modifiers, Pattern, Stmt, StmtId};

/// A function with the decorator `@@Testing.unitTest()`.
#[derive(Clone, Debug)]
pub struct UnitTest {
    /// The spec that holds it, as an absolute path.
    pub spec: PathBuf,
    /// Its name with the namespaces that it lies in: `Tests.Parsing.emptyLine`.
    pub name: String,
    /// Where its name is written.
    pub location: Location,
}

/// The unit tests of a workspace, ready to run.
pub struct UnitTests<'w> {
    workspace: &'w Workspace,
    resolved: Resolved,
    tests: Vec<UnitTest>,
    /// The file whose only expression calls the test, for each test.
    calls: Vec<FileId>,
    qualifier: QualifierMap,
    diagnostics: Vec<Diagnostic>,
}

/// What running a unit test gave.
#[derive(Debug)]
pub struct UnitTestRun {
    /// The pips that it made, and those of the values that it needed. With errors it holds what could be made.
    pub graph: PipGraph,
    /// What was found. The test failed when there is an error among it.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the test says that its pips are compared with nothing.
    pub pips_are_free: bool,
}

impl Workspace {
    /// Finds the unit tests of the build extent and prepares them.
    pub fn unit_tests(&self) -> UnitTests<'_> {
        let mut diagnostics = self.diagnostics.clone();
        let (maps, _) = requested_qualifiers(&[], &self.config.qualifiers);
        let mut loaded = Loaded::load(&self.load_options(), !self.broken, &[]);
        let mut found = Vec::new();
        for (path, ast) in loaded.extent(&self.catalogue) {
            let spec: PathBuf = self.session.paths.display(path).into();
            each_test(ast, ast.body, "", &mut |name, found_test| {
                let location = found_test.name.in_file(ast.file);
                match found_test.mistake {
                    Some(mistake) => diagnostics.push(mistake.diagnostic(&name, location)),
                    None => found.push((path, UnitTest { spec: spec.clone(), name, location })),
                }
            });
        }
        diagnostics.extend(loaded.diagnostics.iter().cloned());
        let mut input = loaded.input(&self.session, &self.catalogue, &self.prelude);
        let (mut tests, mut calls) = (Vec::new(), Vec::new());
        for (path, test) in found {
            let Some(spec) = input.specs.iter().position(|known| known.path == path) else { continue };
            let wanted = Wanted::new(path, SpecKind::Spec);
            let call = parse_text(&self.session, &wanted, format!("{}();", test.name));
            calls.push(call.ast.file);
            let name = Arc::from(test.name.as_str());
            tests.push(test);
            input.probes.push(Probe { spec: SpecId(spec as u32), ast: call.ast, name });
        }
        let (resolved, said) = self.session.run(|| resolve(input));
        diagnostics.extend(said.into_iter().filter(|one| !loaded.follows_from_syntax(one)));
        let diagnostics = self.finish(diagnostics);
        let qualifier = maps.into_iter().next().unwrap_or_default();
        UnitTests { workspace: self, resolved, tests, calls, qualifier, diagnostics }
    }
}

impl UnitTests<'_> {
    /// The tests, in the order of the specs and of the functions in each.
    pub fn tests(&self) -> &[UnitTest] {
        &self.tests
    }

    /// Folders that lie elsewhere on every Windows machine, with the names of their mounts. Elsewhere there are none.
    pub fn known_folders(&self) -> Vec<(PathId, &'static str)> {
        let session = &self.workspace.session;
        let all = system_folders(&*session.environment, &session.paths);
        let windows = session.paths.os() == OperatingSystem::Windows;
        // Golden files name what lies below these by the folders around them.
        let inner = ["System", "INetCookies"];
        let known = all.into_iter().filter(|folder| windows && !inner.contains(&folder.name));
        known.map(|folder| (folder.path, folder.name)).collect()
    }

    /// What is wrong in the workspace itself. With an error among it no test makes sense.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Runs the test at an index of [`UnitTests::tests`]: on this thread, in a world without variables and mounts.
    ///
    /// # Panics
    /// When there is no such test.
    pub fn run(&self, index: usize) -> UnitTestRun {
        let workspace = self.workspace;
        let paths = &workspace.session.paths;
        let world = Arc::new(TestWorld::new(workspace.session.environment.clone()));
        let folder = paths.parse_absolute(&self.tests[index].spec.to_string_lossy()).unwrap_or(PathId::ROOT);
        let folder = paths.parent(folder).unwrap_or(PathId::ROOT);
        let below = |name: &str| paths.child_named(folder, name);
        let layout = Layout {
            output: below("Out"),
            object: below("obj_test"),
            temp: below("tmp_test"),
            ..Layout::new(folder, workspace.layout.engine, &workspace.config.layout, paths)
        };
        let mut host = workspace.host_of(&layout, &Mounts::default(), world.clone());
        host.test = Some(world.clone());
        let mount = |name: &str, path: PathId, readable: bool, writable: bool| Mount {
            name: name.into(),
            path,
            readable,
            writable,
            scrubbable: false,
            location: None,
        };
        let mounts = vec![
            mount("testFolder", folder, true, true),
            mount("src", below("src"), true, true),
            mount("out", below("out"), true, true),
            mount("noRead", below("noRead"), false, true),
            mount("noWrite", below("noWrite"), true, false),
            mount("temp", layout.temp, true, true),
            mount("obj", layout.object, true, true),
        ];
        let options = workspace.graph_options(folder);
        let builder = GraphBuilder::new(paths.clone(), mounts, options);
        let (root, mut diagnostics) = match self.resolved.probes.get(index).copied().flatten() {
            Some(decl) => self.instance(decl),
            None => (None, Vec::new()),
        };
        let evaluation = Evaluation { threads: 1, ..workspace.evaluation(&self.resolved, &host) };
        let (graph, said) = evaluation.graph_of(root.as_slice(), builder);
        diagnostics.extend(said);
        for diagnostic in &mut diagnostics {
            // The call is ours, not the user's; and where a check does not hold is shown already.
            let shown = diagnostic.primary().filter(|_| diagnostic.code == Code::Ds(701)).map(|label| label.location);
            let call = self.calls[index];
            diagnostic.trace.retain(|frame| frame.location.file != call && Some(frame.location) != shown);
        }
        UnitTestRun { graph, diagnostics: workspace.finish(diagnostics), pips_are_free: world.pips_are_free() }
    }

    /// The call of a test under the default qualifier.
    fn instance(&self, decl: DeclId) -> (Option<crate::eval::Root>, Vec<Diagnostic>) {
        let program = &self.resolved.program;
        let qualifier = program.qualifiers.qualifier(self.qualifier.clone());
        match program.qualifiers.coerce(qualifier, program.decls[decl.index()].space) {
            Ok(instance) => (Some((decl, instance)), Vec::new()),
            Err(error) => {
                let name = program.decl_name(decl);
                let message = format!("`{name}` cannot be evaluated under the default qualifier: {error}");
                let help = "set `qualifiers: {defaultQualifier: …}` in the configuration";
                (None, vec![Diagnostic::error(Code::Dx(9364), message).help(help)])
            }
        }
    }
}

/// Finds what is marked with `@@Testing.unitTest()` in a block and the namespaces in it.
fn each_test(ast: &Ast, body: List<StmtId>, prefix: &str, found: &mut impl FnMut(String, Marked)) {
    for &id in ast.list(body) {
        match ast.stmt(id) {
            Stmt::Function { modifiers, name, function } => {
                let Some(is_called) = mark(ast, modifiers) else { continue };
                let mistake = if !is_called {
                    Some(Mistake::MarkNotCalled)
                } else if modifiers.export.is_none() {
                    Some(Mistake::NotExported)
                } else if !ast.list(ast.function(function).parameters).is_empty() {
                    Some(Mistake::HasParameters)
                } else {
                    None
                };
                found(format!("{prefix}{}", ast.name(name)), Marked { name: name.span, mistake });
            }
            Stmt::Variable { modifiers, declarators, .. } if mark(ast, modifiers).is_some() => {
                for declarator in ast.list(declarators) {
                    let Pattern::Ident(name) = declarator.pattern else { continue };
                    let mistake = Some(Mistake::NoFunction);
                    found(format!("{prefix}{}", ast.name(name)), Marked { name: name.span, mistake });
                }
            }
            Stmt::Namespace { name, body, .. } => {
                let parts: Vec<&str> = ast.list(name).iter().map(|part| ast.name(*part)).collect();
                each_test(ast, body, &format!("{prefix}{}.", parts.join(".")), found);
            }
            _ => {}
        }
    }
}

/// A declaration that is marked as a unit test.
struct Marked {
    name: Span,
    mistake: Option<Mistake>,
}

/// Why a declaration cannot be called as a test.
#[derive(Clone, Copy)]
enum Mistake {
    NoFunction,
    MarkNotCalled,
    NotExported,
    HasParameters,
}

impl Mistake {
    /// DS0705: such a test would otherwise never run, and nobody would see it.
    fn diagnostic(self, name: &str, location: Location) -> Diagnostic {
        let (message, help) = match self {
            Mistake::NoFunction => {
                (format!("`{name}` is marked as a unit test, but it is a value"), "write `export function` for a test")
            }
            Mistake::MarkNotCalled => {
                let message = format!("the decorator of the unit test `{name}` has no parentheses");
                (message, "write `@@Testing.unitTest()`")
            }
            Mistake::NotExported => {
                (format!("the unit test `{name}` is not exported"), "write `export` before `function`")
            }
            Mistake::HasParameters => {
                let help = "call it with arguments from functions that are tests";
                (format!("the unit test `{name}` has parameters, but nobody gives it arguments"), help)
            }
        };
        Diagnostic::error(Code::Ds(705), message).at(location, "").help(help)
    }
}

/// Whether a decorator among the modifiers names `unitTest`, whatever `Testing` is called where it is imported; and if
/// so, whether it calls it.
fn mark(ast: &Ast, modifiers: Modifiers) -> Option<bool> {
    let is_mark = |expr: ExprId| match ast.expr(expr) {
        Expr::Member { name, .. } => ast.name(name) == "unitTest",
        _ => false,
    };
    ast.list(modifiers.decorators).iter().find_map(|&decorator| match ast.expr(decorator) {
        Expr::Call { callee, .. } => is_mark(callee).then_some(true),
        _ => is_mark(decorator).then_some(false),
    })
}
