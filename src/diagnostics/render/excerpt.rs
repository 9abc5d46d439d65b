//! A small, clean copy of the lines that a diagnostic shows.
//!
//! ariadne prints whole lines and splits lines in its own way. A spec may hold a line of 50 MB, escape sequences, or
//! separators that only Unicode calls line breaks. So ariadne never sees the file: it sees this copy, in which
//! line `n` is line `n` of the file, long lines are cropped around the places of interest, and every character is
//! one that a terminal may safely show.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Charset;
use crate::source::{SourceFile, Span};

/// A line longer than this is cropped, in bytes.
const WHOLE_LINE: usize = 300;
/// How much is kept before and after a place in a cropped line, in bytes.
const AROUND: usize = 60;

/// What a tab is shown as.
const TAB: &str = "    ";

/// Clean lines of one file, numbered as in the file.
pub(super) struct Excerpt {
    /// The text that ariadne is given.
    pub(super) text: String,
    lines: BTreeMap<u32, ShownLine>,
    // How many characters `text` holds.
    count: usize,
}

struct ShownLine {
    // The first character of the line, counted in the excerpt.
    start: usize,
    places: Vec<Place>,
}

/// A character of the file that is shown, or the mark in place of those that are not.
struct Place {
    // Byte offset in the file.
    offset: usize,
    // Character in the excerpt.
    at: usize,
    // How many characters stand for it in the excerpt.
    width: usize,
}

/// One line of the file as far as it was looked at.
struct LineView {
    // What is looked at; where a line break was not found nearby, the line goes on outside.
    range: Range<usize>,
    cut_before: bool,
    cut_after: bool,
    // The places to keep when the line is cropped.
    focus: Vec<usize>,
}

impl Excerpt {
    /// The lines where the spans start and end. Spans that do not fit the text are clamped.
    pub(super) fn new(file: &SourceFile, spans: &[Span], charset: Charset) -> Self {
        let text = file.text();
        let mut views: BTreeMap<u32, LineView> = BTreeMap::new();
        for &span in spans {
            let (start, end) = clamp(text, span);
            // The last byte inside decides the last line, so that a span up to a line break stays on its line.
            let last = if end > start { floor(text, end - 1) } else { start };
            for (offset, focus) in [(start, start), (last, end)] {
                let number = file.line(offset as u32);
                let view = view_line(text, offset);
                match views.get_mut(&number) {
                    Some(known) => known.merge(view, focus),
                    None => {
                        views.insert(number, LineView { focus: vec![focus], ..view });
                    }
                }
            }
        }

        let mut excerpt = Excerpt { text: String::new(), lines: BTreeMap::new(), count: 0 };
        let mut at = 1;
        for (number, view) in views {
            while at < number {
                excerpt.push("\n");
                at += 1;
            }
            let start = excerpt.count;
            let places = excerpt.copy_line(text, &view, charset);
            excerpt.lines.insert(number, ShownLine { start, places });
            excerpt.push("\n");
            at += 1;
        }
        excerpt
    }

    /// The last line shown, counted from 1.
    pub(super) fn last_line(spans: &[Span], file: &SourceFile) -> u32 {
        spans.iter().map(|span| file.line(span.end.max(span.start))).max().unwrap_or(1)
    }

    /// The characters of the excerpt that show a span. Never empty: an empty span covers the next character.
    pub(super) fn map(&self, file: &SourceFile, span: Span) -> Range<usize> {
        let text = file.text();
        let (start, end) = clamp(text, span);
        let last = if end > start { floor(text, end - 1) } else { start };
        let from = self.place(file, start).0.start;
        let to = self.place(file, last).0.end;
        from..to.max(from + 1)
    }

    /// The column that ariadne takes the start of a span to have, counted from 1.
    pub(super) fn shown_column(&self, file: &SourceFile, span: Span) -> usize {
        let (start, _) = clamp(file.text(), span);
        let (range, line_start) = self.place(file, start);
        range.start - line_start + 1
    }

    /// The characters that show the character at `offset`, and where their line starts.
    fn place(&self, file: &SourceFile, offset: usize) -> (Range<usize>, usize) {
        let number = file.line(offset as u32);
        let Some(line) = self.lines.get(&number) else { return (0..1, 0) };
        let index = line.places.partition_point(|place| place.offset <= offset).saturating_sub(1);
        let Some(place) = line.places.get(index) else { return (line.start..line.start + 1, line.start) };
        (place.at..place.at + place.width, line.start)
    }

    fn push(&mut self, text: &str) -> (usize, usize) {
        let (at, width) = (self.count, text.chars().count());
        self.text.push_str(text);
        self.count += width;
        (at, width)
    }

    /// Appends the shown part of a line and a space, so that the end of the line is a place too.
    fn copy_line(&mut self, text: &str, view: &LineView, charset: Charset) -> Vec<Place> {
        let ellipsis = match charset {
            Charset::Unicode => "…",
            Charset::Ascii => "...",
        };
        let mut places = Vec::new();
        let mut push = |excerpt: &mut Self, offset, shown: &str| {
            let (at, width) = excerpt.push(shown);
            places.push(Place { offset, at, width });
        };
        let mut before = view.range.start;
        for (index, piece) in pieces(text, view).into_iter().enumerate() {
            if piece.start > before || (index == 0 && view.cut_before) {
                push(self, before, ellipsis);
            }
            for (at, character) in text[piece.clone()].char_indices() {
                match character {
                    // ariadne would take its width from the character's number in the line, not from its column.
                    '\t' => push(self, piece.start + at, TAB),
                    _ => push(self, piece.start + at, safe(character, charset).encode_utf8(&mut [0; 4])),
                }
            }
            before = piece.end;
        }
        let cut = before < view.range.end || view.cut_after;
        push(self, before, if cut { ellipsis } else { " " });
        places
    }
}

impl LineView {
    fn merge(&mut self, other: LineView, focus: usize) {
        if other.range.start < self.range.start {
            self.range.start = other.range.start;
            self.cut_before = other.cut_before;
        }
        if other.range.end > self.range.end {
            self.range.end = other.range.end;
            self.cut_after = other.cut_after;
        }
        self.focus.push(focus);
    }
}

/// The span inside the text, on character boundaries, start not after end.
pub(super) fn clamp(text: &str, span: Span) -> (usize, usize) {
    let start = floor(text, (span.start as usize).min(text.len()));
    let end = ceil(text, (span.end as usize).min(text.len()));
    (start, end.max(start))
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// The line around `offset`, looking no further than a whole line may be long.
fn view_line(text: &str, offset: usize) -> LineView {
    let low = floor(text, offset.saturating_sub(WHOLE_LINE));
    let high = ceil(text, (offset + WHOLE_LINE).min(text.len()));
    let break_before = text[low..offset].rfind('\n');
    let break_after = text[offset..high].find('\n');
    let start = break_before.map_or(low, |at| low + at + 1);
    let mut end = break_after.map_or(high, |at| offset + at);
    if break_after.is_some() && end > start && text.as_bytes()[end - 1] == b'\r' {
        end -= 1;
    }
    LineView {
        range: start..end.max(start),
        cut_before: break_before.is_none() && low > 0,
        cut_after: break_after.is_none() && high < text.len(),
        focus: Vec::new(),
    }
}

/// The parts of a line to show: all of it, or what lies around the places of interest.
fn pieces(text: &str, view: &LineView) -> Vec<Range<usize>> {
    if view.range.len() <= WHOLE_LINE && !view.cut_before && !view.cut_after {
        return vec![view.range.clone()];
    }
    let mut focus = view.focus.clone();
    focus.sort_unstable();
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for at in focus {
        let start = floor(text, at.saturating_sub(AROUND).max(view.range.start));
        let end = ceil(text, (at + AROUND).min(view.range.end)).max(start);
        match pieces.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => pieces.push(start..end),
        }
    }
    pieces
}

/// The character itself, or a stand-in where a terminal or ariadne would do something else than show it.
fn safe(character: char, charset: Charset) -> char {
    match character {
        _ if super::steers(character) => match charset {
            Charset::Unicode => '\u{FFFD}',
            Charset::Ascii => '?',
        },
        _ => character,
    }
}
