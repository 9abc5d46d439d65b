//! After a process ran: what it made is looked at, claimed for it, and goes to the cache.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::super::content::Content;
use super::super::context::Engine;
use super::super::judge::{Left, Verdict};
use super::super::sandbox::Kind;
use super::super::state::remove_all;
use super::super::violation::{Rule, Violation, pip_name};
use super::super::world::World;
use super::pip_error;
use crate::cas::{Digest, Keep, StoreError};
use crate::diagnostics::{Code, Diagnostic};
use crate::graph::{DoubleWritePolicy, Existence, PipId, ProcessPip, SourceRewritePolicy};
use crate::paths::PathId;

/// How often a file is tried to be kept that another pip writes at that moment, and how long is waited in between: half a
/// second in all, which is long for a file of which both know the content.
const MOST_TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// What a process made.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    /// Declared outputs, in their order.
    pub(super) outputs: Vec<Content>,
    /// Of each output directory, in their order.
    pub(super) directories: Vec<Vec<(PathId, Content)>>,
    pub(super) violations: Vec<Violation>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) uncacheable: Option<String>,
    /// Source files that were written again with the same content, as they may be: they stay sources.
    pub(super) sources: Vec<PathId>,
}

/// Looks at what a process made, which one of the threads ran. With `keep` the contents go to the store.
pub(super) fn harvest(
    engine: &Engine<'_>,
    pip: PipId,
    process: &ProcessPip,
    verdict: &Verdict,
    thread: usize,
    keep: bool,
) -> io::Result<Harvest> {
    let world = &engine.world;
    let mut harvest = Harvest::default();
    for output in &process.outputs {
        let path = output.artifact.path;
        let content = take(world, path, process.flags.keep_outputs_writable, keep)?;
        if content == Content::Absent && output.existence == Existence::Required {
            harvest.diagnostics.push(missing(engine, pip, process, path));
        }
        if matches!(content, Content::Directory | Content::Other) {
            let message = format!(
                "{} made `{}` as {}, not as a file",
                pip_name(world.graph, pip),
                world.graph.display(path),
                content.describe()
            );
            harvest.diagnostics.push(
                pip_error(world.graph, pip, Code::Dx(44), message)
                    .help("declare a directory as an output directory: `Artifact.sharedOpaqueOutput(d`…`)`"),
            );
        }
        harvest.outputs.push(if output.existence == Existence::Temporary { Content::Absent } else { content });
    }
    harvest.directories = vec![Vec::new(); process.output_directories.len()];
    for left in &verdict.left {
        let path = left.path;
        if process.outputs.iter().any(|output| output.artifact.path == path) {
            continue;
        }
        let Some(slot) = process.output_directory_of(path, world.graph.paths()) else { continue };
        let content = match left.kind {
            Kind::Directory => Content::Directory,
            Kind::File | Kind::Symlink => take(world, path, process.flags.keep_outputs_writable, keep)?,
            Kind::Other => Content::Other,
        };
        match content {
            Content::Absent => continue,
            Content::Other => {
                let shown = world.graph.display(path);
                harvest.uncacheable = Some(format!("`{shown}` is a device, pipe or socket, which no cache can hold"));
                continue;
            }
            _ => {}
        }
        let stays = match content {
            Content::Directory => Content::Directory,
            made => claim(engine, pip, process, left, made, thread, &mut harvest)?,
        };
        harvest.directories[slot].push((path, stays));
    }
    // Folders on the way belong to the contents too: whoever may read a file may see the folders above it.
    for (slot, output) in process.output_directories.iter().enumerate() {
        let paths = world.graph.paths();
        let mut folders = rustc_hash::FxHashSet::default();
        for (path, _) in &harvest.directories[slot] {
            for folder in paths.ancestors(*path).skip(1).take_while(|at| paths.is_within(*at, output.path)) {
                if !folders.insert(folder) {
                    break;
                }
            }
        }
        let entries = &mut harvest.directories[slot];
        entries.sort_by(|(left, _), (right, _)| paths.compare(*left, *right));
        let known: rustc_hash::FxHashSet<PathId> = entries.iter().map(|(path, _)| *path).collect();
        let mut missing: Vec<PathId> = folders.into_iter().filter(|folder| !known.contains(folder)).collect();
        missing.sort_by(|left, right| paths.compare(*left, *right));
        entries.extend(missing.into_iter().map(|folder| (folder, Content::Directory)));
        entries.sort_by(|(left, _), (right, _)| paths.compare(*left, *right));
    }
    Ok(harvest)
}

/// What lies at a path, with a file's content in the store.
fn take(world: &World<'_>, path: PathId, writable: bool, keep: bool) -> io::Result<Content> {
    let text = world.disk_path(path);
    let metadata = match fs::symlink_metadata(&text) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Content::Absent);
        }
        Err(error) => return Err(error),
    };
    if !metadata.is_file() || !keep {
        return world.look(&text, true);
    }
    if metadata.permissions().mode() & 0o400 == 0 {
        // A file that its owner cannot read could never be hashed or linked again.
        fs::set_permissions(&text, fs::Permissions::from_mode(metadata.permissions().mode() | 0o400))?;
    }
    let how = if writable { Keep::Copy } else { Keep::Link };
    let digest = add(world, &text, how)?;
    world.learn(&text, &digest)?;
    Ok(Content::File { digest, executable: metadata.permissions().mode() & 0o111 != 0 })
}

/// Puts a file into the store. Another pip that may write the same content may be at it just now: then it is tried again
/// until that one is done.
fn add(world: &World<'_>, text: &Path, how: Keep) -> io::Result<Digest> {
    let mut tries = 0;
    loop {
        match world.store.add_file(text, how) {
            Err(StoreError::Changed { .. }) if tries < MOST_TRIES => {
                tries += 1;
                std::thread::sleep(BETWEEN_TRIES);
            }
            answer => return answer.map_err(io::Error::other),
        }
    }
}

/// Claims a file in a shared output directory for a pip, and gives what is there in the end. Two pips with one file are
/// judged by the policy of the second.
fn claim(
    engine: &Engine<'_>,
    pip: PipId,
    process: &ProcessPip,
    left: &Left,
    content: Content,
    thread: usize,
    harvest: &mut Harvest,
) -> io::Result<Content> {
    let world = &engine.world;
    let path = left.path;
    let text = world.disk_path(path);
    let violation = |rule: Rule, other: Option<PipId>, note: Option<String>| Violation {
        rule,
        path,
        pip,
        other,
        program: String::new(),
        note,
    };
    let rare = process.rare.as_deref();
    let double = engine.double_writes(process);
    let declared = world.graph.producer(world.graph.latest(path)).filter(|maker| *maker != pip);
    if let Some(maker) = declared {
        // The other pip declares the file, so it is that one's whoever came first.
        harvest.violations.push(violation(Rule::DoubleWrite, Some(maker), None));
        match &left.backup {
            Some(backup) => fs::rename(backup, &text)?,
            None => remove_all(&text)?,
        }
        return Ok(content);
    }
    let other = world.claim(path, pip, content.clone());
    let before = match &left.backup {
        Some(backup) => Some(world.look(backup, true)?),
        None => None,
    };
    // What the second writer left is taken back, so that who relies on the first one is not fooled.
    let put_back = |backup: &Path| -> io::Result<()> {
        world.files.forget(&text);
        fs::rename(backup, &text)
    };
    if let Some(other) = other {
        let same = other.content == content;
        match double {
            DoubleWritePolicy::AllowSameContent if same => {}
            DoubleWritePolicy::UnsafeFirstDoubleWriteWins => {
                if let Some(backup) = left.backup.as_deref().filter(|_| !same) {
                    put_back(backup)?;
                }
                return Ok(other.content);
            }
            DoubleWritePolicy::AllowSameContent | DoubleWritePolicy::Error => {
                let note = (double != DoubleWritePolicy::Error)
                    .then(|| format!("the contents differ: {} and {}", other.content.describe(), content.describe()));
                harvest.violations.push(violation(Rule::DoubleWrite, Some(other.pip), note));
                if let Some(backup) = &left.backup {
                    put_back(backup)?;
                }
            }
        }
    } else if let (Some(before), Some(backup)) = (&before, &left.backup)
        && engine.is_made_elsewhere(thread, path)?
    {
        // Another pip that is still at work has made it: it came first, and is judged when it is done.
        match double {
            DoubleWritePolicy::AllowSameContent if *before == content => {}
            DoubleWritePolicy::UnsafeFirstDoubleWriteWins => {
                let before = before.clone();
                put_back(backup)?;
                world.claim(path, pip, before.clone());
                return Ok(before);
            }
            DoubleWritePolicy::AllowSameContent | DoubleWritePolicy::Error => {
                harvest.violations.push(violation(Rule::DoubleWrite, None, None));
                put_back(backup)?;
            }
        }
    } else if let (Some(before), Some(backup)) = (before, &left.backup) {
        // Nobody of this build made what was there: a source file.
        let safe = rare.and_then(|rare| rare.source_rewrite_policy) == Some(SourceRewritePolicy::SafeSourceRewrites);
        if !safe || before != content {
            let note = safe.then(|| "the content is not what it was before".to_owned());
            harvest.violations.push(violation(Rule::WriteOnExistingFile, None, note));
            put_back(backup)?;
        } else {
            harvest.sources.push(path);
        }
    }
    let probes_count = !engine.options.config.sandbox.ignored_writes_on_absent_probes.files;
    if probes_count
        && let Some(reader) = world.absent_for(path).filter(|reader| *reader != pip)
        && !super::super::judge::depends_on(world, reader, pip)
    {
        harvest.violations.push(violation(Rule::AbsentProbeOfOutput, Some(reader), None));
    }
    Ok(content)
}

fn missing(engine: &Engine<'_>, pip: PipId, process: &ProcessPip, path: PathId) -> Diagnostic {
    let graph = engine.world.graph;
    let name = pip_name(graph, pip);
    let message = format!("{name} succeeded but did not make `{}`", graph.display(path));
    let diagnostic = pip_error(graph, pip, Code::Dx(44), message);
    let inside = process.output_directories.iter().any(|output| graph.paths().is_within(path, output.path));
    diagnostic.help(if inside {
        "declare it as optional if it need not be there; files that only sometimes come may be left to the directory"
    } else {
        "check the path, or declare the output as optional: `{artifact: p`…`, existence: \"optional\"}`"
    })
}
