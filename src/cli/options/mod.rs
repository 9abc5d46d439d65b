//! Options that several commands share, with the help that people read.

mod evaluation;
mod messages;
#[cfg(target_os = "linux")]
mod remote;

pub(super) use evaluation::{EvaluationArgs, HostSystem, QualifierArgs, WorkspaceArg, name_and_value};
pub(super) use messages::{ColorWhen, MessageArgs, MessageFormat};
#[cfg(target_os = "linux")]
pub(super) use remote::{ConnectionArgs, RemoteArgs};
