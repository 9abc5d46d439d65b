//! Module files: `module.config.dsc`, `module.config.bm`, `package.config.dsc`, decoded.

use std::sync::Arc;

use super::allow_list::{AllowedAccess, decode_allow_list};
use super::config::{MountConfig, decode_mounts, decode_semantics};
use super::config_value::{ConfigValue, Decoder, Fields, Located, place};
use super::known_fields as known;
use crate::diagnostics::{Code, Diagnostic};
use crate::paths::{PathId, Paths};
use crate::program::Semantics;
use crate::source::Location;

/// The name of the configuration's own module: the specs that belong to no other.
pub const CONFIGURATION_MODULE: &str = "__Config__";

/// One `module({…})`.
#[derive(Clone, Debug)]
pub struct ModuleDescription {
    /// Its name.
    pub name: Arc<str>,
    /// How its specs see one another.
    pub semantics: Semantics,
    /// Its specs; none: every spec below its folder that belongs to no nearer module.
    pub projects: Option<Vec<Located<PathId>>>,
    /// The spec that others import, with explicit semantics.
    pub main: Option<PathId>,
    /// The modules it may import; none: all.
    pub allowed_dependencies: Option<Vec<Arc<str>>>,
    /// Modules it may form import cycles with.
    pub cyclical_friends: Vec<Arc<str>>,
    /// Mounts that it adds.
    pub mounts: Vec<MountConfig>,
    /// Undeclared accesses that its pips may do.
    pub allow_list: Vec<AllowedAccess>,
    /// Where it is defined: its name, else the whole call.
    pub location: Option<Location>,
}

/// What decides how a module file is read.
#[derive(Clone, Copy, Debug)]
pub struct ModuleFile<'a> {
    /// Where it lies.
    pub path: PathId,
    /// The paths.
    pub paths: &'a Paths,
    /// Whether `cyclicalFriendModules` may be used (`frontEnd.enableCyclicalFriendModules`).
    pub cyclical_friends_enabled: bool,
}

/// Whether a file of this name defines modules. Letter case does not matter.
pub fn is_module_file(name: &str) -> bool {
    MODULE_FILES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The names of module files; in a folder with several, the first one counts.
pub(super) const MODULE_FILES: [&str; 3] = ["package.config.dsc", "module.config.bm", "module.config.dsc"];

/// The names of configuration files; in a folder with both, the first one counts.
pub(super) const CONFIG_FILES: [&str; 2] = ["config.dsc", "config.bc"];

/// Whether a file of this name is a configuration. Letter case does not matter.
pub fn is_config_file(name: &str) -> bool {
    CONFIG_FILES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a file of this name is a spec: a script that is neither configuration nor module file.
pub fn is_spec(name: &str) -> bool {
    let script = name
        .rsplit_once('.')
        .is_some_and(|(_, extension)| ["dsc", "bp", "bxt"].iter().any(|known| known.eq_ignore_ascii_case(extension)));
    script && !is_module_file(name) && !is_config_file(name)
}

/// Decodes the arguments of the `module({…})` calls of one file, one value for each call.
pub fn decode_module_file(
    values: &[ConfigValue],
    file: ModuleFile<'_>,
    decoder: &mut Decoder,
) -> Vec<ModuleDescription> {
    values.iter().filter_map(|value| decode_module(value, file, decoder)).collect()
}

fn decode_module(value: &ConfigValue, file: ModuleFile<'_>, decoder: &mut Decoder) -> Option<ModuleDescription> {
    let fields = decoder.fields(value, "a module", &known::MODULE)?;
    if fields.get("name").is_none() {
        fields.missing(decoder, "name");
        return None;
    }
    let name = fields.string(decoder, "name")?;
    let location = fields.get("name").and_then(|name| name.location).or(value.location);
    if name.eq_ignore_ascii_case(CONFIGURATION_MODULE) {
        let message = format!("`{name}` is the name of the configuration's own module");
        decoder.report(Diagnostic::error(Code::Dx(9322), message).help("give the module another name"), location);
        return None;
    }
    if name.trim().is_empty() {
        let diagnostic = Diagnostic::error(Code::Dx(9318), "the name of a module is empty");
        decoder.report(diagnostic.help("give the module a name, by which others import it"), location);
        return None;
    }
    let file_name = file.paths.name(file.path).map_or("", |name| file.paths.symbols().text(name));
    let written = decode_semantics(&fields, decoder);
    let semantics = if file_name.eq_ignore_ascii_case("package.config.dsc") {
        written.unwrap_or(Semantics::Explicit)
    } else {
        // These files are newer than explicit semantics: they mean implicit ones, whatever they say.
        Semantics::Implicit
    };
    let main = main_file(&fields, &name, semantics, file, decoder);
    let allowed = dependencies(&fields, "allowedDependencies", &name, semantics, decoder);
    let friends = dependencies(&fields, "cyclicalFriendModules", &name, semantics, decoder);
    if friends.is_some() && semantics == Semantics::Implicit && !file.cyclical_friends_enabled {
        let message = format!("module `{name}` lists `cyclicalFriendModules`, which the configuration does not allow");
        let diagnostic = Diagnostic::error(Code::Dx(9397), message)
            .help("set `frontEnd: {enableCyclicalFriendModules: true}` in the configuration, or break the cycle");
        decoder.report(diagnostic, fields.get("cyclicalFriendModules").and_then(|value| value.location));
    }
    let mounts = match fields.items(decoder, "mounts") {
        Some(items) => decode_mounts(items, file.paths.symbols(), decoder),
        None => Vec::new(),
    };
    // Nothing depends on the version, but it must be one.
    fields.string(decoder, "version");
    Some(ModuleDescription {
        projects: fields.paths(decoder, "projects"),
        allow_list: decode_allow_list(&fields, file.paths.symbols(), decoder),
        allowed_dependencies: allowed,
        cyclical_friends: friends.unwrap_or_default(),
        name,
        semantics,
        main,
        mounts,
        location,
    })
}

/// The spec that stands for a module with explicit semantics: `package.dsc` unless it says another.
fn main_file(
    fields: &Fields,
    name: &str,
    semantics: Semantics,
    file: ModuleFile<'_>,
    decoder: &mut Decoder,
) -> Option<PathId> {
    let location = fields.get("main").and_then(|main| main.location);
    let main = fields.path(decoder, "main");
    let folder = file.paths.parent(file.path)?;
    match semantics {
        Semantics::Implicit if main.is_some() => {
            let message = format!("module `{name}` has a `main` file, but its specs share one namespace");
            let diagnostic = Diagnostic::error(Code::Dx(9382), message)
                .help("remove `main`: what a module shows to others is marked `@@public`");
            decoder.report(diagnostic, location);
            None
        }
        Semantics::Implicit => None,
        Semantics::Explicit => {
            let main = main.unwrap_or_else(|| file.paths.child_named(folder, "package.dsc"));
            if file.paths.parent(main) != Some(folder) {
                let message = format!("the main file of module `{name}` does not lie in the folder of its module file");
                let help = "move it beside the module file";
                decoder.report(Diagnostic::error(Code::Dx(9311), message).help(help), location);
            }
            Some(main)
        }
    }
}

/// A list of module names, with the rules that hold for both kinds of lists.
fn dependencies(
    fields: &Fields,
    field: &str,
    module: &str,
    semantics: Semantics,
    decoder: &mut Decoder,
) -> Option<Vec<Arc<str>>> {
    let names = fields.strings(decoder, field)?;
    let allowed = field == "allowedDependencies";
    if semantics == Semantics::Explicit {
        let code = Code::Dx(if allowed { 9395 } else { 9396 });
        let message = format!("module `{module}` has explicit reference semantics, which `{field}` does not go with");
        let help = "set `nameResolutionSemantics: NameResolutionSemantics.implicitProjectReferences`";
        decoder.report(Diagnostic::error(code, message).help(help), fields.get(field).and_then(|list| list.location));
    }
    for (index, name) in names.iter().enumerate() {
        let Some(first) = names[..index].iter().find(|earlier| earlier.value == name.value) else { continue };
        let code = Code::Dx(if allowed { 9398 } else { 9399 });
        let message = format!("`{field}` of module `{module}` lists `{}` twice", name.value);
        let mut diagnostic = place(Diagnostic::error(code, message).help("remove one of them"), name.location);
        if let Some(first) = first.location {
            diagnostic = diagnostic.and_at(first, "first here");
        }
        decoder.diagnostics.push(diagnostic);
    }
    Some(names.into_iter().map(|name| name.value).collect())
}

#[cfg(test)]
mod tests {
    use super::super::config_value::ConfigKind;
    use super::super::config_value::make::*;
    use super::*;
    use crate::source::Symbols;

    fn decode(file: &str, value: ConfigValue) -> (Vec<ModuleDescription>, Vec<String>) {
        let paths = Paths::new(Arc::new(Symbols::new()));
        let path = paths.parse_absolute(file).unwrap();
        let mut decoder = Decoder::new();
        let file = ModuleFile { path, paths: &paths, cyclical_friends_enabled: false };
        let modules = decode_module_file(&[value], file, &mut decoder);
        (modules, decoder.diagnostics.iter().map(|one| one.code.to_string()).collect())
    }

    #[test]
    fn the_file_name_decides_about_semantics() {
        let implicit = ConfigValue::new(ConfigKind::Enum { name: "implicitProjectReferences".into(), value: 1 });
        let (modules, _) = decode("/a/package.config.dsc", object(&[("name", string("A"))]));
        assert_eq!(modules[0].semantics, Semantics::Explicit);
        assert!(modules[0].main.is_some());
        let value = object(&[("name", string("A")), ("nameResolutionSemantics", implicit)]);
        let (modules, codes) = decode("/a/package.config.dsc", value);
        assert_eq!((modules[0].semantics, codes.len()), (Semantics::Implicit, 0));
        let explicit = ConfigValue::new(ConfigKind::Enum { name: "explicitProjectReferences".into(), value: 0 });
        let value = object(&[("name", string("A")), ("nameResolutionSemantics", explicit)]);
        let (modules, _) = decode("/a/module.config.dsc", value);
        assert_eq!(modules[0].semantics, Semantics::Implicit);
    }

    #[test]
    fn clashing_settings_have_their_numbers() {
        let twice = array(&[string("B"), string("B")]);
        let main = file(PathId::ROOT);
        let value = object(&[
            ("name", string("A")),
            ("main", main.clone()),
            ("allowedDependencies", twice.clone()),
            ("cyclicalFriendModules", twice.clone()),
        ]);
        let (_, codes) = decode("/a/module.config.dsc", value.clone());
        assert_eq!(codes, ["DX9382", "DX9398", "DX9399", "DX9397"]);
        let (_, codes) = decode("/a/package.config.dsc", value);
        assert_eq!(codes, ["DX9311", "DX9395", "DX9398", "DX9396", "DX9399"]);
        assert_eq!(decode("/a/module.config.dsc", object(&[])).1, ["DX9318"]);
        assert_eq!(decode("/a/module.config.dsc", object(&[("name", string("__Config__"))])).1, ["DX9322"]);
    }

    #[test]
    fn specs_are_told_by_their_names() {
        assert!(is_spec("a.dsc") && is_spec("tool.BP") && is_spec("config.user.dsc"));
        assert!(!is_spec("config.dsc") && !is_spec("Module.Config.dsc") && !is_spec("a.bl") && !is_spec("dsc"));
    }
}
