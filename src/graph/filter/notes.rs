//! What a filter names and a graph does not have. That is no error, because filters are written for many graphs, but
//! mostly it is a slip.

use std::fmt;
use std::ops::Range;

use indexmap::IndexSet;

use super::tree::{NameKind, PlaceKind};
use crate::diagnostics::nearest;
use crate::graph::{FileArtifact, Pip, PipGraph};
use crate::paths::PathId;

/// A remark about a part of a filter that selects nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterNote {
    /// What is not there.
    pub message: String,
    /// What is there and nearly called so.
    pub help: Option<String>,
    /// Where, in bytes of the filter.
    pub span: Range<usize>,
}

impl fmt::Display for FilterNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// About a name that nothing has.
pub(super) fn name(graph: &PipGraph, kind: NameKind, text: &str, span: Range<usize>, suggest: bool) -> FilterNote {
    let message = match kind {
        NameKind::Tag => format!("no pip has the tag `{text}`"),
        NameKind::Module => format!("no pip comes from a module `{text}`"),
        NameKind::Value | NameKind::ValueTransitive => format!("no pip comes from a value `{text}`"),
        NameKind::Id => format!("no pip has the id `{text}`"),
    };
    if !suggest {
        return FilterNote { message, help: None, span };
    }
    let known: IndexSet<&str> = match kind {
        NameKind::Tag => tags(graph),
        NameKind::Module => graph.ids().map(|id| &*graph.provenance(id).module).collect(),
        NameKind::Value | NameKind::ValueTransitive => graph.ids().map(|id| &*graph.provenance(id).value).collect(),
        // No one types an id.
        NameKind::Id => IndexSet::new(),
    };
    let near = nearest(text, known).or_else(|| {
        // The last part of a dotted name is what people remember.
        let values = matches!(kind, NameKind::Value | NameKind::ValueTransitive);
        let ends = |value: &&str| value.rsplit_once('.').is_some_and(|(_, last)| last == text);
        graph.order().iter().map(|id| &*graph.provenance(*id).value).filter(|_| values).find(ends)
    });
    FilterNote { message, help: near.map(did_you_mean), span }
}

fn tags(graph: &PipGraph) -> IndexSet<&str> {
    let symbols: IndexSet<_> = graph.ids().flat_map(|id| graph.pip(id).tags()).collect();
    symbols.into_iter().map(|symbol| graph.text(*symbol)).collect()
}

/// About a path that nothing makes, reads or comes from. `path` is there when it is one path, without wildcards.
pub(super) fn place(
    graph: &PipGraph,
    kind: PlaceKind,
    shown: &str,
    path: Option<PathId>,
    span: Range<usize>,
    suggest: bool,
) -> FilterNote {
    let message = match (kind, path) {
        (PlaceKind::Output, Some(_)) => format!("no pip makes `{shown}`"),
        (PlaceKind::Output, None) => format!("no pip makes anything like `{shown}`"),
        (PlaceKind::Input, Some(_)) => format!("no pip reads `{shown}`"),
        (PlaceKind::Input, None) => format!("no pip reads anything like `{shown}`"),
        (_, Some(_)) => format!("no pip comes from a spec `{shown}`"),
        (_, None) => format!("no pip comes from a spec like `{shown}`"),
    };
    let near = path.filter(|_| suggest).and_then(|path| near_path(graph, kind, path));
    FilterNote { message, help: near.map(|near| did_you_mean(&graph.display(near))), span }
}

/// A path with the same name in another folder, else one with nearly this name in the same folder.
fn near_path(graph: &PipGraph, kind: PlaceKind, path: PathId) -> Option<PathId> {
    let paths = graph.paths();
    let (name, folder) = (paths.name(path)?, paths.parent(path)?);
    let mut same_name: Option<PathId> = None;
    let mut beside = Vec::new();
    let mut see = |found: PathId| {
        if paths.name(found) == Some(name) {
            let before = same_name.is_none_or(|known| paths.compare(found, known).is_lt());
            same_name = if before { Some(found) } else { same_name };
        } else if paths.parent(found) == Some(folder) {
            beside.extend(paths.name(found).map(|name| graph.text(name)));
        }
    };
    for id in graph.ids() {
        let pip = graph.pip(id);
        let inputs: &[FileArtifact] = match (kind, pip) {
            (PlaceKind::Input, Pip::Process(process)) => &process.inputs,
            (PlaceKind::Input, Pip::Ipc(ipc)) => &ipc.inputs,
            (PlaceKind::Input, Pip::SealDirectory(seal)) => &seal.files,
            (PlaceKind::Input, Pip::CopyFile(copy)) => std::slice::from_ref(&copy.source),
            _ => &[],
        };
        inputs.iter().for_each(|file| see(file.path));
        match (kind, pip) {
            (PlaceKind::Output, Pip::SealDirectory(seal)) if seal.kind.is_output() => see(seal.root),
            (PlaceKind::Output, pip) => pip.output_files().for_each(|file| see(file.path)),
            (PlaceKind::Input, _) => {}
            _ => see(graph.provenance(id).spec),
        }
    }
    beside.sort_unstable();
    beside.dedup();
    same_name.or_else(|| nearest(graph.text(name), beside).map(|near| paths.child_named(folder, near)))
}

/// About a word that nothing is called.
pub(super) fn word(graph: &PipGraph, text: &str, span: Range<usize>, suggest: bool) -> FilterNote {
    let message = format!("no output, spec or tag is called `{text}`");
    if !suggest {
        return FilterNote { message, help: None, span };
    }
    let paths = graph.paths();
    let mut known = tags(graph);
    for id in graph.order() {
        let files = graph.pip(*id).output_files().map(|file| file.path);
        let all = files.chain([graph.provenance(*id).spec]);
        known.extend(all.filter_map(|path| paths.name(path)).map(|name| graph.text(name)));
    }
    let last = text.rsplit(['/', '\\']).next().unwrap_or(text);
    FilterNote { message, help: nearest(last, known).map(did_you_mean), span }
}
