//! `dscript cas gc`: removes what is no longer wanted.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::failed;
use super::place::{StoreArgs, existing};
use crate::cli::figures::{grouped, parse_size, size};
use crate::cli::output::FormatArgs;
use crate::cli::{Failure, Outcome};
use crate::engine::{self, Keep};

/// Arguments of `cas gc`.
#[derive(Args, Debug)]
pub(super) struct GcArgs {
    /// Keep only what was put in or got within this many days
    #[arg(long, value_name = "DAYS")]
    unused_days: Option<u32>,
    /// Keep the latest used that fit into this size, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    store: StoreArgs,
}

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
    args.format.write(&value, &lines)?;
    Ok(Outcome::Fine)
}
