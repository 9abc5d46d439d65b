//! Qualifier spaces: read from the types of `qualifier` declarations, inherited by inner namespaces.

use std::sync::Arc;

use super::tables::{BlockId, Node, Tables};
use super::types::find_type;
use crate::diagnostics::{Code, Diagnostic};
use crate::program::{DeclId, QualifierSpace, SpaceId, SpecId};
use crate::source::Span;
use crate::syntax::ast::{self, PropertyName, Type, TypeMemberKind};
use crate::syntax::literals::string_value;

/// Gives each namespace and declaration its space.
pub(super) fn assign(t: &mut Tables<'_>, diagnostics: &mut Vec<Diagnostic>) {
    // Parents have smaller ids than their children.
    for index in 0..t.program.namespaces.len() {
        let own = t.qualifier_decls[index].map(|decl| {
            let spec = t.block(decl.block).spec;
            let mut reader = Reader { t, diagnostics, spec, depth: 0 };
            let mut space = QualifierSpace::new();
            if let Some(ty) = decl.ty {
                reader.read(decl.block, ty, &mut space);
            }
            t.program.qualifiers.space(space)
        });
        let parent = t.program.namespaces[index].parent;
        let inherited = parent.map_or(SpaceId::EMPTY, |parent| t.program.namespaces[parent.index()].space);
        t.program.namespaces[index].space = own.unwrap_or(inherited);
    }
    for index in 0..t.program.decls.len() {
        let namespace = t.program.decls[index].namespace;
        t.program.decls[index].space = t.program.namespaces[namespace.index()].space;
    }
}

struct Reader<'a, 'i> {
    t: &'a Tables<'i>,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// The file of the `qualifier` declaration: what is wrong in there is reported by a rule.
    spec: SpecId,
    depth: u32,
}

impl Reader<'_, '_> {
    fn error(&mut self, block: BlockId, code: u32, span: Span, message: String, help: Option<String>) {
        let place = self.t.location(self.t.block(block).spec, span);
        let diagnostic = Diagnostic::error(Code::Dx(code), message).at(place, "");
        self.diagnostics.push(diagnostic.maybe_help(help));
    }

    /// Whether a type is declared in the file of the qualifier, where a rule looks at its form.
    fn is_linted(&self, block: BlockId) -> bool {
        self.t.block(block).spec == self.spec
    }

    fn read(&mut self, block: BlockId, id: ast::TypeId, space: &mut QualifierSpace) {
        let ast = self.t.asts[self.t.block(block).spec.index()];
        let span = ast.type_span(id);
        self.depth += 1;
        if self.depth > 100 {
            let message = "this type refers to itself and cannot be that of a qualifier".to_owned();
            self.error(block, 9054, span, message, None);
        } else {
            match ast.ty(id) {
                Type::Paren(inner) => self.read(block, inner, space),
                Type::Object(members) => self.members(block, members, space),
                // Only the prelude may declare a qualifier of any type; elsewhere a rule refuses it.
                Type::Reference { .. } if ast.text_of(span) == "any" => {}
                Type::Reference { name, .. } => {
                    if let Some(decl) = self.find(block, name) {
                        self.declared(decl, span, block, space);
                    }
                }
                Type::Intersection(types) => {
                    for &ty in ast.list(types) {
                        self.read(block, ty, space);
                    }
                }
                Type::Error => {}
                // A rule looks at the form of inline types.
                _ => {}
            }
        }
        self.depth -= 1;
    }

    fn declared(&mut self, decl: DeclId, span: Span, from: BlockId, space: &mut QualifierSpace) {
        let item = self.t.items[decl.index()];
        match item.node {
            Node::TypeAlias { ty, .. } => self.read(item.block, ty, space),
            Node::Interface { extends, members, .. } => {
                let ast = self.t.asts[self.t.block(item.block).spec.index()];
                for &base in ast.list(extends) {
                    self.read(item.block, base, space);
                }
                self.members(item.block, members, space);
                if ast.list(extends).is_empty() && !self.is_base(decl) && !self.is_linted(item.block) {
                    let name = self.t.text(self.t.program.decls[decl.index()].name).to_owned();
                    let message = format!("interface `{name}` is not a qualifier type");
                    let help = format!("write `interface {name} extends Qualifier`");
                    self.error(from, 9055, span, message, Some(help));
                }
            }
            _ if self.is_linted(item.block) => {}
            _ => {
                let message = "the type of a qualifier must be an interface or an object type".to_owned();
                self.error(from, 9054, span, message, None);
            }
        }
    }

    /// Whether this is the interface `Qualifier` itself.
    fn is_base(&self, decl: DeclId) -> bool {
        self.t.program.decls[decl.index()].name == self.t.known.qualifier_type
    }

    fn members(&mut self, block: BlockId, members: ast::List<ast::TypeMember>, space: &mut QualifierSpace) {
        let ast = self.t.asts[self.t.block(block).spec.index()];
        for member in ast.list(members) {
            let TypeMemberKind::Property { name, ty, .. } = member.kind else { continue };
            let key = match name {
                PropertyName::Ident(name) => Arc::from(ast.name(name)),
                PropertyName::String(span) => Arc::from(string_value(ast.text_of(span))),
                PropertyName::Number(_) | PropertyName::Computed(_) => continue,
            };
            let mut values = Vec::new();
            if let Some(ty) = ty {
                self.values(block, ty, &mut values);
            }
            space.insert(key, values);
        }
    }

    /// The string literals of a type.
    fn values(&mut self, block: BlockId, id: ast::TypeId, values: &mut Vec<Arc<str>>) {
        let ast = self.t.asts[self.t.block(block).spec.index()];
        self.depth += 1;
        if self.depth < 100 {
            match ast.ty(id) {
                Type::StringLiteral => {
                    let value: Arc<str> = Arc::from(string_value(ast.text_of(ast.type_span(id))));
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Type::Paren(inner) => self.values(block, inner, values),
                Type::Union(types) => {
                    for &ty in ast.list(types) {
                        self.values(block, ty, values);
                    }
                }
                Type::Reference { name, .. } => {
                    if ast.list(name).len() == 1 && ast.text_of(ast.type_span(id)) == "string" {
                        if !self.is_linted(block) {
                            let message = "the values of a qualifier key must be listed as string literals".to_owned();
                            let help = "for example `\"debug\" | \"release\"`".to_owned();
                            self.error(block, 9053, ast.type_span(id), message, Some(help));
                        }
                    } else if let Some(decl) = self.find(block, name)
                        && let item = self.t.items[decl.index()]
                        && let Node::TypeAlias { ty, .. } = item.node
                    {
                        self.values(item.block, ty, values);
                    }
                }
                _ => {}
            }
        }
        self.depth -= 1;
    }

    /// The declaration that a dotted type name means.
    fn find(&mut self, block: BlockId, name: ast::List<ast::Ident>) -> Option<DeclId> {
        let ast = self.t.asts[self.t.block(block).spec.index()];
        match find_type(self.t, block, name) {
            Ok(decl) => return Some(decl),
            // A prelude need not declare the base of all qualifiers: it has no keys.
            Err(_) if matches!(ast.list(name), [only] if ast.name(*only) == "Qualifier") => {}
            Err(diagnostic) => self.diagnostics.extend(diagnostic.map(|diagnostic| *diagnostic)),
        }
        None
    }
}
