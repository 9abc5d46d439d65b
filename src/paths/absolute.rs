//! Absolute paths as nodes of a trie: a parent and one more atom.

use std::sync::Arc;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use super::relative::{RelativeError, RelativePath, split};
use super::rules::{PathRules, begins_with_drive, begins_with_machine};
use crate::source::system::OperatingSystem;
use crate::source::{Symbol, Symbols};

/// An absolute path, interned: equal paths have equal ids. Its number depends on the order of interning, so nothing
/// that a user sees may be sorted by it (see [`Paths::compare`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathId(pub u32);

impl PathId {
    /// The root of the file system, `/`.
    pub const ROOT: PathId = PathId(0);
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: PathId,
    name: Symbol,
    depth: u32,
}

/// The absolute paths known so far; any thread may add.
#[derive(Debug)]
pub struct Paths {
    symbols: Arc<Symbols>,
    /// The atom `.`, which leads nowhere.
    dot: Symbol,
    rules: PathRules,
    /// By the atom that stands for all spellings of a name.
    children: DashMap<(PathId, Symbol), PathId, FxBuildHasher>,
    nodes: boxcar::Vec<Node>,
}

impl Paths {
    /// Only the root, under the rules of Unix.
    pub fn new(symbols: Arc<Symbols>) -> Self {
        Self::on(symbols, OperatingSystem::Unix)
    }

    /// Only the root, under the rules of an operating system. Where the case of letters does not matter, a path keeps
    /// the spelling in which it was interned first. Where there are drives, they lie below the root, and no path leads
    /// from a drive up to it.
    pub fn on(symbols: Arc<Symbols>, os: OperatingSystem) -> Self {
        let nodes = boxcar::Vec::new();
        nodes.push(Node { parent: PathId::ROOT, name: symbols.intern(""), depth: 0 });
        let dot = symbols.intern(".");
        Self { symbols, dot, rules: PathRules::of(os), children: DashMap::default(), nodes }
    }

    /// The strings that atoms are interned in.
    pub fn symbols(&self) -> &Arc<Symbols> {
        &self.symbols
    }

    /// The operating system whose rules these paths follow.
    pub fn os(&self) -> OperatingSystem {
        self.rules.os
    }

    /// `parent/name`; `parent` itself for the atom `.`.
    pub fn child(&self, parent: PathId, name: Symbol) -> PathId {
        if name == self.dot {
            return parent;
        }
        let key = (parent, self.rules.fold(name, &self.symbols));
        if let Some(known) = self.children.get(&key) {
            return *known;
        }
        *self.children.entry(key).or_insert_with(|| {
            let depth = self.nodes[parent.0 as usize].depth + 1;
            PathId(self.nodes.push(Node { parent, name, depth }) as u32)
        })
    }

    /// `parent/name`, from text. The text is one atom: no separators, not `.` or `..`.
    pub fn child_named(&self, parent: PathId, name: &str) -> PathId {
        self.child(parent, self.symbols.intern(name))
    }

    /// The folder that holds this path; none for the root and for drives.
    pub fn parent(&self, path: PathId) -> Option<PathId> {
        (path != PathId::ROOT && !self.is_drive(path)).then(|| self.nodes[path.0 as usize].parent)
    }

    /// Where the path begins: its drive, or else the root.
    pub fn root_of(&self, path: PathId) -> PathId {
        self.ancestors(path).last().unwrap_or(PathId::ROOT)
    }

    /// Whether this is a drive or the name of another machine.
    fn is_drive(&self, path: PathId) -> bool {
        if !self.rules.drives() {
            return false;
        }
        let node = self.nodes[path.0 as usize];
        node.depth == 1 && is_drive(self.symbols.text(node.name))
    }

    /// The last atom; none for the root and for drives.
    pub fn name(&self, path: PathId) -> Option<Symbol> {
        (path != PathId::ROOT && !self.is_drive(path)).then(|| self.nodes[path.0 as usize].name)
    }

    /// How many atoms below the root.
    pub fn depth(&self, path: PathId) -> u32 {
        self.nodes[path.0 as usize].depth
    }

    /// Whether `path` is `container` or lies below it.
    pub fn is_within(&self, path: PathId, container: PathId) -> bool {
        let target = self.depth(container);
        let mut at = path;
        while self.depth(at) > target {
            at = self.nodes[at.0 as usize].parent;
        }
        at == container
    }

    /// The path and every folder above it, from the path up to the root.
    pub fn ancestors(&self, path: PathId) -> impl Iterator<Item = PathId> + '_ {
        std::iter::successors(Some(path), move |at| self.parent(*at))
    }

    /// The way from `container` down to `path`; none when `path` is not within it.
    pub fn relative_to(&self, path: PathId, container: PathId) -> Option<RelativePath> {
        let target = self.depth(container);
        let mut atoms = Vec::new();
        let mut at = path;
        while self.depth(at) > target {
            let node = self.nodes[at.0 as usize];
            atoms.push(node.name);
            at = node.parent;
        }
        atoms.reverse();
        (at == container).then(|| RelativePath::from_atoms(atoms))
    }

    /// The text of the path as programs of its operating system write it: [`Paths::display`], with `\` on Windows.
    pub fn native(&self, path: PathId) -> String {
        let text = self.display(path);
        if self.rules.drives() { text.replace('/', "\\") } else { text }
    }

    /// The text of the path, with `/` between the atoms.
    pub fn display(&self, path: PathId) -> String {
        if path == PathId::ROOT {
            return "/".to_owned();
        }
        let mut atoms: Vec<&str> = Vec::with_capacity(self.depth(path) as usize);
        let mut at = path;
        while at != PathId::ROOT {
            let node = self.nodes[at.0 as usize];
            atoms.push(self.symbols.text(node.name));
            at = node.parent;
        }
        let mut text = String::with_capacity(atoms.iter().map(|atom| atom.len() + 1).sum());
        for atom in atoms.iter().rev() {
            text.push('/');
            text.push_str(atom);
        }
        if self.rules.drives() && atoms.last().is_some_and(|first| is_drive(first)) {
            // No slash stands before a drive, and one after it where nothing else does.
            text.remove(0);
            if atoms.len() == 1 && text.ends_with(':') {
                text.push('/');
            }
        }
        text
    }

    /// Interns an absolute path given as text. `.` is dropped, `..` climbs and stops with an error above the root.
    ///
    /// # Errors
    /// When the text is not absolute or climbs above the root.
    pub fn parse_absolute(&self, text: &str) -> Result<PathId, RelativeError> {
        if self.rules.drives() && is_drive(text) {
            let length =
                if begins_with_drive(text) { 2 } else { text[2..].find(['/', '\\']).map_or(text.len(), |at| at + 2) };
            let (drive, rest) = text.split_at(length);
            let drive = match begins_with_drive(drive) {
                true => drive.to_ascii_uppercase(),
                false => format!("//{}", &drive[2..]),
            };
            let found = self.walk(self.child_named(PathId::ROOT, &drive), rest);
            return found.map_err(|error| match error {
                RelativeError::AboveRoot { .. } => RelativeError::AboveRoot { text: text.to_owned() },
                other => other,
            });
        }
        if !text.starts_with(['/', '\\']) {
            return Err(RelativeError::NotAbsolute { text: text.to_owned() });
        }
        self.walk(PathId::ROOT, text)
    }

    /// Follows relative text from `base`: both `/` and `\` separate, `.` stays, `..` climbs.
    ///
    /// # Errors
    /// When the text climbs above the root or an atom holds a character that no path may hold.
    pub fn walk(&self, base: PathId, text: &str) -> Result<PathId, RelativeError> {
        let mut at = base;
        for atom in split(text) {
            match atom {
                "." => {}
                ".." => {
                    at = self.parent(at).ok_or_else(|| RelativeError::AboveRoot { text: text.to_owned() })?;
                }
                _ => {
                    RelativePath::check_atom(atom)?;
                    at = self.child_named(at, atom);
                }
            }
        }
        Ok(at)
    }

    /// Whether all names in a text may be names on the operating system of these paths, besides what
    /// [`RelativePath::check_atom`] refuses everywhere. The text may begin with a drive.
    ///
    /// # Errors
    /// When a name holds a character that it may not hold there.
    pub fn check_names(&self, text: &str) -> Result<(), RelativeError> {
        if !self.rules.drives() {
            return Ok(());
        }
        let names = if begins_with_drive(text) { &text[2..] } else { text };
        let wrong = |atom: &str| Some((atom.to_owned(), atom.chars().find(|c| r#"<>:"|?*"#.contains(*c))?));
        match split(names).find_map(wrong) {
            Some((atom, character)) => Err(RelativeError::NotOnWindows { atom, character }),
            None => Ok(()),
        }
    }

    /// `base` followed by the atoms of `relative`.
    pub fn join(&self, base: PathId, relative: &RelativePath) -> PathId {
        relative.atoms().iter().fold(base, |at, atom| self.child(at, *atom))
    }

    /// Orders by text, folder by folder: the same on every run.
    pub fn compare(&self, left: PathId, right: PathId) -> std::cmp::Ordering {
        if left == right {
            return std::cmp::Ordering::Equal;
        }
        let (mut a, mut b) = (left, right);
        while self.depth(a) > self.depth(b) {
            a = self.nodes[a.0 as usize].parent;
        }
        while self.depth(b) > self.depth(a) {
            b = self.nodes[b.0 as usize].parent;
        }
        if a == b {
            // One contains the other: the container first.
            return self.depth(left).cmp(&self.depth(right));
        }
        loop {
            let (up_a, up_b) = (self.nodes[a.0 as usize], self.nodes[b.0 as usize]);
            if up_a.parent == up_b.parent {
                return self.symbols.text(up_a.name).cmp(self.symbols.text(up_b.name));
            }
            (a, b) = (up_a.parent, up_b.parent);
        }
    }

    /// How many paths are known. Ids below this number are valid.
    pub fn count(&self) -> usize {
        self.nodes.count()
    }
}

/// Whether an atom or path begins with a drive or the name of another machine, as Windows reads it.
fn is_drive(text: &str) -> bool {
    begins_with_drive(text) || begins_with_machine(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> Paths {
        Paths::new(Arc::new(Symbols::new()))
    }

    #[test]
    fn paths_are_interned_and_walk_with_both_separators() {
        let paths = paths();
        let a = paths.parse_absolute("/w/src/a.dsc").unwrap();
        let b = paths.walk(paths.parse_absolute("/w/out").unwrap(), r"..\src/./a.dsc").unwrap();
        assert_eq!(a, b);
        assert_eq!(paths.display(a), "/w/src/a.dsc");
        assert!(paths.walk(PathId::ROOT, "..").is_err());
    }

    #[test]
    fn case_matters_as_the_system_has_it() {
        for os in OperatingSystem::ALL {
            let paths = Paths::on(Arc::new(Symbols::new()), os);
            let first = paths.parse_absolute("/Out/Straße").unwrap();
            let second = paths.parse_absolute("/out/STRAßE").unwrap();
            assert_eq!(first == second, os != OperatingSystem::Unix, "{os:?}");
            assert_eq!(paths.display(first), "/Out/Straße");
            let below = paths.walk(second, "a").unwrap();
            assert_eq!(paths.is_within(below, first), os != OperatingSystem::Unix);
        }
    }

    #[test]
    fn drives_are_where_paths_begin() {
        let paths = Paths::on(Arc::new(Symbols::new()), OperatingSystem::Windows);
        let file = paths.parse_absolute(r"c:\Windows/System32").unwrap();
        assert_eq!(paths.display(file), "C:/Windows/System32");
        assert_eq!(paths.native(file), r"C:\Windows\System32");
        assert_eq!(paths.display(paths.root_of(file)), "C:/");
        assert_eq!(paths.parent(paths.root_of(file)), None);
        assert!(paths.parse_absolute("C:/..").is_err());
        assert!(paths.parse_absolute("C:x").is_err());
        let shared = paths.parse_absolute(r"\\machine/share\x").unwrap();
        assert_eq!(paths.display(shared), "//machine/share/x");
        assert_eq!(paths.native(shared), r"\\machine\share\x");
        assert_eq!(paths.display(paths.root_of(shared)), "//machine");
        assert!(paths.walk(shared, "../../..").is_err());
        assert!(self::paths().parse_absolute("C:/x").is_err());
    }

    #[test]
    fn containment_and_order() {
        let paths = paths();
        let w = paths.parse_absolute("/w").unwrap();
        let a = paths.parse_absolute("/w/a").unwrap();
        let b = paths.parse_absolute("/w/b/c").unwrap();
        assert!(paths.is_within(a, w) && paths.is_within(w, w) && !paths.is_within(w, a));
        assert_eq!(paths.compare(w, a), std::cmp::Ordering::Less);
        assert_eq!(paths.compare(b, a), std::cmp::Ordering::Greater);
        assert_eq!(paths.relative_to(b, w).unwrap().display(paths.symbols()), "b/c");
        assert!(paths.relative_to(w, b).is_none());
    }
}
