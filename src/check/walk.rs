//! The walk over everything that a file's statements reach.
//!
//! It keeps its own stack instead of recursing: neither nesting nor a long chain of operators can overflow it. Nodes
//! that error recovery dropped are not reached, so no rule reports on them.

use crate::syntax::ast::{
    Ast, Expr, ExprId, FunctionBody, FunctionId, ImportClause, List, MemberKind, Modifiers, Parameter, PropertyName,
    Stmt, StmtId, TemplatePart, Type, TypeId, TypeMember, TypeMemberKind, TypeParameter,
};

/// Where a declaration or statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Directly in the file.
    File,
    /// Directly in a namespace.
    Namespace,
    /// In a function, or in a block of another statement.
    Inner,
}

/// What a variable statement is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A statement of its own.
    Ordinary,
    /// The first part of `for (;;)`.
    ForInit,
    /// What `for … of` and `for … in` bind.
    ForBinding,
}

/// The surroundings of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) level: Level,
    pub(super) role: Role,
    pub(super) in_function: bool,
    pub(super) in_loop: bool,
    pub(super) in_switch: bool,
    /// Directly under a unary minus.
    pub(super) negated: bool,
}

impl Place {
    const FILE: Place = Place {
        level: Level::File,
        role: Role::Ordinary,
        in_function: false,
        in_loop: false,
        in_switch: false,
        negated: false,
    };

    fn inner(self) -> Place {
        Place { level: Level::Inner, role: Role::Ordinary, negated: false, ..self }
    }

    fn function(self) -> Place {
        Place { in_function: true, in_loop: false, in_switch: false, ..self.inner() }
    }

    /// Whether what stands here belongs to the file or a namespace.
    pub(super) fn is_top(self) -> bool {
        self.level != Level::Inner
    }
}

/// What wants to see the nodes.
pub(super) trait Visit {
    /// The statements of a file or namespace, before they are visited one by one.
    fn statements(&mut self, body: List<StmtId>, place: Place);
    fn statement(&mut self, id: StmtId, stmt: Stmt, place: Place);
    fn expression(&mut self, id: ExprId, expr: Expr, place: Place);
    fn function(&mut self, id: FunctionId);
    fn ty(&mut self, id: TypeId, ty: Type);
    fn type_member(&mut self, member: TypeMember);
}

#[derive(Clone, Copy)]
enum Task {
    Stmt(StmtId, Place),
    Expr(ExprId, Place),
    Type(TypeId, Place),
    Function(FunctionId, Place),
}

/// Visits every node that the file's statements reach, parents before children.
pub(super) fn walk(ast: &Ast, visitor: &mut impl Visit) {
    let mut walker = Walker { ast, tasks: Vec::new() };
    visitor.statements(ast.body, Place::FILE);
    walker.stmts(ast.body, Place::FILE);
    while let Some(task) = walker.tasks.pop() {
        match task {
            Task::Stmt(id, place) => {
                let stmt = ast.stmt(id);
                visitor.statement(id, stmt, place);
                if let Stmt::Namespace { body, .. } = stmt {
                    visitor.statements(body, namespace(place));
                }
                walker.stmt_children(stmt, place);
            }
            Task::Expr(id, place) => {
                let expr = ast.expr(id);
                visitor.expression(id, expr, place);
                walker.expr_children(expr, place);
            }
            Task::Type(id, place) => {
                let ty = ast.ty(id);
                visitor.ty(id, ty);
                if let Type::Object(members) = ty {
                    ast.list(members).iter().for_each(|member| visitor.type_member(*member));
                }
                walker.type_children(ty, place);
            }
            Task::Function(id, place) => {
                visitor.function(id);
                walker.function_children(id, place);
            }
        }
        if let Task::Stmt(id, _) = task
            && let Stmt::Interface { members, .. } = ast.stmt(id)
        {
            ast.list(members).iter().for_each(|member| visitor.type_member(*member));
        }
    }
}

fn namespace(place: Place) -> Place {
    if place.is_top() { Place { level: Level::Namespace, ..place } } else { place }
}

struct Walker<'a> {
    ast: &'a Ast,
    tasks: Vec<Task>,
}

impl Walker<'_> {
    fn expr(&mut self, id: ExprId, place: Place) {
        self.tasks.push(Task::Expr(id, place));
    }

    fn exprs(&mut self, ids: List<ExprId>, place: Place) {
        self.tasks.extend(self.ast.list(ids).iter().map(|id| Task::Expr(*id, place)));
    }

    fn stmt(&mut self, id: StmtId, place: Place) {
        self.tasks.push(Task::Stmt(id, place));
    }

    fn stmts(&mut self, ids: List<StmtId>, place: Place) {
        self.tasks.extend(self.ast.list(ids).iter().map(|id| Task::Stmt(*id, place)));
    }

    fn ty(&mut self, id: TypeId, place: Place) {
        self.tasks.push(Task::Type(id, place));
    }

    fn types(&mut self, ids: List<TypeId>, place: Place) {
        self.tasks.extend(self.ast.list(ids).iter().map(|id| Task::Type(*id, place)));
    }

    fn type_parameters(&mut self, list: List<TypeParameter>, place: Place) {
        self.tasks.extend(self.ast.list(list).iter().filter_map(|one| one.constraint).map(|ty| Task::Type(ty, place)));
    }

    fn modifiers(&mut self, modifiers: Modifiers, place: Place) {
        self.exprs(modifiers.decorators, place);
    }

    fn property_name(&mut self, name: PropertyName, place: Place) {
        if let PropertyName::Computed(id) = name {
            self.expr(id, place);
        }
    }

    fn parameter(&mut self, parameter: &Parameter, place: Place) {
        if let Some(ty) = parameter.ty {
            self.ty(ty, place);
        }
        if let Some(default) = parameter.default {
            self.expr(default, place);
        }
    }

    fn function_children(&mut self, id: FunctionId, place: Place) {
        let ast = self.ast;
        let function = ast.function(id);
        let inner = place.function();
        self.type_parameters(function.type_parameters, place);
        ast.list(function.parameters).iter().for_each(|parameter| self.parameter(parameter, inner));
        if let Some(ty) = function.return_type {
            self.ty(ty, place);
        }
        match function.body {
            FunctionBody::Expr(body) => self.expr(body, inner),
            FunctionBody::Block(body) => self.stmt(body, inner),
            FunctionBody::None => {}
        }
    }

    fn type_member_children(&mut self, member: &TypeMember, place: Place) {
        self.exprs(member.decorators, place);
        match member.kind {
            TypeMemberKind::Property { name, ty, .. } => {
                self.property_name(name, place);
                if let Some(ty) = ty {
                    self.ty(ty, place);
                }
            }
            TypeMemberKind::Method { name, function, .. } => {
                self.property_name(name, place);
                self.tasks.push(Task::Function(function, place));
            }
            TypeMemberKind::Index { parameter, ty } => {
                self.parameter(&parameter, place);
                if let Some(ty) = ty {
                    self.ty(ty, place);
                }
            }
            TypeMemberKind::Call(function) | TypeMemberKind::Construct(function) => {
                self.tasks.push(Task::Function(function, place));
            }
        }
    }

    fn type_children(&mut self, ty: Type, place: Place) {
        let ast = self.ast;
        match ty {
            Type::Reference { arguments, .. } => self.types(arguments, place),
            Type::Array(item) | Type::Paren(item) | Type::Predicate { ty: item, .. } => self.ty(item, place),
            Type::Tuple(items) | Type::Union(items) | Type::Intersection(items) => self.types(items, place),
            Type::Function(function) | Type::Constructor(function) => self.tasks.push(Task::Function(function, place)),
            Type::Object(members) => {
                ast.list(members).iter().for_each(|member| self.type_member_children(member, place));
            }
            Type::StringLiteral | Type::NumberLiteral | Type::KeywordLiteral | Type::Query(_) | Type::Error => {}
        }
    }

    fn expr_children(&mut self, expr: Expr, place: Place) {
        let ast = self.ast;
        let place = Place { negated: false, ..place };
        match expr {
            Expr::Name
            | Expr::True
            | Expr::False
            | Expr::Null
            | Expr::This
            | Expr::Number
            | Expr::String
            | Expr::RegExp
            | Expr::Class
            | Expr::Hole
            | Expr::Error => {}
            Expr::Template { parts, .. } => {
                for part in ast.list(parts) {
                    if let TemplatePart::Hole(id) = part {
                        self.expr(*id, place);
                    }
                }
            }
            Expr::Array { items } => self.exprs(items, place),
            Expr::Object { members } => {
                for member in ast.list(members) {
                    match member.kind {
                        MemberKind::Property { key, value } => {
                            self.property_name(key, place);
                            self.expr(value, place);
                        }
                        MemberKind::Shorthand { value, .. } | MemberKind::Spread(value) => self.expr(value, place),
                        MemberKind::Method { key, function } => {
                            self.property_name(key, place);
                            self.tasks.push(Task::Function(function, place));
                        }
                    }
                }
            }
            Expr::Arrow(function) | Expr::Function(function) => self.tasks.push(Task::Function(function, place)),
            Expr::Call { callee, type_arguments, arguments } => {
                self.expr(callee, place);
                self.types(type_arguments, place);
                self.exprs(arguments, place);
            }
            Expr::New { callee, arguments } => {
                self.expr(callee, place);
                self.exprs(arguments, place);
            }
            Expr::Unary { op, operand } => {
                let negated = op == crate::syntax::ast::UnaryOp::Minus;
                self.expr(operand, Place { negated, ..place });
            }
            Expr::Named { value: one, .. }
            | Expr::Spread(one)
            | Expr::Member { object: one, .. }
            | Expr::Update { target: one, .. }
            | Expr::Paren(one) => self.expr(one, place),
            Expr::Cast { ty, operand, .. } => {
                self.ty(ty, place);
                self.expr(operand, place);
            }
            Expr::Index { object: left, index: right }
            | Expr::Binary { left, right, .. }
            | Expr::Assign { target: left, value: right, .. } => {
                self.expr(left, place);
                self.expr(right, place);
            }
            Expr::Conditional { condition, then, otherwise } => {
                self.expr(condition, place);
                self.expr(then, place);
                self.expr(otherwise, place);
            }
        }
    }

    fn stmt_children(&mut self, stmt: Stmt, place: Place) {
        let ast = self.ast;
        let inner = place.inner();
        let in_loop = Place { in_loop: true, ..inner };
        match stmt {
            Stmt::Import { clause, from, modifiers } => {
                self.modifiers(modifiers, place);
                // The right side of `import x = …` is not DScript; its rule says all there is to say.
                if !matches!(clause, ImportClause::Equals(_)) {
                    self.expr(from, place);
                }
            }
            Stmt::Export { from, decorators, .. } => {
                self.exprs(decorators, place);
                if let Some(from) = from {
                    self.expr(from, place);
                }
            }
            Stmt::ExportDefault(value) | Stmt::Expr(value) => self.expr(value, place),
            Stmt::Variable { modifiers, declarators, .. } => {
                self.modifiers(modifiers, place);
                for declarator in ast.list(declarators) {
                    if let Some(ty) = declarator.ty {
                        self.ty(ty, place);
                    }
                    if let Some(init) = declarator.init {
                        self.expr(init, place);
                    }
                }
            }
            Stmt::Function { modifiers, function, .. } => {
                self.modifiers(modifiers, place);
                self.tasks.push(Task::Function(function, place));
            }
            Stmt::Interface { modifiers, type_parameters, extends, members, .. } => {
                self.modifiers(modifiers, place);
                self.type_parameters(type_parameters, place);
                self.types(extends, place);
                ast.list(members).iter().for_each(|member| self.type_member_children(member, place));
            }
            Stmt::TypeAlias { modifiers, type_parameters, ty, .. } => {
                self.modifiers(modifiers, place);
                self.type_parameters(type_parameters, place);
                self.ty(ty, place);
            }
            Stmt::Enum { modifiers, members, .. } => {
                self.modifiers(modifiers, place);
                for member in ast.list(members) {
                    self.exprs(member.decorators, place);
                    self.property_name(member.name, place);
                    if let Some(value) = member.value {
                        self.expr(value, place);
                    }
                }
            }
            Stmt::Namespace { modifiers, body, .. } => {
                self.modifiers(modifiers, place);
                self.stmts(body, namespace(place));
            }
            Stmt::Block(body) => self.stmts(body, inner),
            Stmt::If { condition, then, otherwise } => {
                self.expr(condition, inner);
                self.stmt(then, inner);
                if let Some(otherwise) = otherwise {
                    self.stmt(otherwise, inner);
                }
            }
            Stmt::Switch { subject, clauses } => {
                self.expr(subject, inner);
                for clause in ast.list(clauses) {
                    if let Some(test) = clause.test {
                        self.expr(test, inner);
                    }
                    self.stmts(clause.body, Place { in_switch: true, ..inner });
                }
            }
            Stmt::For { init, condition, step, body } => {
                if let Some(init) = init {
                    self.stmt(init, Place { role: Role::ForInit, ..inner });
                }
                if let Some(condition) = condition {
                    self.expr(condition, inner);
                }
                if let Some(step) = step {
                    self.expr(step, inner);
                }
                self.stmt(body, in_loop);
            }
            Stmt::ForOf { binding, iterable: over, body } | Stmt::ForIn { binding, object: over, body } => {
                self.stmt(binding, Place { role: Role::ForBinding, ..inner });
                self.expr(over, inner);
                self.stmt(body, in_loop);
            }
            Stmt::While { condition, body } | Stmt::DoWhile { body, condition } => {
                self.expr(condition, inner);
                self.stmt(body, in_loop);
            }
            Stmt::Return(value) | Stmt::Throw(value) => {
                if let Some(value) = value {
                    self.expr(value, inner);
                }
            }
            Stmt::Try { blocks } => self.stmts(blocks, inner),
            Stmt::Labeled { body, .. } => self.stmt(body, inner),
            Stmt::Class { .. } | Stmt::Break(_) | Stmt::Continue(_) | Stmt::Empty | Stmt::Error => {}
        }
    }
}
