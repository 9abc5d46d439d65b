//! From the name of a module or file to its root namespace; who may import whom.

use rustc_hash::FxHashMap;

use super::ImportTarget;
use super::tables::{ImportEdge, Tables};
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{ModuleId, NamespaceId, Semantics, SpecId};
use crate::source::{Location, Span};

/// Whether a name after `from` is that of a file, not of a module.
fn is_file_name(name: &str) -> bool {
    name.starts_with(['.', '/'])
}

/// The root namespace that `import … from "name"` in `spec` means; an edge between the modules is noted.
pub(super) fn import(
    t: &mut Tables<'_>,
    diagnostics: &mut Vec<Diagnostic>,
    spec: SpecId,
    name: &str,
    span: Span,
    inline: bool,
) -> Option<NamespaceId> {
    let place = t.location(spec, span);
    let from = t.module_of_spec(spec);
    match find(t, spec, name, place, inline) {
        Ok(root) => {
            let to = t.program.namespaces[root.index()].module;
            if to != from {
                t.edges.push(ImportEdge { from, to, place });
            }
            Some(root)
        }
        Err(diagnostic) => {
            diagnostics.extend(diagnostic.map(|diagnostic| *diagnostic));
            None
        }
    }
}

/// The root namespace that a module name (or a file name) in `spec` means. An error without a diagnostic was reported
/// by a rule.
pub(super) fn find(
    t: &Tables<'_>,
    spec: SpecId,
    name: &str,
    place: Location,
    _inline: bool,
) -> Result<NamespaceId, Option<Box<Diagnostic>>> {
    let importer = t.module_of_spec(spec);
    let module = &t.program.modules[importer.index()];
    let error = |message: String, label: &str| Diagnostic::error(Code::Dx(11230), message).at(place, label.to_owned());
    if is_file_name(name) && t.input.imports.get(importer, name).is_none() {
        if module.semantics == Semantics::Implicit {
            // A rule reports it.
            return Err(None);
        }
        let path = t.program.specs[spec.index()].path;
        let folder = t.program.paths.parent(path).unwrap_or(path);
        let base = if name.starts_with(['/', '\\']) { module.folder } else { folder };
        let found = t.program.paths.walk(base, name).ok().and_then(|path| t.specs_by_path.get(&path));
        return match found {
            Some(found) if t.module_of_spec(*found) == importer => Ok(t.spec_roots[found.index()]),
            Some(_) => Err(Some(Box::new(error(format!("`{name}` belongs to another module"), "not of this module")))),
            None => Err(Some(Box::new(error(format!("there is no spec `{name}`"), "not found")))),
        };
    }
    match t.input.imports.get(importer, name) {
        Some(ImportTarget::Module(target)) => {
            if *target == importer {
                let message = format!("module `{name}` imports itself");
                let diagnostic = Diagnostic::error(Code::Dx(9087), message).at(place, "this is the same module");
                return Err(Some(Box::new(diagnostic.help("use its names directly, or `$` for its root namespace"))));
            }
            if let Some(allowed) = &module.allowed_dependencies
                && !allowed.iter().any(|known| **known == *name)
            {
                let message = format!("module `{}` is not allowed to import `{name}`", module.name);
                let mut diagnostic = Diagnostic::error(Code::Dx(50119), message).at(place, "not an allowed dependency");
                if let Some(location) = module.location {
                    diagnostic = diagnostic.and_at(location, "its `allowedDependencies` are listed here");
                }
                let help = format!("add \"{name}\" to the `allowedDependencies` of `{}`", module.name);
                return Err(Some(Box::new(diagnostic.help(help))));
            }
            Ok(t.program.modules[target.index()].root)
        }
        Some(ImportTarget::Unsupported(kind)) => {
            let message = format!("module `{name}` comes from a resolver of kind `{kind}`, which is not supported");
            Err(Some(Box::new(error(message, "cannot be provided"))))
        }
        None => {
            let suggestion = nearest(name, t.input.imports.names.keys().map(|known| &**known));
            let help = suggestion.map(|known| format!("did you mean \"{known}\"?"));
            let diagnostic = error(format!("there is no module called `{name}`"), "unknown module");
            Err(Some(Box::new(diagnostic.maybe_help(help))))
        }
    }
}

/// Refuses cycles of imports between modules that are not declared friends.
pub(super) fn check_cycles(t: &Tables<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let count = t.program.modules.len();
    let mut first: FxHashMap<(ModuleId, ModuleId), Location> = FxHashMap::default();
    let mut next: Vec<Vec<ModuleId>> = vec![Vec::new(); count];
    for edge in &t.edges {
        let explicit = |module: ModuleId| t.program.modules[module.index()].semantics == Semantics::Explicit;
        if explicit(edge.from) || explicit(edge.to) || friends(t, edge.from, edge.to) {
            continue;
        }
        if first.insert((edge.from, edge.to), edge.place).is_none() {
            next[edge.from.index()].push(edge.to);
        }
    }
    // Depth first with an explicit stack; each module that closes a cycle is reported once.
    let mut state = vec![0u8; count];
    for start in 0..count {
        if state[start] != 0 {
            continue;
        }
        let mut stack = vec![(ModuleId(start as u32), 0usize)];
        state[start] = 1;
        while let Some((module, at)) = stack.last_mut() {
            let module = *module;
            let Some(&target) = next[module.index()].get(*at) else {
                state[module.index()] = 2;
                stack.pop();
                continue;
            };
            *at += 1;
            match state[target.index()] {
                0 => {
                    state[target.index()] = 1;
                    stack.push((target, 0));
                }
                1 => {
                    let from = stack.iter().position(|(module, _)| *module == target).unwrap_or(0);
                    let cycle: Vec<ModuleId> = stack[from..].iter().map(|(module, _)| *module).collect();
                    diagnostics.push(cycle_error(t, &cycle, &first));
                }
                _ => {}
            }
        }
    }
}

fn friends(t: &Tables<'_>, from: ModuleId, to: ModuleId) -> bool {
    let (from, to) = (&t.program.modules[from.index()], &t.program.modules[to.index()]);
    from.cyclical_friends.contains(&to.name) || to.cyclical_friends.contains(&from.name)
}

fn cycle_error(t: &Tables<'_>, cycle: &[ModuleId], first: &FxHashMap<(ModuleId, ModuleId), Location>) -> Diagnostic {
    let name = |module: ModuleId| &t.program.modules[module.index()].name;
    let mut shown: Vec<String> = cycle.iter().map(|module| format!("`{}`", name(*module))).collect();
    shown.extend(cycle.first().map(|module| format!("`{}`", name(*module))));
    let mut diagnostic =
        Diagnostic::error(Code::Dx(11230), format!("modules import each other: {}", shown.join(" → ")));
    for (at, module) in cycle.iter().enumerate() {
        let target = cycle[(at + 1) % cycle.len()];
        let Some(place) = first.get(&(*module, target)) else { continue };
        let label = format!("`{}` imports `{}`", name(*module), name(target));
        diagnostic = if at == 0 { diagnostic.at(*place, label) } else { diagnostic.and_at(*place, label) };
    }
    diagnostic.help("move what both need to a third module, or name them in `cyclicalFriendModules`")
}
