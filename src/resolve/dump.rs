//! The lowered form as text, for tests.

use std::fmt::Write as _;

use super::Resolved;
use super::ir::{Body, CaptureSource, Code, Expr, ExprId, Function, List, Part, Stmt, StmtId, Variable};
use crate::program::{DeclId, DeclKind, Origin, Program, SpecKind};

/// The declarations and functions of the specs of the build extent and of configuration files.
pub(super) fn dump(resolved: &Resolved) -> String {
    let program = &resolved.program;
    let mut out = String::new();
    for (index, spec) in program.specs.iter().enumerate() {
        let module = &program.modules[spec.module.index()];
        if matches!(module.origin, Origin::Library | Origin::Prelude) {
            continue;
        }
        let probe = if module.specs.iter().any(|id| id.index() == index) { "" } else { " (probe)" };
        let _ = writeln!(out, "--- {}{probe}", program.paths.display(spec.path));
        let code = &resolved.code[index];
        for &id in &spec.decls {
            let decl = &program.decls[id.index()];
            let space: Vec<String> = program
                .qualifiers
                .space_of(decl.space)
                .iter()
                .map(|(key, values)| format!("{key}: {}", values.join("|")))
                .collect();
            let visible = if decl.public {
                "public "
            } else if decl.exported {
                "export "
            } else {
                ""
            };
            let _ = write!(out, "{visible}{} {{{}}} ", program.decl_name(id), space.join(", "));
            match decl.kind {
                DeclKind::Value { function } | DeclKind::Function { function } => {
                    let mut printer = Printer { program, code, out: String::new() };
                    printer.function(&code.functions[function as usize]);
                    let _ = writeln!(out, "= {}", printer.out);
                }
                DeclKind::Enum(id) => {
                    let members = &program.enums[id.index()].members;
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("{}={value}", program.symbols.text(*name)))
                        .collect();
                    let _ = writeln!(out, "enum {}", members.join(" "));
                }
                DeclKind::Native { required, maximum } => {
                    let _ = writeln!(out, "native {required}..{maximum:?}");
                }
                DeclKind::Type => out.push_str("type\n"),
            }
        }
        if spec.kind != SpecKind::Spec {
            let calls = resolved.configurations.iter().filter(|call| call.spec.index() == index);
            let names: Vec<&str> = calls.map(|call| &*call.function).collect();
            let _ = writeln!(out, "calls: {}", names.join(" "));
        }
    }
    out
}

struct Printer<'a> {
    program: &'a Program,
    code: &'a Code,
    out: String,
}

impl Printer<'_> {
    fn function(&mut self, function: &Function) {
        if !function.parameters.is_empty() || !function.captures.is_empty() {
            let names: Vec<&str> = function.parameters.iter().map(|name| self.program.symbols.text(*name)).collect();
            let captures: Vec<String> = function
                .captures
                .iter()
                .map(|capture| match capture {
                    CaptureSource::Local(slot) => format!("%{slot}"),
                    CaptureSource::Capture(index) => format!("^{index}"),
                })
                .collect();
            let rest = if function.rest { " rest" } else { "" };
            let cells = if function.cell_parameters.is_empty() {
                String::new()
            } else {
                format!(" cells{:?}", function.cell_parameters)
            };
            let (required, slots) = (function.required, function.slots);
            let _ = write!(
                self.out,
                "fn({}) required {required}{rest} slots {slots}{cells} captures[{}] ",
                names.join(", "),
                captures.join(", ")
            );
        }
        match function.body {
            Body::Expr(expr) => self.expr(expr),
            Body::Block(body) => self.block(body),
        }
    }

    fn block(&mut self, body: List<StmtId>) {
        self.out.push_str("{ ");
        for &id in self.code.stmts_of(body) {
            self.stmt(id);
        }
        self.out.push('}');
    }

    fn list(&mut self, items: List<ExprId>) {
        for (index, &item) in self.code.exprs_of(items).iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            self.expr(item);
        }
    }

    fn parts(&mut self, parts: List<Part>) {
        for part in self.code.parts_of(parts) {
            match part {
                Part::Text(text) => self.out.push_str(&self.code.strings[*text as usize]),
                Part::Hole(hole) => {
                    self.out.push_str("${");
                    self.expr(*hole);
                    self.out.push('}');
                }
            }
        }
    }

    fn variable(&mut self, variable: Variable) {
        let _ = match variable {
            Variable::Local(slot) => write!(self.out, "%{slot}"),
            Variable::LocalCell(slot) => write!(self.out, "%{slot}*"),
            Variable::CaptureCell(index) => write!(self.out, "^{index}*"),
        };
    }

    fn expr(&mut self, id: ExprId) {
        let program = self.program;
        let path = |path| program.paths.display(path);
        match self.code.exprs[id.0 as usize] {
            Expr::Undefined => self.out.push_str("undefined"),
            Expr::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Expr::Number(value) => self.out.push_str(&value.to_string()),
            Expr::String(text) => self.out.push_str(&format!("{:?}", self.code.strings[text as usize])),
            Expr::Path(value) => self.out.push_str(&format!("p`{}`", path(value))),
            Expr::File(value) => self.out.push_str(&format!("f`{}`", path(value))),
            Expr::Directory(value) => self.out.push_str(&format!("d`{}`", path(value))),
            Expr::Atom(value) => self.out.push_str(&format!("a`{}`", program.symbols.text(value))),
            Expr::Relative(index) => {
                let text = self.code.relatives[index as usize].display(&program.symbols);
                self.out.push_str(&format!("r`{text}`"));
            }
            Expr::Interpolate(parts) => {
                self.out.push('`');
                self.parts(parts);
                self.out.push('`');
            }
            Expr::PathTemplate { kind, base, parts } => {
                let base = base.map(path).unwrap_or_default();
                self.out.push_str(&format!("{kind:?}({base})`"));
                self.parts(parts);
                self.out.push('`');
            }
            Expr::Local(slot) => self.out.push_str(&format!("%{slot}")),
            Expr::LocalCell(slot) => self.out.push_str(&format!("%{slot}*")),
            Expr::LocalGrown(slot) => self.out.push_str(&format!("%{slot}+")),
            Expr::Capture(index) => self.out.push_str(&format!("^{index}")),
            Expr::CaptureCell(index) => self.out.push_str(&format!("^{index}*")),
            Expr::Global(decl) => self.global(decl),
            Expr::Namespace(id) => {
                let module = &program.modules[program.namespaces[id.index()].module.index()].name;
                self.out.push_str(&format!("ns({module}:{})", program.namespace_name(id)));
            }
            Expr::WithQualifier { namespace, qualifier } => {
                self.expr(namespace);
                self.out.push_str(".withQualifier(");
                self.expr(qualifier);
                self.out.push(')');
            }
            Expr::Qualified { namespace, decl } => {
                self.expr(namespace);
                self.out.push_str(&format!("@{}", program.decl_name(decl)));
            }
            Expr::Enum { ty, value } => {
                let name = program.decl_name(program.enums[ty.index()].decl);
                self.out.push_str(&format!("{name}#{value}"));
            }
            Expr::Qualifier => self.out.push_str("qualifier"),
            Expr::Array(items) => {
                self.out.push('[');
                self.list(items);
                self.out.push(']');
            }
            Expr::Spread(inner) => {
                self.out.push_str("...");
                self.expr(inner);
            }
            Expr::Object { shape, values } => {
                self.out.push('{');
                let keys = &self.code.shapes[shape as usize];
                for (index, (key, &value)) in keys.iter().zip(self.code.exprs_of(values)).enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    self.out.push_str(&format!("{comma}{}: ", program.symbols.text(*key)));
                    self.expr(value);
                }
                self.out.push('}');
            }
            Expr::Member { object, name } => {
                self.expr(object);
                self.out.push_str(&format!(".{}", program.symbols.text(name)));
            }
            Expr::Index { object, index } => {
                self.expr(object);
                self.out.push('[');
                self.expr(index);
                self.out.push(']');
            }
            Expr::CallGlobal { decl, arguments } => {
                self.global(decl);
                self.out.push('(');
                self.list(arguments);
                self.out.push(')');
            }
            Expr::Call { callee, arguments } => {
                self.expr(callee);
                self.out.push('(');
                self.list(arguments);
                self.out.push(')');
            }
            Expr::CallMember { object, name, arguments } => {
                self.expr(object);
                self.out.push_str(&format!(".{}(", program.symbols.text(name)));
                self.list(arguments);
                self.out.push(')');
            }
            Expr::Not(operand) => self.unary("!", operand),
            Expr::Minus(operand) => self.unary("-", operand),
            Expr::Plus(operand) => self.unary("+", operand),
            Expr::BitNot(operand) => self.unary("~", operand),
            Expr::TypeOf(operand) => self.unary("typeof ", operand),
            Expr::Binary { op, left, right, .. } => self.binary(&format!("{op:?}"), left, right),
            Expr::And(left, right) => self.binary("And", left, right),
            Expr::Or(left, right) => self.binary("Or", left, right),
            Expr::Conditional { condition, then, otherwise } => {
                self.expr(condition);
                self.out.push_str(" ? ");
                self.expr(then);
                self.out.push_str(" : ");
                self.expr(otherwise);
            }
            Expr::Assign { target, op, value } => {
                self.variable(target);
                self.out.push_str(&op.map_or(" = ".to_owned(), |op| format!(" {op:?}= ")));
                self.expr(value);
            }
            Expr::Update { target, by, prefix } => {
                self.variable(target);
                self.out.push_str(&format!(" update {by} prefix {prefix}"));
            }
            Expr::Lambda(function) => {
                self.out.push('(');
                self.function(&self.code.functions[function as usize]);
                self.out.push(')');
            }
            Expr::Error => self.out.push_str("error"),
        }
    }

    fn global(&mut self, decl: DeclId) {
        let module = &self.program.modules[self.program.module_of(decl).index()].name;
        self.out.push_str(&format!("@{module}:{}", self.program.decl_name(decl)));
    }

    fn unary(&mut self, op: &str, operand: ExprId) {
        self.out.push_str(op);
        self.expr(operand);
    }

    fn binary(&mut self, op: &str, left: ExprId, right: ExprId) {
        self.out.push('(');
        self.expr(left);
        self.out.push_str(&format!(" {op} "));
        self.expr(right);
        self.out.push(')');
    }

    fn stmt(&mut self, id: StmtId) {
        match self.code.stmts[id.0 as usize] {
            Stmt::Let { slot, cell, value } => {
                let star = if cell { "*" } else { "" };
                self.out.push_str(&format!("let %{slot}{star} = "));
                self.expr(value);
            }
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::Grow { whole, .. } => {
                self.out.push_str("grow ");
                self.expr(whole);
            }
            Stmt::Block(body) => self.block(body),
            Stmt::If { condition, then, otherwise } => {
                self.out.push_str("if ");
                self.expr(condition);
                self.out.push(' ');
                self.stmt(then);
                if let Some(otherwise) = otherwise {
                    self.out.push_str("else ");
                    self.stmt(otherwise);
                }
            }
            Stmt::Switch { subject, clauses } => {
                self.out.push_str("switch ");
                self.expr(subject);
                for clause in self.code.clauses_of(clauses) {
                    self.out.push_str(" case ");
                    if let Some(test) = clause.test {
                        self.expr(test);
                    }
                    self.block(clause.body);
                }
            }
            Stmt::For { init, condition, step, body } => {
                self.out.push_str("for ");
                if let Some(init) = init {
                    self.stmt(init);
                }
                if let Some(condition) = condition {
                    self.expr(condition);
                }
                self.out.push_str("; ");
                if let Some(step) = step {
                    self.expr(step);
                }
                self.out.push(' ');
                self.stmt(body);
            }
            Stmt::ForOf { slot, cell, iterable, body } => {
                let star = if cell { "*" } else { "" };
                self.out.push_str(&format!("for %{slot}{star} of "));
                self.expr(iterable);
                self.out.push(' ');
                self.stmt(body);
            }
            Stmt::While { condition, body } => {
                self.out.push_str("while ");
                self.expr(condition);
                self.out.push(' ');
                self.stmt(body);
            }
            Stmt::DoWhile { body, condition } => {
                self.out.push_str("do ");
                self.stmt(body);
                self.expr(condition);
            }
            Stmt::Return(value) => {
                self.out.push_str("return ");
                if let Some(value) = value {
                    self.expr(value);
                }
            }
            Stmt::Break => self.out.push_str("break"),
            Stmt::Continue => self.out.push_str("continue"),
            Stmt::Empty => {}
        }
        self.out.push_str("; ");
    }
}
