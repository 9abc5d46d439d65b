//! Fingerprints: what a run depends on, as one number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::cas::Digest;

/// A SHA-256 hash over fields. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// A text that is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fingerprint is written as 64 hexadecimal digits")]
pub struct NotAFingerprint;

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAFingerprint);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NotAFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

/// Builds a [`Fingerprint`] from fields. Each field is hashed with its kind and its length, so two different lists of
/// fields never give the same bytes. Lists of unknown length begin with their length, as a number; optional fields with
/// a flag.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    state: Sha256,
}

impl Hasher {
    /// A hasher for one kind of fingerprint: those of different kinds, or of different versions of a kind, are never
    /// equal.
    pub fn new(kind: &str) -> Self {
        let mut hasher = Self::default();
        hasher.section(kind);
        hasher
    }

    /// Begins a part with a name.
    pub fn section(&mut self, label: &str) -> &mut Self {
        self.field(b's', label.as_bytes())
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.field(b't', text.as_bytes())
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.field(b'b', bytes)
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.state.update([b'n']);
        self.state.update(number.to_le_bytes());
        self
    }

    /// Adds a content.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.state.update([b'd']);
        self.state.update(digest.hash);
        self.state.update(digest.size.to_le_bytes());
        self
    }

    /// Adds another fingerprint.
    pub fn fingerprint(&mut self, fingerprint: &Fingerprint) -> &mut Self {
        self.state.update([b'f']);
        self.state.update(fingerprint.0);
        self
    }

    /// Adds a yes or no.
    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.state.update(if flag { b"y" } else { b"o" });
        self
    }

    /// The fingerprint of all that was added.
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.state.finalize().into())
    }

    fn field(&mut self, kind: u8, bytes: &[u8]) -> &mut Self {
        self.state.update([kind]);
        self.state.update((bytes.len() as u64).to_le_bytes());
        self.state.update(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_fields_give_different_fingerprints() {
        let content = Digest::of(b"a");
        let fill: [&dyn Fn(&mut Hasher); 17] = [
            &|_| {},
            &|h| _ = h.text(""),
            &|h| _ = h.bytes(b""),
            &|h| _ = h.section(""),
            &|h| _ = h.text("ab"),
            &|h| _ = h.text("a").text("b"),
            &|h| _ = h.text("").text("ab"),
            &|h| _ = h.bytes(b"ab"),
            &|h| _ = h.section("ab"),
            &|h| _ = h.number(0),
            &|h| _ = h.number(1),
            &|h| _ = h.flag(false),
            &|h| _ = h.flag(true),
            &|h| _ = h.digest(&content),
            &|h| _ = h.digest(&Digest { size: 2, ..content }),
            &|h| _ = h.fingerprint(&Fingerprint(content.hash)),
            &|h| _ = h.bytes(&content.hash),
        ];
        let mut all = Vec::new();
        for kind in ["weak", "strong"] {
            for fill in fill {
                let mut hasher = Hasher::new(kind);
                fill(&mut hasher);
                all.push(hasher.finish());
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Hasher::new("a").finish(), Hasher::new("a").finish());
    }

    #[test]
    fn fingerprints_round_trip() {
        let fingerprint = Hasher::new("a").finish();
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for wrong in ["", "ab", &format!("{}é", &fingerprint.to_string()[2..])] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NotAFingerprint));
        }
    }
}
