//! The tokens: what the lexer cuts the text into, and what the relabelling pass makes of them.

use logos::Logos;

/// A kind of token. Kinds without a pattern are made by the lexer's hand-written part or by the relabelling pass.
// The patterns say what most variants are.
#[allow(missing_docs)]
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\x0B\x0C\u{A0}\u{FEFF}\u{2028}\u{2029}]+")]
pub enum Tok {
    // Brackets.
    #[token("(")]
    ParenOpen,
    #[token(")")]
    ParenClose,
    #[token("[")]
    SquareOpen,
    #[token("]")]
    SquareClose,
    /// `{` of an object literal, an object type or a list of names.
    #[token("{")]
    BraceOpen,
    #[token("}")]
    BraceClose,

    // Punctuation.
    #[token(";")]
    Semi,
    #[token(",")]
    Comma,
    #[token(".")]
    Dot,
    #[token("...")]
    Ellipsis,
    #[token(":")]
    Colon,
    #[token("?")]
    Question,
    #[token("?.")]
    QuestionDot,
    #[token("??")]
    QuestionQuestion,
    #[token("=>")]
    FatArrow,
    #[token("@")]
    #[token("@@")]
    At,

    // Operators.
    #[token("=")]
    Assign,
    #[token("+=")]
    AddAssign,
    #[token("-=")]
    SubtractAssign,
    #[token("*=")]
    MultiplyAssign,
    #[token("**=")]
    PowerAssign,
    #[token("/=")]
    DivideAssign,
    #[token("%=")]
    RemainderAssign,
    #[token("<<=")]
    ShiftLeftAssign,
    #[token(">>=")]
    ShiftRightAssign,
    #[token(">>>=")]
    ShiftRightUnsignedAssign,
    #[token("&=")]
    BitAndAssign,
    #[token("|=")]
    BitOrAssign,
    #[token("^=")]
    BitXorAssign,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("**")]
    StarStar,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("++")]
    PlusPlus,
    #[token("--")]
    MinusMinus,
    #[token("<<")]
    ShiftLeft,
    #[token(">>")]
    ShiftRight,
    #[token(">>>")]
    ShiftRightUnsigned,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("==")]
    EqualEqual,
    #[token("!=")]
    BangEqual,
    #[token("===")]
    EqualEqualEqual,
    #[token("!==")]
    BangEqualEqual,
    #[token("&")]
    Amp,
    #[token("|")]
    Bar,
    #[token("^")]
    Caret,
    #[token("!")]
    Bang,
    #[token("~")]
    Tilde,
    #[token("&&")]
    AmpAmp,
    #[token("||")]
    BarBar,

    // Literals and names.
    #[regex(r"[\p{L}\p{Nl}_$][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}$]*")]
    Ident,
    #[regex(r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+\-]?[0-9]+)?")]
    Number,
    #[token("\"")]
    #[token("'")]
    String,
    /// A back-tick literal without holes, its tag included.
    #[token("`")]
    Template,
    /// From the tag to the opening back tick of a literal with holes.
    TemplateStart,
    /// Text between back ticks and holes.
    TemplateText,
    /// `${`
    HoleOpen,
    /// `}` of a hole.
    HoleClose,
    /// The closing back tick of a literal with holes.
    TemplateEnd,
    /// A regular expression literal.
    RegExp,
    #[token("//")]
    LineComment,
    #[token("/*")]
    BlockComment,
    #[token("\u{201C}")]
    #[token("\u{201D}")]
    #[token("\u{2018}")]
    #[token("\u{2019}")]
    CurlyQuote,

    // Reserved words.
    #[token("break")]
    Break,
    #[token("case")]
    Case,
    #[token("catch")]
    Catch,
    #[token("class")]
    Class,
    #[token("const")]
    Const,
    #[token("continue")]
    Continue,
    #[token("default")]
    Default,
    #[token("delete")]
    Delete,
    #[token("do")]
    Do,
    #[token("else")]
    Else,
    #[token("enum")]
    Enum,
    #[token("export")]
    Export,
    #[token("extends")]
    Extends,
    #[token("false")]
    False,
    #[token("finally")]
    Finally,
    #[token("for")]
    For,
    #[token("function")]
    Function,
    #[token("if")]
    If,
    #[token("import")]
    Import,
    #[token("in")]
    In,
    #[token("instanceof")]
    InstanceOf,
    #[token("let")]
    Let,
    #[token("new")]
    New,
    #[token("null")]
    Null,
    #[token("return")]
    Return,
    #[token("switch")]
    Switch,
    #[token("this")]
    This,
    #[token("throw")]
    Throw,
    #[token("true")]
    True,
    #[token("try")]
    Try,
    #[token("typeof")]
    TypeOf,
    #[token("var")]
    Var,
    #[token("void")]
    Void,
    #[token("while")]
    While,

    // Words that are names elsewhere; made by the relabelling pass only.
    As,
    Async,
    Declare,
    From,
    Implements,
    Interface,
    Is,
    /// `namespace` or `module` before a name.
    Namespace,
    Of,
    /// `function` of a function expression.
    FunctionExpr,
    /// `class` of a class expression.
    ClassExpr,
    /// `in` of `for (x in e)`.
    ForIn,
    /// `abstract`, `public`, `static`, `async`, `default` and the like before a declaration.
    OtherModifier,
    ReadOnly,
    TypeWord,

    // Made by the relabelling pass only.
    /// `(` before the parameters of an arrow function or a function type.
    ArrowParen,
    /// `{` of a block or of the body of a declaration.
    BodyOpen,
    /// `<` before type arguments or parameters of what stands to its left.
    TypeArgsOpen,
    /// `<` of a cast.
    CastOpen,
    /// `<` before the type parameters of an arrow function or a function type.
    GenericOpen,
    /// `>` that closes one of the three above.
    AngleClose,
    /// A destructuring pattern, skipped by its brackets.
    Pattern,
    /// What follows the name of a class, up to the end of its body.
    ClassBody,
    /// A line break that ends a member of an interface where the grammar alone would read on.
    MemberBreak,

    // Made by the recovery only.
    /// A statement that could not be parsed.
    ErrorStatement,
    /// An item between brackets that could not be parsed.
    ErrorItem,
}

/// A token and the bytes it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub tok: Tok,
    /// Offset of its first byte.
    pub start: u32,
    /// Offset just after its last byte.
    pub end: u32,
}

impl Tok {
    /// Whether an expression or a type can end with this token, so that an operator may follow.
    pub fn ends_operand(self) -> bool {
        use Tok::*;
        matches!(
            self,
            Ident
                | Number
                | String
                | Template
                | TemplateEnd
                | RegExp
                | ParenClose
                | SquareClose
                | BraceClose
                | True
                | False
                | Null
                | This
                | Void
                | AngleClose
                | ClassBody
                | Pattern
                | PlusPlus
                | MinusMinus
                | ErrorItem
        )
    }

    /// Whether it is a word, reserved or not.
    pub fn is_word(self) -> bool {
        use Tok::*;
        self == Ident || (Break as u8 <= self as u8 && self as u8 <= TypeWord as u8)
    }

    /// Whether it is a word that cannot be a name.
    pub fn is_reserved(self) -> bool {
        Tok::Break as u8 <= self as u8 && self as u8 <= Tok::While as u8
    }

    /// Whether it opens a bracket.
    pub fn opens(self) -> bool {
        use Tok::*;
        matches!(self, ParenOpen | ArrowParen | SquareOpen | BraceOpen | BodyOpen | HoleOpen)
    }

    /// Whether it closes a bracket.
    pub fn closes(self) -> bool {
        use Tok::*;
        matches!(self, ParenClose | SquareClose | BraceClose | HoleClose)
    }
}
