//! Whether a build would be the last one over again: then it is done at once, without evaluating anything.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::args::{BuildArgs, OutputsWanted, Sandbox};
use crate::engine::{BuildError, Snapshot};
use crate::workspace::{EvaluationInputs, OpenOptions};

/// What a snapshot is of, beside the files that pips use.
#[derive(Debug, Serialize, Deserialize)]
struct Context {
    asked: Asked,
    inputs: EvaluationInputs,
}

/// What was asked for on the command line, as far as it decides what is built.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    qualifiers: Vec<String>,
    filter: Option<String>,
    cache: Option<std::path::PathBuf>,
    observe: bool,
    /// Which outputs lie on the disk.
    outputs: Placed,
    /// What machines elsewhere must offer.
    platform: Vec<(String, String)>,
}

/// Which outputs lie on the disk after a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Placed {
    All,
    Toplevel,
    None,
}

impl Placed {
    fn of(args: &BuildArgs) -> Self {
        match args.remote.outputs {
            OutputsWanted::All => Self::All,
            OutputsWanted::Toplevel => Self::Toplevel,
            OutputsWanted::None => Self::None,
        }
    }
}

impl Asked {
    fn of(args: &BuildArgs) -> Self {
        Self {
            qualifiers: args.qualifiers.qualifiers.clone(),
            filter: args.filter.clone(),
            cache: args.cache_dir.clone(),
            observe: args.sandbox != Sandbox::None,
            outputs: Placed::of(args),
            platform: args.remote_platform.clone(),
        }
    }
}

/// How many pips the last build had, where it was the same one and nothing has changed since.
pub(super) fn pips(args: &BuildArgs, path: &Path, folder: &Path, options: &OpenOptions) -> Option<usize> {
    // These want to see every pip.
    if args.remote.wants_all()
        || args.no_cache
        || args.verify
        || args.explain
        || args.verbose
        || args.log.is_some()
        || args.trace.is_some()
    {
        return None;
    }
    let mut snapshot = Snapshot::load(folder)?;
    let mut context: Context = postcard::from_bytes(&snapshot.context).ok()?;
    // Where all outputs lie on the disk, nothing is left to wish for.
    let placed = context.asked.outputs;
    let asked = Asked::of(args);
    if context.asked != (Asked { outputs: placed, ..Asked::of(args) })
        || placed != Placed::All && placed != asked.outputs
    {
        return None;
    }
    let (files, specs) = rayon::join(|| snapshot.holds(folder), || context.inputs.unchanged(path, options).is_ok());
    snapshot.context.clear();
    (files && specs).then_some(snapshot.pips)
}

/// Keeps the snapshot of a build that went well. `all_placed` tells whether all outputs lie on the disk, whatever was asked
/// for.
pub(super) fn keep(
    args: &BuildArgs,
    folder: &Path,
    mut snapshot: Snapshot,
    inputs: EvaluationInputs,
    all_placed: bool,
) -> Result<(), BuildError> {
    let outputs = if all_placed { Placed::All } else { Placed::of(args) };
    let context = Context { asked: Asked { outputs, ..Asked::of(args) }, inputs };
    // What cannot be written down is only not skipped.
    let Ok(bytes) = postcard::to_stdvec(&context) else { return Ok(()) };
    snapshot.context = bytes;
    snapshot.save(folder)
}
