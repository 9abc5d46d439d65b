//! Absolute paths as nodes of a trie: a parent and one more atom.

use std::sync::Arc;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use super::relative::{RelativeError, RelativePath, split};
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
    children: DashMap<(PathId, Symbol), PathId, FxBuildHasher>,
    nodes: boxcar::Vec<Node>,
}

impl Paths {
    /// Only the root.
    pub fn new(symbols: Arc<Symbols>) -> Self {
        let nodes = boxcar::Vec::new();
        nodes.push(Node { parent: PathId::ROOT, name: symbols.intern(""), depth: 0 });
        let dot = symbols.intern(".");
        Self { symbols, dot, children: DashMap::default(), nodes }
    }

    /// The strings that atoms are interned in.
    pub fn symbols(&self) -> &Arc<Symbols> {
        &self.symbols
    }

    /// `parent/name`; `parent` itself for the atom `.`.
    pub fn child(&self, parent: PathId, name: Symbol) -> PathId {
        if name == self.dot {
            return parent;
        }
        if let Some(known) = self.children.get(&(parent, name)) {
            return *known;
        }
        *self.children.entry((parent, name)).or_insert_with(|| {
            let depth = self.nodes[parent.0 as usize].depth + 1;
            PathId(self.nodes.push(Node { parent, name, depth }) as u32)
        })
    }

    /// `parent/name`, from text. The text is one atom: no separators, not `.` or `..`.
    pub fn child_named(&self, parent: PathId, name: &str) -> PathId {
        self.child(parent, self.symbols.intern(name))
    }

    /// The folder that holds this path; none for the root.
    pub fn parent(&self, path: PathId) -> Option<PathId> {
        (path != PathId::ROOT).then(|| self.nodes[path.0 as usize].parent)
    }

    /// The last atom; none for the root.
    pub fn name(&self, path: PathId) -> Option<Symbol> {
        (path != PathId::ROOT).then(|| self.nodes[path.0 as usize].name)
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
        text
    }

    /// Interns an absolute path given as text. `.` is dropped, `..` climbs and stops with an error above the root.
    ///
    /// # Errors
    /// When the text is not absolute or climbs above the root.
    pub fn parse_absolute(&self, text: &str) -> Result<PathId, RelativeError> {
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
