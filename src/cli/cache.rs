//! `dscript cache`: what a cache has, whether it is sound, and removing what was not used for long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{CacheArgs, CacheCommand, SummaryFormat};
use super::output::Output;
use super::report::grouped;
use super::{Failure, Outcome};
use crate::engine::{self, Keep};
use crate::workspace::{OpenOptions, Workspace};

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
    report(place.format, &value, &lines)?;
    Ok(outcome)
}

/// Writes a result to standard output: an object, or lines.
pub(super) fn report(format: SummaryFormat, value: &Value, lines: &[String]) -> Result<(), Failure> {
    let text = match format {
        SummaryFormat::Json => format!("{value}\n"),
        SummaryFormat::Text => lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect(),
    };
    Output::standard().write_all(text.as_bytes())
}

/// The cache of a workspace: where its configuration says, else in its state folder.
pub(super) fn cache_of(path: &Path) -> Result<PathBuf, Failure> {
    let path = std::fs::canonicalize(path).map_err(|error| Failure::file("read", path, error))?;
    let workspace =
        Workspace::open(&path, OpenOptions::default()).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(super::build::cache_folder(&workspace, None))
}

/// A size with a unit that people read.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Reads a size such as `10GB` or `500 MB`; without a unit it is bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let wrong = || format!("`{text}` is no size: write bytes, or a number with KB, MB, GB or TB");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let power = match text[digits..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" => 1,
        "M" | "MB" => 2,
        "G" | "GB" => 3,
        "T" | "TB" => 4,
        _ => return Err(wrong()),
    };
    number.checked_mul(1000_u64.pow(power)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse_size("10GB"), Ok(10_000_000_000));
        assert_eq!(parse_size(" 500 mb "), Ok(500_000_000));
        assert_eq!(parse_size("7"), Ok(7));
        for wrong in ["", "GB", "-1", "1.5GB", "1 parsec", "99999999999999999999", "99999999999TB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!([size(0), size(999), size(1500), size(2_000_000_000)], ["0 B", "999 B", "1.5 KB", "2.0 GB"]);
    }
}
