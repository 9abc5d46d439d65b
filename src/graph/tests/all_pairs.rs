//! The rules about the whole graph against a plain restatement that compares all pairs, on many small random graphs.

use std::collections::BTreeSet;

use super::case::attempt;
use crate::diagnostics::Code;
use crate::graph::{Pip, PipGraph, SealKind};
use crate::paths::PathId;

/// What freezing should say, as (code, path that is at fault); the place above it that forbids is left open because
/// only the first of several is named.
fn all_pairs(graph: &PipGraph) -> BTreeSet<(u32, String)> {
    let paths = graph.paths();
    let below = |path: PathId, root: PathId| path != root && paths.is_within(path, root);
    let mut sources = BTreeSet::new();
    let mut outputs = Vec::new();
    for id in graph.ids() {
        match graph.pip(id) {
            Pip::Process(process) => {
                sources.extend(process.inputs.iter().filter(|file| file.is_source()).map(|file| file.path.0));
                outputs.extend(process.outputs.iter().map(|output| (output.artifact, id)));
            }
            Pip::CopyFile(copy) => {
                sources.extend(copy.source.is_source().then_some(copy.source.path.0));
                outputs.push((copy.destination, id));
            }
            Pip::WriteFile(write) => outputs.push((write.destination, id)),
            Pip::SealDirectory(seal) => {
                sources.extend(seal.files.iter().filter(|file| file.is_source()).map(|file| file.path.0));
            }
            Pip::Ipc(_) => {}
        }
    }
    let sources: Vec<PathId> = sources.into_iter().map(PathId).collect();
    let mut wrong = BTreeSet::new();
    let mut add = |code: u32, path: PathId| wrong.insert((code, graph.display(path)));
    for outer in graph.directories() {
        let Pip::SealDirectory(seal) = graph.pip(outer.pip) else { continue };
        let root = outer.root;
        for source in &sources {
            match outer.kind {
                SealKind::ExclusiveOpaque if *source == root => add(14107, root),
                SealKind::ExclusiveOpaque if below(*source, root) => add(14100, *source),
                kind if kind.is_source() && *source == root => add(14110, root),
                _ => false,
            };
        }
        for (file, producer) in &outputs {
            match outer.kind {
                SealKind::ExclusiveOpaque if file.path == root => add(14108, root),
                SealKind::ExclusiveOpaque if below(file.path, root) && outer.producer != Some(*producer) => {
                    add(14101, file.path)
                }
                SealKind::Full if below(file.path, root) && !seal.files.contains(file) => add(14103, file.path),
                kind if kind.is_source() && file.path == root => add(14111, root),
                kind if kind.is_source() && below(file.path, root) => add(14104, file.path),
                _ => false,
            };
        }
        for inner in graph.directories() {
            let Pip::SealDirectory(inner_seal) = graph.pip(inner.pip) else { continue };
            let (at, under) = (inner.root == root, below(inner.root, root));
            match outer.kind {
                _ if inner_seal.directory == seal.directory || !(at || under) => false,
                SealKind::ExclusiveOpaque => add(if at { 14109 } else { 14102 }, inner.root),
                SealKind::SharedOpaque if inner.kind == SealKind::Full => {
                    add(if at { 14109 } else { 14102 }, inner.root)
                }
                SealKind::Full if under && inner.kind.is_output() => {
                    !seal.directories.contains(&inner_seal.directory) && add(14114, inner.root)
                }
                kind if kind.is_source() && inner.kind.is_output() => add(if at { 14109 } else { 14105 }, inner.root),
                _ => false,
            };
        }
    }
    wrong
}

#[test]
fn the_tables_find_what_comparing_all_pairs_finds() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut codes = BTreeSet::new();
    for _ in 0..3000 {
        let mut lines = Vec::new();
        for index in 0..2 + next(6) {
            // Few names, so that folders often meet.
            let depth = 1 + next(3);
            let path: Vec<&str> = (0..depth).map(|_| ["d", "e"][next(2)]).collect();
            let path = format!("out/{}", path.join("/"));
            lines.push(match next(9) {
                0 => format!("v{index}: write >{path}"),
                1 => format!("v{index}: write >{path}/f"),
                2 => format!("v{index}: copy <{path}/s >out/c{index}"),
                3 => format!("v{index}: process shared={path}"),
                4 => format!("v{index}: process exclusive={path} >{path}/own{index}"),
                5 => format!("v{index}: full {path}"),
                6 => format!("v{index}: full {path} <{path}/f@1"),
                7 => format!("v{index}: sourceAll {path}"),
                _ => format!("v{index}: partial {path}"),
            });
        }
        let text = lines.join("\n");
        // Pips that are refused when added are no part of the graph: both sides see the rest.
        let outcome = attempt(&text);
        let found: BTreeSet<(u32, String)> = outcome
            .diagnostics
            .iter()
            .map(|diagnostic| {
                let Code::Dx(code) = diagnostic.code else { panic!("a number of BuildXL's") };
                let path = diagnostic.labels[0].message.split('`').nth(1).unwrap_or_default();
                (code, path.to_owned())
            })
            .collect();
        assert_eq!(found, all_pairs(&outcome.graph), "\n{text}");
        codes.extend(found.into_iter().map(|(code, _)| code));
    }
    let all = [14100, 14101, 14102, 14103, 14104, 14105, 14108, 14109, 14111, 14114];
    assert!(all.iter().all(|code| codes.contains(code)), "the random graphs break every rule: {codes:?}");
}
