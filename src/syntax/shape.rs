//! Every kind of node seen the same way: a kind, a span and named fields. What compares trees or writes them out in
//! full is written against this view instead of against forty kinds of nodes.

use super::ast::*;
use crate::source::Span;

/// Any node of a tree.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// An expression.
    Expr(ExprId),
    /// A statement.
    Stmt(StmtId),
    /// A type.
    Type(TypeId),
    /// A function.
    Function(FunctionId),
    /// A part of a back-tick literal.
    Part(TemplatePart),
    /// A member of an object literal.
    Member(Member),
    /// A parameter.
    Parameter(Parameter),
    /// A type parameter.
    TypeParameter(TypeParameter),
    /// A member of a type.
    TypeMember(TypeMember),
    /// A name of `const`, `let` or `var`.
    Declarator(Declarator),
    /// An imported or exported name.
    ImportName(ImportName),
    /// A member of an enum.
    EnumMember(EnumMember),
    /// A clause of a switch.
    Clause(SwitchClause),
    /// A part of a dotted name.
    Name(Ident),
}

/// What a field holds.
#[derive(Clone, Debug)]
pub enum Field {
    /// Text of the source.
    Text(Span),
    /// A word that says which form it is.
    Word(&'static str),
    /// Whether something is there.
    Flag(bool),
    /// A node.
    Node(Node),
    /// Nodes in order.
    Nodes(Vec<Node>),
}

/// A node's kind, place and fields. Fields that are absent are left out.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The kind of node.
    pub kind: &'static str,
    /// Where it stands.
    pub span: Span,
    /// Its fields in order.
    pub fields: Vec<(&'static str, Field)>,
}

impl Shape {
    fn new(kind: &'static str, span: Span) -> Self {
        Self { kind, span, fields: Vec::new() }
    }

    fn with(mut self, name: &'static str, field: Field) -> Self {
        self.fields.push((name, field));
        self
    }

    fn text(self, name: &'static str, span: Span) -> Self {
        self.with(name, Field::Text(span))
    }

    fn maybe_text(self, name: &'static str, ident: Option<Ident>) -> Self {
        match ident {
            Some(ident) => self.text(name, ident.span),
            None => self,
        }
    }

    fn word(self, name: &'static str, word: &'static str) -> Self {
        self.with(name, Field::Word(word))
    }

    fn flag(self, name: &'static str, value: bool) -> Self {
        if value { self.with(name, Field::Flag(true)) } else { self }
    }

    fn expr(self, name: &'static str, id: ExprId) -> Self {
        self.with(name, Field::Node(Node::Expr(id)))
    }

    fn maybe_expr(self, name: &'static str, id: Option<ExprId>) -> Self {
        match id {
            Some(id) => self.expr(name, id),
            None => self,
        }
    }

    fn ty(self, name: &'static str, id: Option<TypeId>) -> Self {
        match id {
            Some(id) => self.with(name, Field::Node(Node::Type(id))),
            None => self,
        }
    }

    fn stmt(self, name: &'static str, id: StmtId) -> Self {
        self.with(name, Field::Node(Node::Stmt(id)))
    }

    fn function(self, id: FunctionId) -> Self {
        self.with("function", Field::Node(Node::Function(id)))
    }

    fn list<T: ListNode>(self, ast: &Ast, name: &'static str, list: List<T>, node: impl Fn(T) -> Node) -> Self {
        if list.is_empty() {
            return self;
        }
        let nodes = ast.list(list).iter().map(|item| node(*item)).collect();
        self.with(name, Field::Nodes(nodes))
    }

    fn key(self, key: PropertyName) -> Self {
        match key {
            PropertyName::Ident(ident) => self.text("name", ident.span),
            PropertyName::String(span) | PropertyName::Number(span) => self.text("name", span),
            PropertyName::Computed(expr) => self.expr("computedName", expr),
        }
    }

    fn modifiers(self, ast: &Ast, modifiers: Modifiers) -> Self {
        self.list(ast, "decorators", modifiers.decorators, Node::Expr)
            .flag("export", modifiers.export.is_some())
            .flag("declare", modifiers.declare.is_some())
            .flag("otherModifier", modifiers.other.is_some())
    }
}

/// The shape of a node.
pub fn shape(ast: &Ast, node: Node) -> Shape {
    match node {
        Node::Expr(id) => expr_shape(ast, id),
        Node::Stmt(id) => stmt_shape(ast, id),
        Node::Type(id) => type_shape(ast, id),
        Node::Function(id) => {
            let function = ast.function(id);
            let shape = Shape::new("Function", function.span)
                .list(ast, "typeParameters", function.type_parameters, Node::TypeParameter)
                .list(ast, "parameters", function.parameters, Node::Parameter)
                .ty("returnType", function.return_type);
            match function.body {
                FunctionBody::Expr(body) => shape.expr("body", body),
                FunctionBody::Block(body) => shape.stmt("body", body),
                FunctionBody::None => shape,
            }
        }
        Node::Part(TemplatePart::Text(span)) => Shape::new("Text", span).text("text", span),
        Node::Part(TemplatePart::Hole(expr)) => Shape::new("Hole", ast.expr_span(expr)).expr("expression", expr),
        Node::Member(member) => match member.kind {
            MemberKind::Property { key, value } => Shape::new("Property", member.span).key(key).expr("value", value),
            MemberKind::Shorthand { name, .. } => Shape::new("Shorthand", member.span).text("name", name.span),
            MemberKind::Method { key, function } => Shape::new("Method", member.span).key(key).function(function),
            MemberKind::Spread(expr) => Shape::new("Spread", member.span).expr("operand", expr),
        },
        Node::Parameter(parameter) => pattern(Shape::new("Parameter", parameter.span), parameter.pattern)
            .flag("rest", parameter.rest)
            .flag("optional", parameter.optional)
            .ty("type", parameter.ty)
            .maybe_expr("default", parameter.default),
        Node::TypeParameter(parameter) => Shape::new("TypeParameter", parameter.name.span)
            .text("name", parameter.name.span)
            .ty("constraint", parameter.constraint),
        Node::TypeMember(member) => type_member_shape(ast, member),
        Node::Declarator(declarator) => pattern(Shape::new("Declarator", declarator.span), declarator.pattern)
            .ty("type", declarator.ty)
            .maybe_expr("value", declarator.init),
        Node::ImportName(name) => {
            let span = name.alias.map_or(name.name.span, |alias| name.name.span.to(alias.span));
            Shape::new("ImportName", span).text("name", name.name.span).maybe_text("alias", name.alias)
        }
        Node::EnumMember(member) => Shape::new("EnumMember", member.span)
            .list(ast, "decorators", member.decorators, Node::Expr)
            .key(member.name)
            .maybe_expr("value", member.value),
        Node::Clause(clause) => {
            let kind = if clause.test.is_some() { "Case" } else { "Default" };
            Shape::new(kind, clause.span).maybe_expr("test", clause.test).list(ast, "body", clause.body, Node::Stmt)
        }
        Node::Name(ident) => Shape::new("Identifier", ident.span).text("name", ident.span),
    }
}

fn pattern(shape: Shape, pattern: Pattern) -> Shape {
    match pattern {
        Pattern::Ident(ident) => shape.text("name", ident.span),
        Pattern::Destructuring(span) => shape.text("pattern", span),
    }
}

fn expr_shape(ast: &Ast, id: ExprId) -> Shape {
    let span = ast.expr_span(id);
    let new = |kind| Shape::new(kind, span);
    match ast.expr(id) {
        Expr::Name => new("Name").text("name", span),
        Expr::True => new("True"),
        Expr::False => new("False"),
        Expr::Null => new("Null"),
        Expr::This => new("This"),
        Expr::Number => new("Number").text("text", span),
        Expr::String => new("String").text("text", span),
        Expr::RegExp => new("RegExp").text("text", span),
        Expr::Template { tag, parts } => new("Template").maybe_text("tag", tag).list(ast, "parts", parts, Node::Part),
        Expr::Array { items } => new("Array").list(ast, "items", items, Node::Expr),
        Expr::Spread(operand) => new("Spread").expr("operand", operand),
        Expr::Object { members } => new("Object").list(ast, "members", members, Node::Member),
        Expr::Arrow(function) => new("Arrow").function(function),
        Expr::Function(function) => new("FunctionExpression").function(function),
        Expr::Class => new("ClassExpression"),
        Expr::Call { callee, type_arguments, arguments } => new("Call")
            .expr("callee", callee)
            .list(ast, "typeArguments", type_arguments, Node::Type)
            .list(ast, "arguments", arguments, Node::Expr),
        Expr::Named { name, value } => new("Named").text("name", name.span).expr("value", value),
        Expr::New { callee, arguments } => {
            new("New").expr("callee", callee).list(ast, "arguments", arguments, Node::Expr)
        }
        Expr::Member { object, name } => new("Member").expr("object", object).text("name", name.span),
        Expr::Index { object, index } => new("Index").expr("object", object).expr("index", index),
        Expr::Unary { op, operand } => new("Unary").word("operator", unary_text(op)).expr("operand", operand),
        Expr::Update { increment, prefix, target } => new("Update")
            .word("operator", if increment { "++" } else { "--" })
            .flag("prefix", prefix)
            .expr("target", target),
        Expr::Binary { op, left, right } => {
            new("Binary").word("operator", binary_text(op)).expr("left", left).expr("right", right)
        }
        Expr::Assign { op, target, value } => {
            new("Assign").word("operator", op.map_or("", binary_text)).expr("target", target).expr("value", value)
        }
        Expr::Conditional { condition, then, otherwise } => {
            new("Conditional").expr("condition", condition).expr("then", then).expr("otherwise", otherwise)
        }
        Expr::Cast { ty, operand, postfix } => {
            new("Cast").ty("type", Some(ty)).expr("operand", operand).flag("postfix", postfix)
        }
        Expr::Paren(inner) => new("Paren").expr("expression", inner),
        Expr::Hole => new("Hole"),
        Expr::Error => new("Error"),
    }
}

fn stmt_shape(ast: &Ast, id: StmtId) -> Shape {
    let span = ast.stmt_span(id);
    let new = |kind| Shape::new(kind, span);
    match ast.stmt(id) {
        Stmt::Import { clause, from, modifiers } => {
            let shape = new("Import").modifiers(ast, modifiers);
            let shape = match clause {
                ImportClause::Nothing => shape,
                ImportClause::All => shape.flag("all", true),
                ImportClause::Star(name) => shape.text("namespace", name.span),
                ImportClause::Names(names) => shape.flag("named", true).list(ast, "names", names, Node::ImportName),
                ImportClause::Default(name) => shape.text("default", name.span),
                ImportClause::Equals(name) => shape.text("equals", name.span),
            };
            shape.expr("from", from)
        }
        Stmt::Export { names, from, decorators } => {
            let shape = new("Export").list(ast, "decorators", decorators, Node::Expr).flag("all", names.is_none());
            shape.list(ast, "names", names.unwrap_or(List::empty()), Node::ImportName).maybe_expr("from", from)
        }
        Stmt::ExportDefault(value) => new("ExportDefault").expr("value", value),
        Stmt::Variable { modifiers, kind, declarators } => new("Variable")
            .modifiers(ast, modifiers)
            .word("keyword", variable_text(kind))
            .list(ast, "declarators", declarators, Node::Declarator),
        Stmt::Function { modifiers, name, function } => {
            new("FunctionDeclaration").modifiers(ast, modifiers).text("name", name.span).function(function)
        }
        Stmt::Interface { modifiers, name, type_parameters, extends, implements, members } => new("Interface")
            .modifiers(ast, modifiers)
            .text("name", name.span)
            .list(ast, "typeParameters", type_parameters, Node::TypeParameter)
            .list(ast, "extends", extends, Node::Type)
            .flag("implements", implements.is_some())
            .list(ast, "members", members, Node::TypeMember),
        Stmt::TypeAlias { modifiers, name, type_parameters, ty } => new("TypeAlias")
            .modifiers(ast, modifiers)
            .text("name", name.span)
            .list(ast, "typeParameters", type_parameters, Node::TypeParameter)
            .ty("type", Some(ty)),
        Stmt::Enum { modifiers, is_const, name, members } => new("Enum")
            .modifiers(ast, modifiers)
            .flag("const", is_const)
            .text("name", name.span)
            .list(ast, "members", members, Node::EnumMember),
        Stmt::Namespace { modifiers, name, body } => new("Namespace")
            .modifiers(ast, modifiers)
            .list(ast, "name", name, Node::Name)
            .list(ast, "body", body, Node::Stmt),
        Stmt::Class { name } => new("Class").maybe_text("name", name),
        Stmt::Expr(expr) => new("ExpressionStatement").expr("expression", expr),
        Stmt::Block(body) => new("Block").list(ast, "body", body, Node::Stmt),
        Stmt::If { condition, then, otherwise } => {
            let shape = new("If").expr("condition", condition).stmt("then", then);
            match otherwise {
                Some(otherwise) => shape.stmt("otherwise", otherwise),
                None => shape,
            }
        }
        Stmt::Switch { subject, clauses } => {
            new("Switch").expr("subject", subject).list(ast, "clauses", clauses, Node::Clause)
        }
        Stmt::For { init, condition, step, body } => {
            let shape = match init {
                Some(init) => new("For").stmt("init", init),
                None => new("For"),
            };
            shape.maybe_expr("condition", condition).maybe_expr("step", step).stmt("body", body)
        }
        Stmt::ForOf { binding, iterable, body } => {
            new("ForOf").stmt("binding", binding).expr("iterable", iterable).stmt("body", body)
        }
        Stmt::ForIn { binding, object, body } => {
            new("ForIn").stmt("binding", binding).expr("object", object).stmt("body", body)
        }
        Stmt::While { condition, body } => new("While").expr("condition", condition).stmt("body", body),
        Stmt::DoWhile { body, condition } => new("DoWhile").stmt("body", body).expr("condition", condition),
        Stmt::Return(value) => new("Return").maybe_expr("value", value),
        Stmt::Break(label) => new("Break").maybe_text("label", label),
        Stmt::Continue(label) => new("Continue").maybe_text("label", label),
        Stmt::Throw(value) => new("Throw").maybe_expr("value", value),
        Stmt::Try { blocks } => new("Try").list(ast, "blocks", blocks, Node::Stmt),
        Stmt::Labeled { label, body } => new("Labeled").text("label", label.span).stmt("body", body),
        Stmt::Empty => new("Empty"),
        Stmt::Error => new("Error"),
    }
}

fn type_shape(ast: &Ast, id: TypeId) -> Shape {
    let span = ast.type_span(id);
    let new = |kind| Shape::new(kind, span);
    match ast.ty(id) {
        Type::Reference { name, arguments } => {
            new("TypeReference").list(ast, "name", name, Node::Name).list(ast, "arguments", arguments, Node::Type)
        }
        Type::StringLiteral => new("StringType").text("text", span),
        Type::NumberLiteral => new("NumberType").text("text", span),
        Type::KeywordLiteral => new("KeywordType").text("text", span),
        Type::Array(item) => new("ArrayType").ty("item", Some(item)),
        Type::Tuple(items) => new("TupleType").list(ast, "items", items, Node::Type),
        Type::Union(types) => new("UnionType").list(ast, "types", types, Node::Type),
        Type::Intersection(types) => new("IntersectionType").list(ast, "types", types, Node::Type),
        Type::Function(function) => new("FunctionType").function(function),
        Type::Constructor(function) => new("ConstructorType").function(function),
        Type::Object(members) => new("ObjectType").list(ast, "members", members, Node::TypeMember),
        Type::Query(name) => new("TypeQuery").list(ast, "name", name, Node::Name),
        Type::Predicate { parameter, ty } => {
            new("TypePredicate").text("parameter", parameter.span).ty("type", Some(ty))
        }
        Type::Paren(inner) => new("ParenType").ty("type", Some(inner)),
        Type::Error => new("ErrorType"),
    }
}

fn type_member_shape(ast: &Ast, member: TypeMember) -> Shape {
    let new = |kind| {
        Shape::new(kind, member.span)
            .list(ast, "decorators", member.decorators, Node::Expr)
            .flag("readonly", member.readonly.is_some())
    };
    match member.kind {
        TypeMemberKind::Property { name, optional, ty } => {
            new("PropertySignature").key(name).flag("optional", optional).ty("type", ty)
        }
        TypeMemberKind::Method { name, optional, function } => {
            new("MethodSignature").key(name).flag("optional", optional).function(function)
        }
        TypeMemberKind::Index { parameter, ty } => {
            new("IndexSignature").with("parameter", Field::Node(Node::Parameter(parameter))).ty("type", ty)
        }
        TypeMemberKind::Call(function) => new("CallSignature").function(function),
        TypeMemberKind::Construct(function) => new("ConstructSignature").function(function),
    }
}

/// The keyword of a variable statement.
pub fn variable_text(kind: VariableKind) -> &'static str {
    match kind {
        VariableKind::Const => "const",
        VariableKind::Let => "let",
        VariableKind::Var => "var",
    }
}

/// A prefix operator as written.
pub fn unary_text(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Not => "!",
        UnaryOp::Minus => "-",
        UnaryOp::Plus => "+",
        UnaryOp::BitNot => "~",
        UnaryOp::TypeOf => "typeof",
        UnaryOp::Void => "void",
        UnaryOp::Delete => "delete",
    }
}

/// An operator with two operands as written.
pub fn binary_text(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::BitAnd => "&",
        BinaryOp::Equal => "===",
        BinaryOp::NotEqual => "!==",
        BinaryOp::LooseEqual => "==",
        BinaryOp::LooseNotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::InstanceOf => "instanceof",
        BinaryOp::In => "in",
        BinaryOp::ShiftLeft => "<<",
        BinaryOp::ShiftRight => ">>",
        BinaryOp::ShiftRightUnsigned => ">>>",
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Remainder => "%",
        BinaryOp::Power => "**",
    }
}
