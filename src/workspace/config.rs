//! The settings of `config.dsc`, decoded.
//!
//! Every field that BuildXL knows is accepted. The ones that a graph depends on are kept, the others are ignored; only
//! a field that nobody knows is warned about.

use std::sync::Arc;

use indexmap::IndexMap;

use super::config_value::{ConfigKind, ConfigValue, Decoder, Fields, Located};
use super::engine_config::{EngineConfig, decode_engine, decode_engine_part};
use super::known_fields as known;
use super::qualifier_config::{QualifierConfig, decode_qualifiers};
use crate::diagnostics::{Code, Diagnostic, Level, Levels, Severity, catalogue, nearest};
use crate::graph::CredentialScan;
use crate::paths::PathId;
use crate::program::Semantics;
use crate::source::{Location, Symbols};

/// The configuration of a workspace.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Who finds modules, in order.
    pub resolvers: Vec<ResolverConfig>,
    /// The modules of the default source resolver, where they are listed (`modules`, formerly `packages`).
    pub modules: Option<Vec<ModuleEntry>>,
    /// The specs that belong to no module, where they are listed.
    pub projects: Option<Vec<Located<PathId>>>,
    /// Named folders.
    pub mounts: Vec<MountConfig>,
    /// Qualifiers that can be asked for.
    pub qualifiers: QualifierConfig,
    /// Whether modules and specs in the folder are found only through `resolvers`.
    pub disable_default_source_resolver: bool,
    /// Whether the SDK that comes with the program is hidden.
    pub disable_in_box_sdk: bool,
    /// The environment variables that specs may read; none: all.
    pub allowed_environment_variables: Option<Vec<Arc<str>>>,
    /// How specs are evaluated.
    pub front_end: FrontEndConfig,
    /// How the graph is checked.
    pub graph: GraphConfig,
    /// How the graph is run.
    pub engine: EngineConfig,
    /// Where outputs lie.
    pub layout: LayoutConfig,
    /// Diagnostics turned up or down (settings of our own, `dscript: {deny, warn, allow}`).
    pub levels: Levels,
}

/// One resolver.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// What it is.
    pub kind: ResolverKind,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Where it is written.
    pub location: Option<Location>,
}

/// The kinds of resolvers.
#[derive(Clone, Debug)]
pub enum ResolverKind {
    /// Modules written in DScript.
    DScript(DScriptResolver),
    /// A kind that needs a network or another tool.
    Unsupported {
        /// The kind as written.
        kind: Arc<str>,
        /// The modules that it would bring, as far as the configuration says.
        modules: Vec<Located<Arc<str>>>,
    },
}

/// A resolver of kind `DScript`.
#[derive(Clone, Debug, Default)]
pub struct DScriptResolver {
    /// A folder that is searched for modules.
    pub root: Option<Located<PathId>>,
    /// Modules that are listed.
    pub modules: Option<Vec<ModuleEntry>>,
    /// Whether all values of its modules are evaluated; none: decided by where a module lies.
    pub defines_build_extent: Option<bool>,
}

/// A listed module.
#[derive(Clone, Debug, PartialEq)]
pub enum ModuleEntry {
    /// By its module file, or the folder that has one.
    File(Located<PathId>),
    /// Written in place.
    Inline(InlineModule),
}

/// A module written inside the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct InlineModule {
    /// Its name, if it has one.
    pub name: Option<Located<Arc<str>>>,
    /// Its specs; none: all below the folder of the configuration.
    pub projects: Option<Vec<Located<PathId>>>,
    /// Where it is written.
    pub location: Option<Location>,
}

/// A mount of the configuration or of a module.
#[derive(Clone, Debug, PartialEq)]
pub struct MountConfig {
    /// Its name.
    pub name: Arc<str>,
    /// Its folder.
    pub path: PathId,
    /// Whether pips may read below it; `true` unless set.
    pub readable: bool,
    /// Whether pips may write below it.
    pub writable: bool,
    /// Whether what no pip makes is deleted below it.
    pub scrubbable: bool,
    /// Whether changes of its files matter.
    pub tracked: bool,
    /// Where it is written.
    pub location: Option<Location>,
}

/// Settings of evaluation.
#[derive(Clone, Debug, Default)]
pub struct FrontEndConfig {
    /// Rules that are off unless named here.
    pub enabled_policy_rules: Vec<Located<Arc<str>>>,
    /// How often a loop may run; none: the program's own limit.
    pub max_loop_iterations: Option<u32>,
    /// Whether `Unsafe.*` may be called.
    pub allow_unsafe_ambient: bool,
    /// Whether modules may name `cyclicalFriendModules`.
    pub enable_cyclical_friend_modules: bool,
    /// Whether a listed spec may be absent.
    pub allow_missing_specs: bool,
    /// Whether policy rules are off altogether.
    pub disable_language_policy_analysis: bool,
    /// What is done about values of environment variables that look like secrets (`enableCredScan`, and
    /// `dscript: {credentialScan}`).
    pub credential_scan: CredentialScan,
    /// The environment variables that are not looked at for that.
    pub cred_scan_allowed_variables: Vec<Arc<str>>,
    /// How the specs that belong to no module see one another; implicit unless set.
    pub semantics: Option<Semantics>,
}

/// Settings of the graph.
#[derive(Clone, Debug, Default)]
pub struct GraphConfig {
    /// Whether outputs may lie outside every mount.
    pub unsafe_allow_out_of_mount_writes: bool,
    /// Whether two pips may share a temporary directory; allowed unless set to `false`.
    pub allow_duplicate_temporary_directory: Option<bool>,
}

/// Where outputs lie; what is not set lies below `Out` in the folder of the configuration.
#[derive(Clone, Debug, Default)]
pub struct LayoutConfig {
    /// Everything that a build writes.
    pub output: Option<PathId>,
    /// Outputs of pips.
    pub object: Option<PathId>,
    /// Temporary folders.
    pub temp: Option<PathId>,
}

/// Kinds of resolvers that are known, but not supported.
const UNSUPPORTED: [&str; 12] = [
    "Nuget",
    "Download",
    "MsBuild",
    "Ninja",
    "CMake",
    "Rush",
    "Yarn",
    "Npm",
    "Lage",
    "Nx",
    "CustomJavaScript",
    "CustomYarn",
];

/// Those of them whose modules only matter to specs that import them. The others make pips by themselves.
const ONLY_IMPORTED: [&str; 2] = ["Nuget", "Download"];

/// Decodes the argument of `config({…})`. What is wrong goes to `decoder`; the rest is still used.
pub fn decode_config(value: &ConfigValue, symbols: &Symbols, decoder: &mut Decoder) -> Config {
    let mut config = Config::default();
    let Some(fields) = decoder.fields(value, "the configuration", &known::CONFIGURATION) else { return config };
    if let Some(resolvers) = fields.items(decoder, "resolvers") {
        config.resolvers = resolvers.iter().filter_map(|item| resolver(item, decoder)).collect();
    }
    config.modules = module_entries(&fields, decoder);
    config.projects = fields.paths(decoder, "projects");
    if let Some(mounts) = fields.items(decoder, "mounts") {
        config.mounts = decode_mounts(mounts, symbols, decoder);
    }
    if let Some(value) = fields.get("qualifiers") {
        config.qualifiers = decode_qualifiers(value, decoder);
    }
    config.disable_default_source_resolver = fields.bool(decoder, "disableDefaultSourceResolver").unwrap_or(false);
    config.disable_in_box_sdk = fields.bool(decoder, "disableInBoxSdkSourceResolver").unwrap_or(false);
    config.allowed_environment_variables = fields
        .strings(decoder, "allowedEnvironmentVariables")
        .map(|names| names.into_iter().map(|name| name.value).collect());
    if let Some(value) = fields.get("frontEnd") {
        config.front_end = front_end(value, decoder);
    }
    config.engine = decode_engine(&fields, symbols, decoder);
    if let Some(value) = fields.get("engine")
        && let Some(fields) = decoder.fields(value, "`engine`", &known::ENGINE)
    {
        decode_engine_part(&fields, &mut config.engine, decoder);
        config.graph = GraphConfig {
            unsafe_allow_out_of_mount_writes: fields.bool(decoder, "unsafeAllowOutOfMountWrites").unwrap_or(false),
            allow_duplicate_temporary_directory: fields.bool(decoder, "allowDuplicateTemporaryDirectory"),
        };
    }
    if let Some(value) = fields.get("layout")
        && let Some(fields) = decoder.fields(value, "`layout`", &known::LAYOUT)
    {
        config.layout = LayoutConfig {
            output: fields.path(decoder, "outputDirectory"),
            object: fields.path(decoder, "objectDirectory"),
            temp: fields.path(decoder, "tempDirectory"),
        };
        config.engine.cache.directory = fields.path(decoder, "cacheDirectory");
    }
    if let Some(value) = fields.get("dscript") {
        own_settings(value, decoder, &mut config);
    }
    config
}

/// Decodes mounts: of the configuration or of a module.
pub fn decode_mounts(items: &[ConfigValue], symbols: &Symbols, decoder: &mut Decoder) -> Vec<MountConfig> {
    items.iter().filter_map(|item| mount(item, symbols, decoder)).collect()
}

fn mount(value: &ConfigValue, symbols: &Symbols, decoder: &mut Decoder) -> Option<MountConfig> {
    let fields = decoder.fields(value, "a mount", &known::MOUNT)?;
    let name: Option<Arc<str>> = match fields.get("name").map(|name| (name, &name.kind)) {
        Some((_, ConfigKind::Atom(atom))) => Some(symbols.text(*atom).into()),
        Some((_, ConfigKind::String(text))) if !text.trim().is_empty() => Some(text.clone()),
        Some((name, _)) => {
            decoder.wrong_type(&fields.label("name"), "a path atom such as a`Name`", name);
            None
        }
        None => {
            let diagnostic = Diagnostic::error(Code::Dx(2854), "a mount has no `name`")
                .help("add a name by which specs ask for it, such as name: a`Tools`");
            decoder.report(diagnostic, value.location);
            None
        }
    };
    if fields.get("path").is_none() {
        let shown = name.as_deref().unwrap_or("without a name");
        let diagnostic = Diagnostic::error(Code::Dx(2855), format!("mount `{shown}` has no `path`"))
            .help("say which folder it stands for, such as path: p`folder`");
        decoder.report(diagnostic, value.location);
    }
    let path = fields.path(decoder, "path");
    let mut flag = |field: &str, default: bool| fields.bool(decoder, field).unwrap_or(default);
    let (readable, writable) = (flag("isReadable", true), flag("isWritable", false));
    let (scrubbable, tracked) = (flag("isScrubbable", false), flag("trackSourceFileChanges", false));
    Some(MountConfig { name: name?, path: path?, readable, writable, scrubbable, tracked, location: value.location })
}

fn resolver(value: &ConfigValue, decoder: &mut Decoder) -> Option<ResolverConfig> {
    let ConfigKind::Object(object) = &value.kind else {
        decoder.wrong_type("a resolver", "an object", value);
        return None;
    };
    let location = value.location;
    let Some(written) = object.get("kind").filter(|kind| !kind.is_undefined()) else {
        let diagnostic = Diagnostic::error(Code::Dx(9318), "a resolver has no `kind`")
            .help("add `kind: \"DScript\"` for modules written in DScript");
        decoder.report(diagnostic, location);
        return None;
    };
    let kind = decoder.string(written, "`kind` of a resolver")?;
    let dscript = ["DScript", "SourceResolver"];
    if dscript.contains(&&*kind) {
        let fields = decoder.fields(value, "a resolver of kind `DScript`", &known::DSCRIPT_RESOLVER)?;
        let root = fields.path(decoder, "root");
        let root_location = fields.get("root").and_then(|root| root.location);
        let resolver = DScriptResolver {
            root: root.map(|root| Located { value: root, location: root_location }),
            modules: module_entries(&fields, decoder),
            defines_build_extent: fields.bool(decoder, "definesBuildExtent"),
        };
        let name = fields.string(decoder, "name");
        return Some(ResolverConfig { kind: ResolverKind::DScript(resolver), name, location });
    }
    if UNSUPPORTED.contains(&&*kind) {
        let modules = unsupported_modules(object);
        if !ONLY_IMPORTED.contains(&&*kind) {
            decoder.report(left_out(&kind, &modules), written.location.or(location));
        }
        let name = object.get("name").and_then(text_of);
        return Some(ResolverConfig { kind: ResolverKind::Unsupported { kind, modules }, name, location });
    }
    let near = nearest(&kind, dscript.into_iter().chain(UNSUPPORTED));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "modules written in DScript come from a resolver of kind `DScript`".to_owned(),
    };
    let message = format!("`{kind}` is not a kind of resolver");
    decoder.report(Diagnostic::error(Code::Dx(11200), message).help(help), written.location.or(location));
    None
}

/// The warning about a resolver without which the graph is not whole.
fn left_out(kind: &str, modules: &[Located<Arc<str>>]) -> Diagnostic {
    let what = match modules.first() {
        Some(module) => format!("the pips of its module `{}` are", module.value),
        None => "its pips are".to_owned(),
    };
    let message = format!("resolvers of kind `{kind}` are not supported: {what} left out of the graph");
    let help = "the graph holds what specs make; say the same in specs, or run the other build system in a pip";
    Diagnostic::warning(Code::Ds(309), message).help(help)
}

/// The names of the modules that a resolver of another kind would bring.
fn unsupported_modules(object: &IndexMap<Arc<str>, ConfigValue>) -> Vec<Located<Arc<str>>> {
    let mut modules = Vec::new();
    let mut add = |value: Option<&ConfigValue>| {
        let Some(value) = value else { return };
        if let Some(name) = text_of(value) {
            modules.push(Located { value: name, location: value.location });
        }
    };
    add(object.get("moduleName"));
    // Downloads and packages of NuGet are lists; a package is known by its alias too.
    for list in ["downloads", "packages"] {
        let Some(ConfigValue { kind: ConfigKind::Array(items), .. }) = object.get(list) else { continue };
        for item in items {
            let ConfigKind::Object(fields) = &item.kind else { continue };
            for name in ["moduleName", "id", "alias"] {
                add(fields.get(name));
            }
        }
    }
    modules
}

fn text_of(value: &ConfigValue) -> Option<Arc<str>> {
    match &value.kind {
        ConfigKind::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn module_entries(fields: &Fields, decoder: &mut Decoder) -> Option<Vec<ModuleEntry>> {
    if let (Some(packages), Some(_)) = (fields.get("packages"), fields.get("modules")) {
        let diagnostic = Diagnostic::error(Code::Dx(9392), "`packages` and `modules` cannot be used together")
            .help("`packages` is the old name: move its items to `modules`");
        decoder.report(diagnostic, packages.location);
    }
    let name = if fields.get("modules").is_some() { "modules" } else { "packages" };
    let items = fields.items(decoder, name)?;
    let label = format!("each item of {}", fields.label(name));
    Some(items.iter().filter_map(|item| module_entry(item, &label, decoder)).collect())
}

fn module_entry(value: &ConfigValue, label: &str, decoder: &mut Decoder) -> Option<ModuleEntry> {
    let location = value.location;
    if !matches!(value.kind, ConfigKind::Object(_)) {
        let path = decoder.path(value, label)?;
        return Some(ModuleEntry::File(Located { value: path, location }));
    }
    let fields = decoder.fields(value, "an inline module", &known::INLINE_MODULE)?;
    let name_at = fields.get("moduleName").and_then(|name| name.location);
    let name = fields.string(decoder, "moduleName").map(|value| Located { value, location: name_at });
    Some(ModuleEntry::Inline(InlineModule { name, projects: fields.paths(decoder, "projects"), location }))
}

fn front_end(value: &ConfigValue, decoder: &mut Decoder) -> FrontEndConfig {
    let Some(fields) = decoder.fields(value, "`frontEnd`", &known::FRONT_END) else {
        return FrontEndConfig::default();
    };
    let mut flag = |name: &str| fields.bool(decoder, name).unwrap_or(false);
    let allow_unsafe_ambient = flag("allowUnsafeAmbient");
    let enable_cyclical_friend_modules = flag("enableCyclicalFriendModules");
    let allow_missing_specs = flag("allowMissingSpecs");
    let disable_language_policy_analysis = flag("disableLanguagePolicyAnalysis");
    let credential_scan = if flag("enableCredScan") { CredentialScan::Refuse } else { CredentialScan::Off };
    let allowed = fields.strings(decoder, "credScanEnvironmentVariablesAllowList").unwrap_or_default();
    FrontEndConfig {
        enabled_policy_rules: fields.strings(decoder, "enabledPolicyRules").unwrap_or_default(),
        max_loop_iterations: fields.count(decoder, "maxLoopIterations"),
        allow_unsafe_ambient,
        enable_cyclical_friend_modules,
        allow_missing_specs,
        disable_language_policy_analysis,
        credential_scan,
        cred_scan_allowed_variables: allowed.into_iter().map(|name| name.value).collect(),
        semantics: decode_semantics(&fields, decoder),
    }
}

/// The field `nameResolutionSemantics`.
pub(super) fn decode_semantics(fields: &Fields, decoder: &mut Decoder) -> Option<Semantics> {
    let value = fields.get("nameResolutionSemantics")?;
    match value.kind {
        ConfigKind::Enum { value: 0, .. } => Some(Semantics::Explicit),
        ConfigKind::Enum { value: 1, .. } => Some(Semantics::Implicit),
        _ => {
            let wanted = "a member of `NameResolutionSemantics`";
            decoder.wrong_type(&fields.label("nameResolutionSemantics"), wanted, value);
            None
        }
    }
}

const CREDENTIAL_SCANS: [(&str, CredentialScan); 3] =
    [("off", CredentialScan::Off), ("warn", CredentialScan::Warn), ("refuse", CredentialScan::Refuse)];

/// The settings that BuildXL does not have.
fn own_settings(value: &ConfigValue, decoder: &mut Decoder, config: &mut Config) {
    let known = ["deny", "warn", "allow", "credentialScan"];
    let Some(fields) = decoder.fields(value, "`dscript`", &known) else { return };
    if let Some(value) = fields.get("credentialScan") {
        let chosen = match &value.kind {
            ConfigKind::String(text) => CREDENTIAL_SCANS.iter().find(|(name, _)| *name == &**text),
            _ => None,
        };
        match chosen {
            Some((_, scan)) => config.front_end.credential_scan = *scan,
            None => {
                decoder.wrong_type(&fields.label("credentialScan"), "\"off\", \"warn\" or \"refuse\"", value);
            }
        }
    }
    let levels = &mut config.levels;
    for (field, level) in [("warn", Level::Warn), ("allow", Level::Allow), ("deny", Level::Deny)] {
        for name in fields.strings(decoder, field).unwrap_or_default() {
            let wrong = match levels.set(&name.value, level, severity_of) {
                Err(error) => Some(error.to_string()),
                // A slip in a code would otherwise turn nothing, silently.
                Ok(()) => match name.value.parse::<Code>() {
                    Ok(code) if severity_of(code).is_none() => Some(format!("there is no code {code}")),
                    _ => None,
                },
            };
            if let Some(wrong) = wrong {
                let diagnostic = Diagnostic::error(Code::Ds(304), wrong).help("`dscript explain` lists all codes");
                decoder.report(diagnostic, name.location);
            }
        }
    }
}

/// How grave a condition is when nobody turns it; none for a code that does not exist.
fn severity_of(code: Code) -> Option<Severity> {
    catalogue::explain(code).map(|page| page.severity)
}

#[cfg(test)]
mod tests {
    use super::super::config_value::make::*;
    use super::*;

    fn decode(value: ConfigValue) -> (Config, Vec<Diagnostic>) {
        let mut decoder = Decoder::new();
        let config = decode_config(&value, &Symbols::new(), &mut decoder);
        (config, decoder.diagnostics)
    }

    fn codes(diagnostics: &[Diagnostic]) -> Vec<String> {
        diagnostics.iter().map(|one| one.code.to_string()).collect()
    }

    #[test]
    fn resolvers_are_known_by_their_kind() {
        let downloads = array(&[object(&[("moduleName", string("Tool")), ("url", string("u"))])]);
        let resolvers = array(&[
            object(&[("kind", string("DScript")), ("modules", array(&[file(PathId(3))]))]),
            object(&[("kind", string("Download")), ("downloads", downloads)]),
            object(&[("kind", string("Nugget"))]),
        ]);
        let (config, diagnostics) = decode(object(&[("resolvers", resolvers)]));
        assert_eq!(config.resolvers.len(), 2);
        assert!(matches!(&config.resolvers[0].kind, ResolverKind::DScript(one) if one.modules.is_some()));
        let ResolverKind::Unsupported { modules, .. } = &config.resolvers[1].kind else { panic!() };
        assert_eq!(&*modules[0].value, "Tool");
        assert_eq!(codes(&diagnostics), ["DX11200"]);
        assert_eq!(diagnostics[0].help.as_deref(), Some("did you mean `Nuget`?"));
    }

    #[test]
    fn what_is_wrong_is_reported_and_the_rest_is_used() {
        let named = object(&[("bad", object(&[("a", string("x;y"))])), ("none", object(&[]))]);
        let mounts = array(&[object(&[("name", string("Out"))]), object(&[("path", file(PathId(1)))])]);
        let (config, diagnostics) = decode(object(&[
            ("qualifiers", object(&[("namedQualifiers", named)])),
            ("mounts", mounts),
            ("disableDefaultSourceResolver", bool(true)),
            ("modules", array(&[])),
            ("packages", array(&[])),
            ("frontend", object(&[])),
        ]));
        assert!(config.disable_default_source_resolver && config.mounts.is_empty());
        let expected = ["DS0301", "DX9392", "DX2855", "DX2854", "DX11289", "DX11287"];
        assert_eq!(codes(&diagnostics), expected);
    }
}
