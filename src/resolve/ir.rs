//! The lowered form that the evaluator runs: no name is left that has to be looked up by text.
//!
//! The code of one spec is one [`Code`]: flat vectors of nodes, children by typed index. Types, casts, parentheses and
//! comments are gone; locals are slots of their function's frame; names of files and namespaces are [`DeclId`]s.

use std::marker::PhantomData;

use crate::paths::{PathId, RelativePath};
use crate::program::{DeclId, EnumId, NamespaceId, SpecId};
use crate::source::{FileId, Span, Symbol};

/// An expression of a [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExprId(pub u32);

/// A statement of a [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StmtId(pub u32);

/// Nodes that lie next to one another in the vector of `T`.
#[derive(Debug)]
pub struct List<T> {
    /// Index of the first.
    pub start: u32,
    /// How many.
    pub len: u32,
    marker: PhantomData<fn() -> T>,
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<T> {}

impl<T> List<T> {
    /// A list by its place.
    pub fn new(start: u32, len: u32) -> Self {
        Self { start, len, marker: PhantomData }
    }
}

/// An expression.
// The kind takes a byte of its own: kept in what fields do not use, it would have to be worked out for each evaluation.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Expr {
    /// `undefined`
    Undefined,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(i32),
    /// A string without holes: an index into [`Code::strings`].
    String(u32),
    /// `` p`…` `` without holes.
    Path(PathId),
    /// `` f`…` `` without holes: a source file.
    File(PathId),
    /// `` d`…` `` without holes.
    Directory(PathId),
    /// `` a`…` `` without holes.
    Atom(Symbol),
    /// `` r`…` `` without holes: an index into [`Code::relatives`].
    Relative(u32),
    /// A back-tick string with holes.
    Interpolate(List<Part>),
    /// A path-like literal with holes. `base` is the folder that a leading text is relative to (the folder of the
    /// spec, or the root for an absolute one); none when the literal begins with a hole, which then is the base.
    PathTemplate {
        /// Which literal.
        kind: PathKind,
        /// What leading text is relative to.
        base: Option<PathId>,
        /// Text and holes in order. Text still has its separators (`/a/`), so that `${x}.obj` and `${x}/obj` differ.
        parts: List<Part>,
    },
    /// A slot of the running function's frame.
    Local(u32),
    /// A slot that holds a cell: a variable that a closure captures and that is assigned after its definition.
    LocalCell(u32),
    /// A slot of a variable that [`Stmt::Grow`] adds to.
    LocalGrown(u32),
    /// A captured value of the running closure.
    Capture(u32),
    /// A captured cell of the running closure.
    CaptureCell(u32),
    /// A declaration of any module: a value's thunk, a function, an enum, a native.
    Global(DeclId),
    /// A namespace as a value; also what `importFrom`, `importFile`, `import * as` and `$` give.
    Namespace(NamespaceId),
    /// `namespace.withQualifier({…})`: the namespace under another qualifier.
    WithQualifier {
        /// Evaluates to a namespace.
        namespace: ExprId,
        /// Evaluates to an object of strings. Its keys are laid over the current qualifier's.
        qualifier: ExprId,
    },
    /// A declaration of a namespace value (the result of `withQualifier`), evaluated under that value's qualifier.
    Qualified {
        /// Evaluates to a namespace.
        namespace: ExprId,
        /// The declaration in it.
        decl: DeclId,
    },
    /// A member of a const enum.
    Enum {
        /// The enum.
        ty: EnumId,
        /// The number.
        value: i32,
    },
    /// `qualifier`: the current qualifier as an object.
    Qualifier,
    /// `[…]`; items may be [`Expr::Spread`].
    Array(List<ExprId>),
    /// `...e`, only as an item of an array or an argument.
    Spread(ExprId),
    /// `{…}`: values in the order of the keys of the shape (an index into [`Code::shapes`]). Keys do not repeat.
    Object {
        /// Index into [`Code::shapes`].
        shape: u32,
        /// The values.
        values: List<ExprId>,
    },
    /// `object.name`, not a call.
    Member {
        /// What has the member.
        object: ExprId,
        /// Its name.
        name: Symbol,
    },
    /// `object[index]`
    Index {
        /// What is indexed.
        object: ExprId,
        /// Index or key.
        index: ExprId,
    },
    /// A call of a declared function or a native; arguments may be [`Expr::Spread`].
    CallGlobal {
        /// What is called.
        decl: DeclId,
        /// The arguments.
        arguments: List<ExprId>,
    },
    /// `callee(…)` of anything else; arguments may be [`Expr::Spread`].
    Call {
        /// What is called.
        callee: ExprId,
        /// The arguments.
        arguments: List<ExprId>,
    },
    /// `object.name(…)`, where `object` is a value (not a namespace known before evaluation).
    CallMember {
        /// The receiver.
        object: ExprId,
        /// The name of the method.
        name: Symbol,
        /// The arguments.
        arguments: List<ExprId>,
    },
    /// `!e`
    Not(ExprId),
    /// `-e`
    Minus(ExprId),
    /// `+e`
    Plus(ExprId),
    /// `~e`
    BitNot(ExprId),
    /// `typeof e`
    TypeOf(ExprId),
    /// An operator that evaluates both operands.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left operand.
        left: ExprId,
        /// Right operand.
        right: ExprId,
        /// The same operands again, if they are what most are.
        operands: Operands,
    },
    /// `a && b`
    And(ExprId, ExprId),
    /// `a || b`
    Or(ExprId, ExprId),
    /// `a ? b : c`
    Conditional {
        /// What decides.
        condition: ExprId,
        /// Result when it holds.
        then: ExprId,
        /// Result when it does not.
        otherwise: ExprId,
    },
    /// `x = e`, `x += e` for a local; its value is the new value.
    Assign {
        /// The variable.
        target: Variable,
        /// The operator joined with `=`.
        op: Option<BinaryOp>,
        /// The right side.
        value: ExprId,
    },
    /// `x++`, `--x` for a local.
    Update {
        /// The variable.
        target: Variable,
        /// 1 or -1.
        by: i32,
        /// Whether the result is the new value (`++x`) or the old one (`x++`).
        prefix: bool,
    },
    /// A function literal: an index into [`Code::functions`].
    Lambda(u32),
    /// Something that was reported already: evaluating it fails without a further message.
    Error,
}

/// The operands of an operator that can be had without a look at their expressions. Set when a spec is lowered whole:
/// before, a local may still become a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// None of the others.
    Any,
    /// Two slots of the frame.
    Locals(u16, u16),
    /// A slot of the frame and a number.
    LocalNumber(u16, i32),
}

/// A variable that can be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// A slot of the frame.
    Local(u32),
    /// A cell in a slot of the frame.
    LocalCell(u32),
    /// A cell that the closure captured.
    CaptureCell(u32),
}

/// Which path-like literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathKind {
    /// `p`
    Path,
    /// `d`
    Directory,
    /// `f`
    File,
    /// `r`
    Relative,
    /// `a`
    Atom,
}

/// Text or hole of a literal.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Text with its escapes resolved: an index into [`Code::strings`].
    Text(u32),
    /// A hole.
    Hole(ExprId),
}

/// Operators that evaluate both operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `===`
    Equal,
    /// `!==`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `>>>`
    ShiftRightUnsigned,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `%`
    Remainder,
    /// `**`
    Power,
}

/// A statement of a function body.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Stmt {
    /// `const x = e;`, `let x = e;`: each execution is a new binding.
    Let {
        /// The frame slot.
        slot: u32,
        /// Whether the slot holds a new cell with the value.
        cell: bool,
        /// The value.
        value: ExprId,
    },
    /// `e;`
    Expr(ExprId),
    /// `s += x;`, `s = s + x;`, `xs = xs.push(x);`, `xs = xs.concat(ys);`, `xs = [...xs, x];` for a local that no closure
    /// captures: means what the assignment means, but the value can grow in place.
    Grow {
        /// The frame slot.
        slot: u32,
        /// The assignment. But for the place where it adds, its right side neither reads nor assigns the variable.
        whole: ExprId,
        /// What it adds.
        by: Growth,
    },
    /// `{ … }`
    Block(List<StmtId>),
    /// `if (a) b else c`
    If {
        /// What decides.
        condition: ExprId,
        /// When it holds.
        then: StmtId,
        /// When it does not.
        otherwise: Option<StmtId>,
    },
    /// `switch (e) { … }`: falls through until `break`.
    Switch {
        /// What is compared with `===`.
        subject: ExprId,
        /// The clauses in order.
        clauses: List<Clause>,
    },
    /// `for (init; condition; step) body`
    For {
        /// Runs first.
        init: Option<StmtId>,
        /// Goes on while it holds.
        condition: Option<ExprId>,
        /// After each round.
        step: Option<ExprId>,
        /// What is repeated.
        body: StmtId,
    },
    /// `for (const x of e) body`
    ForOf {
        /// The frame slot of `x`.
        slot: u32,
        /// Whether the slot holds a new cell for each round.
        cell: bool,
        /// An array.
        iterable: ExprId,
        /// What is repeated.
        body: StmtId,
    },
    /// `while (e) body`
    While {
        /// Goes on while it holds.
        condition: ExprId,
        /// What is repeated.
        body: StmtId,
    },
    /// `do body while (e);`
    DoWhile {
        /// What is repeated.
        body: StmtId,
        /// Goes on while it holds.
        condition: ExprId,
    },
    /// `return e;`
    Return(Option<ExprId>),
    /// `break;`
    Break,
    /// `continue;`
    Continue,
    /// `;`
    Empty,
}

/// What a [`Stmt::Grow`] adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// `s += x`
    Text,
    /// `s = s + x + …`
    Texts,
    /// `xs = xs.push(x, …)`
    Push,
    /// `xs = xs.concat(ys, …)`
    Concat,
    /// `xs = [...xs, x, …]`
    Items,
}

/// `case e:` or `default:` with its statements.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    /// What it compares with; none for `default`.
    pub test: Option<ExprId>,
    /// What it does.
    pub body: List<StmtId>,
}

/// A function, lambda or the computation of a value.
#[derive(Clone, Debug)]
pub struct Function {
    /// The whole function in the text.
    pub span: Span,
    /// Its name; none for a lambda.
    pub name: Option<Symbol>,
    /// The names of its parameters, in slots 0, 1, 2 and so on.
    pub parameters: Box<[Symbol]>,
    /// How many of them must be given.
    pub required: u32,
    /// Whether the last parameter takes all further arguments as an array.
    pub rest: bool,
    /// Parameters that live in cells.
    pub cell_parameters: Box<[u32]>,
    /// Whether the arguments of a call make up the frame as they are: each is a parameter, none of which lives in a cell
    /// or takes what others leave, and there are no other variables.
    pub plain: bool,
    /// How many slots its frame has, parameters included.
    pub slots: u32,
    /// Where the captured values come from, in the frame of the function that holds this one.
    pub captures: Box<[CaptureSource]>,
    /// What it does.
    pub body: Body,
    /// The namespace it is written in: the meaning of `qualifier` and the name in traces.
    pub namespace: NamespaceId,
}

/// Where a closure finds a captured value when it is made. Cells are captured as cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureSource {
    /// A slot of the enclosing frame.
    Local(u32),
    /// A captured value of the enclosing closure.
    Capture(u32),
}

/// The body of a function.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// One expression.
    Expr(ExprId),
    /// Statements.
    Block(List<StmtId>),
}

/// The code of one spec.
#[derive(Debug)]
pub struct Code {
    /// The spec.
    pub spec: SpecId,
    /// Its file: spans lie in it.
    pub file: FileId,
    /// Expressions by [`ExprId`].
    pub exprs: Vec<Expr>,
    /// Where each expression stands.
    pub expr_spans: Vec<Span>,
    /// Statements by [`StmtId`].
    pub stmts: Vec<Stmt>,
    /// Where each statement stands.
    pub stmt_spans: Vec<Span>,
    /// Functions and lambdas.
    pub functions: Vec<Function>,
    /// Texts.
    pub strings: Vec<Box<str>>,
    /// Relative paths.
    pub relatives: Vec<RelativePath>,
    /// Keys of object literals in order, without repetition.
    pub shapes: Vec<Box<[Symbol]>>,
    /// Storage of `List<ExprId>`.
    pub expr_lists: Vec<ExprId>,
    /// Storage of `List<StmtId>`.
    pub stmt_lists: Vec<StmtId>,
    /// Storage of `List<Part>`.
    pub parts: Vec<Part>,
    /// Storage of `List<Clause>`.
    pub clauses: Vec<Clause>,
}

impl Code {
    /// Code without nodes.
    pub fn new(spec: SpecId, file: FileId) -> Self {
        Self {
            spec,
            file,
            exprs: Vec::new(),
            expr_spans: Vec::new(),
            stmts: Vec::new(),
            stmt_spans: Vec::new(),
            functions: Vec::new(),
            strings: Vec::new(),
            relatives: Vec::new(),
            shapes: Vec::new(),
            expr_lists: Vec::new(),
            stmt_lists: Vec::new(),
            parts: Vec::new(),
            clauses: Vec::new(),
        }
    }

    /// Gives back what the vectors have to spare: code lives as long as the program.
    pub fn shrink(&mut self) {
        self.exprs.shrink_to_fit();
        self.expr_spans.shrink_to_fit();
        self.stmts.shrink_to_fit();
        self.stmt_spans.shrink_to_fit();
        self.functions.shrink_to_fit();
        self.strings.shrink_to_fit();
        self.shapes.shrink_to_fit();
        self.expr_lists.shrink_to_fit();
        self.parts.shrink_to_fit();
    }

    /// Notes the operands of all operators. The code is complete then.
    pub fn note_operands(&mut self) {
        for id in 0..self.exprs.len() {
            let Expr::Binary { left, right, .. } = self.exprs[id] else { continue };
            let found = match (self.exprs[left.0 as usize], self.exprs[right.0 as usize]) {
                (Expr::Local(left), Expr::Local(right)) => match (u16::try_from(left), u16::try_from(right)) {
                    (Ok(left), Ok(right)) => Operands::Locals(left, right),
                    _ => continue,
                },
                (Expr::Local(slot), Expr::Number(number)) => match u16::try_from(slot) {
                    Ok(slot) => Operands::LocalNumber(slot, number),
                    Err(_) => continue,
                },
                _ => continue,
            };
            if let Expr::Binary { operands, .. } = &mut self.exprs[id] {
                *operands = found;
            }
        }
    }

    /// The expressions of a list.
    pub fn exprs_of(&self, list: List<ExprId>) -> &[ExprId] {
        &self.expr_lists[list.start as usize..][..list.len as usize]
    }

    /// The statements of a list.
    pub fn stmts_of(&self, list: List<StmtId>) -> &[StmtId] {
        &self.stmt_lists[list.start as usize..][..list.len as usize]
    }

    /// The parts of a literal.
    pub fn parts_of(&self, list: List<Part>) -> &[Part] {
        &self.parts[list.start as usize..][..list.len as usize]
    }

    /// The clauses of a switch.
    pub fn clauses_of(&self, list: List<Clause>) -> &[Clause] {
        &self.clauses[list.start as usize..][..list.len as usize]
    }

    /// Where an expression stands.
    pub fn span(&self, id: ExprId) -> Span {
        self.expr_spans[id.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_small() {
        assert_eq!(size_of::<Expr>(), 20);
        assert_eq!(size_of::<Stmt>(), 32);
    }
}
