//! A graph as text for programs and for people.
//!
//! All three forms list pips in [`crate::graph::PipGraph::order`], show paths relative to the workspace, and so are
//! byte for byte the same wherever the workspace lies and however it was evaluated.

mod dot;
mod json;
mod render;
mod text;

pub use dot::{dot, dot_of};
pub use json::{json, json_of};
pub use render::{Names, arguments, arguments_with, render, render_with};
pub use text::{TextOptions, text, text_of};

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
