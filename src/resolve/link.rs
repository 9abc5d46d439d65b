//! Imports and re-exports get their meanings, and the members of namespaces become part of the program.

use rustc_hash::FxHashSet;

use super::declare::member_of;
use super::tables::{AliasId, AliasSource, AliasState, BlockId, Entry, Sighting, Star, Tables, Target};
use crate::diagnostics::{Code, Diagnostic, nearest};
use crate::program::{DeclId, NamespaceId};
use crate::source::Symbol;

/// Links all aliases.
pub(super) fn link(t: &mut Tables<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (from_star, clashes) = (FxHashSet::default(), Vec::new());
    let mut linker = Linker { t, diagnostics, expanded: Vec::new(), from_star, clashes };
    linker.expanded = vec![false; linker.t.members.len()];
    for index in 0..linker.t.members.len() {
        linker.expand_stars(NamespaceId(index as u32));
    }
    for index in 0..linker.t.aliases.len() {
        linker.resolve(AliasId(index as u32));
    }
    linker.check_clashes();
    linker.fill();
}

/// The meanings of a name with who may see them.
type Sightings = (Option<Sighting<Target>>, Option<Sighting<DeclId>>);

/// What a linked alias stands for.
type Meaning = (Option<Target>, Option<DeclId>);

struct Linker<'a, 'i> {
    t: &'a mut Tables<'i>,
    diagnostics: &'a mut Vec<Diagnostic>,
    expanded: Vec<bool>,
    /// The aliases that `export *` made.
    from_star: FxHashSet<AliasId>,
    /// Names that two stars bring.
    clashes: Vec<(Symbol, AliasId, AliasId)>,
}

impl Linker<'_, '_> {
    /// `export * from "M"` adds an alias for each name that `M` shows.
    fn expand_stars(&mut self, namespace: NamespaceId) {
        if std::mem::replace(&mut self.expanded[namespace.index()], true) {
            return;
        }
        let viewer = self.t.program.namespaces[namespace.index()].module;
        for star in self.t.stars[namespace.index()].clone() {
            let Star { from, public, place } = star;
            stacker::maybe_grow(64 * 1024, 1024 * 1024, || self.expand_stars(from));
            if self.t.incomplete.contains(&from) {
                self.t.incomplete.insert(namespace);
            }
            let names: Vec<Symbol> = self.t.members[from.index()]
                .iter()
                .filter(|(_, entry)| self.shows(entry, from, viewer))
                .map(|(name, _)| *name)
                .collect();
            for name in names {
                let known = self.t.members[namespace.index()].get(&name).map(|entry| entry.alias);
                // A name of the file itself goes before one that a star brings.
                if known.is_some_and(|alias| alias.is_none_or(|alias| !self.from_star.contains(&alias))) {
                    continue;
                }
                let source = AliasSource::Member { namespace: from, viewer, name };
                self.t.aliases.push(super::tables::Alias { source, place, public, state: AliasState::Pending });
                let id = AliasId(self.t.aliases.len() as u32 - 1);
                if let Some(Some(first)) = known {
                    self.clashes.push((name, first, id));
                    continue;
                }
                self.from_star.insert(id);
                let alias = Some(id);
                self.t.members[namespace.index()].insert(name, Entry { alias, ..Entry::default() });
            }
        }
    }

    fn shows(&self, entry: &Entry, namespace: NamespaceId, viewer: crate::program::ModuleId) -> bool {
        entry.value.is_some_and(|value| self.t.visible(&value, namespace, viewer))
            || entry.ty.is_some_and(|ty| self.t.visible(&ty, namespace, viewer))
            || entry.alias.is_some_and(|alias| self.t.aliases[alias.0 as usize].public)
    }

    fn resolve(&mut self, id: AliasId) -> Meaning {
        let alias = self.t.aliases[id.0 as usize].clone();
        match alias.state {
            AliasState::Done(value, ty) => return (value, ty),
            AliasState::Running => {
                let message = "this name is re-exported in a circle: no file declares it".to_owned();
                self.diagnostics.push(Diagnostic::error(Code::Dx(9226), message).at(alias.place, "leads back here"));
                return (None, None);
            }
            AliasState::Pending => {}
        }
        self.t.aliases[id.0 as usize].state = AliasState::Running;
        let meaning = stacker::maybe_grow(64 * 1024, 1024 * 1024, || match alias.source {
            AliasSource::Broken => (None, None),
            AliasSource::Member { namespace, viewer, name } => {
                let found = self.member(namespace, name);
                self.check_member(found, namespace, viewer, name, &alias.place)
            }
            AliasSource::Scope { block, name } => self.in_scope(block, name, id),
        });
        self.t.aliases[id.0 as usize].state = AliasState::Done(meaning.0, meaning.1);
        // A re-exported private declaration is exported after all.
        if let AliasSource::Scope { .. } = alias.source {
            for decl in [meaning.1, if let Some(Target::Decl(decl)) = meaning.0 { Some(decl) } else { None }] {
                if let Some(decl) = decl
                    && self.t.program.decl_location(decl).file == alias.place.file
                {
                    self.t.program.decls[decl.index()].exported = true;
                    self.t.program.decls[decl.index()].public |= alias.public;
                }
            }
        }
        meaning
    }

    /// The meanings of an entry, its alias linked first.
    fn meaning(&mut self, entry: Entry) -> Sightings {
        let Some(id) = entry.alias else { return (entry.value, entry.ty) };
        let (value, ty) = self.resolve(id);
        let alias = &self.t.aliases[id.0 as usize];
        let (public, place) = (alias.public, alias.place);
        let value = entry.value.or(value.map(|target| Sighting { target, public, place }));
        let ty = entry.ty.or(ty.map(|target| Sighting { target, public, place }));
        (value, ty)
    }

    fn member(&mut self, namespace: NamespaceId, name: Symbol) -> Option<Sightings> {
        let entry = *self.t.members[namespace.index()].get(&name)?;
        Some(self.meaning(entry))
    }

    fn check_member(
        &mut self,
        found: Option<Sightings>,
        namespace: NamespaceId,
        viewer: crate::program::ModuleId,
        name: Symbol,
        place: &crate::source::Location,
    ) -> Meaning {
        let text = self.t.text(name).to_owned();
        let module = self.t.module_name(namespace);
        let Some((value, ty)) = found else {
            let owner = self.t.program.namespaces[namespace.index()].module;
            if self.t.incomplete.contains(&namespace) || self.t.is_lost(owner, &text) {
                return (None, None);
            }
            let names = self.t.members[namespace.index()]
                .iter()
                .filter(|(_, entry)| self.shows(entry, namespace, viewer))
                .map(|(name, _)| self.t.text(*name));
            let near = nearest(&text, names).map(|known| format!("did you mean `{known}`?"));
            // Some modules of an SDK have one namespace of their name, others have their names bare.
            let whole = || format!("for the module as a whole, write `import * as {text} from \"{module}\";`");
            let is_its_name = module.rsplit('.').next() == Some(&*text);
            let help = near.or_else(|| is_its_name.then(whole));
            let message = format!("{} has no member `{text}`", self.t.root_name(namespace));
            let diagnostic = Diagnostic::error(Code::Dx(9226), message).at(*place, "not found").maybe_help(help);
            self.diagnostics.push(diagnostic);
            return (None, None);
        };
        let seen_value = value.filter(|value| self.t.visible(value, namespace, viewer));
        let seen_ty = ty.filter(|ty| self.t.visible(ty, namespace, viewer));
        if seen_value.is_none() && seen_ty.is_none() {
            // Both missing: the alias behind it failed, which was reported.
            if let Some(hidden) = value.map(|value| value.place).or(ty.map(|ty| ty.place)) {
                self.diagnostics.push(not_public(&text, &module, *place, hidden));
            }
            return (None, None);
        }
        (seen_value.map(|value| value.target), seen_ty.map(|ty| ty.target))
    }

    /// What `export {name}` in a block means.
    fn in_scope(&mut self, block: BlockId, name: Symbol, own: AliasId) -> Meaning {
        let mut at = Some(block);
        while let Some(id) = at {
            let (namespace, parent) = (self.t.block(id).namespace, self.t.block(id).parent);
            let local = self.t.block(id).locals.get(&name).copied();
            let member = self.t.members[namespace.index()].get(&name).copied();
            for entry in [local, member].into_iter().flatten() {
                if entry.alias != Some(own) || entry.value.is_some() || entry.ty.is_some() {
                    let (value, ty) = self.meaning(entry);
                    return (value.map(|value| value.target), ty.map(|ty| ty.target));
                }
            }
            at = parent;
        }
        let text = self.t.text(name).to_owned();
        let help = nearest(&text, self.t.names_in_scope(block)).map(|known| format!("did you mean `{known}`?"));
        let place = self.t.aliases[own.0 as usize].place;
        let message = format!("`{text}` cannot be exported because there is no such name in this file");
        self.diagnostics.push(Diagnostic::error(Code::Dx(9226), message).at(place, "not found").maybe_help(help));
        (None, None)
    }

    /// The same name from two modules is a mistake unless both mean the same.
    fn check_clashes(&mut self) {
        for (name, first, second) in std::mem::take(&mut self.clashes) {
            if self.resolve(first) == self.resolve(second) {
                continue;
            }
            let message = format!("two modules bring a member `{}`", self.t.text(name));
            let (first, second) = (self.t.aliases[first.0 as usize].place, self.t.aliases[second.0 as usize].place);
            let diagnostic = Diagnostic::error(Code::Dx(9332), message).at(second, "one comes from here");
            let diagnostic = diagnostic.and_at(first, "another one from here");
            self.diagnostics.push(diagnostic.help("export what is needed by name instead of `*`"));
        }
    }

    /// Puts the meanings of aliases into the tables and the members of namespaces into the program.
    fn fill(&mut self) {
        for index in 0..self.t.blocks.len() {
            let names: Vec<Symbol> = self.t.blocks[index].locals.keys().copied().collect();
            for name in names {
                let entry = self.t.blocks[index].locals[&name];
                let (value, ty) = self.meaning(entry);
                self.t.blocks[index].locals.insert(name, Entry { value, ty, ..entry });
            }
        }
        for index in 0..self.t.members.len() {
            self.t.program.namespaces[index].members.reserve_exact(self.t.members[index].len());
            for at in 0..self.t.members[index].len() {
                let (name, entry) = self.t.members[index].get_index(at).map(|(name, entry)| (*name, *entry)).unzip();
                let (Some(name), Some(entry)) = (name, entry) else { continue };
                let (value, ty) = self.meaning(entry);
                let entry = Entry { value, ty, ..entry };
                self.t.members[index].insert(name, entry);
                if let Some(member) = member_of(self.t, &entry) {
                    self.t.program.namespaces[index].members.insert(name, member);
                }
            }
        }
    }
}

/// A member that another module hides.
pub(super) fn not_public(
    name: &str,
    module: &str,
    place: crate::source::Location,
    hidden: crate::source::Location,
) -> Diagnostic {
    Diagnostic::error(Code::Dx(50117), format!("`{name}` of module `{module}` is not public"))
        .at(place, "not visible here")
        .and_at(hidden, "declared here without `@@public`")
        .help("add `@@public` before its declaration, which must also be exported")
}
