//! A graph as text for programs and for people.

use crate::graph::SealKind;

/// The kind of a seal as JSON names it.
pub fn seal_kind(kind: SealKind) -> &'static str {
    match kind {
        SealKind::Full => "full",
        SealKind::Partial => "partial",
        SealKind::SourceTop => "sourceTop",
        SealKind::SourceAll => "sourceAll",
        SealKind::SharedOpaque => "sharedOpaque",
        SealKind::ExclusiveOpaque => "exclusiveOpaque",
        SealKind::Composite | SealKind::SubDirectory => "composite",
    }
}
