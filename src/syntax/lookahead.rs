//! What the relabelling pass finds out by looking ahead: whether a parenthesis opens an arrow's parameters, and whether
//! a `<` opens types.

use super::relabel::Relabel;
use super::token::Tok;

impl Relabel<'_> {
    /// Whether the parenthesis at `index` opens the parameters of an arrow function or of a function type.
    pub(super) fn is_arrow(&self, index: usize) -> bool {
        let after = self.partners[index] as usize + 1;
        match self.tok(after) {
            Some(Tok::FatArrow) => true,
            Some(Tok::Colon) => {
                let Some(end) = self.skip_type(after + 1) else { return false };
                if self.tok(end) != Some(Tok::FatArrow) {
                    return false;
                }
                // In `c ? (a) : b => d` the colon belongs to the condition, unless there is one more.
                self.frames.last().is_none_or(|frame| frame.questions == 0) || self.colon_follows(end + 1)
            }
            _ => false,
        }
    }

    /// Whether a `:` that belongs to a condition already open follows in this bracket.
    fn colon_follows(&self, mut at: usize) -> bool {
        let mut questions = 0;
        // Far more than any real condition is long; keeps hostile text linear.
        let limit = at + 1000;
        while let Some(tok) = self.tok(at) {
            if at > limit {
                return false;
            }
            match tok {
                Tok::ParenOpen | Tok::SquareOpen | Tok::BraceOpen | Tok::HoleOpen => at = self.partners[at] as usize,
                Tok::ParenClose | Tok::SquareClose | Tok::BraceClose | Tok::HoleClose | Tok::Comma | Tok::Semi => {
                    return false;
                }
                Tok::Question => questions += 1,
                Tok::Colon if questions == 0 => return true,
                Tok::Colon => questions -= 1,
                _ => {}
            }
            at += 1;
        }
        false
    }

    /// The index after the type that begins at `at`.
    fn skip_type(&self, mut at: usize) -> Option<usize> {
        loop {
            match self.tok(at)? {
                Tok::Ident | Tok::TypeOf => {
                    if self.tok(at)? == Tok::TypeOf {
                        at += 1;
                    }
                    at += 1;
                    while self.tok(at) == Some(Tok::Dot) {
                        at += 2;
                    }
                    if self.tok(at) == Some(Tok::Less) {
                        at = self.skip_angles(at)?;
                    }
                    if self.is_name(at, b"is") {
                        at += 1;
                        continue;
                    }
                }
                Tok::Void | Tok::Null | Tok::This | Tok::True | Tok::False | Tok::String | Tok::Number => at += 1,
                Tok::ParenOpen => {
                    at = self.partners[at] as usize + 1;
                    if self.tok(at) == Some(Tok::FatArrow) {
                        // `(a): (b) => c`: a function type, unless it is all there is.
                        at += 1;
                        continue;
                    }
                }
                Tok::SquareOpen | Tok::BraceOpen => at = self.partners[at] as usize + 1,
                _ => return None,
            }
            while self.tok(at) == Some(Tok::SquareOpen) && self.tok(at + 1) == Some(Tok::SquareClose) {
                at += 2;
            }
            match self.tok(at) {
                Some(Tok::Bar | Tok::Amp) => at += 1,
                _ => return Some(at),
            }
        }
    }

    fn skip_angles(&self, at: usize) -> Option<usize> {
        let scan = self.scan_angles(at);
        (scan.closed && scan.whole).then_some(scan.last + 1)
    }

    /// Reads on from a `<` as if it opened types.
    pub(super) fn scan_angles(&self, start: usize) -> AngleScan {
        let mut scan = AngleScan {
            closed: false,
            whole: true,
            last: start,
            opens: vec![start as u32],
            all: vec![start as u32],
            closers: Vec::new(),
        };
        let mut at = start + 1;
        while let Some(tok) = self.tok(at) {
            match tok {
                // Types nest a few levels; the limit keeps hostile text linear.
                Tok::Less if scan.opens.len() > 64 => return scan,
                Tok::Less => {
                    scan.opens.push(at as u32);
                    scan.all.push(at as u32);
                }
                Tok::Greater
                | Tok::ShiftRight
                | Tok::ShiftRightUnsigned
                | Tok::GreaterEqual
                | Tok::ShiftRightAssign
                | Tok::ShiftRightUnsignedAssign => {
                    let length = (self.tokens[at].end - self.tokens[at].start) as usize;
                    let assigns =
                        matches!(tok, Tok::GreaterEqual | Tok::ShiftRightAssign | Tok::ShiftRightUnsignedAssign);
                    let count = length - usize::from(assigns);
                    let closing = count.min(scan.opens.len());
                    scan.opens.truncate(scan.opens.len() - closing);
                    scan.closers.push((at as u32, closing as u8));
                    if scan.opens.is_empty() {
                        scan.closed = closing == count;
                        scan.whole = !assigns;
                        scan.last = at;
                        return scan;
                    }
                    if assigns {
                        return scan;
                    }
                }
                Tok::ParenOpen | Tok::SquareOpen | Tok::BraceOpen => at = self.partners[at] as usize,
                Tok::Ident
                | Tok::Dot
                | Tok::Comma
                | Tok::Bar
                | Tok::Amp
                | Tok::String
                | Tok::Number
                | Tok::FatArrow => {}
                Tok::Void | Tok::Null | Tok::This | Tok::True | Tok::False | Tok::TypeOf | Tok::Extends | Tok::New => {}
                _ => return scan,
            }
            at += 1;
        }
        scan
    }
}

pub(super) struct AngleScan {
    pub closed: bool,
    /// Whether the last token was used up by closing.
    pub whole: bool,
    /// The token that closes the first `<`.
    pub last: usize,
    /// Those not closed.
    pub opens: Vec<u32>,
    /// All that were met.
    pub all: Vec<u32>,
    /// Tokens with closing brackets, and how many of their characters close.
    pub closers: Vec<(u32, u8)>,
}
