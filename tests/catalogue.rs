//! Every code that the sources can report has a page for `dscript explain`.
#![allow(clippy::disallowed_methods, reason = "tests read the sources of the crate themselves")]

use std::path::Path;

use dscript::diagnostics::{Code, catalogue};

/// The codes that a Rust source names outside its tests: `Code::Dx(9041)`, `Number::Ds(101)`.
fn codes_in(source: &str) -> Vec<Code> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let pieces = source.split("::D").skip(1);
    pieces
        .filter_map(|piece| {
            let (kind, rest) = piece.split_once('(')?;
            let number = rest.split_once(')')?.0.parse().ok()?;
            match kind {
                "x" => Some(Code::Dx(number)),
                "s" => Some(Code::Ds(number)),
                _ => None,
            }
        })
        .collect()
}

#[test]
fn every_reported_code_has_a_page() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut seen = 0;
    let mut missing = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the folder of the sources is readable");
            open.extend(entries.flatten().map(|entry| entry.path()));
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".rs") || name == "tests.rs" {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("sources are UTF-8");
        for code in codes_in(&source) {
            seen += 1;
            if catalogue::explain(code).is_none() {
                missing.push(format!("{code} in {}", path.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} codes found: has the way to write them changed?");
    assert!(missing.is_empty(), "codes without a page: {missing:#?}");
}
