//! `dscript cas gc`: removes what is no longer wanted.

use std::time::Duration;

use serde_json::json;

use super::args::GcArgs;
use super::failed;
use super::place::existing;
use crate::cli::cache::{report, size};
use crate::cli::report::grouped;
use crate::cli::{Failure, Outcome};
use crate::engine::{self, Keep};

pub(super) fn run(args: &GcArgs) -> Result<Outcome, Failure> {
    let folder = existing(&args.store)?;
    let used_within = args.unused_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    let done = engine::store_gc(&folder, Keep { used_within, bytes: args.max_size }).map_err(failed)?;
    let removed: Vec<_> = done
        .removed
        .iter()
        .map(|root| json!({"digest": root.digest.to_string(), "tree": root.is_tree, "name": root.name}))
        .collect();
    let value = json!({
        "removed": removed,
        "kept": done.kept,
        "removedBlobs": done.blobs.removed,
        "removedBytes": done.blobs.removed_bytes,
        "keptBlobs": done.blobs.kept,
        "keptBytes": done.blobs.kept_bytes,
    });
    let mut lines: Vec<String> = done
        .removed
        .iter()
        .map(|root| format!("no longer keeps {}, put as `{}`", root.digest, root.name.escape_debug()))
        .collect();
    lines.push(format!(
        "removed {} blobs with {}; {} blobs with {} remain",
        grouped(done.blobs.removed),
        size(done.blobs.removed_bytes),
        grouped(done.blobs.kept),
        size(done.blobs.kept_bytes)
    ));
    report(args.format.format, &value, &lines)?;
    Ok(Outcome::Fine)
}
