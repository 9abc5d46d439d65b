//! The second pass: the bodies of one spec become [`Code`]. Nothing it looks up changes any more.

use rustc_hash::FxHashMap;

use super::ir::{self, Body, Code, Expr, ExprId, List, Part, Stmt, StmtId};
use super::tables::{BlockId, Node, Tables};
use super::variables::{Frame, Stage};
use crate::diagnostics::{Code as Number, Diagnostic, nearest};
use crate::program::{DeclId, DeclKind, ModuleId, SpecId};
use crate::source::{Location, Span, Symbol};
use crate::syntax::ast::{self, Ast, Pattern};

/// What lowering a spec gives.
pub(super) struct LoweredSpec {
    pub code: Code,
    /// The function of each value and function declaration.
    pub functions: Vec<(DeclId, u32)>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Lowers all declarations of a spec.
pub(super) fn lower_spec(t: &Tables<'_>, spec: SpecId) -> LoweredSpec {
    let ast = t.asts[spec.index()];
    let mut lowerer = Lowerer {
        t,
        spec,
        ast,
        viewer: t.module_of_spec(spec),
        code: Code::new(spec, ast.file),
        diagnostics: Vec::new(),
        frames: Vec::new(),
        block: t.file_blocks[spec.index()],
        shapes: FxHashMap::default(),
        type_parameters: Vec::new(),
    };
    let mut functions = Vec::new();
    for &decl in &t.program.specs[spec.index()].decls {
        if let Some(function) = lowerer.decl(decl) {
            functions.push((decl, function));
        }
    }
    lowerer.decorators();
    lowerer.strays();
    lowerer.code.note_operands();
    lowerer.code.shrink();
    LoweredSpec { code: lowerer.code, functions, diagnostics: lowerer.diagnostics }
}

/// The state of lowering one spec.
pub(super) struct Lowerer<'t, 'i> {
    pub t: &'t Tables<'i>,
    pub spec: SpecId,
    pub ast: &'i Ast,
    pub viewer: ModuleId,
    pub code: Code,
    pub diagnostics: Vec<Diagnostic>,
    /// The functions being lowered, the innermost last.
    pub frames: Vec<Frame>,
    /// Where the declaration being lowered stands.
    pub block: BlockId,
    pub shapes: FxHashMap<Box<[Symbol]>, u32>,
    /// The type parameters in scope, the innermost last.
    pub type_parameters: Vec<&'i str>,
}

impl Lowerer<'_, '_> {
    fn decl(&mut self, id: DeclId) -> Option<u32> {
        let decl = &self.t.program.decls[id.index()];
        let (name, name_span) = (decl.name, decl.name_span);
        let item = self.t.items[id.index()];
        self.block = item.block;
        match (decl.kind, item.node) {
            (DeclKind::Value { .. }, Node::Variable(declarator)) => {
                self.maybe_ty(declarator.ty);
                let outer = if name == self.t.known.template { self.outer_template() } else { None };
                if Some(self.viewer) != self.t.program.prelude {
                    self.no_mutable_value(id, declarator);
                }
                self.known_fields_in_value(declarator);
                Some(self.thunk(name, declarator.span, declarator.init, outer))
            }
            (DeclKind::Value { .. }, Node::Expression(expr)) => Some(self.thunk(name, name_span, Some(expr), None)),
            (DeclKind::Value { .. }, _) => Some(self.thunk(name, name_span, None, None)),
            (DeclKind::Function { .. }, Node::Function(function)) => {
                self.no_mutable_signature(id, function);
                Some(self.function(function, Some(name)))
            }
            (DeclKind::Native { .. }, Node::Function(function)) => {
                self.signature_types(function);
                None
            }
            (_, Node::Interface { parameters, extends, members }) => {
                let known = self.open_types(parameters);
                self.types(extends);
                self.type_members(members);
                self.close_types(known);
                None
            }
            (_, Node::TypeAlias { parameters, ty }) => {
                let known = self.open_types(parameters);
                self.ty(ty);
                self.close_types(known);
                None
            }
            _ => None,
        }
    }

    /// Decorators are never evaluated, but their names must exist: `@@pubilc` would hide a mistake.
    fn decorators(&mut self) {
        let ast = self.ast;
        self.frames.push(Frame::default());
        for &(block, decorator) in &self.t.decorators[self.spec.index()] {
            self.block = block;
            let mut name = decorator;
            if let ast::Expr::Call { callee, arguments, .. } = ast.expr(decorator) {
                name = callee;
                for &argument in ast.list(arguments) {
                    self.expr(argument);
                }
            }
            let span = ast.expr_span(name);
            let text = ast.text_of(span);
            if !matches!(ast.expr(name), ast::Expr::Name) {
                self.operand(name);
            } else if !matches!(text, "public" | "obsolete") {
                self.decorator_name(text, span);
            }
        }
        self.frames.pop();
    }

    /// Expressions that nothing evaluates, for what is wrong in them.
    fn strays(&mut self) {
        for &(block, expr) in &self.t.strays[self.spec.index()] {
            self.block = block;
            self.frames.push(Frame::default());
            self.frame().open();
            self.expr(expr);
            self.frames.pop();
        }
    }

    fn decorator_name(&mut self, text: &str, span: Span) {
        let name = self.t.intern(text);
        if self.t.lookup(self.block, name, |entry| entry.value.is_some() || entry.is_broken()).is_some() {
            return;
        }
        let names = self.t.names_in_scope(self.block).into_iter().chain(["public", "obsolete"]);
        let help = nearest(text, names).map(|known| format!("did you mean `@@{known}`?"));
        self.error(9226, span, format!("there is no decorator `{text}` in scope"), "not found", help);
    }

    /// The template around the namespace that is being lowered.
    fn outer_template(&self) -> Option<DeclId> {
        let namespaces = &self.t.program.namespaces;
        let mut at = namespaces[self.t.block(self.block).namespace.index()].parent;
        while let Some(id) = at {
            let namespace = &namespaces[id.index()];
            if namespace.template.is_some() {
                return namespace.template;
            }
            at = namespace.parent;
        }
        None
    }

    /// The function that computes a top-level value; that of a template is merged over the one around it.
    fn thunk(&mut self, name: Symbol, span: Span, value: Option<ast::ExprId>, outer: Option<DeclId>) -> u32 {
        self.frames.push(Frame::default());
        self.frame().open();
        let body = match value {
            Some(value) => self.expr(value),
            None => self.push(span, Expr::Undefined),
        };
        let body = match outer {
            Some(outer) => {
                let object = self.push(span, Expr::Global(outer));
                let arguments = self.expr_list(&[body]);
                self.push(span, Expr::CallMember { object, name: self.t.known.merge, arguments })
            }
            None => body,
        };
        self.finish_function(ir::Function {
            span,
            name: Some(name),
            parameters: Box::default(),
            required: 0,
            rest: false,
            cell_parameters: Box::default(),
            plain: true,
            slots: 0,
            captures: Box::default(),
            body: Body::Expr(body),
            namespace: self.t.block(self.block).namespace,
        })
    }

    /// Lowers a function; the index of it in the code.
    pub fn function(&mut self, id: ast::FunctionId, name: Option<Symbol>) -> u32 {
        let ast = self.ast;
        let function = ast.function(id);
        let known_types = self.open_types(function.type_parameters);
        self.parameter_types(&function);
        self.frames.push(Frame::default());
        self.frame().open();
        let mut parameters = Vec::new();
        let mut required = 0;
        let mut rest = false;
        for parameter in ast.list(function.parameters) {
            let (symbol, span, stage) = match parameter.pattern {
                Pattern::Ident(name) => (self.t.intern(ast.name(name)), name.span, Stage::Defined),
                // A rule refuses patterns.
                Pattern::Destructuring(span) => (self.t.known.empty, span, Stage::Broken),
            };
            self.add_var(symbol, span, false, stage);
            parameters.push(symbol);
            rest |= parameter.rest;
            if !parameter.optional && !parameter.rest && parameter.default.is_none() {
                required = parameters.len() as u32;
            }
        }
        let body = match function.body {
            ast::FunctionBody::Expr(expr) => Body::Expr(self.expr(expr)),
            ast::FunctionBody::Block(block) => self.function_body(block),
            ast::FunctionBody::None => Body::Expr(self.push(function.span, Expr::Error)),
        };
        self.close_types(known_types);
        self.finish_function(ir::Function {
            span: function.span,
            name,
            parameters: parameters.into(),
            required,
            rest,
            cell_parameters: Box::default(),
            plain: true,
            slots: 0,
            captures: Box::default(),
            body,
            namespace: self.t.block(self.block).namespace,
        })
    }

    fn finish_function(&mut self, mut function: ir::Function) -> u32 {
        let mut frame = self.frames.pop().unwrap_or_default();
        frame.close(&mut self.code);
        let parameters = frame.vars.iter().take(function.parameters.len());
        function.cell_parameters = parameters.filter(|var| var.in_cell()).map(|var| var.slot).collect();
        function.slots = frame.slots;
        function.plain = !function.rest
            && function.cell_parameters.is_empty()
            && function.slots as usize == function.parameters.len();
        function.captures = frame.captures.into();
        self.code.functions.push(function);
        self.code.functions.len() as u32 - 1
    }

    /// The function being lowered. There always is one while bodies are lowered.
    pub fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    pub fn add_var(&mut self, name: Symbol, span: Span, constant: bool, stage: Stage) -> usize {
        let place = self.place(span);
        let (index, clash) = self.frame().add(name, place, constant, stage);
        // A pattern has no name, and a rule refuses it.
        if let Some(first) = clash.filter(|_| name != self.t.known.empty) {
            let message = format!("`{}` is declared twice", self.t.text(name));
            self.diagnostics.push(
                Diagnostic::error(Number::Dx(9201), message)
                    .at(place, "declared again here")
                    .and_at(first, "first declared here"),
            );
        }
        index
    }

    pub fn close_scope(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        frame.close(&mut self.code);
    }

    pub fn place(&self, span: Span) -> Location {
        span.in_file(self.ast.file)
    }

    pub fn push(&mut self, span: Span, expr: Expr) -> ExprId {
        self.code.exprs.push(expr);
        self.code.expr_spans.push(span);
        ExprId(self.code.exprs.len() as u32 - 1)
    }

    pub fn push_stmt(&mut self, span: Span, stmt: Stmt) -> StmtId {
        self.code.stmts.push(stmt);
        self.code.stmt_spans.push(span);
        StmtId(self.code.stmts.len() as u32 - 1)
    }

    pub fn expr_list(&mut self, items: &[ExprId]) -> List<ExprId> {
        let start = self.code.expr_lists.len() as u32;
        self.code.expr_lists.extend_from_slice(items);
        List::new(start, items.len() as u32)
    }

    pub fn stmt_list(&mut self, items: &[StmtId]) -> List<StmtId> {
        let start = self.code.stmt_lists.len() as u32;
        self.code.stmt_lists.extend_from_slice(items);
        List::new(start, items.len() as u32)
    }

    pub fn part_list(&mut self, items: &[Part]) -> List<Part> {
        let start = self.code.parts.len() as u32;
        self.code.parts.extend_from_slice(items);
        List::new(start, items.len() as u32)
    }

    pub fn string(&mut self, text: &str) -> u32 {
        self.code.strings.push(text.into());
        self.code.strings.len() as u32 - 1
    }

    pub fn error(&mut self, number: u32, span: Span, message: String, label: &str, help: Option<String>) -> ExprId {
        let place = self.place(span);
        self.diagnostics.push(Diagnostic::error(Number::Dx(number), message).at(place, label).maybe_help(help));
        self.push(span, Expr::Error)
    }
}
