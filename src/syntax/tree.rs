//! The syntax tree of one file: where its nodes live.
//!
//! Nodes lie in vectors and refer to one another by small typed ids, children always before their parents: building,
//! dropping and comparing a tree never recurses, however deep it is. Every node has a span.

use std::marker::PhantomData;
use std::sync::Arc;

use super::ast::{
    Comment, Declarator, EnumMember, Expr, ExprId, Function, FunctionId, Ident, ImportName, Member, Parameter, Stmt,
    StmtId, SwitchClause, TemplatePart, Type, TypeId, TypeMember, TypeParameter,
};
use crate::source::{FileId, Span};

/// Several nodes that lie next to one another in the [`Ast`]'s vector of `T`.
#[derive(Debug)]
pub struct List<T> {
    /// Index of the first.
    pub start: u32,
    /// How many.
    pub len: u32,
    marker: PhantomData<fn() -> T>,
}

impl<T> List<T> {
    /// A list by its place.
    pub fn new(start: u32, len: u32) -> Self {
        Self { start, len, marker: PhantomData }
    }

    /// No nodes.
    pub fn empty() -> Self {
        Self::new(0, 0)
    }

    /// Whether it holds no node.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// How many nodes it holds.
    pub fn len(self) -> usize {
        self.len as usize
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<T> {}

/// The syntax tree of one file.
#[derive(Debug)]
pub struct Ast {
    /// The file.
    pub file: FileId,
    /// Its text.
    pub text: Arc<str>,
    /// The statements of the file.
    pub body: List<StmtId>,
    /// The comments in order.
    pub comments: Vec<Comment>,
    /// Storage of every kind of node; use the accessors.
    pub nodes: Nodes,
}

/// The vectors behind an [`Ast`].
#[derive(Debug, Default)]
pub struct Nodes {
    pub(super) exprs: Vec<Expr>,
    pub(super) expr_spans: Vec<Span>,
    pub(super) stmts: Vec<Stmt>,
    pub(super) stmt_spans: Vec<Span>,
    pub(super) types: Vec<Type>,
    pub(super) type_spans: Vec<Span>,
    pub(super) functions: Vec<Function>,
    pub(super) expr_lists: Vec<ExprId>,
    pub(super) stmt_lists: Vec<StmtId>,
    pub(super) type_lists: Vec<TypeId>,
    pub(super) ident_lists: Vec<Ident>,
    pub(super) template_parts: Vec<TemplatePart>,
    pub(super) members: Vec<Member>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) type_parameters: Vec<TypeParameter>,
    pub(super) type_members: Vec<TypeMember>,
    pub(super) declarators: Vec<Declarator>,
    pub(super) import_names: Vec<ImportName>,
    pub(super) enum_members: Vec<EnumMember>,
    pub(super) switch_clauses: Vec<SwitchClause>,
}

impl Nodes {
    /// With room for about what so many tokens make: every second one an expression.
    pub(super) fn for_tokens(count: usize) -> Self {
        Self {
            exprs: Vec::with_capacity(count / 2),
            expr_spans: Vec::with_capacity(count / 2),
            expr_lists: Vec::with_capacity(count / 6),
            members: Vec::with_capacity(count / 12),
            ..Self::default()
        }
    }

    /// Gives back what the vectors reserved while they grew: the trees of all files live at the same time.
    pub(super) fn shrink_to_fit(&mut self) {
        self.exprs.shrink_to_fit();
        self.expr_spans.shrink_to_fit();
        self.stmts.shrink_to_fit();
        self.stmt_spans.shrink_to_fit();
        self.types.shrink_to_fit();
        self.type_spans.shrink_to_fit();
        self.functions.shrink_to_fit();
        self.expr_lists.shrink_to_fit();
        self.stmt_lists.shrink_to_fit();
        self.type_lists.shrink_to_fit();
        self.ident_lists.shrink_to_fit();
        self.template_parts.shrink_to_fit();
        self.members.shrink_to_fit();
        self.parameters.shrink_to_fit();
        self.type_parameters.shrink_to_fit();
        self.type_members.shrink_to_fit();
        self.declarators.shrink_to_fit();
        self.import_names.shrink_to_fit();
        self.enum_members.shrink_to_fit();
        self.switch_clauses.shrink_to_fit();
    }
}

macro_rules! lists {
    ($($node:ident in $field:ident),* $(,)?) => {$(
        impl ListNode for $node {
            fn store(nodes: &Nodes) -> &[Self] {
                &nodes.$field
            }
            fn store_mut(nodes: &mut Nodes) -> &mut Vec<Self> {
                &mut nodes.$field
            }
        }
    )*};
}

/// A kind of node that lists hold.
pub trait ListNode: Sized + Copy {
    #[doc(hidden)]
    fn store(nodes: &Nodes) -> &[Self];
    #[doc(hidden)]
    fn store_mut(nodes: &mut Nodes) -> &mut Vec<Self>;
}

lists! {
    ExprId in expr_lists,
    StmtId in stmt_lists,
    TypeId in type_lists,
    Ident in ident_lists,
    TemplatePart in template_parts,
    Member in members,
    Parameter in parameters,
    TypeParameter in type_parameters,
    TypeMember in type_members,
    Declarator in declarators,
    ImportName in import_names,
    EnumMember in enum_members,
    SwitchClause in switch_clauses,
}

impl Nodes {
    /// Adds an expression.
    pub fn expr(&mut self, span: Span, expr: Expr) -> ExprId {
        self.exprs.push(expr);
        self.expr_spans.push(span);
        ExprId(self.exprs.len() as u32 - 1)
    }

    /// Adds a statement.
    pub fn stmt(&mut self, span: Span, stmt: Stmt) -> StmtId {
        self.stmts.push(stmt);
        self.stmt_spans.push(span);
        StmtId(self.stmts.len() as u32 - 1)
    }

    /// Adds a type.
    pub fn ty(&mut self, span: Span, ty: Type) -> TypeId {
        self.types.push(ty);
        self.type_spans.push(span);
        TypeId(self.types.len() as u32 - 1)
    }

    /// Adds a function.
    pub fn function(&mut self, function: Function) -> FunctionId {
        self.functions.push(function);
        FunctionId(self.functions.len() as u32 - 1)
    }

    /// Adds nodes that belong together.
    pub fn list<T: ListNode>(&mut self, items: &[T]) -> List<T> {
        let store = T::store_mut(self);
        let start = store.len() as u32;
        store.extend_from_slice(items);
        List::new(start, items.len() as u32)
    }

    /// The span of an expression already added.
    pub fn span_of(&self, id: ExprId) -> Span {
        self.expr_spans[id.0 as usize]
    }
}

impl Ast {
    /// Whether nothing of the file is missing in the tree: every mistake could be read as what was meant.
    pub fn is_whole(&self) -> bool {
        let nodes = &self.nodes;
        !nodes.exprs.iter().any(|expr| matches!(expr, Expr::Error))
            && !nodes.stmts.iter().any(|stmt| matches!(stmt, Stmt::Error))
            && !nodes.types.iter().any(|ty| matches!(ty, Type::Error))
    }

    /// The expression.
    pub fn expr(&self, id: ExprId) -> Expr {
        self.nodes.exprs[id.0 as usize]
    }

    /// Where the expression stands.
    pub fn expr_span(&self, id: ExprId) -> Span {
        self.nodes.expr_spans[id.0 as usize]
    }

    /// The statement.
    pub fn stmt(&self, id: StmtId) -> Stmt {
        self.nodes.stmts[id.0 as usize]
    }

    /// Where the statement stands.
    pub fn stmt_span(&self, id: StmtId) -> Span {
        self.nodes.stmt_spans[id.0 as usize]
    }

    /// The type.
    pub fn ty(&self, id: TypeId) -> Type {
        self.nodes.types[id.0 as usize]
    }

    /// Where the type stands.
    pub fn type_span(&self, id: TypeId) -> Span {
        self.nodes.type_spans[id.0 as usize]
    }

    /// The function.
    pub fn function(&self, id: FunctionId) -> Function {
        self.nodes.functions[id.0 as usize]
    }

    /// The nodes of a list.
    pub fn list<T: ListNode>(&self, list: List<T>) -> &[T] {
        &T::store(&self.nodes)[list.start as usize..list.start as usize + list.len as usize]
    }

    /// The text of a span.
    pub fn text_of(&self, span: Span) -> &str {
        span.of(&self.text)
    }

    /// The text of a name.
    pub fn name(&self, ident: Ident) -> &str {
        ident.span.of(&self.text)
    }

    /// All expressions in order of creation.
    pub fn all_exprs(&self) -> impl Iterator<Item = (ExprId, Expr)> + '_ {
        self.nodes.exprs.iter().enumerate().map(|(index, expr)| (ExprId(index as u32), *expr))
    }

    /// All statements in order of creation.
    pub fn all_stmts(&self) -> impl Iterator<Item = (StmtId, Stmt)> + '_ {
        self.nodes.stmts.iter().enumerate().map(|(index, stmt)| (StmtId(index as u32), *stmt))
    }

    /// All types in order of creation.
    pub fn all_types(&self) -> impl Iterator<Item = (TypeId, Type)> + '_ {
        self.nodes.types.iter().enumerate().map(|(index, ty)| (TypeId(index as u32), *ty))
    }
}
