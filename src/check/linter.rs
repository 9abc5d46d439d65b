//! What the rules share: the file, its kind, the texts to quote, and where violations are gathered.

use std::cell::OnceCell;

use rustc_hash::FxHashMap;

use super::walk::{Level, Place, Visit};
use super::{FileKind, Policies, any, config, declarations, expressions, imports, literals, paths, policies};
use super::{qualifiers, rules, statements};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{
    Ast, Expr, ExprId, FunctionId, Ident, List, Pattern, Stmt, StmtId, Type, TypeId, TypeMember, VariableKind,
};

/// No file needs more messages than this to be repaired, and generated files could produce millions.
const MOST: usize = 1_000;

/// Longest text that is quoted whole in a message.
const QUOTE: usize = 60;

/// The state of one run over one file.
pub(super) struct Linter<'a> {
    pub(super) ast: &'a Ast,
    pub(super) kind: FileKind,
    pub(super) policies: &'a Policies,
    /// Whether the file itself declares or imports the name `Transformer`.
    pub(super) own_transformer: bool,
    types: OnceCell<FxHashMap<&'a str, Stmt>>,
    pub(super) any: any::AnyParameters<'a>,
    out: Vec<Diagnostic>,
}

impl<'a> Linter<'a> {
    pub(super) fn new(ast: &'a Ast, kind: FileKind, policies: &'a Policies) -> Self {
        let own_transformer = policies.no_transformers && policies::binds_transformer(ast);
        Self {
            ast,
            kind,
            policies,
            own_transformer,
            types: OnceCell::new(),
            any: any::AnyParameters::default(),
            out: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        any::finish(&mut self);
        self.out.sort_by_key(|diagnostic| diagnostic.primary().map(|label| label.location.span));
        self.out
    }

    /// Whether the file is a spec of any kind.
    pub(super) fn is_spec(&self) -> bool {
        self.is_user_spec() || self.kind == FileKind::Prelude
    }

    /// Whether the file is a spec that declares values, not what the interpreter provides.
    pub(super) fn is_user_spec(&self) -> bool {
        matches!(self.kind, FileKind::Spec | FileKind::ExplicitSpec | FileKind::Project)
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if self.out.len() < MOST {
            self.out.push(diagnostic);
        }
    }

    pub(super) fn error(&self, number: u32, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(Code::Dx(number), message).at(span.in_file(self.ast.file), rules::label(number))
    }

    pub(super) fn warning(&self, number: u32, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(Code::Dx(number), message).at(span.in_file(self.ast.file), rules::label(number))
    }

    pub(super) fn name(&self, ident: Ident) -> &'a str {
        self.ast.name(ident)
    }

    /// The text of a span on one line, shortened where it is long.
    pub(super) fn quote(&self, span: Span) -> String {
        self.short(span).unwrap_or_else(|| {
            let mut text: String = squeeze(self.ast.text_of(span), QUOTE).chars().take(QUOTE - 20).collect();
            text.push('…');
            text
        })
    }

    /// The text of a span on one line, if it is short enough to be repeated in a suggestion.
    pub(super) fn short(&self, span: Span) -> Option<String> {
        // Nobody wants to read more, and long chains of operators would be copied again for each of them.
        if span.len() > 8 * QUOTE {
            return None;
        }
        let text = self.ast.text_of(span);
        let text = if text.contains(['\n', '\r']) { squeeze(text, QUOTE + 1) } else { text.to_owned() };
        // A comment swallowed into one line would change what follows it.
        (text.chars().count() <= QUOTE && !text.contains("//")).then_some(text)
    }

    /// The text of an expression for a suggestion.
    pub(super) fn short_expr(&self, id: ExprId) -> Option<String> {
        self.short(self.ast.expr_span(id))
    }

    /// The expression without the parentheses around it.
    pub(super) fn bare(&self, id: ExprId) -> ExprId {
        let mut id = id;
        while let Expr::Paren(inner) = self.ast.expr(id) {
            id = inner;
        }
        id
    }

    /// The name, where the expression is nothing but a name.
    pub(super) fn as_name(&self, id: ExprId) -> Option<&'a str> {
        matches!(self.ast.expr(id), Expr::Name).then(|| self.ast.text_of(self.ast.expr_span(id)))
    }

    /// The text between the quotes, where the expression is a string literal. Escapes stay as written.
    pub(super) fn as_string(&self, id: ExprId) -> Option<&'a str> {
        matches!(self.ast.expr(id), Expr::String).then(|| unquote(self.ast.text_of(self.ast.expr_span(id))))
    }

    /// Where an operator stands between its operands.
    pub(super) fn operator(&self, left: ExprId, right: ExprId, text: &str) -> Span {
        let gap = Span::new(self.ast.expr_span(left).end, self.ast.expr_span(right).start);
        let between = self.ast.text_of(gap);
        let mut at = 0;
        while let Some(rest) = between.get(at..) {
            let skipped = if rest.starts_with("//") {
                rest.find('\n')
            } else if rest.starts_with("/*") {
                rest.find("*/").map(|end| end + 2)
            } else if rest.starts_with(text) {
                let start = gap.start + at as u32;
                return Span::new(start, start + text.len() as u32);
            } else {
                rest.chars().next().map(char::len_utf8)
            };
            match skipped {
                Some(skipped) => at += skipped,
                None => break,
            }
        }
        self.ast.expr_span(left).to(self.ast.expr_span(right))
    }

    /// The first word of a declaration or statement, to point at instead of all its lines.
    pub(super) fn head(&self, span: Span) -> Span {
        let text = self.ast.text_of(span);
        let len = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        if len == 0 { self.line(span) } else { Span::new(span.start, span.start + len as u32) }
    }

    /// The first line of a span.
    pub(super) fn line(&self, span: Span) -> Span {
        let text = self.ast.text_of(span);
        let len = text.find(['\r', '\n']).unwrap_or(text.len());
        Span::new(span.start, span.start + len as u32)
    }

    /// The keyword of a statement of declarations, after its modifiers and decorators.
    pub(super) fn variable_keyword(kind: VariableKind) -> &'static str {
        match kind {
            VariableKind::Const => "const",
            VariableKind::Let => "let",
            VariableKind::Var => "var",
        }
    }

    /// The interface or type alias of this name that the file declares, wherever in it.
    pub(super) fn declared_type(&self, name: &str) -> Option<Stmt> {
        let types = self.types.get_or_init(|| {
            let declared = self.ast.all_stmts().filter_map(|(_, stmt)| match stmt {
                Stmt::Interface { name, .. } | Stmt::TypeAlias { name, .. } => Some((self.name(name), stmt)),
                _ => None,
            });
            declared.collect()
        });
        types.get(name).copied()
    }

    /// Where the pattern stands.
    pub(super) fn pattern_span(pattern: Pattern) -> Span {
        match pattern {
            Pattern::Ident(name) => name.span,
            Pattern::Destructuring(span) => span,
        }
    }

    /// Whether the type is the keyword or name `word` alone.
    pub(super) fn type_is(&self, id: TypeId, word: &str) -> bool {
        match self.ast.ty(id) {
            Type::Reference { name, arguments } => {
                let name = self.ast.list(name);
                arguments.is_empty() && name.len() == 1 && self.name(name[0]) == word
            }
            _ => false,
        }
    }
}

impl Visit for Linter<'_> {
    fn statements(&mut self, body: List<StmtId>, place: Place) {
        qualifiers::template_is_first(self, body);
        if place.level == Level::Namespace {
            imports::no_exports_in_namespace(self, body);
        }
    }

    fn statement(&mut self, id: StmtId, stmt: Stmt, place: Place) {
        declarations::statement(self, id, stmt, place);
        statements::statement(self, id, stmt, place);
        imports::statement(self, id, stmt, place);
        qualifiers::statement(self, id, stmt, place);
        policies::statement(self, id, stmt, place);
        any::statement(self, stmt);
    }

    fn expression(&mut self, id: ExprId, expr: Expr, place: Place) {
        expressions::expression(self, id, expr);
        literals::expression(self, id, expr, place);
        paths::expression(self, id, expr);
        imports::expression(self, id, expr);
        qualifiers::expression(self, id, expr);
        config::expression(self, id, expr);
        policies::expression(self, id, expr);
        any::expression(self, expr);
    }

    fn function(&mut self, id: FunctionId) {
        declarations::function(self, id);
        any::function(self, id);
    }

    fn ty(&mut self, id: TypeId, ty: Type) {
        declarations::ty(self, id, ty);
        policies::ty(self, id, ty);
    }

    fn type_member(&mut self, member: TypeMember) {
        declarations::type_member(self, member);
    }
}

/// White space runs become one space; stops once the result is longer than `limit` characters.
fn squeeze(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        for c in word.chars() {
            out.push(c);
            count += 1;
            if count > limit {
                return out;
            }
        }
    }
    out
}

/// The text between the quotes of a string literal.
pub(super) fn unquote(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.next_back();
    chars.as_str()
}
