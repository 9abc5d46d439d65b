//! Qualifiers that the user asks for: `-q name`, `-q key=value;key=value`.

use std::sync::Arc;

use super::qualifier_config::QualifierConfig;
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::QualifierMap;

/// What to evaluate under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QualifierRequest {
    /// An expression of the command line: the name of a named qualifier, `key=value;key=value` laid over the default, or
    /// both, the name first.
    Expression(String),
    /// Keys and values as they are, nothing merged.
    Exact(QualifierMap),
}

impl From<&str> for QualifierRequest {
    fn from(expression: &str) -> Self {
        Self::Expression(expression.to_owned())
    }
}

/// The qualifiers that requests mean, in order and without repetition. No request means the default qualifier. A
/// request that means nothing becomes a diagnostic.
pub fn requested_qualifiers(
    requests: &[QualifierRequest],
    config: &QualifierConfig,
) -> (Vec<QualifierMap>, Vec<Diagnostic>) {
    if requests.is_empty() {
        return (vec![default_of(config)], Vec::new());
    }
    let (mut qualifiers, mut diagnostics) = (Vec::new(), Vec::new());
    for request in requests {
        let result = match request {
            QualifierRequest::Exact(map) => Ok(map.clone()),
            QualifierRequest::Expression(text) => expression(text, config).and_then(|map| {
                check_space(text, &map, config)?;
                Ok(map)
            }),
        };
        match result {
            Ok(map) if qualifiers.contains(&map) => {}
            Ok(map) => qualifiers.push(map),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    (qualifiers, diagnostics)
}

fn default_of(config: &QualifierConfig) -> QualifierMap {
    config.default.as_ref().map(|default| default.value.clone()).unwrap_or_default()
}

fn expression(text: &str, config: &QualifierConfig) -> Result<QualifierMap, Box<Diagnostic>> {
    if text.contains([';', '=']) { explicit(text, config) } else { named(text.trim(), config) }
}

fn named(name: &str, config: &QualifierConfig) -> Result<QualifierMap, Box<Diagnostic>> {
    let Some(named) = &config.named else {
        let message = format!("qualifier `{name}` was asked for, but the configuration names no qualifiers");
        let help = "name qualifiers under `qualifiers: {namedQualifiers: {…}}`, or ask for `key=value`";
        return Err(Box::new(Diagnostic::error(Code::Dx(11251), message).help(help)));
    };
    if let Some(found) = named.get(name) {
        // A named qualifier stands for itself: the default is not merged into it.
        return Ok(found.value.clone());
    }
    let names: Vec<&str> = named.keys().map(|name| &**name).collect();
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", names.join(", ")),
    };
    let message = format!("the configuration names no qualifier `{name}`");
    Err(Box::new(Diagnostic::error(Code::Dx(11250), message).help(help)))
}

fn explicit(text: &str, config: &QualifierConfig) -> Result<QualifierMap, Box<Diagnostic>> {
    let refuse = |code: u32, what: String| {
        let message = format!("in the qualifier `{text}`, {what}");
        Err(Box::new(
            Diagnostic::error(Code::Dx(code), message).help("write `key=value`, several with `;` between them"),
        ))
    };
    let mut parts: Vec<&str> = text.split(';').collect();
    // A first part without `=` names the qualifier that the others change.
    let base = parts.first().map(|first| first.trim()).filter(|first| !first.is_empty() && !first.contains('='));
    let mut map = match base {
        Some(name) => named(name, config)?,
        None => default_of(config),
    };
    if base.is_some() {
        parts.remove(0);
    }
    for part in parts {
        if part.trim().is_empty() {
            return refuse(11285, "a part is empty".to_owned());
        }
        let mut sides = part.split('=').map(str::trim);
        let (Some(key), Some(value), None) = (sides.next(), sides.next(), sides.next()) else {
            return refuse(11284, format!("`{part}` is not of the form `key=value`"));
        };
        if key.is_empty() {
            return refuse(11284, format!("`{part}` has no key"));
        }
        if value.is_empty() {
            map.remove(key);
        } else {
            map.insert(Arc::from(key), Arc::from(value));
        }
    }
    if map.is_empty() {
        return refuse(11286, "no key is left".to_owned());
    }
    Ok(map)
}

/// Refuses values that the configuration's own qualifier space does not list.
fn check_space(text: &str, map: &QualifierMap, config: &QualifierConfig) -> Result<(), Box<Diagnostic>> {
    let Some(space) = &config.space else { return Ok(()) };
    for (key, value) in map {
        let Some(allowed) = space.value.get(key) else { continue };
        if allowed.contains(value) {
            continue;
        }
        let message =
            format!("the qualifier `{text}` sets `{key}` to `{value}`, which the configuration does not list");
        let help = match nearest(value, allowed.iter().map(|value| &**value)) {
            Some(near) => format!("did you mean `{key}={near}`?"),
            None => format!("`{key}` may be {}", quoted(allowed)),
        };
        let mut diagnostic = Diagnostic::error(Code::Ds(305), message).help(help);
        if let Some(location) = space.location {
            diagnostic = diagnostic.and_at(location, "what the keys may be");
        }
        return Err(Box::new(diagnostic));
    }
    Ok(())
}

fn quoted(values: &[Arc<str>]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    values.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::super::config_value::Located;
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> QualifierMap {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    fn config() -> QualifierConfig {
        let located = |value| Located { value, location: None };
        QualifierConfig {
            default: Some(located(map(&[("c", "debug"), ("p", "x64")]))),
            named: Some([(Arc::from("release"), located(map(&[("c", "release")])))].into()),
            space: Some(Located {
                value: [("c".into(), vec!["debug".into(), "release".into()])].into(),
                location: None,
            }),
        }
    }

    fn code(text: &str, config: &QualifierConfig) -> String {
        requested_qualifiers(&[text.into()], config).1[0].code.to_string()
    }

    #[test]
    fn expressions_are_laid_over_the_default() {
        let of = |text: &str| requested_qualifiers(&[text.into()], &config()).0.pop();
        assert_eq!(of("c=release"), Some(map(&[("c", "release"), ("p", "x64")])));
        assert_eq!(of("c= ;p=x86;p=arm64"), Some(map(&[("p", "arm64")])));
        assert_eq!(of("release"), Some(map(&[("c", "release")])));
        assert_eq!(of("release;p=x86"), Some(map(&[("c", "release"), ("p", "x86")])));
        assert_eq!(requested_qualifiers(&[], &config()).0, [map(&[("c", "debug"), ("p", "x64")])]);
        let twice = requested_qualifiers(&["c=debug".into(), "c=debug".into()], &config());
        assert_eq!((twice.0.len(), twice.1.len()), (1, 0));
    }

    #[test]
    fn bad_expressions_have_their_numbers() {
        let config = config();
        assert_eq!(code("relaese", &config), "DX11250");
        assert_eq!(code("x", &QualifierConfig::default()), "DX11251");
        assert_eq!(code("a=b;;", &config), "DX11285");
        assert_eq!(code("a=b=c", &config), "DX11284");
        assert_eq!(code("=b", &config), "DX11284");
        assert_eq!(code("c=;p=", &config), "DX11286");
        assert_eq!(code("c=relase", &config), "DS0305");
    }
}
