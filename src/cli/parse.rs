//! `dscript parse`: the syntax of files, without a workspace.

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use rayon::prelude::*;

use super::figures::grouped;
use super::options::MessageArgs;
use super::output::Output;
use super::report::{Reporter, statistics};
use super::{Failure, Outcome, library};
use crate::diagnostics::{Diagnostic, decode};
use crate::source::system::{DiskFileSystem, EntryKind, FileSystem, Stopwatch};
use crate::source::{FileId, Files};

/// What a folder is searched for.
const EXTENSIONS: [&str; 2] = ["dsc", "bm"];

/// Arguments of `parse`.
#[derive(Args, Debug)]
pub(super) struct ParseArgs {
    /// Spec files; a folder means every .dsc and .bm file below it, `-` means standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Print the syntax trees
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<TreeFormat>,
    /// Print bytes, time and speed to standard error
    #[arg(long)]
    pub(super) stats: bool,
    /// How many threads parse [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(super) messages: MessageArgs,
}

/// How syntax trees are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TreeFormat {
    /// One line a file: {"file":…,"ast":…}
    Json,
}

pub(super) fn run(args: ParseArgs) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(&args.messages)?;
    let pool = library::thread_pool(args.threads)?;
    let files = Files::new();

    // A file that cannot be read does not keep the others from being parsed.
    let mut failures = Vec::new();
    let mut diagnostics = Vec::new();
    let mut ids = Vec::new();
    for input in inputs(&args.files, &mut failures) {
        match read(&input) {
            Ok(bytes) => {
                let (id, problem) = decode(&input, bytes, &files);
                match problem {
                    Some(problem) => diagnostics.push(problem),
                    None => ids.push(id),
                }
            }
            Err(failure) => failures.push(failure),
        }
    }

    let watch = Stopwatch::start();
    let want_trees = args.format.is_some();
    let parsed: Vec<Parsed> = pool.install(|| ids.par_iter().map(|&id| parse(&files, id, want_trees)).collect());
    let seconds = watch.seconds();

    if want_trees {
        Output::standard().write_with(|out| {
            parsed.iter().filter_map(|one| one.tree.as_ref()).try_for_each(|tree| {
                out.write_all(tree)?;
                out.write_all(b"\n")
            })
        })?;
    }
    diagnostics.extend(parsed.into_iter().flat_map(|one| one.diagnostics));
    let outcome = reporter.report(diagnostics, &files);
    if args.stats {
        let bytes: u64 = ids.iter().map(|&id| files.get(id).text().len() as u64).sum();
        statistics(&format!(
            "{} {}, {} bytes in {:.3} s ({:.1} MB/s)",
            grouped(ids.len() as u64),
            if ids.len() == 1 { "file" } else { "files" },
            grouped(bytes),
            seconds,
            bytes as f64 / 1e6 / seconds.max(1e-9),
        ));
    }
    // The last failure is printed by the caller, after the others.
    let last = failures.pop();
    failures.iter().for_each(Failure::print);
    last.map_or(Ok(outcome), Err)
}

struct Parsed {
    // A line of JSON, where trees are wanted.
    tree: Option<Vec<u8>>,
    diagnostics: Vec<Diagnostic>,
}

fn parse(files: &Files, id: FileId, want_tree: bool) -> Parsed {
    let file = files.get(id);
    let (ast, diagnostics) = library::parse(id, file.text());
    let tree = want_tree.then(|| {
        let mut line = b"{\"file\":".to_vec();
        // Writing JSON to memory fails only for maps whose keys are no strings; there are none.
        let _ = serde_json::to_writer(&mut line, &file.path().to_string_lossy());
        line.extend_from_slice(b",\"ast\":");
        let _ = serde_json::to_writer(&mut line, &library::tree(&ast));
        line.push(b'}');
        line
    });
    Parsed { tree, diagnostics }
}

/// The files to parse: those given, and those below the folders given, in the order of their names.
fn inputs(given: &[PathBuf], failures: &mut Vec<Failure>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in given {
        if path != Path::new("-") && DiskFileSystem.is_dir(path) {
            collect(path, &mut found, failures);
        } else {
            found.push(path.clone());
        }
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>, failures: &mut Vec<Failure>) {
    // Links are not followed, so there is no way in circles. The list of folders still to do is kept here and not on
    // the stack: folders may be nested deeply.
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match DiskFileSystem.read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                failures.push(Failure::file("read", &folder, error));
                continue;
            }
        };
        let mut below = Vec::new();
        for entry in entries {
            let path = folder.join(&entry.name);
            match entry.kind {
                EntryKind::Directory => below.push(path),
                EntryKind::File if path.extension().is_some_and(|ext| EXTENSIONS.iter().any(|one| ext == *one)) => {
                    found.push(path);
                }
                _ => {}
            }
        }
        folders.extend(below.into_iter().rev());
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| Failure::file("read", path, error))?;
        return Ok(bytes);
    }
    DiskFileSystem.read(path).map_err(|error| Failure::file("read", path, error))
}
