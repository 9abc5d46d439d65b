//! What a build does on other machines.

mod execute;

pub use execute::ExecutorOptions;
pub(super) use execute::{Answer, Errand, Executor, stays};
