//! Mounts: named folders with rights, predefined ones and those of the configuration.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::config::{LayoutConfig, MountConfig};
use super::system_folders::system_folders;
use crate::diagnostics::{Code, Diagnostic};
use crate::paths::{PathId, Paths};
use crate::source::Location;
use crate::source::system::Environment;

/// A named folder with rights.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Its name. Letter case matters.
    pub name: Arc<str>,
    /// The folder.
    pub path: PathId,
    /// Whether pips may read below it.
    pub readable: bool,
    /// Whether pips may write below it.
    pub writable: bool,
    /// Whether what no pip makes is deleted below it.
    pub scrubbable: bool,
    /// Whether changes of its files matter.
    pub tracked: bool,
    /// Where the configuration defines it; none for predefined mounts.
    pub location: Option<Location>,
}

/// What asking for a mount by name gives.
#[derive(Clone, Debug, PartialEq)]
pub enum FoundMount<'a> {
    /// The mount.
    Found(&'a Mount),
    /// There is none of this name, but one whose name differs only in letter case.
    WrongCase(&'a str),
    /// There is none of this name.
    Unknown,
}

/// The folders that a workspace writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The folder of the configuration.
    pub source: PathId,
    /// Everything that a build writes: `Out`.
    pub output: PathId,
    /// Outputs of pips: `Out/Objects`.
    pub object: PathId,
    /// Temporary folders: `Out/Temp`.
    pub temp: PathId,
    /// Logs: `Out/Logs`.
    pub logs: PathId,
    /// What the front end makes: `Out/frontend`.
    pub front_end: PathId,
    /// The folder of the running program.
    pub engine: PathId,
}

impl Layout {
    /// The usual folders below `source`, unless the configuration says other ones.
    pub fn new(source: PathId, engine: PathId, config: &LayoutConfig, paths: &Paths) -> Self {
        let output = config.output.unwrap_or_else(|| paths.child_named(source, "Out"));
        let object = config.object.unwrap_or_else(|| paths.child_named(output, "Objects"));
        let beside_objects = paths.parent(object).unwrap_or(output);
        Self {
            source,
            output,
            object,
            temp: config.temp.unwrap_or_else(|| paths.child_named(output, "Temp")),
            logs: paths.child_named(output, "Logs"),
            front_end: paths.child_named(beside_objects, "frontend"),
            engine,
        }
    }
}

/// All mounts of a workspace.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    by_name: IndexMap<Arc<str>, Mount>,
    by_path: FxHashMap<PathId, usize>,
}

impl Mounts {
    /// The predefined mounts, those of the operating system that `environment` tells of among them.
    pub fn predefined(layout: &Layout, environment: &dyn Environment, paths: &Paths) -> Self {
        let mut mounts = Self::default();
        let mut add = |name: &str, path: PathId, writable: bool, scrubbable: bool, tracked: bool| {
            let mount =
                Mount { name: name.into(), path, readable: true, writable, scrubbable, tracked, location: None };
            mounts.insert(mount);
        };
        add("BuildEnginePath", layout.engine, false, false, true);
        add("SourceRoot", layout.source, false, false, true);
        add("ObjectRoot", layout.object, true, true, true);
        add("LogsDirectory", layout.logs, true, false, true);
        add("FrontEnd", layout.front_end, true, true, true);
        add("TempRoot", layout.temp, true, true, true);
        for folder in system_folders(environment, paths) {
            add(folder.name, folder.path, false, false, folder.tracked);
        }
        mounts
    }

    /// Adds the mounts of the configuration or of a module. A mount of the configuration replaces a predefined one of
    /// the same name; two of the same name are refused, and so is one that is not scrubbed within one that is.
    pub fn add_all(&mut self, configured: &[MountConfig], paths: &Paths) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let mut added = Vec::new();
        for mount in configured {
            let earlier = self.by_name.get(&mount.name).filter(|earlier| earlier.location.is_some());
            if let Some(earlier) = earlier {
                if earlier.path == mount.path && earlier.location == mount.location {
                    continue;
                }
                let message = format!("mount `{}` is defined twice", mount.name);
                let help = "give one of them another name, or remove it";
                let mut diagnostic = at(Diagnostic::error(Code::Ds(303), message), mount.location, "again here");
                if let Some(first) = earlier.location {
                    diagnostic = diagnostic.and_at(first, "first here");
                }
                diagnostics.push(diagnostic.help(help));
                continue;
            }
            added.push(mount);
            self.insert(Mount {
                name: mount.name.clone(),
                path: mount.path,
                readable: mount.readable,
                writable: mount.writable,
                scrubbable: mount.scrubbable,
                tracked: mount.tracked,
                location: mount.location,
            });
        }
        for mount in added {
            let above = paths.parent(mount.path).and_then(|parent| self.of_path(parent, paths));
            if let Some(above) = above.filter(|above| above.scrubbable && !mount.scrubbable) {
                let message = format!(
                    "mount `{}` is not scrubbable, but lies within mount `{}`, which is",
                    mount.name, above.name
                );
                let help = format!("set `isScrubbable: true` on mount `{}`, or move it elsewhere", mount.name);
                let mut diagnostic = at(Diagnostic::error(Code::Dx(854), message), mount.location, "");
                if let Some(outer) = above.location {
                    diagnostic = diagnostic.and_at(outer, "the scrubbable mount");
                }
                diagnostics.push(diagnostic.help(help));
            }
        }
        diagnostics
    }

    /// The mount of a name.
    pub fn find(&self, name: &str) -> FoundMount<'_> {
        if let Some(mount) = self.by_name.get(name) {
            return FoundMount::Found(mount);
        }
        match self.by_name.keys().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(near) => FoundMount::WrongCase(near),
            None => FoundMount::Unknown,
        }
    }

    /// The names of all mounts, predefined ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    /// All mounts, predefined ones first.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.by_name.values()
    }

    /// The mount that holds a path: the innermost one.
    pub fn of_path(&self, path: PathId, paths: &Paths) -> Option<&Mount> {
        let index = paths.ancestors(path).find_map(|folder| self.by_path.get(&folder))?;
        Some(&self.by_name[*index])
    }

    fn insert(&mut self, mount: Mount) {
        let path = mount.path;
        let configured = mount.location.is_some();
        let (index, _) = self.by_name.insert_full(mount.name.clone(), mount);
        // Of two mounts at one folder the configured one says what may be done there.
        if configured {
            self.by_path.insert(path, index);
        } else {
            self.by_path.entry(path).or_insert(index);
        }
    }
}

fn at(diagnostic: Diagnostic, location: Option<Location>, label: &str) -> Diagnostic {
    match location {
        Some(location) => diagnostic.at(location, label),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::system::MapEnvironment;
    use crate::source::{FileId, Span, Symbols};

    fn mount(name: &str, path: PathId, start: u32) -> MountConfig {
        let location = Some(Span::new(start, start + 1).in_file(FileId(0)));
        let (readable, writable, scrubbable, tracked) = (true, true, false, false);
        MountConfig { name: name.into(), path, readable, writable, scrubbable, tracked, location }
    }

    #[test]
    fn names_and_paths() {
        let paths = Paths::new(Arc::new(Symbols::new()));
        let source = paths.parse_absolute("/w").unwrap();
        let layout = Layout::new(source, PathId::ROOT, &LayoutConfig::default(), &paths);
        let mut mounts = Mounts::predefined(&layout, &MapEnvironment::new(), &paths);
        let out = paths.parse_absolute("/w/Out/Bin").unwrap();
        let inside = paths.parse_absolute("/w/Out/Objects/x").unwrap();
        let configured = [mount("Out", out, 0), mount("Out", source, 5), mount("In", inside, 9)];
        let codes: Vec<_> = mounts.add_all(&configured, &paths).iter().map(|one| one.code.to_string()).collect();
        assert_eq!(codes, ["DS0303", "DX0854"]);
        assert!(matches!(mounts.find("Out"), FoundMount::Found(mount) if mount.path == out));
        assert_eq!(mounts.find("sourceroot"), FoundMount::WrongCase("SourceRoot"));
        assert_eq!(mounts.find("Nope"), FoundMount::Unknown);
        let of = |text: &str| mounts.of_path(paths.parse_absolute(text).unwrap(), &paths).map(|one| &*one.name);
        assert_eq!(of("/w/a.dsc"), Some("SourceRoot"));
        assert_eq!(of("/w/Out/Bin/a"), Some("Out"));
        assert_eq!(of("/usr/bin/env"), Some("UsrBin"));
    }
}
