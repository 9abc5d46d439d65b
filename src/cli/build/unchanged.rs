//! Whether a build would be the last one over again: then it is done at once, without evaluating anything.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::args::{BuildArgs, Sandbox};
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
}

impl Asked {
    fn of(args: &BuildArgs) -> Self {
        Self {
            qualifiers: args.qualifiers.qualifiers.clone(),
            filter: args.filter.clone(),
            cache: args.cache_dir.clone(),
            observe: args.sandbox != Sandbox::None,
        }
    }
}

/// How many pips the last build had, where it was the same one and nothing has changed since.
pub(super) fn pips(args: &BuildArgs, path: &Path, folder: &Path, options: &OpenOptions) -> Option<usize> {
    // These want to see every pip.
    if args.no_cache || args.verify || args.explain || args.verbose || args.log.is_some() || args.trace.is_some() {
        return None;
    }
    let mut snapshot = Snapshot::load(folder)?;
    let mut context: Context = postcard::from_bytes(&snapshot.context).ok()?;
    if context.asked != Asked::of(args) {
        return None;
    }
    let (files, specs) = rayon::join(|| snapshot.holds(folder), || context.inputs.unchanged(path, options).is_ok());
    snapshot.context.clear();
    (files && specs).then_some(snapshot.pips)
}

/// Keeps the snapshot of a build that went well.
pub(super) fn keep(
    args: &BuildArgs,
    folder: &Path,
    mut snapshot: Snapshot,
    inputs: EvaluationInputs,
) -> Result<(), BuildError> {
    let context = Context { asked: Asked::of(args), inputs };
    // What cannot be written down is only not skipped.
    let Ok(bytes) = postcard::to_stdvec(&context) else { return Ok(()) };
    snapshot.context = bytes;
    snapshot.save(folder)
}
