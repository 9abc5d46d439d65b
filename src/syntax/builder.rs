//! What the grammar's actions do: they put nodes into the arena and hand small ids back to the parser.

use super::ast::*;
use crate::source::Span;

/// An error found by an action: a place, a message and a label.
#[derive(Clone, Debug)]
pub struct ActionError {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Builds the nodes of one file while it is parsed.
pub struct Builder<'t> {
    /// The text of the file.
    pub text: &'t str,
    /// The finished nodes.
    pub nodes: Nodes,
    /// Items of lists that are still open. A list is known by where it starts here: inner lists are complete, and
    /// gone from here, before the next item of the outer one is added.
    scratch: Nodes,
    modifiers: Vec<Modifier>,
    heads: Vec<LoopHead>,
    chain: Vec<ChainItem>,
    operands: Vec<ExprId>,
    operators: Vec<BinaryOp>,
    /// Errors that do not stop the parser.
    pub errors: Vec<ActionError>,
}

enum Modifier {
    Decorator(ExprId),
    Export(Span),
    Declare(Span),
    Other(Span),
}

/// What stands before the body of a loop or of a labelled statement.
#[derive(Clone, Copy)]
pub enum LoopHead {
    /// `for (init; condition; step)`
    For(Option<StmtId>, Option<ExprId>, Option<ExprId>),
    /// `for (binding of e)`
    Of(StmtId, ExprId),
    /// `for (binding in e)`
    In(StmtId, ExprId),
    /// `while (e)`
    While(ExprId),
    /// `label:`
    Label(Ident),
}

enum ChainItem {
    Operand(ExprId),
    Operator(BinaryOp),
    As(TypeId),
}

/// Shorthand of the grammar.
pub fn span(start: u32, end: u32) -> Span {
    Span::new(start, end)
}

impl<'t> Builder<'t> {
    /// Ready to build the tree of `text`, which has so many tokens.
    pub fn new(text: &'t str, tokens: usize) -> Self {
        Self {
            text,
            nodes: Nodes::for_tokens(tokens),
            scratch: Nodes::default(),
            modifiers: Vec::new(),
            heads: Vec::new(),
            chain: Vec::new(),
            operands: Vec::new(),
            operators: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds an error that does not stop the parser.
    pub fn error(&mut self, span: Span, message: impl Into<String>, help: Option<&str>) {
        self.errors.push(ActionError { span, message: message.into(), help: help.map(str::to_owned) });
    }

    // Lists.

    /// Adds an item to the innermost open list and gives its place.
    pub fn push<T: ListNode>(&mut self, item: T) -> u32 {
        let store = T::store_mut(&mut self.scratch);
        store.push(item);
        store.len() as u32 - 1
    }

    /// The place where the next item would go: stands for an item that could not be parsed.
    pub fn skip<T: ListNode>(&mut self) -> u32 {
        T::store_mut(&mut self.scratch).len() as u32
    }

    /// Completes the list whose first item is at `start`.
    pub fn finish<T: ListNode>(&mut self, start: u32) -> List<T> {
        let store = T::store_mut(&mut self.scratch);
        let target = T::store_mut(&mut self.nodes);
        let list = List::new(target.len() as u32, store.len() as u32 - start);
        target.extend_from_slice(&store[start as usize..]);
        store.truncate(start as usize);
        list
    }

    /// A list of one item.
    pub fn one<T: ListNode>(&mut self, item: T) -> List<T> {
        self.nodes.list(&[item])
    }

    // Expressions.

    /// Adds an expression.
    pub fn expr(&mut self, start: u32, end: u32, expr: Expr) -> ExprId {
        self.nodes.expr(Span::new(start, end), expr)
    }

    /// A back-tick literal without holes.
    pub fn template(&mut self, start: u32, end: u32) -> ExprId {
        let tag = self.tag(start, end);
        let from = tag.map_or(start, |tag| tag.span.end) + 1;
        let closed = end > from && self.text.as_bytes().get(end as usize - 1) == Some(&b'`');
        let to = if closed { end - 1 } else { end };
        let parts = if from < to { self.one(TemplatePart::Text(Span::new(from, to))) } else { List::empty() };
        self.expr(start, end, Expr::Template { tag, parts })
    }

    /// The tag of a back-tick literal that begins at `start`.
    pub fn tag(&self, start: u32, end: u32) -> Option<Ident> {
        let literal = Span::new(start, end).of(self.text);
        let tick = literal.find('`')? as u32;
        (tick > 0).then(|| Ident { span: Span::new(start, start + tick) })
    }

    /// Begins a chain of operators: its first operand.
    pub fn chain_start(&mut self, operand: ExprId) -> u32 {
        self.chain.push(ChainItem::Operand(operand));
        self.chain.len() as u32 - 1
    }

    /// Goes on with an operator and its right operand.
    pub fn chain_operator(&mut self, start: u32, op: BinaryOp, operand: ExprId) -> u32 {
        self.chain.push(ChainItem::Operator(op));
        self.chain.push(ChainItem::Operand(operand));
        start
    }

    /// Goes on with `as T`.
    pub fn chain_as(&mut self, start: u32, ty: TypeId) -> u32 {
        self.chain.push(ChainItem::As(ty));
        start
    }

    /// Turns the chain into a tree by the precedence of its operators.
    pub fn chain_finish(&mut self, start: u32) -> ExprId {
        let (operands_from, operators_from) = (self.operands.len(), self.operators.len());
        let items = self.chain.split_off(start as usize);
        for item in items {
            match item {
                ChainItem::Operand(operand) => self.operands.push(operand),
                ChainItem::Operator(op) => {
                    self.reduce_while(operators_from, |top| {
                        if op == BinaryOp::Power {
                            precedence(top) > precedence(op)
                        } else {
                            precedence(top) >= precedence(op)
                        }
                    });
                    self.operators.push(op);
                }
                ChainItem::As(ty) => {
                    self.reduce_while(operators_from, |top| precedence(top) >= precedence(BinaryOp::Less));
                    if let Some(operand) = self.operands.pop() {
                        let span = self.nodes.span_of(operand).to(self.nodes.type_spans[ty.0 as usize]);
                        let cast = self.nodes.expr(span, Expr::Cast { ty, operand, postfix: true });
                        self.operands.push(cast);
                    }
                }
            }
        }
        self.reduce_while(operators_from, |_| true);
        let result = self.operands.pop();
        self.operands.truncate(operands_from);
        result.unwrap_or(ExprId(0))
    }

    fn reduce_while(&mut self, from: usize, condition: impl Fn(BinaryOp) -> bool) {
        while self.operators.len() > from {
            let Some(&op) = self.operators.last() else { return };
            if !condition(op) {
                return;
            }
            self.operators.pop();
            let (Some(right), Some(left)) = (self.operands.pop(), self.operands.pop()) else { return };
            let span = self.nodes.span_of(left).to(self.nodes.span_of(right));
            let id = self.nodes.expr(span, Expr::Binary { op, left, right });
            self.operands.push(id);
        }
    }

    /// An assignment; what cannot be assigned to is an error.
    pub fn assign(&mut self, target: ExprId, op: Option<BinaryOp>, value: ExprId) -> ExprId {
        self.check_target(target);
        let span = self.nodes.span_of(target).to(self.nodes.span_of(value));
        self.nodes.expr(span, Expr::Assign { op, target, value })
    }

    /// `++` or `--`; what cannot be assigned to is an error.
    pub fn update(&mut self, start: u32, end: u32, increment: bool, prefix: bool, target: ExprId) -> ExprId {
        self.check_target(target);
        self.expr(start, end, Expr::Update { increment, prefix, target })
    }

    fn check_target(&mut self, target: ExprId) {
        let mut inner = target;
        while let Expr::Paren(next) = self.nodes.exprs[inner.0 as usize] {
            inner = next;
        }
        let expr = self.nodes.exprs[inner.0 as usize];
        // What is itself assigned or counted up was looked at before: `----1` is one mistake.
        let whole = self.nodes.span_of(target);
        let seen = matches!(expr, Expr::Assign { .. } | Expr::Update { .. })
            && self.errors.last().is_some_and(|error| whole.start <= error.span.start && error.span.end <= whole.end);
        if !seen && !matches!(expr, Expr::Name | Expr::Member { .. } | Expr::Index { .. } | Expr::Error) {
            let help = "only a variable can stand to the left of an assignment; to compare, write `===`";
            self.error(self.nodes.span_of(target), "this cannot be assigned to", Some(help));
        }
    }

    /// Adds a function.
    pub fn function(
        &mut self,
        span: Span,
        type_parameters: List<TypeParameter>,
        parameters: List<Parameter>,
        return_type: Option<TypeId>,
        body: FunctionBody,
    ) -> FunctionId {
        self.nodes.function(Function { span, type_parameters, parameters, return_type, body })
    }

    /// `name => body`
    pub fn bare_arrow(&mut self, name: Ident, end: u32, body: FunctionBody) -> ExprId {
        let parameter = Parameter {
            span: name.span,
            pattern: Pattern::Ident(name),
            rest: false,
            optional: false,
            ty: None,
            default: None,
        };
        let parameters = self.one(parameter);
        let span = Span::new(name.span.start, end);
        let function = self.function(span, List::empty(), parameters, None, body);
        self.nodes.expr(span, Expr::Arrow(function))
    }

    // Statements.

    /// Adds a statement.
    pub fn stmt(&mut self, start: u32, end: u32, stmt: Stmt) -> StmtId {
        self.nodes.stmt(Span::new(start, end), stmt)
    }

    /// Makes the span of a statement longer.
    pub fn extend(&mut self, stmt: StmtId, end: u32) -> StmtId {
        self.nodes.stmt_spans[stmt.0 as usize].end = end;
        stmt
    }

    /// Remembers the head of a loop until its body is there.
    pub fn head(&mut self, head: LoopHead) {
        self.heads.push(head);
    }

    /// Completes the innermost loop.
    pub fn looped(&mut self, start: u32, end: u32, body: StmtId) -> StmtId {
        let stmt = match self.heads.pop() {
            Some(LoopHead::For(init, condition, step)) => Stmt::For { init, condition, step, body },
            Some(LoopHead::Of(binding, iterable)) => Stmt::ForOf { binding, iterable, body },
            Some(LoopHead::In(binding, object)) => Stmt::ForIn { binding, object, body },
            Some(LoopHead::While(condition)) => Stmt::While { condition, body },
            Some(LoopHead::Label(label)) => Stmt::Labeled { label, body },
            None => Stmt::Error,
        };
        self.stmt(start, end, stmt)
    }

    /// A decorator before a declaration.
    pub fn decorator(&mut self, decorator: ExprId) -> u32 {
        self.modifiers.push(Modifier::Decorator(decorator));
        self.modifiers.len() as u32 - 1
    }

    /// `export`
    pub fn export_word(&mut self, span: Span) -> u32 {
        self.modifiers.push(Modifier::Export(span));
        self.modifiers.len() as u32 - 1
    }

    /// `declare`
    pub fn declare_word(&mut self, span: Span) -> u32 {
        self.modifiers.push(Modifier::Declare(span));
        self.modifiers.len() as u32 - 1
    }

    /// `async`, `abstract` and the like.
    pub fn other_word(&mut self, span: Span) -> u32 {
        self.modifiers.push(Modifier::Other(span));
        self.modifiers.len() as u32 - 1
    }

    fn take_modifiers(&mut self, start: u32) -> Modifiers {
        let mut result = Modifiers::none();
        let decorators_from = self.skip::<ExprId>();
        for item in self.modifiers.split_off(start as usize) {
            match item {
                Modifier::Decorator(decorator) => {
                    self.push(decorator);
                }
                Modifier::Export(span) if result.export.is_some() => {
                    self.error(span, "`export` stands here twice", None)
                }
                Modifier::Declare(span) if result.declare.is_some() => {
                    self.error(span, "`declare` stands here twice", None)
                }
                Modifier::Export(span) => result.export = Some(span),
                Modifier::Declare(span) => result.declare = Some(span),
                Modifier::Other(span) => result.other = result.other.or(Some(span)),
            }
        }
        result.decorators = self.finish(decorators_from);
        result
    }

    /// Puts modifiers before a declaration or an import.
    pub fn modified(&mut self, start: u32, mark: u32, id: StmtId) -> StmtId {
        let taken = self.take_modifiers(mark);
        self.nodes.stmt_spans[id.0 as usize].start = start;
        match &mut self.nodes.stmts[id.0 as usize] {
            Stmt::Import { modifiers, .. }
            | Stmt::Variable { modifiers, .. }
            | Stmt::Function { modifiers, .. }
            | Stmt::Interface { modifiers, .. }
            | Stmt::TypeAlias { modifiers, .. }
            | Stmt::Enum { modifiers, .. }
            | Stmt::Namespace { modifiers, .. } => *modifiers = taken,
            _ => {}
        }
        id
    }

    /// Puts `export` and decorators before what is exported by name.
    pub fn exported(&mut self, start: u32, mark: u32, id: StmtId) -> StmtId {
        let taken = self.take_modifiers(mark);
        self.nodes.stmt_spans[id.0 as usize].start = start;
        if taken.export.is_none() {
            let span = self.nodes.stmt_spans[id.0 as usize];
            self.error(span, "a declaration must follow a decorator", None);
        }
        if let Some(span) = taken.declare.or(taken.other) {
            self.error(span, format!("`{}` cannot stand before this", span.of(self.text)), None);
        }
        if let Stmt::Export { decorators, .. } = &mut self.nodes.stmts[id.0 as usize] {
            *decorators = taken.decorators;
        }
        id
    }

    /// A member that follows the one before it without `;` or `,`: a line break must stand between them.
    pub fn implicit_separator(&mut self, end: u32, start: u32) {
        let gap = Span::new(end, start).of(self.text);
        if !gap.contains(['\n', '\r']) {
            let rest = &self.text[start as usize..];
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()).max(1);
            let next: String = rest.chars().take(length.min(40)).collect();
            let help = "the members of a type are written `name: type` and end in `;`, `,` or a line break";
            let message = format!("expected `;`, `,` or a line break before `{next}`");
            self.error(Span::new(start, start + next.len() as u32), message, Some(help));
        }
    }
}

fn precedence(op: BinaryOp) -> u8 {
    use BinaryOp::*;
    match op {
        Or => 1,
        And => 2,
        BitOr => 3,
        BitXor => 4,
        BitAnd => 5,
        Equal | NotEqual | LooseEqual | LooseNotEqual => 6,
        Less | LessEqual | Greater | GreaterEqual | InstanceOf | In => 7,
        ShiftLeft | ShiftRight | ShiftRightUnsigned => 8,
        Add | Subtract => 9,
        Multiply | Divide | Remainder => 10,
        Power => 11,
    }
}

impl Builder<'_> {
    // Members of types.

    /// Adds a member without decorators.
    pub fn type_member(&mut self, span: Span, kind: TypeMemberKind) -> u32 {
        self.push(TypeMember { span, decorators: List::empty(), readonly: None, kind })
    }

    /// Puts decorators before the member at `member`.
    pub fn decorated(&mut self, start: u32, decorators: u32, member: u32) -> u32 {
        let list = self.finish(decorators);
        if let Some(found) = self.scratch.type_members.get_mut(member as usize) {
            found.decorators = list;
            found.span.start = start;
        }
        member
    }

    /// Puts `readonly` before the member at `member`.
    pub fn read_only(&mut self, word: Span, member: u32) -> u32 {
        if let Some(found) = self.scratch.type_members.get_mut(member as usize) {
            found.readonly = Some(word);
            found.span.start = word.start;
        }
        member
    }
}
