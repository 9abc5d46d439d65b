//! The catalogue: a page for every code that a diagnostic can have.
//!
//! The texts are Markdown files under `pages/`, one for each area. A page begins with a heading such as
//! `# DX9041 (error) Loose equality`; several codes in one heading share the page. The pages are read at first use.

use std::sync::LazyLock;

use super::{Code, Severity};

/// What `dscript explain CODE` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// The condition in a few words.
    pub title: &'static str,
    /// How grave it is unless the user changes that.
    pub severity: Severity,
    /// Markdown, without the heading: what it means, an example, how to repair it.
    pub body: &'static str,
}

/// The page of a code, if it has one.
pub fn explain(code: Code) -> Option<&'static Page> {
    PAGES.binary_search_by_key(&code, |page| page.code).ok().map(|index| &PAGES[index])
}

/// All pages, ordered by code: BuildXL's numbers first, then ours.
pub fn all() -> &'static [Page] {
    &PAGES
}

const TEXTS: &[&str] = &[
    include_str!("pages/syntax.md"),
    include_str!("pages/left-out.md"),
    include_str!("pages/declarations.md"),
    include_str!("pages/qualifiers.md"),
    include_str!("pages/imports.md"),
    include_str!("pages/policies.md"),
    include_str!("pages/names.md"),
    include_str!("pages/literals.md"),
    include_str!("pages/configuration.md"),
    include_str!("pages/values.md"),
    include_str!("pages/evaluation.md"),
    include_str!("pages/workspace.md"),
    include_str!("pages/graph-files.md"),
    include_str!("pages/graph-pips.md"),
    include_str!("pages/graph-directories.md"),
    include_str!("pages/unit-tests.md"),
    include_str!("pages/build-accesses.md"),
    include_str!("pages/build-pips.md"),
];

static PAGES: LazyLock<Vec<Page>> = LazyLock::new(|| {
    let mut pages: Vec<Page> = TEXTS.iter().flat_map(|text| read(text)).collect();
    pages.sort_by_key(|page| page.code);
    pages
});

/// The pages of one file, in its order.
fn read(text: &'static str) -> Vec<Page> {
    let mut pages = Vec::new();
    // A heading stands at the start of a line, and only headings begin with `# D`; code blocks hold no such line.
    let starts: Vec<usize> = std::iter::once(0)
        .filter(|_| text.starts_with("# D"))
        .chain(text.match_indices("\n# D").map(|(at, _)| at + 1))
        .collect();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        let (heading, body) = text[*start..end].split_once('\n').unwrap_or((&text[*start..end], ""));
        let Some((codes, rest)) = heading.trim_start_matches("# ").split_once(" (") else { continue };
        let Some((severity, title)) = rest.split_once(") ") else { continue };
        let severity = match severity {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => Severity::Info,
        };
        let codes = codes.split(' ').filter_map(|code| code.parse().ok());
        pages.extend(codes.map(|code| Page { code, title: title.trim(), severity, body: body.trim() }));
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_is_read() {
        let headings = TEXTS.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("# "));
        let codes: usize =
            headings.map(|line| line.split(" (").next().map_or(0, |codes| codes.split(' ').count() - 1)).sum();
        assert_eq!(all().len(), codes, "a heading does not look like `# DX9041 (error) Title`");
    }

    #[test]
    fn pages_are_sorted_and_say_enough() {
        for pair in all().windows(2) {
            assert!(pair[0].code < pair[1].code, "{} has two pages", pair[0].code);
        }
        for page in all() {
            assert!(!page.title.is_empty(), "{} has no title", page.code);
            assert!(!page.title.ends_with('.'), "the title of {} is a sentence", page.code);
            assert!(page.body.lines().count() >= 3, "the page of {} is too short", page.code);
            assert_eq!(page.body.matches("```").count() % 2, 0, "a code block of {} is open", page.code);
        }
    }

    #[test]
    fn pages_are_found_by_code() {
        assert_eq!(explain(Code::Dx(9041)).map(|page| page.severity), Some(Severity::Error));
        assert_eq!(explain(Code::Dx(1)), None);
    }
}
