//! Qualifier spaces, qualifiers, and the coercion of one to the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use thiserror::Error;

use super::QualifierMap;

/// A qualifier space, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(pub u32);

impl SpaceId {
    /// The space without keys: its values are shared by all qualifiers.
    pub const EMPTY: SpaceId = SpaceId(0);
}

/// A qualifier, interned. Its number depends on the order of interning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifierId(pub u32);

impl QualifierId {
    /// The qualifier without keys.
    pub const EMPTY: QualifierId = QualifierId(0);
}

/// The keys of a space, each with the values it may have. An empty list allows every value.
pub type QualifierSpace = BTreeMap<Arc<str>, Vec<Arc<str>>>;

/// Why a qualifier does not fit a space.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CoercionError {
    /// The space wants a key that the qualifier lacks.
    #[error("the qualifier has no key `{key}`, which the referenced value's qualifier space requires")]
    MissingKey {
        /// The key.
        key: Arc<str>,
        /// What it may be.
        allowed: Vec<Arc<str>>,
    },
    /// The value of a key is not one of those that the space lists.
    #[error("`{key}` is `{value}`, which the referenced value's qualifier space does not list")]
    IllegalValue {
        /// The key.
        key: Arc<str>,
        /// Its value.
        value: Arc<str>,
        /// What it may be.
        allowed: Vec<Arc<str>>,
    },
}

/// All spaces and qualifiers of a program; any thread may add.
#[derive(Debug)]
pub struct Qualifiers {
    spaces: Mutex<IndexSet<Arc<QualifierSpace>>>,
    qualifiers: DashMap<Arc<QualifierMap>, QualifierId, FxBuildHasher>,
    maps: boxcar::Vec<Arc<QualifierMap>>,
    coercions: DashMap<(QualifierId, SpaceId), QualifierId, FxBuildHasher>,
}

impl Default for Qualifiers {
    fn default() -> Self {
        let qualifiers = Self {
            spaces: Mutex::new(IndexSet::from([Arc::new(QualifierSpace::new())])),
            qualifiers: DashMap::default(),
            maps: boxcar::Vec::new(),
            coercions: DashMap::default(),
        };
        qualifiers.qualifier(QualifierMap::new());
        qualifiers
    }
}

impl Qualifiers {
    /// The empty space and the empty qualifier.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a space.
    pub fn space(&self, space: QualifierSpace) -> SpaceId {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        SpaceId(spaces.insert_full(Arc::new(space)).0 as u32)
    }

    /// The keys and values of a space.
    pub fn space_of(&self, id: SpaceId) -> Arc<QualifierSpace> {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.get_index(id.0 as usize).cloned().unwrap_or_default()
    }

    /// The id of a qualifier.
    pub fn qualifier(&self, map: QualifierMap) -> QualifierId {
        if let Some(id) = self.qualifiers.get(&map) {
            return *id;
        }
        let map = Arc::new(map);
        *self.qualifiers.entry(map.clone()).or_insert_with(|| QualifierId(self.maps.push(map) as u32))
    }

    /// The keys and values of a qualifier.
    pub fn map_of(&self, id: QualifierId) -> &Arc<QualifierMap> {
        &self.maps[id.0 as usize]
    }

    /// The instance of `space` that a reference from `qualifier` means: keys that the space lacks are dropped.
    ///
    /// # Errors
    /// When a key is missing or has a value that the space does not list.
    pub fn coerce(&self, qualifier: QualifierId, space: SpaceId) -> Result<QualifierId, CoercionError> {
        if space == SpaceId::EMPTY {
            return Ok(QualifierId::EMPTY);
        }
        if let Some(known) = self.coercions.get(&(qualifier, space)) {
            return Ok(*known);
        }
        let from = self.map_of(qualifier);
        let mut coerced = QualifierMap::new();
        for (key, allowed) in self.space_of(space).iter() {
            let Some(value) = from.get(key) else {
                return Err(CoercionError::MissingKey { key: key.clone(), allowed: allowed.clone() });
            };
            if !allowed.is_empty() && !allowed.contains(value) {
                let (key, value) = (key.clone(), value.clone());
                return Err(CoercionError::IllegalValue { key, value, allowed: allowed.clone() });
            }
            coerced.insert(key.clone(), value.clone());
        }
        let id = self.qualifier(coerced);
        self.coercions.insert((qualifier, space), id);
        Ok(id)
    }

    /// Orders by content: the same on every run.
    pub fn compare(&self, left: QualifierId, right: QualifierId) -> std::cmp::Ordering {
        if left == right { std::cmp::Ordering::Equal } else { self.map_of(left).cmp(self.map_of(right)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> QualifierMap {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    #[test]
    fn coercion_drops_keys_and_refuses_what_is_not_listed() {
        let qualifiers = Qualifiers::new();
        let space = qualifiers.space([(Arc::from("c"), vec![Arc::from("debug"), Arc::from("release")])].into());
        let full = qualifiers.qualifier(map(&[("c", "debug"), ("arch", "x64")]));
        let coerced = qualifiers.coerce(full, space).unwrap();
        assert_eq!(**qualifiers.map_of(coerced), map(&[("c", "debug")]));
        assert_eq!(qualifiers.coerce(full, SpaceId::EMPTY), Ok(QualifierId::EMPTY));
        let other = qualifiers.qualifier(map(&[("c", "ship")]));
        assert!(matches!(qualifiers.coerce(other, space), Err(CoercionError::IllegalValue { .. })));
        assert!(matches!(qualifiers.coerce(QualifierId::EMPTY, space), Err(CoercionError::MissingKey { .. })));
    }
}
