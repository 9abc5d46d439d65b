//! One linear pass over the tokens that settles what a parser with one token of lookahead cannot see: which
//! parenthesis opens parameters, which `<` opens types, which `{` opens a block, and which words are keywords where
//! they stand. After it the grammar has no conflicts.

use super::brackets::Partners;
use super::token::{Tok, Token};

/// How deep brackets and chains of prefix operators, arrows, conditions and the like may nest.
pub const MAX_DEPTH: u32 = 1000;

/// Too deep: the token where the limit is passed.
pub struct TooDeep(pub Token);

/// Relabels the tokens; brackets must match as `partners` says.
pub fn relabel(text: &str, tokens: &[Token], partners: &Partners) -> Result<Vec<Token>, TooDeep> {
    let mut pass = Relabel {
        text: text.as_bytes(),
        tokens,
        partners,
        out: Vec::with_capacity(tokens.len() + 16),
        marks: vec![0; tokens.len()],
        frames: vec![Frame::new(Kind::Block)],
        chains: 0,
        prefix_run: 0,
        angles: Vec::new(),
        closed_head: false,
        last_angle: Tok::TypeArgsOpen,
    };
    let mut index = 0;
    while index < tokens.len() {
        index = pass.step(index);
        if pass.frames.len() as u32 + pass.chains + pass.prefix_run > MAX_DEPTH {
            return Err(TooDeep(tokens[index.saturating_sub(1).min(tokens.len() - 1)]));
        }
    }
    Ok(pass.out)
}

/// What a bracket holds, as far as the pass needs to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Statements.
    Block,
    /// Clauses of a switch.
    Switch,
    /// Parameters.
    Parameters,
    /// The head of a `for`.
    For,
    /// Anything else.
    Other,
}

pub(super) struct Frame {
    kind: Kind,
    /// `function` or `catch` was read: the next parenthesis holds parameters.
    function: bool,
    /// `switch` was read: the next body holds clauses.
    switch: bool,
    /// `case` or `default` was read and not yet its colon.
    case: bool,
    /// The last colon ended a `case`.
    case_colon: bool,
    /// After `const`, `let` or `var`: patterns may follow.
    declares: bool,
    /// Inside an import or export clause: `as` and `from` are keywords.
    imports: bool,
    /// Conditions `?` whose `:` has not come yet.
    pub(super) questions: u32,
    /// Nesting without brackets since the last separator.
    chain: u32,
    /// `else` in a row.
    elses: u32,
    /// The head of an `if`, `for` or `while`: what follows its parenthesis begins anew.
    head: bool,
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            function: false,
            switch: false,
            case: false,
            case_colon: false,
            declares: false,
            imports: false,
            questions: 0,
            chain: 0,
            elses: 0,
            head: false,
        }
    }
}

const OPERATOR: u8 = 0x80;
const TYPE_ARGS: u8 = 0x40;
const CLOSERS: u8 = 0x0F;

pub(super) struct Relabel<'a> {
    pub(super) text: &'a [u8],
    pub(super) tokens: &'a [Token],
    pub(super) partners: &'a Partners,
    pub(super) out: Vec<Token>,
    /// What is already known of a token: `OPERATOR`, `TYPE_ARGS`, or how many `>` of it close types.
    pub(super) marks: Vec<u8>,
    pub(super) frames: Vec<Frame>,
    /// The sum of `chain` and `elses` over all frames.
    pub(super) chains: u32,
    /// Prefix operators in a row.
    pub(super) prefix_run: u32,
    /// The kinds of the open angle brackets.
    pub(super) angles: Vec<Tok>,
    /// Whether the bracket that was closed last was the head of a statement or held statements: what follows is no call.
    pub(super) closed_head: bool,
    /// The kind of the angle bracket that was closed last.
    pub(super) last_angle: Tok,
}

impl Relabel<'_> {
    pub(super) fn tok(&self, index: usize) -> Option<Tok> {
        self.tokens.get(index).map(|token| token.tok)
    }

    pub(super) fn text(&self, index: usize) -> &[u8] {
        let token = self.tokens[index];
        &self.text[token.start as usize..token.end as usize]
    }

    pub(super) fn is_name(&self, index: usize, name: &[u8]) -> bool {
        self.tok(index) == Some(Tok::Ident) && self.text(index) == name
    }

    pub(super) fn prev(&self) -> Option<Tok> {
        self.out.last().map(|token| token.tok)
    }

    pub(super) fn prev_ends_operand(&self) -> bool {
        match self.prev() {
            // `<T>` before an operand is a cast; after one it is a list of type arguments.
            Some(Tok::AngleClose) => self.last_angle == Tok::TypeArgsOpen,
            Some(Tok::ParenClose | Tok::BraceClose) => !self.closed_head,
            Some(tok) => tok.ends_operand(),
            None => false,
        }
    }

    /// Whether a line break stands between the token and the one before it.
    fn on_new_line(&self, index: usize) -> bool {
        index == 0 || {
            let (from, to) = (self.tokens[index - 1].end as usize, self.tokens[index].start as usize);
            self.text.get(from..to).is_some_and(|gap| gap.contains(&b'\n') || gap.contains(&b'\r'))
        }
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Kind::Block));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn push(&mut self, index: usize, tok: Tok) -> usize {
        let token = self.tokens[index];
        self.out.push(Token { tok, ..token });
        index + 1
    }

    fn nest(&mut self) {
        self.frame().chain += 1;
        self.chains += 1;
    }

    /// A separator: what was chained before it is closed.
    fn separate(&mut self, next: usize, statement: bool) {
        let continues = self.tok(next) == Some(Tok::Else);
        let frame = self.frame();
        let mut freed = frame.chain;
        frame.chain = 0;
        frame.questions = 0;
        if statement {
            frame.declares = false;
            frame.imports = false;
            frame.function = false;
            if !continues {
                freed += frame.elses;
                frame.elses = 0;
            }
        }
        self.chains -= freed.min(self.chains);
    }

    /// Handles the token at `index` and gives the index of the next one.
    fn step(&mut self, index: usize) -> usize {
        let tok = self.tokens[index].tok;
        if tok.is_word() {
            self.prefix_run =
                if matches!(tok, Tok::TypeOf | Tok::Void | Tok::Delete | Tok::New) { self.prefix_run + 1 } else { 0 };
            return self.word(index, tok);
        }
        match tok {
            Tok::Bang | Tok::Tilde => self.prefix_run += 1,
            Tok::Plus | Tok::Minus | Tok::PlusPlus | Tok::MinusMinus if !self.prev_ends_operand() => {
                self.prefix_run += 1
            }
            _ => self.prefix_run = 0,
        }
        match tok {
            Tok::ParenOpen => self.paren(index),
            Tok::SquareOpen => self.square(index),
            Tok::BraceOpen => self.brace(index),
            Tok::HoleOpen => {
                self.frames.push(Frame::new(Kind::Other));
                self.push(index, tok)
            }
            Tok::ParenClose | Tok::SquareClose | Tok::BraceClose | Tok::HoleClose => {
                if let Some(frame) = self.frames.pop() {
                    self.closed_head = frame.head || matches!(frame.kind, Kind::Block | Kind::Switch);
                    self.chains -= (frame.chain + frame.elses).min(self.chains);
                }
                if tok == Tok::BraceClose {
                    let body =
                        self.partners.get(index).is_some_and(|open| self.marks.get(*open as usize) == Some(&TYPE_ARGS));
                    let next = index + 1;
                    let ends = !self.tok(next).is_some_and(|tok| {
                        matches!(tok, Tok::Comma | Tok::Semi | Tok::Dot | Tok::Question | Tok::Colon)
                    });
                    if body && ends && self.frame().kind == Kind::Block {
                        self.separate(next, true);
                    }
                }
                self.push(index, tok)
            }
            Tok::Less => self.less(index),
            Tok::Greater
            | Tok::GreaterEqual
            | Tok::ShiftRight
            | Tok::ShiftRightUnsigned
            | Tok::ShiftRightAssign
            | Tok::ShiftRightUnsignedAssign => self.greater(index, tok),
            Tok::Semi => {
                self.separate(index + 1, true);
                self.push(index, tok)
            }
            Tok::Comma => {
                self.separate(index + 1, false);
                self.push(index, tok)
            }
            Tok::Question => {
                let optional =
                    matches!(self.tok(index + 1), Some(Tok::Colon | Tok::Comma | Tok::ParenClose | Tok::Semi));
                if !optional {
                    self.frame().questions += 1;
                    self.nest();
                }
                self.push(index, tok)
            }
            Tok::Colon => {
                let frame = self.frame();
                frame.case_colon = false;
                if frame.questions > 0 {
                    frame.questions -= 1;
                } else if frame.case {
                    frame.case = false;
                    frame.case_colon = true;
                    self.separate(index + 1, true);
                }
                self.push(index, tok)
            }
            Tok::FatArrow | Tok::StarStar => {
                self.nest();
                self.push(index, tok)
            }
            _ => {
                if Tok::Assign as u8 <= tok as u8 && tok as u8 <= Tok::BitXorAssign as u8 {
                    self.nest();
                }
                self.push(index, tok)
            }
        }
    }

    /// A word: a keyword here, or a name?
    fn word(&mut self, index: usize, tok: Tok) -> usize {
        if self.prev() == Some(Tok::Dot) {
            return self.push(index, Tok::Ident);
        }
        let next = self.tok(index + 1);
        if tok == Tok::New && matches!(next, Some(Tok::Colon | Tok::Question)) {
            // The grammar takes `new` as a word of its own only where it makes something.
            return self.push(index, Tok::Ident);
        }
        // A key of an object or a member of an interface.
        if tok != Tok::Ident && matches!(next, Some(Tok::Colon)) && tok != Tok::Default {
            // Other words are names where the grammar wants one; `new` also begins a signature.
            return self.push(index, if tok == Tok::New { Tok::Ident } else { tok });
        }
        match tok {
            Tok::Ident => {
                let relabelled = self.name(index);
                return self.push(index, relabelled);
            }
            Tok::Const | Tok::Let | Tok::Var => {
                // A statement begins, even where the one before lacks its semicolon.
                if self.frame().kind == Kind::Block && self.prev_ends_operand() {
                    self.separate(index, true);
                }
                self.frame().declares = true;
            }
            Tok::Catch => self.frame().function = true,
            Tok::Function => {
                self.frame().function = true;
                let tok = if self.statement_may_start() { Tok::Function } else { Tok::FunctionExpr };
                return self.push(index, tok);
            }
            Tok::Import if next != Some(Tok::ParenOpen) => self.frame().imports = true,
            Tok::Export if matches!(next, Some(Tok::BraceOpen | Tok::Star)) => self.frame().imports = true,
            Tok::Switch => self.frame().switch = true,
            Tok::Case => self.frame().case = true,
            Tok::Default => {
                if self.prev() == Some(Tok::Export)
                    && (matches!(next, Some(Tok::Function | Tok::Class | Tok::Enum | Tok::Const))
                        || self.is_name(index + 1, b"interface")
                        || self.is_name(index + 1, b"abstract"))
                {
                    return self.push(index, Tok::OtherModifier);
                }
                if self.frame().kind == Kind::Switch {
                    self.frame().case = true;
                }
            }
            Tok::In if self.frame().kind == Kind::For => return self.push(index, Tok::ForIn),
            Tok::Else => {
                self.frame().elses += 1;
                self.chains += 1;
            }
            Tok::If | Tok::For | Tok::While | Tok::Do => self.nest(),
            Tok::Class => return self.class(index),
            _ => {}
        }
        self.push(index, tok)
    }

    /// Which keyword a name is where it stands.
    fn name(&mut self, index: usize) -> Tok {
        let length = self.tokens[index].end - self.tokens[index].start;
        if !(2..=10).contains(&length) {
            return Tok::Ident;
        }
        let next = self.tok(index + 1);
        let same_line = |pass: &Self| index + 1 < pass.tokens.len() && !pass.on_new_line(index + 1);
        let declaration = |tok: Option<Tok>| {
            matches!(tok, Some(Tok::Const | Tok::Let | Tok::Var | Tok::Function | Tok::Class | Tok::Enum | Tok::Ident))
        };
        let (kind, imports) = (self.frame().kind, self.frame().imports);
        match self.text(index) {
            b"type" if next == Some(Tok::Ident) && same_line(self) => Tok::TypeWord,
            b"namespace" | b"module" if next == Some(Tok::Ident) && same_line(self) => Tok::Namespace,
            b"interface" if next == Some(Tok::Ident) && same_line(self) => Tok::Interface,
            b"interface" | b"namespace"
                if next == Some(Tok::BraceOpen)
                    && matches!(
                        self.prev(),
                        None | Some(Tok::Semi | Tok::BraceClose | Tok::BodyOpen | Tok::Export | Tok::Declare)
                    ) =>
            {
                if length == 9 && self.text(index) == b"interface" {
                    Tok::Interface
                } else {
                    Tok::Namespace
                }
            }
            b"declare" if declaration(next) && same_line(self) => Tok::Declare,
            b"abstract" | b"public" | b"private" | b"protected" | b"static"
                if self.prev() != Some(Tok::At)
                    && (matches!(
                        next,
                        Some(Tok::Const | Tok::Let | Tok::Var | Tok::Function | Tok::Class | Tok::Enum)
                    ) || (next == Some(Tok::Ident)
                        && matches!(self.text(index + 1), b"interface" | b"type" | b"namespace" | b"abstract")))
                    && same_line(self) =>
            {
                Tok::OtherModifier
            }
            b"async" if next == Some(Tok::Function) => {
                if matches!(self.prev(), None | Some(Tok::Semi | Tok::BraceClose | Tok::BodyOpen | Tok::Export)) {
                    Tok::OtherModifier
                } else {
                    Tok::Async
                }
            }
            b"async" if next == Some(Tok::ParenOpen) && !self.prev_ends_operand() && self.is_arrow(index + 1) => {
                Tok::Async
            }
            b"async" if next == Some(Tok::Ident) && self.tok(index + 2) == Some(Tok::FatArrow) => Tok::Async,
            b"get" | b"set" | b"async" | b"static"
                if matches!(self.prev(), Some(Tok::BraceOpen | Tok::Comma))
                    && (next.is_some_and(Tok::is_word) || matches!(next, Some(Tok::String | Tok::SquareOpen)))
                    && self.tok(index + 2) == Some(Tok::ParenOpen) =>
            {
                Tok::OtherModifier
            }
            b"implements" if self.prev_ends_operand() && matches!(next, Some(Tok::Ident)) => Tok::Implements,
            b"of"
                if kind == Kind::For
                    && self.prev_ends_operand()
                    && !matches!(next, Some(Tok::Semi | Tok::Assign | Tok::Dot | Tok::Comma | Tok::ParenClose)) =>
            {
                Tok::Of
            }
            b"from" if imports && matches!(self.prev(), Some(Tok::Star | Tok::BraceClose | Tok::Ident)) => Tok::From,
            b"as" => {
                let in_list = self.frames.len() > 1 && self.frames[self.frames.len() - 2].imports;
                let word_before = self.prev().is_some_and(Tok::is_word);
                let star = self.prev() == Some(Tok::Star) && imports;
                let follows = !matches!(
                    next,
                    None | Some(
                        Tok::Colon
                            | Tok::Comma
                            | Tok::ParenClose
                            | Tok::Semi
                            | Tok::Assign
                            | Tok::Question
                            | Tok::Dot
                            | Tok::BraceClose
                            | Tok::FatArrow
                    )
                );
                let member = self.on_new_line(index) && next == Some(Tok::ParenOpen);
                let same_line = self.prev_ends_operand() && !self.on_new_line(index);
                let after_operand =
                    (follows || same_line) && !member && (self.prev_ends_operand() || (in_list && word_before));
                if star || after_operand { Tok::As } else { Tok::Ident }
            }
            b"is"
                if matches!(self.prev(), Some(Tok::Ident | Tok::This))
                    && !self.on_new_line(index)
                    && !matches!(next, None | Some(Tok::Colon | Tok::Question | Tok::Semi | Tok::Comma | Tok::Dot)) =>
            {
                Tok::Is
            }
            b"readonly"
                if (next.is_some_and(Tok::is_word) || matches!(next, Some(Tok::SquareOpen | Tok::String)))
                    && (matches!(self.prev(), Some(Tok::BraceOpen | Tok::BodyOpen | Tok::Semi | Tok::Comma))
                        || self.on_new_line(index))
                    && self.frames.len() > 1 =>
            {
                Tok::ReadOnly
            }
            _ => Tok::Ident,
        }
    }

    /// Whether what was read so far lets a declaration begin.
    fn statement_may_start(&mut self) -> bool {
        let case_colon = self.frame().case_colon;
        match self.prev() {
            None => true,
            Some(Tok::Colon) => case_colon,
            Some(tok) => {
                tok.ends_operand()
                    || matches!(
                        tok,
                        Tok::Semi
                            | Tok::BodyOpen
                            | Tok::Export
                            | Tok::OtherModifier
                            | Tok::Declare
                            | Tok::Else
                            | Tok::Do
                    )
            }
        }
    }

    /// A class: its name, if it has one, and the rest as one token.
    fn class(&mut self, index: usize) -> usize {
        let mut at = index + 1;
        let named = self.tok(at) == Some(Tok::Ident) && !matches!(self.text(at), b"implements");
        if named {
            at += 1;
        }
        let body_from = at;
        let mut close = None;
        let limit = at + 200;
        while let Some(tok) = self.tok(at).filter(|_| at < limit) {
            match tok {
                Tok::BraceOpen
                    if self.tokens[at - 1].tok.ends_operand()
                        || matches!(self.tokens[at - 1].tok, Tok::Class | Tok::Greater) =>
                {
                    close = Some(self.partners[at] as usize);
                    break;
                }
                Tok::BraceOpen | Tok::ParenOpen | Tok::SquareOpen => at = self.partners[at] as usize + 1,
                Tok::Semi | Tok::ParenClose | Tok::SquareClose | Tok::BraceClose | Tok::Assign | Tok::Colon => break,
                _ => at += 1,
            }
        }
        let Some(close) = close.filter(|close| *close < self.tokens.len()) else { return self.push(index, Tok::Class) };
        let tok = if self.statement_may_start() { Tok::Class } else { Tok::ClassExpr };
        self.push(index, tok);
        if named {
            self.push(index + 1, Tok::Ident);
        }
        let (start, end) = (self.tokens[body_from].start, self.tokens[close].end);
        self.out.push(Token { tok: Tok::ClassBody, start, end });
        close + 1
    }

    fn paren(&mut self, index: usize) -> usize {
        let call = self.prev_ends_operand();
        let is_for = self.prev() == Some(Tok::For);
        let head = matches!(self.prev(), Some(Tok::If | Tok::For | Tok::While));
        let function = std::mem::take(&mut self.frame().function);
        let arrow = !call && !function && self.is_arrow(index);
        let kind = if arrow || function {
            Kind::Parameters
        } else if is_for {
            Kind::For
        } else {
            Kind::Other
        };
        self.frames.push(Frame { head, ..Frame::new(kind) });
        self.push(index, if arrow { Tok::ArrowParen } else { Tok::ParenOpen })
    }

    fn less(&mut self, index: usize) -> usize {
        let mark = self.marks[index];
        if mark & OPERATOR != 0 {
            return self.push(index, Tok::Less);
        }
        if mark & TYPE_ARGS != 0 {
            self.angles.push(Tok::TypeArgsOpen);
            return self.push(index, Tok::TypeArgsOpen);
        }
        let scan = self.scan_angles(index);
        if !scan.closed {
            for open in &scan.opens {
                self.marks[*open as usize] |= OPERATOR;
            }
            return self.push(index, Tok::Less);
        }
        let after = scan.last + 1;
        let kind = if self.prev_ends_operand() {
            let operand_follows = scan.whole
                && match self.tok(after) {
                    Some(Tok::Ident) => {
                        !self.on_new_line(after) && !matches!(self.text(after), b"implements" | b"is" | b"as")
                    }
                    Some(tok) => {
                        matches!(
                            tok,
                            Tok::Number
                                | Tok::String
                                | Tok::True
                                | Tok::False
                                | Tok::Null
                                | Tok::This
                                | Tok::Bang
                                | Tok::Tilde
                                | Tok::TypeOf
                                | Tok::New
                                | Tok::Plus
                                | Tok::Minus
                        ) && !self.on_new_line(after)
                    }
                    None => false,
                };
            if operand_follows {
                self.marks[index] |= OPERATOR;
                return self.push(index, Tok::Less);
            }
            Tok::TypeArgsOpen
        } else if self.tok(after) == Some(Tok::ParenOpen) && self.is_arrow(after) {
            Tok::GenericOpen
        } else {
            Tok::CastOpen
        };
        for open in &scan.all[1..] {
            self.marks[*open as usize] |= TYPE_ARGS;
        }
        for (closer, count) in &scan.closers {
            self.marks[*closer as usize] = *count;
        }
        if kind != Tok::TypeArgsOpen {
            self.nest();
        }
        self.angles.push(kind);
        self.push(index, kind)
    }

    fn greater(&mut self, index: usize, tok: Tok) -> usize {
        let count = u32::from(self.marks[index] & CLOSERS);
        let token = self.tokens[index];
        for place in 0..count {
            self.last_angle = self.angles.pop().unwrap_or(Tok::TypeArgsOpen);
            self.out.push(Token { tok: Tok::AngleClose, start: token.start + place, end: token.start + place + 1 });
        }
        let start = token.start + count;
        if start < token.end {
            let rest = if count == 0 { tok } else { Tok::Assign };
            self.out.push(Token { tok: rest, start, end: token.end });
        }
        index + 1
    }

    fn square(&mut self, index: usize) -> usize {
        if self.pattern_may_stand() {
            return self.pattern(index);
        }
        // `[key: …` at the start of a line is a new member, not an array type or an index.
        if self.prev_ends_operand()
            && self.on_new_line(index)
            && self.tok(index + 1) == Some(Tok::Ident)
            && self.tok(index + 2) == Some(Tok::Colon)
        {
            let at = self.tokens[index].start;
            self.out.push(Token { tok: Tok::MemberBreak, start: at, end: at });
        }
        self.frames.push(Frame::new(Kind::Other));
        self.push(index, Tok::SquareOpen)
    }

    fn brace(&mut self, index: usize) -> usize {
        if self.pattern_may_stand() {
            return self.pattern(index);
        }
        let frame = self.frame();
        let case_colon = frame.case_colon;
        let body = match self.prev() {
            None => true,
            Some(Tok::AngleClose) => self.last_angle == Tok::TypeArgsOpen,
            Some(Tok::Colon) => case_colon,
            Some(Tok::Void) => true,
            Some(tok) => {
                tok.ends_operand()
                    || matches!(
                        tok,
                        Tok::Semi
                            | Tok::BodyOpen
                            | Tok::MemberBreak
                            | Tok::FatArrow
                            | Tok::Else
                            | Tok::Do
                            | Tok::Try
                            | Tok::Finally
                            | Tok::Catch
                    )
            }
        };
        if body {
            let switch = std::mem::take(&mut self.frame().switch);
            self.frames.push(Frame::new(if switch { Kind::Switch } else { Kind::Block }));
            self.marks[index] = TYPE_ARGS;
            self.push(index, Tok::BodyOpen)
        } else {
            self.frames.push(Frame::new(Kind::Other));
            self.push(index, Tok::BraceOpen)
        }
    }

    /// Whether `{` or `[` would begin a destructuring pattern here.
    fn pattern_may_stand(&mut self) -> bool {
        let prev = self.prev();
        let frame = self.frame();
        match prev {
            Some(Tok::Const | Tok::Let | Tok::Var) => true,
            Some(Tok::Comma) => frame.declares || frame.kind == Kind::Parameters,
            Some(Tok::ParenOpen | Tok::ArrowParen | Tok::Ellipsis) => frame.kind == Kind::Parameters,
            _ => false,
        }
    }

    fn pattern(&mut self, index: usize) -> usize {
        let close = self.partners[index] as usize;
        let (start, end) = (self.tokens[index].start, self.tokens[close].end);
        self.out.push(Token { tok: Tok::Pattern, start, end });
        close + 1
    }
}
