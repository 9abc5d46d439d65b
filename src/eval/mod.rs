//! Evaluation: values, thunks, the interpreter of the lowered form, and its parallel driver.
//!
//! [`crate::Workspace`] is the convenient way in; what is here is for those who write natives or drive evaluation
//! themselves. A [`Value`] is small and `Copy` and points into an arena that lives as long as the [`Evaluation`]. A
//! native ([`NativeFn`]) gets the [`Machine`], which makes values, calls functions and reports errors.
//!
//! Top-level values are computed on demand by one or several workers, each with an arena of its own. What they ask of
//! the graph is recorded with them and replayed in one fixed order, so the result never depends on timing.

mod calls;
mod collections;
mod display;
mod expect;
mod expressions;
mod follower;
mod grow;
mod host;
mod instead;
mod introspect;
mod limits;
mod literals;
mod machine;
mod member_names;
mod native;
mod operators;
mod places;
mod replay;
mod requests;
mod run;
mod shared;
mod stack;
mod statements;
#[cfg(test)]
mod tests;
mod thunks;
mod value;

pub use collections::{Map, MutableSet, Set, StringBuilder, unique};
pub use display::{enum_name, to_display, to_inline};
pub use expect::{ExpectedFailure, ExpectedMessage, TestWorld};
pub use host::{Host, HostFunction, Limits, SystemFolders};
pub use introspect::Inputs;
pub use machine::Machine;
pub use native::{Args, Eval, Member, NativeFn, NativeTable, Raised, Receiver, Site, Values};
pub use places::{Step, Trail};
pub use requests::{Request, RequestKind};
pub use run::Evaluation;
pub use shared::{CacheUse, Event, Maker, Root, ThunkId};
pub use value::{
    Array, Closure, ExecuteResult, MergeRule, Method, Object, PipHandle, Relative, SealHandle, SealKind,
    StaticDirectory, Text, Value,
};
