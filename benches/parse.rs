//! Parses the specs of a folder (the first argument, or `BUILDXL_SRC`) and prints how fast.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use dscript::source::FileId;
use dscript::syntax::parse;

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "dsc" || e == "bm" || e == "bc" || e == "bxt") {
            files.push(path);
        }
    }
}

fn main() {
    let folder = std::env::args().skip(1).find(|a| !a.starts_with('-')).or_else(|| std::env::var("BUILDXL_SRC").ok());
    let mut files = Vec::new();
    collect(Path::new(&folder.unwrap_or_else(|| ".".into())), &mut files);
    files.sort();
    let texts: Vec<Arc<str>> = files
        .iter()
        .filter_map(|f| std::fs::read_to_string(f).ok())
        .map(|t| Arc::from(t.strip_prefix('\u{FEFF}').unwrap_or(&t)))
        .collect();
    let bytes: usize = texts.iter().map(|t| t.len()).sum();
    for _ in 0..5 {
        let started = Instant::now();
        let mut bad = 0;
        for text in &texts {
            let (_, diagnostics) = parse(FileId(0), text.clone());
            bad += usize::from(!diagnostics.is_empty());
        }
        let seconds = started.elapsed().as_secs_f64();
        println!("{} files, {bytes} bytes, {bad} with errors, {:.1} MB/s", texts.len(), bytes as f64 / seconds / 1e6);
    }
}
