//! The qualifiers that the configuration knows, decoded.

use std::sync::Arc;

use indexmap::IndexMap;

use super::config_value::{ConfigKind, ConfigValue, Decoder, Located};
use super::known_fields as known;
use crate::diagnostics::{Code, Diagnostic};
use crate::program::{QualifierMap, QualifierSpace};
use crate::source::Location;

/// The qualifiers of the configuration.
#[derive(Clone, Debug, Default)]
pub struct QualifierConfig {
    /// The qualifier that holds when none is asked for.
    pub default: Option<Located<QualifierMap>>,
    /// Qualifiers by name.
    pub named: Option<IndexMap<Arc<str>, Located<QualifierMap>>>,
    /// Keys with the values they may have.
    pub space: Option<Located<QualifierSpace>>,
}

/// The field `qualifiers`.
pub(super) fn decode_qualifiers(value: &ConfigValue, decoder: &mut Decoder) -> QualifierConfig {
    let mut config = QualifierConfig::default();
    let Some(fields) = decoder.fields(value, "`qualifiers`", &known::QUALIFIERS) else { return config };
    if let Some(value) = fields.get("defaultQualifier") {
        let wrong = |key: bool| if key { Code::Dx(11291) } else { Code::Dx(11292) };
        config.default = qualifier(value, "`defaultQualifier`", wrong, decoder);
    }
    if let Some(value) = fields.get("namedQualifiers") {
        let mut named = IndexMap::new();
        for (name, value) in open(value, "`namedQualifiers`", decoder) {
            let wrong = |key: bool| if key { Code::Dx(11288) } else { Code::Dx(11289) };
            let what = format!("the named qualifier `{name}`");
            let Some(qualifier) = qualifier(value, &what, wrong, decoder) else { continue };
            if matches!(&value.kind, ConfigKind::Object(fields) if fields.is_empty()) {
                let diagnostic = Diagnostic::error(Code::Dx(11287), format!("{what} has no keys"))
                    .help("give it at least one key, such as `configuration: \"debug\"`");
                decoder.report(diagnostic, value.location);
            }
            named.insert(name.clone(), qualifier);
        }
        config.named = Some(named);
    }
    if let Some(value) = fields.get("qualifierSpace") {
        let mut space = QualifierSpace::new();
        for (key, value) in open(value, "`qualifierSpace`", decoder) {
            let what = format!("`{key}` of `qualifierSpace`");
            let mut values = Vec::new();
            for item in decoder.items(value, &what) {
                let Some(text) = decoder.string(item, &format!("each value of {what}")) else { continue };
                check_text(&text, &what, Code::Dx(7505), item.location, decoder);
                values.push(text);
            }
            check_text(key, &what, Code::Dx(7506), value.location, decoder);
            space.insert(key.clone(), values);
        }
        config.space = Some(Located { value: space, location: value.location });
    }
    config
}

/// Keys and values of a qualifier. `code` gives the number of a wrong key (`true`) or value (`false`).
fn qualifier(
    value: &ConfigValue,
    what: &str,
    code: impl Fn(bool) -> Code,
    decoder: &mut Decoder,
) -> Option<Located<QualifierMap>> {
    if !matches!(value.kind, ConfigKind::Object(_)) {
        decoder.wrong_type(what, "an object of strings", value);
        return None;
    }
    let mut map = QualifierMap::new();
    for (key, value) in open(value, what, decoder) {
        let label = format!("`{key}` of {what}");
        let Some(text) = decoder.string(value, &label) else { continue };
        let key_is_fine = check_text(key, &format!("the key {label}"), code(true), value.location, decoder);
        if check_text(&text, &format!("the value of {label}"), code(false), value.location, decoder) && key_is_fine {
            map.insert(key.clone(), text);
        }
    }
    Some(Located { value: map, location: value.location })
}

/// The fields of an object whose keys are free.
fn open<'v>(value: &'v ConfigValue, what: &str, decoder: &mut Decoder) -> Vec<(&'v Arc<str>, &'v ConfigValue)> {
    match &value.kind {
        ConfigKind::Object(fields) => fields.iter().filter(|(_, field)| !field.is_undefined()).collect(),
        _ => {
            decoder.wrong_type(what, "an object", value);
            Vec::new()
        }
    }
}

/// Refuses the characters that separate keys and values on the command line.
fn check_text(text: &str, what: &str, code: Code, location: Option<Location>, decoder: &mut Decoder) -> bool {
    let found = text.find([';', '=']).and_then(|at| text[at..].chars().next());
    if let Some(found) = found {
        let message = format!("{what} holds `{found}`, which separates qualifiers on the command line");
        decoder.report(Diagnostic::error(code, message).help(format!("leave out the `{found}`")), location);
    }
    found.is_none()
}
