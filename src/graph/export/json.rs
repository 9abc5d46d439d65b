//! JSON: the shape is documented in `docs/graph-json.md`. Written as it goes, so that a large graph needs no second
//! copy in memory; one pip a line, so that line tools work on it.

use std::collections::hash_map::Entry;
use std::io::{self, Write};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::render::{arguments, render};
use super::seal_kind;
use crate::graph::{
    ContentFilter, DirectoryId, EnvironmentValue, Existence, FileArtifact, IpcPip, PathRendering, PermissionDelegation,
    Pip, PipGraph, PipId, PipSet, PreserveOutputs, PrivilegeLevel, ProcessFlags, ProcessPip, Qualifier, RareOptions,
    SealDirectoryPip, SealKind, ServiceKind, ServiceOptions, StandardInput,
};
use crate::paths::PathId;
use crate::source::Symbol;

/// Writes the graph as one JSON object.
///
/// # Errors
/// When `out` cannot be written to.
pub fn json(graph: &PipGraph, out: &mut dyn Write) -> io::Result<()> {
    write_pips(graph, graph.order(), out)
}

/// Writes some pips of the graph as one JSON object. Their dependencies are listed whether they are among them or not.
///
/// # Errors
/// When `out` cannot be written to.
pub fn json_of(graph: &PipGraph, pips: &PipSet, out: &mut dyn Write) -> io::Result<()> {
    write_pips(graph, &graph.in_order(pips), out)
}

fn write_pips(graph: &PipGraph, pips: &[PipId], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{\"version\":1,\"qualifiers\":[")?;
    for (index, qualifier) in graph.qualifiers().iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        write_qualifier(qualifier, out)?;
    }
    out.write_all(b"],\"pips\":[")?;
    // Rendered by several threads, a few chunks ahead of what is written, so that memory stays small.
    for (index, round) in pips.chunks(CHUNK * ROUND).enumerate() {
        let texts: Vec<io::Result<Vec<u8>>> = round.par_chunks(CHUNK).map(|pips| write_chunk(graph, pips)).collect();
        for (chunk, text) in texts.into_iter().enumerate() {
            out.write_all(if index > 0 || chunk > 0 { b",\n" } else { b"\n" })?;
            out.write_all(&text?)?;
        }
    }
    out.write_all(b"\n]}\n")
}

/// How many pips one thread renders at a time.
const CHUNK: usize = 256;
/// How many chunks are rendered before they are written.
const ROUND: usize = 16;

/// Pips with a comma and a line break between them.
fn write_chunk(graph: &PipGraph, pips: &[PipId]) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(pips.len() * 512);
    let mut lists = SharedLists::default();
    for (index, id) in pips.iter().enumerate() {
        if index > 0 {
            text.write_all(b",\n")?;
        }
        write_pip(graph, *id, &mut lists, &mut text)?;
    }
    Ok(text)
}

fn write_text(text: &str, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

fn write_list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut dyn Write,
    mut write: impl FnMut(T, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        write(item, out)?;
    }
    out.write_all(b"]")
}

fn write_qualifier(qualifier: &Qualifier, out: &mut dyn Write) -> io::Result<()> {
    let mut object = Object::open(out)?;
    for (key, value) in qualifier {
        object.text(key, value)?;
    }
    object.close()
}

/// An object being written: puts commas and keys.
struct Object<'w> {
    out: &'w mut dyn Write,
    empty: bool,
}

impl<'w> Object<'w> {
    fn open(out: &'w mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, empty: true })
    }

    fn close(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }

    fn key(&mut self, key: &str) -> io::Result<&mut dyn Write> {
        if !self.empty {
            self.out.write_all(b",")?;
        }
        self.empty = false;
        write_text(key, self.out)?;
        self.out.write_all(b":")?;
        Ok(self.out)
    }

    fn text(&mut self, key: &str, text: &str) -> io::Result<()> {
        write_text(text, self.key(key)?)
    }

    fn number(&mut self, key: &str, number: i64) -> io::Result<()> {
        write!(self.key(key)?, "{number}")
    }

    fn maybe_number(&mut self, key: &str, number: Option<impl Into<i64>>) -> io::Result<()> {
        number.map_or(Ok(()), |number| self.number(key, number.into()))
    }

    fn flag(&mut self, key: &str, set: bool) -> io::Result<()> {
        if set { self.key(key)?.write_all(b"true") } else { Ok(()) }
    }

    fn object(&mut self, key: &str) -> io::Result<Object<'_>> {
        self.key(key)?;
        Object::open(self.out)
    }

    /// A list, also when it is empty.
    fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(T, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        write_list(items, self.key(key)?, write)
    }

    fn texts(&mut self, key: &str, items: impl IntoIterator<Item = String>) -> io::Result<()> {
        self.list(key, items, |item, out| write_text(&item, out))
    }

    fn symbols(&mut self, graph: &PipGraph, key: &str, items: &[Symbol]) -> io::Result<()> {
        self.list(key, items, |item, out| write_text(graph.text(*item), out))
    }

    fn paths(&mut self, graph: &PipGraph, key: &str, items: &[PathId]) -> io::Result<()> {
        self.list(key, items, |item, out| write_text(&graph.display(*item), out))
    }

    fn maybe_path(&mut self, graph: &PipGraph, key: &str, path: Option<PathId>) -> io::Result<()> {
        path.map_or(Ok(()), |path| self.text(key, &graph.display(path)))
    }

    fn maybe_symbol(&mut self, graph: &PipGraph, key: &str, symbol: Option<Symbol>) -> io::Result<()> {
        symbol.map_or(Ok(()), |symbol| self.text(key, graph.text(symbol)))
    }

    fn directories(&mut self, graph: &PipGraph, key: &str, items: &[DirectoryId]) -> io::Result<()> {
        self.list(key, items, |item, out| {
            let directory = graph.directory(*item);
            let mut object = Object::open(out)?;
            object.text("path", &graph.display(directory.root))?;
            object.text("kind", seal_kind(directory.kind))?;
            object.text("id", &graph.stable_id(directory.pip).to_string())?;
            object.close()
        })
    }
}

/// Path lists that many processes share, as they were written the first time, by address: the untracked folders of one
/// tool are long and the same for all that it runs.
type SharedLists = FxHashMap<*const PathId, Vec<u8>>;

fn write_pip(graph: &PipGraph, id: PipId, lists: &mut SharedLists, out: &mut dyn Write) -> io::Result<()> {
    let (pip, provenance) = (graph.pip(id), graph.provenance(id));
    let mut object = Object::open(out)?;
    object.text("id", &graph.stable_id(id).to_string())?;
    object.text("kind", pip.kind_name())?;
    object.text("module", &provenance.module)?;
    object.text("spec", &graph.display(provenance.spec))?;
    object.number("line", provenance.line.into())?;
    object.number("column", provenance.column.into())?;
    object.text("value", &provenance.value)?;
    write_qualifier(&provenance.qualifier, object.key("qualifier")?)?;
    object.symbols(graph, "tags", pip.tags())?;
    match pip.description() {
        Some(description) => object.text("description", graph.text(description))?,
        None => object.key("description")?.write_all(b"null")?,
    }
    let mut dependencies = graph.dependencies(id).to_vec();
    dependencies.sort_unstable_by_key(|dependency| graph.position(*dependency));
    object.texts("dependencies", dependencies.iter().map(|dependency| graph.stable_id(*dependency).to_string()))?;
    match pip {
        Pip::Process(process) => {
            let outputs: Vec<FileArtifact> = process.outputs.iter().map(|output| output.artifact).collect();
            artifacts(graph, &mut object, "inputs", &process.inputs, &process.directory_inputs)?;
            let directories: Vec<DirectoryId> = process.output_directory_ids().collect();
            artifacts(graph, &mut object, "outputs", &outputs, &directories)?;
            write_process(graph, process, lists, &mut object)?;
        }
        Pip::CopyFile(copy) => {
            artifacts(graph, &mut object, "inputs", &[copy.source], &[])?;
            artifacts(graph, &mut object, "outputs", &[copy.destination], &[])?;
            object.text("source", &graph.display(copy.source.path))?;
            object.text("destination", &graph.display(copy.destination.path))?;
            object.flag("keepOutputsWritable", copy.keep_writable)?;
        }
        Pip::WriteFile(write) => {
            artifacts(graph, &mut object, "inputs", &[], &[])?;
            artifacts(graph, &mut object, "outputs", &[write.destination], &[])?;
            object.text("destination", &graph.display(write.destination.path))?;
            object.text("contents", &render(graph, &write.contents, write.path_rendering))?;
        }
        Pip::SealDirectory(seal) => write_seal(graph, seal, &mut object)?,
        Pip::Ipc(ipc) => write_ipc(graph, ipc, &mut object)?,
    }
    object.close()
}

fn artifacts(
    graph: &PipGraph,
    object: &mut Object<'_>,
    key: &str,
    files: &[FileArtifact],
    directories: &[DirectoryId],
) -> io::Result<()> {
    let mut object = object.object(key)?;
    object.texts("files", files.iter().map(|file| graph.display(file.path)))?;
    object.directories(graph, "directories", directories)?;
    // Versions only where there is more than the usual one.
    if files.iter().any(|file| file.rewrite > 1) {
        let mut versions = object.object("versions")?;
        for file in files.iter().filter(|file| file.rewrite > 1) {
            versions.number(&graph.display(file.path), file.rewrite.into())?;
        }
        versions.close()?;
    }
    object.close()
}

fn write_process(
    graph: &PipGraph,
    process: &ProcessPip,
    lists: &mut SharedLists,
    object: &mut Object<'_>,
) -> io::Result<()> {
    object.text("executable", &graph.display(process.executable.path))?;
    object.texts("arguments", arguments(graph, &process.arguments))?;
    let mut environment = object.object("environment")?;
    for variable in &process.environment {
        if let EnvironmentValue::Data(data) = &variable.value {
            environment.text(graph.text(variable.name), &render(graph, data, PathRendering::None))?;
        }
    }
    environment.close()?;
    let passed = process.environment.iter().filter(|variable| variable.value == EnvironmentValue::PassThrough);
    let passed: Vec<Symbol> = passed.map(|variable| variable.name).collect();
    if !passed.is_empty() {
        object.symbols(graph, "passThroughEnvironment", &passed)?;
    }
    object.text("workingDirectory", &graph.display(process.working_directory))?;
    object.maybe_symbol(graph, "tool", process.tool_description)?;
    for (key, existence) in [("optionalOutputs", Existence::Optional), ("temporaryOutputs", Existence::Temporary)] {
        let some = process.outputs.iter().filter(|output| output.existence == existence);
        let some: Vec<PathId> = some.map(|output| output.artifact.path).collect();
        if !some.is_empty() {
            object.paths(graph, key, &some)?;
        }
    }
    for (key, list) in [("untrackedPaths", &process.untracked_paths), ("untrackedScopes", &process.untracked_scopes)] {
        if !list.is_empty() {
            let written = match lists.entry(list.as_ptr()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let mut text = Vec::new();
                    write_list(list.iter(), &mut text, |path, out| write_text(&graph.display(*path), out))?;
                    new.insert(text)
                }
            };
            object.key(key)?.write_all(written)?;
        }
    }
    write_flags(process.flags, object)?;
    process.rare.as_ref().map_or(Ok(()), |rare| write_rare(graph, rare, object))
}

fn write_flags(flags: ProcessFlags, object: &mut Object<'_>) -> io::Result<()> {
    // Taken apart whole, so that a new flag cannot be forgotten here.
    let ProcessFlags {
        allow_undeclared_source_reads,
        is_light,
        scan_for_buildxl_hints,
        keep_outputs_writable,
        run_in_container,
        has_untracked_child_processes,
        incremental_tool,
        no_global_dependencies,
        trust_statically_declared_accesses,
        disable_full_reparse_point_resolving,
        disable_sandboxing,
        disable_cache_lookup,
        uncancellable,
        writing_to_standard_error_fails_execution,
        preserve_path_set_casing,
        must_run_on_orchestrator,
        enable_multi_line_error_scanning,
        enforce_weak_fingerprint_augmentation,
        depends_on_current_host_os_directories,
    } = flags;
    for (key, set) in [
        ("allowUndeclaredSourceReads", allow_undeclared_source_reads),
        ("isLight", is_light),
        ("scanForBuildXLHints", scan_for_buildxl_hints),
        ("keepOutputsWritable", keep_outputs_writable),
        ("runInContainer", run_in_container),
        ("hasUntrackedChildProcesses", has_untracked_child_processes),
        ("incrementalTool", incremental_tool),
        ("noGlobalDependencies", no_global_dependencies),
        ("trustStaticallyDeclaredAccesses", trust_statically_declared_accesses),
        ("disableFullReparsePointResolving", disable_full_reparse_point_resolving),
        ("disableSandboxing", disable_sandboxing),
        ("disableCacheLookup", disable_cache_lookup),
        ("uncancellable", uncancellable),
        ("writingToStandardErrorFailsExecution", writing_to_standard_error_fails_execution),
        ("preservePathSetCasing", preserve_path_set_casing),
        ("mustRunOnOrchestrator", must_run_on_orchestrator),
        ("enableMultiLineErrorScanning", enable_multi_line_error_scanning),
        ("enforceWeakFingerprintAugmentation", enforce_weak_fingerprint_augmentation),
        ("dependsOnCurrentHostOSDirectories", depends_on_current_host_os_directories),
    ] {
        object.flag(key, set)?;
    }
    Ok(())
}

fn write_rare(graph: &PipGraph, rare: &RareOptions, object: &mut Object<'_>) -> io::Result<()> {
    // Taken apart whole, so that a new option cannot be forgotten here.
    let RareOptions {
        response_file,
        streams,
        temp_directory,
        additional_temp_directories,
        success_exit_codes,
        retry_exit_codes,
        succeed_fast_exit_codes,
        uncacheable_exit_codes,
        process_retries,
        retry_attempt_variable,
        timeout,
        warning_timeout,
        nested_process_termination_timeout,
        weight,
        priority,
        warning_regex,
        error_regex,
        semaphores,
        double_write_policy,
        source_rewrite_policy,
        output_directory_exclusions,
        absent_path_probe,
        preserve_outputs,
        preserve_output_allow_list,
        allowed_surviving_children,
        breakaway_children,
        privilege_level,
        container_isolation_level,
        change_affected_input_list,
        file_access_trace_file,
        reclassification_rules,
        remote_platform,
        service,
    } = rare;
    if let Some(response) = response_file {
        let mut inner = object.object("responseFile")?;
        inner.maybe_path(graph, "path", response.path.map(|file| file.path))?;
        inner.maybe_symbol(graph, "prefix", response.prefix)?;
        inner.texts("contents", arguments(graph, &response.contents))?;
        inner.flag("force", response.force)?;
        inner.close()?;
    }
    match &streams.input {
        StandardInput::None => {}
        StandardInput::File(file) => object.text("consoleInput", &graph.display(file.path))?,
        StandardInput::Data(data) => object.text("consoleInputText", &render(graph, data, PathRendering::None))?,
    }
    object.maybe_path(graph, "consoleOutput", streams.output.map(|file| file.path))?;
    object.maybe_path(graph, "consoleError", streams.error.map(|file| file.path))?;
    object.maybe_path(graph, "tempDirectory", *temp_directory)?;
    for (key, list) in [
        ("additionalTempDirectories", additional_temp_directories),
        ("outputDirectoryExclusions", output_directory_exclusions),
        ("preserveOutputAllowlist", preserve_output_allow_list),
    ] {
        if !list.is_empty() {
            object.paths(graph, key, list)?;
        }
    }
    for (key, list) in [
        ("successExitCodes", success_exit_codes),
        ("retryExitCodes", retry_exit_codes),
        ("succeedFastExitCodes", succeed_fast_exit_codes),
        ("uncacheableExitCodes", uncacheable_exit_codes),
    ] {
        if !list.is_empty() {
            object.list(key, list, |code, out| write!(out, "{code}"))?;
        }
    }
    object.maybe_number("processRetries", *process_retries)?;
    object.maybe_symbol(graph, "retryAttemptEnvironmentVariable", *retry_attempt_variable)?;
    object.maybe_number("timeoutInMilliseconds", *timeout)?;
    object.maybe_number("warningTimeoutInMilliseconds", *warning_timeout)?;
    object.maybe_number("nestedProcessTerminationTimeoutMs", *nested_process_termination_timeout)?;
    object.maybe_number("weight", *weight)?;
    object.maybe_number("priority", *priority)?;
    object.maybe_symbol(graph, "warningRegex", *warning_regex)?;
    object.maybe_symbol(graph, "errorRegex", *error_regex)?;
    if !semaphores.is_empty() {
        object.list("semaphores", semaphores, |semaphore, out| {
            let mut inner = Object::open(out)?;
            inner.text("name", graph.text(semaphore.name))?;
            inner.number("limit", semaphore.limit.into())?;
            inner.number("incrementBy", semaphore.increment.into())?;
            inner.close()
        })?;
    }
    if let Some(policy) = double_write_policy {
        object.text("doubleWritePolicy", policy.name())?;
    }
    if let Some(policy) = source_rewrite_policy {
        object.text("sourceRewritePolicy", policy.name())?;
    }
    if let Some(probe) = absent_path_probe {
        object.text("absentPathProbeInUndeclaredOpaquesMode", probe.name())?;
    }
    if let PreserveOutputs::Trusted(level) = *preserve_outputs {
        object.number("allowPreservedOutputs", level.into())?;
    }
    for (key, list) in [
        ("allowedSurvivingChildProcessNames", allowed_surviving_children),
        ("childProcessesToBreakawayFromSandbox", breakaway_children),
        ("reclassificationRules", reclassification_rules),
        ("remotePlatform", remote_platform),
    ] {
        if !list.is_empty() {
            object.symbols(graph, key, list)?;
        }
    }
    if *privilege_level == PrivilegeLevel::Admin {
        object.text("privilegeLevel", "admin")?;
    }
    object.maybe_symbol(graph, "containerIsolationLevel", *container_isolation_level)?;
    object.maybe_path(graph, "changeAffectedInputListWrittenFile", *change_affected_input_list)?;
    object.maybe_path(graph, "fileAccessTraceFile", file_access_trace_file.map(|file| file.path))?;
    write_service(graph, service, object)
}

fn write_service(graph: &PipGraph, service: &ServiceOptions, object: &mut Object<'_>) -> io::Result<()> {
    if *service == ServiceOptions::default() {
        return Ok(());
    }
    let mut inner = object.object("service")?;
    inner.text(
        "kind",
        match service.kind {
            ServiceKind::None => "client",
            ServiceKind::Service => "service",
            ServiceKind::Shutdown => "shutdown",
            ServiceKind::Finalization => "finalization",
        },
    )?;
    let stable = |pip: &PipId| graph.stable_id(*pip).to_string();
    inner.texts("dependencies", service.dependencies.iter().map(stable))?;
    if let Some(shutdown) = &service.shutdown {
        inner.text("shutdown", &stable(shutdown))?;
    }
    if !service.finalization.is_empty() {
        inner.texts("finalization", service.finalization.iter().map(stable))?;
    }
    if let Some((tag, name)) = service.trackable_tag {
        inner.text("trackableTag", graph.text(tag))?;
        inner.text("trackableTagDisplayName", graph.text(name))?;
    }
    inner.maybe_symbol(graph, "moniker", service.moniker)?;
    match service.delegate_permissions {
        PermissionDelegation::None => {}
        PermissionDelegation::Temporary => inner.text("delegatePermissions", "temporary")?,
        PermissionDelegation::Permanent => inner.text("delegatePermissions", "permanent")?,
    }
    inner.close()
}

fn write_seal(graph: &PipGraph, seal: &SealDirectoryPip, object: &mut Object<'_>) -> io::Result<()> {
    let output = seal.kind.is_output();
    // What was asserted inside an opaque is made by its process, not read by the seal.
    artifacts(graph, object, "inputs", if output { &[] } else { &seal.files }, &seal.directories)?;
    artifacts(graph, object, "outputs", &[], &[seal.directory])?;
    object.text("root", &graph.display(seal.root))?;
    object.text("sealKind", seal_kind(seal.kind))?;
    object.texts("contents", seal.files.iter().map(|file| graph.display(file.path)))?;
    if seal.kind.is_composed() {
        object.directories(graph, "members", &seal.directories)?;
        object.text("composition", if seal.kind == SealKind::Composite { "union" } else { "subDirectory" })?;
    } else if !seal.directories.is_empty() {
        object.directories(graph, "contentDirectories", &seal.directories)?;
    }
    if let Some(ContentFilter { kind, regex }) = seal.filter {
        let mut inner = object.object("filter")?;
        inner.text("kind", kind.name())?;
        inner.text("regex", graph.text(regex))?;
        inner.close()?;
    }
    if seal.kind.is_source() {
        object.symbols(graph, "patterns", &seal.patterns)?;
    }
    object.flag("scrub", seal.scrub)
}

fn write_ipc(graph: &PipGraph, ipc: &IpcPip, object: &mut Object<'_>) -> io::Result<()> {
    artifacts(graph, object, "inputs", &ipc.inputs, &ipc.directory_inputs)?;
    artifacts(graph, object, "outputs", &[ipc.output], &[])?;
    object.text("moniker", graph.text(ipc.moniker))?;
    object.text("message", &render(graph, &ipc.message, PathRendering::None))?;
    object.texts("services", ipc.services.iter().map(|pip| graph.stable_id(*pip).to_string()))?;
    if !ipc.lazily_materialized.is_empty() {
        let files: Vec<PathId> = ipc.lazily_materialized.iter().map(|file| file.path).collect();
        object.paths(graph, "lazilyMaterializedFiles", &files)?;
    }
    if !ipc.lazily_materialized_directories.is_empty() {
        object.directories(graph, "lazilyMaterializedDirectories", &ipc.lazily_materialized_directories)?;
    }
    object.maybe_number("maxConnectRetries", ipc.max_connect_retries)?;
    object.maybe_number("connectRetryDelayMillis", ipc.connect_retry_delay)?;
    object.flag("isServiceFinalization", ipc.is_service_finalization)?;
    object.flag("isServiceShutdown", ipc.is_service_shutdown)?;
    object.flag("mustRunOnOrchestrator", ipc.must_run_on_orchestrator)
}
