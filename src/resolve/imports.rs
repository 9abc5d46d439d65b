//! From the name of a module or file to its root namespace; who may import whom.

use rustc_hash::FxHashMap;

use super::ImportTarget;
use super::tables::Tables;
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::paths::RelativeError;
use crate::program::{Module, NamespaceId, Semantics, SpecId, SpecKind};
use crate::source::Location;

/// Whether a name after `from` is that of a file, not of a module.
fn is_file_name(name: &str) -> bool {
    name.starts_with(['.', '/'])
}

/// The root namespace that a module name (or a file name) in `spec` means. An error without a diagnostic was reported
/// by a rule.
pub(super) fn find(
    t: &Tables<'_>,
    spec: SpecId,
    name: &str,
    place: Location,
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
        let path = match t.program.paths.walk(base, name) {
            Ok(path) => path,
            Err(RelativeError::AboveRoot { .. }) => {
                let message = format!("`{name}` leads above the root of the file system");
                let diagnostic = Diagnostic::error(Code::Dx(9219), message).at(place, "not a path");
                return Err(Some(Box::new(diagnostic.help("correct the path"))));
            }
            // A rule reports illegal characters.
            Err(_) => return Err(None),
        };
        return match t.specs_by_path.get(&path) {
            Some(found) if t.module_of_spec(*found) == importer => Ok(t.spec_roots[found.index()]),
            Some(_) => {
                let diagnostic = error(format!("`{name}` belongs to another module"), "not of this module");
                Err(Some(Box::new(diagnostic.help("import that module by its name"))))
            }
            None => {
                let diagnostic = error(format!("there is no spec `{name}` in module `{}`", module.name), "not found");
                let help = "its specs are those that `projects` lists, or else all below its folder";
                Err(Some(Box::new(diagnostic.help(help))))
            }
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
            let help =
                "a module of specs with the same name can stand for it: list it in a resolver of kind `DScript`, first";
            Err(Some(Box::new(error(message, "cannot be provided").help(help))))
        }
        // A rule reports imports of modules in configuration files.
        None if t.program.specs[spec.index()].kind != SpecKind::Spec => Err(None),
        None => {
            if t.input.imports.left_out.contains(name) {
                let diagnostic = error(format!("there is no module called `{name}`"), "unknown module");
                let note = "it is part of the SDK that comes with dscript, which is left out here";
                let help = "leave out `--sdk`, or `disableInBoxSdkSourceResolver` of the configuration; or add a module of \
                            this name";
                return Err(Some(Box::new(diagnostic.note(note).help(help))));
            }
            let suggestion = nearest(name, t.input.imports.names.keys().map(|known| &**known));
            let help = suggestion.map(|known| format!("did you mean \"{known}\"?"));
            let diagnostic = error(format!("there is no module called `{name}`"), "unknown module");
            Err(Some(Box::new(diagnostic.maybe_help(help))))
        }
    }
}

/// Refuses cycles of modules that list their allowed dependencies, unless a member of the cycle is a friend of the one
/// before it. Modules that list nothing may be part of any cycle: values are what must not depend on each other.
pub(super) fn check_cycles(t: &Tables<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let modules = &t.program.modules;
    if modules.iter().all(|module| module.allowed_dependencies.is_none()) {
        return;
    }
    let ids: FxHashMap<&str, usize> = modules.iter().enumerate().map(|(id, module)| (&*module.name, id)).collect();
    let mut next: Vec<Vec<usize>> = Vec::with_capacity(modules.len());
    for module in modules {
        let allowed = module.allowed_dependencies.iter().flatten().filter_map(|name| ids.get(&**name).copied());
        next.push(allowed.filter(|target| !modules[*target].cyclical_friends.contains(&module.name)).collect());
    }
    // Depth first with an explicit stack; one cycle is enough to see.
    let mut state = vec![0u8; modules.len()];
    for start in 0..modules.len() {
        if state[start] != 0 {
            continue;
        }
        let mut stack = vec![(start, 0usize)];
        state[start] = 1;
        while let Some((module, at)) = stack.last_mut() {
            let module = *module;
            let Some(&target) = next[module].get(*at) else {
                state[module] = 2;
                stack.pop();
                continue;
            };
            *at += 1;
            match state[target] {
                0 => {
                    state[target] = 1;
                    stack.push((target, 0));
                }
                1 => {
                    let from = stack.iter().position(|(module, _)| *module == target).unwrap_or(0);
                    let cycle: Vec<&Module> = stack[from..].iter().map(|(module, _)| &modules[*module]).collect();
                    diagnostics.push(cycle_error(&cycle));
                    return;
                }
                _ => {}
            }
        }
    }
}

fn cycle_error(cycle: &[&Module]) -> Diagnostic {
    let mut shown: Vec<String> = cycle.iter().map(|module| format!("`{}`", module.name)).collect();
    shown.extend(cycle.first().map(|module| format!("`{}`", module.name)));
    let message = format!("modules depend on each other: {}", shown.join(" → "));
    let mut diagnostic = Diagnostic::error(Code::Dx(11230), message);
    for (at, module) in cycle.iter().enumerate() {
        let Some(place) = module.location else { continue };
        let label = format!("`{}` allows itself `{}`", module.name, cycle[(at + 1) % cycle.len()].name);
        let first = diagnostic.labels.is_empty();
        diagnostic = if first { diagnostic.at(place, label) } else { diagnostic.and_at(place, label) };
    }
    diagnostic.help("move what both need to a third module, or name the earlier one in `cyclicalFriendModules`")
}
