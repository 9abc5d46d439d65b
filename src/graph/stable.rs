//! Identities that users see: they come from what a pip is, not from the order in which pips were made.

use std::fmt;

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::frozen::show;
use super::origins::Origins;
use crate::graph::{Pip, PipId, Provenance};
use crate::paths::{PathId, Paths};

/// The identity of a pip across runs, machines and folders: 16 hexadecimal digits, with `-2`, `-3` … where two pips
/// would have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StableId {
    digest: u64,
    // 0 and 1 print nothing.
    turn: u32,
}

impl StableId {
    /// The two numbers that it is made of, for tables that outlive a run.
    pub fn key(self) -> (u64, u32) {
        (self.digest, self.turn.max(1))
    }
}

impl fmt::Display for StableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.turn {
            0 | 1 => write!(f, "{:016x}", self.digest),
            turn => write!(f, "{:016x}-{turn}", self.digest),
        }
    }
}

/// The identities of all pips. `order` is the order that decides who of several equals is first.
pub(super) fn identify(pips: &[Pip], origins: &Origins, order: &[PipId], paths: &Paths, root: PathId) -> Vec<StableId> {
    let digests: Vec<u64> = order
        .par_iter()
        .map_init(Vec::new, |key, pip| {
            key.clear();
            write_key(&pips[pip.0 as usize], origins.of(*pip), paths, root, key);
            let digest = Sha256::digest(key);
            let mut first = [0; 8];
            first.copy_from_slice(&digest[..8]);
            u64::from_be_bytes(first)
        })
        .collect();
    let mut ids = vec![StableId { digest: 0, turn: 0 }; pips.len()];
    let mut turns: FxHashMap<u64, u32> = FxHashMap::default();
    for (pip, digest) in order.iter().zip(digests) {
        let turn = turns.entry(digest).or_insert(0);
        *turn += 1;
        ids[pip.0 as usize] = StableId { digest, turn: *turn };
    }
    ids
}

fn write_key(pip: &Pip, provenance: &Provenance, paths: &Paths, root: PathId, key: &mut Vec<u8>) {
    // A length before each text, so that no two lists of texts give the same bytes.
    let mut add = |text: &str| {
        key.extend_from_slice(&(text.len() as u64).to_le_bytes());
        key.extend_from_slice(text.as_bytes());
    };
    let file = |path: PathId, rewrite: u32| format!("{}#{rewrite}", show(paths, root, path));
    add(&provenance.module);
    add(&show(paths, root, provenance.spec));
    add(&provenance.value);
    for (name, value) in &*provenance.qualifier {
        add(name);
        add(value);
    }
    add(pip.kind_name());
    match pip {
        Pip::Process(pip) => {
            for output in &pip.outputs {
                add(&file(output.artifact.path, output.artifact.rewrite));
            }
            for output in &pip.output_directories {
                add(&show(paths, root, output.path));
            }
        }
        Pip::CopyFile(pip) => add(&file(pip.destination.path, pip.destination.rewrite)),
        Pip::WriteFile(pip) => add(&file(pip.destination.path, pip.destination.rewrite)),
        Pip::Ipc(pip) => add(&file(pip.output.path, pip.output.rewrite)),
        Pip::SealDirectory(pip) => {
            add(super::export::seal_kind(pip.kind));
            add(&show(paths, root, pip.root));
        }
    }
}
