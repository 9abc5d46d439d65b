//! Opening a folder: configuration and modules, and the phases run in order. The library's face.

mod config;
mod config_value;
mod discovery;
mod glob;
mod known_fields;
mod module_file;
mod mounts;
mod qualifiers;
mod tree;

pub use config::Config;
pub use config_value::{ConfigKind, ConfigObject, ConfigValue, Decoder, Located};
pub use glob::{GlobError, glob, glob_folders};
pub use mounts::{FoundMount, Mount, Mounts};
