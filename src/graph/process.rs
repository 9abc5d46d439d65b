//! Process pips: everything that is needed to run a tool and to judge what it did.

use std::sync::Arc;

use crate::graph::{DirectoryId, FileArtifact, PipData, PipId};
use crate::paths::{PathId, Paths};
use crate::source::Symbol;

/// A tool to run.
///
/// Fields that few processes set live in [`RareOptions`], so that a million processes fit in memory.
#[derive(Clone, Debug)]
pub struct ProcessPip {
    /// The program. The builder counts it among the inputs.
    pub executable: FileArtifact,
    /// The command line after the program.
    pub arguments: PipData,
    /// The folder it runs in.
    pub working_directory: PathId,
    /// Environment variables; the process sees no others.
    pub environment: Box<[EnvironmentVariable]>,
    /// Files it may read. The builder adds the executable and standard input, and drops repetitions.
    pub inputs: Box<[FileArtifact]>,
    /// Directories it may read.
    pub directory_inputs: Box<[DirectoryId]>,
    /// Files it makes.
    pub outputs: Box<[FileOutput]>,
    /// Directories it makes.
    pub output_directories: Box<[OutputDirectory]>,
    /// The id of the first of `output_directories`; the others follow it. Filled by the builder.
    pub first_output_directory: DirectoryId,
    /// Paths whose accesses are not judged: the path itself, not what lies below. The builder shares equal lists.
    pub untracked_paths: Arc<[PathId]>,
    /// Folders below which accesses are not judged. The builder shares equal lists.
    pub untracked_scopes: Arc<[PathId]>,
    /// What the tool is called in messages.
    pub tool_description: Option<Symbol>,
    /// What people are told about this run of it.
    pub description: Option<Symbol>,
    /// Tags for filters.
    pub tags: Box<[Symbol]>,
    /// Yes-or-no options.
    pub flags: ProcessFlags,
    /// Options that few processes set.
    pub rare: Option<Box<RareOptions>>,
}

impl ProcessPip {
    /// A process with a program and a folder, nothing else.
    pub fn new(executable: FileArtifact, working_directory: PathId) -> Self {
        Self {
            executable,
            arguments: PipData::default(),
            working_directory,
            environment: Box::default(),
            inputs: Box::default(),
            directory_inputs: Box::default(),
            outputs: Box::default(),
            output_directories: Box::default(),
            first_output_directory: DirectoryId(0),
            untracked_paths: Arc::default(),
            untracked_scopes: Arc::default(),
            tool_description: None,
            description: None,
            tags: Box::default(),
            flags: ProcessFlags::default(),
            rare: None,
        }
    }

    /// The ids of `output_directories`, in the same order, once the process is part of a graph.
    pub fn output_directory_ids(&self) -> impl ExactSizeIterator<Item = DirectoryId> + use<> {
        let first = self.first_output_directory.0;
        (first..first + self.output_directories.len() as u32).map(DirectoryId)
    }

    /// The output directory that something belongs to, by its place in `output_directories`: of several above it the
    /// closest.
    pub fn output_directory_of(&self, path: PathId, paths: &Paths) -> Option<usize> {
        let above = self.output_directories.iter().enumerate();
        let above = above.filter(|(_, output)| output.path != path && paths.is_within(path, output.path));
        above.max_by_key(|(_, output)| paths.depth(output.path)).map(|(slot, _)| slot)
    }

    /// Folders that are no part of the output directories.
    pub fn exclusions(&self) -> &[PathId] {
        self.rare.as_ref().map_or(&[], |rare| &rare.output_directory_exclusions)
    }

    /// Whether something lies in one of these.
    pub fn excludes(&self, path: PathId, paths: &Paths) -> bool {
        self.exclusions().iter().any(|excluded| paths.is_within(path, *excluded))
    }

    /// The rare options, made on demand.
    pub fn rare_mut(&mut self) -> &mut RareOptions {
        self.rare.get_or_insert_default()
    }
}

/// An environment variable of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: Symbol,
    /// Its value.
    pub value: EnvironmentValue,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentValue {
    /// Given in the spec; part of the fingerprint.
    Data(PipData),
    /// Taken from the environment of the build; not part of the fingerprint.
    PassThrough,
}

/// A file that a process makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileOutput {
    /// The file.
    pub artifact: FileArtifact,
    /// Whether it must be there afterwards.
    pub existence: Existence,
}

impl FileOutput {
    /// A file that must be there afterwards.
    pub fn required(artifact: FileArtifact) -> Self {
        Self { artifact, existence: Existence::Required }
    }
}

/// Whether an output file must be there after the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Existence {
    /// It must.
    #[default]
    Required,
    /// It may.
    Optional,
    /// It may, but nobody may read it.
    Temporary,
}

/// Who may write to an output directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputDirectoryKind {
    /// Any process that declares it.
    Shared,
    /// This process alone.
    Exclusive,
}

/// A directory that a process fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputDirectory {
    /// The folder.
    pub path: PathId,
    /// Who may write to it.
    pub kind: OutputDirectoryKind,
}

/// Yes-or-no options of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent option of the language")]
pub struct ProcessFlags {
    /// Source files need not be declared: what is read is found out by running.
    pub allow_undeclared_source_reads: bool,
    /// Costs so little that it needs no slot of its own.
    pub is_light: bool,
    /// Looks for hints in what it prints.
    pub scan_for_buildxl_hints: bool,
    /// Outputs stay writable after the run.
    pub keep_outputs_writable: bool,
    /// Runs in a container.
    pub run_in_container: bool,
    /// Child processes are not watched.
    pub has_untracked_child_processes: bool,
    /// An incremental tool: it may see its own previous outputs.
    pub incremental_tool: bool,
    /// Does without the inputs that the build gives to every process.
    pub no_global_dependencies: bool,
    /// Declared accesses are believed, not watched.
    pub trust_statically_declared_accesses: bool,
    /// Symbolic links are not resolved fully.
    pub disable_full_reparse_point_resolving: bool,
    /// Runs outside the sandbox.
    pub disable_sandboxing: bool,
    /// Never taken from the cache.
    pub disable_cache_lookup: bool,
    /// Not cancelled when the machine is short of memory.
    pub uncancellable: bool,
    /// Output on standard error is a failure.
    pub writing_to_standard_error_fails_execution: bool,
    /// The case of observed paths is kept.
    pub preserve_path_set_casing: bool,
    /// Runs on the machine that leads the build.
    pub must_run_on_orchestrator: bool,
    /// Error lines may span several lines.
    pub enable_multi_line_error_scanning: bool,
    /// The weak fingerprint is always augmented.
    pub enforce_weak_fingerprint_augmentation: bool,
    /// Depends on the folders of the host's operating system.
    pub depends_on_current_host_os_directories: bool,
}

/// Options that few processes set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RareOptions {
    /// Where the command line goes when it stands in a response file, and what of it does.
    pub response_file: Option<ResponseFileData>,
    /// The console.
    pub streams: Streams,
    /// The folder of `TEMP`, `TMP` and `TMPDIR`.
    pub temp_directory: Option<PathId>,
    /// Further temporary folders.
    pub additional_temp_directories: Box<[PathId]>,
    /// Exit codes that mean success; empty for 0 alone.
    pub success_exit_codes: Box<[i32]>,
    /// Exit codes after which it is tried again.
    pub retry_exit_codes: Box<[i32]>,
    /// Exit codes that mean success and make dependents be skipped.
    pub succeed_fast_exit_codes: Box<[i32]>,
    /// Exit codes after which nothing is cached.
    pub uncacheable_exit_codes: Box<[i32]>,
    /// How often it is tried again.
    pub process_retries: Option<u32>,
    /// The variable that tells it which try this is.
    pub retry_attempt_variable: Option<Symbol>,
    /// Milliseconds after which it is ended.
    pub timeout: Option<u32>,
    /// Milliseconds after which there is a warning.
    pub warning_timeout: Option<u32>,
    /// How long child processes may outlive it, in milliseconds.
    pub nested_process_termination_timeout: Option<u32>,
    /// How many slots it takes.
    pub weight: Option<i32>,
    /// Who goes first, 0 to 99.
    pub priority: Option<i32>,
    /// Lines that are warnings.
    pub warning_regex: Option<Symbol>,
    /// Lines that are errors.
    pub error_regex: Option<Symbol>,
    /// Resources that are limited across processes; a mutex is a semaphore with limit 1.
    pub semaphores: Box<[Semaphore]>,
    /// What happens when two processes write one file in a shared opaque.
    pub double_write_policy: Option<DoubleWritePolicy>,
    /// What happens when a source file is rewritten.
    pub source_rewrite_policy: Option<SourceRewritePolicy>,
    /// Folders that are no part of the output directories.
    pub output_directory_exclusions: Box<[PathId]>,
    /// What happens when it probes absent paths below undeclared opaques.
    pub absent_path_probe: Option<AbsentPathProbe>,
    /// Whether outputs of the previous run are left in place.
    pub preserve_outputs: PreserveOutputs,
    /// The outputs that are left in place; empty for all.
    pub preserve_output_allow_list: Box<[PathId]>,
    /// Names of child processes that may outlive it.
    pub allowed_surviving_children: Box<[Symbol]>,
    /// Names of child processes that may leave the sandbox.
    pub breakaway_children: Box<[Symbol]>,
    /// The level of privilege.
    pub privilege_level: PrivilegeLevel,
    /// What a container isolates, as the spec names it.
    pub container_isolation_level: Option<Symbol>,
    /// The file that lists inputs affected by changes.
    pub change_affected_input_list: Option<PathId>,
    /// The file that receives the trace of file accesses; one of the outputs.
    pub file_access_trace_file: Option<FileArtifact>,
    /// Rules by which accesses are judged differently, as text.
    pub reclassification_rules: Box<[Symbol]>,
    /// What a machine must offer that runs it in place of this one, each as `name=value`.
    pub remote_platform: Box<[Symbol]>,
    /// Services.
    pub service: ServiceOptions,
}

/// The response file of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseFileData {
    /// The file; one of the inputs when a pip of its own writes it.
    pub path: Option<FileArtifact>,
    /// What stands before its name on the command line.
    pub prefix: Option<Symbol>,
    /// What it holds.
    pub contents: PipData,
    /// Whether it is used however short the command line is.
    pub force: bool,
}

/// The console of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Where standard input comes from.
    pub input: StandardInput,
    /// The output that receives standard output.
    pub output: Option<FileArtifact>,
    /// The output that receives standard error.
    pub error: Option<FileArtifact>,
}

/// Where standard input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StandardInput {
    /// It is empty.
    #[default]
    None,
    /// A file, one of the inputs.
    File(FileArtifact),
    /// Text.
    Data(PipData),
}

/// A limited resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Semaphore {
    /// Its name.
    pub name: Symbol,
    /// How much there is.
    pub limit: i32,
    /// How much this process takes.
    pub increment: i32,
}

/// What happens when two processes write one file in a shared opaque. Only a run can tell; the engine applies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DoubleWritePolicy {
    /// It is an error.
    #[default]
    Error,
    /// Allowed when the contents are the same.
    AllowSameContent,
    /// Allowed; the first write wins.
    UnsafeFirstDoubleWriteWins,
}

/// What happens when a source file is rewritten. Only a run can tell; the engine applies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceRewritePolicy {
    /// It is an error.
    #[default]
    Error,
    /// Allowed when the contents stay the same.
    SafeSourceRewrites,
}

/// What happens when a process probes absent paths below opaques that it does not declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AbsentPathProbe {
    /// It is allowed.
    Unsafe,
    /// It is an error.
    #[default]
    Strict,
    /// It is allowed and makes the process run again where it matters.
    Relaxed,
}

/// Whether outputs of the previous run are left in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PreserveOutputs {
    /// They are deleted before the run.
    #[default]
    Disabled,
    /// They are left, when the build trusts processes of at least this level.
    Trusted(i32),
}

/// The privilege of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrivilegeLevel {
    /// That of the build.
    #[default]
    Standard,
    /// An administrator's.
    Admin,
}

/// What a process has to do with services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Its part.
    pub kind: ServiceKind,
    /// Services that must run while it does. They must be in the graph before it.
    pub dependencies: Box<[PipId]>,
    /// The pip that ends this service.
    pub shutdown: Option<PipId>,
    /// Pips that run before this service ends.
    pub finalization: Box<[PipId]>,
    /// The tag by which the service is tracked, and how people read it.
    pub trackable_tag: Option<(Symbol, Symbol)>,
    /// The channel it listens on.
    pub moniker: Option<Symbol>,
    /// Whether the services it depends on may do what it may.
    pub delegate_permissions: PermissionDelegation,
}

/// Whether the services of a client may do what the client may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PermissionDelegation {
    /// They may not.
    #[default]
    None,
    /// While the client runs.
    Temporary,
    /// From then on until they end.
    Permanent,
}

/// The part a process plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServiceKind {
    /// An ordinary process.
    #[default]
    None,
    /// A service that others talk to.
    Service,
    /// Ends a service.
    Shutdown,
    /// Runs before a service ends.
    Finalization,
}
