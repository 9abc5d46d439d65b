//! `dscript cas stat`: what a store has.

use clap::Args;
use serde_json::{Value, json};

use super::failed;
use super::place::{Place, StoreArgs, connect};
use crate::cas::remote::Remote;
use crate::cas::{Digest, Store};
use crate::cli::figures::{grouped, size};
use crate::cli::options::RemoteArgs;
use crate::cli::output::FormatArgs;
use crate::cli::{Failure, Outcome};

/// Arguments of `cas stat`.
#[derive(Args, Debug)]
pub(super) struct StatArgs {
    /// A content, as `hash/size`
    #[arg(value_name = "DIGEST")]
    digest: Option<Digest>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(args: &StatArgs) -> Result<Outcome, Failure> {
    let remote = connect(&args.remote)?;
    let (value, lines, outcome) = match (&remote, &args.digest) {
        (Some(remote), Some(digest)) => {
            let there = remote.missing(&[*digest]).map_err(failed)?.is_empty();
            one(digest, there, Vec::new())
        }
        (Some(remote), None) => server(remote),
        (None, digest) => {
            let place = Place::existing(&args.store)?;
            match digest {
                Some(digest) => {
                    let there = *digest == Digest::EMPTY || place.store.contains(digest).map_err(failed)?;
                    let roots = place.store.roots().map_err(failed)?;
                    let names = roots.into_iter().filter(|root| root.digest == *digest).map(|root| root.name);
                    one(digest, there, names.collect())
                }
                None => whole(&place.store)?,
            }
        }
    };
    args.format.write(&value, &lines)?;
    Ok(outcome)
}

type Said = (Value, Vec<String>, Outcome);

fn one(digest: &Digest, there: bool, names: Vec<String>) -> Said {
    let value = json!({"digest": digest.to_string(), "present": there, "putAs": names});
    let mut line = format!("{digest}: {}", if there { "there" } else { "missing" });
    for name in &names {
        line.push_str(&format!(", put as `{}`", name.escape_debug()));
    }
    (value, vec![line], if there { Outcome::Fine } else { Outcome::Errors })
}

fn server(remote: &Remote) -> Said {
    let endpoint = &remote.options().endpoint;
    let results = remote.takes_results();
    let value = json!({"endpoint": endpoint, "takesResults": results, "executes": remote.executes()});
    let results = match results {
        Some(true) => "takes results of actions",
        Some(false) => "takes no results of actions",
        None => "does not say whether it takes results of actions",
    };
    let executes = if remote.executes() { "executes actions" } else { "does not execute actions" };
    (value, vec![format!("{endpoint} {results} and {executes}")], Outcome::Fine)
}

fn whole(store: &Store) -> Result<Said, Failure> {
    let stats = store.stats().map_err(failed)?;
    let roots = store.roots().map_err(failed)?;
    let trees = roots.iter().filter(|root| root.is_tree).count();
    let value = json!({
        "folder": store.folder().to_string_lossy(),
        "blobs": stats.blobs,
        "blobBytes": stats.bytes,
        "sharedBlobs": stats.shared_blobs,
        "sharedBytes": stats.shared_bytes,
        "putTrees": trees,
        "putBlobs": roots.len() - trees,
    });
    let lines = vec![
        format!(
            "{} blobs with {}, of which {} with {} are files elsewhere too",
            grouped(stats.blobs),
            size(stats.bytes),
            grouped(stats.shared_blobs),
            size(stats.shared_bytes)
        ),
        format!("{trees} directories and {} files were put in", roots.len() - trees),
    ];
    Ok((value, lines, Outcome::Fine))
}
