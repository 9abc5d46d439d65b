//! The nodes of the syntax tree.
//!
//! They refer to one another by small typed ids; [`Ast`] (in `tree`) holds them. Names and literals are kept as spans of
//! the text; [`Ast::text_of`] and the functions of the `literals` module read them.

use crate::source::Span;

pub use super::tree::{Ast, List, ListNode, Nodes};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
    )*};
}

ids! {
    /// An expression.
    ExprId,
    /// A statement or declaration.
    StmtId,
    /// A type.
    TypeId,
    /// A function: signature and body, of a declaration, an arrow or a function expression.
    FunctionId,
}

/// A name as written, by its place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    /// Where it stands.
    pub span: Span,
}

/// An expression.
#[derive(Clone, Copy, Debug)]
pub enum Expr {
    /// A name. `undefined`, `qualifier`, `template` and `$` are names too.
    Name,
    /// `true`
    True,
    /// `false`
    False,
    /// `null` (refused by a rule).
    Null,
    /// `this` (refused by a rule).
    This,
    /// A number as written: decimal, hexadecimal, octal, binary, also with a fraction or exponent (refused by a rule).
    Number,
    /// A quoted string, the span includes the quotes.
    String,
    /// A regular expression literal (refused by a rule).
    RegExp,
    /// A back-tick literal, with a tag such as `p`, `d`, `f`, `r`, `a` or without.
    Template {
        /// The tag directly before the back tick.
        tag: Option<Ident>,
        /// Text and holes in order; empty text is left out.
        parts: List<TemplatePart>,
    },
    /// `[a, ...b]`
    Array {
        /// Items; some may be [`Expr::Spread`].
        items: List<ExprId>,
    },
    /// `...e`, in array literals, arguments and (refused by a rule) object literals.
    Spread(ExprId),
    /// `{a: 1, b, "c": 2}`
    Object {
        /// The members in order.
        members: List<Member>,
    },
    /// `(a) => b`
    Arrow(FunctionId),
    /// `function (a) { … }` as an expression (refused by a rule).
    Function(FunctionId),
    /// `class { … }` as an expression (refused by a rule); its body is skipped.
    Class,
    /// `callee<T>(args)`
    Call {
        /// What is called.
        callee: ExprId,
        /// Explicit type arguments.
        type_arguments: List<TypeId>,
        /// Arguments; some may be [`Expr::Spread`] or [`Expr::Named`].
        arguments: List<ExprId>,
    },
    /// `name: value` as an argument: not DScript, but its documentation writes it.
    Named {
        /// The parameter's name.
        name: Ident,
        /// The argument.
        value: ExprId,
    },
    /// `new C(args)` (refused by a rule).
    New {
        /// What is made.
        callee: ExprId,
        /// Arguments.
        arguments: List<ExprId>,
    },
    /// `object.name`
    Member {
        /// What has the member.
        object: ExprId,
        /// The member's name.
        name: Ident,
    },
    /// `object[index]`
    Index {
        /// What is indexed.
        object: ExprId,
        /// The index or key.
        index: ExprId,
    },
    /// `!a`, `-a`, `+a`, `~a`, `typeof a`; `void a` and `delete a` (refused by a rule).
    Unary {
        /// The operator.
        op: UnaryOp,
        /// Its operand.
        operand: ExprId,
    },
    /// `a++`, `--a`
    Update {
        /// Whether 1 is added (else taken away).
        increment: bool,
        /// Whether the operator stands before its operand.
        prefix: bool,
        /// What is changed.
        target: ExprId,
    },
    /// `a + b` and all other operators with two operands that are not assignments.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Left operand.
        left: ExprId,
        /// Right operand.
        right: ExprId,
    },
    /// `a = b`, `a += b` and so on.
    Assign {
        /// The operator joined with `=`; none for plain `=`.
        op: Option<BinaryOp>,
        /// What is assigned to.
        target: ExprId,
        /// The new value.
        value: ExprId,
    },
    /// `condition ? then : otherwise`
    Conditional {
        /// What decides.
        condition: ExprId,
        /// Result when it holds.
        then: ExprId,
        /// Result when it does not.
        otherwise: ExprId,
    },
    /// `<T>e` or `e as T`
    Cast {
        /// The type.
        ty: TypeId,
        /// What is cast.
        operand: ExprId,
        /// Whether it is written `e as T`.
        postfix: bool,
    },
    /// `(e)`; kept so that the printer can keep it.
    Paren(ExprId),
    /// Nothing between two commas of an array literal: `undefined`. Its span is empty.
    Hole,
    /// Where something could not be parsed; a diagnostic says what.
    Error,
}

/// Text or hole of a back-tick literal.
#[derive(Clone, Copy, Debug)]
pub enum TemplatePart {
    /// Text as written, with its escapes.
    Text(Span),
    /// `${e}`
    Hole(ExprId),
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`
    Minus,
    /// `+`
    Plus,
    /// `~`
    BitNot,
    /// `typeof`
    TypeOf,
    /// `void` (refused by a rule)
    Void,
    /// `delete` (refused by a rule)
    Delete,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `||`
    Or,
    /// `&&`
    And,
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
    /// `==` (refused by a rule)
    LooseEqual,
    /// `!=` (refused by a rule)
    LooseNotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `instanceof` (refused by a rule)
    InstanceOf,
    /// `in` (refused by a rule)
    In,
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
    /// `/` (refused by a rule)
    Divide,
    /// `%`
    Remainder,
    /// `**`
    Power,
}

/// A member of an object literal.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// From its key to its value.
    pub span: Span,
    /// What it is.
    pub kind: MemberKind,
}

/// The forms of object members.
#[derive(Clone, Copy, Debug)]
pub enum MemberKind {
    /// `key: value`
    Property {
        /// The key.
        key: PropertyName,
        /// The value.
        value: ExprId,
    },
    /// `name` for `name: name`.
    Shorthand {
        /// Key and value.
        name: Ident,
        /// The value: an [`Expr::Name`].
        value: ExprId,
    },
    /// `key() { … }` (refused by a rule).
    Method {
        /// The key.
        key: PropertyName,
        /// Parameters and body.
        function: FunctionId,
    },
    /// `...e` (refused by a rule).
    Spread(ExprId),
}

/// A key of an object literal, or the name of an interface or enum member.
#[derive(Clone, Copy, Debug)]
pub enum PropertyName {
    /// A bare name, keywords included.
    Ident(Ident),
    /// A quoted string, with its quotes.
    String(Span),
    /// A number.
    Number(Span),
    /// `[e]` (refused by a rule).
    Computed(ExprId),
}

/// Parameters, types and body of a function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// The whole function.
    pub span: Span,
    /// `<T, U extends V>`
    pub type_parameters: List<TypeParameter>,
    /// Parameters in order.
    pub parameters: List<Parameter>,
    /// The declared result.
    pub return_type: Option<TypeId>,
    /// What it does.
    pub body: FunctionBody,
}

/// The body of a function.
#[derive(Clone, Copy, Debug)]
pub enum FunctionBody {
    /// `=> e`
    Expr(ExprId),
    /// `{ … }`: a [`Stmt::Block`].
    Block(StmtId),
    /// None: `declare function`.
    None,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The whole parameter.
    pub span: Span,
    /// Its name, or a destructuring pattern (refused by a rule).
    pub pattern: Pattern,
    /// `...rest`
    pub rest: bool,
    /// `name?`
    pub optional: bool,
    /// Its type.
    pub ty: Option<TypeId>,
    /// `= e` (refused by a rule).
    pub default: Option<ExprId>,
}

/// What a declaration binds.
#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    /// A name.
    Ident(Ident),
    /// `{a, b}` or `[a, b]` (refused by a rule); what is inside is skipped.
    Destructuring(Span),
}

/// `T` or `T extends U`.
#[derive(Clone, Copy, Debug)]
pub struct TypeParameter {
    /// Its name.
    pub name: Ident,
    /// What it must extend.
    pub constraint: Option<TypeId>,
}

/// A type.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// `A`, `A.B`, `A<T>`; keywords such as `string`, `any`, `void` too.
    Reference {
        /// The parts of the dotted name.
        name: List<Ident>,
        /// `<T>`
        arguments: List<TypeId>,
    },
    /// `"text"`: a string literal as a type.
    StringLiteral,
    /// A number as a type.
    NumberLiteral,
    /// `true`, `false`, `null` or `this` as a type.
    KeywordLiteral,
    /// `T[]`
    Array(TypeId),
    /// `[T, U]`
    Tuple(List<TypeId>),
    /// `T | U`
    Union(List<TypeId>),
    /// `T & U`
    Intersection(List<TypeId>),
    /// `(a: T) => U`
    Function(FunctionId),
    /// `new () => T` (refused by a rule).
    Constructor(FunctionId),
    /// `{a: T; b?: U}`
    Object(List<TypeMember>),
    /// `typeof a.b`
    Query(List<Ident>),
    /// `x is T`
    Predicate {
        /// The parameter.
        parameter: Ident,
        /// What it is when the function says so.
        ty: TypeId,
    },
    /// `(T)`
    Paren(TypeId),
    /// Where something could not be parsed.
    Error,
}

/// A member of an interface or object type.
#[derive(Clone, Copy, Debug)]
pub struct TypeMember {
    /// The whole member.
    pub span: Span,
    /// Decorators before it: expressions without the `@`.
    pub decorators: List<ExprId>,
    /// `readonly` (refused by a rule).
    pub readonly: Option<Span>,
    /// What it is.
    pub kind: TypeMemberKind,
}

/// The forms of type members.
#[derive(Clone, Copy, Debug)]
pub enum TypeMemberKind {
    /// `name?: T`
    Property {
        /// Its name.
        name: PropertyName,
        /// `?`
        optional: bool,
        /// Its type.
        ty: Option<TypeId>,
    },
    /// `name?(a: T): U`
    Method {
        /// Its name.
        name: PropertyName,
        /// `?`
        optional: bool,
        /// Its signature.
        function: FunctionId,
    },
    /// `[key: T]: U`
    Index {
        /// The parameter and its type.
        parameter: Parameter,
        /// What lookups give.
        ty: Option<TypeId>,
    },
    /// `(a: T): U`
    Call(FunctionId),
    /// `new (a: T): U` (refused by a rule).
    Construct(FunctionId),
}

/// A statement or declaration.
#[derive(Clone, Copy, Debug)]
pub enum Stmt {
    /// `import … from "M";`
    Import {
        /// What stands between `import` and `from`.
        clause: ImportClause,
        /// The text after `from`: any expression, so that a rule can refuse what is not a string.
        from: ExprId,
        /// `export` or others before `import` (refused by a rule).
        modifiers: Modifiers,
    },
    /// `export * from "M";`, `export {a as b} from "M";`, `export {a};`
    Export {
        /// The names; none for `*`.
        names: Option<List<ImportName>>,
        /// The text after `from`.
        from: Option<ExprId>,
        /// Decorators before it.
        decorators: List<ExprId>,
    },
    /// `export default e;` (refused by a rule).
    ExportDefault(ExprId),
    /// `const a: T = 1, b = 2;`
    Variable {
        /// `@@public`, `export`, `declare`.
        modifiers: Modifiers,
        /// `const`, `let` or `var`.
        kind: VariableKind,
        /// One or several.
        declarators: List<Declarator>,
    },
    /// `function f(…) { … }`
    Function {
        /// `@@public`, `export`, `declare`.
        modifiers: Modifiers,
        /// Its name.
        name: Ident,
        /// Everything else.
        function: FunctionId,
    },
    /// `interface I<T> extends J { … }`
    Interface {
        /// `@@public`, `export`, `declare`.
        modifiers: Modifiers,
        /// Its name.
        name: Ident,
        /// `<T>`
        type_parameters: List<TypeParameter>,
        /// After `extends`: types, so that a rule can refuse what is not a name.
        extends: List<TypeId>,
        /// `implements` and the types after it (refused by a rule).
        implements: Option<Span>,
        /// Its members.
        members: List<TypeMember>,
    },
    /// `type T<U> = V;`
    TypeAlias {
        /// `@@public`, `export`, `declare`.
        modifiers: Modifiers,
        /// Its name.
        name: Ident,
        /// `<T>`
        type_parameters: List<TypeParameter>,
        /// What it stands for.
        ty: TypeId,
    },
    /// `const enum E { a, b = 2 }`
    Enum {
        /// `@@public`, `export`, `declare`.
        modifiers: Modifiers,
        /// Whether `const` stands before it.
        is_const: bool,
        /// Its name.
        name: Ident,
        /// Its members.
        members: List<EnumMember>,
    },
    /// `namespace A.B { … }`; `module` as the keyword is the same.
    Namespace {
        /// `@@public`, `export`, `declare`.
        modifiers: Modifiers,
        /// The parts of its dotted name.
        name: List<Ident>,
        /// What is inside.
        body: List<StmtId>,
    },
    /// `class C { … }` (refused by a rule); its body is skipped.
    Class {
        /// Its name.
        name: Option<Ident>,
    },
    /// `e;`
    Expr(ExprId),
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
    /// `switch (e) { … }`
    Switch {
        /// What is compared.
        subject: ExprId,
        /// The clauses in order.
        clauses: List<SwitchClause>,
    },
    /// `for (init; condition; step) body`
    For {
        /// A [`Stmt::Variable`] or [`Stmt::Expr`].
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
        /// A [`Stmt::Variable`] or [`Stmt::Expr`].
        binding: StmtId,
        /// What is gone through.
        iterable: ExprId,
        /// What is repeated.
        body: StmtId,
    },
    /// `for (const x in e) body` (refused by a rule).
    ForIn {
        /// A [`Stmt::Variable`] or [`Stmt::Expr`].
        binding: StmtId,
        /// What is gone through.
        object: ExprId,
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
    Break(Option<Ident>),
    /// `continue;`
    Continue(Option<Ident>),
    /// `throw e;` (refused by a rule).
    Throw(Option<ExprId>),
    /// `try { … } catch (e) { … } finally { … }` (refused by a rule).
    Try {
        /// The blocks of try, catch and finally that are there.
        blocks: List<StmtId>,
    },
    /// `name: statement` (refused by a rule).
    Labeled {
        /// The label.
        label: Ident,
        /// What it labels.
        body: StmtId,
    },
    /// `;`
    Empty,
    /// Where something could not be parsed; a diagnostic says what.
    Error,
}

/// `const`, `let`, `var`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableKind {
    /// `const`
    Const,
    /// `let`
    Let,
    /// `var` (refused by a rule)
    Var,
}

/// What may stand before a declaration.
#[derive(Clone, Copy, Debug)]
pub struct Modifiers {
    /// Decorators in order: expressions without the `@@` or `@`.
    pub decorators: List<ExprId>,
    /// Where `export` stands.
    pub export: Option<Span>,
    /// Where `declare` stands.
    pub declare: Option<Span>,
    /// The first of `async`, `abstract`, `public`, `private`, `protected`, `static`, `default` (refused by a rule).
    pub other: Option<Span>,
}

impl Modifiers {
    /// None at all.
    pub fn none() -> Self {
        Self { decorators: List::empty(), export: None, declare: None, other: None }
    }
}

/// One name of a `const` or `let`.
#[derive(Clone, Copy, Debug)]
pub struct Declarator {
    /// From the name to the end of the value.
    pub span: Span,
    /// What is bound.
    pub pattern: Pattern,
    /// Its type.
    pub ty: Option<TypeId>,
    /// Its value.
    pub init: Option<ExprId>,
}

/// What an import binds.
#[derive(Clone, Copy, Debug)]
pub enum ImportClause {
    /// `import "M";`: nothing.
    Nothing,
    /// `import * from "M";` (refused by a rule): all names.
    All,
    /// `* as X`
    Star(Ident),
    /// `{a, b as c}`
    Names(List<ImportName>),
    /// `x` (refused by a rule).
    Default(Ident),
    /// `import x = …;` (refused by a rule): the name.
    Equals(Ident),
}

/// `a` or `a as b`.
#[derive(Clone, Copy, Debug)]
pub struct ImportName {
    /// The name in the other module.
    pub name: Ident,
    /// The name here, where it differs.
    pub alias: Option<Ident>,
}

/// A member of an enum.
#[derive(Clone, Copy, Debug)]
pub struct EnumMember {
    /// The whole member.
    pub span: Span,
    /// Decorators before it.
    pub decorators: List<ExprId>,
    /// Its name.
    pub name: PropertyName,
    /// `= e`
    pub value: Option<ExprId>,
}

/// `case e:` or `default:` with its statements.
#[derive(Clone, Copy, Debug)]
pub struct SwitchClause {
    /// From `case` to the end of its last statement.
    pub span: Span,
    /// What it compares with; none for `default`.
    pub test: Option<ExprId>,
    /// What it does.
    pub body: List<StmtId>,
}

/// A comment, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// From its first slash to its end, without the line break.
    pub span: Span,
    /// Whether it is written `/* … */`.
    pub block: bool,
}
