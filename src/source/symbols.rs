//! Interned strings: names of members, identifiers and path atoms compare as one integer.

use std::hash::BuildHasher;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

/// An interned string. Only meaningful together with the [`Symbols`] that made it; its number depends on the order
/// of interning, so nothing that a user sees may be sorted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Symbol(pub u32);

/// The strings interned so far; any thread may add.
#[derive(Debug, Default)]
pub struct Symbols {
    // From the hash of a text to the symbols with that hash (nearly always one).
    index: DashMap<u64, Bucket, FxBuildHasher>,
    texts: boxcar::Vec<Box<str>>,
}

#[derive(Debug)]
enum Bucket {
    One(u32),
    Many(Vec<u32>),
}

impl Symbols {
    /// No strings yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The symbol of a text.
    pub fn intern(&self, text: &str) -> Symbol {
        let hash = FxBuildHasher.hash_one(text);
        if let Some(bucket) = self.index.get(&hash)
            && let Some(found) = self.find(&bucket, text)
        {
            return found;
        }
        match self.index.entry(hash) {
            dashmap::Entry::Vacant(entry) => {
                let id = self.texts.push(text.into()) as u32;
                entry.insert(Bucket::One(id));
                Symbol(id)
            }
            dashmap::Entry::Occupied(mut entry) => {
                if let Some(found) = self.find(entry.get(), text) {
                    return found;
                }
                let id = self.texts.push(text.into()) as u32;
                let bucket = entry.get_mut();
                match bucket {
                    Bucket::One(first) => *bucket = Bucket::Many(vec![*first, id]),
                    Bucket::Many(all) => all.push(id),
                }
                Symbol(id)
            }
        }
    }

    /// The symbol of a text, if it was interned before.
    pub fn lookup(&self, text: &str) -> Option<Symbol> {
        let bucket = self.index.get(&FxBuildHasher.hash_one(text))?;
        self.find(&bucket, text)
    }

    /// The text of a symbol.
    ///
    /// # Panics
    /// When the symbol comes from another `Symbols`.
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.0 as usize]
    }

    fn find(&self, bucket: &Bucket, text: &str) -> Option<Symbol> {
        let same = |id: u32| (*self.texts[id as usize] == *text).then_some(Symbol(id));
        match bucket {
            Bucket::One(id) => same(*id),
            Bucket::Many(ids) => ids.iter().find_map(|&id| same(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_the_same_symbol() {
        let symbols = Symbols::new();
        let a = symbols.intern("alpha");
        assert_eq!(a, symbols.intern("alpha"));
        assert_ne!(a, symbols.intern("beta"));
        assert_eq!(symbols.text(a), "alpha");
        assert_eq!(symbols.lookup("gamma"), None);
    }
}
