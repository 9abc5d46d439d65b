//! What is wrong with a filter, and where in it.

use std::ops::Range;

use thiserror::Error;

/// A filter that cannot be read, or that cannot be applied to a graph.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}{}", .help.as_ref().map_or_else(String::new, |help| format!("; {help}")))]
pub struct FilterError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, in bytes of [`Self::filter`].
    pub span: Range<usize>,
    /// The whole filter.
    pub filter: String,
}

/// How many characters of a long filter are shown on each side of the place.
const AROUND: usize = 60;

impl FilterError {
    /// The filter and, on the line below, a mark under the place: for the lines that follow the message. Of a long
    /// filter only the part around the place is shown.
    pub fn excerpt(&self) -> String {
        let at = |offset: usize| self.filter.get(..offset).map_or(0, |before| before.chars().count());
        let (start, end) = (at(self.span.start), at(self.span.end));
        let length = self.filter.chars().count();
        let first = start.saturating_sub(AROUND);
        let last = end.saturating_add(AROUND).min(length);
        let mut shown = String::from("    ");
        shown.push_str(if first > 0 { "..." } else { "" });
        // Each character is one column, so that the mark stands where it should.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        shown.extend(self.filter.chars().skip(first).take(last - first).map(plain));
        shown.push_str(if last < length { "...\n    " } else { "\n    " });
        shown.push_str(&" ".repeat(start - first + if first > 0 { 3 } else { 0 }));
        shown.push_str(&"^".repeat((end - start).clamp(1, AROUND)));
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(filter: &str, span: Range<usize>) -> String {
        FilterError { message: "wrong".to_owned(), help: None, span, filter: filter.to_owned() }.excerpt()
    }

    #[test]
    fn the_mark_stands_under_the_place() {
        assert_eq!(excerpt("tag='ö' x", 9..10), "    tag='ö' x\n            ^");
        assert_eq!(excerpt("", 0..0), "    \n    ^", "an end has a mark too");
        assert_eq!(excerpt("a\nb", 2..3), "    a b\n      ^");
        let long = excerpt(&"x".repeat(1000), 500..501);
        let (text, mark) = long.split_once('\n').unwrap();
        assert_eq!(text.trim(), format!("...{}...", "x".repeat(121)));
        assert_eq!(mark.len(), 4 + 3 + 60 + 1);
    }
}
