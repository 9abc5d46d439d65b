//! The names that specs and exports give to options with a closed set of values, each table in one place.

use crate::graph::{
    AbsentPathProbe, DoubleWritePolicy, Existence, FilterKind, OutputDirectoryKind, PathRendering, SourceRewritePolicy,
};

macro_rules! names {
    ($($type:ident { $($variant:ident = $name:literal),+ $(,)? })+) => {$(
        impl $type {
            /// Every value with its name in specs.
            pub const NAMES: &'static [(&'static str, $type)] = &[$(($name, $type::$variant)),+];

            /// The name in specs.
            pub fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }

            /// The value with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
            }
        }
    )+};
}

names! {
    DoubleWritePolicy {
        Error = "doubleWritesAreErrors",
        AllowSameContent = "allowSameContentDoubleWrites",
        UnsafeFirstDoubleWriteWins = "unsafeFirstDoubleWriteWins",
    }
    SourceRewritePolicy {
        Error = "sourceRewritesAreErrors",
        SafeSourceRewrites = "safeSourceRewritesAreAllowed",
    }
    AbsentPathProbe { Unsafe = "unsafe", Strict = "strict", Relaxed = "relaxed" }
    Existence { Required = "required", Optional = "optional", Temporary = "temporary" }
    OutputDirectoryKind { Shared = "shared", Exclusive = "exclusive" }
    FilterKind { Include = "Include", Exclude = "Exclude" }
    PathRendering {
        None = "none",
        BackSlashes = "backSlashes",
        EscapedBackSlashes = "escapedBackSlashes",
        ForwardSlashes = "forwardSlashes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_values() {
        assert!(PathRendering::NAMES.iter().all(|(name, value)| PathRendering::from_name(name) == Some(*value)));
        assert!(Existence::NAMES.iter().all(|(name, value)| value.name() == *name));
        assert_eq!(OutputDirectoryKind::from_name("Shared"), None, "case counts");
    }
}
