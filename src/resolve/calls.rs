//! Calls: `importFrom`, `importFile` and `withQualifier` become namespaces, named arguments take their places.

use super::ir::{Expr, ExprId};
use super::lower::Lowerer;
use super::names::{Operand, plain};
use super::tables::Target;
use super::{imports, literals};
use crate::diagnostics::{Code as Number, Diagnostic, nearest};
use crate::program::{DeclId, DeclKind};
use crate::source::{Span, Symbol};
use crate::syntax::ast;

impl Lowerer<'_, '_> {
    pub(super) fn call(&mut self, id: ast::ExprId, callee: ast::ExprId, arguments: ast::List<ast::ExprId>) -> Operand {
        let ast = self.ast;
        let span = ast.expr_span(id);
        let function = self.bare(callee);
        if self.is_cast(callee) {
            // What the cast says counts, not what is declared.
            let operand = self.operand(function);
            return match self.call_operand(operand, span, callee, arguments) {
                Operand::Value { expr, .. } => plain(expr),
                other => other,
            };
        }
        let first = ast.list(arguments).first().copied();
        match ast.expr(function) {
            ast::Expr::Name => {
                let name = self.t.intern(ast.text_of(ast.expr_span(function)));
                let known = &self.t.known;
                if name == known.import_from && self.is_builtin(name) {
                    return self.import_from(span, first);
                }
                if name == known.import_file && self.is_builtin(name) {
                    return self.import_file(span, first);
                }
                if name == known.with_qualifier && self.is_builtin(name) {
                    let id = self.t.spec_roots[self.spec.index()];
                    return self.with_qualifier(id, Vec::new(), span, first);
                }
            }
            ast::Expr::Member { object, name } => {
                let operand = self.operand(object);
                let symbol = self.t.intern(ast.name(name));
                match operand {
                    Operand::Namespace { id, qualifiers, .. }
                        if symbol == self.t.known.with_qualifier
                            && !self.t.members[id.index()].contains_key(&symbol) =>
                    {
                        return self.with_qualifier(id, qualifiers, span, first);
                    }
                    Operand::Value { expr, .. } => {
                        let known = self.known_type(&operand);
                        let ty = self.known_member(object, known, name, true);
                        let arguments = self.arguments(None, span, callee, arguments);
                        if matches!(self.code.exprs[expr.0 as usize], Expr::Error) {
                            return self.broken(span);
                        }
                        let arguments = self.expr_list(&arguments);
                        let expr = self.push(span, Expr::CallMember { object: expr, name: symbol, arguments });
                        return Operand::Value { expr, decl: None, ty };
                    }
                    operand => {
                        let operand = self.member(operand, name, ast.expr_span(function));
                        return self.call_operand(operand, span, callee, arguments);
                    }
                }
            }
            _ => {}
        }
        let operand = self.operand(function);
        self.call_operand(operand, span, callee, arguments)
    }

    fn call_operand(
        &mut self,
        operand: Operand,
        span: Span,
        callee: ast::ExprId,
        arguments: ast::List<ast::ExprId>,
    ) -> Operand {
        let decl = match &operand {
            Operand::Value { decl, .. } => *decl,
            _ => None,
        };
        if let Some(decl) = decl {
            self.known_fields_in_call(decl, arguments);
        }
        let callee_value = self.value(operand);
        let arguments = self.arguments(decl, span, callee, arguments);
        if matches!(self.code.exprs[callee_value.0 as usize], Expr::Error) {
            return self.broken(span);
        }
        let arguments = self.expr_list(&arguments);
        let call = match self.code.exprs[callee_value.0 as usize] {
            Expr::Global(decl) if self.is_function(decl) => Expr::CallGlobal { decl, arguments },
            _ => Expr::Call { callee: callee_value, arguments },
        };
        let expr = self.push(span, call);
        Operand::Value { expr, decl: None, ty: decl.and_then(|decl| self.t.call_type(decl)) }
    }

    fn is_function(&self, decl: DeclId) -> bool {
        matches!(self.t.program.decls[decl.index()].kind, DeclKind::Function { .. } | DeclKind::Native { .. })
    }

    /// Whether a name of the language is not taken by a declaration of the user.
    fn is_builtin(&self, name: Symbol) -> bool {
        if self.find_local(name).is_some() {
            return false;
        }
        match self.t.lookup(self.block, name, |entry| entry.value.is_some()).and_then(|entry| entry.value) {
            None => true,
            Some(value) => match value.target {
                Target::Decl(decl) => Some(self.t.program.module_of(decl)) == self.t.program.prelude,
                Target::Namespace(_) => false,
            },
        }
    }

    fn import_from(&mut self, span: Span, argument: Option<ast::ExprId>) -> Operand {
        let Some(argument) = argument else { return self.broken(span) };
        // A rule refuses what is not a literal.
        let Some(name) = literals::text(self.ast, argument) else { return self.broken(span) };
        let place = self.place(self.ast.expr_span(argument));
        match imports::find(self.t, self.spec, &name, place) {
            Ok(id) => Operand::Namespace { id, qualifiers: Vec::new(), span },
            Err(diagnostic) => {
                self.diagnostics.extend(diagnostic.map(|diagnostic| *diagnostic));
                self.broken(span)
            }
        }
    }

    fn import_file(&mut self, span: Span, argument: Option<ast::ExprId>) -> Operand {
        let Some(argument) = argument else { return self.broken(span) };
        let file = self.expr(argument);
        let Expr::File(path) = self.code.exprs[file.0 as usize] else {
            // A rule refuses what is not a literal.
            return self.broken(span);
        };
        match self.t.input.files.get(&path) {
            Some(module) => {
                let id = self.t.program.modules[module.index()].root;
                Operand::Namespace { id, qualifiers: Vec::new(), span }
            }
            None => {
                let shown = self.ast.text_of(self.ast.expr_span(argument)).to_owned();
                let message = format!("there is no file {shown} to import");
                plain(self.error(11230, self.ast.expr_span(argument), message, "not found", None))
            }
        }
    }

    fn with_qualifier(
        &mut self,
        id: crate::program::NamespaceId,
        mut qualifiers: Vec<ExprId>,
        span: Span,
        argument: Option<ast::ExprId>,
    ) -> Operand {
        match argument {
            Some(argument) => {
                let qualifier = self.expr(argument);
                qualifiers.push(qualifier);
                Operand::Namespace { id, qualifiers, span }
            }
            None => {
                let message = "`withQualifier` needs an object such as `{configuration: \"debug\"}`".to_owned();
                plain(self.error(9361, span, message, "no qualifier is given", None))
            }
        }
    }

    /// The arguments of a call in the order of the parameters.
    fn arguments(
        &mut self,
        decl: Option<DeclId>,
        span: Span,
        callee: ast::ExprId,
        arguments: ast::List<ast::ExprId>,
    ) -> Vec<ExprId> {
        let ast = self.ast;
        let list = ast.list(arguments);
        if list.iter().any(|&argument| matches!(ast.expr(argument), ast::Expr::Named { .. })) {
            return self.named_arguments(decl, span, callee, list);
        }
        list.iter().map(|&argument| self.expr(argument)).collect()
    }

    /// Arguments of which some are named: not DScript, but its documentation writes them.
    fn named_arguments(
        &mut self,
        decl: Option<DeclId>,
        span: Span,
        callee: ast::ExprId,
        list: &[ast::ExprId],
    ) -> Vec<ExprId> {
        let ast = self.ast;
        let t = self.t;
        let signature = decl.and_then(|decl| t.signatures.get(&decl));
        let mut bound: Vec<Option<(ExprId, ast::ExprId)>> = Vec::new();
        let mut all_bound = signature.is_some();
        let mut after_named = false;
        if signature.is_none() {
            let message = "named arguments need a function that is known by its name".to_owned();
            let place = list.iter().find(|&&argument| matches!(ast.expr(argument), ast::Expr::Named { .. }));
            let place = place.map_or(span, |&argument| ast.expr_span(argument));
            let help = "give the arguments in the order of the parameters, without names".to_owned();
            self.named_error(602, place, message, Some(help));
        }
        for &argument in list {
            let ast::Expr::Named { name, value: ast_value } = ast.expr(argument) else {
                let value = self.expr(argument);
                if after_named {
                    let message = "an argument without a name cannot follow one with a name".to_owned();
                    self.named_error(603, ast.expr_span(argument), message, None);
                    all_bound = false;
                }
                bound.push(Some((value, argument)));
                continue;
            };
            after_named = true;
            let value = self.expr(ast_value);
            let Some(signature) = signature else { continue };
            let text = ast.name(name);
            let symbol = t.intern(text);
            let Some(index) = signature.parameters.iter().position(|known| *known == symbol) else {
                let known = nearest(text, signature.parameters.iter().map(|known| t.text(*known)));
                let names: Vec<String> =
                    signature.parameters.iter().map(|name| format!("`{}`", t.text(*name))).collect();
                let help = match known {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("its parameters are {}", names.join(", ")),
                };
                let message = format!("`{}` has no parameter `{text}`", ast.text_of(ast.expr_span(callee)));
                self.named_error(604, name.span, message, Some(help));
                all_bound = false;
                continue;
            };
            if bound.len() <= index {
                bound.resize(index + 1, None);
            }
            if bound[index].is_some() {
                self.named_error(605, name.span, format!("parameter `{text}` is given twice"), None);
                all_bound = false;
                continue;
            }
            bound[index] = Some((value, ast_value));
        }
        if all_bound {
            self.warn_named(span, callee, &bound);
        }
        let mut result = Vec::with_capacity(bound.len());
        for value in bound {
            result.push(match value {
                Some((value, _)) => value,
                None => self.push(span, Expr::Undefined),
            });
        }
        result
    }

    fn named_error(&mut self, number: u32, span: Span, message: String, help: Option<String>) {
        let place = self.place(span);
        self.diagnostics.push(Diagnostic::error(Number::Ds(number), message).at(place, "").maybe_help(help));
    }

    fn warn_named(&mut self, span: Span, callee: ast::ExprId, bound: &[Option<(ExprId, ast::ExprId)>]) {
        let ast = self.ast;
        let texts: Vec<&str> = bound
            .iter()
            .map(|value| value.map_or("undefined", |(_, argument)| ast.text_of(ast.expr_span(argument))))
            .collect();
        let rewritten = format!("{}({})", ast.text_of(ast.expr_span(callee)), texts.join(", "));
        let message = "named arguments are not DScript: editors will not understand them";
        let diagnostic = Diagnostic::warning(Number::Ds(601), message).at(self.place(span), "called with names");
        self.diagnostics.push(diagnostic.help(format!("write `{rewritten}`")));
    }
}
