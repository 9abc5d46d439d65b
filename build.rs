//! Joins the numbered grammar fragments of `grammar/` and generates the parser from them.

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
