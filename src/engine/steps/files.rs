//! Pips that copy and write files. The build does their work itself.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::command::file_text;
use super::super::content::Content;
use super::super::context::Engine;
use super::super::outcome::{Done, PipResult};
use super::super::state::{make_way, remove_all};
use super::super::violation::pip_name;
use super::super::virtual_outputs::{Away, bring_content, is_elsewhere};
use super::{done, failed_io, lost_or_failed, pip_error};
use crate::cas::{Digest, Keep, Materialize};
use crate::diagnostics::Code;
use crate::graph::{CopyFilePip, FileArtifact, PipId, WriteFilePip};

/// Copies a file, unless the copy is there already.
pub(in crate::engine) fn copy(engine: &Engine<'_>, pip: PipId, copy: &CopyFilePip, slot: usize) -> PipResult {
    let graph = engine.world.graph;
    let content = match engine.world.artifact(copy.source) {
        Ok(content) => content,
        Err(error) => return failed_io(graph, pip, Code::Dx(8), "its source cannot be read", &error),
    };
    let Content::File { digest, executable } = content else {
        let source = graph.display(copy.source.path);
        let what = match content {
            Content::Absent => "is not there".to_owned(),
            other => format!("is {}, not a file", other.describe()),
        };
        let message = format!("`{source}` {what}, so it cannot be copied");
        let help = match copy.source.is_source() {
            true => "check the path; a file that a pip makes is what that pip gives back, not a source",
            false => "the pip that makes it declares it as optional: copy it only where it is always made",
        };
        return PipResult::failed(vec![pip_error(graph, pip, Code::Dx(8), message).help(help)]);
    };
    let elsewhere = is_elsewhere(engine, copy.source, &digest);
    let goes = !elsewhere || engine.is_to_lie_on_disk(pip);
    if elsewhere
        && goes
        && let Err(error) = bring_content(engine, copy.source, &Content::File { digest, executable }, slot)
    {
        return lost_or_failed(graph, pip, Code::Dx(8), "its source cannot be had", &error);
    }
    let source = engine.world.disk_path(copy.source.path);
    // A copy of an older version of a rewritten file is made from the cache.
    let on_disk = graph.latest(copy.source.path) == copy.source;
    let make = |target: &Path| -> io::Result<()> {
        let how = Materialize { executable, writable: copy.keep_writable };
        if engine.world.has(&digest) && engine.world.store.materialize(&digest, target, how).is_ok() {
            return Ok(());
        }
        if !on_disk {
            return Err(io::Error::other("an older version of the file is not in the cache any more"));
        }
        make_way(target)?;
        engine.state.place(target, |temporary| {
            fs::copy(&source, temporary)?;
            if Digest::of_reader(fs::File::open(temporary)?)? != digest {
                return Err(io::Error::other("its source changed while it was copied"));
            }
            let mode = if executable { 0o755 } else { 0o644 } & if copy.keep_writable { 0o777 } else { 0o555 };
            fs::set_permissions(temporary, fs::Permissions::from_mode(mode))
        })
    };
    let content = Content::File { digest, executable };
    let place =
        Place { slot, output: copy.destination, writable: copy.keep_writable, code: Code::Dx(8), stays_away: !goes };
    place.fill(engine, pip, content, make)
}

/// Writes a file, unless it is there already.
pub(in crate::engine) fn write(engine: &Engine<'_>, pip: PipId, write: &WriteFilePip, slot: usize) -> PipResult {
    let text = file_text(&engine.world, write);
    let content = Content::File { digest: Digest::of(text.as_bytes()), executable: false };
    let place = Place { slot, output: write.destination, writable: false, code: Code::Dx(6), stays_away: false };
    place.fill(engine, pip, content, |target| {
        make_way(target)?;
        engine.state.place(target, |temporary| fs::write(temporary, text.as_bytes()))
    })
}

/// Where an output goes.
struct Place {
    slot: usize,
    output: FileArtifact,
    /// Whether it can be written to afterwards.
    writable: bool,
    /// The number of the error when that is not possible.
    code: Code,
    /// Whether its bytes stay in the shared cache.
    stays_away: bool,
}

impl Place {
    /// Makes sure that a content is there.
    fn fill(
        self,
        engine: &Engine<'_>,
        pip: PipId,
        content: Content,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> PipResult {
        let Place { slot, output, writable, code, stays_away } = self;
        let world = &engine.world;
        let target = world.disk_path(output.path);
        let placed = || -> io::Result<Done> {
            let newest = world.graph.latest(output.path) == output;
            world.virtual_outputs.forget(pip);
            if world.on_disk(output.path)? == content || !newest {
                if !newest && !stays_away {
                    keep_for_later(engine, output, &content, make)?;
                }
                return Ok(Done::Hit);
            }
            if stays_away {
                make_way(&target)?;
                world.virtual_outputs.leave_away(output.path, Away { pip, content: content.clone(), writable });
                return Ok(Done::Hit);
            }
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            if world.is_below_shared(output.path) {
                engine.note_shared(slot, output.path)?;
            }
            // What was made before and has gone comes back from the cache.
            if let Content::File { digest, executable } = content
                && world.made.had(pip, &digest)
                && world.store.materialize(&digest, &target, Materialize { executable, writable }).is_ok()
            {
                world.learn(&target, &digest)?;
                return Ok(Done::Hit);
            }
            make(&target)?;
            if let Some(digest) = content.digest() {
                if !writable {
                    // The file gets the stamp of the store, by which it is known again without being read.
                    world.store.add_file_as(&target, &digest, Keep::Link).map_err(io::Error::other)?;
                }
                world.learn(&target, &digest)?;
            }
            Ok(Done::Executed)
        };
        match placed() {
            Ok(end) => {
                world.set_output(output, content.clone());
                world.made.leave(pip, world.graph, std::iter::once(output.path));
                let mut result = done(end);
                result.outputs = vec![(output.path, content)];
                result
            }
            Err(error) => {
                let what = format!("`{}` cannot be written", world.graph.display(output.path));
                let mut result = failed_io(world.graph, pip, code, &what, &error);
                result.command = Some(pip_name(world.graph, pip));
                result
            }
        }
    }
}

/// Puts a version of a file into the cache that a later pip rewrites: whoever reads it gets it from there.
fn keep_for_later(
    engine: &Engine<'_>,
    output: FileArtifact,
    content: &Content,
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let Some(digest) = content.digest().filter(|digest| !engine.world.has(digest)) else { return Ok(()) };
    let scratch = engine.state.scratch(&format!("version-{}-{}", output.path.0, output.rewrite))?;
    let file = scratch.join("file");
    make(&file)?;
    engine.world.store.add_file_as(&file, &digest, Keep::Copy).map_err(io::Error::other)?;
    remove_all(&scratch)
}
