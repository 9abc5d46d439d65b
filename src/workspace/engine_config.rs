//! What running a graph needs from the configuration: `sandbox`, `schedule`, `cache`, and parts of `engine`.
//!
//! Names, meanings and defaults are BuildXL's. What only has a meaning on Windows, or that no build of ours depends on,
//! is known and ignored.

use std::sync::Arc;
use std::time::Duration;

use super::allow_list::{AllowedAccess, decode_allow_list};
use super::config_value::{ConfigKind, Decoder, Fields, Located};
use super::known_fields as known;
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::DoubleWritePolicy;
use crate::paths::PathId;
use crate::source::Symbols;

/// How a graph is run.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How processes are watched and confined.
    pub sandbox: SandboxConfig,
    /// What runs when.
    pub schedule: ScheduleConfig,
    /// What is kept between builds.
    pub cache: CacheConfig,
    /// Undeclared accesses that are allowed for all modules; [`super::Workspace::allow_lists`] has those of modules too.
    pub allow_list: Vec<AllowedAccess>,
    /// What is built when nobody says (`engine.defaultFilter`), in the language of filters.
    pub default_filter: Option<Located<Arc<str>>>,
    /// After how long the whole build is ended (`engine.buildTimeoutMins`).
    pub build_timeout: Option<Duration>,
    /// Whether the temporary folders of a process are deleted after it succeeded (`engine.cleanTempDirectories`).
    pub clean_temp_directories: bool,
}

/// How processes are watched and confined (`sandbox`).
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The timeout of processes that have none of their own (`defaultTimeout`, in milliseconds).
    pub default_timeout: Duration,
    /// The same for the warning (`defaultWarningTimeout`).
    pub default_warning_timeout: Duration,
    /// By what all timeouts are multiplied (`timeoutMultiplier`).
    pub timeout_multiplier: u32,
    /// By what all timeouts of warnings are multiplied (`warningTimeoutMultiplier`).
    pub warning_timeout_multiplier: u32,
    /// Whether forbidden accesses are denied while a process runs (`failUnexpectedFileAccesses`). BuildXL lets them
    /// through as soon as there is an allow list or they are no errors, and judges afterwards.
    pub deny_unexpected_accesses: bool,
    /// Whether undeclared accesses are errors, not warnings (`unsafeSandboxConfiguration.unexpectedFileAccessesAreErrors`).
    /// A process with one is not cached either way.
    pub unexpected_accesses_are_errors: bool,
    /// Whether accesses are watched at all (`unsafeSandboxConfiguration.monitorFileAccesses`).
    pub monitor_file_accesses: bool,
    /// Whether outputs are left in place for processes that allow it (`unsafeSandboxConfiguration.preserveOutputs`).
    pub preserve_outputs: PreserveOutputsMode,
    /// The least trust that a process must have for that (`unsafeSandboxConfiguration.preserveOutputsTrustLevel`).
    pub preserve_outputs_trust_level: u32,
    /// What happens when two processes write one file in a shared opaque, where they do not say themselves
    /// (`unsafeSandboxConfiguration.doubleWritePolicy`).
    pub double_write_policy: DoubleWritePolicy,
    /// Which writes below output directories may bring what another process found absent
    /// (`unsafeSandboxConfiguration.ignoreDynamicWritesOnAbsentProbes`).
    pub ignored_writes_on_absent_probes: WritesOnAbsentProbes,
    /// Folders below which no access of any process is judged (`globalUnsafeUntrackedScopes`). No part of fingerprints.
    pub untracked_scopes: Vec<PathId>,
    /// Variables that all processes see as the build has them (`globalUnsafePassthroughEnvironmentVariables`). No part of
    /// fingerprints.
    pub pass_through_variables: Vec<Arc<str>>,
}

/// Whether outputs of the previous run are left in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PreserveOutputsMode {
    /// They are deleted.
    #[default]
    Disabled,
    /// They are left for processes that allow it.
    Enabled,
    /// The same, but nothing is taken from the cache that was made while outputs were left in place.
    Reset,
}

/// Which writes below output directories may bring what another process found absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritesOnAbsentProbes {
    /// Folders.
    pub folders: bool,
    /// Files.
    pub files: bool,
}

/// What runs when (`schedule`).
#[derive(Clone, Debug)]
pub struct ScheduleConfig {
    /// How many processes run at once (`maxProcesses`); none: as many as there are processors.
    pub max_processes: Option<u32>,
    /// How often a process is tried again that asks for it by its exit code, where it does not say itself
    /// (`processRetries`).
    pub process_retries: u32,
    /// Whether processes that are not in the cache are left out (`cacheOnly`).
    pub cache_only: bool,
    /// Whether outputs are kept in the cache (`storeOutputsToCache`).
    pub store_outputs_to_cache: bool,
    /// Whether the rules about the whole graph are skipped (`unsafeDisableGraphPostValidation`).
    pub unsafe_disable_graph_post_validation: bool,
}

/// What is kept between builds (`cache`, `layout.cacheDirectory`).
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Where; none: in the state folder of the workspace.
    pub directory: Option<PathId>,
    /// Whether the results of processes are taken from the cache (`incremental`).
    pub incremental: bool,
    /// Whether evaluation is skipped when nothing changed that it reads (`cacheGraph`).
    pub cache_graph: bool,
    /// A text that is part of all fingerprints (`cacheSalt`).
    pub salt: Option<Arc<str>>,
    /// How many sets of observed paths are tried for one process (`maxPathSetsOnCacheLookup`); none: all.
    pub max_path_sets: Option<u32>,
}

impl SandboxConfig {
    /// After how long a process is ended that has this timeout of its own, or none. Services, which live as long as the
    /// build does, have none at all.
    pub fn timeout(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.default_timeout).saturating_mul(self.timeout_multiplier)
    }

    /// After how long there is a warning about a process that succeeds.
    pub fn warning_timeout(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.default_warning_timeout).saturating_mul(self.warning_timeout_multiplier)
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            sandbox: SandboxConfig::default(),
            schedule: ScheduleConfig::default(),
            cache: CacheConfig::default(),
            allow_list: Vec::new(),
            default_filter: None,
            build_timeout: None,
            clean_temp_directories: true,
        }
    }
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            default_timeout: Duration::from_secs(10 * 60),
            // 85 percent of the timeout.
            default_warning_timeout: Duration::from_secs(510),
            timeout_multiplier: 1,
            warning_timeout_multiplier: 1,
            deny_unexpected_accesses: true,
            unexpected_accesses_are_errors: true,
            monitor_file_accesses: true,
            preserve_outputs: PreserveOutputsMode::Disabled,
            preserve_outputs_trust_level: 1,
            double_write_policy: DoubleWritePolicy::Error,
            ignored_writes_on_absent_probes: WritesOnAbsentProbes { folders: true, files: false },
            untracked_scopes: Vec::new(),
            pass_through_variables: Vec::new(),
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            max_processes: None,
            process_retries: 0,
            cache_only: false,
            store_outputs_to_cache: true,
            unsafe_disable_graph_post_validation: false,
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { directory: None, incremental: true, cache_graph: true, salt: None, max_path_sets: None }
    }
}

/// Decodes what is not part of `engine` and `layout`.
pub(super) fn decode_engine(config: &Fields, symbols: &Symbols, decoder: &mut Decoder) -> EngineConfig {
    let mut engine =
        EngineConfig { allow_list: decode_allow_list(config, symbols, decoder), ..EngineConfig::default() };
    if let Some(fields) = part(config, "sandbox", &known::SANDBOX, decoder) {
        sandbox(&fields, &mut engine.sandbox, decoder);
    }
    if let Some(fields) = part(config, "schedule", &known::SCHEDULE, decoder) {
        schedule(&fields, &mut engine.schedule, decoder);
    }
    if let Some(fields) = part(config, "cache", &known::CACHE, decoder) {
        let cache = &mut engine.cache;
        flag(&fields, "incremental", &mut cache.incremental, decoder);
        flag(&fields, "cacheGraph", &mut cache.cache_graph, decoder);
        cache.salt = fields.string(decoder, "cacheSalt");
        cache.max_path_sets = match fields.get("maxPathSetsOnCacheLookup").map(|value| &value.kind) {
            // No limit.
            Some(ConfigKind::Number(number)) if *number <= 0 => None,
            _ => fields.count(decoder, "maxPathSetsOnCacheLookup"),
        };
    }
    engine
}

/// Adds the parts of `engine` that are about running.
pub(super) fn decode_engine_part(fields: &Fields, engine: &mut EngineConfig, decoder: &mut Decoder) {
    let location = fields.get("defaultFilter").and_then(|filter| filter.location);
    let filter = fields.string(decoder, "defaultFilter").filter(|filter| !filter.trim().is_empty());
    engine.default_filter = filter.map(|value| Located { value, location });
    let minutes = fields.count(decoder, "buildTimeoutMins");
    engine.build_timeout = minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
    flag(fields, "cleanTempDirectories", &mut engine.clean_temp_directories, decoder);
}

fn sandbox(fields: &Fields, sandbox: &mut SandboxConfig, decoder: &mut Decoder) {
    milliseconds(fields, "defaultTimeout", &mut sandbox.default_timeout, decoder);
    milliseconds(fields, "defaultWarningTimeout", &mut sandbox.default_warning_timeout, decoder);
    at_least_one(fields, "timeoutMultiplier", &mut sandbox.timeout_multiplier, decoder);
    at_least_one(fields, "warningTimeoutMultiplier", &mut sandbox.warning_timeout_multiplier, decoder);
    flag(fields, "failUnexpectedFileAccesses", &mut sandbox.deny_unexpected_accesses, decoder);
    let scopes = fields.paths(decoder, "globalUnsafeUntrackedScopes").unwrap_or_default();
    sandbox.untracked_scopes = scopes.into_iter().map(|scope| scope.value).collect();
    let variables = fields.strings(decoder, "globalUnsafePassthroughEnvironmentVariables").unwrap_or_default();
    sandbox.pass_through_variables = variables.into_iter().map(|name| name.value).collect();
    if let Some(fields) = part(fields, "unsafeSandboxConfiguration", &known::UNSAFE_SANDBOX, decoder) {
        unsafe_sandbox(&fields, sandbox, decoder);
    }
}

fn unsafe_sandbox(fields: &Fields, sandbox: &mut SandboxConfig, decoder: &mut Decoder) {
    for (name, target) in [
        ("unexpectedFileAccessesAreErrors", &mut sandbox.unexpected_accesses_are_errors),
        ("monitorFileAccesses", &mut sandbox.monitor_file_accesses),
    ] {
        flag(fields, name, target, decoder);
    }
    let modes = [
        ("disabled", PreserveOutputsMode::Disabled),
        ("enabled", PreserveOutputsMode::Enabled),
        ("reset", PreserveOutputsMode::Reset),
    ];
    choice(fields, "preserveOutputs", &modes, &mut sandbox.preserve_outputs, decoder);
    at_least_one(fields, "preserveOutputsTrustLevel", &mut sandbox.preserve_outputs_trust_level, decoder);
    let policies = [
        ("doubleWritesAreErrors", DoubleWritePolicy::Error),
        ("allowSameContentDoubleWrites", DoubleWritePolicy::AllowSameContent),
        ("unsafeFirstDoubleWriteWins", DoubleWritePolicy::UnsafeFirstDoubleWriteWins),
    ];
    choice(fields, "doubleWritePolicy", &policies, &mut sandbox.double_write_policy, decoder);
    let writes = |folders, files| WritesOnAbsentProbes { folders, files };
    let policies = [
        ("ignoreNothing", writes(false, false)),
        ("ignoreDirectoryProbes", writes(true, false)),
        ("ignoreFileProbes", writes(false, true)),
        ("ignoreAll", writes(true, true)),
    ];
    let target = &mut sandbox.ignored_writes_on_absent_probes;
    choice(fields, "ignoreDynamicWritesOnAbsentProbes", &policies, target, decoder);
}

fn schedule(fields: &Fields, schedule: &mut ScheduleConfig, decoder: &mut Decoder) {
    if fields.get("maxProcesses").is_some() {
        let mut most = 0;
        at_least_one(fields, "maxProcesses", &mut most, decoder);
        schedule.max_processes = (most > 0).then_some(most);
    }
    if let Some(retries) = fields.count(decoder, "processRetries") {
        schedule.process_retries = retries;
    }
    for (name, target) in [
        ("cacheOnly", &mut schedule.cache_only),
        ("storeOutputsToCache", &mut schedule.store_outputs_to_cache),
        ("unsafeDisableGraphPostValidation", &mut schedule.unsafe_disable_graph_post_validation),
    ] {
        flag(fields, name, target, decoder);
    }
}

/// The fields of a part of the configuration, if it is there.
fn part<'v>(fields: &Fields<'v>, name: &'static str, known: &[&str], decoder: &mut Decoder) -> Option<Fields<'v>> {
    // The name of the part is what messages call it.
    let what = known::PARTS.iter().find(|(part, _)| *part == name).map_or(name, |(_, what)| what);
    decoder.fields(fields.get(name)?, what, known)
}

fn flag(fields: &Fields, name: &str, target: &mut bool, decoder: &mut Decoder) {
    if let Some(value) = fields.bool(decoder, name) {
        *target = value;
    }
}

fn milliseconds(fields: &Fields, name: &str, target: &mut Duration, decoder: &mut Decoder) {
    let mut count = 0;
    at_least_one(fields, name, &mut count, decoder);
    if count > 0 {
        *target = Duration::from_millis(u64::from(count));
    }
}

/// A number of which 0 makes no sense.
fn at_least_one(fields: &Fields, name: &str, target: &mut u32, decoder: &mut Decoder) {
    match fields.count(decoder, name) {
        Some(0) => {
            let message = format!("{} must be at least 1, but it is 0", fields.label(name));
            let diagnostic = Diagnostic::error(Code::Dx(9327), message);
            decoder.report(diagnostic, fields.get(name).and_then(|value| value.location));
        }
        Some(count) => *target = count,
        None => {}
    }
}

/// One of several texts; the first letter may be a capital one, as the members of BuildXL's enums have it.
fn choice<T: Copy>(fields: &Fields, name: &str, choices: &[(&str, T)], target: &mut T, decoder: &mut Decoder) {
    let Some(value) = fields.get(name) else { return };
    let is = |known: &str, text: &str| {
        known.get(..1).is_some_and(|first| text.get(..1).is_some_and(|letter| letter.eq_ignore_ascii_case(first)))
            && known[1..] == text[1..]
    };
    let chosen = match &value.kind {
        ConfigKind::String(text) => choices.iter().find(|(known, _)| is(known, text)),
        _ => None,
    };
    match chosen {
        Some((_, chosen)) => *target = *chosen,
        None => {
            let names: Vec<String> = choices.iter().map(|(known, _)| format!("\"{known}\"")).collect();
            decoder.wrong_type(&fields.label(name), &names.join(" or "), value);
        }
    }
}

#[cfg(test)]
mod tests;
