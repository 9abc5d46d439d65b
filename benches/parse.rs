//! How fast specs parse, one core: `cargo bench --bench parse [FOLDER]`.
//!
//! The folder is the argument, else the checkout of the public BuildXL repository that `BUILDXL_SRC` names, else this
//! project's own specs. Prints the median of several rounds over all files, in megabytes (10^6 bytes) a second.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints its table and measures time")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use dscript::source::FileId;
use dscript::syntax::parse;

const ROUNDS: usize = 15;

fn main() {
    let argument = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = argument.or_else(|| std::env::var("BUILDXL_SRC").ok());
    let folder = folder.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(), PathBuf::from);
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    let texts: Vec<Arc<str>> = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .map(|text| Arc::from(text.strip_prefix('\u{FEFF}').unwrap_or(&text)))
        .collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let mut broken = 0;
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            let bad = |text: &&Arc<str>| !parse(FileId(0), (*text).clone()).1.is_empty();
            broken = texts.iter().filter(bad).count();
            bytes as f64 / started.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    let (slowest, median, fastest) = (speeds[0], speeds[ROUNDS / 2], speeds[ROUNDS - 1]);
    println!("{} files, {bytes} bytes, {broken} with mistakes", texts.len());
    println!("{median:.0} MB/s (from {slowest:.0} to {fastest:.0} in {ROUNDS} rounds)");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let spec = |found: &std::ffi::OsStr| ["dsc", "bm", "bc", "bxt"].iter().any(|known| found == *known);
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("cases") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(spec) {
            files.push(path);
        }
    }
}
