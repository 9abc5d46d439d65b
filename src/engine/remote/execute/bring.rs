//! What a run left on a server, brought into the store.

use std::time::Duration;

use prost::Message as _;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::super::content::Content;
use super::Errand;
use super::action::{Action, absolute};
use crate::cas::Digest;
use crate::cas::api::{protobuf, reapi};
use crate::cas::remote::{Remote, RemoteError, Wanted};
use crate::cas::tree::decode_tree;
use crate::graph::FileArtifact;
use crate::paths::PathId;

/// More entries than this in one output directory are a mistake, or an attack.
const MOST_ENTRIES: usize = 4_000_000;

/// What a run left. All contents are in the store.
pub(super) struct Brought {
    /// Declared files.
    pub(super) files: Vec<(PathId, Content)>,
    /// What lies in output directories, folders before what is in them.
    pub(super) entries: Vec<(PathId, Content)>,
    /// The outermost output directories that came back.
    pub(super) directories: Vec<PathId>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// How long it ran.
    pub(super) took: Duration,
}

/// Why it cannot be had.
pub(super) enum BringError {
    /// The server does not have it any more.
    Missing(String),
    /// The server gives something that cannot be.
    Wrong(String),
    /// The client says so.
    Remote(Box<RemoteError>),
}

impl From<RemoteError> for BringError {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Missing { .. } => Self::Missing(error.to_string()),
            error => Self::Remote(Box::new(error)),
        }
    }
}

/// Brings what a run left. What nobody asked for is left where it is.
pub(super) fn bring(
    remote: &Remote,
    errand: &Errand<'_, '_, '_>,
    action: &Action,
    result: &reapi::ActionResult,
) -> Result<Brought, BringError> {
    let world = &errand.engine.world;
    let outputs: FxHashMap<&str, PathId> = action.outputs.iter().map(|(name, path)| (name.as_str(), *path)).collect();
    let roots: FxHashMap<&str, PathId> = action.directories.iter().map(|(name, path)| (name.as_str(), *path)).collect();
    let mut brought = Brought {
        files: Vec::new(),
        entries: Vec::new(),
        directories: Vec::new(),
        stdout: stream(remote, &result.stdout_raw, result.stdout_digest.as_ref())?,
        stderr: stream(remote, &result.stderr_raw, result.stderr_digest.as_ref())?,
        took: took(result),
    };
    let mut wanted = Vec::new();
    for file in &result.output_files {
        let Some(path) = find(action, &outputs, &file.path) else { continue };
        let digest = digest(file.digest.as_ref(), &file.path)?;
        want(&mut wanted, &file.path, digest, file.is_executable);
        brought.files.push((path, Content::File { digest, executable: file.is_executable }));
    }
    #[allow(deprecated, reason = "for servers that know nothing else")]
    let links =
        result.output_symlinks.iter().chain(&result.output_file_symlinks).chain(&result.output_directory_symlinks);
    for link in links {
        if let Some(path) = find(action, &outputs, &link.path) {
            brought.files.push((path, target(&link.path, &link.target)?));
        } else if find(action, &roots, &link.path).is_some() {
            return Err(BringError::Wrong(format!("the output directory `{}` is a link", link.path)));
        }
    }
    for directory in &result.output_directories {
        if let Some(path) = find(action, &outputs, &directory.path) {
            // As a local run would leave it: the rules about outputs say what is wrong.
            brought.files.push((path, Content::Directory));
            continue;
        }
        let Some(root) = find(action, &roots, &directory.path) else { continue };
        let digest = digest(directory.tree_digest.as_ref(), &directory.path)?;
        let bytes = remote.read(&digest)?;
        brought.directories.push(root);
        unpack(errand, root, &directory.path, &bytes, &mut brought.entries, &mut wanted)?;
    }
    // The same path twice would be two contents for one file.
    let mut seen = FxHashSet::default();
    if let Some((path, _)) = brought.files.iter().chain(&brought.entries).find(|(path, _)| !seen.insert(*path)) {
        return Err(BringError::Wrong(format!("`{}` came back twice", world.graph.display(*path))));
    }
    let declared = |artifact: Option<FileArtifact>, bytes: &[u8]| -> Result<Option<(PathId, Content)>, BringError> {
        let Some(artifact) = artifact else { return Ok(None) };
        let digest =
            world.store.add_bytes(bytes).map_err(|error| BringError::Remote(Box::new(RemoteError::Store(error))))?;
        Ok(Some((artifact.path, Content::File { digest, executable: false })))
    };
    if let Some(rare) = &errand.process.rare {
        brought.files.extend(declared(rare.streams.output, &brought.stdout)?);
        brought.files.extend(declared(rare.streams.error, &brought.stderr)?);
    }
    remote.fetch(&world.store, &wanted, &())?;
    Ok(brought)
}

/// The path of something that was asked for.
fn find(action: &Action, known: &FxHashMap<&str, PathId>, given: &str) -> Option<PathId> {
    let name = absolute(&action.working_directory, given)?;
    known.get(name.as_str()).copied()
}

fn digest(given: Option<&reapi::Digest>, path: &str) -> Result<Digest, BringError> {
    let digest = given.and_then(|digest| Digest::try_from(digest).ok());
    digest.ok_or_else(|| BringError::Wrong(format!("`{path}` came back without a valid digest")))
}

fn target(path: &str, target: &str) -> Result<Content, BringError> {
    if target.is_empty() || target.contains('\0') {
        return Err(BringError::Wrong(format!("`{path}` is a link that leads nowhere")));
    }
    Ok(Content::Link(target.into()))
}

fn want(wanted: &mut Vec<Wanted>, path: &str, digest: Digest, executable: bool) {
    wanted.push(Wanted { digest, path: path.to_owned(), executable });
}

/// What was printed: in the answer itself, or a blob.
fn stream(remote: &Remote, raw: &[u8], digest: Option<&reapi::Digest>) -> Result<Vec<u8>, BringError> {
    let digest = digest.filter(|digest| digest.size_bytes > 0);
    match digest {
        Some(given) if raw.is_empty() => Ok(remote.read(&self::digest(Some(given), "what it printed")?)?),
        _ => Ok(raw.to_vec()),
    }
}

/// Reads an output directory.
fn unpack(
    errand: &Errand<'_, '_, '_>,
    root: PathId,
    name: &str,
    bytes: &[u8],
    entries: &mut Vec<(PathId, Content)>,
    wanted: &mut Vec<Wanted>,
) -> Result<(), BringError> {
    let paths = errand.engine.world.graph.paths();
    let wrong = |what: &dyn std::fmt::Display| BringError::Wrong(format!("the output directory `{name}`: {what}"));
    let tree = decode_tree(bytes).map_err(|error| wrong(&error))?;
    let mut directories: FxHashMap<Digest, reapi::Directory> = FxHashMap::default();
    for (digest, bytes) in &tree.directories {
        let directory = reapi::Directory::decode(bytes.as_slice()).map_err(|error| wrong(&error))?;
        directories.insert(*digest, directory);
    }
    let mut open = vec![(root, tree.root)];
    while let Some((folder, digest)) = open.pop() {
        let directory = directories.get(&digest).ok_or_else(|| wrong(&"a directory in it is missing"))?;
        let child = |child: &str| -> Result<PathId, BringError> {
            // A backslash would separate names, and specs could not name it.
            match child.contains('\\') {
                true => Err(wrong(&format!("specs cannot name `{}`", child.escape_debug()))),
                false => Ok(paths.child_named(folder, child)),
            }
        };
        let shown = |path: PathId| errand.engine.world.graph.display(path);
        for below in &directory.directories {
            let path = child(&below.name)?;
            entries.push((path, Content::Directory));
            open.push((path, self::digest(below.digest.as_ref(), &below.name)?));
        }
        for file in &directory.files {
            let path = child(&file.name)?;
            let digest = self::digest(file.digest.as_ref(), &file.name)?;
            want(wanted, &shown(path), digest, file.is_executable);
            entries.push((path, Content::File { digest, executable: file.is_executable }));
        }
        for link in &directory.symlinks {
            entries.push((child(&link.name)?, target(&link.name, &link.target)?));
        }
        // A few directories can name one another so often that no disk would hold them.
        if entries.len() > MOST_ENTRIES {
            return Err(wrong(&format!("it has more than {MOST_ENTRIES} entries")));
        }
    }
    entries.sort_by(|(left, _), (right, _)| paths.compare(*left, *right));
    Ok(())
}

/// How long it ran, as the worker says.
fn took(result: &reapi::ActionResult) -> Duration {
    let at = |stamp: &protobuf::Timestamp| {
        Duration::new(
            u64::try_from(stamp.seconds).unwrap_or(0),
            u32::try_from(stamp.nanos).unwrap_or(0).min(999_999_999),
        )
    };
    let stamps = result.execution_metadata.as_ref().and_then(|metadata| {
        Some((metadata.execution_start_timestamp.as_ref()?, metadata.execution_completed_timestamp.as_ref()?))
    });
    stamps.map_or(Duration::ZERO, |(start, end)| at(end).saturating_sub(at(start)))
}
