//! A conversation: inputs that are evaluated one after the other, each seeing what those before it declared.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::loader::{Parsed, Wanted, parse_text};
use super::probe::{as_statement, point_to_specs};
use super::qualifiers::{QualifierRequest, requested_qualifiers};
use super::scene::Scene;
use super::value_json::to_json;
use super::{ProbedValue, Workspace, config_value};
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Evaluation, to_display};
use crate::program::{DeclId, DeclKind, QualifierId, SpecId, SpecKind};
use crate::resolve::{Probe, Resolved, resolve};
use crate::source::FileId;
use crate::syntax::ast::Ast;
use crate::syntax::parse;

/// What one input gave.
#[derive(Clone, Debug, Default)]
pub struct Entered {
    /// The values of its expressions, in order.
    pub values: Vec<ProbedValue>,
    /// What was found in it and on the way, and, the first time, in the workspace.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether evaluation was interrupted.
    pub interrupted: bool,
}

/// A conversation with a workspace. Inputs are expressions, declarations and imports; nothing that they say reaches the
/// workspace's specs.
///
/// ```
/// use dscript::workspace::Workspace;
///
/// let workspace = Workspace::from_memory([("build.dsc", "const size = 3;")]);
/// let mut prompt = workspace.prompt(Some("build.dsc".as_ref()), None);
/// assert!(prompt.enter("const twice = (n: number) => n * 2;").diagnostics.is_empty());
/// assert_eq!(prompt.enter("twice(size)").values[0].text.as_deref(), Some("6"));
/// ```
pub struct Prompt<'w> {
    pub(super) workspace: &'w Workspace,
    spec: Option<PathBuf>,
    request: Option<QualifierRequest>,
    interrupted: Arc<AtomicBool>,
    /// How many inputs there were.
    count: usize,
    /// The inputs whose declarations are kept.
    kept: Vec<Arc<Ast>>,
    imports: Vec<Arc<str>>,
    scene: Option<Arc<Scene>>,
    /// Whether what is wrong in the workspace was told.
    told: bool,
}

impl Workspace {
    /// Begins a conversation with the names that `spec` sees, under one qualifier. `spec` is a path, absolute or
    /// relative to the workspace's folder; without one only the prelude and imports are seen.
    pub fn prompt(&self, spec: Option<&Path>, request: Option<&QualifierRequest>) -> Prompt<'_> {
        Prompt {
            workspace: self,
            spec: spec.map(Path::to_owned),
            request: request.cloned(),
            interrupted: Arc::default(),
            count: 0,
            kept: Vec::new(),
            imports: Vec::new(),
            scene: None,
            told: false,
        }
    }
}

impl Prompt<'_> {
    /// Whoever sets this, from any thread, stops the evaluation that is running.
    pub fn interrupter(&self) -> Arc<AtomicBool> {
        self.interrupted.clone()
    }

    /// Forgets all declarations and imports.
    pub fn forget(&mut self) {
        self.kept.clear();
        self.imports.clear();
        self.scene = None;
    }

    /// Evaluates an input. Its declarations and imports are kept where nothing is wrong with it.
    pub fn enter(&mut self, text: &str) -> Entered {
        self.interrupted.store(false, Ordering::Relaxed);
        self.count += 1;
        let parsed = self.parse(&format!("<input {}>", self.count), text);
        let mut entered = Entered::default();
        let scene = match self.scene(&parsed.imports) {
            Ok(scene) => scene,
            Err(found) => {
                entered.diagnostics = self.workspace.finish(found);
                return entered;
            }
        };
        let mut own = [&parsed.syntax[..], &parsed.lint[..]].concat();
        // What a spec may not hold is all that an expression is.
        own.retain(|one| one.code != Code::Dx(9037));
        let file = parsed.ast.file;
        let (resolved, found) = self.resolved(&scene, parsed.ast.clone());
        let mut general = Vec::new();
        for one in found {
            match one.primary().map(|label| label.location.file) {
                Some(at) if at == file => own.push(one),
                Some(at) if self.kept.iter().any(|kept| kept.file == at) => {}
                _ => general.push(one),
            }
        }
        if self.spec.is_none() {
            point_to_specs(&mut own);
        }
        if !std::mem::replace(&mut self.told, true) {
            general.retain(|one| !scene.loaded.follows_from_syntax(one));
            general.extend(scene.diagnostics.iter().chain(&self.workspace.diagnostics).cloned());
            entered.diagnostics = general;
        }
        if !own.iter().any(Diagnostic::is_error) {
            self.evaluate(&resolved, &mut own, &mut entered);
            if !own.iter().any(Diagnostic::is_error) && !entered.interrupted {
                self.kept.push(parsed.ast);
                self.imports.extend(parsed.imports);
            }
        }
        entered.diagnostics.extend(own);
        entered.diagnostics = self.workspace.finish(std::mem::take(&mut entered.diagnostics));
        entered
    }

    /// Computes the values of the last probe and keeps those of its expressions.
    fn evaluate(&self, resolved: &Resolved, own: &mut Vec<Diagnostic>, entered: &mut Entered) {
        let program = &resolved.program;
        let Some(spec) = program.specs.last() else { return };
        let mut decls: Vec<DeclId> = spec.decls.clone();
        decls.retain(|decl| matches!(program.decls[decl.index()].kind, DeclKind::Value { .. }));
        decls.sort_by_key(|decl| program.decls[decl.index()].name_span.start);
        let mut roots = Vec::new();
        for decl in decls {
            match self.instance(resolved, decl) {
                Ok(Some(instance)) => roots.push((decl, instance)),
                Ok(None) => {}
                Err(wrong) => own.push(*wrong),
            }
        }
        let mut host = self.workspace.host();
        host.interrupted = Some(self.interrupted.clone());
        let evaluation = Evaluation { threads: 1, ..self.workspace.evaluation(resolved, &host) };
        let kept = |decl: DeclId| {
            let file = program.specs[program.decls[decl.index()].spec.index()].file;
            self.kept.iter().any(|kept| kept.file == file)
        };
        let (values, said) = evaluation.values_beside(&roots, kept, |machine, value| {
            value.map(|value| (to_display(machine, value), to_json(machine, value)))
        });
        own.extend(said);
        entered.interrupted = self.interrupted.load(Ordering::Relaxed);
        let named = |decl: &DeclId| !program.symbols.text(program.decls[decl.index()].name).is_empty();
        for (_, value) in roots.iter().zip(values).filter(|((decl, _), _)| !named(decl)) {
            let Some((text, json)) = value else { continue };
            entered.values.push(ProbedValue { text: Some(text), json, diagnostics: Vec::new() });
        }
    }

    /// The qualifier under which a value is computed; none where the request itself is wrong, which was told.
    pub(super) fn instance(&self, resolved: &Resolved, decl: DeclId) -> Result<Option<QualifierId>, Box<Diagnostic>> {
        let requests: Vec<QualifierRequest> = self.request.clone().into_iter().collect();
        let (maps, _) = requested_qualifiers(&requests, &self.workspace.config.qualifiers);
        let Some(map) = maps.into_iter().next() else { return Ok(None) };
        let (program, qualifiers) = (&resolved.program, &resolved.program.qualifiers);
        let space = program.decls[decl.index()].space;
        qualifiers.coerce(qualifiers.qualifier(map), space).map(Some).map_err(|error| {
            let message = format!("this cannot be evaluated under this qualifier: {error}");
            let wrong = Diagnostic::error(Code::Dx(9364), message).help("request another qualifier with `-q`");
            Box::new(config_value::place(wrong, Some(program.decl_location(decl))))
        })
    }

    /// Parses an input. What is missing at its end, a `;`, is put there.
    pub(super) fn parse(&self, name: &str, text: &str) -> Parsed {
        let session = &self.workspace.session;
        let path = session.paths.child_named(self.workspace.folder, name);
        let fine = |text: &str| !parse(FileId(0), text.into()).1.iter().any(Diagnostic::is_error);
        let statement = as_statement(text);
        // Declarations with a body end without `;`.
        let text = if fine(&statement) || !fine(text) { statement } else { text.to_owned() };
        parse_text(session, &Wanted::new(path, SpecKind::Spec), text)
    }

    /// Loads the program, again where an import asks for modules that are not there yet.
    pub(super) fn scene(&mut self, imports: &[Arc<str>]) -> Result<Arc<Scene>, Vec<Diagnostic>> {
        let mut diagnostics = self.workspace.diagnostics.clone();
        let requests: Vec<QualifierRequest> = self.request.clone().into_iter().collect();
        diagnostics.extend(requested_qualifiers(&requests, &self.workspace.config.qualifiers).1);
        if self.workspace.broken || diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        if let Some(scene) = &self.scene
            && imports.iter().all(|name| self.imports.contains(name))
        {
            return Ok(scene.clone());
        }
        let all: Vec<Arc<str>> = self.imports.iter().chain(imports).cloned().collect();
        let scene = Arc::new(self.workspace.scene(self.spec.as_deref(), &all)?);
        self.scene = Some(scene.clone());
        Ok(scene)
    }

    /// The program with what was kept and one more file, which sees all of it.
    pub(super) fn resolved(&self, scene: &Scene, ast: Arc<Ast>) -> (Resolved, Vec<Diagnostic>) {
        let mut input = scene.input.clone();
        let first = input.specs.len() as u32;
        let asts = self.kept.iter().cloned().chain([ast]);
        for (index, ast) in asts.enumerate() {
            let spec = if index == 0 { scene.at } else { SpecId(first + index as u32 - 1) };
            input.probes.push(Probe { spec, ast, name: "".into() });
        }
        self.workspace.session.run(|| resolve(input))
    }
}
