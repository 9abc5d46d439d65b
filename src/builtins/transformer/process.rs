//! `Transformer.execute`: from its argument object to a process and the handles of its outputs. Services are processes
//! as well (see `service`).

use std::sync::Arc;

use crate::builtins::context::own_temp_directory;
use crate::diagnostics::{Code, Diagnostic};
use crate::eval::{
    Args, Eval, Event, ExecuteResult, Machine, Raised, Request, RequestKind, SealKind, StaticDirectory, Value,
};
use crate::graph::{
    AbsentPathProbe, DoubleWritePolicy, Existence, FileArtifact, FileOutput, OutputDirectory, OutputDirectoryKind,
    PreserveOutputs, PrivilegeLevel, ProcessPip, RareOptions, Semaphore, ServiceKind, SourceRewritePolicy,
    StandardInput,
};
use crate::source::Location;

use super::arguments::CommandLine;
use super::artifacts::{Artifacts, extend_paths};
use super::data::pip_data;
use super::environment;
use super::fields::{Fields, Spot, check_regex};
use super::service;
use super::tool;

/// `Transformer.execute(arguments)`
pub(super) fn execute<'h>(m: &mut Machine<'_, 'h>, args: &Args<'_, 'h>) -> Eval<'h> {
    let fields = Fields::of_argument(m, args, 0, "`Transformer.execute`")?;
    let location = m.call_in_spec(args.site.location());
    let fields = fields.placed(location);
    let (mut process, artifacts) = read(m, args, &fields)?;
    service::read_client(m, &fields, &mut process)?;
    Ok(Value::ExecuteResult(schedule(m, process, artifacts, location)))
}

/// The process that an argument object describes, up to its part in services, and what it reads and makes.
pub(super) fn read<'h>(
    m: &mut Machine<'_, 'h>,
    args: &Args<'_, 'h>,
    fields: &Fields<'_, 'h>,
) -> Result<(ProcessPip, Artifacts), Raised> {
    let mut artifacts = Artifacts::default();
    let working_directory = fields.directory(m, "workingDirectory")?;
    let tool_value = fields.get("tool");
    let tool = fields.inner(m, Spot::field("tool"), tool_value, "`tool`")?;
    let mut process = ProcessPip::new(tool.file(m, "exe")?, working_directory);
    let needs_temp = tool::apply(m, &tool, &mut process, &mut artifacts)?;

    let line = CommandLine::read(m, &mut artifacts, fields, "arguments")?;
    let (arguments, response_file) = line.finish(m);
    process.arguments = arguments;
    if let Some(response_file) = response_file {
        process.rare_mut().response_file = Some(response_file);
    }

    process.description = fields.symbol(m, "description")?;
    process.tags = fields.symbols(m, "tags")?;
    read_inputs(m, fields, "dependencies", &mut artifacts)?;
    read_outputs(m, fields, &mut artifacts)?;
    read_streams(m, fields, &mut process, &mut artifacts)?;
    environment::apply(m, fields, "environmentVariables", &mut process)?;
    read_flags(m, fields, &mut process)?;
    read_rare(m, fields, &mut process)?;
    read_unsafe(m, fields, &mut process)?;
    if fields.flag(m, "dependsOnCurrentHostOSDirectories")? {
        tool::add_system_folders(m, &mut process);
    }
    if needs_temp && process.rare.as_ref().is_none_or(|rare| rare.temp_directory.is_none()) {
        let folder = own_temp_directory(m, args, "t")?;
        environment::set_temp(m, &mut process, folder);
    }
    // What happens in the further ones is not watched either.
    let more = process.rare.as_ref().map(|rare| rare.additional_temp_directories.clone()).unwrap_or_default();
    extend_paths(&mut process.untracked_scopes, &Arc::from(more));
    Ok((process, artifacts))
}

/// A list of files and sealed directories that are read.
pub(super) fn read_inputs<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    name: &'static str,
    artifacts: &mut Artifacts,
) -> Result<(), Raised> {
    for (index, input) in fields.array(m, name)?.iter().enumerate().filter(|(_, input)| !input.is_undefined()) {
        artifacts.add_input(m, *input, fields, Spot::item(name, index))?;
    }
    Ok(())
}

/// Hands the process to the graph and gives its result object.
pub(super) fn schedule<'h>(
    m: &mut Machine<'_, 'h>,
    mut process: ProcessPip,
    mut artifacts: Artifacts,
    location: Location,
) -> &'h ExecuteResult<'h> {
    // Exclusive directories come first, as the graph of BuildXL has them.
    artifacts.directories.sort_by_key(|(_, kind)| *kind == SealKind::SharedOpaque);
    process.inputs = artifacts.inputs.into();
    process.directory_inputs = artifacts.directory_inputs.into();
    let kind = |kind: SealKind| match kind {
        SealKind::SharedOpaque => OutputDirectoryKind::Shared,
        _ => OutputDirectoryKind::Exclusive,
    };
    let directories = artifacts.directories.iter();
    process.output_directories =
        directories.clone().map(|(path, seal)| OutputDirectory { path: *path, kind: kind(*seal) }).collect();
    let made: Vec<&'h StaticDirectory<'h>> = directories
        .map(|(path, kind)| {
            let seal = m.new_seal();
            let directory = StaticDirectory { path: *path, kind: *kind, seal, contents: &[], composite: false };
            &*m.heap().alloc(directory)
        })
        .collect();

    let streams = process.rare.as_ref().map(|rare| rare.streams.clone()).unwrap_or_default();
    let console = [streams.output, streams.error].into_iter().flatten().map(FileOutput::required);
    let mut files: Vec<(FileArtifact, bool)> = Vec::new();
    for output in artifacts.outputs.iter().copied().chain(console) {
        if !files.iter().any(|(known, _)| *known == output.artifact) {
            files.push((output.artifact, output.existence == Existence::Required));
        }
    }
    process.outputs = artifacts.outputs.into();
    let handles = made.iter().map(|directory| directory.seal).collect();
    let is_service = process.rare.as_ref().is_some_and(|rare| rare.service.kind == ServiceKind::Service);
    let pip = m.new_pip();
    m.emit(Event::Made(Box::new(Request { location, kind: RequestKind::Process(process, pip, handles) })));
    let result = ExecuteResult {
        files: m.heap().alloc_slice_copy(&files),
        directories: m.heap().alloc_slice_copy(&made),
        pip,
        is_service,
    };
    m.heap().alloc(result)
}

/// `outputs`, and the older `implicitOutputs` and `optionalImplicitOutputs`.
fn read_outputs<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>, artifacts: &mut Artifacts) -> Result<(), Raised> {
    for (name, existence) in [
        ("implicitOutputs", Existence::Required),
        ("optionalImplicitOutputs", Existence::Temporary),
        ("outputs", Existence::Required),
    ] {
        let outputs = fields.array(m, name)?.iter().enumerate();
        for (index, output) in outputs.filter(|(_, output)| !output.is_undefined()) {
            read_output(m, fields, Spot::item(name, index), *output, existence, artifacts)?;
        }
    }
    Ok(())
}

const EXISTENCE: [(&str, Existence); 3] =
    [("required", Existence::Required), ("optional", Existence::Optional), ("temporary", Existence::Temporary)];
const DIRECTORY_KINDS: [(&str, SealKind); 2] =
    [("shared", SealKind::SharedOpaque), ("exclusive", SealKind::ExclusiveOpaque)];

fn read_output<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    spot: Spot,
    output: Value<'h>,
    existence: Existence,
    artifacts: &mut Artifacts,
) -> Result<(), Raised> {
    let mut file =
        |artifact: FileArtifact, existence: Existence| artifacts.outputs.push(FileOutput { artifact, existence });
    match output {
        Value::Path(path) => file(FileArtifact::output(path), existence),
        // A file as an output is a version more: of a source file the first, which the graph then refuses.
        Value::File(known) => {
            file(known.rewritten(), existence);
        }
        Value::Directory(path) => artifacts.add_directory(path, SealKind::ExclusiveOpaque),
        Value::StaticDirectory(directory) => artifacts.add_directory(directory.path, SealKind::ExclusiveOpaque),
        Value::Object(_) => {
            let entry = fields.inner(m, spot, output, "an entry of `outputs`")?;
            if entry.has("directory") {
                let path = entry.directory(m, "directory")?;
                let kind = entry.choice(m, "kind", &DIRECTORY_KINDS)?.unwrap_or(SealKind::ExclusiveOpaque);
                artifacts.add_directory(path, kind);
                return Ok(());
            }
            let existence = entry.choice(m, "existence", &EXISTENCE)?.unwrap_or(existence);
            match entry.get("artifact") {
                Value::Path(path) => file(FileArtifact::output(path), existence),
                Value::File(known) => file(known.rewritten(), existence),
                other => return Err(entry.wrong(m, "artifact", "a path or a file", other)),
            }
        }
        other => {
            return Err(fields.wrong_at(m, spot, "an array of paths, files, directories or output objects", other));
        }
    }
    Ok(())
}

/// Standard input, output and error.
fn read_streams<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    process: &mut ProcessPip,
    artifacts: &mut Artifacts,
) -> Result<(), Raised> {
    match fields.get("consoleInput") {
        Value::Undefined => {}
        Value::File(file) => {
            artifacts.inputs.push(file);
            process.rare_mut().streams.input = StandardInput::File(file);
        }
        text => {
            let data = pip_data(m, text, fields.place)?;
            process.rare_mut().streams.input = StandardInput::Data(data);
        }
    }
    if let Some(path) = fields.path(m, "consoleOutput")? {
        process.rare_mut().streams.output = Some(FileArtifact::output(path));
    }
    if let Some(path) = fields.path(m, "consoleError")? {
        process.rare_mut().streams.error = Some(FileArtifact::output(path));
    }
    if let Some(path) = fields.path(m, "fileAccessTraceFile")? {
        process.rare_mut().file_access_trace_file = Some(FileArtifact::output(path));
    }
    Ok(())
}

/// The switches that are simply on or off.
fn read_flags<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>, process: &mut ProcessPip) -> Result<(), Raised> {
    let flags = &mut process.flags;
    for (name, flag) in [
        ("allowUndeclaredSourceReads", &mut flags.allow_undeclared_source_reads),
        ("isLight", &mut flags.is_light),
        ("scanForBuildXLHints", &mut flags.scan_for_buildxl_hints),
        ("keepOutputsWritable", &mut flags.keep_outputs_writable),
        ("runInContainer", &mut flags.run_in_container),
        ("disableCacheLookup", &mut flags.disable_cache_lookup),
        ("uncancellable", &mut flags.uncancellable),
        ("writingToStandardErrorFailsExecution", &mut flags.writing_to_standard_error_fails_execution),
        ("preservePathSetCasing", &mut flags.preserve_path_set_casing),
        ("mustRunOnOrchestrator", &mut flags.must_run_on_orchestrator),
        ("enableMultiLineErrorScanning", &mut flags.enable_multi_line_error_scanning),
        ("enforceWeakFingerprintAugmentation", &mut flags.enforce_weak_fingerprint_augmentation),
    ] {
        if let Some(value) = fields.boolean(m, name)? {
            *flag = value;
        }
    }
    Ok(())
}

const DOUBLE_WRITES: [(&str, DoubleWritePolicy); 3] = [
    ("doubleWritesAreErrors", DoubleWritePolicy::Error),
    ("allowSameContentDoubleWrites", DoubleWritePolicy::AllowSameContent),
    ("unsafeFirstDoubleWriteWins", DoubleWritePolicy::UnsafeFirstDoubleWriteWins),
];
const SOURCE_REWRITES: [(&str, SourceRewritePolicy); 2] = [
    ("sourceRewritesAreErrors", SourceRewritePolicy::Error),
    ("safeSourceRewritesAreAllowed", SourceRewritePolicy::SafeSourceRewrites),
];
const PROBES: [(&str, AbsentPathProbe); 3] =
    [("unsafe", AbsentPathProbe::Unsafe), ("strict", AbsentPathProbe::Strict), ("relaxed", AbsentPathProbe::Relaxed)];
const PRIVILEGES: [(&str, PrivilegeLevel); 2] =
    [("standard", PrivilegeLevel::Standard), ("admin", PrivilegeLevel::Admin)];

/// What few processes say; written only where something is said.
fn read_rare<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>, process: &mut ProcessPip) -> Result<(), Raised> {
    let mut rare = process.rare.take().map(|rare| *rare).unwrap_or_default();
    rare.additional_temp_directories = fields.paths(m, "additionalTempDirectories")?.into();
    rare.retry_exit_codes = fields.numbers(m, "retryExitCodes")?;
    rare.succeed_fast_exit_codes = fields.numbers(m, "succeedFastExitCodes")?;
    rare.uncacheable_exit_codes = fields.numbers(m, "uncacheableExitCodes")?;
    // Codes with a further meaning mean success as well.
    let success = fields.numbers(m, "successExitCodes")?;
    let success = success.iter().chain(&rare.succeed_fast_exit_codes).chain(&rare.uncacheable_exit_codes);
    rare.success_exit_codes = success.copied().collect();
    rare.process_retries = fields.count(m, "processRetries")?;
    rare.retry_attempt_variable = fields.symbol(m, "retryAttemptEnvironmentVariable")?;
    rare.nested_process_termination_timeout = fields.count(m, "nestedProcessTerminationTimeoutMs")?;
    rare.weight = fields.number(m, "weight")?;
    rare.priority = fields.number(m, "priority")?;
    rare.warning_regex = fields.symbol(m, "warningRegex")?;
    rare.error_regex = fields.symbol(m, "errorRegex")?;
    for (name, regex) in [("warningRegex", rare.warning_regex), ("errorRegex", rare.error_regex)] {
        if let Some(regex) = regex {
            check_regex(m, name, m.symbols().text(regex), fields.get(name), fields.place)?;
        }
    }
    rare.semaphores = read_semaphores(m, fields)?;
    rare.double_write_policy = fields.choice(m, "doubleWritePolicy", &DOUBLE_WRITES)?;
    rare.source_rewrite_policy = fields.choice(m, "sourceRewritePolicy", &SOURCE_REWRITES)?;
    rare.absent_path_probe = fields.choice(m, "absentPathProbeInUndeclaredOpaquesMode", &PROBES)?;
    rare.privilege_level = fields.choice(m, "privilegeLevel", &PRIVILEGES)?.unwrap_or_default();
    rare.output_directory_exclusions = fields.paths(m, "outputDirectoryExclusions")?.into();
    rare.allowed_surviving_children = fields.symbols(m, "allowedSurvivingChildProcessNames")?;
    rare.container_isolation_level = fields.symbol(m, "containerIsolationLevel")?;
    rare.change_affected_input_list = fields.path(m, "changeAffectedInputListWrittenFile")?;
    if rare != RareOptions::default() {
        process.rare = Some(Box::new(rare));
    }
    if let Some(temp) = fields.path(m, "tempDirectory")? {
        environment::set_temp(m, process, temp);
    }
    Ok(())
}

/// Semaphores, and mutexes as semaphores that there is one of.
fn read_semaphores<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>) -> Result<Box<[Semaphore]>, Raised> {
    let mut semaphores = Vec::new();
    for (index, value) in fields.array(m, "acquireSemaphores")?.iter().enumerate() {
        let spot = Spot::item("acquireSemaphores", index);
        let entry = fields.inner(m, spot, *value, "an entry of `acquireSemaphores`")?;
        let Some(name) = entry.symbol(m, "name")? else {
            return Err(entry.wrong(m, "name", "a string", Value::Undefined));
        };
        let limit = entry.number(m, "limit")?.unwrap_or(1);
        let increment = entry.number(m, "incrementBy")?.unwrap_or(1);
        semaphores.push(Semaphore { name, limit, increment });
    }
    for name in fields.symbols(m, "acquireMutexes")? {
        semaphores.push(Semaphore { name, limit: 1, increment: 1 });
    }
    Ok(semaphores.into())
}

/// The `unsafe` object.
fn read_unsafe<'h>(m: &mut Machine<'_, 'h>, fields: &Fields<'_, 'h>, process: &mut ProcessPip) -> Result<(), Raised> {
    let value = fields.get("unsafe");
    if value.is_undefined() {
        return Ok(());
    }
    let unsafe_fields = fields.inner(m, Spot::field("unsafe"), value, "`unsafe`")?;
    let fields = &unsafe_fields;
    extend_paths(&mut process.untracked_scopes, &fields.paths(m, "untrackedScopes")?.into());
    fields.paths(m, "untrackedPaths")?;
    // A directory is untracked with all that lies below it.
    let is_folder = |value: &&Value<'h>| matches!(value, Value::Directory(_) | Value::StaticDirectory(_));
    let (folders, files): (Vec<_>, Vec<_>) = fields.array(m, "untrackedPaths")?.iter().partition(is_folder);
    let paths = |values: Vec<&Value<'h>>| values.into_iter().filter_map(|value| value.as_path()).collect::<Vec<_>>();
    let (folders, files) = (paths(folders), paths(files));
    extend_paths(&mut process.untracked_paths, &files.into());
    extend_paths(&mut process.untracked_scopes, &folders.into());
    if let Some(required) = fields.boolean(m, "requireGlobalDependencies")? {
        process.flags.no_global_dependencies = !required;
    }
    let flags = &mut process.flags;
    for (name, flag) in [
        ("hasUntrackedChildProcesses", &mut flags.has_untracked_child_processes),
        ("incrementalTool", &mut flags.incremental_tool),
        ("trustStaticallyDeclaredAccesses", &mut flags.trust_statically_declared_accesses),
        ("disableFullReparsePointResolving", &mut flags.disable_full_reparse_point_resolving),
        ("disableSandboxing", &mut flags.disable_sandboxing),
    ] {
        if let Some(value) = fields.boolean(m, name)? {
            *flag = value;
        }
    }
    match fields.get("allowPreservedOutputs") {
        Value::Undefined | Value::Bool(false) => {}
        Value::Bool(true) => process.rare_mut().preserve_outputs = PreserveOutputs::Trusted(1),
        Value::Number(level) => process.rare_mut().preserve_outputs = PreserveOutputs::Trusted(level),
        other => {
            let message =
                format!("`allowPreservedOutputs` must be a boolean or a number, but it is {}", m.describe(other));
            let place = fields.spot(m, Spot::field("allowPreservedOutputs"), other);
            return Err(m.fail(Diagnostic::error(Code::Dx(9357), message).at(place, "")));
        }
    }
    let allowed = fields.paths(m, "preserveOutputAllowlist")?;
    if !allowed.is_empty() {
        process.rare_mut().preserve_output_allow_list = allowed.into();
    }
    let breakaway = fields.array(m, "childProcessesToBreakawayFromSandbox")?;
    if !breakaway.is_empty() {
        process.rare_mut().breakaway_children = breakaway_names(m, fields, breakaway)?;
    }
    let rules = fields.array(m, "reclassificationRules")?;
    if !rules.is_empty() {
        let texts = rules.iter().map(|rule| crate::eval::to_inline(m.program(), *rule));
        let rules = texts.map(|text| m.symbols().intern(&text)).collect();
        process.rare_mut().reclassification_rules = rules;
    }
    environment::pass_through(m, fields, process)
}

/// Names, or objects that carry one with conditions.
fn breakaway_names<'h>(
    m: &mut Machine<'_, 'h>,
    fields: &Fields<'_, 'h>,
    items: &'h [Value<'h>],
) -> Result<Box<[crate::source::Symbol]>, Raised> {
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        names.push(match item {
            Value::Atom(name) => *name,
            Value::String(text) => m.symbols().intern(text.text),
            Value::Object(_) => m.symbols().intern(&crate::eval::to_inline(m.program(), *item)),
            other => {
                let spot = Spot::item("childProcessesToBreakawayFromSandbox", index);
                return Err(fields.wrong_at(m, spot, "an array of atoms", *other));
            }
        });
    }
    Ok(names.into())
}
