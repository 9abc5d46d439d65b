use std::fmt::Debug;

use super::super::config::{Config, decode_config};
use super::super::config_value::ConfigValue;
use super::super::config_value::make::*;
use super::*;

fn number(number: i32) -> ConfigValue {
    ConfigValue::new(ConfigKind::Number(number))
}

/// Decodes one field that lies in parts of the configuration: `sandbox.defaultTimeout`.
fn decode(path: &str, value: ConfigValue) -> (EngineConfig, Vec<String>) {
    let value = path.rsplit('.').fold(value, |inner, name| object(&[(name, inner)]));
    let mut decoder = Decoder::new();
    let Config { engine, .. } = decode_config(&value, &Symbols::new(), &mut decoder);
    (engine, decoder.diagnostics.into_iter().map(|one| format!("{} {}", one.code, one.message)).collect())
}

/// What a field is by default and what it is when set.
fn check<T: PartialEq + Debug>(path: &str, read: fn(&EngineConfig) -> T, default: T, value: ConfigValue, expected: T) {
    assert_eq!(read(&EngineConfig::default()), default, "{path}");
    assert_ne!(default, expected, "{path}: the test would not notice");
    let (engine, wrong) = decode(path, value);
    assert_eq!((read(&engine), wrong), (expected, vec![]), "{path}");
    // A value of a type that no field has.
    let (engine, wrong) = decode(path, ConfigValue::new(ConfigKind::Other("a function")));
    assert_eq!(read(&engine), default, "{path}");
    assert!(wrong.len() == 1 && wrong[0].starts_with("DX9327 "), "{path}: {wrong:?}");
}

#[test]
fn flags_are_read() {
    type Read = fn(&EngineConfig) -> bool;
    let fields: [(&str, Read); 10] = [
        ("engine.cleanTempDirectories", |config| config.clean_temp_directories),
        ("cache.cacheGraph", |config| config.cache.cache_graph),
        ("cache.incremental", |config| config.cache.incremental),
        ("sandbox.failUnexpectedFileAccesses", |config| config.sandbox.deny_unexpected_accesses),
        ("sandbox.unsafeSandboxConfiguration.monitorFileAccesses", |config| config.sandbox.monitor_file_accesses),
        ("sandbox.unsafeSandboxConfiguration.unexpectedFileAccessesAreErrors", |config| {
            config.sandbox.unexpected_accesses_are_errors
        }),
        ("schedule.cacheOnly", |config| config.schedule.cache_only),
        ("schedule.storeOutputsToCache", |config| config.schedule.store_outputs_to_cache),
        ("schedule.unsafeDisableGraphPostValidation", |config| config.schedule.unsafe_disable_graph_post_validation),
        ("sandbox.globalUnsafeUntrackedScopes", |config| config.sandbox.untracked_scopes == [PathId(7)]),
    ];
    for (path, read) in fields {
        let default = read(&EngineConfig::default());
        let value = if path.ends_with("Scopes") { array(&[file(PathId(7))]) } else { bool(!default) };
        check(path, read, default, value, !default);
    }
}

#[test]
fn numbers_and_times_are_read() {
    let seconds = Duration::from_secs;
    check("sandbox.defaultTimeout", |c| c.sandbox.default_timeout, seconds(600), number(2000), seconds(2));
    check(
        "sandbox.defaultWarningTimeout",
        |c| c.sandbox.default_warning_timeout,
        seconds(510),
        number(1000),
        seconds(1),
    );
    check("sandbox.timeoutMultiplier", |c| c.sandbox.timeout_multiplier, 1, number(3), 3);
    check("sandbox.warningTimeoutMultiplier", |c| c.sandbox.warning_timeout_multiplier, 1, number(4), 4);
    let trust = "sandbox.unsafeSandboxConfiguration.preserveOutputsTrustLevel";
    check(trust, |c| c.sandbox.preserve_outputs_trust_level, 1, number(5), 5);
    check("schedule.maxProcesses", |c| c.schedule.max_processes, None, number(6), Some(6));
    check("schedule.processRetries", |c| c.schedule.process_retries, 0, number(2), 2);
    check("engine.buildTimeoutMins", |c| c.build_timeout, None, number(2), Some(seconds(120)));
    check("cache.maxPathSetsOnCacheLookup", |c| c.cache.max_path_sets, None, number(9), Some(9));
    assert_eq!(decode("cache.maxPathSetsOnCacheLookup", number(-1)).1, [""; 0]);
    for path in ["sandbox.defaultTimeout", "sandbox.timeoutMultiplier", "schedule.maxProcesses"] {
        let (engine, wrong) = decode(path, number(0));
        assert_eq!(engine.sandbox.default_timeout, seconds(600));
        assert!(matches!(&wrong[..], [one] if one.contains("must be at least 1, but it is 0")), "{wrong:?}");
        assert!(decode(path, number(-1)).1[0].contains("must not be negative"));
    }
}

#[test]
fn texts_and_choices_are_read() {
    check("cache.cacheSalt", |c| c.cache.salt.clone(), None, string("x"), Some("x".into()));
    check("layout.cacheDirectory", |c| c.cache.directory, None, file(PathId(4)), Some(PathId(4)));
    let filter = |config: &EngineConfig| config.default_filter.clone().map(|filter| filter.value);
    check("engine.defaultFilter", filter, None, string("tag='x'"), Some("tag='x'".into()));
    let variables = array(&[string("PATH")]);
    let path = "sandbox.globalUnsafePassthroughEnvironmentVariables";
    check(path, |c| c.sandbox.pass_through_variables.clone(), vec![], variables, vec!["PATH".into()]);
    for (value, expected) in [("enabled", PreserveOutputsMode::Enabled), ("Reset", PreserveOutputsMode::Reset)] {
        let path = "sandbox.unsafeSandboxConfiguration.preserveOutputs";
        check(path, |c| c.sandbox.preserve_outputs, PreserveOutputsMode::Disabled, string(value), expected);
    }
    for (value, expected) in [
        ("allowSameContentDoubleWrites", DoubleWritePolicy::AllowSameContent),
        ("unsafeFirstDoubleWriteWins", DoubleWritePolicy::UnsafeFirstDoubleWriteWins),
    ] {
        let path = "sandbox.unsafeSandboxConfiguration.doubleWritePolicy";
        check(path, |c| c.sandbox.double_write_policy, DoubleWritePolicy::Error, string(value), expected);
    }
    let writes = |folders, files| WritesOnAbsentProbes { folders, files };
    for (value, expected) in [
        ("ignoreNothing", writes(false, false)),
        ("ignoreFileProbes", writes(false, true)),
        ("ignoreAll", writes(true, true)),
    ] {
        let path = "sandbox.unsafeSandboxConfiguration.ignoreDynamicWritesOnAbsentProbes";
        check(path, |c| c.sandbox.ignored_writes_on_absent_probes, writes(true, false), string(value), expected);
    }
    let (_, wrong) = decode("sandbox.unsafeSandboxConfiguration.preserveOutputs", string("énabled"));
    assert!(wrong[0].contains("\"disabled\" or \"enabled\" or \"reset\""), "{wrong:?}");
}

#[test]
fn slips_are_told_from_fields_that_are_ignored() {
    for path in
        ["sandbox.logProcesses", "schedule.skipHashSourceFile", "cache.useDedupStore", "sandbox.containerConfiguration"]
    {
        assert_eq!(decode(path, string("?")).1, [""; 0]);
    }
    assert_eq!(
        decode("schedule.maxProceses", number(1)).1,
        ["DS0301 `maxProceses` is no field of `schedule`, so it has no effect"]
    );
    assert_eq!(decode("sandbox", number(1)).1, ["DX9327 `sandbox` must be an object, but it is a number"]);
}

#[test]
fn timeouts_are_multiplied() {
    let seconds = Duration::from_secs;
    let sandbox = SandboxConfig { timeout_multiplier: 3, ..SandboxConfig::default() };
    assert_eq!((sandbox.timeout(None), sandbox.timeout(Some(seconds(5)))), (seconds(1800), seconds(15)));
    assert_eq!((sandbox.warning_timeout(None), sandbox.warning_timeout(Some(seconds(5)))), (seconds(510), seconds(5)));
    let endless = SandboxConfig { timeout_multiplier: u32::MAX, ..sandbox };
    assert_eq!(endless.timeout(Some(Duration::MAX)), Duration::MAX);
}
