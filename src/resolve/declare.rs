//! The first pass: every declaration of every file enters the namespaces of its module.

use std::sync::Arc;

use dashmap::DashMap;
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

use super::imports;
use super::literals;
use super::tables::{
    Alias, AliasId, AliasSource, AliasState, Block, BlockId, Entry, Item, Members, Node, QualifierDecl, Sighting,
    Signature, Star, Tables, Target, WellKnown,
};
use super::{ConfigurationCall, Input};
use crate::diagnostics::{Code, Diagnostic};
use crate::program::{
    Decl, DeclId, DeclKind, Enum, EnumId, Module, ModuleId, Namespace, NamespaceId, NamespaceMember, Origin, Program,
    Semantics, SpaceId, Spec, SpecId, SpecKind,
};
use crate::source::{Location, Span, Symbol};
use crate::syntax::ast::{self, Ast, Expr, Ident, Modifiers, Pattern, Stmt};

/// Enters all files.
pub(super) fn declare(input: &Input) -> (Tables<'_>, Vec<Diagnostic>) {
    let mut pass = Pass { t: empty_tables(input), diagnostics: Vec::new() };
    pass.modules();
    for index in 0..input.specs.len() {
        let spec = SpecId(index as u32);
        let block = pass.t.file_blocks[index];
        let ast = pass.t.asts[index];
        if ast.all_stmts().any(|(_, stmt)| matches!(stmt, Stmt::Error))
            || ast.all_exprs().any(|(_, expr)| matches!(expr, Expr::Error))
        {
            pass.t.broken_specs.push(spec);
        }
        let body = ast.body;
        pass.statements(spec, block, body);
    }
    pass.probes();
    (pass.t, pass.diagnostics)
}

fn empty_tables(input: &Input) -> Tables<'_> {
    let symbols = &input.symbols;
    let known = WellKnown {
        empty: symbols.intern(""),
        undefined: symbols.intern("undefined"),
        qualifier: symbols.intern("qualifier"),
        template: symbols.intern("template"),
        merge: symbols.intern("merge"),
        root: symbols.intern("$"),
        import_from: symbols.intern("importFrom"),
        import_file: symbols.intern("importFile"),
        with_qualifier: symbols.intern("withQualifier"),
        qualifier_type: symbols.intern("Qualifier"),
    };
    let program = Program {
        symbols: symbols.clone(),
        paths: input.paths.clone(),
        modules: Vec::new(),
        specs: Vec::new(),
        namespaces: Vec::new(),
        decls: Vec::new(),
        enums: Vec::new(),
        qualifiers: input.qualifiers.clone(),
        prelude: input.prelude,
    };
    Tables {
        input,
        program,
        asts: input.specs.iter().map(|spec| &*spec.ast).collect(),
        blocks: Vec::new(),
        file_blocks: Vec::new(),
        members: Vec::new(),
        stars: Vec::new(),
        incomplete: FxHashSet::default(),
        broken_specs: Vec::new(),
        items: Vec::new(),
        decorators: Vec::new(),
        strays: Vec::new(),
        aliases: Vec::new(),
        signatures: FxHashMap::default(),
        fields: DashMap::default(),
        parameters: DashMap::default(),
        qualifier_decls: Vec::new(),
        configurations: Vec::new(),
        probes: Vec::new(),
        known,
        specs_by_path: input.specs.iter().enumerate().map(|(at, spec)| (spec.path, SpecId(at as u32))).collect(),
        spec_roots: Vec::new(),
    }
}

/// What the decorators of a declaration say.
#[derive(Default)]
struct Marks {
    exported: bool,
    public: bool,
    obsolete: Option<Arc<str>>,
}

/// A declaration about to be entered.
struct New {
    name: Ident,
    marks: Marks,
    kind: DeclKind,
    node: Node,
    is_value: bool,
    is_type: bool,
    /// Whether a second one of the same name is not a mistake (interfaces, overloads of native functions).
    merges: bool,
}

struct Pass<'i> {
    t: Tables<'i>,
    diagnostics: Vec<Diagnostic>,
}

impl<'i> Pass<'i> {
    fn modules(&mut self) {
        let input = self.t.input;
        for (index, module) in input.modules.iter().enumerate() {
            let id = ModuleId(index as u32);
            let root = self.namespace(id, self.t.known.empty, None);
            self.t.program.modules.push(Module {
                name: module.name.clone(),
                semantics: module.semantics,
                origin: module.origin,
                folder: module.folder,
                location: module.location,
                specs: Vec::new(),
                root,
                allowed_dependencies: module.allowed_dependencies.clone(),
                cyclical_friends: module.cyclical_friends.clone(),
            });
        }
        for (index, source) in input.specs.iter().enumerate() {
            let spec = SpecId(index as u32);
            let module = &mut self.t.program.modules[source.module.index()];
            module.specs.push(spec);
            let mut root = module.root;
            let is_main = input.modules[source.module.index()].main == Some(source.path);
            if module.semantics == Semantics::Explicit && !is_main {
                root = self.namespace(source.module, self.t.known.empty, None);
            }
            self.add_spec(source.module, source.path, source.kind, &source.ast, root);
        }
    }

    fn add_spec(
        &mut self,
        module: ModuleId,
        path: crate::paths::PathId,
        kind: SpecKind,
        ast: &Ast,
        root: NamespaceId,
    ) -> SpecId {
        let spec = SpecId(self.t.program.specs.len() as u32);
        self.t.program.specs.push(Spec { module, file: ast.file, path, kind, decls: Vec::new(), probe_of: None });
        self.t.spec_roots.push(root);
        self.t.decorators.push(Vec::new());
        self.t.strays.push(Vec::new());
        let block = self.block(spec, root, None);
        self.t.file_blocks.push(block);
        spec
    }

    fn namespace(&mut self, module: ModuleId, name: Symbol, parent: Option<NamespaceId>) -> NamespaceId {
        let id = NamespaceId(self.t.program.namespaces.len() as u32);
        self.t.program.namespaces.push(Namespace {
            module,
            name,
            parent,
            members: IndexMap::default(),
            space: SpaceId::EMPTY,
            template: None,
        });
        self.t.members.push(Members::default());
        self.t.stars.push(Vec::new());
        self.t.qualifier_decls.push(None);
        id
    }

    fn block(&mut self, spec: SpecId, namespace: NamespaceId, parent: Option<BlockId>) -> BlockId {
        let id = BlockId(self.t.blocks.len() as u32);
        let (locals, own) = (FxHashMap::default(), FxHashMap::default());
        self.t.blocks.push(Block { spec, namespace, parent, locals, own });
        id
    }

    fn ast(&self, spec: SpecId) -> &'i Ast {
        self.t.asts[spec.index()]
    }

    fn at(&self, spec: SpecId, span: Span) -> Location {
        self.t.location(spec, span)
    }

    fn error(&mut self, code: Code, message: String, place: Location, label: &str) {
        self.diagnostics.push(Diagnostic::error(code, message).at(place, label));
    }

    fn statements(&mut self, spec: SpecId, block: BlockId, body: ast::List<ast::StmtId>) {
        let ast = self.ast(spec);
        for &id in ast.list(body) {
            stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.statement(spec, block, id));
        }
    }

    fn statement(&mut self, spec: SpecId, block: BlockId, id: ast::StmtId) {
        let ast = self.ast(spec);
        match ast.stmt(id) {
            Stmt::Import { clause, from, modifiers } => self.import(spec, block, clause, from, modifiers),
            Stmt::Export { names, from, decorators } => {
                let (public, _) = self.decorators(spec, block, decorators);
                self.export(spec, block, names, from, public);
            }
            Stmt::Variable { modifiers, declarators, .. } => {
                for &declarator in ast.list(declarators) {
                    self.variable(spec, block, modifiers, declarator);
                }
            }
            Stmt::Function { modifiers, name, function } => {
                let marks = self.marks(spec, block, modifiers);
                let kind = self.function_kind(spec, function);
                let merges = matches!(kind, DeclKind::Native { .. });
                let node = Node::Function(function);
                let new = New { name, marks, kind, node, is_value: true, is_type: false, merges };
                let decl = self.declare(spec, block, new);
                self.signature(spec, decl, function);
            }
            Stmt::Interface { modifiers, name, type_parameters, extends, members, .. } => {
                let marks = self.marks(spec, block, modifiers);
                for member in self.ast(spec).list(members) {
                    self.annotations(spec, block, member.decorators);
                }
                let node = Node::Interface { parameters: type_parameters, extends, members };
                let kind = DeclKind::Type;
                self.declare(
                    spec,
                    block,
                    New { name, marks, kind, node, is_value: false, is_type: true, merges: true },
                );
            }
            Stmt::TypeAlias { modifiers, name, type_parameters, ty } => {
                let marks = self.marks(spec, block, modifiers);
                let node = Node::TypeAlias { parameters: type_parameters, ty };
                let kind = DeclKind::Type;
                let merges = false;
                self.declare(spec, block, New { name, marks, kind, node, is_value: false, is_type: true, merges });
            }
            Stmt::Enum { modifiers, name, members, .. } => {
                let marks = self.marks(spec, block, modifiers);
                for member in self.ast(spec).list(members) {
                    self.annotations(spec, block, member.decorators);
                }
                let id = EnumId(self.t.program.enums.len() as u32);
                let kind = DeclKind::Enum(id);
                let node = Node::Enum(members);
                let new = New { name, marks, kind, node, is_value: true, is_type: true, merges: false };
                // The enum is pushed with its declaration so that their numbers agree.
                self.t.program.enums.push(Enum { decl: DeclId(0), members: IndexMap::default() });
                let decl = self.declare(spec, block, new);
                self.t.program.enums[id.index()].decl = decl;
            }
            Stmt::Namespace { modifiers, name, body } => {
                let (public, _) = self.decorators(spec, block, modifiers.decorators);
                if let Some(public) = public {
                    let message = "a namespace cannot be `@@public`: its members are".to_owned();
                    self.error(Code::Dx(50115), message, public, "not allowed here");
                }
                let mut at = block;
                for &part in ast.list(name) {
                    at = self.enter_namespace(spec, at, part);
                }
                self.statements(spec, at, body);
            }
            Stmt::Expr(expr) => self.configuration_call(spec, block, expr),
            _ => {}
        }
    }

    fn enter_namespace(&mut self, spec: SpecId, block: BlockId, name: Ident) -> BlockId {
        let symbol = self.t.intern(self.ast(spec).name(name));
        let parent = self.t.block(block).namespace;
        let place = self.at(spec, name.span);
        let entry = self.t.members[parent.index()].entry(symbol).or_default();
        let namespace = match entry.value {
            Some(Sighting { target: Target::Namespace(known), .. }) => known,
            Some(Sighting { place: other, .. }) => {
                self.duplicate(symbol, place, other);
                self.namespace(self.t.program.namespaces[parent.index()].module, symbol, Some(parent))
            }
            None => {
                let module = self.t.program.namespaces[parent.index()].module;
                let new = self.namespace(module, symbol, Some(parent));
                let sighting = Sighting { target: Target::Namespace(new), public: true, place };
                self.t.members[parent.index()].entry(symbol).or_default().value = Some(sighting);
                new
            }
        };
        self.block(spec, namespace, Some(block))
    }

    fn duplicate(&mut self, name: Symbol, second: Location, first: Location) {
        let message = format!("`{}` is declared twice", self.t.text(name));
        self.diagnostics.push(
            Diagnostic::error(Code::Dx(9201), message)
                .at(second, "declared again here")
                .and_at(first, "first declared here"),
        );
    }

    fn marks(&mut self, spec: SpecId, block: BlockId, modifiers: Modifiers) -> Marks {
        let (public, obsolete) = self.decorators(spec, block, modifiers.decorators);
        let module = &self.t.program.modules[self.t.program.specs[spec.index()].module.index()];
        let (origin, explicit) = (module.origin, module.semantics == Semantics::Explicit);
        let list = self.t.program.specs[spec.index()].kind == SpecKind::List;
        // A configuration sees everything in a list that it imports.
        let exported = modifiers.export.is_some() || list || origin == Origin::Prelude;
        if let Some(place) = public {
            if explicit {
                let message = "`@@public` has a meaning only in modules with implicit references".to_owned();
                self.error(Code::Dx(50112), message, place, "not allowed here");
            } else if !exported {
                let name = "a `@@public` declaration must also be exported".to_owned();
                let diagnostic = Diagnostic::error(Code::Dx(50114), name).at(place, "public");
                self.diagnostics.push(diagnostic.help("write `export` before the declaration"));
            }
        }
        Marks { exported, public: public.is_some() || list || origin == Origin::Prelude, obsolete }
    }

    /// Decorators of members: only their names are looked up.
    fn annotations(&mut self, spec: SpecId, block: BlockId, decorators: ast::List<ast::ExprId>) {
        let ast = self.ast(spec);
        for &decorator in ast.list(decorators) {
            let span = ast.expr_span(decorator);
            if matches!(ast.expr(decorator), Expr::Name) && ast.text_of(span) == "public" {
                let message = "a member cannot be `@@public`: it is as visible as its type".to_owned();
                self.error(Code::Dx(50115), message, self.at(spec, span), "not allowed here");
            }
            self.t.decorators[spec.index()].push((block, decorator));
        }
    }

    /// Where `@@public` stands, and the text of `@@obsolete`.
    fn decorators(
        &mut self,
        spec: SpecId,
        block: BlockId,
        decorators: ast::List<ast::ExprId>,
    ) -> (Option<Location>, Option<Arc<str>>) {
        let ast = self.ast(spec);
        let (mut public, mut obsolete) = (None, None);
        for &decorator in ast.list(decorators) {
            self.t.decorators[spec.index()].push((block, decorator));
            let span = ast.expr_span(decorator);
            match ast.expr(decorator) {
                Expr::Name if ast.text_of(span) == "public" => public = Some(self.at(spec, span)),
                Expr::Name if ast.text_of(span) == "obsolete" => obsolete = Some(Arc::from("")),
                Expr::Call { callee, arguments, .. } if matches!(ast.expr(callee), Expr::Name) => {
                    match ast.text_of(ast.expr_span(callee)) {
                        "public" => public = Some(self.at(spec, span)),
                        "obsolete" => {
                            let text = ast.list(arguments).first().and_then(|&argument| literals::text(ast, argument));
                            obsolete = Some(Arc::from(text.as_deref().unwrap_or("")));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        (public, obsolete)
    }

    fn variable(&mut self, spec: SpecId, block: BlockId, modifiers: Modifiers, declarator: ast::Declarator) {
        let ast = self.ast(spec);
        let Pattern::Ident(name) = declarator.pattern else { return };
        let text = ast.name(name);
        let namespace = self.t.block(block).namespace;
        if text == "qualifier" {
            let place = self.at(spec, name.span);
            match self.t.qualifier_decls[namespace.index()] {
                Some(first) => self.duplicate(self.t.known.qualifier, place, first.place),
                None => {
                    self.t.qualifier_decls[namespace.index()] = Some(QualifierDecl { block, ty: declarator.ty, place });
                }
            }
            return;
        }
        let marks = self.marks(spec, block, modifiers);
        let kind = DeclKind::Value { function: u32::MAX };
        let node = Node::Variable(declarator);
        if text == "template" {
            let place = self.at(spec, name.span);
            let decl = self.push_decl(spec, block, self.t.known.template, name.span, &marks, kind, node);
            match self.t.program.namespaces[namespace.index()].template {
                Some(first) => {
                    let first = self.t.program.decl_location(first);
                    self.duplicate(self.t.known.template, place, first);
                }
                None => self.t.program.namespaces[namespace.index()].template = Some(decl),
            }
            return;
        }
        let new = New { name, marks, kind, node, is_value: true, is_type: false, merges: false };
        let decl = self.declare(spec, block, new);
        if let Some(init) = declarator.init
            && let Expr::Arrow(function) | Expr::Function(function) = ast.expr(init)
        {
            self.signature(spec, decl, function);
        }
    }

    fn function_kind(&self, spec: SpecId, id: ast::FunctionId) -> DeclKind {
        let ast = self.ast(spec);
        let function = ast.function(id);
        if !matches!(function.body, ast::FunctionBody::None) {
            return DeclKind::Function { function: u32::MAX };
        }
        let parameters = ast.list(function.parameters);
        let required = parameters.iter().take_while(|parameter| !parameter.optional && !parameter.rest).count() as u32;
        let rest = parameters.last().is_some_and(|parameter| parameter.rest);
        DeclKind::Native { required, maximum: (!rest).then_some(parameters.len() as u32) }
    }

    fn signature(&mut self, spec: SpecId, decl: DeclId, id: ast::FunctionId) {
        let ast = self.ast(spec);
        let function = ast.function(id);
        let parameters = ast.list(function.parameters);
        let name = |parameter: &ast::Parameter| match parameter.pattern {
            Pattern::Ident(name) => self.t.intern(ast.name(name)),
            Pattern::Destructuring(_) => self.t.known.empty,
        };
        let names = parameters.iter().map(name).collect();
        self.t.signatures.insert(decl, Signature { parameters: names });
    }

    #[allow(clippy::too_many_arguments)]
    fn push_decl(
        &mut self,
        spec: SpecId,
        block: BlockId,
        name: Symbol,
        name_span: Span,
        marks: &Marks,
        kind: DeclKind,
        node: Node,
    ) -> DeclId {
        let id = DeclId(self.t.program.decls.len() as u32);
        self.t.program.decls.push(Decl {
            name,
            namespace: self.t.block(block).namespace,
            spec,
            name_span,
            exported: marks.exported,
            public: marks.public,
            obsolete: marks.obsolete.clone(),
            space: SpaceId::EMPTY,
            kind,
        });
        self.t.items.push(Item { block, node });
        self.t.program.specs[spec.index()].decls.push(id);
        id
    }

    fn declare(&mut self, spec: SpecId, block: BlockId, new: New) -> DeclId {
        let New { name, marks, kind, node, is_value, is_type, merges } = new;
        let symbol = self.t.intern(self.ast(spec).name(name));
        let place = self.at(spec, name.span);
        let decl = self.push_decl(spec, block, symbol, name.span, &marks, kind, node);
        let namespace = self.t.block(block).namespace;
        // The same name twice in one block is a mistake even when only one of the two is exported.
        let mut clash = None;
        for (wanted, is_type) in [(is_value, false), (is_type, true)] {
            if wanted {
                let own = &mut self.t.blocks[block.0 as usize].own;
                clash = clash.or(own.get(&(symbol, is_type)).copied());
                own.entry((symbol, is_type)).or_insert(place);
            }
        }
        let entry = if marks.exported {
            self.t.members[namespace.index()].entry(symbol).or_default()
        } else {
            self.t.blocks[block.0 as usize].locals.entry(symbol).or_default()
        };
        if is_value {
            match entry.value {
                Some(first) => clash = clash.or(Some(first.place)),
                None => entry.value = Some(Sighting { target: Target::Decl(decl), public: marks.public, place }),
            }
        }
        let mut half_public = None;
        if is_type {
            match entry.ty {
                Some(first) => {
                    clash = clash.or(Some(first.place));
                    half_public = (first.public != marks.public).then_some(first.place);
                }
                None => entry.ty = Some(Sighting { target: decl, public: marks.public, place }),
            }
        }
        if let Some(first) = clash
            && !merges
        {
            self.duplicate(symbol, place, first);
        } else if let Some(first) = half_public {
            let message = format!("only one of the declarations of `{}` is public", self.t.text(symbol));
            let diagnostic = Diagnostic::error(Code::Dx(50116), message).at(place, "declared here");
            let diagnostic = diagnostic.and_at(first, "and here");
            self.diagnostics.push(diagnostic.help("write `@@public` before all of them or before none"));
        }
        decl
    }

    fn import(
        &mut self,
        spec: SpecId,
        block: BlockId,
        clause: ast::ImportClause,
        from: ast::ExprId,
        modifiers: Modifiers,
    ) {
        let ast = self.ast(spec);
        let Some(name) = literals::text(ast, from) else { return };
        let root = self.module_root(spec, &name, ast.expr_span(from));
        let (public, _) = self.decorators(spec, block, modifiers.decorators);
        let viewer = self.t.module_of_spec(spec);
        let add = |this: &mut Self, here: Ident, source: AliasSource, star: Option<NamespaceId>| {
            let symbol = this.t.intern(ast.name(here));
            let place = this.at(spec, here.span);
            let id = this.alias(source, place, public.is_some());
            if let Some(root) = star {
                this.t.aliases[id.0 as usize].state = AliasState::Done(Some(Target::Namespace(root)), None);
            }
            let own = &mut this.t.blocks[block.0 as usize].own;
            if let Some(first) = own.insert((symbol, false), place) {
                this.duplicate(symbol, place, first);
                return;
            }
            let entry = Entry { alias: Some(id), ..Entry::default() };
            this.t.blocks[block.0 as usize].locals.insert(symbol, entry);
            if modifiers.export.is_some() {
                let namespace = this.t.block(block).namespace;
                this.t.members[namespace.index()].entry(symbol).or_insert(entry);
            }
        };
        match clause {
            ast::ImportClause::Star(here) => add(self, here, AliasSource::Broken, root),
            ast::ImportClause::Names(names) => {
                for &ast::ImportName { name, alias } in ast.list(names) {
                    let source = match root {
                        Some(namespace) => {
                            AliasSource::Member { namespace, viewer, name: self.t.intern(ast.name(name)) }
                        }
                        None => AliasSource::Broken,
                    };
                    add(self, alias.unwrap_or(name), source, None);
                }
            }
            ast::ImportClause::Default(here) | ast::ImportClause::Equals(here) => {
                add(self, here, AliasSource::Broken, None);
            }
            // A rule refuses `import * from`.
            ast::ImportClause::Nothing | ast::ImportClause::All => {}
        }
    }

    /// What stands after `from`; a mistake there is reported.
    fn module_root(&mut self, spec: SpecId, name: &str, span: Span) -> Option<NamespaceId> {
        let place = self.at(spec, span);
        match imports::find(&self.t, spec, name, place) {
            Ok(root) => Some(root),
            Err(diagnostic) => {
                self.diagnostics.extend(diagnostic.map(|diagnostic| *diagnostic));
                None
            }
        }
    }

    fn alias(&mut self, source: AliasSource, place: Location, public: bool) -> AliasId {
        self.t.aliases.push(Alias { source, place, public, state: AliasState::Pending });
        AliasId(self.t.aliases.len() as u32 - 1)
    }

    fn export(
        &mut self,
        spec: SpecId,
        block: BlockId,
        names: Option<ast::List<ast::ImportName>>,
        from: Option<ast::ExprId>,
        public: Option<Location>,
    ) {
        let ast = self.ast(spec);
        let namespace = self.t.block(block).namespace;
        let viewer = self.t.module_of_spec(spec);
        let root = match from {
            None => None,
            Some(from) => {
                let Some(name) = literals::text(ast, from) else { return };
                let span = ast.expr_span(from);
                Some(self.module_root(spec, &name, span))
            }
        };
        let Some(names) = names else {
            match (root, from) {
                (Some(Some(root)), Some(from)) => {
                    let place = self.at(spec, ast.expr_span(from));
                    self.t.stars[namespace.index()].push(Star { from: root, public: public.is_some(), place });
                }
                _ => {
                    self.t.incomplete.insert(namespace);
                }
            }
            return;
        };
        for &ast::ImportName { name, alias } in ast.list(names) {
            let symbol = self.t.intern(ast.name(name));
            let source = match root {
                None => AliasSource::Scope { block, name: symbol },
                Some(Some(namespace)) => AliasSource::Member { namespace, viewer, name: symbol },
                Some(None) => AliasSource::Broken,
            };
            let outside = alias.unwrap_or(name);
            let outside_symbol = self.t.intern(ast.name(outside));
            let place = self.at(spec, outside.span);
            let id = self.alias(source, place, public.is_some());
            let entry = self.t.members[namespace.index()].entry(outside_symbol).or_default();
            if let Some(value) = entry.value {
                self.duplicate(outside_symbol, place, value.place);
            } else if let Some(first) = entry.alias {
                let first = self.t.aliases[first.0 as usize].place;
                self.duplicate(outside_symbol, place, first);
            } else {
                entry.alias = Some(id);
            }
        }
    }

    /// An expression among the declarations: the call of a configuration file, in other files a mistake.
    fn configuration_call(&mut self, spec: SpecId, block: BlockId, expr: ast::ExprId) {
        let kind = self.t.program.specs[spec.index()].kind;
        if !matches!(kind, SpecKind::Config | SpecKind::Module) {
            // The expression of a probe becomes its value; a rule says all there is to say about misplaced calls.
            if spec.index() < self.t.input.specs.len() && !is_misplaced_call(self.ast(spec), expr) {
                self.t.strays[spec.index()].push((block, expr));
            }
            return;
        }
        let ast = self.ast(spec);
        let Expr::Call { callee, arguments, .. } = ast.expr(expr) else { return };
        let span = ast.expr_span(callee);
        let name = ast.text_of(span);
        if !matches!(ast.expr(callee), Expr::Name) || !matches!(name, "config" | "configure" | "module" | "package") {
            return;
        }
        let node = ast.list(arguments).first().map_or(Node::Nothing, |&argument| Node::Expression(argument));
        let kind = DeclKind::Value { function: u32::MAX };
        let symbol = self.t.intern(name);
        let decl = self.push_decl(spec, block, symbol, span, &Marks::default(), kind, node);
        let location = self.at(spec, ast.expr_span(expr));
        self.t.configurations.push(ConfigurationCall { spec, function: Arc::from(name), decl, location });
    }

    fn probes(&mut self) {
        let input = self.t.input;
        for probe in &input.probes {
            let Some(at) = self.t.program.specs.get(probe.spec.index()) else {
                self.t.probes.push(None);
                continue;
            };
            let (module, path, kind) = (at.module, at.path, at.kind);
            let file_block = self.t.file_blocks[probe.spec.index()];
            let root = self.t.spec_roots[probe.spec.index()];
            let spec = self.add_spec(module, path, kind, &probe.ast, root);
            self.t.program.specs[spec.index()].probe_of = Some(probe.spec);
            self.t.asts.push(&probe.ast);
            self.t.blocks[self.t.file_blocks[spec.index()].0 as usize].parent = Some(file_block);
            let block = self.t.file_blocks[spec.index()];
            self.statements(spec, block, probe.ast.body);
            let mut first = None;
            for &id in probe.ast.list(probe.ast.body) {
                let Stmt::Expr(expr) = probe.ast.stmt(id) else { continue };
                let kind = DeclKind::Value { function: u32::MAX };
                let span = probe.ast.expr_span(expr);
                let name = if first.is_none() { self.t.intern(&probe.name) } else { self.t.known.empty };
                let node = Node::Expression(expr);
                let decl = self.push_decl(spec, block, name, span, &Marks::default(), kind, node);
                first = first.or(Some(decl));
            }
            self.t.probes.push(first);
        }
    }
}

/// Whether an expression is a call that belongs into a configuration file, or one by which files once said for which
/// qualifiers they are.
fn is_misplaced_call(ast: &Ast, expr: ast::ExprId) -> bool {
    let Expr::Call { callee, .. } = ast.expr(expr) else { return false };
    matches!(
        ast.text_of(ast.expr_span(callee)),
        "config" | "configure" | "module" | "package" | "project" | "qualifierSpace" | "declareQualifierSpace"
    )
}

/// What a linked entry is to the rest of the program.
pub(super) fn member_of(t: &Tables<'_>, entry: &Entry) -> Option<NamespaceMember> {
    match (entry.value, entry.ty) {
        (Some(Sighting { target: Target::Namespace(namespace), .. }), _) => Some(NamespaceMember::Namespace(namespace)),
        (Some(Sighting { target: Target::Decl(decl), .. }), _) => Some(match t.program.decls[decl.index()].kind {
            DeclKind::Type => NamespaceMember::Type(decl),
            _ => NamespaceMember::Decl(decl),
        }),
        (None, Some(ty)) => Some(NamespaceMember::Type(ty.target)),
        (None, None) => None,
    }
}
