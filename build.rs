//! Joins the numbered grammar fragments of `grammar/` and generates the parser from them; embeds `stdlib/`.

#![allow(clippy::disallowed_methods, reason = "a build script reads its inputs")]

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=grammar");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let joined = out.join("grammar.lalrpop");
    fs::write(&joined, join_fragments(Path::new("grammar"))).expect("the output folder can be written");
    lalrpop::Configuration::new()
        .emit_rerun_directives(false)
        .set_out_dir(&out)
        .process_file(&joined)
        .expect("the grammar has no conflicts");
    println!("cargo::rerun-if-changed=stdlib");
    fs::write(out.join("stdlib.rs"), embed(Path::new("stdlib"))).expect("the output folder can be written");
}

/// A Rust slice of (path below `root`, text) for every DScript file, in the order of the paths.
fn embed(root: &Path) -> String {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut work = vec![manifest.join(root)];
    while let Some(folder) = work.pop() {
        for entry in fs::read_dir(&folder).expect("the folder `stdlib` can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                work.push(path);
            } else if path.extension().is_some_and(|extension| extension == "dsc") {
                files.push(path);
            }
        }
    }
    files.sort();
    let item = |path: &PathBuf| {
        let below = path.strip_prefix(manifest.join(root)).expect("it lies there").to_string_lossy().replace('\\', "/");
        format!("    ({below:?}, include_str!({:?})),\n", path.display().to_string())
    };
    format!("&[\n{}]\n", files.iter().map(item).collect::<String>())
}

fn join_fragments(folder: &Path) -> String {
    let mut fragments: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder `grammar` exists")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "lalrpop"))
        .collect();
    fragments.sort();
    let texts: Vec<String> =
        fragments.iter().map(|path| fs::read_to_string(path).expect("a fragment can be read")).collect();
    texts.join("\n")
}
