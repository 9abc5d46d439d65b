//! Undeclared accesses that are allowed: the lists of the configuration and of modules.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::Workspace;
use super::config_value::{ConfigKind, ConfigValue, Decoder, Fields};
use super::known_fields as known;
use crate::diagnostics::{Code, Diagnostic};
use crate::paths::{PathId, Paths};
use crate::source::{Location, Symbols};

/// One entry of `fileAccessAllowList` or `cacheableFileAccessAllowlist`.
#[derive(Clone, Debug)]
pub struct AllowedAccess {
    /// How messages call it.
    pub name: Arc<str>,
    /// Whose accesses it allows.
    pub who: AllowedWho,
    /// Where: found anywhere in a full path, whatever the case of its letters. From `pathRegex`, else made of
    /// `pathFragment`, in which no character has a special meaning.
    pub path: Regex,
    /// Whether a process that does it is cached all the same.
    pub cacheable: bool,
    /// Where it is written.
    pub location: Option<Location>,
}

/// Whose accesses an entry allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedWho {
    /// Those of all processes.
    Anyone,
    /// Those of the pips of a top-level value (`value`; a tool beside it means nothing).
    Value(Arc<str>),
    /// Those of one program, which may be a child process (`toolPath`).
    Program(PathId),
    /// Those of all programs with this file name (`toolPath`).
    ProgramNamed(Arc<str>),
}

/// An undeclared access.
#[derive(Clone, Copy, Debug)]
pub struct UndeclaredAccess<'a> {
    /// The module of the pip.
    pub module: &'a str,
    /// The top-level value that made the pip, dotted.
    pub value: &'a str,
    /// The full path of the program that did it.
    pub program: &'a str,
    /// The full path of what was accessed.
    pub path: &'a str,
}

/// What the lists say about an access; the later ones allow more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowed {
    /// It is a violation.
    No,
    /// It is none, but the process is not cached.
    Uncacheable,
    /// It is none.
    Cacheable,
}

/// All lists of a workspace.
#[derive(Clone, Debug, Default)]
pub struct AllowLists {
    /// Entries of the configuration, for pips of all modules.
    pub everywhere: Vec<AllowedAccess>,
    /// Entries of modules, for the pips of each.
    pub modules: BTreeMap<Arc<str>, Vec<AllowedAccess>>,
}

impl AllowLists {
    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.modules.is_empty()
    }

    /// Whether an entry may be about a pip of a module that a top-level value made.
    pub fn concern(&self, module: &str, value: &str) -> bool {
        let mut entries = self.modules.get(module).into_iter().flatten().chain(&self.everywhere);
        entries.any(|entry| !matches!(&entry.who, AllowedWho::Value(named) if **named != *value))
    }

    /// Everything that the lists say, as text that is the same wherever the workspace lies if `show` is.
    pub fn describe(&self, show: impl Fn(PathId) -> String) -> String {
        let lists =
            std::iter::once(("", &self.everywhere)).chain(self.modules.iter().map(|(name, list)| (&**name, list)));
        let mut text = String::new();
        for (module, list) in lists {
            for entry in list {
                let who = match &entry.who {
                    AllowedWho::Anyone => "anyone".to_owned(),
                    AllowedWho::Value(value) => format!("value {value}"),
                    AllowedWho::Program(program) => format!("program {}", show(*program)),
                    AllowedWho::ProgramNamed(name) => format!("programs {name}"),
                };
                text.push_str(&format!("{module:?} {who:?} {:?} {};", entry.path.as_str(), entry.cacheable));
            }
        }
        text
    }

    /// What the lists say about an access, and the entry that says it.
    pub fn judge(&self, access: UndeclaredAccess<'_>, paths: &Paths) -> (Allowed, Option<&AllowedAccess>) {
        let of_module = self.modules.get(access.module).into_iter().flatten();
        let matching = of_module.chain(&self.everywhere).filter(|entry| entry.matches(access, paths));
        let says = |entry: &AllowedAccess| if entry.cacheable { Allowed::Cacheable } else { Allowed::Uncacheable };
        let judged = matching.map(|entry| (says(entry), Some(entry)));
        // The first one of those that allow most.
        judged.fold((Allowed::No, None), |best, next| if next.0 > best.0 { next } else { best })
    }
}

impl AllowedAccess {
    /// Whether this entry is about an access.
    pub fn matches(&self, access: UndeclaredAccess<'_>, paths: &Paths) -> bool {
        let by = match &self.who {
            AllowedWho::Anyone => true,
            AllowedWho::Value(value) => **value == *access.value,
            AllowedWho::Program(program) => paths.display(*program) == access.program,
            AllowedWho::ProgramNamed(name) => access.program.rsplit('/').next() == Some(&**name),
        };
        by && self.path.is_match(access.path)
    }
}

impl Workspace {
    /// The undeclared accesses that the configuration and the modules allow.
    pub fn allow_lists(&self) -> AllowLists {
        let modules = self.catalogue.modules.iter().map(|module| &module.description);
        let lists = modules.filter(|module| !module.allow_list.is_empty());
        AllowLists {
            everywhere: self.config.engine.allow_list.clone(),
            modules: lists.map(|module| (module.name.clone(), module.allow_list.clone())).collect(),
        }
    }
}

/// The fields that hold entries, with the names that they had before and the ways in which they are spelled.
const FIELDS: [(&str, bool); 8] = [
    ("fileAccessAllowList", false),
    ("fileAccessAllowlist", false),
    ("fileAccessWhiteList", false),
    ("fileAccessWhitelist", false),
    ("cacheableFileAccessAllowList", true),
    ("cacheableFileAccessAllowlist", true),
    ("cacheableFileAccessWhiteList", true),
    ("cacheableFileAccessWhitelist", true),
];

/// The entries of a configuration or module.
pub(super) fn decode_allow_list(fields: &Fields, symbols: &Symbols, decoder: &mut Decoder) -> Vec<AllowedAccess> {
    let mut entries = Vec::new();
    for (field, cacheable) in FIELDS {
        let items = fields.items(decoder, field).unwrap_or_default();
        entries.extend(items.iter().filter_map(|item| entry(item, cacheable, symbols, decoder)));
    }
    entries
}

fn entry(value: &ConfigValue, cacheable: bool, symbols: &Symbols, decoder: &mut Decoder) -> Option<AllowedAccess> {
    let fields = decoder.fields(value, "an allowed access", &known::ALLOWED_ACCESS)?;
    let name = fields.string(decoder, "name").filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".into());
    let of_value = fields.string(decoder, "value").filter(|value| !value.is_empty());
    let tool = fields.get("toolPath").and_then(|tool| match &tool.kind {
        ConfigKind::Atom(atom) => Some(AllowedWho::ProgramNamed(symbols.text(*atom).into())),
        _ => decoder.path(tool, &fields.label("toolPath")).map(AllowedWho::Program),
    });
    if let Some(value) = &of_value
        && !value.split('.').all(is_identifier)
    {
        let message = format!("`value` of an allowed access is `{value}`, which is no name of a value");
        let help = "name the top-level value that makes the pip, such as `Tools.compile`";
        let location = fields.get("value").and_then(|value| value.location);
        decoder.report(Diagnostic::error(Code::Dx(270), message).help(help), location);
        return None;
    }
    // A tool that is wrong must not make the entry one for all tools.
    let who = match (of_value, tool) {
        (Some(value), _) => AllowedWho::Value(value),
        (None, Some(tool)) => tool,
        (None, None) if fields.get("toolPath").is_some() => return None,
        (None, None) => AllowedWho::Anyone,
    };
    Some(AllowedAccess { name, who, path: path(&fields, decoder)?, cacheable, location: value.location })
}

fn path(fields: &Fields, decoder: &mut Decoder) -> Option<Regex> {
    let pattern = fields.string(decoder, "pathRegex").filter(|pattern| !pattern.is_empty());
    let fragment = fields.string(decoder, "pathFragment").filter(|fragment| !fragment.is_empty());
    let is_regex = pattern.is_some();
    let Some(pattern) = pattern.or_else(|| Some(regex::escape(&fragment?).into())) else {
        let written = ["pathRegex", "pathFragment"].iter().find_map(|name| fields.get(name));
        // One of another type was refused already.
        if written.is_none_or(|written| matches!(written.kind, ConfigKind::String(_))) {
            fields.missing(decoder, "pathFragment");
        }
        return None;
    };
    match RegexBuilder::new(&pattern).case_insensitive(true).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            let field = if is_regex { "pathRegex" } else { "pathFragment" };
            let message = format!("`{field}` of an allowed access is not a valid regular expression");
            let diagnostic = Diagnostic::error(Code::Dx(287), message).note(error.to_string().trim_end().to_owned());
            decoder.report(diagnostic, fields.get(field).and_then(|value| value.location));
            None
        }
    }
}

fn is_identifier(part: &str) -> bool {
    let mut letters = part.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$')
}

#[cfg(test)]
mod tests {
    use super::super::config_value::make::*;
    use super::*;

    /// Decodes one list of entries. Gives them and the codes of what is wrong.
    fn decode(field: &str, entries: &[ConfigValue]) -> (Vec<AllowedAccess>, Vec<String>) {
        let mut decoder = Decoder::new();
        let value = object(&[(field, array(entries))]);
        let fields = decoder.fields(&value, "the configuration", &known::CONFIGURATION).unwrap();
        let entries = decode_allow_list(&fields, &Symbols::new(), &mut decoder);
        (entries, decoder.diagnostics.iter().map(|one| one.code.to_string()).collect())
    }

    #[test]
    fn all_names_of_the_lists_count() {
        for (field, cacheable) in FIELDS {
            let (entries, codes) = decode(field, &[object(&[("pathFragment", string("x"))])]);
            assert_eq!((entries.len(), entries[0].cacheable, codes.len()), (1, cacheable, 0), "{field}");
        }
    }

    #[test]
    fn entries_are_about_values_tools_and_paths() {
        let paths = Paths::new(Arc::new(Symbols::new()));
        let cc = paths.parse_absolute("/usr/bin/cc").unwrap();
        let atom = ConfigValue::new(ConfigKind::Atom(paths.symbols().intern("ld")));
        let mut decoder = Decoder::new();
        let value = object(&[
            (
                "fileAccessAllowList",
                array(&[
                    object(&[("value", string("Tools.run")), ("pathFragment", string("a.log"))]),
                    object(&[("toolPath", file(cc)), ("pathRegex", string("/t[0-9]+/"))]),
                ]),
            ),
            (
                "cacheableFileAccessAllowlist",
                array(&[object(&[("toolPath", atom), ("pathRegex", string("^/cache/")), ("name", string("cache"))])]),
            ),
        ]);
        let fields = decoder.fields(&value, "the configuration", &known::CONFIGURATION).unwrap();
        let everywhere = decode_allow_list(&fields, paths.symbols(), &mut decoder);
        assert!(decoder.diagnostics.is_empty());
        let (in_module, _) = decode("fileAccessAllowList", &[object(&[("pathFragment", string("/mine/"))])]);
        let lists = AllowLists { everywhere, modules: [("M".into(), in_module)].into() };
        let judge = |value, program, path| {
            let judge = |module| lists.judge(UndeclaredAccess { module, value, program, path }, &paths).0;
            (judge("Other"), judge("M"))
        };
        let both = |allowed| (allowed, allowed);
        assert_eq!(judge("Tools.run", "/bin/sh", "/w/A.LOG"), both(Allowed::Uncacheable));
        assert_eq!(judge("Tools.runs", "/bin/sh", "/w/a.log"), both(Allowed::No));
        assert_eq!(judge("Tools.run", "/bin/sh", "/w/axlog"), both(Allowed::No));
        assert_eq!(judge("x", "/usr/bin/cc", "/w/t12/x"), both(Allowed::Uncacheable));
        assert_eq!(judge("x", "/bin/cc", "/w/t12/x"), both(Allowed::No));
        assert_eq!(judge("x", "/opt/ld", "/cache/x"), both(Allowed::Cacheable));
        assert_eq!(judge("x", "/opt/ld.so", "/cache/x"), both(Allowed::No));
        assert_eq!(judge("x", "/opt/ld", "/w/cache/x"), both(Allowed::No));
        assert_eq!(judge("x", "/bin/sh", "/mine/x"), (Allowed::No, Allowed::Uncacheable));
        let access = UndeclaredAccess { module: "M", value: "x", program: "/opt/ld", path: "/cache/mine/x" };
        let (allowed, entry) = lists.judge(access, &paths);
        assert_eq!((allowed, &*entry.unwrap().name), (Allowed::Cacheable, "cache"));
    }

    #[test]
    fn wrong_entries_allow_nothing() {
        for (entry, code) in [
            (object(&[("pathRegex", string("a("))]), "DX0287"),
            (object(&[("pathRegex", string("(?=x)"))]), "DX0287"),
            (object(&[("name", string("x"))]), "DX9318"),
            (object(&[("pathFragment", string("")), ("value", string("x"))]), "DX9318"),
            (object(&[("pathFragment", bool(true))]), "DX9327"),
            (object(&[("pathFragment", string("x")), ("value", string("a..b"))]), "DX0270"),
            (object(&[("pathFragment", string("x")), ("toolPath", string("cc"))]), "DX9327"),
            (string("x"), "DX9327"),
        ] {
            let (entries, codes) = decode("fileAccessAllowList", &[entry]);
            assert_eq!((entries.len(), &*codes.join(" ")), (0, code));
        }
    }
}
