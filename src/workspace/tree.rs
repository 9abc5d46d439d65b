//! Walks over the folders of a workspace: where modules lie, and which specs lie below them.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::module_file::{CONFIG_FILES, MODULE_FILES, is_spec};
use crate::diagnostics::{Code, Diagnostic};
use crate::paths::{PathId, Paths};
use crate::source::system::{EntryKind, FileSystem, reason};

/// What counts in a folder.
#[derive(Debug, Default)]
struct Listing {
    /// Specs, sorted by name.
    specs: Vec<PathId>,
    /// Folders, sorted by name; hidden ones and links are left out.
    folders: Vec<PathId>,
    /// The module file; the first known name counts.
    module_file: Option<PathId>,
    /// Whether a configuration lies here.
    has_config: bool,
}

/// The folders looked at so far.
pub(super) struct Tree<'a> {
    file_system: &'a dyn FileSystem,
    paths: &'a Paths,
    skipped: Vec<PathId>,
    /// Messages name folders from here.
    seen_from: PathId,
    listings: FxHashMap<PathId, Arc<Listing>>,
    /// Folders that could not be listed.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Tree<'a> {
    /// No folder looked at yet. Walks do not enter the folders in `skipped`.
    pub fn new(file_system: &'a dyn FileSystem, paths: &'a Paths, skipped: Vec<PathId>) -> Self {
        Self {
            file_system,
            paths,
            skipped,
            seen_from: PathId::ROOT,
            listings: FxHashMap::default(),
            diagnostics: Vec::new(),
        }
    }

    /// The same, but messages name folders from this one.
    pub fn seen_from(self, folder: PathId) -> Self {
        Self { seen_from: folder, ..self }
    }

    /// The module files in a folder and all folders below it, folder by folder.
    pub fn module_files(&mut self, root: PathId) -> Vec<PathId> {
        let mut found = Vec::new();
        let mut work = vec![root];
        while let Some(folder) = work.pop() {
            let listing = self.list(folder);
            found.extend(listing.module_file);
            work.extend(listing.folders.iter().rev());
        }
        found
    }

    /// The module file of a folder.
    pub fn module_file(&mut self, folder: PathId) -> Option<PathId> {
        self.list(folder).module_file
    }

    /// The specs in a folder and below it, down to folders that have a module or configuration of their own.
    pub fn implicit_specs(&mut self, folder: PathId) -> Vec<PathId> {
        let root = self.list(folder);
        self.specs_below(root)
    }

    /// The specs that belong to no module: those from `root` down to folders that have a module.
    pub fn orphan_specs(&mut self, root: PathId) -> Vec<PathId> {
        let listing = self.list(root);
        if listing.module_file.is_some() { Vec::new() } else { self.specs_below(listing) }
    }

    fn specs_below(&mut self, root: Arc<Listing>) -> Vec<PathId> {
        let mut found = root.specs.clone();
        let mut work: Vec<PathId> = root.folders.iter().rev().copied().collect();
        while let Some(folder) = work.pop() {
            let listing = self.list(folder);
            if listing.module_file.is_none() && !listing.has_config {
                found.extend(&listing.specs);
                work.extend(listing.folders.iter().rev());
            }
        }
        found
    }

    fn list(&mut self, folder: PathId) -> Arc<Listing> {
        if let Some(known) = self.listings.get(&folder) {
            return known.clone();
        }
        let listing = Arc::new(self.read(folder));
        self.listings.insert(folder, listing.clone());
        listing
    }

    fn read(&mut self, folder: PathId) -> Listing {
        let mut listing = Listing::default();
        let shown = self.paths.display(folder);
        // Whether they are there yet makes no difference to a walk, so it is not to count as an input.
        let symbols = self.paths.symbols();
        let skipped = self.skipped.iter().filter(|skipped| self.paths.parent(**skipped) == Some(folder));
        let skipped: Vec<&str> = skipped.filter_map(|path| Some(symbols.text(self.paths.name(*path)?))).collect();
        let entries = match self.file_system.read_dir_except(Path::new(&shown), &skipped) {
            Ok(entries) => entries,
            // It vanished meanwhile, or was never there: whoever names it reports that.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return listing,
            Err(error) => {
                let shown = crate::graph::show(self.paths, self.seen_from, folder);
                let message = format!("cannot list `{shown}`: {}", reason(&error));
                let help = "modules and specs below it are not seen; allow reading it, or move it elsewhere";
                self.diagnostics.push(Diagnostic::warning(Code::Dx(9321), message).help(help));
                return listing;
            }
        };
        let mut best = MODULE_FILES.len();
        for entry in entries {
            let kind = match entry.kind {
                EntryKind::Symlink => match self.file_system.kind(Path::new(&format!("{shown}/{}", entry.name))) {
                    // Not entering folders through links keeps every walk finite.
                    Some(EntryKind::Directory) | None => continue,
                    Some(kind) => kind,
                },
                kind => kind,
            };
            match kind {
                EntryKind::Directory if !entry.name.starts_with('.') => {
                    let path = self.paths.child_named(folder, &entry.name);
                    if !self.skipped.contains(&path) {
                        listing.folders.push(path);
                    }
                }
                EntryKind::File => {
                    let place = |names: &[&str]| names.iter().position(|name| name.eq_ignore_ascii_case(&entry.name));
                    if is_spec(&entry.name) {
                        listing.specs.push(self.paths.child_named(folder, &entry.name));
                    } else if let Some(place) = place(&MODULE_FILES) {
                        if place < best {
                            best = place;
                            listing.module_file = Some(self.paths.child_named(folder, &entry.name));
                        }
                    } else if place(&CONFIG_FILES).is_some() {
                        listing.has_config = true;
                    }
                }
                _ => {}
            }
        }
        listing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Symbols;
    use crate::source::system::MemoryFileSystem;

    #[test]
    fn nearer_modules_own_what_lies_below_them() {
        let names = [
            "config.dsc",
            "a.dsc",
            "Out/x.dsc",
            ".git/y.dsc",
            "m/module.config.dsc",
            "m/b.dsc",
            "m/deep/c.dsc",
            "m/deep/inner/package.config.dsc",
            "m/deep/inner/d.dsc",
            "m/other/config.dsc",
            "m/other/e.dsc",
            "n/f.dsc",
        ];
        let fs: MemoryFileSystem = names.iter().map(|name| (format!("/w/{name}"), "")).collect();
        let paths = Paths::new(Arc::new(Symbols::new()));
        let root = paths.parse_absolute("/w").unwrap();
        let mut tree = Tree::new(&fs, &paths, vec![paths.parse_absolute("/w/Out").unwrap()]);
        let show = |found: Vec<PathId>| {
            let text = |path| paths.relative_to(path, root).unwrap().display(paths.symbols());
            found.into_iter().map(text).collect::<Vec<_>>()
        };
        let modules = tree.module_files(root);
        assert_eq!(show(modules), ["m/module.config.dsc", "m/deep/inner/package.config.dsc"]);
        let module = paths.parse_absolute("/w/m").unwrap();
        assert_eq!(show(tree.implicit_specs(module)), ["m/b.dsc", "m/deep/c.dsc"]);
        assert_eq!(show(tree.orphan_specs(root)), ["a.dsc", "n/f.dsc"]);
    }
}
