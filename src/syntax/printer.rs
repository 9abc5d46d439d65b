//! The tree back to text. Parsing the result gives the same tree; comments are kept, each on a line of its own before
//! the statement or member that follows it.

use super::ast::*;
use super::shape::{binary_text, unary_text, variable_text};
use crate::source::Span;

/// Prints a tree as DScript. Never recurses, however deep the tree is.
pub fn print(ast: &Ast) -> String {
    let mut printer = Printer {
        ast,
        out: String::with_capacity(ast.text.len()),
        work: Vec::new(),
        depth: 0,
        comment: 0,
        line_start: true,
    };
    let mut pieces = Vec::new();
    for stmt in ast.list(ast.body) {
        pieces.extend([Piece::Stmt(*stmt), Piece::Line]);
    }
    pieces.push(Piece::Comments(u32::MAX));
    printer.push(pieces);
    printer.run();
    printer.out
}

/// What is still to be printed.
#[derive(Clone, Copy)]
enum Piece {
    Expr(ExprId),
    Stmt(StmtId),
    /// A statement inside the head of a `for`: without its semicolon.
    Head(StmtId),
    Type(TypeId),
    Text(&'static str),
    Source(Span),
    /// A line break.
    Line,
    Indent,
    Dedent,
    /// The comments before an offset that were not printed yet. Stands only at the start of a line.
    Comments(u32),
}

use Piece::{Dedent, Indent, Line, Source, Text};

struct Printer<'a> {
    ast: &'a Ast,
    out: String,
    work: Vec<Piece>,
    depth: usize,
    comment: usize,
    line_start: bool,
}

impl Printer<'_> {
    fn push(&mut self, pieces: Vec<Piece>) {
        self.work.extend(pieces.into_iter().rev());
    }

    fn run(&mut self) {
        while let Some(piece) = self.work.pop() {
            match piece {
                Text(text) => self.text(text),
                Source(span) => self.source(span),
                Line => {
                    if !self.line_start {
                        self.out.push('\n');
                        self.line_start = true;
                    }
                }
                Indent => self.depth += 1,
                Dedent => self.depth = self.depth.saturating_sub(1),
                Piece::Comments(before) => self.comments(before),
                Piece::Expr(id) => {
                    let pieces = self.expr(id);
                    self.push(pieces);
                }
                Piece::Stmt(id) => {
                    let pieces = self.stmt(id, true);
                    self.push(pieces);
                }
                Piece::Head(id) => {
                    let pieces = self.stmt(id, false);
                    self.push(pieces);
                }
                Piece::Type(id) => {
                    let pieces = self.ty(id);
                    self.push(pieces);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.line_start {
            // Deep nesting must not make the text grow with its square.
            for _ in 0..self.depth.min(20) {
                self.out.push_str("    ");
            }
            self.line_start = false;
        }
        self.out.push_str(text);
    }

    fn source(&mut self, span: Span) {
        let ast = self.ast;
        self.text(ast.text_of(span));
    }

    fn comments(&mut self, before: u32) {
        while let Some(comment) = self.ast.comments.get(self.comment) {
            if comment.span.start >= before {
                break;
            }
            self.comment += 1;
            if !self.line_start {
                self.out.push('\n');
                self.line_start = true;
            }
            self.source(comment.span);
            self.out.push('\n');
            self.line_start = true;
        }
    }

    /// Whether something gets a line for each item: when the source has a line break before the first one.
    fn multi_line(&self, start: u32, first: Option<u32>) -> bool {
        first.is_some_and(|first| self.ast.text_of(Span::new(start, first)).contains('\n'))
    }

    /// Items with commas between them.
    fn separated<T>(&self, items: &[T], mut each: impl FnMut(&mut Vec<Piece>, &T)) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(items.len() * 2);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                pieces.push(Text(", "));
            }
            each(&mut pieces, item);
        }
        pieces
    }

    /// Items between brackets: on lines of their own where the source has several lines.
    fn bracketed<T>(
        &self,
        brackets: [&'static str; 2],
        span: Span,
        items: &[T],
        start: impl Fn(&T) -> u32,
        mut each: impl FnMut(&mut Vec<Piece>, &T),
    ) -> Vec<Piece> {
        let mut pieces = vec![Text(brackets[0])];
        if !self.multi_line(span.start, items.first().map(&start)) {
            pieces.extend(self.separated(items, each));
        } else {
            pieces.extend([Indent, Line]);
            for item in items {
                pieces.push(Piece::Comments(start(item)));
                each(&mut pieces, item);
                pieces.extend([Text(","), Line]);
            }
            pieces.extend([Piece::Comments(span.end), Dedent]);
        }
        pieces.push(Text(brackets[1]));
        pieces
    }

    fn exprs(&self, list: List<ExprId>) -> Vec<Piece> {
        self.separated(self.ast.list(list), |pieces, id| pieces.push(Piece::Expr(*id)))
    }

    fn types(&self, list: List<TypeId>) -> Vec<Piece> {
        self.separated(self.ast.list(list), |pieces, id| pieces.push(Piece::Type(*id)))
    }

    fn type_arguments(&self, list: List<TypeId>) -> Vec<Piece> {
        if list.is_empty() {
            return Vec::new();
        }
        let mut pieces = vec![Text("<")];
        pieces.extend(self.types(list));
        pieces.push(Text(">"));
        pieces
    }

    fn expr(&self, id: ExprId) -> Vec<Piece> {
        let ast = self.ast;
        let span = ast.expr_span(id);
        match ast.expr(id) {
            Expr::Name
            | Expr::True
            | Expr::False
            | Expr::Null
            | Expr::This
            | Expr::Number
            | Expr::String
            | Expr::RegExp
            | Expr::Class
            | Expr::Error => vec![Source(span)],
            Expr::Hole => Vec::new(),
            Expr::Template { tag, parts } => {
                let mut pieces = Vec::new();
                if let Some(tag) = tag {
                    pieces.push(Source(tag.span));
                }
                pieces.push(Text("`"));
                for part in ast.list(parts) {
                    match part {
                        TemplatePart::Text(span) => pieces.push(Source(*span)),
                        TemplatePart::Hole(hole) => pieces.extend([Text("${"), Piece::Expr(*hole), Text("}")]),
                    }
                }
                pieces.push(Text("`"));
                pieces
            }
            Expr::Array { items } => {
                let items = ast.list(items);
                let mut pieces = self.bracketed(
                    ["[", "]"],
                    span,
                    items,
                    |id| ast.expr_span(*id).start,
                    |pieces, id| {
                        pieces.push(Piece::Expr(*id));
                    },
                );
                let one_line = !self.multi_line(span.start, items.first().map(|id| ast.expr_span(*id).start));
                if one_line && items.last().is_some_and(|last| matches!(ast.expr(*last), Expr::Hole)) {
                    // A comma at the end does not make a hole, two do.
                    pieces.insert(pieces.len() - 1, Text(","));
                }
                pieces
            }
            Expr::Spread(operand) => vec![Text("..."), Piece::Expr(operand)],
            Expr::Object { members } => self.bracketed(
                ["{", "}"],
                span,
                ast.list(members),
                |member| member.span.start,
                |pieces, member| {
                    self.member(pieces, member);
                },
            ),
            Expr::Arrow(function) => self.function(function, "", true),
            Expr::Function(function) => self.function(function, "function ", false),
            Expr::Call { callee, type_arguments, arguments } => {
                let mut pieces = vec![Piece::Expr(callee)];
                pieces.extend(self.type_arguments(type_arguments));
                pieces.push(Text("("));
                pieces.extend(self.exprs(arguments));
                pieces.push(Text(")"));
                pieces
            }
            Expr::Named { name, value } => vec![Source(name.span), Text(": "), Piece::Expr(value)],
            Expr::New { callee, arguments } => {
                let mut pieces = vec![Text("new "), Piece::Expr(callee), Text("(")];
                pieces.extend(self.exprs(arguments));
                pieces.push(Text(")"));
                pieces
            }
            Expr::Member { object, name } => {
                // `1.x` would read as a number.
                let dot = if matches!(ast.expr(object), Expr::Number) { " ." } else { "." };
                vec![Piece::Expr(object), Text(dot), Source(name.span)]
            }
            Expr::Index { object, index } => vec![Piece::Expr(object), Text("["), Piece::Expr(index), Text("]")],
            Expr::Unary { op, operand } => {
                let word = matches!(op, UnaryOp::TypeOf | UnaryOp::Void | UnaryOp::Delete);
                let sign = matches!(ast.expr(operand), Expr::Unary { .. } | Expr::Update { .. });
                vec![Text(unary_text(op)), Text(if word || sign { " " } else { "" }), Piece::Expr(operand)]
            }
            Expr::Update { increment, prefix, target } => {
                let op = Text(if increment { "++" } else { "--" });
                if prefix { vec![op, Text(" "), Piece::Expr(target)] } else { vec![Piece::Expr(target), op] }
            }
            Expr::Binary { op, left, right } => {
                vec![Piece::Expr(left), Text(" "), Text(binary_text(op)), Text(" "), Piece::Expr(right)]
            }
            Expr::Assign { op, target, value } => {
                let op = Text(op.map_or("", binary_text));
                vec![Piece::Expr(target), Text(" "), op, Text("= "), Piece::Expr(value)]
            }
            Expr::Conditional { condition, then, otherwise } => {
                vec![Piece::Expr(condition), Text(" ? "), Piece::Expr(then), Text(" : "), Piece::Expr(otherwise)]
            }
            Expr::Cast { ty, operand, postfix: true } => vec![Piece::Expr(operand), Text(" as "), Piece::Type(ty)],
            Expr::Cast { ty, operand, postfix: false } => {
                vec![Text("<"), Piece::Type(ty), Text(">"), Piece::Expr(operand)]
            }
            Expr::Paren(inner) => vec![Text("("), Piece::Expr(inner), Text(")")],
        }
    }

    fn key(&self, pieces: &mut Vec<Piece>, key: PropertyName) {
        match key {
            PropertyName::Ident(ident) => pieces.push(Source(ident.span)),
            PropertyName::String(span) | PropertyName::Number(span) => pieces.push(Source(span)),
            PropertyName::Computed(expr) => pieces.extend([Text("["), Piece::Expr(expr), Text("]")]),
        }
    }

    fn member(&self, pieces: &mut Vec<Piece>, member: &Member) {
        match member.kind {
            MemberKind::Property { key, value } => {
                self.key(pieces, key);
                pieces.extend([Text(": "), Piece::Expr(value)]);
            }
            MemberKind::Shorthand { name, .. } => pieces.push(Source(name.span)),
            MemberKind::Method { key, function } => {
                self.key(pieces, key);
                pieces.extend(self.function(function, "", false));
            }
            MemberKind::Spread(expr) => pieces.extend([Text("..."), Piece::Expr(expr)]),
        }
    }

    /// A function: its parameters right after `word`, and `=>` before the body of an arrow function.
    fn function(&self, id: FunctionId, word: &'static str, arrow: bool) -> Vec<Piece> {
        let function = self.ast.function(id);
        let mut pieces = vec![Text(word)];
        pieces.extend(self.signature(&function));
        if arrow {
            pieces.push(Text(" =>"));
        }
        match function.body {
            FunctionBody::Expr(body) => pieces.extend([Text(" "), Piece::Expr(body)]),
            FunctionBody::Block(body) => pieces.extend([Text(" "), Piece::Stmt(body)]),
            FunctionBody::None => {}
        }
        pieces
    }

    /// Type parameters, parameters and result.
    fn signature(&self, function: &Function) -> Vec<Piece> {
        let mut pieces = self.type_parameters(function.type_parameters);
        pieces.extend(self.parameters(function.parameters));
        if let Some(ty) = function.return_type {
            pieces.extend([Text(": "), Piece::Type(ty)]);
        }
        pieces
    }

    fn parameters(&self, parameters: List<Parameter>) -> Vec<Piece> {
        let mut pieces = vec![Text("(")];
        pieces.extend(self.separated(self.ast.list(parameters), |pieces, parameter| self.parameter(pieces, parameter)));
        pieces.push(Text(")"));
        pieces
    }

    fn parameter(&self, pieces: &mut Vec<Piece>, parameter: &Parameter) {
        if parameter.rest {
            pieces.push(Text("..."));
        }
        self.pattern(pieces, parameter.pattern);
        if parameter.optional {
            pieces.push(Text("?"));
        }
        self.annotation(pieces, parameter.ty);
        if let Some(default) = parameter.default {
            pieces.extend([Text(" = "), Piece::Expr(default)]);
        }
    }

    fn pattern(&self, pieces: &mut Vec<Piece>, pattern: Pattern) {
        pieces.push(Source(match pattern {
            Pattern::Ident(ident) => ident.span,
            Pattern::Destructuring(span) => span,
        }));
    }

    fn annotation(&self, pieces: &mut Vec<Piece>, ty: Option<TypeId>) {
        if let Some(ty) = ty {
            pieces.extend([Text(": "), Piece::Type(ty)]);
        }
    }

    fn type_parameters(&self, list: List<TypeParameter>) -> Vec<Piece> {
        if list.is_empty() {
            return Vec::new();
        }
        let mut pieces = vec![Text("<")];
        pieces.extend(self.separated(self.ast.list(list), |pieces, parameter| {
            pieces.push(Source(parameter.name.span));
            if let Some(constraint) = parameter.constraint {
                pieces.extend([Text(" extends "), Piece::Type(constraint)]);
            }
        }));
        pieces.push(Text(">"));
        pieces
    }

    fn dotted(&self, name: List<Ident>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (index, part) in self.ast.list(name).iter().enumerate() {
            if index > 0 {
                pieces.push(Text("."));
            }
            pieces.push(Source(part.span));
        }
        pieces
    }

    fn ty(&self, id: TypeId) -> Vec<Piece> {
        let ast = self.ast;
        let span = ast.type_span(id);
        match ast.ty(id) {
            Type::Reference { name, arguments } => {
                let mut pieces = self.dotted(name);
                pieces.extend(self.type_arguments(arguments));
                pieces
            }
            Type::StringLiteral | Type::NumberLiteral | Type::KeywordLiteral | Type::Error => vec![Source(span)],
            Type::Array(item) => vec![Piece::Type(item), Text("[]")],
            Type::Tuple(items) => {
                let mut pieces = vec![Text("[")];
                pieces.extend(self.types(items));
                pieces.push(Text("]"));
                pieces
            }
            Type::Union(types) => self.joined(types, "| ", " | "),
            Type::Intersection(types) => self.joined(types, "", " & "),
            Type::Function(function) => self.function_type(function),
            Type::Constructor(function) => {
                let mut pieces = vec![Text("new ")];
                pieces.extend(self.function_type(function));
                pieces
            }
            Type::Object(members) => self.type_members(span, members),
            Type::Query(name) => {
                let mut pieces = vec![Text("typeof ")];
                pieces.extend(self.dotted(name));
                pieces
            }
            Type::Predicate { parameter, ty } => vec![Source(parameter.span), Text(" is "), Piece::Type(ty)],
            Type::Paren(inner) => vec![Text("("), Piece::Type(inner), Text(")")],
        }
    }

    fn joined(&self, types: List<TypeId>, alone: &'static str, separator: &'static str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if types.len() == 1 {
            pieces.push(Text(alone));
        }
        for (index, ty) in self.ast.list(types).iter().enumerate() {
            if index > 0 {
                pieces.push(Text(separator));
            }
            pieces.push(Piece::Type(*ty));
        }
        pieces
    }

    fn function_type(&self, id: FunctionId) -> Vec<Piece> {
        let function = self.ast.function(id);
        let mut pieces = self.type_parameters(function.type_parameters);
        pieces.extend(self.parameters(function.parameters));
        pieces.push(Text(" => "));
        if let Some(ty) = function.return_type {
            pieces.push(Piece::Type(ty));
        }
        pieces
    }

    fn type_members(&self, span: Span, members: List<TypeMember>) -> Vec<Piece> {
        let members = self.ast.list(members);
        let lines = self.multi_line(span.start, members.first().map(|member| member.span.start));
        let mut pieces = vec![Text("{")];
        if lines {
            pieces.extend([Indent, Line]);
        }
        for (index, member) in members.iter().enumerate() {
            if lines {
                pieces.push(Piece::Comments(member.span.start));
            } else if index > 0 {
                pieces.push(Text(" "));
            }
            self.type_member(&mut pieces, member, lines);
            pieces.push(Text(";"));
            if lines {
                pieces.push(Line);
            }
        }
        if lines {
            pieces.extend([Piece::Comments(span.end), Dedent]);
        }
        pieces.push(Text("}"));
        pieces
    }

    fn decorators(&self, pieces: &mut Vec<Piece>, decorators: List<ExprId>, lines: bool) {
        for decorator in self.ast.list(decorators) {
            pieces.extend([Text("@@"), Piece::Expr(*decorator), if lines { Line } else { Text(" ") }]);
        }
    }

    fn type_member(&self, pieces: &mut Vec<Piece>, member: &TypeMember, lines: bool) {
        self.decorators(pieces, member.decorators, lines);
        if member.readonly.is_some() {
            pieces.push(Text("readonly "));
        }
        match member.kind {
            TypeMemberKind::Property { name, optional, ty } => {
                self.key(pieces, name);
                pieces.push(Text(if optional { "?" } else { "" }));
                self.annotation(pieces, ty);
            }
            TypeMemberKind::Method { name, optional, function } => {
                self.key(pieces, name);
                pieces.push(Text(if optional { "?" } else { "" }));
                pieces.extend(self.signature(&self.ast.function(function)));
            }
            TypeMemberKind::Index { parameter, ty } => {
                pieces.push(Text("["));
                self.parameter(pieces, &parameter);
                pieces.push(Text("]"));
                self.annotation(pieces, ty);
            }
            TypeMemberKind::Call(function) => pieces.extend(self.signature(&self.ast.function(function))),
            TypeMemberKind::Construct(function) => {
                pieces.push(Text("new "));
                pieces.extend(self.signature(&self.ast.function(function)));
            }
        }
    }
}

impl Printer<'_> {
    fn modifiers(&self, modifiers: Modifiers) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.decorators(&mut pieces, modifiers.decorators, true);
        if modifiers.export.is_some() {
            pieces.push(Text("export "));
        }
        if modifiers.declare.is_some() {
            pieces.push(Text("declare "));
        }
        if let Some(other) = modifiers.other {
            pieces.extend([Source(other), Text(" ")]);
        }
        pieces
    }

    fn import_names(&self, names: List<ImportName>) -> Vec<Piece> {
        let mut pieces = vec![Text("{")];
        pieces.extend(self.separated(self.ast.list(names), |pieces, name| {
            pieces.push(Source(name.name.span));
            if let Some(alias) = name.alias {
                pieces.extend([Text(" as "), Source(alias.span)]);
            }
        }));
        pieces.push(Text("}"));
        pieces
    }

    fn body(&self, body: List<StmtId>, end: u32) -> Vec<Piece> {
        let mut pieces = vec![Text("{"), Indent, Line];
        for stmt in self.ast.list(body) {
            pieces.extend([Piece::Stmt(*stmt), Line]);
        }
        pieces.extend([Piece::Comments(end), Dedent, Text("}")]);
        pieces
    }

    /// A statement; `ended` says whether its semicolon belongs to it. Comments are printed where it begins a line.
    fn stmt(&self, id: StmtId, ended: bool) -> Vec<Piece> {
        let ast = self.ast;
        let span = ast.stmt_span(id);
        let mut pieces = Vec::new();
        if ended && self.line_start {
            pieces.push(Piece::Comments(span.start));
        }
        let semi = Text(if ended { ";" } else { "" });
        match ast.stmt(id) {
            Stmt::Import { clause, from, modifiers } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.push(Text("import "));
                match clause {
                    ImportClause::Nothing => {}
                    ImportClause::All => pieces.push(Text("* from ")),
                    ImportClause::Star(name) => pieces.extend([Text("* as "), Source(name.span), Text(" from ")]),
                    ImportClause::Names(names) => {
                        pieces.extend(self.import_names(names));
                        pieces.push(Text(" from "));
                    }
                    ImportClause::Default(name) => pieces.extend([Source(name.span), Text(" from ")]),
                    ImportClause::Equals(name) => pieces.extend([Source(name.span), Text(" = ")]),
                }
                pieces.extend([Piece::Expr(from), semi]);
            }
            Stmt::Export { names, from, decorators } => {
                self.decorators(&mut pieces, decorators, true);
                pieces.push(Text("export "));
                match names {
                    Some(names) => pieces.extend(self.import_names(names)),
                    None => pieces.push(Text("*")),
                }
                if let Some(from) = from {
                    pieces.extend([Text(" from "), Piece::Expr(from)]);
                }
                pieces.push(semi);
            }
            Stmt::ExportDefault(value) => pieces.extend([Text("export default "), Piece::Expr(value), semi]),
            Stmt::Variable { modifiers, kind, declarators } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.extend([Text(variable_text(kind)), Text(" ")]);
                pieces.extend(self.separated(ast.list(declarators), |pieces, declarator| {
                    self.pattern(pieces, declarator.pattern);
                    self.annotation(pieces, declarator.ty);
                    if let Some(init) = declarator.init {
                        pieces.extend([Text(" = "), Piece::Expr(init)]);
                    }
                }));
                pieces.push(semi);
            }
            Stmt::Function { modifiers, name, function } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.extend([Text("function "), Source(name.span)]);
                let function = ast.function(function);
                pieces.extend(self.signature(&function));
                match function.body {
                    FunctionBody::Block(body) => pieces.extend([Text(" "), Piece::Stmt(body)]),
                    _ => pieces.push(Text(";")),
                }
            }
            Stmt::Interface { modifiers, name, type_parameters, extends, implements, members } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.extend([Text("interface "), Source(name.span)]);
                pieces.extend(self.type_parameters(type_parameters));
                if !extends.is_empty() {
                    pieces.push(Text(" extends "));
                    pieces.extend(self.types(extends));
                }
                if let Some(implements) = implements {
                    pieces.extend([Text(" "), Source(implements)]);
                }
                pieces.push(Text(" "));
                // Decorators stand on lines of their own; that says nothing about the members.
                let body = Span::new(name.span.end, span.end);
                pieces.extend(self.type_members(body, members));
            }
            Stmt::TypeAlias { modifiers, name, type_parameters, ty } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.extend([Text("type "), Source(name.span)]);
                pieces.extend(self.type_parameters(type_parameters));
                pieces.extend([Text(" = "), Piece::Type(ty), semi]);
            }
            Stmt::Enum { modifiers, is_const, name, members } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.extend([Text(if is_const { "const enum " } else { "enum " }), Source(name.span), Text(" ")]);
                let members = ast.list(members);
                pieces.extend(self.bracketed(
                    ["{", "}"],
                    Span::new(name.span.end, span.end),
                    members,
                    |member| member.span.start,
                    |pieces, member| {
                        self.decorators(pieces, member.decorators, false);
                        self.key(pieces, member.name);
                        if let Some(value) = member.value {
                            pieces.extend([Text(" = "), Piece::Expr(value)]);
                        }
                    },
                ));
            }
            Stmt::Namespace { modifiers, name, body } => {
                pieces.extend(self.modifiers(modifiers));
                pieces.push(Text("namespace "));
                pieces.extend(self.dotted(name));
                pieces.push(Text(" "));
                pieces.extend(self.body(body, span.end));
            }
            // Their insides are not in the tree.
            Stmt::Class { .. } | Stmt::Try { .. } | Stmt::Error => pieces.push(Source(span)),
            Stmt::Expr(expr) => pieces.extend([Piece::Expr(expr), semi]),
            Stmt::Block(body) => pieces.extend(self.body(body, span.end)),
            Stmt::If { condition, then, otherwise } => {
                pieces.extend([Text("if ("), Piece::Expr(condition), Text(") "), Piece::Stmt(then)]);
                if let Some(otherwise) = otherwise {
                    pieces.extend([Text(" else "), Piece::Stmt(otherwise)]);
                }
            }
            Stmt::Switch { subject, clauses } => {
                pieces.extend([Text("switch ("), Piece::Expr(subject), Text(") {"), Indent, Line]);
                for clause in ast.list(clauses) {
                    pieces.push(Piece::Comments(clause.span.start));
                    match clause.test {
                        Some(test) => pieces.extend([Text("case "), Piece::Expr(test), Text(":"), Indent, Line]),
                        None => pieces.extend([Text("default:"), Indent, Line]),
                    }
                    for stmt in ast.list(clause.body) {
                        pieces.extend([Piece::Stmt(*stmt), Line]);
                    }
                    pieces.push(Dedent);
                }
                pieces.extend([Piece::Comments(span.end), Dedent, Text("}")]);
            }
            Stmt::For { init, condition, step, body } => {
                pieces.push(Text("for ("));
                pieces.extend(init.map(Piece::Head));
                pieces.push(Text("; "));
                pieces.extend(condition.map(Piece::Expr));
                pieces.push(Text("; "));
                pieces.extend(step.map(Piece::Expr));
                pieces.extend([Text(") "), Piece::Stmt(body)]);
            }
            Stmt::ForOf { binding, iterable, body } => pieces.extend([
                Text("for ("),
                Piece::Head(binding),
                Text(" of "),
                Piece::Expr(iterable),
                Text(") "),
                Piece::Stmt(body),
            ]),
            Stmt::ForIn { binding, object, body } => pieces.extend([
                Text("for ("),
                Piece::Head(binding),
                Text(" in "),
                Piece::Expr(object),
                Text(") "),
                Piece::Stmt(body),
            ]),
            Stmt::While { condition, body } => {
                pieces.extend([Text("while ("), Piece::Expr(condition), Text(") "), Piece::Stmt(body)]);
            }
            Stmt::DoWhile { body, condition } => {
                pieces.extend([Text("do "), Piece::Stmt(body), Text(" while ("), Piece::Expr(condition), Text(");")]);
            }
            Stmt::Return(value) => pieces.extend(self.word_and_value("return", value)),
            Stmt::Throw(value) => pieces.extend(self.word_and_value("throw", value)),
            Stmt::Break(label) => pieces.extend(self.word_and_label("break", label)),
            Stmt::Continue(label) => pieces.extend(self.word_and_label("continue", label)),
            Stmt::Labeled { label, body } => pieces.extend([Source(label.span), Text(": "), Piece::Stmt(body)]),
            Stmt::Empty => pieces.push(Text(";")),
        }
        pieces
    }

    fn word_and_value(&self, word: &'static str, value: Option<ExprId>) -> Vec<Piece> {
        match value {
            Some(value) => vec![Text(word), Text(" "), Piece::Expr(value), Text(";")],
            None => vec![Text(word), Text(";")],
        }
    }

    fn word_and_label(&self, word: &'static str, label: Option<Ident>) -> Vec<Piece> {
        match label {
            Some(label) => vec![Text(word), Text(" "), Source(label.span), Text(";")],
            None => vec![Text(word), Text(";")],
        }
    }
}
