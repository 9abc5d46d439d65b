//! What evaluation may see of the world, and how far it may go.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustc_hash::FxHashMap;

use super::expect::TestWorld;
use super::machine::Machine;
use super::native::{Args, Eval};
use crate::graph::Mount;
use crate::paths::{PathId, Paths};
use crate::source::system::{Environment, FileSystem, OperatingSystem};

/// The world of one evaluation.
pub struct Host {
    /// Files and folders.
    pub file_system: Arc<dyn FileSystem>,
    /// Environment variables.
    pub environment: Arc<dyn Environment>,
    /// Mounts in the order of their definition. Natives ask [`Host::context_mounts`].
    pub mounts: Vec<Mount>,
    /// The folder of the configuration.
    pub source_root: PathId,
    /// What `Context.getNewOutputDirectory` lies under.
    pub object_root: PathId,
    /// What `Context.getTempDirectory` lies under.
    pub temp_root: PathId,
    /// What `Context.getBuildEngineDirectory` gives.
    pub engine_directory: PathId,
    /// The user's home.
    pub home: PathId,
    /// How far evaluation may go.
    pub limits: Limits,
    /// Whether `Unsafe.*` may be called.
    pub allow_unsafe_ambient: bool,
    /// The folders of the system, for tools that say they depend on them.
    pub system: SystemFolders,
    /// Evaluation stops, without a message, soon after somebody sets this.
    pub interrupted: Option<Arc<AtomicBool>>,
    /// Functions of the host program by dotted name; the prelude declares them like natives.
    pub functions: FxHashMap<String, HostFunction>,
    /// The world of a unit test while one runs; its mounts stand for `mounts` then.
    pub test: Option<Arc<TestWorld>>,
}

impl Host {
    /// The mounts that `Context` knows, in the order of their definition.
    pub fn context_mounts(&self) -> Cow<'_, [Mount]> {
        match &self.test {
            Some(test) => Cow::Owned(test.mounts()),
            None => Cow::Borrowed(&self.mounts),
        }
    }
}

/// A function of the host program.
pub type HostFunction = Arc<dyn for<'s, 'h> Fn(&mut Machine<'s, 'h>, &Args<'_, 'h>) -> Eval<'h> + Send + Sync>;

/// What a program that depends on the folders of the system may use untracked.
#[derive(Clone, Debug, Default)]
pub struct SystemFolders {
    /// Entries that are untracked themselves, not what lies below them.
    pub paths: Arc<[PathId]>,
    /// Folders with everything below them.
    pub scopes: Arc<[PathId]>,
    /// Folders in which the user's programs keep data, with everything below them: for tools that say they depend on
    /// those.
    pub application_data: Arc<[PathId]>,
}

impl SystemFolders {
    /// Those of an operating system. `folder` gives the folders that lie elsewhere on every machine, by the names of
    /// their mounts; one that it does not know is left out. Only Windows has such folders.
    pub fn of(os: OperatingSystem, paths: &Paths, folder: impl Fn(&str) -> Option<PathId>) -> Self {
        // Constants that are all absolute.
        let known = |lists: &[&[&str]]| -> Arc<[PathId]> {
            lists.iter().copied().flatten().filter_map(|path| paths.parse_absolute(path).ok()).collect()
        };
        let below = |list: &[(&str, &str)]| -> Arc<[PathId]> {
            list.iter().filter_map(|(name, rest)| paths.walk(folder(name)?, rest).ok()).collect()
        };
        match os {
            OperatingSystem::Windows => Self {
                scopes: below(&WINDOWS_SCOPES),
                application_data: below(&WINDOWS_APPLICATION_DATA),
                ..Self::default()
            },
            OperatingSystem::MacOs => {
                Self { paths: known(&[&UNIX_PATHS]), scopes: known(&[&UNIX_SCOPES, &MAC_SCOPES]), ..Self::default() }
            }
            OperatingSystem::Unix => {
                Self { paths: known(&[&UNIX_PATHS]), scopes: known(&[&UNIX_SCOPES]), ..Self::default() }
            }
        }
    }
}

/// Mounts of Windows, and what is meant below each.
const WINDOWS_SCOPES: [(&str, &str); 6] = [
    ("Windows", ""),
    ("InternetCache", ""),
    ("InternetHistory", ""),
    ("ProgramFiles", "Windows Defender"),
    ("ProgramFilesX86", "Windows Defender"),
    ("ProgramData", "Microsoft/Windows Defender"),
];
const WINDOWS_APPLICATION_DATA: [(&str, &str); 2] = [("AppData", ""), ("LocalAppData", "")];
const MAC_SCOPES: [&str; 4] = ["/AppleInternal", "/Applications", "/Library", "/System/Library"];
const UNIX_PATHS: [&str; 7] =
    ["/etc", "/etc/hosts", "/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd", "/tmp"];
const UNIX_SCOPES: [&str; 18] = [
    "/bin",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/private",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
];

/// How far evaluation may go before it is taken to be endless.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nested calls (DX9353).
    pub call_depth: u32,
    /// Rounds of one loop (DX9379, DX9380).
    pub loop_iterations: u32,
    /// Calls and rounds of loops while one top-level value is computed (DS0403).
    pub steps: u64,
    /// Bytes that all values of the evaluation may take (DS0402). Arenas grow by doubling and what they reserve is
    /// counted, so half of it is there for sure.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { call_depth: 4_000, loop_iterations: 10_000_000, steps: 100_000_000, memory: 2_000_000_000 }
    }
}
