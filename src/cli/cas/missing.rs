//! `dscript cas missing`: which contents are not there.

use clap::Args;

use super::failed;
use super::place::{Place, StoreArgs, connect};
use crate::cas::tree::Reachable;
use crate::cas::{Digest, Store};
use crate::cli::options::RemoteArgs;
use crate::cli::output::Output;
use crate::cli::{Failure, Outcome};

/// Arguments of `cas missing`.
#[derive(Args, Debug)]
pub(super) struct MissingArgs {
    /// What to look for, as `hash/size`
    #[arg(value_name = "DIGEST", required = true)]
    digests: Vec<Digest>,
    /// They are directories: look for all that is below them too, as the store knows them
    #[arg(long)]
    tree: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(args: &MissingArgs) -> Result<Outcome, Failure> {
    let remote = connect(&args.remote)?;
    // A server is asked without a store, unless that knows what is below a directory.
    let place = match &remote {
        Some(_) if !args.tree => None,
        _ => Some(Place::existing(&args.store)?),
    };
    let mut digests = Vec::new();
    let mut missing = Vec::new();
    match &place {
        Some(place) if args.tree => {
            for root in &args.digests {
                below(&place.store, root, &mut digests, &mut missing)?;
            }
        }
        _ => digests.clone_from(&args.digests),
    }
    match (&remote, &place) {
        (Some(remote), _) => missing.extend(remote.missing(&digests).map_err(failed)?),
        (None, Some(place)) => {
            for digest in digests {
                if digest != Digest::EMPTY && !place.store.contains(&digest).map_err(failed)? {
                    missing.push(digest);
                }
            }
        }
        (None, None) => {}
    }
    let mut seen = rustc_hash::FxHashSet::default();
    missing.retain(|digest| seen.insert(*digest));
    let lines: String = missing.iter().map(|digest| format!("{digest}\n")).collect();
    Output::standard().write_all(lines.as_bytes())?;
    Ok(if missing.is_empty() { Outcome::Fine } else { Outcome::Errors })
}

// All that a tree needs; what cannot be followed is missing.
fn below(store: &Store, root: &Digest, digests: &mut Vec<Digest>, missing: &mut Vec<Digest>) -> Result<(), Failure> {
    let mut reachable = Reachable::new(store);
    missing.extend(reachable.add_tree(root).map_err(failed)?.into_iter().map(|(digest, _)| digest));
    digests.extend(reachable.sorted());
    Ok(())
}
