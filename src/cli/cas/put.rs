//! `dscript cas put`: files and directories into a store, and to a server.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::failed;
use super::place::{Place, StoreArgs, connect};
use super::progress::Bar;
use crate::cas::remote::Blob;
use crate::cas::tree::{Reachable, capture, capture_file};
use crate::cas::{Digest, Keep, Store};
use crate::cli::options::RemoteArgs;
use crate::cli::output::Output;
use crate::cli::{Failure, Outcome};

/// Arguments of `cas put`.
#[derive(Args, Debug)]
pub(super) struct PutArgs {
    /// Files and directories; `-` is standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Let files share their room on the disk with the store, which makes them read-only
    #[arg(long)]
    link: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(args: &PutArgs) -> Result<Outcome, Failure> {
    let remote = connect(&args.remote)?;
    let place = match &remote {
        Some(_) => Place::with_server(&args.store, &env::temp_dir())?,
        None => Place::to_add(&args.store)?,
    };
    let store = &place.store;
    // Nothing is removed between adding contents and noting that they are to stay.
    let _hold = store.hold().map_err(failed)?;
    let keep = if args.link { Keep::Link } else { Keep::Copy };
    let mut lines = String::new();
    let mut all = Reachable::new(store);
    for path in &args.paths {
        let (digest, is_tree, name) = put(store, path, keep)?;
        if place.stays() {
            store.add_root(&digest, is_tree, &name).map_err(failed)?;
        }
        if remote.is_some() {
            if is_tree {
                all.add_tree(&digest).map_err(failed)?;
            } else {
                all.add_blob(digest);
            }
        }
        lines.push_str(&format!("{digest}\n"));
    }
    if let Some(remote) = remote {
        let blobs: Vec<Blob> = all.sorted().into_iter().map(Blob::Stored).collect();
        remote.upload(store, &blobs, &Bar::new("Sending")).map_err(failed)?;
    }
    // Digests are told when they can be used.
    Output::standard().write_all(lines.as_bytes())?;
    Ok(Outcome::Fine)
}

// What it is, whether that is a directory, and what it is called.
fn put(store: &Store, path: &Path, keep: Keep) -> Result<(Digest, bool, String), Failure> {
    if path == Path::new("-") {
        let digest = store.add_reader(io::stdin().lock()).map_err(failed)?;
        return Ok((digest, false, "standard input".to_owned()));
    }
    // The path itself may be a link; it is what it leads to that is meant.
    let real = fs::canonicalize(path).map_err(|error| Failure::file("read", path, error))?;
    let name = real.to_string_lossy().into_owned();
    if real.is_dir() {
        return Ok((capture(store, &real, keep).map_err(failed)?.root, true, name));
    }
    Ok((capture_file(store, &real, keep).map_err(failed)?.0, false, name))
}
