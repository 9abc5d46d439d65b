//! Everything that an expression sees which is evaluated as if it stood in a spec.

use std::path::Path;
use std::sync::Arc;

use super::Workspace;
use super::loaded::Loaded;
use super::loader::{Wanted, parse_text};
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{ModuleId, Origin, Semantics, SpecId, SpecKind};
use crate::resolve::{Input, ModuleInput, SpecSource};

/// A program, and the spec in it whose names are seen.
pub(super) struct Scene {
    /// The program, without probes.
    pub input: Input,
    /// The spec.
    pub at: SpecId,
    pub loaded: Loaded,
    /// What was found while loading.
    pub diagnostics: Vec<Diagnostic>,
}

impl Workspace {
    /// The program as `spec` sees it, with these modules beside those that it imports. Without a spec only the prelude
    /// and these modules are seen.
    ///
    /// # Errors
    /// When there is no such spec: what was found, that among it.
    pub(super) fn scene(&self, spec: Option<&Path>, imports: &[Arc<str>]) -> Result<Scene, Vec<Diagnostic>> {
        let mut loaded = Loaded::load(&self.load_options(), spec.is_some(), imports);
        let mut diagnostics = loaded.diagnostics.clone();
        let mut input = loaded.input(&self.session, &self.catalogue, &self.prelude);
        let at = match spec {
            Some(spec) => match self.find_spec(spec, &input.specs) {
                Ok(at) => at,
                Err(wrong) => {
                    diagnostics.push(*wrong);
                    return Err(diagnostics);
                }
            },
            None => self.nowhere(&mut input),
        };
        Ok(Scene { input, at, loaded, diagnostics })
    }

    /// An empty spec of a module of its own: it sees the prelude and nothing else.
    fn nowhere(&self, input: &mut Input) -> SpecId {
        let path = self.session.paths.child_named(self.folder, "<nowhere>");
        let empty = parse_text(&self.session, &Wanted::new(path, SpecKind::Spec), String::new());
        let module = ModuleId(input.modules.len() as u32);
        input.modules.push(ModuleInput {
            name: "<nowhere>".into(),
            semantics: Semantics::Implicit,
            origin: Origin::Configuration,
            folder: self.folder,
            location: None,
            main: None,
            allowed_dependencies: None,
            cyclical_friends: Vec::new(),
        });
        input.specs.push(SpecSource { module, path, kind: SpecKind::Spec, ast: empty.ast });
        SpecId(input.specs.len() as u32 - 1)
    }

    fn find_spec(&self, spec: &Path, specs: &[SpecSource]) -> Result<SpecId, Box<Diagnostic>> {
        let paths = &self.session.paths;
        let text = spec.to_string_lossy();
        let wanted = paths.walk(self.folder, &text).ok().filter(|_| !spec.is_absolute());
        let wanted = wanted.or_else(|| paths.parse_absolute(&text).ok());
        if let Some(index) = specs.iter().position(|known| Some(known.path) == wanted) {
            return Ok(SpecId(index as u32));
        }
        let below = |spec: &SpecSource| {
            paths.relative_to(spec.path, self.folder).map(|path| path.display(&self.session.symbols))
        };
        let names: Vec<String> = specs.iter().filter_map(below).collect();
        let help = nearest(&text, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let message = format!("`{text}` is not a spec that this workspace loads");
        Err(Box::new(Diagnostic::error(Code::Ds(308), message).maybe_help(help)))
    }
}
