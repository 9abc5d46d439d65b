//! Why a pip runs: what its last result was made of is kept, and compared.

use std::io;

use serde::{Deserialize, Serialize};

use super::cache::{Fingerprint, Hasher};
use super::context::Engine;
use super::fingerprint::{Ingredient, PathSet};
use crate::graph::PipId;

/// What a result was made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Recipe {
    pub(super) ingredients: Vec<Ingredient>,
    /// What was read, so that the same can be looked at again.
    pub(super) paths: Option<PathSet>,
}

/// How many differences are told.
const TOLD: usize = 5;

/// Why a process runs whose recipe is not found in the cache. `now` gives its recipe under a path set.
pub(super) fn reason(
    engine: &Engine<'_>,
    pip: PipId,
    now: impl FnOnce(Option<&PathSet>) -> io::Result<Recipe>,
) -> io::Result<String> {
    let before =
        engine.world.entries.recipe(key(engine, pip)).and_then(|bytes| postcard::from_bytes::<Recipe>(&bytes).ok());
    let Some(before) = before else {
        return Ok("there is no result of an earlier run that was kept".to_owned());
    };
    let now = now(before.paths.as_ref())?;
    let differences = compare(&before.ingredients, &now.ingredients);
    if differences.is_empty() {
        return Ok("its last result is not in the cache any more, or is damaged".to_owned());
    }
    let more = differences.len().saturating_sub(TOLD);
    let mut text = differences.into_iter().take(TOLD).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    Ok(text)
}

/// Remembers what a new result was made of.
pub(super) fn remember(engine: &Engine<'_>, pip: PipId, recipe: &Recipe) -> io::Result<()> {
    let bytes = postcard::to_stdvec(recipe).map_err(io::Error::other)?;
    engine.world.entries.remember_recipe(key(engine, pip), &bytes);
    Ok(())
}

/// A pip in the table of recipes.
fn key(engine: &Engine<'_>, pip: PipId) -> Fingerprint {
    let mut hasher = Hasher::new("pip");
    hasher.text(&engine.world.graph.stable_id(pip).to_string());
    hasher.finish()
}

fn compare(before: &[Ingredient], now: &[Ingredient]) -> Vec<String> {
    let of = |list: &[Ingredient], name: &str| list.iter().find(|one| one.name == name).map(|one| one.value.clone());
    let mut found = Vec::new();
    for one in now {
        match of(before, &one.name) {
            Some(old) if old == one.value => {}
            Some(old) => found.push(format!("{} changed: {} -> {}", one.name, short(&old), short(&one.value))),
            None => found.push(format!("{} is new: {}", one.name, short(&one.value))),
        }
    }
    for one in before.iter().filter(|one| of(now, &one.name).is_none()) {
        found.push(format!("{} is gone", one.name));
    }
    found
}

fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_both_values() {
        let list = |pairs: &[(&str, &str)]| {
            let one = |(name, value): &(&str, &str)| Ingredient { name: (*name).into(), value: (*value).into() };
            pairs.iter().map(one).collect::<Vec<_>>()
        };
        let before = list(&[("input a", "1"), ("input b", "2"), ("input c", "3")]);
        let now = list(&[("input a", "1"), ("input b", "4"), ("input d", "5")]);
        assert_eq!(compare(&before, &now), ["input b changed: 2 -> 4", "input d is new: 5", "input c is gone"]);
        assert!(compare(&before, &before).is_empty());
    }
}
