//! The paths that a filter speaks of: one file, a folder in one of two ways, or a wildcard at one end or both.

use std::fmt;
use std::ops::Range;

use crate::graph::PipGraph;
use crate::paths::{PathId, Paths, begins_with_drive};

/// The form of a path argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `a/b`: this path.
    Exact,
    /// `a/.`: what lies in the folder itself.
    Directly,
    /// `a/*`: what lies in the folder or below.
    Below,
    /// `a/b*`: what lies in the folder under a name that begins so, and all below that.
    Begins(String),
    /// `*b`: paths that end so.
    Ends(String),
    /// `*b*`: paths that hold this.
    Holds(String),
    /// `*`.
    Everything,
}

/// A path argument as it was written, with `/` for all separators.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The mount that the folder is relative to.
    mount: Option<String>,
    /// The path or folder, as text: absolute, relative to the workspace, or relative to the mount.
    folder: String,
    form: Form,
}

/// A mistake in a path argument: what, what to do about it, and where in the argument.
pub(super) type Mistake = (String, Option<String>, Range<usize>);

impl Pattern {
    /// Reads an argument.
    pub fn parse(argument: &str) -> Result<Self, Mistake> {
        let text = argument.replace('\\', "/");
        let prefix = text.get(..6).filter(|prefix| prefix.eq_ignore_ascii_case("mount["));
        let Some(prefix) = prefix else {
            let (folder, form) = form(&text, 0)?;
            return Ok(Self { mount: None, folder, form });
        };
        let Some(end) = text.find(']') else {
            let help = "write the name of a mount between brackets: `Mount[Name]/path`";
            return Err((
                "there is no `]` after the name of the mount".to_owned(),
                Some(help.to_owned()),
                0..text.len(),
            ));
        };
        let mount = Some(text[prefix.len()..end].to_owned());
        let rest = &text[end + 1..];
        if rest.is_empty() {
            // The mount alone stands for all that is in it.
            return Ok(Self { mount, folder: String::new(), form: Form::Below });
        }
        let Some(inner) = rest.strip_prefix('/') else {
            return Err(("a path separator must follow the mount".to_owned(), None, end + 1..text.len()));
        };
        if inner == "*" {
            return Ok(Self { mount, folder: String::new(), form: Form::Below });
        }
        if inner.starts_with('*') {
            return Err(wildcard_within(end + 2));
        }
        let (folder, form) = form(inner, end + 2)?;
        Ok(Self { mount, folder, form })
    }

    /// The paths that it stands for in a graph.
    pub fn bind(&self, graph: &PipGraph) -> Result<Matcher, Mistake> {
        let form = match &self.form {
            Form::Ends(text) => Bound::Ends(text.clone()),
            Form::Holds(text) => Bound::Holds(text.clone()),
            Form::Everything => Bound::Everything,
            Form::Exact => Bound::Exact(self.resolve(graph)?),
            Form::Directly => Bound::Directly(self.resolve(graph)?),
            Form::Below => Bound::Below(self.resolve(graph)?),
            Form::Begins(name) => Bound::Begins(self.resolve(graph)?, name.clone()),
        };
        Ok(Matcher::new(form, graph))
    }

    fn resolve(&self, graph: &PipGraph) -> Result<PathId, Mistake> {
        let paths = graph.paths();
        let base = match &self.mount {
            None => graph.workspace_root(),
            Some(name) => self.mount(graph, name)?,
        };
        let absolute = self.folder.starts_with('/') || (paths.os().has_drives() && begins_with_drive(&self.folder));
        let found = match absolute && self.mount.is_none() {
            true => paths.parse_absolute(&self.folder),
            false => paths.walk(base, &self.folder),
        };
        found.map_err(|error| (error.to_string(), None, 0..0))
    }

    fn mount(&self, graph: &PipGraph, name: &str) -> Result<PathId, Mistake> {
        let mounts = graph.mounts();
        let exact = mounts.iter().find(|mount| &*mount.name == name);
        // Like tags, names of mounts are told apart by case only where that is needed.
        let found = exact.or_else(|| mounts.iter().find(|mount| mount.name.eq_ignore_ascii_case(name)));
        found.map(|mount| mount.path).ok_or_else(|| {
            let near = crate::diagnostics::nearest(name, mounts.iter().map(|mount| &*mount.name));
            let all = || mounts.iter().map(|mount| format!("`{}`", mount.name)).collect::<Vec<_>>().join(", ");
            let help = near.map_or_else(|| format!("there are {}", all()), |near| format!("did you mean `{near}`?"));
            (format!("there is no mount `{name}`"), Some(help), 0..0)
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mount) = &self.mount {
            write!(f, "Mount[{mount}]/")?;
        }
        // The folder of `a/*`; nothing for the workspace or the mount itself.
        let folder = match self.folder.as_str() {
            "" => String::new(),
            text if text.ends_with('/') => text.to_owned(),
            text => format!("{text}/"),
        };
        match &self.form {
            Form::Exact => write!(f, "{}", self.folder),
            Form::Directly => write!(f, "{folder}."),
            Form::Below if folder.is_empty() && self.mount.is_none() => write!(f, "./*"),
            Form::Below => write!(f, "{folder}*"),
            Form::Begins(name) => write!(f, "{folder}{name}*"),
            Form::Ends(text) => write!(f, "*{text}"),
            Form::Holds(text) => write!(f, "*{text}*"),
            Form::Everything => write!(f, "*"),
        }
    }
}

fn wildcard_within(at: usize) -> Mistake {
    let help = "`*` may stand at the beginning, at the end, or at both: `*.o`, `out/*`, `*/out/*`";
    ("there is a `*` in the middle of a path".to_owned(), Some(help.to_owned()), at..at + 1)
}

/// The folder and the form of a text that begins at an offset of the argument.
fn form(text: &str, offset: usize) -> Result<(String, Form), Mistake> {
    let starts = text.starts_with('*');
    let ends = text.ends_with('*');
    let last = text.len().saturating_sub(1);
    if let Some((at, _)) = text.char_indices().find(|(at, c)| *c == '*' && *at > 0 && *at < last) {
        return Err(wildcard_within(offset + at));
    }
    let found = if starts && ends {
        let inner = text.get(1..last).unwrap_or_default();
        let form = if matches!(inner, "" | "/") { Form::Everything } else { Form::Holds(inner.to_owned()) };
        (String::new(), form)
    } else if starts {
        (String::new(), Form::Ends(text[1..].to_owned()))
    } else if ends {
        let text = &text[..last];
        let (folder, name) = text.rsplit_once('/').map_or(("", text), |(folder, name)| {
            // The root of the file system is a folder too.
            (if folder.is_empty() { "/" } else { folder }, name)
        });
        (folder.to_owned(), if name.is_empty() { Form::Below } else { Form::Begins(name.to_owned()) })
    } else if text == "." {
        (String::new(), Form::Directly)
    } else if let Some(folder) = text.strip_suffix("/.") {
        (if folder.is_empty() { "/" } else { folder }.to_owned(), Form::Directly)
    } else {
        (text.to_owned(), Form::Exact)
    };
    Ok(found)
}

/// What is known about the contents of a folder before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Nothing in it is meant.
    None,
    /// Something in it may be meant.
    Part,
    /// All that is in it is meant.
    Whole,
}

#[derive(Debug)]
enum Bound {
    Exact(PathId),
    Directly(PathId),
    Below(PathId),
    Begins(PathId, String),
    Ends(String),
    Holds(String),
    Everything,
}

/// A pattern with the paths of a graph; it remembers what it was asked.
#[derive(Debug)]
pub(super) struct Matcher {
    form: Bound,
    root: PathId,
    /// Whether letter case does not matter; the texts in `form` are in lower case then.
    blind: bool,
    /// For each path whether it matches: 0 where nobody asked.
    known: Vec<u8>,
    buffer: String,
}

impl Matcher {
    fn new(form: Bound, graph: &PipGraph) -> Self {
        let paths = graph.paths();
        let blind = paths.os().has_case_blind_paths();
        let fold = |text: String| if blind { text.to_lowercase() } else { text };
        let form = match form {
            Bound::Begins(folder, name) => Bound::Begins(folder, fold(name)),
            Bound::Ends(text) => Bound::Ends(fold(text)),
            Bound::Holds(text) => Bound::Holds(fold(text)),
            other => other,
        };
        Self { form, root: graph.workspace_root(), blind, known: Vec::new(), buffer: String::new() }
    }

    /// Whether a path is meant.
    pub fn matches(&mut self, paths: &Paths, path: PathId) -> bool {
        match &self.form {
            Bound::Everything => return true,
            Bound::Exact(exact) => return path == *exact,
            Bound::Directly(folder) => return paths.parent(path) == Some(*folder),
            _ => {}
        }
        let at = path.0 as usize;
        match self.known.get(at) {
            Some(1) => return false,
            Some(2) => return true,
            Some(_) => {}
            None => self.known.resize(paths.count().max(at + 1), 0),
        }
        let found = self.find(paths, path);
        self.known[at] = 1 + u8::from(found);
        found
    }

    fn find(&mut self, paths: &Paths, path: PathId) -> bool {
        match &self.form {
            Bound::Below(folder) => paths.is_within(path, *folder),
            Bound::Ends(text) if !self.blind => ends(paths, self.root, path, text),
            Bound::Begins(folder, name) => begins(paths, path, *folder, name, self.blind),
            Bound::Ends(_) | Bound::Holds(_) => {
                self.write(paths, path);
                match &self.form {
                    Bound::Ends(text) => self.buffer.ends_with(&**text),
                    Bound::Holds(text) => self.buffer.contains(&**text),
                    _ => false,
                }
            }
            Bound::Everything | Bound::Exact(_) | Bound::Directly(_) => false,
        }
    }

    /// How much of the contents of an opaque folder is meant. What lies in it is not known before a run, so all that
    /// is said about paths inside it may be about some of its files.
    pub fn folder(&mut self, paths: &Paths, folder: PathId) -> Reach {
        if self.matches(paths, folder) {
            return Reach::Whole;
        }
        let inside = match &self.form {
            Bound::Exact(path) | Bound::Directly(path) | Bound::Below(path) | Bound::Begins(path, _) => {
                paths.is_within(*path, folder)
            }
            Bound::Ends(text) | Bound::Holds(text) => {
                // The folder must be named for that: with `*.o` every opaque directory might be meant.
                let text = text.clone();
                self.write(paths, folder);
                text.match_indices('/').any(|(at, _)| at > 0 && self.buffer.ends_with(&text[..at]))
            }
            Bound::Everything => true,
        };
        if inside { Reach::Part } else { Reach::None }
    }

    /// Whether the filter may mean a path that lies in a folder, at any depth or directly in it.
    pub fn inside(&mut self, paths: &Paths, folder: PathId, directly: bool) -> bool {
        if self.matches(paths, folder) {
            return true;
        }
        match &self.form {
            Bound::Exact(path) if directly => paths.parent(*path) == Some(folder),
            Bound::Directly(path) | Bound::Begins(path, _) if directly => *path == folder,
            Bound::Below(_) if directly => false,
            _ => self.folder(paths, folder) != Reach::None,
        }
    }

    /// The one path that is meant, if it is one.
    pub fn exact(&self) -> Option<PathId> {
        match self.form {
            Bound::Exact(path) => Some(path),
            _ => None,
        }
    }

    /// The text that wildcards are about: below the workspace the path from there, with a `/` before it; elsewhere the
    /// whole path. What a filter selects does not depend on where the workspace lies.
    fn write(&mut self, paths: &Paths, path: PathId) {
        self.buffer.clear();
        let shown = crate::graph::show(paths, self.root, path);
        if !shown.starts_with('/') {
            self.buffer.push('/');
        }
        if path != self.root {
            self.buffer.push_str(&shown);
        }
        if self.blind {
            self.buffer = self.buffer.to_lowercase();
        }
    }
}

/// Whether the text that [`Matcher::write`] gives ends so, without writing it: most paths differ in the last name.
fn ends(paths: &Paths, root: PathId, path: PathId, text: &str) -> bool {
    let mut rest = text;
    for at in paths.ancestors(path).take_while(|at| *at != root && *at != PathId::ROOT) {
        let name = paths.name(at).map_or("", |name| paths.symbols().text(name));
        if rest.len() <= name.len() {
            return name.ends_with(rest);
        }
        match rest.strip_suffix(name).and_then(|rest| rest.strip_suffix('/')) {
            Some("") => return true,
            Some(before) => rest = before,
            None => return false,
        }
    }
    // Only the text of the workspace itself, or of the root, is a separator alone.
    rest == "/" && rest.len() == text.len()
}

/// Whether a path lies in a folder under a name that begins so, or below such a name.
fn begins(paths: &Paths, path: PathId, folder: PathId, name: &str, blind: bool) -> bool {
    let depth = paths.depth(folder) + 1;
    let Some(child) = paths.ancestors(path).find(|at| paths.depth(*at) == depth) else { return false };
    if paths.parent(child) != Some(folder) {
        return false;
    }
    let Some(text) = paths.name(child).map(|name| paths.symbols().text(name)) else { return false };
    if blind { text.to_lowercase().starts_with(name) } else { text.starts_with(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        for (argument, shown, form) in [
            (r"out\bin\a.exe", "out/bin/a.exe", Form::Exact),
            ("out/.", "out/.", Form::Directly),
            (".", ".", Form::Directly),
            (r"out\*", "out/*", Form::Below),
            (r".\*", "./*", Form::Below),
            ("/*", "/*", Form::Below),
            ("/.", "/.", Form::Directly),
            ("out/lib*", "out/lib*", Form::Begins("lib".to_owned())),
            ("lib*", "lib*", Form::Begins("lib".to_owned())),
            ("/lib*", "/lib*", Form::Begins("lib".to_owned())),
            (r"*\a.exe", "*/a.exe", Form::Ends("/a.exe".to_owned())),
            ("*.o", "*.o", Form::Ends(".o".to_owned())),
            (r"*\out\*", "*/out/*", Form::Holds("/out/".to_owned())),
            ("*", "*", Form::Everything),
            ("**", "*", Form::Everything),
            (r"*\*", "*", Form::Everything),
            ("Mount[Out]", "Mount[Out]/*", Form::Below),
            (r"mount[Out]\*", "Mount[Out]/*", Form::Below),
            (r"Mount[Out]\a\.", "Mount[Out]/a/.", Form::Directly),
            (r"Mount[Out]\a.txt", "Mount[Out]/a.txt", Form::Exact),
        ] {
            let pattern = Pattern::parse(argument).unwrap_or_else(|mistake| panic!("{argument}: {mistake:?}"));
            assert_eq!((&*pattern.to_string(), &pattern.form), (shown, &form), "{argument}");
            let again = Pattern::parse(shown).expect("what is written can be read");
            assert_eq!((again.to_string(), &again.form), (pattern.to_string(), &form), "{argument}");
        }
    }

    #[test]
    fn wildcards_stand_at_the_ends_only() {
        for (argument, at) in
            [("a*b", 1..2), ("*a*b", 2..3), ("out/*.o", 4..5), (r"Mount[A]\*.o", 9..10), ("***", 1..2)]
        {
            assert_eq!(Pattern::parse(argument).map_err(|(_, _, at)| at).err(), Some(at), "{argument}");
        }
        assert!(Pattern::parse("Mount[A").is_err() && Pattern::parse("Mount[A]b").is_err());
    }
}
