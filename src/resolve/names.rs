//! Names and member access: what is a namespace, an enum or a declaration is known here, before evaluation.

use super::ir::{CaptureSource, Expr, ExprId};
use super::link::not_public;
use super::lower::Lowerer;
use super::static_types::TypeRef;
use super::tables::{Entry, Target};
use super::variables::Stage;
use crate::diagnostics::{Code as Number, DEFAULT_LIMIT, Diagnostic, nearest};
use crate::program::{DeclId, DeclKind, EnumId, NamespaceId};
use crate::source::{Location, Span, Symbol};
use crate::syntax::ast;

/// What an expression means, as far as it is known before evaluation.
pub(super) enum Operand {
    /// A value; the declaration it comes from if it is one, else its type if that is known.
    Value { expr: ExprId, decl: Option<DeclId>, ty: Option<TypeRef> },
    /// A namespace, with the objects of `withQualifier` calls in order.
    Namespace { id: NamespaceId, qualifiers: Vec<ExprId>, span: Span },
    /// An enum.
    Enum { id: EnumId, decl: DeclId, span: Span },
}

/// A local variable: its frame and its index there.
#[derive(Clone, Copy)]
pub(super) struct Local {
    pub frame: usize,
    pub index: usize,
}

impl Lowerer<'_, '_> {
    /// Lowers an expression, keeping what it means.
    pub(super) fn operand(&mut self, id: ast::ExprId) -> Operand {
        stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || match self.ast.expr(id) {
            ast::Expr::Name => self.name(self.ast.expr_span(id)),
            ast::Expr::Member { object, name } => {
                let operand = self.operand(object);
                let known = self.known_type(&operand);
                let found = self.known_member(object, known, name, false);
                match self.member(operand, name, self.ast.expr_span(id)) {
                    Operand::Value { expr, decl: None, .. } => Operand::Value { expr, decl: None, ty: found },
                    other => other,
                }
            }
            ast::Expr::Call { callee, type_arguments, arguments } => {
                self.types(type_arguments);
                self.call(id, callee, arguments)
            }
            ast::Expr::Paren(inner) => self.operand(inner),
            ast::Expr::Cast { ty, operand, .. } => {
                self.ty(ty);
                let operand = self.operand(operand);
                self.cast(operand, ty)
            }
            _ => plain(self.expr(id)),
        })
    }

    /// The type of an operand, as far as it is known.
    pub(super) fn known_type(&self, operand: &Operand) -> Option<TypeRef> {
        match operand {
            Operand::Value { ty, decl, .. } => ty.or_else(|| self.t.value_type((*decl)?)),
            _ => None,
        }
    }

    /// An operand as a value.
    pub(super) fn value(&mut self, operand: Operand) -> ExprId {
        match operand {
            Operand::Value { expr, .. } => expr,
            Operand::Namespace { id, qualifiers, span } => self.namespace_value(id, &qualifiers, span),
            Operand::Enum { decl, span, .. } => self.push(span, Expr::Global(decl)),
        }
    }

    fn namespace_value(&mut self, id: NamespaceId, qualifiers: &[ExprId], span: Span) -> ExprId {
        let mut value = self.push(span, Expr::Namespace(id));
        for &qualifier in qualifiers {
            value = self.push(span, Expr::WithQualifier { namespace: value, qualifier });
        }
        value
    }

    pub(super) fn broken(&mut self, span: Span) -> Operand {
        plain(self.push(span, Expr::Error))
    }

    /// The innermost local variable of a name.
    pub(super) fn find_local(&self, name: Symbol) -> Option<Local> {
        let frames = self.frames.iter().enumerate().rev();
        frames.filter_map(|(frame, vars)| vars.find(name).map(|index| Local { frame, index })).next()
    }

    pub(super) fn used_before(&mut self, text: &str, span: Span, defined: Location) {
        let message = format!("`{text}` is used before its definition");
        let diagnostic = Diagnostic::error(Number::Dx(9227), message)
            .at(self.place(span), "used here")
            .and_at(defined, "defined here");
        self.diagnostics.push(diagnostic.help("move the definition above its first use"));
    }

    fn local(&mut self, Local { frame, index }: Local, text: &str, span: Span) -> ExprId {
        let var = &self.frames[frame].vars[index];
        let (stage, place, slot) = (var.stage, var.place, var.slot);
        let here = frame + 1 == self.frames.len();
        match stage {
            Stage::Broken => return self.push(span, Expr::Error),
            Stage::Later => {
                self.used_before(text, span, place);
                return self.push(span, Expr::Error);
            }
            Stage::Defining if here => {
                self.used_before(text, span, place);
                return self.push(span, Expr::Error);
            }
            Stage::Defining => self.frames[frame].vars[index].recursive = true,
            Stage::Defined => {}
        }
        let expr = if here {
            Expr::Local(slot)
        } else {
            let mut source = CaptureSource::Local(slot);
            for inner in &mut self.frames[frame + 1..] {
                source = CaptureSource::Capture(inner.capture(frame, index, source));
            }
            self.frames[frame].vars[index].captured = true;
            match source {
                CaptureSource::Capture(capture) => Expr::Capture(capture),
                CaptureSource::Local(slot) => Expr::Local(slot),
            }
        };
        let id = self.push(span, expr);
        self.frames[frame].vars[index].uses.push(id);
        id
    }

    fn name(&mut self, span: Span) -> Operand {
        let ast = self.ast;
        let text = ast.text_of(span);
        let name = self.t.intern(text);
        let known = &self.t.known;
        if name == known.undefined {
            return plain(self.push(span, Expr::Undefined));
        }
        if name == known.qualifier {
            return plain(self.push(span, Expr::Qualifier));
        }
        if name == known.root {
            let id = self.t.spec_roots[self.spec.index()];
            return Operand::Namespace { id, qualifiers: Vec::new(), span };
        }
        if let Some(local) = self.find_local(name) {
            return plain(self.local(local, text, span));
        }
        if name == known.template {
            return self.template_value(span);
        }
        let entry = self.t.lookup(self.block, name, |entry| entry.value.is_some() || entry.is_broken()).copied();
        match entry {
            Some(entry) => match entry.value {
                Some(value) => {
                    if let Target::Decl(decl) = value.target {
                        self.check_order(decl, text, span);
                    }
                    self.target(value.target, Vec::new(), span)
                }
                None => self.broken(span),
            },
            None => {
                self.missing(name, span);
                self.broken(span)
            }
        }
    }

    /// A value of the same file must be defined above its use, even where the use runs later.
    fn check_order(&mut self, id: DeclId, text: &str, span: Span) {
        let decl = &self.t.program.decls[id.index()];
        if decl.spec != self.spec || decl.name_span.start <= span.start || !self.t.is_variable(id) {
            return;
        }
        let declared_in = self.t.items[id.index()].block;
        let mut at = Some(self.block);
        while let Some(block) = at {
            if block == declared_in {
                let defined = self.t.program.decl_location(id);
                self.used_before(text, span, defined);
                return;
            }
            at = self.t.block(block).parent;
        }
    }

    fn template_value(&mut self, span: Span) -> Operand {
        let mut at = Some(self.t.block(self.block).namespace);
        while let Some(id) = at {
            let namespace = &self.t.program.namespaces[id.index()];
            if let Some(decl) = namespace.template {
                return Operand::Value { expr: self.push(span, Expr::Global(decl)), decl: Some(decl), ty: None };
            }
            at = namespace.parent;
        }
        let message = "no template is declared here or in an enclosing namespace".to_owned();
        let help = "declare one with `export declare const template: T = {…};`".to_owned();
        plain(self.error(9226, span, message, "not found", Some(help)))
    }

    /// A name that was found.
    fn target(&mut self, target: Target, qualifiers: Vec<ExprId>, span: Span) -> Operand {
        let decl = match target {
            Target::Namespace(id) => return Operand::Namespace { id, qualifiers, span },
            Target::Decl(decl) => decl,
        };
        self.warn_obsolete(decl, span);
        if let DeclKind::Enum(id) = self.t.program.decls[decl.index()].kind {
            return Operand::Enum { id, decl, span };
        }
        if qualifiers.is_empty() {
            return Operand::Value { expr: self.push(span, Expr::Global(decl)), decl: Some(decl), ty: None };
        }
        let namespace = self.t.program.decls[decl.index()].namespace;
        let namespace = self.namespace_value(namespace, &qualifiers, span);
        Operand::Value { expr: self.push(span, Expr::Qualified { namespace, decl }), decl: Some(decl), ty: None }
    }

    fn warn_obsolete(&mut self, decl: DeclId, span: Span) {
        let Some(reason) = self.t.program.decls[decl.index()].obsolete.clone() else { return };
        let message = format!("`{}` is obsolete", self.t.program.decl_name(decl));
        let mut diagnostic = Diagnostic::warning(Number::Dx(9345), message)
            .at(self.place(span), "used here")
            .and_at(self.t.program.decl_location(decl), "declared obsolete here");
        if !reason.is_empty() {
            diagnostic = diagnostic.note(reason.as_ref());
        }
        self.diagnostics.push(diagnostic);
    }

    /// `operand.name`
    pub(super) fn member(&mut self, operand: Operand, name: ast::Ident, span: Span) -> Operand {
        let text = self.ast.name(name);
        let symbol = self.t.intern(text);
        match operand {
            Operand::Value { expr, .. } => {
                if matches!(self.code.exprs[expr.0 as usize], Expr::Error) {
                    return self.broken(span);
                }
                plain(self.push(span, Expr::Member { object: expr, name: symbol }))
            }
            Operand::Enum { id, decl, .. } => {
                let members = &self.t.program.enums[id.index()].members;
                if let Some(&value) = members.get(&symbol) {
                    return plain(self.push(span, Expr::Enum { ty: id, value }));
                }
                let help = nearest(text, members.keys().map(|known| self.t.text(*known)));
                let help = help.map(|known| format!("did you mean `{known}`?"));
                let message = format!("enum `{}` has no member `{text}`", self.t.program.decl_name(decl));
                let diagnostic = Diagnostic::error(Number::Dx(9343), message)
                    .at(self.place(name.span), "not found")
                    .and_at(self.t.program.decl_location(decl), "the enum is declared here");
                self.diagnostics.push(diagnostic.maybe_help(help));
                self.broken(span)
            }
            Operand::Namespace { id, qualifiers, .. } => self.namespace_member(id, qualifiers, name, span),
        }
    }

    fn namespace_member(&mut self, id: NamespaceId, qualifiers: Vec<ExprId>, name: ast::Ident, span: Span) -> Operand {
        let text = self.ast.name(name);
        let symbol = self.t.intern(text);
        let entry = self.t.members[id.index()].get(&symbol).copied();
        if let Some(value) = entry.and_then(|entry| entry.value) {
            if self.t.visible(&value, id, self.viewer) {
                return self.target(value.target, qualifiers, span);
            }
            let module = self.t.module_name(id);
            self.diagnostics.push(not_public(text, &module, self.place(name.span), value.place));
            return self.broken(span);
        }
        if entry.is_some_and(|entry| entry.is_broken()) || symbol == self.t.known.qualifier {
            // Reported at the import, or by the rule about `Ns.qualifier`.
            return self.broken(span);
        }
        if symbol == self.t.known.root {
            let message = "`$` stands alone: it is the root namespace of this module".to_owned();
            return plain(self.error(50118, name.span, message, "cannot be a member", None));
        }
        let owner = self.t.program.namespaces[id.index()].module;
        if !self.t.incomplete.contains(&id) && !self.t.is_lost(owner, text) {
            self.no_member(id, name, entry);
        }
        self.broken(span)
    }

    fn no_member(&mut self, id: NamespaceId, name: ast::Ident, entry: Option<Entry>) {
        let text = self.ast.name(name);
        let place = self.place(name.span);
        let namespace = &self.t.program.namespaces[id.index()];
        let (owner, number) = match namespace.parent {
            None if id == self.t.spec_roots[self.spec.index()] => {
                ("the root namespace of this module".to_owned(), 9342)
            }
            None => (self.t.root_name(id), if namespace.module == self.viewer { 9342 } else { 9340 }),
            Some(_) => (format!("namespace `{}`", self.t.program.namespace_name(id)), 9342),
        };
        if let Some(ty) = entry.and_then(|entry| entry.ty) {
            let message = format!("`{text}` is a type and has no value");
            let diagnostic = Diagnostic::error(Number::Dx(9226), message).at(place, "used as a value");
            self.diagnostics.push(diagnostic.and_at(ty.place, "declared here"));
            return;
        }
        let symbol = self.t.intern(text);
        // A private declaration of that namespace is what was most likely meant.
        let hidden = self.t.blocks.iter().filter(|block| block.namespace == id).find_map(|block| {
            let entry = block.locals.get(&symbol)?;
            entry.alias.is_none().then_some(entry.value?.place)
        });
        let message = format!("{owner} has no member `{text}`");
        let mut diagnostic = Diagnostic::error(Number::Dx(number), message).at(place, "not found");
        if let Some(hidden) = hidden {
            let how = if namespace.module == self.viewer { "`export`" } else { "`@@public export`" };
            diagnostic = diagnostic.and_at(hidden, "declared here, but not exported");
            diagnostic = diagnostic.help(format!("add {how} before its declaration"));
        } else {
            let visible = |entry: &Entry| entry.value.is_some_and(|value| self.t.visible(&value, id, self.viewer));
            let members = self.t.members[id.index()].iter().filter(|(_, entry)| visible(entry));
            let known =
                if self.may_suggest() { nearest(text, members.map(|(name, _)| self.t.text(*name))) } else { None };
            diagnostic = diagnostic.maybe_help(known.map(|known| format!("did you mean `{known}`?")));
        }
        self.diagnostics.push(diagnostic);
    }

    /// Whether a mistake still gets a "did you mean": looking through all names takes long where a whole spec is wrong,
    /// and no one reads that many.
    fn may_suggest(&self) -> bool {
        self.diagnostics.len() < DEFAULT_LIMIT
    }

    /// Reports a name that is not in scope, unless that follows from a mistake reported elsewhere.
    pub(super) fn missing(&mut self, name: Symbol, span: Span) {
        let root = self.t.spec_roots[self.spec.index()];
        if !self.t.incomplete.contains(&root) && !self.t.is_lost(self.viewer, self.t.text(name)) {
            self.not_found(name, span);
        }
    }

    /// Reports a name that is not in scope, with the likeliest way to mend it.
    fn not_found(&mut self, name: Symbol, span: Span) {
        let text = self.t.text(name);
        let place = self.place(span);
        if let Some(ty) = self.t.lookup(self.block, name, |entry| entry.ty.is_some()).and_then(|entry| entry.ty) {
            let message = format!("`{text}` is a type and has no value");
            let diagnostic = Diagnostic::error(Number::Dx(9226), message).at(place, "used as a value");
            self.diagnostics.push(diagnostic.and_at(ty.place, "declared here"));
            return;
        }
        let mut diagnostic = Diagnostic::error(Number::Dx(9226), format!("there is no `{text}` in scope"));
        diagnostic = diagnostic.at(place, "not found");
        let meaning = |entry: &Entry| entry.value.map(|value| (value.place, value.public));
        if let Some((location, help)) = self.t.elsewhere(self.spec, name, meaning) {
            diagnostic = match location {
                Some(location) => diagnostic.and_at(location, "declared here, but not visible"),
                None => diagnostic,
            };
            self.diagnostics.push(diagnostic.help(help));
            return;
        }
        if !self.may_suggest() {
            self.diagnostics.push(diagnostic);
            return;
        }
        let mut names = self.t.names_in_scope(self.block);
        names.extend(self.frames.iter().flat_map(|frame| frame.names()).map(|name| self.t.text(name)));
        let help = nearest(text, names).map(|known| format!("did you mean `{known}`?"));
        self.diagnostics.push(diagnostic.maybe_help(foreign(text).map(str::to_owned).or(help)));
    }
}

/// What to write instead of a name that JavaScript has everywhere.
fn foreign(name: &str) -> Option<&'static str> {
    Some(match name {
        "require" => "write `importFrom(\"Module.Name\")`",
        "console" => "write `Debug.writeLine(…)`",
        "parseInt" | "parseFloat" => "write `Number.parseInt(…)`",
        "JSON" => "import `Sdk.Json`",
        "process" => "variables are read with `Environment.getStringValue(…)`",
        "super" => "DScript has no classes",
        _ => return None,
    })
}

pub(super) fn plain(expr: ExprId) -> Operand {
    Operand::Value { expr, decl: None, ty: None }
}
