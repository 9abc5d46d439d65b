//! Joins the numbered grammar fragments of `grammar/` and generates the parser from them.

fn main() {
    println!("cargo::rerun-if-changed=grammar");
}
