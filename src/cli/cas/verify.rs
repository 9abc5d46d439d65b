//! `dscript cas verify`: whether a store is sound.

use clap::Args;
use serde_json::json;

use super::failed;
use super::place::{Place, StoreArgs};
use crate::cas::store::Root;
use crate::cas::tree::Reachable;
use crate::cas::{Digest, Store};
use crate::cli::figures::{grouped, size};
use crate::cli::output::FormatArgs;
use crate::cli::{Failure, Outcome};

/// Arguments of `cas verify`.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    store: StoreArgs,
}

pub(super) fn run(args: &VerifyArgs) -> Result<Outcome, Failure> {
    let place = Place::existing(&args.store)?;
    let _hold = place.store.hold().map_err(failed)?;
    let found = place.store.verify(true).map_err(failed)?;
    let mut lacking = Vec::new();
    for root in place.store.roots().map_err(failed)? {
        for digest in lacks(&place.store, &root)? {
            lacking.push((root.clone(), digest));
        }
    }
    let removed: Vec<String> = found.removed.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let sound = removed.is_empty() && lacking.is_empty();
    let value = json!({
        "blobs": found.blobs,
        "blobBytes": found.bytes,
        "removedBlobs": removed,
        "lacking": lacking
            .iter()
            .map(|(root, digest)| json!({"root": root.digest.to_string(), "digest": digest.to_string()}))
            .collect::<Vec<_>>(),
    });
    let mut lines: Vec<String> =
        removed.iter().map(|path| format!("removed `{path}`, whose content was not what its name says")).collect();
    lines.extend(
        lacking
            .iter()
            .map(|(root, digest)| format!("{}, put as `{}`, lacks {digest}", root.digest, root.name.escape_debug())),
    );
    let verdict = if sound { "all is sound" } else { "what was damaged is removed; put it in again" };
    lines.push(format!("{} blobs with {}: {verdict}", grouped(found.blobs), size(found.bytes)));
    args.format.write(&value, &lines)?;
    Ok(if sound { Outcome::Fine } else { Outcome::Errors })
}

// What of a root is not there, sorted.
fn lacks(store: &Store, root: &Root) -> Result<Vec<Digest>, Failure> {
    let mut reachable = Reachable::new(store);
    if root.is_tree {
        reachable.add_tree(&root.digest).map_err(failed)?;
    } else {
        reachable.add_blob(root.digest);
    }
    let mut lacking = Vec::new();
    for digest in reachable.sorted() {
        if digest != Digest::EMPTY && !store.contains(&digest).map_err(failed)? {
            lacking.push(digest);
        }
    }
    Ok(lacking)
}
