//! Directories: from where they are into memory, walked, and into the store after all that is below them.

use super::super::RemoteError;
use super::super::directory::{Children, children};
use super::super::parallel::lock;
use super::Fetch;
use super::state::{Kind, Node, Pending, Want};
use crate::cas::Digest;
use crate::cas::tree::{MAX_DEPTH, TreeError};

// A directory that is larger is an attack: it would have some hundred thousand entries.
const LARGEST_DIRECTORY: u64 = 64 << 20;

impl Fetch<'_> {
    /// Takes directories that have been met from where they are: from what was given, the store, or the server.
    pub(super) fn find(&self, nodes: Vec<Node>) -> Result<(), RemoteError> {
        let digests: Vec<(Node, Digest)> = {
            let state = lock(&self.state);
            let digest = |node: Node| state.nodes[node].as_ref().map(|pending| (node, pending.digest));
            nodes.into_iter().filter_map(digest).collect()
        };
        let mut found = Vec::with_capacity(digests.len());
        for (node, digest) in digests {
            if digest.size > LARGEST_DIRECTORY {
                let path = self.path(node);
                return Err(RemoteError::HugeDirectory { digest, path });
            }
            let here = match self.given.get(&digest) {
                _ if digest == Digest::EMPTY => Some((Vec::new(), false)),
                Some(bytes) => Some((bytes.clone(), false)),
                None => match self.store.read(&digest) {
                    Ok(bytes) => Some((bytes, true)),
                    Err(error) if error.is_miss() => None,
                    Err(error) => return Err(error.into()),
                },
            };
            found.push((node, digest, here));
        }
        let mut state = lock(&self.state);
        for (node, digest, here) in found {
            if let Some((bytes, stored)) = here {
                state.transfer.present += u64::from(stored);
                state.arrived(node, bytes, stored);
                continue;
            }
            let Some(pending) = &state.nodes[node] else { continue };
            let want = Want { digest, above: pending.above, name: pending.name.clone(), kind: Kind::Directory(node) };
            self.want(&mut state, want);
        }
        Ok(())
    }

    pub(super) fn walk(&self, node: Node) -> Result<(), RemoteError> {
        let (digest, depth, bytes) = {
            let mut state = lock(&self.state);
            let Some(pending) = &mut state.nodes[node] else { return Ok(()) };
            (pending.digest, pending.depth, std::mem::take(&mut pending.bytes))
        };
        let bad = |reason| RemoteError::Directory { digest, path: self.path(node), reason };
        if depth > MAX_DEPTH {
            return Err(bad(TreeError::TooDeep { path: self.path(node) }));
        }
        let Children { files, directories } = children(&bytes).map_err(bad)?;
        let mut present = 0;
        let mut absent = Vec::with_capacity(files.len());
        for file in files {
            if self.is_here(&file.digest)? {
                present += 1;
            } else {
                absent.push(file);
            }
        }
        let mut met = Vec::new();
        {
            let mut state = lock(&self.state);
            state.transfer.present += present;
            let mut waiting = 0;
            for (name, digest) in directories {
                if state.done.contains(&digest) {
                    continue;
                }
                waiting += 1;
                match state.known.get(&digest).copied() {
                    Some(known) => {
                        if let Some(pending) = &mut state.nodes[known] {
                            pending.parents.push(node);
                        }
                    }
                    None => met.push(state.met(digest, Some(node), &name)),
                }
            }
            for file in absent {
                waiting += 1;
                if let Some(waiters) = state.coming.get_mut(&file.digest) {
                    waiters.push(node);
                    continue;
                }
                state.coming.insert(file.digest, vec![node]);
                let kind = Kind::File { executable: file.executable };
                self.want(&mut state, Want { digest: file.digest, above: Some(node), name: file.name, kind });
            }
            if let Some(pending) = &mut state.nodes[node] {
                pending.waiting += waiting;
                pending.bytes = bytes;
            }
        }
        self.find(met)?;
        let last = lock(&self.state).came(node);
        if last { self.complete(vec![node]) } else { Ok(()) }
    }

    /// Puts directories into the store below which everything is there, and those above them whose last entry that was.
    pub(super) fn complete(&self, mut nodes: Vec<Node>) -> Result<(), RemoteError> {
        while let Some(node) = nodes.pop() {
            let whole = |pending: &mut Pending| {
                (
                    pending.digest,
                    std::mem::take(&mut pending.bytes),
                    pending.stored,
                    pending.above,
                    pending.name.clone(),
                )
            };
            let Some((digest, bytes, stored, above, name)) = lock(&self.state).nodes[node].as_mut().map(whole) else {
                continue;
            };
            if !stored {
                self.add(&digest, &bytes, false).map_err(|error| self.unlike(error, above, &name))?;
            }
            // It stays known until now: another directory that has it may have been walked while it was stored, and waits.
            let mut state = lock(&self.state);
            let Some(pending) = state.nodes[node].take() else { continue };
            state.held -= bytes.len() as u64;
            state.known.remove(&digest);
            state.done.insert(digest);
            state.free.push(node);
            nodes.extend(pending.parents.into_iter().filter(|parent| state.came(*parent)).collect::<Vec<_>>());
        }
        Ok(())
    }

    pub(super) fn path(&self, node: Node) -> String {
        let state = lock(&self.state);
        state.nodes[node].as_ref().map(|pending| state.path(pending.above, &pending.name)).unwrap_or_default()
    }
}
