//! The namespace `Context`: what a spec may know about the place where it is evaluated.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::eval::{Args, Eval, Machine, NativeFn, Raised, Value};
use crate::paths::PathId;
use crate::program::{DeclId, QualifierId, Semantics};
use crate::source::Symbol;
use crate::source::system::OperatingSystem;

use super::support::push_fragment;

/// Functions of the namespace `Context`.
pub(super) const FUNCTIONS: &[(&str, NativeFn)] = &[
    ("Context.getNewOutputDirectory", get_new_output_directory),
    ("Context.getTempDirectory", get_temp_directory),
    ("Context.getLastActiveUseName", get_last_active_use_name),
    ("Context.getLastActiveUseNamespace", get_last_active_use_namespace),
    ("Context.getLastActiveUseModuleName", get_last_active_use_module_name),
    ("Context.getLastActiveUsePath", get_last_active_use_path),
    ("Context.getSpecFile", get_spec_file),
    ("Context.getSpecFileDirectory", get_spec_file_directory),
    ("Context.getMount", get_mount),
    ("Context.hasMount", has_mount),
    ("Context.getUserHomeDirectory", get_user_home_directory),
    ("Context.getBuildEngineDirectory", get_build_engine_directory),
    ("Context.getDominoBinDirectory", get_build_engine_directory),
    ("Context.getTemplate", get_template),
    ("Context.getCurrentHost", get_current_host),
    ("Context.isWindowsOS", is_windows),
];

/// The top-level value being evaluated; DX9351 outside of any.
fn current<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<(DeclId, QualifierId), Raised> {
    match m.current_value() {
        Some(current) => Ok(current),
        None => {
            let message = format!("`{}` can only be called while a top-level value is evaluated", args.name);
            Err(m.fail_at_call(args, Code::Dx(9351), message))
        }
    }
}

/// Where the spec of the top-level value lies.
fn spec_path<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<PathId, Raised> {
    let (decl, _) = current(m, args)?;
    let program = m.program();
    Ok(program.specs[program.decls[decl.index()].spec.index()].path)
}

fn get_new_output_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut hint = Vec::new();
    push_fragment(m, args, 0, args.get(0), &mut hint)?;
    let root = m.host().object_root;
    unique_directory(m, args, root, &hint).map(Value::Directory)
}

fn get_temp_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let mut hint = Vec::new();
    if args.get(0).is_undefined() {
        // SDK modules of BuildXL have no hint here: there it is not looked at.
        hint.push(m.symbols().intern("t"));
    } else {
        push_fragment(m, args, 0, args.get(0), &mut hint)?;
    }
    let root = m.host().temp_root;
    unique_directory(m, args, root, &hint).map(Value::Directory)
}

/// A directory for outputs of the native that asks, which no other call gets.
pub(super) fn own_output_directory<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    hint: &str,
) -> Result<PathId, Raised> {
    let hint = m.symbols().intern(hint);
    let root = m.host().object_root;
    unique_directory(m, args, root, &[hint])
}

/// A temporary directory for the native that asks, which no other call gets.
pub(super) fn own_temp_directory<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    hint: &str,
) -> Result<PathId, Raised> {
    let hint = m.symbols().intern(hint);
    let root = m.host().temp_root;
    unique_directory(m, args, root, &[hint])
}

/// A directory below `root` that no other value, qualifier or call gets, and this one gets in every build, wherever
/// the workspace lies: `module/value-digest/hint`.
fn unique_directory<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    root: PathId,
    hint: &[Symbol],
) -> Result<PathId, Raised> {
    let hint_text: Vec<_> = hint.iter().map(|atom| m.symbols().text(*atom)).collect();
    let kind = if root == m.host().temp_root { "temp" } else { "out" };
    let digest = unique_digest(m, args, kind, &hint_text.join("/"), 4)?;
    let (decl, _) = current(m, args)?;
    let (program, paths) = (m.program(), m.paths());
    let module = &program.modules[program.module_of(decl).index()];
    let folder = paths.child_named(root, &folder_name(&module.name));
    let folder = paths.child_named(folder, &format!("{}-{digest}", folder_name(&program.decl_name(decl))));
    Ok(hint.iter().fold(folder, |at, atom| paths.child(at, *atom)))
}

/// `bytes` bytes in hexadecimal that no other value, qualifier or call of this kind gets, and this one gets in every
/// build, wherever the workspace lies.
pub(super) fn unique_digest<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    kind: &str,
    hint: &str,
    bytes: usize,
) -> Result<String, Raised> {
    let (decl, qualifier) = current(m, args)?;
    let (program, paths, symbols) = (m.program(), m.paths(), m.symbols());
    let module = &program.modules[program.module_of(decl).index()];
    let spec = program.specs[program.decls[decl.index()].spec.index()].path;
    // Specs outside of the workspace (an SDK) are named by their place in their module.
    let spec = paths.relative_to(spec, m.host().source_root).or_else(|| paths.relative_to(spec, module.folder));
    let spec = spec.map(|spec| spec.display(symbols)).unwrap_or_default();
    let value = program.decl_name(decl);
    let repetition = m.repetition(&format!("{kind}:{hint}"));
    let mut key = format!("{}\0{spec}\0{value}\0{hint}\0{repetition}", module.name);
    if let Some(cached) = m.cache_key() {
        // Pips of a cached value belong to its key, whichever value asked first.
        let _ = write!(key, "\0{cached}");
    }
    for (name, setting) in program.qualifiers.map_of(qualifier).iter() {
        let _ = write!(key, "\0{name}={setting}");
    }
    Ok(Sha256::digest(key.as_bytes()).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect())
}

/// A name that is a folder name on every system.
fn folder_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    // Dots alone would climb, and an empty name is none.
    if name.bytes().all(|c| c == b'.') { format!("{name}_") } else { name }
}

fn get_last_active_use_name<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (decl, _) = current(m, args)?;
    Ok(m.string(&m.program().decl_name(decl)))
}

fn get_last_active_use_namespace<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (decl, _) = current(m, args)?;
    let namespace = m.program().decls[decl.index()].namespace;
    Ok(m.string(&m.program().namespace_name(namespace)))
}

fn get_last_active_use_module_name<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (decl, _) = current(m, args)?;
    let module = m.program().module_of(decl);
    Ok(m.string(&m.program().modules[module.index()].name))
}

fn get_last_active_use_path<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    spec_path(m, args).map(Value::Path)
}

fn get_spec_file<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let path = spec_path(m, args)?;
    Ok(m.source_file(path))
}

fn get_spec_file_directory<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let path = spec_path(m, args)?;
    Ok(Value::Directory(m.paths().parent(path).unwrap_or(PathId::ROOT)))
}

/// The name of a mount, which may not be empty (DX9365).
fn mount_name<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Result<&'h str, Raised> {
    let name = if args.get(0).is_undefined() { "" } else { m.string_arg(args, 0)? };
    if name.is_empty() {
        return Err(m.fail_at(args, 0, Code::Dx(9365), "the name of a mount must not be empty"));
    }
    Ok(name)
}

fn get_mount<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let name = mount_name(m, args)?;
    let mounts = m.host().context_mounts();
    if let Some(mount) = mounts.iter().find(|mount| *mount.name == *name) {
        let atom = Value::Atom(m.symbols().intern(name));
        return Ok(m.object_of(&[("name", atom), ("path", Value::Path(mount.path))]));
    }
    let same = mounts.iter().find(|mount| mount.name.to_lowercase() == name.to_lowercase());
    let place = args.site.argument(0);
    let diagnostic = match same {
        Some(mount) => {
            let message = format!("there is no mount `{name}`: the letters of `{}` differ in case", mount.name);
            Diagnostic::error(Code::Dx(9367), message).at(place, "").help(format!("write `{}`", mount.name))
        }
        None => {
            let mut known: Vec<_> = mounts.iter().map(|mount| format!("`{}`", mount.name)).collect();
            if known.is_empty() {
                known.push("`` (there are none)".to_owned());
            }
            let near = nearest(name, mounts.iter().map(|mount| &*mount.name));
            Diagnostic::error(Code::Dx(9366), format!("there is no mount `{name}`"))
                .at(place, "")
                .note(format!("Mount with name `{name}` was not found. Legal mounts are: {}", known.join(", ")))
                .maybe_help(near.map(|near| format!("did you mean `{near}`?")))
        }
    };
    Err(m.fail(diagnostic))
}

fn has_mount<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let name = mount_name(m, args)?;
    Ok(Value::Bool(m.host().context_mounts().iter().any(|mount| *mount.name == *name)))
}

fn get_user_home_directory<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Directory(m.host().home))
}

fn get_build_engine_directory<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Directory(m.host().engine_directory))
}

/// The template that holds where the top-level value is declared: its namespace's or that of the nearest one around; an
/// object without fields where there is none.
fn get_template<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let (decl, qualifier) = current(m, args)?;
    let program = m.program();
    let value = &program.decls[decl.index()];
    if program.modules[program.specs[value.spec.index()].module.index()].semantics == Semantics::Explicit {
        let message =
            format!("no template holds for `{}`: its module has explicit references", program.decl_name(decl));
        let diagnostic = Diagnostic::error(Code::Dx(9394), message).at(args.site.location(), "");
        return Err(
            m.fail(diagnostic.help("pass the value as a parameter, or change the module to implicit references"))
        );
    }
    let mut at = Some(value.namespace);
    while let Some(namespace) = at.map(|id| &program.namespaces[id.index()]) {
        if let Some(template) = namespace.template {
            return m.value_of(template, qualifier, args.site.location());
        }
        at = namespace.parent;
    }
    Ok(m.object(&[]))
}

fn get_current_host<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    let host = m.host().environment.host();
    // The language knows two architectures; everything of 64 bits counts as the first.
    let architecture = if host.architecture == "x86" { "x86" } else { "x64" };
    let (os, architecture) = (m.string(host.os.name()), m.string(architecture));
    let elevated = Value::Bool(host.is_elevated);
    let kernel = match host.kernel {
        Some(kernel) => m.object_of(&[
            ("kernelVersion", Value::Number(kernel.version.into())),
            ("kernelMajorRevision", Value::Number(kernel.major.into())),
            ("kernelMinorRevision", Value::Number(kernel.minor.into())),
        ]),
        None => Value::Undefined,
    };
    let fields = [("os", os), ("cpuArchitecture", architecture), ("isElevated", elevated), ("linuxSystemInfo", kernel)];
    let known = if kernel.is_undefined() { &fields[..3] } else { &fields };
    Ok(m.object_of(known))
}

fn is_windows<'h>(m: &mut Machine<'_, 'h>, _: &Args<'_, 'h>) -> Eval<'h> {
    Ok(Value::Bool(m.host().environment.host().os == OperatingSystem::Windows))
}

#[cfg(test)]
mod tests {
    use super::folder_name;

    #[test]
    fn folder_names_are_plain() {
        assert_eq!(folder_name("Sdk.Transformers"), "Sdk.Transformers");
        assert_eq!(folder_name("a/b c"), "a_b_c");
        assert_eq!(folder_name(".."), ".._");
        assert_eq!(folder_name(""), "_");
    }
}
