//! `dscript cache`: what a cache has, whether it is sound, and removing what was not used for long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use serde_json::json;

use super::figures::{grouped, parse_size, size};
use super::output::FormatArgs;
use super::{Failure, Outcome};
use crate::engine::{self, Keep};
use crate::workspace::{OpenOptions, Workspace};

/// Arguments of `cache`.
#[derive(Args, Debug)]
pub(super) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

/// What is done with a cache.
#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Say what the cache has
    Stats(CachePlace),
    /// Read everything in the cache, and remove what is damaged; the exit code is 1 if anything was
    Verify(CachePlace),
    /// Remove results that are no longer wanted, and the blobs that no other result needs
    #[command(after_help = "Examples:\n  \
        dscript cache gc --unused-days 30     results that no build used for a month\n  \
        dscript cache gc --max-size 10GB      the latest used results stay, as far as they fit\n\n\
        Without an option only blobs go that no result needs.")]
    Gc(CacheGc),
}

impl CacheCommand {
    /// Which cache.
    fn place(&self) -> &CachePlace {
        match self {
            Self::Stats(place) | Self::Verify(place) => place,
            Self::Gc(gc) => &gc.place,
        }
    }
}

/// Which cache.
#[derive(Args, Debug)]
struct CachePlace {
    /// The workspace: a folder, its config.dsc, or a single spec
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    /// The cache in this folder instead of that of the workspace
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache_dir: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Arguments of `cache gc`.
#[derive(Args, Debug)]
struct CacheGc {
    #[command(flatten)]
    place: CachePlace,
    /// Keep the latest used results whose blobs fit into this size, such as 10GB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// Keep only results that were used within this many days
    #[arg(long, value_name = "DAYS")]
    unused_days: Option<u32>,
}

pub(super) fn run(args: CacheArgs) -> Result<Outcome, Failure> {
    let place = args.command.place();
    let folder = match &place.cache_dir {
        Some(folder) => folder.clone(),
        None => cache_of(&place.path)?,
    };
    if !folder.is_dir() {
        return Err(Failure::Usage(format!("there is no cache in `{}`; `dscript build` makes one", folder.display())));
    }
    let failed = |error: engine::BuildError| Failure::Usage(error.to_string());
    let (value, lines, outcome) = match &args.command {
        CacheCommand::Stats(_) => {
            let stats = engine::cache_stats(&folder).map_err(failed)?;
            let value = json!({
                "results": stats.entries.results,
                "pathSets": stats.entries.path_sets,
                "weakFingerprints": stats.entries.weak,
                "tableBytes": stats.entries.bytes,
                "blobs": stats.blobs.blobs,
                "blobBytes": stats.blobs.bytes,
                "sharedBlobs": stats.blobs.shared_blobs,
                "sharedBytes": stats.blobs.shared_bytes,
            });
            let lines = vec![
                format!(
                    "{} results of {} processes, {} path sets",
                    grouped(stats.entries.results),
                    grouped(stats.entries.weak),
                    grouped(stats.entries.path_sets)
                ),
                format!(
                    "{} blobs with {}, of which {} with {} are outputs too",
                    grouped(stats.blobs.blobs),
                    size(stats.blobs.bytes),
                    grouped(stats.blobs.shared_blobs),
                    size(stats.blobs.shared_bytes)
                ),
            ];
            (value, lines, Outcome::Fine)
        }
        CacheCommand::Verify(_) => {
            let found = engine::cache_verify(&folder).map_err(failed)?;
            let sound = found.blobs.removed.is_empty() && found.results.removed == 0 && found.repairs.is_empty();
            let removed: Vec<String> =
                found.blobs.removed.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            let value = json!({
                "blobs": found.blobs.blobs,
                "blobBytes": found.blobs.bytes,
                "removedBlobs": removed,
                "results": found.results.kept,
                "removedResults": found.results.removed,
                "repairs": found.repairs,
            });
            let mut lines = found.repairs.clone();
            lines.extend(
                removed.iter().map(|path| format!("removed `{path}`, whose content was not what its name says")),
            );
            if found.results.removed > 0 {
                lines.push(format!("removed {} results that were damaged or had lost a blob", found.results.removed));
            }
            let (blobs, bytes) = (grouped(found.blobs.blobs), size(found.blobs.bytes));
            let verdict = if sound { "all is sound" } else { "what was damaged is removed and will be made again" };
            lines.push(format!("{blobs} blobs with {bytes} and {} results: {verdict}", grouped(found.results.kept)));
            (value, lines, if sound { Outcome::Fine } else { Outcome::Errors })
        }
        CacheCommand::Gc(gc) => {
            let days = gc.unused_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60));
            let keep = Keep { used_within: days, bytes: gc.max_size };
            let (results, blobs) = engine::cache_gc(&folder, keep).map_err(failed)?;
            let value = json!({
                "removedResults": results.removed,
                "keptResults": results.kept,
                "removedBlobs": blobs.removed,
                "removedBytes": blobs.removed_bytes,
                "keptBlobs": blobs.kept,
                "keptBytes": blobs.kept_bytes,
            });
            let lines = vec![format!(
                "removed {} results and {} blobs with {}; {} blobs with {} remain",
                grouped(results.removed),
                grouped(blobs.removed),
                size(blobs.removed_bytes),
                grouped(blobs.kept),
                size(blobs.kept_bytes)
            )];
            (value, lines, Outcome::Fine)
        }
    };
    place.format.write(&value, &lines)?;
    Ok(outcome)
}

/// The cache of a workspace: where its configuration says, else in its state folder.
pub(super) fn cache_of(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::fs::canonicalize(path).map_err(|error| Failure::file("read", path, error))?;
    let workspace =
        Workspace::open(&path, OpenOptions::default()).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(super::build::cache_folder(&workspace, None))
}
