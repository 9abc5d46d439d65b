//! `dscript cas get`: a file or a directory from a store, or from a server.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::failed;
use super::place::{Place, StoreArgs, connect};
use super::progress::Bar;
use crate::cas::remote::{Remote, Wanted};
use crate::cas::tree::{checkout, decode_directory};
use crate::cas::{Digest, Materialize, Store, StoreError};
use crate::cli::options::RemoteArgs;
use crate::cli::output::Output;
use crate::cli::{Failure, Outcome};

/// No message of a directory is larger; it would name a hundred thousand files.
const LARGEST_DIRECTORY: u64 = 16 << 20;

/// Arguments of `cas get`.
#[derive(Args, Debug)]
pub(super) struct GetArgs {
    /// What to get, as `hash/size`
    #[arg(value_name = "DIGEST")]
    digest: Digest,
    /// Where to put it: nothing may be there, or, for a directory, an empty one; `-` is standard output
    #[arg(value_name = "DEST", value_hint = ValueHint::AnyPath)]
    destination: PathBuf,
    /// It is a directory
    #[arg(long, conflicts_with = "file")]
    tree: bool,
    /// It is a file
    #[arg(long)]
    file: bool,
    /// Make the file executable
    #[arg(long, conflicts_with = "tree")]
    executable: bool,
    /// Make copies, which can be written to
    #[arg(long)]
    writable: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(args: &GetArgs) -> Result<Outcome, Failure> {
    let remote = connect(&args.remote)?;
    let target = args.destination.as_path();
    let to_output = target == Path::new("-");
    if to_output && args.tree {
        return Err(Failure::Usage("a directory cannot be written to standard output".to_owned()));
    }
    let beside = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !to_output => folder,
        _ => Path::new("."),
    };
    let place = match &remote {
        Some(_) => Place::with_server(&args.store, beside)?,
        None => Place::existing(&args.store)?,
    };
    let store = &place.store;
    let _hold = store.hold().map_err(failed)?;
    let digest = &args.digest;
    let is_tree =
        if args.tree || args.file || to_output { args.tree } else { is_tree(store, remote.as_ref(), digest)? };
    if let Some(remote) = &remote {
        let bar = Bar::new("Receiving");
        if is_tree {
            remote.fetch_tree(store, digest, &bar).map_err(failed)?;
        } else {
            fetch(remote, store, digest, args.executable, &bar)?;
        }
    }
    if is_tree {
        checkout(store, digest, target, args.writable).map_err(failed)?;
    } else if to_output {
        print(store, digest)?;
    } else {
        put(args, store)?;
    }
    store.touch_root(digest, is_tree).map_err(failed)?;
    Ok(Outcome::Fine)
}

// A digest does not say whether it is that of a directory. Who put it into this store did; otherwise its content
// tells: hardly anything but the message of a directory can be read as one. No bytes at all are a file.
fn is_tree(store: &Store, remote: Option<&Remote>, digest: &Digest) -> Result<bool, Failure> {
    let roots = store.roots().map_err(failed)?;
    if let Some(root) = roots.iter().find(|root| root.digest == *digest) {
        return Ok(root.is_tree);
    }
    if digest.size == 0 || digest.size > LARGEST_DIRECTORY {
        return Ok(false);
    }
    let bytes = match (store.read(digest), remote) {
        (Ok(bytes), _) => bytes,
        // Not into the store yet: a directory comes after what is below it.
        (Err(error), Some(remote)) if error.is_miss() => remote.read(digest).map_err(failed)?,
        (Err(error), _) => return Err(failed(error)),
    };
    Ok(decode_directory(&bytes).is_ok())
}

fn fetch(remote: &Remote, store: &Store, digest: &Digest, executable: bool, bar: &Bar) -> Result<(), Failure> {
    let wanted = Wanted { digest: *digest, path: String::new(), executable };
    remote.fetch(store, &[wanted], bar).map(|_| ()).map_err(failed)
}

fn print(store: &Store, digest: &Digest) -> Result<(), Failure> {
    if *digest == Digest::EMPTY {
        return Ok(());
    }
    let path = store.path_of(digest).map_err(failed)?;
    let mut file = File::open(&path).map_err(|error| Failure::file("read", &path, error))?;
    Output::standard().write_with(|out| io::copy(&mut file, out).map(|_| ()))
}

fn put(args: &GetArgs, store: &Store) -> Result<(), Failure> {
    let target = args.destination.as_path();
    if fs::symlink_metadata(target).is_ok() {
        let text = format!("`{}` is there already; a file is only put where nothing is", target.display());
        return Err(Failure::Usage(text));
    }
    if args.digest == Digest::EMPTY {
        // Every store has that, whether it was put there or not.
        store.add_bytes(&[]).map_err(failed)?;
    }
    let how = Materialize { executable: args.executable, writable: args.writable };
    store.materialize(&args.digest, target, how).map_err(|error: StoreError| failed(error))
}
