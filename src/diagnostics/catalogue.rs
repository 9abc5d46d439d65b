//! The page of every code.

use super::{Code, Severity};

/// What `dscript explain` says about a code.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// A few words, without a full stop.
    pub title: &'static str,
    /// How grave it is when nothing else is set.
    pub severity: Severity,
    /// The page.
    pub body: &'static str,
}

static PAGES: &[Page] = &[
    Page {
        code: Code::Ds(190),
        title: "The file is not UTF-8",
        severity: Severity::Error,
        body: "Spec files are UTF-8 text. This file holds a byte that no UTF-8 text holds there.\n\n\
               Save the file as UTF-8. A byte order mark is allowed.",
    },
    Page {
        code: Code::Ds(191),
        title: "The file is too large",
        severity: Severity::Error,
        body: "Files of 4 GiB and more are not read.",
    },
];

/// The page of a code.
pub fn explain(code: Code) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code)
}

/// All pages, by code.
pub fn all() -> &'static [Page] {
    PAGES
}
