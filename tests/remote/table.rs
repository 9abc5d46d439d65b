//! The table of the seed's hunks says nothing that is not so.

use std::path::Path;

#[test]
fn the_table_names_files_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("docs/seed-cas.md")).unwrap();
    let mut files = 0;
    let mut tests = 0;
    for name in table.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs")) {
        let (file, test) = name.split_once("::").unwrap_or((name, ""));
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(test.is_empty() || text.contains(&format!("#[test]\nfn {test}()")), "{name}");
        files += 1;
        tests += usize::from(!test.is_empty());
    }
    assert!(files > 40 && tests > 25, "{files} {tests}");
    // Each row has a test.
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")) {
        assert!(row.contains("::"), "{row}");
    }
}
