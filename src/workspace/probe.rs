//! Evaluating expressions as if they stood in a spec: `dscript eval --at SPEC EXPR…`.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::loader::{Wanted, parse_text};
use super::qualifiers::requested_qualifiers;
use super::scene::Scene;
use super::value_json::to_json;
use super::{QualifierRequest, Workspace, config_value};
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{Evaluation, to_display};
use crate::program::SpecKind;
use crate::resolve::{Probe, resolve};
use crate::syntax::ast::Stmt;
use crate::syntax::token::Tok;
use crate::syntax::{is_unfinished, tokens};

/// What expressions evaluate to.
#[derive(Clone, Debug)]
pub struct Probed {
    /// One for each expression, in order.
    pub values: Vec<ProbedValue>,
    /// What was found in the workspace itself. Expressions are evaluated all the same, as far as they go.
    pub diagnostics: Vec<Diagnostic>,
}

/// What one expression evaluates to.
#[derive(Clone, Debug)]
pub struct ProbedValue {
    /// The value as text, as `toString()` gives it; none where evaluation failed.
    pub text: Option<String>,
    /// The value as JSON; `{"$": "error"}` where evaluation failed.
    pub json: Json,
    /// What was found in the expression and on the way.
    pub diagnostics: Vec<Diagnostic>,
}

/// An expression as a statement of a file.
pub(super) fn as_statement(text: &str) -> String {
    let text = text.trim();
    // What lacks its rest is told to end too early, not to go on with a `;` that nobody wrote.
    if is_unfinished(text) && !text.starts_with('{') {
        return text.to_owned();
    }
    // A comment at the end stays behind the `;`.
    let end =
        tokens(text).0.iter().rfind(|token| token.tok != Tok::Semi).map_or(text.len(), |token| token.end as usize);
    let (text, rest) = text.split_at(end);
    let rest = rest.trim_start_matches([';', ' ']);
    // At the start of a statement, `{` would open a block. The `;` stands on a line of its own, which excerpts of
    // the expression do not show.
    if text.starts_with('{') { format!("({text}\n);{rest}") } else { format!("{text}\n;{rest}") }
}

/// Adds to names that are unknown without a spec where they would be known.
pub(super) fn point_to_specs(found: &mut [Diagnostic]) {
    for one in found.iter_mut().filter(|one| one.code == Code::Dx(9226) && one.help.is_none()) {
        one.help = Some("with `--at SPEC` the names of that spec are known".to_owned());
    }
}

impl Workspace {
    /// Evaluates expressions with the names that `spec` sees, under one qualifier. `spec` is a path, absolute or
    /// relative to the workspace's folder; without one only the prelude and imports are seen.
    pub fn eval_at(&self, spec: Option<&Path>, expressions: &[String], request: Option<&QualifierRequest>) -> Probed {
        let mut diagnostics = self.diagnostics.clone();
        let failed = |diagnostics| {
            let value = ProbedValue { text: None, json: json!({"$": "error"}), diagnostics: Vec::new() };
            Probed { values: vec![value; expressions.len()], diagnostics }
        };
        let requests: Vec<QualifierRequest> = request.cloned().into_iter().collect();
        let (maps, wrong) = requested_qualifiers(&requests, &self.config.qualifiers);
        diagnostics.extend(wrong);
        let Some(map) = maps.into_iter().next().filter(|_| !self.broken) else {
            return failed(self.finish(diagnostics));
        };
        let parsed: Vec<_> = expressions
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let path = self.session.paths.child_named(self.folder, &format!("<expression {}>", index + 1));
                parse_text(&self.session, &Wanted::new(path, SpecKind::Spec), as_statement(text))
            })
            .collect();
        let imports: Vec<Arc<str>> = parsed.iter().flat_map(|file| file.imports.iter().cloned()).collect();
        let Scene { mut input, at, loaded, diagnostics: found } = match self.scene(spec, &imports) {
            Ok(scene) => scene,
            Err(found) => {
                diagnostics.extend(found);
                return failed(self.finish(diagnostics));
            }
        };
        diagnostics.extend(found);
        let mut syntax = Vec::new();
        let mut files = Vec::new();
        for mut file in parsed {
            files.push(file.ast.file);
            // What a spec may not hold is all that an expression is.
            file.lint.retain(|one| one.code != Code::Dx(9037));
            let mut said = [file.syntax, file.lint].concat();
            let statements = file.ast.list(file.ast.body).iter().map(|id| file.ast.stmt(*id));
            if said.is_empty() && statements.filter(|stmt| !matches!(stmt, Stmt::Empty)).count() > 1 {
                let message = "these are several statements, not one expression";
                said.push(
                    Diagnostic::error(Code::Ds(307), message).help("write one expression, or each as one of its own"),
                );
            }
            syntax.push(said);
            input.probes.push(Probe { spec: at, ast: file.ast, name: "".into() });
        }
        let (resolved, found) = self.session.run(|| resolve(input));
        // What stands in an expression is reported with it.
        let mut own: Vec<Vec<Diagnostic>> = syntax;
        for one in found {
            let file = one.primary().map(|label| label.location.file);
            match files.iter().position(|known| Some(*known) == file) {
                Some(index) => own[index].push(one),
                None if loaded.follows_from_syntax(&one) => {}
                None => diagnostics.push(one),
            }
        }
        let host = self.host();
        let mut values = Vec::new();
        for (decl, mut found) in resolved.probes.iter().zip(own) {
            if spec.is_none() {
                point_to_specs(&mut found);
            }
            // An expression that is not one (a statement such as an `import`) is said to be so by a rule.
            let syntax_error = found.iter().any(Diagnostic::is_error);
            let root = decl.filter(|_| !syntax_error).and_then(|decl| {
                let space = resolved.program.decls[decl.index()].space;
                let qualifiers = &resolved.program.qualifiers;
                match qualifiers.coerce(qualifiers.qualifier(map.clone()), space) {
                    Ok(instance) => Some((decl, instance)),
                    Err(error) => {
                        let message = format!("the expression cannot be evaluated under this qualifier: {error}");
                        let help = "request another qualifier with `-q`";
                        let wrong = Diagnostic::error(Code::Dx(9364), message).help(help);
                        found.push(config_value::place(wrong, Some(resolved.program.decl_location(decl))));
                        None
                    }
                }
            });
            let mut result = None;
            if let Some(root) = root {
                let evaluation = Evaluation { threads: 1, ..self.evaluation(&resolved, &host) };
                let (values, said) = evaluation.values(&[root], |machine, value| {
                    value.map(|value| (to_display(machine, value), to_json(machine, value)))
                });
                found.extend(said);
                result = values.into_iter().next().flatten();
            } else if !syntax_error && decl.is_none() {
                found.push(Diagnostic::error(Code::Ds(307), "this is not an expression").help("write one expression"));
            }
            let (text, json) = match result {
                Some((text, json)) => (Some(text), json),
                None => (None, json!({"$": "error"})),
            };
            values.push(ProbedValue { text, json, diagnostics: self.finish(found) });
        }
        Probed { values, diagnostics: self.finish(diagnostics) }
    }
}
